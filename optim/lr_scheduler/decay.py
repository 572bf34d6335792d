"""Schedules that go one way: steps, powers, lines, half a cosine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from autograd.errors import ArgumentError
from optim.lr_scheduler.base import LRScheduler
from optim.optimizer import Array, Optimizer

__all__ = [
    "SWALR",
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LinearLR",
    "MultiStepLR",
    "PolynomialLR",
    "StepLR",
]  # fmt: skip


class StepLR(LRScheduler):
    """Multiply the rate by gamma every ``step_size`` epochs: base·gamma^⌊t/step_size⌋.

    >>> import autograd as ag, optim
    >>> optimizer = optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=0.1)
    >>> schedule = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(4):
    ...     optimizer.step(); schedule.step()
    >>> optimizer.param_groups[0]["lr"]
    0.025
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1):
        self.step_size, self.gamma = self._count("step_size", step_size), self._factor("gamma", gamma)
        super().__init__(optimizer)

    def rate(self, base: float, t: Array) -> Array:
        return base * self.gamma ** np.floor(t / self.step_size)


class ExponentialLR(LRScheduler):
    """Multiply the rate by gamma every epoch: base·gammaᵗ.

    >>> import autograd as ag, optim
    >>> optimizer = optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> optimizer.step(); schedule.step()
    >>> schedule
    ExponentialLR(epoch 1, lr 0.25)
    """

    def __init__(self, optimizer: Optimizer, gamma: float):
        self.gamma = self._factor("gamma", gamma)
        super().__init__(optimizer)

    def rate(self, base: float, t: Array) -> Array:
        return base * self.gamma**t


class MultiStepLR(LRScheduler):
    """Multiply the rate by gamma at each milestone: base·gamma^(how many milestones are ≤ t).

    >>> import autograd as ag, optim
    >>> optimizer = optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = optim.lr_scheduler.MultiStepLR(optimizer, [1, 3], gamma=0.5)
    >>> for _ in range(3):
    ...     optimizer.step(); schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1):
        self.milestones, self.gamma = sorted(self._count("a milestone", m) for m in milestones), self._factor("gamma", gamma)
        super().__init__(optimizer)

    def rate(self, base: float, t: Array) -> Array:
        passed: Any = 0.0
        for milestone in self.milestones:
            passed = passed + np.where(t >= milestone, 1.0, 0.0)
        return base * self.gamma**passed


class ConstantLR(LRScheduler):
    """The rate times a factor for total_iters epochs, then the rate.

    >>> import autograd as ag, optim
    >>> optimizer = optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> optim.lr_scheduler.ConstantLR(optimizer, factor=0.5).get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5):
        self.factor, self.total_iters = self._share("factor", factor), self._count("total_iters", total_iters, 0)
        super().__init__(optimizer)

    def rate(self, base: float, t: Array) -> Array:
        return base * np.where(t < self.total_iters, self.factor, 1.0)


class LinearLR(LRScheduler):
    """From start_factor to end_factor times the rate, along a line of total_iters epochs: a warm-up.

    >>> import autograd as ag, optim
    >>> optimizer = optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> optimizer.step(); schedule.step()
    >>> schedule.get_last_lr()
    [0.75]
    """

    def __init__(self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5):
        self.start_factor, self.end_factor = self._share("start_factor", start_factor), self._share("end_factor", end_factor)
        if not start_factor:
            raise self._error(ArgumentError, f"start_factor must be above 0, got {start_factor!r}.")
        self.total_iters = self._count("total_iters", total_iters)
        super().__init__(optimizer)

    def rate(self, base: float, t: Array) -> Array:
        way = np.minimum(t / self.total_iters, 1.0)
        return base * (self.start_factor + (self.end_factor - self.start_factor) * way)


class PolynomialLR(LRScheduler):
    """Down to zero in total_iters epochs: base·(1 − t/total_iters)^power.

    >>> import autograd as ag, optim
    >>> optimizer = optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = optim.lr_scheduler.PolynomialLR(optimizer, total_iters=4, power=2.0)
    >>> optimizer.step(); schedule.step()
    >>> schedule.get_last_lr()
    [0.5625]
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0):
        self.total_iters, self.power = self._count("total_iters", total_iters), self._factor("power", power)
        super().__init__(optimizer)

    def rate(self, base: float, t: Array) -> Array:
        return base * (1 - np.minimum(t / self.total_iters, 1.0)) ** self.power


class CosineAnnealingLR(LRScheduler):
    """Half a cosine down to ``eta_min``: eta_min + (base − eta_min)·(1 + cos(πt/T_max))/2.

    Beyond T_max it rises again, as PyTorch's does. Source: Loshchilov, Hutter 2017, "SGDR", without the
    restarts.

    >>> import autograd as ag, optim
    >>> optimizer = optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=0.1)
    >>> schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    >>> for _ in range(5):
    ...     optimizer.step(); schedule.step()
    >>> round(optimizer.param_groups[0]["lr"], 6)
    0.05
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0):
        self.T_max, self.eta_min = self._count("T_max", T_max), self._factor("eta_min", eta_min)
        super().__init__(optimizer)

    def rate(self, base: float, t: Array) -> Array:
        return self.eta_min + (base - self.eta_min) * (1 + np.cos(np.pi * t / self.T_max)) / 2


class SWALR(LRScheduler):
    """From the rate to swa_lr in anneal_epochs, by half a cosine or a line, and then swa_lr: the rate at which
    `StochasticWeightAverage` gathers.

    Source: Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization".

    >>> import autograd as ag, optim
    >>> optimizer = optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = optim.lr_scheduler.SWALR(optimizer, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> optimizer.step(); schedule.step()
    >>> schedule.get_last_lr()
    [0.75]
    """

    def __init__(self, optimizer: Optimizer, swa_lr: float, anneal_epochs: int = 10, anneal_strategy: str = "cos"):
        if anneal_strategy not in ("cos", "linear"):
            raise self._error(ArgumentError, f'anneal_strategy must be "cos" or "linear", got {anneal_strategy!r}.')
        self.swa_lr, self.anneal_epochs = self._factor("swa_lr", swa_lr), self._count("anneal_epochs", anneal_epochs)
        self.anneal_strategy = anneal_strategy
        super().__init__(optimizer)

    def rate(self, base: float, t: Array) -> Array:
        way = np.minimum(t / self.anneal_epochs, 1.0)
        way = way if self.anneal_strategy == "linear" else (1 - np.cos(np.pi * way)) / 2
        return base + (self.swa_lr - base) * way
