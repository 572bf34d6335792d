"""Losses of numbers: squares, absolute values, and what lies between."""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

from typing import Any

import autograd as ag
from nn.functional.common import Tensor, like, reduced, same_shape
from nn.functional.losses.common import LOSS, check_settings

__all__ = ["huber_loss", "l1_loss", "mse_loss", "smooth_l1_loss"]


def _weighted(loss: Tensor, weight: Any, reduction: str) -> Tensor:
    """Reduced; with weights, "mean" divides by their sum."""
    if weight is None:
        return reduced(loss, reduction)
    weight = like(weight, loss)
    if reduction != "mean":
        return reduced(loss * weight, reduction)
    return ag.sum(loss * weight) / ag.sum(ag.broadcast_to(weight, loss.shape))


def mse_loss(x: Any, target: Any, reduction: str = "mean", weight: Any = None) -> Tensor:
    """Mean squared error, (x − t)²; the notes' (1/n) Σ (y_i − ŷ_i)².

    Use it for regression; it is the negative log-likelihood of a normal distribution of fixed width. Large errors count
    quadratically, which makes it sensitive to outliers: `l1_loss` and `huber_loss` are less so.

    Shape: x and target the same, or ShapeError: (N, 1) against (N,) would broadcast to N² differences.

    Args:
        weight: a factor for each element, that broadcasts; "mean" then divides by the sum of the weights, as PyTorch does.

    Source: course notes, *Mean Squared Error*.

    >>> mse_loss(ag.Tensor([1.0, 4.0]), ag.Tensor([1.0, 2.0])).item()
    2.0
    """
    x, target = same_shape("mse_loss", x, target)
    return _weighted(ag.square(x - target), weight, reduction)


def l1_loss(x: Any, target: Any, reduction: str = "mean", weight: Any = None) -> Tensor:
    """Mean absolute error (MAE), |x − t|; the notes' (1/n) Σ |y_i − ŷ_i|. Its derivative at x = t is 0.

    Use it for regression with outliers: it estimates the median, and all errors count alike, large ones no more than in
    proportion. The gradient does not shrink near the target, so that a constant rate does not settle.

    Shape and `weight` as of `mse_loss`. Source: course notes, *Mean Absolute Error*.

    >>> l1_loss(ag.Tensor([1.0, 4.0]), ag.Tensor([1.0, 2.0])).item()
    1.0
    """
    x, target = same_shape("l1_loss", x, target)
    return _weighted(ag.absolute(x - target), weight, reduction)


@ag.accelerated("x", "target", "weight", long=LOSS)
def huber_loss(x: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Tensor:
    """Huber loss: ½(x − t)² where |x − t| ≤ δ, else δ·(|x − t| − ½δ); once differentiable everywhere.

    Use it for regression with outliers: quadratic near the target, linear far away. δ, the error from which one counts as an
    outlier, has to be tuned to the scale of the targets.

    Shape and `weight` as of `mse_loss`. Errors: ArgumentError for δ ≤ 0, infinite or NaN.
    Source: course notes, *Huber Loss*; Huber 1964, "Robust estimation of a location parameter".

    >>> huber_loss(ag.Tensor([0.5, 3.0]), ag.Tensor([0.0, 0.0]), "none").tolist()
    [0.125, 2.5]
    """
    check_settings("huber_loss", delta=delta)
    x, target = same_shape("huber_loss", x, target)
    return _weighted(_huber(x - target, delta), weight, reduction)


@ag.accelerated("x", "target", long=LOSS)
def smooth_l1_loss(x: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """Smooth L1 loss: (x − t)²/2β where |x − t| < β, else |x − t| − ½β: the Huber loss of δ = β, divided by β.

    As β → 0 it becomes `l1_loss`, which it is for β = 0, while the Huber loss would vanish.

    Shape as of `mse_loss`. Errors: ArgumentError for β < 0, infinite or NaN. Source: Girshick 2015, "Fast R-CNN".

    >>> smooth_l1_loss(ag.Tensor([0.5, 3.0]), ag.Tensor([0.0, 0.0]), "none", beta=2.0).tolist()
    [0.0625, 2.0]
    """
    check_settings("smooth_l1_loss", beta=beta)
    x, target = same_shape("smooth_l1_loss", x, target)
    return reduced(_huber(x - target, beta) / beta if beta else ag.absolute(x - target), reduction)


def _huber(d: Tensor, delta: float) -> Tensor:
    near = ag.clip(d, -delta, delta)  # its slope is 1 within, so that the second derivative is 1 there, at 0 too
    return near * (d - near / 2)
