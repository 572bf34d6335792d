"""The evidence of a diagnosis as a picture."""

from __future__ import annotations

from typing import Any

__all__ = ["draw"]

BLUE, ORANGE, GREY = "#3b6fb6", "#d1712b", "#8a8a8a"


def draw(report: Any) -> Any:
    """Up to three panels: signals, gradients beside weights, losses of the trial steps."""
    from matplotlib.figure import Figure

    panels = [name for name in ("signals", "layers", "losses") if getattr(report, name)]
    figure = Figure(figsize=(4.2 * max(len(panels), 1), 3.4), layout="constrained")
    for k, name in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), k + 1)
        {"signals": _signals, "layers": _layers, "losses": _losses}[name](axes, report)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    if report.findings:
        figure.suptitle("found: " + ", ".join(report.kinds), fontsize=10)
    return figure


def _names(axes: Any, names: list[str]) -> None:
    """At most a dozen names under bars, each of at most 14 characters."""
    every = -(-len(names) // 12)
    short = [n if len(n) <= 14 else "…" + n[-13:] for n in names]
    axes.set_xticks(range(0, len(names), every), short[::every], rotation=40, ha="right")


def _positive(values: list[float]) -> list[float]:
    return [max(v, 1e-12) if v == v else 1e-12 for v in values]


def _signals(axes: Any, report: Any) -> None:
    axes.bar(range(len(report.signals)), _positive(list(report.signals.values())), color=BLUE)
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
    axes.legend(fontsize=8, frameon=False)
    axes.set_title("weights and gradients, root mean square", fontsize=9)


def _losses(axes: Any, report: Any) -> None:
    axes.plot(range(1, len(report.losses) + 1), report.losses, color=BLUE, marker="o", markersize=3)
    axes.set_xlabel("trial step", fontsize=8)
    axes.set_title("loss of the trial steps", fontsize=9)
