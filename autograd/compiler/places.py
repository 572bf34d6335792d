"""Where elements lie: reading and writing at an index, joining, moving about.

Whatever picks elements by an index is one of two instructions over positions in an array laid out in a row: ``gather``
reads there (0 where the position is −1), ``scatter`` adds there. Positions that are known while recording come from
NumPy itself, which is asked to do the same to the numbers 0, 1, 2, …. A write is a new value: what is written, joined with
what lies around it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from autograd.compiler.called import eager
from autograd.compiler.trace import NAMESPACE as np
from autograd.compiler.trace import (
    Traced,
    _axes,
    broadcast_to,
    constant,
    foreign,
    inside,
    lifted,
    reshape,
    transpose,
    unsupported,
)
from autograd.instructions import is_basic
from autograd.instructions import np as on_arrays

__all__ = ["gather", "has_traced", "moveaxis", "numbered", "written"]

ndarray = numpy.ndarray


# ---- gather and scatter ------------------------------------------------------------------------------------------------


def gather(x: Any, places: Any) -> Any:
    """The elements of x, laid out in a row, at positions; 0 where a position is negative."""
    places = lifted(places)
    if x.size == 0 or x.function == "constant" and x.size == 1:
        return np.where(places >= 0, reshape(x, ()) if x.size else 0, constant(0, x.dtype))
    return Traced("gather", (x, places), places.shape, x.dtype)


def scatter(g: Any, places: Any, shape: tuple[int, ...]) -> Any:
    """Zeros with g added at positions; nothing where a position is negative."""
    if isinstance(places, ndarray) and len(numpy.unique(places)) == places.size:  # an inverse exists: fetch, do not add
        inverse = numpy.full(int(numpy.prod(shape)), -1)
        inverse[places.ravel()] = numpy.arange(places.size)
        return gather(lifted(g), inverse.reshape(shape))
    places = lifted(places)
    return Traced("scatter", (broadcast_to(lifted(g), places.shape), places), shape, g.dtype)


def numbered(shape: tuple[int, ...]) -> ndarray[Any, Any]:
    """0, 1, 2, … in a shape: the position of every element."""
    return numpy.arange(int(numpy.prod(shape, dtype=int))).reshape(shape)


def has_traced(index: Any) -> bool:
    """Whether a part of an index is known only when the program runs."""
    return any(isinstance(p, Traced) for p in index) if isinstance(index, tuple) else isinstance(index, Traced)


def positions(shape: tuple[int, ...], index: Any) -> Any:
    """Where an index points: an array if it is known now, else an instruction (−1 where it points outside)."""
    if not has_traced(index):
        return numbered(shape)[index]
    parts = parts_of(shape, index)
    if any(isinstance(p, Traced) and p.dtype.kind == "b" for p in parts):
        raise unsupported("reading at a mask", "The shape of the result would depend on values: choose with autograd.where")
    chosen = [k for k, p in enumerate(parts) if isinstance(p, int | ndarray | Traced)]
    block = numpy.broadcast_shapes(*(numpy.shape(p) if isinstance(p, int) else p.shape for p in (parts[k] for k in chosen)))
    together = chosen[-1] - chosen[0] == len(chosen) - 1
    front = chosen[0] if together else 0  # where NumPy puts the axes of what is picked: in their place, or first
    rest = [k for k in range(len(parts)) if k not in chosen]
    rank = len(rest) + len(block)
    known: Any = numpy.zeros((1,) * rank, int)
    computed: Any = 0
    valid: Any = True
    axis = 0
    for k, p in enumerate(parts):
        if p is None:
            continue
        n, step = shape[axis], int(numpy.prod(shape[axis + 1 :], dtype=int))
        if isinstance(p, slice):
            at = rest.index(k) + (len(block) if rest.index(k) >= front else 0)
            known = known + numpy.arange(*p.indices(n)).reshape((-1,) + (1,) * (rank - at - 1)) * step
        elif isinstance(p, Traced):
            valid = np.logical_and(inside(p, axis, n), valid)
            computed = np.astype(np.where(np.less(p, 0), np.add(p, n), p), numpy.int64) * step + computed
        else:
            i = numpy.asarray(p)
            if numpy.any((i < -n) | (i >= n)):
                raise IndexError(f"index {p} is out of bounds for axis {axis} with size {n}")
            i = numpy.where(i < 0, i + n, i)
            known = known + i.reshape((1,) * (len(block) - i.ndim) + i.shape + (1,) * (rank - front - len(block))) * step
        axis += 1
    lengths = (*(1,) * (len(block) - computed.ndim), *computed.shape, *(1,) * (rank - front - len(block)))
    total = reshape(computed, lengths) + constant(known)
    return np.where(reshape(valid, lengths), total, -1)


def parts_of(shape: tuple[int, ...], index: Any) -> list[Any]:
    """An index as a list: a slice, an integer or an array for each axis, or None for a new one. Known masks are arrays too."""
    parts: list[Any] = []
    for p in index if isinstance(index, tuple) else (index,):
        known = isinstance(p, ndarray | list | bool | numpy.bool)
        if known and (mask := numpy.asarray(p)).dtype.kind == "b":
            parts += mask.nonzero()
        else:
            parts.append(numpy.asarray(p) if known else int(p) if isinstance(p, numpy.integer) else p)
    taken = sum(p.ndim if isinstance(p, Traced) and p.dtype.kind == "b" else p is not None and p is not ... for p in parts)
    if taken > len(shape):
        raise IndexError(f"too many indices for array: array is {len(shape)}-dimensional, but {taken} were indexed")
    at = next((k for k, p in enumerate(parts) if p is ...), len(parts))
    parts[at : at + 1] = [slice(None)] * (len(shape) - taken)
    return parts


def getitem(x: Any, index: Any) -> Any:
    """x[index]; an index that is computed and points outside ends the program."""
    if not isinstance(x, Traced):
        if not has_traced(index):
            return x[index]
        x = constant(x)
    if is_basic(index):
        return sliced(x, index)
    places = positions(x.shape, index)
    return gather(x, places)


def sliced(x: Any, index: Any) -> Any:
    """x at a basic index."""
    parts = [p for p in (index if isinstance(index, tuple) else (index,)) if p is not None]
    shape = _empty(x.shape)[index].shape  # as NumPy has it
    if ... in parts:
        at = parts.index(...)
        parts[at : at + 1] = [slice(None)] * (x.ndim - len(parts) + 1)
    parts += [slice(None)] * (x.ndim - len(parts))
    starts, steps, lengths = [], [], []
    for p, n in zip(parts, x.shape, strict=True):
        first, stop, step = p.indices(n) if isinstance(p, slice) else (int(p) % n, int(p) % n + 1, 1)
        starts.append(first)
        steps.append(step)
        lengths.append(len(range(first, stop, step)))
    if 0 in lengths:
        return reshape(constant(numpy.empty(0, x.dtype)), shape)
    y = x if tuple(lengths) == x.shape and all(s == 1 for s in steps) else Traced(
        "slice", (x,), tuple(lengths), x.dtype, starts=tuple(starts), steps=tuple(steps)
    )  # fmt: skip
    return reshape(y, shape)


def scatter_add(g: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of a shape with g added at an index."""
    y = scatter(lifted(g), positions(shape, index), shape)
    if is_basic(index) and isinstance(y, Traced) and y.function == "gather":
        box = boxed(shape, index)
        y.settings |= {"box": box} if box is not None else {}
    return y


def boxed(shape: tuple[int, ...], index: Any) -> tuple[tuple[int, int], ...] | None:
    """From where to where a basic index goes along each axis; None where it goes in steps."""
    parts = [p for p in (index if isinstance(index, tuple) else (index,)) if p is not None]
    if ... in parts:
        at = parts.index(...)
        parts[at : at + 1] = [slice(None)] * (len(shape) - len(parts) + 1)
    parts += [slice(None)] * (len(shape) - len(parts))
    slices = [p if isinstance(p, slice) else slice(int(p) % n, int(p) % n + 1) for p, n in zip(parts, shape, strict=True)]
    ends = [p.indices(n) for p, n in zip(slices, shape, strict=True)]
    return tuple((a, b) for a, b, _ in ends) if all(step == 1 for *_, step in ends) else None


def along(indices: Any, axis: int, shape: tuple[int, ...]) -> Any:
    """The positions that indices along an axis point to."""
    axis %= len(shape)
    steps = numpy.cumprod((1, *shape[:0:-1]))[::-1]
    spread = [numpy.arange(n).reshape((-1,) + (1,) * (len(shape) - k - 1)) for k, n in enumerate(indices.shape)]
    rest: Any = numpy.zeros((1,) * len(shape), int)
    for k, s in enumerate(steps):
        if k != axis:
            rest = rest + spread[k] * int(s)
    n, step = shape[axis], int(steps[axis])
    if isinstance(indices, ndarray):
        return numpy.where(indices < 0, indices + n, indices) * step + rest
    valid = inside(indices, axis, n)
    indices = np.where(indices < 0, indices + n, indices)
    return np.where(valid, np.astype(indices, numpy.int64) * step + constant(rest), -1)


_one_along, _one_put = np.take_along_axis, np.put_along


def take_along_axis(x: Any, indices: Any, axis: int) -> Any:
    """The elements that an index array of the same rank picks along an axis."""
    if indices.shape[axis] == 1:
        return _one_along(lifted(x), indices, axis)
    places = along(indices, axis, x.shape)
    return gather(lifted(x), places)


def put_along(g: Any, indices: Any, axis: int, shape: tuple[int, ...]) -> Any:
    """Zeros of a shape with g added where indices point along an axis."""
    if indices.shape[axis] == 1:
        return _one_put(g, indices, axis, shape)
    return scatter(lifted(g), along(indices, axis, shape), shape)


# ---- writing -----------------------------------------------------------------------------------------------------------


def write(x: Any, v: Any, path: Any) -> Any:
    """x with v in the place that a path of views leads to."""
    x = x if isinstance(x, Traced) else constant(x)
    if isinstance(v, Traced | ndarray):
        v = lifted(v)
        x = x.astype(numpy.result_type(x.dtype, v.dtype))
    else:
        v = constant(v, x.dtype)
    if path and "index" in path[-1][1]:
        return written(x, v.astype(x.dtype), path[:-1], path[-1][1]["index"])
    return written(x, v.astype(x.dtype), path, ...)


def written(x: Traced, v: Traced, path: Any, index: Any) -> Traced:
    """x with v at an index of the view that a path leads to."""
    if foreign(x.dtype):
        return eager("write", on_arrays.write, (x, v, (*path, (None, {"index": index}))), {})
    if not path and is_basic(index):  # the box is known without any numbers
        box, target = boxed(x.shape, index), _empty(x.shape)[index].shape
        if box is not None:
            return placed(x, reshape(fitted(v, target), tuple(b - a for a, b in box)), box)
    places = numbered(x.shape)
    for op, settings in path:
        places = op.forward()(places, **settings)
    if not has_traced(index):
        places = numpy.asarray(places[index])
        return put(x, fitted(v, places.shape), places)
    if any(p.dtype.kind == "b" for p in (index if isinstance(index, tuple) else (index,)) if isinstance(p, Traced)):
        return masked(x, v, places, index)
    at, _, last = last_of(x.shape, places, index)
    return np.where(last > 0, gather(fitted(v, at.shape), last - 1), x)  # type: ignore[no-any-return]


def last_of(shape: tuple[int, ...], places: Any, index: Any) -> tuple[Any, Any, Any]:
    """Where an index that is computed points, numbers from 1 on for that, and for each place the last that points there."""
    at = positions(places.shape, index)
    if not numpy.array_equal(places.ravel(), numpy.arange(places.size)) or places.shape != shape:
        at = gather(constant(places), at)
    order = constant(numpy.arange(1, at.size + 1).reshape(at.shape))
    return at, order, Traced("scatter", (order, at), shape, numpy.int64, combine="max")


def still_there(shape: tuple[int, ...], path: Any) -> Any:
    """As among the array instructions, where the index may be computed."""
    if not path or not has_traced(path[-1][1].get("index")):
        return _known_still_there(shape, path)
    places = numbered(shape)
    for op, settings in path[:-1]:
        places = op.forward()(places, **settings)
    at, order, last = last_of(shape, places, path[-1][1]["index"])
    return np.equal(gather(last, at), order)


_known_still_there = np.still_there


def masked(x: Traced, v: Traced, places: Any, index: Any) -> Traced:
    """x with v where a mask that is computed holds, in the places that the rest of the index picks."""
    parts = parts_of(places.shape, index)
    arrays = [k for k, p in enumerate(parts) if not (p is None or isinstance(p, int | slice))]
    if len(arrays) > 1:
        raise unsupported("writing at a mask beside other arrays", "Write x = autograd.where(mask, v, x)")
    at = arrays[0]
    mask, rest = parts[at], len([p for p in parts[at + 1 :] if not isinstance(p, int)])
    axis = sum(p is not None for p in parts[:at])
    if mask.shape != places.shape[axis : axis + mask.ndim]:
        raise IndexError(f"boolean index of shape {mask.shape} did not match the axes of shape {places.shape}")
    places = places[(*parts[:at], *(slice(None),) * mask.ndim, *parts[at + 1 :])]
    if v.ndim > rest:  # with an axis for what the mask picks, of a length that only values tell
        picked = v.ndim - rest - 1
        if v.shape[picked] != 1:
            raise unsupported("writing as many values as a mask picks", "Write x = autograd.where(mask, v, x)")
        v = reshape(v, (*v.shape[:picked], *(1,) * mask.ndim, *v.shape[picked + 1 :]))
    known = reshape(mask, (*mask.shape, *(1,) * rest))
    return put(x, np.where(known, fitted(v, places.shape), picked_at(x, places)), places)


def fitted(v: Traced, shape: tuple[int, ...]) -> Traced:
    """v broadcast to the place that it is written to; further axes in front are of length 1."""
    extra = v.ndim - len(shape)
    try:
        if extra > 0 and all(n == 1 for n in v.shape[:extra]):
            v = reshape(v, v.shape[extra:])
        return broadcast_to(v, shape)  # type: ignore[no-any-return]
    except ValueError:
        raise ValueError(f"could not broadcast input array from shape {v.shape} into shape {shape}") from None


def box_of(places: Any, shape: tuple[int, ...]) -> tuple[tuple[int, int], ...] | None:
    """From where to where places go along each axis, if they are a box of the array, in order."""
    if not places.size:
        return None
    ends = (numpy.unravel_index(places.flat[k], shape) for k in (0, -1))
    box = tuple((int(a), int(b) + 1) for a, b in zip(*ends, strict=True))
    if any(b <= a for a, b in box) or numpy.prod([b - a for a, b in box], dtype=int) != places.size:
        return None
    here = numbered(shape)[tuple(slice(a, b) for a, b in box)]
    return box if numpy.array_equal(here.ravel(), places.ravel()) else None


def picked_at(x: Traced, places: Any) -> Traced:
    """What x holds in known places."""
    box = box_of(places, x.shape)
    if box is None:
        return gather(x, places)  # type: ignore[no-any-return]
    return reshape(sliced(x, tuple(slice(a, b) for a, b in box)), places.shape)  # type: ignore[no-any-return]


def put(x: Traced, v: Traced, places: Any) -> Traced:
    """x with v, of the shape of the places, in known places."""
    box = box_of(places, x.shape)
    if box is not None:
        return placed(x, reshape(v, tuple(b - a for a, b in box)), box)
    inverse = numpy.full(x.size, -1)
    inverse[places.ravel()] = numpy.arange(places.size)
    inverse = inverse.reshape(x.shape)
    return np.where(constant(inverse >= 0), gather(v, inverse), x)  # type: ignore[no-any-return]


def placed(x: Traced, v: Traced, box: tuple[tuple[int, int], ...]) -> Traced:
    """x with v in a box: what lies before and after it along each axis, joined with it."""
    if not v.size:
        return x
    for k in reversed(range(x.ndim)):
        outer = tuple(slice(a, b) for a, b in box[:k])
        a, b = box[k]
        if (a, b) != (0, x.shape[k]):
            v = concatenate([sliced(x, (*outer, slice(0, a))), v, sliced(x, (*outer, slice(b, None)))], axis=k)
    return v


def _empty(shape: tuple[int, ...]) -> Any:
    """An array of a shape that takes no memory, to ask NumPy about indices."""
    return numpy.lib.stride_tricks.as_strided(numpy.empty(1, bool), shape, (0,) * len(shape))


def _moving(name: str) -> Callable[..., Any]:
    """A function that only moves elements, each to a place that NumPy tells."""
    function = getattr(numpy, name)

    def emit(x: Any, *arguments: Any, **settings: Any) -> Any:
        if not isinstance(x, Traced):
            return function(x, *arguments, **settings)
        return gather(x, function(numbered(x.shape), *arguments, **settings))

    return emit


def pad(x: Any, widths: Any) -> Any:
    """x with a border of zeros."""
    if not isinstance(x, Traced):
        return numpy.pad(x, widths)
    return gather(x, numpy.pad(numbered(x.shape), widths, constant_values=-1))


def concatenate(xs: Any, axis: int = 0) -> Any:
    """Arrays joined along an axis: each is written in its place."""
    xs = [x if isinstance(x, Traced) else constant(x) for x in map(lifted, xs)]
    dtype, (k,) = numpy.result_type(*(x.dtype for x in xs)), _axes(axis, xs[0].ndim)
    parts = tuple(x.astype(dtype) for x in xs if x.shape[k])
    if len(parts) < 2:
        return (parts or (xs[0].astype(dtype),))[0]
    shape = (*parts[0].shape[:k], sum(x.shape[k] for x in parts), *parts[0].shape[k + 1 :])
    return Traced("join", parts, shape, dtype, axis=k)


def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Axes moved to new places."""
    order = numpy.moveaxis(numpy.empty((1,) * x.ndim), source, destination)  # raises where NumPy does
    names = numpy.moveaxis(numpy.empty(tuple(range(2, x.ndim + 2)), bool), source, destination).shape
    return transpose(x, tuple(n - 2 for n in names)) if order.ndim else x


FUNCTIONS: dict[str, Any] = {name: _moving(name) for name in ("flip", "roll", "repeat")}
for _function in (
    getitem, still_there, scatter_add, take_along_axis, put_along, write, pad, concatenate, moveaxis
):  # fmt: skip
    FUNCTIONS[_function.__name__] = _function
