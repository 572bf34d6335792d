"""How ops that move elements about or multiply run on whole batches, for `autograd.vmap`.

Most ops need no rule: an elementwise op broadcasts, and an op with ``axis`` and ``keepdims`` has its axes shifted by one
(`autograd.batching`). What stands here says for the others how the batch, which is the first axis of the arrays marked in
``on``, goes round them. A rule is written with the ops themselves, so its derivative follows. An op that has none, or whose
rule returns None, is run example by example.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from autograd.apply import apply
from autograd.ops.index import getitem, put_along, take_along_axis
from autograd.ops.linalg import _contract, matmul
from autograd.ops.reduce import cumsum
from autograd.ops.shape import (
    broadcast_to,
    concatenate,
    flip,
    moveaxis,
    pad_zeros,
    repeat,
    reshape,
    roll,
    stack,
    swapaxes,
    transpose,
)
from autograd.rule import OPS, Op
from autograd.tensor import Tensor

__all__ = ["aligned", "broadcasting", "expanded", "shifted"]

_call = {name: op.call for name, op in OPS.items()}


def shifted(axis: Any, ndim: int) -> Any:
    """Axes of an example of `ndim` axes as those of a batch; all of them for None."""
    if axis is None:
        return tuple(range(1, ndim + 1))
    if isinstance(axis, tuple | list):
        return tuple(shifted(a, ndim) for a in axis)
    return axis % ndim + 1 if -ndim <= axis < ndim else axis + ndim + 100  # what does not exist stays so


def aligned(x: Any, ndim: int) -> Any:
    """A batch of examples with at least `ndim` axes, new ones of length 1 in front of theirs."""
    missing = ndim - (x.ndim - 1)
    return reshape(x, (x.shape[0], *(1,) * missing, *x.shape[1:])) if missing > 0 else x


def expanded(arrays: Any, on: Any) -> list[Any]:
    """All arrays as batches; those that are not are repeated, without a copy."""
    n = next(x.shape[0] for x, b in zip(arrays, on, strict=True) if b)
    return [x if b else broadcast_to(x, (n, *numpy.shape(x))) for x, b in zip(arrays, on, strict=True)]


def broadcasting(op: Op, arrays: Any, on: Any, settings: dict[str, Any]) -> Any:
    """An op that looks at each element by itself: the examples broadcast as they would one by one."""
    ranks = [a.ndim - b if isinstance(a, Tensor) else numpy.ndim(a) for a, b in zip(arrays, on, strict=True)]
    rank = max(*ranks, *(numpy.ndim(s) for s in settings.values() if not isinstance(s, str)), 0)
    return apply(op, [aligned(a, rank) if b else a for a, b in zip(arrays, on, strict=True)], settings)


def _rule(*names: str) -> Callable[[Any], Any]:
    def decorate(rule: Any) -> Any:
        for name in names:
            OPS[name].batch = rule
        return rule

    return decorate


def _single(name: str) -> Callable[[Any], Any]:
    def decorate(rule: Any) -> Any:
        OPS[name].batch = lambda arrays, on, **settings: rule(arrays[0], **settings)
        return rule

    return decorate


for _name in ("cast", "clip", "conj", "imag", "ones_like", "real", "select", "zeros_like"):
    OPS[_name].batch = lambda arrays, on, _op=OPS[_name], **settings: broadcasting(_op, arrays, on, settings)


for _name in ("inv", "cholesky", "det", "logabsdet", "detsign", "cofactor"):  # of stacks of matrices
    OPS[_name].batch = lambda arrays, on, _op=OPS[_name]: apply(_op, arrays)


@_rule("solve", "solve_triangular")
def _solve(arrays: Any, on: Any, **settings: Any) -> Any:
    a, b = arrays
    op = OPS["solve_triangular" if settings else "solve"]
    if on == (False, True) and a.ndim == 2 and b.ndim == 3:  # one matrix for all: more columns
        wide = reshape(moveaxis(b, 1, 0), (b.shape[1], -1))
        return moveaxis(reshape(apply(op, (a, wide), settings), (b.shape[1], b.shape[0], b.shape[2])), 0, 1)
    return broadcasting(op, arrays, on, settings)


def _lengths(shape: Any) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, int | numpy.integer) else tuple(shape)


def _flat(x: Any) -> Any:
    return reshape(x, (x.shape[0], -1))


_single("reshape")(lambda x, shape: reshape(x, (x.shape[0], *_lengths(shape))))
_single("swapaxes")(lambda x, axis1, axis2: swapaxes(x, shifted(axis1, x.ndim - 1), shifted(axis2, x.ndim - 1)))
_single("moveaxis")(
    lambda x, source, destination: moveaxis(x, shifted(source, x.ndim - 1), shifted(destination, x.ndim - 1))
)
_single("broadcast_to")(lambda x, shape: broadcast_to(aligned(x, len(_lengths(shape))), (x.shape[0], *_lengths(shape))))
_single("flip")(lambda x, axis: flip(x, shifted(axis, x.ndim - 1)))
_single("pad_zeros")(lambda x, widths: pad_zeros(x, ((0, 0), *widths)))
_single("cumsum")(lambda x, axis: cumsum(_flat(x), 1) if axis is None else cumsum(x, shifted(axis, x.ndim - 1)))
_single("repeat")(
    lambda x, repeats, axis: repeat(_flat(x), repeats, 1) if axis is None else repeat(x, repeats, shifted(axis, x.ndim - 1))
)
_single("argsort")(lambda x, axis, kind: _call["argsort"](x, shifted(axis, x.ndim - 1), kind))
_single("windows")(lambda x, **settings: _call["windows"](x, **settings))  # they look at the last axes alone
_single("max_windows")(lambda x, **settings: _call["max_windows"](x, **settings))
_single("overlap_add")(lambda x, shape, **settings: _call["overlap_add"](x, (x.shape[0], *shape), **settings))


@_single("transpose")
def _transpose(x: Any, axes: Any) -> Any:
    ndim = x.ndim - 1
    return transpose(x, (0, *(shifted(axes, ndim) if axes is not None else range(ndim, 0, -1))))


@_single("expand_dims")
def _expand_dims(x: Any, axis: Any) -> Any:
    new = axis if isinstance(axis, tuple | list) else (axis,)
    return _call["expand_dims"](x, shifted(tuple(new), x.ndim - 1 + len(new)))


@_single("squeeze")
def _squeeze(x: Any, axis: Any) -> Any:
    ones = tuple(k for k in range(1, x.ndim) if x.shape[k] == 1)
    return _call["squeeze"](x, ones if axis is None else shifted(axis, x.ndim - 1))


@_single("roll")
def _roll(x: Any, shift: Any, axis: Any) -> Any:
    return reshape(roll(_flat(x), shift, 1), x.shape) if axis is None else roll(x, shift, shifted(axis, x.ndim - 1))


@_rule("argmax", "argmin")
def _extreme(arrays: Any, on: Any, **settings: Any) -> Any:
    return None if settings["axis"] is None else NotImplemented


@_rule("concatenate")
def _concatenate(arrays: Any, on: Any, axis: int, **_: Any) -> Any:
    wide = expanded(arrays, on)
    return concatenate(wide, axis=shifted(axis, wide[0].ndim - 1))


@_rule("stack")
def _stack(arrays: Any, on: Any, axis: int, **_: Any) -> Any:
    return stack(expanded(arrays, on), axis=axis + 1)


@_rule("matmul")
def _matmul(arrays: Any, on: Any) -> Any:
    a, b = arrays
    if on == (True, False) and (b.ndim <= 2 and (a.ndim > 2 or b.ndim == 2)):
        return matmul(a, b)  # (n, …, k) by (k,) or (k, m): one product
    if on == (False, True) and a.ndim == 2 and b.ndim == 2:
        return matmul(b, swapaxes(a, 0, 1))  # (m, k) by each vector
    a, b = expanded(arrays, on)
    left, right = a.ndim == 2, b.ndim == 2  # examples that are vectors
    a = reshape(a, (a.shape[0], 1, a.shape[1])) if left else a
    b = reshape(b, (*b.shape, 1)) if right else b
    rank = max(a.ndim, b.ndim) - 1
    y = matmul(aligned(a, rank), aligned(b, rank))
    shape = y.shape[: -2 if left and right else -1] if right else (*y.shape[:-2], y.shape[-1]) if left else None
    return y if shape is None else reshape(y, shape)


@_rule("affine")
def _affine(arrays: Any, on: Any) -> Any:
    x, weight, bias = arrays
    if on == (True, False, False):
        return _call["affine"](x, weight, bias)
    x, weight, bias = expanded(arrays, on)
    rows = reshape(x, (x.shape[0], -1, x.shape[-1]))
    y = matmul(rows, swapaxes(weight, 1, 2)) + reshape(bias, (bias.shape[0], 1, -1))
    return reshape(y, (*x.shape[:-1], y.shape[-1]))


@_rule("einsum")
def _einsum(arrays: Any, on: Any, subscripts: str) -> Any:
    terms, out = subscripts.split("->")
    letter = next(c for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in subscripts)
    terms = ",".join((letter if b else "") + t for t, b in zip(terms.split(","), on, strict=True))
    return apply(_contract.op, tuple(arrays), {"subscripts": f"{terms}->{letter}{out}"})


@_rule("getitem")
def _getitem(arrays: Any, on: Any, index: Any) -> Any:
    index = index if isinstance(index, tuple) else (index,)
    fancy = [k for k, i in enumerate(index) if numpy.ndim(i) > 0 or isinstance(i, bool | numpy.bool_)]
    if fancy:
        at = [k for k, i in enumerate(index) if not isinstance(i, slice) and i is not None and i is not Ellipsis]
        if at[-1] - at[0] + 1 != len(at):
            return None  # NumPy puts the axes of separated index arrays first, before the batch
    return getitem(arrays[0], (slice(None), *index))


@_rule("take_along_axis")
def _take_along(arrays: Any, on: Any, axis: int) -> Any:
    x, indices = expanded(arrays, on)
    return take_along_axis(x, indices, axis=shifted(axis, x.ndim - 1))


@_rule("put_along")
def _put_along(arrays: Any, on: Any, axis: int, shape: Any) -> Any:
    x, indices = expanded(arrays, on)
    return put_along(x, indices, axis=shifted(axis, x.ndim - 1), shape=(x.shape[0], *shape))
