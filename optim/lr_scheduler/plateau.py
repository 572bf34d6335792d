"""The schedule that looks at a metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from autograd.errors import ArgumentError, DTypeError, user_line
from optim.optimizer import Optimizer
from optim.settings import NOT_NEGATIVE, checked

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau:
    """Multiply the rate by a factor when a metric has not become better for `patience` epochs; ``step(metric)`` after each.

    It looks at a value, so it is Python, outside of compiled steps; the rate that it sets needs no new program. A metric that
    is NaN is no better than any. A small change of rate, below `eps`, is left out.

    Args:
        mode: "min" or "max": what is better.
        factor: below 1.
        patience: epochs without improvement that are let pass.
        threshold, threshold_mode: what counts as better: by a share ("rel") or an amount ("abs").
        cooldown: epochs after a reduction in which nothing is counted.
        min_lr: the least rate, or one for each group.

    >>> import autograd as ag, optim
    >>> optimizer = optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1)
    >>> for loss in (5.0, 4.0, 4.0, 4.0):
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.1]
    """

    def __init__(self, optimizer: Optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10,
                 threshold: float = 1e-4, threshold_mode: str = "rel", cooldown: int = 0,
                 min_lr: float | list[float] = 0.0, eps: float = 1e-8):  # fmt: skip
        if not isinstance(optimizer, Optimizer):
            raise DTypeError(f"ReduceLROnPlateau: expected an optimizer, got {type(optimizer).__name__}. ({user_line()})")
        for name, value, choices in (("mode", mode, ("min", "max")), ("threshold_mode", threshold_mode, ("rel", "abs"))):
            if value not in choices:
                raise ArgumentError(f"ReduceLROnPlateau: {name} must be one of {choices}, got {value!r}. ({user_line()})")
        if not 0 < factor < 1:
            raise ArgumentError(f"ReduceLROnPlateau: factor must be between 0 and 1, got {factor!r}. ({user_line()})")
        for name, count in (("patience", patience), ("cooldown", cooldown)):
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise ArgumentError(f"ReduceLROnPlateau: {name} must be a whole number ≥ 0, got {count!r}. ({user_line()})")
        groups = len(optimizer.param_groups)
        self.min_lrs = list(min_lr) if isinstance(min_lr, list | tuple) else [min_lr] * groups
        if len(self.min_lrs) != groups:
            raise ArgumentError(f"ReduceLROnPlateau: {len(self.min_lrs)} least rates for {groups} groups. ({user_line()})")
        for rate in (*self.min_lrs, threshold, eps):
            checked("ReduceLROnPlateau", "min_lr, threshold and eps", rate, NOT_NEGATIVE)
        self.optimizer, self.mode, self.factor, self.patience = optimizer, mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown, self.eps = threshold, threshold_mode, cooldown, eps
        self.best = np.inf if mode == "min" else -np.inf
        self.bad_epochs, self.cooling, self.last_epoch = 0, 0, 0

    def _better(self, metric: float) -> bool:
        sign = 1.0 if self.mode == "min" else -1.0
        if self.threshold_mode == "abs":
            return sign * metric < sign * self.best - self.threshold
        return sign * metric < sign * self.best * (1 - sign * self.threshold)

    def step(self, metrics: Any) -> None:
        """Take note of a metric, and reduce the rates where it is time."""
        metric = float(metrics.item() if hasattr(metrics, "item") else metrics)
        self.last_epoch += 1
        better = self._better(metric)
        if better:
            self.best = metric
        self.bad_epochs = 0 if better else self.bad_epochs + 1
        if self.cooling > 0:
            self.cooling, self.bad_epochs = self.cooling - 1, 0
        if self.bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                new = max(group["lr"] * self.factor, least)
                if group["lr"] - new > self.eps:
                    group["lr"] = new
            self.cooling, self.bad_epochs = self.cooldown, 0

    def get_last_lr(self) -> list[float]:
        """The rates now, one for each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs; the rates are with the optimizer."""
        return {name: getattr(self, name) for name in ("best", "bad_epochs", "cooling", "last_epoch")}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        try:
            values = {name: state_dict[name] for name in ("best", "bad_epochs", "cooling", "last_epoch")}
        except (KeyError, TypeError) as error:
            raise ArgumentError(f"ReduceLROnPlateau: this is not the state of a schedule: {error!r}. ({user_line()})") from None
        for name, value in values.items():
            setattr(self, name, value)

    def __repr__(self) -> str:
        rates = ", ".join(f"{rate:g}" for rate in self.get_last_lr())
        return f"ReduceLROnPlateau(best {self.best:g}, {self.bad_epochs} epochs without improvement, lr {rates})"
