"""`step` as one compiled pass: the numbers of the plain step, the same errors, and no program too many."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest
from test_optim_rules import CASES, START

import autograd as ag
import optim
from autograd.errors import ShapeError

pytest.importorskip("numba")

F32 = np.float32
usable = pytest.mark.skipif("not __import__('autograd.compiler.jit', fromlist=['x']).usable()", reason="no LLVM")


def programs(optimizer: Any) -> int:
    """How many programs the optimizer's pass has made."""
    compiled = optimizer._pass._compiled
    return 0 if compiled is None else sum(map(len, compiled._variants.values()))


def made(name: str, dtype: Any) -> tuple[Any, list[ag.Tensor]]:
    make, settings, _ = CASES[name]
    start = np.array(START, dtype)
    params = [
        ag.Tensor(start, requires_grad=True),
        ag.Tensor(np.outer(start, [1, 2, -1]).astype(dtype), requires_grad=True),
    ]
    return make(params, **settings), params


@pytest.mark.parametrize("dtype", [F32, np.float64])
@pytest.mark.parametrize("name", CASES)
@usable
def test_compiled_and_plain_agree(name: str, dtype: Any) -> None:
    """After five steps, to a few roundings: only the order of a product and a sum may differ."""
    one, params = made(name, dtype)
    other, others = made(name, dtype)
    rng = np.random.default_rng(0)
    for k in range(5):
        if k == 3:
            one.param_groups[0]["lr"] = other.param_groups[0]["lr"] = one.param_groups[0]["lr"] / 2
        for p, q in zip(params, others, strict=True):
            p.grad = q.grad = ag.Tensor(rng.normal(size=p.shape).astype(dtype))
        one._pass()
        other._update()
    assert programs(one) == 1 and programs(other) == 0
    tolerance = 64 * np.finfo(dtype).eps
    for p, q in zip(params, others, strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=tolerance, atol=tolerance)
        for slot, value in one.state[p].items():
            want = other.state[q][slot]
            if isinstance(value, ag.State):
                assert value.value == pytest.approx(want.value, rel=1e-12)
            else:
                np.testing.assert_allclose(value.data, want.data, rtol=tolerance, atol=tolerance)


@usable
def test_two_optimizers_give_the_same_bits() -> None:
    runs = []
    for _ in range(2):
        optimizer, params = made("adam", F32)
        for _ in range(4):
            for p in params:
                p.grad = ag.Tensor(np.full(p.shape, 0.3, F32))
            optimizer.step()
        runs.append([p.data.copy() for p in params])
    for a, b in zip(*runs, strict=True):
        np.testing.assert_array_equal(a, b)


@usable
def test_which_gradients_are_there_may_change_a_few_times() -> None:
    """Each set of parameters with gradients is a program; from the fifth on, the step runs as it is."""
    params = [ag.Tensor([1.0, 2.0], requires_grad=True) for _ in range(8)]
    optimizer = optim.SGD(params, lr=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for k, p in enumerate(params):
            optimizer.zero_grad()
            p.grad = ag.Tensor([1.0, 1.0])
            optimizer.step()
            assert programs(optimizer) == min(k + 1, 4)
    assert all(p.tolist() == [0.5, 1.5] for p in params)
    assert [optimizer.state[p]["step"].value for p in params] == [1] * 8


@usable
def test_gradients_of_any_layout() -> None:
    p = ag.Tensor(np.zeros((3, 4), F32), requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0)
    g = np.arange(12, dtype=F32).reshape(4, 3).T
    for gradient in (g.copy(), g, np.broadcast_to(g[:, :1], (3, 4)), g[::-1]):
        before = p.numpy().copy()
        p.grad = ag.from_numpy(gradient)
        optimizer.step()
        np.testing.assert_array_equal(p.data, before - gradient)
    assert programs(optimizer) == 1


@usable
def test_a_frozen_parameter_follows_the_gradient_that_it_is_given() -> None:
    p = ag.Tensor([1.0, 2.0])
    optimizer = optim.SGD([p], lr=1.0)
    for want in ([0.0, 1.0], [-1.0, 0.0]):
        p.grad = ag.Tensor([1.0, 1.0])
        optimizer.step()
        assert p.tolist() == want
    p.grad = None
    optimizer.step()
    assert p.tolist() == want


@usable
def test_errors_come_as_before_and_write_nothing() -> None:
    p, q = (ag.Tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    optimizer = optim.Adam([p, q])
    p.grad = q.grad = ag.Tensor([1.0, 1.0])
    optimizer.step()
    q.data = np.zeros(3, F32)
    before = p.numpy().copy()
    with pytest.raises(ShapeError, match="nothing was updated"):
        optimizer.step()
    np.testing.assert_array_equal(p.data, before)
    q.data = np.zeros(2, F32)
    optimizer.step()
    assert optimizer.state[q]["step"].value == 2 and not optimizer._pass._plain


@usable
def test_a_rule_that_looks_at_values_runs_as_it_is() -> None:
    class Odd(optim.Optimizer):
        @staticmethod
        def rule(p: Any, g: Any, t: Any, *, lr: Any) -> tuple[Any]:
            return (p - lr * g if float(np.sum(g)) > 0 else p,)

        def __init__(self, params: Any):
            super().__init__(params, {"lr": 1.0})

    p = ag.Tensor([1.0, 2.0], requires_grad=True)
    optimizer = Odd([p])
    for g, want in (([1.0, 1.0], [0.0, 1.0]), ([-1.0, -1.0], [0.0, 1.0]), ([1.0, 1.0], [-1.0, 0.0])):
        p.grad = ag.Tensor(g)
        optimizer.step()
        assert p.tolist() == want


@usable
def test_settings_and_groups_that_change() -> None:
    p, q = (ag.Tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = optim.SGD([p], lr=1.0)
    p.grad, q.grad = ag.Tensor([1.0]), ag.Tensor([1.0])
    optimizer.step()
    optimizer.param_groups[0]["maximize"] = True
    optimizer.step()
    assert p.item() == 1.0
    optimizer.add_param_group({"params": [q], "lr": 0.5})
    optimizer.step()
    assert (p.item(), q.item()) == (2.0, 0.5)
    optimizer.param_groups[0]["momentum"] = 0.9
    optimizer.step()
    assert (p.item(), q.item()) == (3.0, 0.0)


@usable
def test_a_copy_compiles_for_itself() -> None:
    p = ag.Tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0)
    p.grad = ag.Tensor([1.0])
    optimizer.step()
    twin = copy.deepcopy(optimizer)
    (mine,) = twin.param_groups[0]["params"]
    mine.grad = ag.Tensor([1.0])
    twin.step()
    assert (p.item(), mine.item()) == (0.0, -1.0)


@usable
def test_anomaly_mode_and_recording_take_the_plain_step() -> None:
    p = ag.Tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0)
    p.grad = ag.Tensor([1.0])
    with ag.anomaly_mode():
        optimizer.step()
    ag.jit(lambda: optimizer.step())()
    assert p.item() == -1.0 and programs(optimizer) == 0


@usable
def test_an_update_that_is_not_to_be_compiled() -> None:
    w = ag.Tensor(START, requires_grad=True)
    optimizer = optim.Adam([w])
    optimizer.jit = False
    w.grad = np.ones(w.shape, w.dtype)
    optimizer.step()
    assert programs(optimizer) == 0 and optimizer.state[w]["step"].value == 1
    assert copy.deepcopy(optimizer).jit is False and optim.Adam([w]).jit
    optimizer.jit = True
    optimizer.step()
    assert programs(optimizer) == 1 and optimizer.state[w]["step"].value == 2
