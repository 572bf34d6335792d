"""Switches for the current thread: whether operations are recorded, and whether NaNs are hunted.

Each is a context manager and a decorator; on a generator function it wraps every resumption.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from autograd.tape import mode

__all__ = ["anomaly_mode", "enable_grad", "is_grad_enabled", "is_recording", "no_grad"]

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


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread."""
    return mode.record
