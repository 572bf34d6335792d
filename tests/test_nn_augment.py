"""Augmentation, sampling and class weights: what is drawn, what stays, and that it can be repeated and resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import autograd as ag
import nn
import optim
from autograd.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from nn import augment as A
from nn.data import (
    WeightedRandomSampler,
    compute_class_weight,
    compute_sample_weight,
    oversample,
    undersample,
)  # fmt: skip

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.random((40, 2, 9, 11)).astype(np.float32) * 2 - 1
LABELS = RANDOM.integers(0, 4, 40)
TABLE = RANDOM.normal(size=(40, 6)).astype(np.float32)

# a transform; whether it is of images; whether values stay within those there were and the fill
ROWS: list[tuple[Any, bool, bool]] = [
    (A.RandomRotation(30), True, True), (A.RandomShift(0.2, fill=-1.0), True, True), (A.RandomZoom(0.3), True, True),
    (A.RandomFlip(-1), True, True), (A.RandomHorizontalFlip(), True, True), (A.RandomVerticalFlip(0.3), True, True),
    (A.RandomCrop(padding=2), True, True), (A.Cutout(0.5, fill=1.0), True, True), (A.GaussianNoise(0.1), True, False),
    (A.GaussianNoise(0.1), False, False), (A.FeatureDropout(0.3), False, True), (A.SwapNoise(0.3), False, True),
    (A.Mixup(0.4, classes=4), False, True), (A.CutMix(1.0, classes=4), True, True),
    (A.Compose([A.RandomRotation(10), A.GaussianNoise(0.01)]), True, False),
    (A.RandomApply(A.RandomRotation(90), 0.4), True, True),
]  # fmt: skip
IDS = [type(row[0]).__name__ + str(k) for k, row in enumerate(ROWS)]


def test_every_transform_has_a_row() -> None:
    assert {type(t).__name__ for t, *_ in ROWS} | {"Transform", "smote"} == set(A.__all__)


@pytest.mark.parametrize(("transform", "images", "within"), ROWS, ids=IDS)
def test_transform(transform: Any, images: bool, within: bool) -> None:
    x = IMAGES if images else TABLE
    before, state = x.copy(), ag.default_generator.get_state()
    batch = transform((x, LABELS, np.arange(40)), ag.Generator(3))
    again = transform((x, LABELS, np.arange(40)), ag.Generator(3))
    other = transform((x, LABELS, np.arange(40)), ag.Generator(4))
    for a, b in zip(batch, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (batch[0] != other[0]).any() and (batch[0] != x).any()
    np.testing.assert_array_equal(x, before)
    assert ag.default_generator.get_state() == state, "with a generator of its own it leaves the default one alone"
    assert batch[0].shape == x.shape and batch[0].dtype == np.float32 and np.isfinite(batch[0]).all()
    if within:
        fill = getattr(transform, "fill", 0.0)
        assert batch[0].min() >= min(x.min(), fill) - 1e-6 and batch[0].max() <= max(x.max(), fill) + 1e-6
    np.testing.assert_array_equal(batch[2], np.arange(40))
    if isinstance(transform, A.Mixup | A.CutMix):
        assert batch[1].shape == (40, 4) and batch[1].dtype == np.float32
        np.testing.assert_allclose(batch[1].sum(axis=1), 1, rtol=1e-6)
    else:
        assert batch[1] is LABELS
    assert type(transform).__name__ in repr(transform)


@pytest.mark.parametrize(("transform", "images", "within"), ROWS, ids=IDS)
def test_dtypes_layouts_and_empty_batches(transform: Any, images: bool, within: bool) -> None:
    x = IMAGES if images else TABLE
    double = transform((x.astype(np.float64), LABELS), ag.Generator(3))[0]
    assert double.dtype == np.float64
    np.testing.assert_allclose(double, transform((x, LABELS), ag.Generator(3))[0], 1e-4, 1e-5)
    odd = np.asfortranarray(x)[::-1].copy()[::-1]
    np.testing.assert_array_equal(transform((odd, LABELS), ag.Generator(3))[0], transform((x, LABELS), ag.Generator(3))[0])
    assert transform((x[:0], LABELS[:0]), ag.Generator(3))[0].shape == x[:0].shape
    if images and not isinstance(transform, A.CutMix):
        flat = transform(x[:, 0], ag.Generator(3))
        assert flat.shape == x[:, 0].shape
        bytes_ = transform((x * 100 + 120).astype(np.uint8), ag.Generator(3))
        assert bytes_.dtype == np.uint8


def test_geometry() -> None:
    """Each does what it says, exactly where that can be seen."""
    ramp = np.arange(9, dtype=np.float64).reshape(1, 3, 3)
    assert A.RandomHorizontalFlip(1)(ramp)[0, 0].tolist() == [2, 1, 0]
    assert A.RandomVerticalFlip(1)(ramp)[0, :, 0].tolist() == [6, 3, 0]
    assert (A.RandomHorizontalFlip(0)(ramp) == ramp).all()

    class Quarter(A.RandomRotation):
        def matrices(self, n: int, generator: Any, size: Any) -> Any:
            return np.broadcast_to(np.array([[0.0, 1.0], [-1.0, 0.0]]), (n, 2, 2)), np.zeros((n, 2))

    np.testing.assert_allclose(Quarter()(ramp)[0], np.rot90(ramp[0]), atol=1e-12)
    spot = np.zeros((200, 21, 21))
    spot[:, 10, 10] = 1.0
    for transform, radius in ((A.RandomRotation(180), 0.0), (A.RandomShift(0.2), 4.2 * 2**0.5 + 1), (A.RandomZoom(0.5), 0.0)):
        moved = transform(spot, ag.Generator(0))
        mass = np.maximum(moved.sum(axis=(1, 2)), 1e-12)
        centre = [np.einsum("nhw,h->n", moved, np.arange(21)) / mass, np.einsum("nhw,w->n", moved, np.arange(21)) / mass]
        distance = np.hypot(centre[0] - 10, centre[1] - 10)
        assert distance.max() <= radius + 1e-6
        assert radius == 0 or distance.max() > 3
    bar = np.zeros((1, 21, 21))
    bar[:, 10, 4:17] = 1.0  # a large zoom factor makes it longer, a small one shorter
    lengths = {k: (A.RandomZoom(0.5)(bar, ag.Generator(k))[0, 10] > 0.5).sum() for k in range(20)}
    assert min(lengths.values()) < 13 < max(lengths.values())
    crops = A.RandomCrop((2, 3))(np.arange(42).reshape(1, 6, 7).repeat(200, 0), ag.Generator(0))
    assert crops.shape == (200, 2, 3)
    np.testing.assert_array_equal(crops - crops[:, :1, :1], np.broadcast_to([[0, 1, 2], [7, 8, 9]], crops.shape))
    assert len(np.unique(crops[:, 0, 0])) == 25  # all places come
    covered = (A.Cutout(0.5)(np.ones((100, 10, 10)), ag.Generator(0)) == 0).sum(axis=(1, 2))
    assert covered.max() == 25 and covered.min() >= 4
    assert (A.Cutout(0.5, p=0)(np.ones((5, 10, 10))) == 1).all()


def test_distributions() -> None:
    zeros = np.zeros((200, 100))
    assert A.GaussianNoise(0.3)(zeros, ag.Generator(0)).std() == pytest.approx(0.3, rel=0.02)
    assert (A.FeatureDropout(0.2)(zeros + 1, ag.Generator(0)) == 0).mean() == pytest.approx(0.2, rel=0.05)
    swapped = A.SwapNoise(0.25)(np.arange(20000.0).reshape(200, 100), ag.Generator(0))
    assert (swapped % 100 == np.arange(100)).all(), "a feature stays in its column"
    assert (swapped != np.arange(20000.0).reshape(200, 100)).mean() == pytest.approx(0.25, rel=0.05)
    assert np.ptp(A.RandomFlip(p=0.3)(IMAGES, ag.Generator(0)) - IMAGES) > 0


def test_mixing_keeps_shares() -> None:
    """What an image has of another is what its target has of the other's."""
    eye = np.eye(4)[LABELS]
    x, t = A.Mixup(0.4, classes=4)((eye, LABELS), ag.Generator(0))
    np.testing.assert_allclose(x, t, atol=1e-12)
    x, t = A.Mixup(0.4)((TABLE, TABLE[:, 0].copy()), ag.Generator(0))  # regression
    np.testing.assert_allclose(x[:, 0], t, rtol=1e-5, atol=1e-6)
    colours = np.broadcast_to(eye[:, :, None, None], (40, 4, 10, 10)).copy()
    x, t = A.CutMix(1.0, classes=4)((colours, LABELS), ag.Generator(0))
    np.testing.assert_allclose(x.mean(axis=(2, 3)), t, atol=1e-12)
    assert (t.max(axis=1) < 1).any()
    same, t = A.Mixup(0.0, classes=4)((TABLE, LABELS))
    np.testing.assert_array_equal(same, TABLE)
    loss = nn.CrossEntropyLoss()(ag.Tensor(TABLE[:, :4]), A.Mixup(0.3, classes=4)((TABLE, LABELS))[1])
    assert np.isfinite(loss.item())
    drawn = A.mixing.beta(0.4, ag.Generator(0).uniform(0, 1, 20000, np.float64))
    assert drawn.mean() == pytest.approx(0.5, abs=0.01) and drawn.var() == pytest.approx(0.25 / 1.8, rel=0.05)


def test_smote() -> None:
    labels = np.array([0] * 30 + [1] * 8 + [2])
    x = TABLE[:39].astype(np.float64)
    more, names = A.smote(x, labels, k=3, generator=ag.Generator(0))
    assert np.bincount(names).tolist() == [30, 30, 30]
    np.testing.assert_array_equal(more[:39], x)
    np.testing.assert_array_equal(more[names == 2], np.broadcast_to(x[38], (30, 6)))
    members, new = x[labels == 1], more[39:][names[39:] == 1]
    near = np.argsort(cdist(members, members), axis=1)[:, 1:4]
    for point in new:  # it lies on the line between a sample and one of its three nearest
        gaps = [
            np.linalg.norm(point - a) + np.linalg.norm(point - members[j]) - np.linalg.norm(a - members[j])
            for i, a in enumerate(members) for j in near[i]
        ]  # fmt: skip
        assert min(gaps) < 1e-9
    twice = A.smote(np.array([[1.0], [1.0], [2.0], [5.0], [6.0], [7.0], [8.0]]), [0, 0, 0, 1, 1, 1, 1], 2, ag.Generator(0))[0]
    assert ((twice[7:] >= 1) & (twice[7:] <= 2)).all()


@pytest.mark.parametrize(("call", "words"), [
    (lambda: A.RandomRotation(-1), "-1"), (lambda: A.RandomRotation(200), "200"), (lambda: A.RandomShift(1.5), "1.5"),
    (lambda: A.RandomZoom(np.nan), "nan"), (lambda: A.RandomFlip(0), "0"), (lambda: A.RandomHorizontalFlip(1.2), "1.2"),
    (lambda: A.RandomCrop(0), "0"), (lambda: A.RandomCrop(padding=-1), "-1"), (lambda: A.Cutout(2), "2"),
    (lambda: A.GaussianNoise(-0.1), "-0.1"), (lambda: A.FeatureDropout("half"), "'half'"), (lambda: A.Mixup(-1), "-1"),
    (lambda: A.Mixup(classes=0), "0"), (lambda: A.Compose([1]), "int"), (lambda: A.RandomRotation()(TABLE), "(40, 6)"),
    (lambda: A.RandomCrop(12)(IMAGES), "12×12"), (lambda: A.Mixup()(TABLE), "(x, target)"),
    (lambda: A.Mixup()((TABLE, LABELS)), "classes=…"), (lambda: A.Mixup(classes=2)((TABLE, LABELS)), "0 to 3"),
    (lambda: A.smote(TABLE, LABELS[:5]), "(5,)"), (lambda: A.smote(TABLE, LABELS, k=0), "0"),
    (lambda: compute_class_weight([0, -1]), "-1"), (lambda: compute_class_weight([0.5]), "float64"),
    (lambda: compute_class_weight([0, 3], 3), "3"), (lambda: oversample([]), "(0,)"),
    (lambda: WeightedRandomSampler([0.0, 0.0]), "not all 0"), (lambda: WeightedRandomSampler([1.0, -2.0]), "-2"),
    (lambda: WeightedRandomSampler([1.0], 0), "0"), (lambda: WeightedRandomSampler([1.0, 0.0], 2, False), "at most 1"),
    (lambda: nn.DataLoader((TABLE,), 2, shuffle=True, sampler=WeightedRandomSampler(np.ones(40))), "shuffle=True"),
    (lambda: nn.DataLoader((TABLE,), 2, sampler=[1, 2]), "list"), (lambda: nn.DataLoader((TABLE,), "half"), "'half'"),
    (lambda: nn.DataLoader((TABLE,), 2, transform=3), "int"),
    (lambda: list(nn.DataLoader((TABLE,), 2, sampler=WeightedRandomSampler(np.ones(99)))), "each of 0 to 39"),
])  # fmt: skip
def test_bad_calls(call: Callable[[], Any], words: str) -> None:
    with pytest.raises((ArgumentError, DTypeError, ShapeError, IndexingError)) as caught:
        call()
    assert words in str(caught.value)


# ---- sampling --------------------------------------------------------------------------------------------------------


def test_class_weights_are_scikit_learns() -> None:
    sk = pytest.importorskip("sklearn.utils.class_weight")
    labels = np.array([0, 0, 0, 1, 2, 2, 0, 0])
    theirs = sk.compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(compute_class_weight(labels), theirs)
    np.testing.assert_allclose(compute_sample_weight(labels), sk.compute_sample_weight("balanced", labels))
    assert compute_class_weight([0, 2]).tolist() == [1.0, 0.0, 1.0] and len(compute_class_weight([0], 4)) == 4
    with_classes = nn.CrossEntropyLoss(weight=compute_class_weight(labels))
    x, samples = ag.Tensor(RANDOM.normal(size=(8, 3))), compute_sample_weight(labels)
    by_sample, count = nn.CrossEntropyLoss().total(x, labels, samples)
    np.testing.assert_allclose(with_classes(x, labels).item(), by_sample.item() / count.item())


def test_samplers() -> None:
    weights = np.array([1.0, 0.0, 3.0, 6.0])
    drawn = WeightedRandomSampler(weights, 20000)(ag.Generator(0))
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 20000, weights / 10, atol=0.02)
    without = [WeightedRandomSampler(weights, 3, replacement=False)(ag.Generator(k)) for k in range(2000)]
    assert all(sorted(w) == [0, 2, 3] for w in without)
    assert np.mean([w[0] == 3 for w in without]) == pytest.approx(0.6, abs=0.04)
    labels = np.array([0] * 90 + [1] * 10)
    loader = nn.DataLoader((labels,), 10, sampler=WeightedRandomSampler(compute_sample_weight(labels), 5000), seed=1)
    assert len(loader) == 500
    assert np.mean(np.concatenate([b[0].data for b in loader])) == pytest.approx(0.5, abs=0.03)


def test_resampling() -> None:
    labels = np.array([0] * 9 + [1] * 3 + [2] * 5)
    over, under = oversample(labels, ag.Generator(0)), undersample(labels, ag.Generator(0))
    assert np.bincount(labels[over]).tolist() == [9, 9, 9] and set(over) == set(range(17))
    assert np.bincount(labels[under]).tolist() == [3, 3, 3] and len(set(under)) == 9
    assert (oversample(labels, ag.Generator(0)) == over).all() and (oversample(labels, ag.Generator(1)) != over).any()


@pytest.mark.parametrize("settings", [
    {"shuffle": True}, {"sampler": WeightedRandomSampler(np.arange(40.0))}, {"transform": A.GaussianNoise(0.1)},
    {"shuffle": True, "transform": A.Compose([A.SwapNoise(0.2), A.Mixup(classes=4)])},
], ids=["shuffle", "sampler", "transform", "both"])  # fmt: skip
def test_resuming_repeats_the_bits(settings: dict[str, Any]) -> None:
    """The state taken between two batches brings back those that were to come, in this epoch and the next."""
    def bits(batch: Any) -> list[bytes]:
        return [t.data.tobytes() for t in batch]

    loader = nn.DataLoader((TABLE, LABELS), 7, seed=4, **settings)
    first, seen = iter(loader), []
    for _ in range(3):
        next(first)
    state = json.loads(json.dumps(loader.state_dict()))
    seen = [bits(b) for b in first] + [bits(b) for b in loader]
    other = nn.DataLoader((TABLE, LABELS), 7, seed=99, **settings)
    other.load_state_dict(state)
    assert [bits(b) for b in other] + [bits(b) for b in other] == seen
    assert seen[:3] != seen[3:6], "epochs differ"


def test_augmented_training_is_repeatable() -> None:
    runs = []
    for _ in range(2):
        model = nn.Sequential(nn.Linear(6, 8, generator=ag.Generator(1)), nn.ReLU(), nn.Linear(8, 4, generator=ag.Generator(2)))
        t = nn.Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.01))
        loader = nn.DataLoader((TABLE, LABELS), 8, shuffle=True, seed=2, transform=A.Mixup(0.3, classes=4))
        t.fit(loader, epochs=2, progress=False)
        runs.append(model[0].weight.data.tobytes())
    assert runs[0] == runs[1]


def test_a_transform_of_ones_own() -> None:
    loader = nn.DataLoader((TABLE, LABELS), 8, transform=lambda batch, generator: (batch[0] * 2, batch[1]))
    x, _ = next(iter(loader))
    np.testing.assert_array_equal(x.data, TABLE[:8] * 2)
    with pytest.raises(NotImplementedError, match="does not define change"):
        A.Transform()(TABLE)


@pytest.mark.parametrize("transform", [A.RandomRotation(1e-6), A.RandomShift(1e-8), A.RandomZoom(1e-8)])
def test_a_change_of_almost_nothing_changes_almost_nothing(transform: Any) -> None:
    """The border too: what lies a hair outside of the image is not all filling."""
    x = np.random.default_rng(0).normal(5, 1, (3, 2, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(transform(x, ag.Generator(0)), x, atol=1e-4)


def test_turning_keeps_distances() -> None:
    """A blot off the centre goes round it, at its distance, and the other way round as often."""
    y, x = np.mgrid[-10:11, -10:11]
    blot = np.exp(-((x - 5.0) ** 2 + (y + 2.0) ** 2) / 4)
    turned = A.RandomRotation(120)(np.repeat(blot[None], 100, axis=0), ag.Generator(0))
    total = turned.sum(axis=(1, 2))
    at = np.stack([(turned * axis).sum(axis=(1, 2)) / total for axis in (x, y)], axis=1)
    np.testing.assert_allclose(np.hypot(*at.T), np.hypot(5, 2), rtol=0.02)
    angle = np.rad2deg(np.angle((at @ [1, 1j]) / (5 - 2j)))
    assert angle.max() > 100
    assert angle.min() < -100
    assert abs(angle.mean()) < 20
