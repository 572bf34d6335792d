"""Every optimizer inside a jitted step: the same numbers as eager, in the same arrays, recorded once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_optim_rules import CASES, START, loss_of

import autograd as ag
import optim

pytest.importorskip("numba")


def run(name: str, dtype: Any, compiled: bool) -> tuple[list[float], list[Any], Any]:
    """Six steps, the rate halved after three; losses, then every array and number of the state."""
    make, settings, _ = CASES[name]
    w = ag.Tensor(np.array(START, dtype), requires_grad=True)
    optimizer = make([w], **settings)
    tensors = [w, *(s for s in optimizer.state[w].values() if isinstance(s, ag.Tensor))]
    arrays = [t.data for t in tensors]

    def step() -> ag.Tensor:
        def closure() -> ag.Tensor:
            optimizer.zero_grad()
            loss = loss_of(w)
            loss.backward()
            return loss

        loss: ag.Tensor = optimizer.step(closure)
        return loss

    call = ag.jit(step) if compiled else step
    losses = []
    for k in range(6):
        if k == 3:
            optimizer.param_groups[0]["lr"] /= 2
        losses.append(call().item())
    assert all(t.data is a for t, a in zip(tensors, arrays, strict=True)), "written in place"
    cells = [s.value for s in optimizer.state[w].values() if isinstance(s, ag.State)]
    assert w.grad is not None
    return losses, [*arrays, w.grad.data, *cells], call


@pytest.mark.parametrize("name", CASES)
def test_the_same_as_eager(name: str) -> None:
    dtype = np.float32 if list(CASES).index(name) % 2 else np.float64
    tolerance = {"rtol": 1e-11, "atol": 1e-12} if dtype == np.float64 else {"rtol": 2e-5, "atol": 2e-6}
    want, want_state, _ = run(name, dtype, compiled=False)
    got, got_state, step = run(name, dtype, compiled=True)
    np.testing.assert_allclose(got, want, **tolerance)
    for a, b in zip(got_state, want_state, strict=True):
        np.testing.assert_allclose(a, b, **tolerance)
    assert sum(len(variants) for variants in step._variants.values()) == 1, "a rate that changes is no new program"


def test_a_schedule_inside_the_step_advances() -> None:
    w = ag.Tensor(np.array(START), requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)

    @ag.jit
    def step() -> ag.Tensor:
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    want = np.array(START)
    for t in range(5):
        step()
        want = want - 0.1 * (1 + np.cos(np.pi * t / 10)) / 2 * 2 * want
    np.testing.assert_allclose(w.data, want, rtol=1e-12)
    assert schedule.last_epoch == 5
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)


def test_an_optimizer_of_ones_own_compiles() -> None:
    def rule(p: Any, g: Any, m: Any, t: Any, *, lr: Any, beta: Any) -> tuple[Any, Any]:
        m = beta * m + (1 - beta) * g
        return p - lr / t**0.5 * np.sign(m), m

    class Own(optim.Optimizer):
        slots = ("average",)

    Own.rule = staticmethod(rule)
    results = []
    for wrapper in (ag.jit, lambda f: f):
        w = ag.Tensor(np.array(START), requires_grad=True)
        optimizer = Own([w], {"lr": 0.1, "beta": 0.9})

        def step(w: ag.Tensor = w, optimizer: Any = optimizer) -> ag.Tensor:
            optimizer.zero_grad()
            loss = loss_of(w)
            loss.backward()
            optimizer.step()
            return loss

        call = wrapper(step)
        for _ in range(4):
            call()
        results.append(w.data)
    np.testing.assert_allclose(*results, rtol=1e-12)


@pytest.mark.parametrize("norm_type", [2.0, float("inf")])
def test_clipping_inside_the_step(norm_type: float) -> None:
    results = []
    for compiled in (False, True):
        w = ag.Tensor(np.array(START), requires_grad=True)
        optimizer = optim.SGD([w], lr=0.1)

        def step(w: ag.Tensor = w, optimizer: Any = optimizer) -> ag.Tensor:
            optimizer.zero_grad()
            loss = loss_of(w)
            loss.backward()
            norm = optim.clip_grad_norm_([w], 0.5, norm_type)
            optim.clip_grad_value_([w], 0.3)
            optimizer.step()
            return norm

        call = ag.jit(step) if compiled else step
        results.append([call().item(), call().item(), *w.data])
    np.testing.assert_allclose(*results, rtol=1e-12)
