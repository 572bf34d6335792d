"""Linear, Perceptron, MLP and the initialisers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
from autograd.errors import ArgumentError, NotFoundError, ShapeError
from nn import init


def test_linear() -> None:
    layer = nn.Linear(3, 2)
    x = np.ones((4, 5, 3), np.float32)
    np.testing.assert_allclose(layer(ag.Tensor(x)).numpy(), x @ layer.weight.data.T + layer.bias.data, rtol=1e-6)  # type: ignore[union-attr]
    assert nn.Linear(3, 2, bias=False)(x).shape == (4, 5, 2)
    assert abs(layer.weight.data).max() <= 3**-0.5
    assert nn.Linear(3, 2, dtype=np.float64).weight.dtype == np.float64
    assert nn.Linear(0, 2)(ag.Tensor(np.zeros((1, 0), np.float32))).shape == (1, 2)
    with pytest.raises(ShapeError, match=r"Linear\(in_features=3, out_features=2\) got an input of shape \(4, 2\)"):
        layer(np.ones((4, 2), np.float32))
    for size in (-1, 1.5, True):
        with pytest.raises(ValueError, match="in_features"):
            nn.Linear(size, 2)  # type: ignore[arg-type]


def test_same_seed_same_weights() -> None:
    a, b = (nn.MLP(4, (5,), 3, generator=ag.Generator(7)) for _ in range(2))
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)
    ag.manual_seed(3)
    c = nn.Linear(3, 3).weight.data
    ag.manual_seed(3)
    np.testing.assert_array_equal(nn.Linear(3, 3).weight.data, c)


def test_mlp() -> None:
    net = nn.MLP(4, (8, 6), 3, activation="tanh", output="softmax")
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"]
    np.testing.assert_allclose(net(np.ones((2, 4), np.float32)).numpy().sum(1), 1, rtol=1e-5)
    assert len(nn.MLP(4, (), 3)) == 1 and len(nn.MLP(4, 5, 3)) == 3
    assert isinstance(nn.MLP(4, 5, 3, activation=lambda: nn.LeakyReLU(0.2))[1], nn.LeakyReLU)
    with pytest.raises(NotFoundError, match="did you mean 'relu'"):
        nn.MLP(4, 5, 3, activation="rleu")


@pytest.mark.parametrize("values", [(0, 1), (-1, 1)])
def test_perceptron_learns_what_a_line_divides(values: tuple[float, float]) -> None:
    x = np.random.default_rng(1).normal(size=(60, 2))
    margin = x @ [1.0, -2.0] + 0.3
    x, margin = x[abs(margin) > 0.1], margin[abs(margin) > 0.1]
    y = np.where(margin > 0, values[1], values[0])
    p = nn.Perceptron(2, values=values)
    mistakes = p.fit(x, y, epochs=500, generator=ag.Generator(0))
    assert mistakes[-1] == 0 and len(mistakes) < 500
    np.testing.assert_array_equal(p(ag.Tensor(x, dtype=np.float32)).numpy()[:, 0], y)


def test_perceptron_rule_by_hand() -> None:
    p = nn.Perceptron(2)
    p.fit([[1.0, 2.0]], [1], epochs=1, lr=0.5)  # output 0, target 1: w += 0.5 * 1 * x
    np.testing.assert_array_equal(p.weight.data, [[0.5, 1.0]])
    np.testing.assert_array_equal(p.bias.data, [0.5])


def test_perceptron_cannot_learn_xor_and_says_so() -> None:
    mistakes = nn.Perceptron(2).fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], epochs=30)
    assert len(mistakes) == 30 and min(mistakes) > 0


@pytest.mark.parametrize(("x", "y", "lr", "words"), [
    ([[0, 1]], [2], 1.0, "target 2"),
    ([[0, 1, 2]], [1], 1.0, "N, 2"),
    ([[0, 1]], [1, 0], 1.0, "targets"),
    ([[0, 1]], [1], float("nan"), "lr"),
])  # fmt: skip
def test_perceptron_bad_calls(x: Any, y: Any, lr: float, words: str) -> None:
    p = nn.Perceptron(2)
    with pytest.raises(ValueError, match=words):
        p.fit(x, y, lr=lr)
    assert not p.weight.data.any()


@pytest.mark.parametrize(("fill", "deviation"), [
    (lambda t: init.xavier_uniform_(t), (2 / 700) ** 0.5),
    (lambda t: init.xavier_normal_(t, gain=2.0), 2 * (2 / 700) ** 0.5),
    (lambda t: init.kaiming_uniform_(t), (2 / 400) ** 0.5),
    (lambda t: init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"), (2 / 300) ** 0.5),
    (lambda t: init.kaiming_normal_(t, nonlinearity="linear"), (1 / 400) ** 0.5),
    (lambda t: init.uniform_(t, -1, 1), (1 / 3) ** 0.5),
    (lambda t: init.normal_(t, 0, 0.5), 0.5),
])  # fmt: skip
def test_initialisers(fill: Any, deviation: float) -> None:
    t = nn.Parameter(np.zeros((300, 400)))
    array = t.data
    assert fill(t) is t and t.data is array and t.dtype == np.float32
    np.testing.assert_allclose(array.std(), deviation, rtol=0.01)
    np.testing.assert_allclose(array.mean(), 0, atol=deviation / 50)


def test_constants_gains_and_generators() -> None:
    t = nn.Parameter(np.zeros((2, 2)))
    assert (init.ones_(t).data == 1).all() and (init.constant_(t, 3.5).data == 3.5).all() and not init.zeros_(t).data.any()
    assert init.calculate_gain("tanh") == 5 / 3
    a = init.normal_(t, generator=ag.Generator(1)).data.copy()
    np.testing.assert_array_equal(init.normal_(t, generator=ag.Generator(1)).data, a)
    with pytest.raises(ShapeError, match="fan-in"):
        init.xavier_uniform_(nn.Parameter([1.0]))
    for call in (lambda: init.calculate_gain("swoosh"), lambda: init.uniform_(t, 2, 1), lambda: init.normal_(t, 0, -1),
                 lambda: init.kaiming_normal_(t, mode="fan"), lambda: init.normal_(t, 0, float("nan"))):  # fmt: skip
        with pytest.raises(ArgumentError):
            call()
