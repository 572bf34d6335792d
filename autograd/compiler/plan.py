"""The memory plan: where in one block of scratch each array lies, so that arrays that are never alive together share."""

from __future__ import annotations

from autograd.compiler.loops import Buffer, Step

__all__ = ["plan"]

LINE = 64
"""Bytes to which every array is aligned."""


def plan(steps: list[Step], buffers: dict[str, Buffer]) -> int:
    """Give every array in scratch an offset, largest first, in the first gap that is free while it lives; the bytes in all."""
    life: dict[str, tuple[int, int]] = {}
    for k, step in enumerate(steps):
        for name in step.touched():
            if buffers[name].place == "arena":
                life[name] = (life.get(name, (k, k))[0], k)
    placed: list[tuple[int, int, tuple[int, int]]] = []  # offset, end, life
    for name in sorted(life, key=lambda n: (-buffers[n].bytes, n)):
        born, dies = life[name]
        size = -(-buffers[name].bytes // LINE) * LINE
        at = 0
        for start, end, (first, last) in sorted(placed):
            if first <= dies and born <= last and start < at + size and at < end:
                at = end
        placed.append((at, at + size, (born, dies)))
        buffers[name].number = at
    return max((end for _, end, _ in placed), default=0)
