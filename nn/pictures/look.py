"""What all pictures share: colours, type, the figure itself, how it is written to files, and what it must leave as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from autograd.errors import ArgumentError, DTypeError, UnsupportedError
from nn.files import write_atomically

__all__ = [
    "BLUE", "DASHES", "GRID", "HUES", "INK", "MARKERS", "MUTED", "ORANGE", "canvas", "finished", "headed", "look", "points_of",
    "short", "whole",
]  # fmt: skip

INK, MUTED, GRID = "#1f2933", "#52606d", "#e4e7eb"
BLUE, ORANGE = "#1b6ca8", "#d9730d"
"""Two hues that differ in lightness too, for those who see colours otherwise, and for grey prints."""
HUES = (BLUE, ORANGE, "#2a8f5b", "#8e3f97", "#b3261e", "#0f8b8d", "#8a6d1d", "#d1589a", "#4b5563", "#6a8f00")
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))
"""Lines: ten hues, then the same again in dashes."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "p", "h")

Paths = Sequence[str | PathLike[str]]
KINDS = ("svg", "png", "pdf")
SCREEN, PRINT = 110, 160
"""Dots an inch, in a notebook and in files."""


def look() -> Any:
    """A context in which figures are drawn and written: type, colours of axes, no date in files. All pictures begin with it."""
    try:
        import matplotlib
    except ImportError:
        raise UnsupportedError(
            'curves and pictures need matplotlib, which is not installed here: python -m pip install "matplotlib>=3.9".'
        ) from None
    return matplotlib.rc_context({
        "svg.hashsalt": "wengert", "font.family": ["DejaVu Sans"], "font.size": 10.0, "axes.edgecolor": MUTED,
        "axes.labelcolor": INK, "axes.axisbelow": True, "legend.frameon": False, "legend.fontsize": 9.0,
        "text.color": INK, "xtick.color": MUTED, "ytick.color": MUTED, "axes.spines.top": False, "axes.spines.right": False,
    })  # fmt: skip


def _picture() -> Any:
    from matplotlib.figure import Figure

    def png(self: Any) -> bytes:
        out = BytesIO()
        with look():
            self.savefig(out, format="png", dpi=SCREEN)
        return out.getvalue()

    return type("Picture", (Figure,), {
        "__module__": __name__, "__doc__": "matplotlib's Figure, which a notebook shows without pyplot.", "_repr_png_": png,
    })  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "Picture":  # made when it is first used, because it needs matplotlib
        globals()[name] = _picture()
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@contextmanager
def canvas(width: float, height: float, paths: Paths = (), title: str = "") -> Iterator[Any]:
    """An empty figure to draw in; afterwards it has its title and is written to the paths, which are checked before."""
    for path in paths:
        _kind(path)
    with look():
        kind = __getattr__("Picture") if "Picture" not in globals() else globals()["Picture"]
        figure = kind(figsize=(width, height), layout="constrained", facecolor="white")
        yield figure
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=MUTED)
        finished(figure, paths)


def _kind(path: str | PathLike[str]) -> str:
    kind = Path(path).suffix.removeprefix(".").lower()
    if kind not in KINDS:
        raise ArgumentError(f"curves and pictures are written as .svg, .png or .pdf, not {str(path)!r}.")
    return kind


def finished(figure: Any, paths: Paths) -> Any:
    """Write a figure to files, each whole or not at all, and return it."""
    for path in paths:
        kind, out = _kind(path), BytesIO()
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
        with look():
            figure.savefig(out, format=kind, dpi=PRINT, metadata=metadata)
        write_atomically(path, out.getvalue())
    return figure


def headed(axes: Any, text: str) -> None:
    """The heading of a panel."""
    axes.set_title(text, loc="left", fontweight="bold", fontsize=10.5)


def short(name: str, most: int = 24) -> str:
    """A name for a picture, bounded and without what matplotlib would read as mathematics: its beginning, which tells one layer
    from another of its kind, and its end.

    >>> short("a$b" + "c" * 40)
    'a＄bcccccc…cccccccccccccc'
    """
    name = "".join(c if c.isprintable() else " " for c in str(name)).replace("$", "＄")
    return name if len(name) <= most else name[: 2 * most // 5] + "…" + name[2 * most // 5 + 1 - most :]


def whole(name: str, value: Any, low: int, high: int = 10**6) -> int:
    """A whole number between two bounds."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise ArgumentError(f"{name} must be a whole number from {low} to {high:,}, got {value!r:.60}.")
    return int(value)


def points_of(x: Any) -> np.ndarray[Any, Any]:
    """Points of a plane, (N, 2), as an array."""
    a = np.asarray(getattr(x, "data", x) if not isinstance(x, np.ndarray) else x)
    if a.dtype.kind not in "fiub":
        raise DTypeError(f"points are numbers, got {a.dtype}.")
    if a.ndim != 2 or a.shape[1] != 2 or not len(a):
        raise ArgumentError(
            f"a picture of the plane needs points of two features, (N, 2) with N ≥ 1, got {a.shape}. Choose two columns."
        )
    if not np.isfinite(a).all():
        raise ArgumentError("the points hold values that are NaN or infinite; leave those rows out.")
    return a
