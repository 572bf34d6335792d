"""The base of all optimizers: groups, state, checks, the step. An optimizer itself is one update rule.

A rule is a pure elementwise function in ordinary operators and ``np`` functions::

    def rule(p, g, *state, t, lr, ...):  ->  (new p, *new state)

``p`` is the parameter, ``g`` its gradient, ``t`` the number of this step (1, 2, …); the state comes in the
order of the class attribute ``slots``, None for a slot that is not in use, and is returned likewise. A rule
runs on NumPy arrays (eager) and on Tensors (while `jit` records a step), so it never branches on the *value*
of an array, of ``t`` or of a number; settings that are flags may be branched on. Python numbers are weak, so
float32 stays float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, AutogradError, DTypeError, GraphError, ShapeError, user_line
from optim.report import html, memory, steps
from optim.saving import collect, restore
from optim.settings import SETTINGS, ParamGroup, Setting, checked, combined, setting_for

__all__ = ["Array", "Optimizer", "Write", "decayed", "reader"]

#: What a rule computes with: an ndarray, a Tensor, or (for counters and hyper-parameters) a Python number.
Array = Any
Slot = ag.Tensor | ag.State

SHAPES = 48
"""Kinds of parameters up to which a step is compiled: each makes a loop of its own, at some 50 ms in the first process."""


class Write(NamedTuple):
    """A new value, and the tensor or the cell that it belongs in."""

    target: Slot
    value: Array


def decayed(g: Array, p: Array, weight_decay: Array) -> Array:
    """The gradient of L + weight_decay/2·‖p‖²: coupled weight decay, g + weight_decay·p."""
    if isinstance(weight_decay, float) and weight_decay == 0.0:
        return g  # the same numbers, one pass over memory less
    return g + weight_decay * p


class Optimizer:
    """Base class. A subclass names its rule, its state and its settings; see the module's docstring.

    Args:
        params: an iterable of leaf tensors, or of dicts ``{"params": [...], "lr": ...}``, one for each group.
        defaults: the settings of a group that does not give its own.

    Errors: `ArgumentError` for settings out of range, no parameters, or a parameter given twice; `DTypeError`
    for what is not a float tensor; `GraphError` for a tensor that is not a leaf.

    ``optimizer.jit = False`` lets `step` run the update as it is, from then on: compiling takes a tenth of a second where the
    program is new, which a hundred steps of a small network never win back. The numbers are the same but for the last digits.

    An optimizer of one's own, sign descent with momentum:

    >>> import numpy as np, autograd as ag, optim
    >>> def sign_descent(p, g, m, t, *, lr, beta):
    ...     m = beta * m + (1 - beta) * g
    ...     return p - lr * np.sign(m), m
    >>> class SignDescent(optim.Optimizer):
    ...     rule = staticmethod(sign_descent)
    ...     slots = ("average",)
    ...     def __init__(self, params, lr=0.1, beta=0.9):
    ...         super().__init__(params, {"lr": lr, "beta": beta})
    >>> w = ag.Tensor([3.0, -2.0], requires_grad=True)
    >>> opt = SignDescent([w])
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w.data
    array([ 2.9, -1.9], dtype=float32)
    """

    rule: ClassVar[Callable[..., Any]]
    slots: ClassVar[tuple[str, ...]] = ()
    table: ClassVar[Mapping[str, Setting]] = SETTINGS
    jit: bool = True

    def __init__(self, params: Iterable[Any], defaults: Mapping[str, Any]):
        owner = type(self).__name__
        self.defaults: dict[str, Any] = {"maximize": False, **defaults}
        self.kinds = {name: setting_for(name, value, self.table) for name, value in self.defaults.items()}
        combined(owner, {k: checked(owner, k, x, self.kinds[k]) for k, x in self.defaults.items()})
        self.param_groups: list[ParamGroup] = []
        self.state: dict[ag.Tensor, dict[str, Slot]] = {}
        for group in self._as_groups(params):
            self.add_param_group(group)

    # ---- what a subclass may say --------------------------------------------------------------------------

    def uses(self, slot: str, settings: Mapping[str, Any]) -> bool:
        """Whether a group with these settings needs this slot."""
        return True

    def initial(self, slot: str, settings: Mapping[str, Any], p: ag.Tensor) -> Any:
        """The first value of a slot: an array like the parameter, or a Python number."""
        return np.zeros_like(p.data)

    @property
    def needs_closure(self) -> bool:
        """Whether ``step`` must be given a function that computes the loss anew."""
        return False

    # ---- groups -------------------------------------------------------------------------------------------

    def _error(self, kind: type[AutogradError], text: str) -> AutogradError:
        return kind(f"{type(self).__name__}: {text} ({user_line()})")

    def _as_groups(self, params: Any) -> list[Any]:
        if isinstance(params, ag.Tensor):
            raise self._error(DTypeError, "params must be a list of tensors, got one Tensor. Write [t].")
        if not isinstance(params, Iterable) or isinstance(params, str | Mapping):
            raise self._error(
                DTypeError,
                f"params must be a list of tensors or of dicts, got {type(params).__name__}. Pass "
                "model.parameters(), or [{'params': [...], 'lr': ...}].",
            )
        given = list(params)
        if not given:
            raise self._error(
                ArgumentError,
                "there are no parameters. An iterator such as model.parameters() is empty once it was used.",
            )
        return given if isinstance(given[0], Mapping) else [{"params": given}]

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add ``{"params": [...], setting: value, ...}``; settings that it leaves out are the defaults.

        Checked as a whole before anything is added.
        """
        where = f"parameter group {len(self.param_groups)}"
        if not isinstance(group, Mapping) or "params" not in group:
            raise self._error(ArgumentError, f"{where} must be a dict with a key 'params'.")
        unknown = sorted(set(group) - {"params", *self.kinds})
        if unknown:
            known = sorted(self.kinds)
            raise self._error(ArgumentError, f"{where} has unknown settings {unknown}; there are {known}.")
        params = group["params"]
        tensors = [params] if isinstance(params, ag.Tensor) else list(params)
        self._check_params(tensors, where)
        values = {**self.defaults, **{name: value for name, value in group.items() if name != "params"}}
        new = ParamGroup(type(self).__name__, tensors, values, self.kinds, self._fill)
        self._fill(new)
        self.param_groups.append(new)
        kinds = {(p.shape, p.dtype) for each in self.param_groups for p in each["params"]}
        self._pass = ag.CompiledPass(self._update, limit=4 if len(kinds) <= SHAPES else 0)

    def _check_params(self, tensors: list[Any], where: str) -> None:
        if not tensors:
            raise self._error(ArgumentError, f"{where} has no parameters.")
        seen = {id(p) for group in self.param_groups for p in group["params"]}
        for k, p in enumerate(tensors):
            if not isinstance(p, ag.Tensor):
                raise self._error(
                    DTypeError,
                    f"{where}, entry {k} is a {type(p).__name__}, not a Tensor. From named_parameters() take "
                    "[p for name, p in ...].",
                )
            what = f"{where}, {_label(p, k)}"
            if not p.is_leaf:
                raise self._error(
                    GraphError,
                    f"{what} is the result of a computation, not a leaf; updating it would change "
                    "nothing. Pass the tensor that it was computed from, or p.detach().requires_grad_().",
                )
            if p.dtype.kind != "f":
                raise self._error(DTypeError, f"{what} has dtype {p.dtype}; parameters are float tensors.")
            if id(p) in seen:
                raise self._error(ArgumentError, f"{what} is in the optimizer already, and would be updated twice.")
            seen.add(id(p))

    def _fill(self, group: ParamGroup) -> None:
        """Make the state that the settings ask for and that is missing: it exists before the first step."""
        settings = group.settings()
        for p in group["params"]:
            state = self.state.setdefault(p, {"step": ag.State(0, dtype=np.int64, name="step")})
            for slot in self.slots:
                if slot not in state and self.uses(slot, settings):
                    state[slot] = _as_slot(self.initial(slot, settings, p), slot)

    # ---- a step -------------------------------------------------------------------------------------------

    def zero_grad(self) -> None:
        """Set the ``.grad`` of every parameter to None."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient, in place; one without is skipped, with its state.

        All gradients are checked and all new values computed before anything is written. The first step compiles the
        update of all parameters into one pass over memory, which later ones run; a rule that cannot be compiled runs as it
        is, to the same numbers but for the last digits. A NaN in a gradient goes on into its parameter, as in PyTorch; to
        find where it comes from, use ``autograd.anomaly_mode()``.

        Args:
            closure: a function that zeroes the gradients, computes the loss, calls ``backward()`` and returns the loss; it is
                called first, and its result returned.

        Errors: `ShapeError` where a gradient does not fit its parameter; nothing has changed then.
        """
        loss = self._evaluate(closure) if closure is not None else None
        (self._pass if self.jit else self._update)()
        return loss

    @staticmethod
    def _evaluate(closure: Callable[[], Any]) -> Any:
        with ag.enable_grad():
            return closure()

    def _update(self) -> None:
        """What `step` runs, compiled where that can be."""
        work, read = list(self._due()), reader()
        with ag.no_grad(), np.errstate(all="ignore"):
            new = [w for group, params in work for w in self._new_values(group, params, read)]
        try:
            ag.overwrite(new)
        except BaseException:  # an interrupt: writing is idempotent, so finish, and leave no half-made step
            ag.overwrite(new)
            raise

    def _due(self) -> Iterator[tuple[ParamGroup, list[ag.Tensor]]]:
        """The groups with those of their parameters that have a gradient, all checked."""
        for number, group in enumerate(self.param_groups):
            due = []
            for k, p in enumerate(group["params"]):
                if p.grad is not None:
                    self._check_fit(f"group {number}, {_label(p, k)}", p)
                    due.append(p)
            yield group, due

    def _check_fit(self, which: str, p: ag.Tensor) -> None:
        shape, dtype = p.shape, p.dtype
        for name, like in (("gradient", p.grad), *self.state[p].items()):
            if isinstance(like, ag.Tensor) and (like.shape != shape or like.dtype != dtype):
                raise self._error(
                    ShapeError,
                    f"{which} is {dtype}{list(shape)} and its {name} {like.dtype}{list(like.shape)}; nothing "
                    "was updated. Was the parameter replaced or converted after the optimizer was made?",
                )

    def _new_values(self, group: ParamGroup, params: list[ag.Tensor],
                    read: Callable[[Any], Array]) -> Iterator[Write]:  # fmt: skip
        settings, rule = group.keywords(read), type(self).rule
        for p in params:
            state = self.state[p]
            g = -read(p.grad) if group.flags["maximize"] else read(p.grad)
            t = read(state["step"]) + 1
            old = [read(state[slot]) if slot in state else None for slot in self.slots]
            value, *new = rule(read(p), g, *old, t, **settings)
            yield Write(p, value)
            yield Write(state["step"], t)
            for slot, x in zip(self.slots, new, strict=True):
                if slot in state:
                    yield Write(state[slot], x)

    # ---- saving -------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs, as copies: tensors by number, settings as Python values.

        ``{"state": {0: {"step": 3, "exp_avg": ndarray, …}, …}, "param_groups": [{"lr": …, "params": [0]}]}``
        """
        return collect(self)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave; the next step is then bit for bit that of the saved run.

        Everything is checked first: on an `ArgumentError`, which lists every problem, nothing has changed.
        """
        restore(self, state_dict)

    def __repr__(self) -> str:
        lines = (f"  group {k}: {group!r}" for k, group in enumerate(self.param_groups))
        return "\n".join([f"{type(self).__name__}(", *lines, f"  {steps(self)}; {memory(self)}", ")"])

    def _repr_html_(self) -> str:
        return html(self)


def _label(p: ag.Tensor, k: int) -> str:
    return f"parameter {p.name!r}" if p.name else f"parameter {k}"


def _as_slot(value: Any, name: str) -> Slot:
    if isinstance(value, np.ndarray):
        return ag.from_numpy(value)
    return ag.State(value, dtype=np.int64 if isinstance(value, int) else np.float64, name=name)


def reader() -> Callable[[Any], Array]:
    """How a rule gets its operands: arrays and Python numbers, or while `jit` records, what it records."""
    return _read_recorded if ag.is_recording() else _read_eager


def _read_eager(slot: Slot) -> Array:
    return slot.value if isinstance(slot, ag.State) else slot.data


def _read_recorded(slot: Slot) -> Array:
    return slot.value if isinstance(slot, ag.State) else slot
