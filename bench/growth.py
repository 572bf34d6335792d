"""`python -m bench.growth`: how time grows: per op with the number of ops of a graph, 10³ to 10⁶, and per element with the
size of the arrays, 10² to 10⁸. An engine that fails, or takes too long for one size, is left out of the larger ones."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.compare import Options, Row, Team, compare
from bench.peers import EAGER, JIT, interpreters
from bench.picture import COLOURS, FAINT, LABELS
from bench.targets import duration
from bench.workloads import Workload, chain

ENGINES = [EAGER, JIT, "numpy", "torch", "jax", "pytensor", "hips", "mygrad"]
OPS = [10**k for k in range(3, 7)]
SIZES = [10**k for k in range(2, 9)]
ELEMENT_OPS = 4
HUGE = 10**8
LONGEST = 20.0  # seconds of a step, above which larger sizes are left out


@dataclass
class Curve:
    """Seconds of one op (or of one element in one op) by size, for each engine; and why an engine ends early."""

    title: str
    axis: str
    points: dict[str, dict[int, float]] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)
    threads: dict[str, int] = field(default_factory=dict)  # of the last point


def alone(work: Workload, team: Team, engines: list[str], curve: Curve) -> Iterator[Row]:
    """Rows of one engine after the other, each with the threads that were best before: together they would need too much
    memory. Their numbers were checked at smaller sizes."""
    team.close()
    for engine in engines:
        single = Team([engine], replace(team.options, threads=curve.threads.get(engine, 1)))
        try:
            yield from compare(work, single, [engine])
        finally:
            single.close()


def measure(curve: Curve, sizes: list[int], by_ops: bool, team: Team) -> None:
    left = [engine for engine in ENGINES if engine in team.python]
    threads = curve.threads
    for size in sizes:
        work = chain(1, size) if by_ops else chain(size, ELEMENT_OPS)
        for row in compare(work, team, left) if size < HUGE else alone(work, team, list(left), curve):
            threads[row.engine] = row.threads
            if not row.rounds:
                curve.ends[row.engine] = f"{size:,}: {row.why}"
                left.remove(row.engine)
                continue
            each = row.median / work.units / (1 if by_ops else size)
            curve.points.setdefault(row.engine, {})[size] = each
            print(f"  {size:>12,}  {row.engine:<14}{duration(each):>10}", flush=True)
            if row.median * 10 > LONGEST and size != sizes[-1]:
                curve.ends[row.engine] = f"above {size:,}: a step took {duration(row.median)}"
                left.remove(row.engine)


def draw(curves: list[Curve], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(curves), figsize=(6.2 * len(curves), 4.6), facecolor="white")
    for axes, curve in zip(panels, curves, strict=True):
        for engine, points in curve.points.items():
            ours = engine.startswith("wengert")
            axes.plot(list(points), list(points.values()), marker="o", ms=4, lw=2.6 if ours else 1.4, color=COLOURS[engine],
                      label=LABELS[engine], zorder=3 + ours)  # fmt: skip
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: duration(value) if value >= 1e-9 else f"{value * 1e12:g} ps")
        axes.set_title(curve.title, loc="left", fontsize=11)
        axes.set_xlabel(curve.axis)
        axes.grid(which="major", color=FAINT, lw=0.5)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
    handles = {label: h for axes in panels for h, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), ncols=4, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0.02))
    figure.savefig(path, dpi=160, bbox_inches="tight")
    plt.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH", help="as for python -m bench")
    parser.add_argument("--most-ops", type=int, default=OPS[-1])
    parser.add_argument("--most-elements", type=int, default=SIZES[-1])
    parser.add_argument("--patience", type=float, default=60, help="seconds that a first call may take (default 60)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--picture", type=Path, metavar="FILE")
    given = parser.parse_args()
    options = Options(2, 0.1, 0, given.patience, interpreters(parser, given.python))
    team = Team(ENGINES, options)
    ops = Curve("forward + backward, per op, one element", "ops of the graph")
    elements = Curve(f"forward + backward, per element and op ({ELEMENT_OPS} ops)", "elements")
    try:
        print(ops.title)
        measure(ops, [n for n in OPS if n <= given.most_ops], True, team)
        print(elements.title)
        measure(elements, [n for n in SIZES if n <= given.most_elements], False, team)
    finally:
        team.close()
    for curve in (ops, elements):
        for engine, why in curve.ends.items():
            print(f"left out, {engine} at {curve.axis} {why}")
    for engine, why in team.absent.items():
        print(f"left out: {engine}: {why}")
    if given.json:
        given.json.write_text(json.dumps([vars(curve) for curve in (ops, elements)], indent=1) + "\n", encoding="utf-8")
    if given.picture:
        draw([ops, elements], given.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
