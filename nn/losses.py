"""Losses as modules; the formulas are in `nn.functional`. Called as ``loss(prediction, target)``."""

from __future__ import annotations

from typing import Any

import autograd as ag
from autograd import Tensor
from autograd.errors import ArgumentError
from nn import functional as F
from nn.module import Module

__all__ = ["BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "MSELoss", "NLLLoss"]


class Loss(Module):
    """The base of losses: holds the reduction, "mean", "sum" or "none"."""

    def __init__(self, reduction: str = "mean"):
        if reduction not in ("mean", "sum", "none"):
            raise ArgumentError(f'reduction must be "mean", "sum" or "none", got {reduction!r}.')
        self.reduction = reduction

    def _weight(self, name: str, value: Any) -> None:
        self.register_buffer(name, value if value is None else ag.Tensor(value, dtype=ag.get_default_dtype()), persistent=False)

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


class MSELoss(Loss):
    """`functional.mse_loss`: mean squared error.

    >>> MSELoss()(ag.Tensor([1.0, 4.0]), ag.Tensor([1.0, 2.0])).item()
    2.0
    """

    def forward(self, x: Any, target: Any) -> Tensor:
        return F.mse_loss(x, target, self.reduction)


class BCELoss(Loss):
    """`functional.binary_cross_entropy`, of probabilities."""

    weight: Any

    def __init__(self, weight: Any = None, reduction: str = "mean"):
        super().__init__(reduction)
        self._weight("weight", weight)

    def forward(self, x: Any, target: Any) -> Tensor:
        return F.binary_cross_entropy(x, target, self.weight, self.reduction)


class BCEWithLogitsLoss(Loss):
    """`functional.binary_cross_entropy_with_logits`."""

    weight: Any
    pos_weight: Any

    def __init__(self, weight: Any = None, pos_weight: Any = None, reduction: str = "mean"):
        super().__init__(reduction)
        self._weight("weight", weight)
        self._weight("pos_weight", pos_weight)

    def forward(self, x: Any, target: Any) -> Tensor:
        return F.binary_cross_entropy_with_logits(x, target, self.weight, self.pos_weight, self.reduction)


class CrossEntropyLoss(Loss):
    """`functional.cross_entropy` of logits, against class indices or probabilities.

    >>> round(CrossEntropyLoss()(ag.Tensor([[2.0, 0.0, 0.0]]), [0]).item(), 4)
    0.2395
    """

    weight: Any

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0):
        super().__init__(reduction)
        if not 0 <= label_smoothing <= 1:
            raise ArgumentError(f"label_smoothing must be in [0, 1], got {label_smoothing}.")
        self._weight("weight", weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, x: Any, target: Any) -> Tensor:
        return F.cross_entropy(x, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


class NLLLoss(Loss):
    """`functional.nll_loss`, of log-probabilities."""

    weight: Any

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"):
        super().__init__(reduction)
        self._weight("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, x: Any, target: Any) -> Tensor:
        return F.nll_loss(x, target, self.weight, self.ignore_index, self.reduction)
