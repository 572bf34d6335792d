"""Every optimizer against its formula, written out by hand for one number, over several steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import autograd as ag
import optim

STEPS = 8
START = (0.8, -1.3, 2.0)


def gradient(p: float) -> float:
    """d/dp of p⁴/4 + p: large and small, of both signs."""
    return p**3 + 1


def loss_of(w: ag.Tensor) -> ag.Tensor:
    return (w**4 / 4 + w).sum()


Formula = Callable[[float], Iterator[float]]


def sgd(p: float, lr: float = 0.05) -> Iterator[float]:
    while True:
        p -= lr * gradient(p)
        yield p


def momentum(p: float, lr: float = 0.05, beta: float = 0.9) -> Iterator[float]:
    dampening, decay = 0.25, 0.1
    v = gradient(p) + decay * p
    while True:
        p -= lr * v
        yield p
        v = beta * v + (1 - dampening) * (gradient(p) + decay * p)


def nesterov(p: float, lr: float = 0.05, beta: float = 0.9) -> Iterator[float]:
    v = 0.0
    while True:
        g = gradient(p)
        v = beta * v + g
        p -= lr * (g + beta * v)
        yield p


def average(p: float, lr: float = 0.05, beta: float = 0.9) -> Iterator[float]:
    v = 0.0
    while True:
        v = beta * v + (1 - beta) * gradient(p)
        p -= lr * v
        yield p


def lookahead(p: float, lr: float = 0.01, beta: float = 0.9) -> Iterator[float]:
    v = 0.0
    while True:
        v = beta * v + lr * gradient(p - beta * v)
        p -= v
        yield p


def adagrad(inside: bool) -> Formula:
    def formula(p: float, lr: float = 0.5, lr_decay: float = 0.1, eps: float = 0.01) -> Iterator[float]:
        total = 0.3
        for t in range(1, 99):
            g = gradient(p)
            total += g * g
            rate = lr / (1 + (t - 1) * lr_decay)
            p -= rate * g / (math.sqrt(total + eps) if inside else math.sqrt(total) + eps)
            yield p

    return formula


def rmsprop(inside: bool = False, centered: bool = False, beta: float = 0.0) -> Formula:
    def formula(p: float, lr: float = 0.02, alpha: float = 0.9, eps: float = 0.01) -> Iterator[float]:
        square = mean = v = 0.0
        while True:
            g = gradient(p)
            square = alpha * square + (1 - alpha) * g * g
            mean = alpha * mean + (1 - alpha) * g
            e = square - mean**2 if centered else square
            v = beta * v + g / (math.sqrt(e + eps) if inside else math.sqrt(e) + eps)
            p -= lr * v
            yield p

    return formula


def adadelta(p: float, rho: float = 0.8, eps: float = 0.01) -> Iterator[float]:
    square = change = 0.0
    while True:
        g = gradient(p)
        square = rho * square + (1 - rho) * g * g
        delta = -math.sqrt(change + eps) / math.sqrt(square + eps) * g
        change = rho * change + (1 - rho) * delta**2
        p += delta
        yield p


def adam(decay: float = 0.0, decoupled: bool = False, amsgrad: bool = False) -> Formula:
    def formula(p: float) -> Iterator[float]:
        lr, b1, b2, eps = 0.1, 0.8, 0.9, 0.01
        m = v = top = 0.0
        for t in range(1, 99):
            g = gradient(p)
            if decoupled:
                p -= lr * decay * p
            else:
                g += decay * p
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
            top = max(top, v)
            p -= lr * (m / (1 - b1**t)) / (math.sqrt((top if amsgrad else v) / (1 - b2**t)) + eps)
            yield p

    return formula


def adamax(p: float, lr: float = 0.1, b1: float = 0.8, b2: float = 0.9, eps: float = 0.01) -> Iterator[float]:
    m = u = 0.0
    for t in range(1, 99):
        g = gradient(p)
        m, u = b1 * m + (1 - b1) * g, max(b2 * u, abs(g) + eps)
        p -= lr / (1 - b1**t) * m / u
        yield p


def nadam(p: float) -> Iterator[float]:
    lr, b1, b2, eps, psi = 0.1, 0.8, 0.9, 0.01, 0.02

    def mu(t: int) -> float:
        return b1 * (1 - 0.5 * 0.96 ** (t * psi))

    m = v = 0.0
    for t in range(1, 99):
        g = gradient(p)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        product = math.prod(mu(i) for i in range(1, t + 1))
        ahead = mu(t + 1) * m / (1 - product * mu(t + 1)) + (1 - mu(t)) * g / (1 - product)
        p -= lr * ahead / (math.sqrt(v / (1 - b2**t)) + eps)
        yield p


def radam(p: float) -> Iterator[float]:
    lr, b1, b2, eps = 0.1, 0.5, 0.7, 0.01  # ρ∞ = 5.67: rectified from the fifth step on
    longest = 2 / (1 - b2) - 1
    m = v = 0.0
    for t in range(1, 99):
        g = gradient(p)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        length = longest - 2 * t * b2**t / (1 - b2**t)
        step = m / (1 - b1**t)
        if length > 5:
            r = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            step *= math.sqrt(r) * math.sqrt(1 - b2**t) / (math.sqrt(v) + eps)
        p -= lr * step
        yield p


def lion(p: float, lr: float = 0.1, b1: float = 0.8, b2: float = 0.9, decay: float = 0.1) -> Iterator[float]:
    m = 0.0
    while True:
        g = gradient(p)
        p -= lr * (math.copysign(1, b1 * m + (1 - b1) * g) + decay * p)
        m = b2 * m + (1 - b2) * g
        yield p


def rprop(p: float, lr: float = 0.27) -> Iterator[float]:
    before, size = 0.0, lr
    while True:
        g = gradient(p)
        if g * before > 0:
            size = min(size * 1.5, 0.5)
        elif g * before < 0:
            size, g = max(size * 0.4, 0.1), 0.0
        p -= size * (g > 0) - size * (g < 0)
        before = g
        yield p


FAMILY = {"lr": 0.1, "betas": (0.8, 0.9), "eps": 0.01}
RMS = {"lr": 0.02, "alpha": 0.9, "eps": 0.01}
GRAD = {"lr": 0.5, "lr_decay": 0.1, "eps": 0.01, "initial_accumulator_value": 0.3}
CASES = {
    "sgd": (optim.SGD, {"lr": 0.05}, sgd),
    "momentum": (optim.SGD, {"lr": 0.05, "momentum": 0.9, "dampening": 0.25, "weight_decay": 0.1}, momentum),
    "nesterov": (optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True}, nesterov),
    "momentum of the notes": (optim.SGD, {"lr": 0.05, "momentum": 0.9, "form": "average"}, average),
    "NAG of the notes": (optim.SGD, {"lr": 0.01, "momentum": 0.9, "form": "lookahead"}, lookahead),
    "adagrad": (optim.Adagrad, GRAD, adagrad(False)),
    "adagrad of the notes": (optim.Adagrad, {**GRAD, "eps_inside": True}, adagrad(True)),
    "rmsprop": (optim.RMSprop, RMS, rmsprop()),
    "rmsprop of the notes": (optim.RMSprop, {**RMS, "eps_inside": True}, rmsprop(inside=True)),
    "rmsprop centered": (optim.RMSprop, {**RMS, "centered": True}, rmsprop(centered=True)),
    "rmsprop momentum": (optim.RMSprop, {**RMS, "momentum": 0.5}, rmsprop(beta=0.5)),
    "adadelta": (optim.Adadelta, {"rho": 0.8, "eps": 0.01}, adadelta),
    "adam": (optim.Adam, FAMILY, adam()),
    "adam coupled": (optim.Adam, {**FAMILY, "weight_decay": 0.1}, adam(decay=0.1)),
    "amsgrad": (optim.Adam, {**FAMILY, "amsgrad": True}, adam(amsgrad=True)),
    "adamw": (optim.AdamW, {**FAMILY, "weight_decay": 0.1}, adam(decay=0.1, decoupled=True)),
    "adamax": (optim.Adamax, FAMILY, adamax),
    "nadam": (optim.Nadam, {**FAMILY, "momentum_decay": 0.02}, nadam),
    "radam": (optim.RAdam, {"lr": 0.1, "betas": (0.5, 0.7), "eps": 0.01}, radam),
    "lion": (optim.Lion, {"lr": 0.1, "betas": (0.8, 0.9), "weight_decay": 0.1}, lion),
    "rprop": (optim.Rprop, {"lr": 0.27, "etas": (0.4, 1.5), "step_sizes": (0.1, 0.5)}, rprop),
}


def train(optimizer: optim.Optimizer, w: ag.Tensor) -> Iterator[np.ndarray]:
    def closure() -> ag.Tensor:
        optimizer.zero_grad()
        loss = loss_of(w)
        loss.backward()
        return loss

    while True:
        optimizer.step(closure)
        yield w.data.copy()


@pytest.mark.parametrize("name", CASES)
def test_trajectory_is_the_formula(name: str) -> None:
    make, settings, formula = CASES[name]
    w = ag.Tensor(np.array(START), requires_grad=True)
    ours = train(make([w], **settings), w)
    by_hand = [formula(p) for p in START]
    for step in range(1, STEPS + 1):
        want = [next(f) for f in by_hand]
        np.testing.assert_allclose(next(ours), want, rtol=1e-12, atol=1e-12, err_msg=f"step {step}")


@pytest.mark.parametrize("name", CASES)
def test_float32_stays_float32_and_close(name: str) -> None:
    make, settings, formula = CASES[name]
    w = ag.Tensor(np.array(START, np.float32), requires_grad=True)
    optimizer = make([w], **settings)
    ours = train(optimizer, w)
    by_hand = [formula(p) for p in START]
    for _ in range(STEPS):
        got, want = next(ours), [next(f) for f in by_hand]
    np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-5)
    assert w.dtype == np.float32
    for slot in optimizer.state[w].values():
        assert isinstance(slot, ag.State) or slot.dtype == np.float32


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case[1].get("weight_decay")])
def test_maximize_climbs_the_negated_loss(name: str) -> None:
    make, settings, _ = CASES[name]
    down, up = (ag.Tensor(np.array(START), requires_grad=True) for _ in range(2))
    descend, climb = make([down], **settings), make([up], **settings, maximize=True)

    def closure(optimizer: optim.Optimizer, w: ag.Tensor, sign: int) -> None:
        optimizer.zero_grad()
        (sign * loss_of(w)).backward()

    for _ in range(3):
        descend.step(lambda: closure(descend, down, 1))
        climb.step(lambda: closure(climb, up, -1))
    np.testing.assert_array_equal(down.data, up.data)


@pytest.mark.parametrize("name", CASES)
def test_resumed_run_is_bit_equal(name: str) -> None:
    make, settings, _ = CASES[name]
    w = ag.Tensor(np.array(START), requires_grad=True)
    optimizer = make([w], **settings)
    run = train(optimizer, w)
    for _ in range(3):
        next(run)
    weights, state = w.data.copy(), optimizer.state_dict()
    for _ in range(3):
        want = next(run)
    again = ag.Tensor(weights, requires_grad=True)
    resumed = make([again], **{**settings, "lr": 123.0})
    resumed.load_state_dict(state)
    run = train(resumed, again)
    for _ in range(3):
        got = next(run)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("name", CASES)
def test_scalar_empty_and_strided_parameters(name: str) -> None:
    make, settings, formula = CASES[name]
    scalar = ag.Tensor(np.array(0.8), requires_grad=True)
    empty = ag.Tensor(np.zeros((0, 3)), requires_grad=True)
    columns = ag.Tensor(np.asfortranarray(np.array([START, START])), requires_grad=True)
    optimizer = make([scalar, empty, columns], **settings)

    def closure() -> None:
        optimizer.zero_grad()
        (loss_of(scalar) + loss_of(empty) + loss_of(columns)).backward()

    for _ in range(3):
        optimizer.step(closure)
    want = [[next(steps) for _ in range(3)][-1] for steps in map(formula, START)]
    np.testing.assert_allclose(scalar.data, want[0], rtol=1e-12)
    np.testing.assert_allclose(columns.data, [want, want], rtol=1e-12)
