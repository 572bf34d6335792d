"""What a box that stands for many nodes shows when it is opened: its modules, functions, turns of a loop, or just parts.

All of these are runs that are contiguous on the tape, so that what they are drawn as has no cycles. A turn of a loop is
recognised by Python itself: in one function, the place that recorded the next node lies further up.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from math import ceil
from typing import Any

from autograd.viz.model import Graph

__all__ = ["LIMIT", "paths", "split", "turns"]

LIMIT = 36
"""Boxes in an opened box, about."""


def split(graph: Graph, members: Sequence[int], limit: int = LIMIT) -> list[list[int]]:
    """The units inside a group: single nodes and smaller groups, each node in one."""
    members = sorted(members)
    if len(members) <= limit:
        return [[i] for i in members]
    ops = [i for i in members if graph.inputs[i]]
    runs = _runs(graph, ops)
    if len(runs) > limit or any(len(run) == len(ops) for run in runs):
        runs = _even(runs if len(runs) > 1 else [[i] for i in ops], limit)
    return _placed(graph, members, runs, limit)


def _runs(graph: Graph, ops: list[int]) -> list[list[int]]:
    """The first way of cutting that cuts at all: by module, by function, by turn of a loop."""
    depth = len(paths(graph, ops))
    by_module = _cut(ops, lambda i: graph.path(i)[: depth + 1])
    if len(by_module) > 1:
        return by_module
    by_function = _cut(ops, lambda i: graph.place(i)[0])
    if 1 < len(by_function) <= len(ops) // 2:
        return by_function
    by_turn = turns(graph, ops)
    return by_turn if len(by_turn) > 1 else [[i] for i in ops]


def _cut(ops: Sequence[int], key: Callable[[int], Hashable]) -> list[list[int]]:
    runs: list[list[int]] = []
    last: Any = object()
    for i in ops:
        now = key(i)
        if now != last:
            runs.append([])
        runs[-1].append(i)
        last = now
    return runs


def turns(graph: Graph, ops: Sequence[int]) -> list[list[int]]:
    """The nodes of one function, cut where Python went back: at each turn of its loops."""
    runs: list[list[int]] = []
    before: Any = None
    for i in ops:
        code, at = graph.place(i)
        if code is None:
            return [list(ops)]
        if before is None or code is not before[0] or at < before[1]:
            runs.append([])
        runs[-1].append(i)
        before = (code, at)
    return runs


def _even(runs: list[list[int]], most: int) -> list[list[int]]:
    """Neighbouring runs joined until at most `most` are left, of about equal size; equal runs in equal numbers."""
    step = ceil(len(runs) / most)
    parts = max(2, ceil(len(runs) / step))
    step = ceil(len(runs) / parts)
    return [[i for run in runs[k : k + step] for i in run] for k in range(0, len(runs), step)]


def _placed(graph: Graph, members: Sequence[int], runs: list[list[int]], limit: int) -> list[list[int]]:
    """The runs, those of few nodes opened while there is room, and the sources: with the one group that uses them, or alone."""
    room = limit - len(runs)
    units: list[list[int]] = []
    for run in runs:
        if len(run) <= 3 and len(run) - 1 <= room:
            room -= len(run) - 1
            units += [[i] for i in run]
        else:
            units.append(run)
    home = {i: u for u, unit in enumerate(units) for i in unit}
    users: dict[int, set[int]] = {}
    for i in home:
        for j in graph.inputs[i]:
            users.setdefault(j, set()).add(home[i])
    alone: list[list[int]] = []
    guests: dict[int, list[int]] = {}
    for i in members:
        if i in home:
            continue
        where = users.get(i, set())
        if len(where) == 1 and len(units[min(where)]) > 1:
            guests.setdefault(min(where), []).append(i)
        else:
            alone.append([i])
    return [*alone, *(sorted([*guests.get(u, ()), *unit]) for u, unit in enumerate(units))]


def paths(graph: Graph, members: Sequence[int]) -> tuple[str, ...]:
    """The path of the innermost module that all operations among the members belong to."""
    common: tuple[str, ...] | None = None
    for i in members:
        if not graph.inputs[i]:
            continue
        path = graph.path(i)
        if common is None:
            common = path
        while common != path[: len(common)]:
            common = common[:-1]
        if not common:
            break
    return common or ()
