"""Compiled steps with arrays for which there is no machine code: complex, float16, long double. They are called back for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
import optim

pytest.importorskip("numba")

KINDS = ["c8", "c16", "f2", "g"]
CASES: dict[str, Callable[[Any, Any, Any], Any]] = {}


def case(function: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    CASES[function.__name__] = function
    return function


@case
def arithmetic(w: Any, b: Any, x: Any) -> Any:
    y = (x * 2 - b / 4 + 1) * 0.5
    return y, y.sum(axis=0), (y * y).mean(), -y, abs(y), y.T, y[0], y[:, ::-1], y.reshape(-1)


@case
def products(w: Any, b: Any, x: Any) -> Any:
    return x @ b.T, ag.einsum("ij,ij->i", x, b), ag.concatenate([x, b], axis=1), ag.where(abs(x) > 1, x, b)


@case
def as_they_stand(w: Any, b: Any, x: Any) -> Any:
    return x, b, x, ag.Tensor(x), b.detach()


@case
def to_and_from(w: Any, b: Any, x: Any) -> Any:
    real = ag.real(x).astype(np.float32)
    return real * 2, (real * 2).astype(x.dtype) + x, ag.imag(x), ag.conj(x), np.isfinite(x), x.astype(np.complex128)


@case
def a_gradient(w: Any, b: Any, x: Any) -> Any:
    y = w * x + b
    loss = (ag.real(y * ag.conj(y))).sum()
    w.grad = None
    loss.backward()
    with ag.no_grad():
        w.copy_(w - 0.125 * w.grad)
    return loss


@case
def writes(w: Any, b: Any, x: Any) -> Any:
    b[0] = x[1]
    b.T[2] += 1
    y = x * 1
    y[ag.argmax(abs(x[:, :2]), axis=1)] = b[0]
    x *= 0.5
    return y, b.sum()


@case
def numbers(w: Any, b: Any, x: Any) -> Any:
    real = ag.Tensor(np.ones(3, np.float32))
    return (real * 1j), (real + 2j * real) * (1 - 1j), np.fft.rfft(ag.real(x).astype(np.float64))


def leaves(tree: Any) -> list[Any]:
    if isinstance(tree, tuple):
        return [a for t in tree for a in leaves(t)]
    return [tree.detach().data.copy() if isinstance(tree, ag.Tensor) else tree]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_a_step_computes_as_without_jit(name: str, kind: str) -> None:
    values = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]]) * (1 + (0.5j if kind[0] == "c" else 0))
    seen = []
    for compiled in (False, True):
        w = ag.Tensor(values.astype(kind), requires_grad=True)
        b = ag.Tensor(values[::-1].astype(kind))

        def step(x: Any, w: Any = w, b: Any = b) -> Any:
            return CASES[name](w, b, x)

        call, found = ag.jit(step) if compiled else step, []
        for shift in (0, 1):
            x = ag.Tensor((values + shift).astype(kind))
            found += [*leaves(call(x)), w.data.copy(), b.data.copy(), x.data.copy()]
            found.append(None if w.grad is None else w.grad.data.copy())
        seen.append(found)
    for eager, jitted in zip(*seen, strict=True):
        if eager is None:
            assert jitted is None
        else:
            assert jitted.dtype == eager.dtype
            np.testing.assert_allclose(jitted, eager, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_training_in_other_dtypes(dtype: Any) -> None:
    seen = []
    for compiled in (False, True):
        w = ag.Tensor(np.array([0.5, -0.25], dtype), requires_grad=True)
        optimizer = optim.SGD([w], lr=0.125, momentum=0.5)

        def step(x: Any, w: Any = w, optimizer: Any = optimizer) -> Any:
            loss = ((w * x) ** 2).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        call = ag.jit(step) if compiled else step
        losses = [call(ag.Tensor(np.array([1.0, 2.0], dtype))).item() for _ in range(4)]
        assert w.dtype == dtype
        seen.append([losses, w.tolist()])
    np.testing.assert_allclose(seen[0][0], seen[1][0], rtol=2e-3)
    np.testing.assert_allclose(seen[0][1], seen[1][1], rtol=2e-3)


def test_what_is_called_is_counted() -> None:
    @ag.jit
    def step(x: Any) -> Any:
        return ag.tanh(ag.real(x * 2).astype(np.float32)) + 1

    step(np.ones(3, np.complex64))
    told = step.explain()
    assert told.segments == 2  # the product and the real part; the rest is compiled
    assert "tanh" in str(told)
