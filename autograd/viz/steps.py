"""Every step of the forward pass and of backprop, taken down while a walk of our own goes through a graph.

The walk is backward's: same order, same rules, same additions in the same order, so that it ends at the same bits. It frees
nothing and writes nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy

from autograd import tape
from autograd.errors import GraphError
from autograd.tape import Leaf, Node, Walk, fit, writes
from autograd.tensor import Tensor
from autograd.value import Value, contributions
from autograd.viz import text
from autograd.viz.model import Box
from autograd.viz.read import TapeGraph, detail, is_inline, untouched
from autograd.viz.scalars import ValueGraph, _is_literal
from autograd.viz.symbols import applied, names_of, rule_text, symbols

__all__ = ["Record", "Share", "Step", "record"]


@dataclass(frozen=True, slots=True)
class Share:
    """What one input is passed when a node speaks: upstream gradient × local derivative = contribution."""

    to: int
    slot: int
    rule: str  # the local derivative in symbols, or the whole product where it is no factor
    factor: Any  # the local derivative in numbers; None where it is no elementwise factor
    amount: Any
    before: Any  # what the input had gathered; None for the first share
    after: Any
    summed: bool  # over axes along which the input was broadcast


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `phase` is forward, seed, backward (a node passes its gradient on) or leaf (a gradient is complete)."""

    phase: str
    at: int
    formula: str
    result: Any  # forward: the value; seed, backward and leaf: the gradient
    shares: tuple[Share, ...] = ()
    spoken: tuple[int, ...] = ()  # the nodes that use it, in the order in which they spoke
    held: Any = None  # leaf: the .grad that was there before


@dataclass
class Record:
    """A graph with all steps through it."""

    graph: TapeGraph | ValueGraph
    symbols: list[str]
    boxes: list[Box]
    given: dict[int, Any]  # the values of leaves and constants
    forward: list[Step] = field(default_factory=list)
    backward: list[Step] = field(default_factory=list)
    gradients: dict[int, Any] = field(default_factory=dict)  # what backward would leave in .grad, by place


def record(root: Any, seed: Any = None) -> Record:
    """All steps from the leaves to the root and back."""
    return _of_value(root) if isinstance(root, Value) else _of_tensor(root, seed)


def _record(graph: Any) -> Record:
    boxes = [graph.box(i) for i in range(len(graph.things))]
    return Record(graph, symbols([b.kind for b in boxes], [b.name for b in boxes]), boxes, {})


# ---- tensors -------------------------------------------------------------------------------------------------------------


def _of_tensor(root: Tensor, seed: Any) -> Record:
    if root.node is None:
        raise GraphError("there is no graph to step through: nothing that this tensor was computed from requires a gradient.")
    start = tape._seed(root, seed, False)
    nodes = tape.walk(root.node)
    freed = next((n for n in nodes if n.saved is None), None)
    if freed is not None:
        raise GraphError(
            f"backward() has freed what {freed.describe()} had saved. Step through the graph before backward(), or call it "
            "with retain_graph=True."
        )
    graph = TapeGraph(root, values=True, gradients=True, partials=False)
    found = _record(graph)
    place = {id(thing): i for i, thing in enumerate(graph.things)}
    _forward(found, root, place)
    with untouched(nodes):
        _backward(found, root, nodes, start, place)
    return found


def _forward(found: Record, root: Tensor, place: dict[int, int]) -> None:
    graph = found.graph
    values = tape.values(root.node)  # type: ignore[arg-type]
    for i, thing in enumerate(graph.things):
        if not isinstance(thing, Node):
            found.given[i] = numpy.asarray(getattr(thing, "data", thing))
        elif isinstance(thing, Leaf):
            found.given[i] = thing.data
        else:
            formula = f"{found.symbols[i]} = {applied(thing.op, _operands(found, thing, place), detail(thing))}"  # type: ignore[arg-type]
            value = root.data if thing is root.node else values.get(thing)
            found.forward.append(Step("forward", i, formula, value))


def _operands(found: Record, node: Node, place: dict[int, int]) -> list[str]:
    """What the operands of a node are called; plain numbers are written out."""
    words = []
    for k, below in enumerate(node.inputs):
        other = below if below is not None else (node.consts or {}).get(k)
        if below is None and is_inline(other):
            words.append(text.number(numpy.asarray(getattr(other, "data", other))[()], 6))
        else:
            words.append(found.symbols[place[id(other)]])
    return words


def _backward(found: Record, root: Tensor, nodes: list[Node], seed: Any, place: dict[int, int]) -> None:
    run = Walk()
    gathered: dict[int, Any] = {root.node.tick: seed}  # type: ignore[union-attr]
    spoken: dict[int, list[int]] = {}
    top = place[id(root.node)]
    call = found.symbols[top]
    found.backward.append(Step("seed", top, f"∂{call}/∂{call} = 1", seed))
    with numpy.errstate(all="ignore"):
        for node in nodes:
            g = gathered.pop(node.tick, None)
            if g is None:
                continue  # nothing passes a gradient on to it
            if node.extra is not None:
                g = run._extras(node, g)
            i = place[id(node)]
            heard = tuple(dict.fromkeys(spoken.get(i, ())))
            name = found.symbols[i]
            if isinstance(node, Leaf):
                held = None if node.grad is None else node.grad.data
                found.gradients[i] = g if held is None else held + g
                found.backward.append(Step("leaf", i, f"{name}.grad = ∂{call}/∂{name}", g, (), heard, held))
                continue
            if node.tick < writes.last:
                writes.check(node)
            shares = tuple(_shares(found, node, g, gathered, place))
            for share in shares:
                spoken.setdefault(share.to, []).append(i)
            found.gradients[i] = g
            found.backward.append(Step("backward", i, f"∂{call}/∂{name}", g, shares, heard))


def _shares(found: Record, node: Node, g: Any, gathered: dict[int, Any], place: dict[int, int]) -> Any:
    op, i = node.op, place[id(node)]
    assert op is not None
    names = names_of(op, _operands(found, node, place), found.symbols[i], node.settings)
    upstream = f"∂{found.symbols[-1]}/∂{found.symbols[i]}"
    for slot, pull in node.plan.steps:
        below = node.inputs[slot]
        assert below is not None and node.saved is not None
        raw = g if pull is None else pull(g, node.saved, node)
        amount = fit(raw, below) if raw.shape != below.shape or raw.dtype is not below.dtype else raw
        before = gathered.get(below.tick)
        after = gathered[below.tick] = amount if before is None else before + amount
        factor = None
        if op.kind == "elementwise":
            ones = numpy.ones(node.shape, node.dtype)
            factor = ones if pull is None else numpy.asarray(pull(ones, node.saved, node))
        rule = rule_text(op, slot, names, upstream)
        yield Share(place[id(below)], slot, rule, factor, amount, before, after, raw.size > amount.size)


# ---- numbers -------------------------------------------------------------------------------------------------------------


def _of_value(root: Value) -> Record:
    graph = ValueGraph(root, values=True, gradients=True, partials=False)
    found = _record(graph)
    place = {v._tick: i for i, v in enumerate(graph.things)}

    def called(v: Value) -> str:
        return found.symbols[place[v._tick]] if v._tick in place else text.number(v.data, 6)

    call = found.symbols[-1]
    for i, v in enumerate(graph.things):
        if v._op is None:
            found.given[i] = v.data
        else:
            found.forward.append(
                Step("forward", i, f"{found.symbols[i]} = {applied(v._op, [called(b) for b in v._inputs], '')}", v.data)
            )
    gathered: dict[int, Any] = {place[root._tick]: 1.0}
    spoken: dict[int, list[int]] = {}
    found.backward.append(Step("seed", place[root._tick], f"∂{call}/∂{call} = 1", 1.0))
    for i in reversed(range(len(graph.things))):
        v, g = graph.things[i], gathered.get(i, 0.0)
        name, heard = found.symbols[i], tuple(dict.fromkeys(spoken.get(i, ())))
        found.gradients[i] = v.grad + g
        if v._op is None:
            held = v.grad if v.grad else None
            found.backward.append(Step("leaf", i, f"{name}.grad = ∂{call}/∂{name}", g, (), heard, held))
            continue
        amounts, factors = contributions(v, g), contributions(v, 1.0)
        names = names_of(v._op, [called(b) for b in v._inputs], name, {})
        shares = []
        for slot, below in enumerate(v._inputs):
            if _is_literal(below):
                continue
            to = place[below._tick]
            before = gathered.get(to)
            after = gathered[to] = (0.0 if before is None else before) + amounts[slot]
            rule = rule_text(v._op, slot, names, f"∂{call}/∂{name}")
            shares.append(Share(to, slot, rule, factors[slot], amounts[slot], before, after, False))
            spoken.setdefault(to, []).append(i)
        found.backward.append(Step("backward", i, f"∂{call}/∂{name}", g, tuple(shares), heard))
    return found
