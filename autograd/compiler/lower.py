"""From instructions to the loop program.

What must exist in memory (operands and results of matrix products, reductions, values used more than once, outputs) is
a *step*; all else is computed where it is needed. A step joins the loops that made what it reads wherever it reads it
row by row, so that a softmax or a layer norm becomes one pass over rows without anybody having said so. The writes to
state come last, so that nothing is changed before everything that could fail is done.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy

from autograd.compiler.apart import CHEAP
from autograd.compiler.capture import Program
from autograd.compiler.indices import (
    MADE_WHOLE,
    MOVES,
    below,
    in_window,
    index_below,
    index_of,
    long_axes,
    one_for_all,
    position,
    same_but_ones,
    shifted,
    turns,
)
from autograd.compiler.loops import (
    Buffer,
    Call,
    Check,
    Fill,
    Let,
    Load,
    Loop,
    Nest,
    Plain,
    Product,
    Routine,
    Step,
    Store,
    kernels,
    kind,
    threaded,
    timed,
)
from autograd.compiler.partly import At, Part, changed_parts
from autograd.compiler.plan import plan
from autograd.compiler.products import small_product, written_out
from autograd.compiler.simplify import order, roots, simplify
from autograd.compiler.split import phases, split
from autograd.compiler.tidy import tidy
from autograd.compiler.trace import REDUCTIONS, Traced, foreign

__all__ = ["Lowered", "lower"]

BY_NAME = ("gather", "matmul", "reshape", "call", "routine")  # what reads its input as an array, not element by element
WRITTEN = 9  # elements of a window that are written out
COVERING = 49  # elements of a window, of windows that are added up where they lie
COUNTED = 1 << 23  # numbers that a float32 tells apart, and from all that are larger
HEAVY = 128  # instructions of an expression that is not broken up
LIGHT, LONG = 1 << 16, 2000  # a nest of so few elements moves to the front, in a program of so few steps


class Read:
    """That an expression reads an array: along how many of the loop's first axes, and whether at the same element."""

    __slots__ = ("tick", "axes", "exact")

    def __init__(self, tick: float, axes: int, exact: bool):
        self.tick, self.axes, self.exact = tick, axes, exact


class Made:
    """Where a value in memory comes from: a step and the loop in it; `axes` of the loop's first axes are its own."""

    __slots__ = ("step", "loop", "axes", "element")

    def __init__(self, step: Step | None, loop: int = 0, axes: int = 0, element: bool = False):
        self.step, self.loop, self.axes, self.element = step, loop, axes, element


class Lowered:
    """The steps of a program and its buffers."""

    def __init__(self, program: Program, threads: int = 1):
        simplify(program)
        self.program = program
        produced = [*program.results, *(v for _, _, v in (*program.attributes, *program.cell_results) if isinstance(v, Traced))]
        self.slots: dict[float, int] = {}  # instruction -> the number of the output that holds it
        for x in produced:
            self.slots.setdefault(x.tick, len(self.slots))
        self.outputs = list({x.tick: x for x in produced}.values())
        self._find_parts()
        self.consumers: dict[float, list[Traced]] = {}
        for x in self.instructions:
            for i in x.inputs:
                if isinstance(i, Traced):
                    self.consumers.setdefault(i.tick, []).append(x)
        self.checked = {bad.tick: k for k, (bad, _) in enumerate(program.checks)}
        self.late = self._late()
        self.steps: list[Step] = []
        self.order: dict[Step | None, int] = {None: -1}
        self.needed: dict[Step, Step | None] = {}  # the latest step that a nest reads from
        self.made: dict[float, Made] = {}
        self.name_of: dict[float, str] = {}  # instruction -> the name of its array
        self.buffers: dict[str, Buffer] = {}
        self.whole: set[float] = set()  # outputs whose array is made by a step
        self.joined: dict[float, str] = {}  # arrays joined in memory, of which the parts are made in their places
        self.part_of: dict[str, str] = {}  # the array of a part -> that of the whole
        self.weight: dict[float, int] = {}  # how many instructions the expression of one that is not in memory takes
        self.variables = 0
        self._inputs()
        for x in self.instructions:
            self.weight[x.tick] = 1 + sum(self.weight[i.tick] for i in x.inputs if isinstance(i, Traced))
            needed = self._needs_memory(x)
            if (needed or following(x)) and not self._has_memory(x) and needed:
                self._step(x, self._allocate(x))
            if x.tick in self.checked and (at := self.made[x.tick].step) is not None:
                self._put(Check(self.checked[x.tick], self.name_of[x.tick]), self.order[at] + 1)
            if x.tick in self.name_of:
                self.weight[x.tick] = 0
        self._commit()
        self._copy_outputs()
        tidy(self.steps, self.buffers)
        self.calls = [step for step in self.steps if isinstance(step, Call)]
        self.threads = threads if not self.calls and split(self.steps, self.buffers, threads) else 1
        self.phases = phases(self.steps, self.threads > 1, self.buffers)
        self.arena = plan(self.steps, self.phases, self.buffers)
        self.largest_product = max((s.work for s in self.steps if isinstance(s, Product)), default=0)

    def _find_parts(self) -> None:
        """Which new values of state are written whole, and of which only parts; what is to be computed then."""
        program = self.program
        self.commits: list[tuple[Traced, Traced]] = []
        self.parts: list[Part | At] = []
        whole = {x.tick for x in self.outputs} | {bad.tick for bad, _ in program.checks}
        used = {i.tick for x in order(roots(program)) for i in x.inputs if isinstance(i, Traced)} | whole
        for state, new in program.commits:
            parts = None if new.tick in used or foreign(state.dtype) else changed_parts(state, new)
            if parts is None:
                self.commits.append((state, new))
            else:
                self.parts += parts
        others = [*self.outputs, *(bad for bad, _ in program.checks), *(new for _, new in self.commits)]
        inside = [x for part in self.parts for x in part[1:] if isinstance(x, Traced)]
        self.instructions = order([*others, *inside])

    # ---- memory -----------------------------------------------------------------------------------------------------

    def _inputs(self) -> None:
        reached = {x.tick for x in self.instructions} | {s.tick for s, _ in self.program.commits}
        arguments = [(x, "a", "argument") for x in self.program.arguments]
        states = [(x, "s", "state") for x, _, _ in self.program.states]
        for x, letter, place in arguments + states:
            k = x.settings["slot"]
            self.name_of[x.tick] = f"{letter}{k}"
            if x.tick in reached:
                self.buffers[f"{letter}{k}"] = Buffer(x.dtype, x.shape, place, k)
        called = {i.tick for x in self.instructions if x.function in BY_NAME for i in x.inputs if isinstance(i, Traced)}
        known = (x for x in self.instructions if x.function == "constant")
        self.constants = [x for x in known if x.size != 1 or x.tick in called]
        for k, x in enumerate(self.constants):
            self.name_of[x.tick] = f"c{k}"
            self.buffers[f"c{k}"] = Buffer(x.dtype, x.shape, "constant", k)
        self.made = {tick: Made(None) for tick in self.name_of}

    def _allocate(self, x: Traced) -> str:
        if x.tick in self.joined:
            return self.joined[x.tick]
        slot = self.slots.get(x.tick)
        for y in self.consumers.get(x.tick, []):
            by_name = any(z.function in BY_NAME for z in self.consumers.get(y.tick, []))
            if slot is None and y.function == "reshape" and y.tick in self.slots and y.tick not in self.whole and not by_name:
                slot = self.slots[y.tick]  # a result that is this array in another shape
                self.whole.add(y.tick)
        whole = next((y for y in self.consumers.get(x.tick, []) if y.function == "join" and self._follow(y)), None)
        if slot is None and whole is not None:
            return self._part(whole, next(k for k, part in enumerate(whole.inputs) if part is x))
        if slot is not None:
            self.whole.add(x.tick)
            name, place = f"o{slot}", "output"
        else:
            name, place = f"b{len(self.buffers)}", "arena"
        self.buffers[name] = Buffer(x.dtype, x.shape, place, slot or 0)
        return name

    def _late(self) -> set[float]:
        """What only the writes to state need, element by element: it is computed in their loops."""
        late = set()
        target = {new.tick: new.shape for _, new in self.commits}
        for x in reversed(self.instructions):
            consumers = self.consumers.get(x.tick, [])
            if x.function in MADE_WHOLE or x.tick in self.slots or not (consumers or x.tick in target):
                continue
            if all(y.tick in late and y.shape == x.shape and y.function not in MOVES for y in consumers):
                late.add(x.tick)
        return late

    def _needs_memory(self, x: Traced) -> bool:
        if x.tick in self.name_of or x.function == "constant" or x.tick in self.late or x.tick in self.whole:
            return False
        if x.function in MADE_WHOLE or x.tick in self.slots or x.tick in self.checked:
            return True
        consumers = self.consumers.get(x.tick, [])
        if any(y.function == "gather" and y.inputs[0] is x for y in consumers):
            return True
        if any(y.function in ("call", "routine") or y.function == "reshape" and not same_but_ones(x, y) for y in consumers):
            return True
        if self._multiplied(x):
            return not (one_for_all(x) or turns(x) and self._resides(x.inputs[0]))
        if any((one_for_all(y) or turns(y)) and self._multiplied(y) for y in consumers):
            return not (turns(x) and self._resides(x.inputs[0]))
        if x.function in ("broadcast", "reshape", "transpose", "slice", "window", "cast", "count"):
            return False
        if any(y.size > x.size and y.function != "join" for y in consumers) or self._in_windows(x):
            return True  # once, not in every round of an inner loop
        return len(consumers) > 1 and not self._spread(x) or self.weight[x.tick] > HEAVY

    def _multiplied(self, x: Traced) -> bool:
        """Whether it goes into a matrix product."""
        return any(y.function == "matmul" for y in self.consumers.get(x.tick, []))

    def _in_windows(self, x: Traced) -> bool:
        """Whether windows are read of x, in whatever shape: each of its elements many times."""
        stack = [x]
        while stack:
            for y in self.consumers.get(stack.pop().tick, []):
                if y.function == "window":
                    return True
                if y.function in ("reshape", "transpose", "slice"):
                    stack.append(y)
        return False

    def _has_memory(self, x: Traced) -> bool:
        """Whether x is an array of scratch in another shape, or rows of one: then it is that."""
        moved = x.function == "reshape" or following(x)
        source = x.inputs[0] if moved and x.tick not in self.slots else x
        if source.tick not in self.name_of or self.buffers[self.name_of[source.tick]].place != "arena":
            return False
        name, there, made = f"b{len(self.buffers)}", self.name_of[source.tick], self.made[source.tick]
        before = x.settings["starts"][0] * self.buffers[there].bytes // source.shape[0] if x.function == "slice" else 0
        offset = self.buffers[there].offset + before
        self.buffers[name] = Buffer(x.dtype, x.shape, alias=self.buffers[there].alias or there, offset=offset)
        self.made[x.tick], self.name_of[x.tick] = Made(made.step, made.loop), name
        return True

    def _spread(self, x: Traced) -> bool:
        """Whether x is cheaply made of smaller arrays: it is made again wherever it is used, instead of kept."""
        if x.function not in CHEAP or x.size <= 1:
            return False
        return all(
            not isinstance(i, Traced) or i.size < x.size or i.function in ("count", "broadcast") for i in x.inputs
        )  # fmt: skip

    def _resides(self, x: Traced) -> bool:
        return x.tick in self.name_of or x.function == "constant" and x.size != 1

    # ---- steps ------------------------------------------------------------------------------------------------------

    def _step(self, x: Traced, name: str) -> None:
        if x.function == "call":
            number = sum(isinstance(step, Call) for step in self.steps)
            read = [self.name_of[i.tick] for i in x.inputs]
            call = Call(number, x.settings["call"], read, name, [x.settings["name"]])
            self._put(call, len(self.steps))
            self.made[x.tick] = Made(call)
        elif x.function == "routine":
            self.made[x.tick] = Made(self._routine(x, name))
        elif x.function == "matmul":
            product = self._product(x, name)
            self._put(product, len(self.steps))
            self.made[x.tick] = Made(product)
        elif x.function == "join":
            self.made[x.tick] = Made(self._parts(x, name))
        elif x.function == "overlap" and self._covered_by_few(x):
            self.made[x.tick] = self._sum_of_windows(x, name)
        else:
            over = x.inputs[0] if x.function in MADE_WHOLE else x
            nest, loop = self._loop(self._stand(x)[0], self._reads(x))
            made = Made(nest, nest.loops.index(loop), len(loop.shape), True)
            if x.function in MADE_WHOLE:
                loop.sources.append(x.function)
            if x.function in REDUCTIONS:
                made.element, made.axes = False, self._reduce(x, name, nest, loop, self._emit(over, index_of(over), loop))
            elif x.function == "scatter":
                made.element, made.axes = False, 0
                self._scatter(x, name, nest, loop)
            elif x.function == "overlap":
                made.element, made.axes = False, self._overlap(x, name, nest, loop)
            else:
                loop.stores.append(Store(name, index_of(x), self._emit(x, index_of(x), loop)))
            self.made[x.tick] = made
        self.name_of[x.tick] = name

    def _loop(self, shape: tuple[int, ...], reads: list[Read]) -> tuple[Nest, Loop]:
        """The earliest place after, or among, the loops that make what is read; a new nest if there is none.

        A small new nest goes to the earliest place too, so that what hangs on it alone (the number of targets that
        count, say) does not hold up the loops that come later.
        """
        needed = max((self.made[r.tick].step for r in reads), key=self.order.__getitem__, default=None)
        latest, light = self.order[needed], math.prod(shape) <= LIGHT and len(self.steps) < LONG
        for k in range(max(latest, 0), len(self.steps)):
            nest = self.steps[k]
            if not isinstance(nest, Nest) or nest.full():
                continue
            if k == latest or nest.loops[0].shape == shape and not (light and self.order[self.needed[nest]] > latest):
                loop = self._join(nest, shape, reads)
                if loop is not None:
                    if k != latest and self.order[self.needed[nest]] < latest:
                        self.needed[nest] = needed
                    return nest, loop
        loop = Loop(shape)
        nest = Nest([loop], len(shape))
        self.needed[nest] = needed
        self._put(nest, latest + 1 if light else len(self.steps))
        return nest, loop

    def _put(self, step: Step, at: int) -> None:
        """Put a step into the program."""
        self.steps.insert(at, step)
        for k in range(at, len(self.steps)):
            self.order[self.steps[k]] = k

    def _join(self, nest: Nest, shape: tuple[int, ...], reads: list[Read]) -> Loop | None:
        inside = [(self.made[r.tick], r) for r in reads if self.made[r.tick].step is nest]
        shared = min([nest.depth, *(min(m.axes, r.axes) for m, r in inside)])
        for j, loop in enumerate(nest.loops):
            if loop.shape != shape or loop.full():
                continue
            if all(m.loop < j or m.loop == j and m.element and r.exact for m, r in inside):
                between = min([nest.depth, *(min(m.axes, r.axes) for m, r in inside if m.loop < j)])
                if between >= 1 or len(nest.loops) == 1 or not shape:
                    nest.depth = between
                    return loop
        if not shape:
            return None
        if nest.loops[0].shape == shape and shared >= len(shape) - 1:  # nothing but the elements themselves is handed on
            if len(shape) > 1:
                shared = len(shape) - 1
            elif all(loop.shape == shape for loop in nest.loops) and all(m.element and r.exact for m, r in inside):
                nest.chunk = nest.chunk or chunk_of(shape[0])
                if not nest.chunk:
                    return None
                nest.loops.append(Loop(shape))
                return nest.loops[-1]
            else:
                return None
        extents = nest.loops[0].shape[:shared]
        common = 0
        while common < min(len(extents), len(shape)) and extents[common] == shape[common]:
            common += 1
        if common == 0 or nest.chunk:
            return None
        nest.depth = common
        nest.loops.append(Loop(shape))
        return nest.loops[-1]

    def _stand(self, x: Traced) -> tuple[tuple[int, ...], Any]:
        """The loops in which x is made, and at which elements of what it is made from, or of itself, a round stands.

        Small windows that are added side by side are written out: the rounds are windows, each with all its elements.
        """
        over = x.inputs[0] if x.function in MADE_WHOLE else x
        at = index_of(over)
        if x.function != "overlap" or math.prod(size_of(x)) > WRITTEN or not apart(x):
            return long_axes(over.shape), [at]
        lead, size = x.ndim - len(x.settings["start"]), size_of(x)
        rest = [n for k, n in enumerate(over.shape) if not lead <= k < lead + len(size)]
        names = iter(index_of(Traced("count", (), tuple(rest), numpy.int64)))
        first, last = [next(names) for _ in range(lead)], list(names)
        places = [[f"({k})" if n > 1 else "0" for k in range(n)] for n in size]
        return long_axes(tuple(rest)), [(*first, *k, *last) for k in itertools.product(*places)]

    def _reads(self, x: Traced) -> list[Read]:
        """What the expression of x reads from memory."""
        found: dict[tuple[float, int, bool], Read] = {}
        seen: set[tuple[float, Any]] = set()
        over = x.inputs[0] if x.function in MADE_WHOLE else x
        shape, (index, *_) = self._stand(x)
        if x.function in MADE_WHOLE:
            stack = [(i, index if i.shape == over.shape else None) for i in x.inputs if isinstance(i, Traced)]
        else:
            stack = [(i, at) for i, at in below(x, index)]
        rank = len(shape)
        while stack:
            y, at = stack.pop()
            if (y.tick, at) in seen:
                continue
            seen.add((y.tick, at))
            if y.tick in self.name_of:
                axes, exact = 0, False
                if at is not None:
                    long = [i for i in at if i != "0"]
                    while axes < len(long) and long[axes] == f"i{axes}":
                        axes += 1
                    exact = axes == len(long) == rank
                found.setdefault((y.tick, axes, exact), Read(y.tick, axes, exact))
            else:
                stack.extend(below(y, at))
        return list(found.values())

    def _reduce(self, x: Traced, name: str, nest: Nest, loop: Loop, value: str) -> int:
        """Add the reduction to its loop; gives how many of the loop's first axes are left in the result."""
        source = x.inputs[0]
        long = [k for k, n in enumerate(source.shape) if n != 1]
        axes = [long.index(a) for a in x.settings["axes"] if source.shape[a] != 1]
        dtype = kind(x.dtype)
        start = {"sum": "0", "prod": "1", "max": "-np.inf", "min": "np.inf"}[x.function]
        if x.dtype.kind in "iu" and x.function in ("max", "min"):
            info = numpy.iinfo(x.dtype)
            start = str(info.min if x.function == "max" else info.max)
        combine = {"sum": "{0} + {1}", "prod": "{0} * {1}", "max": "largest({0}, {1})", "min": "smallest({0}, {1})"}[x.function]
        place = tuple("0" if k in x.settings["axes"] else i for k, i in enumerate(index_of(source)))
        if not axes:
            loop.stores.append(Store(name, place, f"{dtype}({value})"))
            return len(long)
        if axes[-1] == len(long) - 1:
            acc = self._name()
            loop.row.append(Let(acc, f"{dtype}({start})"))
            loop.stores.append(Let(acc, combine.format(acc, f"{dtype}({value})")))
            if len(axes) == 1:
                loop.after_row.append(Store(name, place, acc))
                loop.reductions[name] = (combine, f"{dtype}({start})")
            else:
                nest.fills.append(Fill(name, f"{dtype}({start})"))
                loop.after_row.append(Store(name, place, acc, combine))
        else:
            nest.fills.append(Fill(name, f"{dtype}({start})"))
            loop.stores.append(Store(name, place, f"{dtype}({value})", combine))
        return axes[0]

    def _scatter(self, x: Traced, name: str, nest: Nest, loop: Loop) -> None:
        value, place = (self._emit(i, index_of(i), loop) for i in x.inputs)
        at, dtype = self._name(), kind(x.dtype)
        nest.fills.append(Fill(name, f"{dtype}(0)"))
        loop.stores.append(Let(at, f"{place} if {place} >= 0 else 0"))
        combine = "largest({0}, {1})" if x.settings.get("combine") == "max" else "{0} + {1}"
        loop.stores.append(Store(name, at, f"({value} if {place} >= 0 else {dtype}(0))", combine))

    def _overlap(self, x: Traced, name: str, nest: Nest, loop: Loop) -> int:
        """Add windows to zeros; gives how many of the loop's first axes are left in the result."""
        source, start, dtype = x.inputs[0], x.settings["start"], kind(x.dtype)
        lead, d, alone = x.ndim - len(start), len(start), apart(x)
        if not (alone and covered(x)):
            nest.fills.append(Fill(name, f"{dtype}(0)"))
        steps = x.settings["stride"], x.settings["dilation"], start
        for at in self._stand(x)[1]:
            place = map(in_window, at[lead : lead + d], at[lead + d :], x.shape[lead:], *steps)
            value = self._emit(source, at, loop)
            loop.stores.append(Store(name, (*at[:lead], *place), value, "{1}" if alone else "{0} + {1}"))
        return sum(i != "0" for i in at[:lead])

    def _covered_by_few(self, x: Traced) -> bool:
        """Whether windows in memory move by one element, and are small: then an element can look for those that cover it."""
        source = x.inputs[0]
        there = source.tick in self.name_of or source.function == "reshape" and source.inputs[0].tick in self.name_of
        return there and set(x.settings["stride"]) == {1} and math.prod(size_of(x)) <= COVERING

    def _sum_of_windows(self, x: Traced, name: str) -> Made:
        """What `_overlap` does, element by element of the result, without writing to any twice."""
        source, d, at = x.inputs[0], len(x.settings["start"]), index_of(x)
        lead = x.ndim - d
        named = source.tick in self.name_of
        array = source if named else source.inputs[0]
        axes = sum(n != 1 for n in x.shape[:lead]) if named else 0
        nest, loop = self._loop(long_axes(x.shape), [Read(array.tick, axes, False)])
        loop.sources.append("overlap")
        parts = []
        for k in numpy.ndindex(*size_of(x)):
            first = [n * m + b for n, m, b in zip(k, x.settings["dilation"], x.settings["start"], strict=True)]
            ends = [a + n for a, n in zip(first, source.shape[lead + d :], strict=True)]
            if any(i == "0" and not a <= 0 < e for i, a, e in zip(at[lead:], first, ends, strict=True)):
                continue
            place = [f"({i} - {a})" if a else f"({i})" for i, a in zip(at[lead:], first, strict=True)]
            inside = [f"({i} >= {a})" for i, a in zip(at[lead:], first, strict=True) if a > 0 and i != "0"]
            inside += [f"({i} < {e})" for i, e, n in zip(at[lead:], ends, x.shape[lead:], strict=True) if e < n]
            where = (*at[:lead], *(f"({n})" for n in k), *place)
            where = tuple("0" if n == 1 else i for i, n in zip(where, source.shape, strict=True))
            parts.append(self._name())
            index = where if named else position(where, source.shape)
            loop.body.append(Load(parts[-1], self.name_of[array.tick], index, " & ".join(inside)))
        loop.names[x.tick, at] = total = self._name()
        loop.body.append(Let(total, " + ".join(parts) if parts else f"{kind(x.dtype)}(0)"))
        loop.stores.append(Store(name, at, total))
        return Made(nest, nest.loops.index(loop), len(loop.shape), True)

    def _follow(self, x: Traced) -> bool:
        """Whether arrays that are joined follow each other in memory, which is scratch."""
        return x.tick not in self.slots and all(n == 1 for n in x.shape[: x.settings["axis"]])

    def _part(self, x: Traced, k: int) -> str:
        """The place of part k of a join, as an array of its own."""
        axis, part = x.settings["axis"], x.inputs[k]
        if x.tick not in self.joined:
            self.joined[x.tick] = name = f"b{len(self.buffers)}"
            self.buffers[name] = Buffer(x.dtype, x.shape)
        start, whole = sum(p.shape[axis] for p in x.inputs[:k]), self.joined[x.tick]
        name = f"b{len(self.buffers)}"
        base = self.buffers[whole]  # which may be a part itself
        offset = base.offset + start * base.bytes // x.shape[axis]
        self.buffers[name] = Buffer(x.dtype, part.shape, alias=base.alias or whole, offset=offset)
        self.part_of[name] = whole
        return name

    def _parts(self, x: Traced, name: str) -> Step | None:
        """Write arrays side by side, each in the loops that make it where that can be; gives the last step that does.

        Where one follows the other in memory, each is an array of its own there, so that all are written by one kernel; what
        is in memory anyway has been made there at once.
        """
        axis, start, last, seen = x.settings["axis"], 0, None, set()
        follow = self._follow(x) and self.buffers[name].place == "arena"
        if follow:
            self.joined[x.tick] = name
        for k, part in enumerate(x.inputs):
            there = self.name_of.get(part.tick)
            if follow and part.tick not in seen and there is not None and self.part_of.get(there) == name:
                step = self.made[part.tick].step
            else:
                nest, loop = self._loop(long_axes(part.shape), self._reads_of_copy(part))
                loop.sources.append("join")
                at = index_of(part)
                target, place = (self._part(x, k), at) if follow else (name, shifted(at, axis, start))
                loop.stores.append(Store(target, place, self._emit(part, at, loop)))
                step = nest
            seen.add(part.tick)
            start += part.shape[axis]
            last = max(last, step, key=self.order.__getitem__)
        return last

    def _product(self, x: Traced, name: str) -> Step:
        (a, ta), (b, tb) = (self._operand(i) for i in x.inputs)
        (m, n), k, total = x.shape[-2:], x.inputs[0].shape[-1], "total" in x.settings
        stack = math.prod(x.inputs[0].shape[:-2])
        if k == 0:
            return Plain([f"{name}[...] = 0"], name, [], ["fill"])
        if total or not written_out(m, n, k, ta):
            return Product(a, b, name, (ta, tb), stack * m * n * k, stack, total)
        alone = tuple(name for i, name in zip(x.inputs, (a, b), strict=True) if one_for_all(i))
        lines = small_product((a, ta), (b, tb), name, (m, n, k), stack, kind(x.dtype), alone)
        return Plain(lines, name, [a, b], ["matmul"], 2 * stack * m * n * k, stack=stack)

    def _routine(self, x: Traced, name: str) -> Step:
        """A routine works in place: on a copy of its last operand, and where it overwrites the other, on a copy of that."""
        *read, source = (self.name_of[i.tick] for i in x.inputs)
        n, m = x.inputs[0].shape[-1], x.shape[-2] if x.settings["name"] == "gesv" else x.shape[-1]
        copies = [(name, source)]
        if x.settings["name"] == "gesv":
            scratch, pivots = f"b{len(self.buffers)}", f"b{len(self.buffers) + 1}"
            self.buffers[scratch] = Buffer(x.dtype, x.inputs[0].shape)
            self.buffers[pivots] = Buffer(numpy.dtype(numpy.int32), (n,))
            copies.append((scratch, read[0]))
            read = [scratch, pivots]
        for target, what in copies:
            self._put(Plain([f"{target}[...] = {what}"], target, [what], ["copy"]), len(self.steps))
        each = {"potrf": n**3 // 3, "trsm": n * n * m, "gesv": 2 * n**3 // 3 + 2 * n * n * m}[x.settings["name"]]
        work = x.size // (n * m) * each
        routine = Routine(x.settings["name"], read, name, x.settings["lower"], work, [x.settings["name"]])
        self._put(routine, len(self.steps))
        return routine

    def _operand(self, x: Traced) -> tuple[str, bool]:
        if x.tick not in self.name_of and one_for_all(x):
            x = x.inputs[0]
        if x.tick in self.name_of:
            return self.name_of[x.tick], False
        return self.name_of[x.inputs[0].tick], True

    # ---- expressions ------------------------------------------------------------------------------------------------

    def _name(self) -> str:
        self.variables += 1
        return f"v{self.variables}"

    def _emit(self, x: Traced, index: tuple[str, ...], loop: Loop) -> str:
        """Code for one element of x inside a loop; gives the name or the literal that holds it. Iterative."""
        stack: list[tuple[Traced, tuple[str, ...]]] = [(x, index)]
        while stack:
            y, at = stack[-1]
            if (y.tick, at) in loop.names:
                stack.pop()
                continue
            if y.tick in self.name_of:
                loop.names[y.tick, at] = name = self._name()
                loop.body.append(Load(name, self.name_of[y.tick], at))
            elif y.function == "constant":
                loop.names[y.tick, at] = f"{kind(y.dtype)}({_literal(y.settings['value'].item())})"
            elif y.function == "count":
                loop.names[y.tick, at] = name = self._name()
                loop.body.append(Let(name, f"{kind(y.dtype)}({at[0]})"))
            elif y.function == "reshape" and not same_but_ones(y.inputs[0], y):
                loop.names[y.tick, at] = name = self._name()
                loop.body.append(Load(name, self.name_of[y.inputs[0].tick], position(at, y.shape)))
            elif y.function == "gather":
                place = loop.names.get((y.inputs[1].tick, at))
                if place is None:
                    stack.append((y.inputs[1], at))
                    continue
                loop.names[y.tick, at] = name = self._name()
                loop.body.append(Let(f"{name}_at", f"{place} if {place} >= 0 else int64(0)"))
                loop.body.append(Load(f"{name}_there", self.name_of[y.inputs[0].tick], f"{name}_at"))
                loop.body.append(Let(name, f"{name}_there if {place} >= 0 else {kind(y.dtype)}(0)"))
            else:
                sources = [(i, index_below(y, i, at)) for i in y.inputs if isinstance(i, Traced)]
                missing = [key for key in sources if (key[0].tick, key[1]) not in loop.names]
                if missing:
                    stack.extend(missing)
                    continue
                loop.names[y.tick, at] = self._scalar(y, [loop.names[i.tick, j] for i, j in sources], loop)
            stack.pop()
        return loop.names[x.tick, index]

    def _scalar(self, y: Traced, names: list[str], loop: Loop) -> str:
        from autograd.kernels.scalars import SAMENESS, source_of

        loop.sources.append(y.function)
        if y.function in ("broadcast", "reshape", "transpose", "slice", "window"):
            return names[0]
        name = self._name()
        if y.function == "cast":
            loop.body.append(Let(name, f"{kind(y.dtype)}({names[0]})"))
            return name
        arrays = [i for i in y.inputs if isinstance(i, Traced)]
        considered = arrays[1:] if y.function == "where" and len(arrays) > 1 and isinstance(y.inputs[0], Traced) else arrays
        common = y.dtype if y.dtype != bool or y.function == "where" else numpy.result_type(*(i.dtype for i in considered))
        given = iter(names)
        operands = []
        for k, i in enumerate(y.inputs):
            if isinstance(i, Traced):
                text = next(given)
                operands.append(text if i.dtype == common or (y.function == "where" and k == 0) else f"{kind(common)}({text})")
            else:
                operands.append(_literal(i) if y.function == "where" and k == 0 else f"{kind(common)}({_literal(i)})")
        if y.function in SAMENESS and common.kind == "i" and any(i.function == "count" and i.size <= COUNTED for i in arrays):
            operands = [f"float32({o})" for o in operands]  # of 32 bits each in a vector: LLVM would count in 64
        loop.body.append(Let(name, source_of(y.function, common, operands)))
        return name

    # ---- the end ----------------------------------------------------------------------------------------------------

    def _commit(self) -> None:
        """New values of state, written in place; what belongs together shares a loop, so that old values are read first."""
        parts = [self._held(part) for part in self.parts]
        reads = {}
        for state, new in self.commits:
            if new.tick in self.name_of:
                reads[state.tick] = [Read(new.tick, 0, True)]
            else:
                reads[state.tick] = self._reads_of_copy(new)
        shape_of = {state.tick: state.shape for state, _ in self.commits}
        copies = []
        for state, new in self.commits:
            elsewhere = foreign(state.dtype) or any(
                r.tick == state.tick and not (r.exact and shape_of[other] == state.shape)
                for other, found in reads.items() for r in found
            )  # fmt: skip
            if elsewhere:
                if new.tick not in self.name_of:
                    self._step(new, self._allocate(new))
                elif self.made[new.tick].step is None:
                    name = f"b{len(self.buffers)}"
                    self.buffers[name] = Buffer(new.dtype, new.shape)
                    source = self.name_of[new.tick]
                    self.steps.append(Plain([f"{name}[...] = {source}"], name, [source], ["copy"]))
                    copies.append((state, name))
                    continue
                copies.append((state, self.name_of[new.tick]))
        copied = {s.tick for s, _ in copies}
        leader = {tick: tick for tick in shape_of if tick not in copied}
        for tick, found in reads.items():
            for r in found:
                if tick in leader and r.tick in leader:
                    leader[_find(leader, r.tick)] = _find(leader, tick)
        nests: dict[float, Nest] = {}
        for state, new in self.commits:
            if state.tick not in leader:
                continue
            shape = long_axes(state.shape)
            nest = nests.setdefault(_find(leader, state.tick), Nest([Loop(shape)], len(shape)))
            loop = nest.loops[0]
            loop.stores.append(Store(self.name_of[state.tick], index_of(state), self._emit(new, index_of(new), loop)))
            loop.sources.append("write")
        writes = sorted(nests.values(), key=lambda nest: -math.prod(nest.loops[0].shape))
        self.steps.extend(writes)
        for state, name in copies:
            target = self.name_of[state.tick]
            if foreign(state.dtype):
                number = sum(isinstance(step, Call) for step in self.steps)
                self.steps.append(Call(number, lambda a: a, [name], target, ["write"]))
            else:
                self.steps.append(Plain([f"{target}[...] = {name}"], target, [name], ["write"]))

        for part, names in zip(self.parts, parts, strict=True):
            self.steps.append(self._partly(part, *names))

    def _held(self, part: Part | At) -> list[str]:
        """The arrays that hold what is written to a part of a state, none of which is written to itself."""
        names = []
        written = {self.name_of[state.tick] for state, _ in self.program.commits}
        for x in part[1:]:
            if not isinstance(x, Traced):
                continue
            if x.tick not in self.name_of and not (x.function == "constant" and x.size == 1):
                self._step(x, self._allocate(x))
            source = self.name_of.get(x.tick)
            if source is None or source in written:
                name = f"b{len(self.buffers)}"
                self.buffers[name] = Buffer(x.dtype, x.shape)
                value = source or _literal(x.settings["value"].item())
                self._put(Plain([f"{name}[...] = {value}"], name, [source] if source else [], ["copy"]), len(self.steps))
                source = name
            names.append(source)
        return names

    def _partly(self, part: Part | At, value: str, places: str = "") -> Step:
        """The step that writes to a part of a state."""
        state = self.name_of[part.state.tick]
        if isinstance(part, At):
            there = f"{state}[flat(p)]"
            lines = [f"for i0 in range({part.places.size}):", f"    at = {places}[flat(i0)]",
                     "    p = at if at >= 0 else int64(0)", f"    old = {there}",
                     f"    {there} = {value}[flat(i0)] if at >= 0 else old"]  # fmt: skip
            return Plain(lines, state, [value, places], ["write"])
        shape = long_axes(part.value.shape)
        loop, at = Loop(shape), index_of(part.value)
        loop.body.append(Load(name := self._name(), value, at))
        place = tuple(
            "0" if n == 1 else f"({a})" if i == "0" else f"({i} + {a})" if a else i
            for i, a, n in zip(at, part.starts, part.state.shape, strict=True)
        )
        loop.stores.append(Store(state, place, name))
        loop.sources.append("write")
        return Nest([loop], len(shape))

    def _reads_of_copy(self, new: Traced) -> list[Read]:
        probe = Traced("positive", (new,), new.shape, new.dtype)
        return self._reads(probe)

    def _copy_outputs(self) -> None:
        """Results that are an input or another result as it stands."""
        for k, x in enumerate(self.outputs):
            name = f"o{k}"
            if x.tick not in self.whole:
                self.buffers[name] = Buffer(x.dtype, x.shape, "output", k)
                if x.tick in self.name_of:
                    source = self.name_of[x.tick]
                    first = self.made[x.tick].step is None
                    copy = Plain([f"{name}[...] = {source}"], name, [source], ["copy"])
                    self.steps.insert(0 if first else len(self.steps), copy)
                else:
                    value = _literal(x.settings["value"].item())
                    self.steps.append(Plain([f"{name}[...] = {value}"], name, [], ["fill"]))

    def lines(self, clocks: bool = False) -> list[str]:
        """The loop program: its kernels, and then the calls of one run; with a look at the clock between them."""
        text, steps = kernels(self.steps, self.buffers)
        calls: list[tuple[Step | None, str]] = threaded(steps, self.phases) if self.threads > 1 else [*steps]
        return text + (timed(calls, self.threads) if clocks else [line for _, line in calls])

    def table(self) -> dict[str, Buffer]:
        """The buffers whose addresses the program is given, in order."""
        used = {name: None for s in self.steps for name in s.touched()}
        return {name: b for name, b in self.buffers.items() if name in used or b.place == "output"}

    def source(self) -> str:
        """The loop program as readable source, its arrays described at the top."""
        names = {"argument": "argument", "state": "state", "constant": "constant", "output": "result", "arena": "scratch"}
        text, calls = kernels(self.steps, self.buffers)
        lines = [f"# {n}: {b.dtype}{list(b.shape)}, {names[b.place]}" for n, b in self.table().items()]
        shown = threaded(calls, self.phases) if self.threads > 1 else calls
        body = [f"    {line}{_remark(step)}" for step, line in shown]
        head = "def program(thread, threads):" if self.threads > 1 else "def program():"
        return "\n".join([*lines, "", *text, "", head, *(body or ["    pass"])]) + "\n"


def following(x: Traced) -> bool:
    """Whether x is some rows of another array, one after the other."""
    return (
        x.function == "slice" and x.size > 1 and x.shape[1:] == x.inputs[0].shape[1:] and x.settings["steps"][0] == 1
        and all(s == 1 for s in x.settings["steps"][1:])
    )  # fmt: skip


def size_of(x: Traced) -> tuple[int, ...]:
    """The size of the windows that are added up to x."""
    d = len(x.settings["start"])
    size: tuple[int, ...] = x.inputs[0].shape[x.ndim - d : x.ndim]
    return size


def reached(x: Traced) -> list[tuple[set[int], int, int]]:
    """Along each axis: where windows are added, how many elements they have in all, the length."""
    counts = x.inputs[0].shape[x.ndim :]
    axes = zip(size_of(x), counts, x.settings["stride"], x.settings["dilation"], x.settings["start"], strict=True)
    lengths = x.shape[x.ndim - len(counts) :]
    return [({k * m + o * s + b for k in range(w) for o in range(n)}, w * n, length)
            for (w, n, s, m, b), length in zip(axes, lengths, strict=True)]  # fmt: skip


def apart(x: Traced) -> bool:
    """Whether no two windows that are added up overlap."""
    return all(len(places) == count for places, count, _ in reached(x))


def covered(x: Traced) -> bool:
    """Whether windows are added everywhere."""
    return all(len(places) == length for places, _, length in reached(x))


def _remark(step: Step | None) -> str:
    if not isinstance(step, Nest):
        return ""
    names = [name for name in dict.fromkeys(step.sources) if name not in ("broadcast", "reshape", "cast")]
    return "  # " + ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _literal(v: Any) -> str:
    if isinstance(v, float) and not numpy.isfinite(v):
        return "np.nan" if v != v else "np.inf" if v > 0 else "-np.inf"
    return repr(v)


def chunk_of(length: int) -> int:
    """A multiple of a vector's length that divides a long axis and is short; 0 if there is none."""
    return next((c for c in range(256, 47, -16) if length % c == 0 and length >= 4 * c), 0)


def _find(leader: dict[float, float], tick: float) -> float:
    while leader[tick] != tick:
        tick = leader[tick]
    return tick


def lower(program: Program, threads: int = 1) -> Lowered:
    """Lower a recorded program, for at most so many threads."""
    return Lowered(program, threads)
