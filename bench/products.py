"""`python -m bench.products`: matrix products inside a compiled step, written out as loops and by BLAS, in nanoseconds, to
find the size from which BLAS wins (`written_out` in autograd/compiler/products.py)."""

from __future__ import annotations

import argparse
import math
import os
import sys
import timeit
from collections.abc import Callable, Iterator
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # small products never get more

import numpy as np

import autograd as ag
from autograd.compiler import lower

MANY = 8
ROWS = (1, 8, 64, 100, 256)
SIDES = ((2, 16), (16, 1), (16, 16), (10, 64), (64, 10), (32, 32), (64, 64), (128, 64), (784, 10))
BATCHES = ((2, 100, 16), (16, 100, 16), (16, 100, 1), (64, 64, 128), (10, 64, 64))  # of weight gradients
LEAST = 20.0  # nanoseconds below which nothing is told apart
LARGEST = 1 << 21  # multiply-adds
FORMS: dict[str, Callable[[Any, Any], Any]] = {
    "a @ b": lambda a, b: a @ b,
    "a @ b.T": lambda a, b: a @ b.T,
    "a.T @ b": lambda a, b: a.T @ b,
}


def operands(form: str, m: int, k: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    left = (k, m) if form.startswith("a.T") else (m, k)
    right = (n, k) if form.endswith("b.T") else (k, n)
    return rng.random(left, np.float32), rng.random(right, np.float32)


def products(form: Callable[[Any, Any], Any], pairs: list[Any]) -> Callable[[], Any]:
    return lambda: tuple(form(a, b) for a, b in pairs)


def nanoseconds(form: str, m: int, k: int, n: int, loops: bool) -> float:
    """One product and its result, from programs of many and of twice as many, so that what a call costs drops out."""
    pairs = [tuple(ag.Tensor(x) for x in operands(form, m, k, n)) for _ in range(2 * MANY)]
    before = lower.written_out
    lower.written_out = lambda *_: loops
    timers = []
    try:
        for count in (MANY, 2 * MANY):
            run = ag.jit(products(FORMS[form], pairs[:count]))
            run()
            timers.append(timeit.Timer(run))
    finally:
        lower.written_out = before
    number = max(1, int(0.004 / min(timers[0].timeit(1), timers[0].timeit(1))))
    times = [[timer.timeit(number) for timer in timers] for _ in range(11)]  # in turn
    few, many = (float(min(t)) / number for t in zip(*times, strict=True))
    return (many - few) / MANY * 1e9


def grid() -> Iterator[tuple[int, int, int]]:
    for k, n in SIDES:
        for m in ROWS:
            if m * k * n <= LARGEST:
                yield m, k, n
    yield from BATCHES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.products", description=__doc__)
    parser.add_argument("--form", choices=list(FORMS), nargs="+", default=list(FORMS))
    options = parser.parse_args()
    for form in options.form:
        result = min(nanoseconds(form, 1, 1, 1, True) for _ in range(3))  # what a result costs
        print(f"\n{form} (a result's own {result:,.0f} ns taken off)")
        print(f"{'m':>5}{'k':>5}{'n':>5}{'m·k·n':>10}{'loops':>10}{'BLAS':>10}  loops / BLAS")
        found = []
        for m, k, n in sorted(grid(), key=lambda shape: (shape[1], math.prod(shape))):
            loops, blas = (max(LEAST, nanoseconds(form, m, k, n, way) - result) for way in (True, False))
            found.append((k, m * k * n, loops, blas))
            print(f"{m:5}{k:5}{n:5}{m * k * n:10,}{loops:10,.0f}{blas:10,.0f}  {loops / blas:.2f}", flush=True)
        print(f"best limit of m·k·n: {best_limit([(size, *times) for _, size, *times in found])}")
        print(f"best limit of k: {best_limit([(k, *times) for k, _, *times in found])}")
    return 0


def best_limit(found: list[Any]) -> str:
    """The limit with the least geometric mean of times, loops up to it and BLAS beyond, and how near it is to the best."""
    best = sum(math.log(min(loops, blas)) for _, loops, blas in found)

    def cost(limit: int) -> float:
        return sum(math.log(loops if size <= limit else blas) for size, loops, blas in found) - best

    limit = min({0, *(size for size, _, _ in found)}, key=cost)
    return f"{limit:,}, {math.exp(cost(limit) / len(found)):.2f} of the time of the best choice for each shape"


if __name__ == "__main__":
    sys.exit(main())
