"""Linear systems, inverses, determinants and Cholesky factors, of single matrices and of stacks of them.

They are reached as ``np.linalg.solve(a, b)`` and so on, or as ``ag.solve(a, b)``. The rules are those of matrix calculus:
differentiate the defining equation and solve for the unknown (M. Giles, *Collected matrix derivative results*, 2008).
Complex matrices follow the convention of all other ops: a derivative is that of a holomorphic function, with ᵀ and not ᴴ.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy

from autograd.apply import apply, composite, tensor
from autograd.errors import DTypeError, ShapeError, user_line
from autograd.ops.linalg import turned
from autograd.rule import constant, np, primitive


@primitive(vjp=lambda g, y: -np.matmul(turned(y), np.matmul(g, turned(y))),
           jvp=lambda t, y: -np.matmul(y, np.matmul(t, y)), label="A⁻¹")  # fmt: skip
def inv(a, /):
    """Inverse, y = a⁻¹, from a y = I: dy = −y da y, so that a gets −yᵀ g yᵀ.

    To solve a x = b, `solve` is faster and more exact than ``inv(a) @ b``.

    Shape: (…, n, n) → (…, n, n). Errors: LinAlgError for a singular matrix, or one that is not square.

    >>> import numpy as np
    >>> import autograd as ag
    >>> np.linalg.inv(ag.Tensor([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    return np.inv(a)


@primitive(vjp=(lambda g, a, y: -np.matmul(np.solve(turned(a), g), turned(y)), lambda g, a: np.solve(turned(a), g)),
           jvp=(lambda t, a, y: -np.solve(a, np.matmul(t, y)), lambda t, a: np.solve(a, t)), label="A⁻¹b")  # fmt: skip
def solve(a, b, /):
    """Solution of a y = b for matrices b; dy = a⁻¹ (db − da y), so that b gets a⁻ᵀ g, and a gets −a⁻ᵀ g yᵀ."""
    return np.solve(a, b)


_solve = solve


@composite(method=False)
def solve(a: Any, b: Any) -> Any:
    """The solution y of a y = b, for a vector or a matrix b; dy = a⁻¹ (db − da y).

    Backward solves with aᵀ once: b gets h = a⁻ᵀ g, and a gets −h yᵀ.

    Shape: (…, n, n), (n,) → (…, n), or (…, n, n), (…, n, m) → (…, n, m), as NumPy 2 has it.
    Errors: LinAlgError for a singular matrix, or one that is not square.

    >>> import numpy as np
    >>> import autograd as ag
    >>> np.linalg.solve(ag.Tensor([[2.0, 1.0], [1.0, 3.0]]), np.array([3.0, 4.0])).tolist()
    [1.0, 1.0]
    """
    return _of_columns(_solve.op, a, b, {})


def _of_columns(op: Any, a: Any, b: Any, settings: dict[str, Any]) -> Any:
    """An op on matrices, with b perhaps a vector."""
    a, b = tensor(a), tensor(b)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2] or b.ndim == 0 or b.shape[-1 if b.ndim == 1 else -2] != a.shape[-1]:
        raise ShapeError(
            f"{op.name} takes a square matrix (…, n, n) and a right side (n,) or (…, n, m), got shapes {a.shape} and "
            f"{b.shape}. ({user_line()})"
        )
    if b.ndim == 1:
        return apply(op, (a, b.reshape((-1, 1))), settings).squeeze(-1)
    return apply(op, (a, b), settings)


def triangle(x: Any, lower: bool) -> Any:
    """x with zeros outside of its lower or upper triangle."""
    ones = numpy.ones(x.shape[-2:], x.dtype)
    return x * (numpy.tril(ones) if lower else numpy.triu(ones))


@primitive(vjp=(lambda g, a, y, lower: triangle(-np.matmul(np.solve_triangular(turned(a), g, not lower), turned(y)), lower),
                lambda g, a, lower: np.solve_triangular(turned(a), g, not lower)),
           jvp=(lambda t, a, y, lower: -np.solve_triangular(a, np.matmul(triangle(t, lower), y), lower),
                lambda t, a, lower: np.solve_triangular(a, t, lower)), label="L⁻¹b")  # fmt: skip
def solve_triangular(a, b, /, lower=True):
    """Solution of a y = b with a triangular matrix; as `solve`, but the gradient of a is 0 outside of the triangle."""
    return np.solve_triangular(a, b, lower)


_solve_triangular = solve_triangular


@composite(method=False)
def solve_triangular(a: Any, b: Any, lower: bool = True) -> Any:
    """The solution y of a y = b where a is lower (or upper) triangular: n² steps a column instead of n³/3 in all.

    What stands in the other triangle is not read, and gets the gradient 0. Gradients are those of `solve`.

    Shape: (…, n, n), (n,) or (…, n, m) → (…, n) or (…, n, m). Errors: LinAlgError where the diagonal has a 0.

    >>> import autograd as ag
    >>> ag.solve_triangular(ag.Tensor([[2.0, 0.0], [1.0, 4.0]]), [2.0, 9.0]).tolist()
    [1.0, 2.0]
    """
    return _of_columns(_solve_triangular.op, a, b, {"lower": bool(lower)})


def symmetric(a: Any) -> Any:
    """The mean of a and aᵀ."""
    return (a + turned(a)) / 2


def halved(x: Any) -> Any:
    """The lower triangle of x, with half of its diagonal: Φ in Murray's paper."""
    return x * (numpy.tril(numpy.ones(x.shape[-2:], x.dtype)) - numpy.eye(x.shape[-1], dtype=x.dtype) / x.dtype.type(2))


def cholesky_back(g: Any, y: Any) -> Any:
    """L⁻ᵀ Φ(Lᵀ g) L⁻¹, made symmetric."""
    inner = halved(np.matmul(turned(y), triangle(g, True)))
    left = np.solve_triangular(turned(y), inner, False)
    return symmetric(turned(np.solve_triangular(turned(y), turned(left), False)))


def cholesky_on(t: Any, y: Any) -> Any:
    """L Φ(L⁻¹ da L⁻ᵀ)."""
    left = np.solve_triangular(y, symmetric(t), True)
    return np.matmul(y, halved(turned(np.solve_triangular(y, turned(left), True))))


@primitive(vjp=lambda g, y: cholesky_back(g, y), jvp=lambda t, y: cholesky_on(t, y), label="chol")
def cholesky(a, /):
    """Cholesky factor L of the symmetric part of a, L Lᵀ = (a + aᵀ)/2; dL = L Φ(L⁻¹ da L⁻ᵀ), Φ the lower half."""
    return np.cholesky(symmetric(a))


_cholesky = cholesky


@composite(method=False)
def cholesky(a: Any, *, upper: bool = False) -> Any:
    """The Cholesky factor L of a symmetric positive definite matrix, L Lᵀ = a, lower triangular; Lᵀ if ``upper``.

    With Φ(X) the lower triangle of X and half of its diagonal: dL = L Φ(L⁻¹ da L⁻ᵀ), and backward a gets the symmetric part
    of L⁻ᵀ Φ(Lᵀ g) L⁻¹. NumPy reads only one triangle of a; here the mean (a + aᵀ)/2 is factored, which is the same for a
    symmetric a, and makes the derivative right in every direction.

    Shape: (…, n, n) → (…, n, n). Errors: LinAlgError for a matrix that is not positive definite, with its smallest
    eigenvalue; DTypeError for complex matrices that require a gradient. Source: I. Murray, *Differentiation of the Cholesky
    decomposition*, 2016.

    >>> import numpy as np
    >>> import autograd as ag
    >>> np.linalg.cholesky(ag.Tensor([[4.0, 2.0], [2.0, 5.0]])).tolist()
    [[2.0, 0.0], [1.0, 2.0]]
    """
    a = tensor(a)
    if a.dtype.kind == "c":
        if a.requires_grad:
            raise DTypeError(f"cholesky of complex matrices has no derivative here; pass t.detach(). ({user_line()})")
        return tensor(numpy.linalg.cholesky(a.data, upper=upper))
    y = apply(_cholesky.op, (a,))
    return turned(y) if upper else y


def traced(x: Any) -> Any:
    """The sum over the last two axes."""
    return np.sum(x, axis=(-2, -1))


def apart(g: Any) -> Any:
    """A number for each matrix, to meet the matrices."""
    return np.expand_dims(g, (-2, -1))


def cofactor_back(g: Any, a: Any, y: Any) -> Any:
    """⟨g, y⟩ a⁻ᵀ − y gᵀ a⁻ᵀ."""
    back = turned(np.inv(a))
    return apart(traced(g * y)) * back - np.matmul(y, np.matmul(turned(g), back))


def cofactor_on(t: Any, a: Any, y: Any) -> Any:
    """tr(a⁻¹ t) y − y tᵀ a⁻ᵀ."""
    back = turned(np.inv(a))
    return apart(traced(back * t)) * y - np.matmul(y, np.matmul(turned(t), back))


@primitive(vjp=lambda g, a, y: cofactor_back(g, a, y), jvp=lambda t, a, y: cofactor_on(t, a, y), label="cof")
def cofactor(a, /):
    """Cofactors, y = det(a) a⁻ᵀ, the derivative of the determinant; right of singular matrices too, which have no dy here.

    Shape: (…, n, n) → (…, n, n). Its own derivative needs a⁻¹, and raises LinAlgError where there is none.

    >>> import autograd as ag
    >>> ag.cofactor(ag.Tensor([[1.0, 2.0], [3.0, 4.0]])).numpy().round(4).tolist()
    [[4.0, -3.0], [-2.0, 1.0]]
    """
    return np.cofactor(a)


@primitive(vjp=lambda g, a: apart(g) * np.cofactor(a), jvp=lambda t, a: traced(t * np.cofactor(a)), label="det")
def det(a, /):
    """Determinant, y = det a; dy/da = the cofactors, det(a) a⁻ᵀ, right of singular matrices too.

    For large matrices it overflows: use `slogdet`. Shape: (…, n, n) → (…). Errors: LinAlgError if not square.

    >>> import numpy as np
    >>> import autograd as ag
    >>> a = ag.Tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    >>> np.linalg.det(a).backward()
    >>> a.grad.numpy().round(4).tolist()
    [[4.0, -2.0], [-2.0, 1.0]]
    """
    return np.det(a)


@primitive(vjp=lambda g, a: apart(g) * turned(np.inv(a)), jvp=lambda t, a: traced(t * turned(np.inv(a))), label="ln|det|")
def logabsdet(a, /):
    """y = ln |det a|; dy/da = a⁻ᵀ. −inf of a singular matrix, where the derivative raises LinAlgError.

    Shape: (…, n, n) → (…).

    >>> import numpy as np
    >>> import autograd as ag
    >>> float(ag.logabsdet(ag.Tensor(np.eye(3) * np.e)))
    3.0
    """
    return np.logabsdet(a)


@constant(label="sign det")
def detsign(a, /):
    """The sign of det a: 1 or −1, and 0 of a singular matrix.

    >>> import autograd as ag
    >>> float(ag.detsign([[0.0, 1.0], [1.0, 0.0]]))
    -1.0
    """
    return np.detsign(a)


class SignAndLog(NamedTuple):
    """What `slogdet` returns."""

    sign: Any
    logabsdet: Any


@composite(method=False)
def slogdet(a: Any) -> SignAndLog:
    """(sign, ln |det a|), which does not overflow; d ln |det a| = tr(a⁻¹ da), so that a gets g a⁻ᵀ. The sign is constant.

    Shape: (…, n, n) → (…), (…). Errors: LinAlgError where a singular matrix is differentiated; DTypeError for complex
    matrices that require a gradient.

    >>> import numpy as np
    >>> import autograd as ag
    >>> sign, logabsdet = np.linalg.slogdet(ag.Tensor(-np.eye(3) * 10, requires_grad=True))
    >>> sign.item(), round(logabsdet.item(), 4)
    (-1.0, 6.9078)
    """
    a = tensor(a)
    if a.dtype.kind == "c" and a.requires_grad:
        raise DTypeError(f"slogdet of complex matrices has no derivative here; use det(a), or t.detach(). ({user_line()})")
    return SignAndLog(detsign(a), logabsdet(a))
