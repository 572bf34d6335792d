"""Running a comparison: workers in processes of their own, the numbers checked first, then rounds in turn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.peers import OURS, interpreter
from bench.workloads import Workload

HERE = Path(__file__).resolve().parent
POOLS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class Worker:
    """An engine's process. `about` is its greeting, or {"error": why}."""

    def __init__(self, engine: str, python: str, threads: int) -> None:
        self.engine = engine
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        environment |= dict.fromkeys(POOLS, str(threads))
        if engine in OURS:
            environment["PYTHONPATH"] = str(HERE.parent)
        # Elsewhere than in the checkout: its folder on the path would put our `autograd` before HIPS'.
        self.process = subprocess.Popen(
            [python, str(HERE / "worker.py"), engine, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=tempfile.gettempdir(),
        )
        self.about = self.read()

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": f"the process ended ({self.process.wait()})"}

    def ask(self, do: str, work: Workload, **more: Any) -> dict[str, Any]:
        if self.process.poll() is not None:
            return {"error": f"the process ended ({self.process.returncode})"}
        assert self.process.stdin is not None
        self.process.stdin.write(
            json.dumps({"do": do, "build": work.build, "settings": work.settings, **more}) + "\n"
        )
        self.process.stdin.flush()
        return self.read()

    def close(self) -> None:
        if self.process.stdin is not None and self.process.poll() is None:
            self.process.stdin.close()
        self.process.wait(timeout=30)


@dataclass
class Row:
    """One engine at one workload: seconds of a step in each round."""

    engine: str
    rounds: list[float] = field(default_factory=list)
    why: str = ""  # why it is left out

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)


def start(engines: list[str], given: dict[str, str], threads: int) -> tuple[list[Worker], dict[str, str]]:
    """The workers that run, and for the other engines why they don't."""
    workers, absent = [], {}
    for engine in engines:
        python, where = interpreter(engine, given)
        if python is None:
            absent[engine] = where
            continue
        try:
            worker = Worker(engine, python, threads)
        except OSError as error:
            absent[engine] = f"{python}: {error.strerror}"
            continue
        if "error" in worker.about:
            absent[engine] = f"{python}: {worker.about['error']}"
            worker.close()
        else:
            workers.append(worker)
    return workers, absent


def disagreement(ours: list[float], theirs: list[float], tolerance: float) -> str:
    if len(ours) != len(theirs):
        return f"computes {len(theirs)} numbers, not {len(ours)}"
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if not abs(a - b) <= tolerance * (1 + max(abs(a), abs(b))):
            return f"computes something else: number {i} is {b:.9g}, ours {a:.9g}"
    return ""


def compare(work: Workload, workers: list[Worker], rounds: int, budget: float) -> list[Row]:
    """A row for each worker that can do the work. The first worker is the reference for the numbers."""
    rows, taking_part, reference = [], [], None
    for worker in workers:
        checked = worker.ask("check", work, steps=work.checked_steps)
        if "missing" in checked:
            continue
        row = Row(worker.engine, why=checked.get("error", ""))
        rows.append(row)
        if not row.why:
            reference = reference or checked["numbers"]
            row.why = disagreement(reference, checked["numbers"], work.tolerance)
        if not row.why:
            taking_part.append((worker, row))
    for number in range(rounds):
        turn = taking_part if number % 2 == 0 else taking_part[::-1]
        for worker, row in turn:
            timed = worker.ask("time", work, budget=budget)
            if "error" in timed:
                row.why = timed["error"]
            else:
                row.rounds.append(timed["seconds"])
    for row in rows:
        if row.why:
            row.rounds = []
    return rows


def ratios(ours: Row, theirs: Row) -> tuple[float, float, float]:
    """(median, least, greatest) over the rounds of our time as a share of theirs."""
    each = [a / b for a, b in zip(ours.rounds, theirs.rounds, strict=True)]
    return statistics.median(each), min(each), max(each)
