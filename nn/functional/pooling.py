"""Pooling: the largest or the mean of each window."""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, ShapeError, user_line
from nn.functional.common import Tensor
from nn.functional.spatial import LONG, Lengths, batched, numbers, reach, whole

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "avg_pool1d", "avg_pool2d",
    "max_pool1d", "max_pool2d",
]  # fmt: skip


@ag.accelerated("x", long=LONG)
def max_pool1d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
               return_indices: bool = False) -> Any:  # fmt: skip
    """The largest element of each window, y[n, c, i] = maxₖ x[n, c, i·stride + k·dilation − padding].

    Where several are the largest, the first gets the gradient, as in PyTorch; NaN counts as the largest.

    Shape: x (N, C, L) or (C, L) → (N, C, L') or (C, L'), L' = ⌊(L + 2·padding − dilation·(K − 1) − 1)/stride⌋ + 1; with
    ceil_mode ⌈…⌉ + 1, without windows that would begin behind x.

    Args:
        stride: that of the windows; None: kernel_size, so that they lie side by side.
        padding: what is added on either side and never the largest; at most half a window.
        return_indices: give also where in x (its last axes in a row) the largest stand, int64.

    For whether something is there, wherever in the window: it makes a network insensitive to small shifts. Limits: one
    element of each window learns, and where it was is lost. Source: Zhou, Chellappa 1988, "Computation of optical flow
    using a neural network".

    Errors: ArgumentError for a size, stride or dilation below 1, a padding that is negative or over half a window;
    ShapeError where no window fits, or one has no element of x.

    >>> max_pool1d(ag.Tensor([[1.0, 3.0, 2.0, 0.0]]), 2).tolist()
    [[3.0, 2.0]]
    """
    return _max_pool("max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@ag.accelerated("x", long=LONG)
def max_pool2d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
               return_indices: bool = False) -> Any:  # fmt: skip
    """The largest element of each window of images; as `max_pool1d`, over two axes.

    Shape: x (N, C, H, W) or (C, H, W) → (N, C, H', W') or (C, H', W'). Every setting may be one number or (vertical,
    horizontal).

    >>> max_pool2d(ag.Tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2).tolist()
    [[[4.0]]]
    """
    return _max_pool("max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@ag.accelerated("x", long=LONG)
def avg_pool1d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
               count_include_pad: bool = True) -> Tensor:  # fmt: skip
    """The mean of each window, y[n, c, i] = Σₖ x[n, c, i·stride + k − padding] / K.

    Shape: as `max_pool1d`.

    Args:
        count_include_pad: whether zeros of the padding count in the mean; what ceil_mode adds behind it never does.

    For how much of something is there, and for smooth shrinking: every element learns. Source: LeCun et al. 1998,
    "Gradient-based learning applied to document recognition".

    Errors: as `max_pool1d`.

    >>> avg_pool1d(ag.Tensor([[1.0, 3.0, 2.0, 0.0]]), 2).tolist()
    [[2.0, 1.0]]
    """
    return _avg_pool("avg_pool1d", 1, x, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@ag.accelerated("x", long=LONG)
def avg_pool2d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
               count_include_pad: bool = True, divisor_override: int | None = None) -> Tensor:  # fmt: skip
    """The mean of each window of images; as `avg_pool1d`, over two axes.

    Shape: as `max_pool2d`. With divisor_override, sums are divided by that, whatever the window.

    >>> avg_pool2d(ag.Tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2).tolist()
    [[[2.5]]]
    """
    return _avg_pool("avg_pool2d", 2, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@ag.accelerated("x", long=LONG)
def adaptive_avg_pool1d(x: Any, output_size: Any) -> Tensor:
    """Means of so many windows as are wanted: window i of m goes from ⌊i·L/m⌋ to ⌈(i + 1)·L/m⌉.

    Shape: x (N, C, L) or (C, L) → (N, C, m) or (C, m). With m = 1 it is the mean of each channel, the global average.

    For inputs of any length before a layer that wants one. Source: Lin, Chen, Yan 2013, "Network in network" (global).

    Errors: ArgumentError for an output_size below 1; ShapeError for an empty axis.

    >>> adaptive_avg_pool1d(ag.Tensor([[1.0, 2.0, 6.0]]), 2).tolist()
    [[1.5, 4.0]]
    """
    return _adaptive_avg("adaptive_avg_pool1d", 1, x, output_size)


@ag.accelerated("x", long=LONG)
def adaptive_avg_pool2d(x: Any, output_size: Any) -> Tensor:
    """As `adaptive_avg_pool1d`, over two axes; None in output_size keeps a length.

    Shape: x (N, C, H, W) or (C, H, W) → (N, C, *output_size) or (C, *output_size).

    >>> adaptive_avg_pool2d(ag.Tensor([[[1.0, 2.0], [4.0, 3.0]]]), (None, 1)).tolist()
    [[[1.5], [3.5]]]
    """
    return _adaptive_avg("adaptive_avg_pool2d", 2, x, output_size)


@ag.accelerated("x", long=LONG)
def adaptive_max_pool1d(x: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest of each of so many windows as are wanted, which are those of `adaptive_avg_pool1d`; ties as in `max_pool1d`.

    >>> adaptive_max_pool1d(ag.Tensor([[1.0, 2.0, 6.0]]), 2).tolist()
    [[2.0, 6.0]]
    """
    return _adaptive_max("adaptive_max_pool1d", 1, x, output_size, return_indices)


@ag.accelerated("x", long=LONG)
def adaptive_max_pool2d(x: Any, output_size: Any, return_indices: bool = False) -> Any:
    """As `adaptive_max_pool1d`, over two axes; None in output_size keeps a length.

    >>> adaptive_max_pool2d(ag.Tensor([[[1.0, 2.0], [4.0, 3.0]]]), 1).tolist()
    [[[4.0]]]
    """
    return _adaptive_max("adaptive_max_pool2d", 2, x, output_size, return_indices)


# ---- windows of one size -----------------------------------------------------------------------------------------------


def _settings(name: str, d: int, x: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
              ceil_mode: bool) -> tuple[Lengths, Lengths, Lengths, Lengths, Lengths]:  # fmt: skip
    """Size, stride, padding, dilation and number of the windows along each axis; all checked."""
    size = numbers(name, "kernel_size", kernel_size, d, 1)
    stride = size if stride is None or stride == () else numbers(name, "stride", stride, d, 1)
    padding, dilation = numbers(name, "padding", padding, d, 0), numbers(name, "dilation", dilation, d, 1)
    spans = reach(size, dilation)
    if any(2 * p > r for p, r in zip(padding, spans, strict=True)):
        raise ArgumentError(
            f"{name}: padding {padding} is over half of the windows, which reach over {spans} elements: some would have "
            f"nothing in them. ({user_line()})"
        )
    counts = []
    for n, r, s, p in zip(x.shape[2:], spans, stride, padding, strict=True):
        rest = n + 2 * p - r
        count = (-(-rest // s) if ceil_mode else rest // s) + 1
        counts.append(count - (ceil_mode and (count - 1) * s >= n + p))
    if min(counts) < 1 or 0 in x.shape[2:]:
        raise ShapeError(
            f"{name}: windows that reach over {spans} elements do not fit into x of shape {x.shape} with padding {padding}. "
            f"({user_line()})"
        )
    return size, stride, padding, dilation, tuple(counts)


def _places(lengths: Lengths, size: Lengths, stride: Lengths, padding: Lengths, dilation: Lengths, counts: Lengths) -> Any:
    """Along each axis, (K, L'): where in x element k of window i is; outside of it in the padding."""
    return [
        (np.arange(k)[:, None] * m + np.arange(n) * s - p)
        for k, m, n, s, p in zip(size, dilation, counts, stride, padding, strict=True)
    ]


def _together(parts: list[Any], combine: Any) -> Any:
    """What is known along each axis as (K, L'), taken together: (K…, L'…)."""
    total, d = parts[0].reshape((parts[0].shape[0],) + (1,) * (len(parts) - 1) + (-1,) + (1,) * (len(parts) - 1)), len(parts)
    for a, part in enumerate(parts[1:], 1):
        shape = [1] * (2 * d)
        shape[a], shape[d + a] = part.shape
        total = combine(total, part.reshape(shape))
    return total


def _border(lengths: Lengths, size: Lengths, stride: Lengths, padding: Lengths, dilation: Lengths,
            counts: Lengths) -> tuple[Lengths, ...]:  # fmt: skip
    """The padding, before and behind along each axis, that the windows see; behind it is more with ceil_mode."""
    ends = zip(lengths, reach(size, dilation), stride, padding, counts, strict=True)
    return tuple((p, max(0, (m - 1) * s + r - n - p)) for n, r, s, p, m in ends)


def _widened(x: Tensor, border: tuple[Lengths, ...], value: float) -> Tensor:
    """x (N, C, …) with a border of one value."""
    if not any(map(any, border)):
        return x
    y = ag.pad(x, ((0, 0), (0, 0), *border))
    return y + np.pad(np.zeros(x.shape[2:], x.dtype), border, constant_values=value) if value else y


def _max_pool(name: str, d: int, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool,
              return_indices: bool) -> Any:  # fmt: skip
    x, alone = batched(name, x, d)
    settings = _settings(name, d, x, kernel_size, stride, padding, dilation, ceil_mode)
    size, stride, _, dilation, _ = settings
    along = _places(x.shape[2:], *settings)
    inside = [(p >= 0) & (p < n) for p, n in zip(along, x.shape[2:], strict=True)]
    if not all(p.any(axis=0).all() for p in inside):
        raise ShapeError(f"{name}: a window has no element of x, of shape {x.shape}: all is padding. ({user_line()})")
    border = _border(x.shape[2:], *settings)
    wide = _widened(x, border, -np.inf)
    y = ag.max_windows(wide, size, stride, dilation, border)
    if return_indices:
        at = _where_largest(ag.windows(wide.detach(), size, stride, dilation), y, along, x.shape[2:])
        return (y.reshape(y.shape[1:]), at.reshape(at.shape[1:])) if alone else (y, at)
    return y.reshape(y.shape[1:]) if alone else y


def _where_largest(windows: Tensor, y: Tensor, along: list[Any], lengths: Lengths) -> Tensor:
    """Where in x, its axes in a row, the first of the largest elements of windows (N, C, K…, L'…) stand."""
    d, total = len(lengths), prod(lengths)
    steps = [prod(lengths[k + 1 :]) for k in range(d)]
    places = [np.where((p >= 0) & (p < n), p * s, total) for p, n, s in zip(along, lengths, steps, strict=True)]
    top = y.detach().reshape((*y.shape[:2], *(1,) * d, *y.shape[2:]))
    hit = (windows == top) | (windows != windows)
    return ag.min(ag.where(hit, _together(places, np.add), total), axis=tuple(range(2, 2 + d)))


def _avg_pool(name: str, d: int, x: Any, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
              count_include_pad: bool, divisor: int | None) -> Tensor:  # fmt: skip
    x, alone = batched(name, x, d)
    settings = _settings(name, d, x, kernel_size, stride, padding, 1, ceil_mode)
    size, stride, padding, _, _ = settings
    wide = _widened(x, _border(x.shape[2:], *settings), 0.0)
    y = ag.sum(ag.windows(wide, size, stride), axis=tuple(range(2, 2 + d)))
    if divisor is not None:
        y = y / whole(name, "divisor_override", divisor, 1)
    else:
        border = padding if count_include_pad else (0,) * d
        parts = []
        for p, n, b in zip(_places(x.shape[2:], *settings), x.shape[2:], border, strict=True):
            parts.append(((p >= -b) & (p < n + b)).sum(axis=0))
        total = parts[0].reshape(-1, *(1,) * (d - 1))
        for a, part in enumerate(parts[1:], 1):
            total = total * part.reshape(-1, *(1,) * (d - 1 - a))
        y = y / (int(total.flat[0]) if (total == total.flat[0]).all() else total.astype(y.dtype))
    return y.reshape(y.shape[1:]) if alone else y


# ---- windows of fitting sizes ------------------------------------------------------------------------------------------


def _wanted(name: str, d: int, x: Tensor, output_size: Any) -> Lengths:
    """How many windows along each axis."""
    given = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size,) * d
    given = tuple(n if v is None else v for v, n in zip(given, x.shape[2:], strict=True)) if len(given) == d else given
    if 0 in x.shape[2:]:
        raise ShapeError(f"{name}: x of shape {x.shape} has an empty axis, and no windows. ({user_line()})")
    return numbers(name, "output_size", given, d, 1)


def _bounds(length: int, count: int) -> tuple[Any, Any]:
    """First and last (excluded) element of each window."""
    i = np.arange(count)
    return i * length // count, -(-(i + 1) * length // count)


def _adaptive_avg(name: str, d: int, x: Any, output_size: Any) -> Tensor:
    x, alone = batched(name, x, d)
    wanted = _wanted(name, d, x, output_size)
    if not any(n % m for n, m in zip(x.shape[2:], wanted, strict=True)):
        y = _avg_pool(name, d, x, tuple(n // m for n, m in zip(x.shape[2:], wanted, strict=True)), None, 0, False, True, None)
    else:
        y = x
        for axis, (n, m) in enumerate(zip(x.shape[2:], wanted, strict=True), 2):
            first, last = _bounds(n, m)
            inside = (np.arange(n)[:, None] >= first) & (np.arange(n)[:, None] < last)
            share = (inside / (last - first)).astype(x.dtype)  # (L, m): what each adds to each mean
            y = (y.swapaxes(axis, -1) @ share).swapaxes(axis, -1)
    return y.reshape(y.shape[1:]) if alone else y


def _adaptive_max(name: str, d: int, x: Any, output_size: Any, return_indices: bool) -> Any:
    x, alone = batched(name, x, d)
    wanted = _wanted(name, d, x, output_size)
    along, y = [], x
    for axis, (n, m) in enumerate(zip(x.shape[2:], wanted, strict=True), 2):
        first, last = _bounds(n, m)
        along.append(np.minimum(first + np.arange((last - first).max())[:, None], last - 1))  # (K, m): the last one repeated
        if n % m:
            y = ag.take(y, along[-1].T.ravel(), axis=axis)  # windows side by side
    size = tuple(p.shape[0] for p in along)
    top = ag.max_windows(y, size, size)
    if return_indices:
        at = _where_largest(ag.windows(y.detach(), size, size), top, along, x.shape[2:])
        return (top.reshape(top.shape[1:]), at.reshape(at.shape[1:])) if alone else (top, at)
    return top.reshape(top.shape[1:]) if alone else top
