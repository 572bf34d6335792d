"""``@autograd.jit``: record a step once, run it compiled from then on."""

from __future__ import annotations

import ctypes
import functools
import os
import threading
import warnings
from collections.abc import Callable
from sys import getrefcount
from typing import Any

import numpy

from autograd.compiler.capture import Capture, Program
from autograd.compiler.trace import Traced
from autograd.errors import DTypeError, user_line
from autograd.tape import mode, writes
from autograd.tensor import Tensor, wrap

__all__ = ["Compiled", "jit"]

LIMIT = 8
"""Programs kept for arguments of one signature."""


class Frame:
    """Memory for one call in flight, so that two threads never share it: the table of addresses, scratch, results.

    An array that a call has returned serves again when nobody holds it any more, which its reference count tells.
    """

    def __init__(self, variant: Variant):
        self._scratch = numpy.empty(variant.lowered.arena + 64, numpy.uint8)
        start = -(-self._scratch.ctypes.data // 64) * 64
        self.table = (ctypes.c_int64 * max(1, len(variant.fixed)))(*variant.fixed)
        for at, offset in variant.scratch:
            self.table[at] = start + offset
        self.address = ctypes.addressof(self.table)
        self._slots = [(at, *variant.outputs[k], []) for at, k in variant.result_places]

    def results(self) -> list[Any]:
        """An array for every result, its address entered in the table."""
        arrays, table = [], self.table
        for at, shape, dtype, spare in self._slots:
            for array, address in spare:
                if getrefcount(array) == 3:  # the pair, the loop variable, the call
                    break
            else:
                array = numpy.empty(shape, dtype)
                address = array.ctypes.data
                if len(spare) < 3:
                    spare.append((array, address))
            table[at] = address
            arrays.append(array)
        return arrays


class Variant:
    """A program compiled for one signature."""

    def __init__(self, program: Program):
        from autograd.compiler.llvm import compile_program
        from autograd.compiler.lower import lower
        from autograd.kernels import scalars, threads

        lowered = lower(program)
        self.lowered, self.program, self.source = lowered, program, lowered.source()
        self.guards = [(t, array, t._node is not None) for _, t, array in program.states]
        self.arrays = [array for _, _, array in program.states]
        constants = [numpy.ascontiguousarray(x.settings["value"]) for x in lowered.constants]
        for array in self.arrays:
            if not array.flags.c_contiguous or not array.flags.aligned:
                raise DTypeError("a jitted step reads a tensor whose array is not contiguous: make it so with t.copy().")
        self._kept = [*self.arrays, *constants]
        self.outputs = [(x.shape, x.dtype) for x in lowered.outputs]
        self.result_slots = [lowered.slots[x.tick] for x in program.results]
        self.attribute_slots = [
            (h, n, lowered.slots[v.tick] if isinstance(v, Traced) else None, v) for h, n, v in program.attributes
        ]
        committed = {state.tick for state, _ in program.commits}
        self.written = [array for state, _, array in program.states if state.tick in committed]
        self.code = compile_program(lowered.lines(), lowered.buffers, scalars.FUNCTIONS)
        small = self.code.routines and lowered.largest_product < threads.SMALL
        self._threads = threads.blas_threads() if small else None
        places = list(lowered.addresses.values())
        fixed = {"state": [a.ctypes.data for a in self.arrays], "constant": [a.ctypes.data for a in constants]}
        self.fixed = [fixed[kind][k] if kind in fixed else 0 for kind, k in places] + self.code.routines
        self.scratch = [(at, k) for at, (kind, k) in enumerate(places) if kind == "arena"]
        self._arguments = [(at, k) for at, (kind, k) in enumerate(places) if kind == "argument"]
        self.result_places = sorted(
            ((at, k) for at, (kind, k) in enumerate(places) if kind == "output"), key=lambda place: place[1]
        )
        self._pool: list[Frame] = []

    def valid(self) -> bool:
        """Whether what the program reads is still what it was compiled for."""
        for t, array, recorded in self.guards:
            if t._data is not array or (t._node is not None) is not recorded:
                return False
        return all(getattr(holder, name) is None for holder, name in self.program.expected_none)

    def run(self, arguments: list[Any]) -> Any:
        """One call: compute, commit, and set what the step would have set."""
        frame = self._pool.pop() if self._pool else Frame(self)
        table = frame.table
        for at, k in self._arguments:
            table[at] = arguments[k].__array_interface__["data"][0]
        results = frame.results()
        if self._threads is not None:
            get, put = self._threads
            before = get()
            put(1)
            self.code.run(frame.address)
            put(before)
        else:
            self.code.run(frame.address)
        self._pool.append(frame)
        if self.written:
            writes.note_all(self.written, "a compiled program")
        for holder, name, slot, value in self.attribute_slots:
            setattr(holder, name, wrap(results[slot]) if slot is not None else value)
        return self.program.rebuild([results[k] for k in self.result_slots])


class Compiled:
    """A function that is recorded, compiled, and run compiled; made by `jit`."""

    def __init__(self, function: Callable[..., Any]):
        functools.update_wrapper(self, function)
        self.function = function
        self._variants: dict[Any, list[Variant]] = {}
        self._lock = threading.Lock()
        self._last: Variant | None = None

    def __call__(self, *arguments: Any) -> Any:
        if mode.capture is not None or not usable():
            return self.function(*arguments)
        arrays, key = [], [mode.record]
        for a in arguments:
            kind = type(a)
            if kind is Tensor:
                a = a._data
                kind = numpy.ndarray
            if kind is numpy.ndarray:
                arrays.append(a if a.flags.c_contiguous else numpy.ascontiguousarray(a))
                key.append((a.shape, a.dtype))
            elif kind is float:
                arrays.append(numpy.array(a))
                key.append(float)
            elif kind in (int, bool, str) or a is None:
                key.append((kind, a))
            else:
                raise DTypeError(f"an argument of a jitted function is an array, a number or a string, got {kind.__name__}. ({user_line()})")
        variants = self._variants.setdefault(tuple(key), [])
        for variant in variants:
            if variant.valid():
                break
        else:
            with self._lock:
                variant = self._record(arguments)
                variants.append(variant)
                if len(variants) > LIMIT:
                    variants.pop(0)
                    warnings.warn(
                        f"{self.__name__} was compiled {LIMIT + 1} times for the same arguments, because tensors that it "
                        "reads were replaced between calls. Write into them (t.copy_(…)) instead.",
                        RuntimeWarning,
                        stacklevel=2,
                    )
        self._last = variant
        return variant.run(arrays)

    def _record(self, arguments: tuple[Any, ...]) -> Variant:
        static = [
            a._data if isinstance(a, Tensor) else numpy.array(a) if type(a) is float else a for a in arguments
        ]
        return Variant(Capture().record(self.function, static))

    def source(self) -> str:
        """The source of the program that ran last."""
        return self._last.source if self._last is not None else "not called yet"


def usable() -> bool:
    """Whether the compiler is there and not switched off; without it a jitted function just runs."""
    global _usable
    if _usable is None:
        try:
            import llvmlite.binding  # noqa: F401

            _usable = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")
        except Exception as error:  # a broken installation can fail in any way
            _usable = False
            warnings.warn(f"LLVM (llvmlite, of Numba) cannot be used ({error}); jitted functions run uncompiled.", RuntimeWarning, stacklevel=3)
    return _usable


_usable: bool | None = None


def jit(function: Callable[..., Any]) -> Compiled:
    """Compile a step: forward, backward and update become one compiled function.

    Without a usable LLVM (llvmlite, which comes with Numba) the function simply runs as it is.

    The first call for new argument shapes and dtypes records the function (nothing is computed or changed by that);
    the recorded program is compiled and carries out this call and all that follow. Other effects of the Python code
    (print, append) happen while recording only. A value cannot be read while recording; return it instead.

    So far it compiles elementwise functions, reductions, reshaping, transposing and matrix products of Tensors, and
    whole-tensor writes; for anything else recording raises and says so.

    >>> import autograd as ag
    >>> w = ag.Tensor([1.0, 2.0], requires_grad=True)
    >>> @ag.jit
    ... def step(x):
    ...     w.grad = None
    ...     loss = ((w * x) ** 2).sum()
    ...     loss.backward()
    ...     with ag.no_grad():
    ...         w.copy_(w - 0.1 * w.grad)
    ...     return loss
    >>> step(ag.Tensor([1.0, 1.0])).item()
    5.0
    >>> w
    Tensor([0.8, 1.6], requires_grad=True)
    """
    return Compiled(function)

