"""State cells: a number that a program reads and writes as it runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy

from autograd.errors import DTypeError, user_line, user_place
from autograd.modes import no_grad
from autograd.tape import mode, writes
from autograd.tensor import Tensor

__all__ = ["State", "overwrite"]


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


def overwrite(pairs: Iterable[tuple[Tensor | State, Any]]) -> None:
    """Write many new values at once, outside of any graph: what an optimizer does at the end of a step.

    Each array goes into the array of its tensor, each number into its cell, as ``copy_`` and ``write`` under `no_grad`
    would do one by one; the line of the user's code is looked up once for all.

    >>> w, t = Tensor([1.0, 2.0], requires_grad=True), State(0)
    >>> overwrite([(w, numpy.array([3.0, 4.0], numpy.float32)), (t, 1)])
    >>> w, t
    (Tensor([3., 4.], requires_grad=True), State(1))
    """
    written = []
    try:
        for target, value in pairs:
            cell = target._cell if isinstance(target, State) else target
            array = cell._data
            plain = mode.capture is None and (
                value.dtype == array.dtype and value.shape == array.shape and array.flags.writeable
                if type(value) is numpy.ndarray
                else cell is not target and type(value) is (float if array.dtype.kind == "f" else int)
            )
            if plain:
                array[...] = value
                written.append(array)
            elif isinstance(target, State):
                target.write(value)
            else:
                with no_grad():
                    target.copy_(value)
    finally:
        if written:
            writes.note_all(written, user_place())


def _number(value: Any) -> Any:
    """A number, or a Tensor of one, as a 0-d array of its own."""
    array: Any = numpy.array(value._data if isinstance(value, Tensor) else value)
    if array.ndim or array.dtype.kind not in "biuf":
        raise DTypeError(f"a State holds one number, got {value!r:.60}. ({user_line()})")
    return array
