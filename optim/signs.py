"""Optimizers that go by the sign of the gradient: Rprop, Lion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

import autograd as ag
from optim.optimizer import Array, Optimizer

__all__ = ["Lion", "Rprop", "lion", "rprop"]


def rprop(p: Array, g: Array, before: Array, size: Array, t: Array, *, lr: Array, eta1: Array, eta2: Array,
          step_size1: Array, step_size2: Array) -> tuple[Array, Array, Array]:  # fmt: skip
    """One step of Rprop; before is the last gradient, 0 where it had turned, size the step of each number."""
    agree = g * before
    size = np.minimum(np.maximum(size * np.where(agree > 0, eta2, np.where(agree < 0, eta1, 1.0)), step_size1), step_size2)
    size = size.astype(p.dtype)
    g = np.where(agree < 0, 0, g)
    return p - np.sign(g) * size, g, size


class Rprop(Optimizer):
    r"""Rprop, resilient propagation: each number has a step of its own, which grows while its gradient keeps its sign, and
    shrinks
    when that turns; the size of the gradient does not count.

    s ← clip(s·η⁺ where g·g₋₁ > 0, s·η⁻ where g·g₋₁ < 0),  p ← p − s·sign(g), and no step where the sign turned

    When: whole-batch training. Limits: noise of small batches turns signs, so that steps shrink.

    Args:
        params: tensors, or dicts for groups.
        lr: the first step, ≥ 0.
        etas: (η⁻, η⁺), below and above 1.
        step_sizes: the least and the greatest step.
        maximize: climb instead.

    Source: Riedmiller, Braun 1993, "A direct adaptive method for faster backpropagation learning".

    >>> import autograd as ag, optim
    >>> w = ag.Tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = optim.Rprop([w], lr=0.1)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> w.data.round(3)               # 0.1 and 0.12
    array([  0.78, -19.78], dtype=float32)
    """

    rule = staticmethod(rprop)
    slots = ("prev", "step_size")

    def __init__(self, params: Iterable[Any], lr: float = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
                 step_sizes: tuple[float, float] = (1e-6, 50.0), *, maximize: bool = False):  # fmt: skip
        super().__init__(params, {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize})

    def initial(self, slot: str, settings: Mapping[str, Any], p: ag.Tensor) -> Any:
        return np.full_like(p.data, settings["lr"] if slot == "step_size" else 0.0)


def lion(p: Array, g: Array, m: Array, t: Array, *, lr: Array, beta1: Array, beta2: Array,
         weight_decay: Array) -> tuple[Array, Array]:  # fmt: skip
    """One step of Lion; m is the moving average of gradients."""
    p = p - (lr * weight_decay) * p
    return p - lr * np.sign(beta1 * m + (1 - beta1) * g), beta2 * m + (1 - beta2) * g


class Lion(Optimizer):
    r"""Lion, evolved sign momentum: steps of one length, along the sign of a moving average; half of Adam's state.

    p ← p − lr·(sign(β₁m + (1 − β₁)g) + weight_decay·p),  m ← β₂m + (1 − β₂)g

    When: large models and batches. Limits: wants a rate three to ten times smaller than Adam's, and as much more decay.

    Args:
        params: tensors, or dicts for groups.
        lr: the learning rate, ≥ 0.
        betas: (β₁, β₂), each in [0, 1).
        weight_decay: decoupled, as in `AdamW`.
        maximize: climb instead.

    Source: Chen et al. 2023, "Symbolic discovery of optimization algorithms".

    >>> import autograd as ag, optim
    >>> w = ag.Tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = optim.Lion([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    array([  0.9, -19.9], dtype=float32)
    """

    rule = staticmethod(lion)
    slots = ("exp_avg",)

    def __init__(self, params: Iterable[Any], lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99),
                 weight_decay: float = 0.0, *, maximize: bool = False):  # fmt: skip
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize})
