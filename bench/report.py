"""The tables of a comparison, as text and Markdown, and everything measured as JSON."""

from __future__ import annotations

import dataclasses
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

from bench.compare import Options, Row, Team, ratios
from bench.peers import EAGER, JIT, OURS, SCALAR
from bench.targets import Verdict, duration
from bench.workloads import Workload

HEAD = ["engine", "threads", "time", "eager / it", "jit / it", "GFLOP/s", "GB/s", "peak memory", "first call", "again"]


@dataclasses.dataclass
class Result:
    """A workload with what was measured."""

    work: Workload
    rows: list[Row]
    verdicts: list[Verdict]
    missing: list[str]  # engines that have no such work


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "commit": done.stdout.strip() or "?",
        "date": time.strftime("%Y-%m-%d"),
    }


def share(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def rate(amount: float, seconds: float, peak: float) -> str:
    """An amount in a second, in units of 10⁹, and as a share of the machine's peak."""
    if not amount:
        return ""
    each = amount / seconds
    return f"{each / 1e9:.3g} ({each / peak:.0%})" if each < 100 * peak else ""


def table(work: Workload, rows: list[Row], peaks: dict[str, float]) -> list[list[str]]:
    """Lines of cells as in HEAD; an engine that was left out has its reason as the second cell."""
    timed = {row.engine: row for row in rows if row.rounds}
    eager = timed.get(EAGER if EAGER in timed and SCALAR not in timed else SCALAR)
    lines = []
    for row in rows:
        if not row.rounds:
            lines.append([row.engine, f"left out: {row.why}"])
            continue
        shares = []
        for ours in (eager, timed.get(JIT)):
            if ours is None or row is ours or row.engine == JIT:
                shares.append("")
            else:
                middle, least, most = map(share, ratios(ours, row))
                shares.append(f"{middle} ({least}–{most})")
        costs = row.costs
        lines.append([
            row.engine, str(row.threads), duration(row.median / work.units), *shares,
            rate(work.flops, row.median, peaks["flops"]), rate(work.bytes, row.median, peaks["bytes"]),
            f"{costs['peak'] / 2**20:.1f} MiB" if "peak" in costs else "",
            duration(costs["cold"]) if "cold" in costs else "",
            duration(costs["warm"]) if "warm" in costs else "",
        ])  # fmt: skip
    return lines


def text(result: Result, peaks: dict[str, float]) -> str:
    """A table for a terminal, with the verdicts below it."""
    lines = [HEAD, *table(result.work, result.rows, peaks)]
    whole = [line for line in lines if len(line) == len(HEAD)]
    used = [i for i in range(len(HEAD)) if any(line[i] for line in whole[1:])]
    widths = {i: max(len(line[i]) for line in whole) for i in used}
    out = [f"\n{result.work.name}: {result.work.what}"]
    for line in lines:
        if line in whole:
            cells = [line[i].rjust(widths[i]) if i else line[i].ljust(widths[i]) for i in used]
        else:
            cells = [line[0].ljust(widths.get(0, 0)), *line[1:]]
        out.append("  " + "  ".join(cells).rstrip())
    out += [f"    {verdict}" for verdict in result.verdicts]
    if result.missing:
        out.append(f"    no such work in: {', '.join(result.missing)}")
    return "\n".join(out)


def about(team: Team, options: Options, where: dict[str, Any], peaks: dict[str, float]) -> list[str]:
    """Lines on the machine, the engines and what is left out."""
    threads = str(options.threads) if options.threads else f"the better of 1 and {os.cpu_count()}, each engine and workload"
    lines = [
        "{processor}, {cores} cores, {system}; commit {commit}; {date}".format_map(where),
        f"peaks: {peaks['flops'] / 1e9:.0f} GFLOP/s (float32 product), {peaks['bytes'] / 1e9:.1f} GB/s (memory)",
        f"threads: {threads}; {options.rounds} rounds of {options.budget:g} s; each step gets fresh arrays, returns a float",
    ]
    for engine, found in team.about.items():
        settings = f": {found['settings']}" if found.get("settings") else ""
        lines.append(f"{engine} {found.get('version', '?')} (numpy {found.get('numpy', '?')}){settings}")
    return [*lines, *(f"left out: {engine}: {why}" for engine, why in team.absent.items())]


def markdown(heads: list[str], results: list[Result], peaks: dict[str, float]) -> str:
    """All tables, and first one line for each workload."""
    out = [f"- {line}" for line in heads]
    out += ["", "| workload | ours, of peer | share | target | |", "|---|---|---:|---:|---|"]
    for result in results:
        for v in result.verdicts:
            of = "" if v.target.of == "time" else f", {v.target.of}"
            state = "met" if v.met else "**missed**"
            peer, show = (f", of {v.peer}", "{:.3g}".format) if v.peer else ("", duration)
            out.append(f"| {v.workload} | {v.target.ours}{of}{peer} | {show(v.value)} | {show(v.target.share)} | {state} |")
    for result in results:
        out += ["", f"**{result.work.name}**: {result.work.what}", ""]
        out += ["| " + " | ".join(HEAD) + " |", "|---|" + "---:|" * (len(HEAD) - 1)]
        for line in table(result.work, result.rows, peaks):
            out.append("| " + " | ".join(line + [""] * (len(HEAD) - len(line))) + " |")
        if result.missing:
            out += ["", f"No such work in: {', '.join(result.missing)}."]
    return "\n".join(out) + "\n"


def document(
    team: Team, options: Options, where: dict[str, Any], peaks: dict[str, float], results: list[Result]
) -> dict[str, Any]:
    """Everything measured, round by round, for JSON."""
    return {
        "machine": where, "peaks": peaks, "ours": list(OURS),
        "rounds": options.rounds, "budget": options.budget, "threads": options.threads or "best",
        "engines": team.about, "absent": team.absent,
        "results": [
            {
                "workload": result.work.name, "what": result.work.what, "units": result.work.units,
                "flops": result.work.flops, "bytes": result.work.bytes, "missing": result.missing,
                "rows": [
                    {"engine": r.engine, "threads": r.threads, "seconds": r.rounds, "left out": r.why, "costs": r.costs}
                    for r in result.rows
                ],
                "targets": [dataclasses.asdict(v) | {"met": v.met} for v in result.verdicts],
            }
            for result in results
        ],
    }  # fmt: skip
