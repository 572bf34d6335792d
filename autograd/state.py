"""State cells: a number that a program reads and writes as it runs."""

from __future__ import annotations

from typing import Any

import numpy

from autograd.errors import DTypeError, user_line
from autograd.tape import mode, writes
from autograd.tensor import Tensor

__all__ = ["State"]


class State:
    """One number that belongs to the state of a program: a step count, a learning rate.

    Its reads and writes are recorded by ``jit``, so a compiled step reads the value of the moment and never needs
    recompiling when it changes. Outside of jit it is a box around a 0-d array.

    >>> lr = State(0.1)
    >>> lr.value = 0.05
    >>> lr.value
    0.05
    """

    __slots__ = ("_cell",)

    def __init__(self, value: Any, dtype: Any = None, name: str | None = None):
        array = _number(value)
        self._cell = Tensor._wrap(array if dtype is None else array.astype(dtype))
        if name is not None:
            self._cell.name = name

    @property
    def value(self) -> Any:
        """The number; assigning writes it."""
        return self._cell.item() if mode.capture is None else mode.capture.number(self._cell)

    @value.setter
    def value(self, value: Any) -> None:
        self.write(value)

    def read(self) -> Tensor:
        """The number as a 0-d Tensor without a gradient, to compute with."""
        return self._cell

    def write(self, value: Any) -> None:
        """Write a number or a 0-d Tensor."""
        if mode.capture is not None:
            self._cell.copy_(value)
            return
        array, number = self._cell._data, _number(value)
        if not numpy.can_cast(number.dtype, array.dtype, "same_kind"):
            raise DTypeError(f"a State of {array.dtype} cannot hold {value!r:.60}: make it with dtype=float. ({user_line()})")
        array[...] = number
        writes.note(array, "a State")

    def __repr__(self) -> str:
        return f"State({self._cell._data})"


def _number(value: Any) -> Any:
    """A number, or a Tensor of one, as a 0-d array of its own."""
    array: Any = numpy.array(value._data if isinstance(value, Tensor) else value)
    if array.ndim or array.dtype.kind not in "biuf":
        raise DTypeError(f"a State holds one number, got {value!r:.60}. ({user_line()})")
    return array
