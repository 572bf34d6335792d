"""A picture of a comparison: for every workload the engines' times as multiples of our jit's (or eager) time."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

INK, FAINT, BACK = "#1f2430", "#c9cdd6", "#ffffff"
COLOURS = {
    "wengert": "#e07a1f", "wengert_jit": "#c2410c", "wengert_value": "#f2b16b", "numpy": "#7a8194", "torch": "#1d4ed8",
    "torch_fused": "#5b8def", "torch_compile": "#0e1e6b", "jax": "#0f8a5f", "pytensor": "#7c3aed", "hips": "#b45f9c",
    "mygrad": "#a3a11c", "micrograd": "#64748b",
}  # fmt: skip
LABELS = {
    "wengert": "ours, eager", "wengert_jit": "ours, jit", "wengert_value": "ours, Value", "numpy": "NumPy by hand",
    "torch": "PyTorch", "torch_fused": "PyTorch, fused Adam", "torch_compile": "torch.compile", "jax": "JAX jit",
    "pytensor": "PyTensor (Numba)", "hips": "HIPS autograd", "mygrad": "MyGrad", "micrograd": "micrograd",
}  # fmt: skip


def medians(result: dict[str, Any]) -> dict[str, float]:
    """Engine -> seconds of a unit, in COLOURS' order; floors are left out."""
    found = {r["engine"]: statistics.median(r["seconds"]) / result["units"] for r in result["rows"] if r["seconds"]}
    return {engine: found[engine] for engine in COLOURS if engine in found}


def draw(document: dict[str, Any], path: Path) -> None:
    """A row for each workload, a dot for each engine, on a logarithmic axis of times relative to our fastest engine."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from bench.targets import duration

    rows = [(result["workload"], medians(result)) for result in document["results"]]
    rows = [(name, times) for name, times in rows if any(e.startswith("wengert") for e in times) and len(times) > 1]
    if not rows:
        return
    figure, axes = plt.subplots(figsize=(10.5, 1.7 + 0.5 * len(rows)), facecolor=BACK)
    for at, (_, times) in enumerate(rows):
        base = min(seconds for engine, seconds in times.items() if engine.startswith("wengert"))
        shares = {engine: seconds / base for engine, seconds in times.items()}
        axes.plot([min(shares.values()), max(shares.values())], [at, at], color=FAINT, lw=1.2, zorder=1)
        for engine, share in shares.items():
            ours = engine.startswith("wengert")
            axes.scatter(share, at, s=95 if ours else 62, color=COLOURS[engine], marker="D" if ours else "o", zorder=3 + ours,
                         edgecolor=BACK, linewidth=1.1)  # fmt: skip
        axes.annotate(duration(base), (1.005, at), xycoords=("axes fraction", "data"), va="center", fontsize=9, color=INK)
    axes.axvline(1, color=COLOURS["wengert_jit"], lw=1, alpha=0.5, zorder=0)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=10)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    axes.grid(axis="x", which="major", color=FAINT, lw=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, colors=INK)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_title("Time of a step, as a multiple of ours (left: faster than ours)", loc="left", color=INK, fontsize=12, pad=12)
    where = document["machine"]
    present = [engine for engine in COLOURS if any(engine in times for _, times in rows)]
    marks = [
        plt.Line2D(
            [], [], ls="", marker="D" if e.startswith("wengert") else "o", color=COLOURS[e], label=LABELS[e], markersize=7
        )
        for e in present
    ]
    inch = 1 / axes.get_window_extent().height * figure.dpi  # of the axes' height
    axes.legend(handles=marks, ncols=4, frameon=False, loc="upper center", bbox_to_anchor=(0.45, -0.3 * inch), fontsize=9)
    axes.annotate(
        f"{where['processor']}, {where['cores']} cores; commit {where['commit']}; {where['date']}. On the right: our fastest.",
        (0.45, -1.15 * inch), xycoords="axes fraction", ha="center", va="top", fontsize=7.5, color="#7a8194",
    )  # fmt: skip
    figure.savefig(path, dpi=160, bbox_inches="tight")
    plt.close(figure)
