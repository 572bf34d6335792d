"""Moving elements about: reshaping, permuting, repeating, joining. All linear."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy

from autograd.apply import METHODS, apply, composite, tensor
from autograd.errors import ArgumentError, AxisError, DTypeError, ShapeError, user_line
from autograd.rule import OPS, linear, np
from autograd.tensor import Tensor


@linear(lambda g, shape: np.reshape(g, shape), view=True)
def reshape(x, /, shape):
    """The same elements in order, in another shape; one length may be −1."""
    return np.reshape(x, shape)


@linear(lambda g, axes: np.transpose(g, None if axes is None else inverse(axes)), label="⊤", view=True)
def transpose(x, /, axes=None):
    """Axes permuted; reversed if axes is None."""
    return np.transpose(x, axes)


def inverse(axes: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes a permutation."""
    n = len(axes)
    positive = [a % n for a in axes]
    return tuple(positive.index(k) for k in range(n))


@linear(lambda g, axis1, axis2: np.swapaxes(g, axis1, axis2), view=True)
def swapaxes(x, /, axis1, axis2):
    """Two axes exchanged."""
    return np.swapaxes(x, axis1, axis2)


@linear(lambda g, source, destination: np.moveaxis(g, destination, source), view=True)
def moveaxis(x, /, source, destination):
    """Axes moved to new positions; the others keep their order."""
    return np.moveaxis(x, source, destination)


@linear(lambda g, shape: np.reshape(g, shape), view=True)
def expand_dims(x, /, axis):
    """New axes of length 1."""
    return np.expand_dims(x, axis)


@linear(lambda g, shape: np.reshape(g, shape), view=True)
def squeeze(x, /, axis=None):
    """Axes of length 1 removed."""
    return np.squeeze(x, axis)


@linear(lambda g: g, view=True)
def broadcast_to(x, /, shape):
    """x repeated along new axes and along axes of length 1; the gradient is summed over them."""
    return np.broadcast_to(x, shape)


@linear(lambda g, axis: np.flip(g, axis), view=True)
def flip(x, /, axis=None):
    """Elements in reverse order along axes."""
    return np.flip(x, axis)


@linear(lambda g, shift, axis: np.roll(g, back(shift), axis))
def roll(x, /, shift, axis=None):
    """Elements shifted along axes, those that fall off the end coming in at the start."""
    return np.roll(x, shift, axis)


def back(shift: Any) -> Any:
    """The opposite shift."""
    return tuple(-s for s in shift) if isinstance(shift, tuple) else -shift


@linear(lambda g, shape, widths: g[tuple(slice(low, low + n) for (low, _), n in zip(widths, shape, strict=True))])
def pad_zeros(x, /, widths):
    """Zeros added before and after along each axis."""
    return np.pad(x, widths)


@linear(lambda g, dtype: g, label="cast")
def cast(x, /, dtype):
    """The same values in another dtype."""
    if x.dtype.kind == "c" and dtype.kind != "c":
        raise DTypeError(f"a complex array in {dtype} would lose its imaginary part. Take np.real(x) first.")
    return np.astype(x, dtype)


@composite(method=False)
def astype(x: Any, dtype: Any) -> Any:
    """The same values in another dtype; differentiable between float dtypes."""
    return tensor(x).astype(dtype)


@linear(lambda g, i, axis, bounds: g[(*(slice(None),) * (axis % g.ndim), slice(bounds[i], bounds[i + 1]))],
        jvp=lambda t, i, axis, bounds, shapes: np.concatenate(
            [t if k == i else np.zeros(s, t.dtype) for k, s in enumerate(shapes)], axis=axis), label="⧺")  # fmt: skip
def concatenate(*xs, axis=0, bounds=None, shapes=None):
    """Arrays joined along an axis; each gets its own piece of the gradient."""
    return np.concatenate(xs, axis=axis)


_joined = concatenate


@composite("concat", method=False)
def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """Arrays joined along an axis (flattened first if None).

    >>> import autograd as ag
    >>> ag.concatenate([ag.Tensor([1.0]), [2.0, 3.0]])
    Tensor([1., 2., 3.], dtype=float64)
    """
    if isinstance(arrays, Tensor):
        arrays = list(arrays)
    if not len(arrays):
        raise ShapeError(f"concatenate got an empty sequence: there is nothing to join. ({user_line()})")
    if axis is None:
        arrays, axis = [OPS["reshape"].call(a, (-1,)) for a in arrays], 0
    shapes = [tuple(getattr(a, "shape", None) or numpy.shape(a)) for a in arrays]
    first = shapes[0]
    if any(len(s) != len(first) or not first for s in shapes) or any(
        n != m for s in shapes for k, (n, m) in enumerate(zip(s, first, strict=True)) if k != axis % len(first)
    ):
        raise ShapeError(f"cannot join shapes {', '.join(map(str, shapes))} along axis {axis}. ({user_line()})")
    if not -len(first) <= axis < len(first):
        raise AxisError(f"axis {axis} does not exist in shape {first}. ({user_line()})")
    bounds = [0]
    for s in shapes:
        bounds.append(bounds[-1] + s[axis])
    return apply(_joined.op, tuple(arrays), {"axis": axis, "bounds": tuple(bounds), "shapes": tuple(shapes)})


@linear(lambda g, i, axis: g[(*(slice(None),) * axis, i)],
        jvp=lambda t, i, axis, count: np.pad(
            np.expand_dims(t, axis), [(i, count - 1 - i) if k == axis else (0, 0) for k in range(t.ndim + 1)]))  # fmt: skip
def stack(*xs, axis=0, count=None):
    """Arrays of one shape joined along a new axis; each gets its own slice of the gradient."""
    return np.concatenate([np.expand_dims(x, axis) for x in xs], axis=axis)


_stacked = stack


@composite(method=False)
def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis.

    >>> import autograd as ag
    >>> ag.stack([ag.Tensor([1.0, 2.0]), [3.0, 4.0]], axis=1).tolist()
    [[1.0, 3.0], [2.0, 4.0]]
    """
    arrays = [tensor(a) for a in arrays]
    if not arrays:
        raise ShapeError(f"stack got an empty sequence: there is nothing to join. ({user_line()})")
    shape = arrays[0].shape
    if any(a.shape != shape for a in arrays):
        raise ShapeError(f"stack needs equal shapes, got {', '.join(str(a.shape) for a in arrays)}. ({user_line()})")
    if not -len(shape) - 1 <= axis <= len(shape):
        raise AxisError(f"axis {axis} does not exist in a stack of arrays of shape {shape}. ({user_line()})")
    return apply(_stacked.op, arrays, {"axis": axis % (len(shape) + 1), "count": len(arrays)})


@composite(method=False)
def vstack(arrays: Sequence[Any]) -> Any:
    """Arrays joined along the first axis; 1-d ones are rows."""
    return concatenate([_at_least(a, 2) for a in arrays], axis=0)


@composite(method=False)
def hstack(arrays: Sequence[Any]) -> Any:
    """Arrays joined along the second axis; 1-d ones along the first."""
    parts = [_at_least(a, 1) for a in arrays]
    return concatenate(parts, axis=0 if parts and parts[0].ndim == 1 else 1)


@composite(method=False)
def atleast_1d(x: Any) -> Any:
    """x, with an axis if it had none."""
    return _at_least(x, 1)


@composite(method=False)
def atleast_2d(x: Any) -> Any:
    """x as a matrix: a row, if it had one axis."""
    return _at_least(x, 2)


@composite()
def copy(x: Any) -> Any:
    """The same values in an array of their own."""
    return OPS["positive"].call(x)


def _at_least(a: Any, ndim: int) -> Any:
    a = tensor(a)
    return OPS["reshape"].call(a, (1,) * (ndim - a.ndim) + a.shape) if a.ndim < ndim else a


@composite()
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Pieces of x along an axis: that many equal ones, or cut at the given indices."""
    x = tensor(x)
    if not -x.ndim <= axis < x.ndim:
        raise AxisError(f"axis {axis} does not exist in shape {x.shape}. ({user_line()})")
    n = x.shape[axis]
    if isinstance(indices_or_sections, int | numpy.integer):
        if indices_or_sections <= 0 or n % indices_or_sections:
            raise ShapeError(f"an axis of length {n} does not split into {indices_or_sections} equal parts. ({user_line()})")
        cuts = list(range(0, n + 1, n // int(indices_or_sections) or 1))[: int(indices_or_sections) + 1]
    else:
        cuts = [0, *(int(i) for i in indices_or_sections), n]
    before = (slice(None),) * (axis % x.ndim)
    return [x[(*before, slice(a, b))] for a, b in pairwise(cuts)]


@composite()
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    """x with a border of zeros or of another constant."""
    if mode != "constant":
        raise ArgumentError(f"pad mode {mode!r} is not supported: use 'constant', or concatenate slices. ({user_line()})")
    x = tensor(x)
    widths = tuple((int(a), int(b)) for a, b in numpy.broadcast_to(pad_width, (x.ndim, 2)))
    if any(n < 0 for w in widths for n in w):
        raise ArgumentError(f"pad widths must not be negative, got {widths}. ({user_line()})")
    y = OPS["pad_zeros"].call(x, widths)
    if numpy.any(numpy.asarray(constant_values) != 0):
        border = numpy.pad(numpy.zeros(x.shape, x.dtype), widths, constant_values=constant_values)
        y = y + border
    return y


@linear(lambda g, shape, repeats, axis: gathered(g, shape, repeats, axis))
def repeat(x, /, repeats, axis=None):
    """Each element repeated along an axis (of the flattened array if None); the gradients of the copies are added."""
    return np.repeat(x, repeats, axis)


def gathered(g: Any, shape: tuple[int, ...], repeats: Any, axis: Any) -> Any:
    """Gradients of copies added up where they came from."""
    flat = axis is None
    n = 1
    for m in shape:
        n *= m
    extent = n if flat else shape[axis]
    source = numpy.repeat(numpy.arange(extent), repeats)
    at = source if flat else (*(slice(None),) * (axis % len(shape)), source)
    return np.reshape(np.scatter_add(g, at, (n,) if flat else shape), shape)


@composite()
def tile(x: Any, reps: Any) -> Any:
    """x repeated as a whole along each axis."""
    x, reps = tensor(x), (reps,) if isinstance(reps, int | numpy.integer) else tuple(reps)
    shape = (1,) * (len(reps) - x.ndim) + x.shape
    reps = (1,) * (len(shape) - len(reps)) + reps
    between = [m for r, n in zip(reps, shape, strict=True) for m in (1, n)]
    wide = [m for r, n in zip(reps, shape, strict=True) for m in (r, n)]
    y = OPS["broadcast_to"].call(OPS["reshape"].call(x, tuple(between)), tuple(wide))
    return OPS["reshape"].call(y, tuple(r * n for r, n in zip(reps, shape, strict=True)))


@composite()
def ravel(x: Any) -> Any:
    """x in one axis."""
    return OPS["reshape"].call(x, (-1,))


@composite()
def flatten(x: Any) -> Any:
    """x in one axis."""
    return OPS["reshape"].call(x, (-1,))


def _spread(name: str) -> None:
    """As a method, take the lengths or axes one by one too: x.reshape(2, 3)."""
    call = OPS[name].call

    def method(x: Tensor, *given: Any, **settings: Any) -> Any:
        if len(given) > 1:
            return call(x, tuple(given), **settings)
        return call(x, *given, **settings)

    method.__name__, method.__doc__ = name, call.__doc__
    METHODS[name] = method
    setattr(Tensor, name, method)


for _name in ("reshape", "transpose", "broadcast_to"):
    _spread(_name)
