"""Figures of merit, of outputs and targets as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import Tensor
from autograd.errors import ShapeError

__all__ = ["accuracy", "confusion", "confusion_table", "mean_squared_error", "r2_score"]


def _array(x: Any) -> np.ndarray[Any, Any]:
    return x.data if isinstance(x, Tensor) else np.asarray(x)


def _classes(output: Any, target: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    output, target = _array(output), _array(target)
    chosen = output.argmax(axis=1) if output.ndim == target.ndim + 1 else output
    if chosen.shape != target.shape:
        raise ShapeError(
            f"scores (N, C) or classes (N,) are compared with classes (N,); got {output.shape} and {target.shape}."
        )
    return chosen, target


def accuracy(output: Any, target: Any) -> float:
    """The share of samples whose highest score (N, C), or class (N,), is the target (N,). NaN of none.

    >>> accuracy([[0.1, 0.9], [0.8, 0.2]], [1, 1])
    0.5
    """
    chosen, target = _classes(output, target)
    return float((chosen == target).mean()) if target.size else float("nan")


def confusion(output: Any, target: Any, classes: int) -> np.ndarray[Any, Any]:
    """Counts (classes, classes): row, the target; column, the prediction.

    >>> confusion([0, 1, 1], [0, 1, 0], 2).tolist()
    [[1, 1], [0, 1]]
    """
    chosen, target = _classes(output, target)
    table: np.ndarray[Any, Any] = np.bincount(target * classes + chosen, minlength=classes * classes).reshape(classes, classes)
    return table


def confusion_table(output: Any, target: Any, names: Sequence[str]) -> str:
    r"""`confusion` as text, with the share of each class that was found.

    >>> print(confusion_table([0, 1, 1], [0, 1, 0], ["cat", "dog"]))
    true \ predicted  cat  dog   found
                 cat    1    1   50.0%
                 dog    .    1  100.0%
    """
    counts = confusion(output, target, len(names))
    labels = [n if len(n) <= 16 else n[:15] + "~" for n in names]
    width = max(len(str(counts.max(initial=0))), *(len(n) for n in labels)) + 2
    corner = "true \\ predicted"
    left = max(len(corner), *(len(n) for n in labels))
    lines = [f"{corner:>{left}}" + "".join(f"{n:>{width}}" for n in labels) + "   found"]
    for label, row, k in zip(labels, counts, range(len(names)), strict=True):
        found = f"{row[k] / row.sum():.1%}" if row.sum() else "-"
        lines.append(f"{label:>{left}}" + "".join(f"{n or '.':>{width}}" for n in row) + f"{found:>8}")
    return "\n".join(lines)


def mean_squared_error(output: Any, target: Any) -> float:
    """Mean of (output − target)²; shapes must be equal."""
    output, target = _array(output), _array(target)
    if output.shape != target.shape:
        raise ShapeError(f"outputs of shape {output.shape} and targets of shape {target.shape}: they must be equal.")
    return float(np.square(output - target, dtype=np.float64).mean()) if target.size else float("nan")


def r2_score(output: Any, target: Any) -> float:
    """R², the share of the variance explained: 1 is perfect, 0 as good as the mean. NaN where the targets do not vary.

    >>> r2_score(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    """
    target = _array(target).astype(np.float64)
    spread = float(target.var()) if target.size else 0.0
    return 1 - mean_squared_error(output, target) / spread if spread else float("nan")
