"""Layers with weights, and the networks made of them by one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, NotFoundError, ShapeError, user_line
from nn import functional as F
from nn import init
from nn.activations import Identity, LeakyReLU, ReLU, Sigmoid, Softmax, Step, Tanh
from nn.containers import Sequential
from nn.module import Module, Parameter

__all__ = ["ACTIVATIONS", "MLP", "LayerNorm", "Linear", "Perceptron", "RMSNorm"]

ACTIVATIONS: dict[str, Callable[[], Module]] = {
    "relu": ReLU, "leaky_relu": LeakyReLU, "tanh": Tanh, "sigmoid": Sigmoid, "softmax": Softmax, "step": Step,
    "linear": Identity,
}  # fmt: skip
"""Activations by the name that `MLP` and the command line know them by."""


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
        self.in_features, self.out_features = _size("in_features", in_features), _size("out_features", out_features)
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
        self.normalized_shape, self.eps = _sizes("normalized_shape", normalized_shape), eps
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
        self.normalized_shape, self.eps = _sizes("normalized_shape", normalized_shape), eps
        dtype = ag.get_default_dtype() if dtype is None else dtype
        self.weight = Parameter(np.ones(self.normalized_shape, dtype), dtype=dtype) if elementwise_affine else None

    def forward(self, x: Any) -> ag.Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.weight is not None}"


class Perceptron(Module):
    """Rosenblatt's perceptron: y = step(x Wᵀ + b), learning from its mistakes one sample at a time.

    The step has no useful gradient, so no optimizer trains it; `fit` is Rosenblatt's rule, w ← w + η(t − y)x and
    b ← b + η(t − y), which ends without a mistake whenever a line divides the classes. Source: Rosenblatt 1958; course notes,
    *Perceptron*.

    Args:
        in_features, out_features: sizes; each output is a perceptron of its own.
        values: the two outputs, (0, 1) or (−1, 1); targets are these.

    >>> AND = Perceptron(2)
    >>> AND.fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1], epochs=20)
    [1, 3, 3, 2, 1, 0]
    >>> AND(ag.Tensor([[1.0, 1.0], [0.0, 1.0]])).tolist()
    [[1.0], [0.0]]
    """

    def __init__(self, in_features: int, out_features: int = 1, values: tuple[float, float] = (0, 1), dtype: Any = None):
        self.in_features, self.out_features = _size("in_features", in_features), _size("out_features", out_features)
        self.values = (float(values[0]), float(values[1]))
        self.weight = Parameter(np.zeros((out_features, in_features)), dtype=dtype)
        self.bias = Parameter(np.zeros(out_features), dtype=dtype)

    def forward(self, x: Any) -> ag.Tensor:
        return F.step(F.linear(x, self.weight, self.bias), values=self.values)

    def fit(self, x: Any, y: Any, epochs: int = 100, lr: float = 1.0, generator: Any = None) -> list[int]:
        """Learn by Rosenblatt's rule; returns the number of mistakes in each epoch, and stops after one without any.

        Args:
            x, y: inputs (N, in_features), and targets (N,) or (N, out_features) that are among `values`.
            epochs: the most passes over the data.
            lr: η, the size of a correction.
            generator: shuffles the samples in each pass; in the order given if left out.
        """
        dtype = self.weight.dtype
        inputs, targets = (np.asarray(a.data if isinstance(a, ag.Tensor) else a) for a in (x, y))
        inputs, targets = inputs.astype(dtype), targets.reshape(len(targets), -1).astype(dtype) if targets.ndim else targets
        if inputs.ndim != 2 or inputs.shape[1] != self.in_features or targets.shape != (len(inputs), self.out_features):
            raise ShapeError(
                f"Perceptron.fit takes inputs (N, {self.in_features}) and targets (N, {self.out_features}) or (N,), got "
                f"{np.shape(x)} and {np.shape(y)}. ({user_line()})"
            )
        strange = targets[~np.isin(targets, self.values)]
        if strange.size:
            raise ArgumentError(f"target {strange[0]:g} is not among the perceptron's values {self.values}. ({user_line()})")
        if not (np.isfinite(lr) and lr > 0):
            raise ArgumentError(f"lr must be positive and finite, got {lr}.")
        weight, bias = self.weight.data.copy(), self.bias.data.copy()
        low, high = self.values
        mistakes: list[int] = []
        for _ in range(epochs):
            order = range(len(inputs)) if generator is None else generator.permutation(len(inputs))
            wrong = 0
            for i in order:
                output = np.where(weight @ inputs[i] + bias > 0, high, low).astype(dtype)  # (out,)
                error = targets[i] - output
                if error.any():
                    wrong += 1
                    weight += lr * error[:, None] * inputs[i]
                    bias += lr * error
            mistakes.append(wrong)
            if not wrong:
                break
        with ag.no_grad():
            self.weight.copy_(weight)
            self.bias.copy_(bias)
        return mistakes

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, values={self.values}"


class MLP(Sequential):
    """Linear layers with an activation between them; the output is left linear, for a loss that takes logits.

    Weights start as the activation wants them: He's normal for ReLU and leaky ReLU, Xavier's uniform with the activation's
    gain else; biases at 0. The parameters have the names of the same `Sequential` in PyTorch: "0.weight", "0.bias",
    "2.weight" …

    Args:
        in_features, out_features: sizes of input and output.
        hidden: sizes of the hidden layers, such as (64, 32); a number for one; () for none.
        activation: a name in `nn.ACTIVATIONS`, or a callable that makes a module.
        output: the activation of the output, likewise, or None.

    >>> MLP(64, (32,), 10, activation="tanh")
    MLP(
      (0): Linear(in_features=64, out_features=32, bias=True)
      (1): Tanh()
      (2): Linear(in_features=32, out_features=10, bias=True)
    )
    """

    def __init__(self, in_features: int, hidden: int | Sequence[int], out_features: int,
                 activation: str | Callable[[], Module] = "relu", output: str | Callable[[], Module] | None = None,
                 bias: bool = True, dtype: Any = None, generator: Any = None):  # fmt: skip
        sizes = [in_features, *([hidden] if isinstance(hidden, int) else hidden), out_features]
        make = _activation(activation)
        name = activation if isinstance(activation, str) else ""
        modules: list[Module] = []
        for k in range(len(sizes) - 1):
            layer = Linear(sizes[k], sizes[k + 1], bias, dtype, generator)
            last = k == len(sizes) - 2
            if name in ("relu", "leaky_relu") and not last:
                init.kaiming_normal_(layer.weight, a=0.0 if name == "relu" else 0.01, generator=generator)
            else:
                gain = init.calculate_gain(name) if name == "tanh" and not last else 1.0
                init.xavier_uniform_(layer.weight, gain, generator)
            if layer.bias is not None:
                init.zeros_(layer.bias)
            modules.append(layer)
            if not last:
                modules.append(make())
        if output is not None:
            modules.append(_activation(output)())
        super().__init__(*modules)


def _activation(choice: str | Callable[[], Module]) -> Callable[[], Module]:
    if not isinstance(choice, str):
        return choice
    if choice not in ACTIVATIONS:
        from nn.names import nearest

        raise NotFoundError(
            f"there is no activation {choice!r}{nearest(choice, ACTIVATIONS)} There are {', '.join(ACTIVATIONS)}."
        )
    return ACTIVATIONS[choice]


def _sizes(name: str, value: int | Sequence[int]) -> tuple[int, ...]:
    return tuple(_size(name, v) for v in (value if isinstance(value, tuple | list) else (value,)))


def _size(name: str, value: int) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 0:
        raise ArgumentError(f"{name} must be a whole number, at least 0, got {value!r}. ({user_line()})")
    return int(value)
