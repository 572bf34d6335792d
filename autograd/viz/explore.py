"""The page of a drawing: to move about in, to search, and to open the boxes that stand for many nodes."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from autograd.viz import card, layout, render
from autograd.viz.fold import balanced, fold
from autograd.viz.inside import split
from autograd.viz.model import Box, Edge, Graph, Picture, picture
from autograd.viz.page import drawn, shapes
from autograd.viz.page import page as whole
from autograd.viz.route import smooth

__all__ = ["page"]

SVG = "http://www.w3.org/2000/svg"
NODES = 20_000
"""Nodes of a graph that the page holds in full; in a larger one, boxes do not open."""

PACKED = 1_000_000
"""Characters of the insides of boxes, from which on they are packed."""

_CONTROLS = (
    '<button id="less" title="smaller: −">−</button><button id="more" title="larger: +">+</button>'
    '<button id="whole" title="all of it: 0">fit</button>'
    '<input id="search" type="search" placeholder="search  ( / )" aria-label="search"><span id="count"></span>'
)
_BELOW = (
    '<aside id="details" hidden></aside><div class="hint">drag and wheel move · click for details · boxes of many nodes '
    "open</div></main>"
)


def page(graph: Graph, units: list[list[int]], top: Picture, direction: str) -> str:
    """The whole page."""
    drawing, about = drawn(top, direction)
    scenes: list[dict[str, Any]] = [{**about, "open": {}}]
    inner = _scenes(graph, units, scenes, direction) if len(graph.inputs) <= NODES else []
    data = {"size": about["size"], "scenes": scenes}
    return whole(top.title, top.description, drawing, data, _CONTROLS, _hidden(inner) + _BELOW, ("viewer.js", "explorer.js"))


def _hidden(inner: list[str]) -> str:
    """The insides of boxes as markup; packed, where they are many: a tenth of the size or less."""
    if sum(map(len, inner)) <= PACKED:
        return "".join(f'<template id="scene-{k}"><svg xmlns="{SVG}">{s}</svg></template>' for k, s in enumerate(inner, 1))
    packed = zlib.compress(json.dumps(inner, ensure_ascii=False).encode(), 6)
    return f'<pre id="inside" hidden>{base64.b64encode(packed).decode()}</pre>'


def _scenes(graph: Graph, units: list[list[int]], scenes: list[dict[str, Any]], direction: str) -> list[str]:
    """The inside of every group, and of the groups in it: all laid out in one run of Graphviz."""
    waiting = [(0, u, members) for u, members in enumerate(units) if len(members) > 1]
    pictures: list[Picture] = []
    for above, at, members in waiting:  # grows while it is walked
        inner = split(graph, members)
        pictures.append(_inner(graph, members, inner))
        number = len(scenes)
        scenes[above]["open"][at] = number
        scenes.append({"open": {}})
        waiting += [(number, u, unit) for u, unit in enumerate(inner) if len(unit) > 1]
    drawings = []
    for scene, (drawing, about) in zip(scenes[1:], _drawn(pictures, direction), strict=True):
        drawings.append(drawing)
        scene.update(about)
    return drawings


def _inner(graph: Graph, members: Sequence[int], units: list[list[int]]) -> Picture:
    """A picture of some nodes only; what comes from outside, or goes there, is told in the tooltips."""
    home = {i: u for u, unit in enumerate(units) for i in unit}
    seen = Restricted(graph, home)
    inside = picture(seen, units, "")
    boxes = list(inside.boxes)
    for u, unit in enumerate(units):
        outside = list(dict.fromkeys(j for i in unit for j in graph.inputs[i] if j not in home))
        if outside:
            names = [_called(graph.box(j)) for j in outside[:8]]
            told = f"takes from outside: {', '.join(names)}{', …' if len(outside) > 8 else ''}"
            boxes[u] = replace(boxes[u], tooltip=f"{boxes[u].tooltip}\n{told}")
    return replace(inside, boxes=tuple(boxes))


class Restricted:
    """A graph of which only the edges between some nodes are seen."""

    def __init__(self, graph: Graph, home: dict[int, int]):
        self._graph, self._home = graph, home
        self._kept = {i: [k for k, j in enumerate(graph.inputs[i]) if j in home] for i in home}
        self.inputs: Any = {i: [graph.inputs[i][k] for k in kept] for i, kept in self._kept.items()}

    def box(self, i: int) -> Box:
        """The box of one node."""
        return self._graph.box(i)

    def edge(self, i: int, k: int, tail: int, head: int) -> Edge:
        """The edge of the k-th input that is seen."""
        return self._graph.edge(i, self._kept[i][k], tail, head)

    def group(self, members: Sequence[int]) -> Box:
        """The box of several nodes."""
        return self._graph.group(members)

    def is_named(self, i: int) -> bool:
        """Whether it was named."""
        return self._graph.is_named(i)

    def path(self, i: int) -> tuple[str, ...]:
        """Its modules."""
        return self._graph.path(i)

    def place(self, i: int) -> tuple[Any, int]:
        """Its line."""
        return self._graph.place(i)

    def kind(self, i: int) -> Any:
        """What it does."""
        return self._graph.kind(i)


def _called(box: Box) -> str:
    return box.name or f"{box.label or box.kind} {box.shape}".strip()


def _drawn(pictures: list[Picture], direction: str) -> list[tuple[str, dict[str, Any]]]:
    """The shapes and sizes of many pictures. Pictures of equal boxes and edges are laid out once."""
    prepared = []
    sources: dict[str, int] = {}
    for p in pictures:
        cards = [card.card(box, direction) for box in p.boxes]
        pairs = [(e.tail, e.head) for e in p.edges]
        labels = [layout.Size(card.measure("edge", e.label) + 8, 15) if e.label else None for e in p.edges]
        source = layout.source([c.size for c in cards], pairs, labels, direction)
        prepared.append((cards, pairs, labels, source))
        sources.setdefault(source, len(sources))
    answers = render.run_all(list(sources))
    done: dict[str, tuple[layout.Layout, list[layout.Curve]]] = {}
    out = []
    for p, (cards, pairs, labels, source) in zip(pictures, prepared, strict=True):
        if source not in done:
            placed = layout.parse(answers[sources[source]], pairs)
            curves = smooth(placed, [c.size for c in cards], pairs, labels, direction)
            if direction == "LR":
                placed, curves = fold(placed, [c.size for c in cards], pairs, curves, balanced(placed))
            done[source] = placed, curves
        out.append(shapes(p, cards, *done[source]))
    return out
