"""PyTorch, eager, with its default settings: what most people run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networks
import torch
import workloads

Pair = tuple[Callable[..., float], Callable[[], list[Any]]]
Wrap = Callable[[Any], Any]
LOSSES = {"mse": torch.nn.functional.mse_loss, "cross_entropy": torch.nn.functional.cross_entropy}
SETTINGS = "eager, default settings"


def version() -> str:
    return str(torch.__version__)


def set_threads(count: int) -> None:
    torch.set_num_threads(count)


def plain(function: Any) -> Any:
    return function


def gradients(function: Any, count: int, more: list[Any], wrap: Wrap = plain) -> Pair:
    """Forward and backward of function(*leaves, *rest of the batch); `count` arrays of the batch become leaves."""
    given = [torch.from_numpy(a).requires_grad_() for a in more]
    function = wrap(function)
    leaves: list[Any] = []

    def step(*batch: Any) -> float:
        fresh = [torch.from_numpy(a).requires_grad_() for a in batch[:count]]
        leaves[:] = [*fresh, *given]
        for leaf in given:
            leaf.grad = None
        loss = function(*leaves, *(torch.from_numpy(a) for a in batch[count:]))
        loss.backward()
        return loss.item()

    return step, lambda: [leaf.grad.numpy() for leaf in leaves]


def chain(size: int, ops: int, wrap: Wrap = plain) -> Pair:
    def forward(x: Any, w: Any) -> Any:
        for _ in range(ops // 2):
            x = torch.tanh(x * w)
        return x.sum()

    return gradients(forward, 2, [], wrap)


def gelu(elements: int, wrap: Wrap = plain) -> Pair:
    return gradients(lambda x: torch.nn.functional.gelu(x, approximate="tanh").sum(), 1, [], wrap)


def softmax_ce(rows: int, classes: int, wrap: Wrap = plain) -> Pair:
    return gradients(torch.nn.functional.cross_entropy, 1, [], wrap)


def layer_norm(rows: int, width: int, wrap: Wrap = plain) -> Pair:
    def forward(x: Any, weight: Any, bias: Any) -> Any:
        return torch.nn.functional.layer_norm(x, (width,), weight, bias).sum()

    return gradients(forward, 1, workloads.start("layer_norm", {"width": width}), wrap)


def scalar(ops: int) -> Pair:
    return gradients(lambda *values: workloads.recurrence(values, torch.tanh, ops), 5, [])


def loaded(model: Any, arrays: list[Any]) -> Any:
    """A model with its starting values."""
    with torch.no_grad():
        for p, array in zip(model.parameters(), arrays, strict=True):
            p.copy_(torch.from_numpy(array))
    return model


def trained(model: Any, loss_of: Any, **adam: Any) -> Pair:
    """Steps of training with Adam."""
    optimizer = torch.optim.Adam(model.parameters(), lr=workloads.RATE, **adam)

    def step(x: Any, y: Any) -> float:
        loss = loss_of(model(torch.from_numpy(x)), torch.from_numpy(y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step, lambda: [p.detach().numpy() for p in model.parameters()]


def mlp(sizes: list[int], batch: int, activation: str, loss: str, **adam: Any) -> Pair:
    model = loaded(networks.mlp(torch.nn, sizes, activation), workloads.layers(tuple(sizes)))
    return trained(model, LOSSES[loss], **adam)


def network(network: str, options: dict[str, int], batch: list[int], loss: str, **adam: Any) -> Pair:
    model = loaded(getattr(networks, network)(torch.nn, **options), networks.starting(network, options))
    return trained(model, LOSSES[loss], **adam)


def adam(size: int, **settings: Any) -> Pair:
    parameters = [torch.from_numpy(a).requires_grad_() for a in workloads.start("adam", {"size": size})]
    optimizer = torch.optim.Adam(parameters, lr=workloads.RATE, **settings)

    def step(batch: Any) -> float:
        for p, g in zip(parameters, batch, strict=True):
            p.grad = torch.from_numpy(g)
        optimizer.step()
        return parameters[0][0].item()

    return step, lambda: [p.detach().numpy() for p in parameters]
