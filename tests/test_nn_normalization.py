"""Normalisation: derivatives, both modes, running values, layouts, bad arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import parity
import pytest

import autograd as ag
import nn
import nn.functional as F
import optim
from autograd.errors import AutogradError

RANDOM = np.random.default_rng(2)
X2, X3, X4 = (RANDOM.normal(1, 2, shape) for shape in [(5, 4), (3, 4, 5), (2, 4, 3, 2)])
W, B = RANDOM.normal(size=4), RANDOM.normal(size=4)
F64 = {"dtype": np.float64}

FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "batch_norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), (X3, W, B)),
    "batch_norm of a table": (lambda x: F.batch_norm(x, training=True), (X2,)),
    "batch_norm, evaluation": (lambda x, w: F.batch_norm(x, B, np.abs(W), w), (X4, W)),
    "instance_norm": (lambda x, w, b: F.instance_norm(x, weight=w, bias=b), (X4, W, B)),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), (X4, W, B)),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (4,), w, b), (X2, W, B)),
    "rms_norm": (lambda x, w: F.rms_norm(x, (4,), w), (X2, W)),
}
MODULES: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4, **F64), X2), "BatchNorm1d of sequences": (lambda: nn.BatchNorm1d(4, **F64), X3),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(4, momentum=None, **F64), X4),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(4, affine=False, **F64), X4[..., None]),
    "BatchNorm1d without running values": (lambda: nn.BatchNorm1d(4, track_running_stats=False, **F64), X2),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(4, **F64), X3),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(4, affine=True, track_running_stats=True, **F64), X4),
    "InstanceNorm3d": (lambda: nn.InstanceNorm3d(4, **F64), X4[..., None]),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4, **F64), X4),
    "LayerNorm": (lambda: nn.LayerNorm((3, 2), **F64), X4), "RMSNorm": (lambda: nn.RMSNorm(4, **F64), X2),
}  # fmt: skip


def test_everything_has_a_row() -> None:
    assert {name.split()[0].strip(",") for name in FUNCTIONS} == set(F.normalization.__all__)
    assert {name.split()[0] for name in MODULES} == set(nn.layers.normalization.__all__)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name: str) -> None:
    f, arrays = FUNCTIONS[name]
    parity.right_derivatives(f, *arrays, order=2)
    parity.under_jit(lambda: f, *arrays)
    parity.keeps_float32(lambda: f, *arrays)
    parity.any_layout(lambda: f, *arrays)


@pytest.mark.parametrize("name", MODULES)
def test_module(name: str) -> None:
    """In training and in evaluation, eager and compiled: outputs, gradients and buffers."""
    make, x = MODULES[name]
    parity.under_jit(make, x)
    parity.under_jit(lambda: make().eval(), x)
    parity.keeps_float32(lambda: make().float(), x)
    parity.any_layout(make, x)


def test_formula_of_batch_norm() -> None:
    layer = nn.BatchNorm1d(4, **F64)
    y = layer(ag.Tensor(X2))
    np.testing.assert_allclose(y.data, (X2 - X2.mean(0)) / np.sqrt(X2.var(0) + 1e-5), 1e-12)
    np.testing.assert_allclose(layer.running_mean.data, 0.1 * X2.mean(0), 1e-12)
    np.testing.assert_allclose(layer.running_var.data, 0.9 + 0.1 * X2.var(0, ddof=1), 1e-12)
    assert layer.num_batches_tracked.item() == 1
    evaluated = layer.eval()(ag.Tensor(X2))
    expected = (X2 - layer.running_mean.data) / np.sqrt(layer.running_var.data + 1e-5)
    np.testing.assert_allclose(evaluated.data, expected, 1e-12)
    assert layer.num_batches_tracked.item() == 1


def test_momentum_none_is_the_mean_over_all_batches() -> None:
    layer = nn.BatchNorm1d(4, momentum=None, **F64)
    batches = [X2 + k for k in range(3)]
    for batch in batches:
        layer(ag.Tensor(batch))
    np.testing.assert_allclose(layer.running_mean.data, np.mean([b.mean(0) for b in batches], axis=0), 1e-12)


def test_running_values_move_once_a_step_compiled_too() -> None:
    """Several compiled steps with an optimizer: parameters and running values as uncompiled; saved and loaded on the way."""

    def train(jit: bool, resume_at: int | None = None) -> dict[str, Any]:
        ag.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 6, **F64), nn.BatchNorm1d(6, **F64), nn.ReLU(), nn.Linear(6, 1, **F64))
        optimizer = optim.Adam(model.parameters(), lr=0.01)

        def step(x: Any) -> Any:
            loss = (model(x) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        run = ag.jit(step) if jit else step
        for k in range(5):
            if k == resume_at:
                state = model.state_dict()
                with ag.no_grad():
                    model[1].running_mean.copy_(np.ones(6))
                model.load_state_dict(state)
            run(X2 + k)
        return model.state_dict()

    plain, compiled = train(False), train(True)
    assert plain["1.num_batches_tracked"] == 5
    for name, value in plain.items():
        np.testing.assert_allclose(compiled[name], value, 1e-9, err_msg=name)
    resumed = train(True, 3)
    assert all((resumed[name] == compiled[name]).all() for name in compiled)


def test_a_call_that_fails_changes_nothing() -> None:
    layer = nn.BatchNorm1d(4)
    before = layer.state_dict()
    with pytest.raises(AutogradError):
        layer(ag.Tensor(X2[:1]))
    with pytest.raises(AutogradError):
        layer(ag.Tensor(X4))
    assert all((before[name] == value).all() for name, value in layer.state_dict().items())
    layer.eval()
    assert layer(ag.Tensor(X2[:1])).shape == (1, 4)


def test_groups_are_layer_and_instance_normalisation_at_the_ends() -> None:
    np.testing.assert_allclose(F.group_norm(X4, 1).data, F.layer_norm(X4, X4.shape[1:]).data, 1e-12)
    np.testing.assert_allclose(F.group_norm(X4, 4).data, F.instance_norm(X4).data, 1e-12)


def test_empty_batch() -> None:
    for make in (lambda: nn.BatchNorm1d(4), lambda: nn.GroupNorm(2, 4), lambda: nn.LayerNorm(4)):
        layer = make()
        x = ag.Tensor(np.zeros((0, 4), np.float32), requires_grad=True)
        with np.errstate(all="ignore"):
            y = layer.eval()(x)
        y.sum().backward()
        assert y.shape == x.grad.shape == (0, 4)


def test_large_offsets_keep_precision() -> None:
    x = (np.float32(1e4) + RANDOM.normal(size=(64, 4)).astype(np.float32)).astype(np.float32)
    for y in (F.batch_norm(x, training=True), F.layer_norm(x, (4,)), F.group_norm(x, 2)):
        assert abs(float(y.data.std()) - 1) < 0.01


@pytest.mark.parametrize(("call", "shown"), [
    (lambda: nn.BatchNorm1d(4)(X4), "(2, 4, 3, 2)"), (lambda: nn.BatchNorm2d(3)(X4), "(N, 3, H, W)"),
    (lambda: F.batch_norm(X2[:1], training=True), "(1, 4)"), (lambda: F.batch_norm(X2), "running"),
    (lambda: F.batch_norm(X2, weight=np.ones(3), training=True), "(3,)"), (lambda: F.group_norm(X4, 3), "3"),
    (lambda: F.batch_norm(np.ones(3), training=True), "(3,)"), (lambda: F.instance_norm(X4[..., :1, :1]), "one"),
    (lambda: nn.GroupNorm(3, 4), "num_groups=3"), (lambda: nn.BatchNorm1d(4, momentum=1.5), "1.5"),
    (lambda: nn.BatchNorm1d(4, eps=0.0), "0.0"), (lambda: F.group_norm(X4, 2, eps=-1.0), "-1.0"),
    (lambda: F.layer_norm(X2, (3,)), "(5, 4)"), (lambda: F.layer_norm(X2, 4, eps=-1.0), "-1"),
    (lambda: F.rms_norm(X2, 4, eps=np.nan), "nan"), (lambda: F.batch_norm(X2, training=True, momentum=np.nan), "nan"),
    (lambda: F.batch_norm(X2, B, W, training=True), "ndarray"),
])  # fmt: skip
def test_bad_arguments(call: Callable[[], Any], shown: str) -> None:
    with pytest.raises(AutogradError) as caught:
        call()
    assert shown in str(caught.value)
    assert "test_nn_normalization.py" in str(caught.value)
