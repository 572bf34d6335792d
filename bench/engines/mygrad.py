"""MyGrad."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mygrad as mg
import workloads
from mygrad.nnet.activations import relu
from mygrad.nnet.losses import softmax_crossentropy

Pair = tuple[Callable[..., float], Callable[[], list[Any]]]


def version() -> str:
    return str(mg.__version__)


def gradients(function: Any, count: int) -> Pair:
    leaves: list[Any] = []

    def step(*batch: Any) -> float:
        leaves[:] = [mg.tensor(a, copy=False) for a in batch[:count]]
        loss = function(*leaves, *batch[count:])
        loss.backward()
        return loss.item()

    return step, lambda: [leaf.grad for leaf in leaves]


def chain(size: int, ops: int) -> Pair:
    def forward(x: Any, w: Any) -> Any:
        for _ in range(ops // 2):
            x = mg.tanh(x * w)
        return x.sum()

    return gradients(forward, 2)


def softmax_ce(rows: int, classes: int) -> Pair:
    return gradients(softmax_crossentropy, 1)


def mlp(sizes: list[int], batch: int, activation: str, loss: str) -> Pair:
    arrays = workloads.layers(tuple(sizes))
    parameters = [mg.tensor(a, copy=False) for a in arrays]
    optimizer = workloads.Adam(arrays)
    act = {"tanh": mg.tanh, "relu": relu}[activation]
    loss_of = {"mse": lambda h, y: mg.mean((h - y) ** 2), "cross_entropy": softmax_crossentropy}[loss]

    def step(x: Any, y: Any) -> float:
        h = x
        for i in range(0, len(parameters), 2):
            h = mg.matmul(h, parameters[i].T) + parameters[i + 1]
            if i + 2 < len(parameters):
                h = act(h)
        loss = loss_of(h, y)
        loss.backward()
        optimizer.step([p.grad for p in parameters])
        return loss.item()

    return step, lambda: arrays
