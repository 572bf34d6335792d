"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np

from autograd.errors import ArgumentError
from nn import metrics
from nn.pictures.look import INK, MUTED, canvas, headed, short

__all__ = ["LARGEST", "confusion"]

LARGEST = 60
"""Classes of which a table can be read."""


def confusion(predicted: Any, targets: Any, *paths: str | PathLike[str], names: Sequence[str] | None = None,
              title: str = "") -> Any:  # fmt: skip
    """Draw the confusion matrix: rows are true classes, columns predicted ones. The colour is the
    share of its row, off the diagonal in another hue, so that mistakes stand out.

    Args:
        predicted: class numbers (N,), or outputs (N, C) of which the largest counts, such as those of `nn.predict`.
        targets: class numbers (N,).
        paths: files to write, SVG, PNG or PDF by their ending.
        names: of the classes, in the order of their numbers.
        title: a line above the picture.

    Returns matplotlib's figure.

    >>> figure = confusion([0, 1, 1, 1], [0, 0, 1, 1], names=["cat", "dog"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['1', '1', '', '2']
    """
    out, true = (np.asarray(getattr(a, "data", a) if not isinstance(a, np.ndarray) else a) for a in (predicted, targets))
    classes = out.shape[1] if out.ndim == 2 and out.shape[1] > 1 else 0
    out = out.argmax(axis=1) if classes else out.reshape(-1)
    true = true.reshape(-1)
    if not len(true) or len(out) != len(true):
        raise ArgumentError(f"there are {len(out)} predictions and {len(true)} targets; there must be one for each.")
    for what, a in (("predictions", out), ("targets", true)):
        if a.dtype.kind not in "iub" or a.min() < 0:
            raise ArgumentError(f"{what} are class numbers from 0, got {a.dtype}, least {a.min()}; outputs are (N, C).")
    count = max(classes, int(max(out.max(), true.max())) + 1, len(names or ()))
    if count > LARGEST:
        raise ArgumentError(f"a confusion matrix of {count} classes cannot be read; at most {LARGEST} are drawn.")
    if names is not None and len(names) < count:
        raise ArgumentError(f"there are {count} classes and {len(names)} names.")
    table = metrics.confusion(out, true, count)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    shown = [short(n, 14) for n in names] if names is not None else [str(k) for k in range(count)]
    size = min(max(3.4, 0.42 * count + 1.4), 12.0)
    with canvas(size + 0.3, size, paths, title) as figure:
        axes = figure.add_subplot()
        axes.imshow(_colours(shares))
        for i, j in np.ndindex(count, count):
            text = f"{table[i, j]}" if table[i, j] else ""
            colour = "white" if i == j and shares[i, j] > 0.5 else INK
            axes.text(j, i, text, ha="center", va="center", fontsize=9 if count <= 20 else 6, color=colour)
        tilted = max(map(len, shown)) > 3
        axes.set_xticks(range(count), shown, rotation=40 if tilted else 0, ha="right" if tilted else "center", fontsize=9)
        axes.set_yticks(range(count), shown, fontsize=9)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        headed(axes, f"{np.trace(table)} of {table.sum()} right, {np.trace(table) / table.sum():.1%}")
        axes.title.set_color(MUTED)
    return figure


def _colours(shares: Any) -> Any:
    """White to blue on the diagonal, white to orange beside it, where small shares count."""
    from matplotlib.colors import to_rgb

    right = np.eye(len(shares), dtype=bool)[..., None]
    strength = np.where(right, shares[..., None], np.minimum(1.0, 3 * shares[..., None]) ** 0.7 * 0.8)
    hue = np.where(right, to_rgb("#1b6ca8"), to_rgb("#d9730d"))
    return 1 - strength * (1 - hue)
