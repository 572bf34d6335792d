"""Affine layers."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ShapeError, user_line
from nn import functional as F
from nn import init
from nn.layers.common import size
from nn.module import Module, Parameter

__all__ = ["Bilinear", "Linear"]


class Linear(Module):
    """Affine map, y = x Wᵀ + b.

    Shape: (…, in_features) → (…, out_features); weight (out, in), bias (out,), of the default dtype or `dtype`. Both start
    as U(−1/√in, 1/√in), as in PyTorch.

    >>> layer = Linear(3, 2)
    >>> layer(ag.Tensor([[1.0, 2.0, 3.0]])).shape
    (1, 2)
    """

    bias: Parameter | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True, dtype: Any = None, generator: Any = None):
        self.in_features, self.out_features = size("in_features", in_features), size("out_features", out_features)
        dtype = ag.get_default_dtype() if dtype is None else dtype
        self.weight = Parameter(np.zeros((out_features, in_features), dtype), dtype=dtype)
        self.bias = Parameter(np.zeros(out_features, dtype), dtype=dtype) if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Any = None) -> None:
        """Draw weight and bias anew."""
        bound = 1 / sqrt(max(self.in_features, 1))
        init.uniform_(self.weight, -bound, bound, generator)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound, generator)

    def forward(self, x: Any) -> ag.Tensor:
        shape = x.shape if isinstance(x, ag.Tensor) else np.shape(x)
        if not shape or shape[-1] != self.in_features:
            raise ShapeError(
                f"Linear(in_features={self.in_features}, out_features={self.out_features}) got an input of shape {shape}: "
                f"its last axis must have length {self.in_features}. ({user_line()})"
            )
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Bilinear(Module):
    """`functional.bilinear`, of two inputs. weight (out, in1, in2) and bias (out,) start as U(−1/√in1, 1/√in1), as in PyTorch.

    >>> Bilinear(2, 3, 4)(ag.Tensor([[1.0, 2.0]]), ag.Tensor([[1.0, 2.0, 3.0]])).shape
    (1, 4)
    """

    bias: Parameter | None

    def __init__(self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, dtype: Any = None,
                 generator: Any = None):  # fmt: skip
        self.in1_features, self.in2_features = size("in1_features", in1_features), size("in2_features", in2_features)
        self.out_features = size("out_features", out_features)
        dtype = ag.get_default_dtype() if dtype is None else dtype
        self.weight = Parameter(np.zeros((out_features, in1_features, in2_features), dtype), dtype=dtype)
        self.bias = Parameter(np.zeros(out_features, dtype), dtype=dtype) if bias else None
        bound = 1 / sqrt(max(in1_features, 1))
        for p in (self.weight, self.bias):
            if p is not None:
                init.uniform_(p, -bound, bound, generator)

    def forward(self, a: Any, b: Any) -> ag.Tensor:
        shapes = [x.shape if isinstance(x, ag.Tensor) else np.shape(x) for x in (a, b)]
        if not shapes[0] or not shapes[1] or (shapes[0][-1], shapes[1][-1]) != (self.in1_features, self.in2_features):
            raise ShapeError(f"{self!r} got inputs of shape {shapes[0]} and {shapes[1]}. ({user_line()})")
        return F.bilinear(a, b, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.in1_features}, {self.in2_features}, {self.out_features}, bias={self.bias is not None}"
