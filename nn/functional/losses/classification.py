"""Cross-entropies and their kin: losses of probabilities, logits and classes."""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

from typing import Any

import numpy as np

import autograd as ag
from nn.functional.common import Tensor, as_tensor, like, log_total, reduced, same_shape, shifted
from nn.functional.losses.common import (
    LOSS,
    check_settings,
    check_shares,
    class_axis,
    class_weight,
    classes_of,
    mean_of_kept,
    picked,
    tiny,
)  # fmt: skip

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "dice_loss", "focal_loss", "nll_loss",
    "sigmoid_focal_loss",
]  # fmt: skip


def binary_cross_entropy(x: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Tensor:
    """Binary cross-entropy of probabilities p and targets t, −t·ln p − (1 − t)·ln(1 − p), all in [0, 1] (else ValueError).

    Logarithms are no smaller than −100, or than that of the smallest normal number (−87.3 in float32): where p is exactly 0 or
    1, the loss is finite and the gradient of that term 0. `binary_cross_entropy_with_logits` has no such limit, and is to be
    preferred. Source: course notes, *Cross-Entropy Loss (Log Loss)*.

    >>> round(binary_cross_entropy(ag.Tensor([0.5, 1.0]), ag.Tensor([1.0, 1.0])).item(), 4)
    0.3466
    """
    x, target = same_shape("binary_cross_entropy", x, target)
    check_shares(
        "binary_cross_entropy", "probability", x, "Pass the output of sigmoid, or use binary_cross_entropy_with_logits."
    )
    check_shares("binary_cross_entropy", "target", target, "Targets are 0, 1, or probabilities.")
    loss = -(target * _safe_log(x) + (1 - target) * _safe_log(1 - x))
    return reduced(loss if weight is None else loss * like(weight, x), reduction)


def _safe_log(p: Tensor) -> Tensor:
    low = max(tiny(p), 3.7200759760208356e-44)  # e⁻¹⁰⁰
    return ag.where(p.detach() < low, np.asarray(max(np.log(low), -100.0), p.dtype), ag.log(ag.maximum(p, low)))


@ag.accelerated("x", "target", "weight", "pos_weight", long=LOSS)
def binary_cross_entropy_with_logits(x: Any, target: Any, weight: Any = None, pos_weight: Any = None,
                                     reduction: str = "mean") -> Tensor:  # fmt: skip
    """Binary cross-entropy of p = sigmoid(x), computed as t·softplus(−x) + (1 − t)·softplus(x): exact for large |x|.

    Use it to tell two classes apart, or for several answers that do not exclude each other; the network ends without sigmoid.
    What is wrong and confident costs much. Shape: x and target the same.
    Source: course notes, *Cross-Entropy Loss (Log Loss)*.

    Args:
        weight: a factor for each element; broadcasts.
        pos_weight: a factor for the positive term, against imbalance; broadcasts.

    >>> binary_cross_entropy_with_logits(ag.Tensor([1e4, -1e4]), ag.Tensor([1.0, 1.0]), reduction="none").tolist()
    [0.0, 10000.0]
    """
    x, target = same_shape("binary_cross_entropy_with_logits", x, target)
    check_shares("binary_cross_entropy_with_logits", "target", target, "Targets are 0, 1, or probabilities.")
    positive = target * ag.softplus(-x)
    loss = (positive if pos_weight is None else positive * like(pos_weight, x)) + (1 - target) * ag.softplus(x)
    return reduced(loss if weight is None else loss * like(weight, x), reduction)


@ag.accelerated("x", "target", "weight", long=LOSS)
def cross_entropy(x: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean",
                  label_smoothing: float = 0.0) -> Tensor:  # fmt: skip
    """Cross-entropy, −Σ t_c ln softmax(x)_c, of logits x, against class indices or probabilities t.

    When to use: one of several classes is right; it takes logits, so the network ends without softmax. Limit: answers that are
    wrong and confident cost much. Source: course notes, *Cross-Entropy Loss (Log Loss)*; label smoothing: Szegedy et al. 2015.

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
    check_settings("cross_entropy", label_smoothing=label_smoothing)
    axis = class_axis("cross_entropy", x)
    weight = class_weight("cross_entropy", x, axis, weight)
    soft = getattr(target, "dtype", np.dtype(np.int64)).kind == "f" and target.shape == x.shape
    z = shifted(x, axis)
    total = log_total(z, axis)
    if soft:
        classes = x.shape[axis]
        target = like(target, x)
        hint = "Targets of the shape of the scores are probabilities; write classes as integers, (N, …)."
        check_shares("cross_entropy", "target", target, hint)
        target = target if label_smoothing == 0 else target * (1 - label_smoothing) + label_smoothing / classes
        scaled = target if weight is None else target * weight
        z = ag.where(ag.equal(scaled, 0) & ag.isinf(z), 0, z)  # 0·ln 0 is 0
        loss = ag.sum(scaled * (total - z), axis=axis)
        return reduced(loss, reduction)
    kept, index = classes_of("cross_entropy", x, target, axis, ignore_index)
    loss = total - ag.take_along_axis(z, index, axis)
    share: Any = None if weight is None else ag.take_along_axis(ag.broadcast_to(weight, x.shape), index, axis)
    if share is not None:
        loss = loss * share
    if label_smoothing:
        spread = total - z if weight is None else (total - z) * weight
        loss = (1 - label_smoothing) * loss + ag.sum(spread, axis=axis, keepdims=True) * (label_smoothing / x.shape[axis])
    return mean_of_kept(loss, kept, share, axis, reduction)


def nll_loss(x: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Tensor:
    """Negative log-likelihood, −x[target], of log-probabilities x such as those of `log_softmax`.

    Shape, arguments and errors as for `cross_entropy` with class indices.

    >>> nll_loss(ag.Tensor([[-1.0, -2.0], [-3.0, -4.0]]), [1, 0]).item()
    2.5
    """
    x = as_tensor(x)
    axis = class_axis("nll_loss", x)
    weight = class_weight("nll_loss", x, axis, weight)
    kept, index = classes_of("nll_loss", x, target, axis, ignore_index)
    loss = -ag.take_along_axis(x, index, axis)
    share: Any = None if weight is None else ag.take_along_axis(ag.broadcast_to(weight, x.shape), index, axis)
    return mean_of_kept(loss if share is None else loss * share, kept, share, axis, reduction)


def shares_of(x: Any, target: Any, weight: Any, ignore_index: int, losses: Tensor) -> Any:
    """What each sample counts for in the mean of losses of classes: 1, or its class's weight; 0 where it is ignored."""
    x = as_tensor(x)
    if getattr(target, "dtype", np.dtype(np.int64)).kind == "f" or losses.shape != getattr(target, "shape", np.shape(target)):
        return Tensor(np.ones((), losses.dtype))
    axis = class_axis("loss", x)
    kept, index = classes_of("loss", x, target, axis, ignore_index)
    weight = class_weight("loss", x, axis, weight)
    ones = Tensor(np.ones((), losses.dtype))
    share = ones if weight is None else ag.take_along_axis(ag.broadcast_to(weight, x.shape), index, axis)
    share = share if kept is None else ag.where(kept, share, 0)
    return ag.squeeze(share, axis=axis) if share.ndim else share


def focal_loss(x: Any, target: Any, gamma: float = 2.0, weight: Any = None, ignore_index: int = -100,
               reduction: str = "mean") -> Tensor:  # fmt: skip
    """Focal loss of logits against classes, −w_t·(1 − p_t)^γ·ln p_t: samples that are classified well count for little.

    Use it where a class is rare and most samples are easy. γ = 0 is `cross_entropy`; 2 is usual. The probabilities it leads
    to are too cautious: calibrate them if they matter. It is stable for any logit and any γ, by the logarithm of 1 − p_t.

    Shape, `weight` (the paper's α), `ignore_index` and errors as of `cross_entropy` with class indices.
    Source: Lin et al. 2017, "Focal loss for dense object detection"; course notes, *class imbalance* (question 40).

    >>> round(focal_loss(ag.Tensor([[2.0, 0.0, 0.0]]), [0]).item(), 5)
    0.01087
    """
    check_settings("focal_loss", gamma=gamma)
    x = as_tensor(x)
    axis = class_axis("focal_loss", x)
    weight = class_weight("focal_loss", x, axis, weight)
    kept, index = classes_of("focal_loss", x, target, axis, ignore_index)
    z = shifted(x, axis)
    total = log_total(z, axis)
    loss = total - ag.take_along_axis(z, index, axis)
    if gamma:
        others = ag.logsumexp(ag.where(picked(x, index, axis), -np.inf, z), axis=axis, keepdims=True)
        loss = loss * ag.exp(gamma * (others - total))
    share: Any = None if weight is None else ag.take_along_axis(ag.broadcast_to(weight, x.shape), index, axis)
    return mean_of_kept(loss if share is None else loss * share, kept, share, axis, reduction)


@ag.accelerated("x", "target", long=LOSS)
def sigmoid_focal_loss(x: Any, target: Any, alpha: float | None = 0.25, gamma: float = 2.0, reduction: str = "mean") -> Tensor:
    """Focal loss of logits against 0 and 1: −α·t·(1 − p)^γ·ln p − (1 − α)·(1 − t)·p^γ·ln(1 − p), of p = sigmoid(x).

    As torchvision's, for targets 0 and 1 (its reduction is "none" unless told); between them, the two terms are mixed.
    Stable for any x.

    Args:
        alpha: the weight of the positive class, in [0, 1]; None for 1 each.
        gamma: how much less easy samples count; 0 is the binary cross-entropy.

    Shape: x and target the same. Source: Lin et al. 2017, "Focal loss for dense object detection".

    >>> round(sigmoid_focal_loss(ag.Tensor([2.0]), ag.Tensor([1.0]), alpha=None).item(), 5)
    0.0018
    """
    check_settings("sigmoid_focal_loss", alpha=alpha, gamma=gamma)
    x, target = same_shape("sigmoid_focal_loss", x, target)
    check_shares("sigmoid_focal_loss", "target", target, "Targets are 0, 1, or probabilities.")
    low, high = ag.softplus(-x), ag.softplus(x)  # −ln p, −ln(1 − p)
    positive, negative = target * low, (1 - target) * high
    if gamma:
        positive, negative = positive * ag.exp(-gamma * high), negative * ag.exp(-gamma * low)
    return reduced(positive + negative if alpha is None else alpha * positive + (1 - alpha) * negative, reduction)


def dice_loss(x: Any, target: Any, smooth: float = 1.0, reduction: str = "mean") -> Tensor:
    """Dice loss, 1 − (2 Σ p·t + s)/(Σ p + Σ t + s), of probabilities p and a mask t: how little two regions overlap.

    Use it to find small regions in images, where almost every pixel is background. The sums are over all axes but the first.

    Args:
        smooth: s ≥ 0; with s = 0, two empty regions give NaN.

    Shape: x and target the same, (N, …) → (N,), then reduced. Errors: ArgumentError for values outside [0, 1].
    Source: Milletari et al. 2016, "V-Net" (whose denominator has squares; this is the more usual form).

    >>> dice_loss(ag.Tensor([[1.0, 0.0]]), ag.Tensor([[1.0, 0.0]])).item()
    0.0
    """
    check_settings("dice_loss", smooth=smooth)
    x, target = same_shape("dice_loss", x, target)
    check_shares("dice_loss", "probability", x, "Pass the output of sigmoid.")
    check_shares("dice_loss", "target", target, "Targets are masks of 0 and 1, or probabilities.")
    axes = tuple(range(1, x.ndim))
    both = ag.sum(x * target, axis=axes) if axes else x * target
    each = ag.sum(x, axis=axes) + ag.sum(target, axis=axes) if axes else x + target
    return reduced(1 - (2 * both + smooth) / (each + smooth), reduction)
