"""Optimizers with a rate for each parameter: Adagrad, RMSprop, Adadelta."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

import autograd as ag
from optim.optimizer import Array, Optimizer, decayed

__all__ = ["Adadelta", "Adagrad", "RMSprop", "adadelta", "adagrad", "rmsprop"]


def _root(x: Array, eps: Array, inside: bool) -> Array:
    """√(x + ε), as in the course notes, or √x + ε, as in PyTorch."""
    return np.sqrt(x + eps) if inside else np.sqrt(x) + eps


def adagrad(p: Array, g: Array, total: Array, t: Array, *, lr: Array, lr_decay: Array, weight_decay: Array,
            initial_accumulator_value: Array, eps: Array,
            eps_inside: bool) -> tuple[Array, Array]:  # fmt: skip
    """One step of Adagrad; total is the sum of the squared gradients."""
    g = decayed(g, p, weight_decay)
    total = total + g * g
    return p - (lr / (1 + (t - 1) * lr_decay)) * (g / _root(total, eps, eps_inside)), total


class Adagrad(Optimizer):
    r"""Adagrad: the rate of each number shrinks with the squared gradients it has seen.

    G ← G + g²,  p ← p − lr_t · g / (√G + ε),  lr_t = lr / (1 + (t − 1)·lr_decay)

    That is PyTorch's form. With ``eps_inside=True`` it is the course notes' (section 4): p ← p − lr_t · g /
    √(G + ε).

    When: sparse data, as in language, where rare features should get larger steps. Limits: G only grows, so
    the rate goes to zero and learning can stop too early.

    Args:
        params: tensors, or dicts for groups.
        lr: the learning rate, ≥ 0.
        lr_decay: ≥ 0, see above.
        weight_decay: adds weight_decay·p to the gradient.
        initial_accumulator_value: where G starts, ≥ 0.
        eps: ε > 0.
        eps_inside: the notes' form.
        maximize: climb instead.

    Source: Duchi, Hazan, Singer 2011, "Adaptive subgradient methods for online learning and stochastic
    optimization".

    >>> import autograd as ag, optim
    >>> w = ag.Tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = optim.Adagrad([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data                        # the first step is lr long, whatever the gradient
    array([  0.5, -19.5], dtype=float32)
    """

    rule = staticmethod(adagrad)
    slots = ("sum",)

    def __init__(self, params: Iterable[Any], lr: float = 1e-2, lr_decay: float = 0.0,
                 weight_decay: float = 0.0, initial_accumulator_value: float = 0.0, eps: float = 1e-10, *,
                 eps_inside: bool = False, maximize: bool = False):  # fmt: skip
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "eps": eps, "eps_inside": eps_inside,
            "maximize": maximize,
        })  # fmt: skip

    def initial(self, slot: str, settings: Mapping[str, Any], p: ag.Tensor) -> Any:
        return np.full_like(p.data, settings["initial_accumulator_value"])


def rmsprop(p: Array, g: Array, square: Array, mean: Array | None, v: Array | None, t: Array, *, lr: Array,
            alpha: Array, eps: Array, weight_decay: Array, momentum: Array, centered: bool,
            eps_inside: bool) -> tuple[Array, Array, Array | None, Array | None]:  # fmt: skip
    """One step of RMSprop; square and mean are moving averages of g² and g, v is the velocity."""
    g = decayed(g, p, weight_decay)
    square = alpha * square + (1 - alpha) * (g * g)
    variance = square
    if mean is not None:
        mean = alpha * mean + (1 - alpha) * g
        if centered:
            variance = np.maximum(square - mean * mean, 0)  # rounding may go below zero
    step = g / _root(variance, eps, eps_inside)
    if v is not None:
        v = step = momentum * v + step
    return p - lr * step, square, mean, v


class RMSprop(Optimizer):
    r"""RMSprop: Adagrad with a moving average in place of the sum.

    E ← α·E + (1 − α)·g²,  p ← p − lr · g / (√E + ε)

    That is PyTorch's form. With ``eps_inside=True`` it is the course notes' (section 5; their β is
    ``alpha``): p ← p − lr · g / √(E + ε). With ``centered``, E minus the square of the moving average of g,
    the variance, takes the place of E; with ``momentum``, v ← momentum·v + g/(√E + ε), p ← p − lr·v.

    When: non-stationary problems and recurrent networks. Limits: the decay has to be tuned with the rate.

    Args:
        params: tensors, or dicts for groups.
        lr: the learning rate, ≥ 0.
        alpha: the decay of the moving average, in [0, 1).
        eps: ε > 0.
        weight_decay: adds weight_decay·p to the gradient.
        momentum: ≥ 0.
        centered: divide by the standard deviation instead.
        eps_inside: the notes' form.
        maximize: climb instead.

    Sources: Tieleman, Hinton 2012, lecture 6.5 of "Neural networks for machine learning"; centered: Graves
    2013, "Generating sequences with recurrent neural networks".

    >>> import autograd as ag, optim
    >>> w = ag.Tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = optim.RMSprop([w], lr=0.05, alpha=0.75)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data                        # the first step is lr/√(1 − α) long
    array([  0.9, -19.9], dtype=float32)
    """

    rule = staticmethod(rmsprop)
    slots = ("square_avg", "grad_avg", "momentum_buffer")

    def __init__(self, params: Iterable[Any], lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
                 weight_decay: float = 0.0, momentum: float = 0.0, centered: bool = False, *,
                 eps_inside: bool = False, maximize: bool = False):  # fmt: skip
        super().__init__(params, {
            "lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum,
            "centered": centered, "eps_inside": eps_inside, "maximize": maximize,
        })  # fmt: skip

    def uses(self, slot: str, settings: Mapping[str, Any]) -> bool:
        optional = {"grad_avg": settings["centered"], "momentum_buffer": settings["momentum"] > 0}
        return bool(optional.get(slot, True))


def adadelta(p: Array, g: Array, square: Array, change: Array, t: Array, *, lr: Array, rho: Array, eps: Array,
             weight_decay: Array) -> tuple[Array, Array, Array]:  # fmt: skip
    """One step of Adadelta; square and change are moving averages of g² and of the squared steps."""
    g = decayed(g, p, weight_decay)
    square = rho * square + (1 - rho) * (g * g)
    step = (np.sqrt(change + eps) / np.sqrt(square + eps)) * g
    change = rho * change + (1 - rho) * (step * step)
    return p - lr * step, square, change


class Adadelta(Optimizer):
    r"""Adadelta: steps in the units of the parameter, from the sizes of the steps before.

    E ← ρ·E + (1 − ρ)·g²,  Δ = √(D + ε)/√(E + ε) · g,  D ← ρ·D + (1 − ρ)·Δ²,  p ← p − lr·Δ

    The course notes (section 7; their β is ``rho``) and PyTorch agree, ε inside both roots; the notes have lr
    = 1, which is the default.

    When: where Adagrad's diminishing rates are a problem; there is no rate to tune. Limits: twice the memory
    of Adagrad; starts slowly, since the first steps are about √ε.

    Args:
        params: tensors, or dicts for groups.
        lr: a factor on every step, ≥ 0.
        rho: the decay of both moving averages, in [0, 1).
        eps: ε > 0.
        weight_decay: adds weight_decay·p to the gradient.
        maximize: climb instead.

    Source: Zeiler 2012, "ADADELTA: an adaptive learning rate method".

    >>> import autograd as ag, optim
    >>> w = ag.Tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = optim.Adadelta([w], rho=0.75, eps=0.01)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data.round(3)
    array([  0.801, -19.8  ], dtype=float32)
    """

    rule = staticmethod(adadelta)
    slots = ("square_avg", "acc_delta")

    def __init__(self, params: Iterable[Any], lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6,
                 weight_decay: float = 0.0, *, maximize: bool = False):  # fmt: skip
        super().__init__(params, {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
        })  # fmt: skip
