"""The training loop. It is given a model, a loss, an optimizer and data, and imports none of them."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from types import FrameType
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, GraphError, UnsupportedError
from nn.compiled import CompiledStep, modes_kept, take_step, why_not
from nn.history import History
from nn.module import Module
from nn.progress import bar

__all__ = ["Trainer", "evaluate", "fit", "predict"]

Array = np.ndarray[Any, Any]
Metric = Callable[[Array, Array], float]
Callback = Callable[["Trainer", dict[str, float]], Any]


class Trainer:
    """Trains a model, and keeps the history; `fit` may be called again to go on.

    Args:
        model: a Module of one input.
        loss: a function of (output, target), such as `nn.CrossEntropyLoss()`, whose result is a scalar.
        optimizer: anything with ``zero_grad()`` and ``step()``, made for the model's parameters.
        metrics: functions of (outputs, targets) as arrays, by name, computed over each whole epoch.
        jit: whether steps run compiled by `autograd.jit`. None: where model, loss and optimizer are the library's own, without
            hooks; True: also where they are the caller's, whose Python then runs when a step is recorded, not at each step;
            False: never. `how` says what happens. Where a step has no compiled form, steps run as they are, after one
            RuntimeWarning that says why.

    >>> import optim
    >>> from nn import DataLoader, Linear, MSELoss
    >>> model = Linear(1, 1)
    >>> x = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    >>> trainer = Trainer(model, MSELoss(), optim.SGD(model.parameters(), lr=0.5))
    >>> history = trainer.fit(DataLoader((x, 3 * x), batch_size=5), epochs=20, progress=False)
    >>> round(model.weight.item(), 2)
    3.0
    """

    def __init__(self, model: Module, loss: Callable[[Any, Any], Any], optimizer: Any,
                 metrics: Mapping[str, Metric] | None = None, *, jit: bool | None = None):  # fmt: skip
        if not isinstance(model, Module):
            raise DTypeError(f"Trainer takes a Module as its model, got {type(model).__name__}.")
        if not callable(loss):
            raise DTypeError(f"loss must be a function of (output, target), got {type(loss).__name__}: {loss!r:.60}.")
        if not (hasattr(optimizer, "step") and hasattr(optimizer, "zero_grad")):
            raise DTypeError(f"the optimizer must have zero_grad() and step(), got {type(optimizer).__name__}.")
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.metrics = dict(metrics or {})
        self.history = History()
        self.steps = 0
        self.jit = jit
        self._compiled: CompiledStep | None = None
        self._refused: str | None = None

    @property
    def how(self) -> str:
        """How steps run: "compiled", or "uncompiled: " and why.

        >>> from nn import Linear, MSELoss
        >>> import optim
        >>> model = Linear(1, 1)
        >>> Trainer(model, MSELoss(), optim.SGD(model.parameters()), jit=False).how
        'uncompiled: jit=False'
        """
        reason = self._refused if self.jit is not False else "jit=False"
        reason = reason or why_not(self.model, self.loss, self.optimizer, self.jit is True)
        return f"uncompiled: {reason}" if reason else "compiled"

    def step(self, x: Any, target: Any) -> tuple[Any, Any]:
        """One step on one batch: forward, backward, update. Returns the loss and the output, without a graph if compiled."""
        if self.how != "compiled":
            return take_step(self.model, self.loss, self.optimizer, x, target)
        compiled = self._compiled
        if compiled is None or not compiled.belongs(self.model, self.loss, self.optimizer):
            compiled = self._compiled = CompiledStep(self.model, self.loss, self.optimizer)
        try:
            return compiled(x, target)
        except (UnsupportedError, GraphError) as error:
            answer = take_step(self.model, self.loss, self.optimizer, x, target)  # raises if the fault is not the compiler's
            self._refused = str(error)
            warnings.warn(f"training steps run uncompiled: {error}", RuntimeWarning, stacklevel=2)
            return answer

    def fit(self, train: Iterable[Any], validation: Iterable[Any] | None = None, epochs: int = 10,
            callbacks: Sequence[Callback] = (), progress: bool = True) -> History:  # fmt: skip
        """Train for some epochs and return the history.

        Ctrl-C ends the training after the step that is under way: the model is as after that step, the history holds the
        complete epochs, and ``history.interrupted`` is True. A second Ctrl-C interrupts at once. Whatever happens, every
        module is put back into the mode, training or evaluation, in which it was.

        Args:
            train: batches (input, target), such as a `DataLoader`.
            validation: likewise; measured after each epoch, in evaluation mode, and never learned from.
            epochs: how many more passes over the training data.
            callbacks: called as ``callback(trainer, row)`` after each epoch; training ends if one returns True.
            progress: whether to show a bar.
        """
        if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 0:
            raise ArgumentError(f"epochs must be a whole number, at least 0, got {epochs!r}.")
        for name, data in (("train", train), ("validation", validation)):
            if isinstance(data, Iterator):
                raise DTypeError(
                    f"{name} is an iterator, which is used up after one epoch. Pass a DataLoader or a list of batches."
                )
        self.history.interrupted = False
        done = int(self.history.rows[-1]["epoch"]) if self.history.rows else 0
        with modes_kept(self.model), _interrupt_deferred() as interrupted, bar(epochs, progress) as show:
            for epoch in range(done + 1, done + epochs + 1):
                start = perf_counter()
                self.model.train()
                row = self._epoch(train, interrupted)
                if row is None:
                    break
                row = {"epoch": epoch, **row}
                if validation is not None:
                    row |= {"val_" + k: v for k, v in evaluate(self.model, self.loss, validation, self.metrics).items()}
                rate = _rate(self.optimizer)
                if rate is not None:
                    row["lr"] = rate
                row["seconds"] = round(perf_counter() - start, 4)
                self.history.append(row)
                show(row)
                answers = [callback(self, row) for callback in callbacks]
                if any(answers) or interrupted():
                    break
            self.history.interrupted = interrupted()
        return self.history

    def _epoch(self, train: Iterable[Any], interrupted: Callable[[], bool]) -> dict[str, float] | None:
        """The mean loss and the metrics of one pass; None if it was interrupted."""
        meter = _Meter(self.metrics)
        for batch in train:
            x, target = _pair(batch)
            loss, output = self.step(x, target)
            self.steps += 1
            meter.add(loss, output, target)
            if interrupted():
                return None
        return meter.result("the training data")


def fit(model: Module, loss: Callable[[Any, Any], Any], optimizer: Any, train: Iterable[Any],
        validation: Iterable[Any] | None = None, epochs: int = 10, metrics: Mapping[str, Metric] | None = None,
        callbacks: Sequence[Callback] = (), progress: bool = True, jit: bool | None = None) -> History:  # fmt: skip
    """Train a model in one call: ``Trainer(model, loss, optimizer, metrics, jit=jit).fit(train, …)``."""
    return Trainer(model, loss, optimizer, metrics, jit=jit).fit(train, validation, epochs, callbacks, progress)


def evaluate(model: Module, loss: Callable[[Any, Any], Any], data: Iterable[Any],
             metrics: Mapping[str, Metric] | None = None) -> dict[str, float]:  # fmt: skip
    """The mean loss and the metrics over all batches, in evaluation mode, without recording. Changes nothing."""
    meter = _Meter(dict(metrics or {}))
    with modes_kept(model), ag.no_grad():
        model.eval()
        for batch in data:
            x, target = _pair(batch)
            output = model(x)
            meter.add(loss(output, target), output, target)
    return meter.result("the data")


def predict(model: Module, x: Any, batch_size: int = 1024) -> Array:
    """The model's outputs for an array of inputs, in evaluation mode, in batches.

    >>> import nn
    >>> predict(nn.Linear(3, 2), np.zeros((5, 3), np.float32)).shape
    (5, 2)
    """
    x = x if isinstance(x, ag.Tensor) else ag.Tensor(x)
    with modes_kept(model), ag.no_grad():
        model.eval()
        parts = [model(x[k : k + batch_size]).data for k in range(0, max(len(x), 1), batch_size)]
    return np.concatenate(parts)


class _Meter:
    """Gathers losses and outputs over batches. A mean of the losses is weighted by the size of the batches."""

    def __init__(self, metrics: Mapping[str, Metric]):
        self.metrics = metrics
        self.total, self.count = 0.0, 0
        self.outputs: list[Array] = []
        self.targets: list[Array] = []

    def add(self, loss: Any, output: Any, target: Any) -> None:
        size = len(target) if np.ndim(getattr(target, "data", target)) else 1
        self.total += float(loss.item()) * size
        self.count += size
        if self.metrics:
            self.outputs.append(output.data)
            self.targets.append(target.data if isinstance(target, ag.Tensor) else np.asarray(target))

    def result(self, what: str) -> dict[str, float]:
        if not self.count:
            raise ArgumentError(f"{what} had no batches: it is empty, or smaller than a batch while drop_last is set.")
        row = {"loss": self.total / self.count}
        if self.metrics:
            outputs, targets = np.concatenate(self.outputs), np.concatenate(self.targets)
            row |= {name: float(metric(outputs, targets)) for name, metric in self.metrics.items()}
        return row


def _pair(batch: Any) -> tuple[Any, Any]:
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        n = len(batch) if isinstance(batch, tuple | list) else type(batch).__name__
        raise ArgumentError(f"a batch must be (input, target); this one has {n} parts. Give the loader two arrays.")
    return batch[0], batch[1]


def _rate(optimizer: Any) -> float | None:
    groups = getattr(optimizer, "param_groups", None)
    return float(groups[0]["lr"]) if groups and "lr" in groups[0] else None


@contextmanager
def _interrupt_deferred() -> Iterator[Callable[[], bool]]:
    """Yields a function that says whether Ctrl-C was pressed; a second Ctrl-C raises KeyboardInterrupt at once.

    Signals reach the main thread only; in others, and where the program has a handler of its own, nothing is changed.
    """
    pressed = threading.Event()
    ours = (
        threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )

    def press(number: int, frame: FrameType | None) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    if ours:
        signal.signal(signal.SIGINT, press)
    try:
        yield pressed.is_set
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
