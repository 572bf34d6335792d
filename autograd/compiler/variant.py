"""A program compiled for one signature, and the Python around a call of it."""

from __future__ import annotations

import ctypes
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from autograd import tensor
from autograd.compiler import address
from autograd.compiler.address import address_of, is_plain
from autograd.compiler.callback import Stopped
from autograd.compiler.capture import Program, Result
from autograd.compiler.frame import Frame, Kept, Layout, reuser
from autograd.compiler.guards import LARGE, Condition, Survey, changed, flat, frozen, slot
from autograd.compiler.trace import Traced
from autograd.errors import ArgumentError, GraphError, user_line, user_place
from autograd.kernels import threads
from autograd.memory import let_go_of
from autograd.tape import Together, Writes, writes
from autograd.tensor import Tensor, wrap
from autograd.value import Value

__all__ = ["MISS", "Variant"]

MISS = object()
"""What a call answers when the arguments are not those that it was compiled for, or something around has changed."""


class Variant:
    """A compiled program: `call` runs it if everything is as it was when it was recorded, `run` without asking."""

    def __init__(
        self,
        program: Program,
        function: Callable[..., Any],
        signature: list[Any],
        weak: list[bool],
        record: bool,
        again: Callable[[], Program],
    ):
        self.program, self.record, self.again = program, record, again
        self._lower()
        states = [array for _, _, array in program.states]
        self.arrays = states
        committed = {state.tick for state, _ in program.commits}
        self._changed = {k for k, (state, _, _) in enumerate(program.states) if state.tick in committed}
        written = [array for state, _, array in program.states if state.tick in committed]
        self._written = Together(written, "a compiled program") if written else None
        self._owners = {id(Writes.owner(array)) for array in written}
        self.overwritten = [place.settings["slot"] for place, _ in program.commits if place.function == "argument"]
        self.conditions = self._conditions(function)
        self.valid = flat(self.conditions)
        self._attributes()
        self.layout = self._layout([k for k, number in enumerate(weak) if number])
        self._reuse = reuser(self.layout.kept)
        self._rebuild, self._draws = _rebuilder(program.structure, self._results), bool(program.draws)
        made = set(map(id, program.generators))
        self._generators = list({id(d.generator): d.generator for d in program.draws if id(d.generator) not in made}.values())
        self._direct = isinstance(self._execute, ctypes._CFuncPtr)  # type: ignore[attr-defined]
        self._pool: list[Frame] = []
        self._admit = self._gate(signature)
        let_go_of("libllvmlite")

    @property
    def source(self) -> str:
        """The loop program as readable source."""
        return self.lowered.source()

    # ---- making it --------------------------------------------------------------------------------------------------

    def _lower(self) -> None:
        """Lower and compile: the only place that knows what these give."""
        from autograd.compiler.lower import lower
        from autograd.compiler.machine import compile_program
        from autograd.kernels import scalars

        started = time.perf_counter()
        lowered = lower(self.program, threads.get_num_threads())
        self.lowered = lowered
        self.outputs = [(x.shape, x.dtype) for x in lowered.outputs]
        self.slots = lowered.slots
        self._constants = [numpy.ascontiguousarray(x.settings["value"]) for x in lowered.constants]
        self.places = [(b.place, b.number) for b in lowered.table().values()]
        self.code = compile_program(lowered.lines(), lowered.table(), scalars.FUNCTIONS, lowered.threads)
        small = 0 < lowered.largest_product < threads.SMALL and lowered.threads == 1
        self._alone = threads.single("scipy") if small else None
        self._execute: Callable[[int], Any] = self._execute_alone if self._alone is not None else self.code.run
        if self.code.python is not None:
            from autograd.compiler.callback import Callback

            callback, execute = Callback(lowered.calls, lowered.table()), self._execute
            self.code.routines[self.code.python] = callback.address
            self._execute = lambda table: callback.run(execute, table)
        self._status = None if self.code.status is None else len(self.places) + self.code.status
        self.seconds = time.perf_counter() - started

    def _execute_alone(self, table: int) -> None:
        assert self._alone is not None
        self._alone.enter()
        try:
            self.code.run(table)
        finally:
            self._alone.leave()

    def _attributes(self) -> None:
        """Which results are handed out, which belong to one attribute alone, and which attributes get something known."""
        program = self.program
        results = [self.slots[x.tick] for x in program.results]
        found = [(h, n, self.slots[v.tick] if isinstance(v, Traced) else None, v) for h, n, v in program.attributes]
        cells = [self.slots[v.tick] if isinstance(v, Traced) else None for _, _, v in program.cell_results]
        uses = Counter(results) + Counter(slot for _, _, slot, _ in found if slot is not None) + Counter(cells)
        self._kept_slots = [(h, n, slot) for h, n, slot, _ in found if slot is not None and uses[slot] == 1]
        mine = {slot for _, _, slot in self._kept_slots}
        self._loose_slots = [k for k in range(len(self.outputs)) if k not in mine]
        number = {slot: k for k, slot in enumerate(self._loose_slots)}
        self._results = [(number[s], s not in results[:k]) for k, s in enumerate(results)]
        self._shared = [(h, n, number[s]) for h, n, s, _ in found if s is not None and uses[s] > 1]
        self._known = [(h, n, v) for h, n, s, v in found if s is None]
        self._cells = [
            (k, name, None if slot is None else number[slot], v)
            for (k, name, v), slot in zip(program.cell_results, cells, strict=True)
        ]

    def _layout(self, floats: list[int]) -> Layout:
        fixed = {"state": list(map(address_of, self.arrays)), "constant": list(map(address_of, self._constants))}
        addresses = [fixed[kind][k] if kind in fixed else 0 for kind, k in self.places] + self.code.routines
        place = {kind: {k: at for at, (other, k) in enumerate(self.places) if other == kind} for kind in ("argument", "output")}
        spare = len(addresses)  # for what the program does not use
        self._inputs = [place["argument"].get(k, spare) for k in range(len(self.program.arguments))]
        out = [place["output"].get(k, spare) for k in range(len(self.outputs))]
        return Layout(
            [*addresses, 0],
            self.lowered.arena,
            [(at, k) for at, (kind, k) in enumerate(self.places) if kind == "arena"],
            [(at, k) for at, (kind, k) in enumerate(self.places) if kind == "state" and not is_plain(self.arrays[k])],
            [self._inputs[k] for k in floats],
            [(out[k], *self.outputs[k]) for k in self._loose_slots],
            [Kept(h, n, out[k], *self.outputs[k]) for h, n, k in self._kept_slots],
        )

    def _conditions(self, function: Callable[..., Any]) -> list[Condition]:
        program = self.program
        survey = Survey(function)
        conditions = []
        for _, t, array in program.states:
            kind = "a Tensor" if getattr(t, "_name", None) is None and t.name is None else f"the Tensor {t.name!r}"
            conditions.append(slot(t, "_data", array, f"the array of {kind} of shape {array.shape}"))
            if array.dtype.kind in "fc":
                conditions.append(slot(t, "_node", t._node, f"whether {kind} requires a gradient"))
        for holder, name in program.expected_none:
            conditions.append(Condition(f"{{0}}.{name} is None", (holder,), "whether a gradient is there"))
        conditions.append(Condition("{0}._default is {1}", (tensor, tensor._default), "the default dtype"))
        conditions += survey.conditions
        conditions.append(Condition("({0}._chosen or 0) <= {1}", (threads, threads.get_num_threads()), "the number of threads"))
        inputs = {id(a) for a in self.arrays}
        shown = {id(a): a for a in program.shown}
        python = [a for a in program.computed if id(Writes.owner(a)) not in survey.arrays]
        python += [a for a in program.frozen if id(a) not in survey.arrays]
        for a, label in survey.arrays.values():
            used = any(a is f for f in program.frozen)
            if used or python and id(a) not in inputs and a.nbytes <= LARGE:
                conditions.append(frozen(a, f"the contents of {label}"))
        conditions += [frozen(a, "the values of a Tensor that Python code looked at") for a in shown.values()]
        return conditions

    def _gate(self, signature: list[Any]) -> Callable[..., Any]:
        """A function of the arguments, a frame's table and its numbers: the arrays if all is as recorded, else None."""
        if self.overwritten or self.program.cells_slot is not None or any(s[0] == "nested" for s in signature):
            return lambda arguments, table, numbers: None
        bound: dict[str, Any] = {
            "Tensor": Tensor, "ndarray": numpy.ndarray, "hold": self.valid, "address": address_of, "plain": is_plain,
            "memory": address.memory, "owners": self._owners,
        }  # fmt: skip
        names = [f"a{k}" for k in range(len(signature))]
        lines, held, inputs, numbers = [], [], iter(self._inputs), 0

        def array_of(a: str, k: str, shape: Any, dtype: Any, at: int) -> None:
            bound[f"s{k}"], bound[f"d{k}"] = shape, dtype
            if address.memory is not None:
                lines.append(f"at = id({a}) >> 3")
                check = f"memory[at + {address.FLAGS}] & {address.PLAIN} != {address.PLAIN}"
                where = f"memory[at + {address.DATA}]"
            else:
                check, where = f"not plain({a})", f"address({a})"
            if self._owners:  # what the program writes is no argument of it
                check += f" or id({a} if {a}.base is None else {a}.base) in owners"
            lines.extend([
                f"if {a}.shape != s{k} or {a}.dtype is not d{k} or {check}:", "    return None", f"table[{at}] = {where}",
            ])  # fmt: skip
            held.append(a)

        for k, (kind, *details) in enumerate(signature):
            a = f"a{k}"
            if kind == "array":
                node = f" or {a}._node is not None" if self.record else ""
                lines += [
                    f"if type({a}) is not ndarray:", f"    if type({a}) is not Tensor{node}:", "        return None",
                    f"    {a} = {a}._data",
                ]  # fmt: skip
                array_of(a, str(k), details[0], details[1], next(inputs))
            elif kind == "float":
                next(inputs)
                lines += [f"if type({a}) is not float:", "    return None", f"numbers[{numbers}] = {a}"]
                numbers += 1
            else:
                bound[f"v{k}"], bound[f"t{k}"] = details[0], type(details[0])
                lines += [f"if type({a}) is not t{k} or {a} != v{k}:", "    return None"]
        for n, read in enumerate(self.program.reads):
            bound[f"h{n}"] = read.holder
            lines += [f"r{n} = h{n}.{read.name}", f"if r{n} is None:", "    return None", f"r{n} = r{n}._data"]
            array_of(f"r{n}", f"r{n}", read.shape, read.dtype, self._inputs[read.slot])
        head = [f"if len(arguments) != {len(names)} or not hold():", "    return None"]
        unpack = [f"{''.join(n + ', ' for n in names)}= arguments"] if names else []
        body = "\n        ".join([*head, *unpack, *lines, f"return ({''.join(h + ', ' for h in held)})"])
        source = f"def make({', '.join(bound)}):\n    def admit(arguments, table, numbers):\n        {body}\n    return admit\n"
        scope: dict[str, Any] = {}
        exec(compile(source, "<wengert gate>", "exec"), scope)
        return scope["make"](**bound)  # type: ignore[no-any-return]

    # ---- calling it -------------------------------------------------------------------------------------------------

    def call(self, arguments: tuple[Any, ...]) -> Any:
        """The answer for these arguments, or `MISS`."""
        try:
            frame = self._pool.pop()
        except IndexError:
            frame = Frame(self.layout, self.arrays)
        held = self._admit(arguments, frame.table, frame.numbers)
        if held is None:
            self._pool.append(frame)
            return MISS
        return self._launch(frame, held)

    def run(self, inputs: list[Any], given: list[Any], values: list[Value]) -> Any:
        """The same for arguments that were looked at already: arrays in order, whose rows are one after another.

        `given` are the user's arrays, of which these may be copies; into these goes what the program writes. `values` are
        the Values among the arguments.
        """
        if self._owners or self.overwritten:
            self._apart(given)
        cells = values + self.program.cells
        if len({id(v) for v in cells}) < len(cells):
            raise GraphError(
                f"a Value is an argument, and reached from outside as well. Leave the argument out. ({user_line()})"
            )
        numbers = [numpy.array([(v.data, v.grad) for v in cells])] if cells else []
        answer = self._run([*inputs, *numbers], cells)
        for k in self.overwritten:
            if inputs[k] is not given[k]:
                given[k][...] = inputs[k]
            writes.note(given[k], user_place())
        return answer

    def _apart(self, given: list[Any]) -> None:
        """Raise if an argument lies in memory that the program writes."""
        arrays = {k: a for k, a in enumerate(given) if isinstance(a, numpy.ndarray)}
        for k, a in arrays.items():
            if k in self.overwritten and not a.flags.writeable:
                raise ArgumentError(f"an argument that the function writes into is read-only. Pass a copy. ({user_line()})")
            states = [self.arrays[n] for n in self._changed] if id(Writes.owner(a)) in self._owners else []
            others = [b for n, b in arrays.items() if n != k and (k in self.overwritten or n in self.overwritten)]
            for b in (*states, *others):
                if numpy.may_share_memory(a, b):
                    raise GraphError(
                        f"an argument of shape {a.shape} shares memory with another array, of shape {b.shape}, and the jitted "
                        f"function writes into one of them. Pass a copy. ({user_line()})"
                    )

    def _run(self, inputs: list[Any], cells: list[Value]) -> Any:
        try:
            frame = self._pool.pop()
        except IndexError:
            frame = Frame(self.layout, self.arrays)
        numbers = 0
        for x, at in zip(inputs, self._inputs, strict=False):
            if type(x) is float:
                frame.numbers[numbers] = x
                numbers += 1
            else:
                frame.table[at] = address_of(x)
        for read in self.program.reads:
            x = numpy.ascontiguousarray(getattr(read.holder, read.name)._data)
            inputs.append(x)
            frame.table[self._inputs[read.slot]] = address_of(x)
        return self._launch(frame, inputs, cells)

    def ready(self) -> bool:
        """Whether everything that the program reads is what it was compiled for."""
        for holder, name, dtype, shape, _ in self.program.reads:
            value = getattr(holder, name)
            if value is None or value.dtype != dtype or value.shape != shape:
                return False
        return self.valid()

    def changed(self) -> list[str]:
        """In words, what is not as it was when this program was recorded."""
        return changed(self.conditions)

    def _launch(self, frame: Frame, held: Any, cells: Sequence[Value] = ()) -> Any:
        """Compute, commit, and set what the step would have set. `held` keeps the inputs alive meanwhile.

        The compiled code cannot be interrupted: what is raised once it has been called came after it. Then the rest of the
        commit, which can be done twice, is completed first. Where Python stands between, a mark in the memory of a result
        tells whether the code has run.
        """
        missing = None if self._reuse(frame.tensors, frame.arrays) else frame.renew()
        results = frame.results()
        if frame.copies:
            for k, copy in frame.copies:
                copy[...] = self.arrays[k]
        mark = None if self._direct else self._mark(frame)
        drawn = streams = None
        if self._draws:
            streams = [(g, g.get_state()) for g in self._generators]
            try:
                drawn = self._draw(frame)
            except BaseException:
                _put_back(streams)
                raise
        try:
            self._execute(frame.address)
            if self._status is not None and frame.table[self._status]:
                kind, message = self.program.checks[frame.table[self._status] - 1][1]
                frame.table[self._status] = 0
                raise Stopped(kind(message))
            self._commit(frame, results, missing, cells)
        except Stopped as stopped:
            _put_back(streams or [])
            self._pool.append(frame)
            raise stopped.error from None
        except BaseException:
            if mark is not None and _untouched(*mark):
                _put_back(streams or [])
            else:
                self._commit(frame, results, missing, cells)
            raise
        del held, drawn
        self._pool.append(frame)
        return self._rebuild(results)

    def _commit(self, frame: Frame, results: list[Any], missing: Any, cells: Sequence[Value]) -> None:
        for k, copy in frame.copies:
            if k in self._changed:
                self.arrays[k][...] = copy
        if self._written is not None:
            writes.note_together(self._written)
        if missing:
            for holder, name, tensor in missing:
                setattr(holder, name, tensor)
        for holder, name, n in self._shared:
            setattr(holder, name, wrap(results[n].copy()))
        for holder, name, value in self._known:
            setattr(holder, name, value)
        for k, name, place, value in self._cells:
            setattr(cells[k], name, value if place is None else results[place].item())

    def _draw(self, frame: Frame) -> list[Any]:
        """Draw the random numbers that the program takes, in its order."""
        arrays = []
        own = {id(g): type(g)() for g in self.program.generators}
        for generator, method, arguments, place in self.program.draws:
            drawn = getattr(own.get(id(generator), generator), method)(*arguments)
            if place is not None:
                arrays.append(numpy.ascontiguousarray(drawn))
                frame.table[self._inputs[place]] = address_of(arrays[-1])
        return arrays

    def _mark(self, frame: Frame) -> tuple[int, int, bytes] | None:
        """Bytes in the memory of one result, which the program will write over: where, how many, and what was there."""
        outputs = [(at, shape, dtype) for at, shape, dtype in self.layout.loose]
        outputs += [(k.place, k.shape, k.dtype) for k in self.layout.kept]
        for at, shape, dtype in outputs:
            n = min(8, dtype.itemsize * math.prod(shape))
            if n and at < len(self.places):
                place = frame.table[at]
                before = ctypes.string_at(place, n)
                ctypes.memset(place, MARK, n)
                return place, n, before
        return None


MARK = 0xA5


def _untouched(place: int, n: int, before: bytes) -> bool:
    """Whether a mark is still there; what was there before it, is then again."""
    if ctypes.string_at(place, n) != bytes([MARK]) * n:
        return False
    ctypes.memmove(place, before, n)
    return True


def _value(data: Any, grad: Any) -> Value:
    made = Value(data.item())
    made.grad = grad.item()
    return made


def _put_back(streams: list[tuple[Any, Any]]) -> None:
    for generator, state in streams:
        generator.set_state(state)


def _rebuilder(structure: Any, places: list[tuple[int, bool]]) -> Callable[[list[Any]], Any]:
    """A function of the arrays that were computed, giving what is returned: written out, for it runs in every call."""
    known: dict[str, Any] = {"wrap": wrap, "value": _value}

    def text(tree: Any) -> str:
        if type(tree) is Result:
            number, first = places[tree.number]
            if tree.value:
                return f"value(results[{number}], results[{places[tree.number + 1][0]}])"
            return f"wrap(results[{number}])" if first else f"wrap(results[{number}].copy())"
        if type(tree) is tuple:
            return f"({''.join(text(item) + ', ' for item in tree)})"
        if type(tree) is list:
            return f"[{', '.join(map(text, tree))}]"
        if type(tree) is dict:
            return f"{{{', '.join(f'{text(k)}: {text(v)}' for k, v in tree.items())}}}"
        name = f"k{len(known)}"
        if isinstance(tree, tuple) and hasattr(tree, "_fields"):
            known[name] = type(tree)
            return f"{name}({', '.join(map(text, tree))})"
        known[name] = tree
        return name

    return eval(f"lambda results: {text(structure)}", known)  # type: ignore[no-any-return]
