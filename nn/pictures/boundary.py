"""What a classifier says at every point of the plane, and how that changed while it learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from autograd.errors import ArgumentError
from nn.callbacks import Callback
from nn.module import Module
from nn.pictures.look import HUES, INK, MARKERS, MUTED, canvas, finished, headed, points_of, short, whole
from nn.pictures.movie import frame, write_movie
from nn.training import predict

__all__ = ["BoundaryMovie", "decision_boundary"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Ground:
    """The points that are drawn, their classes, and the grid around them."""

    x: Array
    y: Array  # class numbers
    names: list[str]
    across: Array
    up: Array

    @staticmethod
    def of(x: Any, y: Any, names: Sequence[str] | None, resolution: int) -> Ground:
        """Checked and laid out, with a tenth of the range as a margin."""
        points = points_of(x)
        labels = np.asarray(getattr(y, "data", y) if not isinstance(y, np.ndarray) else y).reshape(-1)
        if len(labels) != len(points):
            raise ArgumentError(f"there are {len(points)} points and {len(labels)} labels; there must be one for each.")
        classes, numbers = np.unique(labels, return_inverse=True)
        if len(classes) > len(HUES):
            raise ArgumentError(f"at most {len(HUES)} classes are told apart in a picture; these labels have {len(classes)}.")
        if classes.dtype.kind in "fiu" and not np.array_equal(classes, classes.round()):
            raise ArgumentError("the labels are not whole numbers: a decision boundary is that of classes.")
        if classes.dtype.kind in "fiu" and classes.min() >= 0 and classes.max() < len(HUES):
            numbers, classes = labels.astype(np.int64), np.arange(int(classes.max()) + 1)
        shown = [str(c) for c in (classes if names is None else names)]
        if len(shown) < len(classes):
            raise ArgumentError(f"there are {len(classes)} classes and {len(shown)} names.")
        low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
        margin = np.where(high > low, 0.12 * (high - low), 1.0)
        n = whole("resolution", resolution, 10, 2000)
        sides = [np.linspace(a, b, n) for a, b in zip(low - margin, high + margin, strict=True)]
        return Ground(points, numbers, shown, *sides)

    @property
    def grid(self) -> Array:
        """All points of the grid, (resolution², 2)."""
        across, up = np.meshgrid(self.across, self.up)
        return np.stack([across.ravel(), up.ravel()], axis=1)

    def ask(self, model: Any, threshold: float) -> Array:
        """How likely each class is at each point of the grid, (resolution, resolution, C)."""
        grid = self.grid
        if isinstance(model, Module):
            dtype = next((p.dtype for p in model.parameters()), np.dtype(np.float32))
            found = predict(model, grid.astype(dtype), 8192)
        elif hasattr(model, "predict_proba"):
            return self._shaped(np.asarray(model.predict_proba(grid), np.float64))
        elif callable(getattr(model, "predict", model)):
            found = getattr(model, "predict", model)(grid)
        else:
            raise ArgumentError(f"a classifier is a Module, an estimator or a function of points, got {type(model).__name__}.")
        out = np.asarray(getattr(found, "data", found) if not isinstance(found, np.ndarray) else found)
        return self._shaped(shares(out, len(grid), threshold, len(self.names)))

    def _shaped(self, found: Array) -> Array:
        return found.reshape(len(self.up), len(self.across), -1)


def shares(out: Array, count: int, threshold: float, classes: int) -> Array:
    """Outputs as the probability of each class: logits by softmax, one column by the logistic function, labels as they are.

    >>> shares(np.array([[0.0], [2.0]]), 2, 0.0, 2).round(2).tolist()
    [[0.5, 0.5], [0.12, 0.88]]
    """
    if out.shape[:1] != (count,) or out.ndim > 2:
        raise ArgumentError(f"the classifier gave {out.shape} for {count:,} points; expected ({count}, classes) or ({count},).")
    out = out.reshape(count, -1)
    if out.shape[1] > 1:
        out = out.astype(np.float64)
        if (out >= 0).all() and np.allclose(out.sum(axis=1), 1, atol=1e-3):
            return out
        powers = np.exp(out - out.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    if out.dtype.kind in "iub":
        return np.eye(max(classes, int(out.max()) + 1))[out[:, 0].astype(np.int64)]
    column = out[:, 0].astype(np.float64)
    if threshold == 0.0:
        second = 1 / (1 + np.exp(-np.clip(column, -50, 50)))
    else:  # what is said of probabilities, moved so that the threshold is one half
        second = np.clip(0.5 + (column - threshold), 0, 1)
    return np.stack([1 - second, second], axis=1)


def decision_boundary(model: Any, x: Any, y: Any, *paths: str | PathLike[str], names: Sequence[str] | None = None,
                      threshold: float = 0.0, resolution: int = 200, title: str = "") -> Any:  # fmt: skip
    """Draw what a classifier says at every point of the plane: the class by colour, how sure by its strength, and the data.

    Args:
        model: a Module, which is asked in evaluation mode; an estimator of scikit-learn; or a function of points (N, 2).
            Outputs are probabilities or logits (N, C); one column, (N, 1) or (N,); or whole numbers, the classes.
        x, y: the points, (N, 2), and their classes.
        paths: files to write, SVG, PNG or PDF by their ending.
        names: of the classes, in the order of their numbers.
        threshold: of an output of one column, above which it means the second class: 0 for logits, 0.5 for probabilities.
        resolution: points along each side of the grid.
        title: a line above the picture.

    Returns matplotlib's figure. The model is left as it was.

    >>> import nn
    >>> figure = decision_boundary(nn.Linear(2, 3), [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [0, 1, 2], resolution=20)
    >>> figure.axes[0].images[0].get_array().shape
    (20, 20, 3)
    """
    ground = Ground.of(x, y, names, resolution)
    found = ground.ask(model, threshold)
    with canvas(5.6, 4.4, paths, title) as figure:
        paint(figure.add_subplot(), ground, found)
        legend(figure, ground)
    return figure


def paint(axes: Any, ground: Ground, found: Array, size: float = 22) -> None:
    """The regions, their borders and the points."""
    from matplotlib.colors import to_rgb

    if found.shape[2] > len(HUES):
        raise ArgumentError(f"at most {len(HUES)} classes are told apart in a picture; the classifier has {found.shape[2]}.")
    if not np.isfinite(found).all():
        raise ArgumentError("the classifier gives NaN at some points of the plane. Has its training gone wrong?")
    best = found.argmax(axis=2)
    sure = (found.max(axis=2) - 1 / found.shape[2]) / (1 - 1 / found.shape[2])
    hue = np.array([to_rgb(h) for h in HUES])[best]
    strength = (0.10 + 0.38 * sure)[..., None]
    extent = (ground.across[0], ground.across[-1], ground.up[0], ground.up[-1])
    axes.imshow(1 - strength + strength * hue, extent=extent, origin="lower", aspect="auto", interpolation="bilinear")
    for c in range(found.shape[2] if found.shape[2] > 2 else 1):
        lead = found[..., c] - np.delete(found, c, axis=2).max(axis=2)
        if lead.min() < 0 < lead.max():
            axes.contour(ground.across, ground.up, lead, levels=[0], colors=INK, linewidths=1.2)
    for c in np.unique(ground.y):
        here = ground.x[ground.y == c]
        axes.scatter(here[:, 0], here[:, 1], s=size, c=HUES[c], marker=MARKERS[c], edgecolors="white", linewidths=0.6,
                     label=short(ground.names[c]))  # fmt: skip
    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])


def legend(figure: Any, ground: Ground) -> None:
    """The classes, below."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(6, len(labels)))


class BoundaryMovie(Callback):
    """A callback that keeps the decision boundary of each epoch, for a movie.

    Args:
        x, y, names, threshold: as of `decision_boundary`.
        every: how many epochs lie between two frames.
        resolution: points along each side of the grid.

    Training goes on as without it: it asks the model in evaluation mode, and draws no random numbers.

    >>> import nn, optim
    >>> x, y = np.array([[-1.0, 0.0], [1.0, 0.0]], np.float32), np.array([0, 1])
    >>> model, movie = nn.Linear(2, 2), BoundaryMovie(x, y, resolution=20)
    >>> _ = nn.fit(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=1.0), nn.DataLoader((x, y), 2),
    ...            epochs=3, callbacks=[movie], progress=False)
    >>> movie.epochs
    [0, 1, 2, 3]
    """

    def __init__(self, x: Any, y: Any, names: Sequence[str] | None = None, threshold: float = 0.0, every: int = 1,
                 resolution: int = 100):  # fmt: skip
        self.ground = Ground.of(x, y, names, resolution)
        self.threshold, self.every = threshold, whole("every", every, 1)
        self.epochs: list[int] = []
        self.notes: list[str] = []
        self.found: list[Array] = []

    def begin(self, trainer: Any) -> None:
        rows = trainer.history.rows
        if not rows or not self.epochs:
            self._keep(trainer.model, int(rows[-1]["epoch"]) if rows else 0, {})

    def __call__(self, trainer: Any, row: Mapping[str, float]) -> None:
        if int(row["epoch"]) % self.every == 0:
            self._keep(trainer.model, int(row["epoch"]), row)

    def _keep(self, model: Any, epoch: int, row: Mapping[str, float]) -> None:
        self.found.append(self.ground.ask(model, self.threshold).astype(np.float32))
        self.epochs.append(epoch)
        self.notes.append(f"epoch {epoch}" + (f", loss {row['loss']:.3g}" if "loss" in row else ""))

    def plot(self, *paths: str | PathLike[str], panels: int = 4, title: str = "") -> Any:
        """Some of the epochs, the first and the last among them, side by side. Returns matplotlib's figure."""
        self._check()
        wanted = min(whole("panels", panels, 1, 12), len(self.found))
        chosen = np.unique(np.linspace(0, len(self.found) - 1, wanted).round().astype(int)) if wanted > 1 else [-1]
        columns = min(4, len(chosen))
        rows = -(-len(chosen) // columns)
        with canvas(max(2.25 * columns, 4.0), 2.2 * rows + 0.4, paths, title) as figure:
            for k, n in enumerate(chosen):
                axes = figure.add_subplot(rows, columns, k + 1)
                paint(axes, self.ground, self.found[n].astype(np.float64), size=9)
                axes.set_title(self.notes[n], loc="left", fontsize=9, color=MUTED)
                axes.set_xticks([])
                axes.set_yticks([])
            legend(figure, self.ground)
        return figure

    def save(self, *paths: str | PathLike[str], fps: float = 6) -> None:
        """Write the movie, as .gif or as .html with a slider; a file is written whole or not at all."""
        self._check()
        frames: list[Array] = []

        def drawn() -> list[Array]:
            if not frames:
                frames.extend(self._frame(n) for n in range(len(self.found)))
            return frames

        for path in paths:
            write_movie(path, drawn, fps)

    def _frame(self, n: int) -> Array:
        with canvas(5.0, 4.2) as figure:
            axes = figure.add_subplot()
            paint(axes, self.ground, self.found[n].astype(np.float64))
            headed(axes, self.notes[n])
            legend(figure, self.ground)
        return frame(finished(figure, ()))

    def _check(self) -> None:
        if not self.found:
            raise ArgumentError("the movie has no frames: give it to fit() as a callback, and train at least one epoch.")
