"""One engine in one process: `PYTHON bench/worker.py ENGINE THREADS`, in that engine's own interpreter. Reads
a line of JSON for each request and answers with one: {"do": "check"} gives the numbers that the work
computes, {"do": "time"} the seconds of one step. Between requests it waits on its input, so that the engines
of a comparison take turns."""

from __future__ import annotations

import importlib
import json
import math
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def numbers(result: Any) -> list[float]:
    """A short summary of what a step gave: every scalar, and sum, norm and ends of every array."""
    if isinstance(result, tuple | list):
        return [n for part in result for n in numbers(part)]
    if hasattr(result, "detach"):
        result = result.detach()
    array = np.asarray(result.numpy() if hasattr(result, "numpy") else result, dtype=np.float64)
    if array.size == 1:
        return [float(array.reshape(()))]
    return [
        float(array.sum()),
        math.sqrt(float((array * array).sum())),
        float(array.flat[0]),
        float(array.flat[-1]),
    ]


def seconds(step: Callable[[], Any], budget: float) -> tuple[float, int]:
    """The best of several batches of steps that together take about `budget` seconds; and the number of
    steps."""
    clock = time.perf_counter
    start = clock()
    step()
    once = clock() - start
    for _ in range(min(20, int(0.1 * budget / once))):  # warm up
        step()
    batch = max(1, int(budget / 8 / once))
    best, count, begin = math.inf, 0, clock()
    while count == 0 or clock() - begin < budget:
        start = clock()
        for _ in range(batch):
            step()
        best = min(best, (clock() - start) / batch)
        count += batch
    return best, count


def answer(engine: Any, request: dict[str, Any]) -> dict[str, Any]:
    build = getattr(engine, request["build"], None)
    if build is None:
        return {"missing": True}
    step = build(**request["settings"])
    if request["do"] == "check":
        return {"numbers": [n for _ in range(request["steps"]) for n in numbers(step())]}
    step()  # a first call may compile
    best, count = seconds(step, request["budget"])
    return {"seconds": best, "steps": count}


def main() -> None:
    name, threads = sys.argv[1], int(sys.argv[2])
    replies, sys.stdout = sys.stdout, sys.stderr  # what an engine prints must not mix with the answers
    engine: Any = None

    def reply(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=replies, flush=True)

    try:
        engine = importlib.import_module(f"engines.{name}")
        if hasattr(engine, "set_threads"):
            engine.set_threads(threads)
        reply(
            {
                "engine": name,
                "version": engine.version(),
                "python": platform.python_version(),
                "numpy": np.__version__,
            }
        )
    except Exception as error:
        reply({"error": f"{type(error).__name__}: {error}"})
        return
    for line in sys.stdin:
        try:
            reply(answer(engine, json.loads(line)))
        except Exception as error:
            reply({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
