"""Where an array's memory is, in 40 ns instead of the microsecond that NumPy takes to say so.

In CPython an array object has its fields at fixed places, which NumPy promises to C programs: the address of the memory
after the object's head, then the number of axes, and later a word of flags. A view of all memory as integers reads them.
Whether that is so here is tried once; where it is not, NumPy is asked.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy

__all__ = ["address_of", "is_plain", "memory"]

PLAIN = 0x101  # the flags for rows one after another (C order), and for aligned
DATA, FLAGS = 2, 8  # words from the start of an array object


def _asked(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def _asked_plain(array: Any) -> bool:
    return bool(array.flags.c_contiguous and array.flags.aligned)


def _memory() -> Any:
    """All memory as 8-byte integers, read-only; None where arrays are not laid out as is thought."""
    if sys.implementation.name != "cpython" or sys.maxsize < 2**62 or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return None
    words = memoryview((ctypes.c_int64 * 2**44).from_address(0)).cast("B").cast("q").toreadonly()
    base = numpy.zeros((6, 4))
    odd = numpy.frombuffer(bytearray(65), numpy.uint8, offset=1)[:32].view(numpy.float64)
    for probe in (base, base.T, base[1:], base[:, ::2], odd, numpy.zeros(()), numpy.zeros((0, 3), bool)):
        at = id(probe) >> 3
        if words[at + DATA] != _asked(probe) or (words[at + FLAGS] & PLAIN == PLAIN) is not _asked_plain(probe):
            return None
    return words


memory: Any = _memory() if sys.byteorder == "little" else None

if memory is None:
    address_of, is_plain = _asked, _asked_plain
else:

    def address_of(array: Any) -> int:
        """The address of an array's first element."""
        return memory[(id(array) >> 3) + DATA]  # type: ignore[no-any-return]

    def is_plain(array: Any) -> bool:
        """Whether the elements lie one after another, each at a multiple of its size."""
        return memory[(id(array) >> 3) + FLAGS] & PLAIN == PLAIN  # type: ignore[no-any-return]
