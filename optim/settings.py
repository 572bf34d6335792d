"""Hyper-parameters: what is valid, said once as data, and the group that holds them in state cells."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, user_line

__all__ = ["COMBINATIONS", "SETTINGS", "ParamGroup", "Setting", "checked", "combined", "setting_for"]

Number = int | float


class Setting(NamedTuple):
    """What values one hyper-parameter may take.

    ``kind`` says how it is kept: a ``number`` in a state cell (so that a schedule never makes ``jit`` record
    again), a     ``pair`` in two of them, a ``flag`` (or any choice among a few values) as plain Python.
    """

    kind: str
    valid: Callable[[Any], bool]
    wanted: str


@dataclass(frozen=True)
class Within:
    """Whether something is a finite number between two bounds; a bound is left out where its `open` is set."""

    low: float
    high: float = math.inf
    open_low: bool = False
    open_high: bool = True

    def __call__(self, x: Any) -> bool:
        if not _is_number(x) or not math.isfinite(x):
            return False
        above = self.low < x if self.open_low else self.low <= x
        return bool(above and (x < self.high if self.open_high else x <= self.high))


@dataclass(frozen=True)
class Pair:
    """Whether something is two numbers, the first by one test, the second by another; in order, if asked for."""

    first: Within
    second: Within
    ordered: bool = False

    def __call__(self, x: Any) -> bool:
        if not isinstance(x, tuple | list) or len(x) != 2 or not (self.first(x[0]) and self.second(x[1])):
            return False
        return not self.ordered or x[0] <= x[1]


@dataclass(frozen=True)
class Among:
    """Whether something is one of some values."""

    values: tuple[object, ...]

    def __call__(self, x: Any) -> bool:
        return any(x is v or (isinstance(x, str) and x == v) for v in self.values)


def _is_number(x: object) -> bool:
    return isinstance(x, Real) and not isinstance(x, bool)


def _choice(*values: object) -> Setting:
    return Setting("flag", Among(values), " or ".join(map(repr, values)))


def _anything(x: Any) -> bool:
    return True


ANY = Setting("number", Within(-math.inf, open_low=True), "a finite number")
NOT_NEGATIVE = Setting("number", Within(0.0), "a finite number ≥ 0")
POSITIVE = Setting("number", Within(0.0, open_low=True), "a finite number > 0")
DECAY = Setting("number", Within(0.0, 1.0), "in [0, 1)")
PAIR = Setting("pair", Pair(Within(0.0, 1.0), Within(0.0, 1.0)), "two numbers in [0, 1)")
FLAG = _choice(True, False)

#: The hyper-parameters by name. An optimizer of one's own that has others sets its class attribute ``table``.
SETTINGS: dict[str, Setting] = {
    "lr": NOT_NEGATIVE,
    "weight_decay": NOT_NEGATIVE,
    "momentum": NOT_NEGATIVE,
    "dampening": ANY,
    "lr_decay": NOT_NEGATIVE,
    "initial_accumulator_value": NOT_NEGATIVE,
    "momentum_decay": NOT_NEGATIVE,
    "eps": POSITIVE,
    "alpha": DECAY,
    "rho": DECAY,
    "betas": PAIR,
    "etas": Setting("pair", Pair(Within(0.0, 1.0, True), Within(1.0, open_low=True)), "two numbers, (in (0, 1), above 1)"),
    "step_sizes": Setting("pair", Pair(Within(0.0, open_low=True), Within(0.0), True), "two numbers > 0, in order"),
    "form": _choice("pytorch", "average", "lookahead"),
    **dict.fromkeys(("amsgrad", "centered", "decoupled_weight_decay", "eps_inside", "maximize", "nesterov"), FLAG),
}

#: Settings that contradict each other: (the settings it is about, whether they clash, what to say).
COMBINATIONS: tuple[tuple[tuple[str, ...], Callable[..., bool], str], ...] = (
    (
        ("nesterov", "momentum", "dampening"),
        lambda nesterov, momentum, dampening: nesterov and (momentum == 0 or dampening != 0),
        "Nesterov momentum needs momentum > 0 and dampening = 0",
    ),
    (
        ("form", "nesterov"),
        lambda form, nesterov: nesterov and form != "pytorch",
        "nesterov=True belongs to form='pytorch'; the notes' Nesterov momentum is form='lookahead' alone",
    ),
    (
        ("form", "momentum"),
        lambda form, momentum: form != "pytorch" and not 0 < momentum < 1,
        "this form needs a momentum between 0 and 1",
    ),
    (
        ("form", "dampening"),
        lambda form, dampening: form != "pytorch" and dampening != 0,
        "dampening belongs to form='pytorch'",
    ),
)


def setting_for(name: str, default: object, table: Mapping[str, Setting]) -> Setting:
    """The table's entry, or for a name that it lacks, one that follows from the kind of its default."""
    if name in table:
        return table[name]
    if isinstance(default, bool):
        return FLAG
    if _is_number(default):
        return ANY
    return Setting("flag", _anything, "anything")


def checked(owner: str, name: str, value: object, setting: Setting) -> Any:
    """The value as it is kept, or an ArgumentError that carries it."""
    if not setting.valid(value):
        raise ArgumentError(f"{owner}: {name} must be {setting.wanted}, got {value!r} ({user_line()})")
    if setting.kind == "number":
        return float(value)  # type: ignore[arg-type]
    return tuple(map(float, value)) if setting.kind == "pair" else value  # type: ignore[call-overload]


def combined(owner: str, settings: Mapping[str, Any]) -> None:
    """Raise if two settings contradict each other."""
    for names, clash, message in COMBINATIONS:
        if all(name in settings for name in names):
            values = {name: settings[name] for name in names}
            if clash(**values):
                got = ", ".join(f"{name}={value!r}" for name, value in values.items())
                raise ArgumentError(f"{owner}: {message}; got {got} ({user_line()})")


class ParamGroup(MutableMapping[str, Any]):
    """Some parameters and the hyper-parameters they are trained with; behaves as a dict.

    Numbers live in `autograd.State` cells: ``group["lr"]`` reads the Python number, ``group["lr"] = x``
    checks ``x`` and writes the cell, which a compiled training step reads anew on every call.
    ``group["params"]`` is the list of tensors.

    >>> import autograd as ag, optim
    >>> group = optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=0.1).param_groups[0]
    >>> group["lr"] = 0.05
    >>> group["lr"], group["nesterov"]
    (0.05, False)
    """

    def __init__(self, owner: str, params: list[ag.Tensor], values: Mapping[str, Any],
                 kinds: Mapping[str, Setting], changed: Callable[[ParamGroup], None]):  # fmt: skip
        self._owner, self._params, self._changed, self.kinds = owner, params, changed, dict(kinds)
        kept = {name: checked(owner, name, values[name], kinds[name]) for name in kinds}
        combined(owner, kept)
        self.initial_lr: float | None = None  # what the first schedule found
        self.cells: dict[str, tuple[ag.State, ...]] = {}
        self.flags: dict[str, Any] = {}
        for name, value in kept.items():
            if kinds[name].kind == "flag":
                self.flags[name] = value
            else:
                numbers = value if isinstance(value, tuple) else (value,)
                self.cells[name] = tuple(ag.State(x, dtype=np.float64, name=name) for x in numbers)

    def __getitem__(self, name: str) -> Any:
        if name == "params":
            return self._params
        if name in self.flags:
            return self.flags[name]
        cells = self.cells[name]
        return cells[0].value if self.kinds[name].kind == "number" else tuple(cell.value for cell in cells)

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self.kinds:
            near = difflib.get_close_matches(name, self.kinds, 1) or sorted(self.kinds)
            out = "use add_param_group()" if name == "params" else f"did you mean {near[0]!r}?"
            raise ArgumentError(f"{self._owner}: {name!r} is no setting of a group; {out} ({user_line()})")
        if isinstance(value, ag.Tensor):  # a schedule inside a compiled step
            self.cells[name][0].write(value)
            return
        value = checked(self._owner, name, value, self.kinds[name])
        combined(self._owner, {**self.settings(), name: value})
        self.replace({name: value})

    def replace(self, values: Mapping[str, Any]) -> None:
        """Write settings that have been checked, and let the optimizer make the state that they need."""
        for name, value in values.items():
            if name in self.flags:
                self.flags[name] = value
            else:
                numbers = value if isinstance(value, tuple) else (value,)
                for cell, number in zip(self.cells[name], numbers, strict=True):
                    cell.value = number
        self._changed(self)

    def __delitem__(self, name: str) -> None:
        raise ArgumentError(f"{self._owner}: a group keeps all its settings; {name!r} can't be deleted")

    def __iter__(self) -> Iterator[str]:
        yield "params"
        yield from self.kinds

    def __len__(self) -> int:
        return 1 + len(self.kinds)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in self.shown().items())
        count = sum(p.size for p in self._params)
        tensors = "tensor" if len(self._params) == 1 else "tensors"
        return f"{len(self._params)} {tensors}, {count:,} numbers; {settings}"

    def shown(self) -> dict[str, str]:
        """Every hyper-parameter as text, numbers before flags."""
        return {name: _short(self[name]) for name in sorted(self.kinds, key=lambda name: name in self.flags)}

    def settings(self) -> dict[str, Any]:
        """Every hyper-parameter as plain Python, without the tensors."""
        return {name: self[name] for name in self.kinds}

    def keywords(self, read: Callable[[ag.State], Any]) -> dict[str, Any]:
        """The settings as keywords of an update rule; a pair ``betas`` becomes ``beta1`` and ``beta2``."""
        given = {name: value for name, value in self.flags.items() if name != "maximize"}
        for name, cells in self.cells.items():
            if len(cells) == 1:
                given[name] = read(cells[0])
            else:
                given |= {f"{name[:-1]}{k}": read(cell) for k, cell in enumerate(cells, 1)}
        return given


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)
