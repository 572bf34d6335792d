"""The picture of a search: best score so far, what mattered, and every trial as a line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from autograd.errors import ArgumentError, UnsupportedError
from nn.files import write_atomically
from nn.pictures.look import BLUE, GRID, INK, MUTED, ORANGE, look

__all__ = ["draw"]


def draw(result: Any, paths: Sequence[str | PathLike[str]], title: str) -> Any:
    """A figure of three panels, written to files."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UnsupportedError(
            'the picture needs matplotlib, which is not installed here: python -m pip install "wengert[plot]".'
        ) from None
    rows = [r for r in result.rows if math.isfinite(r["score"])]
    if not rows:
        raise ArgumentError("there is no trial to draw.")
    for path in paths:
        if Path(path).suffix not in (".svg", ".png", ".pdf"):
            raise ArgumentError(f"pictures are written as .svg, .png or .pdf, not {str(path)!r}.")
    trials = [t for t in result.study.get_trials(deepcopy=False) if t.state.is_finished() and t.user_attrs.get("scores")]
    shared = [k for k in trials[0].params if all(k in t.params for t in trials)]
    with look():
        figure = Figure(figsize=(11, 7.2), layout="constrained", facecolor="white")
        grid = figure.add_gridspec(2, 2, height_ratios=(1, 1.15), width_ratios=(1.5, 1))
        _history(figure.add_subplot(grid[0, 0]), rows)
        _importances(figure.add_subplot(grid[0, 1]), result.importances())
        _parallel(figure, figure.add_subplot(grid[1, :]), trials, rows, shared)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=MUTED)
        for path in paths:
            kind, out = Path(path).suffix[1:], BytesIO()
            metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
            figure.savefig(out, format=kind, dpi=160, metadata=metadata)
            write_atomically(path, out.getvalue())
    return figure


def _history(axes: Any, rows: list[dict[str, Any]]) -> None:
    complete = [r for r in rows if r["state"] == "complete"]
    given_up = [r for r in rows if r["state"] != "complete"]
    if given_up:
        axes.plot([r["trial"] for r in given_up], [r["score"] for r in given_up], "x", color=MUTED, ms=5, label="given up")
    if complete:
        numbers = [r["trial"] for r in complete]
        axes.plot(numbers, [r["score"] for r in complete], "o", color=BLUE, ms=5, label="score")
        best = np.maximum.accumulate([r["score"] for r in complete])
        axes.step(numbers, best, where="post", color=ORANGE, lw=1.8, label="best so far")
        low = float(np.percentile([r["score"] for r in complete], 20))
        if low < best[-1]:  # a few trials that learned nothing do not flatten the rest
            axes.set_ylim(low - 0.35 * (best[-1] - low), best[-1] + 0.12 * (best[-1] - low))
    _headed(axes, "score in cross-validation")
    axes.set_xlabel("trial")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.legend(frameon=False, loc="best", fontsize=9)


def _importances(axes: Any, found: dict[str, float]) -> None:
    _headed(axes, "what explains the differences")
    if not found:
        axes.text(0.5, 0.5, "too few trials to tell", ha="center", va="center", color=MUTED, transform=axes.transAxes)
        axes.set_axis_off()
        return
    names = sorted(found, key=lambda n: found[n])
    axes.barh([_short(n) for n in names], [found[n] for n in names], color=BLUE, height=0.65)
    for k, n in enumerate(names):
        axes.text(found[n], k, f" {found[n]:.0%}", va="center", color=INK, fontsize=9)
    axes.set_xlim(0, 1.15 * max(found.values()) or 1)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _parallel(figure: Any, axes: Any, trials: list[Any], rows: list[dict[str, Any]], names: list[str]) -> None:
    """Each trial is a line from its parameters, an axis each, to its score; good ones in strong colour, and on top."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scores = np.array([float(np.mean(t.user_attrs["scores"])) for t in trials])
    low = float(np.percentile(scores, 25)) if len(scores) > 3 else float(scores.min())
    high = float(scores.max()) if scores.max() > low else low + 1
    colour = Normalize(low, high, clip=True)
    hues = colormaps["viridis_r"]
    columns = [_places(trials[0].distributions[name], name, trials) for name in names]
    columns.append(_scale(scores, low, high))
    for k in np.argsort(scores, kind="stable"):
        line = [column[0][k] for column in columns]
        axes.plot(range(len(columns)), line, color=hues(colour(scores[k])), alpha=0.35 + 0.6 * colour(scores[k]), lw=1.4)
    for k, (_, ticks) in enumerate(columns):
        axes.axvline(k, color=MUTED, lw=1)
        for place, text in ticks:
            axes.text(k + 0.02, place, text, fontsize=8, va="center", color=INK,
                      bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.5})  # fmt: skip
    axes.set_xticks(range(len(columns)), [*map(_short, names), "score"], fontsize=9)
    axes.set_xlim(-0.1, len(columns) - 0.6)
    axes.set_ylim(-0.06, 1.06)
    axes.set_yticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="x", length=0)
    _headed(axes, "every trial")
    figure.colorbar(ScalarMappable(colour, hues), ax=axes, label="score", pad=0.01, aspect=30)


Column = tuple[Any, list[tuple[float, str]]]


def _places(distribution: Any, name: str, trials: list[Any]) -> Column:
    """Where each trial crosses the axis of a parameter, from 0 to 1, and what is written at it."""
    values = [t.params[name] for t in trials]
    if hasattr(distribution, "choices"):
        options = list(distribution.choices)
        places = {option: k / max(len(options) - 1, 1) for k, option in enumerate(options)}
        return [places[v] for v in values], [(place, str(option)[:18]) for option, place in places.items()]
    whole = isinstance(distribution.low, int)
    return _scale(np.array(values, np.float64), distribution.low, distribution.high, distribution.log, whole)


def _scale(values: Any, low: float, high: float, log: bool = False, whole: bool = False) -> Column:
    turn = np.log if log else np.asarray
    a, b = float(turn(low)), float(turn(high))
    back = np.exp if log else np.asarray
    marks = [float(back(a + s * (b - a))) for s in ((0.0, 0.5, 1.0) if b > a else (0.0,))]
    if whole:  # there is no depth of 1.5
        marks = sorted({float(int(mark + 1e-9)) for mark in marks})
    ticks = [((float(turn(mark)) - a) / (b - a if b > a else 1), f"{mark:.3g}") for mark in marks]
    return np.clip((turn(values) - a) / (b - a if b > a else 1), -0.03, 1), ticks


def _headed(axes: Any, text: str) -> None:
    axes.set_title(text, loc="left", fontweight="bold", fontsize=11)


def _short(name: str) -> str:
    name = name.rpartition("__")[2].replace("hidden_layer_sizes.depth", "depth").replace("hidden_layer_sizes.", "width ")
    return name.replace("_", " ")
