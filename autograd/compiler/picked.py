"""A pass over instructions: Σᵢ [i = k] f(i) = f(k).

What picks one element of each row, as a cross-entropy does with the logit of the right class, is recorded as a sum over the
row, so that it can share the loops that compute the row. Where f is made of little, of arrays that are in memory, it is
computed at k alone.
"""

from __future__ import annotations

from typing import Any

from autograd.compiler.trace import Traced
from autograd.compiler.windows import SCALAR
from autograd.kernels.scalars import SAMENESS

__all__ = ["picked"]

STORED = ("argument", "state", "matmul")
FEW = 12
"""Instructions of f."""


def picked(instructions: list[Traced], uses: dict[float, int]) -> None:
    """Σᵢ [i = k] f(i) over the rows of a matrix as f(k), in place; 0 where k is none of their places."""
    for x in instructions:
        if x.function != "sum" or x.settings["axes"] != (1,) or x.inputs[0].ndim != 2 or uses[x.inputs[0].tick] > 1:
            continue
        chosen = x.inputs[0]
        k = _place(chosen)
        if k is not None and x.dtype == chosen.dtype and isinstance(chosen.inputs[1], Traced):
            made = _Made(x, chosen, k)
            value = made.at(chosen.inputs[1])
            if value is not None:
                x.function, x.inputs, x.settings = "where", (made.inside, value, 0), {}


def _place(x: Traced) -> Traced | None:
    """k, if x is f where the number of the column is k, and 0 elsewhere."""
    if x.function != "where" or isinstance(x.inputs[2], Traced) or x.inputs[2] != 0 or not isinstance(x.inputs[0], Traced):
        return None
    same = x.inputs[0]
    if same.function not in SAMENESS or not all(isinstance(i, Traced) for i in same.inputs):
        return None
    a, b = same.inputs if same.inputs[0].function == "count" else same.inputs[::-1]
    column = a.function == "count" and a.shape == x.shape[1:]
    return b if column and b.ndim == 2 and b.shape[1] == 1 and b.dtype.kind == "i" else None


class _Made:
    """New instructions that stand before a sum: what it picks."""

    def __init__(self, x: Traced, row: Traced, k: Traced):
        self.x, self.rows, self.columns = x, row.shape[0], row.shape[1]
        self.count = 0
        self.k = self.make("cast", (k,), k.shape, "int64")
        ends = [("greater_equal", 0), ("less", self.columns)]
        self.inside = self.make("logical_and", tuple(self.make(f, (self.k, n), k.shape, bool) for f, n in ends), k.shape, bool)
        self.places: dict[tuple[int, ...], Traced] = {}

    def make(self, function: str, inputs: tuple[Any, ...], shape: tuple[int, ...], dtype: Any, **settings: Any) -> Traced:
        """An instruction after those that were made before, and before the sum."""
        y = Traced(function, inputs, shape, dtype, **settings)
        self.count += 1
        y.tick = self.x.tick - 0.45 + 1.3e-5 * self.count
        return y

    def place(self, shape: tuple[int, ...]) -> Traced:
        """Where in an array of a shape, laid out in a row, the element is that is picked; −1 where there is none."""
        if shape not in self.places:
            at = self.k
            if len(shape) == 2 and shape[0] > 1:
                row = self.make("reshape", (self.make("count", (), (self.rows,), "int64"),), (self.rows, 1), "int64")
                at = self.make("add", (self.make("multiply", (row, self.columns), row.shape, "int64"), at), row.shape, "int64")
            self.places[shape] = self.make("where", (self.inside, at, -1), at.shape, "int64")
        return self.places[shape]

    def at(self, f: Traced) -> Traced | None:
        """f at the places that are picked; None if that takes many instructions, or arrays that are not in memory."""
        found: dict[float, Any] = {}
        stack, left = [f], FEW
        while stack:
            y = stack[-1]
            if y.tick in found:
                stack.pop()
                continue
            if y.ndim == 0 or y.shape[-1] == 1:  # the same in the whole row
                found[y.tick] = y
                continue
            if y.function in STORED and y.shape in ((self.rows, self.columns), (1, self.columns), (self.columns,)):
                where = self.place(y.shape)
                found[y.tick] = self.make("gather", (y, where), where.shape, y.dtype)
                continue
            if y.function not in (*SCALAR, "broadcast") or not left:
                return None
            waiting = [i for i in y.inputs if isinstance(i, Traced) and i.tick not in found]
            if waiting:
                stack += waiting
                continue
            left -= 1
            found[y.tick] = self.again(y, found)
        return found[f.tick]  # type: ignore[no-any-return]

    def again(self, y: Traced, found: dict[float, Any]) -> Traced:
        """y, of what its operands are at the places that are picked."""
        inputs = tuple(found[i.tick] if isinstance(i, Traced) else i for i in y.inputs)
        return self.make(y.function, inputs, (self.rows, 1), y.dtype, **y.settings)
