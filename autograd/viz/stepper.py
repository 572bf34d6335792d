"""The page on which one steps through the forward pass and backprop."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy

from autograd.viz import card, text
from autograd.viz.collapse import collapse
from autograd.viz.model import Box, Edge, picture
from autograd.viz.page import drawn
from autograd.viz.page import page as whole
from autograd.viz.steps import Record, Share, Step

if TYPE_CHECKING:
    from autograd.viz.backprop import Backprop

__all__ = ["page"]

BOXES = 260
"""Boxes in the picture; in a larger graph neighbours share one."""

BRIEF = 100
"""Nodes from which on every array is told in one line: so many boxes are seen from afar, and the page stays small."""

GAP = 0.9
"""Inches between ranks: room for a contribution beside each line."""

_BUTTONS = (
    '<button id="first" title="start of backprop">|◀</button><button id="back" title="one step back: ←">◀</button>'
    '<button id="play" title="play: space">▶ play</button><button id="next" title="one step on: →">▶</button>'
    '<button id="end" title="end: End">▶|</button><span id="count"></span>'
    '<div class="slide"><input id="slider" type="range" min="0" value="0" aria-label="step">'
    '<div class="phases"><span>forward</span><span class="back">backprop</span></div></div>'
)
_HINT = "← → step · space plays · click a node · drag and wheel move the picture"


class _Stepped:
    """The graph of a record as a picture reads it: with the symbols as names, and room for every number that comes."""

    def __init__(self, found: Record):
        self.graph, self.inputs = found.graph, found.graph.inputs
        numbers: dict[int, list[Any]] = {}
        for step in found.backward:
            for share in step.shares:
                numbers.setdefault(share.to, []).append(share.after)
        for i, final in found.gradients.items():
            numbers.setdefault(i, []).append(final)
        self.brief = len(found.boxes) > BRIEF
        values = {s.at: s.result for s in found.forward} | found.given if self.brief else {}
        self.boxes = [self._box(found, i, box, numbers.get(i, []), values.get(i)) for i, box in enumerate(found.boxes)]

    def _box(self, found: Record, i: int, box: Box, numbers: list[Any], value: Any) -> Box:
        lines = [_lines(n, self.brief) for n in numbers]
        widest = tuple(max(row, key=lambda words: card.measure("gradient", words)) for row in zip(*lines, strict=False))
        shown = box.value if value is None or not box.value else tuple(_lines(value, self.brief))
        return replace(box, name=found.symbols[i], value=shown, gradient=widest, tooltip="")

    def box(self, i: int) -> Box:
        """The box of one node."""
        return self.boxes[i]

    def edge(self, i: int, k: int, tail: int, head: int) -> Edge:
        """An edge."""
        return self.graph.edge(i, k, tail, head)

    def group(self, members: Any) -> Box:
        """The box of several nodes."""
        return self.graph.group(members)

    def is_named(self, i: int) -> bool:
        """Whether the user named it."""
        return self.graph.is_named(i)

    def path(self, i: int) -> tuple[str, ...]:
        """Its modules."""
        return self.graph.path(i)

    def place(self, i: int) -> tuple[Any, int]:
        """Its line."""
        return self.graph.place(i)

    def kind(self, i: int) -> Any:
        """What it does."""
        return self.graph.kind(i)


def page(trace: Backprop) -> str:
    """The whole page."""
    found = trace.record
    stepped = _Stepped(found)
    units = collapse(stepped, BOXES)
    drawing = picture(stepped, units, "backprop, step by step")
    shapes, about = drawn(drawing, "LR", GAP)
    home = {i: u for u, members in enumerate(units) for i in members}
    given = ", ".join(f"{found.symbols[i]} = {text.array(v)}" for i, v in list(found.given.items())[:30])
    data = {
        **about,
        "home": [home[i] for i in range(len(found.boxes))],
        "single": [int(len(members) == 1) for members in units],
        "symbols": found.symbols,
        "given": list(found.given),
        "begin": text.shorten(given, 600),
        "start": trace.start,
        "docs": {op.name: op.doc for s in found.forward for op in [_op(found, s.at)]},
        "steps": [_step(trace, s, stepped.brief) for s in trace.steps],
    }
    below = f'<div class="hint">{_HINT}</div></main><section id="panel" aria-live="polite"></section>'
    root = found.boxes[-1].name
    title = f"Backprop of {root}, step by step" if root else "Backprop, step by step"
    return whole(title, drawing.description, shapes, data, _BUTTONS, below, ("viewer.js", "stepper.js"))


def _lines(a: Any, brief: bool) -> list[str]:
    return [text.array(a)] if brief else list(text.array_lines(numpy.asarray(a)))


def _step(trace: Backprop, step: Step, brief: bool) -> dict[str, Any]:
    found = trace.record
    short = text.array(step.result)
    out: dict[str, Any] = {"p": step.phase[0], "n": step.at, "t": step.formula, "r": short}
    if step.phase == "forward":
        op = _op(found, step.at)
        out |= {"v": _lines(step.result, brief), "i": found.graph.inputs[step.at], "d": op.name}
    elif step.phase == "seed":
        out["g"] = _lines(step.result, brief)
    elif step.phase == "leaf":
        final = found.gradients[step.at]
        held = None if step.held is None else text.array(step.held)
        exact = repr(numpy.asarray(step.result).tolist()) if numpy.size(step.result) <= 4 else ""
        out |= {"z": _lines(final, brief), "h": held, "y": text.array(final), "e": exact}
    else:
        shares = [
            [s.to, _rule(step, s), None if s.factor is None else text.array(s.factor), text.array(s.amount),
             None if s.before is None else text.array(s.before), text.array(s.after), _lines(s.after, brief), int(s.summed)]
            for s in step.shares
        ]  # fmt: skip
        out |= {"d": _op(found, step.at).name, "s": shares}
    return out


def _rule(step: Step, share: Share) -> Any:
    """The local derivative in symbols; a list where it is the whole product."""
    return share.rule if share.factor is not None else [share.rule]


def _op(found: Record, i: int) -> Any:
    thing = found.graph.things[i]
    return thing.op if hasattr(thing, "op") else thing._op
