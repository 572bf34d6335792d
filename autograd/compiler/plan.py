"""The memory plan: where in one block of scratch each array lies, so that arrays that are never alive together share."""

from __future__ import annotations

from autograd.compiler.loops import Buffer, Step

__all__ = ["plan"]

LINE = 64
"""Bytes to which every array is aligned."""
MANY = 400
"""Arrays from which placing them by size would take too long."""


def plan(steps: list[Step], times: list[int], buffers: dict[str, Buffer]) -> int:
    """Give every array in scratch an offset; the bytes in all. Steps of the same time may run at once.

    A few arrays are placed largest first, each in the first gap that is free while it lives; many in the order in which
    they come to life, in what others have left.
    """
    life: dict[str, tuple[int, int]] = {}
    for k, step in zip(times, steps, strict=True):
        for name in (buffers[n].alias or n for n in step.touched()):
            if buffers[name].place == "arena":
                life[name] = (life.get(name, (k, k))[0], k)
    sizes = {name: -(-buffers[name].bytes // LINE) * LINE for name in life}
    total = (by_size if len(life) <= MANY else by_birth)(life, sizes, buffers)
    for b in buffers.values():
        if b.alias and b.place == "arena":
            b.number = buffers[b.alias].number + b.offset
    return total


def by_size(life: dict[str, tuple[int, int]], sizes: dict[str, int], buffers: dict[str, Buffer]) -> int:
    """Largest first."""
    placed: list[tuple[int, int, tuple[int, int]]] = []  # offset, end, life
    for name in sorted(life, key=lambda n: (-sizes[n], n)):
        (born, dies), at = life[name], 0
        for start, end, (first, last) in sorted(placed):
            if first <= dies and born <= last and start < at + sizes[name] and at < end:
                at = end
        placed.append((at, at + sizes[name], (born, dies)))
        buffers[name].number = at
    return max((end for _, end, _ in placed), default=0)


def by_birth(life: dict[str, tuple[int, int]], sizes: dict[str, int], buffers: dict[str, Buffer]) -> int:
    """First come, first served; what dies is taken up again by arrays of the same size."""
    free: dict[int, list[int]] = {}
    ends: dict[int, list[str]] = {}
    total, now = 0, -1
    for name in sorted(life, key=lambda n: life[n][0]):
        for past in range(now, life[name][0]):
            for dead in ends.pop(past, ()):
                free.setdefault(sizes[dead], []).append(buffers[dead].number)
        now = life[name][0]
        spare = free.get(sizes[name])
        if spare:
            buffers[name].number = spare.pop()
        else:
            buffers[name].number, total = total, total + sizes[name]
        ends.setdefault(life[name][1], []).append(name)
    return total
