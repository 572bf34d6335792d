"""Gradient checking: derivatives against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from autograd import tape
from autograd.errors import ArgumentError, AutogradError, GraphError
from autograd.tensor import Tensor

__all__ = ["GradientMismatch", "check_grads"]


class GradientMismatch(AutogradError, AssertionError):
    """A derivative that disagrees with finite differences."""


def check_grads(f: Callable[..., Any], *args: Any, modes: Sequence[str] = ("rev", "fwd"), order: int = 2,
                tolerance: float = 1e-6, eps: float = 1e-5, seed: int = 0) -> None:  # fmt: skip
    """Check the derivatives of f at args against central differences, along random directions.

    One direction tests all entries at once: ⟨u, J v⟩ against ⟨u, (f(x + εv) − f(x − εv))/2ε⟩, for reverse mode as
    ⟨Jᵀu, v⟩, and again for the function x ↦ Jᵀu up to `order`. On a failure the entry that disagrees most is found.

    Args:
        f: a function of arrays with an array result (float64; other dtypes are converted).
        args: where to check; those of integer dtype are passed as they are.
        modes: "rev" (vjp) and "fwd" (jvp).
        order: 1 or more; 2 checks second derivatives too, in every combination of modes.
        tolerance: allowed relative error.

    Raises:
        GradientMismatch: naming the mode, the order, the argument and the entry, with both numbers.

    >>> check_grads(lambda x: x * x, [1.0, 2.0])
    """
    if order < 1 or not set(modes) <= {"rev", "fwd"}:
        raise ArgumentError(f"modes are 'rev' and 'fwd' and order is at least 1, got {modes!r} and {order!r}.")
    arrays = [numpy.asarray(a.data if isinstance(a, Tensor) else a) for a in args]
    vary = [k for k, a in enumerate(arrays) if a.dtype.kind in "fc"]
    points = [arrays[k].astype(complex if arrays[k].dtype.kind == "c" else float) for k in vary]

    def g(*xs: Any) -> Any:
        full = list(arrays)
        for k, x in zip(vary, xs, strict=True):
            full[k] = x
        return f(*full)

    _check(g, points, tuple(modes), order, tolerance, eps, numpy.random.default_rng(seed), "")


def _check(f: Callable[..., Any], points: list[Any], modes: tuple[str, ...], order: int, tolerance: float, eps: float,
           rng: Any, path: str) -> None:  # fmt: skip
    leaves = [Tensor(p, requires_grad=True, dtype=p.dtype) for p in points]
    y = f(*leaves)
    if not isinstance(y, Tensor):
        raise GraphError(f"the function must return a Tensor, it returned {type(y).__name__}.")
    v = [_random(rng, p) for p in points]
    u = _random(rng, y._data)
    numeric = _difference(f, points, v, u, eps)
    for mode in modes:
        exact = _derivative(mode, y, leaves, v, u)
        if not abs(exact - numeric) <= tolerance * max(1.0, abs(exact), abs(numeric)) * (10 if path else 1):
            _locate(mode, f, y, leaves, points, u, eps, f"{path}{mode}", exact, numeric)
    if order > 1:
        for mode in modes:
            _check(_lifted(f, mode, v, u), points, modes, order - 1, tolerance, eps, rng, f"{path}{mode} of ")


def _random(rng: Any, like: Any) -> Any:
    x = rng.standard_normal(like.shape)
    if like.dtype.kind == "c":
        x = x + 1j * rng.standard_normal(like.shape)
    return numpy.asarray(x)


def _value(f: Callable[..., Any], points: list[Any]) -> Any:
    leaves = [Tensor(p, requires_grad=True, dtype=p.dtype) for p in points]
    return f(*leaves)._data


def _difference(f: Callable[..., Any], points: list[Any], v: list[Any], u: Any, eps: float) -> float:
    def along(h: float) -> Any:
        return _value(f, [p + h * d for p, d in zip(points, v, strict=True)])

    # two central differences, extrapolated: error O(ε⁴), so that ε may be large enough to keep rounding out
    h = max(eps, 1e-4)
    slope = (4 * (along(h / 2) - along(-h / 2)) / h - (along(h) - along(-h)) / (2 * h)) / 3
    return float(numpy.sum(numpy.real(u * slope)))


def _derivative(mode: str, y: Tensor, leaves: list[Tensor], v: list[Any], u: Any) -> float:
    if mode == "fwd":
        (t,) = tape.pushforward([y], leaves, v)
        return 0.0 if t is None else float(numpy.sum(numpy.real(u * t)))
    grads = tape.gradients([y], leaves, [u])
    return float(sum(numpy.sum(numpy.real(g * d)) for g, d in zip(grads, v, strict=True) if g is not None))


def _lifted(f: Callable[..., Any], mode: str, v: list[Any], u: Any) -> Callable[..., Any]:
    """The derivative of f itself as a function, to be checked in turn."""

    def derivative(*leaves: Tensor) -> Any:
        y = f(*leaves)
        if mode == "rev":
            grads = tape.gradients([y], leaves, [Tensor(u)], create_graph=True)
        else:
            grads = tape.pushforward([y], leaves, [Tensor(d) for d in v], create_graph=True)
        weights = numpy.random.default_rng(7)
        total: Any = Tensor(0.0, dtype=float)
        for g in grads:
            if g is not None:
                total = total + (g * _random(weights, g._data)).sum()
        return total + sum((x * 0.0).sum() for x in leaves)

    return derivative


def _locate(mode: str, f: Any, y: Tensor, leaves: list[Tensor], points: list[Any], u: Any, eps: float, path: str,
            exact: float, numeric: float) -> None:  # fmt: skip
    worst = (-1.0, "")
    budget = 200
    for k, p in enumerate(points):
        for index in list(numpy.ndindex(p.shape))[: max(1, budget // len(points))]:
            v = [numpy.zeros_like(q) for q in points]
            v[k][index] = 1.0
            a, b = _derivative(mode, y, leaves, v, u), _difference(f, points, v, u, eps)
            if not abs(a - b) <= worst[0]:
                worst = (abs(a - b), f"argument {k}, entry {list(index)}: the rule gives {a:.8g}, differences give {b:.8g}")
    raise GradientMismatch(
        f"{path}: the derivative along a random direction is {exact:.8g}, finite differences give {numeric:.8g}. "
        f"Largest disagreement at {worst[1]}. Check the rule of an op used there, or move away from a kink."
    )
