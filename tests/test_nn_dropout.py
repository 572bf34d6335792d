"""Dropout in its forms, and penalties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import parity
import pytest

import autograd as ag
import nn
import nn.functional as F
import optim
from autograd.errors import AutogradError

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(1, 2, (6, 4, 5))
FORMS: dict[str, tuple[str, tuple[int, ...]]] = {
    "dropout": ("Dropout", (6, 4, 5)), "dropout1d": ("Dropout1d", (6, 4, 5)), "dropout2d": ("Dropout2d", (6, 4, 5, 2)),
    "dropout3d": ("Dropout3d", (3, 4, 2, 2, 2)), "alpha_dropout": ("AlphaDropout", (6, 4, 5)),
    "feature_alpha_dropout": ("FeatureAlphaDropout", (6, 4, 5)),
}  # fmt: skip
PENALTIES = {"l1_penalty", "l2_penalty", "elastic_penalty"}


def test_everything_has_a_row() -> None:
    assert set(FORMS) | PENALTIES == set(F.regularization.__all__)
    assert {kind for kind, _ in FORMS.values()} == set(nn.layers.dropout.__all__)


@pytest.mark.parametrize("name", FORMS)
def test_form(name: str) -> None:
    kind, shape = FORMS[name]
    x = RANDOM.normal(1, 2, shape)
    f = lambda t: getattr(F, name)(t, 0.4, generator=ag.Generator(5))  # noqa: E731  (the same mask at each call)
    parity.right_derivatives(f, x, order=2)
    parity.keeps_float32(lambda: f, x)
    parity.any_layout(lambda: f, x)
    parity.under_jit(lambda: getattr(nn, kind)(0.4), x)
    module = getattr(nn, kind)(0.4)
    assert module.eval()(x.astype(np.float32)).shape == shape
    np.testing.assert_array_equal(module(ag.Tensor(x)).data, x)
    assert repr(module) == f"{kind}(p=0.4)"
    np.testing.assert_array_equal(getattr(F, name)(ag.Tensor(x), 0.0).data, x)


def test_the_share_dropped_and_the_expectation() -> None:
    y = F.dropout(ag.Tensor(np.ones(200_000)), 0.3, generator=ag.Generator(0)).data
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.005)
    assert set(np.unique(y.round(12))) == {0.0, round(1 / 0.7, 12)}
    assert y.mean() == pytest.approx(1.0, abs=0.01)


def test_the_gradient_is_dropped_where_the_value_was() -> None:
    x = ag.Tensor(np.ones(1000), requires_grad=True)
    y = F.dropout(x, 0.5)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, y.data)


@pytest.mark.parametrize(("name", "rank"), [("dropout1d", 1), ("dropout2d", 2), ("dropout3d", 3)])
def test_spatial_forms_drop_whole_channels(name: str, rank: int) -> None:
    x = np.ones((50, 8) + (3,) * rank)
    y = getattr(F, name)(ag.Tensor(x), 0.5).data.reshape(50, 8, -1)
    assert ((y == 0).all(axis=2) | (y == 2).all(axis=2)).all()
    assert 0.3 < (y[:, :, 0] == 0).mean() < 0.7
    assert getattr(F, name)(ag.Tensor(x[0]), 0.5).shape == x[0].shape


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    x = ag.Generator(1).normal(size=(400, 500))
    for f in (F.alpha_dropout, F.feature_alpha_dropout):
        y = f(ag.Tensor(x), 0.3).data
        assert abs(y.mean()) < 0.02
        assert abs(y.var() - 1) < 0.03


def test_p_of_one_is_zero_in_value_and_gradient() -> None:
    x = ag.Tensor([1.0, np.inf, -3.0], requires_grad=True)
    y = F.dropout(x, 1.0)
    y.sum().backward()
    assert y.tolist() == x.grad.tolist() == [0.0, 0.0, 0.0]


def test_one_stream_eager_compiled_and_resumed() -> None:
    layer = nn.Dropout(0.5, generator=ag.Generator(7))
    x = ag.Tensor(X)
    eager = [layer(x).data for _ in range(4)]
    layer.generator.manual_seed(7)
    compiled = ag.jit(lambda: layer(x))
    first = [compiled().data for _ in range(2)]
    state = layer.generator.get_state()
    again = nn.Dropout(0.5, generator=ag.Generator(0))
    again.generator.set_state(state)
    for a, b in zip(eager, [*first, again(x).data, again(x).data], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan"), "half", True])
@pytest.mark.parametrize("make", [lambda p: nn.Dropout(p), lambda p: F.dropout(ag.Tensor(X), p), lambda p: nn.AlphaDropout(p)])
def test_bad_probabilities(make: Callable[[Any], Any], p: Any) -> None:
    with pytest.raises(AutogradError) as caught:
        make(p)
    assert repr(p) in str(caught.value)


def test_bad_shapes() -> None:
    with pytest.raises(AutogradError, match=r"\(N, C, H, W\).*\(6, 4, 5, 1, 1\)"):
        F.dropout2d(ag.Tensor(X[..., None, None]))
    with pytest.raises(AutogradError, match=r"\(3,\)"):
        F.feature_alpha_dropout(ag.Tensor(np.ones(3)))


# ---- penalties -------------------------------------------------------------------------------------------------------


def test_formulas_of_penalties() -> None:
    w = [ag.Tensor(RANDOM.normal(size=s), requires_grad=True) for s in [(3, 2), (4,)]]
    values = np.concatenate([t.data.ravel() for t in w])
    np.testing.assert_allclose(F.l2_penalty(w, 0.3).item(), 0.3 * (values**2).sum(), 1e-12)
    np.testing.assert_allclose(F.l1_penalty(w, 0.3).item(), 0.3 * np.abs(values).sum(), 1e-12)
    np.testing.assert_allclose(F.elastic_penalty(w, 0.3, 0.2).item(), (0.3 * np.abs(values) + 0.2 * values**2).sum(), 1e-12)
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))
    weights = [model[0].weight, model[2].weight]
    np.testing.assert_allclose(F.l2_penalty(model, 1.0).item(), F.l2_penalty(weights, 1.0).item(), 1e-7)
    for penalty in (F.l1_penalty, F.l2_penalty):
        parity.right_derivatives(lambda a, f=penalty: f([a], 0.5), X, order=2)
        parity.under_jit(lambda f=penalty: lambda a: f([a], 0.5), X)


def trained(weight_decay: float = 0.0, penalty: float = 0.0, kind: str = "SGD") -> Any:
    ag.manual_seed(0)
    model = nn.Linear(5, 1, dtype=np.float64)
    x, y = ag.Tensor(X[:, :, :].reshape(-1, 5)), ag.Tensor(RANDOM.normal(size=(24, 1)) * 0 + 1)
    optimizer = getattr(optim, kind)(model.parameters(), lr=0.05, weight_decay=weight_decay)
    for _ in range(20):
        loss = F.mse_loss(model(x), y)
        if penalty:
            loss = loss + F.l2_penalty(model.parameters(), penalty)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return np.concatenate([p.data.ravel() for p in model.parameters()])


def test_the_notes_l2_is_weight_decay_of_twice_its_strength() -> None:
    np.testing.assert_allclose(trained(penalty=0.1), trained(weight_decay=0.2), 1e-12)
    assert np.abs(trained(penalty=0.1) - trained()).max() > 1e-3
    assert np.abs(trained(penalty=0.1, kind="AdamW") - trained(weight_decay=0.2, kind="AdamW")).max() > 1e-4


@pytest.mark.parametrize(("call", "shown"), [
    (lambda: F.l2_penalty([ag.Tensor([1.0])], -1.0), "-1"), (lambda: F.l1_penalty(nn.ReLU(), 1.0), "nothing"),
    (lambda: F.l1_penalty([1.0], 1.0), "float"), (lambda: F.l2_penalty([ag.Tensor([1.0])], np.nan), "nan"),
])  # fmt: skip
def test_bad_penalties(call: Callable[[], Any], shown: str) -> None:
    with pytest.raises(AutogradError) as caught:
        call()
    assert shown in str(caught.value)
