"""What generated source uses in place of instructions of the engine that no NumPy function is: the same, by NumPy alone."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["masked", "region", "write"]


def masked(g: Any, d: Any) -> Any:
    """g·d, and 0 where g is 0, even against an infinite d."""
    return np.where(g == 0, 0, g * d).astype(np.result_type(g, d))


strong_multiply = masked


def inv(a: Any) -> Any:
    """The inverse."""
    return np.linalg.inv(a)


def solve(a: Any, b: Any) -> Any:
    """The solution of a x = b."""
    return np.linalg.solve(a, b)


def solve_triangular(a: Any, b: Any, lower: bool = True) -> Any:
    """The solution of a x = b for the lower or upper triangle of a."""
    return np.linalg.solve(np.tril(a) if lower else np.triu(a), b)


def cholesky(a: Any) -> Any:
    """The Cholesky factor."""
    return np.linalg.cholesky(a)


def det(a: Any) -> Any:
    """The determinant."""
    return np.linalg.det(a)


def logabsdet(a: Any) -> Any:
    """ln |det a|."""
    return np.linalg.slogdet(a)[1]


def cofactor(a: Any) -> Any:
    """det(a) a⁻ᵀ, also of singular matrices."""
    u, s, v = np.linalg.svd(a)
    others = np.where(np.eye(s.shape[-1], dtype=bool), s.dtype.type(1), s[..., None, :]).prod(axis=-1)
    sign = np.linalg.det(u) * np.linalg.det(v)
    return sign[..., None, None] * np.matmul(np.conj(u) * others[..., None, :], np.conj(v))


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
