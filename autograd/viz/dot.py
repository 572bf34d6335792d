r"""The picture as DOT text, with labels and colours, for Graphviz's own output formats and for other tools.

The labels are Graphviz's HTML-like ones. User text goes into them XML-escaped, and into every other
attribute through the quoting of the ``graphviz`` package. Graphviz looks for its escape sequences
(``\N``, ``\G`` …) once even in HTML-like labels, and twice in tooltips: a backslash is doubled as often
(tried with Graphviz 2.43 and 14.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import hypot

from autograd.viz import text
from autograd.viz.layout import Curve, Layout, weights
from autograd.viz.model import Box, Picture
from autograd.viz.svg import COLOURS

__all__ = ["dot"]

FONT = "Helvetica,Arial,Liberation Sans,DejaVu Sans,sans-serif"
ARROW = 7.0  # points from the end of a line to the tip of its arrow
_BORDER = {
    "parameter": 'STYLE="rounded" BORDER="2"',
    "constant": 'STYLE="dashed" BORDER="1"',
    "operation": 'BORDER="1"',
    "result": 'BORDER="1"',
    "group": 'STYLE="dotted" BORDER="2"',
}


def dot(picture: Picture, direction: str, placed: Layout | None = None, curves: Sequence[Curve] = ()) -> str:
    """The DOT text; one statement for each box and for each edge. With the places of boxes and edges, which `placed` and
    `curves` have, it is drawn as it stands by the engine ``nop2``."""
    import graphviz

    across = direction == "LR"
    graph = graphviz.Digraph(
        graph_attr={
            "rankdir": direction,
            "nodesep": "0.22",
            "ranksep": "0.48",
            "ordering": "in",
            "bgcolor": "transparent",
            "pad": "0.08",
            "fontname": FONT,
            "tooltip": _quoted(text.shorten(picture.title, 200)),
        },
        node_attr={"shape": "plain", "fontname": FONT, "fontsize": "11", "fontcolor": _light("ink")},
        edge_attr={
            "headport": "w" if across else "n",
            "tailport": "e" if across else "s",
            "color": _light("edge"),
            "fontcolor": _light("muted"),
            "fontname": FONT,
            "fontsize": "10",
            "arrowsize": "0.7",
        },
    )
    if placed is not None:
        graph.attr(bb=f"0,0,{placed.size.width:.2f},{placed.size.height:.2f}")
    for i, box in enumerate(picture.boxes):
        where = {"pos": _point(placed.centres[i], placed)} if placed is not None else {}
        graph.node(f"n{i}", label=_label(box), tooltip=_quoted(box.tooltip) or " ", **where)
    for k, (edge, weight) in enumerate(zip(picture.edges, weights([(e.tail, e.head) for e in picture.edges]), strict=True)):
        words = {"label": _quoted(edge.label, 2)} if edge.label else {}
        hint = {"tooltip": _quoted(edge.tooltip)} if edge.tooltip else {}
        where = _course(curves[k], placed) if placed is not None else {}
        graph.edge(f"n{edge.tail}", f"n{edge.head}", weight=str(weight), **words, **hint, **where)
    return str(graph.source)


def _point(p: tuple[float, float], placed: Layout) -> str:
    """A place as Graphviz has it: upwards, in points."""
    return f"{p[0]:.2f},{placed.size.height - p[1]:.2f}"


def _course(curve: Curve, placed: Layout) -> dict[str, str]:
    """The spline of an edge, which ends where its arrow begins, and the place of its label."""
    (x0, y0), (x1, y1) = curve.points[-2], curve.points[-1]
    length = hypot(x1 - x0, y1 - y0) or 1.0
    last = (x1 - ARROW * (x1 - x0) / length, y1 - ARROW * (y1 - y0) / length)
    points = " ".join(_point(p, placed) for p in (*curve.points[:-1], last))
    at = {"lp": _point(curve.label, placed)} if curve.label is not None else {}
    return {"pos": f"e,{_point(curve.points[-1], placed)} {points}", **at}


def _light(name: str) -> str:
    return COLOURS[name][0]


def _quoted(words: str, times: int = 4) -> str:
    """Text for a quoted attribute: it holds no escape sequence, HTML or entity of the user's any more."""
    import graphviz

    safe = text.clean(words, keep_newlines=True).replace("&", "&amp;").replace("\\", "\\" * times)
    return graphviz.nohtml(safe.replace("\n", "\\n"))  # type: ignore[no-any-return]


def _label(box: Box) -> str:
    rows = []
    name = _shown(text.shorten(box.name))
    head = f"<B>{name}</B>" if name else ""
    shape = f'<FONT COLOR="{_light("muted")}">{_shown(box.shape)}</FONT>' if box.shape else ""
    if head or shape:
        rows.append(_row(" &#160;".join(p for p in (head, shape) if p)))
    rows += [_row(f'<FONT COLOR="{_light("muted")}">{_shown(line)}</FONT>') for line in box.note]
    if box.value:
        lines = "<BR/>".join(map(_shown, box.value))
        rows.append(_row(f'<FONT COLOR="{_light("muted")}">value</FONT> &#160;{lines}'))
    if box.gradient:
        lines = "<BR/>".join(map(_shown, box.gradient))
        warm = _light("warm")
        rows.append(
            _row(f'<FONT COLOR="{warm}">grad &#160;{lines}</FONT>', f' BGCOLOR="{_light("gradient")}"')
        )
    if not rows and not box.label:
        rows.append(_row(box.kind))
    border = f'{_BORDER[box.kind]} COLOR="{_light(box.kind + "-line")}" BGCOLOR="{_light(box.kind)}"'
    plain = 'CELLBORDER="0" CELLSPACING="0"'
    table = f'<TABLE {border} {plain} CELLPADDING="4">{"".join(rows)}</TABLE>' if rows else ""
    if table and box.kind == "result":
        ring = f'BORDER="1" COLOR="{_light("result-line")}" {plain} CELLPADDING="1"'
        table = f"<TABLE {ring}><TR><TD>{table}</TD></TR></TABLE>"
    if not box.label:
        return f"<{table}>"
    fill, line = ("result-badge", "result-line") if box.kind == "result" else ("badge", "badge-line")
    detail = f' <FONT COLOR="{_light("muted")}">{_shown(box.detail)}</FONT>' if box.detail else ""
    style = (
        f'STYLE="rounded" BORDER="1" COLOR="{_light(line)}" BGCOLOR="{_light(fill)}" {plain} CELLPADDING="3"'
    )
    sign = f'<FONT POINT-SIZE="14"><B>{_shown(box.label)}</B></FONT>{detail}'
    badge = f"<TABLE {style}><TR><TD>{sign}</TD></TR></TABLE>"
    cells = f"<TD>{badge}</TD>" + (f"<TD>{table}</TD>" if table else "")
    return f'<<TABLE BORDER="0" {plain} CELLPADDING="0"><TR>{cells}</TR></TABLE>>'


def _row(inside: str, extra: str = "") -> str:
    return f'<TR><TD ALIGN="LEFT" BALIGN="LEFT"{extra}>{inside}</TD></TR>'


def _shown(words: str) -> str:
    return escape(text.clean(words), quote=False).replace("\\", "\\\\")
