"""PyTorch, eager."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
import workloads


def version() -> str:
    return str(torch.__version__)


def set_threads(count: int) -> None:
    torch.set_num_threads(count)


def chain(size: int) -> Callable[[], Any]:
    x, w = (torch.from_numpy(a).requires_grad_() for a in workloads.chain_data(size))

    def step() -> Any:
        x.grad = w.grad = None
        y = x
        for _ in range(workloads.CHAIN_OPS // 2):
            y = torch.tanh(y * w)
        y.sum().backward()
        return y, x.grad, w.grad

    return step


def training(
    sizes: tuple[int, ...], activation: str, loss_of: Any, inputs: Any, targets: Any
) -> Callable[[], Any]:
    modules: list[Any] = []
    for fan_in, fan_out in pairwise(sizes):
        modules += [torch.nn.Linear(fan_in, fan_out), getattr(torch.nn, activation)()]
    model = torch.nn.Sequential(*modules[:-1])
    with torch.no_grad():
        for p, array in zip(model.parameters(), workloads.layers(sizes), strict=True):
            p.copy_(torch.from_numpy(array))
    optimizer = torch.optim.Adam(model.parameters(), lr=workloads.RATE)
    x, y = torch.from_numpy(inputs), torch.from_numpy(targets)

    def step() -> Any:
        loss = loss_of(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def mlp_small() -> Callable[[], Any]:
    return training(workloads.MLP_SMALL, "Tanh", torch.nn.functional.mse_loss, *workloads.small_batch())


def mlp_digits() -> Callable[[], Any]:
    return training(
        workloads.MLP_DIGITS, "ReLU", torch.nn.functional.cross_entropy, *workloads.digits_batch()
    )
