"""What is called back in Python in the middle of a program: functions and dtypes for which there is no machine code.

Instructions are of bool, integers, float32 and float64. An array of any other dtype (complex, float16, long double) can be an
input, a result, or what a call gives; a function that meets one is called as it is, on arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from autograd.compiler.trace import NAMESPACE, Foreign, Traced, foreign, unsupported
from autograd.kernels import linalg
from autograd.rule import np
from autograd.trees import leaves, rebuild

__all__ = ["call_absent_functions", "call_for_other_dtypes", "eager"]

Function = Callable[..., Any]


def eager(name: str, function: Function, arguments: tuple[Any, ...], settings: dict[str, Any]) -> Traced:
    """A call of a NumPy function in the middle of a program, for what has no compiled form.

    Its result must be one array whose shape does not depend on values: it is tried on two sets of arrays.
    """
    given = leaves((arguments, settings))
    inputs = [a for a in given if isinstance(a, Traced) and a.function != "constant"]

    def call(*arrays: Any) -> Any:
        rest = iter(arrays)
        places, named = rebuild((arguments, settings), [_value(a, rest) for a in given])
        return function(*places, **named)

    made = None
    for fills in ((_ones, _counted), (_zeros, _zeros)):
        try:
            with numpy.errstate(all="ignore"):
                made = [call(*(fill(x) for x in inputs)) for fill in fills]
            break
        except IndexError as error:  # of numbers that are used as an index
            problem: Exception = error
        except Exception as error:
            raise unsupported(f"{name} ({error})") from error
    if made is None:
        raise unsupported(f"{name} ({problem})")
    if not all(isinstance(y, numpy.ndarray | numpy.generic) for y in made) or made[0].shape != made[1].shape:
        raise unsupported(f"{name}, whose result is not one array of a shape that is known before the values are,")
    return Traced("call", tuple(inputs), made[0].shape, made[0].dtype, name=name, call=call)


def _value(a: Any, arrays: Any) -> Any:
    """What stands for an argument when the call is made."""
    if not isinstance(a, Traced):
        return a
    if a.function == "constant":
        return a.settings["value"]
    return a.weak(next(arrays)) if a.weak else next(arrays)


def _zeros(x: Traced) -> Any:
    return numpy.zeros(x.shape, x.dtype)


def _ones(x: Traced) -> Any:
    return _regular(numpy.ones(x.shape, x.dtype))


def _counted(x: Traced) -> Any:
    return _regular(numpy.arange(x.size).reshape(x.shape).astype(x.dtype))


def _regular(a: Any) -> Any:
    """Square matrices with a heavy diagonal, so that they have inverses; other arrays as they are."""
    if a.ndim < 2 or a.shape[-1] != a.shape[-2] or a.dtype.kind not in "fc":
        return a
    return a + (a.size + 1.0) * a.size * numpy.eye(a.shape[-1], dtype=a.dtype)


def _absent(name: str, function: Function) -> Function:
    """A function that has no compiled form: it is called as it is where it meets an instruction."""

    def call(*arguments: Any, **settings: Any) -> Any:
        if any(isinstance(a, Traced) for a in leaves((arguments, settings))):
            return eager(name, function, arguments, settings)
        return function(*arguments, **settings)

    return call


def call_absent_functions() -> None:
    """Let NumPy's functions that are not made of instructions be called."""
    for name, thing in list(vars(NAMESPACE).items()):
        known = (getattr(numpy, name, None), getattr(linalg, name, None))
        if callable(thing) and not isinstance(thing, type) and thing in known:
            setattr(NAMESPACE, name, _absent(name, thing))


def _of_any_dtype(name: str, function: Function, plain: Function) -> Function:
    """A function that is made of instructions where its arrays are of their dtypes, and called where they are not."""

    def call(*arguments: Any, **settings: Any) -> Any:
        given = [a for a in leaves((arguments, settings)) if isinstance(a, Traced)]
        if not any(foreign(a.dtype) for a in given):
            try:
                return function(*arguments, **settings)
            except Foreign:
                pass
        return eager(name, plain, arguments, settings)

    return call


def call_for_other_dtypes() -> None:
    """Let what is made of instructions be called for arrays of other dtypes; the last that is done to the namespace."""
    for name, thing in list(vars(NAMESPACE).items()):
        plain = getattr(np, name, None)
        if callable(thing) and not isinstance(thing, type) and plain is not None and thing is not plain:
            setattr(NAMESPACE, name, _of_any_dtype(name, thing, plain))
