"""`python -m bench`: our time beside each peer's. `python -m bench setup`: make the peers' environments."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench.compare import Options, Team, compare
from bench.costs import add_costs
from bench.peaks import peaks as measure_peaks
from bench.peers import ENGINES, ENVIRONMENTS, interpreters, set_up
from bench.report import Result, about, document, machine, markdown, text
from bench.targets import judge
from bench.workloads import workloads


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog="Each engine runs in a process of its own, and all must compute the same numbers before any is timed. They take "
        "turns, round by round; a ratio is our time as a share of the peer's in the same round, and its median over the "
        "rounds is shown with the least and the greatest. See also: python -m bench.growth, bench.overhead, bench.products, "
        "bench.imports, bench.memory.",
    )
    parser.add_argument("--only", nargs="+", metavar="WORK", help="names of workloads, or beginnings of them")
    parser.add_argument(
        "--engines", nargs="+", default=list(ENGINES), choices=ENGINES, metavar="ENGINE", help=", ".join(ENGINES)
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--budget", type=float, default=0.3, help="seconds that an engine's round takes (default 0.3)")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 0.1 s, no costs: rough figures")
    parser.add_argument("--no-costs", action="store_true", help="leave out memory and first calls, which take longest")
    parser.add_argument(
        "--threads", type=int, default=0, help="threads of every engine (default: the better of one and all cores)"
    )
    parser.add_argument("--patience", type=float, default=120, help="seconds that a first call may take (default 120)")
    parser.add_argument(
        "--python", action="append", default=[], metavar="NAME=PATH", help="the interpreter of a peer or an environment"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured, round by round")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the ratios (.png, .svg, .pdf)")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a target is missed")
    commands = parser.add_subparsers(dest="command")
    setup = commands.add_parser("setup", help="make the peers' environments in the cache folder of the user")
    setup.add_argument("names", nargs="*", help=f"which of {', '.join(ENVIRONMENTS)} (default: all)")
    setup.add_argument("--pip", default="", help="further words for pip install, such as an index with CPU builds")
    options = parser.parse_args()
    if options.command == "setup":
        unknown = [n for n in options.names if n not in ENVIRONMENTS]
        if unknown:
            parser.error(f"unknown environment {unknown[0]!r}; there are {', '.join(ENVIRONMENTS)}")
        return options
    options.paths = interpreters(parser, options.python)
    if options.rounds < 1 or options.threads < 0 or not options.budget > 0 or not options.patience > 0:
        parser.error("--rounds, --threads, --budget and --patience must be positive")
    if options.quick:
        options.rounds, options.budget, options.no_costs = 3, 0.1, True
    return options


def main() -> int:
    given = arguments()
    if given.command == "setup":
        return set_up(given.names or list(ENVIRONMENTS), given.pip.split())
    names = [w.name for w in workloads()]
    wanted = {n for o in given.only or [""] for n in ([o] if o in names else names) if n.startswith(o)}
    chosen = [w for w in workloads() if w.name in wanted]
    if not chosen:
        print(f"no such workload; there are {', '.join(names)}", file=sys.stderr)
        return 2
    options = Options(given.rounds, given.budget, given.threads, given.patience, given.paths)
    team = Team(given.engines, options)
    where, peaks = machine(), measure_peaks()
    heads = about(team, options, where, peaks)
    print("\n".join(heads), flush=True)
    results: list[Result] = []
    try:
        for work in chosen:
            peaks = {
                name: max(best, again) for (name, best), again in zip(peaks.items(), measure_peaks().values(), strict=True)
            }
            rows = compare(work, team, given.engines)
            if not given.no_costs:
                add_costs(work, team, rows)
            missing = [e for e in team.python if e not in {row.engine for row in rows}]
            results.append(Result(work, rows, judge(work.name, work.units, rows), missing))
            print(text(results[-1], peaks), flush=True)
    finally:
        team.close()
    heads = about(team, options, where, peaks)
    if given.markdown:
        given.markdown.write_text(markdown(heads, results, peaks), encoding="utf-8")
    if given.json:
        found = document(team, options, where, peaks, results)
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if given.picture:
        from bench.picture import draw

        draw(document(team, options, where, peaks, results), given.picture)
    missed = [v for result in results for v in result.verdicts if not v.met]
    print(f"\ntargets missed: {len(missed)} of {sum(len(result.verdicts) for result in results)}")
    return 1 if missed and given.check else 0


if __name__ == "__main__":
    sys.exit(main())
