"""HIPS autograd. It is imported as `autograd` too, so it lives in an environment of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import workloads

import autograd.numpy as np
from autograd import grad, value_and_grad


def version() -> str:
    from importlib.metadata import version

    return version("autograd")


def chain(size: int) -> Callable[[], Any]:
    x, w = workloads.chain_data(size)
    last: list[Any] = []

    def forward(pair: Any) -> Any:
        y, factor = pair
        for _ in range(workloads.CHAIN_OPS // 2):
            y = np.tanh(y * factor)
        last[:] = [y]
        return np.sum(y)

    gradient = grad(forward)

    def step() -> Any:
        dx, dw = gradient((x, w))
        return last[0]._value, dx, dw

    return step


def training(sizes: tuple[int, ...], activation: Any, loss_of: Any, x: Any, y: Any) -> Callable[[], Any]:
    arrays = workloads.layers(sizes)
    optimizer = workloads.Adam(arrays)

    def loss(parameters: list[Any]) -> Any:
        h = x
        for i in range(0, len(parameters), 2):
            h = np.dot(h, parameters[i].T) + parameters[i + 1]
            if i + 2 < len(parameters):
                h = activation(h)
        return loss_of(h, y)

    both = value_and_grad(loss)

    def step() -> Any:
        result, gradients = both(arrays)
        optimizer.step(gradients)
        return result

    return step


def mlp_small() -> Callable[[], Any]:
    return training(
        workloads.MLP_SMALL, np.tanh, lambda h, y: np.mean((h - y) ** 2), *workloads.small_batch()
    )


def mlp_digits() -> Callable[[], Any]:
    def cross_entropy(h: Any, y: Any) -> Any:
        shifted = h - np.max(h, axis=1, keepdims=True)
        return np.mean(np.log(np.sum(np.exp(shifted), axis=1)) - shifted[np.arange(len(y)), y])

    return training(
        workloads.MLP_DIGITS, lambda h: np.maximum(h, 0), cross_entropy, *workloads.digits_batch()
    )
