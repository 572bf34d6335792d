"""What the functions share: arguments as Tensors, checks of them, exponentials made safe, reductions."""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, ShapeError, user_line
from nn.module import concrete

__all__ = [
    "LOSS", "Tensor", "as_tensor", "finite", "given_tensor", "in_unit_interval", "like", "log_total", "not_below", "one_of_two",
    "positive", "reduced", "same_shape", "shifted",
]  # fmt: skip

Tensor = ag.Tensor
LOSS = 512
"""Elements from which a loss made of many ops runs compiled: from there on that saves more than a call of it costs."""


def finite(name: str, what: str, value: Any) -> float:
    """A setting that has to be a finite number."""
    if not isinstance(value, int | float | np.number) or isinstance(value, bool) or not np.isfinite(value):
        raise ArgumentError(f"{name}: {what} must be a finite number, got {value!r}. ({user_line()})")
    return float(value)


def positive(name: str, what: str, value: Any) -> float:
    """A setting that has to be above 0, and finite."""
    if not finite(name, what, value) > 0:
        raise ArgumentError(f"{name}: {what} must be above 0, got {value!r}. ({user_line()})")
    return float(value)


def not_below(name: str, what: str, value: Any, low: float) -> Any:
    """A setting, or the values of a Tensor as far as they are known, that must not be below a bound."""
    values = concrete(value) if isinstance(value, Tensor) else np.asarray(finite(name, what, value))
    if values is not None and values.size and values.min() < low:
        at = np.unravel_index(int(np.nanargmin(values)), values.shape)
        where = f" at position {tuple(int(i) for i in at)}" if at else ""
        raise ArgumentError(f"{name}: {what} must be at least {low:g}, got {values[at]:g}{where}. ({user_line()})")
    return value


def one_of_two(name: str, target: Tensor) -> None:
    """Targets are −1 or 1."""
    values = concrete(target)
    if values is not None and values.size and not (np.abs(values) == 1).all():
        at = np.unravel_index(int((np.abs(values) != 1).argmax()), values.shape)
        raise ArgumentError(
            f"{name}: target {values[at]:g} at position {tuple(int(i) for i in at)} is neither −1 nor 1. For classes 0 and 1, "
            f"write 2 * target - 1. ({user_line()})"
        )


def as_tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else Tensor(x)


def reduced(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return ag.mean(loss)
    if reduction == "sum":
        return ag.sum(loss)
    if reduction == "none":
        return loss
    raise ArgumentError(f'reduction must be "mean", "sum" or "none", got {reduction!r}. ({user_line()})')


def same_shape(name: str, x: Any, target: Any) -> tuple[Tensor, Tensor]:
    x = as_tensor(x)
    target = like(target, x)
    if x.shape != target.shape:
        raise ShapeError(
            f"{name}: the prediction has shape {x.shape} and the target {target.shape}; they must be equal, since "
            f"broadcasting would compare each with each. Reshape one: target.reshape({x.shape}). ({user_line()})"
        )
    return x, target


def like(values: Any, x: Tensor) -> Tensor:
    """Targets or weights in the dtype of the prediction, so that float64 data does not widen a float32 network."""
    values = values if isinstance(values, Tensor) else given_tensor(np.asarray(values))
    return values if values.dtype == x.dtype or values.dtype.kind == "c" else values.astype(x.dtype)


def given_tensor(target: Any) -> Tensor:
    """An array of targets as a Tensor: a copy, since backward reads it again; but jit has to see the caller's own."""
    return Tensor(target) if concrete(target) is not None else ag.from_numpy(target)


def in_unit_interval(name: str, what: str, x: Any, hint: str) -> None:
    values = concrete(x)
    if values is None or not values.size or (values.min() >= 0 and values.max() <= 1):
        return
    wrong = ~((values >= 0) & (values <= 1)) & ~np.isnan(values)  # NaN passes, and shows in the loss
    if wrong.any():
        at = np.unravel_index(int(wrong.argmax()), values.shape)
        place = tuple(int(i) for i in at)
        raise ArgumentError(f"{name}: {what} {values[at]:g} at position {place} is outside [0, 1]. {hint} ({user_line()})")


def shifted(x: Tensor, axis: int) -> Tensor:
    """x minus its largest element along an axis, as a constant: what makes exponentials safe. A maximum of −inf stays."""
    top = ag.max(x.detach(), axis=axis, keepdims=True)
    return x - ag.maximum(top, np.finfo(x.dtype).min)


def log_total(z: Tensor, axis: int) -> Tensor:
    """ln Σ eᶻ of z whose largest is 0, so that nothing overflows; its derivative uses eᶻ again."""
    return ag.log(ag.sum(ag.exp(z), axis=axis, keepdims=True))
