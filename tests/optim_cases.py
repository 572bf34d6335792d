"""A small network, trained twenty steps under every optimizer and setting that PyTorch has too.

``optim_torch.json`` beside this file holds what PyTorch 2.13.0 gives, so the comparison needs no PyTorch.
To make it anew, where PyTorch is installed: ``python tests/optim_cases.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("optim_torch.json")
STORED: dict[str, list[float]] = json.loads(FILE.read_text()) if FILE.exists() else {}

CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "maximize": True}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.2, "weight_decay": 0.1}),
    ("Adagrad", {"maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"alpha": 0.9, "momentum": 0.8, "weight_decay": 0.1}),
    ("RMSprop", {"alpha": 0.9, "centered": True}),
    ("RMSprop", {"alpha": 0.9, "centered": True, "momentum": 0.5, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.6), "weight_decay": 0.1, "eps": 1e-3}),
    ("Adam", {"lr": 0.1, "amsgrad": True}),
    ("Adam", {"lr": 0.1, "maximize": True, "decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.1, "betas": (0.5, 0.6), "weight_decay": 0.1, "eps": 1e-3, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.1, "betas": (0.5, 0.6), "weight_decay": 0.1, "momentum_decay": 0.1, "eps": 1e-3}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.1, "betas": (0.5, 0.8), "weight_decay": 0.1, "eps": 1e-3}),
    ("RAdam", {"lr": 0.1, "betas": (0.5, 0.8), "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (1e-3, 0.2)}),
    ("Rprop", {"maximize": True}),
]
IDS = [" ".join([name, *(f"{k}={v}" for k, v in settings.items())]) for name, settings in CASES]


def start() -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    weights = [random.normal(size=shape) for shape in [(3, 5), (5,), (5, 2), (2,)]]
    return weights, random.normal(size=(8, 3)), random.normal(size=(8, 2))


def loss_of(tanh: Any, ws: list[Any], x: Any, y: Any) -> Any:
    hidden = tanh(x @ ws[0] + ws[1])  # (8, 5)
    return ((hidden @ ws[2] + ws[3] - y) ** 2).mean()


def trace(optimizer: Any, parameters: list[Any], tanh: Any, data: Callable[[np.ndarray], Any],
          values: Callable[[Any], np.ndarray]) -> list[float]:  # fmt: skip
    """Train twenty steps; one number a step that every weight has a part in: Σ cos(k)·wₖ."""
    x, y = map(data, start()[1:])
    out = []
    for _ in range(20):
        optimizer.zero_grad()
        loss_of(tanh, parameters, x, y).backward()
        optimizer.step()
        weights = np.concatenate([values(p).ravel() for p in parameters])
        out.append(float(weights @ np.cos(np.arange(weights.size))))
    return out


def write() -> None:
    """Store PyTorch's numbers."""
    import torch

    torch.set_default_dtype(torch.float64)
    stored = {}
    for label, (name, settings) in zip(IDS, CASES, strict=True):
        parameters = [torch.tensor(w, requires_grad=True) for w in start()[0]]
        optimizer = getattr(torch.optim, name)(parameters, **settings)
        numbers = trace(optimizer, parameters, torch.tanh, torch.from_numpy, lambda p: p.detach().numpy())
        stored[label] = numbers
    FILE.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    write()
