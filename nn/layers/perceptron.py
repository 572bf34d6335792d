"""Rosenblatt's perceptron."""

from __future__ import annotations

from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, ShapeError, user_line
from nn import functional as F
from nn.layers.common import size
from nn.module import Module, Parameter

__all__ = ["Perceptron"]


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
        self.in_features, self.out_features = size("in_features", in_features), size("out_features", out_features)
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
