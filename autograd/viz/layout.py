"""Where everything goes. Graphviz is told sizes and edges, and answers with positions and curves."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GAP", "Curve", "Layout", "Size", "parse", "sizes", "source", "weights"]

DPI = 72.0
GAP = 0.48
"""Inches between ranks."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in points."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A chain of cubic Béziers (1 + 3n points), and where its label is centred."""

    points: tuple[tuple[float, float], ...]
    label: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Layout:
    """The size of the picture, the centre of each box and the curve of each edge; y runs downwards."""

    size: Size
    centres: tuple[tuple[float, float], ...]
    curves: tuple[Curve, ...]
    rows: tuple[float, ...] = ()  # where a folded picture's second and further rows begin


def source(boxes: list[Size], edges: list[tuple[int, int]], labels: list[Size | None], direction: str,
           gap: float = GAP) -> str:  # fmt: skip
    """The DOT text for the layout: no user's text is in it."""
    out, into = ("e", "w") if direction == "LR" else ("s", "n")
    lines = [
        "digraph {",
        f"rankdir={direction} ordering=in nodesep=0.22 ranksep={gap:g}",
        'node [shape=box fixedsize=true label=""]',
        "edge [dir=none]",
    ]
    for i, s in enumerate(boxes):
        lines.append(f"{i} [width={s.width / DPI:.4f} height={s.height / DPI:.4f}]")
    for (tail, head), size, weight in zip(edges, labels, weights(edges), strict=True):
        label = f" [weight={weight}]"
        if size is not None:
            cell = f'FIXEDSIZE="TRUE" WIDTH="{size.width:.0f}" HEIGHT="{size.height:.0f}"'
            label = f' [weight={weight} label=<<TABLE BORDER="0" {cell}><TR><TD></TD></TR></TABLE>>]'
        lines.append(f"{tail}:{out} -> {head}:{into}{label}")
    return "\n".join([*lines, "}", ""])


def weights(edges: list[tuple[int, int]]) -> list[int]:
    """How straight each edge should be: computed things run on in a line, the rest stands beside it."""
    computed = {head for _, head in edges}
    return [8 if tail in computed else 1 for tail, _ in edges]


def parse(plain: str, edges: list[tuple[int, int]]) -> Layout:
    """Read Graphviz's "plain" format. Parallel edges come in the order in which they were given."""
    size, centres = Size(0, 0), {}
    curves: dict[tuple[int, int], list[Curve]] = {}
    for line in plain.splitlines():
        word = line.split()
        if not word:
            continue
        if word[0] == "graph":
            size = Size(float(word[2]) * DPI, float(word[3]) * DPI)
        elif word[0] == "node":
            centres[int(word[1].removeprefix("n"))] = _point(word[2], word[3], size)
        elif word[0] == "edge":
            count = int(word[3])
            points = tuple(_point(word[4 + 2 * k], word[5 + 2 * k], size) for k in range(count))
            rest = word[4 + 2 * count :]
            label = _point(rest[-4], rest[-3], size) if len(rest) > 2 else None
            tail, head = (int(w.removeprefix("n")) for w in word[1:3])
            curves.setdefault((tail, head), []).append(Curve(points, label))
    return Layout(
        size, tuple(centres[i] for i in range(len(centres))), tuple(curves[e].pop(0) for e in edges)
    )


def sizes(plain: str) -> list[Size]:
    """The sizes that Graphviz gave the boxes by itself, in the same format."""
    words = [line.split()[:6] for line in plain.splitlines() if line.startswith("node ")]
    found = {int(w[1].removeprefix("n")): Size(float(w[4]) * DPI, float(w[5]) * DPI) for w in words}
    return [found[i] for i in range(len(found))]


def _point(x: str, y: str, size: Size) -> tuple[float, float]:
    return float(x) * DPI, size.height - float(y) * DPI
