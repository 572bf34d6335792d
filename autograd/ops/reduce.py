"""Reductions and scans along axes."""

from __future__ import annotations

from typing import Any

import numpy

from autograd.apply import ROUTES, apply, composite, tensor
from autograd.errors import UnsupportedError, user_line
from autograd.ops.arithmetic import absolute, conjugate_of
from autograd.rule import kept, linear, np, reduction


def expand(g: Any, shape: tuple[int, ...], axis: Any, keepdims: bool) -> Any:
    """A reduced array spread back over the axes that were reduced."""
    if axis is not None and not keepdims and shape:  # NumPy lets a 0-d array be reduced over axis 0
        g = np.expand_dims(g, axis)
    return np.broadcast_to(g, shape)


def length(shape: tuple[int, ...], axis: Any) -> int:
    """The number of elements that one result was reduced from."""
    n = 1
    for k in range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,):
        n *= shape[k]
    return n


@linear(lambda g, shape, axis, keepdims: expand(g, shape, axis, keepdims), label="Σ")
def sum(x, /, axis=None, keepdims=False):
    """Sum over axes, y = Σ x; dy/dx = 1."""
    return np.sum(x, axis=axis, keepdims=keepdims)


@linear(lambda g, shape, axis, keepdims: expand(g / length(shape, axis), shape, axis, keepdims))
def mean(x, /, axis=None, keepdims=False):
    """Mean over axes, y = Σ x / n; dy/dx = 1/n."""
    return np.mean(x, axis=axis, keepdims=keepdims)


def at_extreme(x: Any, y: Any, axis: Any, keepdims: bool) -> Any:
    """Weights that pick the extreme elements; ties share equally."""
    hit = np.astype(np.equal(x, kept(y, axis, keepdims)), x.dtype)
    return hit / np.maximum(np.sum(hit, axis=axis, keepdims=True), 1)


@reduction(lambda y, x, axis, keepdims: at_extreme(x, y, axis, keepdims))
def max(x, /, axis=None, keepdims=False):
    """Largest element over axes; the gradient goes to it, shared equally at a tie. NaN propagates."""
    return np.max(x, axis=axis, keepdims=keepdims)


@reduction(lambda y, x, axis, keepdims: at_extreme(x, y, axis, keepdims))
def min(x, /, axis=None, keepdims=False):
    """Smallest element over axes; the gradient goes to it, shared equally at a tie. NaN propagates."""
    return np.min(x, axis=axis, keepdims=keepdims)


def others(x: Any, axis: Any) -> Any:
    """For each element the product of all the others along the axes, right also where elements are 0."""
    zero = np.equal(x, 0)
    zeros = np.sum(zero, axis=axis, keepdims=True)
    rest = np.prod(np.where(zero, 1, x), axis=axis, keepdims=True)
    alone = np.where(np.equal(zeros, 0), rest / np.where(zero, 1, x), 0)
    return np.where(np.logical_and(zero, np.equal(zeros, 1)), rest, alone)


@reduction(lambda x, axis: others(x, axis), label="Π")
def prod(x, /, axis=None, keepdims=False):
    """Product over axes, y = Π x; dy/dxᵢ = the product of the others, right also at zeros."""
    return np.prod(x, axis=axis, keepdims=keepdims)


def centred(x: Any, axis: Any) -> Any:
    """x minus its mean over the axes; conjugated, where that makes a difference."""
    return conjugate_of(x - np.mean(x, axis=axis, keepdims=True))


@reduction(lambda x, shape, axis, ddof: centred(x, axis) * (2 / freedom(shape, axis, ddof)))
def var(x, /, axis=None, ddof=0, keepdims=False):
    """Variance over axes, y = Σ (x − x̄)² / (n − ddof); dy/dx = 2(x − x̄)/(n − ddof)."""
    return np.var(x, axis=axis, ddof=ddof, keepdims=keepdims)


def freedom(shape: tuple[int, ...], axis: Any, ddof: int) -> float:
    """n − ddof; NaN where nothing is left, as NumPy has it."""
    n = length(shape, axis) - ddof
    return n if n > 0 else float("nan")


def direction(x: Any, y: Any, shape: tuple[int, ...], axis: Any, ddof: int, keepdims: bool) -> Any:
    """(x − x̄)/((n − ddof)·y), and 0 where the deviation is 0."""
    scale = kept(y, axis, keepdims) * freedom(shape, axis, ddof)
    return np.where(np.equal(scale, 0), 0, centred(x, axis) / np.where(np.equal(scale, 0), 1, scale))


@reduction(lambda y, x, shape, axis, ddof, keepdims: direction(x, y, shape, axis, ddof, keepdims))
def std(x, /, axis=None, ddof=0, keepdims=False):
    """Standard deviation over axes, y = √var; dy/dx = (x − x̄)/((n − ddof)·y), 0 where y = 0."""
    return np.std(x, axis=axis, ddof=ddof, keepdims=keepdims)


def unit(x: Any, y: Any, axis: Any, keepdims: bool) -> Any:
    """x/y, and 0 where the length y is 0."""
    scale = kept(y, axis, keepdims)
    return x / np.where(np.equal(scale, 0), 1, scale)


@reduction(lambda y, x, axis, keepdims: unit(x, y, axis, keepdims), label="‖·‖")
def norm(x, /, axis=None, keepdims=False):
    """Length of a vector, or of all elements over axes, y = √Σ x²; dy/dx = x/y, 0 where y = 0."""
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


_norm = norm


@composite(method=False)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """A norm over one axis, as of vectors, or over two, as of matrices, in NumPy's words.

    ``ord`` of vectors: 2 (or None), 1, ±inf, or any other p ≠ 0: (Σ|x|ᵖ)¹ᐟᵖ. Of matrices: "fro" (or None), ±1 and ±inf, the
    largest or smallest sum of a column or row. Where a length is 0, its derivative is 0.

    Errors: UnsupportedError for the norms of matrices that need singular values.

    >>> import numpy as np
    >>> import autograd as ag
    >>> np.linalg.norm(ag.Tensor([[3.0, 4.0], [6.0, 8.0]]), axis=1).tolist()
    [5.0, 10.0]
    """
    x = tensor(x)
    x = absolute(x) if x.dtype.kind == "c" else x
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if ord is None or ord == 2 and len(axes) == 1 or ord == "fro" and len(axes) == 2:
        return apply(_norm.op, (x,), {"axis": axis, "keepdims": keepdims})
    if len(axes) == 1 and not isinstance(ord, str) and ord != 0:
        size = absolute(x)
        if ord in (numpy.inf, -numpy.inf):
            return (max if ord > 0 else min)(size, axis=axes, keepdims=keepdims)
        return sum(size**ord, axis=axes, keepdims=keepdims) ** (1 / ord) if ord != 1 else sum(size, axes, keepdims)
    if len(axes) == 2 and ord in (1, -1, numpy.inf, -numpy.inf):
        down, along = axes if ord in (1, -1) else axes[::-1]
        total = sum(absolute(x), axis=down, keepdims=True)
        y = (max if ord > 0 else min)(total, axis=along, keepdims=True)
        return y if keepdims else y.squeeze(axes)
    raise UnsupportedError(
        f"norm with ord={ord!r} over {len(axes)} axes has no derivative here. Vectors have ord=1, 2, inf or another p, and "
        f"matrices 'fro', 1 and inf. ({user_line()})"
    )


def finite(m: Any) -> Any:
    """m with 0 in place of what is not finite."""
    return np.where(np.isfinite(m), m, 0)


def raised(x: Any, axis: Any) -> tuple[Any, Any]:
    """m, the largest x, and eˣ⁻ᵐ, which does not overflow."""
    top = finite(np.max(x, axis=axis, keepdims=True))
    return top, np.exp(x - top)


def shares(x: Any, axis: Any) -> Any:
    """The softmax of x; 0 where everything is −inf."""
    _, e = raised(x, axis)
    total = np.sum(e, axis=axis, keepdims=True)
    return e / (total + np.equal(total, 0))


@reduction(lambda x, axis: shares(x, axis))
def logsumexp(x, /, axis=None, keepdims=False):
    """y = ln Σ eˣ without overflow; dy/dx = eˣ⁻ʸ. Of −inf alone, −inf with gradient 0."""
    top, e = raised(x, axis)
    y = np.log(np.sum(e, axis=axis, keepdims=True)) + top
    return y if keepdims else np.reshape(y, dropped(y.shape, axis))


def dropped(shape: tuple[int, ...], axis: Any) -> tuple[int, ...]:
    """A shape without the axes that were reduced."""
    if axis is None:
        return ()
    gone = {k % len(shape) for k in (axis if isinstance(axis, tuple) else (axis,))}
    return tuple(n for k, n in enumerate(shape) if k not in gone)


@linear(
    lambda g, shape, axis: np.reshape(
        np.flip(np.cumsum(np.flip(g, axis if axis is not None else 0), axis=axis), axis if axis is not None else 0), shape
    )
)
def cumsum(x, /, axis=None):
    """Running sum along an axis (of the flattened array if None); dyⱼ/dxᵢ = 1 for i ≤ j."""
    return np.cumsum(x, axis=axis)


for _ufunc, _reduction in ((numpy.add, sum), (numpy.maximum, max), (numpy.minimum, min), (numpy.multiply, prod),
                           (numpy.logaddexp, logsumexp)):  # fmt: skip
    ROUTES[_ufunc, "reduce"] = lambda x, axis=0, keepdims=False, _f=_reduction, **_: _f(x, axis=axis, keepdims=keepdims)


@composite()
def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Range over axes, max − min."""
    return max(x, axis=axis, keepdims=keepdims) - min(x, axis=axis, keepdims=keepdims)


ROUTES[numpy.amax], ROUTES[numpy.amin] = max, min
