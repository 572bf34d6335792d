"""This library, eager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networks
import valuenet
import workloads

import autograd as ag
import nn
import optim

Pair = tuple[Callable[..., float], Callable[[], list[Any]]]
Wrap = Callable[[Any], Any]


def version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("wengert")
    except PackageNotFoundError:
        return "checkout"


def plain(function: Any) -> Any:
    """Eager; the other wrap is jit."""
    return function


def gradients(function: Any, count: int, more: list[Any], wrap: Wrap = plain) -> Pair:
    """Forward and backward of function(*leaves, *rest of the batch); `count` arrays of the batch become leaves."""
    given = [ag.Tensor(a, requires_grad=True) for a in more]
    found: list[Any] = []

    def run(*batch: Any) -> Any:
        for leaf in given:
            leaf.grad = None
        fresh = [a.detach().requires_grad_() for a in batch[:count]]
        leaves = [*fresh, *given]
        loss = function(*leaves, *batch[count:])
        loss.backward()
        return loss, [leaf.grad for leaf in leaves]

    run = wrap(run)

    def step(*batch: Any) -> float:
        loss, found[:] = run(*map(ag.from_numpy, batch))
        return loss.item()  # type: ignore[no-any-return]

    return step, lambda: [g.numpy() for g in found]


def chain(size: int, ops: int, wrap: Wrap = plain) -> Pair:
    def forward(x: Any, w: Any) -> Any:
        for _ in range(ops // 2):
            x = ag.tanh(x * w)
        return x.sum()

    return gradients(forward, 2, [], wrap)


def gelu(elements: int, wrap: Wrap = plain) -> Pair:
    def forward(x: Any) -> Any:
        return nn.functional.gelu(x, approximate="tanh").sum()

    return gradients(forward, 1, [], wrap)


def softmax_ce(rows: int, classes: int, wrap: Wrap = plain) -> Pair:
    return gradients(nn.functional.cross_entropy, 1, [], wrap)


def layer_norm(rows: int, width: int, wrap: Wrap = plain) -> Pair:
    def forward(x: Any, weight: Any, bias: Any) -> Any:
        return nn.functional.layer_norm(x, (width,), weight, bias).sum()

    return gradients(forward, 1, workloads.start("layer_norm", {"width": width}), wrap)


def scalar(ops: int, wrap: Wrap = plain) -> Pair:
    def forward(*values: Any) -> Any:
        return workloads.recurrence(values, ag.tanh, ops)

    return gradients(forward, 5, [], wrap)


def value() -> Pair:
    return valuenet.demo(ag.Value)


def trained(model: Any, arrays: list[Any], loss: str, wrap: Wrap) -> Pair:
    """Steps of training with Adam, from these values on."""
    with ag.no_grad():
        for p, array in zip(model.parameters(), arrays, strict=True):
            p.copy_(array)
    loss_of = {"mse": nn.functional.mse_loss, "cross_entropy": nn.functional.cross_entropy}[loss]
    optimizer = optim.Adam(model.parameters(), lr=workloads.RATE)

    def train(x: Any, y: Any) -> Any:
        loss = loss_of(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    train = wrap(train)
    return (
        lambda x, y: train(ag.from_numpy(x), ag.from_numpy(y)).item(),
        lambda: [p.numpy() for p in model.parameters()],
    )


def mlp(sizes: list[int], batch: int, activation: str, loss: str, wrap: Wrap = plain) -> Pair:
    return trained(networks.mlp(nn, sizes, activation), workloads.layers(tuple(sizes)), loss, wrap)


def network(network: str, options: dict[str, int], batch: list[int], loss: str, wrap: Wrap = plain) -> Pair:
    model = getattr(networks, network)(nn, **options)
    return trained(model, networks.starting(network, options), loss, wrap)


def adam(size: int) -> Pair:
    parameters = [ag.Tensor(a, requires_grad=True) for a in workloads.start("adam", {"size": size})]
    optimizer = optim.Adam(parameters, lr=workloads.RATE)

    def step(batch: Any) -> float:
        for p, g in zip(parameters, batch, strict=True):
            p.grad = ag.from_numpy(g)
        optimizer.step()
        return parameters[0][0].item()

    return step, lambda: [p.numpy() for p in parameters]
