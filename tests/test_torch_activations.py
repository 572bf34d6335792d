"""Every activation that PyTorch has too: its numbers, in float64, on random shapes. Runs where PyTorch is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import parity
import pytest

import nn
import nn.functional as F

torch = pytest.importorskip("torch")

ROWS: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
    ("sigmoid", {}, None), ("tanh", {}, None), ("relu", {}, None), ("leaky_relu", {"negative_slope": 0.2}, None),
    ("silu", {}, None), ("gelu", {}, None), ("gelu", {"approximate": "tanh"}, None), ("elu", {"alpha": 0.7}, None),
    ("selu", {}, None), ("celu", {"alpha": 0.5}, None), ("softplus", {"beta": 3.0, "threshold": 5.0}, None), ("mish", {}, None),
    ("hardswish", {}, None), ("hardsigmoid", {}, None), ("hardtanh", {"min_val": -0.5, "max_val": 2.0}, None),
    ("relu6", {}, None), ("softsign", {}, None), ("logsigmoid", {}, None), ("tanhshrink", {}, None),
    ("softshrink", {"lambd": 0.4}, None), ("hardshrink", {"lambd": 0.4}, None),
    ("threshold", {"threshold": 0.3, "value": -2.0}, None), ("softmax", {"axis": 0}, {"dim": 0}),
    ("log_softmax", {"axis": -1}, {"dim": -1}), ("softmin", {"axis": -1}, {"dim": -1}), ("glu", {"axis": 0}, {"dim": 0}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "ours", "theirs"), ROWS, ids=[f"{row[0]}{k}" for k, row in enumerate(ROWS)])
@pytest.mark.parametrize("seed", range(4))
def test_function(name: str, ours: dict[str, Any], theirs: dict[str, Any] | None, seed: int) -> None:
    random = np.random.default_rng(seed)
    shape = (2 * int(random.integers(0 if seed else 1, 4)), *random.integers(1, 5, size=seed))
    x = random.normal(0, 10.0**seed / 3, shape)
    if theirs is None and seed == 1:
        x = x.reshape(-1)[0:1].reshape(()) if x.size else np.float64(0.3) * np.ones(())
    theirs = ours if theirs is None else theirs
    tolerance = 1e-7 if name == "hardsigmoid" else 1e-10  # PyTorch's sixth is a float32
    parity.against_torch(
        lambda t: getattr(F, name)(t, **ours), lambda t: getattr(torch.nn.functional, name)(t, **theirs), x, tolerance=tolerance
    )


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 3, 5), (0, 3, 2)])
@pytest.mark.parametrize("parameters", [1, 3])
def test_prelu(shape: tuple[int, ...], parameters: int) -> None:
    if len(shape) == 1 and parameters > 1:
        return
    x = np.random.default_rng(0).normal(size=shape)
    parity.against_torch(nn.PReLU(parameters, dtype=np.float64), torch.nn.PReLU(parameters), x)
