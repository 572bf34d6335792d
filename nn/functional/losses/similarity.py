"""Angles and distances between vectors, and the losses that learn embeddings by them."""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

import math
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ShapeError, user_line
from nn.functional.common import Tensor, as_tensor, like, reduced, same_shape
from nn.functional.losses.common import LOSS, check_settings, check_signs, tiny

__all__ = [
    "cosine_embedding_loss", "cosine_proximity_loss", "cosine_similarity", "pairwise_distance", "triplet_margin_loss",
]  # fmt: skip


@ag.accelerated("x1", "x2", long=LOSS)
def cosine_similarity(x1: Any, x2: Any, axis: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along an axis, x1·x2 / (max(‖x1‖, ε)·max(‖x2‖, ε)); 0 of a zero vector.

    Where a norm is below ε it counts as constant, so that the gradient is finite at zero too.
    Shape: x1 and x2 broadcast; the axis is gone from the result.

    >>> cosine_similarity(ag.Tensor([[3.0, 4.0]]), ag.Tensor([[6.0, 8.0]])).tolist()
    [1.0]
    """
    check_settings("cosine_similarity", eps=eps)
    x1 = as_tensor(x1)
    x2 = like(x2, x1)
    (a, la), (b, lb) = _direction(x1, axis, eps), _direction(x2, axis, eps)
    return ag.sum(a * b, axis=axis) / (la * lb)


def _direction(x: Tensor, axis: int, eps: float) -> tuple[Tensor, Tensor]:
    """x divided by its largest magnitude, so that no square overflows, and the length of that, at least ε by the same scale."""
    if not x.size:
        return x, ag.sum(x, axis=axis)
    largest = ag.max(ag.absolute(x.detach()), axis=axis, keepdims=True)
    unit = ag.where(largest > 0, largest, 1)
    a = x / unit
    low = ag.squeeze(ag.maximum(ag.square(eps / unit), tiny(x)), axis=axis)
    return a, ag.sqrt(ag.maximum(ag.sum(ag.square(a), axis=axis), low))


@ag.accelerated("x", "target", long=LOSS)
def cosine_proximity_loss(x: Any, target: Any, axis: int = -1, eps: float = 1e-8, reduction: str = "mean") -> Tensor:
    """The notes' cosine proximity, −(t·x)/(‖t‖‖x‖): −1 for the same direction, 1 for the opposite.

    Use it where direction matters and length does not, as with embeddings of texts and images. It does not bring x near to t:
    lengths are free.

    Shape: x and target the same, (…, D) → (…,), then reduced. A zero vector counts 0. Source: course notes, *Cosine Proximity*.

    >>> cosine_proximity_loss(ag.Tensor([[3.0, 4.0]]), ag.Tensor([[6.0, 8.0]])).item()
    -1.0
    """
    x, target = same_shape("cosine_proximity_loss", x, target)
    return reduced(-cosine_similarity(x, target, axis, eps), reduction)


@ag.accelerated("x1", "x2", "target", long=LOSS)
def cosine_embedding_loss(x1: Any, x2: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Tensor:
    """1 − cos(x1, x2) where t = 1 (alike), max(0, cos(x1, x2) − Δ) where t = −1 (not alike).

    Shape: x1 and x2 (N, D) with target (N,), or (D,) with (). Squared norms have 10⁻¹² added, as in PyTorch: finite at zero.
    Errors: ArgumentError for a target that is not ±1, or Δ outside [−1, 1].

    >>> cosine_embedding_loss(ag.Tensor([[1.0, 0.0]]), ag.Tensor([[0.0, 1.0]]), [1]).item()
    1.0
    """
    check_settings("cosine_embedding_loss", cosine_margin=margin)
    x1, x2 = same_shape("cosine_embedding_loss", x1, x2)
    target = like(target, x1)
    if x1.ndim not in (1, 2) or target.shape != x1.shape[:-1]:
        raise ShapeError(
            f"cosine_embedding_loss takes vectors (N, D) with targets (N,), or (D,) with (); got {x1.shape} and "
            f"{target.shape}. ({user_line()})"
        )
    check_signs("cosine_embedding_loss", target)
    squares = [ag.sum(ag.square(x), axis=-1) + 1e-12 for x in (x1, x2)]
    cosine = ag.sum(x1 * x2, axis=-1) / ag.sqrt(squares[0] * squares[1])
    return reduced(ag.where(target == 1, 1 - cosine, ag.relu(cosine - margin)), reduction)


@ag.accelerated("x1", "x2", long=LOSS)
def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False) -> Tensor:
    """The p-norm of x1 − x2 + ε along the last axis; its gradient is 0 where it is 0, and does not overflow.

    Shape: (…, D), (…, D) → (…), broadcasting. p > 0, ∞ for the largest difference.

    >>> pairwise_distance(ag.Tensor([[3.0, 4.0]]), ag.Tensor([[0.0, 0.0]]), eps=0.0).tolist()
    [5.0]
    """
    check_settings("pairwise_distance", order=p, eps=eps)
    x1 = as_tensor(x1)
    d = x1 - like(x2, x1) + eps
    if not d.ndim:
        raise ShapeError(f"pairwise_distance takes vectors (…, D), got shapes {x1.shape} and (). ({user_line()})")
    size = ag.absolute(d)
    if p == 1:
        return ag.sum(size, axis=-1, keepdims=keepdims)
    if p == math.inf:
        return ag.max(size, axis=-1, keepdims=keepdims)
    largest = ag.max(size.detach(), axis=-1, keepdims=True) if d.shape[-1] else np.zeros((*d.shape[:-1], 1), d.dtype)
    unit = ag.where(largest > 0, largest, 1)
    total = ag.sum(ag.square(d / unit) if p == 2 else (size / unit) ** p, axis=-1, keepdims=True)
    total = ag.where(largest > 0, total, 1)
    norm = ag.where(largest > 0, unit * (ag.sqrt(total) if p == 2 else total ** (1 / p)), 0)
    return norm if keepdims else ag.squeeze(norm, axis=-1)


def triplet_margin_loss(anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6,
                        swap: bool = False, reduction: str = "mean") -> Tensor:  # fmt: skip
    """max(0, d(a, p) − d(a, n) + Δ): what is alike is to be nearer than what is not, by a margin.

    Use it to learn an embedding in which distances mean similarity. Most triplets soon cost nothing: choose hard ones.

    Args:
        margin: Δ > 0.
        p, eps: of `pairwise_distance`.
        swap: take d(p, n) for d(a, n) where it is smaller (Balntas et al. 2016).

    Shape: all three (…, D) → (…), then reduced. Source: Schroff et al. 2015, "FaceNet".

    >>> a = ag.Tensor([[0.0, 0.0]])
    >>> round(triplet_margin_loss(a, ag.Tensor([[1.0, 0.0]]), ag.Tensor([[1.5, 0.0]])).item(), 4)
    0.5
    """
    check_settings("triplet_margin_loss", positive_margin=margin, order=p, eps=eps)
    anchor, positive = same_shape("triplet_margin_loss", anchor, positive)
    anchor, negative = same_shape("triplet_margin_loss", anchor, negative)
    return _triplet(anchor, positive, negative, margin, p, eps, bool(swap), reduction)


@ag.accelerated("anchor", "positive", "negative", long=LOSS)
def _triplet(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float, p: float, eps: float, swap: bool,
             reduction: str) -> Tensor:  # fmt: skip
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = ag.minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(ag.relu(near - far + margin), reduction)
