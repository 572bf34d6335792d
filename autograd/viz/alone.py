"""What generated source uses in place of instructions of the engine that no NumPy function is: the same, by NumPy alone."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["masked", "region", "write"]


def masked(g: Any, d: Any) -> Any:
    """g·d, and 0 where g is 0, even against an infinite d."""
    return np.where(g == 0, 0, g * d).astype(np.result_type(g, d))


strong_multiply = masked


def region(a: Any, path: Any) -> Any:
    """The part of a that a path leads to: functions that give views, and an index."""
    views, index = path or ((), ...)
    for view in views:
        a = view(a)
    return a[index]


def write(x: Any, v: Any, path: Any) -> Any:
    """A copy of x with v written to the part that views and an index lead to."""
    y = np.array(x, np.result_type(x, v) if isinstance(v, np.ndarray) else None)
    part = y
    views, index = path or ((), ...)
    for view in views:
        part = view(part)
    part[index] = v
    return y
