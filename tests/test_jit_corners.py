"""Compiled functions in the corners, against eager: NaN and infinities, integers and booleans, empty arrays, 0-d."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag

pytest.importorskip("numba")


SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 1e-30, 3e38, -750.0])
ONE = "floor ceil rint trunc sign absolute sqrt exp log log1p expm1 tanh sigmoid softplus relu isnan isinf isfinite".split()
TWO = "add multiply divide power maximum minimum fmax fmin remainder floor_divide hypot arctan2 logaddexp less equal".split()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_special_values(dtype: Any) -> None:
    x = SPECIAL.astype(dtype)
    a, b = (g.ravel() for g in np.meshgrid(x, x))
    calls = {n: lambda x, a, b, n=n: getattr(ag, n)(x) for n in (*ONE, "max", "min", "sum", "argmax", "argmin", "argsort")}
    calls |= {n: lambda x, a, b, n=n: getattr(ag, n)(a, b) for n in TWO}
    calls["clip below"] = lambda x, a, b: ag.clip(x, -1, None)
    calls["clip above"] = lambda x, a, b: ag.clip(x, None, 2)
    calls["where"] = lambda x, a, b: ag.where(x > 0, 1.0, x)

    def every(x: Any, a: Any, b: Any) -> list[Any]:
        return [c(x, a, b) for c in calls.values()]

    given = [ag.Tensor(v) for v in (x, a, b)]
    with np.errstate(all="ignore"):
        want = every(*given)
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    for name, g, w in zip(calls, ag.jit(every)(*given), want, strict=True):
        assert g.dtype == w.dtype
        np.testing.assert_allclose(g.data, w.data, rtol=rtol, atol=1e-30, err_msg=name)


def test_integers_and_booleans() -> None:
    i, j, m = np.array([-7, -3, 0, 3, 7]), np.array([2, -2, 3, 0, -4]), np.array([True, False, True, True, False])
    calls: list[Callable[..., Any]] = [
        lambda i, j, m: i / j, lambda i, j, m: i // j, lambda i, j, m: i % j, lambda i, j, m: i * 2.5,
        lambda i, j, m: i ** 2, lambda i, j, m: ag.mean(i), lambda i, j, m: ag.sum(m), lambda i, j, m: m * i,
        lambda i, j, m: m + m, lambda i, j, m: ag.max(i), lambda i, j, m: ag.max(m), lambda i, j, m: ag.abs(i),
        lambda i, j, m: ag.sign(i), lambda i, j, m: ag.sqrt(ag.abs(i)), lambda i, j, m: i @ j, lambda i, j, m: ~m,
        lambda i, j, m: m & (i > 0), lambda i, j, m: i & j, lambda i, j, m: ag.cumsum(m), lambda i, j, m: ag.isfinite(i),
        lambda i, j, m: ag.where(m, i, 0), lambda i, j, m: ag.where(m, 1, 0.5), lambda i, j, m: ag.exp(i),
        lambda i, j, m: ag.any(i > 6), lambda i, j, m: ag.all(m), lambda i, j, m: ag.prod(i[:2]), lambda i, j, m: i[::-1],
    ]  # fmt: skip

    def every(i: Any, j: Any, m: Any) -> list[Any]:
        return [c(i, j, m) for c in calls]

    for dtype in (np.int64, np.int32, np.int16):
        given = [ag.Tensor(v) for v in (i.astype(dtype), j.astype(dtype), m)]
        with np.errstate(all="ignore"):
            want = every(*given)
        for k, (g, w) in enumerate(zip(ag.jit(every)(*given), want, strict=True)):
            assert g.dtype == w.dtype, (k, g.dtype, w.dtype)
            np.testing.assert_allclose(g.data, w.data, rtol=1e-6, err_msg=str(k))


def test_square_matrices_that_are_turned() -> None:
    """Where a result is made by moving elements, it shares no loop with what it is moved from."""
    a = np.arange(9.0).reshape(3, 3)
    w = ag.Tensor(a)

    @ag.jit
    @ag.no_grad()
    def f() -> Any:
        y = ag.tanh(w) * 2
        w.copy_(w.T)
        return y, y.T, (y * 3).T

    for k in range(2):
        now = a.T if k else a
        y, turned, thrice = f()
        np.testing.assert_allclose(y.data, np.tanh(now) * 2, rtol=1e-12)
        np.testing.assert_array_equal(turned.data, y.data.T)
        np.testing.assert_allclose(thrice.data, y.data.T * 3, rtol=1e-12)
        np.testing.assert_array_equal(w.data, now.T)


def test_empty_and_zero_dimensional() -> None:
    calls: list[Callable[..., Any]] = [
        lambda e, s: ag.exp(e), lambda e, s: e.sum(), lambda e, s: e.sum(axis=0), lambda e, s: e.prod(axis=1),
        lambda e, s: e @ e.T, lambda e, s: e.T @ e, lambda e, s: ag.concatenate([e, e]), lambda e, s: e * s,
        lambda e, s: s.sum(), lambda e, s: s[...], lambda e, s: s[None], lambda e, s: ag.max(s), lambda e, s: ag.pad(e, 1),
        lambda e, s: e.reshape(3, 0), lambda e, s: ag.cumsum(s), lambda e, s: s * s + 1, lambda e, s: e[:, :0],
        lambda e, s: e.mean(), lambda e, s: ag.argsort(e, axis=1),
    ]  # fmt: skip

    def every(e: Any, s: Any) -> list[Any]:
        return [c(e, s) for c in calls]

    given = [ag.Tensor(np.zeros((0, 3))), ag.Tensor(np.array(2.0))]
    with np.errstate(all="ignore"):
        want = every(*given)
    for k, (g, w) in enumerate(zip(ag.jit(every)(*given), want, strict=True)):
        assert g.dtype == w.dtype and g.shape == w.shape, k
        np.testing.assert_array_equal(g.data, w.data, err_msg=str(k))


def test_a_number_that_is_read_by_its_place() -> None:
    """A seed given as a number reaches what reads arrays in memory: moved elements, and products of one by one."""
    w = ag.Tensor(np.ones((1, 1)), requires_grad=True)
    seed = np.float64(0.5)
    for function in (lambda: ag.flip(w[0, 0]), lambda: w[0, 0][...], lambda: (w @ ag.Tensor(np.full((1, 1), 2.0)))[0, 0]):

        def step(function: Any = function) -> Any:
            w.grad = None
            y = function()
            y.backward(ag.Tensor(seed))
            return y

        expected, gradient = step().item(), w.grad.tolist()
        assert ag.jit(step)().item() == expected and w.grad.tolist() == gradient


def test_a_sum_over_no_axes_of_a_product() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(ag.jit(lambda a, b: ag.sum(a @ b, axis=()))(a, b).data, a @ b)


def test_loops_in_which_nothing_is_left_to_do() -> None:
    """Of an empty array, and of results that nobody reads."""

    def build() -> Any:
        w = ag.Tensor(np.full((3, 2), 2.0), requires_grad=True)

        def step(x: Any, y: Any) -> Any:
            w.grad = None
            empty = ag.prod(ag.tanh(x) + 1.5)
            moved = ag.einsum("ab,be->ea", x, w)
            part = (y * 1)[-1] * 1
            (ag.sum(moved) + ag.square(part)).backward()
            return ag.var(empty[...], axis=(), keepdims=True)

        return step, w

    (eager, one), (step, two) = build(), build()
    x, y = ag.Tensor(np.zeros((0, 3))), ag.Tensor(np.ones(2))
    assert ag.jit(step)(x, y).tolist() == eager(x, y).tolist() and two.grad.tolist() == one.grad.tolist()


def test_the_arrays_of_a_call_are_not_kept() -> None:
    step = ag.jit(lambda x, more: (x * 2).sum() + more["y"].sum())
    x, y = np.ones(1000), np.ones(500)
    held = [weakref.ref(x), weakref.ref(y)]
    assert step(x, {"y": y}).item() == 2500.0
    del x, y
    assert [r() for r in held] == [None, None]
    assert "instructions recorded" in str(step.passes())
