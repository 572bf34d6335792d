"""Initialisers: their distributions, by Kolmogorov's and Smirnov's test with fixed seeds, their bounds, what they preserve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

import autograd as ag
import nn
import optim
from autograd.errors import AutogradError
from nn import init

IN, OUT = 120, 80


def filled(rule: Callable[..., Any], *args: Any, shape: tuple[int, ...] = (OUT, IN), **settings: Any) -> Any:
    """What a rule writes, in float64, by a generator of its own."""
    w = ag.Tensor(np.full(shape, np.nan))
    assert rule(w, *args, generator=ag.Generator(11), **settings) is w
    return w.data


def follows(values: Any, distribution: Any) -> None:
    assert stats.kstest(values.ravel(), distribution.cdf).pvalue > 0.01


def uniform(a: float) -> Any:
    return stats.uniform(-a, 2 * a)


DISTRIBUTIONS: dict[str, tuple[Callable[[], Any], Any]] = {
    "uniform": (lambda: filled(init.uniform_, -0.3, 0.3), uniform(0.3)),
    "normal": (lambda: filled(init.normal_, 0.5, 2.0), stats.norm(0.5, 2.0)),
    "trunc_normal": (lambda: filled(init.trunc_normal_, 0.5, 2.0, -1.0, 3.0), stats.truncnorm(-0.75, 1.25, 0.5, 2.0)),
    "xavier_uniform": (lambda: filled(init.xavier_uniform_, 2.0), uniform(2 * np.sqrt(6 / (IN + OUT)))),
    "xavier_normal": (lambda: filled(init.xavier_normal_), stats.norm(0, np.sqrt(2 / (IN + OUT)))),
    "kaiming_uniform": (lambda: filled(init.kaiming_uniform_, nonlinearity="relu"), uniform(np.sqrt(6 / IN))),
    "kaiming_normal": (lambda: filled(init.kaiming_normal_), stats.norm(0, np.sqrt(2 / IN))),
    "kaiming_normal, fan out": (lambda: filled(init.kaiming_normal_, mode="fan_out"), stats.norm(0, np.sqrt(2 / OUT))),
    "kaiming of a convolution": (lambda: filled(init.kaiming_normal_, shape=(40, 10, 5, 5)), stats.norm(0, np.sqrt(2 / 250))),
    "lecun_normal": (lambda: filled(init.lecun_normal_), stats.norm(0, np.sqrt(1 / IN))),
    "lecun_uniform": (lambda: filled(init.lecun_uniform_), uniform(np.sqrt(3 / IN))),
    "variance_scaling, normal": (
        lambda: filled(init.variance_scaling_, 3.0, "fan_avg", "normal"), stats.norm(0, np.sqrt(6 / (IN + OUT)))),
    "variance_scaling, uniform": (
        lambda: filled(init.variance_scaling_, 2.0, "fan_out", "uniform"), uniform(np.sqrt(6 / OUT))),
    "variance_scaling": (
        lambda: filled(init.variance_scaling_), stats.truncnorm(-2, 2, 0, np.sqrt(1 / IN) / 0.87962566103423978)),
}  # fmt: skip


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distribution(name: str) -> None:
    make, distribution = DISTRIBUTIONS[name]
    values = make()
    follows(values, distribution)
    np.testing.assert_allclose(values.std(), distribution.std(), rtol=0.03)
    low, high = distribution.support()
    assert low <= values.min()
    assert values.max() <= high


def test_special_cases_of_variance_scaling() -> None:
    """LeCun, He and Xavier are scale 1 by fan-in, 2 by fan-in, 1 by the mean."""
    same = [
        (filled(init.lecun_normal_), filled(init.variance_scaling_, 1.0, "fan_in", "normal")),
        (filled(init.kaiming_uniform_, nonlinearity="relu"), filled(init.variance_scaling_, 2.0, "fan_in", "uniform")),
        (filled(init.xavier_normal_), filled(init.variance_scaling_, 1.0, "fan_avg", "normal")),
    ]
    for a, b in same:
        np.testing.assert_allclose(a, b, 1e-12)


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (4, 3, 2, 2), (20, 3, 2)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    w = filled(init.orthogonal_, 1.5, shape=shape).reshape(shape[0], -1)
    square = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(square, 2.25 * np.eye(len(square)), atol=1e-12)


def test_orthogonal_is_drawn_evenly() -> None:
    """Of 2×2 rotations and reflections, the angle is uniform, and half are reflections."""
    generator = ag.Generator(0)
    w = ag.Tensor(np.zeros((2, 2)))
    drawn = np.stack([init.orthogonal_(w, generator=generator).data.copy() for _ in range(2000)])
    follows(np.arctan2(drawn[:, 0, 1], drawn[:, 0, 0]), uniform(np.pi))
    assert (np.linalg.det(drawn) > 0).mean() == pytest.approx(0.5, abs=0.04)


def test_sparse() -> None:
    w = filled(init.sparse_, 0.33, 2.0)
    assert ((w == 0).sum(axis=0) == np.ceil(0.33 * OUT)).all()
    follows(w[w != 0], stats.norm(0, 2))
    assert len({tuple(np.flatnonzero(column == 0)) for column in w.T}) > IN // 2


def test_constants_and_identities() -> None:
    w = ag.Tensor(np.full((2, 3), 7.0))
    assert (init.zeros_(w).data == 0).all()
    assert (init.ones_(w).data == 1).all()
    assert (init.constant_(w, 2.5).data == 2.5).all()
    np.testing.assert_array_equal(init.eye_(w).data, np.eye(2, 3))
    x = np.random.default_rng(0).normal(size=(1, 4, 6, 6))
    kernel = init.dirac_(ag.Tensor(np.zeros((4, 2, 3, 3))), groups=2)
    np.testing.assert_array_equal(nn.functional.conv2d(x, kernel, padding=1, groups=2).data, x)


def test_weights_of_zeros_all_learn_the_same() -> None:
    """The notes' warning: every hidden unit gets the same gradient."""
    model = nn.MLP(3, 5, 2, "tanh")
    for p in model.parameters():
        init.zeros_(p)
    init.constant_(model[2].weight, 0.5)
    nn.functional.cross_entropy(model(np.ones((4, 3), np.float32)), np.array([0, 1, 1, 1])).backward()
    assert np.ptp(model[0].weight.grad.data, axis=0).max() == 0


def test_gains() -> None:
    assert init.calculate_gain("relu") == np.sqrt(2)
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("leaky_relu", 0.2) == np.sqrt(2 / 1.04)
    assert init.calculate_gain("selu") == 0.75
    z = np.random.default_rng(0).normal(size=400_000)
    for name in ("gelu", "silu", "mish", "elu", "softplus", "hardtanh"):
        y = getattr(nn.functional, name)(ag.Tensor(z)).data
        assert init.calculate_gain(name) == pytest.approx(1 / np.sqrt((y * y).mean()), rel=0.01)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "gelu", "silu", "elu", "mish", "prelu", "selu", "tanh"])
def test_signals_keep_their_size_through_an_mlp(activation: str) -> None:
    """Twelve layers deep, what comes out has the size of what went in, to a factor of five."""
    model = nn.MLP(256, (256,) * 12, 1, activation, generator=ag.Generator(0))
    x = ag.Tensor(ag.Generator(1).normal(size=(500, 256), dtype=np.float32))
    for layer in list(model.children())[:-1]:
        x = layer(x)
    assert 0.2 < float(np.sqrt(np.mean(x.data**2))) < 5


def test_redrawing_as_a_callback() -> None:
    """Each epoch, with a deviation that falls: training goes on, and learns."""
    generator, seen = ag.Generator(1), []
    model = nn.MLP(2, 16, 2, generator=ag.Generator(0))
    x = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)

    def redraw(trainer: Any, row: Any) -> None:
        seen.append(row["epoch"])
        init.shrink_and_perturb_(model, 0.95, 0.05 / row["epoch"], generator)

    optimizer = optim.Adam(model.parameters(), lr=0.05)
    data = nn.DataLoader((x, (x[:, 0] > x[:, 1]).astype(np.int64)), batch_size=50)
    history = nn.fit(model, nn.CrossEntropyLoss(), optimizer, data, epochs=6, callbacks=[redraw], progress=False)
    assert seen == [1, 2, 3, 4, 5, 6]
    assert history.rows[-1]["loss"] < 0.5 * history.rows[0]["loss"]


def test_shrink_and_perturb() -> None:
    model = nn.MLP(50, 60, 10, generator=ag.Generator(0))
    before = {name: p.data.copy() for name, p in model.named_parameters()}
    init.shrink_and_perturb_(model, 0.4, 0.3, generator=ag.Generator(1))
    for name, p in model.named_parameters():
        if p.ndim > 1:
            follows(p.data - np.float32(0.4) * before[name], stats.norm(0, 0.3))
        else:
            np.testing.assert_array_equal(p.data, before[name])


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_lsuv_gives_every_layer_unit_variance(activation: str) -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), *nn.MLP(4 * 36, (50, 50, 50), 5, activation).children()
    )
    x = np.random.default_rng(0).normal(3, 10, (200, 1, 8, 8)).astype(np.float32)
    modes = [m.training for m in model.modules()]
    variances = init.lsuv_(model, x, generator=ag.Generator(0))
    assert len(variances) == 5
    assert all(abs(v - 1) < 0.05 for v in variances.values())
    outputs = []
    value = ag.Tensor(x)
    for layer in model.eval().children():
        value = layer(value)
        outputs += [float(value.data.var())] if hasattr(layer, "weight") else []
    np.testing.assert_allclose(outputs, list(variances.values()), rtol=1e-4)
    model.train()
    assert modes == [m.training for m in model.modules()]


@pytest.mark.parametrize("x", [np.ones((5, 7)), np.full((5, 3), np.nan), np.ones((0, 3))], ids=["shape", "NaN", "empty"])
def test_lsuv_that_fails_changes_nothing(x: Any) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    before = model.state_dict()
    with pytest.raises(AutogradError):
        init.lsuv_(model, x)
    assert all((before[name] == value).all() for name, value in model.state_dict().items())
    assert not model[0]._after


BAD: list[tuple[Callable[[Any], Any], str]] = [
    (lambda w: init.uniform_(w, 2.0, 1.0), "2.0"), (lambda w: init.normal_(w, 0.0, -1.0), "-1.0"),
    (lambda w: init.trunc_normal_(w, 0.0, -1.0), "-1.0"), (lambda w: init.trunc_normal_(w, 0.0, 1.0, 90.0, 99.0), "90.0"),
    (lambda w: init.variance_scaling_(w, 0.0), "0.0"), (lambda w: init.variance_scaling_(w, mode="fan"), "'fan'"),
    (lambda w: init.variance_scaling_(w, distribution="beta"), "'beta'"), (lambda w: init.sparse_(w, 1.5), "1.5"),
    (lambda w: init.sparse_(ag.Tensor([1.0]), 0.5), "(1,)"), (lambda w: init.orthogonal_(ag.Tensor([1.0])), "(1,)"),
    (lambda w: init.kaiming_normal_(ag.Tensor([1.0])), "(1,)"), (lambda w: init.kaiming_normal_(w, mode="in"), "'in'"),
    (lambda w: init.calculate_gain("rlu"), "'rlu'"), (lambda w: init.eye_(ag.Tensor([1.0])), "(1,)"),
    (lambda w: init.dirac_(w), "(2, 3)"), (lambda w: init.dirac_(ag.Tensor(np.zeros((4, 2, 3))), 3), "groups=3"),
    (lambda w: init.shrink_and_perturb_([w], 2.0), "2.0"), (lambda w: init.shrink_and_perturb_([w], 0.5, np.nan), "nan"),
    (lambda w: init.normal_(w, np.nan), "nan"), (lambda w: init.uniform_(w, -np.inf, 1.0), "-inf"),
    (lambda w: init.orthogonal_(w, np.nan), "nan"), (lambda w: init.ones_(ag.Tensor(np.zeros(2, np.int64))), "int64"),
    (lambda w: init.zeros_(np.zeros(2)), "ndarray"), (lambda w: init.xavier_normal_(w, np.nan), "nan"),
    (lambda w: init.shrink_and_perturb_([], 0.5), "nothing"), (lambda w: init.lsuv_(nn.ReLU(), np.ones(3)), "ReLU"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "shown"), BAD, ids=range(len(BAD)))
def test_bad_arguments(call: Callable[[Any], Any], shown: str) -> None:
    w = ag.Tensor(np.full((2, 3), 7.0))
    with pytest.raises(AutogradError) as caught:
        call(w)
    assert shown in str(caught.value)
    assert (w.data == 7).all()
