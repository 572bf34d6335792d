"""Arithmetic, powers, minima and maxima, piecewise-linear functions: elementwise."""

from typing import Any

import numpy

from autograd.apply import ROUTES, apply, composite, tensor
from autograd.errors import DTypeError, user_line
from autograd.rule import OPS, elementwise, linear, np, primitive
from autograd.tensor import Tensor


@elementwise(1, 1, operator="+")
def add(a, b, /):
    """Sum, y = a + b; dy/da = 1, dy/db = 1."""
    return np.add(a, b)


@elementwise(1, -1, operator="-")
def subtract(a, b, /):
    """Difference, y = a − b; dy/da = 1, dy/db = −1."""
    return np.subtract(a, b)


@elementwise(lambda b: b, lambda a: a, operator="×")
def multiply(a, b, /):
    """Product, y = a·b; dy/da = b, dy/db = a."""
    return np.multiply(a, b)


@elementwise(lambda d: d, lambda c: c, label="·", strong=True)
def strong_multiply(c, d, /):
    """Product y = c·d in which a zero c stays zero even against an infinite or undefined d; dy/dc = d, dy/dd = c."""
    return np.strong_multiply(c, d)


@elementwise(lambda b: 1 / b, lambda y, b: -y / b, operator="/", strong=True)
def divide(a, b, /):
    """Quotient, y = a/b; dy/da = 1/b, dy/db = −y/b. Division by zero gives inf or NaN."""
    return np.true_divide(a, b)


@elementwise(-1, operator="−")
def negative(x, /):
    """Negation, y = −x; dy/dx = −1."""
    return np.negative(x)


@elementwise(1, operator="+·")
def positive(x, /):
    """Identity, y = +x; dy/dx = 1."""
    return np.positive(x)


@elementwise(lambda a, b: b * a ** (b * 1 - (b != 0)), lambda y, a: y * np.log(a + (a == 0)), operator="^", strong=True)
def power(a, b, /):
    """Power, y = aᵇ; dy/da = b·aᵇ⁻¹ (0 where b = 0), dy/db = y·ln a (0 at a = 0). 0⁰ = 1; negative a needs an integer b."""
    return a**b


@elementwise(lambda x: 2 * x)
def square(x, /):
    """Square, y = x²; dy/dx = 2x."""
    return np.square(x)


@elementwise(lambda y: 0.5 / y, label="√", strong=True)
def sqrt(x, /):
    """Square root, y = √x; dy/dx = 1/(2y), infinite at 0."""
    return np.sqrt(x)


@elementwise(lambda y: 1 / (3 * y * y), label="∛", strong=True)
def cbrt(x, /):
    """Cube root, y = ∛x; dy/dx = 1/(3y²), infinite at 0."""
    return np.cbrt(x)


@elementwise(lambda y: -y * y, label="1/·", strong=True)
def reciprocal(x, /):
    """Reciprocal, y = 1/x; dy/dx = −y²."""
    return np.reciprocal(x)


@elementwise(lambda x: direction_of(x), operator="|·|")
def absolute(x, /):
    """Absolute value, y = |x|; dy/dx = sign x, 0 at 0; of complex x, x̄/|x|."""
    return np.absolute(x)


composite("abs")(absolute)


@elementwise(0)
def sign(x, /):
    """Sign, −1, 0 or 1; derivative 0."""
    return np.sign(x)


@elementwise(0, label="⌊·⌋")
def floor(x, /):
    """Largest integer not above x; derivative 0."""
    return np.floor(x)


@elementwise(0, label="⌈·⌉")
def ceil(x, /):
    """Smallest integer not below x; derivative 0."""
    return np.ceil(x)


@elementwise(0)
def rint(x, /):
    """Nearest integer, ties to even; derivative 0."""
    return np.rint(x)


@composite("around")
def round(x: Any, decimals: int = 0) -> Any:
    """Nearest number with so many decimals, ties to even; derivative 0."""
    x = tensor(x)
    return rint(x) if decimals == 0 else rint(x * 10.0**decimals) / 10.0**decimals


@elementwise(0)
def trunc(x, /):
    """x without its fraction; derivative 0."""
    return np.trunc(x)


@elementwise(1, lambda a, b: -np.floor_divide(a, b), operator="%", label="mod")
def remainder(a, b, /):
    """Remainder with the sign of b, y = a − ⌊a/b⌋·b; dy/da = 1, dy/db = −⌊a/b⌋."""
    return np.remainder(a, b)


@elementwise(0, 0, operator="//")
def floor_divide(a, b, /):
    """Floor of the quotient, ⌊a/b⌋; derivative 0."""
    return np.floor_divide(a, b)


HALF = np.float32(0.5)  # exact, and narrow enough to widen no gradient


@elementwise(lambda a, b: np.where(a == b, HALF, a > b), lambda a, b: np.where(a == b, HALF, b > a), label="max")
def maximum(a, b, /):
    """Larger of a and b; the gradient goes to it, and is split in half at a tie. NaN propagates."""
    return np.maximum(a, b)


@elementwise(lambda a, b: np.where(a == b, HALF, a < b), lambda a, b: np.where(a == b, HALF, b < a), label="min")
def minimum(a, b, /):
    """Smaller of a and b; the gradient goes to it, and is split in half at a tie. NaN propagates."""
    return np.minimum(a, b)


@elementwise(lambda a, b: np.where(a == b, HALF, (a > b) | np.isnan(b)),
             lambda a, b: np.where(a == b, HALF, (b > a) | np.isnan(a)))  # fmt: skip
def fmax(a, b, /):
    """Larger of a and b, ignoring NaN; the gradient goes to it, and is split in half at a tie."""
    return np.fmax(a, b)


@elementwise(lambda a, b: np.where(a == b, HALF, (a < b) | np.isnan(b)),
             lambda a, b: np.where(a == b, HALF, (b < a) | np.isnan(a)))  # fmt: skip
def fmin(a, b, /):
    """Smaller of a and b, ignoring NaN; the gradient goes to it, and is split in half at a tie."""
    return np.fmin(a, b)


@primitive(vjp=lambda g, x, low, high: g * inside(x, low, high), jvp=lambda t, x, low, high: t * inside(x, low, high))
def clip(x, /, low=None, high=None):
    """x limited to [low, high]; dy/dx = 1 inside and on the bounds, 0 outside."""
    return np.clip(x, low, high)


@composite()
def clip(x: Any, low: Any = None, high: Any = None, *,  # noqa: F811
         a_min: Any = None, a_max: Any = None, min: Any = None, max: Any = None) -> Any:  # fmt: skip
    """x limited to [low, high]; dy/dx = 1 inside and on the bounds, 0 outside. NumPy's other names for the bounds do too.

    A bound that is a Tensor gets its share of the gradient, by `maximum` and `minimum`, which split ties in half.
    """
    low = next((b for b in (low, a_min, min) if b is not None), None)
    high = next((b for b in (high, a_max, max) if b is not None), None)
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        x = x if low is None else maximum(x, low)
        return x if high is None else minimum(x, high)
    low, high = (numpy.array(b) if isinstance(b, numpy.ndarray | list) else b for b in (low, high))
    return apply(OPS["clip"], (x,), {"low": low, "high": high})


def inside(x: Any, low: Any, high: Any) -> Any:
    """Where x lies within the bounds of which either may be missing."""
    above = True if low is None else x >= low
    return above & (True if high is None else x <= high)


@primitive(vjp=(None, lambda g, c: np.where(c, g, 0), lambda g, c: np.where(c, 0, g)),
           jvp=(None, lambda t, c: np.where(c, t, 0), lambda t, c: np.where(c, 0, t)), label="where")  # fmt: skip
def select(c, a, b, /):
    """a where c holds, else b; the gradient goes to the one that was taken, and the other's is exactly 0."""
    return np.where(c, a, b)


del ROUTES[numpy.select]  # another function of that name

@elementwise(lambda y, a: a / np.where(y == 0, 1, y), lambda y, b: b / np.where(y == 0, 1, y))
def hypot(a, b, /):
    """Length of (a, b), y = √(a² + b²); dy/da = a/y, dy/db = b/y, 0 at the origin."""
    return np.hypot(a, b)


@elementwise(lambda y, x: y > 0)
def relu(x, /):
    """Rectified linear unit, y = max(0, x); dy/dx = 1 where x > 0, else 0 (so 0 at 0)."""
    return np.maximum(x, 0)


@linear(lambda g: np.real(g), label="Re", view=True)
def real(x, /):
    """Real part."""
    return np.real(x)


@linear(lambda g: g * -1j, label="Im")  # this way round: complex × np.float64 would be a Python complex
def imag(x, /):
    """Imaginary part; 0 for real x."""
    return np.imag(x)


@linear(lambda g: np.conj(g), label="conj")
def conj(x, /):
    """Complex conjugate."""
    return np.conj(x)


def is_complex(x: Any) -> bool:
    """Whether x, an array, a Tensor or a number on its way through a rule, is complex."""
    return getattr(getattr(x, "dtype", None), "kind", "f") == "c"


def conjugate_of(x: Any) -> Any:
    """The conjugate, without a pass over x where it is real."""
    return np.conj(x) if is_complex(x) else x


def direction_of(x: Any) -> Any:
    """x̄/|x|, which is the sign of a real x; 0 at 0."""
    if not is_complex(x):
        return np.sign(x)
    length = np.absolute(x)
    return np.conj(x) / (length + (length == 0))


Tensor.real, Tensor.imag = property(real), property(imag)  # as they are of an ndarray


@composite(method=False)
def where(condition: Any, a: Any = None, b: Any = None) -> Any:
    """a where the condition holds, else b. The gradient of the one not taken is exactly zero, even if it is infinite."""
    if a is None or b is None:
        raise DTypeError(f"where(condition) alone has a result whose shape depends on values: pass a and b. ({user_line()})")
    return select(condition, a, b)
