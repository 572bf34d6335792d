"""`python -m bench.memory`: resident memory over 10,000 training steps with the cyclic collector switched
off, and a chain of 1,000,000 ops forward, backward and freed."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from pathlib import Path

import numpy as np

import autograd as ag
import nn
import optim


def resident() -> float:
    """MiB of this process in memory now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def train(steps: int) -> float:
    """MiB by which resident memory grew between the first tenth of the steps and the end."""
    rng = np.random.default_rng(0)
    x, y = (
        ag.Tensor(rng.normal(size=(100, 2)).astype(np.float32)),
        ag.Tensor(rng.normal(size=(100, 1)).astype(np.float32)),
    )
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = optim.Adam(model.parameters())
    early = 0.0
    start = time.perf_counter()
    for count in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        if count == steps // 10:
            early = resident()
    late, seconds = resident(), time.perf_counter() - start
    print(f"{steps:,} training steps in {seconds:.1f} s: {early:.1f} MiB after a tenth of them, {late:.1f} MiB at the end")
    return late - early


def chain(ops: int) -> float:
    """MiB by which resident memory is larger after a chain of so many ops was built, differentiated and
    dropped, the second time (what the first leaves is the allocator's own)."""
    left = []
    for _ in range(2):
        before, start = resident(), time.perf_counter()
        x = ag.Tensor(1.0, requires_grad=True)
        y = x
        for _ in range(ops):
            y = y + 1e-6
        built = time.perf_counter()
        y.backward()
        walked = time.perf_counter()
        peak = resident()
        assert x.grad is not None and x.grad.item() == 1.0
        del x, y
        freed = time.perf_counter()
        left.append(resident() - before)
        print(
            f"chain of {ops:,} ops: forward {built - start:.2f} s, backward {walked - built:.2f} s, "
            f"freed {freed - walked:.2f} s; {peak - before:.0f} MiB held, {left[-1]:.1f} MiB left"
        )
    return left[-1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--ops", type=int, default=1_000_000)
    parser.add_argument("--limit", type=float, default=2.0, help="MiB of growth allowed (default 2)")
    options = parser.parse_args()
    gc.collect()
    gc.disable()
    grown = [train(options.steps), chain(options.ops)]
    met = max(grown) <= options.limit
    print(f"growth {max(grown):.1f} MiB, limit {options.limit:g} MiB: {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
