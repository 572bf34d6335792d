"""The number of threads of SciPy's BLAS, which compiled programs call.

Two threads that wait for each other lose more on a small product than they gain, and everything when the machine is
busy. A program whose products are small holds BLAS at one thread while it runs, and puts the user's setting back.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["SMALL", "blas_threads"]

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
