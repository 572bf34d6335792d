"""Calling an op: from its declaration to the function that users call, and the one place where nodes are made.

`publish` gives each op its public function, its method and operator on `Tensor`, its place in the NumPy protocols and
in the namespace over which rules run on Tensors. Ops of one or two arrays without settings, which are most calls of
most programs, get a function with nothing in it but the work; all others, and all modes but plain recording, go through
`apply`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from sys import _getframe
from types import ModuleType
from typing import Any

import numpy

from autograd.errors import (
    ArgumentError,
    AutogradError,
    AxisError,
    DTypeError,
    IndexingError,
    LinAlgError,
    ShapeError,
    UnsupportedError,
    is_internal,
    user_frame,
    user_line,
    why_shapes_differ,
)
from autograd.instructions import native
from autograd.rule import Op, Plan, np
from autograd.tape import Node, mode, tick
from autograd.tensor import Tensor

__all__ = ["METHODS", "ROUTES", "apply", "composite", "namespace", "operand", "publish", "record", "tensor"]

ndarray = numpy.ndarray
Call = Callable[..., Any]
EMPTY: dict[str, Any] = {}
REQUIRED = inspect.Parameter.empty

ROUTES: dict[Any, Call] = {}
"""NumPy function -> ours: what the NumPy protocols look up."""

METHODS: dict[str, Call] = {}
"""Methods of Tensor that come from ops."""

_NAMESPACE = ModuleType("ops", "NumPy's names bound to the registered ops: where rules run on Tensors.")

_RAW = frozenset({float, int, bool, complex, numpy.float64, numpy.float32, numpy.float16, numpy.longdouble, numpy.int64,
                  numpy.int32, numpy.int16, numpy.int8, numpy.uint8, numpy.uint16, numpy.uint32, numpy.uint64, numpy.bool_,
                  numpy.complex64, numpy.complex128})  # fmt: skip


def namespace() -> ModuleType:
    """NumPy, with every function that is a registered op replaced by that op."""
    if "pi" not in _NAMESPACE.__dict__:
        _NAMESPACE.__dict__.update({k: v for k, v in vars(np).items() if k not in _NAMESPACE.__dict__})
    return _NAMESPACE


# ---- making nodes ------------------------------------------------------------------------------------------------------


def record(plan: Plan, inputs: tuple[Node | None, ...], saved: tuple[Any, ...], y: Any,
           settings: dict[str, Any] = EMPTY, consts: dict[int, Any] | None = None) -> Tensor:  # fmt: skip
    """The one function that makes nodes: a Tensor for y, with a node that remembers how y came about."""
    node = _new(Node)
    node.plan = plan
    node.inputs = inputs
    node.saved = saved
    node.settings = settings
    node.consts = consts
    node.tick = tick()
    node.shape = y.shape
    node.dtype = y.dtype
    node.extra = None
    frame = _getframe(2)
    code = frame.f_code
    if is_internal(code.co_filename):
        outer = user_frame(frame)
        if outer is not None:
            frame, code = outer, outer.f_code
    node.code = code
    node.instruction = frame.f_lasti
    out = _new(Tensor)
    out._data = y
    out._node = node
    return out  # type: ignore[no-any-return]


_new: Any = object.__new__


def operand(x: Any) -> Any:
    """A non-Tensor argument as something that NumPy computes with; raises on what it would turn into objects."""
    kind = type(x)
    if kind in _RAW:
        return x
    if isinstance(x, numpy.ma.MaskedArray):
        raise DTypeError(f"a masked array would lose its mask here. Fill it first: a.filled(value). ({user_line()})")
    if isinstance(x, list | tuple):
        x = [_plain(v) for v in x]
    if isinstance(x, ndarray | numpy.generic | list | float | int):
        try:
            array = numpy.asarray(x)
        except ValueError as error:
            raise ShapeError(f"{error}. A nested list must have rows of equal length. ({user_line()})") from None
        if array.dtype.kind in "biufc":
            return array if array.dtype.isnative else array.astype(native(array.dtype))
        raise DTypeError(f"an array of dtype {array.dtype} has no derivative; use a float dtype. ({user_line()})")
    if hasattr(x, "__traced__"):
        return x
    raise DTypeError(f"expected a Tensor, an array or a number, got {type(x).__name__}: {x!r:.60}. ({user_line()})")


def tensor(x: Any) -> Tensor:
    """x itself, or a constant Tensor of the array, list or number that it is."""
    return x if isinstance(x, Tensor) else Tensor._wrap(numpy.asarray(operand(x)))


def _plain(v: Any) -> Any:
    if isinstance(v, Tensor):
        return numpy.asarray(v.numpy() if v._node is None else v.__array__())
    return [_plain(w) for w in v] if isinstance(v, list | tuple) else v


def apply(op: Op, arguments: Sequence[Any], settings: dict[str, Any] = EMPTY) -> Any:
    """Run an op on any mixture of Tensors, arrays and numbers, and record it if something in it requires a gradient."""
    if mode.batch and any(isinstance(a, Tensor) and type(a) is not Tensor for a in arguments):
        from autograd.batching import Batched, run_batched

        if any(isinstance(a, Batched) for a in arguments):
            return run_batched(op, arguments, settings)
    arrays = [a._data if isinstance(a, Tensor) else operand(a) for a in arguments]
    if mode.capture is not None:
        arrays = [mode.capture.lift(a, x) for a, x in zip(arguments, arrays, strict=True)]
        forward = op.forward(mode.capture.namespace)
    else:
        forward = op.forward()
    try:
        y = forward(*arrays, **settings)
    except Exception as error:
        y = failed(op, arrays, settings, error)
    if mode.capture is not None:
        y = mode.capture.made(y, arrays)
    elif type(y) is not ndarray:
        y = numpy.asarray(y)
    nodes = tuple(a._node if isinstance(a, Tensor) else None for a in arguments)
    wanted: tuple[int, ...] = ()
    if mode.record and op.kind != "constant":
        differentiable = op.differentiable
        wanted = tuple(i for i, n in enumerate(nodes) if n is not None and differentiable[0 if op.variadic else i])
    if not wanted:
        return _viewed(op, arguments, settings, Tensor._wrap(y))
    plan = op.plan(wanted, len(nodes))
    if mode.capture is None and None in nodes:
        arguments = [x.copy() if a is x and type(x) is ndarray else a for a, x in zip(arguments, arrays, strict=True)]
        arrays = [a if type(a) is ndarray else x for a, x in zip(arguments, arrays, strict=True)]
    consts = {i: a for i, (a, n) in enumerate(zip(arguments, nodes, strict=True)) if n is None}
    out = record(plan, nodes, plan.save(*arrays, y), y, settings, consts or None)
    return _viewed(op, arguments, settings, out)


def _viewed(op: Op, arguments: Sequence[Any], settings: dict[str, Any], out: Tensor) -> Tensor:
    if op.view and isinstance(arguments[0], Tensor):
        if mode.capture is None and out._data.base is None and out._data is not arguments[0]._data:
            return out  # NumPy had to copy
        from autograd.inplace import link

        link(arguments[0], op, settings, out)
    return out


def failed(op: Op, arrays: Sequence[Any], settings: dict[str, Any], error: Exception) -> Any:
    """What to do when NumPy raised: compute on under NaN and inf semantics, or say what is wrong in our words."""
    if isinstance(error, FloatingPointError | RuntimeWarning | numpy.exceptions.ComplexWarning):
        import warnings

        with numpy.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return op.forward()(*arrays, **settings)
    if isinstance(error, AutogradError | MemoryError | KeyboardInterrupt):
        raise error
    shapes = [tuple(a.shape) if hasattr(a, "__traced__") else numpy.shape(a) for a in arrays]
    given = "".join(f", {k}={v!r:.60}" for k, v in settings.items() if v is not op.settings.get(k))
    text = str(error).split("\n")[0].strip(" .").removeprefix(f"{op.name}: ")
    message = f"{op.name}: {text} (operands of shape {' and '.join(map(str, shapes))}{given}) at {user_line()}."
    if isinstance(error, numpy.exceptions.AxisError):
        raise AxisError(message) from None
    if isinstance(error, IndexError):
        raise IndexingError(message) from None
    if isinstance(error, numpy.linalg.LinAlgError):
        raise LinAlgError(message) from None
    if isinstance(error, ValueError):
        if why := why_shapes_differ(shapes, text):
            raise ShapeError(f"{op.name}: {why}") from None
        raise ShapeError(message + " Check the shapes, and reshape or index one operand.") from None
    if isinstance(error, TypeError):
        raise DTypeError(message) from None
    raise error


# ---- public functions --------------------------------------------------------------------------------------------------


def _unary(op: Op) -> Call:
    forward = op.forward()
    plan = op.plan((0,), 1) if op.kind != "constant" and op.differentiable[0] else None
    only_y = plan is not None and plan.saved == ("y",)
    save = plan.save if plan is not None else None

    def call(x: Any, /) -> Any:
        if plan is None or not mode.plain or not isinstance(x, Tensor) or x._node is None:
            return apply(op, (x,))
        array = x._data
        try:
            y = forward(array)
        except Exception as error:
            y = failed(op, (array,), EMPTY, error)
        if type(y) is not ndarray:
            y = numpy.asarray(y)
        return record(plan, (x._node,), (y,) if only_y else save(array, y), y)  # type: ignore[misc]

    return call


def _binary(op: Op) -> Call:
    if op.kind == "constant" or not all(op.differentiable):
        return lambda a, b, /: apply(op, (a, b))
    forward = op.forward()
    both, left, right = op.plan((0, 1), 2), op.plan((0,), 2), op.plan((1,), 2)
    save_both, save_left, save_right = both.save, left.save, right.save
    keeps_right, keeps_left = op.arrays[1] in left.saved, op.arrays[0] in right.saved

    def call(a: Any, b: Any, /) -> Any:
        if not mode.plain:
            return apply(op, (a, b))
        if isinstance(a, Tensor):
            x, above = a._data, a._node
        else:
            x, above = a if type(a) in _RAW else operand(a), None
        if isinstance(b, Tensor):
            z, beside = b._data, b._node
        else:
            z, beside = b if type(b) in _RAW else operand(b), None
        try:
            y = forward(x, z)
        except Exception as error:
            y = failed(op, (x, z), EMPTY, error)
        if type(y) is not ndarray:
            y = numpy.asarray(y)
        if above is None:
            if beside is None:
                return Tensor._wrap(y)
            if keeps_left and a is x and type(x) is ndarray:
                a = x = x.copy()  # the user's own array, which may change before backward
            return record(right, (None, beside), save_right(x, z, y), y, EMPTY, {0: a})
        if beside is None:
            if keeps_right and b is z and type(z) is ndarray:
                b = z = z.copy()
            return record(left, (above, None), save_left(x, z, y), y, EMPTY, {1: b})
        return record(both, (above, beside), save_both(x, z, y), y)

    return call


def _ternary(op: Op) -> Call:
    forward = op.forward()
    wanted = [
        (a and op.differentiable[0], b and op.differentiable[1], c and op.differentiable[2])
        for a in (False, True) for b in (False, True) for c in (False, True)
    ] if op.kind != "constant" else []  # fmt: skip
    plans = {key: op.plan(tuple(k for k, want in enumerate(key) if want), 3) for key in {*wanted} if any(key)}

    def call(a: Any, b: Any, c: Any, /) -> Any:
        if not (mode.plain and isinstance(a, Tensor) and isinstance(b, Tensor) and isinstance(c, Tensor)):
            return apply(op, (a, b, c))
        above, beside, below = a._node, b._node, c._node
        plan = plans.get((above is not None, beside is not None, below is not None))
        if plan is None:
            return apply(op, (a, b, c))
        x, z, w = a._data, b._data, c._data
        try:
            y = forward(x, z, w)
        except Exception as error:
            y = failed(op, (x, z, w), EMPTY, error)
        if type(y) is not ndarray:
            y = numpy.asarray(y)
        consts = None
        if above is None or beside is None or below is None:
            consts = {k: t for k, t in enumerate((a, b, c)) if t._node is None}
        return record(plan, (above, beside, below), plan.save(x, z, w, y), y, EMPTY, consts)

    return call


def _general(op: Op) -> Call:
    count, names, defaults = len(op.arrays), tuple(op.settings), op.settings
    single = count == 1 and not op.variadic and op.kind != "constant"
    plan = op.plan((0,), 1) if single else None
    needed = sum(default is REQUIRED for default in defaults.values())

    def call(*args: Any, **given: Any) -> Any:
        if plan is not None and mode.plain and args and isinstance(args[0], Tensor) and args[0]._node is not None:
            rest = args[1:]
            settings = {**defaults, **dict(zip(names, rest, strict=False)), **given} if rest or given else defaults
            if len(settings) == len(defaults) and len(rest) + len(given) >= needed and len(rest) <= len(names):
                return _recorded(op, plan, args[0], settings)
        if op.variadic:
            if not args:
                raise ArgumentError(f"{op.name} takes a sequence of arrays. ({user_line()})")
            arrays = tuple(args[0])
            if not arrays:
                raise ShapeError(f"{op.name} got an empty sequence: there is nothing to join. ({user_line()})")
            rest = args[1:]
        else:
            arrays, rest = args[:count], args[count:]
            if len(arrays) < count:
                arrays += tuple(given.pop(n) for n in op.arrays[len(arrays) :] if n in given)
            if len(arrays) < count or len(rest) > len(names):
                expected = ", ".join((*op.arrays, *names))
                raise DTypeError(f"{op.name}({expected}) got {len(args)} arguments. ({user_line()})")
        settings = {**defaults, **dict(zip(names, rest, strict=False)), **given}
        if len(settings) > len(defaults):
            settings = _unknown(op, settings)
        missing = [n for n in names if settings[n] is REQUIRED]
        if missing:
            raise DTypeError(f"{op.name} needs {', '.join(missing)}. ({user_line()})")
        return apply(op, arrays, settings)

    return call


def _recorded(op: Op, plan: Plan, x: Tensor, settings: dict[str, Any]) -> Tensor:
    """`apply` for the usual case: one tensor that requires a gradient, and known settings."""
    if any(v is REQUIRED for v in settings.values()):
        return apply(op, (x,), settings)  # type: ignore[no-any-return]
    array = x._data
    try:
        y = op.forward()(array, **settings)
    except Exception as error:
        y = failed(op, (array,), settings, error)
    if type(y) is not ndarray:
        y = numpy.asarray(y)
    out = record(plan, (x._node,), plan.save(array, y), y, settings)
    return _viewed(op, (x,), settings, out) if op.view else out


def _unknown(op: Op, settings: dict[str, Any]) -> dict[str, Any]:
    extra = {k: v for k, v in settings.items() if k not in op.settings}
    blank = {k for k, v in extra.items() if v is None or v is numpy._NoValue}
    extra = {k: v for k, v in extra.items() if k not in blank}
    if extra:
        takes = ", ".join(op.settings) or "no settings"
        raise UnsupportedError(
            f"{op.name} does not take {', '.join(f'{k}=' for k in extra)} (it takes {takes}). "
            f"Leave it out, and cast or write the result afterwards. ({user_line()})"
        )
    return {k: v for k, v in settings.items() if k in op.settings}


def _aliases(name: str) -> list[Any]:
    found = [getattr(numpy, name, None), getattr(numpy.linalg, name, None), getattr(numpy.fft, name, None)]
    return [f for f in found if callable(f) and not isinstance(f, type)]


def publish(op: Op) -> Call:
    """Make the public function of an op and enter it everywhere that it is found by."""
    if not op.settings and not op.variadic and not op.view and len(op.arrays) <= 3:
        call = (_unary, _binary, _ternary)[len(op.arrays) - 1](op)
    else:
        call = _general(op)
    call.__name__ = call.__qualname__ = op.name
    call.__doc__ = op.function.__doc__
    call.__module__ = op.function.__module__
    call.__wrapped__ = op.function  # type: ignore[attr-defined]
    call.op = op  # type: ignore[attr-defined]
    op.call = call
    _enter(op.name, call, single=len(op.arrays) >= 1)
    if op.operator is not None:
        _operators(op, call)
    return call


def _enter(name: str, call: Call, single: bool = True) -> None:
    _NAMESPACE.__dict__[name] = call
    for function in _aliases(name):
        ROUTES[function] = call
    if single and name not in METHODS and not hasattr(Tensor, name):
        METHODS[name] = call
        setattr(Tensor, name, call)


def _operators(op: Op, call: Call) -> None:
    for name, reverse in op.dunders():
        method = _comparison(call) if name in ("__eq__", "__ne__") else call
        setattr(Tensor, name, (lambda b, a: call(a, b)) if reverse else method)
        if reverse:
            setattr(Tensor, name.replace("__r", "__i"), _augmented(call))


def _comparison(call: Call) -> Call:
    """With None or a string, Python's own answer: not equal. So ``t in (None, "auto")`` works."""
    return lambda a, b, /: NotImplemented if b is None or isinstance(b, str) else call(a, b)


def _augmented(call: Call) -> Call:
    def inplace(a: Tensor, b: Any) -> Tensor:
        from autograd.inplace import augment

        return augment(a, call, b)

    return inplace


def composite(*names: str, method: bool = True) -> Callable[[Call], Call]:
    """Enter a function that is composed of ops wherever an op is found, under its own name and `names`."""

    def decorate(function: Call) -> Call:
        for name in (function.__name__, *names):
            _enter(name, function, single=method)
        return function

    return decorate


def public() -> dict[str, Call]:
    """Every public function by name: ops, and functions composed of them."""
    home = "autograd.ops."
    return {k: v for k, v in _NAMESPACE.__dict__.items() if getattr(v, "__module__", "").startswith(home)}
