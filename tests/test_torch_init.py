"""Initialisers beside PyTorch's: the same distribution, bounds and fans. Runs where PyTorch is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import autograd as ag
from nn import init

torch = pytest.importorskip("torch")

SHAPES = [(60, 90), (40, 20, 5), (20, 10, 3, 3)]
RULES: list[tuple[str, dict[str, Any]]] = [
    ("uniform_", {}), ("normal_", {"mean": 1.0, "std": 0.5}), ("trunc_normal_", {"std": 0.7, "a": -1.0, "b": 0.5}),
    ("xavier_uniform_", {"gain": 1.3}), ("xavier_normal_", {}), ("kaiming_uniform_", {"a": 0.3}),
    ("kaiming_uniform_", {"nonlinearity": "relu", "mode": "fan_out"}), ("kaiming_normal_", {"nonlinearity": "tanh"}),
    ("orthogonal_", {"gain": 0.7}), ("sparse_", {"sparsity": 0.25, "std": 0.3}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings"), RULES, ids=[f"{name}{k}" for k, (name, _) in enumerate(RULES)])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rule(name: str, settings: dict[str, Any], shape: tuple[int, ...]) -> None:
    if name == "sparse_" and len(shape) > 2:
        return
    torch.manual_seed(0)
    ours, theirs = ag.Tensor(np.zeros(shape)), torch.zeros(shape, dtype=torch.float64)
    getattr(init, name)(ours, **settings, generator=ag.Generator(0))
    getattr(torch.nn.init, name)(theirs, **settings)
    a, b = ours.data.ravel(), theirs.numpy().ravel()
    assert stats.ks_2samp(a, b).pvalue > 0.01
    assert (a == 0).sum() == (b == 0).sum()
    if "uniform" in name:
        np.testing.assert_allclose([a.min(), a.max()], [b.min(), b.max()], rtol=0.02, atol=0.002)


@pytest.mark.parametrize("name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gain(name: str) -> None:
    assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name), 1e-15)


def test_identities() -> None:
    for shape, groups in [((4, 2, 3), 2), ((3, 5, 3, 3), 1)]:
        ours, theirs = ag.Tensor(np.zeros(shape)), torch.zeros(shape)
        np.testing.assert_array_equal(init.dirac_(ours, groups).data, torch.nn.init.dirac_(theirs, groups).numpy())
