"""Networks learn the digits, in compiled steps: a small convolutional one, and an LSTM over the rows. Settings were chosen by
cross-validation on the training part."""

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


class Rows(nn.Module):
    """An LSTM over the eight rows of a scan, both ways; its mean over the rows tells the digit."""

    def __init__(self) -> None:
        self.lstm = nn.LSTM(8, 64, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(128, 10)

    def forward(self, x: Any) -> Any:
        return self.head(self.drop(self.lstm(x)[0].mean(axis=1)))


def accuracy_of_rows(seed: int, epochs: int = 40) -> float:
    """Of the held-out fifth, after training on the rest."""
    table = load_dataset("digits")
    train, test = held_out(table)
    x, y = (table.features / 16).astype(np.float32).reshape(-1, 8, 8), table.targets
    ag.manual_seed(seed)
    model = Rows()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    loader = nn.DataLoader((x[train], y[train]), batch_size=64, shuffle=True, seed=seed, drop_last=True)
    loss = nn.CrossEntropyLoss(label_smoothing=0.05)
    nn.Trainer(model, loss, optimizer, scheduler=schedule, jit=True).fit(loader, epochs=epochs, progress=False)
    return nn.metrics.accuracy(nn.predict(model, x[test]), y[test])


def test_an_lstm_reads_the_rows() -> None:
    """The median over seeds 0 to 4."""
    assert np.median([accuracy_of_rows(seed) for seed in range(5)]) >= 0.97
