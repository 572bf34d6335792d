"""Sliding windows, and what is added up from them: convolution and pooling are made of these two."""

from __future__ import annotations

import math
from typing import Any

import numpy

from autograd.instructions import each, window_counts
from autograd.rule import linear, np, primitive


@linear(lambda g, shape, stride, dilation: np.overlap_add(g, shape, stride, dilation), label="windows", view=True)
def windows(x, /, size, stride=1, dilation=1):
    """The windows of the last axes, y[…, k…, o…] = x[…, o·stride + k·dilation …]; size has a length for each such axis.

    Shape: (…, L…) → (…, K…, O…), O = ⌊(L − dilation·(K − 1) − 1)/stride⌋ + 1. On arrays it is a read-only view: nothing is
    copied. The transpose is `overlap_add`, so what stands in several windows gets the gradients of all.

    Errors: ShapeError where a window is longer than its axis, or size, stride or dilation is below 1.

    >>> import autograd as ag
    >>> ag.windows(ag.Tensor([1.0, 2.0, 3.0, 4.0]), (2,)).tolist()
    [[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]]
    """
    return np.windows(x, size, stride, dilation)


@linear(lambda g, shape, stride, dilation: read_back(g, shape, stride, dilation), label="overlap +")
def overlap_add(x, /, shape, stride=1, dilation=1):
    """Zeros of a shape with windows added, y[…, o·stride + k·dilation …] += x[…, k…, o…]: the transpose of `windows`.

    Shape: (…, K…, O…) → shape, (…, L…), which may be longer than the windows reach.

    Errors: ShapeError where the windows do not fit into the shape.

    >>> import autograd as ag
    >>> ag.overlap_add(ag.Tensor([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]]), (4,)).tolist()
    [1.0, 4.0, 6.0, 4.0]
    """
    return np.overlap_add(x, shape, stride, dilation)


def read_back(g: Any, shape: tuple[int, ...], stride: Any, dilation: Any) -> Any:
    """The windows of g as many as were added up, though more would fit."""
    d = len(shape) - g.ndim
    lead = len(shape) - 2 * d
    size, counts = shape[lead : lead + d], shape[lead + d :]
    reached = zip(size, counts, each(stride, d), each(dilation, d), strict=True)
    ends = tuple(slice(0, (n - 1) * s + m * (k - 1) + 1) for k, n, s, m in reached)
    return np.windows(g[(*(slice(None),) * lead, *ends)], size, stride, dilation)


@primitive(vjp=lambda g, x, y, size, stride, dilation, border, shape: np.overlap_add(
               np.where(at_first(x, y, size, stride, dilation, border), spread(g, size), 0), shape, stride, dilation),
           jvp=lambda t, x, y, size, stride, dilation, border: np.sum(
               np.where(at_first(x, y, size, stride, dilation, border), np.windows(t, size, stride, dilation), 0),
               axis=inner(y, size)), label="max of windows")  # fmt: skip
def max_windows(x, /, size, stride=1, dilation=1, border=None):
    """The largest element of each window; where several are, the first gets the gradient. NaN is the largest.

    Shape: (…, L…) → (…, O…), as `windows`. `border` says for each axis how many elements before and behind are padding,
    which gets no gradient, whatever the window.

    >>> import autograd as ag
    >>> x = ag.Tensor([1.0, 3.0, 3.0, 2.0], requires_grad=True)
    >>> y = ag.max_windows(x, (4,))
    >>> y.sum().backward()
    >>> y.tolist(), x.grad.tolist()
    ([3.0], [0.0, 1.0, 0.0, 0.0])
    """
    w = np.windows(x, size, stride, dilation)
    return np.max(w, axis=tuple(range(w.ndim - 2 * len(size), w.ndim - len(size))))


def inner(y: Any, size: Any) -> tuple[int, ...]:
    """The axes of the elements of windows whose results are y."""
    return tuple(range(y.ndim - len(size), y.ndim))


def spread(y: Any, size: Any) -> Any:
    """y with an axis for each axis of a window."""
    return np.expand_dims(y, tuple(range(y.ndim - len(size), y.ndim)))


def at_first(x: Any, y: Any, size: Any, stride: Any, dilation: Any, border: Any) -> Any:
    """Which element of each window is the first of the largest."""
    w, axes = np.windows(x, size, stride, dilation), inner(y, size)
    number, last = numbered(x.shape, size, each(stride, len(size)), each(dilation, len(size)), border), math.prod(size)
    hit = np.logical_or(np.equal(w, spread(y, size)), np.not_equal(w, w))
    first = np.min(np.where(hit, number, numpy.int32(last)), axis=axes, keepdims=True)
    return np.equal(first, number)


def numbered(shape: tuple[int, ...], size: Any, stride: Any, dilation: Any, border: Any) -> Any:
    """Numbers of the elements of a window; one too high for what lies in the border."""
    d = len(size)
    number = numpy.arange(math.prod(size), dtype=numpy.int32).reshape(*size, *(1,) * d)
    if border is None or not any(map(any, border)):
        return number
    counts = window_counts(shape, size, stride, dilation)
    for a, (length, (before, behind)) in enumerate(zip(shape[len(shape) - d :], border, strict=True)):
        place = numpy.arange(size[a])[:, None] * dilation[a] + numpy.arange(counts[a]) * stride[a]
        layout = [1] * (2 * d)
        layout[a], layout[d + a] = place.shape
        inside = ((place >= before) & (place < length - behind)).reshape(layout)
        number = numpy.where(inside, number, numpy.int32(math.prod(size)))
    return number
