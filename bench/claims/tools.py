"""What the experiments share: small sets of real data, a training run, rates chosen on seeds of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

import autograd as ag
import nn

__all__ = ["Arrays", "Trained", "digits", "few_digits", "mlp", "train", "tuned"]

Array = np.ndarray[Any, Any]
TUNING_SEEDS = (1001, 1002, 1003)
"""Seeds on which rates are chosen; claims are tried on seeds from 0."""


@dataclass(frozen=True)
class Arrays:
    """Inputs and class indices, to learn from and held out."""

    x: Array
    y: Array
    x_held: Array
    y_held: Array


@lru_cache(maxsize=64)
def digits(seed: int, samples: int = 1000, noise: float = 0.0) -> Arrays:
    """Scans of digits, scaled to mean 0 and deviation 1 over all pixels: `samples` of them, of which a share `noise` has a
    label drawn anew, and the others, with true labels, held out."""
    table = nn.datasets.load_dataset("digits")
    x = ((table.features - table.features.mean()) / table.features.std()).astype(np.float32)
    random = np.random.default_rng(seed)
    order = random.permutation(len(x))
    here, held = order[:samples], order[samples:]
    y = table.targets[here].copy()
    wrong = random.random(samples) < noise
    y[wrong] = random.integers(0, 10, int(wrong.sum()))
    return Arrays(x[here], y, x[held], table.targets[held])


def few_digits(seed: int) -> Arrays:
    """Data to overfit: 200 scans, a fifth of them with a label drawn anew."""
    return digits(seed, 200, 0.2)


def mlp(seed: int, hidden: Sequence[int] = (64,), activation: str = "relu") -> nn.Module:
    """A network for the digits, the same for the same seed."""
    return nn.MLP(64, hidden, 10, activation, generator=ag.Generator(seed))


@dataclass(frozen=True)
class Trained:
    """A trained model and how it went: mean losses by epoch; loss and error (share of wrong answers) on what was held out."""

    model: nn.Module
    losses: list[float]
    held_losses: list[float]
    held_loss: float
    held_error: float


def train(model: nn.Module, optimizer: Any, data: Arrays, epochs: int, batch: int = 50, seed: int = 0,
          loss: Any = None, watch: bool = False, callbacks: Sequence[Any] = (), schedule: Any = None) -> Trained:  # fmt: skip
    """Train by cross-entropy; with `watch`, the held-out loss is taken after each epoch."""
    ag.manual_seed(seed)  # for dropout
    loss = nn.CrossEntropyLoss() if loss is None else loss
    batches = nn.DataLoader((data.x, data.y), batch_size=batch, shuffle=True, seed=seed, drop_last=len(data.x) % batch > 0)
    held = nn.DataLoader((data.x_held, data.y_held), batch_size=len(data.x_held))
    step = [] if schedule is None else [lambda trainer, row: schedule.step()]
    check = held if watch else None
    history = nn.fit(model, loss, optimizer, batches, check, epochs, callbacks=[*callbacks, *step], progress=False,
                     jit=None if isinstance(loss, nn.Module) else True)  # fmt: skip
    measured = nn.evaluate(model, nn.CrossEntropyLoss(), held, {"accuracy": nn.metrics.accuracy})
    return Trained(
        model,
        [row["loss"] for row in history.rows],
        [row["val_loss"] for row in history.rows if watch],
        _finite(measured["loss"]),
        1 - measured["accuracy"],
    )


def _finite(figure: float) -> float:
    return figure if np.isfinite(figure) else 1e9  # what diverged is worse than what did not


def tuned(figure: Callable[[float, int], float], low: float, high: float) -> float:
    """The rate for which the mean of a figure over the tuning seeds is the lowest, on a grid of three or so to a power of ten
    from low to high, which is widened as long as the best is at an end."""
    found: dict[int, float] = {}

    def mean(k: int) -> float:
        if k not in found:
            found[k] = sum(min(_finite(figure(_rate(k), seed)), 1e9) for seed in TUNING_SEEDS)
        return found[k]

    first, last = _place(low), _place(high)
    while True:
        best = min(range(first, last + 1), key=mean)
        if first < best < last or last - first > 20:
            return _rate(best)
        first, last = min(first, best - 1), max(last, best + 1)


def _rate(k: int) -> float:
    """…, 0.01, 0.03, 0.1, 0.3, 1, 3, …"""
    return float((1, 3)[k % 2] * 10.0 ** (k // 2))


def _place(rate: float) -> int:
    return round(2 * float(np.log10(rate)))
