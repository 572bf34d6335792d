"""What happened in training, epoch by epoch: a table, a CSV file, learning curves."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import BytesIO, StringIO
from os import PathLike
from pathlib import Path
from typing import Any

from autograd.errors import ArgumentError, UnsupportedError
from nn.files import write_atomically
from nn.names import nearest

__all__ = ["History"]


class History:
    """One row for each epoch: "epoch", "loss", metrics, the same of the validation data with "val_" before, "lr", "seconds".

    >>> history = History()
    >>> history.append({"epoch": 1, "loss": 0.5})
    >>> history["loss"]
    [0.5]
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.interrupted = False

    def append(self, row: dict[str, float]) -> None:
        """Add the row of an epoch."""
        self.rows.append(dict(row))

    @property
    def columns(self) -> list[str]:
        """All column names, in the order in which they came."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.rows)

    def __getitem__(self, column: str) -> list[float]:
        if column not in self.columns:
            raise ArgumentError(
                f"the history has no column {column!r}{nearest(column, self.columns)} It has "
                f"{', '.join(self.columns) or 'no rows'}."
            )
        return [row.get(column, float("nan")) for row in self.rows]

    def __repr__(self) -> str:
        last = ", ".join(f"{k}={v:.4g}" for k, v in self.rows[-1].items()) if self.rows else "empty"
        return f"History({len(self.rows)} epochs; last: {last}{'; interrupted' if self.interrupted else ''})"

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write the table to a CSV file, with a header."""
        out = StringIO()
        writer = csv.DictWriter(out, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomically(path, out.getvalue())

    def plot(self, *paths: str | PathLike[str], title: str = "") -> Any:
        """Draw the learning curves, one panel for the loss and one for each metric, validation beside training.

        Args:
            paths: files to write, SVG, PNG or PDF by their ending.
            title: a line above the panels.

        Returns matplotlib's figure. Errors: UnsupportedError without matplotlib.
        """
        figure = _figure(self, title)
        for path in paths:
            kind = Path(path).suffix.removeprefix(".").lower()
            if kind not in ("svg", "png", "pdf"):
                raise ArgumentError(f"curves are written as .svg, .png or .pdf, not {str(path)!r}.")
            out = BytesIO()
            metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
            with _quiet():
                figure.savefig(out, format=kind, dpi=160, metadata=metadata)
            write_atomically(path, out.getvalue())
        return figure


# Two hues that differ in lightness too, for those who see colours otherwise, and for grey prints.
_INK, _MUTED, _GRID = "#1f2933", "#52606d", "#e4e7eb"
_TRAIN, _VALIDATION = "#1b6ca8", "#d9730d"


def _quiet() -> Any:
    import matplotlib

    return matplotlib.rc_context({
        "svg.hashsalt": "wengert", "font.family": ["DejaVu Sans"], "font.size": 10.0, "axes.edgecolor": _MUTED,
        "axes.labelcolor": _INK,
        "text.color": _INK, "xtick.color": _MUTED, "ytick.color": _MUTED, "axes.spines.top": False, "axes.spines.right": False,
    })  # fmt: skip


def _figure(history: History, title: str) -> Any:
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator, PercentFormatter
    except ImportError:
        raise UnsupportedError(
            'curves need matplotlib, which is not installed here: python -m pip install "matplotlib>=3.9".'
        ) from None
    names = [c for c in history.columns if not c.startswith("val_") and c not in ("epoch", "lr", "seconds")]
    if not names:
        raise ArgumentError("the history is empty: train at least one epoch before plotting.")
    with _quiet():
        figure = Figure(figsize=(4.8 * len(names), 3.6), layout="constrained", facecolor="white")
        for k, name in enumerate(names):
            axes = figure.add_subplot(1, len(names), k + 1)
            last = []
            for column, label, colour in ((name, "training", _TRAIN), ("val_" + name, "validation", _VALIDATION)):
                if column not in history.columns:
                    continue
                values = history[column]
                marker = "o" if len(values) < 30 else None
                axes.plot(history["epoch"], values, color=colour, linewidth=1.8, marker=marker, markersize=3.5, label=label)
                last += [v for v in values if v == v]
            axes.set_title(name.replace("_", " "), loc="left", fontweight="bold", fontsize=11)
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.grid(axis="y", color=_GRID, linewidth=0.8)
            axes.set_axisbelow(True)
            if name == "accuracy":
                axes.yaxis.set_major_formatter(PercentFormatter(1.0))
            elif name == "loss" and last and min(last) > 0 and max(last) > 50 * min(last):
                axes.set_yscale("log")
            if "val_" + name in history.columns:
                axes.legend(frameon=False)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=_MUTED)
    return figure
