"""The number of threads of BLAS. NumPy and SciPy each carry an OpenBLAS of their own, with a pool of their own.

OpenBLAS splits every product above some 0.3 million multiply-adds over its threads, which spin while they wait. For a
product of up to a few million that gains little, and on a machine that does something else beside it one step can take
a hundred times as long. So a small product is held to one thread for the time that it takes, and the user's setting is
put back.
"""

from __future__ import annotations

import ctypes
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["SMALL", "Single", "single"]

SMALL = 1 << 24
"""Multiply-adds of a product below which one thread is best."""


class Single:
    """Holds one OpenBLAS at one thread while anybody is inside; the last to leave puts the user's setting back."""

    def __init__(self, get: Any, put: Any):
        self._get, self._put, self._lock = get, put, threading.Lock()
        self._inside = 0
        self._before = 1

    def enter(self) -> None:
        """A small product, or a program of them, starts."""
        with self._lock:
            if not self._inside:
                self._before = self._get()
                if self._before != 1:
                    self._put(1)
            self._inside += 1

    def leave(self) -> None:
        """It has ended."""
        with self._lock:
            self._inside -= 1
            if not self._inside and self._before != 1:
                self._put(self._before)


@cache
def single(package: str) -> Single | None:
    """The switch for the OpenBLAS that "numpy" or "scipy" carries; None where it carries none."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    for library in sorted([*root.parent.glob(f"{package}.libs/*openblas*"), *root.glob(".dylibs/*openblas*")]):
        try:
            handle = ctypes.CDLL(str(library))
        except OSError:
            continue
        for name in ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads64_",
                     "openblas_{}_num_threads"):  # fmt: skip
            try:
                return Single(handle[name.format("get")], handle[name.format("set")])
            except AttributeError:
                continue
    return None
