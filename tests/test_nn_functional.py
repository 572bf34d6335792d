"""Activations and losses: values against the formulas in float64, gradients against differences, and bad inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import nn.functional as F
from autograd.errors import ArgumentError, DTypeError, IndexingError, ShapeError

rng = np.random.default_rng(0)
X = rng.normal(size=(4, 3))
T = rng.integers(0, 3, 4)
P = np.exp(X) / np.exp(X).sum(1, keepdims=True)
W = np.array([0.5, 1.0, 2.0])

ACTIVATIONS: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
    (F.step, lambda x: (x > 0) * 1.0),
    (lambda x: F.step(x, 0.5, (-1, 1)), lambda x: np.where(x > 0.5, 1.0, -1.0)),
    (F.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    (F.tanh, np.tanh),
    (F.relu, lambda x: np.maximum(x, 0)),
    (F.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x)),
    (lambda x: F.leaky_relu(x, 0.3), lambda x: np.where(x > 0, x, 0.3 * x)),
    (F.softmax, lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
    (lambda x: F.softmax(x, axis=0), lambda x: np.exp(x) / np.exp(x).sum(0)),
    (F.log_softmax, lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True))),
]


@pytest.mark.parametrize(("ours", "formula"), ACTIVATIONS)
def test_activations(ours: Callable[..., Any], formula: Callable[..., Any]) -> None:
    np.testing.assert_allclose(ours(ag.Tensor(X)).numpy(), formula(X), rtol=1e-12)
    ag.check_grads(ours, X)
    assert ours(ag.Tensor(X, dtype=np.float32)).dtype == np.float32
    x = ag.Tensor(X, dtype=np.float32, requires_grad=True)
    y = ours(x)
    if y.requires_grad:
        y.sum().backward()
        assert x.grad is not None and x.grad.dtype == np.float32
    np.testing.assert_allclose(ours(ag.Tensor(X[:, ::-1].T)).numpy().shape, (3, 4))


def test_kinks() -> None:
    x = ag.Tensor([0.0], requires_grad=True)
    for f, expected in ((F.relu, 0.0), (lambda x: F.leaky_relu(x, 0.1), 0.1)):
        x.grad = None
        f(x).backward()
        assert x.grad is not None
        np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-6)
    assert F.step(ag.Tensor([0.0])).item() == 0.0


@pytest.mark.parametrize("offset", [1e4, -1e4, 1e20])
def test_softmax_far_out(offset: float) -> None:
    x = ag.Tensor([[offset, offset]], dtype=np.float64, requires_grad=True)
    np.testing.assert_allclose(F.softmax(x).numpy(), [[0.5, 0.5]])
    loss = F.cross_entropy(x, [0])
    np.testing.assert_allclose(loss.item(), np.log(2))
    loss.backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), [[-0.5, 0.5]])


def test_impossible_classes() -> None:
    x = ag.Tensor([[0.0, -np.inf, 0.0]], requires_grad=True)
    np.testing.assert_array_equal(F.softmax(x).numpy(), np.array([[0.5, 0.0, 0.5]], np.float32))
    F.cross_entropy(x, [0]).backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), [[-0.5, 0.0, 0.5]])


def logp(x: Any) -> Any:
    return x - np.log(np.exp(x).sum(1, keepdims=True))


ROWS = np.arange(4)
LOSSES: list[tuple[str, Callable[..., Any], Any]] = [
    ("mse", lambda x: F.mse_loss(x, P), ((X - P) ** 2).mean()),
    ("mse sum", lambda x: F.mse_loss(x, P, "sum"), ((X - P) ** 2).sum()),
    ("bce logits", lambda x: F.binary_cross_entropy_with_logits(x, P),
     -(P * np.log(1 / (1 + np.exp(-X))) + (1 - P) * np.log(1 / (1 + np.exp(X)))).mean()),
    ("bce pos_weight", lambda x: F.binary_cross_entropy_with_logits(x, P, pos_weight=W),
     -(W * P * np.log(1 / (1 + np.exp(-X))) + (1 - P) * np.log(1 / (1 + np.exp(X)))).mean()),
    ("bce", lambda x: F.binary_cross_entropy(F.sigmoid(x), P),
     -(P * np.log(1 / (1 + np.exp(-X))) + (1 - P) * np.log(1 / (1 + np.exp(X)))).mean()),
    ("ce", lambda x: F.cross_entropy(x, T), -logp(X)[ROWS, T].mean()),
    ("ce none", lambda x: F.cross_entropy(x, T, reduction="none"), -logp(X)[ROWS, T]),
    ("ce soft", lambda x: F.cross_entropy(x, P), -(P * logp(X)).sum(1).mean()),
    ("ce soft smooth", lambda x: F.cross_entropy(x, P, label_smoothing=0.2),
     -((P * 0.8 + 0.2 / 3) * logp(X)).sum(1).mean()),
    ("ce weights", lambda x: F.cross_entropy(x, T, weight=W), -(W[T] * logp(X)[ROWS, T]).sum() / W[T].sum()),
    ("ce smooth", lambda x: F.cross_entropy(x, T, label_smoothing=0.1),
     -(0.9 * logp(X)[ROWS, T] + 0.1 * logp(X).mean(1)).mean()),
    ("ce weights smooth", lambda x: F.cross_entropy(x, T, weight=W, label_smoothing=0.1),
     -(0.9 * W[T] * logp(X)[ROWS, T] + 0.1 / 3 * (W * logp(X)).sum(1)).sum() / W[T].sum()),
    ("ce ignore", lambda x: F.cross_entropy(x, [-100, *T[1:]]), -logp(X)[ROWS[1:], T[1:]].mean()),
    ("nll", lambda x: F.nll_loss(F.log_softmax(x), T), -logp(X)[ROWS, T].mean()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "ours", "expected"), LOSSES, ids=[name for name, _, _ in LOSSES])
def test_losses(name: str, ours: Callable[..., Any], expected: Any) -> None:
    np.testing.assert_allclose(ours(ag.Tensor(X)).numpy(), expected, rtol=1e-12)
    ag.check_grads(ours, X)
    x = ag.Tensor(X, dtype=np.float32, requires_grad=True)
    y = ours(x)
    assert y.dtype == np.float32, "float64 targets do not widen"


def test_python_numbers_and_lists_do_not_widen() -> None:
    x = ag.Tensor([[0.2, 0.8]])
    assert F.mse_loss(x, [[0.0, 1.0]]).dtype == np.float32
    assert F.cross_entropy(x, [1], weight=[1.0, 2.0], label_smoothing=0.1, ignore_index=0).dtype == np.float32
    assert F.binary_cross_entropy(x, [[0, 1]]).dtype == np.float32


def test_pictures_have_further_axes() -> None:
    x = rng.normal(size=(2, 3, 4, 5))
    t = rng.integers(0, 3, (2, 4, 5))
    flat = F.cross_entropy(ag.Tensor(np.moveaxis(x, 1, -1).reshape(-1, 3)), t.ravel(), weight=W)
    np.testing.assert_allclose(F.cross_entropy(ag.Tensor(x), t, weight=W).item(), flat.item())
    assert F.cross_entropy(ag.Tensor(x), t, reduction="none").shape == (2, 4, 5)
    assert F.cross_entropy(ag.Tensor(x[0, :, 0, 0]), 1, reduction="none").shape == ()


def test_integer_dtypes_and_tensors_as_targets() -> None:
    expected = F.cross_entropy(ag.Tensor(X), T).item()
    for target in (T.astype(np.int8), T.astype(np.uint8), ag.Tensor(T), T.tolist()):
        assert F.cross_entropy(ag.Tensor(X), target).item() == expected


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
@pytest.mark.parametrize(
    ("target", "kind", "words"),
    [
        ([0, 1, 3, 0], IndexingError, "target 3 at position 2"),
        ([0, -1, 2, 0], IndexingError, "target -1 at position 1"),
        ([0.0, 1.5, 2.0, 0.0], DTypeError, "float"),
        ([True, False, True, False], DTypeError, "bool"),
        ([0, 1], ShapeError, r"targets of shape \(4,\)"),
        ([[0], [1], [2], [0]], ShapeError, r"got \(4, 1\)"),
    ],
)
def test_bad_class_targets(loss: Any, target: Any, kind: Any, words: str) -> None:
    x = ag.Tensor(X, requires_grad=True)
    with pytest.raises(kind, match=words):
        loss(x, target)
    assert x.grad is None


def test_every_target_ignored_is_nan() -> None:
    with np.errstate(all="ignore"):
        assert np.isnan(F.cross_entropy(ag.Tensor(X), [7] * 4, ignore_index=7).item())
    assert F.cross_entropy(ag.Tensor(X), [7] * 4, ignore_index=7, reduction="sum").item() == 0.0


@pytest.mark.parametrize("value", [-0.1, 1.5, np.inf])
def test_probabilities_outside(value: float) -> None:
    good, bad = ag.Tensor([0.5, 0.5]), ag.Tensor([0.5, value])
    with pytest.raises(ValueError, match=rf"{value:g} at position 1 is outside"):
        F.binary_cross_entropy(bad, good)
    for loss in (F.binary_cross_entropy, F.binary_cross_entropy_with_logits):
        with pytest.raises(ValueError, match="target"):
            loss(good, bad)


def test_binary_cross_entropy_at_certainty() -> None:
    p = ag.Tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    loss = F.binary_cross_entropy(p, [0.0, 1.0, 1.0, 0.0], reduction="none")
    np.testing.assert_allclose(loss.numpy()[:2], 0, atol=1e-6)
    assert (loss.numpy()[2:] > 80).all()
    loss.sum().backward()
    assert p.grad is not None and np.isfinite(p.grad.numpy()).all()


def test_logits_far_out() -> None:
    x = ag.Tensor([1e4, -1e4, 100.0, 0.0], requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(x, [1.0, 1.0, 1.0, 1.0], reduction="none")
    np.testing.assert_allclose(loss.numpy(), [0, 1e4, 0, np.log(2)], rtol=1e-6, atol=1e-30)
    loss.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), [0, -1, 0, -0.5], atol=1e-7)


def test_shapes_must_agree() -> None:
    for loss in (F.mse_loss, F.binary_cross_entropy, F.binary_cross_entropy_with_logits):
        with pytest.raises(ShapeError, match=r"\(3, 1\) and the target \(3,\)"):
            loss(ag.Tensor(np.full((3, 1), 0.5)), np.full(3, 0.5))
    with pytest.raises(ShapeError, match="3 classes"):
        F.cross_entropy(ag.Tensor(X), T, weight=[1.0])


@pytest.mark.parametrize("call", [
    lambda: F.mse_loss(ag.Tensor([1.0]), ag.Tensor([1.0]), reduction="average"),
    lambda: F.cross_entropy(ag.Tensor(X), T, label_smoothing=2.0),
    lambda: F.cross_entropy(ag.Tensor(X), T, label_smoothing=float("nan")),
    lambda: nn.CrossEntropyLoss(reduction="avg"),
    lambda: nn.CrossEntropyLoss(label_smoothing=-1),
])  # fmt: skip
def test_bad_settings(call: Callable[[], Any]) -> None:
    with pytest.raises(ArgumentError):
        call()


def test_modules_are_the_functions() -> None:
    x = ag.Tensor(X)
    pairs: list[tuple[Any, Any]] = [
        (nn.Step(), F.step), (nn.Sigmoid(), F.sigmoid), (nn.Tanh(), F.tanh), (nn.ReLU(), F.relu),
        (nn.LeakyReLU(), F.leaky_relu),
        (nn.Softmax(), F.softmax), (nn.LogSoftmax(), F.log_softmax), (nn.Identity(), lambda x: x),
    ]  # fmt: skip
    for module, function in pairs:
        np.testing.assert_array_equal(module(x).numpy(), function(x).numpy())
        assert repr(module).startswith(type(module).__name__)
    np.testing.assert_array_equal(
        nn.CrossEntropyLoss(W)(x, T).item(), F.cross_entropy(x, T, ag.Tensor(W, dtype=np.float32)).item()
    )
    assert nn.NLLLoss()(F.log_softmax(x), T).item() == F.nll_loss(F.log_softmax(x), T).item()
    assert nn.MSELoss("sum")(x, P).item() == F.mse_loss(x, P, "sum").item()
    assert nn.BCELoss()(ag.Tensor(P), P).item() == F.binary_cross_entropy(ag.Tensor(P), P).item()
    assert nn.BCEWithLogitsLoss()(x, P).item() == F.binary_cross_entropy_with_logits(x, P).item()
    assert nn.CrossEntropyLoss(W).state_dict() == {}


@pytest.mark.parametrize("shape", [(4, 6), (2, 3, 6)])
def test_normalisations_against_their_formula(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    w, b = np.arange(1.0, 7.0), np.arange(6.0)
    centred = x - x.mean(-1, keepdims=True)
    want = centred / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(F.layer_norm(ag.Tensor(x), (6,), ag.Tensor(w), ag.Tensor(b)).data, want * w + b, rtol=1e-12)
    np.testing.assert_allclose(F.layer_norm(ag.Tensor(x), 6).data, want, rtol=1e-12)
    want = x / np.sqrt((x * x).mean(-1, keepdims=True) + 0.5)
    np.testing.assert_allclose(F.rms_norm(ag.Tensor(x), 6, ag.Tensor(w), 0.5).data, want * w, rtol=1e-12)
    for layer in (
        nn.LayerNorm(6, dtype=np.float64),
        nn.RMSNorm([6], dtype=np.float64),
        nn.LayerNorm(6, elementwise_affine=False),
    ):
        y = layer(ag.Tensor(x))
        assert (
            y.shape == shape
            and y.dtype == np.float64
            and len(list(layer.parameters())) == str(layer).count("affine=True") * (2 if isinstance(layer, nn.LayerNorm) else 1)
        )


def test_gelu_and_silu_against_their_formula() -> None:
    from math import erf, exp, sqrt

    x = np.linspace(-6, 6, 25)
    np.testing.assert_allclose(F.gelu(ag.Tensor(x)).data, [v * (1 + erf(v / sqrt(2))) / 2 for v in x], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(F.silu(ag.Tensor(x)).data, [v / (1 + exp(-v)) for v in x], rtol=1e-12)
    assert np.abs(F.gelu(ag.Tensor(x), "tanh").data - F.gelu(ag.Tensor(x)).data).max() < 5e-4
    assert nn.GELU("tanh")(ag.Tensor(x)).shape == nn.SiLU()(ag.Tensor(x)).shape == x.shape
    assert str(nn.GELU("tanh")) == "GELU(approximate='tanh')"
    with pytest.raises(ArgumentError, match="approximate"):
        F.gelu(ag.Tensor(x), "sigmoid")
    ag.check_grads(lambda x: F.gelu(x) + F.gelu(x, "tanh") * F.silu(x) + F.layer_norm(x, x.shape), ag.Tensor(x))
