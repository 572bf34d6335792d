"""Bagging, boosting, voting and stacking by scikit-learn on our networks: each does what the course notes say of it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_digits
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, BaggingRegressor, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from nn.estimators import NeuralClassifier, NeuralRegressor

Data = tuple[np.ndarray, ...]


@pytest.fixture(scope="module")
def digits() -> Data:
    """Few to learn from: 150; 1,000 to judge by."""
    x, y = load_digits(return_X_y=True)
    return tuple(train_test_split((x / 16).astype(np.float32), y, train_size=150, test_size=1000, stratify=y, random_state=0))


def network(seed: int = 0, **settings: Any) -> NeuralClassifier:
    usual = {"hidden_layer_sizes": (32,), "learning_rate": 0.01, "epochs": 40, "random_state": seed}
    return NeuralClassifier(**{**usual, **settings})


def test_bagging_is_better_than_its_members(digits: Data) -> None:
    """Over ten seeds, by a sign test (p = 0.011)."""
    x, test, y, expected = digits
    wins = 0
    for seed in range(10):
        bag = BaggingClassifier(network(epochs=25), n_estimators=5, random_state=seed).fit(x, y)
        members = [np.mean(m.predict(test) == expected) for m in bag.estimators_]
        wins += bag.score(test, expected) > np.mean(members)
    assert wins >= 9


def test_bagging_of_numbers(digits: Data) -> None:
    x, test, y, expected = digits
    one = NeuralRegressor((32,), learning_rate=0.01, epochs=40, random_state=0)
    bag = BaggingRegressor(one, n_estimators=5, random_state=0).fit(x, y)
    assert bag.score(test, expected) > np.mean([m.score(test, expected) for m in bag.estimators_]) > 0.2


def test_boosting_weighs_what_was_wrong(digits: Data) -> None:
    """Weak networks, of 4 hidden neurons and 15 epochs; AdaBoost needs `sample_weight`."""
    x, test, y, expected = digits
    weak = network(hidden_layer_sizes=(4,), epochs=15, learning_rate=0.02)
    boosted = AdaBoostClassifier(weak, n_estimators=15, random_state=0).fit(x, y)
    assert boosted.score(test, expected) > weak.fit(x, y).score(test, expected) + 0.1
    weights = np.where(y == 3, 50.0, 1.0)
    recall = [np.mean(m.predict(test[expected == 3]) == 3) for m in (weak, weak.fit(x, y, sample_weight=weights))]
    assert recall[1] > 0.9


def test_voting_and_stacking_of_different_networks(digits: Data) -> None:
    x, test, y, expected = digits
    members = [("tanh", network(1, activation="tanh")), ("deep", network(2, hidden_layer_sizes=(16, 16))),
               ("line", network(3, hidden_layer_sizes=()))]  # fmt: skip
    alone = [m.fit(x, y).score(test, expected) for _, m in members]
    for how in ("soft", "hard"):
        assert VotingClassifier(members, voting=how).fit(x, y).score(test, expected) > np.mean(alone)
    stack = StackingClassifier(members, LogisticRegression(C=10), cv=3).fit(x, y)
    assert stack.score(test, expected) > np.mean(alone) - 0.02


def test_as_good_as_scikit_learns_own_network() -> None:
    """The same architecture, rate and epochs on the digits: medians over seeds 0–4 within one percent. (Which is faster is
    measured by hand, in turns, not asserted: a test that depends on the load of the machine is no test.)"""
    x, y = load_digits(return_X_y=True)
    train, test, y, expected = train_test_split(x / 16, y, test_size=0.2, stratify=y, random_state=0)
    scores = []
    for seed in range(5):
        ours = NeuralClassifier((32,), learning_rate=0.005, epochs=20, random_state=seed)
        theirs = MLPClassifier((32,), learning_rate_init=0.005, max_iter=20, alpha=0.0, n_iter_no_change=100, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # theirs warns that it has not converged
            scores.append([m.fit(train, y).score(test, expected) for m in (ours, theirs)])
    ours_, theirs_ = np.median(scores, axis=0)
    assert ours_ > theirs_ - 0.01 and ours_ > 0.93, scores
