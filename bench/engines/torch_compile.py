"""torch.compile: forward and loss as one compiled function (its backward is compiled with it), and the fused Adam."""

from __future__ import annotations

from typing import Any

import torch as library
import torch._dynamo
import torch._inductor.compile_fx  # what the first compilation would import
import workloads
from engines import torch

SETTINGS = "torch.compile of forward, loss and backward; Adam(fused=True)"
version, set_threads = torch.version, torch.set_threads


def compiled(function: Any) -> Any:
    return library.compile(function, fullgraph=True, dynamic=False)


def mlp(sizes: list[int], batch: int, activation: str, loss: str) -> torch.Pair:
    model, loss_of = torch.network(sizes, activation, loss)
    optimizer = library.optim.Adam(model.parameters(), lr=workloads.RATE, fused=True)
    forward = compiled(lambda x, y: loss_of(model(x), y))

    def step(x: Any, y: Any) -> float:
        loss = forward(library.from_numpy(x), library.from_numpy(y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step, lambda: [p.detach().numpy() for p in model.parameters()]


def chain(**settings: Any) -> torch.Pair:
    return torch.chain(**settings, wrap=compiled)


def gelu(**settings: Any) -> torch.Pair:
    return torch.gelu(**settings, wrap=compiled)


def softmax_ce(**settings: Any) -> torch.Pair:
    return torch.softmax_ce(**settings, wrap=compiled)


def layer_norm(**settings: Any) -> torch.Pair:
    return torch.layer_norm(**settings, wrap=compiled)
