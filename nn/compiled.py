"""One training step, as it is and compiled: what the training loop repeats."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, IndexingError
from nn.losses import Loss
from nn.module import Module

__all__ = ["CompiledStep", "Step", "loss_of", "modes_kept"]


def loss_of(loss: Any, output: Any, target: Any, weight: Any = None) -> Any:
    """The loss, with sample weights if there are any; a function that is no `Loss` gets them as a third argument."""
    if weight is None:
        return loss(output, target)
    if not isinstance(loss, Loss):
        return loss(output, target, weight)
    total, count = loss.total(output, target, weight)
    return total if loss.reduction == "sum" else total / count


def _total(loss: Any, output: Any, target: Any, weight: Any) -> tuple[Any, Any]:
    """The sum of the losses of a part of a batch, and by what the sum over all parts is to be divided, if by anything."""
    if not isinstance(loss, Loss):
        size = target.shape[0] if getattr(target, "ndim", 0) else 1
        count = ag.Tensor(np.asarray(size, np.float64)) if weight is None else ag.sum(weight)
        value = loss_of(loss, output, target, weight)
        return value * count.astype(value.dtype), count
    total, count = loss.total(output, target, weight)
    return total, ag.Tensor(np.asarray(0.0)) if loss.reduction == "sum" else count.detach()


@dataclass(frozen=True, eq=False)
class Step:
    """What a training step is made of; calling it takes one."""

    model: Module
    loss: Any
    optimizer: Any
    penalty: Callable[[Module], Any] | None = None
    before_step: Callable[[list[Any]], Any] | None = None
    after_step: Callable[[Module], Any] | None = None

    def __call__(self, x: Any, target: Any, weight: Any = None) -> tuple[Any, Any]:
        """Forward, backward, update; the loss, without the penalty, and the output."""
        if needs_closure(self.optimizer):
            return self._by_closure(x, target, weight)
        output = self.model(x)
        value = loss_of(self.loss, output, target, weight)
        self.optimizer.zero_grad()
        (value if self.penalty is None else value + self.penalty(self.model)).backward()
        self._update()
        return value, output

    def _by_closure(self, x: Any, target: Any, weight: Any) -> tuple[Any, Any]:
        found: list[tuple[Any, Any]] = []

        def closure() -> Any:
            output = self.model(x)
            value = loss_of(self.loss, output, target, weight)
            found.append((value, output))
            whole = value if self.penalty is None else value + self.penalty(self.model)
            self.optimizer.zero_grad()
            whole.backward()
            if self.before_step is not None:
                self.before_step(list(self.model.parameters()))
            return whole

        self.optimizer.step(closure)
        if self.after_step is not None:
            self.after_step(self.model)
        return found[0]

    def _update(self) -> None:
        if self.before_step is not None:
            self.before_step(list(self.model.parameters()))
        self.optimizer.step()
        if self.after_step is not None:
            self.after_step(self.model)

    # ---- one step on several batches --------------------------------------------------------------------------------

    def part(self, x: Any, target: Any, weight: Any = None) -> tuple[Any, Any, Any]:
        """Add the gradient of the sum of a batch's losses; the sum, what it is to be divided by, and the output."""
        output = self.model(x)
        total, count = _total(self.loss, output, target, weight)
        total.backward()
        return total, count, output

    def finish(self, count: Any) -> None:
        """Divide the gradients that `part` gathered, unless by 0, add the penalty's, and update."""
        with ag.no_grad():
            for p in self.model.parameters():
                if p.grad is not None:
                    p.grad = p.grad / ag.where(count == 0, 1, count).astype(p.dtype)
        if self.penalty is not None:
            self.penalty(self.model).backward()
        self._update()

    def on(self, batches: Sequence[tuple[Any, Any, Any]], part: Any = None, finish: Any = None) -> list[tuple[Any, Any]]:
        """One step on several batches, with the numbers of one on all of them; the loss and the output of each."""
        self.optimizer.zero_grad()
        answers, counts = [], []
        for x, target, weight in batches:
            total, count, output = (part or self.part)(*([x, target] if weight is None else [x, target, weight]))
            divisor = float(count.item())
            counts.append(divisor)
            answers.append((total.detach() / (divisor or 1.0), output))
        (finish or self.finish)(ag.Tensor(np.asarray(sum(counts), np.float64)))
        return answers

    # ---- whether it can be compiled ---------------------------------------------------------------------------------

    def why_not(self, own: bool) -> str:
        """Why a step is not to be compiled, in a few words, or "". `own`: whether the caller's Python may be recorded."""
        if needs_closure(self.optimizer):
            return f"{type(self.optimizer).__name__} evaluates the loss several times a step"
        if not ag.can_compile():
            return "there is no usable LLVM"
        if own:
            return ""
        modules = [*self.model.modules(), *(self.loss.modules() if isinstance(self.loss, Module) else (self.loss,))]
        for part in (*modules, self.optimizer, self.penalty, self.before_step, self.after_step):
            if part is not None and not _ours(part):
                name = getattr(part, "__name__", type(part).__name__)
                return f"{name} is not the library's own, and its Python would run only once; Trainer(..., jit=True) allows it"
            if isinstance(part, Module) and (part.__dict__.get("_before") or part.__dict__.get("_after")):
                return f"{type(part).__name__} has hooks, whose Python would run only once; Trainer(..., jit=True) allows it"
        return ""


def _ours(part: Any) -> bool:
    """Whether code is the library's own; settings given along by functools.partial change nothing."""
    while isinstance(part, functools.partial):
        part = part.func
    if inspect.ismethod(part):
        part = part.__self__
    return str(getattr(part, "__module__", "")).partition(".")[0] in ("nn", "optim", "autograd")


def needs_closure(optimizer: Any) -> bool:
    """Whether the optimizer's step must be given a function that computes the loss anew, as that of L-BFGS."""
    return bool(getattr(optimizer, "needs_closure", False)) or _closure_of(getattr(type(optimizer), "step", None))


@functools.cache
def _closure_of(step: Hashable) -> bool:
    try:
        parameters = list(inspect.signature(step).parameters.values())[1:]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return any(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


class CompiledStep:
    """A `Step` under `autograd.jit`. Where a value is not as the loss asks (`autograd.require`), the compiled step ends before
    anything is written, and the step is taken as it is, which raises with the value in its message."""

    def __init__(self, step: Step):
        self.step = step
        self._whole: Callable[..., Any] = ag.jit(lambda *batch: step(*batch))
        self._part: Callable[..., Any] = ag.jit(lambda *batch: step.part(*batch))
        self._finish: Callable[..., Any] = ag.jit(lambda count: step.finish(count))

    def __call__(self, x: Any, target: Any, weight: Any = None) -> tuple[Any, Any]:
        """The loss and the output of one step."""
        batch = (x, target) if weight is None else (x, target, weight)
        if not all(map(_is_array, batch)):
            return self.step(*batch)  # as it is, which raises where something is wrong
        try:
            answer: tuple[Any, Any] = self._whole(*batch)
        except (ArgumentError, IndexingError):
            return self.step(*batch)
        return answer

    def on(self, batches: Sequence[tuple[Any, Any, Any]]) -> list[tuple[Any, Any]]:
        """The losses and the outputs of one step on several batches."""
        return self.step.on(batches, self._one, self._finish)

    def _one(self, *batch: Any) -> tuple[Any, Any, Any]:
        if not all(map(_is_array, batch)):
            return self.step.part(*batch)
        try:
            answer: tuple[Any, Any, Any] = self._part(*batch)
        except (ArgumentError, IndexingError):
            return self.step.part(*batch)
        return answer


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
