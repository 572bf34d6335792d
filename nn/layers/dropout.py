"""Dropout in its forms."""

from __future__ import annotations

from typing import Any

import autograd as ag
from nn import functional as F
from nn.functional.regularization import probability
from nn.module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class Dropout(Module):
    """`functional.dropout` in training; in evaluation, y = x.

    >>> Dropout(0.5).eval()(ag.Tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """

    def __init__(self, p: float = 0.5, generator: Any = None):
        self.p, self.generator = probability(type(self).__name__, p), generator

    def forward(self, x: Any) -> ag.Tensor:
        return F.dropout(x, self.p, self.training, self.generator)

    def extra_repr(self) -> str:
        return f"p={self.p:g}"


class Dropout1d(Dropout):
    """`functional.dropout1d` in training: whole channels of (N, C, L)."""

    def forward(self, x: Any) -> ag.Tensor:
        return F.dropout1d(x, self.p, self.training, self.generator)


class Dropout2d(Dropout):
    """`functional.dropout2d` in training: whole channels of (N, C, H, W)."""

    def forward(self, x: Any) -> ag.Tensor:
        return F.dropout2d(x, self.p, self.training, self.generator)


class Dropout3d(Dropout):
    """`functional.dropout3d` in training: whole channels of (N, C, D, H, W)."""

    def forward(self, x: Any) -> ag.Tensor:
        return F.dropout3d(x, self.p, self.training, self.generator)


class AlphaDropout(Dropout):
    """`functional.alpha_dropout` in training, for networks of `SELU`."""

    def forward(self, x: Any) -> ag.Tensor:
        return F.alpha_dropout(x, self.p, self.training, self.generator)


class FeatureAlphaDropout(Dropout):
    """`functional.feature_alpha_dropout` in training: whole channels."""

    def forward(self, x: Any) -> ag.Tensor:
        return F.feature_alpha_dropout(x, self.p, self.training, self.generator)
