"""Activations: each a formula, elementwise or along an axis; any shape → the same."""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, user_line
from nn.functional.common import Tensor, as_tensor, log_total, shifted

__all__ = [
    "gelu", "leaky_relu", "log_softmax", "relu", "sigmoid", "silu", "softmax", "step", "tanh",
]  # fmt: skip


def step(x: Any, threshold: float = 0.0, values: tuple[float, float] = (0.0, 1.0)) -> Tensor:
    """Step function, y = values[1] where x > threshold, else values[0]; dy/dx = 0.

    The values are {0, 1}, or {−1, 1} for the bipolar form. Shape: any → the same. Source: course notes, *Step Function*.

    >>> step(ag.Tensor([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.0, 1.0]
    >>> step(ag.Tensor([-1.0, 2.0]), values=(-1, 1)).tolist()
    [-1.0, 1.0]
    """
    x = as_tensor(x)
    low, high = (np.asarray(v, x.dtype) for v in values)
    return ag.where(x.detach() > threshold, high, low)


def sigmoid(x: Any) -> Tensor:
    """Logistic function, y = 1/(1 + e⁻ˣ), in (0, 1); dy/dx = y(1 − y). Does not overflow.

    >>> sigmoid(ag.Tensor([-1e4, 0.0])).tolist()
    [0.0, 0.5]
    """
    return ag.sigmoid(x)


def tanh(x: Any) -> Tensor:
    """Hyperbolic tangent, y = (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ), in (−1, 1); dy/dx = 1 − y².

    >>> tanh(ag.Tensor([0.0, 100.0])).tolist()
    [0.0, 1.0]
    """
    return ag.tanh(x)


def relu(x: Any) -> Tensor:
    """Rectified linear unit, y = max(0, x); dy/dx = 1 where x > 0, else 0 (so 0 at 0).

    >>> relu(ag.Tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return ag.relu(x)


@ag.accelerated("x")
def leaky_relu(x: Any, negative_slope: float = 0.01) -> Tensor:
    """Leaky ReLU, y = x where x > 0, else αx; dy/dx = 1 where x > 0, else α (so α at 0).

    >>> leaky_relu(ag.Tensor([-2.0, 2.0]), 0.5).tolist()
    [-1.0, 2.0]
    """
    x = as_tensor(x)
    return ag.where(x > 0, x, x * negative_slope)


@ag.accelerated("x")
def gelu(x: Any, approximate: str = "none") -> Tensor:
    """Gaussian error linear unit, y = x·Φ(x), with Φ(x) = (1 + erf(x/√2))/2; dy/dx = Φ(x) + x·e^(−x²/2)/√(2π).

    With ``approximate="tanh"``, y = x/2 · (1 + tanh(√(2/π)(x + 0.044715x³))), the same to 5e-4, as in GPT-2.
    Source: Hendrycks, Gimpel 2016, "Gaussian error linear units".

    >>> gelu(ag.Tensor([-100.0, 0.0, 1.0])).data.round(4).tolist() == [0.0, 0.0, np.float32(0.8413)]
    True
    >>> round(gelu(ag.Tensor(1.0), approximate="tanh").item(), 4)
    0.8412
    """
    x = as_tensor(x)
    if approximate == "none":
        return x * (0.5 * (1 + ag.erf(x * 0.7071067811865476)))
    if approximate == "tanh":
        return x * (0.5 * (1 + ag.tanh(0.7978845608028654 * (x + 0.044715 * (x * x * x)))))
    raise ArgumentError(f'gelu: approximate must be "none" or "tanh", got {approximate!r}. ({user_line()})')


@ag.accelerated("x")
def silu(x: Any) -> Tensor:
    """Sigmoid linear unit, or swish, y = x·σ(x) with σ(x) = 1/(1 + e⁻ˣ); dy/dx = σ(x)(1 + x(1 − σ(x))).

    Source: Elfwing, Uchibe, Doya 2017, "Sigmoid-weighted linear units for neural network function approximation".

    >>> silu(ag.Tensor([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.0, 1e4]
    True
    """
    x = as_tensor(x)
    return x * ag.sigmoid(x)


@ag.accelerated("x")
def softmax(x: Any, axis: int = -1) -> Tensor:
    """Probabilities, yᵢ = eˣⁱ / Σ eˣʲ along an axis: positive, with sum 1; dyᵢ/dxⱼ = yᵢ(δᵢⱼ − yⱼ). Does not overflow.

    >>> softmax(ag.Tensor([1e4, 1e4, -np.inf])).tolist()
    [0.5, 0.5, 0.0]
    """
    e = ag.exp(shifted(as_tensor(x), axis))
    return e / ag.sum(e, axis=axis, keepdims=True)


@ag.accelerated("x")
def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """ln softmax(x), computed as x − ln Σ eˣ, so that small probabilities keep their precision.

    >>> log_softmax(ag.Tensor([0.0, 1e4])).tolist()
    [-10000.0, 0.0]
    """
    z = shifted(as_tensor(x), axis)
    return z - log_total(z, axis)
