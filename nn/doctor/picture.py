"""The evidence of a diagnosis as a picture."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["draw"]

BLUE, ORANGE, GREY = "#3b6fb6", "#d1712b", "#8a8a8a"


MOST, COLUMNS = 3, 3  # panels of findings, and panels beside each other


def draw(report: Any) -> Any:
    """A panel for what shows each of the first findings, then signals, gradients beside weights, losses of the trial steps."""
    from matplotlib.figure import Figure

    shown = [f for f in report.findings if f.shown is not None][:MOST]
    panels: list[tuple[Any, Any]] = [(_finding, f) for f in shown]
    panels += [(panel, report) for name, panel in (("signals", _signals), ("layers", _layers), ("losses", _losses))
               if getattr(report, name)]  # fmt: skip
    columns = min(max(len(panels), 1), COLUMNS)
    rows = -(-len(panels) // COLUMNS) or 1
    figure = Figure(figsize=(4.2 * columns, 3.4 * rows + 0.3), layout="constrained")
    for k, (panel, what) in enumerate(panels):
        axes = figure.add_subplot(rows, columns, k + 1)
        panel(axes, what)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8, which="both")
    if report.findings:
        figure.suptitle("found: " + ", ".join(report.kinds), fontsize=10)
    return figure


def _finding(axes: Any, finding: Any) -> None:
    shown = finding.shown
    if shown.kind == "image":
        axes.imshow(shown.values, aspect="auto", cmap="RdBu_r", interpolation="nearest")
    elif shown.kind == "histogram":
        axes.hist(shown.values[np.isfinite(shown.values)], bins=40, color=BLUE)
        for name, at in shown.bounds.items():
            axes.axvline(at, color=ORANGE, linestyle="--", linewidth=1.2, label=name)
        axes.set_yticks([])
    else:
        values = shown.values
        colours = [ORANGE if k in shown.marked else BLUE for k in range(len(values))]
        axes.bar(range(len(values)), values, color=colours)
        positive = values[values > 0]
        if positive.size and positive.max() > max(100 * np.median(positive), 5):
            axes.set_yscale("log")
        for at in shown.bounds.values():
            axes.axhline(at, color=GREY, linestyle="--", linewidth=1)
        _names(axes, list(shown.names))
    axes.set_title(f"{finding.kind}:\n{shown.title}", fontsize=9)


def _names(axes: Any, names: list[str]) -> None:
    """At most a dozen names under bars, each of at most 14 characters if they are many."""
    if len(names) <= 3 and max(map(len, names), default=0) <= 24:
        axes.set_xticks(range(len(names)), names)
        return
    every = -(-len(names) // 12)
    short = [n if len(n) <= 14 else "…" + n[-13:] for n in names]
    axes.set_xticks(range(0, len(names), every), short[::every], rotation=40, ha="right")


def _positive(values: list[float]) -> list[float]:
    return [max(v, 1e-12) if v == v else 1e-12 for v in values]


def _signals(axes: Any, report: Any) -> None:
    values = _positive(list(report.signals.values()))
    axes.bar(range(len(values)), values, color=BLUE)
    if max(values) > 20 * min(values):
        axes.set_yscale("log")
    _names(axes, list(report.signals))
    axes.set_title("outputs of the modules, root mean square", fontsize=9)


def _layers(axes: Any, report: Any) -> None:
    places = range(len(report.layers))
    axes.bar([p - 0.2 for p in places], _positive([layer.weight for layer in report.layers]), 0.4, color=GREY, label="weight")
    gradients = _positive([layer.gradient for layer in report.layers])
    axes.bar([p + 0.2 for p in places], gradients, 0.4, color=ORANGE, label="gradient")
    axes.set_yscale("log")
    _names(axes, [layer.name for layer in report.layers])
    axes.set_ylim(top=axes.get_ylim()[1] * (axes.get_ylim()[1] / axes.get_ylim()[0]) ** 0.15)  # room for the legend
    axes.legend(fontsize=8, frameon=False, ncols=2, loc="upper center")
    axes.set_title("weights and gradients, root mean square", fontsize=9)


def _losses(axes: Any, report: Any) -> None:
    axes.plot(range(1, len(report.losses) + 1), report.losses, color=BLUE, marker="o", markersize=3)
    start = next((f.evidence["loss before"] for f in report.findings if "loss before" in f.evidence), None)
    if start is not None:
        axes.axhline(start, color=GREY, linestyle="--", linewidth=1)
        axes.annotate("before", (len(report.losses), start), ha="right", va="bottom", fontsize=8, color=GREY)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("trial step", fontsize=8)
    axes.set_title("loss of the trial steps", fontsize=9)
