"""Classes of unequal size, worked: what class weights, sample weights, resampling and the focal loss do for the rare class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
from nn.data import compute_class_weight, compute_sample_weight, oversample, undersample

pytest.importorskip("sklearn")

from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score, recall_score
from sklearn.model_selection import train_test_split

from nn.estimators import NeuralClassifier

Array = np.ndarray[Any, Any]


def data(seed: int) -> tuple[Array, ...]:
    """Five of a hundred samples are of class 1, and the classes overlap."""
    x, y = make_classification(2000, 10, n_informative=4, weights=[0.95], flip_y=0.02, class_sep=0.7, random_state=seed)
    return tuple(train_test_split(x.astype(np.float32), y, stratify=y, random_state=seed))


def network(seed: int, **settings: Any) -> NeuralClassifier:
    return NeuralClassifier((16,), learning_rate=0.01, epochs=15, random_state=seed, **settings)


def plain(x: Array, y: Array, seed: int) -> NeuralClassifier:
    return network(seed).fit(x, y)


def class_weights(x: Array, y: Array, seed: int) -> NeuralClassifier:
    return network(seed, class_weight="balanced").fit(x, y)


def own_class_weights(x: Array, y: Array, seed: int) -> NeuralClassifier:
    return network(seed, class_weight=dict(enumerate(compute_class_weight(y)))).fit(x, y)


def sample_weights(x: Array, y: Array, seed: int) -> NeuralClassifier:
    return network(seed).fit(x, y, sample_weight=compute_sample_weight(y))


def more_of_the_rare(x: Array, y: Array, seed: int) -> NeuralClassifier:
    chosen = oversample(y, ag.Generator(seed))
    return network(seed).fit(x[chosen], y[chosen])


def less_of_the_common(x: Array, y: Array, seed: int) -> NeuralClassifier:
    chosen = undersample(y, ag.Generator(seed))
    return network(seed).set_params(epochs=60).fit(x[chosen], y[chosen])


def focal_with_weights(x: Array, y: Array, seed: int) -> NeuralClassifier:
    return network(seed, loss="focal", class_weight="balanced").fit(x, y)


REMEDIES = [class_weights, own_class_weights, sample_weights, more_of_the_rare, less_of_the_common, focal_with_weights]


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda f: f.__name__)
def test_the_rare_class_is_found_more_often(remedy: Callable[..., NeuralClassifier]) -> None:
    """Balanced accuracy and the recall of the rare class, over ten seeds, by a sign test (p = 0.011)."""
    balanced = found = 0
    for seed in range(10):
        x, test, y, expected = data(seed)
        before, after = (f(x, y, seed).predict(test) for f in (plain, remedy))
        balanced += balanced_accuracy_score(expected, after) > balanced_accuracy_score(expected, before)
        found += recall_score(expected, after) > recall_score(expected, before)
    assert balanced >= 9 and found >= 9, (balanced, found)


def test_the_remedies_by_weights_are_one() -> None:
    x, test, y, _ = data(0)
    first, *others = (f(x, y, 0).predict_proba(test) for f in (class_weights, own_class_weights, sample_weights))
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-3, atol=1e-5)


def test_focal_loss_alone_is_no_remedy() -> None:
    """It weighs hard samples, not rare ones: without class weights the rare class is not found more often in nine of ten."""
    found = 0
    for seed in range(10):
        x, test, y, expected = data(seed)
        scores = [recall_score(expected, m.fit(x, y).predict(test)) for m in (network(seed), network(seed, loss="focal"))]
        found += scores[1] > scores[0]
    assert found < 9
