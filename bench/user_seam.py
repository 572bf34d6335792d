"""How much slower a user's own module, op and optimizer train than ours do; the numbers of both are the same.

``python -m bench.user_seam`` prints the time of a compiled step of either, taken in turns, and the ratio.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy

import autograd as ag
import nn
import optim
from autograd.rule import elementwise, np

__all__ = ["ours", "ratio", "theirs"]


@elementwise(lambda y: 1 - y * y)
def user_tanh(x: Any, /) -> Any:
    """Hyperbolic tangent, y = tanh x; dy/dx = 1 − y²: the library's own rule, written once more by a user."""
    return np.tanh(x)


class Affine(nn.Module):
    """y = x Wᵀ + b, with a start given."""

    def __init__(self, like: nn.Linear):
        assert like.bias is not None
        self.weight, self.bias = nn.Parameter(like.weight.data), nn.Parameter(like.bias.data)

    def forward(self, x: Any) -> Any:
        return x @ self.weight.T + self.bias


class Adam:
    """Adam on nothing but tensors and a cell."""

    def __init__(self, parameters: Any, lr: float):
        self.parameters, self.lr, self.t = list(parameters), ag.State(lr), ag.State(0.0)
        self.m = [ag.Tensor(numpy.zeros_like(p.data)) for p in self.parameters]
        self.v = [ag.Tensor(numpy.zeros_like(p.data)) for p in self.parameters]

    def zero_grad(self) -> None:
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        with ag.no_grad():
            self.t.value = self.t.value + 1
            t, lr = self.t.value, self.lr.value
            for p, m, v in zip(self.parameters, self.m, self.v, strict=True):
                m.copy_(0.9 * m + 0.1 * p.grad)
                v.copy_(0.999 * v + 0.001 * p.grad * p.grad)
                p.copy_(p - lr / (1 - 0.9**t) * m / (ag.sqrt(v / (1 - 0.999**t)) + 1e-8))


def compiled(model: Any, optimizer: Any) -> Callable[[Any, Any], Any]:
    @ag.jit
    def step(x: Any, y: Any) -> Any:
        loss = ((model(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def layers(sizes: tuple[int, ...]) -> list[nn.Linear]:
    generator = ag.Generator(0)
    return [nn.Linear(a, b, generator=generator) for a, b in pairwise(sizes)]


def ours(sizes: tuple[int, ...]) -> Callable[[Any, Any], Any]:
    """A step of the library's layers, tanh and Adam."""
    first, *rest = layers(sizes)
    model = nn.Sequential(first, *(m for layer in rest for m in (nn.Tanh(), layer)))
    return compiled(model, optim.Adam(model.parameters(), lr=1e-3))


def theirs(sizes: tuple[int, ...]) -> Callable[[Any, Any], Any]:
    """The same of a user's."""
    parts = [Affine(layer) for layer in layers(sizes)]

    def model(x: Any) -> Any:
        for part in parts[:-1]:
            x = user_tanh(part(x))
        return parts[-1](x)

    return compiled(model, Adam([p for part in parts for p in part.parameters()], 1e-3))


def ratio(sizes: tuple[int, ...], batch: int, rounds: int = 15) -> tuple[float, float, float]:
    """Seconds of a step of ours and of a user's (medians of rounds taken in turns), and the median of their ratios."""
    draw = numpy.random.default_rng(0)
    x = draw.normal(size=(batch, sizes[0])).astype(numpy.float32)
    y = draw.normal(size=(batch, sizes[-1])).astype(numpy.float32)
    steps = ours(sizes), theirs(sizes)
    a, b = ([step(x, y).item() for _ in range(20)] for step in steps)
    numpy.testing.assert_allclose(a, b, rtol=1e-3)
    began = time.perf_counter()
    for _ in range(20):
        steps[0](x, y)
    calls = max(5, int(20 * 0.05 / (time.perf_counter() - began)))
    taken: list[list[float]] = []
    for _ in range(rounds):
        row = []
        for step in steps:
            began = time.perf_counter()
            for _ in range(calls):
                step(x, y)
            row.append((time.perf_counter() - began) / calls)
        taken.append(row)
    mine, users = (statistics.median(row[k] for row in taken) for k in (0, 1))
    return mine, users, statistics.median(row[1] / row[0] for row in taken)


def main() -> None:
    for sizes, batch in (((2, 16, 16, 1), 100), ((784, 128, 64, 10), 64)):
        mine, users, slower = ratio(sizes, batch)
        times = f"ours {mine * 1e6:.1f} µs, a user's {users * 1e6:.1f} µs, × {slower:.2f}"
        print(f"{'-'.join(map(str, sizes))}, batch {batch}: {times}")


if __name__ == "__main__":
    main()
