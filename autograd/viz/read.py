"""From the tape to the lists that a picture is made of: the same nodes that backward walks."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy

from autograd import tape
from autograd.errors import GraphError
from autograd.tape import Leaf, Node
from autograd.tensor import Tensor
from autograd.viz import text
from autograd.viz.inside import paths, turns
from autograd.viz.model import Box, Edge
from autograd.viz.text import sign

__all__ = ["Spans", "TapeGraph", "group_box", "infix", "titled", "untouched"]

BRIEF = 4000
"""Nodes from which on every array is told in one line."""
UNKNOWN = "c"  # stands for a constant operand that backward has freed


class TapeGraph:
    """The graph of a Tensor: its nodes and their constant operands, oldest first."""

    def __init__(self, root: Tensor, *, values: bool, gradients: bool, partials: bool, more: Sequence[Tensor] = (),
                 spans: Spans | None = None):  # fmt: skip
        self.root, self.shown, self.partials = root, values, partials
        self.roots = {t.node: t for t in (*more, root) if t.node is not None}
        self.spans = spans or Spans()
        self.things: list[Any] = []
        self.inputs: list[list[int]] = []
        self.slots: list[list[int]] = []  # the operand that each edge belongs to
        nodes = tape.walk(self.roots)[::-1]
        self._list(nodes)
        if not nodes:
            self._add(root)
        whole = all(node.saved is not None for node in nodes)
        self.values = self._values(whole) if values else {}
        self.gradients = self._gradients(nodes, whole) if gradients else {}

    def _add(self, thing: Any) -> int:
        self.things.append(thing)
        self.inputs.append([])
        self.slots.append([])
        return len(self.things) - 1

    def _list(self, nodes: list[Node]) -> None:
        place: dict[int, int] = {}
        for node in nodes:
            inputs, slots = [], []
            for k, below in enumerate(node.inputs):
                other = below if below is not None else (node.consts or {}).get(k)
                if other is None or (below is None and is_inline(other)):
                    continue
                key = id(other)
                if key not in place:
                    place[key] = self._add(other)
                inputs.append(place[key])
                slots.append(k)
            at = place[id(node)] = self._add(node)
            self.inputs[at], self.slots[at] = inputs, slots

    def _values(self, whole: bool) -> dict[Node, Any]:
        if not self.roots or not whole:
            return {}
        found = tape.values(self.roots)
        if not all(_same(found.get(node), t.data) for node, t in self.roots.items()):
            return {}  # a leaf was written since: the replay is of another computation
        return found

    def _gradients(self, nodes: list[Node], whole: bool) -> dict[Node, Any]:
        if self.roots and whole:
            try:
                with untouched(nodes):
                    return tape.node_gradients(self.roots)
            except GraphError:  # a saved value was written since
                pass
        return {node: grad.data for node in nodes if (grad := _kept(node)) is not None}

    def is_named(self, i: int) -> bool:
        """Whether the user gave it a name."""
        return isinstance(self.things[i], Tensor | Node) and self.things[i].name is not None

    def path(self, i: int) -> tuple[str, ...]:
        """The modules in which it was computed, outermost first."""
        thing = self.things[i]
        return self.spans.path(thing.tick) if isinstance(thing, Node) and thing.inputs else ()

    def place(self, i: int) -> tuple[Any, int]:
        """The user's line that recorded it."""
        thing = self.things[i]
        return (thing.code, thing.instruction) if isinstance(thing, Node) else (None, 0)

    def kind(self, i: int) -> Any:
        """Its op and shape."""
        thing = self.things[i]
        return (thing.op.name, thing.shape) if isinstance(thing, Node) and thing.op is not None else None

    def box(self, i: int) -> Box:
        """The box of one node or constant."""
        thing = self.things[i]
        if not isinstance(thing, Node):
            return _constant(thing, self.shown)
        last = thing in self.roots
        if thing.op is None:
            kind = "parameter"
        else:
            kind = "result" if last else "operation"
        shape = text.shape_text(thing.shape, thing.dtype)
        gradient = self.gradients.get(thing)
        return Box(
            kind,
            label=notation(thing),
            detail=detail(thing),
            name=self.spans.names.get(thing.tick) or thing.name or "",
            shape=shape,
            value=self._value(thing),
            gradient=self._lines(gradient) if gradient is not None else (),
            tooltip=self._tooltip(thing, kind, shape),
        )

    def _value(self, node: Node) -> tuple[str, ...]:
        root = self.roots.get(node)
        value = root.data if root is not None else node.data if isinstance(node, Leaf) else self.values.get(node)
        return self._lines(value) if self.shown and value is not None else ()

    def _lines(self, a: Any) -> tuple[str, ...]:
        """A small array as it is; in a very large graph in one line, so that its page is made sooner and opens sooner."""
        return text.array_lines(a) if len(self.things) <= BRIEF else (text.array(a),)

    def _tooltip(self, node: Node, kind: str, shape: str) -> str:
        lines = [shape]
        if node.op is not None:
            lines += [f"{node.op.name}: {node.op.doc}"]
            lines += [f"{k} = {v!r:.80}" for k, v in node.settings.items() if v is not None]
            if node.saved is None:
                lines += ["backward() has freed what this node saved"]
                if any(n is None for n in node.inputs):
                    lines += [f"{UNKNOWN}: a constant, freed too"]
        else:
            lines += ["parameter: a leaf that requires a gradient"]
        if node.where:
            lines += [f"recorded at {node.where}"]
        return titled(self.spans.names.get(node.tick) or node.name, lines)

    def edge(self, i: int, k: int, tail: int, head: int) -> Edge:
        """The edge to node i from its k-th drawn operand; with the local derivative on request."""
        node, slot = self.things[i], self.slots[i][k]
        if not self.partials or node.inputs[slot] is None:
            return Edge(tail, head)
        op = node.op
        symbol = op.arrays[slot] if not op.variadic else f"x{slot}"
        if op.kind != "elementwise":
            source = op.partials[0 if op.variadic else slot]
            return Edge(tail, head, tooltip=f"gradient: {source}" if source else "")
        source = op.partials[slot]
        known = _local(node, slot)
        label = "" if known is None else text.array(known)
        worth = f" = {label}" if label else ""
        return Edge(tail, head, label=f"∂ {label or source}", tooltip=f"∂y/∂{symbol} = {source}{worth}")

    def group(self, members: Sequence[int]) -> Box:
        """The box for several nodes."""
        nodes = [self.things[i] for i in members if isinstance(self.things[i], Node)]
        ops = Counter(n.op.label for n in nodes if n.op is not None)
        inside = paths(self, members)
        codes = list(dict.fromkeys(n.code for n in nodes if n.op is not None))
        function = codes[0].co_qualname if len(codes) == 1 and codes[0] is not None else ""
        rounds = len(turns(self, [i for i in members if self.inputs[i]])) if function else 0
        story: list[str] = []
        if function and not function.startswith("<") and not inside:
            story.append(f"{text.shorten(function.replace('.<locals>', ''), 24)}()")
        if rounds > 2:
            story.append(f"{rounds:,} turns of a loop")
        wheres = [n.where for n in (nodes[0], nodes[-1]) if n.where] if nodes else []
        names = [name for n in nodes if (name := self.spans.names.get(n.tick) or n.name)]
        title = self.spans.title(inside) if inside else ""
        if not ops and len(nodes) == len(members):
            title = f"{len(nodes)} parameters"
        return group_box(len(members), ops, names, wheres, story, title)


@contextmanager
def untouched(nodes: Sequence[Node]) -> Iterator[None]:
    """What a walk takes out of nodes, such as gradients that were computed ahead, is put back for the real backward."""
    held = [(node.consts, dict(node.consts)) for node in nodes if node.consts]
    try:
        yield
    finally:
        for consts, before in held:
            consts.update(before)


class Spans:
    """Which module was at work when: stretches of ticks with their paths, and names of parameters by their paths."""

    def __init__(self) -> None:
        self.stretches: list[tuple[int, int, tuple[str, ...]]] = []  # first and last tick, path
        self.kinds: dict[tuple[str, ...], str] = {}
        self.names: dict[int, str] = {}

    def path(self, tick: int) -> tuple[str, ...]:
        """The path of the innermost module at work."""
        if not self._sorted or self._sorted[0] != len(self.stretches):
            self._sorted = (len(self.stretches), self._flat())
        starts, found = self._sorted[1]
        at = bisect_right(starts, tick) - 1
        return found[at] if at >= 0 else ()

    _sorted: tuple[int, tuple[list[int], list[tuple[str, ...]]]] | None = None

    def _flat(self) -> tuple[list[int], list[tuple[str, ...]]]:
        """Where the innermost module changes, and which it is from there on."""
        events = sorted(
            [(start, 1, -end, path) for start, end, path in self.stretches]
            + [(end, 0, -start, path) for start, end, path in self.stretches]
        )
        starts: list[int] = [0]
        found: list[tuple[str, ...]] = [()]
        open_: list[tuple[str, ...]] = []
        for tick, opens, _, path in events:
            if opens:
                open_.append(path)
            elif open_:
                open_.pop()
            starts.append(tick)
            found.append(open_[-1] if open_ else ())
        return starts, found

    def title(self, path: tuple[str, ...]) -> str:
        """A module as one calls it: ``layers.0 (Linear)``."""
        kind = self.kinds.get(path, "")
        return text.shorten(".".join(p for p in path if p), 24) + (f" ({text.shorten(kind, 20)})" if kind else "")


def _kept(node: Node) -> Tensor | None:
    """The gradient that backward left behind."""
    if isinstance(node, Leaf):
        return node.grad
    return node.extra.grad if node.extra is not None else None


def is_inline(operand: Any) -> bool:
    """Whether a constant operand is a plain number: it is written beside the op's sign."""
    if isinstance(operand, Tensor):
        return numpy.ndim(operand.data) == 0 and operand.name is None
    return numpy.ndim(operand) == 0


def notation(node: Node) -> str:
    """The op's sign, with plain numbers written out: ``^2``, ``1/``."""
    op = node.op
    if op is None:
        return ""
    if not op.variadic and len(node.inputs) == 2 and None in node.inputs:
        k = node.inputs.index(None)
        operand = node.consts.get(k) if node.consts is not None else None
        if operand is None and node.consts is None:
            return infix(op.label, UNKNOWN, k)
        if operand is not None and is_inline(operand):
            value = operand.data if isinstance(operand, Tensor) else operand
            return infix(op.label, text.number(numpy.asarray(value)[()], 6), k)
    return sign(op.label)


def detail(node: Node) -> str:
    """What changes the meaning of an op: the axis along which it works, the index that it takes."""
    axis, index = node.settings.get("axis"), node.settings.get("index")
    if isinstance(axis, int | tuple):
        return f"axis {', '.join(map(str, axis if isinstance(axis, tuple) else (axis,)))}".replace("-", "−")
    if index is None:
        return ""
    return text.shorten(", ".join(map(_index, index if isinstance(index, tuple) else (index,))), 20)


def _index(part: Any) -> str:
    """One part of an index, as it is written between brackets."""
    if isinstance(part, slice):
        ends = ("" if v is None else str(v) for v in (part.start, part.stop))
        return ":".join(ends) + (f":{part.step}" if part.step is not None else "")
    if part is Ellipsis or part is None:
        return "…" if part is Ellipsis else "None"
    return str(part) if isinstance(part, int | numpy.integer) else "array"


def infix(label: str, operand: str, k: int) -> str:
    """An op of two operands of which one is a number.

    >>> infix("×", "2", 0), infix("^", "2", 1), infix("maximum", "0", 1)
    ('2×', '^2', 'maximum(·, 0)')
    """
    if label.isalpha() and len(label) > 1:
        return f"{label}({operand}, ·)" if k == 0 else f"{label}(·, {operand})"
    label = sign(label)
    operand = f"({operand})" if " " in operand else operand
    gap = " " if label in "+−" or operand.startswith("−") else ""
    return f"{operand}{gap}{label}" if k == 0 else f"{label}{gap}{operand}"


def group_box(count: int, ops: Counter[str], names: Sequence[str], wheres: Sequence[str],
              story: Sequence[str] = (), title: str = "") -> Box:  # fmt: skip
    """The box "N nodes inside", with the commonest ops, the names, and the lines that recorded them."""
    signs = [sign(label) for label, _ in ops.most_common(4)]
    note = [*story, ", ".join(signs) + (", …" if len(ops) > 4 else "")] if signs else [*story]
    if names:
        note.append(", ".join(text.shorten(n, 12) for n in names[:4]) + (", …" if len(names) > 4 else ""))
    if title and ops:
        note = [f"{count:,} nodes inside", *note[:-1]] if names else [f"{count:,} nodes inside", *note]
    tooltip = [f"{count:,} nodes inside", *(f"{n:,} {sign(label)}" for label, n in ops.most_common(12))]
    tooltip += [text.shorten(name, 60) for name in names[:20]]
    lines = " to ".join(dict.fromkeys(wheres))
    if lines:
        tooltip.append(f"recorded at {lines}")
    return Box("group", name=title or f"{count:,} nodes inside", note=tuple(note), tooltip="\n".join(tooltip))


def _constant(thing: Any, shown: bool) -> Box:
    named = isinstance(thing, Tensor)
    a = thing.data if named else numpy.asarray(thing)
    shape = text.shape_text(a.shape, a.dtype)
    name = (thing.name or "") if named else ""
    lines = [shape, "constant: no gradient is recorded for it"]
    value = text.array_lines(a) if shown else ()
    return Box("constant", name=name, shape=shape, value=value, tooltip=titled(name, lines))


def titled(name: str | None, lines: list[str]) -> str:
    """A tooltip: the whole name on a line of its own, up to a bound, and the lines below it."""
    return "\n".join(([text.shorten(name, text.TOOLTIP)] if name else []) + lines)


def _same(a: Any, b: Any) -> bool:
    if a is None or a.shape != b.shape:
        return False
    return bool(
        numpy.allclose(a, b, rtol=1e-3 if a.dtype.itemsize <= 4 else 1e-7, atol=1e-30, equal_nan=True)
    )


def _local(node: Node, slot: int) -> Any:
    """The local derivative of an elementwise op, as numbers; None once freed."""
    if node.saved is None:
        return None
    pull = dict(node.plan.steps).get(slot)
    ones = numpy.ones(node.shape, node.dtype)
    with numpy.errstate(all="ignore"):
        return numpy.asarray(ones if pull is None else pull(ones, node.saved, node))
