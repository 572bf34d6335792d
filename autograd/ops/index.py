"""Reading and writing at indices."""

from __future__ import annotations

from typing import Any

import numpy

from autograd.apply import ROUTES, composite, tensor
from autograd.errors import AxisError, IndexingError, user_line
from autograd.inplace import plain_index
from autograd.rule import OPS, linear, np, primitive
from autograd.tape import mode
from autograd.tensor import Tensor


@linear(lambda g, index, shape: np.scatter_add(g, index, shape), label="[·]", view=True)
def getitem(x, /, index):
    """The elements of x at an index; what was read twice gets both gradients."""
    return np.getitem(x, index)


@linear(lambda g, index: np.getitem(g, index), label="scatter +")
def scatter_add(x, /, index, shape):
    """Zeros of a shape with x added at an index."""
    return np.scatter_add(x, index, shape)


@primitive(vjp=(lambda g, path: np.write(g, 0, path), lambda g, path: region(g, path)),
           jvp=(lambda t, path: np.write(t, 0, path), lambda t, y_shape, path: np.write(np.zeros(y_shape, t.dtype), t, path)),
           label="[·]←")  # fmt: skip
def write(x, v, /, path):
    """x with v written to the place that a path of views leads to."""
    return np.write(x, v, path)


def region(a: Any, path: Any) -> Any:
    """The place in a that a path of views leads to; 0 for what was written there, and written over by the same write."""
    there = np.still_there(a.shape, path)
    for op, settings in path:
        a = getattr(np, op.name)(a, **settings)
    return a if there is None else np.where(there, a, 0)


@linear(lambda g, indices, axis, shape: np.put_along(g, indices, axis, shape), None, label="[·]")
def take_along_axis(x, indices, /, axis=-1):
    """The elements of x that an index array of the same rank picks along an axis."""
    return np.take_along_axis(x, indices, axis)


@linear(lambda g, indices, axis: np.take_along_axis(g, indices, axis), None, label="scatter +")
def put_along(x, indices, /, axis, shape):
    """Zeros of a shape with x added where indices say, along an axis."""
    return np.put_along(x, indices, axis, shape)


@composite()
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The elements of x at indices along an axis (of the flattened array if None)."""
    x, indices = tensor(x), plain_index(indices)
    if axis is None:
        return x.reshape((-1,))[indices]
    return x[(*(slice(None),) * (axis % x.ndim), indices)]


@composite()
def sort(x: Any, axis: int = -1) -> Any:
    """The elements in increasing order along an axis; the gradient follows each. Ties keep their order."""
    return take_along_axis(x, OPS["argsort"].call(x, axis=axis), axis=axis)


@composite()
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal of a matrix, or of the last but named axes of a stack."""
    x = tensor(x)
    if not all(-x.ndim <= k < x.ndim for k in (axis1, axis2)):
        raise AxisError(f"diagonal needs two axes, shape {x.shape} has no axes {axis1} and {axis2}. ({user_line()})")
    n, m = x.shape[axis1], x.shape[axis2]
    rows = numpy.arange(max(0, min(n + min(offset, 0), m - max(offset, 0)))) - min(offset, 0)
    x = x.transpose([k for k in range(x.ndim) if k not in (axis1 % x.ndim, axis2 % x.ndim)] + [axis1 % x.ndim, axis2 % x.ndim])
    return x[(..., rows, rows + offset)]


@composite()
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of the diagonal."""
    return diagonal(x, offset, axis1, axis2).sum(axis=-1)


# Those of np.linalg take the last two axes.
ROUTES[numpy.linalg.diagonal] = lambda x, *, offset=0: diagonal(x, offset, -2, -1)
ROUTES[numpy.linalg.trace] = lambda x, *, offset=0: trace(x, offset, -2, -1)


def _getitem(x: Tensor, index: Any) -> Any:
    if isinstance(index, Tensor) and mode.batch and hasattr(index, "level"):
        from autograd.batching import picked

        return picked(x, index)
    index = plain_index(index)
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, float) or getattr(getattr(part, "dtype", None), "kind", "i") in "fc":
            raise IndexingError(
                f"an index must be an integer, a slice, a mask or an integer array, got {part!r:.40}. ({user_line()})"
            )
    return getitem(x, index)


Tensor.__getitem__ = _getitem  # type: ignore[method-assign]
