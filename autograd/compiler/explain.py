"""``step.explain()``: what a compiled program consists of, as a table."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

__all__ = ["Explanation", "Kernel"]

SILENT = ("broadcast", "reshape", "cast", "constant")
"""Functions that cost nothing."""
SHOWN = 6
"""Functions that are named for a kernel."""


class Kernel(NamedTuple):
    """One step of a program: a kernel of fused loops, or a call of BLAS."""

    name: str
    functions: tuple[str, ...]
    shape: tuple[int, ...]
    flops: int
    read: int
    written: int
    threads: bool
    seconds: float | None = None
    """What it took, where that was measured."""


def _kernels(lowered: Any, seconds: list[float] | None) -> list[Kernel]:
    """The steps of a lowered program: the only place that knows how they are kept."""
    from autograd.compiler.loops import Nest, kernels

    found = []
    for k, (step, call) in enumerate(kernels(lowered.steps, lowered.buffers)[1]):
        moved = step.moved(lowered.buffers) if isinstance(step, Nest) else {}
        sizes = {b: moved.get(b, lowered.buffers[b].bytes) for b in step.touched()}
        written = step.written()
        if not written:  # a check
            continue
        loops = getattr(step, "loops", None)
        shapes = [loop.shape for loop in loops] if loops else [lowered.buffers[written[-1]].shape]
        found.append(
            Kernel(
                "BLAS" if call.startswith("dot(") else call.split("(")[0],
                tuple(f for f in step.sources if f not in SILENT),
                max(shapes, key=_size),
                step.flops(),
                sum(n for b, n in sizes.items() if b not in written),
                sum(sizes[b] for b in written),
                step.shared,
                None if seconds is None else seconds[k],
            )
        )
    return found


class Explanation:
    """A program in numbers: `kernels` in order, `arena` bytes of scratch, `segments` of eager code, `seconds` to compile.

    Printed, it is a table; in a notebook too. Where the kernels were timed, each has its `seconds`, and the table what share
    of the whole they are.
    """

    def __init__(self, variant: Any, name: str, programs: int, seconds: list[float] | None = None):
        lowered, program = variant.lowered, variant.program
        self.name, self.programs = name, programs
        self.kernels = _kernels(lowered, seconds)
        self.arena: int = lowered.arena
        self.seconds: float = variant.seconds
        self.segments = len(lowered.calls)
        self.recorded = len(lowered.instructions)
        self.inputs = len(program.arguments)
        self.states, self.writes = len(program.states), len(program.commits)
        self.results, self.draws = len(lowered.outputs), len(program.draws)
        self.conditions = len(variant.conditions)

    @property
    def flops(self) -> int:
        """Scalar functions computed in one call, a multiplication with its addition counted as two."""
        return sum(k.flops for k in self.kernels)

    @property
    def bytes(self) -> int:
        """What the kernels read and write in one call, if nothing stays in a cache between them."""
        return sum(k.read + k.written for k in self.kernels)

    def _head(self) -> list[str]:
        fused = sum(len(k.functions) for k in self.kernels)
        draws = f", {_count(self.draws, 'random draw')}" if self.draws else ""
        return [
            f"{self.name}: one compiled call, {_count(self.segments, 'eager segment')}; "
            f"{_count(self.programs, 'program')} kept",
            f"{_count(self.recorded, 'instruction')} recorded; {_count(fused, 'function')} in "
            f"{_count(len(self.kernels), 'kernel')}, of which {sum(k.name == 'BLAS' for k in self.kernels)} by BLAS",
            f"{_units(self.flops)}flop and {_units(self.bytes)}B a call, {_units(self.arena)}B of scratch; "
            f"compiled in {self.seconds:.2f} s",
            f"{_count(self.inputs, 'input')}, {self._state()}, "
            f"{_count(self.results, 'result')}{draws}; {_count(self.conditions, 'condition')} looked at before each call",
        ]

    def _state(self) -> str:
        if not self.states:
            return "no state"
        return f"{_count(self.states, 'array')} of state, {self.writes or 'none'} of them written"

    def _timed(self) -> bool:
        return any(k.seconds is not None for k in self.kernels)

    def _titles(self) -> tuple[str, ...]:
        return ("kernel", "shape", *(("time", "share") if self._timed() else ()), "work", "reads", "writes", "functions")

    def _times(self, k: Kernel) -> tuple[str, ...]:
        if k.seconds is None:
            return ()
        share = k.seconds / (sum(x.seconds or 0 for x in self.kernels) or 1)
        return (_units(k.seconds * 1e9, ("ns", "µs", "ms", "s")), f"{share:.0%}")

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                k.name + (" (threads)" if k.threads else ""),
                "×".join(map(str, k.shape)) or "1",
                *self._times(k),
                _units(k.flops) + "flop",
                _units(k.read) + "B",
                _units(k.written) + "B",
                _functions(k.functions),
            )
            for k in self.kernels
        ]

    def __str__(self) -> str:
        rows = [self._titles(), *self._rows()]
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]) - 1)]
        table = ["  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]]).rstrip() for row in rows]
        return "\n".join([*self._head(), "", *table])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<p>{escape(line)}</p>" for line in self._head())
        names = "".join(f"<th>{n}</th>" for n in self._titles())
        rows = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in self._rows())
        return f"{head}<table><tr>{names}</tr>{rows}</table>"


def _size(shape: tuple[int, ...]) -> int:
    n = 1
    for m in shape:
        n *= m
    return n


def _functions(names: tuple[str, ...]) -> str:
    counts: dict[str, int] = {}
    for n in names:
        counts[n] = counts.get(n, 0) + 1
    shown = [n if c == 1 else f"{n} ×{c}" for n, c in counts.items()]
    return ", ".join(shown[:SHOWN]) + (f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else "")


def _count(n: int, what: str) -> str:
    return f"{n or 'no'} {what}{'' if n == 1 else 's'}"


def _units(n: float, units: tuple[str, ...] = ("", "k", "M", "G", "T")) -> str:
    for unit in units[:-1]:
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} {units[-1]}"
