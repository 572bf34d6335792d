"""The picture as SVG: our own, from Graphviz's positions, so that it looks the same whatever laid it out.

All of the user's text stands between tags, never in an attribute or a style. Colours are custom
properties that change with the page: by the reader's preference, and by the theme of JupyterLab and of VS
Code.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from html import escape
from math import hypot

from autograd.viz import text
from autograd.viz.card import BOLD, GAP, RING, ROW, SIZES, STACK, Card, label_width, measure
from autograd.viz.layout import Curve, Layout
from autograd.viz.model import Edge, Picture

__all__ = ["COLOURS", "FONT", "MARGIN", "colours", "lean", "sizes", "svg"]

MARGIN = 6.0
ARROW = 7.0
FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"

# Light, dark. Every text stands on a fill of ours; edges and their labels can be read on white and on black.
COLOURS = {
    "ink": ("#17212b", "#e8edf2"),
    "muted": ("#566270", "#a3afbb"),
    "edge": ("#76828f", "#8b97a4"),
    "parameter": ("#e6f0fc", "#15304f"),
    "parameter-line": ("#2566a8", "#6fb1f2"),
    "constant": ("#f4f5f7", "#262c33"),
    "constant-line": ("#6a7683", "#94a0ac"),
    "operation": ("#ffffff", "#1a2027"),
    "operation-line": ("#8f9ba8", "#5f6b77"),
    "badge": ("#e9edf2", "#343c46"),
    "badge-line": ("#566270", "#97a3af"),
    "result": ("#ffffff", "#1a2027"),
    "result-line": ("#1c7c46", "#4cc38a"),
    "result-badge": ("#d8f1e2", "#14432b"),
    "group": ("#fbf6e9", "#302a19"),
    "group-line": ("#927425", "#cdb063"),
    "gradient": ("#fdeede", "#40290f"),
    "warm": ("#95450a", "#ffb878"),
}
_RADIUS = {"parameter": 11.0, "constant": 0.0, "operation": 4.0, "result": 4.0, "group": 4.0}
_STROKE = {"parameter": 1.8, "constant": 1.2, "operation": 1.0, "result": 1.4, "group": 1.2}
_DASH = {"constant": "5 3", "group": "1.5 3"}
_ROLE = {"name": "ink", "shape": "muted", "field": "muted", "value": "ink", "gradient": "warm",
         "note": "muted", "label": "ink", "detail": "muted", "edge": "muted"}  # fmt: skip


def svg(picture: Picture, cards: list[Card], layout: Layout, curves: list[Curve]) -> str:
    """The SVG document. The same picture gives the same text; its ids come from its content."""
    body = Painter().body(picture, cards, layout, curves)
    width, height = layout.size.width + 2 * MARGIN, layout.size.height + 2 * MARGIN
    key = "ag-" + hashlib.sha256("\n".join([picture.title, *body]).encode()).hexdigest()[:12]
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{key}" role="img" '
        f'aria-labelledby="{key}-title {key}-desc" width="{_n(width)}" height="{_n(height)}" '
        f'viewBox="{_n(-MARGIN)} {_n(-MARGIN)} {_n(width)} {_n(height)}" '
        f'font-family="{FONT}">',
        f'<title id="{key}-title">{_safe(text.shorten(picture.title, 200))}</title>',
        f'<desc id="{key}-desc">{_safe(picture.description)}</desc>',
        f"<style>{_style(key)}</style>",
    ]
    return "\n".join([*head, *body, "</svg>", ""])


def lean(picture: Picture, cards: list[Card], layout: Layout, curves: list[Curve]) -> str:
    """What stands inside the SVG of a page, whose style sheet has the colours: half as long."""
    return "".join(Painter(lean=True).body(picture, cards, layout, curves))


def colours(selector: str, dark: bool) -> str:
    """The custom properties of one theme as a rule of a style sheet."""
    return f"{selector}{{{''.join(f'--{name}:{pair[dark]};' for name, pair in COLOURS.items())}}}"


def sizes() -> str:
    """The sizes of all kinds of text, and the fills, as rules of a style sheet."""
    bold = dict.fromkeys(BOLD, ";font-weight:bold")
    fonts = "".join(f".r-{r}{{fill:var(--{_ROLE[r]});font-size:{_n(s)}px{bold.get(r, '')}}}" for r, s in SIZES.items())
    fills = "".join(f".f-{name}{{fill:var(--{name})}}" for name in COLOURS)
    lines = "".join(
        f".k-{k}{{fill:none;stroke:var(--{k}-line);stroke-width:{w}{f';stroke-dasharray:{_DASH[k]}' if k in _DASH else ''}}}"
        for k, w in _STROKE.items()
    )
    badges = "".join(
        f".k-{b}{{stroke:var(--{b.removesuffix('-badge')}-line);stroke-width:1.2}}"
        for b in ("badge", "result-badge")
    )
    return fonts + fills + lines + badges


def _style(key: str) -> str:
    light = "".join(f"--{name}:{pair[0]};" for name, pair in COLOURS.items())
    dark = "".join(f"--{name}:{pair[1]};" for name, pair in COLOURS.items())
    paint = "".join(f"#{key} .f-{n}{{fill:var(--{n})}}" for n in COLOURS)
    themes = '[data-jp-theme-light="{0}"] #{1},[data-vscode-theme-kind="vscode-{2}"] #{1}'
    return (
        f"#{key}{{{light}}}@media (prefers-color-scheme:dark){{#{key}{{{dark}}}}}"
        f"{themes.format('true', key, 'light')}{{{light}}}{themes.format('false', key, 'dark')}{{{dark}}}"
        f"{paint}#{key} text{{white-space:pre}}"
    )


class Painter:
    """Shapes and texts, with their colours written out for readers without a style sheet, or lean."""

    def __init__(self, lean: bool = False):
        self.lean = lean

    def body(self, picture: Picture, cards: list[Card], layout: Layout, curves: list[Curve]) -> list[str]:
        """All edges, then their labels, so that no line runs through one, then the boxes."""
        out: list[str] = []
        for edge, curve in zip(picture.edges, curves, strict=True):
            out += self.edge(edge, curve)
        for edge, curve in zip(picture.edges, curves, strict=True):
            out += self.edge_label(edge, curve)
        for card, (x, y) in zip(cards, layout.centres, strict=True):
            out += self.box(card, x - card.size.width / 2, y - card.size.height / 2)
        return out

    def box(self, card: Card, x: float, y: float) -> list[str]:
        box = card.box
        out = [f'<g class="box {box.kind}">']
        if self.lean:
            out, x, y = [f'<g class="box {box.kind}" transform="translate({_n(x, 1)} {_n(y, 1)})">'], 0.0, 0.0
        if box.tooltip:
            out.append(f"<title>{_safe(box.tooltip, keep_newlines=True)}</title>")
        left, top = x + card.left, y + card.top
        if card.rows:
            out += self.plate(card, left, top)
        for k, row in enumerate(card.rows):
            base = top + card.inset + k * ROW + 12
            for role, words, offset in row.pieces:
                out.append(self.text(role, words, left + card.indent + offset, base))
        if card.badge is not None:
            out += self.badge(card, x, y)
        return [*out, "</g>"]

    def plate(self, card: Card, x: float, y: float) -> list[str]:
        kind, w, h = card.box.kind, card.width, card.height
        radius = _RADIUS[kind]
        dash = f' stroke-dasharray="{_DASH[kind]}"' if kind in _DASH else ""
        line = f"{self.stroke(kind + '-line', _STROKE[kind])}{dash}"
        out = []
        if kind == "group":
            for shift in (STACK, STACK / 2):
                out.append(f"<rect {_rect(x + shift, y + shift, w, h, radius)} {self.fill(kind)} {line}/>")
        if kind == "result":
            outer = _rect(x - RING, y - RING, w + 2 * RING, h + 2 * RING, radius + RING)
            out.append(f'<rect {outer} fill="none" {line}/>')
        band = sum(row.gradient for row in card.rows) * ROW
        stroke = "" if self.lean else ' stroke="none"'
        out.append(f"<rect {_rect(x, y, w, h, radius)} {self.fill(kind)}{stroke}/>")
        if band:
            top = y + card.inset + (len(card.rows) * ROW - band)
            if band == len(card.rows) * ROW:
                out.append(f"<rect {_rect(x, y, w, h, radius)} {self.fill('gradient')}/>")
            else:
                r = min(radius, (y + h - top) / 2)
                corners = f"q0 {_n(r)} {_n(-r)} {_n(r)}H{_n(x + r)}q{_n(-r)} 0 {_n(-r)} {_n(-r)}"
                path = f"M{_n(x)} {_n(top)}h{_n(w)}V{_n(y + h - r)}{corners}Z"
                out.append(f'<path d="{path}" {self.fill("gradient")}/>')
        outline = f'class="k-{kind}"' if self.lean else f'fill="none" {line}'
        out.append(f"<rect {_rect(x, y, w, h, radius)} {outline}/>")
        return out

    def badge(self, card: Card, x: float, y: float) -> list[str]:
        assert card.badge is not None
        w, h = card.badge.width, card.badge.height
        if card.down and card.rows:
            left, top = x + card.left + (card.width - w) / 2, y + card.top - h / 2
        else:
            left, top = x, y + (card.size.height - h) / 2
        last = card.box.kind == "result"
        fill, line = ("result-badge", "result-line") if last else ("badge", "badge-line")
        base, start = top + h / 2 + 5, left + (w - label_width(card.box)) / 2
        paint = f'class="f-{fill} k-{fill}"' if self.lean else f"{self.fill(fill)} {self.stroke(line, 1.2)}"
        out = [f"<rect {_rect(left, top, w, h, h / 2)} {paint}/>"]
        if not card.box.detail:
            return [*out, self.text("label", card.box.label, left + w / 2, base, middle=True)]
        after = start + measure("label", card.box.label) + GAP
        return [*out, self.text("label", card.box.label, start, base), self.text("detail", card.box.detail, after, base)]

    def edge(self, edge: Edge, curve: Curve) -> list[str]:
        points = list(curve.points)
        x1, y1 = points[-1]
        x0, y0 = next((p for p in reversed(points) if hypot(x1 - p[0], y1 - p[1]) > 1), (x1 - 1, y1))
        length = hypot(x1 - x0, y1 - y0)
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        base = (x1 - ARROW * ux, y1 - ARROW * uy)  # the line ends where the arrow head begins
        points[-1] = base
        if hypot(x1 - points[-2][0], y1 - points[-2][1]) < ARROW:
            points[-2] = base
        start, *rest = points
        if self.lean:  # the style sheet has line and arrow head
            hint = f"<title>{_safe(edge.tooltip, keep_newlines=True)}</title>" if edge.tooltip else ""
            return [f'<g class="link">{hint}<path d="{_short(points)}"/></g>']
        path = f"M{_n(start[0])} {_n(start[1])}C" + " ".join(f"{_n(px)} {_n(py)}" for px, py in rest)
        wing = ARROW * 0.42
        tip = " ".join(
            f"{_n(px)},{_n(py)}"
            for px, py in (
                (x1, y1),
                (base[0] - uy * wing, base[1] + ux * wing),
                (base[0] + uy * wing, base[1] - ux * wing),
            )
        )
        out = ['<g class="link">']
        if edge.tooltip:
            out.append(f"<title>{_safe(edge.tooltip, keep_newlines=True)}</title>")
        out.append(f'<path d="{path}" fill="none" {self.stroke("edge", 1.3)}/>')
        out.append(f'<polygon points="{tip}" {self.fill("edge")}/>')
        return [*out, "</g>"]

    def edge_label(self, edge: Edge, curve: Curve) -> list[str]:
        if curve.label is None or not edge.label:
            return []
        x, y, wide = *curve.label, measure("edge", edge.label) + 8
        plate = f"<rect {_rect(x - wide / 2, y - 7.5, wide, 15, 7)} {self.fill('operation')}/>"
        return ['<g class="tag">', plate, self.text("edge", edge.label, x, y + 4, middle=True), "</g>"]

    def text(self, role: str, words: str, x: float, y: float, middle: bool = False) -> str:
        anchor = ' text-anchor="middle"' if middle else ""
        if self.lean:
            return f'<text x="{_n(x)}" y="{_n(y)}"{anchor} class="r-{role}">{_safe(words)}</text>'
        weight = ' font-weight="bold"' if role in BOLD else ""
        font = f'font-size="{_n(SIZES[role])}"{anchor}{weight}'
        return f'<text x="{_n(x)}" y="{_n(y)}" {font} {self.fill(_ROLE[role])}>{_safe(words)}</text>'

    def fill(self, name: str) -> str:
        """The fill of an element."""
        return f'class="f-{name}"' if self.lean else f'class="f-{name}" fill="{COLOURS[name][0]}"'

    def stroke(self, name: str, width: float) -> str:
        """The line of an element."""
        if self.lean:
            return f'stroke="var(--{name})" stroke-width="{_n(width)}"'
        colour = COLOURS[name][0]
        return f'stroke="{colour}" stroke-width="{_n(width)}" style="stroke:var(--{name},{colour})"'


def _safe(words: str, keep_newlines: bool = False) -> str:
    return escape(text.clean(words, keep_newlines), quote=False)


def _rect(x: float, y: float, w: float, h: float, radius: float) -> str:
    rounded = f' rx="{_n(radius)}"' if radius else ""
    if not x and not y:  # as they are where nothing is said
        return f'width="{_n(w)}" height="{_n(h)}"{rounded}'
    return f'x="{_n(x)}" y="{_n(y)}" width="{_n(w)}" height="{_n(h)}"{rounded}'


def _short(points: list[tuple[float, float]]) -> str:
    """A chain of Béziers as a path, its straight parts as lines."""
    words = [f"M{_n(points[0][0], 1)} {_n(points[0][1], 1)}"]
    for k in range(1, len(points) - 2, 3):
        p, (a, b, q) = points[k - 1], points[k : k + 3]
        if hypot(q[0] - p[0], q[1] - p[1]) < 0.3:
            continue
        straight = a == p and b == q
        through = [q] if straight else [a, b, q]
        words.append(("L" if straight else "C") + " ".join(f"{_n(x, 1)} {_n(y, 1)}" for x, y in through))
    return "".join(words)


@lru_cache(maxsize=8192)
def _n(x: float, digits: int = 2) -> str:
    words = f"{x:.2f}" if digits == 2 else f"{x:.1f}"
    return words.rstrip("0").rstrip(".") if words[-1] == "0" else words
