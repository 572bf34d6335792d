"""What happens inside a network while it learns: activations, gradients and weights layer by layer, and the size of updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from autograd.errors import ArgumentError, DTypeError
from nn.callbacks import Callback
from nn.compiled import loss_of, needs_closure
from nn.doctor.patient import restored
from nn.module import Module
from nn.names import nearest
from nn.pictures.look import GRID, HUES, INK, MUTED, canvas, headed, short, whole
from nn.pictures.outputs import outputs_kept

__all__ = ["Recorder"]

Array = np.ndarray[Any, Any]
KINDS = ("activations", "gradients", "weights", "updates")
SAMPLE = 401
"""Quantiles that are kept of each tensor: enough for its histogram, whatever its size."""
PANELS, RIDGES, BINS = 12, 9, 44


class Recorder(Callback):
    """Looks at a network on the same few samples after each epoch: outputs of its layers, gradients, weights, and by how much
    one step of the optimizer would change the weights.

    Give it to `fit` as a callback, or call `record` yourself, as after initialising. It makes a forward pass, a backward pass
    and one step in training mode on samples of its own, and puts everything back: parameters, gradients, buffers, the
    optimizer's state and random streams. So training goes on as without it, compiled steps too. Hooks of one's own in the
    model are called. The histograms show the root of the counts, so that one spike does not flatten the rest.

    Args:
        x, y: samples to look at, a batch of some dozens; inputs and targets as the loss wants them.
        every: how many epochs lie between two looks.

    After it, `epochs` has the epochs looked at (0 is before the first), and `figures` what was found: figures[kind][layer] is a
    list of dicts, one for each look, with "mean", "std", "rms", "zeros" (the share of zeros), "ratio" (of "updates" alone: the
    length of the step by the length of the weights), and "quantiles".

    >>> import nn, optim
    >>> x, y = np.eye(4, dtype=np.float32), np.arange(4)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))
    >>> recorder = Recorder(x, y)
    >>> _ = nn.fit(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1), nn.DataLoader((x, y), 4), epochs=2,
    ...            callbacks=[recorder], progress=False)
    >>> recorder.epochs, list(recorder.figures["activations"]), list(recorder.figures["updates"])
    ([0, 1, 2], ['0: Linear', '1: ReLU', '2: Linear'], ['0.weight', '2.weight'])
    """

    def __init__(self, x: Any, y: Any, every: int = 1):
        if len(x) != len(y) or not len(x):
            raise ArgumentError(f"Recorder needs as many targets as samples, at least one; got {len(x)} and {len(y)}.")
        self.x, self.y, self.every = x, y, whole("every", every, 1)
        self.epochs: list[int] = []
        self.figures: dict[str, dict[str, list[dict[str, Any]]]] = {kind: {} for kind in KINDS}

    def begin(self, trainer: Any) -> None:
        if not self.epochs:
            rows = trainer.history.rows
            self._look(trainer, int(rows[-1]["epoch"]) if rows else 0)

    def __call__(self, trainer: Any, row: Mapping[str, float]) -> None:
        if int(row["epoch"]) % self.every == 0:
            self._look(trainer, int(row["epoch"]))

    def _look(self, trainer: Any, epoch: int) -> None:
        self.record(trainer.model, trainer.loss, trainer.optimizer, epoch, trainer.penalty, trainer.before_step)

    def record(self, model: Module, loss: Any, optimizer: Any = None, epoch: int | None = None, penalty: Any = None,
               before_step: Any = None) -> None:  # fmt: skip
        """Look once. Without an optimizer, there are no updates to see.

        Args:
            model, loss, optimizer, penalty, before_step: as of `Trainer`.
            epoch: the number of this look; the one after the last if left out.
        """
        if not isinstance(model, Module):
            raise DTypeError(f"Recorder looks at a Module, got {type(model).__name__}.")
        found: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
        with restored(model, optimizer), np.errstate(all="ignore"), outputs_kept(model, found["activations"]):
            self._step(model, loss, optimizer, penalty, before_step, found)
        for kind, layers in found.items():
            for name, values in layers.items():
                ratio = values[1] if isinstance(values, tuple) else None
                self.figures[kind].setdefault(name, []).append(_summary(values[0] if ratio is not None else values, ratio))
        self.epochs.append((self.epochs[-1] + 1 if self.epochs else 0) if epoch is None else epoch)

    def _step(self, model: Module, loss: Any, optimizer: Any, penalty: Any, before_step: Any, found: Any) -> None:
        weights = {n: p for n, p in model.named_parameters() if p.ndim > 1} or dict(model.named_parameters())
        before = {n: p.data.copy() for n, p in weights.items()}
        found["weights"] |= before

        def gradients() -> Any:
            for p in model.parameters():
                p.grad = None
            value = loss_of(loss, model(self.x), self.y)
            whole_loss = value if penalty is None else value + penalty(model)
            whole_loss.backward()
            if not found["gradients"]:
                found["gradients"] |= {n: p.grad.data.copy() for n, p in weights.items() if p.grad is not None}
            if before_step is not None:
                before_step(list(model.parameters()))
            return whole_loss

        model.train()
        if optimizer is None:
            gradients()
        elif needs_closure(optimizer):
            optimizer.step(gradients)
        else:
            gradients()
            optimizer.step()
        if optimizer is not None:
            for n, p in weights.items():
                change = p.data.astype(np.float64) - before[n]
                length = float(np.linalg.norm(before[n].astype(np.float64)))
                found["updates"][n] = (change, float(np.linalg.norm(change)) / length if length else float("nan"))

    # ---- as pictures -------------------------------------------------------------------------------------------------

    def plot(self, *paths: str | PathLike[str], of: str = "activations", layers: Sequence[str] | None = None,
             title: str = "") -> Any:  # fmt: skip
        """Draw "activations", "gradients" or "weights" as histograms by layer over time, from the first look above to the last
        below; or "updates" as the size of a step by the size of the weights, of which about 10⁻³ is healthy.

        Args:
            paths: files to write, SVG, PNG or PDF by their ending.
            of: which.
            layers: their names in `figures`; the first twelve if left out.
            title: a line above the panels.

        Returns matplotlib's figure.
        """
        if of not in KINDS:
            near = nearest(of, KINDS) if isinstance(of, str) else "."
            raise ArgumentError(f"there is no picture of {of!r:.60}{near} There are {', '.join(KINDS)}.")
        known = self.figures[of]
        if not known:
            what = "record() was given no optimizer" if self.epochs else "give it to fit() as a callback, or call record()"
            raise ArgumentError(f"the recorder has no {of}: {what}.")
        for name in layers or ():
            if name not in known:
                near = nearest(str(name), known)
                raise ArgumentError(f"the recorder has no layer {name!r:.60}{near} It has {', '.join(known)}.")
        names = list(layers or list(known)[:PANELS])
        if of == "updates":
            return self._ratios(names, paths, title)
        rows = -(-len(names) // 4)
        columns = -(-len(names) // rows)
        with canvas(max(2.25 * columns, 3.6), 2.5 * rows + 0.3, paths, title or f"{of}, layer by layer") as figure:
            for k, name in enumerate(names):
                axes = figure.add_subplot(rows, columns, k + 1)
                ridges(axes, self.epochs[-len(known[name]) :], [look["quantiles"] for look in known[name]])
                axes.set_title(short(name, 26), loc="left", fontsize=9.5, fontweight="bold")
                if k % columns == 0:
                    axes.set_ylabel("epoch")
        return figure

    def _ratios(self, names: list[str], paths: Any, title: str) -> Any:
        with canvas(7.0, 3.8, paths, title) as figure:
            axes = figure.add_subplot()
            for k, name in enumerate(names):
                looks = self.figures["updates"][name]
                marker = "o" if len(looks) < 30 else None
                axes.plot(self.epochs[-len(looks) :], [look["ratio"] for look in looks], color=HUES[k % len(HUES)], lw=1.7,
                          marker=marker, ms=3.5, ls="-" if k < len(HUES) else "--", label=short(name))  # fmt: skip
            axes.axhline(1e-3, color=MUTED, lw=1, ls=(0, (2, 2)), label="rule of thumb")
            axes.set_yscale("log")
            axes.grid(axis="y", color=GRID, linewidth=0.8)
            axes.set_xlabel("epoch")
            if len(self.epochs) == 1:
                axes.set_xlim(self.epochs[0] - 1, self.epochs[0] + 1)
            axes.xaxis.get_major_locator().set_params(integer=True)
            headed(axes, "length of a step by length of the weights")
            figure.legend(loc="outside right upper")
        return figure


def _summary(a: Array, ratio: float | None) -> dict[str, Any]:
    """What is kept of a tensor."""
    flat = np.asarray(a, np.float64).reshape(-1)
    finite = flat[np.isfinite(flat)]
    quantiles = np.quantile(finite, np.linspace(0, 1, SAMPLE)) if finite.size else np.full(SAMPLE, np.nan)
    with np.errstate(all="ignore"):
        found = {"mean": float(flat.mean()), "std": float(flat.std()), "rms": float(np.sqrt((flat * flat).mean())),
                 "zeros": float((flat == 0).mean()), "quantiles": quantiles}  # fmt: skip
    return found if ratio is None else {**found, "ratio": ratio}


def ridges(axes: Any, epochs: Sequence[int], samples: Sequence[Array]) -> None:
    """Histograms one below the other, pale to dark with time; the scale is that of all, less what lies far out."""
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(RIDGES, len(samples))).round().astype(int))
    kept = np.concatenate([samples[n] for n in chosen])
    kept = kept[np.isfinite(kept)]
    low, high = np.quantile(kept, [0.003, 0.997]) if kept.size else (-1.0, 1.0)
    if not high > low:
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    edges = np.linspace(low - 0.04 * (high - low), high + 0.04 * (high - low), BINS + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    from matplotlib.colors import LinearSegmentedColormap

    hue = LinearSegmentedColormap.from_list("time", ["#a9cbe6", HUES[0], "#0d2f4d"])
    for place, n in enumerate(chosen):
        counts, _ = np.histogram(np.clip(samples[n], edges[0], edges[-1]), edges)
        height = 1.6 * np.sqrt(counts / max(counts.max(), 1))  # roots, so that a spike does not flatten the rest
        base = -float(place)
        tone = hue(place / max(len(chosen) - 1, 1))
        axes.fill_between(middles, base, base + height, color=tone, alpha=0.9, lw=0, zorder=place)
        axes.plot(middles, base + height, color="white", lw=0.7, zorder=place)
    axes.set_yticks([-float(p) for p in range(len(chosen))], [str(epochs[n]) for n in chosen], fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlim(edges[0], edges[-1])
    axes.xaxis.get_major_locator().set_params(nbins=4)
    axes.spines["left"].set_visible(False)
    axes.axvline(0, color=INK, lw=0.6, alpha=0.4, zorder=99) if edges[0] < 0 < edges[-1] else None
