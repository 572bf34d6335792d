"""A Tensor in a notebook: its values in a table, shape and dtype, where its numbers lie, and its gradient.

Bounded in length and in time, whatever the tensor holds; names are text, and there is no script.
"""

from __future__ import annotations

from html import escape
from typing import Any

import numpy

from autograd.tensor import Tensor
from autograd.viz import text

__all__ = ["card", "histogram"]

ROWS, COLUMNS = 8, 8
"""Of the table of values; the rest is left out in the middle."""
SAMPLE = 1 << 20
"""Elements that are looked at for the histogram; of a larger array, so many at equal distances."""
BINS = 24

_CELL = 'style="padding:1px 8px;text-align:right;border:0;background:none"'


def card(x: Tensor) -> str:
    """The tensor as HTML."""
    a = x._data
    name = f"<b>{_safe(text.shorten(x.name, 60))}</b> · " if x.name else ""
    about = f"{name}{_safe(text.shape_text(a.shape, a.dtype))}"
    if x.node is not None:
        about += " · requires a gradient"
    parts = [f'<div style="opacity:.75;margin-bottom:2px">{about}</div>', _table(a)]
    if a.size > 4:
        parts.append(_spread(a))
    if x.grad is not None:
        g = x.grad.data
        parts.append('<div style="opacity:.75;margin-top:4px">gradient</div>')
        parts += [_table(g), _spread(g) if g.size > 4 else ""]
    return f'<div style="font-size:13px;overflow-x:auto">{"".join(parts)}</div>'


def _table(a: Any) -> str:
    """The values; of an array of many axes, the first matrix."""
    if a.size == 0:
        return "<div>no elements</div>"
    note = ""
    if a.ndim > 2:
        first = ", ".join("0" for _ in a.shape[:-2])
        note = f'<div style="opacity:.6;font-size:11px">the part [{first}] of {_safe(text.shape_text(a.shape, ""))}</div>'
        a = a[(0,) * (a.ndim - 2)]
    matrix = a.reshape((1, -1)) if a.ndim < 2 else a
    rows, columns = (_some(n, most) for n, most in zip(matrix.shape, (ROWS, COLUMNS), strict=True))
    lines = []
    for i in rows:
        cells = ("⋮" if i is None else "…" if j is None else text.number(matrix[i, j]) for j in columns)
        lines.append("<tr>" + "".join(f"<td {_CELL}>{_safe(c)}</td>" for c in cells) + "</tr>")
    style = 'style="border-collapse:collapse;border-left:1px solid;border-right:1px solid;font-variant-numeric:tabular-nums"'
    return f"<table {style}>{''.join(lines)}</table>{note}"


def _some(count: int, most: int) -> list[int | None]:
    if count <= most:
        return list(range(count))
    return [*range(most - 3), None, *range(count - 2, count)]


def _spread(a: Any) -> str:
    """Where the numbers lie: a histogram, and mean, deviation and what is not finite in words."""
    flat = a.reshape(-1)
    flat = flat[:: -(-flat.size // SAMPLE)] if flat.size > SAMPLE else flat
    flat = numpy.abs(flat) if flat.dtype.kind == "c" else flat
    with numpy.errstate(all="ignore"):
        numbers = flat.astype(float)
        finite = numbers[numpy.isfinite(numbers)]
        words = []
        if finite.size:
            low, high, mean, deviation = (text.number(f(finite), 3) for f in (numpy.min, numpy.max, numpy.mean, numpy.std))
            words = [f"{low} … {high}", f"mean {mean}", f"deviation {deviation}"]
    zeros, lost = int((numbers == 0).sum()), numbers.size - finite.size
    words += [f"{100 * zeros / numbers.size:.0f} % zero"] if zeros * 20 > numbers.size else []
    words += [f"{lost:,} not finite"] if lost else []
    words += ["of a sample"] if a.size > SAMPLE else []
    line = f'<span style="opacity:.75;font-size:12px">{_safe(" · ".join(words))}</span>'
    return f'<div style="margin-top:3px">{histogram(finite)} {line}</div>'


def histogram(numbers: Any, width: int = 120, height: int = 24) -> str:
    """A small histogram as SVG, in the colour of the text."""
    if numbers.size == 0 or not 0 < numbers.max() / 2 - numbers.min() / 2 < 8e307:
        return ""
    counts, _ = numpy.histogram(numbers, bins=BINS)
    step = width / BINS
    bars = "".join(
        f'<rect x="{k * step:.1f}" y="{height - h:.1f}" width="{step - 1:.1f}" height="{h:.1f}"/>'
        for k, c in enumerate(counts)
        if (h := max(1.0, c / counts.max() * height) if c else 0.0)
    )
    label = f"histogram of {numbers.size:,} numbers"
    return (
        f'<svg width="{width}" height="{height}" role="img" aria-label="{label}" fill="currentColor" opacity=".6" '
        f'style="vertical-align:middle">{bars}</svg>'
    )


def _safe(words: str) -> str:
    return escape(text.clean(words))
