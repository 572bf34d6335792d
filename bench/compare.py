"""A comparison: the numbers are checked, each engine's best thread count is found, then the engines take turns."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers import FLOORS, ONE_THREAD, interpreter
from bench.process import LATE, Worker
from bench.workloads import Workload, start

Array = np.ndarray


@dataclass
class Options:
    """How to measure. `threads` 0: the better of one and all cores, for each engine and piece of work."""

    rounds: int = 7
    budget: float = 0.3
    threads: int = 0
    patience: float = 120.0  # seconds for a first call
    paths: dict[str, str] = field(default_factory=dict)


@dataclass
class Row:
    """One engine at one piece of work: seconds of a step in each round."""

    engine: str
    threads: int = 1
    rounds: list[float] = field(default_factory=list)
    why: str = ""  # why it is left out
    costs: dict[str, float] = field(default_factory=dict)  # see bench/costs.py

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)


class Team:
    """The engines' processes, started when first needed, one for each thread count."""

    def __init__(self, engines: list[str], options: Options) -> None:
        self.options = options
        self.absent: dict[str, str] = {}
        self.about: dict[str, dict[str, Any]] = {}
        self.python: dict[str, str] = {}
        self._workers: dict[tuple[str, int], Worker] = {}
        for engine in engines:
            python, where = interpreter(engine, options.paths)
            if python is None:
                self.absent[engine] = where
                continue
            self.python[engine] = python
            worker = self.worker(engine, self.counts(engine)[0])
            if worker is None:
                self.absent[engine] = self.about.pop(engine)["error"]
                del self.python[engine]

    def counts(self, engine: str) -> list[int]:
        """The thread counts to try."""
        if self.options.threads:
            return [self.options.threads]
        return sorted({1} if engine in ONE_THREAD else {1, os.cpu_count() or 1})

    def worker(self, engine: str, threads: int) -> Worker | None:
        """Its process, a new one where the last has ended; None where it does not start."""
        found = self._workers.get((engine, threads))
        if found is None or not found.alive:
            try:
                found = Worker(engine, self.python[engine], threads)
                about = found.about
            except OSError as error:
                about = {"error": f"{self.python[engine]}: {error.strerror}"}
            self.about[engine] = about
            if found is None or "error" in about:
                return None
            self._workers[engine, threads] = found
        return found

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()


def difference(ours: Array, theirs: Array, first: Array | None) -> float:
    """|ours − theirs| as a share of |ours − first|, how far the values have moved; of |ours| where nothing moved."""
    if ours.shape != theirs.shape:
        return np.inf
    moved = float(np.linalg.norm(ours - first if first is not None else ours))
    return float(np.linalg.norm(ours - theirs)) / max(moved, 1e-12)


class Check:
    """Compares what each engine computes with what the first one did: losses of all steps, state after the last."""

    def __init__(self, work: Workload) -> None:
        self.work = work
        self.losses: list[float] | None = None
        self.state: list[Array] = []

    def wrong(self, worker: Worker, patience: float) -> str | None:
        """Why its numbers are wrong, "" where they are right, None where it has no such work."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "state.npz")
            reply = worker.ask("check", self.work, patience, steps=self.work.checked_steps, file=str(file))
            if "missing" in reply:
                return None
            if "error" in reply:
                return str(reply["error"]).split("\n")[0]
            if worker.engine in FLOORS:
                return ""
            with np.load(file) as arrays:
                state = [arrays[name] for name in arrays.files]
        losses, tolerance = reply["losses"], self.work.tolerance
        if self.losses is None:
            self.losses, self.state = losses, state
            return ""
        for step, (a, b) in enumerate(zip(self.losses, losses, strict=True)):
            if not abs(a - b) <= 1e-3 * (1e-3 + abs(a)):
                return f"computes something else: the loss of step {step} is {b:.9g}, ours {a:.9g}"
        if len(self.state) != len(state):
            return f"gives {len(state)} arrays, not {len(self.state)}"
        first = start(self.work.build, self.work.settings) if self.work.checked_steps > 1 else []
        for k, (mine, its) in enumerate(zip(self.state, state, strict=True)):
            share = difference(mine, its, first[k] if first else None)
            if not share <= tolerance:
                return f"computes something else: array {k} is off by {share:.2g} of how far it moved"
        return ""


def trial(worker: Worker, work: Workload, budget: float, patience: float) -> tuple[float, str]:
    reply = worker.ask("time", work, patience, budget=budget)
    return reply.get("seconds", np.inf), reply.get("error", "")


def compare(work: Workload, team: Team, engines: list[str]) -> list[Row]:
    """A row for each engine that can do the work. The first engine is the reference for the numbers."""
    options, check = team.options, Check(work)
    rows: list[Row] = []
    playing: list[tuple[Worker, Row]] = []
    for engine in engines:
        if engine not in team.python:
            continue
        tried: list[tuple[Worker, Row]] = []
        why: str | None = None
        for threads in team.counts(engine):
            worker = team.worker(engine, threads)
            why = team.about[engine]["error"] if worker is None else check.wrong(worker, options.patience)
            if why != "" or worker is None:
                break
            tried.append((worker, Row(engine, threads)))
        if why:
            rows.append(Row(engine, why=why))
            if why.startswith(LATE):  # a first call takes at least so long
                rows[-1].costs["cold"] = options.patience
        elif why == "":
            playing += promising(tried, work, options)
    for number in range(options.rounds):
        for worker, row in playing if number % 2 == 0 else playing[::-1]:
            if row.why:
                continue
            time.sleep(0.02)  # the threads of the engine before may still spin
            taken, row.why = trial(worker, work, options.budget, options.patience)
            row.rounds.append(taken)
    for row in (row for _, row in playing):
        if row.why:
            row.rounds = []
    for engine in engines:  # of each the better thread count
        same = [row for _, row in playing if row.engine == engine]
        rows += sorted(same, key=lambda row: row.median if row.rounds else np.inf)[:1]
    return sorted(rows, key=lambda row: engines.index(row.engine))


def promising(tried: list[tuple[Worker, Row]], work: Workload, options: Options) -> list[tuple[Worker, Row]]:
    """Without the thread counts that a first trial shows to be far behind."""
    if len(tried) < 2:
        return tried
    times = [trial(worker, work, options.budget / 2, options.patience)[0] for worker, _ in tried]
    return [pair for pair, seconds in zip(tried, times, strict=True) if seconds <= 2.5 * min(times)]


def ratios(ours: Row, theirs: Row) -> tuple[float, float, float]:
    """(median, least, greatest) over the rounds of our time as a share of theirs."""
    each = [a / b for a, b in zip(ours.rounds, theirs.rounds, strict=True)]
    return statistics.median(each), min(each), max(each)
