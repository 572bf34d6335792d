"""Every loss: derivatives, both modes, dtype, layouts, reductions, the notes' formulas, extreme values, bad arguments,
and that compiled training stops at the same targets."""

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

RANDOM = np.random.default_rng(1)
N, C = 6, 4
X, Y = RANDOM.normal(size=(N, C)), RANDOM.normal(size=(N, C))
CLASSES = RANDOM.integers(0, C, N)
SIGNS = np.where(RANDOM.random((N, C)) < 0.5, -1.0, 1.0)
SHARES = RANDOM.random((N, C))
SOFT = np.exp(Y) / np.exp(Y).sum(axis=1, keepdims=True)
COUNTS = RANDOM.poisson(2.0, (N, C)).astype(float)
WEIGHTS = np.array([0.5, 1.0, 2.0, 0.0])

# function, module, settings, arrays of which the first is differentiated and the last reduced over
ROWS: list[tuple[str, str, dict[str, Any], tuple[Any, ...]]] = [
    ("mse_loss", "MSELoss", {}, (X, Y)), ("l1_loss", "L1Loss", {}, (X, Y)),
    ("huber_loss", "HuberLoss", {"delta": 0.7}, (X, Y)), ("smooth_l1_loss", "SmoothL1Loss", {"beta": 0.7}, (X, Y)),
    ("smooth_l1_loss", "SmoothL1Loss", {"beta": 0.0}, (X, Y)),
    ("poisson_nll_loss", "PoissonNLLLoss", {"full": True}, (X, COUNTS)),
    ("poisson_nll_loss", "PoissonNLLLoss", {"log_input": False}, (np.exp(X), COUNTS)),
    ("gaussian_nll_loss", "GaussianNLLLoss", {"full": True}, (X, Y, np.exp(X))),
    ("binary_cross_entropy", "BCELoss", {}, (SHARES, SHARES[::-1].copy())),
    ("binary_cross_entropy_with_logits", "BCEWithLogitsLoss", {"pos_weight": WEIGHTS}, (X, SHARES)),
    ("cross_entropy", "CrossEntropyLoss", {"weight": WEIGHTS, "label_smoothing": 0.2}, (X, CLASSES)),
    ("cross_entropy", "CrossEntropyLoss", {"weight": WEIGHTS}, (X, SOFT)),
    ("nll_loss", "NLLLoss", {"weight": WEIGHTS}, (X, CLASSES)),
    ("focal_loss", "FocalLoss", {"gamma": 1.5, "weight": WEIGHTS}, (X, CLASSES)),
    ("focal_loss", "FocalLoss", {"gamma": 0.0, "ignore_index": 2}, (X, CLASSES)),
    ("sigmoid_focal_loss", "SigmoidFocalLoss", {"alpha": 0.3}, (X, SHARES)),
    ("kl_div", "KLDivLoss", {}, (np.log(SHARES), SOFT)),
    ("kl_div", "KLDivLoss", {"log_target": True}, (np.log(SHARES), np.log(SOFT))),
    ("kl_divergence", "", {"axis": 0}, (SOFT, SHARES)), ("kl_normal", "KLNormalLoss", {}, (X, Y)),
    ("poisson_loss", "PoissonLoss", {}, (np.exp(X), COUNTS)), ("dice_loss", "DiceLoss", {"smooth": 0.5}, (SHARES, SOFT)),
    ("hinge_loss", "HingeLoss", {}, (X, SIGNS)), ("squared_hinge_loss", "SquaredHingeLoss", {}, (X, SIGNS)),
    ("hinge_embedding_loss", "HingeEmbeddingLoss", {"margin": 0.6}, (X, SIGNS)),
    ("categorical_hinge_loss", "CategoricalHingeLoss", {}, (X, CLASSES)),
    ("multi_margin_loss", "MultiMarginLoss", {"p": 2, "weight": WEIGHTS}, (X, CLASSES)),
    ("margin_ranking_loss", "MarginRankingLoss", {"margin": 0.3}, (X, Y, SIGNS)),
    ("cosine_proximity_loss", "CosineProximityLoss", {}, (X, Y)),
    ("cosine_embedding_loss", "CosineEmbeddingLoss", {"margin": 0.1}, (X, Y, SIGNS[:, 0].copy())),
    ("triplet_margin_loss", "TripletMarginLoss", {"swap": True, "p": 3.0}, (X, Y, X[::-1].copy())),
]  # fmt: skip
IDS = [f"{name}{k}" for k, (name, *_) in enumerate(ROWS)]
NO_LOSS = {"cosine_similarity", "pairwise_distance"}
TARGETS = {"poisson_nll_loss", "poisson_loss", "kl_divergence", "dice_loss",
           "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "sigmoid_focal_loss",
           "kl_div", "hinge_loss", "squared_hinge_loss", "hinge_embedding_loss", "margin_ranking_loss",
           "cosine_embedding_loss"}  # fmt: skip
"""Losses whose last array has a range, so that differences cannot be taken by it."""


def made(name: str, settings: dict[str, Any], fixed: tuple[Any, ...] = ()) -> Callable[..., Any]:
    return lambda *arrays: getattr(F, name)(*arrays, *fixed, **settings)


def test_every_loss_has_a_row() -> None:
    assert {name for name, *_ in ROWS} | NO_LOSS == set(F.losses.__all__)
    kinds = ("regression", "classification", "probabilistic", "margin", "similarity")
    assert sorted(n for kind in kinds for n in getattr(F.losses, kind).__all__) == F.losses.__all__
    assert {kind for _, kind, *_ in ROWS} - {""} | {"Loss", "CosineSimilarity"} == set(nn.losses.__all__)


@pytest.mark.parametrize(("name", "kind", "settings", "arrays"), ROWS, ids=IDS)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_loss(name: str, kind: str, settings: dict[str, Any], arrays: tuple[Any, ...], reduction: str) -> None:
    f = made(name, {**settings, "reduction": reduction})
    if name in TARGETS:
        parity.right_derivatives(made(name, settings, arrays[-1:]), *arrays[:-1], order=2)
    else:
        parity.right_derivatives(f, *arrays, order=2)
    free = arrays[-1:] if name in TARGETS else ()
    g = made(name, {**settings, "reduction": reduction}, free)
    inputs = arrays[: len(arrays) - len(free)]
    parity.under_jit(lambda: g, *inputs)
    parity.keeps_float32(lambda: f, *arrays)
    parity.any_layout(lambda: f, *arrays)


@pytest.mark.parametrize(("name", "kind", "settings", "arrays"), ROWS, ids=IDS)
def test_reductions_and_module(name: str, kind: str, settings: dict[str, Any], arrays: tuple[Any, ...]) -> None:
    tensors = [ag.Tensor(a) for a in arrays]
    each = made(name, {**settings, "reduction": "none"})(*tensors).data
    total = made(name, {**settings, "reduction": "sum"})(*tensors).item()
    np.testing.assert_allclose(each.sum(), total, 1e-12)
    if not {"weight", "ignore_index"} & settings.keys():
        np.testing.assert_allclose(each.mean(), made(name, settings)(*tensors).item(), 1e-12)
    for reduction in ("mean", "sum", "none") if kind else ():
        module = getattr(nn, kind)(**settings, reduction=reduction)
        answer = made(name, {**settings, "reduction": reduction})(*tensors).data
        np.testing.assert_array_equal(module(*tensors).data, answer)
        assert repr(module).startswith(kind)
    with pytest.raises(AutogradError, match="'average'"):
        made(name, {**settings, "reduction": "average"})(*tensors)
    if kind:
        with pytest.raises(AutogradError, match="'average'"):
            getattr(nn, kind)(reduction="average")


def test_formulas_of_the_notes() -> None:
    """Each cost function as the notes write it."""
    p = SHARES
    t = (SHARES[::-1] > 0.5).astype(float)
    error = np.abs(X - Y)
    right = X[np.arange(N), CLASSES]
    others = np.where(np.arange(C) == CLASSES[:, None], -np.inf, X).max(axis=1)
    q = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
    written = [
        (F.mse_loss(X, Y), ((Y - X) ** 2).mean()), (F.l1_loss(X, Y), error.mean()),
        (F.huber_loss(X, Y, delta=0.5), np.where(error <= 0.5, 0.5 * error**2, 0.5 * (error - 0.25)).mean()),
        (F.binary_cross_entropy(p, t), -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()),
        (F.cross_entropy(X, CLASSES), -np.log(q[np.arange(N), CLASSES]).mean()),
        (F.kl_div(np.log(q), SOFT, reduction="sum"), (SOFT * np.log(SOFT / q)).sum()),
        (F.kl_divergence(SOFT, q, reduction="sum"), (SOFT * np.log(SOFT / q)).sum()),
        (F.poisson_loss(p, COUNTS), (p - COUNTS * np.log(p)).mean()),
        (F.hinge_loss(X, SIGNS), np.maximum(0, 1 - SIGNS * X).mean()),
        (F.squared_hinge_loss(X, SIGNS), (np.maximum(0, 1 - SIGNS * X) ** 2).mean()),
        (F.poisson_nll_loss(p, COUNTS, log_input=False, eps=1e-300), (p - COUNTS * np.log(p)).mean()),
        (F.categorical_hinge_loss(X, CLASSES), np.maximum(0, others - right + 1).mean()),
        (F.cosine_proximity_loss(X, Y),
         -((X * Y).sum(1) / (np.linalg.norm(X, axis=1) * np.linalg.norm(Y, axis=1))).mean()),
        (F.kl_normal(X, Y), (-0.5 * (1 + Y - X**2 - np.exp(Y)).sum(axis=1)).mean()),
        (F.focal_loss(X, CLASSES), -((1 - q[np.arange(N), CLASSES]) ** 2 * np.log(q[np.arange(N), CLASSES])).mean()),
    ]  # fmt: skip
    for k, (ours, expected) in enumerate(written):
        np.testing.assert_allclose(ours.item(), expected, 1e-12, err_msg=str(k))


def test_formulas_of_the_others() -> None:
    """The papers' and PyTorch's formulas, written out, with settings that are not the defaults."""
    relu, log, rows = lambda v: np.maximum(0, v), np.log, np.arange(N)
    error, p, t = np.abs(X - Y), 1 / (1 + np.exp(-X)), SHARES
    q = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
    factor = WEIGHTS[CLASSES]
    onehot = np.eye(C)[CLASSES]
    smooth = 0.8 * onehot + 0.2 / C
    gap = relu(0.7 - X[rows, CLASSES][:, None] + X) * (1 - onehot)
    cosine = (X * Y).sum(1) / np.linalg.norm(X, axis=1) / np.linalg.norm(Y, axis=1)
    side = SIGNS[:, 0]
    z = Y[::-1]
    near, far, swap = (np.abs(a - b + 1e-6) for a, b in ((X, Y), (X, z), (Y, z)))
    norm = lambda d: (d**3).sum(1) ** (1 / 3)  # noqa: E731
    many = np.where(COUNTS > 1, COUNTS, 1)
    stirling = np.where(COUNTS > 1, many * log(many) - many + 0.5 * log(2 * np.pi * many), 0)
    variance = np.maximum(SHARES, 0.3)
    written = [
        (F.mse_loss(X, Y, weight=WEIGHTS), (error**2 * WEIGHTS).sum() / (WEIGHTS.sum() * N)),
        (F.smooth_l1_loss(X, Y, beta=0.7), np.where(error < 0.7, error**2 / 1.4, error - 0.35).mean()),
        (F.binary_cross_entropy(SHARES, t, weight=WEIGHTS), -(WEIGHTS * (t * log(t) + (1 - t) * log(1 - t))).mean()),
        (F.binary_cross_entropy_with_logits(X, t, WEIGHTS, WEIGHTS + 1),
         -(WEIGHTS * ((WEIGHTS + 1) * t * log(p) + (1 - t) * log(1 - p))).mean()),
        (F.cross_entropy(X, CLASSES, label_smoothing=0.2), -(smooth * log(q)).sum(1).mean()),
        (F.cross_entropy(X, CLASSES, WEIGHTS, label_smoothing=0.2), -(smooth * WEIGHTS * log(q)).sum() / factor.sum()),
        (F.cross_entropy(X, SOFT, WEIGHTS), -(SOFT * WEIGHTS * log(q)).sum(1).mean()),
        (F.nll_loss(log(q), CLASSES, WEIGHTS), -(factor * log(q)[rows, CLASSES]).sum() / factor.sum()),
        (F.focal_loss(X, CLASSES, 1.5, WEIGHTS),
         -(factor * (1 - q[rows, CLASSES]) ** 1.5 * log(q[rows, CLASSES])).sum() / factor.sum()),
        (F.sigmoid_focal_loss(X, t, 0.3, 1.5),
         -(0.3 * t * (1 - p) ** 1.5 * log(p) + 0.7 * (1 - t) * p**1.5 * log(1 - p)).mean()),
        (F.dice_loss(t, SOFT, 0.5), (1 - (2 * (t * SOFT).sum(1) + 0.5) / (t.sum(1) + SOFT.sum(1) + 0.5)).mean()),
        (F.kl_div(log(t), log(SOFT), "batchmean", True), (SOFT * (log(SOFT) - log(t))).sum() / N),
        (F.poisson_nll_loss(X, COUNTS, full=True), (np.exp(X) - COUNTS * X + stirling).mean()),
        (F.gaussian_nll_loss(X, Y, SHARES, full=True, eps=0.3),
         (0.5 * (log(variance) + error**2 / variance) + 0.5 * log(2 * np.pi)).mean()),
        (F.hinge_loss(X, SIGNS, 0.4), relu(0.4 - SIGNS * X).mean()),
        (F.squared_hinge_loss(X, SIGNS, 0.4), (relu(0.4 - SIGNS * X) ** 2).mean()),
        (F.multi_margin_loss(X, CLASSES, 2, 0.7, WEIGHTS), (factor[:, None] * gap**2).sum(1).mean() / C),
        (F.hinge_embedding_loss(X, SIGNS, 0.6), np.where(SIGNS == 1, X, relu(0.6 - X)).mean()),
        (F.margin_ranking_loss(X, Y, SIGNS, 0.3), relu(-SIGNS * (X - Y) + 0.3).mean()),
        (F.cosine_embedding_loss(X, Y, side, 0.1), np.where(side == 1, 1 - cosine, relu(cosine - 0.1)).mean()),
        (F.triplet_margin_loss(X, Y, z, 0.9, 3.0, swap=True),
         relu(norm(near) - np.minimum(norm(far), norm(swap)) + 0.9).mean()),
        (F.triplet_margin_loss(X, Y, z, 0.9, 3.0), relu(norm(near) - norm(far) + 0.9).mean()),
        (F.pairwise_distance(X, Y, np.inf, 0.0).sum(), error.max(1).sum()),
        (F.pairwise_distance(X, Y, 1, 0.0).sum(), error.sum()),
        (F.pairwise_distance(X, Y, eps=0.0).sum(), np.linalg.norm(X - Y, axis=1).sum()),
    ]  # fmt: skip
    for k, (ours, expected) in enumerate(written):
        np.testing.assert_allclose(ours.item(), expected, 1e-11, err_msg=str(k))


def test_focal_without_focus_is_cross_entropy() -> None:
    np.testing.assert_allclose(F.focal_loss(X, CLASSES, gamma=0).item(), F.cross_entropy(X, CLASSES).item(), 1e-14)
    plain = F.binary_cross_entropy_with_logits(X, SHARES).item()
    np.testing.assert_allclose(F.sigmoid_focal_loss(X, SHARES, alpha=None, gamma=0).item(), plain, 1e-14)


@pytest.mark.parametrize("size", [1e4, 30.0])
def test_extreme_inputs(size: float) -> None:
    """Values and gradients in float32 are finite where the mathematics is."""
    x = np.array([[-size, size, 0.0, 1.0], [size, size, -size, 1.0]], np.float32)
    targets = np.array([0, 1])
    signs, shares = np.sign(x + 0.5), np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0]], np.float32)
    calls: list[Callable[[Any], Any]] = [
        lambda t: F.mse_loss(t, shares), lambda t: F.l1_loss(t, shares), lambda t: F.huber_loss(t, shares),
        lambda t: F.cross_entropy(t, targets, label_smoothing=0.1), lambda t: F.cross_entropy(t, shares),
        lambda t: F.binary_cross_entropy_with_logits(t, shares), lambda t: F.focal_loss(t, targets),
        lambda t: F.focal_loss(t, targets, gamma=0.5), lambda t: F.sigmoid_focal_loss(t, shares, gamma=0.5),
        lambda t: F.hinge_loss(t, signs), lambda t: F.squared_hinge_loss(t, signs),
        lambda t: F.categorical_hinge_loss(t, targets), lambda t: F.multi_margin_loss(t, targets),
        lambda t: F.cosine_proximity_loss(t, np.zeros_like(x)), lambda t: F.cosine_proximity_loss(t * 0, x),
        lambda t: F.cosine_proximity_loss(t * 1e30, x), lambda t: F.triplet_margin_loss(t, t.detach(), x * 0, eps=0.0 + 1e-30),
        lambda t: F.pairwise_distance(t, x, eps=0.0).sum(), lambda t: F.kl_div(F.log_softmax(t), shares),
        lambda t: F.kl_normal(t, np.zeros_like(x)), lambda t: F.poisson_nll_loss(t.clip(-np.inf, 80), shares),
        lambda t: F.gaussian_nll_loss(t, shares, np.zeros_like(x)),
        lambda t: F.binary_cross_entropy(F.sigmoid(t), shares),
    ]  # fmt: skip
    for k, call in enumerate(calls):
        t = ag.Tensor(x, requires_grad=True)
        loss = call(t)
        loss.backward()
        assert np.isfinite(loss.item()), k
        assert np.isfinite(t.grad.data).all(), (k, t.grad)


def test_impossible_classes() -> None:
    """A logit of −inf excludes a class; the others are as if it were not there."""
    x = ag.Tensor([[1.0, -np.inf, 2.0]], requires_grad=True)
    for target in (np.array([0]), np.array([[0.5, 0.0, 0.5]], np.float32)):
        x.grad = None
        loss = F.cross_entropy(x, target)
        loss.backward()
        rest = F.cross_entropy(np.array([[1.0, 2.0]], np.float32), target if target.ndim == 1 else target[:, [0, 2]])
        assert loss.item() == pytest.approx(rest.item())
        assert np.isfinite(x.grad.data).all()
        assert x.grad.data[0, 1] == 0
    assert F.kl_div(ag.Tensor([0.0, -np.inf]), ag.Tensor([1.0, 0.0]), reduction="sum").item() == 0


T, B = ag.Tensor(X), ag.Tensor(SHARES)
BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: F.huber_loss(X, Y, delta=0.0), "0.0"), (lambda: F.huber_loss(X, Y, delta=-2.0), "-2.0"),
    (lambda: F.huber_loss(X, Y, delta=np.nan), "nan"), (lambda: F.smooth_l1_loss(X, Y, beta=-0.5), "-0.5"),
    (lambda: F.mse_loss(X, Y[:, :1]), "(6, 1)"), (lambda: F.l1_loss(X, Y[0]), "(4,)"),
    (lambda: F.binary_cross_entropy(1.5 * np.ones(2), np.ones(2)), "1.5"),
    (lambda: F.binary_cross_entropy(SHARES, SHARES - 2), "target"),
    (lambda: F.binary_cross_entropy_with_logits(X, 3 * np.ones_like(X)), "3"),
    (lambda: F.cross_entropy(X, CLASSES + 10), "1"), (lambda: F.cross_entropy(X, CLASSES, label_smoothing=1.5), "1.5"),
    (lambda: F.cross_entropy(X, CLASSES, weight=WEIGHTS[:3]), "(3,)"), (lambda: F.nll_loss(X, CLASSES[:4]), "(4,)"),
    (lambda: F.focal_loss(X, CLASSES, gamma=-1.0), "-1.0"), (lambda: F.focal_loss(X, CLASSES, weight=WEIGHTS[:2]), "(2,)"),
    (lambda: F.sigmoid_focal_loss(X, SHARES, alpha=1.2), "1.2"),
    (lambda: F.kl_div(np.log(SOFT), -SOFT), "-0."), (lambda: F.kl_div(SOFT, SOFT), "0."),
    (lambda: F.kl_divergence(SOFT, 2 + SOFT), "2."), (lambda: F.dice_loss(SOFT, SIGNS * 3), "3"),
    (lambda: F.poisson_loss(X * 0 - 2, COUNTS), "-2"), (lambda: F.hinge_loss(X, SIGNS, margin=-1), "-1"),
    (lambda: F.cross_entropy(X, SOFT * 3), "target"), (lambda: nn.HuberLoss(delta=-3.0), "-3.0"),
    (lambda: nn.CrossEntropyLoss(weight=[1.0, -2.0]), "-2"), (lambda: nn.TripletMarginLoss(margin=0), "0"),
    (lambda: F.hinge_loss(X, 0 * SIGNS), "0"), (lambda: F.squared_hinge_loss(X, SIGNS, margin=np.inf), "inf"),
    (lambda: F.categorical_hinge_loss(X, CLASSES, margin=np.nan), "nan"),
    (lambda: F.categorical_hinge_loss(X[:, :1], CLASSES * 0), "(6, 1)"),
    (lambda: F.categorical_hinge_loss(X, CLASSES - 9), "-"),
    (lambda: F.multi_margin_loss(X, CLASSES, p=3), "3"), (lambda: F.poisson_nll_loss(X, COUNTS * 0 - 9), "-9"),
    (lambda: F.poisson_nll_loss(-SHARES, COUNTS, log_input=False), "-0."), (lambda: F.gaussian_nll_loss(X, Y, -SHARES), "-0."),
    (lambda: F.gaussian_nll_loss(X, Y, np.ones(3)), "(3,)"), (lambda: F.cosine_embedding_loss(X, Y, SIGNS[:, 0], 1.5), "1.5"),
    (lambda: F.cosine_embedding_loss(X, Y, SIGNS), "(6, 4)"), (lambda: F.triplet_margin_loss(X, Y, X[:3]), "(3, 4)"),
    (lambda: F.pairwise_distance(X, Y, p=0.0), "0.0"), (lambda: F.margin_ranking_loss(X, Y, 2 * SIGNS), "2"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "shown"), BAD, ids=range(len(BAD)))
def test_bad_arguments(call: Callable[[], Any], shown: str) -> None:
    with pytest.raises(AutogradError) as caught:
        call()
    assert shown in str(caught.value)
    assert "test_nn_losses.py" in str(caught.value)


# loss, the network's last layer, a good target, a bad one, what the message says of it
BAD_TARGETS: list[tuple[nn.Loss, Any, Any, Any, str]] = [
    (nn.CrossEntropyLoss(), None, CLASSES, CLASSES - 4, "is not a class"),
    (nn.CrossEntropyLoss(), None, SOFT, -SOFT, "outside [0, 1]"),
    (nn.NLLLoss(), None, CLASSES, CLASSES - 9, "is not a class"),
    (nn.FocalLoss(), None, CLASSES, CLASSES + 5, "is not a class"),
    (nn.CategoricalHingeLoss(), None, CLASSES, CLASSES - 4, "is not a class"),
    (nn.MultiMarginLoss(), None, CLASSES, CLASSES + 5, "is not a class"),
    (nn.BCEWithLogitsLoss(), None, SHARES, SHARES + 1, "outside [0, 1]"),
    (nn.BCELoss(), nn.Sigmoid(), SHARES, SHARES + 1, "outside [0, 1]"),
    (nn.SigmoidFocalLoss(), None, SHARES, SHARES - 1, "outside [0, 1]"),
    (nn.DiceLoss(), nn.Sigmoid(), SHARES, SHARES - 1, "outside [0, 1]"),
    (nn.HingeLoss(), None, SIGNS, SHARES, "neither -1 nor 1"), (nn.SquaredHingeLoss(), None, SIGNS, SHARES, "neither -1 nor 1"),
    (nn.HingeEmbeddingLoss(), None, SIGNS, SHARES, "neither -1 nor 1"),
    (nn.PoissonNLLLoss(), None, COUNTS, COUNTS - 9, "negative"),
    (nn.PoissonLoss(), nn.Sigmoid(), COUNTS, COUNTS - 9, "negative"),
    (nn.KLDivLoss(), nn.LogSoftmax(), SOFT, -SOFT, "outside [0, 1]"),
]  # fmt: skip
BAD_IDS = [type(row[0]).__name__ for row in BAD_TARGETS]


def network(last: nn.Module | None) -> nn.Module:
    linear = nn.Linear(C, C, dtype=np.float64, generator=ag.Generator(1))
    return linear if last is None else nn.Sequential(linear, last)


@pytest.mark.parametrize(("loss", "last", "good", "bad", "words"), BAD_TARGETS, ids=BAD_IDS)
def test_compiled_training_checks_targets(loss: nn.Loss, last: Any, good: Any, bad: Any, words: str) -> None:
    """The same message as without compiling, with the value, and nothing written; training then goes on."""
    messages = []
    for jit in (None, False):
        model = network(last)
        trainer = nn.Trainer(model, loss, optim.SGD(model.parameters(), lr=0.1), jit=jit)
        trainer.step(ag.Tensor(X), ag.Tensor(good))
        before = [p.data.copy() for p in model.parameters()]
        with pytest.raises(AutogradError) as caught:
            trainer.step(ag.Tensor(X), ag.Tensor(bad))
        messages.append(str(caught.value).rsplit("(", 1)[0])
        for p, q in zip(model.parameters(), before, strict=True):
            np.testing.assert_array_equal(p.data, q)
        trainer.step(ag.Tensor(X), ag.Tensor(good))
        assert any((p.data != q).any() for p, q in zip(model.parameters(), before, strict=True))
    assert messages[0] == messages[1] and words in messages[0]


@pytest.mark.parametrize(("loss", "last", "good", "bad", "words"), BAD_TARGETS, ids=BAD_IDS)
def test_jit_checks_targets(loss: nn.Loss, last: Any, good: Any, bad: Any, words: str) -> None:
    """In a function that somebody else compiled, too; the message has no value there, but the rule."""
    model = network(last)

    @ag.jit
    def value(x: Any, t: Any) -> Any:
        return loss(model(x), t)

    value(ag.Tensor(X), ag.Tensor(good))
    with pytest.raises(AutogradError) as caught:
        value(ag.Tensor(X), ag.Tensor(bad))
    assert words in str(caught.value)
    if ag.can_compile():
        assert value.explain().segments == 0


@pytest.mark.parametrize(("loss", "x", "t"), [
    (nn.BCELoss(), X * 0 + 1.5, SHARES), (nn.PoissonNLLLoss(log_input=False), X * 0 - 1.5, COUNTS),
    (nn.PoissonLoss(), X * 0 - 1.5, COUNTS), (nn.DiceLoss(), X * 0 + 1.5, SHARES), (nn.KLDivLoss(), X * 0 + 1.5, SOFT),
], ids=lambda v: type(v).__name__)  # fmt: skip
def test_predictions_are_checked_compiled_too(loss: nn.Loss, x: Any, t: Any) -> None:
    """What a network gives is known only when the compiled step runs."""
    model = nn.Linear(C, C, dtype=np.float64)
    with ag.no_grad():
        model.weight.copy_(np.zeros((C, C)))
        model.bias.copy_(x[0])
    trainer = nn.Trainer(model, loss, optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(AutogradError, match=r"1\.5 at position \(0, 0\)"):
        trainer.step(ag.Tensor(X), ag.Tensor(t))
    np.testing.assert_array_equal(model.bias.data, x[0])


SAMPLE_LOSSES = [
    (nn.MSELoss(), Y), (nn.HuberLoss(), Y), (nn.CrossEntropyLoss(weight=WEIGHTS + 0.1, label_smoothing=0.1), CLASSES),
    (nn.CrossEntropyLoss(), SOFT), (nn.CrossEntropyLoss(ignore_index=2), CLASSES), (nn.FocalLoss(), CLASSES),
    (nn.BCEWithLogitsLoss(), SHARES), (nn.HingeLoss(), SIGNS), (nn.MultiMarginLoss(), CLASSES), (nn.PoissonNLLLoss(), COUNTS),
    (nn.CosineProximityLoss(), Y), (nn.MSELoss("sum"), Y), (nn.KLDivLoss("batchmean"), SOFT),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "target"), SAMPLE_LOSSES, ids=lambda v: type(v).__name__)
def test_sample_weights_are_repetitions(loss: nn.Loss, target: Any) -> None:
    """A weight of three is the sample three times, a weight of 0 is no sample."""
    from nn.compiled import loss_of

    times = np.array([0, 1, 3, 1, 2, 0])
    x = X - 8 if isinstance(loss, nn.KLDivLoss) else X
    weighted = loss_of(loss, ag.Tensor(x), target, times.astype(float)).item()
    np.testing.assert_allclose(weighted, loss(ag.Tensor(x.repeat(times, axis=0)), target.repeat(times, axis=0)).item(), 1e-12)
    plain = loss_of(loss, ag.Tensor(x), target, np.ones(N)).item()
    np.testing.assert_allclose(plain, loss(ag.Tensor(x), target).item(), 1e-12)


@pytest.mark.parametrize("name", [n for n in F.losses.__all__ if n not in NO_LOSS])
def test_long_inputs_run_compiled_with_the_same_numbers(name: str) -> None:
    """From 512 elements on a loss is one compiled node: value and gradient are those of the definition."""
    settings, arrays = next((s, a) for f, _, s, a in ROWS if f == name)
    tiled = [np.tile(a, (40, 1) if a.ndim == 2 else 40) for a in arrays]
    found = []
    for plain in (False, True):
        x = ag.Tensor(tiled[0], requires_grad=True)
        with ag.anomaly_mode() if plain else ag.enable_grad():  # anomaly mode runs the definition
            loss = getattr(F, name)(x, *tiled[1:], **settings)
            loss.backward()
        found.append((loss.item(), x.grad.data))
    np.testing.assert_allclose(found[0][0], found[1][0], 1e-12)
    np.testing.assert_allclose(found[0][1], found[1][1], 1e-10, 1e-14)


@pytest.mark.parametrize(("name", "kind", "settings", "arrays"), ROWS, ids=IDS)
def test_empty_batches(name: str, kind: str, settings: dict[str, Any], arrays: tuple[Any, ...]) -> None:
    if settings.get("axis") == 0:
        return
    f = getattr(F, name)
    x = ag.Tensor(arrays[0][:0], requires_grad=True)
    total = f(x, *(a[:0] for a in arrays[1:]), **settings, reduction="sum")
    total.backward()
    assert total.item() == 0 and x.grad.shape == x.shape
    assert np.isnan(f(x, *(a[:0] for a in arrays[1:]), **settings).item())


def test_0d() -> None:
    half = ag.Tensor(0.5, requires_grad=True)
    for name in ("mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "binary_cross_entropy",
                 "binary_cross_entropy_with_logits", "sigmoid_focal_loss", "hinge_loss", "squared_hinge_loss",
                 "hinge_embedding_loss", "poisson_nll_loss", "poisson_loss", "dice_loss"):  # fmt: skip
        half.grad = None
        loss = getattr(F, name)(half, 1.0)
        loss.backward()
        assert loss.shape == () and half.grad.shape == (), name
    assert F.cross_entropy(ag.Tensor([0.0, 0.0]), 1, reduction="none").shape == ()


def test_certainty() -> None:
    """Probabilities of exactly 0 and 1: finite where the mathematics is, and its infinities where it is not."""
    p, t = ag.Tensor([0.0, 1.0, 0.0], requires_grad=True), np.array([0.0, 1.0, 0.0], np.float32)
    for name in ("binary_cross_entropy", "kl_divergence", "dice_loss", "poisson_loss"):
        p.grad = None
        loss = getattr(F, name)(p, t, reduction="sum")
        loss.backward()
        assert np.isfinite(loss.item()) and np.isfinite(p.grad.data).all(), name
    assert F.kl_divergence([1.0, 0.0], [0.0, 1.0]).item() == np.inf
    assert F.poisson_loss(ag.Tensor([0.0]), ag.Tensor([1.0])).item() == np.inf


def test_zero_vectors() -> None:
    for f in (F.cosine_similarity, F.cosine_proximity_loss, F.pairwise_distance):
        for eps in (1e-8, 0.0):
            x = ag.Tensor(np.zeros((2, 3)), requires_grad=True)
            y = f(x, np.zeros((2, 3)), eps=eps)
            y.sum().backward()
            assert np.isfinite(y.data).all() and np.isfinite(x.grad.data).all(), f
    x = ag.Tensor(np.zeros((2, 3), np.float32), requires_grad=True)
    loss = F.cosine_embedding_loss(x, np.ones((2, 3)), [1, -1])
    loss.backward()
    assert np.isfinite(loss.item()) and np.isfinite(x.grad.data).all()


def test_kinks() -> None:
    """The derivatives at kinks are those that the docstrings state."""
    for call, at, slope in [
        (lambda x: F.l1_loss(x, 0.0), 0.0, 0.0), (lambda x: F.huber_loss(x, 0.0, delta=2.0), 2.0, 2.0),
        (lambda x: F.hinge_loss(x, 1.0), 1.0, 0.0), (lambda x: F.margin_ranking_loss(x, 1.0, 1.0), 1.0, 0.0),
    ]:  # fmt: skip
        x = ag.Tensor(at, requires_grad=True)
        call(x).backward()
        assert x.grad.item() == slope
