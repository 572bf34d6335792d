"""What losses share: which settings and values make sense, and how classes are picked."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, AutogradError, DTypeError, IndexingError, ShapeError, user_line
from nn.functional.common import Tensor, given_tensor, like
from nn.module import concrete

__all__ = [
    "LOSS", "check_reduction", "check_settings", "check_shares", "check_signs", "check_values", "class_axis", "class_weight",
    "classes_of", "mean_of_kept", "picked", "tiny",
]  # fmt: skip

LOSS = 512
"""Elements from which a loss made of many ops runs compiled: from there on that saves more than a call of it costs."""

RULES: dict[str, tuple[Callable[[float], bool], str]] = {
    "delta": (lambda v: v > 0, "a number > 0"),
    "beta": (lambda v: v >= 0, "a number ≥ 0"),
    "eps": (lambda v: v >= 0, "a number ≥ 0"),
    "gamma": (lambda v: v >= 0, "a number ≥ 0"),
    "smooth": (lambda v: v >= 0, "a number ≥ 0"),
    "alpha": (lambda v: 0 <= v <= 1, "a number in [0, 1]"),
    "label_smoothing": (lambda v: 0 <= v <= 1, "a number in [0, 1]"),
    "margin": (lambda v: True, "a finite number"),
    "positive_margin": (lambda v: v > 0, "a number > 0"),
    "cosine_margin": (lambda v: -1 <= v <= 1, "a number in [−1, 1], as cosines are"),
    "power": (lambda v: v in (1, 2), "1 or 2"),
    "order": (lambda v: v > 0, "a number > 0"),
}
"""The rule for each setting, and its wording: one place for functions and modules."""


def check_settings(loss: str, **settings: Any) -> None:
    """Raise ArgumentError for a setting that makes no sense; None, where a setting may be left out, passes."""
    for name, value in settings.items():
        right, words = RULES[name]
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if value is not None and not (number and (math.isfinite(value) or name == "order") and right(float(value))):
            shown = {"positive_margin": "margin", "cosine_margin": "margin", "power": "p", "order": "p"}.get(name, name)
            raise ArgumentError(f"{loss}: {shown} must be {words}, got {value!r}. ({user_line()})")


def check_reduction(reduction: Any, *more: str) -> None:
    """Raise ArgumentError for what is no reduction."""
    if reduction not in ("mean", "sum", "none", *more):
        names = ", ".join(f'"{m}"' for m in ("mean", "sum", *more))
        raise ArgumentError(f'reduction must be {names} or "none", got {reduction!r}. ({user_line()})')


def check_values(loss: str, what: str, x: Any, wrong: Callable[[Any], Any], words: str, hint: str,
                 kind: type[AutogradError] = ArgumentError) -> None:  # fmt: skip
    """Raise where values are `wrong`, with the first and its position; compiled, when the program runs, without them."""
    values = concrete(x)
    if values is None:
        if ag.is_recording():
            ag.require(ag.logical_not(wrong(x)), f"{loss}: a {what} {words}. {hint}", kind)
        return
    mask = np.asarray(wrong(values))
    if mask.any():
        at = tuple(int(i) for i in np.unravel_index(int(mask.argmax()), mask.shape))
        place = f" at position {at[0] if len(at) == 1 else at}" if at else ""
        shown = f"{values[at]:g}" if values.dtype.kind == "f" else str(values[at])
        raise kind(f"{loss}: {what} {shown}{place} {words}. {hint} ({user_line()})")


def check_shares(loss: str, what: str, x: Any, hint: str) -> None:
    """Raise where values lie outside [0, 1]."""
    values = concrete(x)
    if values is not None and (not values.size or (values.min() >= 0 and values.max() <= 1)):
        return
    check_values(loss, what, x, lambda v: (v < 0) | (v > 1), "is outside [0, 1]", hint)


def check_signs(loss: str, target: Any) -> None:
    """Raise where targets are neither −1 nor 1."""
    hint = "Of classes 0 and 1, write 2 * target - 1."
    check_values(loss, "target", target, lambda v: (v != 1) & (v != -1), "is neither -1 nor 1", hint)


def tiny(x: Tensor) -> float:
    """The smallest normal number of x's dtype."""
    return float(np.finfo(x.dtype).tiny)


# ---- classes ---------------------------------------------------------------------------------------------------------


def class_axis(loss: str, x: Tensor) -> int:
    """The axis of the classes, of scores (N, C, …) or (C,)."""
    if x.ndim == 0 or x.dtype.kind != "f":
        raise ShapeError(f"{loss} takes scores of shape (N, C) or (C,), got shape {x.shape} of {x.dtype}. ({user_line()})")
    return 1 if x.ndim > 1 else 0


def class_weight(loss: str, x: Tensor, axis: int, weight: Any) -> Any:
    """A weight for each class, in a shape that broadcasts with x; None stays."""
    if weight is None:
        return None
    weight = like(weight, x)
    if weight.shape != (x.shape[axis],):
        raise ShapeError(
            f"{loss}: weight has shape {weight.shape}, and there are {x.shape[axis]} classes: give one for "
            f"each. ({user_line()})"
        )
    return ag.reshape(weight, (-1,) + (1,) * (x.ndim - 1 - axis))


def classes_of(loss: str, x: Tensor, target: Any, axis: int, ignore_index: int | None) -> tuple[Any, Any]:
    """Checked class indices of shape (N, 1, …), and which of them count (None: all)."""
    if not isinstance(target, Tensor):
        given = np.asarray(target)
        target = given_tensor(given if given.size or given.dtype.kind in "iu" else given.astype(np.int64))
    classes, batch = x.shape[axis], x.shape[:axis] + x.shape[axis + 1 :]
    values = concrete(target)
    if target.dtype.kind not in "iu":
        example = "" if values is None or not values.size else f", such as {values.flat[0]}"
        raise DTypeError(
            f"{loss}: targets are class indices, of an integer dtype, and these are {target.dtype}{example} of shape "
            f"{target.shape}. Write target.astype(int), or pass probabilities of shape {x.shape}. ({user_line()})"
        )
    if target.shape != batch:
        raise ShapeError(
            f"{loss}: scores of shape {x.shape} need targets of shape {batch}, one class index for each; got "
            f"{target.shape}. ({user_line()})"
        )
    outside = values is None or bool(values.size and (values.min() < 0 or values.max() >= classes))
    if outside:

        def wrong(v: Any) -> Any:
            bad = (v < 0) | (v >= classes)
            return bad if ignore_index is None else bad & (v != ignore_index)

        words = f"is not a class: there are {classes} classes, 0 to {classes - 1}"
        hint = "Number the classes from 0" + ("." if ignore_index is None else ", or set ignore_index.")
        check_values(loss, "target", target, wrong, words, hint, IndexingError)
    kept: Any = None
    if ignore_index is not None:
        some = values is None or (outside or 0 <= ignore_index < classes) and (values == ignore_index).any()
        kept = target != ignore_index if some else None
    inside = kept if values is not None else (target >= 0) & (target < classes)  # else another check comes before ours
    index = target if inside is None else ag.where(inside, target, 0)
    return None if kept is None else ag.expand_dims(kept, axis), ag.expand_dims(index, axis)


def picked(x: Tensor, index: Any, axis: int) -> Any:
    """A mask of x's shape: where the class of each sample stands."""
    counted = np.arange(x.shape[axis]).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
    return ag.equal(index, counted)


def mean_of_kept(loss: Tensor, kept: Any, share: Any, axis: int, reduction: str) -> Tensor:
    """Reduce losses of shape (N, 1, …), of which only those `kept` count (None: all), each with its share of the mean."""
    check_reduction(reduction)
    if kept is not None:
        loss = ag.where(kept, loss, 0)
        share = ag.where(kept, np.ones((), loss.dtype) if share is None else share, 0)
    if reduction == "none":
        return ag.squeeze(loss, axis=axis)
    if reduction == "sum":
        return ag.sum(loss)
    return ag.mean(loss) if share is None else ag.sum(loss) / ag.sum(ag.broadcast_to(share, loss.shape))
