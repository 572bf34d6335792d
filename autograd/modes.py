"""Switches for the current thread: whether operations are recorded, and whether NaNs are hunted.

Each is a context manager and a decorator; on a generator function it wraps every resumption.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import numpy

from autograd.errors import ArgumentError, AutogradError, user_line
from autograd.tape import mode

__all__ = ["anomaly_mode", "enable_grad", "is_grad_enabled", "is_recording", "no_grad", "require"]

F = TypeVar("F", bound=Callable[..., Any])


class _Switch:
    _field = "record"
    _value = True

    def __enter__(self) -> None:
        self._before: list[Any] = getattr(self, "_before", [])
        self._before.append(getattr(mode, self._field))
        mode.set(**{self._field: self._value})

    def __exit__(self, *_: object) -> None:
        mode.set(**{self._field: self._before.pop()})

    def __call__(self, function: F) -> F:
        kind = type(self)
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
                inner, sent, step = function(*args, **kwargs), None, "send"
                while True:
                    try:
                        with kind():
                            item = getattr(inner, step)(sent)
                    except StopIteration as stop:
                        return stop.value
                    try:
                        sent, step = (yield item), "send"
                    except GeneratorExit:
                        with kind():
                            inner.close()
                        raise
                    except BaseException as error:
                        sent, step = error, "throw"

            return generator  # type: ignore[return-value]

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with kind():
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


class no_grad(_Switch):
    """Record nothing: results require no gradient, and leaves may be written in place.

    >>> import autograd as ag
    >>> x = ag.Tensor([1.0], requires_grad=True)
    >>> with no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    _value = False


class enable_grad(_Switch):
    """Record again, inside `no_grad`."""


class anomaly_mode(_Switch):
    """Raise at the first NaN that backward meets, naming the op and the line that recorded it."""

    _field = "anomaly"


def is_recording() -> bool:
    """Whether `jit` is recording a program in this thread: the data of Tensors then stand for values to come."""
    return mode.capture is not None


def require(condition: Any, message: str, error: type[AutogradError] = ArgumentError) -> None:
    """Raise unless a condition, an array or Tensor of truth values, holds everywhere.

    In a compiled function it is looked at when the program runs; if it does not hold, nothing was written. The message cannot
    contain values there, since it is made when the function is recorded.

    >>> import autograd as ag
    >>> @ag.jit
    ... def root(x):
    ...     require(x >= 0, "a root needs numbers that are not negative.")
    ...     return ag.sqrt(x)
    >>> root(ag.Tensor([4.0])).tolist()
    [2.0]
    >>> root(ag.Tensor([-4.0]))
    Traceback (most recent call last):
    autograd.errors.ArgumentError: a root needs numbers that are not negative. ...
    """
    valid = getattr(condition, "_data", condition)
    if mode.capture is not None and not isinstance(valid, numpy.ndarray | numpy.generic | bool):
        mode.capture.check(valid, message, error)
    elif not numpy.all(valid):
        raise error(f"{message} ({user_line()})")


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread."""
    return mode.record
