"""Transfer learning: take a trained network's weights over, except for the head, and hold still what is not to be learned.

When: the old task has much data, and its answers need what the new one needs. Where they do not, it harms: on the 8×8 digits,
weights learned on 0–9 help to tell odd from even by 20 labels (better than from scratch in 10 of 10 seeds, with rates that
fall towards the input, `optim.layerwise_lr`), and weights learned on 0–4 are worse than none for 5–9 by 2 labels a class (in
9 of 10). tests/test_transfer.py is both, to be read as worked examples.
Source: course notes, *What is transfer learning, and when is it used?*; Yosinski et al. 2014, "How transferable are features
in deep neural networks?".

>>> import nn
>>> old = nn.MLP(64, (32, 16), 5)                                # trained on a task with much data
>>> model = nn.MLP(64, (32, 16), 10)                             # the same body, another head
>>> _ = load_partial(model, old, leave=("4",))                   # all but the last layer
>>> [name for name, p in freeze(model, "0", "2").named_parameters() if p.requires_grad]
['4.weight', '4.bias']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, TypeVar

from autograd.errors import ArgumentError, DTypeError
from nn.files import load
from nn.module import LoadReport, Module
from nn.names import nearest

__all__ = ["freeze", "load_partial", "unfreeze"]

M = TypeVar("M", bound=Module)


def freeze(module: M, *names: str) -> M:
    """Let parameters stay as they are: all, or those below some names, such as "0" or "encoder.layers".

    Frozen parameters take no gradient, which also saves its computation; give the optimizer the others only,
    ``[p for p in model.parameters() if p.requires_grad]``, or freeze before it is made. Batch normalisation that is frozen
    still follows the data with its running statistics while it is in training mode.

    Errors: ArgumentError for a name that nothing has.

    >>> import nn
    >>> all(not p.requires_grad for p in freeze(nn.Linear(2, 1)).parameters())
    True
    """
    return _set(module, names, False)


def unfreeze(module: M, *names: str) -> M:
    """Let parameters learn again: all, or those below some names; first the head, then layer by layer towards the input."""
    return _set(module, names, True)


def load_partial(module: Module, source: Any, leave: Sequence[str] = ()) -> LoadReport:
    """Take over from a network, a state dict or a file all that both have, except what is below the names in `leave`.

    What is not left out must fit in shape and dtype, else nothing is loaded (ArgumentError, as `Module.load_state_dict`).

    Args:
        module: takes the values.
        source: a Module, arrays by name, or the path of a safetensors file.
        leave: names of layers that keep their own values, such as the head's.

    Returns the names without a value, and those without a place.

    >>> import nn
    >>> load_partial(nn.Linear(2, 3), nn.Linear(2, 1), leave=("weight", "bias"))
    LoadReport(missing=['weight', 'bias'], unexpected=[])
    """
    state = load(source) if isinstance(source, str | PathLike) else source
    state = state.state_dict() if isinstance(state, Module) else state
    if not isinstance(state, Mapping):
        raise DTypeError(f"load_partial takes a Module, a dict of arrays or a path, got {type(source).__name__}.")
    leave = (leave,) if isinstance(leave, str) else tuple(leave)
    known = [*state, *module.state_dict()]
    for name in leave:
        _below(known, name)
    kept = {name: value for name, value in state.items() if not any(_is_below(name, left) for left in leave)}
    return module.load_state_dict(kept, strict=False)


def _set(module: M, names: tuple[str, ...], wanted: bool) -> M:
    parameters = dict(module.named_parameters())
    chosen = [p for name in names for p in _below(list(parameters), name)] if names else list(parameters)
    for name in chosen:
        parameters[name].requires_grad = wanted
    return module


def _below(known: list[str], name: str) -> list[str]:
    found = [k for k in known if _is_below(k, name)]
    if not found:
        layers = list(dict.fromkeys(k.rpartition(".")[0] or k for k in known))
        raise ArgumentError(f"nothing is named {name!r}{nearest(name, layers)} There are {', '.join(layers)[:300]}.")
    return found


def _is_below(path: str, name: str) -> bool:
    return path == name or path.startswith(name + ".")
