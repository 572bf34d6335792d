"""Learning rates that change from epoch to epoch.

A schedule is a formula for the rate at epoch t from the rate at the start; ``step()`` moves to the next epoch
and writes every group's ``lr`` cell, so a compiled training step takes the new rate without being recorded
anew. Call it after the optimizer's step, once an epoch (or once a batch, for a schedule meant so).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, AutogradError, DTypeError, user_line
from optim.optimizer import Array, Optimizer, reader
from optim.settings import NOT_NEGATIVE, checked

__all__ = ["CosineAnnealingLR", "ExponentialLR", "LRScheduler", "LambdaLR", "StepLR"]


class LRScheduler:
    """Base class: a subclass gives ``rate(base, t)``, a group's rate at epoch t = 0, 1, ….

    The formula is closed: a rate that was changed by hand is overwritten by the next ``step()``. (PyTorch's
    schedules multiply the current rate; where nobody touches it the two agree.) It may use arithmetic and
    ``np`` functions, but not branch on t, if ``step()`` is to be part of a compiled function.
    """

    def __init__(self, optimizer: Optimizer):
        if not isinstance(optimizer, Optimizer):
            raise self._error(DTypeError, f"expected an optimizer, got {type(optimizer).__name__}.")
        self.optimizer = optimizer
        self.base_lrs: list[float] = [group["lr"] for group in optimizer.param_groups]
        self._epoch = ag.State(0, dtype=np.int64, name="epoch")
        self._apply(0)

    def rate(self, base: float, t: Array) -> Array:
        """The rate at epoch t of a group that starts with base."""
        raise NotImplementedError

    @property
    def last_epoch(self) -> int:
        """How often ``step()`` was called."""
        return int(self._epoch.value)

    def step(self) -> None:
        """Move to the next epoch and set its rates."""
        t = reader()(self._epoch) + 1
        self._apply(t)
        self._epoch.write(t)

    def _apply(self, t: Array) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.base_lrs):
            raise self._error(
                ArgumentError,
                f"the optimizer has {len(groups)} groups now and had {len(self.base_lrs)} when the "
                "schedule was made. Make the schedule after the last add_param_group().",
            )
        rates = [self._rate_of(k, base, t) for k, base in enumerate(self.base_lrs)]
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate if isinstance(rate, ag.Tensor) else float(rate)

    def _rate_of(self, k: int, base: float, t: Array) -> Array:
        return self.rate(base, t)

    def get_last_lr(self) -> list[float]:
        """The rates now, one for each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The epoch and the rates at the start; the formula's own settings are given when it is made."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave; the optimizer's own state brings the rates along."""
        try:
            epoch, bases = int(state_dict["last_epoch"]), [float(x) for x in state_dict["base_lrs"]]
        except (KeyError, TypeError, ValueError) as error:
            raise self._error(ArgumentError, f"this is not the state of a schedule: {error!r}.") from None
        if len(bases) != len(self.base_lrs) or epoch < 0:
            raise self._error(
                ArgumentError,
                f"the state has {len(bases)} rates at epoch {epoch}, the optimizer "
                f"{len(self.base_lrs)} groups; nothing was loaded.",
            )
        self._epoch.value, self.base_lrs = epoch, bases

    def __repr__(self) -> str:
        rates = ", ".join(f"{rate:g}" for rate in self.get_last_lr())
        return f"{type(self).__name__}(epoch {self.last_epoch}, lr {rates})"

    def _error(self, kind: type[AutogradError], text: str) -> AutogradError:
        return kind(f"{type(self).__name__}: {text} ({user_line()})")

    def _count(self, name: str, value: Any) -> int:
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
            raise self._error(ArgumentError, f"{name} must be a whole number ≥ 1, got {value!r}")
        return int(value)

    def _factor(self, name: str, value: Any) -> float:
        return float(checked(type(self).__name__, name, value, NOT_NEGATIVE))


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
