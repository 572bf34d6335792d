"""Programs that several threads share: the same results as on one, whatever is split, added up or stacked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd.compiler import split

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def every_step_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(split, "PROGRAM", 0.0)
    monkeypatch.setattr(split, "STEP", 0.0)
    before = ag.get_num_threads()
    yield
    ag.set_num_threads(before)


def leaf(*shape: int, dtype: Any = np.float64) -> ag.Tensor:
    return ag.Tensor(RNG.normal(size=shape).astype(dtype), requires_grad=True)


def gelu(x: Any) -> Any:
    return 0.5 * x * (1 + ag.tanh(0.797 * (x + 0.0447 * x**3)))


def layer_norm(x: Any, w: Any, b: Any) -> Any:
    d = x - ag.mean(x, axis=-1, keepdims=True)
    return d / ag.sqrt(ag.mean(d * d, axis=-1, keepdims=True) + 1e-5) * w + b


CASES: dict[str, Any] = {
    "elementwise, flat": (gelu, [(5000, 3)]),
    "sum of everything": (lambda x: ag.sum(ag.exp(x)), [(4099,)]),
    "largest of everything": (lambda x: ag.max(ag.sin(x)), [(4099,)]),
    "sum over rows": (lambda x: ag.sum(ag.tanh(x), axis=0), [(1001, 7)]),
    "product over rows": (lambda x: ag.prod(1 + x / 100, axis=0), [(101, 7)]),
    "largest of columns": (lambda x: ag.max(x, axis=0), [(101, 7)]),
    "softmax": (lambda x: nn.functional.softmax(x), [(33, 100)]),
    "layer norm": (layer_norm, [(33, 100), (100,), (100,)]),
    "product, rows": (lambda a, b: a @ b, [(203, 50), (50, 70)]),
    "product, columns": (lambda a, b: a @ b, [(40, 50), (50, 203)]),
    "product, turned": (lambda a, b: a.T @ b.T, [(50, 203), (70, 50)]),
    "stack of products": (lambda a, b: a @ b, [(3, 5, 40, 30), (3, 5, 30, 20)]),
    "stack of small products": (lambda a, b: a @ b, [(7, 4, 3), (7, 3, 5)]),
    "one matrix for a stack": (lambda a, b: a @ b, [(40, 30), (6, 30, 20)]),
    "picking": (lambda x: x[np.arange(50)[::-1] % 7], [(9, 5)]),
    "sum of two axes": (lambda x: ag.sum(x * x, axis=(0, 2)), [(20, 3, 11)]),
    "sum of the last axes": (lambda x: ag.sum(x * x, axis=(1, 2)), [(20, 3, 11)]),
}
ALONE = ["picking"]
"""Whose only kernel adds up at places that are known when it runs."""


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("name", CASES)
def test_shared_programs_compute_the_same(name: str, threads: int) -> None:
    f, shapes = CASES[name]
    leaves = [leaf(*shape) for shape in shapes]

    def step() -> Any:
        for x in leaves:
            x.grad = None
        y = f(*leaves)
        (y * y).sum().backward()
        return y

    expected = step().numpy().copy()
    gradients = [x.grad.numpy().copy() for x in leaves]
    ag.set_num_threads(threads)
    compiled = ag.jit(step)
    for _ in range(3):
        np.testing.assert_allclose(compiled().numpy(), expected, rtol=1e-10)
        for x, gradient in zip(leaves, gradients, strict=True):
            np.testing.assert_allclose(x.grad.numpy(), gradient, rtol=1e-9, atol=1e-12)
    assert ("thread" in compiled.source()) is (name not in ALONE)
    ag.set_num_threads(1)  # the same program, by the calling thread alone
    np.testing.assert_allclose(compiled().numpy(), expected, rtol=1e-10)


def test_a_training_step_is_shared() -> None:
    x, y = RNG.normal(size=(40, 30)), RNG.integers(0, 5, 40)

    def train(compile_it: bool) -> list[Any]:
        ag.manual_seed(0)
        model = nn.Sequential(nn.Linear(30, 64), nn.Tanh(), nn.Linear(64, 5))
        optimizer = optim.Adam(model.parameters(), lr=0.01)

        def step(x: Any, y: Any) -> Any:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        step = ag.jit(step) if compile_it else step
        losses = [step(ag.Tensor(x.astype(np.float32)), ag.Tensor(y)).item() for _ in range(20)]
        return [*losses, *(p.numpy().copy() for p in model.parameters())]

    alone = train(False)
    ag.set_num_threads(2)
    for a, b in zip(train(True), alone, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def test_more_threads_are_taken_up() -> None:
    x = leaf(4000)
    total = ag.jit(lambda: ag.exp(x).sum())
    ag.set_num_threads(1)
    total()
    assert "thread" not in total.source()
    ag.set_num_threads(2)
    total()
    assert "thread" in total.source()
