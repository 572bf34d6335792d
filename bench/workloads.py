"""The work that every engine does, as data: the same arrays and the same starting weights for all. NumPy only;
this file is read in the peers' own interpreters too.

An engine's function for a kind of work gives a pair: `step(*batch)`, which does it once and returns the loss as a
Python float, and `state()`, the arrays that are compared (parameters after training steps, else gradients).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

BATCHES = 8  # that the steps go through in turn
RATE = 1e-3
ADAM_TENSORS = 10
Batch = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Workload:
    """`build` names the function in each engine's file and the one here that makes the batches."""

    name: str
    build: str
    what: str
    settings: dict[str, Any] = field(default_factory=dict)
    units: int = 1  # what the time of a step is divided by for the table
    checked_steps: int = 1
    tolerance: float = 1e-4
    flops: float = 0  # of a step: products 2·m·k·n, other ops 1 an element; 0: not counted
    bytes: float = 0  # that a step must at least move: every array that it needs read once, every result written once


def mlp(name: str, sizes: tuple[int, ...], batch: int, activation: str, loss: str) -> Workload:
    """A step of training with Adam. Three products a layer (output, weight, input), but two in the first; Adam reads and
    writes the parameters and both moments."""
    products = sum((2 if layer == 0 else 3) * a * b for layer, (a, b) in enumerate(pairwise(sizes)))
    weights = sum((a + 1) * b for a, b in pairwise(sizes))
    return Workload(
        name,
        "mlp",
        f"MLP {'-'.join(map(str, sizes))}, {activation}, {loss}, batch {batch}, float32, a step with Adam",
        {"sizes": list(sizes), "batch": batch, "activation": activation, "loss": loss},
        checked_steps=20,
        tolerance=1e-1,
        flops=2 * batch * products + 12 * weights,
        bytes=4 * (6 * weights + batch * sizes[0]),
    )


def chain(size: int, ops: int) -> Workload:
    """`ops` small ops on arrays of `size` elements."""
    return Workload(
        f"chain-{size}" if ops == 100 else f"chain-{size}-{ops}",
        "chain",
        f"{ops:,} ops, mul and tanh in turn, float32, forward + backward, per op; elements: {size:,}",
        {"size": size, "ops": ops},
        units=ops,
        flops=5 * ops * size,
    )


def network(name: str, options: dict[str, int], batch: list[int], loss: str, what: str, flops: float) -> Workload:
    """A step of training of one of `bench.networks`, with Adam."""
    settings = {"network": name, "options": options, "batch": batch, "loss": loss}
    what = f"{what}, batch {batch[0]}, {loss}, float32, a step with Adam"
    return Workload(name, "network", what, settings, checked_steps=20, tolerance=1e-1, flops=flops)


def workloads() -> list[Workload]:
    elements, rows, classes, tokens, width, ops, adam = 1_000_000, 4096, 1000, 2048, 768, 10_000, 10_000_000
    return [
        mlp("mlp_small", (2, 16, 16, 1), 100, "tanh", "mse"),
        mlp("mlp_digits", (784, 128, 64, 10), 64, "relu", "cross_entropy"),
        mlp("mlp_large", (784, 1024, 1024, 10), 256, "relu", "cross_entropy"),
        network("lenet", {}, [64, 1, 28, 28], "cross_entropy", "LeNet (6@5×5, 16@5×5, 400-120-84-10) on 28×28", 130e6),
        network(
            "lstm", {"inputs": 32, "hidden": 64}, [32, 32, 32], "cross_entropy", "LSTM 32→64, 32 steps, the last → 10", 150e6
        ),
        network(
            "gpt", {"width": 64, "heads": 4}, [16, 64, 64], "mse", "block of GPT, width 64, 4 heads, 64 tokens", 350e6
        ),
        Workload(
            "gelu", "gelu", f"sum of tanh-GELU of {elements:,} elements, float32, forward + backward",
            {"elements": elements}, tolerance=1e-3, flops=20 * elements, bytes=8 * elements,
        ),
        Workload(
            "softmax_ce", "softmax_ce", f"softmax cross-entropy {rows}×{classes}, float32, forward + backward",
            {"rows": rows, "classes": classes}, flops=6 * rows * classes, bytes=8 * rows * classes,
        ),
        Workload(
            "layer_norm", "layer_norm", f"sum of layer norm {tokens}×{width} with weight and bias, forward + backward",
            {"rows": tokens, "width": width}, tolerance=1e-3, flops=16 * tokens * width, bytes=8 * tokens * width,
        ),
        *(chain(size, 100) for size in (1, 100, 10_000)),
        Workload(
            "scalar", "scalar", f"a scalar program of {ops:,} ops (mul, add, tanh), forward + backward, per op",
            {"ops": ops}, units=ops, tolerance=2e-3,
        ),
        Workload(
            "value", "value", "micrograd's demo: MLP 2-16-16-1 of scalars, 100 points, forward + backward", tolerance=1e-9
        ),
        Workload(
            "adam", "adam", f"one step of Adam over {adam:,} parameters in {ADAM_TENSORS} tensors, float32",
            {"size": adam}, checked_steps=5, tolerance=1e-3, flops=12 * adam, bytes=28 * adam,
        ),
    ]  # fmt: skip


def aligned(array: np.ndarray) -> np.ndarray:
    """A copy that starts at a multiple of 64 bytes: no engine has to copy it for its alignment."""
    room = np.empty(array.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def batches(build: str, settings: dict[str, Any]) -> list[Batch]:
    """What the steps get in turn: fresh arrays for each."""
    rng = np.random.default_rng(3)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, np.float32)

    made: list[Batch] = []
    large = build == "adam" or settings.get("size", 0) > 1_000_000
    for number in range(2 if large else BATCHES):
        match build:
            case "mlp" if settings["loss"] == "mse":
                x, y = moons(settings["batch"], number)
                made.append((x.astype(np.float32), y.astype(np.float32)[:, None]))
            case "mlp":
                x = rng.random((settings["batch"], settings["sizes"][0]), np.float32)
                made.append((x, rng.integers(0, settings["sizes"][-1], settings["batch"])))
            case "network" if settings["loss"] == "mse":
                made.append((normal(*settings["batch"]), normal(*settings["batch"])))
            case "network":
                made.append((normal(*settings["batch"]), rng.integers(0, 10, settings["batch"][0])))
            case "gelu":
                made.append((normal(settings["elements"]),))
            case "softmax_ce":
                rows, classes = settings["rows"], settings["classes"]
                made.append((normal(rows, classes), rng.integers(0, classes, rows)))
            case "layer_norm":
                made.append((normal(settings["rows"], settings["width"]),))
            case "chain":
                x = rng.uniform(-1, 1, settings["size"]).astype(np.float32)
                made.append((x, rng.uniform(0.9, 1.1, settings["size"]).astype(np.float32)))
            case "scalar":
                made.append(tuple(np.asarray(v) for v in rng.uniform((0.8, 0.2, 0.7, -1, -1), (0.9, 0.3, 0.8, 1, 1))))
            case "value":
                made.append(moons(100, number))
            case "adam":
                made.append((rng.standard_normal((ADAM_TENSORS, settings["size"] // ADAM_TENSORS), np.float32),))
            case _:
                raise ValueError(f"no such work: {build}")
    return [tuple(aligned(a) for a in batch) for batch in made]


def start(build: str, settings: dict[str, Any]) -> list[np.ndarray]:
    """The parameters that a piece of work starts with; none where it has none."""
    rng = np.random.default_rng(4)
    if build == "mlp":
        return layers(tuple(settings["sizes"]))
    if build == "layer_norm":
        width = settings["width"]
        return [aligned(rng.uniform(0.5, 1.5, width).astype(np.float32)), np.zeros(width, np.float32)]
    if build == "adam":
        return [aligned(rng.standard_normal(settings["size"] // ADAM_TENSORS, np.float32)) for _ in range(ADAM_TENSORS)]
    return []


def layers(sizes: tuple[int, ...], dtype: Any = np.float32) -> list[np.ndarray]:
    """Weights (out, in) and biases (out,), in turn, drawn as `torch.nn.Linear` draws them."""
    rng = np.random.default_rng(1)
    arrays = []
    for fan_in, fan_out in pairwise(sizes):
        bound = fan_in**-0.5
        arrays.append(rng.uniform(-bound, bound, (fan_out, fan_in)).astype(dtype))
        arrays.append(rng.uniform(-bound, bound, fan_out).astype(dtype))
    return arrays


def moons(points: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaving half circles with some noise: x (points, 2) and labels −1 or 1 (points,)."""
    rng = np.random.default_rng(100 + seed)
    angle = np.linspace(0, np.pi, points // 2)
    outer = np.stack([np.cos(angle), np.sin(angle)], 1)
    inner = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], 1)
    x = np.concatenate([outer, inner]) + rng.normal(0, 0.1, (2 * len(angle), 2))
    return x, np.repeat([-1.0, 1.0], len(angle))


def recurrence(values: Any, tanh: Any, ops: int) -> Any:
    """The scalar program, for any kind of number: two coupled units, eight ops a round."""
    a, b, c, x, y = values
    for _ in range(ops // 8):
        x = tanh(a * x + b * y)
        y = tanh(c * y + b * x)
    return x + y


class Adam:
    """The update by hand, in place and without new arrays, for engines that ship no optimizer (Kingma and Ba 2015,
    PyTorch's ε)."""

    def __init__(self, arrays: list[np.ndarray], rate: float = RATE) -> None:
        self.arrays, self.rate, self.count = arrays, rate, 0
        self.m = [np.zeros_like(a) for a in arrays]
        self.v = [np.zeros_like(a) for a in arrays]
        self.room = [np.empty_like(a) for a in arrays]

    def step(self, gradients: Any) -> None:
        self.count += 1
        root = (1 - 0.999**self.count) ** 0.5
        step = self.rate * root / (1 - 0.9**self.count)
        for p, g, m, v, r in zip(self.arrays, gradients, self.m, self.v, self.room, strict=True):
            np.multiply(g, 0.1, out=r, casting="same_kind")
            m *= 0.9
            m += r
            np.multiply(g, g, out=r, casting="same_kind")
            r *= 0.001
            v *= 0.999
            v += r
            np.sqrt(v, out=r)
            r += 1e-8 * root
            np.divide(m, r, out=r)
            r *= step
            p -= r
