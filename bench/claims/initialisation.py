"""The notes on initialising weights, tried: what the variance does on its way through a deep network, and how training goes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

import autograd as ag
import nn
import optim
from bench.claims import Pair, claim
from bench.claims.tools import digits, mlp, train, tuned

Rule = Callable[[Any, ag.Generator], Any]
"""Initialises one weight, with a generator."""


def zeros(weight: Any, generator: ag.Generator) -> Any:
    return nn.init.zeros_(weight)


def xavier(weight: Any, generator: ag.Generator) -> Any:
    return nn.init.xavier_normal_(weight, generator=generator)


def he(weight: Any, generator: ag.Generator) -> Any:
    return nn.init.kaiming_normal_(weight, generator=generator)


def lecun(weight: Any, generator: ag.Generator) -> Any:
    return nn.init.lecun_normal_(weight, generator=generator)


def orthogonal(weight: Any, generator: ag.Generator) -> Any:
    return nn.init.orthogonal_(weight, generator=generator)


def sparse(weight: Any, generator: ag.Generator) -> Any:
    return nn.init.sparse_(weight, 0.8, float(1 / np.sqrt(0.2 * weight.shape[1])), generator=generator)


def narrow(weight: Any, generator: ag.Generator) -> Any:
    return nn.init.normal_(weight, 0.0, 0.01, generator)


def wide(weight: Any, generator: ag.Generator) -> Any:
    return nn.init.normal_(weight, 0.0, 1.0, generator)


def tiny_uniform(weight: Any, generator: ag.Generator) -> Any:
    return nn.init.uniform_(weight, -0.01, 0.01, generator)


def scaled(weight: Any, generator: ag.Generator) -> Any:
    return nn.init.variance_scaling_(weight, 2.0, "fan_in", "truncated_normal", generator=generator)


def network(rule: Rule, seed: int, depth: int, activation: str, width: int = 64) -> nn.Module:
    """A network for the digits with `depth` hidden layers, whose weights a rule made; biases 0."""
    model, generator = mlp(seed, (width,) * depth, activation), ag.Generator(seed)
    for p in model.parameters():
        if p.ndim == 2:
            rule(p, generator)
    return model


def spread(rule: Rule, seed: int, depth: int, activation: str, width: int = 64) -> float:
    """By how many powers of ten the root mean square of the signal changes from the first to the last hidden layer."""
    x, sizes = ag.Tensor(digits(seed).x[:256]), []
    for module in network(rule, seed, depth, activation, width).children():
        x = module(x)
        if not isinstance(module, nn.Linear):
            sizes.append(float(np.sqrt(np.mean(np.square(x.data)))))
    return abs(float(np.log10(max(sizes[-1], 1e-30) / max(sizes[0], 1e-30))))


def trained(rule: Rule, rate: float, seed: int, depth: int, activation: str) -> float:
    """The training loss of the third epoch by SGD with momentum."""
    model = network(rule, seed, depth, activation)
    loss = train(model, optim.SGD(model.parameters(), lr=rate, momentum=0.9), digits(seed), 3, 50, seed).losses[-1]
    return loss if np.isfinite(loss) else 1e9


@lru_cache(maxsize=64)
def rate_of(rule: Rule, depth: int, activation: str) -> float:
    return tuned(lambda rate, seed: trained(rule, rate, seed, depth, activation), 0.01, 0.1)


def race(first: Rule, second: Rule, seed: int, depth: int, activation: str) -> Pair:
    return tuple(trained(rule, rate_of(rule, depth, activation), seed, depth, activation) for rule in (first, second))


@claim("Zero Initialization", "all units learn the same", "Xavier, against zeros: training loss, 1 hidden layer of tanh")
def zero_weights_fail(seed: int) -> Pair:
    return race(xavier, zeros, seed, 1, "tanh")


@claim(
    "Random Initialization",
    "a badly chosen scale lets signals vanish",
    "Xavier, against N(0, 0.01²): change of signal, 6 tanh layers",
)
def random_may_vanish(seed: int) -> Pair:
    return spread(xavier, seed, 6, "tanh"), spread(narrow, seed, 6, "tanh")


@claim(
    "Random Initialization", "a badly chosen scale lets signals explode", "He, against N(0, 1): change of signal, 6 ReLU layers"
)
def random_may_explode(seed: int) -> Pair:
    return spread(he, seed, 6, "relu"), spread(wide, seed, 6, "relu")


@claim(
    "Uniform Initialization",
    "the range has to be chosen with care",
    "Xavier, against U(−0.01, 0.01): training loss, 4 tanh layers",
)
def uniform_needs_care(seed: int) -> Pair:
    return race(xavier, tiny_uniform, seed, 4, "tanh")


@claim("Xavier/Glorot Initialization", "suits tanh", "Xavier, against N(0, 0.01²): training loss, 4 tanh layers, rates tuned")
def xavier_suits_tanh(seed: int) -> Pair:
    return race(xavier, narrow, seed, 4, "tanh")


@claim(
    "Xavier/Glorot Initialization", "may do worse with ReLU", "He, against Xavier: training loss, 12 ReLU layers, rates tuned"
)
def he_beats_xavier_with_relu(seed: int) -> Pair:
    return race(he, xavier, seed, 12, "relu")


@claim("He Initialization", "keeps the variance with ReLU", "He, against Xavier: change of signal, 12 ReLU layers")
def he_keeps_variance(seed: int) -> Pair:
    return spread(he, seed, 12, "relu"), spread(xavier, seed, 12, "relu")


@claim(
    "He Initialization", "helps against dying ReLUs", "He, against Xavier: dead units after training at rate 0.1, 4 ReLU layers"
)
def he_against_dead_units(seed: int) -> Pair:
    def dead(rule: Rule) -> float:
        model = network(rule, seed, 4, "relu")
        train(model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9), digits(seed), 5, 50, seed)
        x, found = ag.Tensor(digits(seed).x), []
        for module in model.children():
            x = module(x)
            if not isinstance(module, nn.Linear):
                found.append((x.data <= 0).all(axis=0))
        return float(np.concatenate(found).mean())

    return dead(he), dead(xavier)


@claim("LeCun Initialization", "keeps the variance with tanh", "LeCun, against He: change of signal, 6 tanh layers")
def lecun_keeps_variance(seed: int) -> Pair:
    return spread(lecun, seed, 6, "tanh"), spread(he, seed, 6, "tanh")


@claim(
    "LeCun Initialization", "effective with leaky ReLU", "LeCun, against He: training loss, 12 leaky ReLU layers, rates tuned"
)
def lecun_with_leaky_relu(seed: int) -> Pair:
    return race(lecun, he, seed, 12, "leaky_relu")


@claim(
    "Orthogonal Initialization",
    "preserves norms across layers",
    "orthogonal, against Xavier: change of signal, 30 linear layers",
)
def orthogonal_keeps_norms(seed: int) -> Pair:
    return spread(orthogonal, seed, 30, "linear"), spread(xavier, seed, 30, "linear")


@claim(
    "Orthogonal Initialization",
    "improves convergence",
    "orthogonal, against Xavier: training loss, 12 tanh layers, rates tuned",
)
def orthogonal_converges(seed: int) -> Pair:
    return race(orthogonal, xavier, seed, 12, "tanh")


@claim("Sparse Initialization", "faster convergence", "80 % zeros, against Xavier: training loss, 2 tanh layers, rates tuned")
def sparse_converges(seed: int) -> Pair:
    return race(sparse, xavier, seed, 2, "tanh")


@claim(
    "Variance Scaling Initialization", "adapts to sizes", "scaled, against N(0, 0.1²): change of signal, 6 ReLU layers of 400"
)
def variance_scaling_adapts(seed: int) -> Pair:
    def tenth(weight: Any, generator: ag.Generator) -> Any:
        return nn.init.normal_(weight, 0.0, 0.1, generator)

    return spread(scaled, seed, 6, "relu", 400), spread(tenth, seed, 6, "relu", 400)


@claim(
    "Randomized Initialization",
    "explores while training",
    "shrink and perturb, against none: held-out error after more data came",
)
def shrink_and_perturb(seed: int) -> Pair:
    """Trained to the end on 200 samples, then on 600: with the weights shrunk and perturbed between, and as they were."""

    def error(shake: bool) -> float:
        model = mlp(seed, (128, 128))
        few, more = digits(seed, 200), digits(seed, 600)
        train(model, optim.Adam(model.parameters(), lr=0.003), few, 60, 50, seed)
        if shake:
            nn.init.shrink_and_perturb_(model, 0.4, 0.02, generator=ag.Generator(seed))
        return train(model, optim.Adam(model.parameters(), lr=0.003), more, 30, 50, seed).held_error

    return error(True), error(False)


@claim("Dynamic Initialization", "fits the data", "LSUV, against Xavier: training loss, 12 ReLU layers, rates tuned")
def dynamic_fits_data(seed: int) -> Pair:
    return tuple(_dynamic(lsuv, _dynamic_rate(lsuv), seed) for lsuv in (True, False))


def _dynamic(lsuv: bool, rate: float, seed: int) -> float:
    model = network(xavier, seed, 12, "relu")
    if lsuv:
        nn.init.lsuv_(model, ag.Tensor(digits(seed).x[:256]), generator=ag.Generator(seed))
    loss = train(model, optim.SGD(model.parameters(), lr=rate, momentum=0.9), digits(seed), 3, 50, seed).losses[-1]
    return loss if np.isfinite(loss) else 1e9


@lru_cache(maxsize=2)
def _dynamic_rate(lsuv: bool) -> float:
    return tuned(lambda rate, seed: _dynamic(lsuv, rate, seed), 0.01, 0.1)
