"""What the checks look at: a model, a batch, and what came of running them; everything is put back afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import autograd as ag
from nn.doctor.report import Layer
from nn.module import Module

__all__ = ["Patient", "restored", "rms"]

Array = np.ndarray[Any, Any]


@dataclass
class Patient:
    """A model with its data, and what was seen of them."""

    model: Module
    x: Array
    target: Array
    loss: Callable[[Any, Any], Any]
    optimizer: Any
    step: Callable[[Any, Any], Any] | None
    evaluate: Callable[[], Any] | None
    feature_names: list[str] | None
    output: Array | None = None
    value: float = float("nan")
    outputs: list[tuple[str, Module, Array]] = field(default_factory=list)  # of the modules without children
    gradients: dict[str, Array] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def forward_and_backward(self, n: int | None = None, look: Callable[[Any], None] | None = None) -> tuple[Any, Any]:
        """The loss and the output of the first n samples, after backward; gradients are left in the parameters. `look` sees
        the output while its graph is whole."""
        for p in self.model.parameters():
            p.grad = None
        output = self.model(ag.Tensor(self.x[:n]))
        if look is not None:
            look(output)
        loss = self.loss(output, ag.Tensor(self.target[:n]))
        loss.backward()
        return loss, output

    def uses(self, module: type, function: Callable[..., Any]) -> bool:
        """Whether this is the loss, as a module or as a function."""
        return isinstance(self.loss, module) or self.loss is function

    @property
    def last(self) -> Module | None:
        """What computed the output, if that is known."""
        if self.outputs and self.output is not None and self.outputs[-1][2].shape == self.output.shape:
            return self.outputs[-1][1]
        return None

    def chance(self) -> float:
        """The loss of an answer that does not look at the input: ln C, or the variance of the target."""
        if self.target.dtype.kind in "iub":
            return float(np.log(max(len(np.unique(self.target)), 2)))
        return float(np.var(self.target)) or 1.0


def rms(a: Any) -> float:
    """Root mean square; infinite where a value is not finite."""
    a = np.asarray(a, np.float64)
    return float(np.sqrt(np.mean(a * a))) if a.size and np.isfinite(a).all() else (float("inf") if a.size else 0.0)


@contextmanager
def restored(model: Module, optimizer: Any) -> Iterator[None]:
    """Whatever happens inside: parameters, gradients, buffers, modes, the optimizer's state and the random streams, the default
    one and those that modules hold, are put back. Inside, there are no gradients at first."""
    tensors = [(t, t.data.copy(), t.grad) for t in (*model.parameters(), *model.buffers())]
    modes = [(m, m.training) for m in model.modules()]
    state = optimizer.state_dict() if hasattr(optimizer, "state_dict") else None
    held = [v for module in model.modules() for v in vars(module).values() if isinstance(v, ag.Generator)]
    streams = [(g, g.get_state()) for g in (ag.default_generator, *held)]
    for tensor, _, _ in tensors:
        tensor.grad = None  # else backward would add to them
    try:
        yield
    finally:
        with ag.no_grad():
            for tensor, data, grad in tensors:
                tensor.copy_(data)
                tensor.grad = grad
        for module, mode in modes:
            object.__setattr__(module, "training", mode)
        if state is not None:
            optimizer.load_state_dict(state)
        for generator, position in streams:
            generator.set_state(position)
