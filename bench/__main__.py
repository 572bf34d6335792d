"""`python -m bench`: our time beside each peer's. `python -m bench setup`: make the peers' environments."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.compare import Row, compare, ratios, start
from bench.peers import ENGINES, ENVIRONMENTS, set_up
from bench.workloads import Workload, workloads


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog="Each engine runs in a process of its own, and all must compute the same numbers before any "
        "is timed. They take turns, round by round; a ratio is our time as a share of the peer's in the same "
        "round, and its median over the rounds is shown with the least and the greatest. "
        "See also: python -m bench.imports, python -m bench.memory.",
    )
    parser.add_argument("--only", nargs="+", metavar="WORK", help="names of workloads, or beginnings of them")
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--budget", type=float, default=0.3, help="seconds that an engine's round takes (default 0.3)"
    )
    parser.add_argument("--quick", action="store_true", help="3 rounds of 0.05 s: rough figures")
    parser.add_argument(
        "--threads", type=int, default=1, help="threads of every pool of every engine (default 1)"
    )
    parser.add_argument(
        "--python", action="append", default=[], metavar="ENGINE=PATH", help="a peer's interpreter"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured, round by round")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a target is missed")
    commands = parser.add_subparsers(dest="command")
    setup = commands.add_parser("setup", help="make the peers' environments in the cache folder of the user")
    setup.add_argument("names", nargs="*", help=f"which of {', '.join(ENVIRONMENTS)} (default: all)")
    setup.add_argument(
        "--pip", default="", help="further words for pip install, such as an index with CPU builds"
    )
    options = parser.parse_args()
    if options.command == "setup":
        unknown = [n for n in options.names if n not in ENVIRONMENTS]
        if unknown:
            parser.error(f"unknown environment {unknown[0]!r}; there are {', '.join(ENVIRONMENTS)}")
        return options
    options.paths = {}
    for word in options.python:
        engine, _, path = word.partition("=")
        if engine not in ENGINES or not path:
            parser.error(f"--python {word}: want ENGINE=PATH with an engine of {', '.join(ENGINES)}")
        options.paths[engine] = path
    if options.rounds < 1 or options.threads < 1 or not options.budget > 0:
        parser.error("--rounds, --threads and --budget must be positive")
    if options.quick:
        options.rounds, options.budget = 3, 0.05
    return options


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
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "commit": done.stdout.strip() or "?",
        "date": datetime.date.today().isoformat(),
    }


def duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


HEAD = ["engine", "time", "our time / its time", "with jit", ""]


def table(work: Workload, rows: list[Row]) -> list[list[str]]:
    """Lines of cells as in HEAD."""
    timed = {row.engine: row for row in rows if row.rounds}
    lines = []
    for row in rows:
        if not row.rounds:
            lines.append([row.engine, "–", "–", "–", row.why.split("\n")[0]])
            continue
        shares, remark = ["", ""], ""
        for k, engine in enumerate(("wengert", "wengert_jit")):
            if engine not in timed or row.engine in (engine, "wengert_jit"):
                continue
            middle, least, greatest = ratios(timed[engine], row)
            shares[k] = f"{middle:.2f} ({least:.2f}–{greatest:.2f})"
            if k == 0 and row.engine in work.targets:
                met = "met" if middle <= work.targets[row.engine] else "MISSED"
                remark = f"target ≤ {work.targets[row.engine]:g}: {met}"
        lines.append([row.engine, duration(row.median / work.units), *shares, remark])
    return lines


def main() -> int:
    options = arguments()
    if options.command == "setup":
        return set_up(options.names or list(ENVIRONMENTS), options.pip.split())
    names = [w.name for w in workloads()]
    wanted = {n for o in options.only or [""] for n in ([o] if o in names else names) if n.startswith(o)}
    chosen = [w for w in workloads() if w.name in wanted]
    if not chosen:
        print(f"no such workload; there are {', '.join(names)}", file=sys.stderr)
        return 2
    workers, absent = start(options.engines, options.paths, options.threads)
    where = machine()
    about = [
        "{processor}, {cores} cores, {system}; commit {commit}; {date}".format_map(where),
        f"threads of every pool: {options.threads}; rounds: {options.rounds} of {options.budget:g} s",
        "; ".join(f"{w.engine} {w.about['version']} (numpy {w.about['numpy']})" for w in workers),
        *(f"left out: {engine}: {why}" for engine, why in absent.items()),
    ]
    print("\n".join(about))
    markdown = [*(f"- {line}" for line in about)]
    results: list[dict[str, Any]] = []
    missed = False
    try:
        for work in chosen:
            rows = compare(work, workers, options.rounds, options.budget)
            lines = table(work, rows)
            missed |= any("MISSED" in line[4] for line in lines)
            print(f"\n{work.name}: {work.what}")
            widths = [max(len(line[i]) for line in [HEAD, *lines]) for i in range(4)]
            for line in [HEAD, *lines]:
                numbers = [cell.rjust(width) for cell, width in zip(line[1:4], widths[1:], strict=True)]
                print("  ".join(["", line[0].ljust(widths[0]), *numbers, line[4]]).rstrip(), flush=True)
            markdown += [
                "",
                f"**{work.name}**: {work.what}",
                "",
                "| " + " | ".join(HEAD) + " |",
                "|---|---:|---:|---:|---|",
            ]
            markdown += ["| " + " | ".join(line) + " |" for line in lines]
            results.append({
                "workload": work.name, "what": work.what, "units": work.units, "targets": work.targets,
                "rows": [{"engine": r.engine, "seconds": r.rounds, "left out": r.why} for r in rows],
            })  # fmt: skip
    finally:
        for worker in workers:
            worker.close()
    if options.markdown:
        options.markdown.write_text("\n".join(markdown) + "\n", encoding="utf-8")
    if options.json:
        document = {
            "machine": where, "threads": options.threads, "rounds": options.rounds, "budget": options.budget,
            "engines": [w.about for w in workers], "absent": absent, "results": results,
        }  # fmt: skip
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
