"""torch.compile. A training step is one compiled function of forward, gradient (torch.func) and Adam's update in place,
which took half the time of a compiled forward with `backward()` and a fused or compiled optimizer."""

from __future__ import annotations

from typing import Any

import networks
import torch as library
import torch._dynamo
import torch._inductor.compile_fx  # what the first compilation would import
import workloads
from engines import torch

SETTINGS = "training: one torch.compile of forward, torch.func gradient and Adam; else of the forward and its backward"
version, set_threads = torch.version, torch.set_threads


def compiled(function: Any) -> Any:
    return library.compile(function, fullgraph=True, dynamic=False)


def moments(arrays: list[Any]) -> tuple[Any, ...]:
    """(parameters, m, v, count) of Adam."""
    parameters = [library.from_numpy(a) for a in arrays]
    m, v = ([library.zeros_like(p) for p in parameters] for _ in range(2))
    return parameters, m, v, library.zeros(())


def update(parameters: Any, gradients: Any, m: Any, v: Any, count: Any) -> None:
    """One step of Adam, in place."""
    count.add_(1)
    root = library.sqrt(1 - 0.999**count)
    rate = workloads.RATE / (1 - 0.9**count)
    for p, g, a, b in zip(parameters, gradients, m, v, strict=True):
        a.mul_(0.9).add_(g, alpha=0.1)
        b.mul_(0.999).add_(g * g, alpha=0.001)
        p.sub_(rate * a / (library.sqrt(b) / root + 1e-8))


def stepping(forward: Any, arrays: list[Any]) -> torch.Pair:
    """Steps of training with Adam of forward(parameters, x, y) -> loss."""
    parameters, m, v, count = moments(arrays)
    both = library.func.grad_and_value(forward)

    def train(x: Any, y: Any) -> Any:
        gradients, value = both(parameters, x, y)
        update(parameters, gradients, m, v, count)
        return value

    run = compiled(train)

    def step(x: Any, y: Any) -> float:
        with library.no_grad():
            return run(library.from_numpy(x), library.from_numpy(y)).item()

    return step, lambda: [p.numpy() for p in parameters]


def mlp(sizes: list[int], batch: int, activation: str, loss: str) -> torch.Pair:
    loss_of = torch.LOSSES[loss]
    act = {"tanh": library.tanh, "relu": library.relu}[activation]

    def forward(arrays: Any, x: Any, y: Any) -> Any:
        for k in range(0, len(arrays), 2):
            x = library.nn.functional.linear(x, arrays[k], arrays[k + 1])
            if k + 2 < len(arrays):
                x = act(x)
        return loss_of(x, y)

    return stepping(forward, workloads.layers(tuple(sizes)))


def lstm(arrays: Any, x: Any, hidden: int) -> Any:
    """By hand: torch.compile takes torch.nn.LSTM as it is, and makes nothing of it."""
    w, u, b, c, head, bias = arrays
    given = library.nn.functional.linear(x.transpose(0, 1), w, b + c)
    h = s = x.new_zeros(len(x), hidden)
    for t in range(len(given)):
        i, f, g, o = library.addmm(given[t], h, u.t()).chunk(4, 1)
        s = f.sigmoid() * s + i.sigmoid() * g.tanh()
        h = o.sigmoid() * s.tanh()
    return library.nn.functional.linear(h, head, bias)


def network(network: str, options: dict[str, int], batch: list[int], loss: str) -> torch.Pair:
    loss_of = torch.LOSSES[loss]
    model = getattr(networks, network)(library.nn, **options)
    names = [name for name, _ in model.named_parameters()]

    def forward(arrays: Any, x: Any, y: Any) -> Any:
        if network == "lstm":
            return loss_of(lstm(arrays, x, options["hidden"]), y)
        return loss_of(library.func.functional_call(model, dict(zip(names, arrays, strict=True)), (x,)), y)

    return stepping(forward, networks.starting(network, options))


def adam(size: int) -> torch.Pair:
    parameters, m, v, count = moments(workloads.start("adam", {"size": size}))
    run = compiled(lambda gradients: update(parameters, gradients.unbind(), m, v, count))

    def step(batch: Any) -> float:
        with library.no_grad():
            run(library.from_numpy(batch))
        return parameters[0][0].item()

    return step, lambda: [p.numpy() for p in parameters]


def chain(**settings: Any) -> torch.Pair:
    return torch.chain(**settings, wrap=compiled)


def gelu(**settings: Any) -> torch.Pair:
    return torch.gelu(**settings, wrap=compiled)


def softmax_ce(**settings: Any) -> torch.Pair:
    return torch.softmax_ce(**settings, wrap=compiled)


def layer_norm(**settings: Any) -> torch.Pair:
    return torch.layer_norm(**settings, wrap=compiled)
