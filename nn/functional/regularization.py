"""Dropout in its forms, and penalties on weights."""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, ShapeError, user_line
from nn.functional.activations import SELU_ALPHA, SELU_SCALE
from nn.functional.common import Tensor, as_tensor, not_below
from nn.module import Module

__all__ = [
    "alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "elastic_penalty", "feature_alpha_dropout", "l1_penalty",
    "l2_penalty",
]  # fmt: skip

# ---- dropout ---------------------------------------------------------------------------------------------------------


def dropout(x: Any, p: float = 0.5, training: bool = True, generator: Any = None) -> Tensor:
    """Dropout: each element is 0 with probability p, and else divided by 1 − p, so that its expectation stays; outside of
    training, y = x. The derivative is 0 where y was dropped, else 1/(1 − p).

    When to use: against overfitting, after wide layers, with p from 0.2 to 0.5; limits: training takes longer, and p has to be
    chosen. Under `jit` the numbers are drawn at each call, the same stream as uncompiled. Sources: Srivastava et al. 2014,
    "Dropout: a simple way to prevent neural networks from overfitting"; course notes, *Dropout*.

    Args:
        p: in [0, 1], else ArgumentError. With 1 all is 0.
        generator: an `autograd.Generator`; left out: the default one.

    >>> dropout(ag.Tensor([1.0, 2.0]), 1.0).tolist(), dropout(ag.Tensor([1.0, 2.0]), training=False).tolist()
    ([0.0, 0.0], [1.0, 2.0])
    """
    return _dropped("dropout", as_tensor(x), p, training, generator, None)


def dropout1d(x: Any, p: float = 0.5, training: bool = True, generator: Any = None) -> Tensor:
    """Spatial dropout: whole channels of (N, C, L) or (C, L) are 0 or kept, as `dropout` else.

    Neighbours in a channel are much alike, so dropping single elements would hide little. Source: Tompson et al. 2015,
    "Efficient object localization using convolutional networks".

    >>> dropout1d(ag.Tensor(np.ones((1, 1, 2))), 0.5).tolist() in ([[[0.0, 0.0]]], [[[2.0, 2.0]]])
    True
    """
    return _dropped("dropout1d", as_tensor(x), p, training, generator, 1)


def dropout2d(x: Any, p: float = 0.5, training: bool = True, generator: Any = None) -> Tensor:
    """`dropout1d` for pictures, (N, C, H, W) or (C, H, W)."""
    return _dropped("dropout2d", as_tensor(x), p, training, generator, 2)


def dropout3d(x: Any, p: float = 0.5, training: bool = True, generator: Any = None) -> Tensor:
    """`dropout1d` for volumes, (N, C, D, H, W) or (C, D, H, W)."""
    return _dropped("dropout3d", as_tensor(x), p, training, generator, 3)


def alpha_dropout(x: Any, p: float = 0.5, training: bool = True, generator: Any = None) -> Tensor:
    """Dropout for `selu`: elements become SELU's lower limit, −λα, rather than 0, and the whole is scaled and shifted so that
    mean
    0 and variance 1 stay.

    Source: Klambauer et al. 2017, "Self-normalizing neural networks".

    >>> alpha_dropout(ag.Tensor([1.0, 2.0]), training=False).tolist()
    [1.0, 2.0]
    """
    return _alpha("alpha_dropout", as_tensor(x), p, training, generator, False)


def feature_alpha_dropout(x: Any, p: float = 0.5, training: bool = True, generator: Any = None) -> Tensor:
    """`alpha_dropout` of whole channels, of (N, C, …).

    >>> feature_alpha_dropout(ag.Tensor(np.ones((2, 3, 4))), training=False).shape
    (2, 3, 4)
    """
    return _alpha("feature_alpha_dropout", as_tensor(x), p, training, generator, True)


def _dropped(name: str, x: Tensor, p: float, training: bool, generator: Any, spatial: int | None) -> Tensor:
    p = probability(name, p)
    if spatial is not None and x.ndim not in (spatial + 1, spatial + 2):
        letters = {1: "L", 2: "H, W", 3: "D, H, W"}[spatial]
        raise ShapeError(f"{name} takes an input of shape (N, C, {letters}) or (C, {letters}), got {x.shape}. ({user_line()})")
    if not training or p == 0:
        return x
    shape = x.shape if spatial is None else x.shape[: x.ndim - spatial] + (1,) * spatial
    return ag.where(_kept(shape, p, generator), x * (1 / (1 - p) if p < 1 else 0.0), 0)


def _alpha(name: str, x: Tensor, p: float, training: bool, generator: Any, channels: bool) -> Tensor:
    p = probability(name, p)
    if channels and x.ndim < 2:
        raise ShapeError(f"{name} takes an input of shape (N, C, …), got {x.shape}. ({user_line()})")
    if not training or p == 0:
        return x
    low = -SELU_SCALE * SELU_ALPHA
    scale = 1 / sqrt((1 - p) * (1 + p * low * low)) if p < 1 else 0.0
    shape = x.shape[:2] + (1,) * (x.ndim - 2) if channels else x.shape
    return ag.where(_kept(shape, p, generator), x * scale, low * scale) - scale * low * p


def _kept(shape: tuple[int, ...], p: float, generator: Any) -> Any:
    """True with probability 1 − p, for each element of a shape."""
    return (ag.default_generator if generator is None else generator).uniform(0.0, 1.0, shape, np.float64) >= p


def probability(name: str, p: Any) -> float:
    """p, in [0, 1], or ArgumentError."""
    if not isinstance(p, int | float | np.number) or isinstance(p, bool) or not 0 <= p <= 1:
        raise ArgumentError(f"{name}: p is a probability, in [0, 1], got {p!r}. ({user_line()})")
    return float(p)


# ---- penalties -------------------------------------------------------------------------------------------------------


def l2_penalty(weights: Module | Iterable[Tensor], strength: float) -> Tensor:
    """L2 or ridge penalty, λ Σ w², to be added to a loss: keeps weights small.

    Its gradient is 2λw: for plain gradient descent the same as ``optim.SGD(…, weight_decay=2 * strength)``, and for optimizers
    that scale gradients, such as Adam, not the same as ``AdamW``'s decay. When to use: where a model overfits; limit: λ has to
    be tuned. Source: course notes, *L2 Regularization (Ridge Regularization)*; Hoerl, Kennard 1970.

    Args:
        weights: tensors; or a Module, of which those with two axes and more count: weights, but not biases or factors of
            normalisation.
        strength: λ, at least 0, else ArgumentError.

    >>> l2_penalty([ag.Tensor([1.0, -2.0])], 0.5).item()
    2.5
    """
    return _penalty("l2_penalty", weights, strength, ag.square)


def l1_penalty(weights: Module | Iterable[Tensor], strength: float) -> Tensor:
    """L1 or lasso penalty, λ Σ |w|, to be added to a loss: drives weights to zero; the derivative at 0 is 0. As `l2_penalty`
    else.

    When to use: where few inputs matter. Limit: gradient steps bring weights near zero, not to it; `softshrink` after a step
    does. Source: course notes, *L1 Regularization (Lasso)*; Tibshirani 1996.

    >>> l1_penalty([ag.Tensor([1.0, -2.0])], 0.5).item()
    1.5
    """
    return _penalty("l1_penalty", weights, strength, ag.absolute)


def elastic_penalty(weights: Module | Iterable[Tensor], l1: float, l2: float) -> Tensor:
    """Elastic net, l1·Σ|w| + l2·Σw²: `l1_penalty` and `l2_penalty` together. Source: Zou, Hastie 2005.

    >>> elastic_penalty([ag.Tensor([1.0, -2.0])], 0.5, 0.5).item()
    4.0
    """
    tensors = _weights("elastic_penalty", weights)
    return l1_penalty(tensors, l1) + l2_penalty(tensors, l2)


def _penalty(name: str, weights: Any, strength: float, size: Any) -> Tensor:
    not_below(name, "strength", strength, 0)
    total: Any = 0.0
    for w in _weights(name, weights):
        total = ag.sum(size(w)) + total
    return strength * total


def _weights(name: str, weights: Any) -> list[Tensor]:
    found = [p for p in weights.parameters() if p.ndim > 1] if isinstance(weights, Module) else weights
    found = [found] if isinstance(found, Tensor) else list(found)
    strange = next((w for w in found if not isinstance(w, Tensor)), None)
    if strange is not None or not found:
        raise DTypeError(
            f"{name} takes a Module with weights, or Tensors, got {'nothing' if strange is None else type(strange).__name__}. "
            f"({user_line()})"
        )
    return found
