"""From instructions to loops, and from loops to one compiled function.

What must exist in memory (operands and results of matrix products, reductions, values used more than once, outputs) is
a *step*; all else is computed where it is needed. Elementwise steps and reductions over one shape share a loop. The
writes to state come last, so that nothing is changed before everything that could fail is done.
"""

from __future__ import annotations

from typing import Any

import numpy

from autograd.compiler.capture import Program
from autograd.compiler.llvm import Buffer
from autograd.compiler.trace import REDUCTIONS, Traced

__all__ = ["Lowered", "lower"]

SMALL_PRODUCT = 64 * 1024  # multiply-adds below which written-out loops beat a call of BLAS
MADE_WHOLE = ("matmul", "scatter", *REDUCTIONS)  # what is not computed one element at a time
STRIP = 16  # terms of an inner sum that are written out


def order(roots: list[Traced]) -> list[Traced]:
    """Every instruction that the roots need, oldest first; what is computed twice alike is one instruction."""
    found, stack = {}, [r for r in roots if isinstance(r, Traced)]
    while stack:
        x = stack.pop()
        if x.tick not in found:
            found[x.tick] = x
            stack.extend(i for i in x.inputs if isinstance(i, Traced))
    return [found[t] for t in sorted(found)]


def merge(program: Program) -> None:
    """Common subexpressions: equal functions of equal inputs become one; works on the program in place."""
    twin: dict[int, Traced] = {}
    known: dict[Any, Traced] = {}
    roots = [*program.results, *(new for _, new in program.commits), *(v for _, _, v in program.attributes)]
    for x in order(roots):
        x.inputs = tuple(twin[i.tick] if isinstance(i, Traced) else i for i in x.inputs)
        value = x.settings.get("value")
        what = (value.tobytes(), value.shape) if value is not None else tuple(x.settings.items())
        key = (x.function, x.dtype, x.shape, what, tuple(i.tick if isinstance(i, Traced) else (type(i), i) for i in x.inputs))
        twin[x.tick] = known.setdefault(key, x)
    program.results = [twin[r.tick] for r in program.results]
    program.commits = [(state, twin[new.tick]) for state, new in program.commits]
    program.attributes = [(h, n, twin[v.tick] if isinstance(v, Traced) else v) for h, n, v in program.attributes]


class Loop:
    """One nest of loops over a shape, with what happens at its levels."""

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape
        self.before: list[str] = []
        self.row: list[str] = []
        self.body: list[str] = []
        self.stores: list[str] = []
        self.after_row: list[str] = []
        self.names: dict[Any, str] = {}
        self.made: set[int] = set()

    def index(self) -> tuple[str, ...]:
        return tuple("0" if n == 1 else f"i{k}" for k, n in enumerate(self.shape))

    def source(self) -> list[str]:
        lines, pad = list(self.before), ""
        long = [k for k, n in enumerate(self.shape) if n != 1]
        for k in long:
            if k == long[-1]:
                lines += [pad + line for line in self.row]
            lines.append(f"{pad}for i{k} in range({self.shape[k]}):")
            pad += "    "
        if not long:
            lines += self.row
        lines += [pad + line for line in (*self.body, *self.stores)]
        return lines + [(pad[4:] if long else pad) + line for line in self.after_row]


class Lowered:
    """The steps of a program, its buffers, and the source of the function."""

    def __init__(self, program: Program):
        merge(program)
        self.program = program
        produced = [*program.results, *(v for _, _, v in program.attributes if isinstance(v, Traced))]
        self.slots: dict[int, int] = {}  # instruction -> the number of the output that holds it
        for x in produced:
            self.slots.setdefault(x.tick, len(self.slots))
        self.outputs = list({x.tick: x for x in produced}.values())
        self.commits = {new.tick: state for state, new in program.commits}
        roots = [*self.outputs, *(new for _, new in program.commits)]
        self.instructions = order(roots)
        self.consumers: dict[int, list[Traced]] = {}
        for x in self.instructions:
            for i in x.inputs:
                if isinstance(i, Traced):
                    self.consumers.setdefault(i.tick, []).append(x)
        self.shapes = {x.tick: x.shape for x in (*self.instructions, *(s for s, _ in program.commits))}
        self.steps: list[Loop | list[str]] = []
        self.place: dict[int, int] = {}  # instruction -> the step that made it
        self.buffer: dict[int, str] = {}  # instruction -> the name of its array
        self.buffers: dict[str, Buffer] = {}
        self.addresses: dict[str, tuple[str, int]] = {}  # where each buffer is found when the program runs
        self.arena = 0
        self.largest_product = 0  # of those that BLAS computes, in multiply-adds
        self.variables = 0
        self._inputs()
        late = {new.tick for _, new in program.commits}
        for x in self.instructions:
            if (x.tick not in late or x.tick in self.consumers) and self._needs_memory(x):
                self._step(x, self._allocate(x))
        self._commit()
        self._copy_outputs()

    # ---- memory -----------------------------------------------------------------------------------------------------

    def _array(self, name: str, x: Traced, address: tuple[str, int]) -> None:
        self.buffers[name] = Buffer(x.dtype, x.shape)
        self.addresses[name] = address

    def _inputs(self) -> None:
        reached = {x.tick for x in self.instructions} | {s.tick for s, _ in self.program.commits}
        for x in self.program.arguments:
            self.buffer[x.tick] = f"a{x.settings['slot']}"
            if x.tick in reached:
                self._array(self.buffer[x.tick], x, ("argument", x.settings["slot"]))
        for x, _, _ in self.program.states:
            self.buffer[x.tick] = f"s{x.settings['slot']}"
            if x.tick in reached:
                self._array(self.buffer[x.tick], x, ("state", x.settings["slot"]))
        self.constants = [x for x in self.instructions if x.function == "constant" and x.size != 1]
        for k, x in enumerate(self.constants):
            self.buffer[x.tick] = f"c{k}"
            self._array(f"c{k}", x, ("constant", k))
        for tick in list(self.buffer):
            self.place[tick] = -1

    def _allocate(self, x: Traced) -> str:
        if x.tick in self.slots:
            name = f"o{self.slots[x.tick]}"
            self._array(name, x, ("output", self.slots[x.tick]))
            return name
        name = f"b{x.tick}"
        self._array(name, x, ("arena", self.arena))
        self.arena += -(-x.size * x.dtype.itemsize // 64) * 64
        return name

    def _needs_memory(self, x: Traced) -> bool:
        if x.tick in self.buffer or x.function == "constant":
            return False
        if x.function in MADE_WHOLE or x.tick in self.slots:
            return True
        consumers = self.consumers.get(x.tick, [])
        if any(y.function == "gather" and y.inputs[0] is x for y in consumers):
            return True
        if any(y.function == "matmul" for y in consumers):
            return not (x.function == "transpose" and self._resides(x.inputs[0]))
        if any(y.function == "reshape" and not _same_but_ones(x, y) for y in consumers):
            return True
        if x.function in ("broadcast", "reshape", "transpose", "cast"):
            return False
        return len(consumers) > 1 or x.size == 1 and any(y.size != 1 for y in consumers)  # once, not in every round

    def _resides(self, x: Traced) -> bool:
        return x.tick in self.buffer or x.function == "constant" and x.size != 1

    # ---- steps ------------------------------------------------------------------------------------------------------

    def _step(self, x: Traced, name: str, *, loop: Loop | None = None) -> None:
        if x.function == "matmul":
            self.steps.append(self._product(x, name))
        elif x.function in REDUCTIONS:
            source = x.inputs[0]
            loop = self._loop(source.shape, x)
            self._reduce(x, name, loop, self._emit(source, loop.index(), loop))
        elif x.function == "scatter":
            loop = self._loop(x.inputs[0].shape, x)
            self._scatter(x, name, loop)
        else:
            loop = loop or self._loop(x.shape, x)
            loop.stores.append(f"{name}[{', '.join(loop.index()) or '0'}] = {self._emit(x, loop.index(), loop)}")
            loop.names[x.tick, loop.index()] = self._emit(x, loop.index(), loop)
            loop.made.add(x.tick)
        self.buffer[x.tick] = name
        self.place[x.tick] = next((k for k, s in enumerate(self.steps) if s is loop), len(self.steps) - 1)

    def _loop(self, shape: tuple[int, ...], x: Traced) -> Loop:
        """The latest loop over this shape that x may join: all that x reads is made before it, or in it at the same place."""
        straight, other = self._reads(x)
        latest = max((self.place[i] for i in other), default=-1)
        for k in range(len(self.steps) - 1, latest, -1):
            step = self.steps[k]
            if isinstance(step, Loop) and step.shape == shape:
                if all(self.place[i] < k or self.place[i] == k and i in step.made for i in straight):
                    return step
                break
        if any(self.place[i] >= len(self.steps) for i in straight):
            raise AssertionError("a step reads what is not made yet")
        self.steps.append(Loop(shape))
        return self.steps[-1]  # type: ignore[return-value]

    def _reads(self, x: Traced) -> tuple[set[int], set[int]]:
        """What the expression of x reads from memory: element for element, and in any other way."""
        straight: set[int] = set()
        other: set[int] = set()
        stack = [(i, True) for i in x.inputs if isinstance(i, Traced)]
        while stack:
            y, same = stack.pop()
            if y.tick in self.buffer:
                (straight if same else other).add(y.tick)
            else:
                moves = y.function in ("broadcast", "reshape", "transpose", "gather")
                stack.extend((i, same and not moves and i.shape == y.shape) for i in y.inputs if isinstance(i, Traced))
        if x.function in ("gather", "transpose"):  # x itself is the move
            return set(), straight | other
        shape = x.inputs[0].shape if x.function in MADE_WHOLE else x.shape
        bent = {i for i in straight if self.shapes[i] != shape}
        return straight - bent, other | bent

    def _reduce(self, x: Traced, name: str, loop: Loop, value: str) -> None:
        axes = [a for a in x.settings["axes"] if loop.shape[a] != 1]
        long = [k for k, n in enumerate(loop.shape) if n != 1]
        dtype = _dtype(x)
        start = {"sum": "0", "prod": "1", "max": "-np.inf", "min": "np.inf"}[x.function]
        if x.dtype.kind in "iu" and x.function in ("max", "min"):
            info = numpy.iinfo(x.dtype)
            start = str(info.min if x.function == "max" else info.max)
        combine = {"sum": "{0} + {1}", "prod": "{0} * {1}", "max": "larger({0}, {1})", "min": "smaller({0}, {1})"}[x.function]
        place = ", ".join("0" if k in axes else i for k, i in enumerate(loop.index())) or "0"
        if not axes:
            loop.stores.append(f"{name}[{place}] = {dtype}({value})")
        elif long[-1] in axes:
            acc = self._name()
            loop.row.append(f"{acc} = {dtype}({start})")
            loop.stores.append(f"{acc} = {combine.format(acc, f'{dtype}({value})')}")
            if len(axes) == 1 :
                loop.after_row.append(f"{name}[{place}] = {acc}")
            else:
                loop.before.append(f"{name}[...] = {dtype}({start})")
                loop.after_row.append(f"{name}[{place}] = {combine.format(f'{name}[{place}]', acc)}")
        else:
            loop.before.append(f"{name}[...] = {dtype}({start})")
            loop.stores.append(f"{name}[{place}] = {combine.format(f'{name}[{place}]', f'{dtype}({value})')}")

    def _scatter(self, x: Traced, name: str, loop: Loop) -> None:
        value, place = (self._emit(i, loop.index(), loop) for i in x.inputs)
        at = self._name()
        loop.before.append(f"{name}[...] = {_dtype(x)}(0)")
        loop.stores.append(f"{at} = {place} if {place} >= 0 else 0")
        loop.stores.append(f"{name}[flat({at})] = {name}[flat({at})] + ({value} if {place} >= 0 else {_dtype(x)}(0))")

    def _product(self, x: Traced, name: str) -> list[str]:
        (a, ta), (b, tb) = (self._operand(i) for i in x.inputs)
        m, n = x.shape
        k = x.inputs[0].shape[1]
        if k == 0:
            return [f"{name}[...] = 0"]
        if m * n * k > SMALL_PRODUCT or x.dtype not in (numpy.float32, numpy.float64):
            self.largest_product = max(self.largest_product, m * n * k)
            return [f"dot({a}{'.T' if ta else ''}, {b}{'.T' if tb else ''}, {name})"]
        lines = []
        if tb:  # a copy the other way round, so that the inner loop runs along rows
            turned = f"{name}_turned"
            self.buffers[turned], self.addresses[turned] = Buffer(x.dtype, (k, n)), ("arena", self.arena)
            self.arena += -(-k * n * x.dtype.itemsize // 64) * 64
            lines = [f"for k in range({k}):", f"    for j in range({n}):", f"        {turned}[k, j] = {b}[j, k]"]
            b = turned
        return lines + _small_product(a, b, name, m, n, k, ta)

    def _operand(self, x: Traced) -> tuple[str, bool]:
        if x.tick in self.buffer:
            return self.buffer[x.tick], False
        return self.buffer[x.inputs[0].tick], True

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
            if y.tick in self.buffer:
                loop.names[y.tick, at] = name = self._name()
                loop.body.append(f"{name} = {self.buffer[y.tick]}[{', '.join(at) or '0'}]")
            elif y.function == "constant":
                loop.names[y.tick, at] = f"{_dtype(y)}({_literal(y.settings['value'].item())})"
            elif y.function == "reshape" and not _same_but_ones(y.inputs[0], y):
                loop.names[y.tick, at] = name = self._name()
                loop.body.append(f"{name} = {self.buffer[y.inputs[0].tick]}[flat({_position(at, y.shape)})]")
            elif y.function == "gather":
                place = loop.names.get((y.inputs[1].tick, at))
                if place is None:
                    stack.append((y.inputs[1], at))
                    continue
                loop.names[y.tick, at] = name = self._name()
                loop.body.append(f"{name}_at = {place} if {place} >= 0 else int64(0)")
                read = f"{self.buffer[y.inputs[0].tick]}[flat({name}_at)]"
                loop.body.append(f"{name} = {read} if {place} >= 0 else {_dtype(y)}(0)")
            else:
                below = [(i, _index_below(y, i, at)) for i in y.inputs if isinstance(i, Traced)]
                missing = [key for key in below if (key[0].tick, key[1]) not in loop.names]
                if missing:
                    stack.extend(missing)
                    continue
                loop.names[y.tick, at] = self._scalar(y, [loop.names[i.tick, j] for i, j in below], loop)
            stack.pop()
        return loop.names[x.tick, index]

    def _scalar(self, y: Traced, names: list[str], loop: Loop) -> str:
        from autograd.kernels.scalars import source_of

        if y.function in ("broadcast", "reshape", "transpose"):
            return names[0]
        name = self._name()
        if y.function == "cast":
            loop.body.append(f"{name} = {_dtype(y)}({names[0]})")
            return name
        arrays = [i for i in y.inputs if isinstance(i, Traced)]
        considered = arrays[1:] if y.function == "where" and len(arrays) > 1 and isinstance(y.inputs[0], Traced) else arrays
        common = y.dtype if y.dtype != bool or y.function == "where" else numpy.result_type(*(i.dtype for i in considered))
        given = iter(names)
        operands = []
        for k, i in enumerate(y.inputs):
            if isinstance(i, Traced):
                text = next(given)
                operands.append(text if i.dtype == common or (y.function == "where" and k == 0) else f"{_kind(common)}({text})")
            else:
                operands.append(_literal(i) if y.function == "where" and k == 0 else f"{_kind(common)}({_literal(i)})")
        loop.body.append(f"{name} = {source_of(y.function, common, operands)}")
        return name

    # ---- the end ----------------------------------------------------------------------------------------------------

    def _commit(self) -> None:
        """New values of state, written in place where no later step still reads the old ones."""
        first = len(self.steps)
        plans = []
        for state, new in self.program.commits:
            if self._needs_memory(new) and (new.function in MADE_WHOLE or new.tick in self.slots):
                self._step(new, self._allocate(new))
                first = len(self.steps)
            plans.append((state, new, *(self._reads(new) if new.tick not in self.buffer else ({new.tick}, set()))))
        copies = []
        for state, new, _, _ in plans:
            elsewhere = any(
                state.tick in other or state.tick in straight and target.shape != state.shape
                for _, target, straight, other in plans
            )
            if elsewhere:
                name = self._allocate(new) if new.tick not in self.buffer else self.buffer[new.tick]
                if new.tick not in self.buffer:
                    self._step(new, name)
                copies.append((state, name))
        self.steps_before_commit = first
        for state, new, _, _ in plans:
            if not any(state is s for s, _ in copies):
                loop = next((s for s in self.steps[first:] if isinstance(s, Loop) and s.shape == state.shape), None)
                if loop is None:
                    loop = Loop(state.shape)
                    self.steps.append(loop)
                value = self._emit(new, loop.index(), loop)
                loop.stores.append(f"{self.buffer[state.tick]}[{', '.join(loop.index()) or '0'}] = {value}")
        for state, name in copies:
            self.steps.append([f"{self.buffer[state.tick]}[...] = {name}"])

    def _copy_outputs(self) -> None:
        """Results that are an input or another result as it stands."""
        for k, x in enumerate(self.outputs):
            if self.buffer.get(x.tick) != f"o{k}":
                self._array(f"o{k}", x, ("output", k))
                if x.tick in self.buffer:
                    self.steps.insert(0 if self.place[x.tick] < 0 else len(self.steps), [f"o{k}[...] = {self.buffer[x.tick]}"])
                else:
                    self.steps.append([f"o{k}[...] = {_literal(x.settings['value'].item())}"])

    def lines(self) -> list[str]:
        """The loop program."""
        return [line for step in self.steps for line in (step.source() if isinstance(step, Loop) else step)]

    def source(self) -> str:
        """The loop program as readable source, its arrays described at the top."""
        names = {"argument": "argument", "state": "state", "constant": "constant", "output": "result", "arena": "scratch"}
        lines = [f"# {n}: {b.dtype}{list(b.shape)}, {names[self.addresses[n][0]]}" for n, b in self.buffers.items()]
        return "\n".join(["def program():", *("    " + line for line in lines + self.lines())]) + "\n"


def _small_product(a: str, b: str, c: str, m: int, n: int, k: int, ta: bool) -> list[str]:
    """c = a b as loops in which a strip of the inner sum is written out: sums stay in registers, rows become vectors."""

    def strip(first: str, count: int) -> str:
        at = [f"{first}{u}" if not first else f"{first} + {u}" for u in range(count)]
        return " + ".join(f"{a}[{f'{q}, i' if ta else f'i, {q}'}] * {b}[{q}, j]" for q in at)

    whole, rest = divmod(k, STRIP)
    if whole <= 1 and (whole == 0 or rest == 0):
        return [f"for i in range({m}):", f"    for j in range({n}):", f"        {c}[i, j] = {strip('', k)}"]
    lines = [f"{c}[...] = 0", f"for k in range({whole}):", f"    for i in range({m}):", f"        for j in range({n}):",
             f"            {c}[i, j] += {strip(f'k * {STRIP}', STRIP)}"]  # fmt: skip
    if rest:
        tail = " + ".join(
            f"{a}[{f'{q}, i' if ta else f'i, {q}'}] * {b}[{q}, j]" for q in range(whole * STRIP, k)
        )
        lines += [f"for i in range({m}):", f"    for j in range({n}):", f"        {c}[i, j] += {tail}"]
    return lines


def _dtype(x: Traced) -> str:
    return _kind(x.dtype)


def _kind(dtype: Any) -> str:
    return "bool_" if dtype.kind == "b" else str(dtype.name)


def _literal(v: Any) -> str:
    if isinstance(v, float) and not numpy.isfinite(v):
        return "np.nan" if v != v else "np.inf" if v > 0 else "-np.inf"
    return repr(v)


def _same_but_ones(x: Traced, y: Traced) -> bool:
    return [n for n in x.shape if n != 1] == [n for n in y.shape if n != 1]


def _position(at: tuple[str, ...], shape: tuple[int, ...]) -> str:
    """The place of an element in the array laid out in a row."""
    text = "0"
    for i, n in zip(at, shape, strict=True):
        text = i if text == "0" else f"({text}) * {n} + {i}"
    return text


def _index_below(y: Traced, x: Traced, at: tuple[str, ...]) -> tuple[str, ...]:
    """The place in the input x that element `at` of y comes from."""
    if y.function == "transpose":
        below = [""] * x.ndim
        for k, axis in enumerate(y.settings["axes"]):
            below[axis] = at[k]
        return tuple(below)
    if y.function == "reshape":
        long = iter(i for i, n in zip(at, y.shape, strict=True) if n != 1)
        return tuple("0" if n == 1 else next(long) for n in x.shape)
    tail = at[len(at) - x.ndim :]
    return tuple("0" if n == 1 else i for i, n in zip(tail, x.shape, strict=True))


def lower(program: Program) -> Lowered:
    """Lower a recorded program."""
    return Lowered(program)
