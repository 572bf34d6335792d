"""Passes over instructions that do at once what comes in many small pieces, as the steps of a recurrent network do.

The gradients of slices, each placed among zeros and all added up, are arrays side by side. BLAS reaches its speed on
products of some size, and only those are worth sharing among threads: Σ aₜ bₜ is one product of all aₜ side by side with all
bₜ below each other; and products of many left operands with one right operand are one product, where the left operands are
known before any product is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from autograd.compiler.indices import same_but_ones
from autograd.compiler.trace import Traced, constant

__all__ = ["one_of_a_sum", "one_of_equal_factors", "side_by_side", "transposed_once"]

FEW = 4  # products that are left as they are
LARGE = 1 << 21  # multiply-adds of a product that is large by itself
SHORT = 128  # rows of a product for which a transposed right operand costs as much as it


def side_by_side(instructions: list[Traced], uses: dict[float, int]) -> None:
    """Σ of arrays that are each placed among zeros = these arrays joined, in place, where their places do not overlap."""
    for x, leaves in _sums(instructions, uses):
        placed: dict[int, list[Traced]] = {}
        for y in leaves:
            axis = _placed_along(y)
            if axis is not None:
                placed.setdefault(axis, []).append(y)
        axis, parts = max(placed.items(), key=lambda item: len(item[1]), default=(0, []))
        parts.sort(key=lambda y: y.settings["box"][axis])
        ends = [y.settings["box"][axis] for y in parts]
        if len(parts) < 2 or any(a[1] > b[0] for a, b in pairwise(ends)):
            continue
        made: list[Traced] = []
        matrix = axis == 0 and x.ndim > 2  # rows of a matrix, to which others may be joined as well
        at = 0
        for k, (start, end) in enumerate([*ends, (x.shape[axis],) * 2]):
            tick = x.tick - 0.7 + len(made) * 1e-5
            if start > at:
                zero = constant(0, x.dtype)
                zero.tick = tick - 0.1
                shape = _rows((*x.shape[:axis], start - at, *x.shape[axis + 1 :]), matrix)
                made.append(_made("broadcast", (zero,), tick, to=shape))
            if k < len(parts):
                shape, source = _rows(tuple(b - a for a, b in parts[k].settings["box"]), matrix), parts[k].inputs[0]
                made.append(source if source.shape == shape else _made("reshape", (source,), tick + 5e-6, to=shape))
            at = end
        joined = _made("join", tuple(made), x.tick - 0.65, axis=axis)
        whole = joined if joined.shape == x.shape else _made("reshape", (joined,), x.tick - 0.6, to=x.shape)
        _instead(x, leaves, parts, whole, 0.55)


def _rows(shape: tuple[int, ...], matrix: bool) -> tuple[int, ...]:
    """A shape, or that of the matrix with the same rows."""
    return (math.prod(shape[:-1]), shape[-1]) if matrix else shape


def _placed_along(y: Traced) -> int | None:
    """The one axis along which y is an array placed among zeros."""
    box = y.settings.get("box")
    partly = [k for k, (a, b) in enumerate(box) if (a, b) != (0, y.shape[k])] if box is not None else []
    return partly[0] if len(partly) == 1 else None


def _sums(instructions: list[Traced], uses: dict[float, int]) -> Iterator[tuple[Traced, list[Traced]]]:
    """Each sum of several arrays, with what is added up in it and needed nowhere else."""
    inner = {i.tick for x in instructions if _adds(x) for i in x.inputs if _adds(i) and uses[i.tick] == 1}
    for x in instructions:
        if _adds(x) and x.tick not in inner:
            leaves, stack = [], [x]
            while stack:
                for i in stack.pop().inputs:
                    stack.append(i) if i.tick in inner else leaves.append(i)
            yield x, leaves


def _instead(x: Traced, leaves: list[Traced], terms: list[Traced], total: Traced, before: float) -> None:
    """Make the sum x one of `total`, in the place of some of its terms, and the others."""
    rest = [y for y in leaves if all(y is not t for t in terms)]
    for k, y in enumerate(rest[:-1]):
        total = _made("add", (y, total), x.tick - before + (k + 1) * 0.05 / len(rest))
    if rest:
        x.inputs = (rest[-1], total)
    else:
        x.function, x.inputs, x.settings = total.function, total.inputs, total.settings


def one_of_a_sum(instructions: list[Traced], uses: dict[float, int]) -> None:
    """Σ aₜ bₜ = (a₁ a₂ …) (b₁; b₂; …), and Σ of sums over rows = one over all rows, in place.

    Only where nothing else needs the terms one by one. Their order is that in which their operands are joined already, if
    they are.
    """
    place = {i.tick: (x.tick, k) for x in instructions if x.function == "join" for k, i in enumerate(x.inputs)}
    for x, leaves in _sums(instructions, uses):
        alike: dict[object, list[Traced]] = {}
        for y in leaves:
            if uses[y.tick] == 1 and (kind := _kind(y)) is not None:
                alike.setdefault(kind, []).append(y)
        longest: list[Traced] = max(alike.values(), key=len, default=[])
        terms = sorted(longest, key=lambda y: y.tick)
        if len(terms) >= FEW:
            places = [place.get(y.inputs[-1].tick, (0, 0)) for y in terms]
            if places[0][0] and len({joined for joined, _ in places}) == 1:
                terms.sort(key=lambda y: place[y.inputs[-1].tick])
            total = _sum_of_products(terms, x.tick) if terms[0].function == "matmul" else _sum_of_rows(terms, x.tick)
            _instead(x, leaves, terms, total, 0.3)


def _kind(y: Traced) -> object:
    """What terms of a sum have in common that can be one; None if it is none of these."""
    if _small_product(y):
        return y.inputs[0].shape
    rows = y.inputs[0] if y.function == "reshape" and same_but_ones(y.inputs[0], y) else y
    if rows.function == "sum" and rows.settings["axes"] == (0,):
        added = rows.inputs[0]
        return ("rows", added.shape) if added.ndim == 2 and added.dtype == rows.dtype else None
    return None


def _sum_of_products(products: list[Traced], tick: float) -> Traced:
    left = _beside([y.inputs[0] for y in products], tick - 0.45)
    right = _made("join", tuple(y.inputs[1] for y in products), tick - 0.35, axis=0)
    return _made("matmul", (left, right), tick - 0.3)


def _sum_of_rows(sums: list[Traced], tick: float) -> Traced:
    """Sums over the rows of many arrays as the sum over the rows of all."""
    arrays = tuple((y.inputs[0] if y.function == "reshape" else y).inputs[0] for y in sums)
    rows = _made("sum", (_made("join", arrays, tick - 0.45, axis=0),), tick - 0.4, axes=(0,))
    return rows if rows.shape == sums[0].shape else _made("reshape", (rows,), tick - 0.3, to=sums[0].shape)


def one_of_equal_factors(instructions: list[Traced]) -> None:
    """xₜ w for many t = the rows of (x₁; x₂; …) w, in place, where no product is needed for any xₜ."""
    after_product: set[float] = set()
    groups: dict[tuple[float, int], list[Traced]] = {}
    for x in instructions:
        if any(isinstance(i, Traced) and (i.tick in after_product or i.function == "matmul") for i in x.inputs):
            after_product.add(x.tick)
        if _small_product(x) and x.inputs[0].tick not in after_product and x.inputs[0].function != "matmul":
            groups.setdefault((x.inputs[1].tick, x.inputs[0].shape[0]), []).append(x)
    for products in groups.values():
        first = min(y.tick for y in products)
        if len(products) < FEW or max(y.inputs[0].tick for y in products) > first:
            continue
        together = _made("join", tuple(y.inputs[0] for y in products), first - 0.45, axis=0)
        rows = _made("matmul", (together, products[0].inputs[1]), first - 0.4)
        height, width = products[0].shape
        for t, y in enumerate(products):
            y.function, y.inputs = "slice", (rows,)
            y.settings = {"starts": (t * height, 0), "steps": (1, 1)}
            assert y.shape == (height, width)


def transposed_once(instructions: list[Traced]) -> None:
    """xₜ wᵀ for many short xₜ: wᵀ is written out once.

    BLAS takes a transposed right operand apart anew in each product. For 32 rows that takes as long as the product itself.
    """
    groups: dict[float, list[Traced]] = {}
    for x in instructions:
        if _small_product(x) and x.shape[0] <= SHORT and x.inputs[1].function == "transpose":
            groups.setdefault(x.inputs[1].tick, []).append(x)
    for products in groups.values():
        if len(products) >= FEW:
            w = products[0].inputs[1]
            whole = _made("join", (w,), min(y.tick for y in products) - 0.4, axis=0)
            for y in products:
                y.inputs = (y.inputs[0], whole)


def _adds(x: object) -> bool:
    return (
        isinstance(x, Traced) and x.function == "add" and x.ndim > 0 and x.dtype.kind == "f"
        and all(isinstance(i, Traced) and i.shape == x.shape and i.dtype == x.dtype for i in x.inputs)
    )  # fmt: skip


def _small_product(x: Traced) -> bool:
    if x.function != "matmul" or x.ndim != 2 or "total" in x.settings or x.size == 0:
        return False
    a, b = x.inputs
    return bool(a.ndim == b.ndim == 2 and 0 < x.size * a.shape[1] <= LARGE)


def _beside(matrices: Sequence[Traced], tick: float) -> Traced:
    """Matrices side by side; transposed ones below each other, the whole transposed."""
    if all(a.function == "transpose" and a.settings["axes"] == (1, 0) for a in matrices):
        below = _made("join", tuple(a.inputs[0] for a in matrices), tick, axis=0)
        return _made("transpose", (below,), tick + 0.05, axes=(1, 0))
    return _made("join", tuple(matrices), tick, axis=1)


def _made(function: str, inputs: tuple[Traced, ...], tick: float, **settings: Any) -> Traced:
    """An instruction over matrices, at a place in the order of the program."""
    shape = inputs[0].shape
    if function == "join":
        k = settings["axis"]
        shape = tuple(sum(i.shape[a] for i in inputs) if a == k else n for a, n in enumerate(shape))
    elif function == "matmul":
        shape = (shape[0], inputs[1].shape[1])
    elif function == "transpose":
        shape = shape[::-1]
    elif function == "sum":
        shape = (1, shape[1])
    elif function in ("reshape", "broadcast"):
        shape = settings.pop("to")
    y = Traced(function, inputs, shape, inputs[0].dtype, **settings)
    y.tick = tick
    return y
