"""Losses as modules; the formulas, use and limits are in `nn.functional`. Called as ``loss(prediction, target)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

import autograd as ag
from autograd import Tensor
from autograd.errors import ArgumentError, DTypeError
from nn import functional as F
from nn.functional.losses.classification import shares_of
from nn.functional.losses.common import check_reduction, check_settings
from nn.module import Module

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CategoricalHingeLoss", "CosineEmbeddingLoss", "CosineProximityLoss", "CosineSimilarity",
    "CrossEntropyLoss", "DiceLoss", "FocalLoss", "GaussianNLLLoss", "HingeEmbeddingLoss", "HingeLoss", "HuberLoss", "KLDivLoss",
    "KLNormalLoss", "L1Loss", "Loss", "MSELoss", "MarginRankingLoss", "MultiMarginLoss", "NLLLoss", "PoissonLoss",
    "PoissonNLLLoss", "SigmoidFocalLoss", "SmoothL1Loss", "SquaredHingeLoss", "TripletMarginLoss",
]  # fmt: skip


class Loss(Module):
    """The base of losses: a function of `nn.functional`, its settings, and the reduction "mean", "sum" or "none".

    A loss of your own overrides `forward`, or sets `function` to one that takes ``reduction=``.

    >>> class Quartic(Loss):
    ...     function = staticmethod(lambda x, target, reduction: ((x - target) ** 4).mean())
    >>> Quartic()(ag.Tensor([2.0]), ag.Tensor([0.0])).item()
    16.0
    """

    function: ClassVar[Callable[..., Tensor]]
    names: ClassVar[tuple[str, ...]] = ()
    """The settings that `function` takes, which are attributes."""

    def __init__(self, reduction: str = "mean"):
        check_reduction(reduction, *(["batchmean"] if isinstance(self, KLDivLoss) else []))
        self.reduction = reduction

    def forward(self, *inputs: Any) -> Tensor:
        return self._value(self.reduction, *inputs)

    def _value(self, reduction: str, *inputs: Any) -> Tensor:
        settings = {name: getattr(self, name) for name in self.names}
        return type(self).function(*inputs, **settings, reduction=reduction)

    def total(self, x: Any, target: Any, weight: Any = None) -> tuple[Tensor, Any]:
        """The sum of the losses, each times the weight of its sample, and what "mean" divides it by.

        With whole numbers as weights, both are as if each sample were there so many times. They add up over parts of a batch.

        >>> loss = CrossEntropyLoss(weight=[1.0, 3.0])
        >>> x, t = ag.Tensor([[0.0, 0.0], [0.0, 0.0]]), np.array([0, 1])
        >>> loss.total(x, t)[1].item(), loss.total(x, t, np.array([2.0, 1.0]))[1].item()
        (4.0, 5.0)
        """
        losses = self._value("none", x, target)
        shares = self._shares(losses, x, target)
        if weight is not None:
            weight = sample_weight(weight, losses)
            losses, shares = losses * weight, shares * weight
        return ag.sum(losses), ag.sum(ag.broadcast_to(shares, losses.shape))

    def _shares(self, losses: Tensor, x: Any, target: Any) -> Any:
        """What each of the losses counts for in the mean."""
        return ag.Tensor(np.ones((), losses.dtype))

    def _weight(self, name: str, value: Any) -> None:
        """Weights as a buffer that is not saved, of the dtype that they have, lists of the default dtype."""
        if value is not None:
            kind = getattr(getattr(value, "dtype", None), "kind", "")
            value = ag.Tensor(value, dtype=value.dtype if kind == "f" else ag.get_default_dtype()).detach()
            if value.size and not value.data.min() >= 0:
                raise ArgumentError(f"{type(self).__name__}: {name} holds {value.data.min():g}; weights are not negative.")
        self.register_buffer(name, value, persistent=False)

    def extra_repr(self) -> str:
        shown = [f"{name}={getattr(self, name)}" for name in self.names if not isinstance(getattr(self, name), Tensor | None)]
        return ", ".join([*shown, f"reduction={self.reduction!r}"])


def sample_weight(weight: Any, losses: Tensor) -> Tensor:
    """A weight for each sample, in a shape that broadcasts with losses (N, …)."""
    weight = weight if isinstance(weight, Tensor) else ag.from_numpy(np.asarray(weight))
    if weight.ndim != 1 or weight.dtype.kind not in "fiub":
        raise DTypeError(f"sample weights are numbers of shape (N,), got {weight.dtype} of shape {weight.shape}.")
    if not losses.ndim or losses.shape[0] != weight.shape[0]:
        raise ArgumentError(
            f"{weight.shape[0]} sample weights for losses of shape {losses.shape}: give one for each sample, with a loss that "
            "has one value for each."
        )
    ag.require(weight >= 0, "sample weights are not negative.")
    shaped: Tensor = ag.reshape(weight.astype(losses.dtype), (-1,) + (1,) * (losses.ndim - 1))
    return shaped


class _OfClasses(Loss):
    """Losses against class indices, with class weights and an index that counts for nothing."""

    weight: Any
    ignore_index: int

    def _shares(self, losses: Tensor, x: Any, target: Any) -> Any:
        return shares_of(x, target, self.weight, self.ignore_index, losses)


class MSELoss(Loss):
    """`functional.mse_loss`: mean squared error, (x − t)².

    >>> MSELoss()(ag.Tensor([1.0, 4.0]), ag.Tensor([1.0, 2.0])).item()
    2.0
    """

    function = F.mse_loss


class L1Loss(Loss):
    """`functional.l1_loss`: mean absolute error, |x − t|."""

    function = F.l1_loss


class HuberLoss(Loss):
    """`functional.huber_loss`: quadratic up to an error of δ, then linear."""

    function, names = F.huber_loss, ("delta",)

    def __init__(self, reduction: str = "mean", delta: float = 1.0):
        super().__init__(reduction)
        check_settings("HuberLoss", delta=delta)
        self.delta = delta


class SmoothL1Loss(Loss):
    """`functional.smooth_l1_loss`: the Huber loss divided by β."""

    function, names = F.smooth_l1_loss, ("beta",)

    def __init__(self, reduction: str = "mean", beta: float = 1.0):
        super().__init__(reduction)
        check_settings("SmoothL1Loss", beta=beta)
        self.beta = beta


class BCELoss(Loss):
    """`functional.binary_cross_entropy`, of probabilities."""

    function, names = F.binary_cross_entropy, ("weight",)
    weight: Any

    def __init__(self, weight: Any = None, reduction: str = "mean"):
        super().__init__(reduction)
        self._weight("weight", weight)


class BCEWithLogitsLoss(Loss):
    """`functional.binary_cross_entropy_with_logits`."""

    function, names = F.binary_cross_entropy_with_logits, ("weight", "pos_weight")
    weight: Any
    pos_weight: Any

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None):
        super().__init__(reduction)
        self._weight("weight", weight)
        self._weight("pos_weight", pos_weight)


class CrossEntropyLoss(_OfClasses):
    """`functional.cross_entropy` of logits, against class indices or probabilities.

    >>> round(CrossEntropyLoss()(ag.Tensor([[2.0, 0.0, 0.0]]), [0]).item(), 4)
    0.2395
    """

    function, names = F.cross_entropy, ("weight", "ignore_index", "label_smoothing")

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0):
        super().__init__(reduction)
        check_settings("CrossEntropyLoss", label_smoothing=label_smoothing)
        self._weight("weight", weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing


class NLLLoss(_OfClasses):
    """`functional.nll_loss`, of log-probabilities."""

    function, names = F.nll_loss, ("weight", "ignore_index")

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"):
        super().__init__(reduction)
        self._weight("weight", weight)
        self.ignore_index = ignore_index


class FocalLoss(_OfClasses):
    """`functional.focal_loss` of logits, against class indices: samples that are classified well count for little."""

    function, names = F.focal_loss, ("gamma", "weight", "ignore_index")

    def __init__(self, gamma: float = 2.0, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"):
        super().__init__(reduction)
        check_settings("FocalLoss", gamma=gamma)
        self._weight("weight", weight)
        self.gamma, self.ignore_index = gamma, ignore_index


class SigmoidFocalLoss(Loss):
    """`functional.sigmoid_focal_loss` of logits, against 0 and 1."""

    function, names = F.sigmoid_focal_loss, ("alpha", "gamma")

    def __init__(self, alpha: float | None = 0.25, gamma: float = 2.0, reduction: str = "mean"):
        super().__init__(reduction)
        check_settings("SigmoidFocalLoss", alpha=alpha, gamma=gamma)
        self.alpha, self.gamma = alpha, gamma


class DiceLoss(Loss):
    """`functional.dice_loss`: how little two regions overlap."""

    function, names = F.dice_loss, ("smooth",)

    def __init__(self, smooth: float = 1.0, reduction: str = "mean"):
        super().__init__(reduction)
        check_settings("DiceLoss", smooth=smooth)
        self.smooth = smooth


class KLDivLoss(Loss):
    """`functional.kl_div` of log-probabilities: reduction "batchmean" is the divergence, "mean" (PyTorch's default) is not."""

    function, names = F.kl_div, ("log_target",)

    def __init__(self, reduction: str = "mean", log_target: bool = False):
        super().__init__(reduction)
        self.log_target = log_target

    def total(self, x: Any, target: Any, weight: Any = None) -> tuple[Tensor, Any]:
        """As of any loss; "batchmean" divides by samples rather than elements."""
        value, count = super().total(x, target, weight)
        row = value.dtype.type(int(np.prod(x.shape[1:])) or 1)
        return value, count / row if self.reduction == "batchmean" else count


class KLNormalLoss(Loss):
    """`functional.kl_normal`: from N(μ, σ²) to N(0, 1); called as ``loss(mean, log_variance)``."""

    function, names = F.kl_normal, ("axis",)

    def __init__(self, axis: int = -1, reduction: str = "mean"):
        super().__init__(reduction)
        self.axis = axis


class PoissonNLLLoss(Loss):
    """`functional.poisson_nll_loss` of log-rates (or rates), against counts."""

    function, names = F.poisson_nll_loss, ("log_input", "full", "eps")

    def __init__(self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean"):
        super().__init__(reduction)
        check_settings("PoissonNLLLoss", eps=eps)
        self.log_input, self.full, self.eps = log_input, full, eps


class PoissonLoss(Loss):
    """`functional.poisson_loss` of rates, against counts: the notes' x − t·ln x."""

    function = F.poisson_loss


class GaussianNLLLoss(Loss):
    """`functional.gaussian_nll_loss`; called as ``loss(mean, target, variance)``."""

    function, names = F.gaussian_nll_loss, ("full", "eps")

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"):
        super().__init__(reduction)
        check_settings("GaussianNLLLoss", eps=eps)
        self.full, self.eps = full, eps


class HingeLoss(Loss):
    """`functional.hinge_loss`: max(0, 1 − t·x), t = ±1."""

    function, names = F.hinge_loss, ("margin",)

    def __init__(self, margin: float = 1.0, reduction: str = "mean"):
        super().__init__(reduction)
        check_settings("HingeLoss", positive_margin=margin)
        self.margin = margin


class SquaredHingeLoss(HingeLoss):
    """`functional.squared_hinge_loss`: max(0, 1 − t·x)², t = ±1."""

    function = F.squared_hinge_loss


class CategoricalHingeLoss(Loss):
    """`functional.categorical_hinge_loss`: max(0, ŷ_neg − ŷ_pos + Δ)."""

    function, names = F.categorical_hinge_loss, ("margin",)

    def __init__(self, margin: float = 1.0, reduction: str = "mean"):
        super().__init__(reduction)
        check_settings("CategoricalHingeLoss", margin=margin)
        self.margin = margin


class MultiMarginLoss(Loss):
    """`functional.multi_margin_loss`: the hinge over all wrong classes."""

    function, names = F.multi_margin_loss, ("p", "margin", "weight")
    weight: Any

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean"):
        super().__init__(reduction)
        check_settings("MultiMarginLoss", power=p, margin=margin)
        self.p, self.margin = p, margin
        self._weight("weight", weight)


class HingeEmbeddingLoss(Loss):
    """`functional.hinge_embedding_loss` of distances, t = ±1."""

    function, names = F.hinge_embedding_loss, ("margin",)

    def __init__(self, margin: float = 1.0, reduction: str = "mean"):
        super().__init__(reduction)
        check_settings("HingeEmbeddingLoss", margin=margin)
        self.margin = margin


class MarginRankingLoss(Loss):
    """`functional.margin_ranking_loss`; called as ``loss(x1, x2, target)``, t = ±1."""

    function, names = F.margin_ranking_loss, ("margin",)

    def __init__(self, margin: float = 0.0, reduction: str = "mean"):
        super().__init__(reduction)
        check_settings("MarginRankingLoss", margin=margin)
        self.margin = margin


class CosineEmbeddingLoss(Loss):
    """`functional.cosine_embedding_loss`; called as ``loss(x1, x2, target)``, t = ±1."""

    function, names = F.cosine_embedding_loss, ("margin",)

    def __init__(self, margin: float = 0.0, reduction: str = "mean"):
        super().__init__(reduction)
        check_settings("CosineEmbeddingLoss", cosine_margin=margin)
        self.margin = margin


class CosineProximityLoss(Loss):
    """`functional.cosine_proximity_loss`: minus the cosine of the angle."""

    function, names = F.cosine_proximity_loss, ("axis", "eps")

    def __init__(self, axis: int = -1, eps: float = 1e-8, reduction: str = "mean"):
        super().__init__(reduction)
        check_settings("CosineProximityLoss", eps=eps)
        self.axis, self.eps = axis, eps


class CosineSimilarity(Module):
    """`functional.cosine_similarity`: no loss, but what some are made of."""

    def __init__(self, axis: int = 1, eps: float = 1e-8):
        check_settings("CosineSimilarity", eps=eps)
        self.axis, self.eps = axis, eps

    def forward(self, x1: Any, x2: Any) -> Tensor:
        return F.cosine_similarity(x1, x2, self.axis, self.eps)


class TripletMarginLoss(Loss):
    """`functional.triplet_margin_loss`; called as ``loss(anchor, positive, negative)``."""

    function, names = F.triplet_margin_loss, ("margin", "p", "eps", "swap")

    def __init__(self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, reduction: str = "mean"):
        super().__init__(reduction)
        check_settings("TripletMarginLoss", positive_margin=margin, order=p, eps=eps)
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap
