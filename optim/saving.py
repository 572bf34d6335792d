"""An optimizer's state as a plain dict, and back: checked as a whole before anything changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, user_line
from optim.settings import ParamGroup, checked, combined

if TYPE_CHECKING:
    from optim.optimizer import Optimizer

__all__ = ["collect", "restore"]


def collect(optimizer: Optimizer) -> dict[str, Any]:
    """Everything that a resumed run needs, as copies; see `Optimizer.state_dict`."""
    state: dict[int, dict[str, Any]] = {}
    groups: list[dict[str, Any]] = []
    for group in optimizer.param_groups:
        numbers = range(len(state), len(state) + len(group["params"]))
        for number, p in zip(numbers, group["params"], strict=True):
            state[number] = {name: _saved(slot) for name, slot in optimizer.state[p].items()}
        groups.append({**group.settings(), "params": list(numbers)})
    return {"state": state, "param_groups": groups}


def _saved(slot: ag.Tensor | ag.State) -> Any:
    return slot.value if isinstance(slot, ag.State) else slot.data.copy()


def restore(optimizer: Optimizer, state_dict: Any) -> None:
    """Take over a saved state, or raise an ArgumentError that lists all that does not fit."""
    problems: list[str] = []
    groups, state = _parts(type(optimizer).__name__, state_dict)
    if len(groups) != len(optimizer.param_groups):
        problems.append(f"it has {len(groups)} parameter groups, the optimizer {len(optimizer.param_groups)}")
    pairs = list(zip(optimizer.param_groups, groups, strict=False))
    settings = [_settings(f"group {k}", group, saved, problems) for k, (group, saved) in enumerate(pairs)]
    slots: list[tuple[ag.Tensor, dict[str, Any]]] = []
    for k, (group, saved) in enumerate(pairs):
        numbers = list(saved.get("params", ()))
        if len(numbers) != len(group["params"]):
            problems.append(f"group {k} has {len(numbers)} tensors, the optimizer {len(group['params'])}")
            continue
        for number, p in zip(numbers, group["params"], strict=True):
            wanted = _wanted(optimizer, p, settings[k])
            slots.append((p, _slots(f"parameter {number}", wanted, state.get(number), problems)))
    if problems:
        raise ArgumentError(
            f"{type(optimizer).__name__}: the state does not fit, nothing was loaded: {'; '.join(problems)}. ({user_line()})"
        )
    for group, new in zip(optimizer.param_groups, settings, strict=True):
        group.replace(new)
    for p, values in slots:
        for name, value in values.items():
            slot = optimizer.state[p][name]
            if isinstance(slot, ag.State):
                slot.value = value
            else:
                with ag.no_grad():
                    slot.copy_(value)


def _parts(owner: str, state_dict: Any) -> tuple[list[Mapping[str, Any]], Mapping[Any, Any]]:
    try:
        groups, state = list(state_dict["param_groups"]), state_dict["state"]
    except (KeyError, TypeError, IndexError):
        groups, state = [], None
    if not all(isinstance(x, Mapping) for x in (*groups, state)):
        raise ArgumentError(
            f"{owner}: a state is a dict with 'state', a dict, and 'param_groups', a list of dicts, as "
            f"state_dict() gives it; got {type(state_dict).__name__}. ({user_line()})"
        )
    return groups, state


def _settings(owner: str, group: ParamGroup, saved: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """The settings of a group after loading."""
    names = set(saved) - {"params"}
    problems += [f"{owner} lacks {name!r}" for name in group.kinds if name not in names]
    problems += [f"{owner} has an unknown setting {name!r}" for name in saved if name not in {*group}]
    out = group.settings()
    try:
        for name in names & group.kinds.keys():
            out[name] = checked(owner, name, saved[name], group.kinds[name])
        combined(owner, out)
    except ArgumentError as error:
        problems.append(str(error))
    return out


def _wanted(optimizer: Optimizer, p: ag.Tensor, settings: Mapping[str, Any]) -> dict[str, Any]:
    """For every slot that the loaded state must have, something like its value: an array or a number."""
    here = optimizer.state[p]
    missing = [s for s in optimizer.slots if s not in here and optimizer.uses(s, settings)]
    new = {s: optimizer.initial(s, settings, p) for s in missing}
    return {**{name: slot.data if isinstance(slot, ag.Tensor) else 0 for name, slot in here.items()}, **new}


def _slots(where: str, wanted: Mapping[str, Any], saved: Any, problems: list[str]) -> dict[str, Any]:
    if not isinstance(saved, Mapping):
        problems.append(f"{where} has no state")
        return {}
    problems += [f"{where} lacks {name!r}" for name in wanted if name not in saved]
    problems += [f"{where} has an unknown state {name!r}" for name in saved if name not in wanted]
    out: dict[str, Any] = {}
    for name in (name for name in wanted if name in saved):
        like, value = wanted[name], saved[name]
        value = np.asarray(value.data if isinstance(value, ag.Tensor) else value)
        if isinstance(like, np.ndarray):
            if (value.shape, value.dtype) != (like.shape, like.dtype):
                was, now = (f"{x.dtype}{list(x.shape)}" for x in (value, like))
                problems.append(f"{where}: {name!r} is {was}, not {now}")
            out[name] = value
        elif value.shape == () and value.dtype.kind in "iuf":
            out[name] = value.item()
        else:
            problems.append(f"{where}: {name!r} must be a number, got {saved[name]!r:.40}")
    return out
