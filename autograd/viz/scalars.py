"""The graph of a Value, as the lists that a picture is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from autograd.value import Value, contributions
from autograd.viz import text
from autograd.viz.model import Box, Edge, Plain
from autograd.viz.read import group_box, infix, titled
from autograd.viz.text import sign

__all__ = ["ValueGraph"]


class ValueGraph(Plain):
    """All Values that the root was computed from, oldest first."""

    def __init__(self, root: Value, *, values: bool, gradients: bool, partials: bool):
        self.values, self.partials = values, partials
        found, stack = {root._tick: root}, [root]
        while stack:
            for v in stack.pop()._inputs:
                if v._tick not in found:
                    found[v._tick] = v
                    stack.append(v)
        order = [found[t] for t in sorted(found)]
        self.things = [v for v in order if v is root or not _is_literal(v)]
        place = {v._tick: i for i, v in enumerate(self.things)}
        self.inputs = [[place[v._tick] for v in thing._inputs if v._tick in place] for thing in self.things]
        self.gradients = _gradients(order) if gradients else None

    def is_named(self, i: int) -> bool:
        """Whether the user gave it a name."""
        return self.things[i].name is not None

    def box(self, i: int) -> Box:
        """The box of one Value."""
        v = self.things[i]
        op = v._op
        last = i == len(self.things) - 1
        kind = "parameter" if op is None else "result" if last else "operation"
        lines = ["a leaf"] if op is None else [f"{op.name}: {op.doc}"]
        lines += [f"value {v.data!r}"] if self.values else []
        lines += [f"gradient {self.gradients[v._tick]!r}"] if self.gradients is not None else []
        return Box(
            kind,
            label=_notation(v),
            name=v.name or "",
            value=(text.number(v.data),) if self.values else (),
            gradient=(text.number(self.gradients[v._tick]),) if self.gradients is not None else (),
            tooltip=titled(v.name, lines),
        )

    def edge(self, i: int, k: int, tail: int, head: int) -> Edge:
        """The edge from the k-th drawn operand; with the local derivative on request."""
        v = self.things[i]
        op = v._op
        if not self.partials or op is None:
            return Edge(tail, head)
        slot = [j for j, below in enumerate(v._inputs) if not _is_literal(below)][k]
        value = text.number(contributions(v, 1.0)[slot])
        return Edge(
            tail, head, label=f"∂ {value}", tooltip=f"∂y/∂{op.arrays[slot]} = {op.partials[slot]} = {value}"
        )

    def group(self, members: Sequence[int]) -> Box:
        """The box for several Values."""
        inside = [self.things[i] for i in members]
        ops = Counter(v._op.label for v in inside if v._op is not None)
        return group_box(len(members), ops, [v.name for v in inside if v.name], ())


def _is_literal(v: Value) -> bool:
    """Whether it stands for a number in the user's expression, such as the 2 of ``a**2``."""
    return type(v) is not Value and v._op is None


def _notation(v: Value) -> str:
    if v._op is None:
        return ""
    for k, below in enumerate(v._inputs):
        if len(v._inputs) == 2 and _is_literal(below):
            return infix(v._op.label, text.number(below.data, 6), k)
    return sign(v._op.label)


def _gradients(order: list[Value]) -> dict[int, float]:
    """What backward left in ``.grad``; before it, what it would leave, worked out aside."""
    root = order[-1]
    if root.grad:
        return {v._tick: v.grad for v in order}
    found = dict.fromkeys((v._tick for v in order), 0.0)
    found[root._tick] = 1.0
    for v in reversed(order):
        if v._inputs:
            parts = contributions(v, found[v._tick])
            for below, part in zip(v._inputs, parts, strict=True):
                found[below._tick] += part
    return found
