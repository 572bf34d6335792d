"""Normalisation beside PyTorch's: outputs, gradients, running values, in float64. Runs where PyTorch is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import parity
import pytest

import nn

torch = pytest.importorskip("torch")

F64 = {"dtype": np.float64}
CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], list[tuple[int, ...]]]] = [
    ("BatchNorm1d", (4,), {}, [(5, 4), (3, 4, 2)]), ("BatchNorm1d", (4,), {"momentum": None, "eps": 0.1}, [(5, 4)]),
    ("BatchNorm1d", (4,), {"affine": False, "track_running_stats": False}, [(5, 4)]),
    ("BatchNorm2d", (4,), {"momentum": 0.3}, [(2, 4, 3, 2)]), ("BatchNorm3d", (4,), {}, [(2, 4, 1, 3, 2)]),
    ("InstanceNorm1d", (4,), {}, [(3, 4, 5)]),
    ("InstanceNorm2d", (4,), {"affine": True, "track_running_stats": True, "momentum": 0.2}, [(2, 4, 3, 2)]),
    ("InstanceNorm3d", (4,), {"affine": True}, [(2, 4, 3, 2, 2)]),
    ("GroupNorm", (2, 4), {}, [(3, 4), (3, 4, 5)]), ("GroupNorm", (4, 4), {"affine": False, "eps": 0.1}, [(3, 4, 2, 2)]),
    ("LayerNorm", ((3, 2),), {"bias": False}, [(4, 3, 2)]), ("RMSNorm", (5,), {"eps": 1e-3}, [(4, 5)]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sizes", "settings", "shapes"), CASES, ids=[f"{c[0]}{k}" for k, c in enumerate(CASES)])
@pytest.mark.parametrize("training", [True, False])
def test_module(name: str, sizes: Any, settings: Any, shapes: Any, training: bool) -> None:
    random = np.random.default_rng(4)
    for shape in shapes:
        ours = getattr(nn, name)(*sizes, **settings, **F64).train(training)
        theirs = getattr(torch.nn, name)(*sizes, **settings).double().train(training)
        for tensor in [*theirs.parameters(), *theirs.buffers()]:
            if tensor.is_floating_point():
                tensor.data.copy_(torch.tensor(random.random(tuple(tensor.shape)) + 0.5))
        parity.against_torch(ours, theirs, random.normal(1, 2, shape))
