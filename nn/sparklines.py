"""A history as text and as HTML: first, last and best figures, curves of the size of a word, the last epochs.

Plain HTML and SVG without a script; whatever columns are called is text in it.
"""

from __future__ import annotations

import math
from html import escape
from typing import Any

import numpy as np

from nn.callbacks import better

__all__ = ["head", "html", "sparkline", "table"]

APART = ("epoch", "lr", "seconds")
ROWS = 5
"""Epochs that a notebook shows as numbers."""
POINTS = 150
"""Of a curve: of more epochs, those at equal distances."""
TRAINING, VALIDATION = "#3d8bc9", "#e08a2e"
"""Legible on white and on black."""

_CELL = 'style="padding:1px 10px;text-align:right;border:0;background:none;white-space:pre"'


def head(history: Any) -> str:
    """How many epochs, how long they took, and whether they were interrupted."""
    count = len(history)
    parts = [f"{count:,} {'epoch' if count == 1 else 'epochs'}" if count else "no epochs"]
    seconds = sum(row.get("seconds", 0.0) for row in history)
    parts += [f"{seconds:.3g} s"] if seconds else []
    parts += ["interrupted"] if history.interrupted else []
    return ", ".join(parts)


def table(history: Any) -> list[tuple[str, ...]]:
    """A row for each column: first, last and, where its name tells which way is better, the best value with its epoch."""
    rows: list[tuple[str, ...]] = [("", "first", "last", "best", "")]
    for name in history.columns:
        values = history[name]
        if name not in ("epoch", "seconds"):
            k = best(name, values)
            found = (_number(values[k]), f"in epoch {history.rows[k].get('epoch', k + 1):g}") if k >= 0 else ("", "")
            rows.append((_name(name, 40), _number(values[0]), _number(values[-1]), *found))
    return rows


def best(name: str, values: list[float]) -> int:
    """Where the best value is; -1 where that is not known."""
    way = better(name)
    if not way or name == "lr" or not any(math.isfinite(v) for v in values):
        return -1
    return int(np.nanargmax(values) if way == "max" else np.nanargmin(values))


def html(history: Any) -> str:
    """The curves, training beside validation, above the numbers of the last epochs."""
    title = f"<b>History</b> <span style=\"opacity:.65\">{escape(head(history))}</span>"
    if not len(history):
        return f'<div style="font-size:13px">{title}</div>'
    curves = [
        _curve(history, name)
        for name in history.columns
        if name not in APART and not (name.startswith("val_") and name[4:] in history.columns)
    ]
    names = history.columns
    top = "".join(f"<th {_CELL}>{escape(_name(name, 24))}</th>" for name in names)
    lines = []
    for row in history.rows[-ROWS:]:
        cells = (_number(row[name]) if name in row else "" for name in names)
        lines.append(f"<tr>{''.join(f'<td {_CELL}>{escape(cell)}</td>' for cell in cells)}</tr>")
    style = 'style="border-collapse:collapse;font-variant-numeric:tabular-nums"'
    return (
        f'<div style="font-size:13px;overflow-x:auto"><div>{title}</div>'
        f'<div style="display:flex;flex-wrap:wrap;margin:4px 0">{"".join(curves)}</div>'
        f"<table {style}><tr>{top}</tr>{''.join(lines)}</table></div>"
    )


def _curve(history: Any, name: str) -> str:
    """The curve of a column and that of its validation on one scale, with the values at their ends."""
    series = [(history[name], TRAINING, "training")]
    if "val_" + name in history.columns:
        series.append((history["val_" + name], VALIDATION, "validation"))
    notes = " ".join(f'<span style="color:{hue};font-size:12px">{what} {_number(v[-1])}</span>' for v, hue, what in series)
    lines, label = [(values, hue) for values, hue, _ in series], _name(name, 40)
    numbers = [v for values, _ in lines for v in values if math.isfinite(v)]
    if name == "loss" and numbers and min(numbers) > 0 and max(numbers) > 50 * min(numbers):  # as `plot` does
        lines = [([math.log10(v) if v > 0 else math.nan for v in values], hue) for values, hue in lines]
        label += ", logarithmic"
    heading = f'<div style="opacity:.75">{escape(label)}</div>'
    return f'<div style="margin-right:18px">{heading}{sparkline(lines)}<div>{notes}</div></div>'


def sparkline(series: list[tuple[list[float], str]], width: int = 200, height: int = 44) -> str:
    """Rows of numbers as lines in one small SVG; a line is broken where a number is not finite.

    >>> sparkline([([0.0, 1.0, float("nan"), 2.0, 3.0], "red")], 40, 20).count("<polyline")
    2
    """
    finite = np.array([v for values, _ in series for v in values if math.isfinite(v)] or [0.0], np.float64)
    low, high = float(finite.min()), float(finite.max())
    scale = (height - 6) / (high / 2 - low / 2) / 2 if high > low else 0.0
    drawn = []
    for values, hue in series:
        kept = np.unique(np.linspace(0, len(values) - 1, min(len(values), POINTS)).round().astype(int))
        step = (width - 6) / max(len(values) - 1, 1)
        parts: list[list[str]] = [[]]
        for k in kept:
            if math.isfinite(values[k]):
                y = height - 3 - (values[k] / 2 - low / 2) * 2 * scale if scale else height / 2
                parts[-1].append(f"{3 + k * step:.1f},{y:.1f}")
            elif parts[-1]:
                parts.append([])
        for part in parts:
            if len(part) == 1:
                x, y_text = part[0].split(",")
                drawn.append(f'<circle cx="{x}" cy="{y_text}" r="2" fill="{hue}"/>')
            elif part:
                points = " ".join(part)
                drawn.append(f'<polyline points="{points}" fill="none" stroke="{hue}" stroke-width="1.6"/>')
    longest = max(len(values) for values, _ in series)
    about = f"a curve of {longest:,} values"
    return (
        f'<svg width="{width}" height="{height}" role="img" aria-label="{about}" style="border-bottom:1px solid #8886">'
        f"{''.join(drawn)}</svg>"
    )


def _number(value: float) -> str:
    return f"{value:.4g}"


def _name(name: str, most: int) -> str:
    plain = "".join(c if c.isprintable() else "?" for c in str(name))
    return plain if len(plain) <= most else plain[: most - 1] + "…"
