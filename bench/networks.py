"""Networks of the workloads in PyTorch's words, which are also ours: one definition serves `torch.nn` and `nn`.

Read in the peers' own interpreters too; `nn` is handed in. Each gives a model from what is stacked in a batch to what the loss
takes, with `starting` arrays for its parameters, in their order.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np


def mlp(nn: Any, sizes: list[int], activation: str) -> Any:
    modules: list[Any] = []
    for fan_in, fan_out in pairwise(sizes):
        modules += [nn.Linear(fan_in, fan_out), {"tanh": nn.Tanh, "relu": nn.ReLU}[activation]()]
    return nn.Sequential(*modules[:-1])


def lenet(nn: Any) -> Any:
    """LeNet on images of 28×28 with one channel: (B, 1, 28, 28) -> (B, 10)."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),  # (B, 6, 14, 14)
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),  # (B, 16, 5, 5)
        nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def lstm(nn: Any, inputs: int, hidden: int) -> Any:
    """The last step of an LSTM, and a linear layer: (B, T, inputs) -> (B, 10)."""

    class Last(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(inputs, hidden, batch_first=True)
            self.head = nn.Linear(hidden, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(x)[0][:, -1])

    return Last()


def gpt(nn: Any, width: int, heads: int) -> Any:
    """A block of GPT-2, normalised first, causal, without dropout: (B, T, width) -> (B, T, width)."""

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            b, t, _ = x.shape
            qkv = self.qkv(self.norm1(x)).reshape(b, t, 3 * heads, width // heads).swapaxes(1, 2)  # (B, 3H, T, E)
            q, k, v = qkv[:, :heads], qkv[:, heads : 2 * heads], qkv[:, 2 * heads :]
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.swapaxes(1, 2).reshape(b, t, width))
            return x + self.down(nn.functional.gelu(self.up(self.norm2(x)), approximate="tanh"))

    return Block()


SHAPES: dict[str, Any] = {
    "lenet": lambda: [(6, 1, 5, 5), (6,), (16, 6, 5, 5), (16,), (120, 400), (120,), (84, 120), (84,), (10, 84), (10,)],
    "lstm": lambda inputs, hidden: [
        (4 * hidden, inputs), (4 * hidden, hidden), (4 * hidden,), (4 * hidden,), (10, hidden), (10,)
    ],
    "gpt": lambda width, heads: [
        (width,), (width,), (width,), (width,), (3 * width, width), (3 * width,), (width, width), (width,),
        (4 * width, width), (4 * width,), (width, 4 * width), (width,),
    ],
}  # fmt: skip
"""Of the parameters, in their order."""


def starting(network: str, settings: dict[str, Any]) -> list[np.ndarray]:
    """Starting values for the parameters: uniform, by what a unit takes in; scales of a normalisation about 1."""
    rng = np.random.default_rng(1)
    arrays, bound = [], 1.0
    for shape in SHAPES[network](**settings):
        if len(shape) > 1:
            bound = np.prod(shape[1:]) ** -0.5
        scale = network == "gpt" and not arrays or network == "gpt" and len(arrays) == 2
        arrays.append((rng.uniform(-bound, bound, shape) * (0.5 if scale else 1) + scale).astype(np.float32))
    return arrays
