"""Value: one number that remembers how it was computed. The engine in its smallest form, on the same rules.

A Value is a Python float with the values that it was computed from; `backward` goes through them from the newest to the
oldest and applies the chain rule. Read this file first, then `rule`, `apply` and `tape`, which do the same for arrays.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from itertools import count
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy

from autograd.errors import DTypeError, GraphError, user_line
from autograd.rule import OPS, Op, bind
from autograd.tape import mode
from autograd.tensor import Tensor

__all__ = ["Value"]

_tick = count(1).__next__


class Value:
    """A scalar in a computation graph.

    >>> a, b = Value(2.0, name="a"), Value(-3.0, name="b")
    >>> c = a * b + a**2
    >>> c.backward()
    >>> c.data, a.grad, b.grad
    (-2.0, 1.0, 2.0)
    """

    __slots__ = ("data", "grad", "name", "_op", "_pull", "_inputs", "_tick", "_adjoint")
    __array_ufunc__ = None  # NumPy arrays leave operators with a Value to the Value

    data: float
    grad: float
    _inputs: tuple[Value, ...]
    _adjoint: float
    _pull: Callable[..., tuple[float, ...]]

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any: ...
        def __add__(self, other: Any) -> Value: ...
        __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __add__
        def __neg__(self) -> Value: ...
        __abs__ = __neg__

    def __init__(self, data: Any, name: str | None = None):
        try:
            self.data = data if _recorded(data) and mode.capture is not None else float(data)
        except (TypeError, ValueError):
            raise DTypeError(f"a Value holds one number, got {data!r:.60}. ({user_line()})") from None
        self.grad, self.name = 0.0, name
        self._op: Op | None = None
        self._inputs = ()
        self._tick = _tick()

    def backward(self) -> None:
        """Add d(self)/dv to ``v.grad`` for this value and every value v that it was computed from.

        Going from the newest value to the oldest, a value is only passed on when all that it was used for has been
        visited. Nothing is written before the end, so a second call adds the same gradients again.
        """
        order, stack = {self._tick: self}, [self]
        while stack:
            for v in stack.pop()._inputs:
                if v._tick not in order:
                    order[v._tick] = v
                    stack.append(v)
        topological = [order[t] for t in sorted(order, reverse=True)]
        for v in topological:
            v._adjoint = 0.0
        self._adjoint = 1.0
        for v in topological:
            inputs = v._inputs
            if len(inputs) == 2:
                a, b = inputs
                try:
                    da, db = v._pull(v._adjoint, v.data, a.data, b.data)
                except _BEYOND:
                    da, db = _as_numpy(v, v._adjoint, a.data, b.data)
                a._adjoint += da
                if type(b) is not _Literal:  # the ln a that 2 would get from a**2 may not even exist
                    b._adjoint += db
            elif inputs:
                (x,) = inputs
                try:
                    x._adjoint += v._pull(v._adjoint, v.data, x.data)[0]
                except _BEYOND:
                    x._adjoint += _as_numpy(v, v._adjoint, x.data)[0]
        for v in topological:
            v.grad += v._adjoint

    @property
    def label(self) -> str:
        """The sign of the op that made it; empty for a leaf."""
        return self._op.label if self._op is not None else ""

    def __repr__(self) -> str:
        return f"Value(data={self.data:g}, grad={self.grad:g}" + (f", name={self.name!r})" if self.name else ")")

    def __float__(self) -> float:
        raise GraphError(f"float() of a Value would silently cut the graph: use .data. ({user_line()})")

    def __bool__(self) -> bool:
        return bool(self.data)

    def __lt__(self, other: Any) -> bool:
        return bool(self.data < _number(other))

    def __le__(self, other: Any) -> bool:
        return bool(self.data <= _number(other))

    def __gt__(self, other: Any) -> bool:
        return bool(self.data > _number(other))

    def __ge__(self, other: Any) -> bool:
        return bool(self.data >= _number(other))

    def __reduce__(self) -> Any:
        if self._inputs:
            raise GraphError("a Value inside a graph cannot be copied or pickled: make a new one from .data.")
        return Value, (self.data, self.name)

    def to_latex(self) -> str:
        """The expression that computed this value, as LaTeX."""
        from autograd.viz.latex import to_latex

        return to_latex(self)

    def _repr_svg_(self) -> str | None:
        from autograd.viz import draw

        return draw(self)._repr_svg_()


class _Literal(Value):
    """A number that was written into an expression: part of the graph, but nobody asks for its gradient."""

    __slots__ = ()


def _number(x: Any) -> Any:
    return x.data if isinstance(x, Value) else x


# ---- the rules on Python floats ----------------------------------------------------------------------------------------


def _where(c: Any, a: Any, b: Any) -> float:
    return float(a if c else b)


def _larger(a: float, b: float) -> float:
    return a if a >= b or a != a else b


def _smaller(a: float, b: float) -> float:
    return a if a <= b or a != a else b


def _strong(c: float, d: float) -> float:
    return 0.0 if c == 0 else c * d


SCALAR = ModuleType("scalar", "The names that rules use, on Python floats.")
SCALAR.__dict__.update(
    add=operator.add, subtract=operator.sub, multiply=operator.mul, true_divide=operator.truediv, negative=operator.neg,
    positive=operator.pos, absolute=abs, power=operator.pow, square=lambda x: x * x, sqrt=math.sqrt, cbrt=math.cbrt,
    reciprocal=lambda x: 1.0 / x, floor=lambda x: float(math.floor(x)), ceil=lambda x: float(math.ceil(x)),
    trunc=lambda x: float(math.trunc(x)), rint=lambda x: float(round(x)), remainder=operator.mod,
    floor_divide=operator.floordiv, sign=lambda x: float((x > 0) - (x < 0)) if x == x else x, exp=math.exp,
    exp2=math.exp2, expm1=math.expm1, log=math.log, log2=math.log2, log10=math.log10, log1p=math.log1p, sin=math.sin,
    cos=math.cos, tan=math.tan, arcsin=math.asin, arccos=math.acos, arctan=math.atan, arctan2=math.atan2, sinh=math.sinh,
    cosh=math.cosh, tanh=math.tanh, arcsinh=math.asinh, arccosh=math.acosh, arctanh=math.atanh, hypot=math.hypot,
    erf=math.erf, maximum=_larger, minimum=_smaller, where=_where, strong_multiply=_strong, equal=operator.eq,
    not_equal=operator.ne, isnan=math.isnan, isinf=math.isinf, isfinite=math.isfinite, logical_and=operator.and_,
)  # fmt: skip

Forward = Callable[..., Any]


def _numpy_forward(op: Op, *arguments: Any) -> Any:
    """Where Python's floats raise or turn complex, NumPy's have an answer: inf or NaN. While `jit` records: an instruction."""
    if mode.capture is not None and any(map(_recorded, arguments)):
        return op.forward(mode.capture.namespace)(*map(mode.capture.scalar, arguments))
    with numpy.errstate(all="ignore"):
        return float(op.forward()(*map(numpy.float64, arguments)))


_BEYOND = (ArithmeticError, ValueError, AttributeError, TypeError, GraphError)
"""What Python raises where NumPy computes on: 1/0, ln 0, a test of what became complex; or of what is not computed yet."""


def _recorded(x: Any) -> bool:
    return hasattr(x, "__traced__") or isinstance(x, Tensor)


def contributions(v: Value, g: float) -> tuple[float, ...]:
    """What each input of v is passed on by a gradient g of v: g times the partial derivative."""
    arguments = [below.data for below in v._inputs]
    try:
        return v._pull(g, v.data, *arguments)
    except _BEYOND:
        return _as_numpy(v, g, *arguments)


def _as_numpy(v: Value, g: Any, *arguments: Any) -> tuple[Any, ...]:
    """The same in NumPy's arithmetic, or as instructions while `jit` records."""
    op = v._op
    assert op is not None
    plan = op.plan(tuple(range(len(arguments))), len(arguments))
    if mode.capture is not None and any(map(_recorded, (g, v.data, *arguments))):
        saved = plan.save(*map(mode.capture.scalar, (*arguments, v.data)))
        pulls, seed = plan.rules(mode.capture.namespace)[0], mode.capture.scalar(g)
        return tuple(pull(seed, saved, None) if pull is not None else seed for pull in pulls)
    with numpy.errstate(all="ignore"):
        numbers = [numpy.float64(x) for x in (*arguments, v.data)]
        saved, seed = plan.save(*numbers), numpy.float64(g)
        return tuple(float(pull(seed, saved, None) if pull is not None else seed) for pull in plan.pulls)


def _not_a_number(g: float, y: float, *arguments: float) -> tuple[float, ...]:
    """The rule of a value where Python's floats had no answer: its partial derivatives may turn complex, or raise."""
    raise ArithmeticError


def _rules(op: Op) -> Callable[..., tuple[float, ...]]:
    """All partial derivatives of an op in one function ``(g, y, *arguments) -> contributions``."""
    scope: dict[str, Any] = {"strong": _strong}
    terms = []
    for k, d in enumerate(op.partials_given):
        if not callable(d):
            terms.append({1: "g", -1: "-g", 0: "0.0"}[d])  # type: ignore[index]
            continue
        scope[f"d{k}"] = bind(d, SCALAR)
        names = d.__code__.co_varnames[: d.__code__.co_argcount]
        trivial = len(names) == 1 and d.__code__.co_code == (lambda b: b).__code__.co_code
        partial = names[0] if trivial else f"d{k}({', '.join(names)})"
        terms.append(f"strong(g, {partial})" if op.strong else f"g * {partial}")
    source = f"lambda g, y, {', '.join(op.arrays)}: ({', '.join(terms)},)"
    return eval(source, scope)  # type: ignore[no-any-return]


def _publish(op: Op) -> None:
    """Give Value the method and the operator of an elementwise op."""
    name = op.name
    native = getattr(SCALAR, _native_name(op) or "", None)
    forward = native or bind(op.function, SCALAR)
    new, pull = object.__new__, _rules(op)

    def build(y: Any, inputs: tuple[Value, ...]) -> Value:
        """A value where Python's floats have no answer: there NumPy's rules hold in backward too."""
        v = new(Value)
        v.data, v.grad, v.name = y, 0.0, None
        v._op, v._pull, v._inputs, v._tick = op, _not_a_number, inputs, _tick()
        return v

    def unary(x: Value) -> Value:
        try:
            y = forward(x.data)
        except _BEYOND:
            return build(_numpy_forward(op, x.data), (x,))
        v = new(Value)
        v.data = y
        v.grad = 0.0
        v.name = None
        v._op = op
        v._pull = pull
        v._inputs = (x,)
        v._tick = _tick()
        return v

    def binary(a: Value, b: Any) -> Any:
        if not isinstance(b, Value):
            if not isinstance(b, int | float | numpy.number):
                return NotImplemented
            b = _Literal(b)
        try:
            y = forward(a.data, b.data)
            if type(y) is not float:
                return build(_numpy_forward(op, a.data, b.data), (a, b))
        except _BEYOND:
            return build(_numpy_forward(op, a.data, b.data), (a, b))
        v = new(Value)
        v.data = y
        v.grad = 0.0
        v.name = None
        v._op = op
        v._pull = pull
        v._inputs = (a, b)
        v._tick = _tick()
        return v

    def reflected(b: Value, a: Any) -> Any:
        return binary(_Literal(a), b) if isinstance(a, int | float | numpy.number) else NotImplemented

    method: Callable[..., Any] = unary if len(op.arrays) == 1 else binary
    method.__name__, method.__doc__ = name, op.function.__doc__
    setattr(Value, name, method)
    for dunder, reverse in op.dunders():
        setattr(Value, dunder, reflected if reverse else method)


def _native_name(op: Op) -> str | None:
    from autograd.rule import _plain_numpy_call

    return _plain_numpy_call(op.function)


for _op in OPS.values():
    if _op.kind == "elementwise" and None not in _op.partials_given:
        _publish(_op)
