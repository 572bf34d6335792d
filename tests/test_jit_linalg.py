"""Linear systems in compiled steps: LAPACK, called from machine code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag

pytest.importorskip("numba")

SHAPES = [(1, 1), (4, 4), (3, 4, 4), (2, 3, 5, 5)]


def matrices(shape: tuple[int, ...], dtype: Any) -> tuple[Any, Any]:
    """Positive definite ones, and right sides."""
    rng = np.random.default_rng(len(shape))
    a = rng.normal(size=shape)
    return (a @ np.swapaxes(a, -1, -2) + np.eye(shape[-1])).astype(dtype), rng.normal(size=(*shape[:-1], 2)).astype(dtype)


FUNCTIONS = {
    "cholesky": lambda a, b: (ag.cholesky(a), np.linalg.cholesky(a, upper=True)),
    "triangular": lambda a, b: (ag.solve_triangular(a, b), ag.solve_triangular(a, b[..., 0:1], lower=False)),
    "solve": lambda a, b: (ag.solve(a, b), ag.solve(a * 2, b[..., 0:1])),
    "inv": lambda a, b: (ag.inv(a), ag.inv(ag.swapaxes(a, -1, -2)) @ b),
    "vector": lambda a, b: (ag.solve(a, np.ones(a.shape[-1], a.dtype)), ag.solve_triangular(a, np.ones(a.shape[-1], a.dtype))),
    "mahalanobis": lambda a, b: (ag.sum(ag.square(ag.solve_triangular(ag.cholesky(a), b))),),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_as_eager_without_a_call_of_python(name: str, shape: tuple[int, ...], dtype: Any) -> None:
    a, b = matrices(shape, dtype)
    seen, segments = [], 0
    for compiled in (False, True):
        x, y = ag.Tensor(a, requires_grad=True), ag.Tensor(b, requires_grad=True)

        def step(x: Any = x, y: Any = y) -> Any:
            x.grad = y.grad = None
            found = FUNCTIONS[name](x, y)
            sum((f * f).sum() for f in found).backward()
            return found

        call = ag.jit(lambda step=step: step()) if compiled else step
        results = [[f.detach().data.copy() for f in call()] for _ in range(2)][-1]
        seen.append([*results, x.grad.data, *([y.grad.data] if y.grad is not None else [])])
        segments = call.explain().segments if compiled else 0
    near = 1e-9 if dtype is np.float64 else 2e-3
    assert segments == 0
    for eager, jitted in zip(*seen, strict=True):
        assert jitted.dtype == eager.dtype
        np.testing.assert_allclose(jitted, eager, rtol=near, atol=near * max(1.0, np.abs(eager).max(initial=0)))


def test_what_has_no_answer_is_told_before_anything_is_written() -> None:
    count = ag.State(0)
    singular, indefinite = np.array([[1.0, 2.0], [2.0, 4.0]]), np.array([[1.0, 2.0], [2.0, 1.0]])
    for function, matrix in (
        (ag.inv, singular), (lambda a: ag.solve(a, np.ones(2)), singular), (ag.cholesky, indefinite),
        (lambda a: ag.solve_triangular(a, np.ones(2)), np.array([[1.0, 0.0], [2.0, 0.0]])),
    ):  # fmt: skip

        @ag.jit
        def step(a: Any, function: Any = function) -> Any:
            count.value = count.value + 1
            return function(a)

        before = count.value
        step(np.eye(2))
        for call in (step, function):
            with pytest.raises(ag.errors.LinAlgError, match=r"singular|positive definite"):
                call(matrix)
        assert count.value == before + 1
        step(np.stack([np.eye(2)] * 3))
        with pytest.raises(ag.errors.LinAlgError):
            step(np.stack([np.eye(2), matrix, np.eye(2)]))


def test_nan_goes_through_and_integers_become_floats() -> None:
    assert np.isnan(ag.jit(lambda a: ag.solve(a, np.ones(2)))(np.array([[np.nan, 1], [0, 1]])).data).any()
    assert ag.jit(lambda a: ag.inv(a))(np.array([[2, 0], [0, 4]])).tolist() == [[0.5, 0.0], [0.0, 0.25]]
    assert ag.jit(lambda a: ag.cholesky(a))(np.zeros((0, 0))).shape == (0, 0)
    assert ag.jit(lambda a: ag.solve(a, np.ones((3, 0))))(np.eye(3)).shape == (3, 0)
