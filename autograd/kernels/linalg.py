"""Inverses, linear systems and factors of stacks of matrices, by LAPACK through NumPy and SciPy.

float16 is computed in float32. What LAPACK refuses is told in words: a singular matrix, one that is not positive definite.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy

from autograd.errors import LinAlgError, user_line

__all__ = ["cholesky", "cofactor", "det", "detsign", "inv", "logabsdet", "solve", "solve_triangular"]


def _half_in_single(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with float16 computed in float32, which LAPACK has, and rounded back."""

    @functools.wraps(function)
    def call(*arrays: Any, **settings: Any) -> Any:
        halves = [getattr(a, "dtype", None) == numpy.float16 for a in arrays]
        if not any(halves):
            return function(*arrays, **settings)
        single = [a.astype(numpy.float32) if half else a for a, half in zip(arrays, halves, strict=True)]
        return function(*single, **settings).astype(numpy.float16 if all(halves) else numpy.result_type(*arrays))

    return call


def _singular(name: str, a: Any, error: Exception) -> Exception:
    """What to raise for the matrix a: NumPy's own error, unless it is about singularity."""
    if "ingular" not in str(error):
        return error
    kind = "the matrix" if numpy.ndim(a) == 2 else "a matrix of the stack"
    return LinAlgError(
        f"{name}: {kind} (shape {numpy.shape(a)}) is singular: some row is a combination of the others. "
        f"Add a small multiple of np.eye(n), or use np.linalg.matrix_rank to see how many rows are independent. ({user_line()})"
    )


@_half_in_single
def inv(a: Any) -> Any:
    """The inverse of each matrix."""
    try:
        return numpy.linalg.inv(a)
    except numpy.linalg.LinAlgError as error:
        raise _singular("inv", a, error) from None


@_half_in_single
def solve(a: Any, b: Any) -> Any:
    """x with a x = b, for stacks of matrices a and b."""
    try:
        return numpy.linalg.solve(a, b)
    except numpy.linalg.LinAlgError as error:
        raise _singular("solve", a, error) from None


@_half_in_single
def solve_triangular(a: Any, b: Any, lower: bool = True) -> Any:
    """x with a x = b; of a only the triangle is read. One matrix a serves a stack of b at once."""
    if a.ndim != 2 or b.ndim < 2 or 0 in (*a.shape, *b.shape) or a.shape[0] != a.shape[1]:
        return solve(numpy.tril(a) if lower else numpy.triu(a), b)  # in C for the whole stack; a sixth more work for each
    from scipy.linalg import solve_triangular as one

    n, m = b.shape[-2:]
    columns = numpy.moveaxis(b, -2, 0).reshape(n, -1)
    try:
        x = one(a, columns, lower=lower, check_finite=False)
    except numpy.linalg.LinAlgError as error:
        raise _singular("solve_triangular", a, error) from None
    return numpy.moveaxis(x.reshape((n, *b.shape[:-2], m)), 0, -2)


@_half_in_single
def cholesky(a: Any) -> Any:
    """L, lower triangular, with L Lᵀ = a."""
    try:
        return numpy.linalg.cholesky(a)
    except numpy.linalg.LinAlgError as error:
        if "positive" not in str(error):
            raise
    kind = "the matrix" if a.ndim == 2 else "a matrix of the stack"
    least = numpy.linalg.eigvalsh(a).min() if numpy.isfinite(a).all() else numpy.nan
    raise LinAlgError(
        f"cholesky: {kind} (shape {a.shape}) is not positive definite: its smallest eigenvalue is {least:.3g}. Add a little "
        f"more than that to the diagonal, such as a + 1e-6 * np.eye({a.shape[-1]}). ({user_line()})"
    )


@_half_in_single
def cofactor(a: Any) -> Any:
    """det(a) a⁻ᵀ, also of singular matrices: from a = u s v, det(u) det(v) ū diag(Π_{j≠i} sⱼ) v̄."""
    u, s, v = numpy.linalg.svd(a)
    others = numpy.where(numpy.eye(s.shape[-1], dtype=bool), s.dtype.type(1), s[..., None, :]).prod(axis=-1)
    sign = numpy.linalg.det(u) * numpy.linalg.det(v)
    return sign[..., None, None] * numpy.matmul(numpy.conj(u) * others[..., None, :], numpy.conj(v))


@_half_in_single
def det(a: Any) -> Any:
    """The determinant of each matrix."""
    return numpy.linalg.det(a)


@_half_in_single
def logabsdet(a: Any) -> Any:
    """ln |det a|; −inf of a singular matrix."""
    return numpy.linalg.slogdet(a)[1]


@_half_in_single
def detsign(a: Any) -> Any:
    """det a / |det a|; 0 of a singular matrix."""
    return numpy.linalg.slogdet(a)[0]
