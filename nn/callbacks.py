"""What may be done after each epoch of a training: stop early, keep the best weights, write a table, look at gradients.

A callback is called as ``callback(trainer, row)`` with the row of the history, and ends the training if it returns True. Those
here are also told of the beginning and the end; any function of the two arguments will do as well.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping
from io import StringIO
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, user_line
from nn.files import save, write_atomically
from nn.module import Module
from nn.names import nearest

__all__ = ["CSVLogger", "Callback", "EarlyStopping", "GradientFlow", "ModelCheckpoint", "TerminateOnNaN", "gradient_flow"]

Array = np.ndarray[Any, Any]

HIGHER = ("accuracy", "precision", "recall", "f1", "auc", "roc_auc", "r2", "score")
LOWER = ("loss", "error", "mse", "mae", "rmse")
"""Beginnings and ends of the names of what is better the higher, and the lower it is."""


def better(name: str) -> str:
    """Whether "max" or "min" is better of a column of the history; "" where its name does not tell.

    >>> better("val_accuracy"), better("loss"), better("my_figure")
    ('max', 'min', '')
    """
    name = name.removeprefix("val_")
    return "max" if name.startswith(HIGHER) else "min" if name.endswith(LOWER) else ""


class Callback:
    """The base: does nothing. Called after each epoch; returns True to end the training."""

    def begin(self, trainer: Any) -> None:
        """Before the first epoch of a `fit`."""

    def __call__(self, trainer: Any, row: Mapping[str, float]) -> bool | None:
        """After an epoch, with its row of the history."""
        return None

    def end(self, trainer: Any) -> None:
        """After the last epoch of a `fit`; not after an exception."""


class _Monitor(Callback):
    """Watches a column of the history, and tells when it is better than ever."""

    def __init__(self, monitor: str, mode: str):
        if mode not in ("min", "max", "auto"):
            raise ArgumentError(f'{type(self).__name__}: mode must be "min", "max" or "auto", got {mode!r}. ({user_line()})')
        self.monitor, self.mode = monitor, mode
        if mode == "auto":
            mode = better(monitor)
        if not mode:
            raise ArgumentError(
                f'{type(self).__name__}: whether more or less of {monitor!r} is better is not known: pass mode="max" or '
                f'mode="min". ({user_line()})'
            )
        self.sign = -1.0 if mode == "max" else 1.0

    def value(self, row: Mapping[str, float]) -> float:
        """The watched figure, turned so that less is better."""
        if self.monitor not in row:
            columns = [c for c in row if c not in ("epoch", "lr", "seconds")]
            why = " Pass validation data to fit()." if self.monitor.startswith("val_") and "val_loss" not in row else ""
            raise ArgumentError(
                f"{type(self).__name__} watches {self.monitor!r}, which the epochs do not have"
                f"{nearest(self.monitor, columns)} They have {', '.join(columns)}.{why}"
            )
        return self.sign * float(row[self.monitor])


class EarlyStopping(_Monitor):
    """Ends the training when a figure has not become better for some epochs, and goes back to the weights of the best one.

    The figure should be one of data that is not learned from. Use it against overfitting, and to choose the number of
    epochs; report the result on a third part of the data, since the stopping point was chosen by the second.

    NaN is not better than anything, so that it uses up patience; a figure that is NaN from the first epoch on stops there too.

    Args:
        monitor: a column of the history.
        patience: how many epochs in a row may pass without a better figure; 0 stops at the first.
        min_delta: by how much a figure must be better to count.
        mode: whether "min" or "max" is better; "auto" knows it of losses, errors, accuracy, precision, recall, f1, auc, r2.
        restore_best: whether to put the model, buffers too, back to the best epoch at the end.
        baseline: a figure that has to be reached at least; epochs that do not are none that count as better.

    After training, `best` and `best_epoch` tell which it was, and `stopped_epoch` where it was stopped, if it was.
    Source: course notes, *Early Stopping*; Prechelt 1998, "Early stopping — but when?".

    >>> stop = EarlyStopping(patience=2)
    >>> [bool(stop(None, {"epoch": k + 1, "val_loss": v})) for k, v in enumerate([3.0, 2.0, 2.5, 2.2])]
    [False, False, False, True]
    >>> stop.best, stop.best_epoch
    (2.0, 2)
    """

    def __init__(self, monitor: str = "val_loss", patience: int = 5, min_delta: float = 0.0, mode: str = "auto",
                 restore_best: bool = True, baseline: float | None = None):  # fmt: skip
        super().__init__(monitor, mode)
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 0:
            raise ArgumentError(f"EarlyStopping: patience must be a whole number of epochs, at least 0, got {patience!r}.")
        if not (isinstance(min_delta, int | float) and math.isfinite(min_delta) and min_delta >= 0):
            raise ArgumentError(f"EarlyStopping: min_delta must be a number ≥ 0, got {min_delta!r}.")
        if baseline is not None and not math.isfinite(baseline):
            raise ArgumentError(f"EarlyStopping: baseline must be a finite number or None, got {baseline!r}.")
        self.patience, self.min_delta, self.restore_best, self.baseline = patience, float(min_delta), restore_best, baseline
        self._restart()

    def _restart(self) -> None:
        self.best, self.best_epoch, self.stopped_epoch, self.waited = math.nan, 0, 0, 0
        self._weights: dict[str, Array] | None = None

    def begin(self, trainer: Any) -> None:
        self._restart()

    def __call__(self, trainer: Any, row: Mapping[str, float]) -> bool:
        value, epoch = self.value(row), int(row["epoch"])
        if self.best_epoch:
            better = value < self.sign * self.best - self.min_delta
        else:
            better = value < math.inf if self.baseline is None else value <= self.sign * self.baseline
        if better:
            self.best, self.best_epoch, self.waited = self.sign * value, epoch, 0
            if self.restore_best and trainer is not None:
                self._weights = {k: np.array(v) for k, v in trainer.model.state_dict().items()}
            return False
        self.waited += 1
        if self.waited < max(self.patience, 1):
            return False
        self.stopped_epoch = epoch
        return True

    def end(self, trainer: Any) -> None:
        if self._weights is not None:
            trainer.model.load_state_dict(self._weights)
            self._weights = None


class TerminateOnNaN(Callback):
    """Ends the training when the loss is NaN or infinite, with an error that says what is usually the matter.

    >>> TerminateOnNaN()(None, {"epoch": 3, "loss": float("nan")})
    Traceback (most recent call last):
    autograd.errors.ArgumentError: the loss of epoch 3 is nan. ...
    """

    def __call__(self, trainer: Any, row: Mapping[str, float]) -> None:
        if not math.isfinite(row["loss"]):
            raise ArgumentError(
                f"the loss of epoch {int(row['epoch'])} is {row['loss']}. Most often the learning rate is too high, or the "
                "inputs are not scaled or hold NaN; clip gradients with before_step, and find the operation with "
                "autograd.anomaly_mode()."
            )


class ModelCheckpoint(_Monitor):
    """Writes the model to a file after an epoch, each time complete or not at all: the best so far, the last, or every one.

    Args:
        path: a safetensors file; braces are filled in from the row: ``"model-{epoch}.safetensors"``.
        monitor: the column by which "best" is decided.
        keep: "best" writes when the figure is better than ever (NaN never is); "last" after every epoch.
        mode: as of `EarlyStopping`.

    The file's metadata has the epoch and the figure. Read it with `nn.load`, and ``model.load_state_dict``.
    """

    def __init__(self, path: str | os.PathLike[str], monitor: str = "val_loss", keep: str = "best", mode: str = "auto"):
        super().__init__(monitor, mode)
        if keep not in ("best", "last"):
            raise ArgumentError(f'ModelCheckpoint: keep must be "best" or "last", got {keep!r}. ({user_line()})')
        self.path, self.keep = os.fspath(path), keep
        self.best, self.best_epoch, self.written = math.nan, 0, ""

    def __call__(self, trainer: Any, row: Mapping[str, float]) -> None:
        notes = {"epoch": str(int(row["epoch"]))}
        if self.keep == "best":
            value = self.value(row)
            if not (value < self.sign * self.best if self.best_epoch else not math.isnan(value)):
                return
            self.best, self.best_epoch = self.sign * value, int(row["epoch"])
            notes[self.monitor] = repr(self.best)
        try:
            path = self.path.format(**row)
        except (KeyError, IndexError, ValueError) as error:
            raise ArgumentError(f"ModelCheckpoint: {self.path!r} cannot be filled in from {', '.join(row)}: {error}.") from None
        save(trainer.model, path, notes)
        self.written = path


class CSVLogger(Callback):
    """Writes the history to a CSV file after each epoch, so that it is there if the program is killed."""

    def __init__(self, path: str | os.PathLike[str]):
        self.path = path

    def __call__(self, trainer: Any, row: Mapping[str, float]) -> None:
        rows = trainer.history.rows
        out = StringIO()
        writer = csv.DictWriter(out, trainer.history.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(self.path, out.getvalue())


# ---- gradients, layer by layer ---------------------------------------------------------------------------------------


class Flow(list[dict[str, Any]]):
    """The rows of `gradient_flow`; prints as a table."""

    def __str__(self) -> str:
        width = max((len(r["name"]) for r in self), default=4)
        lines = [f"{'name':{width}}  {'weight':>9}  {'gradient':>9}  {'ratio':>9}  {'zeros':>6}"]
        for r in self:
            figures = "  ".join(f"{r[k]:9.2e}" for k in ("weight", "gradient", "ratio"))
            lines.append(f"{r['name']:{width}}  {figures}  {r['zeros']:6.1%}")
        return "\n".join([*lines, self.diagnosis])

    @property
    def diagnosis(self) -> str:
        """One line: "vanishing", "exploding", "dead", "not finite", or "even", and where.

        Said of weights, not biases: vanishing, where the size of the gradient (its root mean square) in the first layer is less
        than a thousandth of that in the last; exploding, where it is more than a thousand times that, or a gradient more than a
        thousand times its weight (where activations explode along with gradients, all layers are alike in size). Dead is a
        parameter of whose gradient nothing is left.
        """
        if not self:
            return "no parameter has a gradient: call backward() first"
        broken = [r["name"] for r in self if not math.isfinite(r["gradient"])]
        if broken:
            return f"not finite: {', '.join(broken[:5])}"
        dead = [r["name"] for r in self if r["gradient"] == 0]
        if dead:
            return f"dead, no gradient arrives: {', '.join(dead[:5])}"
        sizes = [(r["size"], r["name"]) for r in self if r["matrix"]]
        if len(sizes) > 1:
            (first, a), (last, b) = sizes[0], sizes[-1]
            if first < last / 1000:
                return f"vanishing: {a} has {first / last:.0e} of the gradient of {b}"
            if first > last * 1000:
                return f"exploding: {a} has {first / last:.0e} times the gradient of {b}"
        large = [r["name"] for r in self if r["matrix"] and r["weight"] > 0 and r["gradient"] > 1000 * r["weight"]]
        if large:
            return f"exploding: gradients more than a thousand times their weights: {', '.join(large[:5])}"
        return "even"


def gradient_flow(model: Module, lr: float | None = None) -> Flow:
    """How large weights and gradients are, parameter by parameter from input to output: what tells vanishing from exploding.

    Call it after ``backward()``. A row has "name"; "weight" and "gradient", the norms; "ratio", gradient by weight, times
    `lr` if given, which then is the relative update of plain gradient descent (about 10⁻³ is healthy); "size", the
    gradient's root mean square; "zeros", the share of zeros in the gradient (dead units); "matrix", whether it is no bias.
    The diagnosis is a rule of thumb.
    Source: course notes, *vanishing and exploding gradients*; Glorot, Bengio 2010.

    >>> from nn import Linear, Sequential
    >>> model = Sequential(Linear(2, 2), Linear(2, 1))
    >>> model(ag.Tensor([[1.0, 2.0]])).sum().backward()
    >>> [row["name"] for row in gradient_flow(model)], gradient_flow(model).diagnosis
    (['0.weight', '0.bias', '1.weight', '1.bias'], 'even')
    """
    rows = Flow()
    for name, p in model.named_parameters():
        if p.grad is None:
            continue
        g = p.grad.data if isinstance(p.grad, ag.Tensor) else np.asarray(p.grad)
        weight, gradient = (float(np.linalg.norm(a.astype(np.float64))) for a in (p.data, g))
        rows.append({
            "name": name, "weight": weight, "gradient": gradient,
            "ratio": (lr if lr is not None else 1.0) * gradient / weight if weight else math.inf if gradient else 0.0,
            "size": gradient / math.sqrt(g.size) if g.size else 0.0,
            "zeros": float((g == 0).mean()) if g.size else 0.0, "matrix": p.ndim > 1,
        })  # fmt: skip
    return rows


class GradientFlow(Callback):
    """Keeps `gradient_flow` of the last step of each epoch in `epochs`, and can end a training that goes wrong.

    Args:
        stop_on: words of the diagnosis that end the training, such as ("exploding", "not finite").
    """

    def __init__(self, stop_on: Any = ()):
        known = ("vanishing", "exploding", "dead", "not finite")
        wrong = [word for word in stop_on if word not in known]
        if isinstance(stop_on, str) or wrong:
            raise ArgumentError(f"GradientFlow: stop_on is a tuple of {', '.join(known)}; got {stop_on!r}. ({user_line()})")
        self.stop_on = tuple(stop_on)
        self.epochs: list[Flow] = []

    def __call__(self, trainer: Any, row: Mapping[str, float]) -> bool:
        self.epochs.append(gradient_flow(trainer.model, row.get("lr")))
        return self.epochs[-1].diagnosis.split(":")[0].split(",")[0] in self.stop_on
