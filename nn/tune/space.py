"""What is searched: for each parameter the values it may take, and how one is asked of an Optuna trial."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from autograd.errors import ArgumentError, DTypeError

__all__ = ["Choice", "Dimension", "Float", "Int", "Layers", "as_dimensions", "grid_of", "suggest"]


class Dimension:
    """One parameter's range. `ask` draws a value from a trial, under one or more names that begin with the parameter's."""

    def ask(self, trial: Any, name: str) -> Any:
        """The value of this parameter in a trial."""
        raise NotImplementedError

    def values(self, name: str) -> list[Any]:
        """All that grid search tries, as they are known to Optuna."""
        raise ArgumentError(
            f"grid search tries listed values, and {name} has a range, {self!r}. Give a list, such as {self._hint()}."
        )

    def _hint(self) -> str:
        return "[0.01, 0.1]"


@dataclass(frozen=True)
class Float(Dimension):
    """A number from `low` to `high`; with `log`, each factor of ten is as likely as another: for rates and penalties.

    >>> Float(1e-4, 1e-1, log=True)
    Float(low=0.0001, high=0.1, log=True, step=None)
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        _check_range(self)

    def ask(self, trial: Any, name: str) -> Any:
        return trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)

    def values(self, name: str) -> list[Any]:
        if self.step is None:
            return super().values(name)
        return [self.low + k * self.step for k in range(int((self.high - self.low) / self.step + 1e-9) + 1)]

    def _hint(self) -> str:
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        return f"[{self.low:g}, {middle:g}, {self.high:g}]"


@dataclass(frozen=True)
class Int(Dimension):
    """A whole number from `low` to `high`, both included, in steps of `step`; with `log`, as `Float`."""

    low: int
    high: int
    log: bool = False
    step: int = 1

    def __post_init__(self) -> None:
        _check_range(self)

    def ask(self, trial: Any, name: str) -> Any:
        return trial.suggest_int(name, self.low, self.high, log=self.log, step=self.step)

    def values(self, name: str) -> list[Any]:
        if self.log:
            return super().values(name)
        return list(range(self.low, self.high + 1, self.step))

    def _hint(self) -> str:
        return f"[{self.low}, {self.high}]"


class Choice(Dimension):
    """One of some values, of any kind; a list stands for it.

    >>> Choice("relu", "tanh")
    Choice('relu', 'tanh')
    """

    def __init__(self, *values: Any):
        self.options = {v if v is None or isinstance(v, bool | int | float | str) else _label(v): v for v in values}
        if len({str(k) for k in self.options}) < len(values) or not values:
            raise ArgumentError(f"the values to choose among must be some, and must differ in their text, got {values!r:.200}.")

    def ask(self, trial: Any, name: str) -> Any:
        return self.options[trial.suggest_categorical(name, list(self.options))]

    def values(self, name: str) -> list[Any]:
        return list(self.options)

    def __repr__(self) -> str:
        return f"Choice({', '.join(map(repr, self.options))})"


@dataclass(frozen=True)
class Layers(Dimension):
    """Sizes of hidden layers: how many layers, and how wide each is. For ``hidden_layer_sizes``.

    Args:
        depth: the least and the greatest number of layers.
        width: of neurons in each, whose logarithm is searched.

    >>> Layers(depth=(1, 2))
    Layers(depth=(1, 2), width=(16, 256))
    """

    depth: tuple[int, int] = (1, 3)
    width: tuple[int, int] = (16, 256)

    def __post_init__(self) -> None:
        for what, (low, high), least in (("depth", self.depth, 0), ("width", self.width, 1)):
            if not least <= low <= high:
                raise ArgumentError(f"{what} goes from at least {least} upwards, got {(low, high)}.")

    def ask(self, trial: Any, name: str) -> Any:
        depth = trial.suggest_int(f"{name}.depth", *self.depth)
        return tuple(trial.suggest_int(f"{name}.{k + 1}", *self.width, log=True) for k in range(depth))

    def _hint(self) -> str:
        return f"[({self.width[0]},), ({self.width[1]}, {self.width[1]})]"


def as_dimensions(space: Mapping[str, Any]) -> dict[str, Dimension]:
    """A space as the user writes it: lists become choices."""
    if not isinstance(space, Mapping) or not space:
        raise DTypeError(f"the space is a dict from names of parameters to what they may be, got {space!r:.80}.")
    found: dict[str, Dimension] = {}
    for name, values in space.items():
        if isinstance(values, list | tuple):
            found[name] = Choice(*values)
        elif isinstance(values, Dimension):
            found[name] = values
        else:
            raise DTypeError(
                f"{name} may be a list of values, or a range: nn.tune.Float, Int, Choice or Layers; got {values!r:.80}. "
                "A single value is set in the estimator, not searched."
            )
    return found


def suggest(space: Mapping[str, Dimension], trial: Any) -> dict[str, Any]:
    """The parameters of a trial."""
    return {name: dimension.ask(trial, name) for name, dimension in space.items()}


def grid_of(space: Mapping[str, Dimension]) -> tuple[dict[str, list[Any]], int]:
    """The listed values of each parameter, and how many combinations there are."""
    values = {name: dimension.values(name) for name, dimension in space.items()}
    return values, sum(1 for _ in product(*values.values()))


def _check_range(self: Float | Int) -> None:
    if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
        raise ArgumentError(f"a range goes from a finite number to one not below it, got {self.low} to {self.high}.")
    if self.log and self.low <= 0:
        raise ArgumentError(f"a logarithmic range begins above 0, got {self.low}. For 'none or a little', search a list.")


def _label(value: Any) -> str:
    return str(getattr(value, "__qualname__", value))
