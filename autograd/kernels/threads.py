"""The number of threads of SciPy's BLAS, which compiled programs call.

Two threads that wait for each other lose more on a small product than they gain, and everything when the machine is
busy. A program whose products are small holds BLAS at one thread while it runs, and puts the user's setting back.
"""

from __future__ import annotations

import ctypes
import threading
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["SMALL", "Single", "blas_threads", "single"]

SMALL = 16_000_000
"""Multiply-adds of a product below which one thread is best."""


@cache
def blas_threads() -> tuple[Any, Any] | None:
    """(get, set) for the OpenBLAS that SciPy carries, or None where it carries none."""
    import scipy

    root = Path(scipy.__file__).parent
    for library in sorted([*root.parent.glob("scipy.libs/*openblas*"), *root.glob(".dylibs/*openblas*")]):
        try:
            handle = ctypes.CDLL(str(library))
        except OSError:
            continue
        for prefix in ("scipy_", ""):
            try:
                return handle[f"{prefix}openblas_get_num_threads"], handle[f"{prefix}openblas_set_num_threads"]
            except AttributeError:
                continue
    return None


class Single:
    """Holds BLAS at one thread while any program runs in any thread; the last to leave puts the user's setting back."""

    def __init__(self, get: Any, put: Any):
        self._get, self._put, self._lock = get, put, threading.Lock()
        self._inside = 0
        self._before = 1

    def enter(self) -> None:
        """A program starts."""
        with self._lock:
            if not self._inside:
                self._before = self._get()
                if self._before != 1:
                    self._put(1)
            self._inside += 1

    def leave(self) -> None:
        """A program has ended."""
        with self._lock:
            self._inside -= 1
            if not self._inside and self._before != 1:
                self._put(self._before)


@cache
def single() -> Single | None:
    """The one switch of this process, or None where there is no OpenBLAS to switch."""
    found = blas_threads()
    return Single(*found) if found is not None else None
