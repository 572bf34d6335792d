"""How a box is filled: its rows of text and its measures, for the SVG and for the layout."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from autograd.viz import text
from autograd.viz.layout import Size
from autograd.viz.model import Box

__all__ = ["Card", "Row", "card", "label_width", "measure"]

ROW = 16.0  # height of a row
PAD = 9.0  # left and right of the text
EDGE = 5.0  # above and below the rows
FIELD = 36.0  # width of the column that says "value" or "grad"
BADGE = 26.0  # height of an op's sign, and its least width
STACK = 6.0  # how far the cards behind a group stick out
GAP = 5.0  # between an op's sign and its detail
RING = 3.0  # distance of the second border of a result


@dataclass(frozen=True, slots=True)
class Row:
    """One line of text in a card: pieces of (role, text, offset from the left)."""

    pieces: tuple[tuple[str, str, float], ...]
    gradient: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """A box with all its measures: the whole, and within it the card and the badge with the op's sign."""

    box: Box
    rows: tuple[Row, ...]
    size: Size
    left: float
    top: float
    width: float
    height: float
    inset: float  # from the card's top to its first row
    indent: float  # from the card's left to its text
    badge: Size | None
    down: bool


SIZES = {"name": 13.0, "shape": 11.0, "field": 10.0, "value": 12.0, "gradient": 12.0, "note": 11.0,
         "label": 15.0, "detail": 11.0, "edge": 11.0}  # fmt: skip
BOLD = {"name", "label"}


def measure(role: str, words: str) -> float:
    """The width of a piece of text in its role."""
    return text.width(words, SIZES[role], role in BOLD)


def label_width(box: Box) -> float:
    """The width of an op's sign with its detail."""
    return measure("label", box.label) + (GAP + measure("detail", box.detail) if box.detail else 0)


def card(box: Box, direction: str) -> Card:
    """Rows and measures of a box; its badge is on the side from which the picture comes."""
    rows = _rows(box)
    down = direction == "TB"
    badge = Size(max(BADGE, ceil(label_width(box) + 14)), BADGE) if box.label else None
    if not rows:
        if badge is None:
            rows = (Row((("shape", box.kind, 0.0),)),)
        else:
            return Card(box, (), badge, 0, 0, 0, 0, 0, 0, badge, down)
    wide: float = ceil(max(x + measure(role, words) for row in rows for role, words, x in row.pieces) + 2 * PAD)
    high = len(rows) * ROW + 2 * EDGE
    indent, inset, left, top = PAD, EDGE, 0.0, 0.0
    half = BADGE / 2
    if badge is not None and down:
        top, inset, high = half, EDGE + half - 3, high + half - 3
        wide = max(wide, badge.width + 12)
    elif badge is not None:
        left, indent = badge.width - half, PAD + half - 2
        wide, high = wide + half - 2, max(high, BADGE + 4)
        inset = (high - len(rows) * ROW) / 2 if len(rows) == 1 else EDGE
    ring = RING if box.kind == "result" else 0.0
    stack = STACK if box.kind == "group" else 0.0
    left, top = max(left, ring), max(top, ring)
    size = Size(left + wide + ring + stack, top + high + ring + stack)
    if badge is not None and not down:  # the badge is centred on the left edge: same space above and below
        size = Size(size.width, 2 * max(top, ring) + high)
    return Card(box, rows, size, left, top, wide, high, inset, indent, badge, down)


def _rows(box: Box) -> tuple[Row, ...]:
    rows = []
    name = text.clean(text.shorten(box.name))
    head = (("name", name, 0.0),) if name else ()
    if name and box.shape and len(name) <= 14:
        rows.append(Row((*head, ("shape", box.shape, ceil(measure("name", name) + 8)))))
    else:
        rows += [Row(head)] if head else []
        rows += [Row((("shape", box.shape, 0.0),))] if box.shape else []
    rows += [Row((("note", text.clean(line), 0.0),)) for line in box.note]
    for field, role, lines in (("value", "value", box.value), ("grad", "gradient", box.gradient)):
        for k, line in enumerate(lines):
            label = (("field", field, 0.0),) if k == 0 else ()
            rows.append(Row((*label, (role, line, FIELD)), gradient=role == "gradient"))
    return tuple(rows)
