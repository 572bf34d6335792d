"""Optimizers on a surface of two parameters: where each goes, and how fast it comes down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError
from nn.compiled import needs_closure
from nn.pictures.look import DASHES, GRID, HUES, INK, MARKERS, canvas, headed, short, whole
from nn.pictures.surfaces import Surface, surface_of

__all__ = ["descend", "race"]

Array = np.ndarray[Any, Any]
Factory = Callable[[list[Any]], Any]
FAR = 1000.0
"""Widths of the box after which a path ends: it has diverged."""


def descend(optimizer: Factory, surface: str | Surface = "rosenbrock", start: tuple[float, float] | None = None,
            steps: int = 200) -> Array:  # fmt: skip
    """The path of an optimizer on a surface, in float64.

    Args:
        optimizer: makes the optimizer from a list of parameters: ``lambda p: optim.Adam(p, lr=0.1)``.
        surface: "rosenbrock", "beale", "himmelblau", "saddle", "ravine", or a `Surface`.
        start: where it begins; the surface's own start if left out.
        steps: how many steps are made.

    Shape: (steps + 1, 2), the start first; shorter if it goes a thousand times farther than the part that is drawn.

    >>> import optim
    >>> descend(lambda p: optim.SGD(p, lr=0.5), "ravine", steps=2).round(3).tolist()
    [[-8.0, 2.5], [-7.6, 0.0], [-7.22, 0.0]]
    """
    ground = surface_of(surface)
    where = np.asarray(ground.start if start is None else start, np.float64)
    if where.shape != (2,) or not np.isfinite(where).all():
        raise ArgumentError(f"start must be two finite numbers, got {start!r}.")
    if not callable(optimizer):
        raise DTypeError(f"give a function that makes the optimizer, lambda p: optim.SGD(p, lr=0.1), not {optimizer!r:.60}.")
    point = ag.Tensor(where, dtype=np.float64, requires_grad=True)
    made = optimizer([point])
    if not (hasattr(made, "step") and hasattr(made, "zero_grad")):
        raise DTypeError(f"the function must return an optimizer with zero_grad() and step(), got {type(made).__name__}.")

    def loss() -> Any:
        value = ground.function(point[0], point[1])
        made.zero_grad()
        value.backward()
        return value

    path, closure = [where], needs_closure(made)
    far = FAR * max(b - a for a, b in ground.box)
    with np.errstate(all="ignore"):
        for _ in range(whole("steps", steps, 1)):
            if closure:
                made.step(loss)
            else:
                loss()
                made.step()
            if not (np.abs(point.data - where) < far).all():  # NaN too
                break
            path.append(point.data.copy())
    return np.array(path)


def race(optimizers: Mapping[str, Factory] | Iterable[Factory], *paths: str | PathLike[str],
         surface: str | Surface = "rosenbrock", start: tuple[float, float] | None = None, steps: int = 200,
         title: str = "") -> Any:  # fmt: skip
    """Draw the paths of optimizers over the contours of a surface, and beside them the height at each step.

    Args:
        optimizers: functions that make an optimizer from a list of parameters, by the name to be shown; or a list of such
            functions, which are named by what they make.
        paths: files to write, SVG, PNG or PDF by their ending.
        surface, start, steps: as of `descend`.
        title: a line above the panels.

    Returns matplotlib's figure. A cross marks the start, stars the minima, and a large dot the end of each path.

    >>> import optim
    >>> figure = race({"SGD": lambda p: optim.SGD(p, lr=0.1), "Adam": lambda p: optim.Adam(p, lr=0.1)}, surface="ravine")
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['ravine', 'height above the minimum']
    """
    ground, named = surface_of(surface), _named(optimizers)
    walked = {name: descend(make, ground, start, steps) for name, make in named.items()}
    heights = {name: _height(ground, path[:, 0], path[:, 1]) for name, path in walked.items()}
    floor = min((float(_height(ground, *np.array(m, np.float64))) for m in ground.minima), default=None)
    with canvas(9.0, 4.2 + 0.22 * -(-len(walked) // 5), paths, title) as figure:
        plane, descent = figure.subplots(1, 2, width_ratios=(1.25, 1))
        contours(plane, ground.function, ground.box)
        for k, (name, path) in enumerate(walked.items()):
            style = {"color": HUES[k % len(HUES)], "linestyle": DASHES[k // len(HUES) % len(DASHES)], "linewidth": 1.7}
            lost = len(path) < steps + 1
            plane.plot(path[:, 0], path[:, 1], **style, label=short(name), zorder=3 + 0.01 * k)
            plane.plot(*path[-1], MARKERS[k % len(MARKERS)], color=style["color"], ms=7, mec="white", mew=0.9, zorder=5)
            height = heights[name] - (floor or 0.0)
            label = short(name) + (": goes off" if lost else f": {height[-1]:.2g}")
            mark = {"marker": MARKERS[k % len(MARKERS)], "markevery": [-1], "ms": 6, "mec": "white", "mew": 0.8}
            descent.plot(height, **style, **mark, label=label)
        first = next(iter(walked.values()))[0]
        plane.plot(*first, "x", color=INK, ms=8, mew=2, zorder=6)
        for m in ground.minima:
            plane.plot(*m, "*", color="white", ms=12, mec=INK, mew=0.9, zorder=4)
        plane.set_xlim(ground.box[0])
        plane.set_ylim(ground.box[1])
        headed(plane, short(ground.name))
        headed(descent, "height" if floor is None else "height above the minimum")
        descent.set_xlabel("step")
        _scale(descent, floor, heights)
        descent.grid(axis="y", color=GRID, linewidth=0.8)
        handles, labels = descent.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(5, len(walked)), handlelength=2.2)
    return figure


def _named(optimizers: Any) -> dict[str, Factory]:
    if isinstance(optimizers, Mapping):
        named = {str(k): v for k, v in optimizers.items()}
    elif isinstance(optimizers, Iterable) and not isinstance(optimizers, str):
        named = {}
        for make in optimizers:
            name = type(make([ag.Tensor(np.zeros(2), requires_grad=True)])).__name__ if callable(make) else repr(make)[:20]
            same = sum(n.split(" ")[0] == name for n in named)
            named[f"{name} {same + 1}" if same else name] = make
    else:
        raise DTypeError(
            f"race takes functions that make optimizers, by name: {{'SGD': lambda p: optim.SGD(p, lr=0.1)}}, got "
            f"{type(optimizers).__name__}."
        )
    if not named:
        raise ArgumentError("there is no optimizer to race: give at least one function that makes one.")
    return named



def _height(ground: Surface, x: Any, y: Any) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(ground.function(x, y), np.float64)


def _scale(axes: Any, floor: float | None, heights: Mapping[str, Array]) -> None:
    """A logarithmic axis where all is above the floor; what fell below 10⁻¹² of the start, or grew without bound, is cut."""
    start = max(float(h[0]) for h in heights.values())
    if floor is None:
        low = min(float(np.nanmin(h)) for h in heights.values())
        axes.set_ylim(max(low, start - 12 * abs(start)) - 0.3 * abs(start), start + 0.3 * abs(start))
        return
    low = min(float(np.nanmin(h)) for h in heights.values()) - floor
    above = start - floor
    if above > 0:
        axes.set_yscale("log")
        axes.set_ylim(max(low, 1e-12 * above) / 2, 30 * above)


def contours(axes: Any, function: Callable[[Any, Any], Any], box: Any, points: int = 160) -> None:
    """The surface as lines of equal height, close together where it is flat: equal steps of the logarithm of the height."""
    x, y = (np.linspace(low, high, points) for low, high in box)
    grid_x, grid_y = np.meshgrid(x, y)
    with np.errstate(all="ignore"):
        z = np.asarray(function(grid_x, grid_y), np.float64)
    if z.shape != grid_x.shape:
        raise ArgumentError(f"the function of a surface gives a number for each point: {grid_x.shape} became {z.shape}.")
    level_lines(axes, x, y, z)


def level_lines(axes: Any, x: Any, y: Any, z: Any) -> None:
    """Filled contours in pale colours, for what is drawn over them."""
    finite = np.isfinite(z)
    if not finite.any():
        raise ArgumentError("the surface has no finite value in its box.")
    low, high = float(z[finite].min()), float(z[finite].max())
    shown = np.where(finite, z, high)
    spread = float(np.median(shown)) - low
    if low >= 0 or high - low > 50 * spread > 0:
        shown = np.log10(shown - low + 1e-3 * max(spread, 1e-300))
    levels = np.unique(np.linspace(float(shown.min()), float(shown.max()), 22))
    if len(levels) < 3:
        return
    from matplotlib.colors import LinearSegmentedColormap

    pale = LinearSegmentedColormap.from_list("pale", ["#b9cfe3", "#dde8f1", "#f3f6f8", "#fbf5ec", "#f4e3c8"])
    axes.contourf(x, y, shown, levels=levels, cmap=pale)
    axes.contour(x, y, shown, levels=levels[1:-1], colors="#9aa9b8", linewidths=0.45, linestyles="solid")
