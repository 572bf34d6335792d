"""What a box that stands for many nodes shows when it is opened: its modules, functions, turns of a loop, or just parts.

All of these are runs that are contiguous on the tape, so that what they are drawn as has no cycles. A turn of a loop is
recognised by Python itself: in one function, the place that recorded the next node lies further up.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from math import ceil
from typing import Any

import numpy

from autograd.viz.model import Graph

__all__ = ["LIMIT", "paths", "repeats", "split", "turns"]

LIMIT = 36
"""Boxes in an opened box, about."""
SHARED = 4
"""Units that use the same sources, from which on these share a box."""
PERIOD = 400
"""Nodes in a part that is found to repeat, at most."""


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
    if len(by_turn) > 1:
        return by_turn
    by_repeat = repeats(graph, ops)
    return by_repeat if len(by_repeat) > 1 else [[i] for i in ops]


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


def repeats(graph: Graph, ops: Sequence[int]) -> list[list[int]]:
    """The nodes cut where the same ops come again, as the steps of a recurrent layer do: at the shortest period that covers
    most of them. One run, if nothing repeats."""
    numbers: dict[Any, int] = {}
    kinds = numpy.array([numbers.setdefault(graph.kind(i), len(numbers)) for i in ops])
    if None in numbers or len(numbers) < 2:
        return [list(ops)]
    best = (0, 0, 0)  # nodes covered, where they begin, the period
    for period in range(4, min(PERIOD, len(ops) // 3) + 1):
        edges = numpy.flatnonzero(kinds[period:] != kinds[:-period])
        borders = numpy.concatenate([[-1], edges, [len(ops) - period]])
        at = int(numpy.argmax(numpy.diff(borders)))
        covered = int(borders[at + 1] - borders[at] - 1) + period
        if covered >= 3 * period and covered > 1.1 * best[0]:
            best = (covered, int(borders[at]) + 1, period)
    covered, start, period = best
    if covered < 0.6 * len(ops):
        return [list(ops)]
    cuts = [0, *range(start or period, start + covered - period + 1, period)]
    if start + covered < len(ops) and (start + covered - cuts[-1]) == period:
        cuts.append(start + covered)
    return [list(ops[a:b]) for a, b in zip(cuts, [*cuts[1:], len(ops)], strict=True)]


def _even(runs: list[list[int]], most: int) -> list[list[int]]:
    """Neighbouring runs joined until at most `most` are left, of about equal size; equal runs in equal numbers."""
    step = ceil(len(runs) / most)
    parts = max(2, ceil(len(runs) / step))
    step = ceil(len(runs) / parts)
    return [[i for run in runs[k : k + step] for i in run] for k in range(0, len(runs), step)]


def _placed(graph: Graph, members: Sequence[int], runs: list[list[int]], limit: int) -> list[list[int]]:
    """The runs, those of few nodes opened while there is room, and the sources: with the one group that uses them, or alone.

    A run that many others use, such as the products that a recurrent layer makes before its steps, stays closed: one line from
    it to each of them.
    """
    room = limit - len(runs)
    units: list[list[int]] = []
    at = {i: r for r, run in enumerate(runs) for i in run}
    readers: dict[int, set[int]] = {}
    for i, r in at.items():
        for j in graph.inputs[i]:
            if at.get(j, r) != r:
                readers.setdefault(at[j], set()).add(r)
    for r, run in enumerate(runs):
        if len(run) <= 3 and len(run) - 1 <= room and (len(run) == 1 or len(readers.get(r, ())) < SHARED):
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
    return [*_shared(alone, users), *(sorted([*guests.get(u, ()), *unit]) for u, unit in enumerate(units))]


def _shared(alone: list[list[int]], users: dict[int, set[int]]) -> list[list[int]]:
    """Sources that the same many units use, such as the weights of a recurrent layer, in one box: one line to each of them."""
    together: dict[frozenset[int], list[int]] = {}
    kept: list[list[int]] = []
    for unit in alone:
        where = frozenset(users.get(unit[0], ()))
        if len(where) < SHARED:
            kept.append(unit)
        elif where in together:
            together[where] += unit
        else:
            together[where] = [*unit]
            kept.append(together[where])
    return kept


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
