"""The Adam family: Adam, AdamW and NAdam are settings of one rule; RAdam and Adamax have their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

import autograd as ag
from optim.optimizer import Array, Optimizer, decayed

__all__ = ["Adam", "AdamW", "Adamax", "NAdam", "Nadam", "RAdam", "adam", "adamax", "radam"]


def adam(p: Array, g: Array, m: Array, v: Array, largest: Array | None, product: Array | None, t: Array, *,
         lr: Array, beta1: Array, beta2: Array, eps: Array, weight_decay: Array, decoupled_weight_decay: bool,
         amsgrad: bool = False, momentum_decay: Array = 0.0,
         ) -> tuple[Array, Array, Array, Array | None, Array | None]:  # fmt: skip
    """One step of Adam, or of NAdam where there is a momentum product; m, v are the moments."""
    if decoupled_weight_decay:
        p = p - (lr * weight_decay) * p
    else:
        g = decayed(g, p, weight_decay)
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * (g * g)
    top = v
    if largest is not None:
        largest = np.maximum(largest, v)
        top = largest if amsgrad else v
    root = np.sqrt(top) / (1 - beta2**t) ** 0.5 + eps
    if product is None:
        return p - (lr / (1 - beta1**t)) * (m / root), m, v, largest, None
    now = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
    then = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
    product = product * now
    ahead = ((1 - now) / (1 - product)) * g + (then / (1 - product * then)) * m
    return p - lr * (ahead / root), m, v, largest, product


class Adam(Optimizer):
    r"""Adam: momentum, and a rate for each number, both corrected for their start at zero.

    m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²,  m̂ = m/(1 − β₁ᵗ),  v̂ = v/(1 − β₂ᵗ),  p ← p − lr · m̂/(√v̂ +
    ε)

    The course notes (section 6) and PyTorch agree. ``amsgrad`` takes the largest v so far in place of v.

    When: the default choice; large data sets, noisy gradients. Limits: sensitive to β₁, β₂ and the rate; can
    generalise worse than tuned SGD; three times the memory of the parameters.

    Args:
        params: tensors, or dicts for groups.
        lr: the learning rate, ≥ 0.
        betas: (β₁, β₂), each in [0, 1).
        eps: ε > 0.
        weight_decay: adds weight_decay·p to the gradient.
        amsgrad: Reddi, Kale, Kumar 2018, "On the convergence of Adam and beyond".
        decoupled_weight_decay: p ← p − lr·weight_decay·p instead, that is AdamW.
        maximize: climb instead.

    Source: Kingma, Ba 2015, "Adam: a method for stochastic optimization".

    >>> import autograd as ag, optim
    >>> w = ag.Tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = optim.Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data.round(4)               # the first step is lr long, whatever the gradient
    array([  0.9, -19.9], dtype=float32)
    """

    rule = staticmethod(adam)
    slots = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "mu_product")

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0.0, amsgrad: bool = False, *,
                 decoupled_weight_decay: bool = False, maximize: bool = False):  # fmt: skip
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize,
        })  # fmt: skip

    def uses(self, slot: str, settings: Mapping[str, Any]) -> bool:
        optional = {"max_exp_avg_sq": settings.get("amsgrad"), "mu_product": "momentum_decay" in settings}
        return bool(optional.get(slot, True))

    def initial(self, slot: str, settings: Mapping[str, Any], p: ag.Tensor) -> Any:
        return 1.0 if slot == "mu_product" else np.zeros_like(p.data)


class AdamW(Adam):
    r"""Adam with decoupled weight decay: p ← p − lr·weight_decay·p, then Adam's step from the plain gradient.

    When: Adam with regularisation. Coupled decay is divided by √v̂ with the rest of the gradient, so that
    numbers with large gradients are hardly decayed; here all decay alike. Limits: as Adam's. Arguments as for
    `Adam`.

    Source: Loshchilov, Hutter 2019, "Decoupled weight decay regularization".

    >>> import autograd as ag, optim
    >>> w = ag.Tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = optim.AdamW([w], lr=0.1, weight_decay=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    array([  0.85, -18.9 ], dtype=float32)
    """

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 1e-2, amsgrad: bool = False, *,
                 maximize: bool = False):  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad,
                         decoupled_weight_decay=True, maximize=maximize)  # fmt: skip


class NAdam(Adam):
    r"""Nadam, Adam with Nesterov momentum: the step looks ahead with the momentum of the next step.

    μ_t = β₁(1 − ½·0.96^(t·ψ)),  Π_t = μ_1·…·μ_t,
    p ← p − lr · [ (1 − μ_t)/(1 − Π_t) · g + μ_{t+1}/(1 − Π_{t+1}) · m ] / (√v̂ + ε)

    with m, v̂ as in `Adam` and ψ = ``momentum_decay``: PyTorch's form. The course notes (section 9) give no
    formula.

    When: momentum and a rate for each number, with faster convergence in some cases. Limits: sensitive to its
    settings.

    Args:
        params, lr, betas, eps, weight_decay, decoupled_weight_decay, maximize: as for `Adam`.
        momentum_decay: ψ ≥ 0.

    Source: Dozat 2016, "Incorporating Nesterov momentum into Adam".

    >>> import autograd as ag, optim
    >>> w = ag.Tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = optim.Nadam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data.round(3)
    array([  0.894, -19.894], dtype=float32)
    """

    def __init__(self, params: Iterable[Any], lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0.0, momentum_decay: float = 4e-3, *,
                 decoupled_weight_decay: bool = False, maximize: bool = False):  # fmt: skip
        Optimizer.__init__(self, params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        })  # fmt: skip


Nadam = NAdam


def adamax(p: Array, g: Array, m: Array, u: Array, t: Array, *, lr: Array, beta1: Array, beta2: Array,
           eps: Array, weight_decay: Array) -> tuple[Array, Array, Array]:  # fmt: skip
    """One step of Adamax; m is the first moment, u the decaying maximum of |g|."""
    g = decayed(g, p, weight_decay)
    m = beta1 * m + (1 - beta1) * g
    u = np.maximum(beta2 * u, np.abs(g) + eps)
    return p - (lr / (1 - beta1**t)) * (m / u), m, u


class Adamax(Optimizer):
    r"""Adamax: Adam with the infinity norm, a decaying maximum of past gradients as the denominator.

    m ← β₁m + (1 − β₁)g,  u ← max(β₂u, |g| + ε),  p ← p − lr/(1 − β₁ᵗ) · m/u

    The course notes (section 8) say it in words; the formula is the paper's, with PyTorch's ε.

    When: high-dimensional data where Adam is unstable. Limits: as Adam's, and a single large gradient slows
    its number down for about 1/(1 − β₂) steps.

    Args:
        params: tensors, or dicts for groups.
        lr: the learning rate, ≥ 0.
        betas: (β₁, β₂), each in [0, 1).
        eps: ε > 0.
        weight_decay: adds weight_decay·p to the gradient.
        maximize: climb instead.

    Source: Kingma, Ba 2015, "Adam: a method for stochastic optimization", section 7.

    >>> import autograd as ag, optim
    >>> w = ag.Tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = optim.Adamax([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    array([  0.9, -19.9], dtype=float32)
    """

    rule = staticmethod(adamax)
    slots = ("exp_avg", "exp_inf")

    def __init__(self, params: Iterable[Any], lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0.0, *, maximize: bool = False):  # fmt: skip
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
        })  # fmt: skip


def radam(p: Array, g: Array, m: Array, v: Array, t: Array, *, lr: Array, beta1: Array, beta2: Array, eps: Array,
          weight_decay: Array, decoupled_weight_decay: bool) -> tuple[Array, Array, Array]:  # fmt: skip
    """One step of RAdam; m, v are the moments."""
    if decoupled_weight_decay:
        p = p - (lr * weight_decay) * p
    else:
        g = decayed(g, p, weight_decay)
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * (g * g)
    correction = 1 - beta2**t
    most = 2 / (1 - beta2) - 1
    length = most - 2 * t * beta2**t / correction
    some = np.where(length > 5, length, 6.0)  # where the variance is not to be had, any number
    rectified = np.sqrt((some - 4) * (some - 2) * most / ((most - 4) * (most - 2) * some)) * np.sqrt(correction)
    enough = np.where(length > 5, 1.0, 0.0)
    scale = enough * rectified / (np.sqrt(v) + eps) + (1 - enough)
    return p - (lr / (1 - beta1**t)) * (m * scale), m, v


class RAdam(Optimizer):
    r"""RAdam, rectified Adam: as long as too few gradients were seen to know their variance, momentum alone; then Adam's step,
    shortened by what is still uncertain.

    ρ∞ = 2/(1 − β₂) − 1,  ρ_t = ρ∞ − 2tβ₂ᵗ/(1 − β₂ᵗ),  r_t = √((ρ_t − 4)(ρ_t − 2)ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)ρ_t)),
    p ← p − lr · m̂ · r_t/(√v̂ + ε) where ρ_t > 5, else p ← p − lr · m̂

    When: in place of Adam with a warm-up of the rate. Limits: as Adam's. Arguments as for `Adam`, without amsgrad.

    Source: Liu et al. 2020, "On the variance of the adaptive learning rate and beyond".

    >>> import autograd as ag, optim
    >>> w = ag.Tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = optim.RAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data                        # at first plain momentum: −lr·g
    array([  0.8, -16. ], dtype=float32)
    """

    rule = staticmethod(radam)
    slots = ("exp_avg", "exp_avg_sq")

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0.0, *, decoupled_weight_decay: bool = False,
                 maximize: bool = False):  # fmt: skip
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize,
        })  # fmt: skip
