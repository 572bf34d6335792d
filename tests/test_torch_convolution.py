"""Convolution and pooling against PyTorch: values and gradients in float64, with shapes and settings drawn at random.

Runs where PyTorch is installed. Pooled values are drawn from few, so that windows have ties: the first gets the gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import parity
import pytest

import nn
import nn.functional as F

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
SEEDS = range(12)


def several(rng: np.random.Generator, axes: int, low: int, high: int) -> Any:
    """One number for all axes, or one each."""
    drawn = tuple(int(n) for n in rng.integers(low, high, axes))
    return drawn if axes > 1 and rng.random() < 0.5 else drawn[0]


def lengths(rng: np.random.Generator, axes: int, at_least: Any) -> tuple[int, ...]:
    low = at_least if isinstance(at_least, tuple) else (at_least,) * axes
    return tuple(int(n + rng.integers(0, 5)) for n in low)


def spans(size: Any, dilation: Any, axes: int) -> tuple[int, ...]:
    return tuple((k - 1) * m + 1 for k, m in zip(spread(size, axes), spread(dilation, axes), strict=True))


def spread(n: Any, axes: int) -> tuple[int, ...]:
    return n if isinstance(n, tuple) else (n,) * axes


def batch(rng: np.random.Generator) -> tuple[int, ...]:
    """Usually some, none, or no axis for them."""
    return ((int(rng.integers(1, 4)),), (0,), ())[int(rng.choice(3, p=(0.7, 0.15, 0.15)))]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_convolution(axes: int, seed: int) -> None:
    rng = np.random.default_rng((1, axes, seed))
    groups = int(rng.choice([1, 1, 2, 3]))
    inner, outer = groups * int(rng.integers(1, 3)), groups * int(rng.integers(1, 4))
    size, dilation = several(rng, axes, 1, 4), several(rng, axes, 1, 3)
    padding: Any = several(rng, axes, 0, 3)
    stride = several(rng, axes, 1, 4)
    if rng.random() < 0.3:
        padding = str(rng.choice(["same", "valid"]))
        stride = 1 if padding == "same" else stride
    x = rng.normal(size=(*batch(rng), inner, *lengths(rng, axes, spans(size, dilation, axes))))
    weight = rng.normal(size=(outer, inner // groups, *spread(size, axes)))
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    arrays = (x, weight, rng.normal(size=outer)) if rng.random() < 0.7 else (x, weight)
    name = f"conv{axes}d"
    parity.against_torch(
        lambda *a: getattr(F, name)(*a, **settings), lambda *a: getattr(torch.nn.functional, name)(*a, **settings), *arrays
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_transposed_convolution(axes: int, seed: int) -> None:
    rng = np.random.default_rng((2, axes, seed))
    groups = int(rng.choice([1, 1, 2, 3]))
    inner, outer = groups * int(rng.integers(1, 3)), int(rng.integers(1, 4))
    size, dilation, stride = several(rng, axes, 1, 4), several(rng, axes, 1, 3), several(rng, axes, 1, 4)
    most = min(max(s, m) for s, m in zip(spread(stride, axes), spread(dilation, axes), strict=True))
    settings = {
        "stride": stride, "padding": int(rng.integers(0, (min(spans(size, dilation, axes)) + 1) // 2 + 1)),
        "output_padding": int(rng.integers(0, most)), "groups": groups, "dilation": dilation,
    }  # fmt: skip
    n = 4 if settings["padding"] else 1
    x = rng.normal(size=(*batch(rng), inner, *lengths(rng, axes, n)))
    weight = rng.normal(size=(inner, outer, *spread(size, axes)))
    arrays = (x, weight, rng.normal(size=outer * groups)) if rng.random() < 0.7 else (x, weight)
    name = f"conv_transpose{axes}d"
    parity.against_torch(
        lambda *a: getattr(F, name)(*a, **settings), lambda *a: getattr(torch.nn.functional, name)(*a, **settings), *arrays
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_fold_and_unfold(seed: int) -> None:
    rng = np.random.default_rng((3, seed))
    size, dilation, stride, padding = (several(rng, 2, low, high) for low, high in ((1, 4), (1, 3), (1, 4), (0, 3)))
    settings = {"kernel_size": size, "dilation": dilation, "padding": padding, "stride": stride}
    shape = lengths(rng, 2, spans(size, dilation, 2))
    x = rng.normal(size=(int(rng.integers(1, 3)), 2, *shape))
    parity.against_torch(lambda a: F.unfold(a, **settings), lambda a: torch.nn.functional.unfold(a, **settings), x)
    columns = rng.normal(size=tuple(torch.nn.functional.unfold(torch.tensor(x), **settings).shape))
    for c in (columns, columns[0]):
        parity.against_torch(
            lambda a: F.fold(a, shape, **settings), lambda a: torch.nn.functional.fold(a, shape, **settings), c
        )  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("indices", [False, True])
def test_max_pool(axes: int, seed: int, indices: bool) -> None:
    rng = np.random.default_rng((4, axes, seed))
    size, dilation = several(rng, axes, 1, 5), several(rng, axes, 1, 3)
    settings = {
        "kernel_size": size, "stride": None if rng.random() < 0.3 else several(rng, axes, 1, 4),
        "padding": int(rng.integers(0, min(spread(size, axes)) // 2 + 1)), "dilation": dilation,
        "ceil_mode": bool(rng.integers(2)),
    }  # fmt: skip
    shape = (*batch(rng)[:1], 2, *lengths(rng, axes, tuple(max(n, 2) for n in spans(size, dilation, axes))))
    shape = shape if 0 not in shape else shape[1:]
    x = rng.normal(size=shape) if seed % 2 else rng.integers(-2, 2, shape).astype(float)
    if seed == 4:
        x[..., : x.shape[-1] // 2] = -np.inf
    name = f"max_pool{axes}d"

    def theirs(a: Any) -> Any:
        found = getattr(torch.nn.functional, name)(a, **settings, return_indices=indices)
        return (found[0], found[1].double()) if indices else found

    def ours(a: Any) -> Any:
        found = getattr(F, name)(a, **settings, return_indices=indices)
        return (found[0], found[1].astype(float)) if indices else found

    parity.against_torch(ours, theirs, x)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("axes", [1, 2])
def test_avg_pool(axes: int, seed: int) -> None:
    rng = np.random.default_rng((5, axes, seed))
    size = several(rng, axes, 1, 5)
    settings = {
        "kernel_size": size, "stride": None if rng.random() < 0.3 else several(rng, axes, 1, 4),
        "padding": int(rng.integers(0, min(spread(size, axes)) // 2 + 1)), "ceil_mode": bool(rng.integers(2)),
        "count_include_pad": bool(rng.integers(2)),
    }  # fmt: skip
    if axes == 2 and rng.random() < 0.3:
        settings["divisor_override"] = int(rng.integers(1, 5))
    x = rng.normal(size=(*batch(rng), 2, *lengths(rng, axes, tuple(max(n, 2) for n in spread(size, axes)))))
    name = f"avg_pool{axes}d"
    parity.against_torch(
        lambda a: getattr(F, name)(a, **settings), lambda a: getattr(torch.nn.functional, name)(a, **settings), x
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("axes", [1, 2])
def test_adaptive_pools(axes: int, seed: int) -> None:
    rng = np.random.default_rng((6, axes, seed))
    wanted: Any = several(rng, axes, 1, 6)
    if axes == 2 and seed == 3:
        wanted = (None, 3)
    x = rng.integers(-3, 3, (*batch(rng)[:1], 2, *lengths(rng, axes, 2))).astype(float)
    x = x if x.size else x.reshape(0, *x.shape[1:])
    for kind in ("avg", "max"):
        if kind == "max" and not x.size:
            continue  # which PyTorch refuses
        name = f"adaptive_{kind}_pool{axes}d"
        parity.against_torch(
            lambda a, n=name: getattr(F, n)(a, wanted), lambda a, n=name: getattr(torch.nn.functional, n)(a, wanted), x
        )


def layers() -> list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]]:
    """Layers with the same arguments here and there, and a shape that they take."""
    found: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = []
    for mode in ("zeros", "reflect", "replicate", "circular"):
        found += [
            ("Conv1d", (4, 6, 3), {"padding": 2, "groups": 2, "padding_mode": mode}, (2, 4, 7)),
            ("Conv1d", (2, 3, 4), {"padding": "same", "padding_mode": mode}, (2, 2, 8)),
            ("Conv2d", (3, 4, (3, 2)), {"padding": (1, 2), "stride": (2, 1), "padding_mode": mode}, (2, 3, 6, 5)),
            ("Conv2d", (2, 2, 2), {"padding": "same", "dilation": 2, "bias": False, "padding_mode": mode}, (2, 6, 5)),
            ("Conv3d", (2, 3, 2), {"padding": 1, "padding_mode": mode}, (2, 2, 3, 4, 3)),
        ]
    found += [
        ("ConvTranspose1d", (4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}, (2, 4, 5)),
        ("ConvTranspose2d", (3, 2, (3, 2)), {"stride": (2, 3), "bias": False}, (2, 3, 4, 3)),
        ("ConvTranspose2d", (3, 2, 3), {"dilation": 2, "padding": 1}, (3, 4, 3)),
        ("MaxPool1d", (3, 2), {"padding": 1}, (2, 3, 8)), ("MaxPool2d", (2,), {"ceil_mode": True}, (2, 3, 5, 7)),
        ("AvgPool1d", (3, 2), {"padding": 1}, (2, 3, 8)),
        ("AvgPool2d", ((2, 3), 2), {"padding": (1, 0), "count_include_pad": False}, (2, 3, 6, 7)),
        ("AdaptiveAvgPool1d", (3,), {}, (2, 3, 8)), ("AdaptiveAvgPool2d", ((2, None),), {}, (2, 3, 5, 4)),
        ("AdaptiveMaxPool1d", (3,), {}, (2, 3, 8)), ("AdaptiveMaxPool2d", ((2, 3),), {}, (2, 3, 5, 4)),
        ("Flatten", (), {}, (2, 3, 4, 2)), ("Flatten", (0, -2), {}, (2, 3, 4, 2)), ("Unflatten", (1, (2, -1)), {}, (3, 6, 2)),
        ("Unfold", (2,), {"stride": 2}, (2, 3, 5, 4)), ("Fold", ((4, 5), 2), {"padding": 1}, (2, 8, 30)),
    ]  # fmt: skip
    return found


@pytest.mark.parametrize("row", layers(), ids=lambda row: row[0])
def test_layers(row: Any) -> None:
    name, arguments, settings, shape = row
    x = np.random.default_rng(7).normal(size=shape)
    torch.manual_seed(0)
    parameters = {"dtype": np.float64} if name.startswith("Conv") else {}
    ours = getattr(nn, name)(*arguments, **settings, **parameters)
    theirs = getattr(torch.nn, name)(*arguments, **settings)
    if parameters:
        assert {k: v.shape for k, v in ours.state_dict().items()} == {k: tuple(v.shape) for k, v in theirs.state_dict().items()}
    parity.against_torch(ours, theirs, x)


@pytest.mark.parametrize("name", ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d"])
def test_weights_start_as_in_pytorch(name: str) -> None:
    """The bounds of both uniform distributions."""
    ours, theirs = (getattr(module, name)(6, 40, 3, groups=2) for module in (nn, torch.nn))
    for a, b in ((ours.weight.numpy(), theirs.weight), (ours.bias.numpy(), theirs.bias)):
        b = b.detach().numpy()
        assert a.shape == b.shape
        bound = abs(b).max()
        n = a.size
        assert abs(abs(a).max() / bound - 1) < 12 / n and abs(a.mean()) < 4 * bound / n**0.5


def test_output_size() -> None:
    ours, theirs = (module.ConvTranspose2d(2, 3, 3, stride=2, padding=1) for module in (nn, torch.nn))
    ours.load_state_dict({k: v.numpy().copy() for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(1, 2, 4, 5)).astype(np.float32)
    for size in ((7, 10), (8, 9)):
        y = theirs(torch.tensor(x), output_size=size).detach().numpy()
        np.testing.assert_allclose(ours(x, output_size=size).numpy(), y, rtol=1e-5, atol=1e-6)


def test_same_network() -> None:
    """A small network with PyTorch's weights: its output, and every gradient."""
    def made(module: Any) -> list[Any]:
        return [
            module.Conv2d(1, 4, 3, padding=1), module.ReLU(), module.MaxPool2d(2), module.Conv2d(4, 6, 3), module.Tanh(),
            module.AvgPool2d(2), module.Flatten(), module.Linear(6, 3),
        ]  # fmt: skip

    x = np.random.default_rng(0).normal(size=(5, 1, 8, 8))
    parity.against_torch(_wide(made(nn)), torch.nn.Sequential(*made(torch.nn)), x)


def _wide(modules: list[Any]) -> Any:
    """The modules in float64."""
    net = nn.Sequential(*modules)
    for owner in net.modules():
        for name, p in list(vars(owner).items()):
            if isinstance(p, nn.Parameter):
                setattr(owner, name, nn.Parameter(p.numpy().astype(np.float64), dtype=np.float64))
    return net
