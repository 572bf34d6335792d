"""Sliding windows, and what is added up from them: convolution and pooling are made of these two."""

from __future__ import annotations

from typing import Any

from autograd.instructions import each
from autograd.rule import linear, np


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
