"""Which steps of a program several threads share.

Every thread runs the whole program. Of a shared step each takes its part of the outermost loop, or of the rows or columns
of a product; what is not worth sharing the first thread does alone; between the two all wait for each other. Where a
shared loop adds up into an array, each thread adds into one of its own, and these are added at the end.
"""

from __future__ import annotations

from autograd.compiler.loops import Buffer, Nest, Plain, Product, Step, Store
from autograd.kernels.threads import single

__all__ = ["phases", "split", "work"]

PROGRAM = 150_000.0
"""Nanoseconds of one thread's work from which a program is run by several."""
STEP = 5_000.0
"""The same for one step in it: waiting for each other costs about one."""


def split(steps: list[Step], buffers: dict[str, Buffer], threads: int) -> bool:
    """Mark the steps that are shared, in place; False if the program is not worth it."""
    if threads < 2 or sum(work(s, buffers) for s in steps) < PROGRAM:
        return False
    at, any_shared = 0, False
    while at < len(steps):
        step = steps[at]
        at += 1
        if work(step, buffers) < STEP:
            continue
        if isinstance(step, Product):
            stacked = step.stack >= threads and not step.total
            divides = stacked or max(buffers[step.out].shape[-2:]) >= 8 * threads
            step.shared = divides and single("scipy") is not None  # any other BLAS would start threads of its own in each
        elif isinstance(step, Plain):
            step.shared = step.stack >= threads
        elif isinstance(step, Nest) and step.outer() >= threads:
            sums = scattered(step, buffers)
            if sums is None:
                continue
            step.shared = True
            for fill in [f for f in step.fills if f.buffer not in sums]:  # rows that one thread alone adds up into
                step.fills.remove(fill)
                steps.insert(at - 1, Plain([f"{fill.buffer}[...] = {fill.value}"], fill.buffer, [], ["fill"]))
                at += 1
            for name in sums:
                step.private[name] = part = f"b{len(buffers)}"
                b = buffers[name]
                buffers[part] = Buffer(b.dtype, (threads, *b.shape))
                steps.insert(at, total(name, part, b, sums[name]))
                at += 1
        any_shared |= step.shared
    return any_shared


def phases(steps: list[Step], several: bool, buffers: dict[str, Buffer]) -> list[int]:
    """The phase of each step, where all wait for each other between two phases; without threads each step is one.

    Steps share a phase if none of them reads or writes what another one, on another thread, may be writing.
    """
    if not several:
        return list(range(len(steps)))
    found: list[int] = []
    phase = 0
    touched: dict[str, set[bool]] = {}  # in this phase: by steps that are shared, or that the first thread does alone
    written: dict[str, set[bool]] = {}
    for step in steps:
        mine, all_of_them = ([buffers[n].alias or n for n in names] for names in (step.written(), step.touched()))

        def apart(users: set[bool], shared: bool = step.shared) -> bool:
            return shared or True in users  # two steps of the first thread alone follow each other anyway

        if any(name in touched and apart(touched[name]) for name in mine) or any(
            name in written and apart(written[name]) for name in all_of_them
        ):
            phase, touched, written = phase + 1, {}, {}
        found.append(phase)
        for name in all_of_them:
            touched.setdefault(name, set()).add(step.shared)
        for name in mine:
            written.setdefault(name, set()).add(step.shared)
    return found


def work(step: Step, buffers: dict[str, Buffer]) -> float:
    """About how many nanoseconds one thread takes."""
    if isinstance(step, Product):
        return step.flops() / 80
    moved = sum(step.moved(buffers).values()) if isinstance(step, Nest) else sum(buffers[name].bytes for name in step.buffers())
    return max(step.flops() * 0.04, moved * 0.05)


def scattered(nest: Nest, buffers: dict[str, Buffer]) -> dict[str, str] | None:
    """The arrays that rounds of the outermost loop add up into, and how; None if they write each other's elements."""
    sums: dict[str, str] = {}
    flat = nest.flat(buffers)
    for loop in nest.loops:
        for s in loop.statements():
            if not isinstance(s, Store) or s.buffer in nest.rows:
                continue
            if isinstance(s.index, str):
                return None
            own = flat or any(i.split()[0] == "i0" for i in s.index)
            if own:
                continue
            combine = s.combine
            if combine == "{1}":
                if s.buffer not in loop.reductions:
                    return None
                combine = loop.reductions[s.buffer][0]
            sums[s.buffer] = combine
    return sums


def total(name: str, part: str, b: Buffer, combine: str) -> Plain:
    """What the threads added up, taken together."""
    lines = [f"for i0 in range({b.size}):", f"    v1 = {part}[flat(i0)]"]
    lines += ["    for k in range(1, threads):", f"        v2 = {part}[flat(k * {b.size} + i0)]"]
    lines += [f"        v1 = {combine.format('v1', 'v2')}", f"    {name}[flat(i0)] = v1"]
    return Plain(lines, name, [part], ["total"], runs_for_all=True)
