"""One training step, as it is and compiled: what the training loop repeats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import AutogradError
from nn.functional.losses import are_classes, are_shares
from nn.module import Module

__all__ = ["CompiledStep", "modes_kept", "take_step", "why_not"]


def take_step(model: Any, loss: Any, optimizer: Any, x: Any, target: Any) -> tuple[Any, Any]:
    """Forward, backward, update; the loss and the output."""
    output = model(x)
    value = loss(output, target)
    optimizer.zero_grad()
    value.backward()
    optimizer.step()
    return value, output


def why_not(model: Module, loss: Any, optimizer: Any, own: bool) -> str:
    """Why a step is not to be compiled, in a few words, or "". `own`: whether the caller's Python may be recorded."""
    if not ag.can_compile():
        return "there is no usable LLVM"
    if own:
        return ""
    for part in (*model.modules(), *(loss.modules() if isinstance(loss, Module) else (loss,)), optimizer):
        if type(part).__module__.partition(".")[0] not in ("nn", "optim", "autograd"):
            name = getattr(part, "__name__", type(part).__name__)
            return f"{name} is not the library's own, and its Python would run only once; Trainer(..., jit=True) allows it"
        if isinstance(part, Module) and (part.__dict__.get("_before") or part.__dict__.get("_after")):
            return f"{type(part).__name__} has hooks, whose Python would run only once; Trainer(..., jit=True) allows it"
    return ""


class CompiledStep:
    """`take_step` under `autograd.jit`. What the loss checks by value is checked here, before anything is written."""

    def __init__(self, model: Module, loss: Any, optimizer: Any):
        self._parts = (model, loss, optimizer)
        self._outputs: dict[Any, ag.Tensor] = {}

        def step(x: Any, target: Any) -> tuple[Any, Any]:
            return take_step(model, loss, optimizer, x, target)

        self._step: Callable[[Any, Any], tuple[Any, Any]] = ag.jit(step)

    def belongs(self, *parts: Any) -> bool:
        """Whether it is the step of these."""
        return all(a is b for a, b in zip(self._parts, parts, strict=True))

    def __call__(self, x: Any, target: Any) -> tuple[Any, Any]:
        """The loss and the output of one step."""
        if not (_is_array(x) and _is_array(target) and self._right(x, target)):
            return take_step(*self._parts, x, target)  # as it is, which raises where something is wrong
        return self._step(x, target)

    def _right(self, x: Any, target: Any) -> bool:
        """Whether the targets are in the range that the loss asks for."""
        model, loss, _ = self._parts
        if hasattr(loss, "ignore_index"):
            key = (x.shape, x.dtype)
            if key not in self._outputs:
                try:
                    with modes_kept(model), ag.no_grad():
                        model.eval()
                        self._outputs[key] = model(x)
                except AutogradError:
                    return False
            return are_classes(self._outputs[key], target, loss.ignore_index)
        return not hasattr(loss, "pos_weight") or are_shares(target)


def _is_array(x: Any) -> bool:
    """Whether a compiled step takes it as an input."""
    return isinstance(x, np.ndarray) and x.dtype.kind in "fiub" or isinstance(x, ag.Tensor) and not x.requires_grad


@contextmanager
def modes_kept(model: Module) -> Iterator[None]:
    """Puts every module back into the mode, training or evaluation, in which it was."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            object.__setattr__(module, "training", mode)
