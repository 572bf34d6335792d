"""One engine in one process: `PYTHON bench/worker.py ENGINE THREADS`, in that engine's own interpreter. Reads a line of
JSON for each request and answers with one, so that the engines of a comparison take turns:
{"do": "check"} does some steps, writes the state to a file and gives the losses; {"do": "time"} the seconds of a step;
{"do": "first"} the seconds and the memory of the first call in this process."""

from __future__ import annotations

import ctypes
import gc
import importlib
import itertools
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import workloads


def seconds(step: Callable[[], Any], budget: float) -> tuple[float, int]:
    """The median over several groups of steps that together take about `budget` seconds; and the number of steps."""
    clock = time.perf_counter
    start = clock()
    step()
    once = max(clock() - start, 1e-7)
    for _ in range(min(20, int(0.1 * budget / once))):  # warm up
        step()
    group = max(1, int(budget / 16 / once))
    each: list[float] = []
    begin = clock()
    while not each or clock() - begin < budget:
        start = clock()
        for _ in range(group):
            step()
        each.append((clock() - start) / group)
    return statistics.median(each), len(each) * group


def resident(line: str) -> float:
    """VmRSS or VmHWM (the peak) of this process in bytes; NaN where the system does not say."""
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii")
        return float(text.split(line + ":")[1].split()[0]) * 1024
    except (OSError, IndexError):
        return math.nan


def give_back() -> None:
    """Freed memory goes back to the system, so that what making the batches left cannot serve unseen."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # not the GNU library
        pass


def forget_peak() -> None:
    """Peaks count from here on (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        pass


class Bench:
    """The engine, and the work that it was asked for last."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.key = ""
        self.step: Callable[[], float]
        self.state: Callable[[], list[Any]]

    def build(self, request: dict[str, Any]) -> bool:
        """Whether the engine has such work; a step after this takes the next batch."""
        make = getattr(self.engine, request["build"], None)
        if make is None:
            return False
        settings = request["settings"]
        turn = itertools.cycle(workloads.batches(request["build"], settings))
        give_back()
        forget_peak()
        self.before = resident("VmRSS")
        self.clock = time.perf_counter()
        step, self.state = make(**settings)
        self.step = lambda: step(*next(turn))
        return True

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "check":
            self.key = ""
            if not self.build(request):
                return {"missing": True}
            self.key = json.dumps([request["build"], request["settings"]])
            losses = [self.step() for _ in range(request["steps"])]
            wrong = [type(x).__name__ for x in losses if type(x) is not float]
            if wrong:
                return {"error": f"a step returned {wrong[0]}, not float"}
            np.savez(request["file"], *[np.asarray(a, np.float64) for a in self.state()])
            return {"losses": losses}
        if request["do"] == "time":
            if self.key != json.dumps([request["build"], request["settings"]]):
                return {"error": "asked for the time before the check"}
            best, count = seconds(self.step, request["budget"])
            return {"seconds": best, "steps": count}
        return self.first(request)

    def first(self, request: dict[str, Any]) -> dict[str, Any]:
        """Building and the first call, less a later call; peak memory of that, and of later calls, above that before."""
        if not self.build(request):
            return {"missing": True}
        self.step()
        first = time.perf_counter() - self.clock
        compiling = resident("VmHWM")
        gc.collect()
        forget_peak()
        later, _ = seconds(self.step, request["budget"])
        return {
            "seconds": max(0.0, first - later),
            "peak": resident("VmHWM") - self.before,
            "first peak": compiling - self.before,
        }


def main() -> None:
    name, threads = sys.argv[1], int(sys.argv[2])
    # What an engine prints must not mix with the answers, not even where a compiler that it starts prints it.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def reply(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=replies, flush=True)

    try:
        engine = importlib.import_module(f"engines.{name}")
        if hasattr(engine, "set_threads"):
            engine.set_threads(threads)
        reply({
            "engine": name, "version": engine.version(), "python": platform.python_version(), "numpy": np.__version__,
            "settings": getattr(engine, "SETTINGS", ""),
        })  # fmt: skip
    except Exception as error:
        reply({"error": f"{type(error).__name__}: {error}"})
        return
    bench = Bench(engine)
    for line in sys.stdin:
        try:
            reply(bench.answer(json.loads(line)))
        except Exception as error:
            reply({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
