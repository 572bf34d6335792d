"""Initialising weights, in place. Each takes ``generator=``, and returns the tensor that it wrote.

Glorot & Bengio 2010 (Xavier), He et al. 2015 (Kaiming); course notes, *Weight initialisation*. A weight has shape
(out, in, …): fan-in is in × the rest, fan-out is out × the rest.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import Any

import autograd as ag
from autograd.errors import ArgumentError, ShapeError

__all__ = [
    "calculate_gain", "constant_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_", "uniform_", "xavier_normal_",
    "xavier_uniform_", "zeros_",
]  # fmt: skip

Tensor = ag.Tensor
_GAINS = {"linear": 1.0, "identity": 1.0, "sigmoid": 1.0, "step": 1.0, "softmax": 1.0, "tanh": 5 / 3, "relu": sqrt(2.0)}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights before an activation are widened, so that its outputs keep their variance.

    relu √2, leaky_relu √(2/(1 + α²)) with `param` α = 0.01, tanh 5/3, others 1: PyTorch's values.

    >>> calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else float(param)
        return sqrt(2 / (1 + slope * slope))
    if nonlinearity not in _GAINS:
        raise ArgumentError(f"no gain is known for {nonlinearity!r}; there are {', '.join(sorted([*_GAINS, 'leaky_relu']))}.")
    return _GAINS[nonlinearity]


def uniform_(tensor: Tensor, low: float = 0.0, high: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with values drawn evenly from [low, high).

    >>> bool((uniform_(ag.Tensor([0.0] * 9), 2.0, 3.0) >= 2.0).all())
    True
    """
    if not low <= high:
        raise ArgumentError(f"uniform_ needs low <= high, got {low} and {high}.")
    return _write(tensor, _draw(generator).uniform(low, high, tensor.shape, tensor.dtype))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fill from the normal distribution."""
    if not std >= 0:
        raise ArgumentError(f"normal_ needs std >= 0, got {std}.")
    return _write(tensor, _draw(generator).normal(mean, std, tensor.shape, tensor.dtype))


def constant_(tensor: Tensor, value: float) -> Tensor:
    """Fill with one value."""
    return _write(tensor, value)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0. Weights that all start at 0 all learn the same: for biases only."""
    return _write(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return _write(tensor, 1.0)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill from U(−a, a), a = gain·√(6/(fan_in + fan_out)): keeps the variance of activations and gradients alike."""
    fan_in, fan_out = _fans(tensor)
    a = gain * sqrt(6 / max(fan_in + fan_out, 1))
    return uniform_(tensor, -a, a, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill from N(0, σ²), σ = gain·√(2/(fan_in + fan_out))."""
    fan_in, fan_out = _fans(tensor)
    return normal_(tensor, 0.0, gain * sqrt(2 / max(fan_in + fan_out, 1)), generator)


def kaiming_uniform_(tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                     generator: Any = None) -> Tensor:  # fmt: skip
    """Fill from U(−b, b), b = gain·√(3/fan): He's initialisation. `a` is the slope of a leaky ReLU, 0 for ReLU."""
    b = calculate_gain(nonlinearity, a) * sqrt(3 / _fan(tensor, mode))
    return uniform_(tensor, -b, b, generator)


def kaiming_normal_(tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                    generator: Any = None) -> Tensor:  # fmt: skip
    """Fill from N(0, σ²), σ = gain/√fan: He's initialisation."""
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / sqrt(_fan(tensor, mode)), generator)


def _write(tensor: Tensor, values: Any) -> Tensor:
    with ag.no_grad():
        return tensor.copy_(values)


def _draw(generator: Any) -> Any:
    return ag.default_generator if generator is None else generator


def _fans(tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        raise ShapeError(
            f"fan-in and fan-out need a weight of shape (out, in, …), got {tensor.shape}. Use uniform_ or zeros_ for it."
        )
    rest = prod(tensor.shape[2:])
    return tensor.shape[1] * rest, tensor.shape[0] * rest


def _fan(tensor: Tensor, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(f'mode must be "fan_in" or "fan_out", got {mode!r}.')
    return max(_fans(tensor)[mode == "fan_out"], 1)
