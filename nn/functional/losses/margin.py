"""Losses of a margin: zero where the answer is right by more than that, as in support vector machines."""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ShapeError, user_line
from nn.functional.common import Tensor, as_tensor, reduced, same_shape
from nn.functional.losses.common import (
    LOSS,
    check_settings,
    check_signs,
    class_axis,
    class_weight,
    classes_of,
    mean_of_kept,
    picked,
)  # fmt: skip

__all__ = [
    "categorical_hinge_loss", "hinge_embedding_loss", "hinge_loss", "margin_ranking_loss", "multi_margin_loss",
    "squared_hinge_loss",
]  # fmt: skip


@ag.accelerated("x", "target", long=LOSS)
def hinge_loss(x: Any, target: Any, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """Hinge loss, max(0, 1 − t·x) of scores x and targets t in {−1, 1}; its derivative at the kink is 0. `margin` is the 1.

    Use it for maximum-margin classification, as support vector machines do: what is right by a margin costs nothing. Scores
    are no probabilities, and do not become such.

    Shape: x and target the same. Errors: ArgumentError for another target, 0 in particular.
    Source: course notes, *Hinge Loss*; Cortes, Vapnik 1995, "Support-vector networks".

    >>> hinge_loss(ag.Tensor([2.0, 0.5, 1.0]), ag.Tensor([1.0, 1.0, -1.0]), reduction="none").tolist()
    [0.0, 0.5, 2.0]
    """
    check_settings("hinge_loss", positive_margin=margin)
    x, target = same_shape("hinge_loss", x, target)
    check_signs("hinge_loss", target)
    return reduced(ag.relu(margin - target * x), reduction)


@ag.accelerated("x", "target", long=LOSS)
def squared_hinge_loss(x: Any, target: Any, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """Squared hinge loss, max(0, 1 − t·x)²: differentiable, and harder on large errors than `hinge_loss`.

    Shape and errors as of `hinge_loss`. Source: course notes, *Squared Hinge Loss*.

    >>> squared_hinge_loss(ag.Tensor([2.0, 0.5, 1.0]), ag.Tensor([1.0, 1.0, -1.0]), reduction="none").tolist()
    [0.0, 0.25, 4.0]
    """
    check_settings("squared_hinge_loss", positive_margin=margin)
    x, target = same_shape("squared_hinge_loss", x, target)
    check_signs("squared_hinge_loss", target)
    return reduced(ag.square(ag.relu(margin - target * x)), reduction)


def categorical_hinge_loss(x: Any, target: Any, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """Categorical hinge loss, max(0, ŷ_neg − ŷ_pos + Δ): ŷ_pos is the score of the class, ŷ_neg the largest of the others.

    Use it for multi-class classification with a margin Δ. Only two scores of a sample have a gradient (equal largest ones share
    it), so that it learns more slowly than `multi_margin_loss`, which sums over all wrong classes.

    Shape: x (N, C, …) with target (N, …) of integers in [0, C), C ≥ 2; or (C,) with ().
    Errors: IndexingError (a class out of range, named), ShapeError, ArgumentError for a Δ that is not finite.
    Source: course notes, *Categorical Hinge Loss*; Crammer, Singer 2001.

    >>> categorical_hinge_loss(ag.Tensor([[2.0, 1.5, 0.0]]), [0]).item()
    0.5
    """
    check_settings("categorical_hinge_loss", margin=margin)
    x = as_tensor(x)
    axis = class_axis("categorical_hinge_loss", x)
    if x.shape[axis] < 2:
        raise ShapeError(f"categorical_hinge_loss needs scores of at least two classes, got shape {x.shape}. ({user_line()})")
    _, index = classes_of("categorical_hinge_loss", x, target, axis, None)
    positive = ag.take_along_axis(x, index, axis)
    negative = ag.max(ag.where(picked(x, index, axis), -np.inf, x), axis=axis, keepdims=True)
    return mean_of_kept(ag.relu(negative - positive + margin), None, None, axis, reduction)


def multi_margin_loss(x: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None,
                      reduction: str = "mean") -> Tensor:  # fmt: skip
    """Multi-class hinge loss, (1/C) Σ_{c ≠ t} w_t·max(0, Δ − x_t + x_c)^p.

    Args:
        p: 1 or 2.
        margin: Δ.
        weight: a factor for each class, (C,); "mean" divides by the number of samples all the same, as in PyTorch.

    Shape: x (N, C) with target (N,) of integers in [0, C), or (C,) with (). Errors as of `categorical_hinge_loss`.
    Source: course notes, *Categorical Hinge Loss*; Weston, Watkins 1999.

    >>> multi_margin_loss(ag.Tensor([[2.0, 1.5, 1.2, 0.0]]), [0]).item().__round__(4)
    0.175
    """
    check_settings("multi_margin_loss", power=p, margin=margin)
    x = as_tensor(x)
    axis = class_axis("multi_margin_loss", x)
    weight = class_weight("multi_margin_loss", x, axis, weight)
    _, index = classes_of("multi_margin_loss", x, target, axis, None)
    short = ag.relu(margin - ag.take_along_axis(x, index, axis) + x)
    short = ag.where(picked(x, index, axis), 0, short if p == 1 else ag.square(short))
    if weight is not None:
        short = short * ag.take_along_axis(ag.broadcast_to(weight, x.shape), index, axis)
    loss = ag.sum(short, axis=axis, keepdims=True) / max(x.shape[axis], 1)
    return mean_of_kept(loss, None, None, axis, reduction)


@ag.accelerated("x", "target", long=LOSS)
def hinge_embedding_loss(x: Any, target: Any, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """Of distances x: x where t = 1 (alike), max(0, Δ − x) where t = −1 (not alike).

    Use it to learn an embedding from pairs. Shape: x and target the same. Errors as of `hinge_loss`.

    >>> hinge_embedding_loss(ag.Tensor([0.25, 0.25]), ag.Tensor([1.0, -1.0]), reduction="none").tolist()
    [0.25, 0.75]
    """
    check_settings("hinge_embedding_loss", margin=margin)
    x, target = same_shape("hinge_embedding_loss", x, target)
    check_signs("hinge_embedding_loss", target)
    return reduced(ag.where(target == 1, x, ag.relu(margin - x)), reduction)


@ag.accelerated("x1", "x2", "target", long=LOSS)
def margin_ranking_loss(x1: Any, x2: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Tensor:
    """max(0, −t·(x1 − x2) + Δ): t = 1 says that the first is to be ranked higher, −1 the second.

    Use it to learn an order from pairs. The derivative at the kink is 0.

    Shape: x1, x2 and target the same. Errors as of `hinge_loss`. Source: Herbrich et al. 1999.

    >>> margin_ranking_loss(ag.Tensor([1.0]), ag.Tensor([3.0]), ag.Tensor([1.0])).item()
    2.0
    """
    check_settings("margin_ranking_loss", margin=margin)
    x1, x2 = same_shape("margin_ranking_loss", x1, x2)
    x1, target = same_shape("margin_ranking_loss", x1, target)
    check_signs("margin_ranking_loss", target)
    return reduced(ag.relu(margin - target * (x1 - x2)), reduction)
