"""`grad`, `jacobian` and their kin: against formulas, in every composition, and with what surrounds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import errors
from autograd.transforms import grad, hessian, jacobian, jvp, make_jvp, make_vjp, vjp

X = np.array([0.3, -0.7, 1.1])
A = np.arange(9.0).reshape(3, 3) / 5 + np.eye(3)


def cubic(x: Any) -> Any:
    return np.sum(x**3) + np.prod(x)


CUBIC_GRAD = 3 * X**2 + np.prod(X) / X
CUBIC_HESSIAN = np.diag(6 * X) + (np.prod(X) / np.outer(X, X)) * (1 - np.eye(3))


# ---- values, types, nesting


def test_float_in_float64_out() -> None:
    g = ag.grad(lambda x: np.sin(x) * x)(0.5)
    assert isinstance(g, np.float64)
    assert g == pytest.approx(np.sin(0.5) + 0.5 * np.cos(0.5), rel=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_keep_their_dtype(dtype: Any) -> None:
    x = X.astype(dtype)
    for answer in (ag.grad(cubic)(x), ag.elementwise_grad(np.tanh)(x), ag.hessian(cubic)(x), ag.jacobian(np.exp)(x)):
        assert type(answer) is np.ndarray and answer.dtype == dtype
    value, g = ag.value_and_grad(cubic)(x)
    assert value.dtype == dtype and np.allclose(value, np.sum(x**3) + np.prod(x)) and np.allclose(g, CUBIC_GRAD, rtol=1e-5)


def test_argnum_and_nesting() -> None:
    def f(a: Any, p: Any, *, scale: float = 1.0) -> Any:
        return np.sum(a * p["w"][0]) * scale + p["w"][1] ** 2

    p = {"w": [np.array([1.0, 2.0]), 3.0], "unused": (np.ones((2, 2)),)}
    a = np.array([4.0, 5.0])
    g = ag.grad(f, 1)(a, p, scale=2.0)
    assert g["w"][0].tolist() == [8.0, 10.0] and g["w"][1] == 6.0 and g["unused"][0].tolist() == [[0.0, 0.0], [0.0, 0.0]]
    both = ag.grad(f, (1, 0))(a, p)
    assert isinstance(both, tuple) and both[1].tolist() == [1.0, 2.0] and both[0]["w"][0].tolist() == [4.0, 5.0]
    assert ag.grad(f, -2)(a, p).tolist() == [1.0, 2.0]


def test_hessian_jacobian_and_products() -> None:
    assert np.allclose(ag.grad(cubic)(X), CUBIC_GRAD)
    assert np.allclose(ag.hessian(cubic)(X), CUBIC_HESSIAN)
    v = np.array([1.0, -2.0, 0.5])
    assert np.allclose(ag.hessian_vector_product(cubic)(X, v), CUBIC_HESSIAN @ v)
    assert np.allclose(ag.make_hvp(cubic)(X)(v), CUBIC_HESSIAN @ v)
    f = lambda x: np.tanh(A @ x)  # noqa: E731
    J = (1 - np.tanh(A @ X) ** 2)[:, None] * A
    assert np.allclose(ag.jacobian(f)(X), J)
    pull, y = make_vjp(f)(X)
    assert np.allclose(y, np.tanh(A @ X)) and np.allclose(pull(v), v @ J) and np.allclose(pull(2 * v), 2 * v @ J)
    y, t = make_jvp(f)(X)(v)
    assert np.allclose(t, J @ v) and type(t) is np.ndarray
    assert np.allclose(jvp(f, (X,), (v,))[1], J @ v) and np.allclose(vjp(f, X)[1](v)[0], v @ J)


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_jacobian_by_rows_and_by_columns(rows: int) -> None:
    B = np.random.default_rng(0).normal(size=(rows, 3))
    assert np.allclose(ag.jacobian(lambda x: B @ x**2)(X), 2 * B * X)
    nested = ag.jacobian(lambda p: (B @ p["x"], p["x"] * p["s"]))({"x": X, "s": 2.0})
    assert np.allclose(nested[0]["x"], B) and np.allclose(nested[0]["s"], 0)
    assert np.allclose(nested[1]["x"], 2 * np.eye(3)) and np.allclose(nested[1]["s"], X)


def test_independent_results_have_derivative_zero() -> None:
    assert ag.grad(lambda x: 3.0)(1.0) == 0.0
    assert ag.grad(lambda x: np.sum(np.sign(x)))(X).tolist() == [0.0] * 3
    assert jvp(lambda x: np.ones(2), (1.0,), (1.0,))[1].tolist() == [0.0, 0.0]
    assert np.array_equal(ag.hessian(lambda x: np.sum(2 * x))(X), np.zeros((3, 3)))


# ---- composition


def forward(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: jvp(f, (x,), (1.0,))[1]


def reverse(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: vjp(f, x)[1](1.0)[0]


@pytest.mark.parametrize("outer", [grad, jacobian, forward, reverse], ids=lambda f: f.__name__)
@pytest.mark.parametrize("middle", [grad, jacobian, forward, reverse], ids=lambda f: f.__name__)
@pytest.mark.parametrize("inner", [grad, forward], ids=lambda f: f.__name__)
def test_any_order(outer: Any, middle: Any, inner: Any) -> None:
    f = lambda x: np.exp(2 * x) * x  # noqa: E731
    assert float(outer(middle(inner(f)))(0.3)) == pytest.approx((8 * 0.3 + 12) * np.exp(0.6), rel=1e-12)


@pytest.mark.parametrize("d", [grad, forward, reverse], ids=lambda f: f.__name__)
@pytest.mark.parametrize("e", [grad, forward, reverse], ids=lambda f: f.__name__)
def test_no_perturbation_confusion(d: Any, e: Any) -> None:
    assert d(lambda x: x * e(lambda y: x + y)(1.0))(1.0) == 1.0
    assert d(lambda x: x * e(lambda y: x * y)(2.0))(3.0) == 6.0
    assert d(lambda x: e(lambda y: y * d(lambda z: x * y * z)(1.0))(x))(3.0) == 12.0  # x · 2y at y = x: 2x², d = 4x


def test_backward_through_a_gradient() -> None:
    w = ag.Tensor([1.0, 2.0], requires_grad=True)
    penalty = (ag.grad(lambda x: (w * x**2).sum())(ag.Tensor([3.0, 4.0])) ** 2).sum()
    penalty.backward()  # Σ (2wx)², d/dw = 8 w x²
    assert w.grad is not None and w.grad.tolist() == [72.0, 256.0]
    x = ag.Tensor(2.0, requires_grad=True)
    ag.grad(lambda x: x**3)(x).backward()
    assert x.grad is not None and x.grad.item() == 12.0


def test_what_is_closed_over_is_left_alone() -> None:
    w = ag.Tensor([1.0, 2.0], requires_grad=True)
    w.grad = ag.Tensor([7.0, 7.0])
    seen: list[Any] = []
    (h := w * 1.0).register_hook(seen.append)
    g = ag.grad(lambda x: (w * x).sum() + (h * x).sum())(np.ones(2))
    assert type(g) is np.ndarray and g.tolist() == [2.0, 4.0]
    assert w.grad.tolist() == [7.0, 7.0] and not seen


def test_tensors_in_tensors_out() -> None:
    g = ag.grad(lambda x: (x * x).sum())(ag.Tensor([1.0, 2.0]))
    assert isinstance(g, ag.Tensor) and not g.requires_grad and g.dtype == np.float32
    x = ag.Tensor([1.0, 2.0], requires_grad=True)
    value, g = ag.value_and_grad(lambda x: (x * x).sum())(x)
    assert g.requires_grad and value.requires_grad and x.grad is None
    with ag.no_grad():
        g = ag.grad(lambda x: (x * x).sum())(x)
    assert not g.requires_grad and g.tolist() == [2.0, 4.0]


def test_module_inside() -> None:
    ag.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    x = X.astype(np.float32)
    g = ag.grad(lambda x: net(x[None]).sum())(x)
    w0, b0, w1 = net[0].weight.numpy(), net[0].bias.numpy(), net[2].weight.numpy()
    assert type(g) is np.ndarray and np.allclose(g, (w1[0] * (1 - np.tanh(w0 @ x + b0) ** 2)) @ w0, rtol=1e-5)
    assert all(p.grad is None for p in net.parameters())


def test_writes_in_place_stay_inside() -> None:
    def f(x: Any) -> Any:
        x[0] = x[1] * 2
        x *= 3
        return (x * x).sum()

    x = X.copy()
    assert np.allclose(ag.grad(f)(x), [0, 18 * X[1] * 5, 18 * X[2]])
    assert np.array_equal(x, X)


def test_jit_of_a_gradient_and_gradient_of_a_jitted_function() -> None:
    along = forward(lambda s: cubic(s * X))
    cases = ((grad(cubic), X), (hessian(cubic), X), (jacobian(np.exp), X), (along, 1.0), (ag.value_and_grad(cubic), X))
    for derived, point in cases:
        compiled = ag.jit(derived)
        for _ in range(2):
            assert np.allclose(_plain(compiled(point)), _plain(derived(point)), rtol=1e-12)
    fast = ag.jit(lambda x: (x**3).sum())
    fast(ag.Tensor(X))
    assert np.allclose(grad(fast)(X), 3 * X**2)


def _plain(answer: Any) -> Any:
    parts = answer if isinstance(answer, tuple) else (answer,)
    return np.concatenate([np.ravel(p.numpy() if isinstance(p, ag.Tensor) else p) for p in parts])


def test_jit_of_a_gradient_sees_globals_change() -> None:
    scale = [2.0]
    compiled = ag.jit(grad(lambda x: (x * x).sum() * scale[0]))
    assert compiled(ag.Tensor([1.0])).tolist() == [4.0]
    scale[0] = 3.0
    assert compiled(ag.Tensor([1.0])).tolist() == [6.0]


# ---- errors


def test_errors_teach() -> None:
    with pytest.raises(errors.ShapeError, match=r"shape \(3,\).*elementwise_grad.*jacobian"):
        ag.grad(np.tanh)(X)
    with pytest.raises(errors.ShapeError, match="returned a tuple"):
        ag.grad(lambda x: (x, x))(1.0)
    for bad in (3, np.arange(3), True):
        with pytest.raises(errors.DTypeError, match=r"Write 1\.0 instead of 1"):
            ag.grad(lambda x: np.sum(x * x))(bad)
    with pytest.raises(errors.ArgumentError, match="argnum 2"):
        ag.grad(lambda x: x, 2)(1.0)
    with pytest.raises(errors.DTypeError, match="takes a function"):
        ag.grad(3.0)  # type: ignore[arg-type]
    with pytest.raises(errors.ShapeError, match="tangent has shape"):
        jvp(np.sin, (X,), (1.0,))
    with pytest.raises(errors.ShapeError, match="nested as"):
        make_vjp(lambda x: (x, x))(1.0)[0](1.0)
    with pytest.raises(errors.DTypeError, match="real result"):
        ag.grad(lambda x: x * 1j)(1.0)
