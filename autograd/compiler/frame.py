"""The memory of one call in flight: the table of addresses, scratch, and the arrays for its results.

What a call has returned serves again when nobody holds it any more, which reference counts tell. A Tensor that was put into
an attribute, a gradient, stays there and is written over in place when only that attribute still knows it: then
nothing is made, wrapped or set.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from sys import getrefcount
from typing import Any, NamedTuple

import numpy

from autograd.compiler.address import address_of
from autograd.tensor import Tensor, wrap

__all__ = ["Frame", "Kept", "Layout", "reuser"]


class Kept(NamedTuple):
    """A result that belongs to one attribute alone: its holder and name, its place in the table, its shape and dtype."""

    holder: Any
    name: str
    place: int
    shape: tuple[int, ...]
    dtype: Any


class Layout(NamedTuple):
    """What all frames of a program have in common; places are those in the table."""

    addresses: list[int]  # 0 where each frame or call has its own
    arena: int
    scratch: list[tuple[int, int]]  # place, offset
    strided: list[tuple[int, int]]  # place, number of the state whose rows are not one after another
    numbers: list[int]  # places of float arguments
    loose: list[tuple[int, tuple[int, ...], Any]]  # results that are handed out: place, shape, dtype
    kept: list[Kept]
    spares: int = 3  # arrays that each of the results that are handed out may be in again, when nobody holds them any more


class Frame:
    """Memory for one call at a time, so that two threads never share it."""

    __slots__ = ("table", "address", "numbers", "copies", "tensors", "arrays", "_scratch", "_loose", "_kept", "_spares")

    def __init__(self, layout: Layout, states: list[Any]):
        self.table = array("q", layout.addresses or [0])
        self.address = self.table.buffer_info()[0]
        self._scratch = numpy.empty(layout.arena + 64, numpy.uint8)
        start = -(-address_of(self._scratch) // 64) * 64
        for at, offset in layout.scratch:
            self.table[at] = start + offset
        self.numbers = array("d", [0.0] * len(layout.numbers))
        for n, at in enumerate(layout.numbers):
            self.table[at] = self.numbers.buffer_info()[0] + 8 * n
        self.copies = [(k, numpy.empty(states[k].shape, states[k].dtype)) for _, k in layout.strided]
        for (at, _), (_, copy) in zip(layout.strided, self.copies, strict=True):
            self.table[at] = address_of(copy)
        self._loose: list[Any] = [(*result, []) for result in layout.loose]
        self._kept, self._spares = layout.kept, layout.spares
        self.tensors: list[Any] = [None] * len(layout.kept)
        self.arrays: list[Any] = [None] * len(layout.kept)

    def results(self) -> list[Any]:
        """An array that nobody holds for every result that is handed out, its address entered in the table."""
        arrays, table = [], self.table
        for at, shape, dtype, spare in self._loose:
            for a, address in spare:  # noqa: B007
                if getrefcount(a) == ALONE:
                    break
            else:
                a = numpy.empty(shape, dtype)
                address = address_of(a)
                if len(spare) < self._spares:
                    spare.append((a, address))
            table[at] = address
            arrays.append(a)
        return arrays

    def renew(self) -> list[tuple[Any, str, Tensor]]:
        """New Tensors for those kept results that somebody else holds; gives what is to be set when they are computed."""
        missing = []
        for n, (holder, name, at, shape, dtype) in enumerate(self._kept):
            if not _single(holder, name, self.tensors, self.arrays, n):
                self.arrays[n] = numpy.empty(shape, dtype)
                self.tensors[n] = wrap(self.arrays[n])
                self.table[at] = address_of(self.arrays[n])
                missing.append((holder, name, self.tensors[n]))
        return missing


def reuser(kept: list[Kept]) -> Callable[[list[Any], list[Any]], bool]:
    """A function of a frame's tensors and arrays: whether each is still where it was put, and nobody else holds it."""
    terms = [
        f"h{n}.{k.name} is t{n} and refs(t{n}) == 4 + {EXTRA} and refs(a{n}) == 4 + {EXTRA} and t{n}._data is a{n} "
        f"and t{n}._node is None"
        for n, k in enumerate(kept)
    ]
    tensors, arrays = ("".join(f"{letter}{n}, " for n in range(len(kept))) for letter in "ta")
    body = f"{tensors}= tensors\n        {arrays}= arrays\n        return {' and '.join(terms)}" if kept else "return True"
    holders = "".join(f"h{n}, " for n in range(len(kept)))
    source = f"def make(refs, {holders}):\n    def reuse(tensors, arrays):\n        {body}\n    return reuse\n"
    scope: dict[str, Any] = {}
    exec(compile(source, "<wengert frame>", "exec"), scope)
    return scope["make"](getrefcount, *(k.holder for k in kept))  # type: ignore[no-any-return]


class _Probe:
    grad: Any = None


def _references() -> int:
    """The count of references to an array that only the pair in a list, the loop and the question itself hold."""
    spare = [(numpy.empty(0), 0)]
    for a, _ in spare:
        return getrefcount(a)
    return 0


def _single(holder: Any, name: str, tensors: list[Any], arrays: list[Any], n: int) -> bool:
    """What `reuser` asks, for one of them."""
    tensor, a = tensors[n], arrays[n]
    return (
        tensor is not None and getattr(holder, name) is tensor and getrefcount(tensor) == 4 + EXTRA
        and getrefcount(a) == 4 + EXTRA and tensor._data is a and tensor._node is None
    )  # fmt: skip


ALONE = _references()
EXTRA = 0
"""References beside the list, the attribute (or the Tensor), the variable and the question; found by trying."""


def _calibrate() -> bool:
    """Whether counts are what `reuser` takes them for: if not, nothing serves again."""
    probe = _Probe()
    tensor = wrap(numpy.zeros(1))
    probe.grad, tensors, arrays = tensor, [tensor], [tensor._data]
    held = reuser([Kept(probe, "grad", 0, (1,), float)])(tensors, arrays) or _single(probe, "grad", tensors, arrays, 0)
    del tensor
    free = reuser([Kept(probe, "grad", 0, (1,), float)])(tensors, arrays) and _single(probe, "grad", tensors, arrays, 0)
    return free and not held


if not _calibrate():
    EXTRA = 1 << 20  # no count is ever that
