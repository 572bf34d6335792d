"""Calls from a compiled program back into Python, for what has no compiled form."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy

from autograd.compiler.loops import Buffer, Call

__all__ = ["Callback", "Stopped"]


class Stopped(Exception):
    """That a program ended before it wrote to any state; and what is to be raised."""

    def __init__(self, error: BaseException):
        super().__init__(error)
        self.error = error


class Callback:
    """Carries out the calls of one program. What they raise ends the program, before it has written to any state."""

    def __init__(self, calls: list[Call], buffers: dict[str, Buffer]):
        place = {name: k for k, name in enumerate(buffers)}
        self._calls = [
            (call.function, [(place[n], buffers[n]) for n in call.read], (place[call.out], buffers[call.out])) for call in calls
        ]
        self._raised = threading.local()
        self._native = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64)(self._call)
        self.address = ctypes.cast(self._native, ctypes.c_void_p).value or 0

    def _call(self, table: int, number: int) -> int:
        try:
            function, inputs, out = self._calls[number]
            made = function(*(_array(table, *place).copy() for place in inputs))
            _array(table, *out)[...] = made
        except BaseException as error:
            self._raised.error = error
            return 1
        return 0

    def run(self, program: Callable[[int], Any], table: int) -> None:
        """Run a program and raise what a call of its has raised."""
        self._raised.error = None
        program(table)
        if self._raised.error is not None:
            error, self._raised.error = self._raised.error, None
            raise Stopped(error)


def _array(table: int, place: int, buffer: Buffer) -> Any:
    """The array whose address stands in the table."""
    address = ctypes.c_int64.from_address(table + 8 * place).value
    memory: Any = (ctypes.c_char * max(1, buffer.bytes)).from_address(address)
    return numpy.frombuffer(memory, buffer.dtype, buffer.size).reshape(buffer.shape)
