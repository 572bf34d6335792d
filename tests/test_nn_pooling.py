"""Pooling layers and functions: against loops, under jit, derivatives of both orders, ties, NaN, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import parity
import pytest

import autograd as ag
import nn
import nn.functional as F
from autograd.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(0)


def apart(*shape: int) -> Any:
    """All different by at least 0.1: no ties."""
    n = int(np.prod(shape))
    return (RNG.permutation(n) * 0.3 - 0.15 * n + RNG.uniform(-0.1, 0.1, n)).reshape(shape)


X, SIGNAL = apart(2, 2, 6, 5), apart(2, 3, 9)
Row = tuple[Callable[[], Any], tuple[Any, ...]]

ROWS: dict[str, list[Row]] = {
    "max_pool1d": [
        (lambda: lambda x: F.max_pool1d(x, 2), (SIGNAL,)), (lambda: lambda x: F.max_pool1d(x, 3, 2, 1, 2), (SIGNAL,)),
    ],
    "max_pool2d": [
        (lambda: lambda x: F.max_pool2d(x, 2), (X,)), (lambda: lambda x: F.max_pool2d(x, (3, 2), 1, (1, 0)), (X[0],)),
        (lambda: lambda x: F.max_pool2d(x, 2, ceil_mode=True), (X,)), (lambda: lambda x: F.max_pool2d(x, 2), (X[:0],)),
        (lambda: lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True, return_indices=True)[0], (X,)),
    ],
    "avg_pool1d": [(lambda: lambda x: F.avg_pool1d(x, 3, 2, 1, ceil_mode=True), (SIGNAL,))],
    "avg_pool2d": [
        (lambda: lambda x: F.avg_pool2d(x, 2), (X,)), (lambda: lambda x: F.avg_pool2d(x, 2), (X[:0],)),
        (lambda: lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), (X,)),
        (lambda: lambda x: F.avg_pool2d(x, 3, 2, 1, True, divisor_override=2), (X,)),
    ],
    "adaptive_avg_pool1d": [(lambda: lambda x: F.adaptive_avg_pool1d(x, 4), (SIGNAL,))],
    "adaptive_avg_pool2d": [
        (lambda: lambda x: F.adaptive_avg_pool2d(x, 1), (X,)), (lambda: lambda x: F.adaptive_avg_pool2d(x, (4, None)), (X,)),
    ],
    "adaptive_max_pool1d": [(lambda: lambda x: F.adaptive_max_pool1d(x, 4), (SIGNAL,))],
    "adaptive_max_pool2d": [
        (lambda: lambda x: F.adaptive_max_pool2d(x, (4, 2)), (X,)), (lambda: lambda x: F.adaptive_max_pool2d(x, 3), (X[:0],)),
    ],
    "MaxPool1d": [(lambda: nn.MaxPool1d(2), (SIGNAL,))],
    "MaxPool2d": [(lambda: nn.MaxPool2d(3, 2, padding=1), (X,))],
    "AvgPool1d": [(lambda: nn.AvgPool1d(2), (SIGNAL,))],
    "AvgPool2d": [(lambda: nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), (X,))],
    "AdaptiveAvgPool1d": [(lambda: nn.AdaptiveAvgPool1d(2), (SIGNAL,))],
    "AdaptiveAvgPool2d": [(lambda: nn.AdaptiveAvgPool2d((3, 1)), (X,))],
    "AdaptiveMaxPool1d": [(lambda: nn.AdaptiveMaxPool1d(2), (SIGNAL,))],
    "AdaptiveMaxPool2d": [(lambda: nn.AdaptiveMaxPool2d((None, 2)), (X,))],
}  # fmt: skip
CASES = [(name, k) for name, rows in ROWS.items() for k in range(len(rows))]
NAMES = [f"{name}{k}" for name, k in CASES]


def test_every_name_has_a_row() -> None:
    from nn.functional import pooling
    from nn.layers import pooling as layers

    assert set(ROWS) == {*pooling.__all__, *layers.__all__}


@pytest.mark.parametrize(("name", "k"), CASES, ids=NAMES)
def test_runs_compiled(name: str, k: int) -> None:
    make, arrays = ROWS[name][k]
    parity.under_jit(make, *arrays)
    ties = [np.round(a / 3) for a in arrays]
    parity.under_jit(make, *ties)
    compiled = ag.jit(make())
    for given in (arrays, ties):
        np.testing.assert_allclose(compiled(*map(ag.Tensor, given)).numpy(), make()(*map(ag.Tensor, given)).numpy(), 1e-12)
    assert compiled.explain().segments == 0


@pytest.mark.parametrize(("name", "k"), CASES, ids=NAMES)
def test_derivatives_dtype_and_layout(name: str, k: int) -> None:
    make, arrays = ROWS[name][k]
    if all(a.size for a in arrays):
        parity.right_derivatives(make(), *arrays, order=2)
    parity.any_layout(make, *arrays)
    parity.keeps_float32(make, *arrays)


@pytest.mark.parametrize("kind", ["max", "avg"])
def test_windows_written_out(kind: str) -> None:
    """The definition, by loops over what of each window lies in x."""
    x = apart(1, 2, 7, 6)
    function = {"max": F.max_pool2d, "avg": lambda *a: F.avg_pool2d(*a, count_include_pad=False)}[kind]
    y = function(x, (3, 2), (2, 3), (1, 1)).numpy()
    assert y.shape == (1, 2, 4, 3)
    for c, r, s in product(range(2), range(4), range(3)):
        rows, columns = slice(max(0, 2 * r - 1), 2 * r + 2), slice(max(0, 3 * s - 1), 3 * s + 1)
        window = x[0, c, rows, columns]
        assert abs(y[0, c, r, s] - (window.max() if kind == "max" else window.mean())) < 1e-12


@pytest.mark.parametrize("jit", [False, True])
def test_ties_nan_and_infinity(jit: bool) -> None:
    """The first of the largest gets the gradient; NaN is the largest; a window of −∞ gives it, and not its padding."""
    nan, inf = np.nan, np.inf
    for row, size, padding, value, gradient in (
        ([1.0, 1.0, 2.0, 2.0], 4, 0, [2.0], [0, 0, 1, 0]),
        ([1.0, nan, 2.0, 3.0], 2, 0, [nan, 3.0], [0, 1, 0, 1]),
        ([-inf, -inf, -inf, -inf], 2, 1, [-inf, -inf, -inf], [1, 1, 0, 1]),
        ([inf, 1.0, 1.0, -inf], 2, 0, [inf, 1.0], [1, 0, 1, 0]),
    ):
        x = ag.Tensor([row], requires_grad=True)

        def run(x: Any = x, size: int = size, padding: int = padding) -> Any:
            y = F.max_pool1d(x, size, padding=padding)
            y.backward(ag.ones_like(y.detach()))
            return y

        y = (ag.jit(run) if jit else run)()
        np.testing.assert_array_equal(y.numpy(), [value])
        np.testing.assert_array_equal(x.grad.numpy(), [gradient])  # type: ignore[union-attr]


def test_indices() -> None:
    x = apart(2, 3, 6, 5)
    y, at = nn.MaxPool2d(3, 2, padding=1, return_indices=True)(ag.Tensor(x))
    assert at.dtype == np.int64
    np.testing.assert_array_equal(np.take_along_axis(x.reshape(2, 3, -1), at.numpy().reshape(2, 3, -1), -1), y.numpy().reshape(2, 3, -1))  # noqa: E501
    y, at = nn.AdaptiveMaxPool1d(2, return_indices=True)(ag.Tensor(SIGNAL))
    np.testing.assert_array_equal(np.take_along_axis(SIGNAL, at.numpy(), -1), y.numpy())


def test_large_values() -> None:
    for f in (lambda x: F.max_pool2d(x, 3, 2, 1), lambda x: F.avg_pool2d(x, 3, 2, 1), lambda x: F.adaptive_avg_pool2d(x, 4)):
        for name, value in parity.values_and_gradients(f, [np.float32(1e4) * np.sign(X).astype(np.float32)]).items():
            assert np.isfinite(value).all(), name


def refused(call: Callable[[], Any], kind: Any, text: str) -> None:
    with pytest.raises(kind, match=text):
        call()


def test_refused() -> None:
    for pool in (F.max_pool2d, F.avg_pool2d):
        refused(lambda p=pool: p(X, 2, padding=2), ArgumentError, r"padding \(2, 2\) is over half of the windows")
        refused(lambda p=pool: p(X, 7), ShapeError, r"windows that reach over \(7, 7\) .* shape \(2, 2, 6, 5\)")
        refused(lambda p=pool: p(X, 0), ArgumentError, "kernel_size must be a whole number, at least 1, got 0")
        refused(lambda p=pool: p(X, 2, stride=0), ArgumentError, "stride.*got 0")
        refused(lambda p=pool: p(X, 2, padding=-1), ArgumentError, "padding.*got -1")
        refused(lambda p=pool: p(X[:, :, :0], 2), ShapeError, r"\(2, 2, 0, 5\)")
        refused(lambda p=pool: p(X[0, 0], 2), ShapeError, r"got \(6, 5\)")
    refused(lambda: F.max_pool2d(X, 2, dilation=0), ArgumentError, "dilation.*got 0")
    refused(lambda: F.max_pool1d(SIGNAL[..., :2], 2, padding=1, dilation=3), ShapeError, "no element of x")
    refused(lambda: F.avg_pool2d(X, 2, divisor_override=0), ArgumentError, "divisor_override.*got 0")
    for pool in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d):
        refused(lambda p=pool: p(X, 0), ArgumentError, "output_size.*got 0")
        refused(lambda p=pool: p(X, (2, 2, 2)), ArgumentError, r"\(2, 2, 2\)")
        refused(lambda p=pool: p(X[:, :, :0], 2), ShapeError, "empty axis")
