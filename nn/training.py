"""The training loop. It is given a model, a loss, an optimizer and data, and imports none of them."""

from __future__ import annotations

import inspect
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import methodcaller
from time import perf_counter
from types import FrameType
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, GraphError, UnsupportedError
from nn.compiled import CompiledStep, Step, loss_of, modes_kept, needs_closure
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
        penalty: a function of the model that is added to the loss, such as
            ``functools.partial(nn.functional.l2_penalty, strength=1e-4)``; the history's loss is without it, as that of the
            validation data.
        accumulate: how many batches make a step. With a loss whose reduction is "mean" the numbers are those of one batch of
            all their samples, in the memory of one of them (batch normalisation still sees each by itself). The last step of
            an epoch may have fewer.
        before_step: called with the list of parameters between backward and update, as
            ``functools.partial(optim.clip_grad_norm_, max_norm=1.0)``.
        after_step: called with the model after each update, as to keep an average of the weights.
        scheduler: anything with ``step()``; if that takes an argument, it is given the validation loss (without validation,
            the loss), as a schedule that waits for a plateau wants.
        schedule: whether the scheduler steps after each "epoch" or each "step".
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
                 metrics: Mapping[str, Metric] | None = None, *, jit: bool | None = None,
                 penalty: Callable[[Module], Any] | None = None, accumulate: int = 1,
                 before_step: Callable[[list[Any]], Any] | None = None, after_step: Callable[[Module], Any] | None = None,
                 scheduler: Any = None, schedule: str = "epoch"):  # fmt: skip
        if not isinstance(model, Module):
            raise DTypeError(f"Trainer takes a Module as its model, got {type(model).__name__}.")
        if not callable(loss):
            raise DTypeError(f"loss must be a function of (output, target), got {type(loss).__name__}: {loss!r:.60}.")
        if not (hasattr(optimizer, "step") and hasattr(optimizer, "zero_grad")):
            raise DTypeError(f"the optimizer must have zero_grad() and step(), got {type(optimizer).__name__}.")
        _check_owner(model, optimizer)
        for name, hook in (("penalty", penalty), ("before_step", before_step), ("after_step", after_step)):
            if hook is not None and not callable(hook):
                raise DTypeError(f"{name} must be a function, got {type(hook).__name__}: {hook!r:.60}.")
        if isinstance(accumulate, bool) or not isinstance(accumulate, int) or accumulate < 1:
            raise ArgumentError(f"accumulate must be a whole number of batches, at least 1, got {accumulate!r}.")
        if accumulate > 1 and needs_closure(optimizer):
            raise ArgumentError(f"accumulate={accumulate} does not go with {type(optimizer).__name__}; use larger batches.")
        if schedule not in ("epoch", "step"):
            raise ArgumentError(f'schedule must be "epoch" or "step", got {schedule!r}.')
        if scheduler is not None and not hasattr(scheduler, "step"):
            raise DTypeError(f"the scheduler must have step(), got {type(scheduler).__name__}.")
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.metrics = dict(metrics or {})
        self.penalty, self.before_step, self.after_step = penalty, before_step, after_step
        self.accumulate, self.scheduler, self.schedule = accumulate, scheduler, schedule
        self.history = History()
        self.steps = 0
        self.jit = jit
        self._step: Step | None = None
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
        reason = reason or self._parts.why_not(self.jit is True)
        return f"uncompiled: {reason}" if reason else "compiled"

    @property
    def _parts(self) -> Step:
        """What a step is made of now; the same object as long as none of it is replaced."""
        parts = (self.model, self.loss, self.optimizer, self.penalty, self.before_step, self.after_step)
        step = self._step
        if step is None or any(a is not b for a, b in zip(vars(step).values(), parts, strict=True)):
            step = self._step = Step(*parts)
            self._compiled = None
        return step

    def step(self, x: Any, target: Any, weight: Any = None) -> tuple[Any, Any]:
        """One step on one batch: forward, backward, update. Returns the loss and the output, without a graph if compiled."""
        return self._take(lambda step: step(x, target, weight))  # type: ignore[no-any-return]

    def _take(self, take: Callable[[Any], Any]) -> Any:
        """A step, compiled if it can be."""
        parts = self._parts
        if self.how != "compiled":
            return take(parts)
        if self._compiled is None:
            self._compiled = CompiledStep(parts)
        try:
            return take(self._compiled)
        except (UnsupportedError, GraphError) as error:
            answer = take(parts)  # raises if the fault is not the compiler's
            self._refused = str(error)
            warnings.warn(f"training steps run uncompiled: {error}", RuntimeWarning, stacklevel=3)
            return answer

    def fit(self, train: Iterable[Any], validation: Iterable[Any] | None = None, epochs: int = 10,
            callbacks: Sequence[Callback] = (), progress: bool = True) -> History:  # fmt: skip
        """Train for some epochs and return the history.

        Ctrl-C ends the training after the step that is under way: the model is as after that step, the history holds the
        complete epochs, and ``history.interrupted`` is True. A second Ctrl-C interrupts at once. Whatever happens, every
        module is put back into the mode, training or evaluation, in which it was.

        Args:
            train: batches (input, target), such as a `DataLoader`; or (input, target, weight) with a weight for each sample,
                of which the loss is the weighted mean.
            validation: likewise; measured after each epoch, in evaluation mode, and never learned from.
            epochs: how many more passes over the training data.
            callbacks: called as ``callback(trainer, row)`` after each epoch; training ends if one returns True. One that has
                ``begin(trainer)`` and ``end(trainer)``, as those of `nn.callbacks`, is told of both.
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
            _tell(callbacks, "begin", self)
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
                if self.schedule == "epoch":
                    self._schedule(row)
                answers = [callback(self, row) for callback in callbacks]
                if any(answers) or interrupted():
                    break
            self.history.interrupted = interrupted()
            _tell(callbacks, "end", self)
        return self.history

    def _schedule(self, row: Mapping[str, float] | None) -> None:
        """Let the scheduler step, with what it watches if it asks for that."""
        if self.scheduler is None:
            return
        asked = [p for p in inspect.signature(self.scheduler.step).parameters.values() if p.default is p.empty]
        if not asked:
            self.scheduler.step()
        elif row is None:
            raise ArgumentError(f'{type(self.scheduler).__name__} wants a figure of a whole epoch: leave out schedule="step".')
        else:
            self.scheduler.step(row.get("val_loss", row["loss"]))

    def _epoch(self, train: Iterable[Any], interrupted: Callable[[], bool]) -> dict[str, float] | None:
        """The mean loss and the metrics of one pass; None if it was interrupted."""
        meter = _Meter(self.metrics)
        for group in _groups(train, self.accumulate):
            if self.accumulate == 1:
                answers = [self.step(*group[0])]
            else:
                answers = self._take(methodcaller("on", group))
            self.steps += 1
            for (loss, output), (_, target, weight) in zip(answers, group, strict=True):
                meter.add(loss, output, target, weight)
            if self.schedule == "step":
                self._schedule(None)
            if interrupted():
                return None
        return meter.result("the training data")


def fit(model: Module, loss: Callable[[Any, Any], Any], optimizer: Any, train: Iterable[Any],
        validation: Iterable[Any] | None = None, epochs: int = 10, metrics: Mapping[str, Metric] | None = None,
        callbacks: Sequence[Callback] = (), progress: bool = True, jit: bool | None = None,
        **settings: Any) -> History:  # fmt: skip
    """Train a model in one call: ``Trainer(model, loss, optimizer, metrics, jit=jit, **settings).fit(train, …)``."""
    return Trainer(model, loss, optimizer, metrics, jit=jit, **settings).fit(train, validation, epochs, callbacks, progress)


def evaluate(model: Module, loss: Callable[[Any, Any], Any], data: Iterable[Any],
             metrics: Mapping[str, Metric] | None = None) -> dict[str, float]:  # fmt: skip
    """The mean loss and the metrics over all batches, in evaluation mode, without recording. Changes nothing."""
    meter = _Meter(dict(metrics or {}))
    with modes_kept(model), ag.no_grad():
        model.eval()
        for batch in data:
            x, target, weight = _parts_of(batch)
            output = model(x)
            meter.add(loss_of(loss, output, target, weight), output, target, weight)
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
        self.total, self.count, self.empty = 0.0, 0.0, True
        self.outputs: list[Array] = []
        self.targets: list[Array] = []

    def add(self, loss: Any, output: Any, target: Any, weight: Any = None) -> None:
        size: float = len(target) if np.ndim(getattr(target, "data", target)) else 1
        if weight is not None:
            size = float(np.sum(weight.data if isinstance(weight, ag.Tensor) else weight))
        self.total += float(loss.item()) * size if size else 0.0
        self.empty = False
        self.count += size
        if self.metrics:
            self.outputs.append(output.data)
            self.targets.append(target.data if isinstance(target, ag.Tensor) else np.asarray(target))

    def result(self, what: str) -> dict[str, float]:
        if self.empty:
            raise ArgumentError(f"{what} had no batches: it is empty, or smaller than a batch while drop_last is set.")
        row = {"loss": self.total / self.count if self.count else float("nan")}
        if self.metrics:
            outputs, targets = np.concatenate(self.outputs), np.concatenate(self.targets)
            row |= {name: float(metric(outputs, targets)) for name, metric in self.metrics.items()}
        return row


def _parts_of(batch: Any) -> tuple[Any, Any, Any]:
    """Input, target, and the weights of the samples or None."""
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        n = f"has {len(batch)} parts" if isinstance(batch, tuple | list) else f"is one {type(batch).__name__}"
        raise ArgumentError(
            f"a batch must be (input, target), or (input, target, weight); this one {n}. Give the loader two arrays, or three."
        )
    return batch[0], batch[1], batch[2] if len(batch) == 3 else None


def _groups(data: Iterable[Any], size: int) -> Iterator[list[tuple[Any, Any, Any]]]:
    """Batches in groups; the last may be smaller. A batch is read when it is needed."""
    group: list[tuple[Any, Any, Any]] = []
    for batch in data:
        group.append(_parts_of(batch))
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _tell(callbacks: Sequence[Callback], what: str, trainer: Trainer) -> None:
    for callback in callbacks:
        getattr(callback, what, lambda _: None)(trainer)


def _check_owner(model: Module, optimizer: Any) -> None:
    """An optimizer for the parameters of another model would run, and nothing would be learned."""
    groups = getattr(optimizer, "param_groups", None)
    mine = {id(p) for p in model.parameters()}
    if groups and mine and not any(id(p) in mine for group in groups for p in group.get("params", ())):
        raise ArgumentError(
            f"the optimizer was made for other parameters: none of this {type(model).__name__}'s is among them. Make it "
            f"after the model: {type(optimizer).__name__}(model.parameters(), …)."
        )


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
