"""Convolution layers and functions: against sums written out, under jit, derivatives of both orders, what is refused."""

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
from autograd.errors import ArgumentError, AxisError, ShapeError

RNG = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


X, SIGNAL = normal(2, 4, 6, 5), normal(2, 4, 9)
W, BIAS, DEPTHWISE = normal(6, 4, 3, 2), normal(6), normal(4, 1, 2, 2)
BACK, BACK_BIAS = normal(4, 3, 3, 2), normal(3)

# name: what makes the function or module, and arrays for it
ROWS: dict[str, list[tuple[Callable[[], Any], tuple[Any, ...]]]] = {
    "conv1d": [
        (lambda: lambda x, w, b: F.conv1d(x, w, b, stride=2, padding=1, dilation=2), (SIGNAL, W[:, :, :, 0].copy(), BIAS)),
        (lambda: lambda x, w: F.conv1d(x, w), (SIGNAL[0], normal(2, 4, 1))),
    ],
    "conv2d": [
        (lambda: lambda x, w, b: F.conv2d(x, w, b), (X, W, BIAS)),
        (lambda: lambda x, w, b: F.conv2d(x, w, b, stride=(2, 1), padding=(1, 2), dilation=(1, 2)), (X, W, BIAS)),
        (lambda: lambda x, w: F.conv2d(x, w, padding="same", groups=4), (X, DEPTHWISE)),
        (lambda: lambda x, w, b: F.conv2d(x, w, b), (X[:0], W, BIAS)),
        (lambda: lambda x, w: F.conv2d(x, w), (normal(1, 1, 3, 3), normal(1, 1, 3, 3))),
    ],
    "conv3d": [(lambda: lambda x, w: F.conv3d(x, w, stride=(1, 2, 1), padding=1), (normal(1, 2, 3, 4, 3), normal(3, 2, 2, 2, 2)))],  # noqa: E501
    "conv_transpose1d": [(lambda: lambda x, w, b: F.conv_transpose1d(x, w, b, stride=3, padding=1, output_padding=2),
                          (SIGNAL, BACK[:, :, :, 0].copy(), BACK_BIAS))],
    "conv_transpose2d": [
        (lambda: lambda x, w, b: F.conv_transpose2d(x, w, b, stride=(2, 1), dilation=(1, 2)), (X, BACK, BACK_BIAS)),
        (lambda: lambda x, w: F.conv_transpose2d(x, w, groups=2), (X, BACK)),
        (lambda: lambda x, w: F.conv_transpose2d(x, w), (X[:0], BACK)),
    ],
    "conv_transpose3d": [(lambda: lambda x, w: F.conv_transpose3d(x, w, stride=2), (normal(1, 2, 2, 2, 3), normal(2, 1, 2, 2, 1)))],  # noqa: E501
    "unfold": [(lambda: lambda x: F.unfold(x, (2, 3), dilation=(2, 1), padding=1, stride=(1, 2)), (X,))],
    "fold": [(lambda: lambda x: F.fold(x, (4, 5), 2, padding=1, stride=2), (normal(2, 8, 9),))],
    "Conv1d": [(lambda: seeded(nn.Conv1d, 4, 2, 3, padding=2, padding_mode="reflect"), (SIGNAL,))],
    "Conv2d": [
        (lambda: seeded(nn.Conv2d, 4, 2, 3, padding=1, groups=2), (X,)),
        (lambda: seeded(nn.Conv2d, 4, 2, 2, padding="same", padding_mode="circular"), (X,)),
        (lambda: seeded(nn.Conv2d, 4, 2, 2, padding=1, bias=False, padding_mode="replicate"), (X[0],)),
    ],
    "Conv3d": [(lambda: seeded(nn.Conv3d, 2, 2, 2), (normal(1, 2, 3, 3, 2),))],
    "ConvTranspose1d": [(lambda: seeded(nn.ConvTranspose1d, 4, 2, 3, stride=2), (SIGNAL,))],
    "ConvTranspose2d": [(lambda: seeded(nn.ConvTranspose2d, 4, 2, 3, stride=2, output_padding=1), (X,))],
    "Unfold": [(lambda: nn.Unfold(2, stride=2), (X,))],
    "Fold": [(lambda: nn.Fold((4, 4), 2), (normal(2, 4, 9),))],
    "Flatten": [(lambda: nn.Flatten(), (X,)), (lambda: nn.Flatten(0, 1), (X[:0],))],
    "Unflatten": [(lambda: nn.Unflatten(1, (2, -1)), (X,)), (lambda: nn.Unflatten(-1, (5, 1)), (X,))],
}  # fmt: skip
CASES = [(name, k) for name, rows in ROWS.items() for k in range(len(rows))]
NAMES = [f"{name}{k}" for name, k in CASES]


def seeded(kind: Any, *arguments: Any, **settings: Any) -> Any:
    return kind(*arguments, **settings, dtype=np.float64, generator=ag.Generator(1))


def test_every_name_has_a_row() -> None:
    from nn.functional import convolution
    from nn.layers import convolution as layers
    from nn.layers import shape

    assert set(ROWS) == {*convolution.__all__, *layers.__all__, *shape.__all__}


@pytest.mark.parametrize(("name", "k"), CASES, ids=NAMES)
def test_runs_compiled(name: str, k: int) -> None:
    make, arrays = ROWS[name][k]
    parity.under_jit(make, *arrays)
    compiled = ag.jit(make())
    compiled(*map(ag.Tensor, arrays))
    assert compiled.explain().segments == 0


@pytest.mark.parametrize(("name", "k"), CASES, ids=NAMES)
def test_derivatives(name: str, k: int) -> None:
    make, arrays = ROWS[name][k]
    if all(a.size for a in arrays):
        parity.right_derivatives(make(), *arrays, order=2)


@pytest.mark.parametrize(("name", "k"), CASES, ids=NAMES)
def test_dtype_and_layout(name: str, k: int) -> None:
    make, arrays = ROWS[name][k]
    parity.any_layout(make, *arrays)
    if not name[0].isupper() or name in ("Unfold", "Fold", "Flatten", "Unflatten"):
        parity.keeps_float32(make, *arrays)


def test_layers_are_float32() -> None:
    for layer in (nn.Conv2d(4, 2, 3), nn.ConvTranspose2d(4, 2, 3)):
        parity.keeps_float32(lambda layer=layer: layer, X)


def test_sums_written_out() -> None:
    """The definition, by loops: stride, padding, dilation and groups at once."""
    x, w, b = normal(2, 4, 7, 6), normal(6, 2, 3, 2), normal(6)
    (s, t), (p, q), (m, n) = (2, 1), (2, 1), (1, 3)
    y = F.conv2d(x, w, b, stride=(s, t), padding=(p, q), dilation=(m, n), groups=2).numpy()
    assert y.shape == (2, 6, 5, 5)
    for i, o, r, c in product(range(2), range(6), range(5), range(5)):
        total = b[o]
        for k, u, v in product(range(2), range(3), range(2)):
            row, column = r * s + u * m - p, c * t + v * n - q
            if 0 <= row < 7 and 0 <= column < 6:
                total += w[o, k, u, v] * x[i, 2 * (o // 3) + k, row, column]
        assert abs(y[i, o, r, c] - total) < 1e-12


def test_transposed_is_the_transpose() -> None:
    """⟨conv(x), y⟩ = ⟨x, conv_transpose(y)⟩, and likewise for unfold and fold."""
    x, w = normal(2, 4, 9, 8), normal(6, 4, 3, 2)
    settings = {"stride": 2, "padding": 1, "dilation": (2, 1)}
    y = normal(*F.conv2d(x, w, **settings).shape)
    back = F.conv_transpose2d(y, w, **settings, output_padding=(0, 0)).numpy()
    back = np.pad(back, [(0, n - m) for n, m in zip(x.shape, back.shape, strict=True)])
    more = F.conv2d(np.pad(x, ((0, 0), (0, 0), (0, 0), (0, 0))), w, **settings).numpy()
    inside = [slice(0, n) for n in F.conv_transpose2d(y, w, **settings).shape]
    cut = np.zeros_like(x)
    cut[tuple(inside)] = x[tuple(inside)]
    assert np.allclose((F.conv2d(cut, w, **settings).numpy() * y).sum(), (cut * back).sum())
    assert more.shape == y.shape
    columns = normal(2, 4 * 6, 4 * 4)
    windows = {"kernel_size": (3, 2), "stride": 2, "padding": (1, 0)}
    assert np.allclose((F.unfold(x, **windows).numpy()[..., :16] * columns).sum(),
                       (x * F.fold(np.pad(columns, ((0, 0), (0, 0), (0, 4))), (9, 8), **windows).numpy()).sum())  # fmt: skip


def test_large_values() -> None:
    x, w = np.full((1, 2, 4, 4), 1e4, np.float32), np.full((2, 2, 3, 3), -1e4, np.float32)
    for name, value in parity.values_and_gradients(lambda a, b: F.conv2d(a, b, padding=1), [x, w]).items():
        assert np.isfinite(value).all(), name


def test_input_is_not_kept_alive_by_a_view() -> None:
    """What is written into the input afterwards does not change gradients silently: it raises."""
    x = ag.Tensor(X)
    y = F.conv2d(x, ag.Tensor(normal(2, 4, 1, 1), requires_grad=True))
    expected = y.numpy().copy()
    x[0] = 0.0
    np.testing.assert_array_equal(y.numpy(), expected)


def refused(call: Callable[[], Any], kind: Any, text: str) -> None:
    with pytest.raises(kind, match=text):
        call()


def test_refused() -> None:
    refused(lambda: F.conv2d(X, normal(6, 3, 3, 3)), ShapeError, r"x of shape \(2, 4, 6, 5\) has 4 channels.*takes 3")
    refused(lambda: F.conv2d(X, normal(6, 4, 7, 2)), ShapeError, r"reaches over \(7, 2\) elements, and x has \(6, 5\)")
    refused(lambda: F.conv2d(X, W, dilation=(3, 1)), ShapeError, r"reaches over \(7, 2\)")
    refused(lambda: F.conv2d(X, W, stride=0), ArgumentError, "stride must be a whole number, at least 1, got 0")
    refused(lambda: F.conv2d(X, W, stride=(1, 2, 3)), ArgumentError, r"one number, or 2.*got \(1, 2, 3\)")
    refused(lambda: F.conv2d(X, W, padding=-1), ArgumentError, "padding must be a whole number, at least 0, got -1")
    refused(lambda: F.conv2d(X, W, dilation=0), ArgumentError, "dilation must be a whole number, at least 1, got 0")
    refused(lambda: F.conv2d(X, W, stride=1.5), ArgumentError, "got 1.5")
    refused(lambda: F.conv2d(X, W, padding="full"), ArgumentError, "'full'")
    refused(lambda: F.conv2d(X, W, padding="same", stride=2), ArgumentError, r"needs stride 1, got stride \(2, 2\)")
    refused(lambda: F.conv2d(X, W, groups=3), ArgumentError, "groups=3 must divide")
    refused(lambda: F.conv2d(X, W, normal(5)), ShapeError, r"bias has shape \(5,\); it must be \(6,\)")
    refused(lambda: F.conv2d(X[0, 0], W), ShapeError, r"takes x of shape \(N, C, H, W\).*got \(6, 5\)")
    refused(lambda: F.conv1d(X, W), ShapeError, r"conv1d takes x of shape \(N, C, L\)")
    refused(lambda: F.conv2d(X, W[0]), ShapeError, r"weight with 4 axes.*got shape \(4, 3, 2\)")
    refused(lambda: F.conv2d(X, W[:, :, :0]), ShapeError, "at least one element")
    refused(lambda: F.conv_transpose2d(X, normal(3, 2, 2, 2)), ShapeError, "has 4 channels.*takes 3")
    refused(lambda: F.conv_transpose2d(X, BACK, output_padding=1), ArgumentError, r"output_padding \(1, 1\) must be below")
    refused(lambda: F.conv_transpose2d(X[..., :1, :1], BACK, padding=2), ShapeError, r"padding \(2, 2\).*leaves none")
    refused(lambda: F.unfold(X, 7), ShapeError, r"\(7, 7\)")
    refused(lambda: F.fold(normal(2, 8, 9), (4, 5), 2), ShapeError, "its last 12")
    refused(lambda: nn.Conv2d(3, 4, 2, groups=2), ArgumentError, "groups=2 must divide in_channels=3")
    refused(lambda: nn.Conv2d(0, 4, 2), ArgumentError, "in_channels must be a whole number, at least 1, got 0")
    refused(lambda: nn.Conv2d(3, 4, (2, 0)), ArgumentError, "kernel_size.*got 0")
    refused(lambda: nn.Conv2d(3, 4, 2, padding_mode="mirror"), ArgumentError, "'mirror'")
    refused(lambda: nn.ConvTranspose2d(3, 4, 2, padding_mode="reflect"), ArgumentError, "'zeros', got 'reflect'")
    refused(lambda: nn.Conv1d(4, 2, 3, padding=9, padding_mode="reflect")(SIGNAL), ShapeError, "border of 9.*length 9")
    refused(lambda: nn.ConvTranspose1d(4, 2, 3, stride=2)(SIGNAL, output_size=(25,)), ArgumentError, r"\(25,\).*\(19,\) to \(20,\)")  # noqa: E501
    refused(lambda: nn.Flatten(2, 1)(X), AxisError, "first axis is after its last")
    refused(lambda: nn.Flatten(4)(X), AxisError, "no axis 4")
    refused(lambda: nn.Unflatten(1, (3, 2))(X), ShapeError, r"cannot lay out axis 1 of shape \(2, 4, 6, 5\) as \(3, 2\)")


def test_state_dict() -> None:
    layer = nn.Conv2d(3, 4, (2, 5), groups=1)
    assert {k: v.shape for k, v in layer.state_dict().items()} == {"weight": (4, 3, 2, 5), "bias": (4,)}
    assert list(nn.ConvTranspose1d(3, 4, 2, bias=False).state_dict()) == ["weight"]
    assert nn.ConvTranspose2d(4, 6, 3, groups=2).weight.shape == (4, 3, 3, 3)
    assert repr(nn.Conv2d(2, 4, 3, padding="same", groups=2, bias=False, padding_mode="circular")) == (
        "Conv2d(2, 4, kernel_size=(3, 3), stride=(1, 1), padding='same', groups=2, bias=False, padding_mode=circular)"
    )
    a, b = (nn.Conv2d(2, 3, 3, generator=ag.Generator(5)).weight.numpy() for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert 0.5 / 18**0.5 < abs(a).max() <= 1 / 18**0.5
