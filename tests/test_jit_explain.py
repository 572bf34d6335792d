"""What a compiled step tells about itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim

pytest.importorskip("numba")


def test_the_numbers_of_a_training_step() -> None:
    model = nn.Sequential(nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 10))
    optimizer = optim.Adam(model.parameters(), lr=0.01)

    @ag.jit
    def step(x: ag.Tensor, y: ag.Tensor) -> ag.Tensor:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    with pytest.raises(ag.errors.GraphError, match="call it once"):
        step.explain()
    rng = np.random.default_rng(0)
    step(ag.Tensor(rng.normal(size=(32, 64)).astype(np.float32)), ag.Tensor(rng.integers(0, 10, 32)))
    told = step.explain()
    products = 2 * 32 * (2 * 64 * 128 + 3 * 128 * 10)
    assert products <= told.flops < 2 * products
    weights = sum(p.size for p in model.parameters())
    assert told.bytes >= 4 * 7 * weights, "Adam reads and writes parameters and moments"
    assert told.segments == 0 and told.draws == 0 and told.seconds > 0
    assert told.inputs == 2 and told.writes == 3 * 4 + 4 and told.results == 1 + 4
    functions = {f for k in told.kernels for f in k.functions}
    assert {"matmul", "tanh", "exp"} <= functions
    text = str(told)
    assert text.startswith("step: one compiled call, no eager segments; 1 program kept")
    assert "matmul" in text and len(text.splitlines()) == 6 + len(told.kernels)
    assert max(map(len, text.splitlines())) < 200
    page = told._repr_html_()
    assert page.count("<tr>") == 1 + len(told.kernels) and "matmul" in page


def test_random_draws_are_counted_and_a_function_that_falls_back_says_so() -> None:
    f = ag.jit(lambda x: x + ag.default_generator.normal(size=3))
    f(np.ones(3))
    assert f.explain().draws == 1 and "1 random draw" in str(f.explain())
    g = ag.jit(lambda x: x[x > 0], fallback=True)
    with pytest.warns(RuntimeWarning, match="uncompiled"):
        g(np.ones(3))
    with pytest.raises(ag.errors.GraphError, match="has no program"):
        g.explain()


def test_passes_are_shown_one_by_one() -> None:
    w = ag.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)

    @ag.jit
    def step(x: Any) -> Any:
        w.grad = None
        loss = ((x @ w) ** 2).sum() + ((x @ w) ** 2).sum() * 2
        loss.backward()
        return loss

    with pytest.raises(ag.errors.GraphError, match="call it once"):
        step.passes()
    x = ag.Tensor(np.ones((3, 2), np.float32))
    expected = step(x).item()
    listing = step.passes()
    first, merged, *_ = listing.stages
    assert first.name == "recorded" and merged.name == "merge"
    products = [sum("= matmul" in line for line in stage.lines) for stage in listing.stages]
    assert products[0] > products[1] == products[-1]
    assert str(listing).count("instructions recorded") == 1 and "leaf.grad ←" in str(listing)
    assert "Nothing to do: " in str(listing) and len(str(listing).splitlines()) < 140
    assert step(x).item() == expected and "1 program" in repr(step)
    assert w.grad.tolist() == (6 * (np.ones((2, 3)) @ (np.ones((3, 2)) @ w.numpy()))).tolist()


@pytest.mark.parametrize("threads", [1, 2])
def test_timing_changes_nothing(threads: int) -> None:
    generator = ag.Generator(3)
    model = nn.Sequential(nn.Linear(300, 400), nn.ReLU(), nn.Dropout(0.5, generator=generator), nn.Linear(400, 10))
    optimizer = optim.Adam(model.parameters(), lr=0.01)

    @ag.jit
    def step(x: Any, y: Any, scale: float) -> Any:
        loss = nn.functional.cross_entropy(model(x), y) * scale
        loss.backward()  # adds to the gradients that there are
        optimizer.step()
        return loss

    before = ag.get_num_threads()
    ag.set_num_threads(threads)
    try:
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(64, 300)).astype(np.float32), rng.integers(0, 10, 64)
        for _ in range(2):
            step(x, y, 0.5)
        whole = [p.numpy().copy() for p in model.parameters()]
        grads, stream = [p.grad.numpy().copy() for p in model.parameters()], generator.get_state()
        told = step.profile(x, y, scale=0.5, calls=3)
        assert told.programs == 2 and all(k.seconds is not None and k.seconds >= 0 for k in told.kernels)
        assert any(k.threads for k in told.kernels) == (threads == 2)
        assert sum(k.seconds for k in told.kernels) > 1e-6
        text = str(told).splitlines()
        assert "time" in text[5] and "share" in text[5] and "share" in told._repr_html_()
        assert repr(stream) == repr(generator.get_state())
        for p, value, grad in zip(model.parameters(), whole, grads, strict=True):
            assert np.array_equal(p.numpy(), value) and np.array_equal(p.grad.numpy(), grad)
    finally:
        ag.set_num_threads(before)


def test_what_cannot_be_timed_says_so() -> None:
    with pytest.raises(ag.errors.UnsupportedError, match="Values"):
        ag.jit(lambda v: v * v).profile(ag.Value(2.0))
    g = ag.jit(lambda x: x[x > 0], fallback=True)
    with pytest.warns(RuntimeWarning, match="uncompiled"):
        g(np.ones(3))
    with pytest.raises(ag.errors.GraphError, match="uncompiled"):
        g.profile(np.ones(3))
    called = ag.jit(lambda x: ag.real(np.linalg.det(x)) * 2)
    assert called.profile(np.eye(3)).segments == 1
