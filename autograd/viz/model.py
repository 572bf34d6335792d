"""What a picture consists of, before any look: boxes, and the edges between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Box", "Edge", "Graph", "Picture", "Plain", "picture"]


@dataclass(frozen=True, slots=True)
class Box:
    """One box. `kind` is parameter, constant, operation, result or group; `label` the op's sign, or
    empty, and `detail` what stands beside it, such as an axis."""

    kind: str
    label: str = ""
    detail: str = ""
    name: str = ""
    shape: str = ""
    value: tuple[str, ...] = ()
    gradient: tuple[str, ...] = ()
    note: tuple[str, ...] = ()
    tooltip: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """From the box that is used to the box that uses it, by their places in the list."""

    tail: int
    head: int
    label: str = ""
    tooltip: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes and edges, oldest first."""

    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    title: str
    description: str


class Graph(Protocol):
    """A recorded graph as plain lists, oldest node first, made of a Tensor or a Value."""

    inputs: list[list[int]]  # for each node, the nodes that it uses; the same one twice for x*x

    def box(self, i: int) -> Box:
        """The box of one node."""

    def edge(self, i: int, k: int, tail: int, head: int) -> Edge:
        """The edge to node i from its k-th input."""

    def group(self, members: Sequence[int]) -> Box:
        """The box that stands for several nodes."""

    def is_named(self, i: int) -> bool:
        """Whether the user gave node i a name."""

    def path(self, i: int) -> tuple[str, ...]:
        """The modules in which node i was computed, outermost first."""

    def place(self, i: int) -> tuple[Any, int]:
        """The code object and the instruction that recorded node i."""

    def kind(self, i: int) -> Any:
        """What nodes that do the same have in common; None if that is not known."""


class Plain:
    """For graphs whose nodes know no modules and no lines."""

    def path(self, i: int) -> tuple[str, ...]:
        """No module."""
        return ()

    def place(self, i: int) -> tuple[Any, int]:
        """Nowhere."""
        return None, 0

    def kind(self, i: int) -> Any:
        """Not known."""
        return None


def picture(graph: Graph, units: list[list[int]], title: str) -> Picture:
    """Boxes for the units (single nodes, or groups of them), and every edge between two different units."""
    home = {i: u for u, members in enumerate(units) for i in members}
    single = [len(members) == 1 for members in units]
    boxes = tuple(graph.box(m[0]) if len(m) == 1 else graph.group(m) for m in units)
    edges: list[Edge] = []
    bundled: dict[tuple[int, int], int] = {}
    for head, members in enumerate(units):
        for i in members:
            for k, j in enumerate(graph.inputs[i]):
                tail = home[j]
                if tail == head:
                    continue
                if single[tail] and single[head]:
                    edges.append(graph.edge(i, k, tail, head))
                else:
                    bundled[tail, head] = bundled.get((tail, head), 0) + 1
    for (tail, head), count in bundled.items():
        edges.append(Edge(tail, head, tooltip=f"{count:,} edges" if count > 1 else ""))
    return Picture(boxes, tuple(edges), title, _description(boxes, len(graph.inputs)))


def _description(boxes: Sequence[Box], nodes: int) -> str:
    counts = {
        kind: sum(b.kind == kind for b in boxes) for kind in ("operation", "parameter", "constant", "group")
    }
    counts["operation"] += sum(b.kind == "result" and bool(b.label) for b in boxes)
    parts = [f"{n} {kind}{'s' * (n != 1)}" for kind, n in counts.items() if n]
    whole = f" {nodes:,} nodes in all." if counts["group"] else ""
    return f"Computation graph: {', '.join(parts)}. Arrows run from what is used to what uses it.{whole}"
