"""NumPy's functions that are made of the instructions: variances, running sums, sorting, products of stacks.

``places`` has those that read, write and join at an index; what is in neither is called back in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from autograd.compiler import places
from autograd.compiler.called import call_absent_functions, eager
from autograd.compiler.places import gather, moveaxis, numbered
from autograd.compiler.trace import NAMESPACE as np
from autograd.compiler.trace import (
    Traced,
    _axes,
    broadcast_to,
    constant,
    expand_dims,
    lifted,
    matmul,
    must_hold,
    reshape,
    transpose,
)
from autograd.errors import LinAlgError
from autograd.kernels import linalg

__all__: list[str] = []

ndarray = numpy.ndarray
LONGEST = 2048  # of what is sorted by comparing all with all


# ---- arithmetic --------------------------------------------------------------------------------------------------------


def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """x between bounds of which either may be missing."""
    y = x if low is None else np.maximum(x, low)
    return y if high is None else np.minimum(y, high)


def fmax(a: Any, b: Any) -> Any:
    """The larger, ignoring NaN."""
    return np.where(np.isnan(a), b, np.where(np.isnan(b), a, np.maximum(a, b)))


def fmin(a: Any, b: Any) -> Any:
    """The smaller, ignoring NaN."""
    return np.where(np.isnan(a), b, np.where(np.isnan(b), a, np.minimum(a, b)))


def logaddexp(a: Any, b: Any) -> Any:
    """ln(eᵃ + eᵇ)."""
    d = np.where(np.equal(a, b), 0, np.subtract(a, b))
    return np.maximum(a, b) + np.log1p(np.exp(-np.absolute(d)))


def floor_divide(a: Any, b: Any) -> Any:
    """⌊a/b⌋; by 0 it is 0 among integers."""
    y = _floor_divide(a, b)
    if not isinstance(y, Traced) or y.dtype.kind == "f":
        return y
    return np.where(np.equal(b, 0), 0, np.astype(np.floor(np.true_divide(a, b)), y.dtype))


def remainder(a: Any, b: Any) -> Any:
    """a − ⌊a/b⌋·b; by 0 it is 0 among integers."""
    y = _remainder(a, b)
    if not isinstance(y, Traced) or y.dtype.kind == "f":
        return y
    return np.where(np.equal(b, 0), 0, a - floor_divide(a, b) * b)


_floor_divide, _remainder = np.floor_divide, np.remainder


def _of_floats(name: str, otherwise: bool) -> Callable[..., Any]:
    """A test that only floats can pass or fail."""
    emit = getattr(np, name)

    def test(x: Any) -> Any:
        if isinstance(x, Traced) and x.dtype.kind != "f":
            return broadcast_to(constant(otherwise), x.shape)
        return emit(x)

    return test


def _boolean(name: str) -> Callable[..., Any]:
    """max and min, also of booleans."""
    emit = getattr(np, name)

    def extreme(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        if isinstance(x, Traced) and x.dtype == bool:
            return emit(x.astype(numpy.uint8), axis=axis, keepdims=keepdims).astype(bool)
        return emit(x, axis=axis, keepdims=keepdims)

    return extreme


def any_(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether any is true."""
    return np.not_equal(np.sum(np.not_equal(x, 0), axis=axis, keepdims=keepdims), 0)


def all_(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether all are true."""
    return np.equal(np.sum(np.equal(x, 0), axis=axis, keepdims=keepdims), 0)


def _extreme_index(extreme: str) -> Callable[..., Any]:
    def emit(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        if not isinstance(x, Traced):
            return getattr(numpy, f"arg{extreme}")(x, axis=axis, keepdims=keepdims)
        rank = x.ndim
        if axis is None:
            x = reshape(x, (-1,))
        (k,) = _axes(0 if axis is None else axis, x.ndim)
        best = getattr(np, extreme)(x, axis=k, keepdims=True)
        hit = np.where(np.isnan(best), np.isnan(x), np.equal(x, best))
        n = x.shape[k]
        count = constant(numpy.arange(n).reshape((n,) + (1,) * (x.ndim - k - 1)))
        y = np.min(np.where(hit, count, n), axis=k, keepdims=keepdims)
        return reshape(y, (1,) * rank) if axis is None and keepdims else y

    return emit


def argsort(x: Any, axis: Any = -1, kind: Any = "stable") -> Any:
    """The order of the elements: each one's rank is how many come before it, and NaN comes last."""
    if not isinstance(x, Traced):
        return numpy.argsort(x, axis=axis, kind=kind)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    (k,) = _axes(axis, x.ndim)
    n = x.shape[k]
    if n > LONGEST:
        return eager("argsort", numpy.argsort, (x,), {"axis": k, "kind": kind})
    x = moveaxis(x, k, -1)
    here, there = expand_dims(x, -1), expand_dims(x, -2)
    number = constant(numpy.arange(n))
    earlier = constant(numpy.arange(n) < numpy.arange(n)[:, None])
    less = np.less(there, here) | (np.isnan(here) & np.logical_not(np.isnan(there)))
    tie = np.equal(here, there) | (np.isnan(here) & np.isnan(there))
    rank = np.sum(less | (tie & earlier), axis=-1)
    at = np.equal(expand_dims(rank, -1), number)
    return moveaxis(np.sum(np.where(at, reshape(number, (n, 1)), 0), axis=-2), -1, k)


def var(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """Σ (x − x̄)² / (n − ddof)."""
    n = 1
    for a in _axes(axis, x.ndim):
        n *= x.shape[a]
    d = x - np.mean(x, axis=axis, keepdims=True)
    return np.sum(d * d, axis=axis, keepdims=keepdims) / max(n - ddof, 0)


def std(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """√var."""
    return np.sqrt(var(x, axis, ddof, keepdims))


def cumsum(x: Any, axis: Any = None) -> Any:
    """Running sums, in as many steps as the length has binary digits: each adds what stands 1, 2, 4, … places before."""
    if not isinstance(x, Traced):
        return numpy.cumsum(x, axis=axis)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    (k,) = _axes(axis, x.ndim)
    y = x.astype(numpy.cumsum(numpy.ones(1, x.dtype)).dtype)
    places, step = numbered(x.shape), 1
    while step < x.shape[k]:
        widths = [(step, 0) if a == k else (0, 0) for a in range(x.ndim)]
        kept = tuple(slice(0, n) for n in x.shape)
        y = y + gather(y, numpy.pad(places, widths, constant_values=-1)[kept])
        step *= 2
    return y


# ---- products ----------------------------------------------------------------------------------------------------------


def product(a: Any, b: Any) -> Any:
    """matmul of vectors, matrices and stacks; one product where the right operand is one matrix."""
    a, b = lifted(a), lifted(b)
    dtype = numpy.result_type(a.dtype, b.dtype)
    if a.ndim == 0 or b.ndim == 0 or a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(f"matmul: the inner lengths of {a.shape} and {b.shape} differ")
    if a.ndim == 1:
        y = product(expand_dims(a, 0), b)
        return reshape(y, (*y.shape[:-2], y.shape[-1]) if b.ndim > 1 else y.shape[1:])
    if b.ndim == 1:
        y = product(a, expand_dims(b, 1))
        return reshape(y, y.shape[:-1])
    if a.ndim == 2 and b.ndim == 2 and dtype.kind == "f":
        return matmul(a, b)
    if b.ndim == 2 and dtype.kind == "f":
        rows = int(numpy.prod(a.shape[:-1], dtype=int))
        return reshape(matmul(reshape(a, (rows, a.shape[-1])), b), (*a.shape[:-1], b.shape[1]))
    if dtype.kind == "f":
        stack = numpy.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        return _stacks(broadcast_to(a, (*stack, *a.shape[-2:])), broadcast_to(b, (*stack, *b.shape[-2:])))
    y = np.sum(expand_dims(a, -1) * expand_dims(b, -3), axis=-2)
    return y.astype(dtype)


def _stacks(a: Any, b: Any) -> Any:
    """The product of two stacks of one length; a stack of one is a matrix, for its axes of length 1 have no loop."""
    if a.ndim > 2 and not (a.size and b.size):
        return broadcast_to(constant(0, numpy.result_type(a.dtype, b.dtype)), (*a.shape[:-1], b.shape[-1]))
    if a.ndim > 2 and all(n == 1 for n in a.shape[:-2]):
        return reshape(matmul(reshape(a, a.shape[-2:]), reshape(b, b.shape[-2:])), (*a.shape[:-1], b.shape[-1]))
    return matmul(a, b)


# ---- linear systems ----------------------------------------------------------------------------------------------------


def _routine(name: str, *arrays: Any, lower: bool = True) -> Traced:
    """What a routine of LAPACK makes of the last of some stacks of matrices; of the same length, in float32 or float64."""
    dtype = numpy.result_type(numpy.float32, *(a.dtype for a in arrays))
    stack = numpy.broadcast_shapes(*(a.shape[:-2] for a in arrays))
    given = tuple(broadcast_to(a.astype(dtype), (*stack, *a.shape[-2:])) for a in arrays)
    return Traced("routine", given, given[-1].shape, dtype, name=name, lower=lower)


def cholesky(a: Any) -> Any:
    """The lower triangular factor of each matrix; LinAlgError where there is none."""
    if not a.size:
        return eager("cholesky", linalg.cholesky, (a,), {})
    y = _routine("potrf", a)
    message = f"cholesky: a matrix (shape {a.shape}) is not positive definite. Add a little to its diagonal."
    must_hold(np.logical_not(np.isnan(places.sliced(y, (..., 0, 0)))), message, LinAlgError)
    return np.where(constant(numpy.tri(a.shape[-1], dtype=bool)), y, 0)


def solve_triangular(a: Any, b: Any, lower: bool = True) -> Any:
    """x with a x = b, of whose a only a triangle is read; LinAlgError where its diagonal has a 0."""
    a, b = lifted(a), lifted(b)
    if not a.size or not b.size:
        return eager("solve_triangular", linalg.solve_triangular, (a, b, lower), {})
    n = a.shape[-1]
    diagonal = gather(a, numbered(a.shape)[..., numpy.arange(n), numpy.arange(n)])
    message = f"solve_triangular: a matrix (shape {a.shape}) is singular: its diagonal has a 0."
    must_hold(np.not_equal(diagonal, 0), message, LinAlgError)
    return _routine("trsm", a, b, lower=lower)


def solve(a: Any, b: Any) -> Any:
    """x with a x = b; LinAlgError for a singular a."""
    a, b = lifted(a), lifted(b)
    if not a.size or not b.size:
        return eager("solve", linalg.solve, (a, b), {})
    columns = _routine("gesv", a, np.swapaxes(b, -1, -2))  # each right side is a row
    mark = np.isnan(places.sliced(columns, (..., 0, 0)))
    finite = np.logical_and(np.all(np.isfinite(a), axis=(-2, -1)), np.all(np.isfinite(b), axis=(-2, -1)))
    message = f"solve: a matrix (shape {a.shape}) is singular: some row is a combination of the others."
    must_hold(np.logical_not(np.logical_and(mark, finite)), message, LinAlgError)
    return np.swapaxes(columns, -1, -2)


def inv(a: Any) -> Any:
    """The inverse of each matrix; LinAlgError for a singular one."""
    return solve(a, constant(numpy.eye(a.shape[-1], dtype=a.dtype)))


def einsum(subscripts: str, *xs: Any) -> Any:
    """Sums of products over named axes, no letter twice in one term."""
    terms, out = subscripts.split("->")
    operands = terms.split(",")
    letters = out + "".join(sorted(set(terms) - {",", *out}))
    sizes = {c: n for t, x in zip(operands, xs, strict=True) for c, n in zip(t, x.shape, strict=True)}
    if len(xs) == 2 and numpy.result_type(xs[0].dtype, xs[1].dtype).kind == "f":
        (s, t), both = operands, set(operands[0]) & set(operands[1])
        if set(s + t) - both <= set(out):  # nothing is summed by itself: a matrix product, or a stack of them
            stack, inner = ("".join(c for c in s if c in both and (c in out) is kept) for kept in (True, False))
            left, right = ("".join(c for c in term if c not in both) for term in operands)
            rows, columns, depth = (int(numpy.prod([sizes[c] for c in w], dtype=int)) for w in (left, right, inner))
            lead = tuple(sizes[c] for c in stack)
            a = reshape(transpose(lifted(xs[0]), tuple(s.index(c) for c in stack + left + inner)), (*lead, rows, depth))
            b = reshape(transpose(lifted(xs[1]), tuple(t.index(c) for c in stack + inner + right)), (*lead, depth, columns))
            y = reshape(_stacks(a, b), tuple(sizes[c] for c in stack + left + right))
            return transpose(y, tuple((stack + left + right).index(c) for c in out))
    y = None
    for term, x in zip(operands, xs, strict=True):
        x = transpose(lifted(x), tuple(term.index(c) for c in letters if c in term))
        x = reshape(x, tuple(sizes[c] if c in term else 1 for c in letters))
        y = x if y is None else y * x
    return y if len(letters) == len(out) else np.sum(y, axis=tuple(range(len(out), len(letters))))


call_absent_functions()
np.__dict__.update(
    clip=clip, fmax=fmax, fmin=fmin, logaddexp=logaddexp, floor_divide=floor_divide, remainder=remainder,
    isnan=_of_floats("isnan", False), isinf=_of_floats("isinf", False), isfinite=_of_floats("isfinite", True),
    real=lambda x: x, conj=lambda x: x, imag=lambda x: np.zeros_like(x),
    max=_boolean("max"), min=_boolean("min"), any=any_, all=all_, argmax=_extreme_index("max"), argmin=_extreme_index("min"),
    argsort=argsort, var=var, std=std, cumsum=cumsum, matmul=product, einsum=einsum, cholesky=cholesky, solve=solve,
    solve_triangular=solve_triangular, inv=inv, **places.FUNCTIONS,
)  # fmt: skip
