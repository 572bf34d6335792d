"""Every activation: derivatives, both modes, dtype, layouts, extreme values, bad settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import parity
import pytest

import autograd as ag
import nn
import nn.functional as F
from autograd.errors import AutogradError

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(0, 2, (4, 6))
SLOPES = np.array([0.1, 0.2, -0.3, 0.4, 0.5, 0.6])
NOT_ELEMENTWISE = {"softmax", "log_softmax", "softmin", "glu", "swiglu", "prelu"}

# function, its module, settings that both take, further array arguments of the function
ROWS: list[tuple[str, str, dict[str, Any], tuple[Any, ...]]] = [
    ("step", "Step", {"threshold": 0.3, "values": (-1.0, 1.0)}, ()),
    ("sigmoid", "Sigmoid", {}, ()), ("tanh", "Tanh", {}, ()), ("relu", "ReLU", {}, ()),
    ("leaky_relu", "LeakyReLU", {"negative_slope": 0.2}, ()), ("prelu", "PReLU", {}, (SLOPES,)),
    ("prelu", "PReLU", {}, (SLOPES[:1],)), ("silu", "SiLU", {}, ()), ("swish", "Swish", {"beta": 1.7}, ()),
    ("gelu", "GELU", {}, ()), ("gelu", "GELU", {"approximate": "tanh"}, ()), ("elu", "ELU", {"alpha": 1.3}, ()),
    ("selu", "SELU", {}, ()), ("celu", "CELU", {"alpha": 1.3}, ()), ("softplus", "Softplus", {"beta": 2.0}, ()),
    ("mish", "Mish", {}, ()), ("hardswish", "Hardswish", {}, ()), ("hardsigmoid", "Hardsigmoid", {}, ()),
    ("hardtanh", "Hardtanh", {"min_val": -0.5, "max_val": 2.0}, ()), ("relu6", "ReLU6", {}, ()),
    ("softsign", "Softsign", {}, ()), ("logsigmoid", "LogSigmoid", {}, ()), ("tanhshrink", "Tanhshrink", {}, ()),
    ("softshrink", "Softshrink", {"lambd": 0.4}, ()), ("hardshrink", "Hardshrink", {"lambd": 0.4}, ()),
    ("threshold", "Threshold", {"threshold": 0.3, "value": -2.0}, ()), ("softmax", "Softmax", {"axis": 0}, ()),
    ("log_softmax", "LogSoftmax", {"axis": 1}, ()), ("softmin", "Softmin", {"axis": -1}, ()),
    ("glu", "GLU", {"axis": 1}, ()), ("swiglu", "SwiGLU", {"axis": 0}, ()),
]  # fmt: skip
IDS = [f"{name}{k}" for k, (name, *_) in enumerate(ROWS)]


def made(name: str, settings: dict[str, Any]) -> Callable[..., Any]:
    function = getattr(F, name)
    return lambda x, *rest: function(x, *rest, **settings)


def test_every_activation_has_a_row() -> None:
    assert {name for name, *_ in ROWS} == set(F.activations.__all__)
    assert {kind for _, kind, *_ in ROWS} | {"Identity"} == set(nn.activations.__all__)


@pytest.mark.parametrize(("name", "kind", "settings", "rest"), ROWS, ids=IDS)
def test_activation(name: str, kind: str, settings: dict[str, Any], rest: tuple[Any, ...]) -> None:
    f = made(name, settings)
    if name != "step":  # its result is a constant
        parity.right_derivatives(f, X, *rest, order=2)
    parity.under_jit(lambda: f, X, *rest)
    parity.keeps_float32(lambda: f, X, *rest)
    parity.any_layout(lambda: f, X, *rest)


@pytest.mark.parametrize(("name", "kind", "settings", "rest"), ROWS, ids=IDS)
def test_module_is_the_function(name: str, kind: str, settings: dict[str, Any], rest: tuple[Any, ...]) -> None:
    module = getattr(nn, kind)(**settings) if not rest else nn.PReLU(len(rest[0]), dtype=np.float64)
    if rest:
        with ag.no_grad():
            module.weight.copy_(rest[0])
    np.testing.assert_array_equal(module(ag.Tensor(X)).data, made(name, settings)(ag.Tensor(X), *rest).data)
    assert kind in repr(module)
    parity.under_jit(lambda: module, X)


@pytest.mark.parametrize(("name", "kind", "settings", "rest"), ROWS, ids=IDS)
def test_empty_and_0d(name: str, kind: str, settings: dict[str, Any], rest: tuple[Any, ...]) -> None:
    if name not in NOT_ELEMENTWISE:
        assert made(name, settings)(ag.Tensor(0.5), *rest).shape == ()
    x = ag.Tensor(np.zeros((0, 6)), requires_grad=True)
    y = made(name, {"axis": 1} if "axis" in settings else settings)(x, *rest)
    assert y.shape[0] == 0
    if name != "step":
        y.sum().backward()
        assert x.grad.shape == x.shape


@pytest.mark.parametrize(("name", "kind", "settings", "rest"), ROWS, ids=IDS)
@pytest.mark.parametrize("size", [30.0, 1e4])
def test_extreme_inputs(name: str, kind: str, settings: dict[str, Any], rest: tuple[Any, ...], size: float) -> None:
    values = np.array([[-size, size, -1.0, 1.0, 0.0, size / 3]], np.float32)
    x = ag.Tensor(values.repeat(2, axis=0), requires_grad=True)
    y = made(name, settings)(x, *(r.astype(np.float32) for r in rest))
    assert np.isfinite(y.data).all()
    if name != "step":
        y.sum().backward()
        assert np.isfinite(x.grad.data).all()


def test_formulas() -> None:
    """The notes' formulas, and the papers', written out."""
    from math import erf

    x, e = X, np.exp
    cdf = np.array([[(1 + erf(v / np.sqrt(2))) / 2 for v in row] for row in x])
    written = {
        "step": np.where(x > 0, 1.0, 0.0), "sigmoid": 1 / (1 + e(-x)), "tanh": (e(x) - e(-x)) / (e(x) + e(-x)),
        "relu": np.maximum(0, x), "leaky_relu": np.where(x > 0, x, 0.01 * x), "silu": x / (1 + e(-x)),
        "swish": x / (1 + e(-x)), "softmax": e(x) / e(x).sum(axis=-1, keepdims=True), "gelu": x * cdf,
        "elu": np.where(x > 0, x, e(x) - 1), "softplus": np.log(1 + e(x)), "mish": x * np.tanh(np.log(1 + e(x))),
        "selu": 1.05070098735548 * np.where(x > 0, x, 1.67326324235438 * (e(x) - 1)), "softsign": x / (1 + abs(x)),
        "celu": np.maximum(0, x) + np.minimum(0, e(x) - 1), "hardswish": x * np.minimum(np.maximum(x + 3, 0), 6) / 6,
        "hardsigmoid": np.minimum(np.maximum(x / 6 + 0.5, 0), 1), "relu6": np.minimum(np.maximum(x, 0), 6),
        "hardtanh": np.minimum(np.maximum(x, -1), 1), "logsigmoid": np.log(1 / (1 + e(-x))), "tanhshrink": x - np.tanh(x),
        "softmin": e(-x) / e(-x).sum(axis=-1, keepdims=True), "log_softmax": x - np.log(e(x).sum(axis=-1, keepdims=True)),
        "glu": x[:, :3] / (1 + e(-x[:, 3:])), "swiglu": x[:, :3] / (1 + e(-x[:, :3])) * x[:, 3:],
        "softshrink": np.sign(x) * np.maximum(abs(x) - 0.5, 0), "hardshrink": x * (abs(x) > 0.5),
    }  # fmt: skip
    for name, expected in written.items():
        np.testing.assert_allclose(getattr(F, name)(ag.Tensor(x)).data, expected, 1e-12, 1e-12, err_msg=name)
    np.testing.assert_array_equal(F.step(ag.Tensor(x), values=(-1, 1)).data, np.where(x > 0, 1.0, -1.0))
    np.testing.assert_array_equal(F.prelu(ag.Tensor(x), SLOPES).data, np.where(x > 0, x, SLOPES * x))


def test_kinks() -> None:
    """Derivatives at 0 (and at the ends of hardtanh) are those that the docstrings state."""
    stated = {"relu": 0, "leaky_relu": 0.01, "elu": 1, "celu": 1, "relu6": 0, "softsign": 1}
    for name, expected in stated.items():
        x = ag.Tensor(np.zeros(3), requires_grad=True)
        getattr(F, name)(x).sum().backward()
        np.testing.assert_allclose(x.grad.data, expected, err_msg=name)
    for f, at, expected in [(F.hardtanh, 1.0, [0.0, 0.0]), (F.hardsigmoid, 3.0, [0.0, 0.0]), (F.hardswish, 3.0, [0.0, 1.0])]:
        x = ag.Tensor([-at, at], requires_grad=True)
        f(x).sum().backward()
        assert x.grad.tolist() == expected


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_of_numbers_whose_square_overflows(approximate: str) -> None:
    x = ag.Tensor(np.array([-3e38, -1e20, 1e20, 3e38], np.float32), requires_grad=True)
    y = F.gelu(x, approximate)
    y.backward(np.ones(4, np.float32))
    assert y.tolist() == np.maximum(x.data, 0).tolist()
    assert x.grad.tolist() == [0.0, 0.0, 1.0, 1.0]


def test_learned_slopes() -> None:
    channels = nn.PReLU(3)
    x = ag.Tensor(-np.ones((2, 3, 4), np.float32))
    channels(x).sum().backward()
    assert channels.weight.grad.tolist() == [-8.0] * 3
    swish = nn.Swish(1.5, learned=True)
    assert [name for name, _ in swish.named_parameters()] == ["beta"]
    swish(ag.Tensor([1.0, -2.0])).sum().backward()
    assert swish.beta.grad.item() != 0


@pytest.mark.parametrize(("call", "shown"), [
    (lambda x: F.celu(x, 0.0), "0.0"), (lambda x: F.elu(x, np.nan), "nan"), (lambda x: F.softplus(x, beta=-1.0), "-1.0"),
    (lambda x: F.hardtanh(x, 2.0, 1.0), "2.0 and 1.0"), (lambda x: F.softshrink(x, -0.5), "-0.5"),
    (lambda x: F.hardshrink(x, np.inf), "inf"), (lambda x: F.glu(x[:, :5]), "5"), (lambda x: F.swiglu(x, 3), "3"),
    (lambda x: F.prelu(x, np.ones(4)), "(4,)"), (lambda x: F.gelu(x, "fast"), "'fast'"), (lambda x: F.swish(x, "1"), "'1'"),
    (lambda x: F.leaky_relu(x, np.nan), "nan"), (lambda x: F.step(x, np.nan), "nan"),
    (lambda x: F.threshold(x, np.nan, 0.0), "nan"), (lambda x: F.softplus(x, 1.0, np.nan), "nan"),
    (lambda x: nn.PReLU(2, np.inf), "inf"), (lambda x: nn.PReLU(-1), "-1"),
])  # fmt: skip
def test_bad_settings(call: Callable[[Any], Any], shown: str) -> None:
    with pytest.raises(AutogradError) as caught:
        call(ag.Tensor(X))
    assert shown in str(caught.value)
    assert "test_nn_activations.py" in str(caught.value)


def test_identity() -> None:
    x = ag.Tensor(X)
    np.testing.assert_array_equal(nn.Identity()(x).data, X)
