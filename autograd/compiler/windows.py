"""Sliding windows in programs: reading them is a place for each element, adding them up one loop that writes there."""

from __future__ import annotations

from typing import Any

import numpy

import autograd.compiler.compose  # noqa: F401  # whose pad this one replaces
from autograd.compiler.trace import NAMESPACE as np
from autograd.compiler.trace import Traced, constant, reshape
from autograd.instructions import each, window_counts, window_room

__all__: list[str] = []

_windows, _overlap_add, _pad = np.windows, np.overlap_add, numpy.pad


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


np.__dict__.update(windows=windows, overlap_add=overlap_add, pad=pad)
