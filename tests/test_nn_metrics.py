"""Metrics: scikit-learn's numbers, of what networks give."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd.errors import ArgumentError, ShapeError, UnsupportedError
from nn import metrics as M

sk = pytest.importorskip("sklearn.metrics")

RANDOM = np.random.default_rng(0)
LOGITS, CLASSES = RANDOM.normal(size=(60, 4)), RANDOM.integers(0, 4, 60)
TWO = RANDOM.integers(0, 2, 60)
SCORES = RANDOM.random(60) * 0.7 + 0.3 * TWO
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
CHOSEN = LOGITS.argmax(1)


def score_of(name: str, *args: Any, **settings: Any) -> float:
    return float(getattr(sk, name)(*args, **settings))


@pytest.mark.parametrize("form", [np.asarray, ag.Tensor])
@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_by_class(form: Any, average: str) -> None:
    for name in ("precision", "recall", "f1"):
        expected = score_of(f"{name}_score", CLASSES, CHOSEN, average=average, zero_division=0)
        assert getattr(M, name)(form(LOGITS), form(CLASSES), average) == pytest.approx(expected, rel=1e-12)
        assert getattr(M, name)(form(SHARES), form(CLASSES), average) == pytest.approx(expected, rel=1e-12)
        assert getattr(M, name)(CHOSEN, CLASSES, average) == pytest.approx(expected, rel=1e-12)


def test_defaults_for_two_and_more_classes() -> None:
    chosen = (SCORES > 0.5).astype(int)
    both = np.stack([1 - SCORES, SCORES], 1)
    for name in ("precision", "recall", "f1"):
        expected = score_of(f"{name}_score", TWO, chosen)
        for output in (SCORES, SCORES[:, None], both, chosen, ag.Tensor(SCORES)):
            assert getattr(M, name)(output, TWO) == expected
        assert getattr(M, name)(SCORES, TWO[:, None].astype(np.float32)) == expected
        assert getattr(M, name)(np.log(SCORES / (1 - SCORES + 1e-9)), TWO, threshold=0.0) == expected
        assert getattr(M, name)(LOGITS, CLASSES) == getattr(M, name)(LOGITS, CLASSES, "macro")
    assert M.accuracy(SCORES[:, None], TWO) == score_of("accuracy_score", TWO, chosen)
    assert M.balanced_accuracy(LOGITS, CLASSES) == pytest.approx(score_of("balanced_accuracy_score", CLASSES, CHOSEN))
    assert M.balanced_accuracy([1, 1], [0, 0]) == 0.0


def test_roc_auc() -> None:
    expected = score_of("roc_auc_score", TWO, SCORES)
    both = np.stack([1 - SCORES, SCORES], 1)
    for output in (SCORES, SCORES[:, None], both, np.log(both), ag.Tensor(SCORES)):
        assert M.roc_auc(output, TWO) == pytest.approx(expected, rel=1e-12)
    several = score_of("roc_auc_score", CLASSES, SHARES, multi_class="ovr")
    assert M.roc_auc(LOGITS, CLASSES) == pytest.approx(several, rel=1e-12) == M.roc_auc(SHARES, CLASSES)
    assert np.isnan(M.roc_auc(SCORES, TWO * 0)) and np.isnan(M.roc_auc(SCORES * np.nan, TWO))
    with pytest.raises(ShapeError, match=r"\(60,\) and \(59,\)"):
        M.roc_auc(SCORES, TWO[1:])
    with pytest.raises(ArgumentError, match="target 4 is not a class"):
        M.roc_auc(LOGITS, CLASSES + 4)


def test_regression() -> None:
    a, b = RANDOM.normal(size=(2, 30, 1))
    assert M.mean_absolute_error(ag.Tensor(a), b) == pytest.approx(score_of("mean_absolute_error", b, a))
    with pytest.raises(ShapeError, match=r"\(30,\)"):
        M.mean_absolute_error(a, b[:, 0])
    assert np.isnan(M.mean_absolute_error(a[:0], b[:0]))


def test_edges() -> None:
    for metric in (M.precision, M.recall, M.f1, M.balanced_accuracy):
        assert np.isnan(metric(np.zeros((0, 3)), np.zeros(0, int)))
        with pytest.raises(ShapeError):
            metric(np.zeros((3, 2)), np.zeros(2, int))
    assert M.precision([0, 0], [1, 1]) == 0.0
    with pytest.raises(ArgumentError, match="'mean'"):
        M.f1(LOGITS, CLASSES, "mean")


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What names itself scikit-learn's says what to install; accuracy and the regression figures need nothing."""
    for name in [n for n in sys.modules if n.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    for metric in (M.precision, M.recall, M.f1, M.roc_auc, M.balanced_accuracy):
        with pytest.raises(UnsupportedError, match=r"wengert\[data\]"):
            metric(SCORES, TWO)
    assert M.accuracy(LOGITS, CLASSES) >= 0 and M.confusion(LOGITS, CLASSES, 4).sum() == 60
    M.mean_squared_error(SCORES, SCORES), M.mean_absolute_error(SCORES, SCORES), M.r2_score(SCORES, SCORES)
