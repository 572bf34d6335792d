"""Values and gradients at kinks, ties, poles and infinities, as the docstrings state them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import autograd as ag

INF, NAN = math.inf, math.nan

SPECIAL: list[tuple[str, Any, list[Any], Any, list[Any]]] = [
    # what, function, arguments, value, gradients
    ("relu at 0", ag.relu, [0.0], 0.0, [0.0]),
    ("relu of NaN", ag.relu, [NAN], NAN, [0.0]),
    ("abs at 0", ag.absolute, [0.0], 0.0, [0.0]),
    ("sign at 0", ag.sign, [0.0], 0.0, [0.0]),
    ("maximum, tie", ag.maximum, [1.0, 1.0], 1.0, [0.5, 0.5]),
    ("minimum, tie", ag.minimum, [1.0, 1.0], 1.0, [0.5, 0.5]),
    ("fmax, tie", ag.fmax, [1.0, 1.0], 1.0, [0.5, 0.5]),
    ("fmax, NaN", ag.fmax, [NAN, 1.0], 1.0, [0.0, 1.0]),
    ("fmin, NaN", ag.fmin, [1.0, NAN], 1.0, [1.0, 0.0]),
    ("maximum, NaN", ag.maximum, [NAN, 1.0], NAN, [0.0, 0.0]),
    ("max, tie", ag.max, [[3.0, 1.0, 3.0]], 3.0, [[0.5, 0.0, 0.5]]),
    ("min, tie", ag.min, [[1.0, 1.0, 1.0]], 1.0, [[1 / 3] * 3]),
    ("max, infinite tie", ag.max, [[INF, INF]], INF, [[0.5, 0.5]]),
    ("clip at bounds", lambda x: ag.clip(x, -1, 1), [[-2.0, -1.0, 0.0, 1.0]], [-1, -1, 0, 1], [[0, 1, 1, 1]]),
    ("0 to the power 0", ag.power, [0.0, 0.0], 1.0, [0.0, 0.0]),
    ("0 to the power 2", ag.power, [0.0, 2.0], 0.0, [0.0, 0.0]),
    ("0 to the power 1", ag.power, [0.0, 1.0], 0.0, [1.0, 0.0]),
    ("x to the power 0", lambda x: x**0, [0.0], 1.0, [0.0]),
    ("x squared at 0", lambda x: x**2, [0.0], 0.0, [0.0]),
    ("x cubed at −2", lambda x: x**3, [-2.0], -8.0, [12.0]),
    ("negative to a fraction", lambda x: x**0.5, [-8.0], NAN, [NAN]),
    ("0 to a half", lambda x: x**0.5, [0.0], 0.0, [INF]),
    ("0 to the power −1", lambda x: x**-1.0, [0.0], INF, [-INF]),
    ("power with an infinite base", ag.power, [INF, 2.0], INF, [INF, INF]),
    ("sqrt at 0", ag.sqrt, [0.0], 0.0, [INF]),
    ("cbrt at 0", ag.cbrt, [0.0], 0.0, [INF]),
    ("log at 0", ag.log, [0.0], -INF, [INF]),
    ("log1p at −1", ag.log1p, [-1.0], -INF, [INF]),
    ("division by zero", ag.divide, [1.0, 0.0], INF, [INF, -INF]),
    ("reciprocal of zero", ag.reciprocal, [0.0], INF, [-INF]),
    ("hypot at the origin", ag.hypot, [0.0, 0.0], 0.0, [0.0, 0.0]),
    ("exp overflows", ag.exp, [1000.0], INF, [INF]),
    ("sigmoid, far out", ag.sigmoid, [[-1000.0, 1000.0]], [0.0, 1.0], [[0.0, 0.0]]),
    ("softplus, far out", ag.softplus, [[-1000.0, 1000.0]], [0.0, 1000.0], [[0.0, 1.0]]),
    ("tanh, far out", ag.tanh, [[-1000.0, 1000.0]], [-1.0, 1.0], [[0.0, 0.0]]),
    ("logaddexp, far apart", ag.logaddexp, [1000.0, -1000.0], 1000.0, [1.0, 0.0]),
    ("logaddexp of −inf twice", ag.logaddexp, [-INF, -INF], -INF, [0.0, 0.0]),
    ("logaddexp with one −inf", ag.logaddexp, [-INF, 2.0], 2.0, [0.0, 1.0]),
    ("logsumexp of −inf", ag.logsumexp, [[-INF, -INF]], -INF, [[0.0, 0.0]]),
    ("logsumexp with a −inf", ag.logsumexp, [[-INF, 3.0]], 3.0, [[0.0, 1.0]]),
    ("logsumexp with a large offset", ag.logsumexp, [[1e20, 1e20]], 1e20, [[0.5, 0.5]]),
    ("logsumexp of 1e4", ag.logsumexp, [[1e4, 0.0]], 1e4, [[1.0, 0.0]]),
    ("prod with one zero", ag.prod, [[2.0, 0.0, 3.0]], 0.0, [[0.0, 6.0, 0.0]]),
    ("prod with two zeros", ag.prod, [[2.0, 0.0, 0.0]], 0.0, [[0.0, 0.0, 0.0]]),
    ("std of a constant", ag.std, [[2.0, 2.0, 2.0]], 0.0, [[0.0, 0.0, 0.0]]),
    ("var of a constant", ag.var, [[2.0, 2.0, 2.0]], 0.0, [[0.0, 0.0, 0.0]]),
    ("masked log", lambda x: ag.where(x > 0, ag.log(x), 0.0), [[0.0, 1.0]], [0.0, 0.0], [[0.0, 1.0]]),
    ("masked sqrt", lambda x: ag.where(x > 0, ag.sqrt(x), 0.0), [[0.0, 4.0]], [0.0, 2.0], [[0.0, 0.25]]),
    ("masked quotient", lambda x: ag.where(x > 0, 1 / x, 0.0), [[0.0, 2.0]], [0.0, 0.5], [[0.0, -0.25]]),
    ("masked power", lambda x: ag.where(x > 0, x**0.5, 0.0), [[0.0, 4.0]], [0.0, 2.0], [[0.0, 0.25]]),
    ("masked exp", lambda x: ag.where(x < 9, ag.exp(x), 0.0), [[1000.0, 0.0]], [0.0, 1.0], [[0.0, 1.0]]),
    ("√(Σx²) at 0", lambda x: ag.sqrt((x * x).sum()), [[0.0, 0.0]], 0.0, [[NAN, NAN]]),  # ∞·0
    ("duplicate indices", lambda x: x[[0, 0, 1]].sum(), [[1.0, 2.0]], 4.0, [[2.0, 1.0]]),
    ("remainder", lambda a, b: a % b, [5.5, 2.0], 1.5, [1.0, -2.0]),
    ("remainder of a negative", lambda a, b: a % b, [-5.5, 2.0], 0.5, [1.0, 3.0]),
]  # fmt: skip


@pytest.mark.parametrize("what, f, arguments, value, grads", [pytest.param(*row, id=row[0]) for row in SPECIAL])
def test_special_values(what: str, f: Any, arguments: list[Any], value: Any, grads: list[Any]) -> None:
    xs = [ag.Tensor(a, dtype=float, requires_grad=True) for a in arguments]
    y = f(*xs)
    np.testing.assert_array_equal(y.data, value)
    y.backward(np.ones(y.shape))
    for x, g in zip(xs, grads, strict=True):
        np.testing.assert_allclose(x.grad.data, g, rtol=1e-15)


KINKS = {
    "masked sqrt": lambda x: ag.where(x > 0, ag.sqrt(x), x),
    "masked log": lambda x: ag.where(x > 0, ag.log(x), x * 2),
    "hypot": lambda x: ag.hypot(x, x),
    "tie": lambda x: ag.maximum(x, x),
    "prod": ag.prod,
    "logsumexp": ag.logsumexp,
    "square": lambda x: x**2,
    "std": ag.std,
}


@pytest.mark.parametrize("f", KINKS.values(), ids=KINKS)
def test_second_derivatives_at_kinks_are_finite(f: Any) -> None:
    x = ag.Tensor([0.0, 0.0, 0.0], dtype=float, requires_grad=True)
    (g,) = ag.tape.gradients([f(x).sum()], [x], create_graph=True)
    (h,) = ag.tape.gradients([(g * np.array([1.0, 2.0, 3.0])).sum()], [x])
    assert h is None or np.isfinite(h).all()


def test_a_constant_result_has_a_zero_gradient_of_the_right_shape() -> None:
    x = ag.Tensor(np.ones((2, 0)), requires_grad=True)
    y = x @ ag.Tensor(np.ones((0, 3)), requires_grad=True)
    np.testing.assert_array_equal(y.data, np.zeros((2, 3)))


def test_imaginary_parts_are_not_lost() -> None:
    z = ag.Tensor([3 + 4j], requires_grad=True)
    with pytest.raises(ag.errors.DTypeError, match="imaginary part"):
        z.astype(float)
    with pytest.raises(ag.errors.DTypeError, match="imaginary part"):
        np.astype(z, float)
    assert (z.real.tolist(), z.imag.tolist(), z.conj().tolist()) == ([3.0], [4.0], [3 - 4j])
    abs(z).backward()  # x̄/|x|: descent goes along its conjugate, as in JAX and HIPS autograd
    np.testing.assert_allclose(z.grad.data, [0.6 - 0.8j])


def test_real_inputs_of_complex_results_get_real_gradients() -> None:
    x = ag.Tensor([2.0], dtype=float, requires_grad=True)
    y = x * (3 + 4j)
    (y * y.conj()).real.backward()
    assert x.grad.dtype == float
    np.testing.assert_allclose(x.grad.data, [2 * 2.0 * 25])
