"""NumPy's matrix product, on one thread where two would only wait for each other.

OpenBLAS splits every product above some 0.3 million multiply-adds over its threads, which spin while they wait. For a
product of up to a few million that gains little, and on a machine that does something else beside it one step can take
a hundred times as long. The number of threads is changed only for the time of such a product, and the user's setting is
put back.
"""

from __future__ import annotations

import ctypes
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy

__all__ = ["matmul"]

SPLIT, WORTH = 1 << 18, 1 << 24
"""Multiply-adds from which OpenBLAS splits a product, and from which that is worth it."""

_lock = threading.Lock()
_running = 0
_before = 0


@cache
def _threads() -> tuple[Any, Any] | None:
    """(get, set) for the OpenBLAS that NumPy carries, or None where it carries none."""
    root = Path(numpy.__file__).parent
    for library in sorted([*root.parent.glob("numpy.libs/*openblas*"), *root.glob(".dylibs/*openblas*")]):
        try:
            handle = ctypes.CDLL(str(library))
        except OSError:
            continue
        for name in ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads64_"):
            try:
                return handle[name.format("get")], handle[name.format("set")]
            except AttributeError:
                continue
    return None


def matmul(a: Any, b: Any) -> Any:
    """np.matmul(a, b)."""
    proper = getattr(a, "ndim", 0) and getattr(b, "ndim", 0)
    if not (proper and SPLIT <= a.size * b.shape[-1] < WORTH) or (pair := _threads()) is None:
        return numpy.matmul(a, b)
    global _running, _before
    get, put = pair
    with _lock:
        if not _running:
            _before = get()
            put(1)
        _running += 1
    try:
        return numpy.matmul(a, b)
    finally:
        with _lock:
            _running -= 1
            if not _running:
                put(_before)
