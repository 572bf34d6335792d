"""What a first call takes, and memory: each engine in fresh processes, one with a cold cache and one with a warm one."""

from __future__ import annotations

import tempfile

from bench.compare import Row, Team
from bench.peers import COMPILED, FLOORS, cache_variables
from bench.process import Worker
from bench.workloads import Workload


def add_costs(work: Workload, team: Team, rows: list[Row]) -> None:
    """Put into each row's `costs`: `cold` and `warm`, seconds of building and the first call less a later call; `peak`, the
    greatest resident size in bytes during later steps, above that before anything was built; `first peak`, the same of
    the first call, with what compiling takes."""
    for row in rows:
        if not row.rounds or row.engine in FLOORS:
            continue
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            for cache in ("cold", "warm") if row.engine in COMPILED else ("cold",):
                worker = Worker(row.engine, team.python[row.engine], row.threads, cache_variables(folder))
                reply = worker.ask("first", work, team.options.patience, budget=0.1)
                worker.close()
                if "seconds" not in reply:
                    break
                if row.engine in COMPILED:
                    row.costs[cache] = reply["seconds"]
                for name in ("peak", "first peak"):
                    row.costs.setdefault(name, reply[name])
