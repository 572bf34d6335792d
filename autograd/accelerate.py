"""What runs compiled without being asked to: an optimizer's pass over its parameters, long composed functions.

Both are written as ordinary Python over ops, and that Python is what the compiler records; where it cannot (no LLVM,
anomaly mode, a rule that looks at values), or while something else records, the Python itself runs. Nothing is said, since
nothing was asked for; the results are the same, to rounding.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any, TypeVar

import numpy

from autograd.apply import record
from autograd.errors import AutogradError, GraphError, UnsupportedError
from autograd.modes import enable_grad, no_grad
from autograd.rule import Op, Plan, np
from autograd.tape import fit, gradients, mode, pushforward
from autograd.tensor import Tensor, wrap

F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["CompiledPass", "accelerated", "can_compile", "large_sum"]

LONG = 1 << 15
"""Elements of the first array from which a function of `accelerated` runs compiled."""

KINDS = 16
"""Signatures (shapes, dtypes, settings) for which one such function is compiled; for others it runs as it is."""


def can_compile() -> bool:
    """Whether there is a compiler (llvmlite, which comes with Numba) and it is not switched off (NUMBA_DISABLE_JIT=1)."""
    from autograd.compiler.jit import usable

    return usable()


class CompiledPass:
    """A function without arguments and results that writes into tensors, compiled at its first call.

    Args:
        function: what to run. It may write into tensors and state cells, and read ``.grad``.
        limit: how many programs are kept: where what the function depends on keeps changing (which of the parameters have a
            gradient, say), it runs as it is from then on, rather than being compiled forever.

    >>> import numpy, autograd as ag
    >>> w = ag.Tensor([1.0, 2.0])
    >>> def double():
    ...     with ag.no_grad():
    ...         w.copy_(2 * w)
    >>> double = CompiledPass(double)
    >>> double(), double(), w
    (None, None, Tensor([4., 8.]))
    """

    __slots__ = ("function", "limit", "_compiled", "_plain")

    def __init__(self, function: Callable[[], Any], limit: int = 4):
        self.function, self.limit = function, limit
        self._compiled: Any = None
        self._plain = False

    def __reduce__(self) -> Any:
        return type(self), (self.function, self.limit)  # a copy compiles for itself

    def __call__(self) -> None:
        last = self._compiled._last if self._compiled is not None else None
        if last is not None and mode.plain is last.record and not mode.anomaly and not self._plain:
            if last.call(()) is None:  # and not a miss
                return
        self._otherwise()

    def _otherwise(self) -> None:
        """A call whose program is yet to be found, or made; or that needs none."""
        if self._plain or mode.capture is not None or mode.anomaly:
            self.function()
            return
        from autograd.compiler.jit import Compiled

        if not can_compile():
            self.function()
            return
        if self._compiled is None:
            self._compiled = Compiled(self.function)
        made = [v for variants in self._compiled._variants.values() for v in variants]
        if len(made) >= self.limit and not any(v.ready() for v in made):
            self.function()
            return
        try:
            self._compiled()
        except Exception:
            self.function()  # the mistake may be the caller's: then this raises as well, and nothing was decided
            self._plain, self._compiled = True, None


# ---- large sums ------------------------------------------------------------------------------------------------------

_SUMS: dict[Any, Any] = {}
"""Shape, dtype, axes -> the compiled sum."""


def large_sum(x: Any, axis: Any, keepdims: bool) -> Any:
    """The sum of a large array over axes, compiled; None if this one is left to NumPy."""
    if type(x) is not numpy.ndarray or x.dtype.char not in "fd" or not x.flags.c_contiguous or mode.capture is not None:
        return None
    if axis is None and not keepdims:
        x = x.reshape(-1)  # so that one program serves all shapes
    key = x.shape, x.dtype.char, axis, keepdims
    try:
        program = _SUMS.get(key)
    except TypeError:  # a list of axes
        return None
    if program is None:
        if len(_SUMS) >= 2 * KINDS or not can_compile():
            return None
        from autograd.compiler.jit import Compiled

        program = _SUMS[key] = Compiled(lambda x: np.sum(x, axis=axis, keepdims=keepdims), fresh=True)
    try:
        with no_grad():
            return program(x)._data
    except AutogradError:  # of an axis that is not there, in NumPy's words
        _SUMS.pop(key, None)
        return None


# ---- composed functions ----------------------------------------------------------------------------------------------


def accelerated(*arrays: str, admit: Callable[..., bool] | None = None, long: int = LONG) -> Callable[[F], F]:
    """A decorator for a function that is composed of ops, whose arguments of these names are arrays.

    Where the first is a Tensor of `long` elements or more, it runs compiled, and is *one* node of the graph, which saves
    the arguments, and what is small, such as the means of rows: backward runs the compiled derivative of the definition, which
    computes the rest again.
    Everything else (short arrays, higher orders, forward mode, anomaly mode, `jit`, no LLVM) is the definition itself.

    A definition that looks at values, to check them, does not do so while it is recorded: then `admit`, called with the
    same arguments by name, says whether they are right; if not, the definition runs, and raises.

    >>> import autograd as ag
    >>> @accelerated("x")
    ... def gauss(x, scale=1.0):
    ...     return ag.exp(-ag.square(x / scale))
    >>> x = ag.Tensor(numpy.zeros(100_000), requires_grad=True)
    >>> y = gauss(x)
    >>> y.node.op.name, y.size, gauss(ag.Tensor([0.0])).tolist()
    ('gauss', 100000, [1.0])
    """

    def decorate(function: F) -> F:
        composed = _Composed(function, arrays, admit)
        find, modes, kind, absent = composed.find, mode, Tensor, _ABSENT

        def call(*args: Any, **named: Any) -> Any:
            if args and type(args[0]) is kind and args[0]._data.size >= long:
                if modes.capture is None and not modes.anomaly:
                    answer = find(args, named)
                    if answer is not absent:
                        return answer
            return function(*args, **named)

        here = FunctionType(call.__code__, function.__globals__, function.__name__, None, call.__closure__)
        return functools.update_wrapper(here, function)  # type: ignore[return-value]

    return decorate


_ABSENT = object()


def _ones_where_apart(y: Tensor, xs: list[Tensor]) -> Any:
    """The seed with which a gradient is the derivative of each element; None, that of a number."""
    from autograd.compiler.trace import each_alone

    if y.size == 1:
        return None
    if not each_alone(y._data, [x._data for x in xs if x._node is not None]):
        raise GraphError("an element of the result comes from several of an input")
    return wrap(mode.capture.ones(y.shape, y.dtype))


SMALL = 16
"""So many times smaller than what it is computed from is a value that is kept for backward."""


class _Kept:
    """While a definition is recorded: the values in it that are small beside what they are made from, which are found again
    by their number; or `known` ones, in the place of those."""

    def __init__(self, known: dict[int, Any] | None = None):
        self.found: dict[int, Any] = {}
        self._known, self._count = known or {}, 0

    def __enter__(self) -> _Kept:
        if mode.capture is not None:
            mode.capture.keep = self
        return self

    def __exit__(self, *_: object) -> None:
        if mode.capture is not None:
            mode.capture.keep = None

    def __call__(self, y: Any, arrays: list[Any]) -> Any:
        """Called with what an op gives, and its operands."""
        if y.size * SMALL > max((numpy.size(a) for a in arrays), default=0):
            return y
        self._count += 1
        y = self._known.get(self._count, y)
        self.found[self._count] = y
        return y


class _Composed:
    """The compiled forms of one function, by shapes, dtypes and settings."""

    def __init__(self, function: Callable[..., Any], arrays: tuple[str, ...], admit: Callable[..., bool] | None):
        self.function, self.arrays, self.admit = function, arrays, admit
        parameters = inspect.signature(function).parameters
        self.names, self.defaults = tuple(parameters), tuple(p.default for p in parameters.values())
        self.place = {name: k for k, name in enumerate(self.names)}
        self.kinds: dict[Any, _Kind | None] = {}

    def find(self, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """The answer of the compiled form, or _ABSENT if there is none for such arguments."""
        if len(args) > len(self.names):
            return _ABSENT
        given = [*args, *self.defaults[len(args) :]]
        for name, value in named.items():
            k = self.place.get(name, 0)
            if k < len(args):  # unknown, or given twice
                return _ABSENT
            given[k] = value
        names, operands, data, settings = [], [], [], {}
        key: list[Any] = []
        for name, value in zip(self.names, given, strict=True):
            if value is inspect.Parameter.empty:
                return _ABSENT
            if name in self.arrays and value is not None:
                x = value._data if isinstance(value, Tensor) else value
                if type(x) is not numpy.ndarray or x.dtype.char not in "fdlq?":
                    return _ABSENT
                names.append(name)
                operands.append(value)
                data.append(x)
                key += (x.shape, x.dtype)
            else:
                settings[name] = value = tuple(value) if isinstance(value, list) else value
                key += (type(value), value)
        try:
            kind = self.kinds.get(tuple(key), _ABSENT)
        except TypeError:  # a setting that does not hash
            return _ABSENT
        if kind is None or self.admit is not None and not self.admit(**dict(zip(self.names, given, strict=True))):
            return _ABSENT
        if kind is _ABSENT:
            return self._first(tuple(key), names, operands, settings, data)
        try:
            return kind.answer(operands, data)  # type: ignore[attr-defined]
        except Exception:
            return _ABSENT  # a mistake in the arguments, which the definition words better

    def _first(self, key: Any, names: list[str], operands: list[Any], settings: dict[str, Any], data: list[Any]) -> Any:
        """A call with a new signature: compile, unless there are many, or the definition has no compiled form."""
        if len(self.kinds) >= KINDS or not can_compile():
            return _ABSENT
        kind = _Kind(self.function, tuple(names), settings)
        try:
            answer = kind.answer(operands, data)
        except Exception:
            answer = self.function(**dict(zip(names, operands, strict=True)), **settings)  # raises if the call is wrong
            self.kinds[key] = None
            return answer
        self.kinds[key] = kind
        return answer


class _Kind(Op):
    """A composed function with certain settings, as an op: forward and derivative are compiled from its definition."""

    def __init__(self, function: Callable[..., Any], names: tuple[str, ...], settings: dict[str, Any]):
        from autograd.compiler.jit import Compiled

        self.name = self.label = function.__name__
        self.function = self.definition = function  # type: ignore[assignment]
        self.kind, self.operator, self.view, self.strong, self.variadic = "primitive", None, False, False, False
        self.doc = (inspect.getdoc(function) or "").split("\n")[0]
        self.arrays, self.settings, self.given = names, {}, settings
        self.partials_given, self.vjps, self.jvps = (), (), ()
        self.partials = ("the derivative of its definition",) * len(names)
        self._plans = {}
        self.kept: tuple[int, ...] = ()  # numbers of the values that are kept for backward, in the order of the results

        def forward(*tensors: Any) -> Any:
            with no_grad(), _Kept() as kept:
                y = self.define(tensors)
            found = {number: value for number, value in kept.found.items() if value is not y._data}
            self.kept = tuple(found)
            return (y, *map(wrap, found.values()))

        self._compiled = Compiled(forward, fresh=True)

    def define(self, tensors: Any) -> Any:
        """The definition at these arrays."""
        return self.definition(**dict(zip(self.arrays, tensors, strict=True)), **self.given)

    def forward(self, namespace: Any = np) -> Any:
        """The forward for replays: the definition."""
        with no_grad():
            return lambda *arrays, **_: self.define([wrap(a) for a in arrays])._data

    def plan(self, wanted: tuple[int, ...], count: int) -> _Plan:
        """As for any op."""
        if wanted not in self._plans:
            self._plans[wanted] = _Plan(self, wanted)
        return self._plans[wanted]  # type: ignore[return-value]

    def answer(self, operands: list[Any], data: list[Any]) -> Tensor:
        """The result as a Tensor, with its node if a gradient is wanted."""
        nodes = tuple(x._node if isinstance(x, Tensor) else None for x in operands)
        wanted = tuple(i for i, n in enumerate(nodes) if n is not None) if mode.record else ()
        if not wanted:
            return self._compiled(*data)[0]  # type: ignore[no-any-return]
        consts: dict[int, Any] = {i: x for i, (x, n) in enumerate(zip(operands, nodes, strict=True)) if n is None}
        plan = self.plan(wanted, len(nodes))
        if plan.ahead:
            try:
                y, total, *found = (t._data for t in plan.both(*data))
                if total == 0:
                    consts[AHEAD] = found
            except GraphError:
                plan.ahead = False
        if not plan.ahead:
            y, *kept = (t._data for t in self._compiled(*data))
            if kept:
                consts[KEPT] = tuple(kept)
        saved = tuple(a if isinstance(x, Tensor) else a.copy() for x, a in zip(operands, data, strict=True))
        return record(plan, nodes, saved, y, self.given, consts or None)


AHEAD, KEPT = -1, -2
"""Where a node keeps derivatives that were computed with its value, and small values from its computation."""


class _Plan(Plan):
    """The derivative of a `_Kind`: compiled for arrays, by its definition for everything else.

    If the result is one number, as of a loss, or each element of it comes from one element of each input, as of an
    activation, the derivative is one array for each input. Then it is computed along with the value, in one pass.
    """

    __slots__ = ("_compiled", "_waiting", "ahead", "both")

    def __init__(self, op: _Kind, wanted: tuple[int, ...]):
        from autograd.compiler.jit import Compiled

        self.op, self.wanted, self.saved = op, wanted, op.arrays
        self._waiting: dict[int, Any] = {}  # tick of a node -> the gradients of its other inputs, computed along
        self.pulls = tuple(functools.partial(self._pull, k) for k in range(len(wanted)))
        self.pushes = tuple(functools.partial(self._push, k) for k in range(len(wanted)))
        self.steps = self.walked = tuple(zip(wanted, self.pulls, strict=True))
        self._compiled: Any = Compiled(
            lambda n, g, *arrays: tuple(map(wrap, self._defined(g, arrays[n:], arrays[:n])[1])), fresh=True
        )
        self.both = Compiled(self._both, fresh=True)
        self.ahead = True  # found by trying

    def rules(self, namespace: Any) -> Any:
        """The same for all: what they are given tells how to go on."""
        return self.pulls, self.pushes

    def _pull(self, k: int, g: Any, saved: tuple[Any, ...], node: Any) -> Any:
        found = self._waiting.pop(node.tick, None) if k else None
        if found is None:
            found = self._all(g, saved, node)
        if k + 1 < len(self.wanted):
            self._waiting[node.tick] = found
        return found[k]

    def _both(self, *arrays: Any) -> tuple[Any, ...]:
        """The value, a number that is 0 if all derivatives are finite, and the derivatives; GraphError if it is none of
        those for which they are one array each."""
        y, found = self._defined(_ones_where_apart, arrays)
        derivatives = [wrap(d) for d in found]
        return (y.detach(), sum((d * 0).sum() for d in derivatives), *derivatives)

    def _all(self, g: Any, saved: tuple[Any, ...], node: Any) -> Any:
        plain = isinstance(g, numpy.ndarray | numpy.generic) and mode.capture is None and not mode.anomaly
        if plain and self._compiled is not None:
            ahead = node.consts.pop(AHEAD, None) if node.consts else None
            g = numpy.asarray(g)
            if ahead is not None:
                one = g.size and not any(g.strides) and g.flat[0] == 1
                return ahead if one else [numpy.multiply(d, g, out=d if d.dtype == g.dtype else None) for d in ahead]
            if not any(g.strides):  # one number for all elements, as of a sum
                g = g[(0,) * g.ndim][...]
            try:
                kept = (node.consts or {}).get(KEPT, ())
                return [t._data for t in self._compiled(len(kept), g, *kept, *saved)]
            except (UnsupportedError, GraphError):
                self._compiled = None
        return self._defined(g, saved)[1]

    def _defined(self, g: Any, saved: Any, kept: tuple[Any, ...] = ()) -> Any:
        """The value and the gradients for all wanted inputs by way of the definition, with what was kept of its values."""
        higher = isinstance(g, Tensor) and mode.capture is None
        with enable_grad(), self._fenced(saved, self.wanted) as tensors:
            with _Kept({number: t._data for number, t in zip(self.op.kept, kept, strict=bool(kept))}):  # type: ignore[attr-defined]
                y = self.op.define(tensors)  # type: ignore[attr-defined]
            seed = g(y, tensors) if callable(g) else g if g is None or g.shape == y.shape else fit(g, y._node)
            return y, gradients([y], [tensors[i] for i in self.wanted], [seed], create_graph=higher)

    def _push(self, k: int, t: Any, saved: tuple[Any, ...], node: Any) -> Any:
        i = self.wanted[k]
        with enable_grad(), self._fenced(saved, (i,)) as tensors:
            y = self.op.define(tensors)  # type: ignore[attr-defined]
            return pushforward([y], [tensors[i]], [t], create_graph=isinstance(t, Tensor))[0]

    @staticmethod
    @contextmanager
    def _fenced(saved: Any, wanted: tuple[int, ...]) -> Iterator[list[Any]]:
        """What was saved as Tensors of which a graph starts, until the end, when it hangs in the graph where it came from."""
        tensors = [x if isinstance(x, Tensor) else wrap(x) for x in saved]
        above = [(i, tensors[i]._node) for i in wanted]
        plan = Tensor.__pos__.op.plan((0,), 1)  # type: ignore[operator]
        for i, _ in above:
            tensors[i] = record(plan, (), (), tensors[i]._data)
        yield tensors
        for i, node in above:
            start = tensors[i]._node
            if node is not None and start is not None:
                start.inputs = (node,)
