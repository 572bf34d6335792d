"""Figures of merit, of outputs and targets as arrays or Tensors.

They are called as ``metric(output, target)``, the order of losses, with what a network gives: scores (N, C), logits or
probabilities, of which the highest is the answer; one score (N,) or (N, 1) for two classes, compared with `threshold`, 0.5 for
probabilities and 0 for logits; or classes (N,). All but the first few are scikit-learn's, by its own functions, which have more
settings: what is here puts the arguments in their form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import Tensor
from autograd.errors import ArgumentError, ShapeError, UnsupportedError

__all__ = [
    "accuracy", "balanced_accuracy", "confusion", "confusion_table", "f1", "mean_absolute_error", "mean_squared_error",
    "precision", "r2_score", "recall", "roc_auc",
]  # fmt: skip


def _array(x: Any) -> np.ndarray[Any, Any]:
    return x.data if isinstance(x, Tensor) else np.asarray(x)


def _classes(output: Any, target: Any, threshold: float = 0.5) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    output, target = _array(output), _array(target)
    if target.ndim == 2 and target.shape[1] == 1:
        target = target[:, 0]
    if output.ndim == target.ndim + 1 and output.shape[1] == 1:
        output = output[:, 0]
    chosen = output.argmax(axis=1) if output.ndim == target.ndim + 1 else output
    if chosen is output and output.dtype.kind == "f" and ((target == 0) | (target == 1)).all():
        chosen = (output > threshold).astype(np.int64)
    if chosen.shape != target.shape:
        raise ShapeError(
            f"scores (N, C) or classes (N,) are compared with classes (N,); got {output.shape} and {target.shape}."
        )
    return chosen, target


def accuracy(output: Any, target: Any, threshold: float = 0.5) -> float:
    """The share of samples whose highest score (N, C), or class (N,), is the target (N,). NaN of none.

    Where one class is rare it says little: 99 % are right who never find it. Source: course notes, question 34.

    >>> accuracy([[0.1, 0.9], [0.8, 0.2]], [1, 1])
    0.5
    """
    chosen, target = _classes(output, target, threshold)
    return float((chosen == target).mean()) if target.size else float("nan")


def _scikit() -> Any:
    try:
        import sklearn.metrics
    except ImportError:
        raise UnsupportedError(
            'this metric is scikit-learn\'s, which is not installed here: python -m pip install "wengert[data]".'
        ) from None
    return sklearn.metrics


def _by_class(name: str, output: Any, target: Any, average: str | None, threshold: float) -> float:
    if average not in ("binary", "macro", "micro", "weighted", None):
        raise ArgumentError(f'{name}: average must be "binary", "macro", "micro", "weighted" or None, got {average!r}.')
    scikit = _scikit()
    scores = _array(output)
    chosen, target = _classes(output, target, threshold)
    if not target.size:
        return float("nan")
    if average is None:
        several = scores.ndim > 1 and scores.shape[1] > 2 or max(chosen.max(), target.max()) > 1
        average = "macro" if several else "binary"
    return float(getattr(scikit, f"{name}_score")(target.astype(int), chosen.astype(int), average=average, zero_division=0.0))


def precision(output: Any, target: Any, average: str | None = None, threshold: float = 0.5) -> float:
    """Of those that were taken for a class, the share that are of it: tp/(tp + fp); 0 where none was. scikit-learn's.

    Args:
        average: how classes are put together; None: "binary" (class 1) for two classes, "macro" for more.

    Source: course notes, question 34.

    >>> precision([1, 1, 0, 0], [1, 0, 0, 1])
    0.5
    """
    return _by_class("precision", output, target, average, threshold)


def recall(output: Any, target: Any, average: str | None = None, threshold: float = 0.5) -> float:
    """Of those that are of a class, the share that was found: tp/(tp + fn). Arguments as of `precision`. scikit-learn's.

    >>> recall([1, 1, 0, 0], [1, 0, 0, 0])
    1.0
    """
    return _by_class("recall", output, target, average, threshold)


def f1(output: Any, target: Any, average: str | None = None, threshold: float = 0.5) -> float:
    """The harmonic mean of `precision` and `recall`, with their arguments. scikit-learn's.

    >>> round(f1([1, 1, 0, 0], [1, 0, 0, 0]), 3)
    0.667
    """
    return _by_class("f1", output, target, average, threshold)


def balanced_accuracy(output: Any, target: Any, threshold: float = 0.5) -> float:
    """The mean of the shares of each class that were found: the accuracy as if all classes were of one size. scikit-learn's.

    >>> balanced_accuracy([0, 0, 0, 0], [0, 0, 0, 1])
    0.5
    """
    scikit = _scikit()
    chosen, target = _classes(output, target, threshold)
    if not target.size:
        return float("nan")
    found = np.unique(target)  # a class that only the answers have does not count
    return float(scikit.recall_score(target, chosen, labels=found, average="macro", zero_division=0.0))


def roc_auc(output: Any, target: Any) -> float:
    """The area under the ROC curve: how likely a sample of a class scores above one that is not. scikit-learn's.

    One half is guessing. It needs no threshold, and does not see whether probabilities are right.
    For more than two classes, the mean over classes, each against the rest; logits are taken through softmax.
    NaN where the targets have a single class.

    Shape: scores (N,), (N, 1) or (N, C), targets (N,). Source: course notes, question 34.

    >>> roc_auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.75
    """
    scikit = _scikit()
    scores, classes = _array(output).astype(np.float64), _array(target)
    classes = classes[:, 0] if classes.ndim == 2 and classes.shape[1] == 1 else classes
    if classes.ndim != 1 or scores.shape[:1] != classes.shape or scores.ndim > 2:
        raise ShapeError(f"roc_auc takes scores (N,) or (N, C) and classes (N,); got {scores.shape} and {classes.shape}.")
    if scores.ndim == 2 and scores.shape[1] <= 2:
        scores = scores[:, 0] if scores.shape[1] == 1 else scores[:, 1] - scores[:, 0]
    found = np.unique(classes)
    if len(found) < 2 or np.isnan(scores).any():
        return float("nan")
    if scores.ndim == 1:
        return float(scikit.roc_auc_score(classes, scores))
    if (scores < 0).any() or not np.allclose(scores.sum(axis=1), 1, rtol=0, atol=1e-4):
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    areas = [scikit.roc_auc_score(classes == c, _share(scores, int(c))) for c in found]
    return float(np.mean(areas))


def _share(scores: np.ndarray[Any, Any], c: int) -> np.ndarray[Any, Any]:
    if not 0 <= c < scores.shape[1]:
        raise ArgumentError(f"roc_auc: target {c} is not a class: there are {scores.shape[1]}.")
    share: np.ndarray[Any, Any] = scores[:, c] / scores.sum(axis=1)
    return share


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


def mean_absolute_error(output: Any, target: Any) -> float:
    """Mean of |output − target|; shapes must be equal.

    >>> mean_absolute_error([1.0, 4.0], [1.0, 2.0])
    1.0
    """
    output, target = _array(output), _array(target)
    if output.shape != target.shape:
        raise ShapeError(f"outputs of shape {output.shape} and targets of shape {target.shape}: they must be equal.")
    return float(np.abs(np.subtract(output, target, dtype=np.float64)).mean()) if target.size else float("nan")


def r2_score(output: Any, target: Any) -> float:
    """R², the share of the variance explained: 1 is perfect, 0 as good as the mean. NaN where the targets do not vary.

    >>> r2_score(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    """
    target = _array(target).astype(np.float64)
    spread = float(target.var()) if target.size else 0.0
    return 1 - mean_squared_error(output, target) / spread if spread else float("nan")
