"""Every op inside a compiled step: the same values and gradients as eager, from the same table."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from op_table import COMPOSED, ROWS, Composed, Sample, run
from test_special_values import SPECIAL

import autograd as ag
from autograd.errors import AutogradError
from autograd.rule import OPS, Op

SAMPLES = [pytest.param(OPS[name], s, id=f"{name}-{k}") for name, row in ROWS.items() for k, s in enumerate(row.samples)]


def step_of(f: Any, arrays: list[Any]) -> tuple[list[Any], Any]:
    """Leaves of their own, and a step that puts the gradients of a weighted f on them and returns f."""
    leaves = [ag.Tensor(a, requires_grad=a.dtype.kind in "fc") for a in arrays]

    def step() -> Any:
        for x in leaves:
            x.grad = None
        y = f(*leaves)
        if y.requires_grad:
            y.backward(ag.Tensor(np.linspace(0.5, 1.5, y.size).reshape(y.shape).astype(y.dtype)))
        return y

    return leaves, step


def assert_same_compiled(f: Any, arrays: list[Any], rtol: float = 1e-9) -> None:
    eager, step = step_of(f, arrays)
    expected = step()
    compiled, same_step = step_of(f, arrays)
    jitted = ag.jit(same_step)
    for _ in range(2):  # the call that records, and one that only runs
        y = jitted()
        assert y.dtype == expected.dtype and y.shape == expected.shape
        np.testing.assert_allclose(y.numpy(), expected.numpy(), rtol=rtol, atol=rtol)
        for a, b in zip(eager, compiled, strict=True):
            assert (a.grad is None) == (b.grad is None)
            if a.grad is not None:
                assert b.grad.dtype == a.grad.dtype
                np.testing.assert_allclose(b.grad.numpy(), a.grad.numpy(), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("op, sample", SAMPLES)
def test_ops_compile_to_the_same(op: Op, sample: Sample) -> None:
    assert_same_compiled(lambda *xs: run(op, xs, sample.settings), sample.arrays())


def test_few_ops_are_called_in_between() -> None:
    """At most 5 % of the registry has no machine code, and is called back in Python."""
    called = set()
    for name, row in ROWS.items():
        arrays = row.samples[0].arrays()
        compiled = ag.jit(lambda *xs, op=OPS[name], settings=row.samples[0].settings: run(op, xs, settings))
        compiled(*arrays)
        if compiled.explain().segments:
            called.add(name)
    assert len(called) <= 0.05 * len(OPS), called


@pytest.mark.parametrize("op, sample", [p for p in SAMPLES if p.id.endswith("-0")])
def test_complex_and_half_arrays_are_called_back_for(op: Op, sample: Sample) -> None:
    """Without machine code for them, with the values and gradients of eager all the same."""
    for dtype in (np.complex128, np.float16):
        arrays = sample.arrays(dtype)
        if not any(a.dtype == dtype for a in arrays):
            continue
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                step_of(lambda *xs: run(op, xs, sample.settings), arrays)[1]()
            except (AutogradError, TypeError):
                continue  # not for such numbers at all
            near = 1e-9 if dtype is np.complex128 else 4e-3
            assert_same_compiled(lambda *xs: run(op, xs, sample.settings), arrays, rtol=near)


@pytest.mark.parametrize("op, sample", [p for p in SAMPLES if p.id.endswith("-0")])
def test_single_precision_compiles_to_single_precision(op: Op, sample: Sample) -> None:
    if op.name != "cast":
        assert_same_compiled(lambda *xs: run(op, xs, sample.settings), sample.arrays(np.float32), rtol=2e-5)


@pytest.mark.parametrize(
    "sample", [pytest.param(c, id=f"{name}-{k}") for name, cs in COMPOSED.items() for k, c in enumerate(cs)]
)
def test_composed_functions_compile_to_the_same(sample: Composed) -> None:
    rng = np.random.default_rng(0)
    arrays = [np.asarray(sample.domain(rng, shape)) for shape in sample.shapes]
    assert_same_compiled(lambda *xs: sample.call(ag, *xs), arrays)


@pytest.mark.parametrize("what, f, arguments, value, grads", [pytest.param(*row, id=row[0]) for row in SPECIAL])
def test_special_values_compiled(what: str, f: Any, arguments: Any, value: Any, grads: Any) -> None:
    leaves = [ag.Tensor(a, dtype=float, requires_grad=True) for a in arguments]

    def step() -> Any:
        for x in leaves:
            x.grad = None
        y = f(*leaves)
        y.backward(ag.Tensor(np.ones(y.shape)))
        return y

    np.testing.assert_array_equal(ag.jit(step)().numpy(), value)
    for x, g in zip(leaves, grads, strict=True):
        np.testing.assert_allclose(x.grad.numpy(), g, rtol=1e-15)
