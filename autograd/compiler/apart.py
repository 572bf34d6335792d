"""A pass over instructions: what is cheap, and read in slices alone, is computed slice by slice.

A recurrent network takes its steps out of one array, made by one product for all of them; a bias that is added to that array
need not be a pass over it, but can be added where a step is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, pairwise
from typing import Any

from autograd.compiler.trace import Traced

__all__ = ["CHEAP", "slice_by_slice"]

CLOSE = 1.37e-6  # between neighbours in the order of the program
CHEAP = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "add", "subtract", "multiply", "negative")


def slice_by_slice(instructions: list[Traced], uses: dict[float, int]) -> None:
    """(a + b)[i], (a + b)[j], … = a[i] + b[i], a[j] + b[j], …, in place, where no element is in two of them."""
    slices: dict[float, list[Traced]] = {}
    before: dict[float, Iterator[float]] = {}  # slice -> places in the order of the program before it, for what it is made of
    for x in instructions:
        if x.function == "slice" and uses[x.tick] == 1:
            slices.setdefault(x.inputs[0].tick, []).append(x)
            before[x.tick] = count(x.tick - CLOSE, -CLOSE)
    for x in reversed(instructions):  # those that are made of others first: what is cut out of them is cut in turn
        readers = slices.get(x.tick, [])
        if x.function not in CHEAP or len(readers) < 2 or len(readers) < uses[x.tick] or not _apart(readers):
            continue
        for i in x.inputs:
            if isinstance(i, Traced):
                uses[i.tick] += len(readers) - 1
                if i.function == "broadcast":
                    uses[i.inputs[0].tick] += len(readers)
        for y in readers:
            made = []
            for i in x.inputs:
                source, box = _needed(i, x, y)
                if box is not None:
                    starts, shape = box
                    source = Traced("slice", (source,), shape, source.dtype, starts=starts, steps=(1,) * len(shape))
                    source.tick = next(before[y.tick])
                    before[source.tick] = before[y.tick]
                    slices.setdefault(source.inputs[0].tick, []).append(source)
                made.append(source)
            y.function, y.inputs, y.settings = x.function, tuple(made), x.settings


def _apart(slices: list[Traced]) -> bool:
    """Whether slices without gaps lie beside each other along some axis."""
    if any(step != 1 for y in slices for step in y.settings["steps"]):
        return False
    for k in range(slices[0].ndim):
        ends = sorted((y.settings["starts"][k], y.settings["starts"][k] + y.shape[k]) for y in slices)
        if all(a[1] <= b[0] for a, b in pairwise(ends)):
            return True
    return False


def _needed(i: Any, x: Traced, y: Traced) -> tuple[Any, tuple[tuple[int, ...], tuple[int, ...]] | None]:
    """Of an operand of x, what the slice y of x needs: an array, and where it starts in that and its shape, or None for all."""
    if not isinstance(i, Traced) or i.size == 1:
        return i, None
    if i.function == "broadcast" and i.shape == x.shape:
        i = i.inputs[0]
    extents = (1,) * (x.ndim - i.ndim) + i.shape
    starts = tuple(a if n > 1 else 0 for a, n in zip(y.settings["starts"], extents, strict=True))[x.ndim - i.ndim :]
    shape = tuple(m if n > 1 else 1 for m, n in zip(y.shape, extents, strict=True))[x.ndim - i.ndim :]
    return i, None if shape == i.shape else (starts, shape)
