"""What the table of ops does not show of solve, inv, cholesky, det and norm: gradients known by hand, errors, large cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import errors

RNG = np.random.default_rng(0)
A = RNG.normal(size=(4, 4)) + 3 * np.eye(4)
S = A @ A.T
SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])


def test_gradients_known_by_hand() -> None:
    assert np.allclose(ag.grad(lambda a: np.linalg.slogdet(a)[1])(A), np.linalg.inv(A).T)
    assert np.allclose(ag.grad(np.linalg.det)(A), np.linalg.det(A) * np.linalg.inv(A).T)
    trace_of_inverse = ag.grad(lambda a: np.trace(np.linalg.inv(a)))(A)
    assert np.allclose(trace_of_inverse, -np.linalg.matrix_power(np.linalg.inv(A), 2).T)
    half = ag.grad(lambda a: np.sum(np.log(np.diagonal(np.linalg.cholesky(a)))))(S)  # ½ ln det
    assert np.allclose(half, np.linalg.inv(S) / 2) and np.allclose(half, half.T)


def test_the_same_answer_in_many_ways() -> None:
    """bᵀ a⁻¹ b by solve, by the inverse and by the Cholesky factor: one value, one gradient, one Hessian."""
    b = RNG.normal(size=4)
    ways = (
        lambda a: b @ np.linalg.solve(a, b),
        lambda a: b @ np.linalg.inv(a) @ b,
        lambda a: np.sum(ag.solve_triangular(np.linalg.cholesky(a), b) ** 2),
    )
    for i, f in enumerate(ways):
        g, h = ag.grad(f)(S), ag.hessian(f)(S)
        g = (g + g.T) / 2
        h = (h + h.transpose(1, 0, 2, 3)) / 2
        h = (h + h.transpose(0, 1, 3, 2)) / 2
        if i == 0:
            first = (f(S), g, h)
        for x, y in zip(first, (f(S), g, h), strict=True):
            np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-8, atol=1e-12)


def test_determinants_of_singular_matrices() -> None:
    assert np.allclose(ag.grad(np.linalg.det)(SINGULAR), [[4, -2], [-2, 1]])
    assert np.allclose(ag.grad(np.linalg.det)(np.zeros((3, 3))), 0)
    nearly = np.arange(9.0).reshape(3, 3)  # of rank 2; the inverse is all rounding
    assert np.allclose(ag.grad(np.linalg.det)(nearly), [[-3, 6, -3], [6, -12, 6], [-3, 6, -3]])
    sign, log = np.linalg.slogdet(ag.Tensor(SINGULAR))
    assert (sign.item(), log.item()) == (0.0, -np.inf)


def test_the_other_triangle_is_not_read() -> None:
    low = np.tril(A)
    noisy = low + np.triu(np.full((4, 4), np.nan), 1)
    value, gradient = ag.value_and_grad(lambda a: np.sum(ag.solve_triangular(a, np.ones(4))))(noisy)
    assert np.allclose(value, np.linalg.solve(low, np.ones(4)).sum())
    assert np.isfinite(np.tril(gradient)).all()


def test_large_systems_are_exact() -> None:
    n = 200
    k = np.exp(-(np.subtract.outer(np.linspace(0, 1, n), np.linspace(0, 1, n)) ** 2) / 0.02) + 0.1 * np.eye(n)
    y = np.sin(np.linspace(0, 9, n))

    def likelihood(s: Any) -> Any:
        factor = np.linalg.cholesky(k * s)
        return np.sum(ag.solve_triangular(factor, y) ** 2) / 2 + np.sum(np.log(np.diagonal(factor)))

    assert np.isclose(ag.grad(likelihood)(2.0), -y @ np.linalg.solve(k, y) / 8 + n / 4, rtol=1e-9)


MESSAGES: dict[str, tuple[Any, type[Exception], str]] = {
    "inv": (lambda: np.linalg.inv(ag.Tensor(SINGULAR)), errors.LinAlgError, r"singular.*np\.eye"),
    "solve": (lambda: np.linalg.solve(ag.Tensor(SINGULAR), np.ones(2)), errors.LinAlgError, "singular"),
    "stacks": (lambda: np.linalg.inv(ag.Tensor([np.eye(2), SINGULAR])), errors.LinAlgError, "a matrix of the stack"),
    "triangular": (lambda: ag.solve_triangular(np.zeros((2, 2)), np.ones(2)), errors.LinAlgError, "singular"),
    "backward": (lambda: ag.grad(lambda a: np.linalg.slogdet(a)[1])(SINGULAR), errors.LinAlgError, "inv: the matrix.*singular"),
    "cholesky": (lambda: np.linalg.cholesky(ag.Tensor(np.diag([1.0, -2.0]))), errors.LinAlgError, "eigenvalue is -2"),
    "not square": (lambda: np.linalg.inv(ag.Tensor(np.ones((2, 3)))), errors.LinAlgError, r"square.*\(2, 3\)"),
    "shapes": (lambda: np.linalg.solve(ag.Tensor(A), np.ones(3)), errors.ShapeError, r"\(4, 4\) and \(3,\)"),
    "complex cholesky": (lambda: ag.cholesky(ag.Tensor(S + 0j, requires_grad=True)), errors.DTypeError, "detach"),
    "complex slogdet": (lambda: np.linalg.slogdet(ag.Tensor(S + 0j, requires_grad=True)), errors.DTypeError, "det"),
    "norm": (lambda: np.linalg.norm(ag.Tensor(A), "nuc"), errors.UnsupportedError, "'nuc' over 2 axes"),
}


@pytest.mark.parametrize("call, kind, words", MESSAGES.values(), ids=MESSAGES)
def test_errors_teach(call: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        call()
    assert str(caught.value).count("test_solve.py") == 1
    assert kind is not errors.LinAlgError or isinstance(caught.value, np.linalg.LinAlgError)


def test_complex_constants_are_numpys() -> None:
    h = S + 1j * np.triu(A, 1) - 1j * np.triu(A, 1).T + 9 * np.eye(4)
    assert np.allclose(np.linalg.cholesky(ag.Tensor(h)).numpy(), np.linalg.cholesky(h))
    ours, theirs = np.linalg.slogdet(ag.Tensor(h)), np.linalg.slogdet(h)
    assert np.allclose(ours.sign.numpy(), theirs.sign) and np.allclose(ours.logabsdet.numpy(), theirs.logabsdet)


def test_lengths_at_zero_and_in_every_order() -> None:
    assert (ag.grad(np.linalg.norm)(np.zeros(3)) == 0).all()
    assert np.allclose(ag.grad(np.linalg.norm)(np.array([3.0, 4.0])), [0.6, 0.8])
    assert np.isclose(np.linalg.norm(ag.Tensor(A + 1j)).item(), np.linalg.norm(A + 1j))


def test_one_matrix_for_all_examples() -> None:
    """vmap of a solve with a fixed matrix is one solve with more columns."""
    b = RNG.normal(size=(5, 4))
    assert np.allclose(ag.vmap(lambda x: np.linalg.solve(A, x))(ag.Tensor(b)).numpy(), np.linalg.solve(A, b.T).T)
    each = ag.vmap(ag.grad(lambda a, x: x @ np.linalg.solve(a, x)), in_axes=(None, 0))(A, b)
    assert np.allclose(each, [ag.grad(lambda a, x=x: x @ np.linalg.solve(a, x))(A) for x in b])
