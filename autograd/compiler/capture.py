"""One recording of a step: what it reads, what it would write. Nothing is committed.

While a Capture is the thread's mode, every op gives a Tensor whose data is `Traced`. Arrays that the step reaches become
inputs of the program; a write only changes which value the program holds for that array; an attribute that is set
(``.grad``) is set for the time of the recording and put back afterwards. What is left is a description of the step: the
compiled program carries it out, the first call included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy

from autograd.compiler import compose, trace, windows  # noqa: F401  # compose and windows also fill trace's namespace
from autograd.compiler.indices import MOVES
from autograd.compiler.trace import Traced
from autograd.errors import GraphError, IndexingError, UnsupportedError, user_line
from autograd.tape import mode
from autograd.tensor import Tensor, wrap

__all__ = ["Capture", "Program", "Result", "map_tree"]


LONG_INDEX = 1 << 16  # bytes


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
        self.frozen: list[Any] = []  # arrays whose contents of the moment went into the program
        self.shown: list[Any] = []  # arrays of Tensors of which Python code saw the values
        self.computed: list[Any] = []  # bare arrays that are inputs, which Python code may have computed
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
    slot: int


class Result:
    """The place of a result in what a function returns."""

    __slots__ = ("number",)

    def __init__(self, number: int):
        self.number = number


def _made_inside(holder: Any) -> bool:
    """Whether a leaf was made while recording, such as ``x.detach().requires_grad_()``: every call makes one of its own."""
    return isinstance(holder._data if isinstance(holder, Tensor) else getattr(holder, "data", None), Traced)


def _holds_tensor(tree: Any) -> bool:
    items = tree.values() if isinstance(tree, dict) else tree
    return any(isinstance(a, Tensor) or isinstance(a, tuple | list | dict) and _holds_tensor(a) for a in items)


class Capture:
    """The mode in which a program is recorded."""

    namespace = trace.NAMESPACE

    def __init__(self) -> None:
        self._state_of: dict[int, Traced] = {}
        self._current: dict[int, Any] = {}
        self._held: list[Any] = []
        self._read: dict[tuple[int, str], Tensor] = {}
        self._journal: dict[tuple[int, str], tuple[Any, str, Any]] = {}
        self.program = Program()
        self.keep: Any = None  # what may put another value in the place of one that an op gave

    # ---- reads ------------------------------------------------------------------------------------------------------

    def lift(self, source: Any, x: Any) -> Any:
        """An operand as an instruction: an array reached through a Tensor is state, a bare array a constant."""
        if not isinstance(x, numpy.ndarray):
            return x
        if not isinstance(source, Tensor):
            if x.ndim == 0 or not x.flags.c_contiguous:
                self.freeze(x)
                return trace.constant(x)
            source = wrap(x)
            if id(x) not in self._current:
                self.program.computed.append(x)
        key = id(x)
        if key not in self._current:
            state = Traced("state", (), x.shape, x.dtype, slot=len(self.program.states))
            self._held.append(x)
            self.program.states.append((state, source, x))
            self._state_of[key] = self._current[key] = state
        return self._current[key]

    def freeze(self, array: Any, into: list[Any] | None = None) -> None:
        """Take down that the contents of an array, as they are now, go into the program."""
        into = self.program.frozen if into is None else into
        if not any(a is array for a in into):
            into.append(array)

    def index(self, index: Any) -> Any:
        """An array that is used as an index: a long one of a Tensor is an input, others go into the program."""
        array = index._data if isinstance(index, Tensor) else index
        if not isinstance(index, Tensor):
            self.freeze(array)
        elif isinstance(array, numpy.ndarray):
            if array.dtype.kind != "b" and array.nbytes > LONG_INDEX:
                return self.lift(index, array)
            self.freeze(array, self.program.shown)
        return array

    def ones(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """The seed of a backward pass."""
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
        current = self._current.get(id(t._data))
        if current is not None and current is not self._state_of[id(t._data)]:
            raise current.concretised(what)
        self.freeze(t._data, self.program.shown)

    # ---- writes -----------------------------------------------------------------------------------------------------

    def write(self, target: Tensor, root: Tensor, path: Any, index: Any, source: Any, differentiated: bool) -> None:
        """Take down that a tensor is written, as a whole or at an index."""
        if differentiated:
            raise UnsupportedError(
                "a write that a gradient flows through has no compiled form yet. Use autograd.where, or concatenate the "
                f"pieces. ({user_line()})"
            )
        computed = isinstance(target._data, Traced)
        if computed and target._data.function == "argument":
            raise UnsupportedError(
                "writing into an argument has no compiled form: return the new value, or reach the tensor from outside "
                f"instead of passing it. ({user_line()})"
            )
        if path or computed and target._data.function in MOVES:
            raise UnsupportedError(f"writing through a view has no compiled form yet: write x[i] = v. ({user_line()})")
        old = self.lift(target, target._data)
        value = source if isinstance(source, Traced) else trace.constant(source)
        if index is ... or isinstance(index, slice) and index == slice(None):
            new = trace.broadcast_to(value.astype(old.dtype), old.shape)
        else:
            new = compose.write_at(old, value.astype(old.dtype), index)
        if computed:
            target._data = new
        else:
            self._current[id(target._data)] = new

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

    def eager(self, name: str, function: Callable[..., Any], arguments: Any, settings: Any) -> Tensor:
        """A call of a function that has no compiled form and needs no derivative, in the middle of the program."""
        nested = [a for a in (*arguments, *settings.values()) if isinstance(a, tuple | list | dict)]
        if any(isinstance(a, Tensor) for a in settings.values()) or any(_holds_tensor(a) for a in nested):
            raise compose.unsupported(f"{name} of tensors in a container or by keyword", "Pass them one by one")
        given = tuple(self.lift(a, a._data) if isinstance(a, Tensor) else a for a in arguments)
        return wrap(compose.eager(name, function, given, settings))

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

        def input_for(a: Any) -> Any:
            if not isinstance(a, numpy.ndarray):
                return a
            instruction = Traced("argument", (), a.shape, a.dtype, slot=len(program.arguments))
            instruction.weak = float if next(numbers) else None
            program.arguments.append(instruction)
            return wrap(instruction)

        traced, traced_named = map_tree(input_for, arguments), map_tree(input_for, named)
        mode.set(capture=self)
        try:
            answer = function(*traced, **traced_named)
            program.structure = map_tree(self._result, answer)
            for key, state in self._state_of.items():
                if self._current[key] is not state:
                    program.commits.append((state, self._current[key]))
            for holder, name, _ in self._journal.values():
                if _made_inside(holder):
                    continue  # nobody outside has it
                program.attributes.append((holder, name, self._final(getattr(holder, name))))
        finally:
            mode.set(capture=None)
            for holder, name, old in self._journal.values():
                setattr(holder, name, old)
        return program

    def _final(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return self.lift(value, value._data)

    def _result(self, answer: Any) -> Any:
        if answer is None:
            return None
        if not isinstance(answer, Tensor):
            raise GraphError(
                "a jitted function returns None, a Tensor, or lists, tuples and dictionaries of them; got "
                f"{type(answer).__name__}. ({user_line()})"
            )
        self.program.results.append(self.lift(answer, answer._data))
        return Result(len(self.program.results) - 1)


def map_tree(function: Callable[[Any], Any], tree: Any) -> Any:
    """The same nesting of tuples, lists and dictionaries, with the function applied to all else."""
    kind = type(tree)
    if kind is dict:
        return {k: map_tree(function, v) for k, v in tree.items()}
    if kind in (list, tuple):
        return kind(map_tree(function, v) for v in tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return kind(*(map_tree(function, v) for v in tree))
    return function(tree)
