"""What a program does at once though it was written in pieces: joined arrays, gradients of slices, many small products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn

pytestmark = pytest.mark.skipif(not ag.can_compile(), reason="nothing can be compiled here")

DRAWN = np.random.default_rng(0)
X, Y, W = DRAWN.random((6, 5)), DRAWN.random((3, 5)), DRAWN.random((5, 5)) / 3


def recurrent(x: Any, w: Any) -> Any:
    h = x[0:2] @ w
    for t in range(2, 6):
        h = np.tanh(x[t : t + 1] @ w + h @ w)
    return h


def known_before(x: Any, w: Any) -> Any:
    steps = [x[t : t + 1] for t in range(6)]
    h, seen = steps[0], []
    for step in steps[1:]:
        h = np.tanh(step @ w + h @ w + w.sum(0))
        seen.append(h)
    return np.concatenate(seen)[::-1][1:4:2]


def feeds_itself(x: Any, w: Any) -> Any:
    """Products with one factor, of which each needs the one before."""
    for _ in range(6):
        x = x @ w
    return x


def crossed(x: Any, w: Any) -> Any:
    """Each of two factors meets what the other made."""
    a, b = [x[k : k + 1] @ w for k in range(5)], [x[k : k + 1] @ w.T for k in range(5)]
    return sum(p @ w.T for p in a) * sum(q @ w for q in b)


def hoisted(x: Any, w: Any) -> Any:
    """A recurrence whose input is made for all steps at once."""
    given = (np.stack([x, 2 * x], axis=1) @ w + w[0]) * 3  # (6, 2, 5)
    h = given[0]
    for t in range(1, 6):
        h = np.tanh(given[t] + h @ w.T)
    return h


FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "rows": (lambda x, y: np.concatenate([x, y * 2, x + 1]), (X, Y)),
    "columns": (lambda x, y: np.concatenate([x.T, y.T], axis=1) * 3, (X, Y)),
    "stack": (lambda x: np.stack([x, np.exp(x), x])[1:].sum(0), (X,)),
    "numbers": (lambda x, y: np.stack([x.sum(), y.sum(), x[0, 0]]), (X, Y)),
    "stack of columns in a product": (lambda x, y: np.stack([x[:, 0], x[:, 1]], axis=1) @ y[:2], (X, Y)),
    "what is joined and reduced": (lambda x: np.concatenate([x, x.sum(0, keepdims=True)]), (X,)),
    "joined in joined": (lambda x, y: np.concatenate([np.concatenate([x, y]) * 2, np.concatenate([y, x])]) @ W, (X, Y)),
    "one twice": (lambda x: np.concatenate([x @ W, x @ W]) + 1, (X,)),
    "one column": (lambda x: np.stack([x[:, 0] * 2, x[:, 1]], axis=1)[:, -1] * x[0, 0], (X,)),
    "a slice over a border": (lambda x, y: np.concatenate([x, y])[5:7], (X, Y)),
    "backwards": (lambda x, y: np.concatenate([x, y])[8:2:-1], (X, Y)),
    "slices apart": (lambda x: np.tanh(x[:2]) * 3 + x[2:4] * x[4:], (X,)),
    "slices with gaps": (lambda x: np.exp(x[:, 0]) + x[:, 1] * 2 + x[:, 3], (X,)),
    "slices that overlap": (lambda x: x[1:] * x[:-1], (X,)),
    "slices and the whole": (lambda x: np.concatenate([x[:, :2] ** 2, x[:, 2:]], axis=1) * x, (X,)),
    "slices of slices": (lambda x: np.tanh(x[1:3])[0:1] * 3 + np.stack([x[0], x[1] * 2, x[3]])[1], (X,)),
    "recurrent": (recurrent, (X, W)),
    "known before": (known_before, (X, W)),
    "feeds itself": (feeds_itself, (X, W)),
    "crossed": (crossed, (X, W)),
    "hoisted": (hoisted, (X, W)),
    "cheap slices": (lambda x, y: np.tanh((x + 2 * x[0])[:2]) * (x + 2 * x[0])[3:5] + y[1], (X, Y)),
    "cheap columns": (lambda x, y: sum(np.exp(z[:, 1]) + z[:, 3] * 2 for z in [x - y[0, 0]]), (X, Y)),
    "cheap slices that overlap": (lambda x: sum(z[1:] * z[:-1] for z in [x + x[0]]), (X,)),
    "cheap rows": (lambda x: sum(np.sin(z[t]) * t for z in [(x @ W).reshape(3, 2, 5) * 2] for t in range(3)), (X,)),
    "rows that are not whole": (lambda x: sum(z[t] ** 2 for z in [(x @ W).reshape(10, 3)] for t in range(1, 10)), (X,)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients_are_those_of_the_pieces(name: str) -> None:
    function, arrays = FUNCTIONS[name]

    def both(*given: Any) -> Any:
        leaves = [a.detach().requires_grad_() for a in given]
        y = function(*leaves)
        (y * np.cos(np.arange(y.size)).reshape(y.shape)).sum().backward()
        return y.detach(), *(leaf.grad for leaf in leaves)

    tensors = [ag.from_numpy(a) for a in arrays]
    compiled = ag.jit(both)
    for _ in range(2):
        for expected, found in zip(both(*tensors), compiled(*tensors), strict=True):
            np.testing.assert_allclose(found.numpy(), expected.numpy(), 1e-11, 1e-11)
    assert compiled.explain().segments == 0


def products(step: Any) -> int:
    return sum("matmul" in kernel.functions for kernel in step.explain().kernels)


def test_a_bias_before_slices_is_no_pass_of_its_own() -> None:
    step = ag.jit(lambda x: sum(np.tanh(z[t]) for z in [(x @ W).reshape(3, 2, 5) + W[0]] for t in range(3)))
    step(X)
    assert not any(kernel.functions == ["add"] for kernel in step.explain().kernels)


def test_a_recurrent_layer_makes_few_products() -> None:
    steps, model = 12, nn.LSTM(8, 16)
    x = ag.Tensor(np.random.default_rng(0).normal(size=(steps, 4, 8)).astype(np.float32))

    @ag.jit
    def step(x: Any) -> Any:
        for p in model.parameters():
            p.grad = None
        loss = (model(x)[0][-1] ** 2).sum()
        loss.backward()
        return loss

    step(x)
    assert products(step) == steps + (steps - 1) + 3  # forward of h, backward of h; inputs and both weights' gradients once
    kernels = step.source().count("def kernel")
    assert kernels < 40  # and not one for every step
    shapes = [kernel.shape for kernel in step.explain().kernels if "join" in kernel.functions and len(kernel.functions) == 1]
    assert len(shapes) < 4  # gradients of gates are made where they are joined, for both products that take them


def test_products_that_wait_for_each_other_stay_apart() -> None:
    chain = ag.jit(feeds_itself)
    chain(X, W)
    assert products(chain) == 6


def test_what_many_products_take_transposed_is_turned_once() -> None:
    w = DRAWN.random((32, 32))

    @ag.jit
    def step(x: Any, w: Any) -> Any:
        for _ in range(6):
            x = np.tanh(x @ w.T)
        return x

    expected = X[:, :1] @ np.ones((1, 32)) / 32
    given = ag.Tensor(expected)
    for _ in range(6):
        expected = np.tanh(expected @ w.T)
    np.testing.assert_allclose(step(given, w).numpy(), expected, 1e-12)
    program = step.source()
    assert ".T" not in program and "# join, transpose" in program


def test_slices_of_a_chain_keep_all_of_it() -> None:
    """What two operands of a sum are cut from had the same place in the order of the program, and one was lost."""
    x = ag.Tensor(np.arange(9.0).reshape(3, 3) / 7)

    def step(x: Any) -> Any:
        z = ((x * 2 - 1) * 3 - (x * 5 + 1) * 4) * (x - 7) * 0.5 + x * x
        return np.tanh(z[:2]).sum() + np.exp(z[2:]).sum()

    np.testing.assert_allclose(ag.jit(step)(x).item(), step(x).item())


LABELS = np.array([3, 0, 4, 4, 2, 1])


def picked_by(f: Any, label: Any) -> Any:
    return ag.take_along_axis(f, label.reshape(-1, 1), axis=1).sum(axis=1)


PICKED: dict[str, Callable[..., Any]] = {
    "an argument": lambda x, w, k: picked_by(x, k),
    "composed of rows": lambda x, w, k: picked_by(np.exp(x - x.max(axis=1, keepdims=True)) * 2 + w[0], k),
    "a product and a bias": lambda x, w, k: picked_by(x @ w + w[1], k) - np.log(np.exp(x @ w + w[1]).sum(axis=1)),
    "what is read elsewhere": lambda x, w, k: picked_by(np.tanh(x), k) * np.tanh(x).sum(axis=1),
    "a sum over rows inside": lambda x, w, k: picked_by(x / np.abs(x).sum(axis=0, keepdims=True), k),
    "one label for all": lambda x, w, k: picked_by(x * 3, k[:1] * np.ones(6, int)),
}


@pytest.mark.parametrize("name", PICKED)
def test_one_element_of_each_row_is_computed_alone(name: str) -> None:
    def both(x: Any, w: Any, k: Any) -> Any:
        leaves = [a.detach().requires_grad_() for a in (x, w)]
        y = PICKED[name](*leaves, k)
        (y * np.arange(1, 7)).sum().backward()
        return y.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)

    tensors = [ag.Tensor(a) for a in (X, W, LABELS)]
    compiled = ag.jit(both)
    for _ in range(2):
        for expected, found in zip(both(*tensors), compiled(*tensors), strict=True):
            np.testing.assert_allclose(found.numpy(), expected.numpy(), 1e-12, 1e-12)


def test_a_cross_entropy_looks_at_one_logit_of_each_row() -> None:
    target = np.random.default_rng(0).integers(0, 300, 64)

    @ag.jit
    def loss(x: Any, k: Any) -> Any:
        return nn.functional.cross_entropy(x, k)

    x = np.random.default_rng(1).normal(size=(64, 300)).astype(np.float32)
    assert loss(x, target).item() == pytest.approx(nn.functional.cross_entropy(ag.Tensor(x), target).item(), rel=1e-6)
    assert "picked" not in str(loss.passes()).split("Nothing to do:")[-1]
