"""Comparisons, logic and tests: without a derivative, their results never require a gradient."""

from autograd.rule import constant, np


@constant(operator="=")
def equal(a, b, /):
    """a = b."""
    return np.equal(a, b)


@constant(operator="≠")
def not_equal(a, b, /):
    """a ≠ b."""
    return np.not_equal(a, b)


@constant(operator="<")
def less(a, b, /):
    """a < b."""
    return np.less(a, b)


@constant(operator="≤")
def less_equal(a, b, /):
    """a ≤ b."""
    return np.less_equal(a, b)


@constant(operator=">")
def greater(a, b, /):
    """a > b."""
    return np.greater(a, b)


@constant(operator="≥")
def greater_equal(a, b, /):
    """a ≥ b."""
    return np.greater_equal(a, b)


@constant(operator="∧")
def bitwise_and(a, b, /):
    """a and b, bit by bit; of masks, both."""
    return np.bitwise_and(a, b)


@constant(operator="∨")
def bitwise_or(a, b, /):
    """a or b, bit by bit; of masks, either."""
    return np.bitwise_or(a, b)


@constant(operator="⊻")
def bitwise_xor(a, b, /):
    """a or b but not both, bit by bit."""
    return np.bitwise_xor(a, b)


@constant(operator="¬")
def invert(x, /):
    """Not x, bit by bit; of a mask, the others."""
    return np.invert(x)


@constant
def logical_and(a, b, /):
    """Whether both are true."""
    return np.logical_and(a, b)


@constant
def logical_or(a, b, /):
    """Whether either is true."""
    return np.logical_or(a, b)


@constant
def logical_not(x, /):
    """Whether x is false."""
    return np.logical_not(x)


@constant
def isnan(x, /):
    """Whether x is NaN."""
    return np.isnan(x)


@constant
def isinf(x, /):
    """Whether x is infinite."""
    return np.isinf(x)


@constant
def isfinite(x, /):
    """Whether x is neither infinite nor NaN."""
    return np.isfinite(x)


@constant
def signbit(x, /):
    """Whether the sign bit of x is set."""
    return np.signbit(x)


@constant
def any(x, /, axis=None, keepdims=False):
    """Whether any element along the axes is true."""
    return np.any(x, axis=axis, keepdims=keepdims)


@constant
def all(x, /, axis=None, keepdims=False):
    """Whether all elements along the axes are true."""
    return np.all(x, axis=axis, keepdims=keepdims)


@constant
def argmax(x, /, axis=None, keepdims=False):
    """Index of the largest element, the first at a tie, that of the first NaN if there is one."""
    return np.argmax(x, axis=axis, keepdims=keepdims)


@constant
def argmin(x, /, axis=None, keepdims=False):
    """Index of the smallest element, the first at a tie, that of the first NaN if there is one."""
    return np.argmin(x, axis=axis, keepdims=keepdims)


@constant
def argsort(x, /, axis=-1, kind="stable"):
    """Indices that would sort along the axis."""
    return np.argsort(x, axis=axis, kind=kind)


@constant
def zeros_like(x, /, dtype=None):
    """Zeros of the shape of x."""
    return np.zeros_like(x, dtype=dtype)


@constant
def ones_like(x, /, dtype=None):
    """Ones of the shape of x."""
    return np.ones_like(x, dtype=dtype)
