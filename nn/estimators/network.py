"""What the estimators train: a network built from names, rows of a matrix, a loss in which samples have weights."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, NotFoundError, ShapeError
from nn.data import Dataset
from nn.module import Module
from nn.names import nearest

__all__ = ["Rows", "WeightedLoss", "build", "default_stream", "make_loss"]

Array = np.ndarray[Any, Any]


class Rows(Dataset):
    """Rows of a matrix, dense or sparse, with targets (N, K) and weights (N,), as batches (x, [target, weight])."""

    def __init__(self, x: Any, target: Array, weight: Array):
        self.x, self.target = x, np.column_stack([target, weight])

    def __len__(self) -> int:
        return int(self.x.shape[0])

    def __getitem__(self, index: int) -> Any:
        return tuple(a[0] for a in self.batch(np.array([index])))

    def batch(self, indices: Array) -> tuple[Array, ...]:
        return dense(self.x[indices]), self.target[indices]


def dense(x: Any) -> Array:
    """A matrix as an array; a sparse one row by row, never as a whole by the callers."""
    return np.ascontiguousarray(x.toarray() if hasattr(x, "toarray") else x)


class WeightedLoss(Module):
    """mean over the batch of weight·loss.

    Weights of mean 1 over all samples keep every batch an unbiased estimate of the weighted mean Σwᵢlᵢ/Σwᵢ, so that a sample
    of weight 2 counts as much as two, whichever batch it comes in.
    """

    def __init__(self, loss: Any, classes: bool):
        self.loss, self.classes = loss, classes

    def forward(self, output: Any, target: Any) -> Any:
        weight, columns = target[:, -1], target[:, :-1]  # (N,), (N, K)
        each = self.loss(output, columns[:, 0].astype(np.int64) if self.classes else columns)
        if each.ndim == 2:
            each = each.mean(axis=1)
        if each.ndim != 1:
            raise ShapeError(
                f"the loss gave shape {each.shape} for {output.shape[0]} samples: one value for each is needed, because "
                "samples have weights. Make it with reduction='none'."
            )
        return (each * weight).mean()


def make_loss(choice: Any, known: dict[str, Callable[..., Any]], settings: dict[str, Any] | None) -> Any:
    """A loss by name, made with reduction="none"; or one's own function of (output, target)."""
    if isinstance(choice, str):
        if choice not in known:
            raise NotFoundError(f"there is no loss {choice!r}{nearest(choice, known)} There are {', '.join(known)}.")
        return known[choice](reduction="none", **(settings or {}))
    if isinstance(choice, type):
        return choice(reduction="none", **(settings or {}))
    if settings:
        raise ArgumentError(f"loss_settings={settings} are for a loss by name or class; {choice!r:.60} is made already.")
    if getattr(choice, "reduction", "none") != "none":
        raise ArgumentError(
            f"{type(choice).__name__} has reduction={choice.reduction!r}, and samples have weights: make it with "
            "reduction='none'."
        )
    return choice


def build(choice: Any, inputs: int, outputs: int, dtype: Any, generator: Any) -> Module:
    """A network of one's own: a copy of a Module, or what a function of (inputs, outputs) returns."""
    if isinstance(choice, Module):
        network: Any = copy.deepcopy(choice)
    else:
        extra = {"generator": generator} if "generator" in inspect.signature(choice).parameters else {}
        network = choice(inputs, outputs, **extra)
    if not isinstance(network, Module):
        raise DTypeError(f"module must give an nn.Module when called as module({inputs}, {outputs}), got {network!r:.60}.")
    return network.to(dtype)


def fits(network: Module, x: Array, outputs: int) -> None:
    """Raises unless the network turns (N, inputs) into (N, outputs)."""
    modes = [(module, module.training) for module in network.modules()]
    with ag.no_grad():
        shape = network.eval()(ag.from_numpy(x)).shape
    for module, mode in modes:
        object.__setattr__(module, "training", mode)
    if shape != (len(x), outputs):
        raise ShapeError(
            f"the module turns an input of shape {x.shape} into {shape}; {(len(x), outputs)} is needed: one column for each "
            "class or target. Build it from the two numbers with which module(inputs, outputs) is called."
        )


@contextmanager
def default_stream(generator: Any, wanted: bool) -> Iterator[None]:
    """Lets modules that draw from the default generator draw from this one, and leaves the default one as it was."""
    if not wanted:
        yield
        return
    kept = ag.default_generator.get_state()
    ag.default_generator.set_state(generator.get_state())
    try:
        yield
    finally:
        generator.set_state(ag.default_generator.get_state())
        ag.default_generator.set_state(kept)
