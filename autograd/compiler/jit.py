"""``@autograd.jit``: record a step once, run it compiled from then on."""

from __future__ import annotations

import ctypes
import functools
import inspect
import os
import threading
import warnings
from collections.abc import Callable
from sys import getrefcount
from typing import Any

import numpy

from autograd.compiler import cache
from autograd.compiler.capture import Capture, Program
from autograd.compiler.guards import Guards
from autograd.compiler.trace import Traced
from autograd.errors import DTypeError, GraphError, user_line
from autograd.tape import mode, writes
from autograd.tensor import Tensor, get_default_dtype, wrap

__all__ = ["Compiled", "jit"]

LIMIT = 8
"""Programs kept for arguments of one signature."""


def _references() -> int:
    """The count of references to an array that only the pair in a list, the loop and the question itself hold."""
    spare = [(numpy.empty(0), 0)]
    for array, _ in spare:
        return getrefcount(array)
    return 0


ALONE = _references()


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
        self.copies = [(at, k, numpy.empty(variant.arrays[k].shape, variant.arrays[k].dtype)) for at, k in variant.strided]
        for at, _, copy in self.copies:
            self.table[at] = copy.ctypes.data
        self._slots: list[Any] = [(at, *variant.outputs[k], []) for at, k in variant.result_places]

    def results(self) -> list[Any]:
        """An array for every result, its address entered in the table."""
        arrays, table = [], self.table
        for at, shape, dtype, spare in self._slots:
            for array, address in spare:  # noqa: B007
                if getrefcount(array) == ALONE:
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

    def __init__(self, program: Program, function: Callable[..., Any]):
        from autograd.compiler.llvm import compile_program
        from autograd.compiler.lower import lower
        from autograd.kernels import scalars, threads

        lowered = lower(program)
        self.lowered, self.program, self.source = lowered, program, lowered.source()
        self.guards = [(t, array, t._node is not None) for _, t, array in program.states]
        self.arrays = [array for _, _, array in program.states]
        constants = [numpy.ascontiguousarray(x.settings["value"]) for x in lowered.constants]
        self._kept = [*self.arrays, *constants]
        self.outputs = [(x.shape, x.dtype) for x in lowered.outputs]
        self.result_slots = [lowered.slots[x.tick] for x in program.results]
        self.attribute_slots = [
            (h, n, lowered.slots[v.tick] if isinstance(v, Traced) else None, v) for h, n, v in program.attributes
        ]
        committed = {state.tick for state, _ in program.commits}
        self._changed = {k for k, (state, _, _) in enumerate(program.states) if state.tick in committed}
        self.written = [array for state, _, array in program.states if state.tick in committed]
        self.code = compile_program(lowered.lines(), lowered.table(), scalars.FUNCTIONS)
        small = self.code.routines and lowered.largest_product < threads.SMALL
        self._alone = threads.single("scipy") if small else None
        places = [(b.place, b.number) for b in lowered.table().values()]
        fixed = {"state": [a.ctypes.data for a in self.arrays], "constant": [a.ctypes.data for a in constants]}
        self.fixed = [fixed[kind][k] if kind in fixed else 0 for kind, k in places] + self.code.routines
        self.strided = [(at, k) for at, (kind, k) in enumerate(places) if kind == "state" and not _plain(self.arrays[k])]
        self.scratch = [(at, k) for at, (kind, k) in enumerate(places) if kind == "arena"]
        self._arguments = [(at, k) for at, (kind, k) in enumerate(places) if kind == "argument"]
        self.result_places = sorted(
            ((at, k) for at, (kind, k) in enumerate(places) if kind == "output"), key=lambda place: place[1]
        )
        self._pool: list[Frame] = []
        self._guards = Guards(function)

    def valid(self) -> bool:
        """Whether what the program reads is still what it was compiled for."""
        for t, array, recorded in self.guards:
            if t._data is not array or (t._node is not None) is not recorded:
                return False
        for holder, name in self.program.expected_none:
            if getattr(holder, name) is not None:
                return False
        for holder, name, dtype, shape in self.program.reads:
            value = getattr(holder, name)
            if value is None or value.dtype != dtype or value.shape != shape:
                return False
        return self._guards.hold()

    def run(self, arguments: list[Any]) -> Any:
        """One call: compute, commit, and set what the step would have set."""
        try:
            frame = self._pool.pop()
        except IndexError:
            frame = Frame(self)
        table = frame.table
        for holder, name, _, _ in self.program.reads:
            arguments.append(numpy.ascontiguousarray(getattr(holder, name)._data))
        for at, k in self._arguments:
            table[at] = arguments[k].__array_interface__["data"][0]
        for _, k, copy in frame.copies:
            copy[...] = self.arrays[k]
        results = frame.results()
        if self._alone is not None:
            self._alone.enter()
            try:
                self.code.run(frame.address)
            finally:
                self._alone.leave()
        else:
            self.code.run(frame.address)
        for _, k, copy in frame.copies:
            if k in self._changed:
                self.arrays[k][...] = copy
        self._pool.append(frame)
        if self.written:
            writes.note_all(self.written, "a compiled program")
        for holder, name, slot, value in self.attribute_slots:
            setattr(holder, name, wrap(results[slot]) if slot is not None else value)
        return self.program.rebuild([results[k] for k in self.result_slots])


def _plain(array: Any) -> bool:
    return bool(array.flags.c_contiguous and array.flags.aligned)


class Compiled:
    """A function that is recorded, compiled, and run compiled; made by `jit`."""

    def __init__(self, function: Callable[..., Any]):
        functools.update_wrapper(self, function)
        self.function = function
        self._variants: dict[Any, list[Variant]] = {}
        self._lock = threading.Lock()
        self._last: Variant | None = None

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method: compiled for each object by itself."""
        if instance is None:
            return self
        made = Compiled(self.function.__get__(instance))
        instance.__dict__.setdefault(self.function.__name__, made)  # found before this descriptor from now on
        return instance.__dict__[self.function.__name__]

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if mode.capture is not None or mode.anomaly or not usable():
            return self.function(*arguments, **named)
        if named:
            bound = inspect.signature(self.function).bind(*arguments, **named)
            arguments = bound.args
            if bound.kwargs:
                only = ", ".join(bound.kwargs)
                raise DTypeError(f"a jitted function takes no keyword-only arguments: {only}. ({user_line()})")
        arrays: list[Any] = []
        key: list[Any] = [mode.record, get_default_dtype()]
        for a in arguments:
            kind = type(a)
            if kind is Tensor:
                if a._node is not None and mode.record:
                    raise GraphError(
                        "an argument of a jitted function that requires a gradient would lose it: let the function reach "
                        f"it from outside, or pass t.detach(). ({user_line()})"
                    )
                a = a._data
                kind = numpy.ndarray
            if kind is numpy.ndarray:
                arrays.append(a if a.flags.c_contiguous and a.flags.aligned else numpy.array(a, order="C"))
                key.append((a.shape, a.dtype))
            elif kind is float or isinstance(a, numpy.generic):
                arrays.append(numpy.array(a))
                key.append(kind)
            elif kind in (int, bool, str) or a is None:
                key.append((kind, a))
            else:
                raise DTypeError(
                    "an argument of a jitted function is an array, a number or a string, got "
                    f"{kind.__name__}. ({user_line()})"
                )
        variants = self._variants.setdefault(tuple(key), [])
        variant = _valid(variants)
        if variant is None:
            with self._lock:
                variant = _valid(variants) or self._record(arguments)
                if variant not in variants:
                    variants.append(variant)
                    self._limit(variants)
        self._last = variant
        return variant.run(arrays)

    def _limit(self, variants: list[Variant]) -> None:
        if len(variants) > LIMIT:
            variants.pop(0)
            warnings.warn(
                f"{getattr(self, '__name__', 'a function')} was compiled {LIMIT + 1} times for the same arguments, because "
                "tensors or values that it reads were replaced between calls. Write into tensors (t.copy_(…)), and pass "
                "numbers that change as arguments or keep them in an autograd.State.",
                RuntimeWarning,
                stacklevel=4,
            )

    def _record(self, arguments: tuple[Any, ...]) -> Variant:
        static = [
            a._data if isinstance(a, Tensor) else numpy.array(a) if isinstance(a, float | numpy.generic) else a
            for a in arguments
        ]
        weak = [type(a) is float for a in arguments]
        return Variant(Capture().record(self.function, static, weak), self.function)

    def source(self) -> str:
        """The source of the program that ran last."""
        return self._last.source if self._last is not None else "not called yet"


def _valid(variants: list[Variant]) -> Variant | None:
    for variant in variants:
        if variant.valid():
            return variant
    return None


def usable() -> bool:
    """Whether the compiler is there and not switched off; without it a jitted function just runs."""
    global _usable
    if _usable is None:
        try:
            import llvmlite.binding  # noqa: F401

            _usable = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")
        except Exception as error:  # a broken installation can fail in any way
            _usable = False
            problem = f"LLVM (llvmlite, of Numba) cannot be used ({error}); jitted functions run uncompiled."
            warnings.warn(problem, RuntimeWarning, stacklevel=3)
    return _usable


_usable: bool | None = None


def jit(function: Callable[..., Any]) -> Compiled:
    """Compile a step: forward, backward and update become one compiled function.

    Without a usable LLVM (llvmlite, which comes with Numba) the function simply runs as it is.

    The first call for new argument shapes and dtypes records the function (nothing is computed or changed by that);
    the recorded program is compiled and carries out this call and all that follow. Other effects of the Python code
    (print, append) happen while recording only. A value cannot be read while recording; return it instead.

    Arguments are arrays and Tensors (a new shape or dtype records again), floats (their values never do), and integers,
    booleans, strings and None (each value is a program of its own). Results are None, a Tensor, or a tuple or list of
    Tensors; they carry no graph, so ``backward()`` belongs inside.

    A program is used again while what it was recorded with still holds: the tensors that it reads have the same arrays
    (whose contents may change), each ``.grad`` is None or not as it was, the names in the function's closure and module
    mean the same (numbers and strings by value, all else by identity), and so do the attributes that the function's
    own code names and the ``training`` flags of modules. Not looked at: what is inside lists and dictionaries,
    attributes that only other objects' code names, files, clocks, NumPy's random numbers. Random draws of autograd are refused.

    What has no compiled form raises UnsupportedError, and says what to do instead.

    Machine code is kept on disk for the next process (`compiler.cache` says where): ``jit.cache_info()`` tells what there
    is, ``jit.clear_cache()`` removes it, and the environment variable ``WENGERT_CACHE_DIR=off`` does without.

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


jit.clear_cache, jit.cache_info = cache.clear, cache.info  # type: ignore[attr-defined]
