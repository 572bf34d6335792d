"""Schedules made of functions, and of other schedules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd.errors import ArgumentError, DTypeError
from optim.lr_scheduler.base import LRScheduler
from optim.optimizer import Array, Optimizer, reader

__all__ = ["ChainedScheduler", "LambdaLR", "MultiplicativeLR", "SequentialLR"]


class LambdaLR(LRScheduler):
    """The rate at the start times a function of the epoch: base·f(t).

    Args:
        optimizer: whose rates to set.
        lr_lambda: f, or a list with one for each group.

    >>> import autograd as ag, optim
    >>> optimizer = optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=0.1)
    >>> warm_up = optim.lr_scheduler.LambdaLR(optimizer, lambda t: (t + 1) / 4)
    >>> warm_up.get_last_lr()
    [0.025]
    """

    def __init__(self, optimizer: Optimizer,
                 lr_lambda: Callable[[Array], Array] | Sequence[Callable[[Array], Array]]):  # fmt: skip
        count = len(getattr(optimizer, "param_groups", ()))
        self.lr_lambdas = [lr_lambda] * count if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != count:
            raise self._error(ArgumentError, f"{len(self.lr_lambdas)} functions for {count} groups: give one, or one each.")
        super().__init__(optimizer)

    def _rate_of(self, k: int, base: float, t: Array) -> Array:
        return base * self.lr_lambdas[k](t)


class MultiplicativeLR(LRScheduler):
    """Each epoch the rate is multiplied by a function of it: lr ← lr·f(t), for t = 1, 2, …

    Args:
        optimizer: whose rates to set.
        lr_lambda: f, or a list with one for each group.

    >>> import autograd as ag, optim
    >>> optimizer = optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = optim.lr_scheduler.MultiplicativeLR(optimizer, lambda t: 0.5)
    >>> optimizer.step(); schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer,
                 lr_lambda: Callable[[Array], Array] | Sequence[Callable[[Array], Array]]):  # fmt: skip
        count = len(getattr(optimizer, "param_groups", ()))
        self.lr_lambdas = [lr_lambda] * count if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != count:
            raise self._error(ArgumentError, f"{len(self.lr_lambdas)} functions for {count} groups: give one, or one each.")
        super().__init__(optimizer)

    def _rate_of(self, k: int, base: float, t: Array) -> Array:
        if isinstance(t, int) and t == 0:
            return base
        return reader()(self.optimizer.param_groups[k].cells["lr"][0]) * self.lr_lambdas[k](t)


class _OfSchedules(LRScheduler):
    def _check_schedules(self, optimizer: Any, schedulers: Sequence[LRScheduler]) -> list[LRScheduler]:
        given = list(schedulers)
        for s in given:
            if not isinstance(s, LRScheduler) or isinstance(s, MultiplicativeLR):
                raise self._error(DTypeError, f"takes schedules that are a formula of the epoch, got {type(s).__name__}.")
            if s.optimizer is not optimizer:
                raise self._error(ArgumentError, "the schedules belong to different optimizers.")
        if not given:
            raise self._error(ArgumentError, "there are no schedules.")
        return given


class SequentialLR(_OfSchedules):
    """One schedule after the other: the next begins, at its epoch 0, at each milestone.

    >>> import autograd as ag, optim
    >>> from optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
    >>> optimizer = optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> parts = [LinearLR(optimizer, 0.5, total_iters=2), CosineAnnealingLR(optimizer, T_max=4)]
    >>> schedule = SequentialLR(optimizer, parts, milestones=[2])
    >>> rates = []
    >>> for _ in range(5):
    ...     rates += [round(r, 3) for r in schedule.get_last_lr()]; optimizer.step(); schedule.step()
    >>> rates
    [0.5, 0.75, 1.0, 0.854, 0.5]
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int]):
        self.schedulers = self._check_schedules(optimizer, schedulers)
        self.milestones = [self._count("a milestone", m) for m in milestones]
        if len(self.milestones) != len(self.schedulers) - 1 or self.milestones != sorted(set(self.milestones)):
            raise self._error(
                ArgumentError,
                f"{len(self.schedulers)} schedules need {len(self.schedulers) - 1} milestones that rise, got "
                f"{list(milestones)}.",
            )
        super().__init__(optimizer)

    def _rate_of(self, k: int, base: float, t: Array) -> Array:
        rate = self.schedulers[0]._rate_of(k, base, t)
        for start, schedule in zip(self.milestones, self.schedulers[1:], strict=True):
            rate = np.where(t >= start, schedule._rate_of(k, base, np.maximum(t - start, 0)), rate)
        return rate


class ChainedScheduler(_OfSchedules):
    """All schedules at once: the rate times what each makes of it, base·Π rateᵢ(t)/base.

    >>> import autograd as ag, optim
    >>> from optim.lr_scheduler import ChainedScheduler, ConstantLR, ExponentialLR
    >>> optimizer = optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> ChainedScheduler([ConstantLR(optimizer, 0.5), ExponentialLR(optimizer, 0.9)]).get_last_lr()
    [0.5]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None):
        given = list(schedulers)
        optimizer = getattr(given[0], "optimizer", None) if given and optimizer is None else optimizer
        self.schedulers = self._check_schedules(optimizer, given)
        assert optimizer is not None
        super().__init__(optimizer)

    def _rate_of(self, k: int, base: float, t: Array) -> Array:
        if base == 0:
            return base
        rate: Array = base
        for schedule in self.schedulers:
            rate = rate * (schedule._rate_of(k, base, t) / base)
        return rate
