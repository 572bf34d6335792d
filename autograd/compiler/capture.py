"""One recording of a step: what it reads, what it would write. Nothing is committed.

While a Capture is the thread's mode, every op gives a Tensor whose data is `Traced`. Arrays that the step reaches become
inputs of the program; a write only changes which value the program holds for that array; an attribute that is set
(``.grad``) is set for the time of the recording and put back afterwards. What is left is a description of the step: the
compiled program carries it out, the first call included.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any, NamedTuple

import numpy

from autograd.compiler import compose, trace, windows  # noqa: F401  # compose and windows fill trace's namespace
from autograd.compiler.called import call_for_other_dtypes, eager
from autograd.compiler.guards import Survey
from autograd.compiler.storage import Storage
from autograd.compiler.trace import Traced
from autograd.errors import GraphError, IndexingError, UnsupportedError, user_line
from autograd.instructions import native
from autograd.rule import Op, np
from autograd.tape import mode, writes
from autograd.tensor import Tensor, wrap
from autograd.trees import leaves, map_tree, rebuild
from autograd.value import Value

__all__ = ["Capture", "Program", "Result"]


LONG_INDEX = 1 << 16  # bytes
call_for_other_dtypes()


class Program:
    """What a recording leaves: inputs, results, writes to state, attributes to set."""

    def __init__(self) -> None:
        self.arguments: list[Traced] = []
        self.states: list[tuple[Traced, Tensor, Any]] = []  # instruction, the tensor that was read, its array then
        self.results: list[Any] = []
        self.checks: list[tuple[Traced, tuple[type[Exception], str]]] = []  # elements not as they must be, the error then
        self.commits: list[tuple[Traced, Traced]] = []  # (state, its new value)
        self.attributes: list[tuple[Any, str, Any]] = []  # (holder, name, new value: a Traced or anything else)
        self.expected_none: list[tuple[Any, str]] = []  # attributes that were read, and were None
        self.reads: list[Read] = []
        self.draws: list[Draw] = []
        self.generators: list[Any] = []  # those made by the function: each call has its own
        self.frozen: list[Any] = []  # arrays whose contents of the moment went into the program
        self.shown: list[Any] = []  # arrays of Tensors of which Python code saw the values
        self.computed: list[Any] = []  # bare arrays that are inputs, which Python code may have computed
        self.cells: list[Value] = []  # Values that are reached from outside: their numbers are an input
        self.cells_slot: int | None = None  # of that input
        self.cell_results: list[tuple[int, str, Any]] = []  # which cell, data or grad, its new number: a Traced or a float
        self.structure: Any = None  # what is returned: numbers stand for results in it


class Read(NamedTuple):
    """An attribute that is an input: what it holds when the program runs."""

    holder: Any
    name: str
    dtype: Any
    shape: tuple[int, ...]
    slot: int


class Draw(NamedTuple):
    """Random numbers that are an input: drawn when the program runs, in the order of the recording."""

    generator: Any
    method: str
    arguments: tuple[Any, ...]
    slot: int | None
    """Of the input; None where the generator is only moved to another position."""


class Result:
    """The place of a result in what a function returns; of the data of a Value, with its grad as the next result."""

    __slots__ = ("number", "value")

    def __init__(self, number: int, value: bool = False):
        self.number, self.value = number, value


class _Part:
    """The elements of an array at known positions, as the way to a view."""

    @staticmethod
    def forward(namespace: Any = np) -> Callable[..., Any]:
        return lambda x, at: namespace.reshape(x, (-1,))[at]


def _made(value: Traced) -> Traced:
    """A value that leaves the program: one of a dtype without machine code is what a call gives."""
    return trace.fresh(value) if trace.foreign(value.dtype) and value.function != "call" else value


def _made_inside(holder: Any) -> bool:
    """Whether a leaf was made while recording, such as ``x.detach().requires_grad_()``: every call makes one of its own."""
    return isinstance(holder._data if isinstance(holder, Tensor) else getattr(holder, "data", None), Traced)


class Capture:
    """The mode in which a program is recorded."""

    namespace = trace.NAMESPACE

    def __init__(self) -> None:
        self.storage = Storage()
        self._state_of: dict[int, Traced] = {}  # array -> the instruction that reads it
        self._owned: dict[int, list[Any]] = {}  # array that owns memory -> those of its parts that are read
        self._cells: list[tuple[Value, Traced, Traced]] = []  # with the instructions that read them
        self._overwritten: dict[int, int] = {}  # array that owns memory which is written -> how many of its parts were seen
        self._parts: set[int] = set()  # arrays that are read as a part of the owner
        self._held: list[Any] = []
        self._given: set[float] = set()  # instructions that stand for arguments of the function
        self._newest: float = 0  # of the instructions that there were before the op that runs
        self._read: dict[tuple[int, str], Tensor] = {}
        self._journal: dict[tuple[int, str], tuple[Any, str, Any]] = {}
        self.program = Program()
        self.keep: Any = None  # what may put another value in the place of one that an op gave

    # ---- reads ------------------------------------------------------------------------------------------------------

    def lift(self, source: Any, x: Any) -> Any:
        """An operand as an instruction: an array reached through a Tensor is state, a bare array a constant."""
        value = self._lifted(source, x)
        self._newest = Traced._ticks
        return value

    def _lifted(self, source: Any, x: Any) -> Any:
        if isinstance(x, Traced):
            return self.storage.now(x) if isinstance(source, Tensor) else x
        if not isinstance(x, numpy.ndarray):
            return x
        if not isinstance(source, Tensor):
            if x.ndim == 0 or not x.flags.c_contiguous:
                self.freeze(x)
                return trace.constant(x)
            source = wrap(x)
            if id(x) not in self._state_of:
                self.program.computed.append(x)
        return self.storage.now(self._state(source, x))

    def _place(self, t: Tensor) -> Traced:
        """The instruction that names the memory of a tensor."""
        return t._data if isinstance(t._data, Traced) else self._state(t, t._data)

    def _state(self, source: Tensor, x: Any) -> Traced:
        """The instruction that reads an array from outside."""
        if id(x) in self._state_of:
            return self._state_of[id(x)]
        state = Traced("state", (), x.shape, x.dtype, slot=len(self.program.states))
        self._held.append(x)
        self.program.states.append((state, source, x))
        self._state_of[id(x)] = state
        self.storage.lies(state, x)
        owner = writes.owner(x)
        self._owned.setdefault(id(owner), []).append(x)
        if id(owner) in self._overwritten:
            self._link(owner)
        return state

    def _link(self, owner: Any) -> None:
        """From the first write into some memory on: arrays that share it are parts of the one that owns it."""
        arrays = self._owned[id(owner)]
        if self._overwritten.get(id(owner)) == len(arrays):
            return
        self._overwritten[id(owner)] = len(arrays)
        if any(numpy.may_share_memory(a, b) for a, b in combinations(arrays, 2)):
            for part in list(arrays):
                if part is not owner and id(part) not in self._parts:
                    self._parts.add(id(part))
                    self._within(self._state_of[id(part)], part, owner)

    def _within(self, state: Traced, part: Any, owner: Any) -> None:
        """Make what reads a part of an array a view of what reads all of it."""
        if owner.dtype != part.dtype or not owner.flags.c_contiguous:
            raise UnsupportedError(
                "tensors that share memory, with elements of different kinds in it or in no order, have no compiled form. "
                f"({user_line()})"
            )
        numbers = numpy.arange(owner.size)
        first = (part.ctypes.data - owner.ctypes.data) // owner.itemsize
        steps = tuple(s // owner.itemsize * numbers.itemsize for s in part.strides)
        at = numpy.lib.stride_tricks.as_strided(numbers[first:], part.shape, steps) if part.size else numbers[:0]
        whole = self._state(wrap(owner), owner)
        self.storage.lie_within(state, whole, ((_Part(), {"at": at.reshape(part.shape).copy()}),))

    def copy(self, data: Any, dtype: Any) -> Traced:
        """The values of a tensor or an array by now, as a place of their own: what a new Tensor of them holds."""
        array = data._data if isinstance(data, Tensor) else data if isinstance(data, Traced) else numpy.asarray(data)
        if isinstance(array, numpy.ndarray) and not array.dtype.isnative:
            array = array.astype(native(array.dtype))
        value = self.lift(data, array)
        return trace.fresh(value if dtype is None else value.astype(dtype))

    def made(self, y: Any, arrays: list[Any]) -> Any:
        """What an op gives, as an instruction of its own: one that was there names another place already."""
        if not isinstance(y, Traced):
            y = trace.constant(y)
        elif y.tick <= self._newest:
            y = trace.fresh(y)
        return y if self.keep is None else self.keep(y, arrays)

    def share(self, base: Tensor, op: Op, settings: dict[str, Any], view: Tensor) -> bool:
        """Whether the result of an op looks at the memory of its operand, and that it does."""
        return self.storage.share(self._place(base), op, settings, view._data)

    def gradient(self, old: Tensor | None, g: Any) -> Tensor:
        """A gradient of a leaf, added to the one that it has."""
        g = g if isinstance(g, Traced) else trace.constant(g)
        return wrap(trace.fresh(g) if old is None else self.lift(old, old._data) + g)

    def freeze(self, array: Any, into: list[Any] | None = None) -> None:
        """Take down that the contents of an array, as they are now, go into the program."""
        into = self.program.frozen if into is None else into
        if not any(a is array for a in into):
            into.append(array)

    def index(self, index: Any) -> Any:
        """An array that is used as an index: a long one of a Tensor is an input, others go into the program."""
        if not isinstance(index, Tensor):
            self.freeze(index)
            return index
        array = index._data
        if isinstance(array, Traced) or array.dtype.kind != "b" and array.nbytes > LONG_INDEX or self._was_written(index):
            return self.lift(index, array)
        self.freeze(array, self.program.shown)
        return array

    def _was_written(self, t: Tensor) -> bool:
        state = self._state_of.get(id(t._data))
        return state is not None and self.storage.now(state) is not state

    def ones(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """The seed of a backward pass."""
        if trace.foreign(numpy.dtype(dtype)):
            return trace.constant(numpy.ones(shape, dtype))
        return trace.broadcast_to(trace.constant(1, dtype), shape)

    def read(self, holder: Any, name: str) -> Any:
        """An attribute that holds a Tensor or None: what it holds when the program runs is an input of the program."""
        value = getattr(holder, name)
        key = (id(holder), name)
        if key in self._journal:
            return value
        if value is None:
            if _made_inside(holder):
                return None
            if (holder, name) not in self.program.expected_none:
                self.program.expected_none.append((holder, name))
            return None
        if key not in self._read:
            data = value._data
            instruction = Traced("argument", (), data.shape, data.dtype, slot=len(self.program.arguments))
            self.program.arguments.append(instruction)
            self.program.reads.append(Read(holder, name, data.dtype, data.shape, instruction.settings["slot"]))
            self._read[key] = wrap(instruction)
        return self._read[key]

    def number(self, cell: Tensor) -> Any:
        """The value of a state cell, which stays unknown until the program runs."""
        value = self.lift(cell, cell._data)
        number = Traced("reshape", (value,), (), value.dtype)
        number.weak = float if value.dtype.kind == "f" else int
        return wrap(number)

    def reading(self, t: Tensor, what: str) -> None:
        """Refuse to show values that the recorded program has already changed."""
        if self._was_written(t):
            raise self._state_of[id(t._data)].concretised(what)
        self.freeze(t._data, self.program.shown)

    # ---- writes -----------------------------------------------------------------------------------------------------

    def write(self, target: Tensor, index: Any, value: Any, recorded: Tensor | None) -> None:
        """Take down that a tensor is written at an index; `recorded` is what gets a node by it."""
        if recorded is not None and isinstance(recorded._data, numpy.ndarray):
            raise UnsupportedError(
                "a tensor from outside of the jitted function would carry the graph of this write out of it. Write into a "
                f"tensor that is made inside, such as t * 1, or write value.detach(). ({user_line()})"
            )
        place = self._place(target)
        root = self.storage.root(place)
        if root.function == "state":
            self._link(writes.owner(self.program.states[root.settings["slot"]][2]))
        source = self.lift(value, value._data) if isinstance(value, Tensor) else value
        self.storage.write(place, index, source if isinstance(source, Traced) else trace.constant(source))

    def draw(self, generator: Any, method: str, *arguments: Any) -> Tensor:
        """Random numbers, which the generator gives when the program runs; none are drawn from it now."""
        if any(isinstance(a, Tensor | Traced) for a in arguments):
            raise UnsupportedError(
                "random numbers whose parameters are computed have no compiled form: draw standard ones and scale them. "
                f"({user_line()})"
            )
        mode.set(capture=None)
        try:
            sample = numpy.asarray(getattr(type(generator)(0), method)(*arguments))
        finally:
            mode.set(capture=self)
        instruction = Traced("argument", (), sample.shape, sample.dtype, slot=len(self.program.arguments))
        self.program.arguments.append(instruction)
        self.program.draws.append(Draw(generator, method, arguments, instruction.settings["slot"]))
        return wrap(instruction)

    def moved(self, generator: Any, position: dict[str, Any]) -> None:
        """Take down that a generator goes on from a position; one that is made now belongs to the program."""
        if not hasattr(generator, "_numpy"):
            self.program.generators.append(generator)
        self.program.draws.append(Draw(generator, "set_state", (position,), None))

    def eager(self, name: str, function: Callable[..., Any], arguments: Any, settings: Any) -> Tensor:
        """A call of a function that has no compiled form and needs no derivative, in the middle of the program."""
        given = [self.lift(a, a._data) if isinstance(a, Tensor) else a for a in leaves((arguments, settings))]
        return wrap(eager(name, function, *rebuild((tuple(arguments), settings), given)))

    def check(self, valid: Traced, message: str, kind: type[Exception] = IndexingError) -> None:
        """Take down that something must hold when the program runs, or it ends before anything is written."""
        bad = trace.NAMESPACE.sum(trace.NAMESPACE.where(valid, 0, 1), keepdims=True)
        self.program.checks.append((bad, (kind, f"{message} ({user_line()})")))

    def assign(self, holder: Any, name: str, value: Any) -> None:
        """Set an attribute for the time of the recording."""
        self._journal.setdefault((id(holder), name), (holder, name, getattr(holder, name, None)))
        setattr(holder, name, value)

    # ---- the recording ----------------------------------------------------------------------------------------------

    def record(self, function: Callable[..., Any], arguments: Any, named: Any, weak: list[bool]) -> Program:
        """Run the function once over instructions. Whatever happens, nothing outside has changed afterwards.

        `arguments` and `named` are nested tuples, lists and dictionaries; each array in them is an input of the program,
        `weak` tells which of them stand for Python floats.
        """
        program = self.program
        numbers = iter(weak)
        given = [a for a in leaves((arguments, named)) if isinstance(a, Value)]
        program.cells = Survey(function).values
        cells = list({id(v): v for v in given}.values()) + program.cells

        def input_for(a: Any) -> Any:
            if not isinstance(a, numpy.ndarray):
                return a
            instruction = Traced("argument", (), a.shape, a.dtype, slot=len(program.arguments))
            instruction.weak = float if next(numbers) else None
            program.arguments.append(instruction)
            self._given.add(instruction.tick)
            return wrap(instruction)

        traced, traced_named = map_tree(input_for, arguments), map_tree(input_for, named)
        mode.set(capture=self)
        before = [(v, v.data, v.grad) for v in cells]
        try:
            self._enter_cells(cells)
            answer = function(*traced, **traced_named)
            program.structure = map_tree(self._result, answer)
            self._commit()
            self._leave_cells()
            for holder, name, _ in self._journal.values():
                if _made_inside(holder):
                    continue  # nobody outside has it
                program.attributes.append((holder, name, self._final(getattr(holder, name))))
        finally:
            mode.set(capture=None)
            for v, data, grad in before:
                v.data, v.grad = data, grad
            for holder, name, old in self._journal.values():
                setattr(holder, name, old)
        return program

    # ---- Values -----------------------------------------------------------------------------------------------------

    def scalar(self, x: Any) -> Any:
        """A number of a Value as an instruction."""
        if isinstance(x, Tensor):
            x = self.lift(x, x._data).astype(float)
        return x if isinstance(x, Traced) else trace.constant(float(x))

    def _enter_cells(self, cells: list[Value]) -> None:
        """Let Values from outside hold instructions, which read their numbers when the program runs."""
        if not cells:
            return
        array = Traced("argument", (), (len(cells), 2), float, slot=len(self.program.arguments))
        self.program.arguments.append(array)
        self.program.cells_slot = array.settings["slot"]
        for k, v in enumerate(cells):
            data, grad = (trace.NAMESPACE.getitem(array, (k, j)) for j in (0, 1))
            v.data, v.grad = data, grad
            self._cells.append((v, data, grad))

    def _leave_cells(self) -> None:
        """Take down their numbers after the step."""
        for k, (v, data, grad) in enumerate(self._cells):
            for name, old in (("data", data), ("grad", grad)):
                new = getattr(v, name)
                if new is not old:
                    number = float(new) if isinstance(new, int | float) else self.scalar(new)
                    self.program.cell_results.append((k, name, number))

    def _commit(self) -> None:
        """Take down what the program leaves in the memory that others see."""
        held = {r.slot: (r.holder, r.name) for r in self.program.reads}
        for place, value in self.storage.changed():
            if place.function == "state" or place.tick in self._given:
                self.program.commits.append((place, _made(value)))
            elif place.function == "argument" and place.settings["slot"] in held:  # an attribute, a gradient
                holder, name = held[place.settings["slot"]]
                if (id(holder), name) not in self._journal:
                    self.assign(holder, name, self._read[id(holder), name])

    def _final(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return _made(self.lift(value, value._data))

    def _result(self, answer: Any) -> Any:
        if answer is None:
            return None
        if isinstance(answer, Value):
            self.program.results += [self.scalar(answer.data), self.scalar(answer.grad)]
            return Result(len(self.program.results) - 2, value=True)
        if isinstance(answer, Traced):  # what a Value holds
            answer = wrap(answer)
        if not isinstance(answer, Tensor):
            raise GraphError(
                "a jitted function returns None, a Tensor, a Value, or lists, tuples and dictionaries of them; got "
                f"{type(answer).__name__}. ({user_line()})"
            )
        self.program.results.append(_made(self.lift(answer, answer._data)))
        return Result(len(self.program.results) - 1)
