"""What all schedules share: the epoch, the groups' rates at the start, saving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, AutogradError, DTypeError, user_line
from optim.optimizer import Array, Optimizer, reader
from optim.settings import NOT_NEGATIVE, checked

__all__ = ["LRScheduler"]


class LRScheduler:
    """Base class: a subclass gives ``rate(base, t)``, a group's rate at epoch t = 0, 1, ….

    The rate at the start is what the first schedule of an optimizer found, so that schedules can be put together. The formula
    is closed: a rate that was changed by hand is overwritten by the next ``step()``. (PyTorch's
    schedules multiply the current rate; where nobody touches it the two agree.) It may use arithmetic and
    ``np`` functions, but not branch on t, if ``step()`` is to be part of a compiled function.
    """

    def __init__(self, optimizer: Optimizer):
        if not isinstance(optimizer, Optimizer):
            raise self._error(DTypeError, f"expected an optimizer, got {type(optimizer).__name__}.")
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            group.initial_lr = group["lr"] if group.initial_lr is None else group.initial_lr
        self.base_lrs: list[float] = [float(group.initial_lr or 0.0) for group in optimizer.param_groups]
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

    @staticmethod
    def _recording() -> bool:
        return ag.is_recording()

    def _count(self, name: str, value: Any, least: int = 1) -> int:
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise self._error(ArgumentError, f"{name} must be a whole number ≥ {least}, got {value!r}")
        return int(value)

    def _share(self, name: str, value: Any) -> float:
        if not isinstance(value, int | float | np.number) or isinstance(value, bool) or not 0 <= value <= 1:
            raise self._error(ArgumentError, f"{name} must be in [0, 1], got {value!r}")
        return float(value)

    def _factor(self, name: str, value: Any) -> float:
        return float(checked(type(self).__name__, name, value, NOT_NEGATIVE))
