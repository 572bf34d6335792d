"""`python -m bench.peaks`: what this machine can do: GFLOP/s of a large float32 matrix product, GB/s of memory (the better
of a large copy and an update in place, read and written bytes counted), with all cores."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

SIDE = 2048
MEBIBYTES = 256


def best(run: Callable[[], object], times: int = 4) -> float:
    """The least seconds of one run."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def product() -> float:
    """FLOP/s of a product of square float32 matrices."""
    a = np.ones((SIDE, SIDE), np.float32)
    out = np.empty_like(a)
    return 2 * SIDE**3 / best(lambda: np.matmul(a, a, out=out))


def memory() -> float:
    """Bytes/s read and written by passes too large for the caches, each core over its part."""
    source = np.ones(MEBIBYTES << 17, np.float64)
    target = np.zeros_like(source)
    cores = os.cpu_count() or 1
    parts = list(zip(np.array_split(target, cores), np.array_split(source, cores), strict=True))
    with ThreadPoolExecutor(cores) as pool:
        copy = best(lambda: list(pool.map(lambda pair: np.copyto(*pair), parts)))
        update = best(lambda: list(pool.map(lambda pair: np.multiply(pair[0], 1.0, out=pair[0]), parts)))
    return 2 * source.nbytes / min(copy, update)


def peaks() -> dict[str, float]:
    return {"flops": product(), "bytes": memory()}


def main() -> int:
    found = peaks()
    print(f"{found['flops'] / 1e9:.0f} GFLOP/s, {found['bytes'] / 1e9:.1f} GB/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
