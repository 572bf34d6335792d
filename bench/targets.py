"""What is to be reached: our share of a peer's time, memory or time of the first call, and whether it was."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.compare import Row, ratios
from bench.peers import EAGER, FLOORS, JIT, OURS, SCALAR

FASTEST = "the fastest"


@dataclass(frozen=True)
class Target:
    """Our `of` is at most `share` of that of `to`; where `to` is empty, at most `share` seconds."""

    ours: str
    to: str
    share: float
    of: str = "time"


@dataclass(frozen=True)
class Verdict:
    """A target that could be judged; `value` is our share, `spread` the least and the greatest over the rounds."""

    workload: str
    target: Target
    peer: str
    value: float
    spread: tuple[float, float] | None = None

    @property
    def met(self) -> bool:
        return self.value <= self.target.share

    def __str__(self) -> str:
        show = duration if not self.peer else "{:.3g}".format
        spread = f" ({show(self.spread[0])}–{show(self.spread[1])})" if self.spread else ""
        peer = f" of {self.target.to} ({self.peer})" if self.target.to == FASTEST else f" of {self.peer}" if self.peer else ""
        what = {"time": "", "peak": "peak memory, ", "cold": "first call, cold cache, ", "warm": "first call, warm cache, "}
        return (
            f"{self.target.ours}: {what[self.target.of]}{show(self.value)}{spread}{peer}, "
            f"target {show(self.target.share)}: {'met' if self.met else 'MISSED'}"
        )


def duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


COMPILING = [Target(JIT, "jax", 2.0, "cold"), Target(JIT, "torch_compile", 0.25, "cold"), Target(JIT, "", 0.3, "warm")]
MEMORY = [Target(JIT, "jax", 0.8, "peak"), Target(EAGER, "torch", 1.0, "peak")]
TARGETS: dict[str, list[Target]] = {
    "mlp_small": [
        Target(JIT, FASTEST, 0.60), Target(JIT, "jax", 0.25), Target(EAGER, "torch", 0.35), *COMPILING, *MEMORY
    ],
    "mlp_digits": [
        Target(JIT, FASTEST, 0.90), Target(JIT, "jax", 0.67), Target(EAGER, "torch", 0.7), *COMPILING, *MEMORY
    ],
    "mlp_large": [
        Target(JIT, FASTEST, 1.00), Target(JIT, "products", 1 / 0.92), Target(EAGER, "torch", 0.9), *COMPILING, *MEMORY
    ],
    "lenet": [Target(JIT, FASTEST, 0.5), *MEMORY],
    "lstm": [Target(JIT, FASTEST, 0.6), *MEMORY],
    "gpt": [Target(JIT, FASTEST, 0.7), *MEMORY],
    "gelu": [Target(JIT, FASTEST, 0.70), Target(EAGER, "torch", 0.35), *MEMORY],
    "softmax_ce": [Target(JIT, FASTEST, 0.40), Target(EAGER, "torch", 0.35), *MEMORY],
    "layer_norm": [Target(JIT, FASTEST, 0.50), Target(EAGER, "torch", 0.5), *MEMORY],
    "chain-1": [Target(JIT, "jax", 0.5), Target(EAGER, "torch", 0.65)],
    "chain-100": [Target(JIT, "jax", 0.5), Target(EAGER, "torch", 0.65), *MEMORY],
    "chain-10000": [Target(JIT, "jax", 0.5), Target(EAGER, "torch", 0.7), *MEMORY],
    "scalar": [
        Target(JIT, "", 0.05e-6), Target(JIT, "jax", 0.2, "cold"), Target(SCALAR, "micrograd", 0.2),
    ],
    "value": [Target(EAGER, "micrograd", 0.2)],
    "adam": [Target(EAGER, "torch_fused", 0.9), *MEMORY[1:]],
}  # fmt: skip
"""By the name of the workload. Absolute times are seconds of one unit."""


def fastest(rows: list[Row]) -> Row | None:
    """The fastest engine that is neither ours nor a floor."""
    peers = [row for row in rows if row.rounds and row.engine not in (*OURS, *FLOORS)]
    return min(peers, key=lambda row: row.median, default=None)


def judge(workload: str, units: int, rows: list[Row]) -> list[Verdict]:
    """The verdicts on all targets whose figures are there."""
    timed = {row.engine: row for row in rows if row.rounds}
    best = fastest(rows)
    verdicts = []
    for target in TARGETS.get(workload, []):
        ours = timed.get(target.ours)
        peer = best if target.to == FASTEST else timed.get(target.to)
        if peer is None and target.of == "cold":  # it was too late: our share of its patience is the most that it can be
            peer = next((row for row in rows if row.engine == target.to and "cold" in row.costs), None)
        if ours is None or (target.to and peer is None):
            continue
        if target.of == "time":
            if peer is None:
                each = [seconds / units for seconds in ours.rounds]
                verdicts.append(Verdict(workload, target, "", ours.median / units, (min(each), max(each))))
            else:
                value, least, most = ratios(ours, peer)
                verdicts.append(Verdict(workload, target, peer.engine, value, (least, most)))
            continue
        figure = ours.costs.get(target.of, math.nan)
        value = figure / peer.costs.get(target.of, math.nan) if peer is not None else figure
        if not math.isnan(value):
            verdicts.append(Verdict(workload, target, peer.engine if peer else "", value))
    return verdicts
