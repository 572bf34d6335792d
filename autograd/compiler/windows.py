"""Sliding windows in programs: reading them is a place for each element, adding them up one loop that writes there."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy

import autograd.compiler.compose  # noqa: F401  # whose pad this one replaces
from autograd.compiler.trace import NAMESPACE as np
from autograd.compiler.trace import Traced, _axes, constant, elementwise_names, reshape
from autograd.instructions import each, window_counts, window_room

__all__: list[str] = []

_windows, _overlap_add, _pad = np.windows, np.overlap_add, numpy.pad
SCALAR = {*elementwise_names(), "cast"}
WRITTEN, DEEP = 9, 8  # elements of a window that are written out; functions between it and what reduces it


def windows(x: Any, size: Any, stride: Any = 1, dilation: Any = 1) -> Any:
    """The windows of the last axes, (…, K…, O…)."""
    d = len(size)
    stride, dilation = each(stride, d), each(dilation, d)
    if not isinstance(x, Traced):
        return _windows(x, size, stride, dilation)
    counts = window_counts(x.shape, size, stride, dilation)
    shape = (*x.shape[: x.ndim - d], *size, *counts)
    if set(size) == {1} and set(stride) == {1}:
        return reshape(x, shape)
    return Traced("window", (x,), shape, x.dtype, stride=stride, dilation=dilation)


def overlap_add(g: Any, shape: tuple[int, ...], stride: Any = 1, dilation: Any = 1) -> Any:
    """Zeros of a shape with windows added where `windows` reads them."""
    d = g.ndim - len(shape)
    stride, dilation = each(stride, d), each(dilation, d)
    if not isinstance(g, Traced):
        return _overlap_add(g, shape, stride, dilation)
    window_room(shape, g.shape[g.ndim - 2 * d : g.ndim - d], g.shape[g.ndim - d :], stride, dilation)
    return Traced("overlap", (g,), shape, g.dtype, stride=stride, dilation=dilation, start=(0,) * d)


def pad(x: Any, widths: Any) -> Any:
    """x with a border of zeros: windows of one element that stand at a distance from the start."""
    if not isinstance(x, Traced):
        return _pad(x, widths)
    widths = tuple((int(a), int(b)) for a, b in numpy.broadcast_to(widths, (x.ndim, 2)))
    shape = tuple(n + a + b for n, (a, b) in zip(x.shape, widths, strict=True))
    first = next((k for k, w in enumerate(widths) if any(w)), x.ndim)
    if first == x.ndim:
        return x
    if not x.size:
        return np.broadcast_to(constant(0, x.dtype), shape)
    d = x.ndim - first
    inner = reshape(x, (*x.shape[:first], *(1,) * d, *x.shape[first:]))
    start = tuple(a for a, _ in widths[first:])
    return Traced("overlap", (inner,), shape, x.dtype, stride=(1,) * d, dilation=(1,) * d, start=start)


# ---- the elements of small windows, written out -----------------------------------------------------------------------


def _written_out(name: str, combine: Any) -> Any:
    """A reduction that takes the few elements of small windows together one by one, instead of by loops over them.

    So what is computed of a window stays in registers, and loops run along the windows.
    """
    reduce = getattr(np, name)

    def emit(x: Any, axis: Any = None, keepdims: bool = False, **settings: Any) -> Any:
        if not isinstance(x, Traced):
            return reduce(x, axis=axis, keepdims=keepdims, **settings)
        axes = _axes(axis, x.ndim)
        count = math.prod(x.shape[a] for a in axes)
        widens = name == "sum" and numpy.sum(x.dtype.type(1)).dtype != x.dtype  # of short integers
        if not 1 < count <= WRITTEN or x.ndim - 1 in axes or not of_windows(x) or widens:
            return reduce(x, axis=axis, keepdims=keepdims, **settings)
        parts = [element(x, dict(zip(axes, k, strict=True))) for k in numpy.ndindex(*(x.shape[a] for a in axes))]
        y = functools.reduce(combine, parts)
        return y if keepdims else reshape(y, tuple(n for k, n in enumerate(x.shape) if k not in axes))

    return emit


def of_windows(x: Traced) -> bool:
    """Whether x is computed, element by element, of windows."""
    level = [x]
    for _ in range(DEEP):
        if any(y.function == "window" for y in level):
            return True
        level = [i for y in level if y.function in SCALAR for i in y.inputs if isinstance(i, Traced)]
    return False


def element(x: Traced, at: dict[int, int]) -> Traced:
    """x at one place along some axes, which keep length 1: computed from its inputs at that place."""
    made: dict[float, Traced] = {}
    rank, stack = x.ndim, [x]
    while stack:
        y = stack[-1]
        waiting = [i for i in y.inputs if isinstance(i, Traced) and i.tick not in made] if y.function in SCALAR else []
        if waiting:
            stack.extend(waiting)
            continue
        stack.pop()
        if y.function not in SCALAR:
            made[y.tick] = _cut(y, {a - rank + y.ndim: k for a, k in at.items()})
            continue
        inputs = tuple(made[i.tick] if isinstance(i, Traced) else i for i in y.inputs)
        shape = numpy.broadcast_shapes(*(i.shape for i in inputs if isinstance(i, Traced)))
        made[y.tick] = z = Traced(y.function, inputs, shape, y.dtype, **y.settings)
        z.weak = y.weak
    return made[x.tick]


def _cut(x: Traced, at: dict[int, int]) -> Traced:
    """x at one place along those of the axes that it has."""
    place = {a: k for a, k in at.items() if a >= 0 and x.shape[a] > 1}
    if not place:
        return x
    starts = tuple(place.get(a, 0) for a in range(x.ndim))
    shape = tuple(1 if a in place else n for a, n in enumerate(x.shape))
    if x.function == "constant":
        return constant(x.settings["value"][tuple(slice(s, s + n) for s, n in zip(starts, shape, strict=True))])
    return Traced("slice", (x,), shape, x.dtype, starts=starts, steps=(1,) * x.ndim)


for _name, _combine in (("sum", np.add), ("max", np.maximum), ("min", np.minimum)):
    setattr(np, _name, _written_out(_name, _combine))
np.__dict__.update(windows=windows, overlap_add=overlap_add, pad=pad)
