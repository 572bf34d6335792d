"""``@autograd.jit``: record a step once, run it compiled from then on."""

from __future__ import annotations

import functools
import inspect
import os
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

import numpy

from autograd import tensor as defaults
from autograd.compiler import cache
from autograd.compiler.address import is_plain
from autograd.compiler.capture import Capture, Program
from autograd.compiler.explain import Explanation
from autograd.compiler.variant import MISS, Variant
from autograd.errors import DTypeError, GraphError, UnsupportedError, user_line
from autograd.instructions import native
from autograd.tape import mode
from autograd.tensor import Tensor
from autograd.trees import map_tree
from autograd.value import Value

if TYPE_CHECKING:
    from autograd.compiler.listing import Listing

__all__ = ["Compiled", "jit"]

LIMIT = 8
"""Programs kept for arguments of one signature."""

SIGNATURES = 32
"""Signatures for which programs are kept."""


class Compiled:
    """A function that is recorded, compiled, and run compiled; made by `jit`.

    `fallback_reason` is None, or why the function runs uncompiled. With `fresh`, no array that was a result serves again for
    a later one, even when nobody seems to hold it.
    """

    def __init__(self, function: Callable[..., Any], check: bool = False, fallback: bool = False, fresh: bool = False):
        functools.update_wrapper(self, function)
        self.function = function
        self.check, self.fallback, self.fresh = check, fallback, fresh
        self.fallback_reason: str | None = None
        self._variants: dict[Any, list[Variant]] = {}
        self._locks: dict[Any, threading.Lock] = {}
        self._last: Variant | None = None
        self._warned = False

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method: compiled for each object by itself."""
        if instance is None:
            return self
        made = Compiled(self.function.__get__(instance), self.check, self.fallback, self.fresh)
        instance.__dict__.setdefault(self.function.__name__, made)  # found before this descriptor from now on
        return instance.__dict__[self.function.__name__]

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        last = self._last
        if last is not None and not named and mode.plain is last.record and not (mode.anomaly or mode.depth or self.check):
            answer = last.call(arguments)
            if answer is not MISS:
                return answer
        return self._call(arguments, named)

    def _call(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """A call whose program is yet to be found, or made."""
        if mode.capture is not None or mode.anomaly or mode.depth or self.fallback_reason is not None or not usable():
            return self.function(*arguments, **named)
        try:
            tree, variant = self._find(arguments, named)
        except (UnsupportedError, GraphError) as error:
            if not self.fallback:
                raise
            return self._fall_back(error, arguments, named)
        if self.check:
            from autograd.compiler.checked import checked

            return checked(self, variant, tree, arguments, named)
        return variant.run(tree.inputs, tree.given, tree.values)

    def _find(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[_Arguments, Variant]:
        """The arguments, looked at, and the program for them: one that is there, or a new one."""
        if named:
            arguments, named = _bound(self.function, arguments, named)
        tree = _Arguments(arguments, named)
        variants = self._variants.setdefault(tree.key, [])
        variant = _ready(variants)
        if variant is None:
            with self._locks.setdefault(tree.key, threading.Lock()):
                variant = _ready(variants)
                if variant is None:
                    variant = tree.record(self.function)
                    if self.fresh:
                        variant.layout = variant.layout._replace(spares=0)
                    variants.append(variant)
                    self._limit(variants)
                    self._limit_signatures()
        self._last = variant
        return tree, variant

    def _fall_back(self, error: Exception, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Run as it is, now and from now on, and say why once."""
        self.fallback_reason = str(error)
        name = getattr(self, "__name__", "a function")
        warnings.warn(f"{name} runs uncompiled: {error}", RuntimeWarning, stacklevel=4)
        return self.function(*arguments, **named)

    def _limit(self, variants: list[Variant]) -> None:
        if len(variants) <= LIMIT:
            return
        old = variants.pop(0)
        reasons = variants[-2].changed() or old.changed()
        named = f" What changed last: {', '.join(reasons[:3])}." if reasons else ""
        warnings.warn(
            f"{getattr(self, '__name__', 'a function')} was compiled {LIMIT + 1} times for the same arguments, because "
            f"tensors or values that it reads were replaced between calls.{named} Write into tensors (t.copy_(…)), and pass "
            "numbers that change as arguments or keep them in an autograd.State.",
            RuntimeWarning,
            stacklevel=5,
        )

    def _limit_signatures(self) -> None:
        """Drop the programs of the oldest signature when there are too many, and name the argument that keeps changing."""
        if len(self._variants) <= SIGNATURES:
            return
        keys = list(self._variants)
        self._variants.pop(keys[0], None)
        self._locks.pop(keys[0], None)
        if self._warned:
            return
        self._warned = True
        distinct = [len({k[at] for k in keys if len(k) > at}) for at in range(2, max(map(len, keys)))]
        at = max(range(len(distinct)), key=distinct.__getitem__)
        names = list(inspect.signature(self.function).parameters)
        flat = not any(type(entry) is tuple and entry and entry[0] in (tuple, list, dict) for entry in keys[-1])
        which = f"its argument {names[at]!r}" if flat and at < len(names) else "something in its arguments"
        latest = keys[-1][at + 2]
        kind = (
            f"another {latest[0].__name__}"
            if type(latest) is tuple and isinstance(latest[0], type)
            else "another shape or dtype"
        )
        warnings.warn(
            f"{getattr(self, '__name__', 'a function')} was compiled for {len(keys)} kinds of arguments; {which} was {kind} "
            "almost every time. Numbers that change are passed as floats or arrays, which need no new program; arrays in few "
            "shapes, padded for instance.",
            RuntimeWarning,
            stacklevel=5,
        )

    def __repr__(self) -> str:
        name = getattr(self, "__name__", type(self.function).__name__)
        if self.fallback_reason is not None:
            return f"<jit {name}, uncompiled: {self.fallback_reason}>"
        count = sum(map(len, self._variants.values()))
        return f"<jit {name}, {count} program{'s' * (count != 1)}>"

    def source(self) -> str:
        """The source of the program that ran last."""
        if self.fallback_reason is not None:
            return f"# runs uncompiled: {self.fallback_reason}\n"
        return self._last.source if self._last is not None else "not called yet"

    def explain(self) -> Explanation:
        """The program that ran last, in numbers: kernels, the functions fused into each, bytes, flops, scratch.

        GraphError before the first call, and where the function runs uncompiled.
        """
        name = getattr(self, "__name__", "the function")
        if self._last is None:
            why = self.fallback_reason or "it was not called yet: call it once"
            raise GraphError(f"{name} has no program: {why}. ({user_line()})")
        return Explanation(self._last, name, sum(map(len, self._variants.values())))

    def profile(self, *arguments: Any, calls: int = 20, **named: Any) -> Explanation:
        """What `explain` tells, with the time that each kernel takes: the median of some calls with these arguments.

        The calls work on copies: no tensor, gradient or random stream changes. A kernel's time ends when all threads have done
        their parts of it. GraphError where the function runs uncompiled; UnsupportedError where the arguments hold a `Value`.

        >>> import autograd as ag
        >>> step = ag.jit(lambda x: ag.tanh(x @ x).sum())
        >>> told = step.profile(numpy.ones((64, 64)))
        >>> [k.name for k in told.kernels if k.seconds > 0][:1]
        ['BLAS']
        """
        from autograd.compiler.profile import profile

        if self.fallback_reason is not None or not usable():
            raise GraphError(f"what runs uncompiled has no kernels to time. ({user_line()})")
        tree, variant = self._find(arguments, named)
        if tree.values or variant.program.cells:
            raise UnsupportedError(f"a program of Values cannot be timed kernel by kernel. ({user_line()})")
        name = getattr(self, "__name__", "the function")
        return Explanation(variant, name, sum(map(len, self._variants.values())), profile(variant, tree.inputs, max(1, calls)))

    def passes(self) -> Listing:
        """The program that ran last as it was recorded, and what each pass of the compiler made of its instructions.

        The function is recorded anew for it, with arguments of the same shapes. GraphError as for `explain`.

        >>> import autograd as ag
        >>> step = ag.jit(lambda x: (x * x).sum() + 2 * (x * x).sum())
        >>> _ = step(numpy.ones(3))
        >>> passes = step.passes()
        >>> print(passes)
        <lambda>: 9 instructions recorded
          %0 = argument 0: float64[3]
          %1 = multiply(%0, %0): float64[3]
          %2 = sum[axes=(0,)](%1): float64[1]
        ...
        >>> [(stage.name, len(stage.lines)) for stage in passes.stages[:2]]
        [('recorded', 10), ('merge', 7)]
        """
        from autograd.compiler.listing import Listing

        return Listing(self.explain().name, self._last.again)  # type: ignore[union-attr]


_recording = threading.RLock()
"""One recording at a time: while it lasts, gradients that it sets stand on leaves that another could reach too."""


class _Arguments:
    """The arguments of a call: the arrays among them as inputs, all else as a key."""

    def __init__(self, arguments: tuple[Any, ...], named: dict[str, Any]):
        self.inputs: list[Any] = []
        self.given: list[Any] = []  # the user's own arrays, in whose place `inputs` has copies where it must
        self.values: list[Value] = []
        self.weak: list[bool] = []
        self.signature: list[Any] = []
        key: list[Any] = [mode.record, defaults._default]
        self.static = []
        for a in arguments:
            if isinstance(a, tuple | list | dict):
                self.static.append(self._nested(a, key))
                self.signature.append(("nested",))
            else:
                self.static.append(self._leaf(a, key))
        self.named = self._nested(named, key) if named else {}
        self.key = tuple(key)
        if named:
            self.signature.append(("nested",))

    def _nested(self, tree: Any, key: list[Any]) -> Any:
        """A container, by its structure; what it holds goes into the key one by one."""
        key.append(_structure(tree))
        before = len(self.signature)
        made = map_tree(lambda a: self._leaf(a, key), tree)
        del self.signature[before:]
        return made

    def _leaf(self, a: Any, key: list[Any]) -> Any:
        kind = type(a)
        if isinstance(a, Tensor):
            if a._node is not None and mode.record:
                raise GraphError(
                    "an argument of a jitted function that requires a gradient would lose it: let the function reach "
                    f"it from outside, or pass t.detach(). ({user_line()})"
                )
            a = a._data
            kind = numpy.ndarray
        elif isinstance(a, numpy.ndarray) and not isinstance(a, numpy.ma.MaskedArray):
            a, kind = numpy.asarray(a), numpy.ndarray
        if kind is numpy.ndarray:
            self.given.append(a)
            if not a.dtype.isnative:
                a = a.astype(native(a.dtype))
            if not is_plain(a):
                a = numpy.array(a, order="C")
            self.inputs.append(a)
            self.weak.append(False)
            key.append((a.shape, a.dtype))
            self.signature.append(("array", a.shape, a.dtype))
            return a
        if kind is float or isinstance(a, numpy.generic):
            array = numpy.array(a)
            self.inputs.append(a if kind is float else array)
            self.given.append(self.inputs[-1])
            self.weak.append(kind is float)
            key.append(kind)
            self.signature.append(("float",) if kind is float else ("nested",))
            return array
        if kind is Value:
            at = next((k for k, v in enumerate(self.values) if v is a), len(self.values))  # one that is given twice is one
            self.values[at:] = self.values[at:] or [a]
            key.append((kind, at))
            self.signature.append(("nested",))
            return a
        if kind in (int, bool, str, complex) or a is None:
            key.append((kind, a))
            self.signature.append(("static", a))
            return a
        raise DTypeError(
            "an argument of a jitted function is an array, a number, a string, a Value, or a list, tuple or dictionary of "
            f"them, got {kind.__name__}. ({user_line()})"
        )

    def record(self, function: Callable[..., Any]) -> Variant:
        """Record the function for such arguments, and compile it."""
        weak = self.weak  # and not all of this, which holds the arrays of the call

        def again(static: Any, named: Any) -> Program:
            with _recording:
                return Capture().record(function, static, named, weak)

        program = again(tuple(self.static), self.named)
        shapes = map_tree(_without_memory, (tuple(self.static), self.named))
        return Variant(program, function, self.signature, weak, mode.record, lambda: again(*shapes))


def _without_memory(a: Any) -> Any:
    """An array of the same shape and dtype whose elements are all the same place in memory."""
    if not isinstance(a, numpy.ndarray):
        return a
    return numpy.lib.stride_tricks.as_strided(numpy.zeros(1, a.dtype), a.shape, (0,) * a.ndim)


def _structure(tree: Any) -> Any:
    """Containers and keys without what they hold, as something that compares by value."""
    if isinstance(tree, dict):
        return (dict, tuple((k, _structure(v)) for k, v in tree.items()))
    if isinstance(tree, tuple | list):
        return (type(tree), *map(_structure, tree))
    return None


def _bound(function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Named arguments brought into their places, as far as they have one."""
    bound = inspect.signature(function).bind(*arguments, **named)
    return bound.args, bound.kwargs


def _ready(variants: list[Variant]) -> Variant | None:
    for variant in variants:
        if variant.ready():
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


@overload
def jit(function: Callable[..., Any]) -> Compiled: ...
@overload
def jit(*, check: bool = ..., fallback: bool = ...) -> Callable[[Callable[..., Any]], Compiled]: ...
def jit(function: Any = None, *, check: bool = False, fallback: bool = False) -> Any:
    """Compile a step: forward, backward and update become one compiled function.

    Without a usable LLVM (llvmlite, which comes with Numba) the function simply runs as it is.

    The first call for new argument shapes and dtypes records the function (nothing is computed or changed by that);
    the recorded program is compiled and carries out this call and all that follow. Other effects of the Python code
    (print, append) happen while recording only. A value cannot be read while recording; return it instead.

    Arguments are arrays and Tensors (a new shape or dtype records again), floats (their values never do), integers,
    booleans, strings and None (each value is a program of its own), and lists, tuples and dictionaries of them. Results are
    None, a Tensor, or lists, tuples and dictionaries of Tensors; they carry no graph, so ``backward()`` belongs inside.

    A program is used again while what it was recorded with still holds: the tensors that it reads have the same arrays
    (whose contents may change), each ``.grad`` is None or not as it was, and all that the function and the user's functions
    that it calls name is the same (numbers and strings by value, all else by identity): closures, globals, default
    arguments, attributes, items of lists and dictionaries, what modules and optimizers consist of, the contents of arrays
    that are used as an index. Not looked at: files, clocks, NumPy's random numbers, arrays above 1 MiB with which Python code
    computes. Random numbers of an `autograd.Generator` are drawn at each call, as eager would draw them.

    Inside a transform (`grad`, `jvp`, `vmap`, …) a jitted function runs as it is, since it is differentiated then; jit the
    transformed function instead, ``jit(grad(f))``.

    What has no compiled form raises UnsupportedError, and says what to do instead.

    Args:
        check: run every call eagerly too, on the same state, and raise GraphError naming what differs (results, tensors,
            gradients, random streams); for finding mistakes, it is slow.
        fallback: run the function as it is when it has no compiled form, after one RuntimeWarning that says why;
            ``step.fallback_reason`` has the reason too.

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
    >>> @ag.jit(check=True)
    ... def double(x):
    ...     return {"twice": 2 * x}
    >>> double(ag.Tensor(1.0))["twice"].item()
    2.0
    """
    if function is None:
        return lambda function: Compiled(function, check, fallback)
    return Compiled(function, check, fallback)


jit.clear_cache, jit.cache_info = cache.clear, cache.info  # type: ignore[attr-defined]
