"""Every loss that PyTorch has too: its values and gradients in float64, over shapes, reductions and settings drawn at
random. Runs where PyTorch is installed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import parity
import pytest

import autograd as ag
import nn
import nn.functional as F

torch = pytest.importorskip("torch")

SHAPES = [(), (0,), (5,), (4, 3), (0, 3), (2, 3, 4)]
Random = np.random.Generator


def same(random: Random, shape: tuple[int, ...]) -> list[Any]:
    return [np.asarray(random.normal(size=shape)), np.asarray(random.normal(size=shape))]


def shares(random: Random, shape: tuple[int, ...]) -> list[Any]:
    return [np.asarray(random.random(shape)), np.asarray(random.random(shape))]


def signs(random: Random, shape: tuple[int, ...]) -> list[Any]:
    return [np.asarray(random.normal(size=shape)), np.where(random.random(shape) < 0.5, -1.0, 1.0)]


def counts(random: Random, shape: tuple[int, ...]) -> list[Any]:
    return [np.asarray(random.random(shape) + 0.1), np.asarray(random.poisson(2.0, shape), float)]


def logs(random: Random, shape: tuple[int, ...]) -> list[Any]:
    return [np.asarray(np.log(random.random(shape) + 1e-9)), np.asarray(np.log(random.random(shape) + 1e-9))]


def log_and_share(random: Random, shape: tuple[int, ...]) -> list[Any]:
    return [logs(random, shape)[0], np.asarray(random.random(shape))]


def triple(random: Random, shape: tuple[int, ...]) -> list[Any]:
    return [*same(random, shape), np.where(random.random(shape) < 0.5, -1.0, 1.0)]


ELEMENTWISE: list[tuple[str, Callable[..., Any], list[dict[str, Any]]]] = [
    ("mse_loss", same, [{}]), ("l1_loss", same, [{}]), ("huber_loss", same, [{}, {"delta": 0.4}]),
    ("smooth_l1_loss", same, [{}, {"beta": 0.4}, {"beta": 0.0}]), ("binary_cross_entropy", shares, [{}]),
    ("binary_cross_entropy_with_logits", shares, [{}]), ("kl_div", log_and_share, [{}]),
    ("kl_div", logs, [{"log_target": True}]),
    ("poisson_nll_loss", counts, [{}, {"log_input": False}, {"full": True}]),
    ("hinge_embedding_loss", signs, [{}, {"margin": 0.3}]), ("margin_ranking_loss", triple, [{}, {"margin": 0.3}]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "draw", "settings"), ELEMENTWISE, ids=[f"{row[0]}{k}" for k, row in enumerate(ELEMENTWISE)])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.filterwarnings("ignore")
def test_elementwise(name: str, draw: Any, settings: Any, shape: tuple[int, ...], reduction: str) -> None:
    for seed, setting in enumerate(settings * 3):
        random = np.random.default_rng(seed)
        arrays = draw(random, shape)
        target = arrays[-1]
        fixed = name not in ("mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss")
        kw = {**setting, "reduction": reduction}
        last, theirs = ((target,), (torch.tensor(target),)) if fixed else ((), ())
        parity.against_torch(
            lambda *a, last=last, kw=kw: getattr(F, name)(*a, *last, **kw),
            lambda *a, last=theirs, kw=kw: getattr(torch.nn.functional, name)(*a, *last, **kw),
            *(arrays[:-1] if fixed else arrays),
        )


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss", "multi_margin_loss"])
@pytest.mark.parametrize("shape", [(4,), (5, 4), (3, 4, 2), (2, 4, 3, 2)], ids=str)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_classes(name: str, shape: tuple[int, ...], reduction: str, weighted: bool) -> None:
    if name == "multi_margin_loss" and len(shape) > 2:
        return
    random = np.random.default_rng(len(shape))
    batch = shape[:1] + shape[2:] if len(shape) > 1 else ()
    target = np.asarray(random.integers(0, 4, batch))
    if name != "multi_margin_loss" and batch:
        target.flat[0] = -100
    settings: list[dict[str, Any]] = [{}]
    if name == "cross_entropy":
        settings = [{}, {"label_smoothing": 0.3}]
    if name == "multi_margin_loss":
        settings = [{}, {"p": 2, "margin": 0.4}]
    weight = random.random(4) if weighted else None
    theirs = None if weight is None else torch.tensor(weight)
    for setting in settings:
        kw = {**setting, "reduction": reduction}
        parity.against_torch(
            lambda x, kw=kw: getattr(F, name)(x, target, weight=weight, **kw),
            lambda x, kw=kw: getattr(torch.nn.functional, name)(x, torch.tensor(target), weight=theirs, **kw),
            random.normal(size=shape),
        )


@pytest.mark.parametrize("shape", [(4,), (5, 4), (3, 4, 2)], ids=str)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_soft_targets(shape: tuple[int, ...], reduction: str, smoothing: float) -> None:
    random = np.random.default_rng(7)
    weight = random.random(4)
    kw = {"reduction": reduction, "label_smoothing": smoothing}
    parity.against_torch(
        lambda x, t: F.cross_entropy(x, t, weight=weight, **kw),
        lambda x, t: torch.nn.functional.cross_entropy(x, t, weight=torch.tensor(weight), **kw),
        random.normal(size=shape), random.random(shape),
    )  # fmt: skip


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_weights_of_logits(reduction: str) -> None:
    random = np.random.default_rng(8)
    x, t, w, p = (random.random(s) for s in [(3, 4), (3, 4), (3, 4), (4,)])
    parity.against_torch(
        lambda a: F.binary_cross_entropy_with_logits(a, t, w, p, reduction),
        lambda a: torch.nn.functional.binary_cross_entropy_with_logits(
            a, torch.tensor(t), torch.tensor(w), pos_weight=torch.tensor(p), reduction=reduction
        ),
        x,
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("full", [False, True])
def test_gaussian(reduction: str, full: bool) -> None:
    random = np.random.default_rng(9)
    for shape in [(3, 4), (3, 1), (3,)]:
        arrays = random.normal(size=(3, 4)), random.normal(size=(3, 4)), random.random(shape) - 0.0
        kw = {"full": full, "reduction": reduction, "eps": 0.2}
        parity.against_torch(
            lambda *a, kw=kw: F.gaussian_nll_loss(*a, **kw),
            lambda *a, kw=kw: torch.nn.functional.gaussian_nll_loss(*a, **kw), *arrays,
        )  # fmt: skip


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_vectors(reduction: str) -> None:
    random = np.random.default_rng(10)
    a, b, c = (random.normal(size=(5, 3)) for _ in range(3))
    t = np.array([1.0, -1.0, 1.0, -1.0, -1.0])
    theirs = torch.nn.functional
    parity.against_torch(lambda x, y: F.cosine_similarity(x, y), lambda x, y: theirs.cosine_similarity(x, y, dim=-1), a, b)
    parity.against_torch(
        lambda x, y: F.cosine_embedding_loss(x, y, t, margin=0.1, reduction=reduction),
        lambda x, y: theirs.cosine_embedding_loss(x, y, torch.tensor(t), margin=0.1, reduction=reduction), a, b,
    )  # fmt: skip
    for kw in ({}, {"p": 1.0}, {"p": 3.0, "margin": 0.5}, {"swap": True}):
        kw = {**kw, "reduction": reduction}
        parity.against_torch(
            lambda *x, kw=kw: F.triplet_margin_loss(*x, **kw), lambda *x, kw=kw: theirs.triplet_margin_loss(*x, **kw), a, b, c
        )
    parity.against_torch(lambda x, y: F.pairwise_distance(x, y, 1.5), lambda x, y: theirs.pairwise_distance(x, y, 1.5), a, b)


def test_batch_mean_of_kl() -> None:
    random = np.random.default_rng(11)
    q, p = np.log(random.random((4, 3))), random.random((4, 3))
    parity.against_torch(
        lambda x: F.kl_div(x, p, "batchmean"),
        lambda x: torch.nn.functional.kl_div(x, torch.tensor(p), reduction="batchmean"), q,
    )  # fmt: skip


def second(function: Any, x: Any) -> Any:
    """The gradient of a weighted sum of squares of the gradient, in either library."""
    engine = torch if isinstance(x, torch.Tensor) else None
    if engine:
        (g,) = torch.autograd.grad(function(x), x, create_graph=True)
        weights = torch.arange(1.0, g.numel() + 1, dtype=g.dtype).reshape(g.shape)
        return torch.autograd.grad((g**2 * weights).sum(), x)[0].numpy()
    (g,) = ag.tape.gradients([function(x)], [x], create_graph=True)
    return ag.tape.gradients([(g**2 * np.arange(1.0, g.size + 1).reshape(g.shape)).sum()], [x])[0].data


@pytest.mark.parametrize(("name", "settings"), [
    ("mse_loss", {}), ("huber_loss", {"delta": 0.7}), ("smooth_l1_loss", {"beta": 0.4}), ("cross_entropy", {}),
    ("cross_entropy", {"label_smoothing": 0.2}), ("binary_cross_entropy_with_logits", {}), ("poisson_nll_loss", {}),
])  # fmt: skip
def test_second_derivatives(name: str, settings: dict[str, Any]) -> None:
    random = np.random.default_rng(12)
    x, t = random.normal(size=(4, 3)), random.random((4, 3))
    t = np.asarray(random.integers(0, 3, 4)) if name == "cross_entropy" else t
    ours = second(lambda v: getattr(F, name)(v, t, **settings), ag.Tensor(x, requires_grad=True))
    theirs = second(
        lambda v: getattr(torch.nn.functional, name)(v, torch.tensor(t), **settings), torch.tensor(x, requires_grad=True)
    )
    np.testing.assert_allclose(ours, theirs, 1e-10, 1e-12)


MODULES = [
    "BCELoss", "BCEWithLogitsLoss", "CosineEmbeddingLoss", "CrossEntropyLoss", "GaussianNLLLoss", "HingeEmbeddingLoss",
    "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss", "MarginRankingLoss", "MultiMarginLoss", "NLLLoss", "PoissonNLLLoss",
    "SmoothL1Loss", "TripletMarginLoss", "CosineSimilarity",
]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_settings_and_defaults_of_modules(name: str) -> None:
    """Every setting of PyTorch's is there, in its order and with its default, but for what PyTorch itself gave up."""
    theirs = inspect.signature(getattr(torch.nn, name)).parameters
    ours = inspect.signature(getattr(nn, name)).parameters
    renamed = {"dim": "axis"}
    expected = [(renamed.get(n, n), p.default) for n, p in theirs.items() if n not in ("size_average", "reduce")]
    assert [(n, p.default) for n, p in ours.items()] == expected


SHARED = [name for name in F.losses.__all__ if inspect.isfunction(getattr(torch.nn.functional, name, None))]


@pytest.mark.parametrize("name", SHARED)
def test_defaults_of_functions(name: str) -> None:
    theirs = inspect.signature(getattr(torch.nn.functional, name)).parameters
    ours = inspect.signature(getattr(F, name)).parameters
    names = {"keepdim": "keepdims"}
    for n, p in theirs.items():
        if n not in ("size_average", "reduce", "input", "input1", "input2", "target") and p.default is not p.empty:
            assert ours[names.get(n, n)].default == p.default, n
