"""Activations as modules; the formulas are in `nn.functional`."""

from __future__ import annotations

from typing import Any

from autograd import Tensor
from nn import functional as F
from nn.module import Module

__all__ = ["GELU", "Identity", "LeakyReLU", "LogSoftmax", "ReLU", "SiLU", "Sigmoid", "Softmax", "Step", "Tanh"]


class Identity(Module):
    """The linear activation, y = x."""

    def forward(self, x: Any) -> Any:
        return x


class Step(Module):
    """`functional.step`: values[1] where x > threshold, else values[0]."""

    def __init__(self, threshold: float = 0.0, values: tuple[float, float] = (0.0, 1.0)):
        self.threshold, self.values = threshold, values

    def forward(self, x: Any) -> Tensor:
        return F.step(x, self.threshold, self.values)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, values={self.values}"


class Sigmoid(Module):
    """`functional.sigmoid`: 1/(1 + e⁻ˣ)."""

    def forward(self, x: Any) -> Tensor:
        return F.sigmoid(x)


class Tanh(Module):
    """`functional.tanh`."""

    def forward(self, x: Any) -> Tensor:
        return F.tanh(x)


class ReLU(Module):
    """`functional.relu`: max(0, x)."""

    def forward(self, x: Any) -> Tensor:
        return F.relu(x)


class LeakyReLU(Module):
    """`functional.leaky_relu`: x where x > 0, else αx."""

    def __init__(self, negative_slope: float = 0.01):
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Tensor:
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class GELU(Module):
    """`functional.gelu`: x·Φ(x), or its approximation by tanh."""

    def __init__(self, approximate: str = "none"):
        self.approximate = approximate

    def forward(self, x: Any) -> Tensor:
        return F.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """`functional.silu`: x·σ(x)."""

    def forward(self, x: Any) -> Tensor:
        return F.silu(x)


class Softmax(Module):
    """`functional.softmax` along an axis. A loss such as `CrossEntropyLoss` takes logits, and needs no softmax before it."""

    def __init__(self, axis: int = -1):
        self.axis = axis

    def forward(self, x: Any) -> Tensor:
        return F.softmax(x, self.axis)

    def extra_repr(self) -> str:
        return f"axis={self.axis}"


class LogSoftmax(Softmax):
    """`functional.log_softmax` along an axis."""

    def forward(self, x: Any) -> Tensor:
        return F.log_softmax(x, self.axis)
