"""``np`` as rules see it on arrays: NumPy, and the few array instructions that rules need beside it.

Some of NumPy's own are here in a shorter form: a reduction without the Python calls around it, a small product on one
thread. What a rule may call on other kinds of value (Tensors, floats, a recorded program) is named alike there.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy

from autograd.kernels.blas import matmul

__all__ = ["is_basic", "np"]

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


for _name, _ufunc in (("sum", numpy.add), ("prod", numpy.multiply), ("max", numpy.maximum), ("min", numpy.minimum)):
    setattr(np, _name, _reducer(_ufunc))


np.matmul = matmul  # type: ignore[attr-defined]


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
def scatter_add(g: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of a shape with g added at an index; what is indexed twice is added twice."""
    y = numpy.zeros(shape, g.dtype)
    if is_basic(index):
        y[index] = g
    else:
        numpy.add.at(y, index, g)
    return y


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


def is_basic(index: Any) -> bool:
    """Whether an index holds only integers, slices, newaxis and an ellipsis, so that it gives a view."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(p is None or p is ... or isinstance(p, int | slice | numpy.integer) and not isinstance(p, bool) for p in parts)
