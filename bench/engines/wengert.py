"""This library, eager."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import valuenet
import workloads

import autograd as ag


def version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("wengert")
    except PackageNotFoundError:
        return "checkout"


def chain(size: int) -> Callable[[], Any]:
    start, factor = workloads.chain_data(size)
    x, w = ag.Tensor(start, requires_grad=True), ag.Tensor(factor, requires_grad=True)

    def step() -> Any:
        x.grad = w.grad = None
        y = x
        for _ in range(workloads.CHAIN_OPS // 2):
            y = ag.tanh(y * w)
        y.sum().backward()
        return y, x.grad, w.grad

    return step


def value() -> Callable[[], Any]:
    return valuenet.demo(ag.Value)


def network(sizes: tuple[int, ...], activation: str) -> Any:
    import nn

    modules: list[Any] = []
    for fan_in, fan_out in pairwise(sizes):
        modules += [nn.Linear(fan_in, fan_out), getattr(nn, activation)()]
    model = nn.Sequential(*modules[:-1])
    with ag.no_grad():
        for p, array in zip(model.parameters(), workloads.layers(sizes), strict=True):
            p.copy_(array)
    return model


def training(
    model: Any, loss_of: Callable[[Any, Any], Any], inputs: Any, targets: Any, wrap: Callable[[Any], Any]
) -> Callable[[], Any]:
    """A step of Adam; `wrap` is jit or nothing."""
    import optim

    optimizer = optim.Adam(model.parameters(), lr=workloads.RATE)

    def train(x: Any, y: Any) -> Any:
        loss = loss_of(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    train = wrap(train)
    x, y = ag.Tensor(inputs), ag.Tensor(targets)
    return lambda: train(x, y)


def mlp_small(wrap: Callable[[Any], Any] = lambda f: f) -> Callable[[], Any]:
    import nn

    x, y = workloads.small_batch()
    return training(network(workloads.MLP_SMALL, "Tanh"), nn.functional.mse_loss, x, y, wrap)


def mlp_digits(wrap: Callable[[Any], Any] = lambda f: f) -> Callable[[], Any]:
    import nn

    x, y = workloads.digits_batch()
    return training(network(workloads.MLP_DIGITS, "ReLU"), nn.functional.cross_entropy, x, y, wrap)
