"""MyGrad."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mygrad as mg
import workloads
from mygrad.nnet.activations import relu
from mygrad.nnet.losses import softmax_crossentropy


def version() -> str:
    return str(mg.__version__)


def chain(size: int) -> Callable[[], Any]:
    x, w = (mg.tensor(a) for a in workloads.chain_data(size))

    def step() -> Any:
        x.null_grad()
        w.null_grad()
        y = x
        for _ in range(workloads.CHAIN_OPS // 2):
            y = mg.tanh(y * w)
        y.sum().backward()
        return y.data, x.grad, w.grad

    return step


def training(sizes: tuple[int, ...], activation: Any, loss_of: Any, x: Any, y: Any) -> Callable[[], Any]:
    arrays = workloads.layers(sizes)
    parameters = [mg.tensor(a, copy=False) for a in arrays]
    optimizer = workloads.Adam(arrays)

    def step() -> Any:
        h = x
        for i in range(0, len(parameters), 2):
            h = mg.matmul(h, parameters[i].T) + parameters[i + 1]
            if i + 2 < len(parameters):
                h = activation(h)
        loss = loss_of(h, y)
        loss.backward()
        optimizer.step([p.grad for p in parameters])
        return loss.data

    return step


def mlp_small() -> Callable[[], Any]:
    return training(
        workloads.MLP_SMALL, mg.tanh, lambda h, y: mg.mean((h - y) ** 2), *workloads.small_batch()
    )


def mlp_digits() -> Callable[[], Any]:
    return training(workloads.MLP_DIGITS, relu, softmax_crossentropy, *workloads.digits_batch())
