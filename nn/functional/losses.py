"""Losses, the notes' cost functions. Values of targets are checked where they are known; while `jit` records they are not, and
the indexing op checks them when the program runs. All take ``reduction="mean" | "sum" | "none"``.
"""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, IndexingError, ShapeError, user_line
from nn.functional.common import (
    Tensor,
    as_tensor,
    given_tensor,
    in_unit_interval,
    like,
    log_total,
    reduced,
    same_shape,
    shifted,
)  # fmt: skip
from nn.module import concrete

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "mse_loss", "nll_loss",
]  # fmt: skip

LOSS = 512
"""Elements from which a loss made of many ops runs compiled: from there on that saves more than a call of it costs."""


def mse_loss(x: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Mean squared error, (x − t)².

    Shape: x and target the same, or ShapeError: (N, 1) against (N,) would broadcast to N² differences.
    Source: course notes, *Mean Squared Error*.

    >>> mse_loss(ag.Tensor([1.0, 4.0]), ag.Tensor([1.0, 2.0])).item()
    2.0
    """
    x, target = same_shape("mse_loss", x, target)
    return reduced(ag.square(x - target), reduction)


def binary_cross_entropy(x: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Tensor:
    """−t·ln p − (1 − t)·ln(1 − p) of probabilities p in [0, 1] (else ValueError) and targets t in [0, 1].

    Logarithms are no smaller than −100, or than that of the smallest normal number (−87.3 in float32): where p is exactly 0 or
    1, the loss is finite and the gradient of that term 0. `binary_cross_entropy_with_logits` has no such limit.

    >>> round(binary_cross_entropy(ag.Tensor([0.5, 1.0]), ag.Tensor([1.0, 1.0])).item(), 4)
    0.3466
    """
    x, target = same_shape("binary_cross_entropy", x, target)
    in_unit_interval(
        "binary_cross_entropy", "probability", x, "Pass the output of sigmoid, or use binary_cross_entropy_with_logits."
    )
    in_unit_interval("binary_cross_entropy", "target", target, "Targets are 0, 1, or probabilities.")
    loss = -(target * _safe_log(x) + (1 - target) * _safe_log(1 - x))
    return reduced(loss if weight is None else loss * like(weight, x), reduction)


def _safe_log(p: Tensor) -> Tensor:
    low = max(float(np.finfo(p.dtype).tiny), 3.7200759760208356e-44)  # e⁻¹⁰⁰
    return ag.where(p.detach() < low, np.asarray(max(np.log(low), -100.0), p.dtype), ag.log(ag.maximum(p, low)))


def are_shares(target: Any, **_: Any) -> bool:
    """Whether targets are in [0, 1]."""
    values = concrete(target)
    return values is None or not values.size or bool(values.min() >= 0 and values.max() <= 1)


@ag.accelerated("x", "target", "weight", "pos_weight", admit=are_shares, long=LOSS)
def binary_cross_entropy_with_logits(x: Any, target: Any, weight: Any = None, pos_weight: Any = None,
                                     reduction: str = "mean") -> Tensor:  # fmt: skip
    """Binary cross-entropy of p = sigmoid(x), computed as t·softplus(−x) + (1 − t)·softplus(x): exact for large |x|.

    Args:
        weight: a factor for each element; broadcasts.
        pos_weight: a factor for the positive term, against imbalance; broadcasts.

    >>> binary_cross_entropy_with_logits(ag.Tensor([1e4, -1e4]), ag.Tensor([1.0, 1.0]), reduction="none").tolist()
    [0.0, 10000.0]
    """
    x, target = same_shape("binary_cross_entropy_with_logits", x, target)
    in_unit_interval("binary_cross_entropy_with_logits", "target", target, "Targets are 0, 1, or probabilities.")
    positive = target * ag.softplus(-x)
    loss = (positive if pos_weight is None else positive * like(pos_weight, x)) + (1 - target) * ag.softplus(x)
    return reduced(loss if weight is None else loss * like(weight, x), reduction)


def are_classes(x: Any, target: Any, ignore_index: int, **_: Any) -> bool:
    """Whether targets of `cross_entropy`, as far as they are class indices, are in range."""
    values = concrete(target)
    if values is None or values.dtype.kind == "f" or not values.size:
        return True
    classes = x.shape[1 if x.ndim > 1 else 0]
    inside = values.min() >= 0 and values.max() < classes
    return bool(inside or np.all((values >= 0) & (values < classes) | (values == ignore_index)))


@ag.accelerated("x", "target", "weight", admit=are_classes, long=LOSS)
def cross_entropy(x: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean",
                  label_smoothing: float = 0.0) -> Tensor:  # fmt: skip
    """Cross-entropy −Σ t_c ln softmax(x)_c of logits x, against class indices or probabilities t.

    Shape: x (N, C, …) with target (N, …) of integers in [0, C), or (C,) with (); or target of x's shape and a float dtype.

    Args:
        weight: a factor for each class, (C,). With "mean" and class indices, the sum is divided by the sum of the weights
            of the targets, as in PyTorch.
        ignore_index: a target that counts for nothing. If every target is ignored, "mean" is NaN.
        label_smoothing: ε in [0, 1]: targets become (1 − ε)·t + ε/C.

    Errors: DTypeError (float class indices), IndexingError (a class out of range, named), ShapeError (another batch).

    >>> round(cross_entropy(ag.Tensor([[2.0, 0.0, 0.0]]), [0]).item(), 4)
    0.2395
    >>> cross_entropy(ag.Tensor([[2.0, 0.0, 0.0]]), [3])
    Traceback (most recent call last):
    autograd.errors.IndexingError: cross_entropy: target 3 at position 0 is not a class: there are 3 classes, 0 to 2. ...
    """
    x = as_tensor(x)
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(f"cross_entropy: label_smoothing must be in [0, 1], got {label_smoothing}. ({user_line()})")
    axis = _class_axis("cross_entropy", x)
    weight = _class_weight("cross_entropy", x, axis, weight)
    soft = getattr(target, "dtype", np.dtype(np.int64)).kind == "f" and target.shape == x.shape
    z = shifted(x, axis)
    if soft:
        classes = x.shape[axis]
        target = like(target, x)
        target = target if label_smoothing == 0 else target * (1 - label_smoothing) + label_smoothing / classes
        scaled = target if weight is None else target * weight
        loss = ag.sum(scaled * (log_total(z, axis) - z), axis=axis)
        return ag.sum(loss) / max(loss.size, 1) if reduction == "mean" else reduced(loss, reduction)
    total = log_total(z, axis)
    kept, index = _classes("cross_entropy", x, target, axis, ignore_index)
    loss = total - ag.take_along_axis(z, index, axis)
    share: Any = None if weight is None else ag.take_along_axis(ag.broadcast_to(weight, x.shape), index, axis)
    if share is not None:
        loss = loss * share
    if label_smoothing:
        spread = total - z if weight is None else (total - z) * weight
        loss = (1 - label_smoothing) * loss + ag.sum(spread, axis=axis, keepdims=True) * (label_smoothing / x.shape[axis])
    return _mean_of_kept(loss, kept, share, axis, reduction)


def nll_loss(x: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Tensor:
    """Negative log-likelihood, −x[target], of log-probabilities x such as those of `log_softmax`.

    Shape, arguments and errors as for `cross_entropy` with class indices.

    >>> nll_loss(ag.Tensor([[-1.0, -2.0], [-3.0, -4.0]]), [1, 0]).item()
    2.5
    """
    x = as_tensor(x)
    axis = _class_axis("nll_loss", x)
    weight = _class_weight("nll_loss", x, axis, weight)
    kept, index = _classes("nll_loss", x, target, axis, ignore_index)
    loss = -ag.take_along_axis(x, index, axis)
    share: Any = None if weight is None else ag.take_along_axis(ag.broadcast_to(weight, x.shape), index, axis)
    return _mean_of_kept(loss if share is None else loss * share, kept, share, axis, reduction)


# ---- what they share -------------------------------------------------------------------------------------------------


def _mean_of_kept(loss: Tensor, kept: Any, share: Any, axis: int, reduction: str) -> Tensor:
    """Reduce losses of shape (N, 1, …), of which only those `kept` count (None: all), each with its share of the mean."""
    if kept is not None:
        loss = ag.where(kept, loss, 0)
        share = ag.where(kept, np.ones((), loss.dtype) if share is None else share, 0)
    if reduction == "mean" and share is not None:
        return ag.sum(loss) / ag.sum(ag.broadcast_to(share, loss.shape))
    return reduced(ag.squeeze(loss, axis=axis) if reduction == "none" else loss, reduction)


def _class_axis(name: str, x: Tensor) -> int:
    if x.ndim == 0 or x.dtype.kind != "f":
        raise ShapeError(f"{name} takes scores of shape (N, C) or (C,), got shape {x.shape} of {x.dtype}. ({user_line()})")
    return 1 if x.ndim > 1 else 0


def _class_weight(name: str, x: Tensor, axis: int, weight: Any) -> Any:
    if weight is None:
        return None
    weight = like(weight, x)
    if weight.shape != (x.shape[axis],):
        raise ShapeError(
            f"{name}: weight has shape {weight.shape}, and there are {x.shape[axis]} classes: give one for "
            f"each. ({user_line()})"
        )
    return ag.reshape(weight, (-1,) + (1,) * (x.ndim - 1 - axis))


def _classes(name: str, x: Tensor, target: Any, axis: int, ignore_index: int) -> tuple[Any, Any]:
    """Checked class indices of shape (N, 1, …), and which of them count (None: all)."""
    if not isinstance(target, Tensor):
        given = np.asarray(target)
        target = given_tensor(given if given.size or given.dtype.kind in "iu" else given.astype(np.int64))
    classes, batch = x.shape[axis], x.shape[:axis] + x.shape[axis + 1 :]
    values = concrete(target)
    if target.dtype.kind not in "iu":
        example = "" if values is None or not values.size else f", such as {values.flat[0]}"
        raise DTypeError(
            f"{name}: targets are class indices, of an integer dtype, and these are {target.dtype}{example} of shape "
            f"{target.shape}. Write target.astype(int), or pass probabilities of shape {x.shape}. ({user_line()})"
        )
    if target.shape != batch:
        raise ShapeError(
            f"{name}: scores of shape {x.shape} need targets of shape {batch}, one class index for each; got "
            f"{target.shape}. ({user_line()})"
        )
    kept: Any = None
    if values is None:
        kept = target != ignore_index
    else:
        outside = values.size and (values.min() < 0 or values.max() >= classes)
        if outside:
            wrong = ((values < 0) | (values >= classes)) & (values != ignore_index)
            if wrong.any():
                at = np.unravel_index(int(wrong.argmax()), values.shape)
                place: Any = tuple(int(i) for i in at)
                raise IndexingError(
                    f"{name}: target {values[at]} at position {place[0] if len(place) == 1 else place} is not a class: "
                    f"there are {classes} classes, 0 to {classes - 1}. "
                    f"Number the classes from 0, or set ignore_index. ({user_line()})"
                )
        if (outside or 0 <= ignore_index < classes) and (values == ignore_index).any():
            kept = target != ignore_index
    index = target if kept is None else ag.where(kept, target, 0)
    return None if kept is None else ag.expand_dims(kept, axis), ag.expand_dims(index, axis)
