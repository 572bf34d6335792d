"""Layers that take statistics away, and put a learned scale in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import autograd as ag
from nn import functional as F
from nn.layers.common import sizes
from nn.module import Module, Parameter

__all__ = ["LayerNorm", "RMSNorm"]


class LayerNorm(Module):
    """`functional.layer_norm` over the last axes, with a learned factor and, with `bias`, a learned shift for each place.

    Shape: (…, *normalized_shape) → the same. weight starts at one, bias at zero, as in PyTorch.

    >>> LayerNorm(2)(ag.Tensor([[1.0, 3.0]])).data.round(3).tolist()
    [[-1.0, 1.0]]
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(self, normalized_shape: int | Sequence[int], eps: float = 1e-5, elementwise_affine: bool = True,
                 bias: bool = True, dtype: Any = None):  # fmt: skip
        self.normalized_shape, self.eps = sizes("normalized_shape", normalized_shape), eps
        dtype = ag.get_default_dtype() if dtype is None else dtype
        ones = np.ones(self.normalized_shape, dtype)
        self.weight = Parameter(ones, dtype=dtype) if elementwise_affine else None
        self.bias = Parameter(0 * ones, dtype=dtype) if elementwise_affine and bias else None

    def forward(self, x: Any) -> ag.Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps:g}, elementwise_affine={self.weight is not None}"


class RMSNorm(Module):
    """`functional.rms_norm` over the last axes, with a learned factor for each place.

    Shape: (…, *normalized_shape) → the same. weight starts at one, as in PyTorch.

    >>> RMSNorm(1)(ag.Tensor([[-3.0]])).tolist()
    [[-1.0]]
    """

    weight: Parameter | None

    def __init__(self, normalized_shape: int | Sequence[int], eps: float | None = None, elementwise_affine: bool = True,
                 dtype: Any = None):  # fmt: skip
        self.normalized_shape, self.eps = sizes("normalized_shape", normalized_shape), eps
        dtype = ag.get_default_dtype() if dtype is None else dtype
        self.weight = Parameter(np.ones(self.normalized_shape, dtype), dtype=dtype) if elementwise_affine else None

    def forward(self, x: Any) -> ag.Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.weight is not None}"
