"""A small convolutional network learns the digits, in one compiled step: the settings were chosen by cross-validation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from nn.datasets import load_dataset
from nn.experiment import held_out

pytest.importorskip("sklearn")
EPOCHS, BATCH = 20, 32


def network(g: Any) -> nn.Sequential:
    def block(inner: int, outer: int) -> list[Any]:
        return [nn.Conv2d(inner, outer, 3, padding=1, generator=g), nn.BatchNorm2d(outer), nn.ReLU()]

    return nn.Sequential(*block(1, 16), *block(16, 16), nn.MaxPool2d(2), *block(16, 32), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Dropout(0.3), nn.Linear(128, 10, generator=g))  # fmt: skip


def accuracy(seed: int, epochs: int = EPOCHS) -> float:
    """Of the held-out fifth, after training on the rest."""
    table = load_dataset("digits")
    train, test = held_out(table)
    x, y = (table.features / 16).astype(np.float32).reshape(-1, 1, 8, 8), table.targets
    ag.manual_seed(seed)
    g = ag.Generator(seed)
    model = network(g)
    optimizer = optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.1)
    steps = len(train) // BATCH
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * steps)

    @ag.jit
    def step(u: Any, v: Any) -> Any:
        loss = nn.functional.cross_entropy(model(u), v)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(epochs):
        order = train[g.permutation(len(train))]
        for k in range(steps):
            i = order[k * BATCH : (k + 1) * BATCH]
            step(ag.from_numpy(x[i]), ag.from_numpy(y[i]))
            schedule.step()
    model.eval()
    with ag.no_grad():
        found = model(ag.Tensor(x[test])).numpy().argmax(1)
    return float((found == y[test]).mean())


def test_learns_the_digits() -> None:
    """A few epochs of one seed."""
    assert accuracy(0, 5) >= 0.96


def test_median_over_five_seeds() -> None:
    """Each seed draws other weights, dropout and order; the split stays."""
    assert np.median([accuracy(seed) for seed in range(5)]) >= 0.985
