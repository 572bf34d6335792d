"""Sums that are taken apart so that they need not wait: the same numbers, in fewer passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
from nn import functional as F

pytestmark = pytest.mark.skipif(not ag.can_compile(), reason="nothing can be compiled here")

DRAWN = np.random.default_rng(0)
X, Y, W = DRAWN.normal(size=(5, 7)), DRAWN.normal(size=(5, 7)), DRAWN.normal(size=7)


def mean(x: Any, axis: int = 1) -> Any:
    return x.mean(axis=axis, keepdims=True)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "scaled by a sum": lambda x, y, w: np.sum(x * mean(y), axis=1),
    "two terms": lambda x, y, w: np.sum(x * mean(y) - y / (2 + mean(x) ** 2), axis=1),
    "a row among them": lambda x, y, w: np.sum(w * mean(y) + x * mean(x), axis=1, keepdims=True),
    "what is the same everywhere": lambda x, y, w: np.sum(x - mean(x) * y, axis=1),
    "numbers and signs": lambda x, y, w: np.sum(-(3 * (x * mean(y))) / 2, axis=1),
    "over rows": lambda x, y, w: np.sum(x * mean(y, 0) + w * mean(x, 0), axis=0),
    "over all": lambda x, y, w: np.sum(x * np.mean(y) + w * np.mean(x)),
    "a factor with fewer axes": lambda x, y, w: np.sum(x * np.mean(w) + np.max(y), axis=0),
    "many terms": lambda x, y, w: np.sum((x + y + x * y + x / 3 + y**2) * mean(y), axis=1),
    "a constant": lambda x, y, w: np.sum(np.ones((5, 7), np.float32) * mean(y), axis=1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_numbers_are_the_same(name: str) -> None:
    function = FUNCTIONS[name]
    step = ag.jit(function)
    np.testing.assert_allclose(step(X, Y, W).numpy(), function(X, Y, W), 1e-13)
    narrow = [a.astype(np.float32) for a in (X, Y, W)]
    assert step(*narrow).dtype == np.float32
    np.testing.assert_allclose(step(*narrow).numpy(), function(X, Y, W), 2e-5, 2e-5)


def test_a_layer_norm_with_its_derivative_goes_over_its_rows_three_times() -> None:
    @ag.jit
    def step(x: Any, w: Any) -> Any:
        leaf = x.detach().requires_grad_()
        F.layer_norm(leaf, (7,), w).sum().backward()
        return leaf.grad

    x, w = ag.Tensor(X), ag.Tensor(W)
    plain = x.detach().requires_grad_()
    F.layer_norm(plain, (7,), w).sum().backward()
    np.testing.assert_allclose(step(x, w).numpy(), plain.grad.numpy(), 1e-10, 1e-12)
    assert step.source().count("        for i1 in range(7):") == 3  # mean; variance and all that needs no more; the rest
