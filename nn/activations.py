"""Activations as modules; the formulas are in `nn.functional`."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import Tensor, get_default_dtype
from nn import functional as F
from nn.functional.common import finite
from nn.module import Module, Parameter

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "SELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "Identity", "LeakyReLU",
    "LogSigmoid", "LogSoftmax", "Mish", "PReLU", "ReLU", "ReLU6", "SiLU", "Sigmoid", "Softmax", "Softmin", "Softplus",
    "Softshrink", "Softsign", "Step", "SwiGLU", "Swish", "Tanh", "Tanhshrink", "Threshold",
]  # fmt: skip


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


class Swish(Module):
    """`functional.swish`: x·σ(βx), with a fixed β, or with ``learned=True`` one that starts there and is learned.

    >>> Swish(2.0, learned=True).beta
    Parameter(2., requires_grad=True, name='beta')
    """

    beta: Any

    def __init__(self, beta: float = 1.0, learned: bool = False, dtype: Any = None):
        self.beta = Parameter(beta, dtype=dtype) if learned else beta

    def forward(self, x: Any) -> Tensor:
        return F.swish(x, self.beta)

    def extra_repr(self) -> str:
        return "learned" if isinstance(self.beta, Parameter) else f"beta={self.beta}"


class PReLU(Module):
    """`functional.prelu`: x where x > 0, else αx, with a learned α for all inputs, or one for each of C channels.

    Shape: (N, C, …) → the same; weight (num_parameters,), 1 or C, as in PyTorch.

    >>> PReLU()(Tensor([-4.0, 4.0])).tolist()
    [-1.0, 4.0]
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, dtype: Any = None):
        from nn.layers.common import size  # layers are made of activations, too

        dtype = get_default_dtype() if dtype is None else dtype
        count, start = size("num_parameters", num_parameters), finite("PReLU", "init", init)
        self.weight = Parameter(np.full(count, start, dtype), dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        return F.prelu(x, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.weight.size}"


class ELU(Module):
    """`functional.elu`: x where x > 0, else α(eˣ − 1)."""

    def __init__(self, alpha: float = 1.0):
        self.alpha = alpha

    def forward(self, x: Any) -> Tensor:
        return F.elu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class SELU(Module):
    """`functional.selu`: the self-normalising unit."""

    def forward(self, x: Any) -> Tensor:
        return F.selu(x)


class CELU(Module):
    """`functional.celu`: x where x > 0, else α(e^(x/α) − 1)."""

    def __init__(self, alpha: float = 1.0):
        self.alpha = alpha

    def forward(self, x: Any) -> Tensor:
        return F.celu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class Softplus(Module):
    """`functional.softplus`: ln(1 + e^(βx))/β."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Any) -> Tensor:
        return F.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Mish(Module):
    """`functional.mish`: x·tanh(softplus x)."""

    def forward(self, x: Any) -> Tensor:
        return F.mish(x)


class Hardswish(Module):
    """`functional.hardswish`: x·clip(x + 3, 0, 6)/6."""

    def forward(self, x: Any) -> Tensor:
        return F.hardswish(x)


class Hardsigmoid(Module):
    """`functional.hardsigmoid`: clip(x + 3, 0, 6)/6."""

    def forward(self, x: Any) -> Tensor:
        return F.hardsigmoid(x)


class Hardtanh(Module):
    """`functional.hardtanh`: clip(x, min_val, max_val)."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0):
        self.min_val, self.max_val = min_val, max_val

    def forward(self, x: Any) -> Tensor:
        return F.hardtanh(x, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


class ReLU6(Module):
    """`functional.relu6`: min(max(0, x), 6)."""

    def forward(self, x: Any) -> Tensor:
        return F.relu6(x)


class Softsign(Module):
    """`functional.softsign`: x/(1 + |x|)."""

    def forward(self, x: Any) -> Tensor:
        return F.softsign(x)


class LogSigmoid(Module):
    """`functional.logsigmoid`: ln σ(x)."""

    def forward(self, x: Any) -> Tensor:
        return F.logsigmoid(x)


class Tanhshrink(Module):
    """`functional.tanhshrink`: x − tanh x."""

    def forward(self, x: Any) -> Tensor:
        return F.tanhshrink(x)


class Softshrink(Module):
    """`functional.softshrink`: x − λ·sign x where |x| > λ, else 0."""

    def __init__(self, lambd: float = 0.5):
        self.lambd = lambd

    def forward(self, x: Any) -> Tensor:
        return F.softshrink(x, self.lambd)

    def extra_repr(self) -> str:
        return f"lambd={self.lambd}"


class Hardshrink(Module):
    """`functional.hardshrink`: x where |x| > λ, else 0."""

    def __init__(self, lambd: float = 0.5):
        self.lambd = lambd

    def forward(self, x: Any) -> Tensor:
        return F.hardshrink(x, self.lambd)

    def extra_repr(self) -> str:
        return f"lambd={self.lambd}"


class Threshold(Module):
    """`functional.threshold`: x where x > threshold, else value."""

    def __init__(self, threshold: float, value: float):
        self.threshold, self.value = threshold, value

    def forward(self, x: Any) -> Tensor:
        return F.threshold(x, self.threshold, self.value)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}"


class GLU(Module):
    """`functional.glu`: a·σ(b) of the halves of x along an axis."""

    def __init__(self, axis: int = -1):
        self.axis = axis

    def forward(self, x: Any) -> Tensor:
        return F.glu(x, self.axis)

    def extra_repr(self) -> str:
        return f"axis={self.axis}"


class SwiGLU(Module):
    """`functional.swiglu`: silu(a)·b of the halves of x along an axis."""

    def __init__(self, axis: int = -1):
        self.axis = axis

    def forward(self, x: Any) -> Tensor:
        return F.swiglu(x, self.axis)

    def extra_repr(self) -> str:
        return f"axis={self.axis}"


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


class Softmin(Softmax):
    """`functional.softmin` along an axis."""

    def forward(self, x: Any) -> Tensor:
        return F.softmin(x, self.axis)
