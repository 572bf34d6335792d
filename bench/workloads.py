"""The work that every engine does, as data: the same arrays and the same starting weights for all. NumPy
only; this file is read in the peers' own interpreters too."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

CHAIN_OPS = 100
MLP_SMALL = (2, 16, 16, 1)
MLP_DIGITS = (784, 128, 64, 10)
RATE = 1e-3


@dataclass(frozen=True)
class Workload:
    """`build` names the function in each engine's file; `units` is what one step is divided by for the
    table."""

    name: str
    build: str
    what: str
    settings: dict[str, Any] = field(default_factory=dict)
    units: int = 1
    checked_steps: int = 1
    tolerance: float = 1e-4
    targets: dict[str, float] = field(
        default_factory=dict
    )  # peer -> our time as a share of the peer's, at most


def workloads() -> list[Workload]:
    per_op = f"{CHAIN_OPS} ops, mul and tanh in turn, float32, forward + backward, per op; elements: "
    chains = [
        Workload(
            f"chain-{size}",
            "chain",
            per_op + f"{size:,}",
            settings={"size": size},
            units=CHAIN_OPS,
            targets={"torch": 0.8} if size <= 100 else {},
        )
        for size in (1, 100, 10_000)
    ]
    return [
        *chains,
        Workload(
            "value",
            "value",
            "micrograd's demo: MLP 2-16-16-1 of scalars, 100 points, forward + backward",
            tolerance=1e-9,
            targets={"micrograd": 0.25},
        ),
        Workload(
            "mlp_small",
            "mlp_small",
            "MLP 2-16-16-1, tanh, batch 100, float32, a step with Adam",
            checked_steps=6,
        ),
        Workload(
            "mlp_digits",
            "mlp_digits",
            "MLP 784-128-64-10, relu, batch 64, float32, a step with Adam",
            checked_steps=6,
        ),
    ]


def chain_data(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Start x and factor w, float32, (size,) each."""
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, size).astype(np.float32), rng.uniform(0.9, 1.1, size).astype(np.float32)


def layers(sizes: tuple[int, ...], dtype: Any = np.float32) -> list[np.ndarray]:
    """Weights (out, in) and biases (out,), in turn, drawn as `torch.nn.Linear` draws them."""
    rng = np.random.default_rng(1)
    arrays = []
    for fan_in, fan_out in pairwise(sizes):
        bound = fan_in**-0.5
        arrays.append(rng.uniform(-bound, bound, (fan_out, fan_in)).astype(dtype))
        arrays.append(rng.uniform(-bound, bound, fan_out).astype(dtype))
    return arrays


def moons(points: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaving half circles with some noise: x (points, 2) and labels −1 or 1 (points,)."""
    rng = np.random.default_rng(2)
    angle = np.linspace(0, np.pi, points // 2)
    outer = np.stack([np.cos(angle), np.sin(angle)], 1)
    inner = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], 1)
    x = np.concatenate([outer, inner]) + rng.normal(0, 0.1, (2 * len(angle), 2))
    return x, np.repeat([-1.0, 1.0], len(angle))


def small_batch() -> tuple[np.ndarray, np.ndarray]:
    """x (100, 2) and targets (100, 1), float32."""
    x, y = moons(100)
    return x.astype(np.float32), y.astype(np.float32)[:, None]


def digits_batch() -> tuple[np.ndarray, np.ndarray]:
    """x (64, 784) float32 in [0, 1] and classes (64,) int64; random, since only the time is looked at."""
    rng = np.random.default_rng(3)
    return rng.uniform(0, 1, (64, 784)).astype(np.float32), rng.integers(0, 10, 64)


class Adam:
    """The update by hand, in place, for engines that ship no optimizer (Kingma and Ba 2015, PyTorch's ε)."""

    def __init__(self, arrays: list[np.ndarray], rate: float = RATE) -> None:
        self.arrays, self.rate, self.count = arrays, rate, 0
        self.m = [np.zeros_like(a) for a in arrays]
        self.v = [np.zeros_like(a) for a in arrays]

    def step(self, gradients: list[np.ndarray]) -> None:
        self.count += 1
        step, root = self.rate / (1 - 0.9**self.count), (1 - 0.999**self.count) ** 0.5
        for p, g, m, v in zip(self.arrays, gradients, self.m, self.v, strict=True):
            g = g.astype(p.dtype, copy=False)
            m *= 0.9
            m += 0.1 * g
            v *= 0.999
            v += 0.001 * (g * g)
            p -= step * m / (np.sqrt(v) / root + 1e-8)
