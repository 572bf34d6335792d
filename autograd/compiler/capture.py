"""One recording of a step: what it reads, what it would write. Nothing is committed.

While a Capture is the thread's mode, every op gives a Tensor whose data is `Traced`. Arrays that the step reaches become
inputs of the program; a write only changes which value the program holds for that array; an attribute that is set
(``.grad``) is set for the time of the recording and put back afterwards. What is left is a description of the step: the
compiled program carries it out, the first call included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from autograd.compiler import compose, trace
from autograd.compiler.trace import Traced
from autograd.errors import GraphError, UnsupportedError, user_line
from autograd.tape import mode
from autograd.tensor import Tensor, wrap

__all__ = ["Capture", "Program"]


class Program:
    """What a recording leaves: inputs, results, writes to state, attributes to set."""

    def __init__(self) -> None:
        self.arguments: list[Traced] = []
        self.states: list[tuple[Traced, Tensor, Any]] = []  # instruction, the tensor that was read, its array then
        self.results: list[Any] = []
        self.commits: list[tuple[Traced, Traced]] = []  # (state, its new value)
        self.attributes: list[tuple[Any, str, Any]] = []  # (holder, name, new value: a Traced or anything else)
        self.expected_none: list[tuple[Any, str]] = []  # attributes that were read, and were None
        self.reads: list[tuple[Any, str, Any, Any]] = []  # attributes that are inputs: holder, name, dtype, shape
        self.rebuild: Callable[[list[Any]], Any] = lambda results: None


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

    # ---- reads ------------------------------------------------------------------------------------------------------

    def lift(self, source: Any, x: Any) -> Any:
        """An operand as an instruction: an array reached through a Tensor is state, a bare array a constant."""
        if not isinstance(x, numpy.ndarray):
            return x
        if not isinstance(source, Tensor):
            if x.ndim == 0 or not x.flags.c_contiguous:
                return trace.constant(x)
            source = wrap(x)
        key = id(x)
        if key not in self._current:
            state = Traced("state", (), x.shape, x.dtype, slot=len(self.program.states))
            self._held.append(x)
            self.program.states.append((state, source, x))
            self._state_of[key] = self._current[key] = state
        return self._current[key]

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
            if (holder, name) not in self.program.expected_none:
                self.program.expected_none.append((holder, name))
            return None
        if key not in self._read:
            data = value._data
            instruction = Traced("argument", (), data.shape, data.dtype, slot=len(self.program.arguments))
            self.program.arguments.append(instruction)
            self.program.reads.append((holder, name, data.dtype, data.shape))
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
        if path or computed and target._data.function in ("reshape", "transpose", "gather"):
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

    def drawn(self) -> UnsupportedError:
        """The error for a random draw, whose numbers would be the same in every call."""
        return UnsupportedError(
            "random numbers have no compiled form yet: draw them outside and pass them to the jitted function, or put "
            f"the model into eval(). ({user_line()})"
        )

    def assign(self, holder: Any, name: str, value: Any) -> None:
        """Set an attribute for the time of the recording."""
        self._journal.setdefault((id(holder), name), (holder, name, getattr(holder, name, None)))
        setattr(holder, name, value)

    # ---- the recording ----------------------------------------------------------------------------------------------

    def record(self, function: Callable[..., Any], arguments: list[Any], weak: list[bool]) -> Program:
        """Run the function once over instructions. Whatever happens, nothing outside has changed afterwards."""
        program = self.program
        traced = []
        for a, number in zip(arguments, weak, strict=True):
            if isinstance(a, numpy.ndarray):
                instruction = Traced("argument", (), a.shape, a.dtype, slot=len(program.arguments))
                instruction.weak = float if number else None
                program.arguments.append(instruction)
                traced.append(wrap(instruction))
            else:
                traced.append(a)
        before = mode.capture
        if before is not None:
            return function(*arguments)  # type: ignore[no-any-return]
        mode.set(capture=self)
        try:
            answer = function(*traced)
            program.rebuild, program.results = self._results(answer)
            for key, state in self._state_of.items():
                if self._current[key] is not state:
                    program.commits.append((state, self._current[key]))
            for holder, name, _ in self._journal.values():
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

    def _results(self, answer: Any) -> tuple[Callable[[list[Any]], Any], list[Any]]:
        if answer is None:
            return (lambda results: None), []
        if isinstance(answer, Tensor):
            return (lambda results: wrap(results[0])), [self.lift(answer, answer._data)]
        if isinstance(answer, tuple | list) and all(isinstance(a, Tensor) for a in answer):
            kind = type(answer)
            return (lambda results: kind(map(wrap, results))), [self.lift(a, a._data) for a in answer]
        raise GraphError(
            f"a jitted function returns None, a Tensor, or a list or tuple of Tensors; got {type(answer).__name__}. "
            f"({user_line()})"
        )

