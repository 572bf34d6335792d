"""The loss around the weights of a network, along two directions, and the way that training took through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError
from nn.callbacks import Callback
from nn.compiled import loss_of
from nn.doctor.patient import restored
from nn.module import Module
from nn.pictures.look import INK, MUTED, canvas, headed, whole

__all__ = ["WeightPath", "landscape"]

Array = np.ndarray[Any, Any]
LEVELS = 18


class WeightPath(Callback):
    """A callback that keeps the weights before the first epoch and after each, for `landscape`.

    In a training of one's own, call `record(model)` as often as wanted. A look costs memory: four bytes for each parameter.

    Args:
        every: how many epochs lie between two looks.

    >>> import nn
    >>> path = WeightPath()
    >>> path.record(nn.Linear(3, 2))
    >>> path.epochs, path.weights[0].shape
    ([0], (8,))
    """

    def __init__(self, every: int = 1):
        self.every = whole("every", every, 1)
        self.epochs: list[int] = []
        self.weights: list[Array] = []

    def begin(self, trainer: Any) -> None:
        if not self.epochs:
            rows = trainer.history.rows
            self.record(trainer.model, int(rows[-1]["epoch"]) if rows else 0)

    def __call__(self, trainer: Any, row: Mapping[str, float]) -> None:
        if int(row["epoch"]) % self.every == 0:
            self.record(trainer.model, int(row["epoch"]))

    def record(self, model: Module, epoch: int | None = None) -> None:
        """Keep the weights as they are now."""
        if not isinstance(model, Module):
            raise DTypeError(f"WeightPath keeps the weights of a Module, got {type(model).__name__}.")
        weights = flat([p.data for p in model.parameters()]).astype(np.float32)
        if self.weights and len(self.weights[0]) != len(weights):
            raise ArgumentError(f"this path is of {len(self.weights[0]):,} parameters; the model has {len(weights):,}.")
        self.weights.append(weights)
        self.epochs.append((self.epochs[-1] + 1 if self.epochs else 0) if epoch is None else epoch)


def landscape(model: Module, loss: Any, x: Any, y: Any, *paths: str | PathLike[str], path: WeightPath | None = None,
              directions: str | Sequence[Any] = "auto", span: float = 1.0, resolution: int = 31, penalty: Any = None,
              seed: int = 0, title: str = "") -> Any:  # fmt: skip
    """Draw the loss in a plane through the weights that the model has: L(w + a·u + b·v), as contours and as a surface.

    There are two kinds of planes. "random": u and v are drawn from the normal distribution, and each filter of them (for a
    dense layer, the weights of a unit) is given the length of that filter of w; biases, and scales of normalisations, stay. So
    a step of 1 changes each filter by its own size, which makes nets of different scale comparable. "path": u and v are the two
    principal components of the weights kept in `path`, and the picture shows the way of the training; its coordinates are
    distances, and the share of the way that lies in the plane is told on the axes. A plane is a small part of the space: a way
    that looks straight or a valley that looks round may be neither in other directions.

    Buffers, such as the running statistics of a batch normalisation, stay as they are: off the middle, and along the path, the
    loss is that of the weights there with the statistics of now. The model is asked in evaluation mode and left as it was.
    Source: Li, Xu, Taylor, Studer, Goldstein 2018, "Visualizing the loss landscape of neural nets".

    Args:
        model, loss, penalty: as of `Trainer`.
        x, y: samples for the loss, a few hundred; resolution² forward passes are made.
        paths: files to write, SVG, PNG or PDF by their ending.
        path: where the training went.
        directions: "random", "path", or two directions, arrays of as many numbers as there are parameters; "auto" is "path"
            where one is given.
        span: how far the picture goes to each side, in lengths of the directions; in the plane of the path, by how much it is
            larger than the path.
        resolution: points along each side.
        seed: of the random directions.
        title: a line above the picture.

    Returns matplotlib's figure. A star marks the weights of the model, or the end of the path, and a cross its start.

    >>> import nn, optim
    >>> x, y = np.array([[-1.0], [1.0]], np.float32), np.array([[-2.0], [2.0]], np.float32)
    >>> model, way = nn.Linear(1, 1), WeightPath()
    >>> _ = nn.fit(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), [(x, y)], epochs=30, callbacks=[way],
    ...            progress=False)
    >>> figure = landscape(model, nn.MSELoss(), x, y, path=way, resolution=11)
    >>> figure.axes[0].get_title(loc="left"), figure.axes[0].get_xlabel()
    ('loss, and the path of the training', 'first component of the path, 100%')
    """
    if not isinstance(model, Module):
        raise DTypeError(f"landscape takes a Module, got {type(model).__name__}.")
    if path is not None and not isinstance(path, WeightPath):
        raise DTypeError(f"path must be a nn.pictures.WeightPath, got {type(path).__name__}.")
    if not 0 < span < 1e6:
        raise ArgumentError(f"span must be a positive number, got {span!r}.")
    n = whole("resolution", resolution, 3, 400)
    parameters = list(model.parameters())
    middle = flat([p.data for p in parameters])
    way = np.array(path.weights, np.float64) if path is not None and path.weights else None
    if not len(middle):
        raise ArgumentError("the model has no parameters.")
    if way is not None and way.shape[1] != len(middle):
        raise ArgumentError(f"the path is of {way.shape[1]:,} parameters; the model has {len(middle):,}.")
    plane, labels = _plane(directions, parameters, middle, way, seed)
    walked = None if way is None else np.linalg.lstsq(plane.T, (way - middle).T, rcond=None)[0].T
    a, b = _sides(walked, span, n, "component" in labels[0])
    z = _heights(model, loss, x, y, penalty, middle, plane, a, b)
    with canvas(9.0, 3.9, paths, title) as figure:
        left = figure.add_subplot(1, 2, 1)
        _contours(left, figure, a, b, z)
        if walked is None:
            left.plot(0, 0, "*", color="white", ms=13, mec=INK, mew=0.9, zorder=5)
        else:
            left.plot(*walked.T, color="white", lw=3.2, alpha=0.8)
            left.plot(*walked.T, color=INK, lw=1.6, marker="o" if len(walked) < 60 else None, ms=4.5, mec="white", mew=0.7)
            left.plot(*walked[0], "x", color=INK, ms=8, mew=2, zorder=6)
            left.plot(*walked[-1], "*", color="white", ms=13, mec=INK, mew=0.9, zorder=6)
        left.locator_params(nbins=6)
        left.set_xlabel(labels[0])
        left.set_ylabel(labels[1])
        headed(left, "loss" if walked is None else "loss, and the path of the training")
        _surface(figure, a, b, z, walked)
    return figure


def flat(arrays: Sequence[Array]) -> Array:
    """All numbers in one row, in float64."""
    return np.concatenate([np.asarray(a, np.float64).ravel() for a in arrays]) if arrays else np.zeros(0)


def _plane(directions: Any, parameters: list[Any], middle: Array, way: Array | None, seed: int) -> tuple[Array, list[str]]:
    """Two directions, (2, parameters), and what to call them."""
    if isinstance(directions, str):
        kind = ("random" if way is None else "path") if directions == "auto" else directions
        if kind == "random":
            stream = np.random.default_rng(seed)
            drawn = [flat([_like_filters(p.data, stream) for p in parameters]) for _ in range(2)]
            if not all(d.any() for d in drawn):
                raise ArgumentError("all weights are 0: random directions, which are as long as the weights, lead nowhere.")
            return np.array(drawn), ["first random direction", "second random direction"]
        if kind != "path":
            raise ArgumentError(f'directions must be "random", "path" or two arrays, got {directions!r:.40}.')
        if way is None or len(way) < 3:
            raise ArgumentError("the plane of a path needs a WeightPath with at least three looks: train two epochs with it.")
        return _components(way - middle)
    if not isinstance(directions, Sequence | np.ndarray):
        raise DTypeError(f'directions must be "random", "path" or two arrays, got {type(directions).__name__}.')
    given = [flat([np.asarray(getattr(d, "data", d) if not isinstance(d, np.ndarray) else d)]) for d in directions]
    if len(given) != 2 or any(len(d) != len(middle) for d in given):
        raise ArgumentError(f"directions are two arrays of {len(middle):,} numbers, got {[len(d) for d in given]}.")
    if np.linalg.matrix_rank(np.array(given)) < 2:
        raise ArgumentError("the two directions lie on one line, or are not finite numbers other than 0.")
    return np.array(given), ["first direction", "second direction"]


def _like_filters(w: Array, stream: Any) -> Array:
    """A random direction of which each filter is as long as that of the weights; none for what is no matrix."""
    d = stream.normal(size=w.shape)
    if w.ndim < 2:
        return np.zeros(w.shape)
    axes = tuple(range(1, w.ndim))
    length = np.sqrt((w.astype(np.float64) ** 2).sum(axis=axes, keepdims=True))
    return np.asarray(d * length / np.sqrt((d * d).sum(axis=axes, keepdims=True)))


def _components(steps: Array) -> tuple[Array, list[str]]:
    """The two principal components of the path as seen from the middle, by the small matrix of inner products."""
    values, vectors = np.linalg.eigh(steps @ steps.T)
    top = vectors[:, :-3:-1].T @ steps  # (2, parameters)
    total = max(float(np.trace(steps @ steps.T)), 1e-300)
    lengths = np.linalg.norm(top, axis=1, keepdims=True)
    if lengths[1] <= 1e-9 * lengths[0]:
        raise ArgumentError("the path is a straight line or a point: its plane is not known. Give directions of your own.")
    plane = top / lengths
    plane *= np.where((plane @ steps[0])[:, None] < 0, -1.0, 1.0)  # from the right and from above to the middle
    first, second = (f"{value / total:.0%}" for value in values[:-3:-1])
    return plane, [f"first component of the path, {first}", f"second component of the path, {second}"]


def _sides(walked: Array | None, span: float, n: int, around: bool) -> tuple[Array, Array]:
    """What is drawn: a square around the middle, and what of the path lies outside it; or a frame around the path."""
    places = np.zeros((1, 2)) if walked is None else np.vstack([walked, np.zeros((1, 2))])
    low, high = places.min(axis=0), places.max(axis=0)
    if around:
        margin = 0.5 * span * np.maximum(high - low, 0.25 * (high - low).max())
        low, high = low - margin, high + margin
    else:
        low, high = np.minimum(low, -span), np.maximum(high, span)
    a, b = (np.linspace(*ends, n) for ends in zip(low, high, strict=True))
    return a, b


def _heights(model: Module, loss: Any, x: Any, y: Any, penalty: Any, middle: Array, plane: Array, a: Array, b: Array) -> Array:
    """The loss at each point of the grid, (len(b), len(a)); NaN where it is not finite."""
    parameters = list(model.parameters())
    ends = np.cumsum([p.size for p in parameters])[:-1]
    z = np.empty((len(b), len(a)))
    x, y = (t if isinstance(t, ag.Tensor) else ag.Tensor(np.asarray(t)) for t in (x, y))
    with restored(model, None), ag.no_grad(), np.errstate(all="ignore"):
        model.eval()
        for i, j in np.ndindex(z.shape):
            point = middle + a[j] * plane[0] + b[i] * plane[1]
            for p, part in zip(parameters, np.split(point, ends), strict=True):
                p.copy_(part.reshape(p.shape).astype(p.dtype))
            value = loss_of(loss, model(x), y)
            z[i, j] = float((value if penalty is None else value + penalty(model)).item())
    z[~np.isfinite(z)] = np.nan
    if np.isnan(z).all():
        raise ArgumentError("the loss is finite nowhere in this plane. Choose a smaller span; see nn.diagnose(model, data).")
    return z


def _hues() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("loss", ["#2f6b9e", "#8fb7d6", "#dfe9f0", "#f7ead8", "#eec491", "#cf7f3a"])


def _levels(z: Array) -> Array:
    """Heights of the lines: equal steps of the logarithm above the least value, so that the floor is seen as the walls are."""
    low, high = float(np.nanmin(z)), float(np.nanmax(z))
    span = high - low
    if not span > 0:
        return np.array([low - 0.5, low + 0.5])
    knee = max(float(np.nanquantile(z, 0.1)) - low, 1e-3 * span)
    return np.asarray(low + knee * np.expm1(np.linspace(0, np.log1p(span / knee), LEVELS + 1)))


def _contours(axes: Any, figure: Any, a: Array, b: Array, z: Array) -> None:
    from matplotlib.colors import BoundaryNorm

    levels = _levels(z)
    filled = axes.contourf(a, b, z, levels=levels, cmap=_hues(), norm=BoundaryNorm(levels, 256))
    if len(levels) > 2:
        axes.contour(a, b, z, levels=levels[1:-1], colors="#6b7f92", linewidths=0.5)
    bar = figure.colorbar(filled, ax=axes, fraction=0.05, pad=0.02, aspect=24, spacing="uniform", format=_number,
                          ticks=levels[:: max(1, len(levels) // 6)])  # fmt: skip
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=2)


def _number(value: float, _: Any = None) -> str:
    return f"{value:.3g}"


def _surface(figure: Any, a: Array, b: Array, z: Array, walked: Array | None) -> None:
    """The same as a surface; as the heights of the lines grow, so does the height here."""
    levels = _levels(z)
    scaled = np.interp(z, levels, np.arange(len(levels)))
    axes = figure.add_subplot(1, 2, 2, projection="3d", computed_zorder=False)
    grid_a, grid_b = np.meshgrid(a, b)
    axes.plot_surface(grid_a, grid_b, scaled, cmap=_hues(), rcount=len(b), ccount=len(a), linewidth=0.15, edgecolor="#6b7f92",
                      antialiased=True, vmin=0, vmax=len(levels) - 1)  # fmt: skip
    if walked is not None:
        axes.plot(*walked.T, _at(a, b, scaled, walked), color=INK, lw=1.6, zorder=9)
    else:
        axes.plot([0], [0], _at(a, b, scaled, np.zeros((1, 2))), "*", color="white", ms=11, mec=INK, zorder=9)
    marks = np.arange(0, len(levels), 6)
    axes.set_zticks(marks, [_number(levels[k]) for k in marks], fontsize=8)
    axes.tick_params(labelsize=7, pad=-2, colors=MUTED)
    axes.tick_params(axis="z", pad=3)
    axes.set_box_aspect((1, 1, 0.62), zoom=1.2)
    axes.view_init(elev=32, azim=-58)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.pane.set_visible(False)
        axis.line.set_color(MUTED)
    axes.grid(False)
    axes.locator_params(axis="x", nbins=5)
    axes.locator_params(axis="y", nbins=5)
    headed(axes, "the same as a surface")


def _at(a: Array, b: Array, z: Array, points: Array) -> Array:
    """The height of the surface at points, between those of the grid, a little above it."""
    u = np.clip(np.interp(points[:, 0], a, np.arange(len(a))), 0, len(a) - 1.001)
    v = np.clip(np.interp(points[:, 1], b, np.arange(len(b))), 0, len(b) - 1.001)
    i, j = v.astype(int), u.astype(int)
    s, t = v - i, u - j
    mixed = (1 - s) * (1 - t) * z[i, j] + (1 - s) * t * z[i, j + 1] + s * (1 - t) * z[i + 1, j] + s * t * z[i + 1, j + 1]
    return np.asarray(mixed + 0.15)
