"""What convolution and pooling share: settings for each axis, borders, how many windows there are; all checked."""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, ShapeError, user_line
from nn.functional.common import Tensor, as_tensor

__all__ = ["LONG", "Lengths", "batched", "border", "bordered", "numbers", "reach", "same_border", "whole"]

Lengths = tuple[int, ...]
LONG = 1 << 12
"""Elements of the input from which convolution and pooling run compiled."""


def whole(name: str, what: str, value: Any, low: int) -> int:
    """A setting that has to be a whole number, not below a bound."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < low:
        raise ArgumentError(f"{name}: {what} must be a whole number, at least {low}, got {value!r}. ({user_line()})")
    return int(value)


def numbers(name: str, what: str, value: Any, axes: int, low: int) -> Lengths:
    """A setting for each axis: one number for all, or one each."""
    if not isinstance(value, tuple | list):
        return (whole(name, what, value, low),) * axes
    if len(value) == 1:
        value = (*value,) * axes
    if len(value) != axes:
        raise ArgumentError(
            f"{name}: {what} must be one number, or {axes} (one for each axis), got {value!r}. ({user_line()})"
        )  # fmt: skip
    return tuple(whole(name, what, v, low) for v in value)


def batched(name: str, x: Any, axes: int) -> tuple[Tensor, bool]:
    """x as (N, C, …), and whether it came without N."""
    x = as_tensor(x)
    if x.ndim not in (axes + 1, axes + 2):
        rest = ", ".join("LHW"[0:1] if axes == 1 else ("H", "W") if axes == 2 else ("D", "H", "W"))
        raise ShapeError(f"{name} takes x of shape (N, C, {rest}) or (C, {rest}), got {x.shape}. ({user_line()})")
    return (x, False) if x.ndim == axes + 2 else (x.reshape((1, *x.shape)), True)


def reach(size: Lengths, dilation: Lengths) -> Lengths:
    """How many elements a window spans along each axis."""
    return tuple(m * (k - 1) + 1 for k, m in zip(size, dilation, strict=True))


def same_border(size: Lengths, dilation: Lengths) -> tuple[Lengths, ...]:
    """The border with which there are as many windows as elements; an odd one goes behind."""
    return tuple((m * (k - 1) // 2, m * (k - 1) - m * (k - 1) // 2) for k, m in zip(size, dilation, strict=True))


def border(name: str, padding: Any, size: Lengths, stride: Lengths, dilation: Lengths) -> tuple[Lengths, ...]:
    """What is added before and behind along each axis, from "same", "valid" or numbers."""
    if padding == "valid":
        return ((0, 0),) * len(size)
    if padding == "same":
        if max(stride) > 1:
            raise ArgumentError(f'{name}: padding="same" needs stride 1, got stride {stride}. Give numbers. ({user_line()})')
        return same_border(size, dilation)
    if isinstance(padding, str):
        raise ArgumentError(f'{name}: padding must be numbers, "same" or "valid", got {padding!r}. ({user_line()})')
    return tuple((n, n) for n in numbers(name, "padding", padding, len(size), 0))


def bordered(x: Tensor, widths: tuple[Lengths, ...], mode: str = "zeros") -> Tensor:
    """x with a border along its last axes: zeros, or its own elements ("reflect", "replicate", "circular")."""
    if not any(map(any, widths)):
        return x
    lead = x.ndim - len(widths)
    if mode == "zeros":
        return ag.pad(x, ((0, 0),) * lead + widths)
    for axis, (before, behind) in enumerate(widths, lead):
        n, most = x.shape[axis], max(before, behind)
        if most > (n - 1 if mode == "reflect" else n if mode == "circular" else most if n else 0):
            raise ShapeError(
                f"a border of {most} cannot be made of an axis of length {n} with padding_mode={mode!r}. Use padding_mode="
                f'"zeros", or a smaller padding. ({user_line()})'
            )
        if most:
            how: Any = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
            x = ag.take(x, np.pad(np.arange(n), (before, behind), mode=how), axis=axis)
    return x
