"""Learning rates: the curve of a schedule, and the test that tells which rates are worth trying."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Iterable
from os import PathLike
from typing import Any

import numpy as np

from autograd.errors import ArgumentError, DTypeError
from nn.compiled import Step, needs_closure
from nn.doctor.patient import restored
from nn.module import Module
from nn.pictures.look import BLUE, DASHES, GRID, HUES, MUTED, ORANGE, canvas, headed, short, whole

__all__ = ["RangeTest", "lr_range_test", "schedule"]

DIVERGED = 4.0
"""The test ends where the smoothed loss is so many times its least value."""
SMOOTHING = 0.9


def schedule(scheduler: Any, *paths: str | PathLike[str], steps: int = 100, title: str = "") -> Any:
    """Draw the learning rates that a schedule gives, a line for each group of the optimizer, from where it is now.

    It is a copy of the schedule, with its optimizer, that is stepped.

    Args:
        scheduler: one of `optim.lr_scheduler`, or anything with ``step()`` and ``get_last_lr()``.
        paths: files to write, SVG, PNG or PDF by their ending.
        steps: how many steps of the schedule.
        title: a line above the picture.

    Returns matplotlib's figure. Errors: ArgumentError for a schedule that waits for a figure, whose rates are not known ahead.

    >>> import nn, optim
    >>> optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    >>> figure = schedule(optim.lr_scheduler.StepLR(optimizer, step_size=2), steps=4)
    >>> figure.axes[0].lines[0].get_ydata().round(3).tolist()
    [1.0, 1.0, 0.1, 0.1, 0.01]
    """
    if not (callable(getattr(scheduler, "step", None)) and callable(getattr(scheduler, "get_last_lr", None))):
        raise DTypeError(f"a schedule has step() and get_last_lr(), which {type(scheduler).__name__} has not.")
    if any(p.default is p.empty for p in inspect.signature(scheduler.step).parameters.values()):
        raise ArgumentError(f"the rates of {type(scheduler).__name__} depend on the training, and are not known ahead.")
    own = copy.deepcopy(scheduler)
    rates = [list(own.get_last_lr())]
    for _ in range(whole("steps", steps, 1)):
        own.step()
        rates.append(list(own.get_last_lr()))
    with canvas(5.6, 3.4, paths, title) as figure:
        axes = figure.add_subplot()
        columns = np.array(rates, np.float64).T
        for k, column in enumerate(columns):
            axes.plot(column, color=HUES[k % len(HUES)], ls=DASHES[k % len(DASHES)], lw=1.8, label=f"group {k}")
        axes.set_ylim(0, 1.08 * float(columns.max()) or 1.0)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_xlabel("step of the schedule")
        headed(axes, f"learning rate, {short(type(scheduler).__name__)}")
        if len(columns) > 1:
            axes.legend()
    return figure


class RangeTest:
    """The losses that a range test met: `rates`, `losses`, `smoothed`, and `suggestion`, a rate to begin with."""

    def __init__(self, rates: list[float], losses: list[float]):
        self.rates, self.losses = rates, losses
        self.smoothed: list[float] = []
        average = 0.0
        for t, loss in enumerate(losses, 1):
            average = SMOOTHING * average + (1 - SMOOTHING) * loss
            self.smoothed.append(average / (1 - SMOOTHING**t))

    @property
    def suggestion(self) -> float:
        """The rate where the smoothed loss falls the fastest for a step in the logarithm of the rate, before its least value.

        It is a rule of thumb; NaN where the loss falls nowhere.
        """
        low = int(np.nanargmin(self.smoothed)) + 1
        if low < 3:
            return math.nan
        slope = np.gradient(np.array(self.smoothed[:low]), np.log(self.rates[:low]))
        return self.rates[int(slope.argmin())] if slope.min() < 0 else math.nan

    def __repr__(self) -> str:
        ends = f"{self.rates[0]:.3g} to {self.rates[-1]:.3g}"
        return f"RangeTest({len(self.rates)} steps, rates {ends}; suggestion: {self.suggestion:.3g})"

    def plot(self, *paths: str | PathLike[str], title: str = "") -> Any:
        """Loss by learning rate, and the suggestion. Returns matplotlib's figure."""
        with canvas(5.6, 3.4, paths, title) as figure:
            axes = figure.add_subplot()
            axes.plot(self.rates, self.losses, color=MUTED, lw=0.8, alpha=0.6, label="loss of each step")
            axes.plot(self.rates, self.smoothed, color=BLUE, lw=2, label="smoothed")
            if math.isfinite(self.suggestion):
                place = self.rates.index(self.suggestion)
                axes.plot([self.suggestion], [self.smoothed[place]], "o", color=ORANGE, ms=8, mec="white",
                          label=f"steepest: {self.suggestion:.2g}")  # fmt: skip
            axes.set_xscale("log")
            good = np.array(self.smoothed)
            span = float(good.max() - good.min()) or 1.0
            top = good.min() + 3 * (abs(good[0] - good.min()) or span)
            axes.set_ylim(good.min() - 0.15 * span, min(good.max() + 0.1 * span, top))
            axes.grid(axis="y", color=GRID, linewidth=0.8)
            axes.set_xlabel("learning rate")
            headed(axes, "learning-rate range test: loss")
            axes.legend()
        return figure


def lr_range_test(model: Module, loss: Any, optimizer: Any, data: Iterable[Any], low: float = 1e-6, high: float = 10.0,
                  steps: int = 100) -> RangeTest:  # fmt: skip
    """Train for some steps while the learning rate grows from low to high, and put model and optimizer back exactly.

    The rate of step k of n is low·(high/low)^(k/(n−1)); it ends early where the smoothed loss is four times its least value, or
    not finite. Rates of all groups are the same during the test. Source: Smith 2017, "Cyclical learning rates for training
    neural networks"; course notes, *learning rate*.

    Args:
        model, loss, optimizer: as of `Trainer`; the optimizer's groups have "lr".
        data: batches (input, target), begun anew when used up. A `DataLoader` that shuffles draws its orders from the default
            generator, which is put back too.
        low, high: the first and the last rate.
        steps: how many, at most.

    >>> import autograd, nn, optim
    >>> x = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    >>> model = nn.Linear(1, 1, generator=autograd.Generator(0))
    >>> data = nn.DataLoader((x, 3 * x), batch_size=20)
    >>> test = lr_range_test(model, nn.MSELoss(), optim.SGD(model.parameters()), data, low=1e-4, high=100.0, steps=60)
    >>> 0.1 < test.suggestion < 1, len(test.rates) < 60
    (True, True)
    """
    if not isinstance(model, Module):
        raise DTypeError(f"lr_range_test takes a Module, got {type(model).__name__}.")
    groups = getattr(optimizer, "param_groups", None)
    if not groups or any("lr" not in group for group in groups):
        raise DTypeError(f"lr_range_test needs an optimizer whose param_groups have 'lr', got {type(optimizer).__name__}.")
    if needs_closure(optimizer):
        raise ArgumentError(f"{type(optimizer).__name__} searches along a line: a range test says little of it.")
    if not (0 < low < high < math.inf):
        raise ArgumentError(f"the rates must be 0 < low < high, got low={low!r}, high={high!r}.")
    whole("steps", steps, 2)
    step, rates, losses = Step(model, loss, optimizer), [], []
    test = RangeTest([], [])
    data = copy.copy(data)  # where a loader stands in its epoch is its own
    generator: Any = getattr(data, "generator", None)
    position = generator.get_state() if generator is not None else None
    try:
        with restored(model, optimizer), np.errstate(all="ignore"):
            model.train()
            batches = iter(data)
            for k in range(steps):
                batch = next(batches, None)
                if batch is None:
                    batches = iter(data)
                    batch = next(batches, None)
                if batch is None:
                    raise ArgumentError("the data has no batches.")
                rate = low * (high / low) ** (k / (steps - 1))
                for group in groups:
                    group["lr"] = rate
                value = float(step(*batch)[0].item())
                if not math.isfinite(value):
                    break
                rates.append(rate)
                losses.append(value)
                test = RangeTest(rates, losses)
                if k > 5 and test.smoothed[-1] > DIVERGED * max(min(test.smoothed), 1e-12):
                    break
    finally:
        if position is not None:
            generator.set_state(position)
    if not losses:
        raise ArgumentError(f"the loss is not finite at the first step, with a rate of {low:g}. See nn.diagnose(model, data).")
    return test
