"""HIPS autograd. It is imported as `autograd` too, so it lives in an environment of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import workloads

import autograd.numpy as np
from autograd import value_and_grad

Pair = tuple[Callable[..., float], Callable[[], list[Any]]]


def version() -> str:
    from importlib.metadata import version

    return version("autograd")


def cross_entropy(h: Any, y: Any) -> Any:
    shifted = h - np.max(h, axis=1, keepdims=True)
    return np.mean(np.log(np.sum(np.exp(shifted), axis=1)) - shifted[np.arange(len(y)), y])


def gradients(function: Any, count: int) -> Pair:
    both = value_and_grad(function, argnum=tuple(range(count)))
    state: list[Any] = []

    def step(*batch: Any) -> float:
        loss, state[:] = both(*batch)
        return float(loss)

    return step, lambda: state


def chain(size: int, ops: int) -> Pair:
    def forward(x: Any, w: Any) -> Any:
        for _ in range(ops // 2):
            x = np.tanh(x * w)
        return np.sum(x)

    return gradients(forward, 2)


def gelu(elements: int) -> Pair:
    return gradients(lambda x: np.sum(0.5 * x * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))), 1)


def softmax_ce(rows: int, classes: int) -> Pair:
    return gradients(cross_entropy, 1)


def mlp(sizes: list[int], batch: int, activation: str, loss: str) -> Pair:
    arrays = workloads.layers(tuple(sizes))
    optimizer = workloads.Adam(arrays)
    act = {"tanh": np.tanh, "relu": lambda h: np.maximum(h, 0)}[activation]
    loss_of = {"mse": lambda h, y: np.mean((h - y) ** 2), "cross_entropy": cross_entropy}[loss]

    def forward(parameters: list[Any], x: Any, y: Any) -> Any:
        h = x
        for i in range(0, len(parameters), 2):
            h = np.dot(h, parameters[i].T) + parameters[i + 1]
            if i + 2 < len(parameters):
                h = act(h)
        return loss_of(h, y)

    both = value_and_grad(forward)

    def step(x: Any, y: Any) -> float:
        result, found = both(arrays, x, y)
        optimizer.step(found)
        return float(result)

    return step, lambda: arrays
