"""``np`` as rules see it on arrays: NumPy, and the few array instructions that rules need beside it.

Some of NumPy's own are here in a shorter form: a reduction without the Python calls around it, a small product on one
thread. What a rule may call on other kinds of value (Tensors, floats, a recorded program) is named alike there.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy

from autograd.kernels import linalg
from autograd.kernels.blas import matmul

__all__ = ["each", "is_basic", "np", "window_counts", "window_room"]

Rule = Callable[..., Any]

np = ModuleType("np", "NumPy, with the few array instructions that rules need beside it.")
np.__dict__.update({k: v for k, v in vars(numpy).items() if not k.startswith("_")})


def _instruction(function: Rule) -> Rule:
    """Enter into `np` one of the few array instructions that NumPy does not have."""
    setattr(np, function.__name__, function)
    return function


def _reducer(ufunc: Any) -> Rule:
    """A reduction without the two Python calls that NumPy's own function puts around it."""

    def reduce(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return ufunc.reduce(x, axis=axis, keepdims=keepdims)

    return reduce


for _name, _ufunc in (("prod", numpy.multiply), ("max", numpy.maximum), ("min", numpy.minimum)):
    setattr(np, _name, _reducer(_ufunc))

LARGE = 1 << 19
"""Elements from which a sum runs compiled, and on all threads: NumPy's reads a quarter of what memory gives."""


@_instruction
def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The sum over axes."""
    if x.size >= LARGE:
        from autograd.accelerate import large_sum

        y = large_sum(x, axis, keepdims)
        if y is not None:
            return y
    return numpy.add.reduce(x, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]


@_instruction
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean over axes."""
    if x.size >= LARGE:
        from autograd.accelerate import large_sum

        y = large_sum(x, axis, keepdims)
        if y is not None:
            return y / x.dtype.type(x.size // y.size)
    return numpy.mean(x, axis=axis, keepdims=keepdims)


np.matmul = matmul  # type: ignore[attr-defined]
np.__dict__.update({name: getattr(linalg, name) for name in linalg.__all__})


@_instruction
def broadcast_to(x: Any, shape: tuple[int, ...]) -> Any:
    """x repeated; a small result is filled in, which is ten times faster than making NumPy's view."""
    if x.ndim or (n := numpy.prod(shape, dtype=int) if len(shape) > 1 else (*shape, 1)[0]) > 4096:
        return numpy.broadcast_to(x, shape)
    y = numpy.empty(shape, x.dtype)
    y.fill(x) if n else None
    return y


@_instruction
def strong_multiply(c: Any, d: Any) -> Any:
    """c·d, and 0 where c is 0: a second look is taken only when something is not finite."""
    y = c * d
    flat = y.ravel() if y.ndim else y
    total = abs(flat.dot(flat) if y.ndim else y * y)
    return y if total - total == 0 else numpy.where(c == 0, 0, y).astype(y.dtype)


@_instruction
def erf(x: Any) -> Any:
    """The error function, from SciPy, imported at first use."""
    from scipy.special import erf as scipy_erf

    y = scipy_erf(x)
    return y.astype(x.dtype) if hasattr(x, "dtype") and x.dtype.kind == "f" else y


@_instruction
def imag(x: Any) -> Any:
    """The imaginary part, as an array of its own: a write into a view of it would have no derivative."""
    return numpy.array(numpy.imag(x))


@_instruction
def scatter_add(g: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of a shape with g added at an index; what is indexed twice is added twice."""
    y = numpy.zeros(shape, g.dtype)
    if is_basic(index):
        y[index] = g
    else:
        numpy.add.at(y, index, g)
    return y


class Scattered:
    """The result of `scatter_add`, not made yet: so that a gradient to which many parts contribute is made once."""

    __slots__ = ("values", "index", "shape")

    def __init__(self, values: Any, index: Any, shape: tuple[int, ...]):
        self.values, self.index, self.shape = values, index, shape

    @property
    def dtype(self) -> Any:
        """Of the array that it stands for."""
        return self.values.dtype

    def whole(self) -> Any:
        """The array."""
        return np.scatter_add(self.values, self.index, self.shape)

    def add_to(self, total: Any) -> None:
        """Add to an array in place."""
        if is_basic(self.index):
            total[self.index] += self.values
        else:
            numpy.add.at(total, self.index, self.values)


LATER = SimpleNamespace(scatter_add=Scattered)
"""The instructions that need not be carried out where an array takes their result."""


@_instruction
def put_along(g: Any, indices: Any, axis: int, shape: tuple[int, ...]) -> Any:
    """Zeros of a shape with g added along an axis where the indices say: the transpose of take_along_axis."""
    y = numpy.zeros(shape, g.dtype)
    axis %= len(shape)
    spread = [numpy.arange(n).reshape((-1,) + (1,) * (len(shape) - k - 1)) for k, n in enumerate(indices.shape)]
    spread[axis] = indices
    if indices.shape[axis] == 1:
        y[tuple(spread)] = g
    else:
        numpy.add.at(y, tuple(spread), g)
    return y


@_instruction
def getitem(x: Any, index: Any) -> Any:
    """x[index]."""
    return x[index]


@_instruction
def write(x: Any, v: Any, path: Any) -> Any:
    """A copy of x with v written to the place that a path of view ops leads to."""
    y = numpy.array(x, numpy.result_type(x, v) if isinstance(v, numpy.ndarray) else None)
    place = y
    for op, settings in path[:-1]:
        place = op.forward()(place, **settings)
    if path and "index" in path[-1][1]:
        place[path[-1][1]["index"]] = v
    else:
        for op, settings in path[-1:]:
            place = op.forward()(place, **settings)
        place[...] = v
    return y


@_instruction
def still_there(shape: tuple[int, ...], path: Any) -> Any:
    """Of the values that one write puts along a path, those that no later one of them is put over; None if all are."""
    index = path[-1][1].get("index") if path else None
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [numpy.asarray(p) for p in parts if isinstance(p, numpy.ndarray | list)]
    arrays = [a for a in arrays if a.dtype.kind != "b"]
    if not arrays or len(arrays) == 1 and arrays[0].min(initial=0) >= 0 and len(numpy.unique(arrays[0])) == arrays[0].size:
        return None
    place = numpy.arange(numpy.prod(shape, dtype=int)).reshape(shape)
    last = numpy.empty(place.size, int)
    for op, settings in path:
        place = op.forward()(place, **settings)
    order = numpy.arange(place.size).reshape(place.shape)
    last[place.ravel()] = order.ravel()
    there = last[place] == order
    return None if there.all() else there


@_instruction
def windows(x: Any, size: Any, stride: Any = 1, dilation: Any = 1) -> Any:
    """A read-only view of x, (…, K…, O…): element k of window o of the last axes is x[…, o·stride + k·dilation]."""
    d = len(size)
    stride, dilation = each(stride, d), each(dilation, d)
    counts = window_counts(x.shape, size, stride, dilation)
    lead, steps = x.shape[: x.ndim - d], x.strides[x.ndim - d :]
    along = [s * n for s, n in zip(steps, dilation, strict=True)] + [s * n for s, n in zip(steps, stride, strict=True)]
    return numpy.lib.stride_tricks.as_strided(
        x, (*lead, *size, *counts), (*x.strides[: x.ndim - d], *along), writeable=False
    )  # fmt: skip


@_instruction
def overlap_add(g: Any, shape: tuple[int, ...], stride: Any = 1, dilation: Any = 1) -> Any:
    """Zeros of a shape with windows (…, K…, O…) added where `windows` reads them: as many slices as a window has elements."""
    d = g.ndim - len(shape)
    y, size, counts = numpy.zeros(shape, g.dtype), g.shape[-2 * d : -d], g.shape[g.ndim - d :]
    stride, dilation = each(stride, d), each(dilation, d)
    window_room(shape, size, counts, stride, dilation)
    for k in numpy.ndindex(*size):
        at = (slice(i * m, i * m + (n - 1) * s + 1, s) if n else slice(0)
              for i, m, n, s in zip(k, dilation, counts, stride, strict=True))  # fmt: skip
        y[(..., *at)] += g[(*(slice(None),) * (g.ndim - 2 * d), *k)]
    return y


def each(n: Any, d: int) -> tuple[int, ...]:
    """A setting for each of d axes."""
    return (int(n),) * d if isinstance(n, int | numpy.integer) else tuple(n)


def window_counts(shape: tuple[int, ...], size: Any, stride: Any, dilation: Any) -> tuple[int, ...]:
    """How many windows fit along each of the last axes: ⌊(length − reach)/stride⌋ + 1, reach = dilation·(size − 1) + 1."""
    if not 0 < len(size) <= len(shape) or not len(size) == len(stride) == len(dilation):
        raise ValueError(f"windows of size {size} with stride {stride} and dilation {dilation} do not fit shape {shape}")
    if min((*size, *stride, *dilation), default=1) < 1:
        raise ValueError(f"size {size}, stride {stride} and dilation {dilation} of windows must all be at least 1")
    reach = tuple(m * (k - 1) + 1 for k, m in zip(size, dilation, strict=True))
    lengths = shape[len(shape) - len(size) :]
    if any(r > n for r, n in zip(reach, lengths, strict=True)):
        raise ValueError(f"windows that reach over {reach} elements do not fit into axes of length {lengths}")
    return tuple((n - r) // s + 1 for n, r, s in zip(lengths, reach, stride, strict=True))


def window_room(shape: tuple[int, ...], size: Any, counts: Any, stride: Any, dilation: Any) -> None:
    """That windows fit into a shape."""
    ends = tuple((n - 1) * s + m * (k - 1) + 1 for k, n, s, m in zip(size, counts, stride, dilation, strict=True))
    if any(e > n for e, n in zip(ends, shape[len(shape) - len(ends) :], strict=True)):
        raise ValueError(f"windows that reach to {ends} do not fit into shape {shape}")


def native(dtype: Any) -> Any:
    """The dtype in this machine's order of bytes, as the one object that NumPy's own arrays have, for comparing by identity."""
    return numpy.dtype(dtype.char)


def is_basic(index: Any) -> bool:
    """Whether an index holds only integers, slices, newaxis and an ellipsis, so that it gives a view."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(p is None or p is ... or isinstance(p, int | slice | numpy.integer) and not isinstance(p, bool) for p in parts)
