"""What it costs to make a node, feature by feature: the recorded call of tanh is rebuilt in steps, each with one feature
more than the one before. The last step does what `autograd.apply` does; the row below it is the real call."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from sys import _getframe
from typing import Any

import numpy as np

import autograd as ag
from autograd.apply import failed
from autograd.errors import is_internal
from autograd.tape import Node, mode, tick
from autograd.tensor import Tensor

BASE = (1, 2, 6)  # steps without which there is no tape: the Tensor and the node
LIMIT = 50  # nanoseconds that one feature may cost
CALLS = 100

# (feature, its lines, where they stand). The lines of all features up to one make the function of that step.
FEATURES: list[tuple[str, str, int]] = [
    ("NumPy's own tanh, in a function", "y = forward(x._data)", 5),
    ("the result is a Tensor", "out = new(Tensor); out._data = y; out._node = None", 9),
    ("mode: no_grad, jit", "if not mode.plain: return None", 0),
    ("arguments that are no Tensor, or need no gradient", "if not isinstance(x, Tensor) or x._node is None: return None", 1),
    ("a scalar from NumPy becomes an array", "if type(y) is not ndarray: y = asarray(y)", 6),
    ("the node: op, inputs, what the derivative needs",
     "node = new(Node); node.plan = plan; node.inputs = (x._node,); node.saved = (y,)", 7),
    ("the tensor knows its node", "out._node = node", 10),
    ("order, and writes in place", "node.tick = tick()", 7),
    ("shape and dtype, for broadcasting and messages", "node.shape = y.shape; node.dtype = y.dtype", 7),
    ("settings and constant operands", "node.settings = EMPTY; node.consts = None", 7),
    ("names, hooks, kept gradients", "node.extra = None", 7),
    ("the user's line", "frame = getframe(1); code = frame.f_code; inside = internal(code.co_filename); node.code = code; "
     "node.instruction = frame.f_lasti", 8),
]  # fmt: skip


def steps() -> list[tuple[str, Callable[[Any], Any]]]:
    """(feature, function with all features up to it)."""
    call: Any = ag.tanh
    names = {
        "forward": call.op.forward(), "plan": call.op.plan((0,), 1), "new": object.__new__, "Node": Node, "Tensor": Tensor,
        "mode": mode, "tick": tick, "ndarray": np.ndarray, "asarray": np.asarray, "EMPTY": {}, "getframe": _getframe,
        "internal": is_internal, "failed": failed,
    }  # fmt: skip
    made = []
    for count in range(1, len(FEATURES) + 1):
        lines = [line for _, line, _ in sorted(FEATURES[:count], key=lambda feature: feature[2])]
        result = "out" if count > 1 else "y"
        space = dict(names)
        exec("def step(x):\n    " + "\n    ".join([*lines, f"return {result}"]), space)
        made.append((FEATURES[count - 1][0], space["step"]))
    return [*made, ("the real call, with its errors", call)]


def table(repeats: int = 41) -> list[tuple[str, float, float]]:
    """(feature, nanoseconds of a call up to it, nanoseconds that it adds). The steps take turns."""
    x = ag.Tensor(np.array([0.5], np.float32), requires_grad=True)

    def calls(step: Callable[[Any], Any]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(CALLS):
                step(x)

        return run

    timed = [(name, timeit.Timer(calls(step))) for name, step in steps()]
    best = [float("inf")] * len(timed)
    for _ in range(repeats):
        for at, (_, timer) in enumerate(timed):
            best[at] = min(best[at], timer.timeit(20) / 20 / CALLS * 1e9)
    rows = []
    for at, (name, _) in enumerate(timed):
        rows.append((name, best[at], best[at] - best[at - 1] if at else best[at]))
    return rows


def show() -> None:
    print(f"{'total':>8} {'adds':>7}  making a node (ns; at most {LIMIT} a feature)")
    for at, (name, total, added) in enumerate(table()):
        print(f"{total:8.0f} {added:+7.0f}  {name}{'  <- above the limit' if at + 1 not in BASE and added > LIMIT else ''}")
