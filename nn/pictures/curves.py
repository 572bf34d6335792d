"""Learning curves of a history."""

from __future__ import annotations

from os import PathLike
from typing import Any

from autograd.errors import ArgumentError
from nn.pictures.look import BLUE, GRID, ORANGE, canvas, headed, short

__all__ = ["curves", "draw"]


def curves(history: Any, *paths: str | PathLike[str], title: str = "") -> Any:
    """Draw the learning curves of a `History`, as ``history.plot()`` does: a panel for the loss and for each metric.

    >>> import nn
    >>> history = nn.History()
    >>> history.append({"epoch": 1, "loss": 0.5, "val_loss": 0.75})
    >>> [float(line.get_ydata()[0]) for line in curves(history).axes[0].lines]
    [0.5, 0.75]
    """
    names = [c for c in history.columns if not c.startswith("val_") and c not in ("epoch", "lr", "seconds")]
    if not names:
        raise ArgumentError("the history is empty: train at least one epoch before plotting.")
    with canvas(4.8 * len(names), 3.6, paths, title) as figure:
        draw(figure, history, names)
    return figure


def draw(figure: Any, history: Any, names: list[str]) -> None:
    """A panel for each column, validation beside training."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    for k, name in enumerate(names):
        axes = figure.add_subplot(1, len(names), k + 1)
        last = []
        for column, label, colour in ((name, "training", BLUE), ("val_" + name, "validation", ORANGE)):
            if column not in history.columns:
                continue
            values = history[column]
            marker = "o" if len(values) < 30 else None
            axes.plot(history["epoch"], values, color=colour, linewidth=1.8, marker=marker, markersize=3.5, label=label)
            last += [v for v in values if v == v]
        headed(axes, short(name.replace("_", " ")))
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        if name == "accuracy":
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        elif name == "loss" and last and min(last) > 0 and max(last) > 50 * min(last):
            axes.set_yscale("log")
        if "val_" + name in history.columns:
            axes.legend()
