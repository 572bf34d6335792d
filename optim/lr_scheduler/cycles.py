"""Schedules that come back: warm restarts, cycles, one cycle."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from autograd.errors import ArgumentError
from optim.lr_scheduler.base import LRScheduler
from optim.optimizer import Array, Optimizer

__all__ = ["CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from the rate down to eta_min in T_0 epochs, then again from the top, each time T_mult times as long.

    Source: Loshchilov, Hutter 2017, "SGDR: stochastic gradient descent with warm restarts".

    >>> import autograd as ag, optim
    >>> optimizer = optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> rates = []
    >>> for _ in range(4):
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 3)); optimizer.step(); schedule.step()
    >>> rates
    [1.0, 0.5, 1.0, 0.5]
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0):
        self.T_0, self.T_mult = self._count("T_0", T_0), self._count("T_mult", T_mult)
        self.eta_min = self._factor("eta_min", eta_min)
        super().__init__(optimizer)

    def rate(self, base: float, t: Array) -> Array:
        start: Any = 0.0
        length: Any = float(self.T_0)
        if self.T_mult == 1:
            start = np.floor(t / self.T_0) * self.T_0
        else:  # the sum of k lengths is T_0·(mᵏ − 1)/(m − 1)
            m = float(self.T_mult)
            k = np.floor(np.log(t / self.T_0 * (m - 1) + 1) / np.log(m) + 1e-9)
            start, length = self.T_0 * (m**k - 1) / (m - 1), self.T_0 * m**k
        return self.eta_min + (base - self.eta_min) * (1 + np.cos(np.pi * (t - start) / length)) / 2


class _WithMomentum(LRScheduler):
    """Moves the momentum (of SGD, RMSprop), or β₁ (of Adam and its kin), against the rate."""

    cycle_momentum: bool

    def _check_momentum(self, optimizer: Optimizer) -> None:
        groups = getattr(optimizer, "param_groups", ())
        if self.cycle_momentum and not all("momentum" in g.cells or "betas" in g.cells for g in groups):
            raise self._error(ArgumentError, f"{type(optimizer).__name__} has no momentum to cycle: pass cycle_momentum=False.")
        if self.cycle_momentum and any(g.get("momentum", 1.0) == 0 for g in groups):
            raise self._error(ArgumentError, "a momentum of 0 has no velocity to change: pass cycle_momentum=False.")

    def momentum(self, t: Array) -> Array:
        """The momentum at epoch t."""
        raise NotImplementedError

    def _apply(self, t: Array) -> None:
        super()._apply(t)
        if self.cycle_momentum:
            value = self.momentum(t)
            for group in self.optimizer.param_groups:
                cell = group.cells["momentum" if "momentum" in group.cells else "betas"][0]
                cell.write(value)


class CyclicLR(_WithMomentum):
    """The rate goes up from base_lr to max_lr in step_size_up steps, and down in step_size_down, again and again.

    Args:
        base_lr, max_lr: the ends of the cycle.
        step_size_up, step_size_down: steps (usually batches) of each half; down is as up, if not given.
        mode: "triangular"; "triangular2", each cycle half as high; or "exp_range", the height times gammaᵗ.
        cycle_momentum: whether the momentum goes from max_momentum down to base_momentum and back meanwhile.

    Source: Smith 2017, "Cyclical learning rates for training neural networks".

    >>> import autograd as ag, optim
    >>> optimizer = optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=1.0, momentum=0.9)
    >>> schedule = optim.lr_scheduler.CyclicLR(optimizer, 0.1, 0.3, step_size_up=2)
    >>> optimizer.step(); schedule.step()
    >>> round(schedule.get_last_lr()[0], 3), round(optimizer.param_groups[0]["momentum"], 3)
    (0.2, 0.85)
    """

    def __init__(self, optimizer: Optimizer, base_lr: float, max_lr: float, step_size_up: int = 2000,
                 step_size_down: int | None = None, mode: str = "triangular", gamma: float = 1.0,
                 cycle_momentum: bool = True, base_momentum: float = 0.8, max_momentum: float = 0.9):  # fmt: skip
        if mode not in ("triangular", "triangular2", "exp_range"):
            raise self._error(ArgumentError, f'mode must be "triangular", "triangular2" or "exp_range", got {mode!r}.')
        self.base_lr, self.max_lr = self._factor("base_lr", base_lr), self._factor("max_lr", max_lr)
        self.step_size_up = self._count("step_size_up", step_size_up)
        self.step_size_down = self._count("step_size_down", step_size_up if step_size_down is None else step_size_down)
        self.mode, self.gamma, self.cycle_momentum = mode, self._factor("gamma", gamma), cycle_momentum
        self.base_momentum = self._share("base_momentum", base_momentum)
        self.max_momentum = self._share("max_momentum", max_momentum)
        self._check_momentum(optimizer)
        super().__init__(optimizer)

    def _height(self, t: Array) -> Array:
        """How high the rate is between its ends, in [0, 1]."""
        total, up = self.step_size_up + self.step_size_down, self.step_size_up / (self.step_size_up + self.step_size_down)
        cycle = np.floor(t / total)
        x = t / total - cycle
        height = np.where(x <= up, x / up, (x - 1) / (up - 1))
        if self.mode == "triangular2":
            return height / 2.0**cycle
        return height * self.gamma**t if self.mode == "exp_range" else height

    def rate(self, base: float, t: Array) -> Array:
        return self.base_lr + (self.max_lr - self.base_lr) * self._height(t)

    def momentum(self, t: Array) -> Array:
        return self.max_momentum - (self.max_momentum - self.base_momentum) * self._height(t)


class OneCycleLR(_WithMomentum):
    """One cycle: the rate goes up from max_lr/div_factor to max_lr, then down to that start divided by final_div_factor; the
    momentum goes down and up. Called after each batch; a step beyond total_steps raises.

    Args:
        max_lr: the highest rate.
        total_steps: of the cycle; or epochs and steps_per_epoch.
        pct_start: which share of them goes up.
        anneal_strategy: "cos" or "linear".
        cycle_momentum, base_momentum, max_momentum: see `CyclicLR`.
        div_factor, final_div_factor: see above.
        three_phase: come down as fast as up, to the start, and use the rest for the last descent.

    Source: Smith, Topin 2018, "Super-convergence".

    >>> import autograd as ag, optim
    >>> optimizer = optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=1.0, momentum=0.9)
    >>> schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.5, total_steps=10)
    >>> round(schedule.get_last_lr()[0], 6)
    0.02
    """

    def __init__(self, optimizer: Optimizer, max_lr: float, total_steps: int | None = None, epochs: int | None = None,
                 steps_per_epoch: int | None = None, pct_start: float = 0.3, anneal_strategy: str = "cos",
                 cycle_momentum: bool = True, base_momentum: float = 0.85, max_momentum: float = 0.95,
                 div_factor: float = 25.0, final_div_factor: float = 1e4, three_phase: bool = False):  # fmt: skip
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise self._error(ArgumentError, "give total_steps, or epochs and steps_per_epoch.")
            total_steps = self._count("epochs", epochs) * self._count("steps_per_epoch", steps_per_epoch)
        if anneal_strategy not in ("cos", "linear"):
            raise self._error(ArgumentError, f'anneal_strategy must be "cos" or "linear", got {anneal_strategy!r}.')
        self.total_steps, self.max_lr = self._count("total_steps", total_steps), self._factor("max_lr", max_lr)
        self.pct_start, self.anneal_strategy = self._share("pct_start", pct_start), anneal_strategy
        self.cycle_momentum, self.three_phase = cycle_momentum, three_phase
        self.base_momentum = self._share("base_momentum", base_momentum)
        self.max_momentum = self._share("max_momentum", max_momentum)
        for name, value in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            if not value > 0:
                raise self._error(ArgumentError, f"{name} must be above 0, got {value!r}.")
        start = self.max_lr / div_factor
        end = start / final_div_factor
        top, last = self.pct_start * self.total_steps - 1, float(self.total_steps - 1)
        if three_phase:
            self._rates = [(0.0, start), (top, self.max_lr), (2 * top, start), (last, end)]
            self._momenta = [(0.0, max_momentum), (top, base_momentum), (2 * top, max_momentum), (last, max_momentum)]
        else:
            self._rates = [(0.0, start), (top, self.max_lr), (last, end)]
            self._momenta = [(0.0, max_momentum), (top, base_momentum), (last, max_momentum)]
        self._check_momentum(optimizer)
        super().__init__(optimizer)

    def step(self) -> None:
        if not self._recording() and self.last_epoch + 1 >= self.total_steps:
            raise self._error(
                ArgumentError,
                f"the cycle of total_steps={self.total_steps} is over: make it as long as the training, or stop calling "
                f"step().",
            )
        super().step()

    def _between(self, corners: list[tuple[float, float]], t: Array) -> Array:
        """Along the corners: from one value to the next, by half a cosine or a line."""
        value: Any = corners[0][1]
        for (t0, y0), (t1, y1) in pairwise(corners):
            way = (t - t0) / (t1 - t0) if t1 > t0 else 1.0
            y = y0 + (y1 - y0) * way if self.anneal_strategy == "linear" else y1 + (y0 - y1) / 2 * (1 + np.cos(np.pi * way))
            value = y if t0 == 0 else np.where(t > t0, y, value)
        return value

    def rate(self, base: float, t: Array) -> Array:
        return self._between(self._rates, t)

    def momentum(self, t: Array) -> Array:
        return self._between(self._momenta, t)
