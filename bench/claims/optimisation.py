"""The notes on optimizers, rates and batches, tried."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

import autograd as ag
import nn
import optim
from bench.claims import Pair, claim
from bench.claims.tools import Arrays, digits, mlp, train, tuned

Make = Callable[[Any, float], Any]
"""An optimizer of parameters, with a learning rate."""

EPOCHS = 5


def _digits_loss(make: Make, rate: float, seed: int, batch: int = 50, epochs: int = EPOCHS) -> float:
    """The training loss of the last of some epochs on 1000 digits."""
    model = mlp(seed)
    losses = train(model, make(model.parameters(), rate), digits(seed), epochs, batch, seed).losses
    return losses[-1] if np.isfinite(losses[-1]) else 1e9


def _race(first: Make, second: Make, seed: int) -> Pair:
    return tuple(_digits_loss(make, _best_rate(make), seed) for make in (first, second))


@lru_cache(maxsize=64)
def _best_rate(make: Make) -> float:
    return tuned(lambda rate, seed: _digits_loss(make, rate, seed), 0.01, 0.1)


def _sgd(parameters: Any, rate: float) -> Any:
    return optim.SGD(parameters, lr=rate)


def _momentum(parameters: Any, rate: float) -> Any:
    return optim.SGD(parameters, lr=rate, momentum=0.9)


def _nesterov(parameters: Any, rate: float) -> Any:
    return optim.SGD(parameters, lr=rate, momentum=0.9, nesterov=True)


def _adam(parameters: Any, rate: float) -> Any:
    return optim.Adam(parameters, lr=rate)


def _nadam(parameters: Any, rate: float) -> Any:
    return optim.NAdam(parameters, lr=rate)


def _adagrad(parameters: Any, rate: float) -> Any:
    return optim.Adagrad(parameters, lr=rate)


# ---- batches ---------------------------------------------------------------------------------------------------------


@claim(
    "Stochastic Gradient Descent",
    "faster than batch gradient descent",
    "batch size 1, against all: training loss after 3 epochs",
)
def stochastic_against_batch(seed: int) -> Pair:
    def after(batch: int, rate: float, seed: int) -> float:
        return _digits_loss(_sgd, rate, seed, batch, 3)

    return tuple(after(batch, _rate_of_batch(batch), seed) for batch in (1, 1000))


@lru_cache(maxsize=8)
def _rate_of_batch(batch: int) -> float:
    return tuned(lambda rate, seed: _digits_loss(_sgd, rate, seed, batch, 3), 0.03, 0.3)


@claim(
    "Mini-Batch Gradient Descent",
    "reduces the variance of the gradient",
    "batch of 32, against 1: deviation of the gradient's norm",
)
def mini_batch_variance(seed: int) -> Pair:
    data, model = digits(seed), mlp(seed)
    random = np.random.default_rng(seed)

    def deviation(batch: int) -> float:
        found = []
        for _ in range(30):
            chosen = random.integers(0, len(data.x), batch)
            for p in model.parameters():
                p.grad = None
            nn.functional.cross_entropy(model(ag.Tensor(data.x[chosen])), data.y[chosen]).backward()
            found.append(np.concatenate([p.grad.data.ravel() for p in model.parameters()]))
        return float(np.stack(found).std(axis=0).mean())

    return deviation(32), deviation(1)


@claim("Batch Size", "a smaller batch generalises better", "batch of 10, against 500: held-out error, 20 epochs, rates tuned")
def small_batch_generalises(seed: int) -> Pair:
    return tuple(_held_error(batch, _held_rate(batch), seed) for batch in (10, 500))


def _held_error(batch: int, rate: float, seed: int) -> float:
    model = mlp(seed)
    return train(model, _momentum(model.parameters(), rate), digits(seed), 20, batch, seed).held_error


@lru_cache(maxsize=8)
def _held_rate(batch: int) -> float:
    return tuned(lambda rate, seed: _held_error(batch, rate, seed), 0.01, 0.1)


# ---- optimizers ------------------------------------------------------------------------------------------------------


@claim("Momentum", "accelerates convergence", f"momentum 0.9, against none: training loss after {EPOCHS} epochs, rates tuned")
def momentum_accelerates(seed: int) -> Pair:
    return _race(_momentum, _sgd, seed)


@claim(
    "Momentum", "dampens oscillation", "the notes' moving average, against none: way made across a noisy ravine in 100 steps"
)
def momentum_dampens(seed: int) -> Pair:
    return tuple(_ravine(beta, seed) for beta in (0.9, 0.0))


def _ravine(momentum: float, seed: int) -> float:
    """The way made across a ravine, 50 times as steep across as along, in 100 steps by noisy gradients."""
    noise = np.random.default_rng(seed)
    steep = np.array([1.0, 50.0])
    w = ag.Tensor(np.array([-3.0, 1.0]), requires_grad=True)
    form = {"momentum": momentum, "form": "average"} if momentum else {}
    optimizer = optim.SGD([w], lr=0.035, **form)
    path = [w.data.copy()]
    for _ in range(100):
        w.grad = ag.Tensor(steep * w.data + noise.normal(0, 5.0, 2))
        optimizer.step()
        path.append(w.data.copy())
    return float(np.abs(np.diff(np.stack(path)[:, 1])).sum())


@claim(
    "Nesterov Accelerated Gradient",
    "faster than vanilla momentum",
    f"Nesterov, against momentum: training loss after {EPOCHS} epochs",
)
def nesterov_against_momentum(seed: int) -> Pair:
    return _race(_nesterov, _momentum, seed)


@claim("Adagrad", "suitable for sparse data", "Adagrad, against SGD: training loss on rare binary features, rates tuned")
def adagrad_on_sparse(seed: int) -> Pair:
    return tuple(_sparse(make, _sparse_rate(make), seed) for make in (_adagrad, _sgd))


def _sparse(make: Make, rate: float, seed: int) -> float:
    """Logistic regression on 500 words whose frequency falls off as 1/rank: the loss of the last of three epochs."""
    random = np.random.default_rng(seed)
    frequency = np.minimum(0.9, 2.0 / np.arange(1, 501))
    x = (random.random((2000, 500)) < frequency).astype(np.float32)
    truth = random.normal(0, 1.5, 500)
    y = (random.random(2000) < 1 / (1 + np.exp(-x @ truth))).astype(np.int64)
    model = nn.Linear(500, 2, generator=ag.Generator(seed))
    data = Arrays(x, y, x[:10], y[:10])
    return train(model, make(model.parameters(), rate), data, 3, 20, seed).losses[-1]


@lru_cache(maxsize=8)
def _sparse_rate(make: Make) -> float:
    return tuned(lambda rate, seed: _sparse(make, rate, seed), 0.1, 1.0)


def _drift(make: Make, rate: float, seed: int) -> float:
    """Tracking a target that jumps every 250 steps, by noisy gradients: the mean squared distance over 5000 steps."""
    random = np.random.default_rng(seed)
    w = ag.Tensor(np.zeros(5), requires_grad=True)
    optimizer, target, total = make([w], rate), np.zeros(5), 0.0
    for step in range(5000):
        if step % 250 == 0:
            target = random.normal(0, 1, 5)
        w.grad = ag.Tensor(w.data - target + random.normal(0, 0.3, 5))
        optimizer.step()
        total += float(((w.data - target) ** 2).sum())
    return total / 5000


@lru_cache(maxsize=8)
def _drift_rate(make: Make) -> float:
    return tuned(lambda rate, seed: _drift(make, rate, seed), 0.03, 1.0)


def _rmsprop(parameters: Any, rate: float) -> Any:
    return optim.RMSprop(parameters, lr=rate)


def _adadelta(parameters: Any, rate: float) -> Any:
    return optim.Adadelta(parameters, lr=rate)


@claim(
    "RMSprop", "suitable for non-stationary problems", "RMSprop, against Adagrad: distance to a target that jumps, rates tuned"
)
def rmsprop_on_drift(seed: int) -> Pair:
    return _drift(_rmsprop, _drift_rate(_rmsprop), seed), _drift(_adagrad, _drift_rate(_adagrad), seed)


@claim(
    "AdaDelta", "its rates do not diminish as Adagrad's", "AdaDelta, against Adagrad: early steps, as a multiple of late ones"
)
def adadelta_does_not_diminish(seed: int) -> Pair:
    """Under noise that stays the same: the mean length of steps 500 to 1000 divided by that of steps 4500 to 5000."""

    def decline(make: Make, rate: float) -> float:
        random = np.random.default_rng(seed)
        w = ag.Tensor(np.zeros(5), requires_grad=True)
        optimizer, lengths = make([w], rate), []
        for _ in range(5000):
            before = w.data.copy()
            w.grad = ag.Tensor(random.normal(0, 1, 5))
            optimizer.step()
            lengths.append(float(np.abs(w.data - before).mean()))
        return float(np.mean(lengths[500:1000]) / np.mean(lengths[-500:]))

    return decline(_adadelta, 1.0), decline(_adagrad, 0.1)


@claim(
    "AdaDelta", "useful where diminishing rates hurt", "AdaDelta, against Adagrad: distance to a target that jumps, rates tuned"
)
def adadelta_on_drift(seed: int) -> Pair:
    return _drift(_adadelta, _drift_rate(_adadelta), seed), _drift(_adagrad, _drift_rate(_adagrad), seed)


@claim("Adam", "converges faster", f"Adam, against SGD: training loss after {EPOCHS} epochs, rates tuned")
def adam_against_sgd(seed: int) -> Pair:
    return _race(_adam, _sgd, seed)


@claim("Adam", "converges faster", f"Adam, against SGD with momentum: training loss after {EPOCHS} epochs, rates tuned")
def adam_against_momentum(seed: int) -> Pair:
    return _race(_adam, _momentum, seed)


@claim("Adamax", "more stable than Adam", "Adamax, against Adam: greatest jump of the training loss at a high rate, 0.03")
def adamax_is_stable(seed: int) -> Pair:
    def jump(make: Callable[..., Any]) -> float:
        model = mlp(seed, (64, 64))
        losses = train(model, make(model.parameters(), lr=0.03), digits(seed), 15, 20, seed).losses
        return float(np.max(np.diff(losses)))

    return jump(optim.Adamax), jump(optim.Adam)


@claim("Nadam", "can converge faster than Adam", f"Nadam, against Adam: training loss after {EPOCHS} epochs, rates tuned")
def nadam_against_adam(seed: int) -> Pair:
    return _race(_nadam, _adam, seed)


# ---- rates -----------------------------------------------------------------------------------------------------------


@claim("Learning Rate", "a small rate converges slowly", "SGD at 0.1, against 0.001: training loss after 5 epochs")
def small_rate_is_slow(seed: int) -> Pair:
    return _digits_loss(_sgd, 0.1, seed), _digits_loss(_sgd, 0.001, seed)


@claim("Learning Rate", "a large rate overshoots", "SGD at 0.1, against 10: training loss after 5 epochs")
def large_rate_overshoots(seed: int) -> Pair:
    return _digits_loss(_sgd, 0.1, seed), _digits_loss(_sgd, 10.0, seed)


@claim(
    "Learning rate schedules",
    "finer adjustments as training progresses",
    "cosine, against constant: training loss, batch 5, 10 epochs",
)
def schedule_refines(seed: int) -> Pair:
    def last(scheduled: bool) -> float:
        model = mlp(seed)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10) if scheduled else None
        return train(model, optimizer, digits(seed, 1000, 0.1), 10, 5, seed, schedule=schedule).losses[-1]

    return last(True), last(False)
