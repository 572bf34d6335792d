"""Which nodes of a large graph share a box.

Nodes are grouped in runs that are contiguous on the tape. Inputs are older than what uses them, so edges
between runs only go forward, and the smaller graph has no cycles either. Runs are cut where there is
something to recognise: by modules, or by the turns of a loop where they are not too many; else at named nodes, and where a
parameter or an input comes in. If that leaves too
many boxes, the beginning and the end of the graph are shown in full, and what lies between in a few
groups.
"""

from __future__ import annotations

from autograd.viz.inside import repeats, split, turns
from autograd.viz.model import Graph

__all__ = ["collapse"]

ENDS = 2  # nodes of a run that are shown on either side of "N nodes inside"
MODULES = 48  # boxes, about, where it is known which module computed what
GROUPS = 12  # at most, between a beginning and an end shown in full


def collapse(graph: Graph, limit: int) -> list[list[int]]:
    """At most `limit` units, each one node or a group, oldest first. All passes are loops over lists."""
    count = len(graph.inputs)
    if count <= limit:
        return [[i] for i in range(count)]
    if any(graph.path(i) for i in range(count)):
        units = split(graph, range(count - 1), min(limit - 1, MODULES))
        if len(units) < limit:
            return [*units, [count - 1]]
    ops = [i for i, inputs in enumerate(graph.inputs) if inputs]
    if any(3 <= len(runs) <= MODULES and len(ops) >= 4 * len(runs) for runs in (turns(graph, ops), repeats(graph, ops))):
        units = split(graph, range(count - 1), min(limit - 1, MODULES))
        if len(units) < limit:
            return [*units, [count - 1]]
    sources = [i for i, inputs in enumerate(graph.inputs) if not inputs]
    units = [*([i] for i in sources), *(unit for run in _runs(graph, ops) for unit in _with_ends(run))]
    if len(units) <= limit:
        return units
    ends = min(limit // 8, (len(ops) - 1) // 2)
    while True:
        last = max(ends, 1)  # the result is always shown
        middle = _merged(_runs(graph, ops[ends : len(ops) - last]), min(GROUPS, limit // 3))
        units = [*([i] for i in ops[:ends]), *middle, *([i] for i in ops[len(ops) - last :])]
        units = _with_sources(graph, units)
        if len(units) <= limit:
            return units
        if ends == 0:
            return [*_folded(graph, sources, middle), ops[-1:]]
        ends //= 2


def _with_sources(graph: Graph, units: list[list[int]]) -> list[list[int]]:
    """The units with the sources: one that a single group uses goes into it, others stand alone."""
    alone: list[list[int]] = []
    guests: dict[int, list[int]] = {}
    for j, where in _users(graph, units).items():
        if len(set(where)) == 1 and len(units[where[0]]) > 1:
            guests.setdefault(where[0], []).append(j)
        else:
            alone.append([j])
    return [*alone, *([*guests.get(u, ()), *unit] for u, unit in enumerate(units))]


def _folded(graph: Graph, sources: list[int], groups: list[list[int]]) -> list[list[int]]:
    """The groups with every source in one of them: the first that uses it, or the last one of all."""
    if not groups:
        return [sources]
    home = {j: where[0] for j, where in _users(graph, groups).items()}
    guests: dict[int, list[int]] = {}
    for j in sources:
        guests.setdefault(home.get(j, len(groups) - 1), []).append(j)
    return [[*guests.get(u, ()), *unit] for u, unit in enumerate(groups)]


def _users(graph: Graph, units: list[list[int]]) -> dict[int, list[int]]:
    """For each source, the units that use it, in order."""
    users: dict[int, list[int]] = {}
    for u, unit in enumerate(units):
        for i in unit:
            for j in graph.inputs[i]:
                if not graph.inputs[j]:
                    users.setdefault(j, []).append(u)
    return users


def _runs(graph: Graph, ops: list[int]) -> list[list[int]]:
    """The operations, cut before each that uses a source and around each named one; the result by itself."""
    runs: list[list[int]] = []
    fresh = True
    last = len(graph.inputs) - 1
    for i in ops:
        alone = i == last or graph.is_named(i)
        if fresh or alone or any(not graph.inputs[j] for j in graph.inputs[i]):
            runs.append([])
        runs[-1].append(i)
        fresh = alone
    return runs


def _with_ends(run: list[int]) -> list[list[int]]:
    if len(run) <= 2 * ENDS + 1:
        return [[i] for i in run]
    return [*([i] for i in run[:ENDS]), run[ENDS:-ENDS], *([i] for i in run[-ENDS:])]


def _merged(runs: list[list[int]], most: int) -> list[list[int]]:
    """Neighbouring runs joined until at most `most` are left, of about equal size."""
    total = sum(map(len, runs))
    units: list[list[int]] = []
    done = 0
    for run in runs:
        if not units or done * most >= total * len(units):
            units.append([])
        units[-1].extend(run)
        done += len(run)
    return units
