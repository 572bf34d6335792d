"""A page that works by itself: style, script and picture in one file, and nothing from the network.

The script's own text is the only one that the page lets run: its hash stands in the page's security policy. What the user
named is text in the picture and in the data, which is no script element.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from autograd.viz import card, layout, render, text
from autograd.viz.fold import WRAP, fold, for_page
from autograd.viz.layout import Curve, Layout
from autograd.viz.model import Picture
from autograd.viz.route import smooth
from autograd.viz.svg import FONT, MARGIN, colours, lean, sizes

__all__ = ["drawn", "laid_out", "page", "shapes"]

_MORE = {"page": ("#ffffff", "#0d1117"), "rule": ("#d5dbe1", "#30363d"), "accent": ("#c4461f", "#ff9d6b"),
         "frame": ("#fdfaf1", "#1d1a12")}  # fmt: skip


_TIPS = "".join(
    f'<marker id="{name}" markerUnits="userSpaceOnUse" refX="0.5" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    f'<path d="M0 1L7.5 4L0 7Z" style="fill:var(--{colour})"/></marker>'
    for name, colour in (("tip", "edge"), ("hot", "accent"), ("cool", "parameter-line"))
)


def laid_out(picture: Picture, direction: str, gap: float = layout.GAP,
             wrap: float | None = WRAP) -> tuple[list[card.Card], Layout, list[Curve]]:  # fmt: skip
    """Cards, places and curves of a picture, in rows where it is long (None: as many as suit a
    page); asks Graphviz."""
    cards = [card.card(box, direction) for box in picture.boxes]
    pairs = [(e.tail, e.head) for e in picture.edges]
    labels = [layout.Size(card.measure("edge", e.label) + 8, 15) if e.label else None for e in picture.edges]
    extents = [c.size for c in cards]
    source = layout.source(extents, pairs, labels, direction, gap)
    placed = layout.parse(render.run(source, "plain").decode(), pairs)
    curves = smooth(placed, extents, pairs, labels, direction)
    if direction == "LR":
        folded = for_page(placed, extents, pairs, curves) if wrap is None else fold(placed, extents, pairs, curves, wrap)
        placed, curves = folded
    return cards, placed, curves


def drawn(picture: Picture, direction: str, gap: float = layout.GAP,
          wrap: float | None = None) -> tuple[str, dict[str, Any]]:  # fmt: skip
    """The shapes of a picture for a page, and its size and rows."""
    cards, placed, curves = laid_out(picture, direction, gap, wrap)
    return shapes(picture, cards, placed, curves)


def shapes(picture: Picture, cards: list[card.Card], placed: Layout, curves: list[Curve]) -> tuple[str, dict[str, Any]]:
    """`drawn`, of a picture that is laid out."""
    size = [round(placed.size.width + 2 * MARGIN, 1), round(placed.size.height + 2 * MARGIN, 1)]
    edges = [[e.tail, e.head] for e in picture.edges]
    about = {"size": size, "rows": [round(y, 1) for y in placed.rows], "edges": edges}
    return f'<g transform="translate({MARGIN:g} {MARGIN:g})">{lean(picture, cards, placed, curves)}</g>', about


def page(title: str, description: str, drawing: str, data: dict[str, Any], controls: str, below: str,
         scripts: tuple[str, ...]) -> str:  # fmt: skip
    """The whole page. `drawing`, `controls` and `below` are markup of ours; `data` goes in as text."""
    script = "\n".join(_file(name) for name in scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    name = escape(text.clean(text.shorten(title, 200)))
    packed = escape(json.dumps(data, ensure_ascii=False, separators=(",", ":")), quote=False)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<title>{name}</title>\n<style>{_style()}</style></head>\n"
        f'<body data-start="0"><header><h1>{name}</h1>{controls}</header>\n'
        f'<main><svg id="graph" xmlns="http://www.w3.org/2000/svg" role="group" aria-label="{escape(text.clean(description))}" '
        f'font-family="{FONT}"><defs>{_TIPS}</defs><g id="world">{drawing}</g></svg>{below}\n'
        f'<pre id="data" hidden>{text.clean(packed, keep_newlines=True)}</pre>\n<script>{script}</script></body></html>\n'
    )


@cache
def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


@cache
def _style() -> str:
    themes = []
    for dark in (False, True):
        more = "".join(f"--{name}:{pair[dark]};" for name, pair in _MORE.items())
        themes.append(colours(":root", dark)[:-1] + more + "}")
    return f"{themes[0]}@media (prefers-color-scheme:dark){{{themes[1]}}}{sizes()}{_file('page.css')}"
