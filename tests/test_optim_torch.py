"""Ten training steps of one network under every optimizer and setting, beside PyTorch's: 1e-10 in float64.

Runs where PyTorch is installed, which the test extra does not ask for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from optim_cases import CASES, IDS, STORED, loss_of, start, trace

import autograd as ag
import optim

torch = pytest.importorskip("torch")

SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("ExponentialLR", {"gamma": 0.8}),
    ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
    ("LambdaLR", {"lr_lambda": lambda t: 1 / (1 + t)}),
]


@pytest.fixture(autouse=True)
def torch_in_float64() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def ten_steps(ours: optim.Optimizer, theirs: Any, schedules: tuple[Any, Any] | None = None) -> None:
    """Train both, and compare after every step."""
    _, x, y = start()
    mine = [p for group in ours.param_groups for p in group["params"]]
    yours = [p for group in theirs.param_groups for p in group["params"]]
    for step in range(10):
        ours.zero_grad()
        loss_of(np.tanh, mine, x, y).backward()
        ours.step()
        theirs.zero_grad()
        loss_of(torch.tanh, yours, torch.from_numpy(x), torch.from_numpy(y)).backward()
        theirs.step()
        for schedule in schedules or ():
            schedule.step()
        for a, b in zip(mine, yours, strict=True):
            np.testing.assert_allclose(a.data, b.detach().numpy(), 1e-10, 1e-10, err_msg=f"step {step}")


def both() -> tuple[list[ag.Tensor], list[Any]]:
    weights, _, _ = start()
    return (
        [ag.Tensor(w, requires_grad=True) for w in weights],
        [torch.tensor(w, requires_grad=True) for w in weights],
    )


@pytest.mark.parametrize(("name", "settings"), CASES, ids=IDS)
def test_ten_steps(name: str, settings: dict[str, Any]) -> None:
    mine, yours = both()
    ten_steps(getattr(optim, name)(mine, **settings), getattr(torch.optim, name)(yours, **settings))


@pytest.mark.parametrize(("name", "settings"), CASES, ids=IDS)
def test_stored_numbers_are_pytorchs(name: str, settings: dict[str, Any]) -> None:
    parameters = [torch.tensor(w, requires_grad=True) for w in start()[0]]
    optimizer = getattr(torch.optim, name)(parameters, **settings)
    got = trace(optimizer, parameters, torch.tanh, torch.from_numpy, lambda p: p.detach().numpy())
    np.testing.assert_allclose(got, STORED[IDS[CASES.index((name, settings))]], rtol=1e-12)


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES}))
def test_same_defaults(name: str) -> None:
    mine, yours = both()
    ours, theirs = getattr(optim, name)(mine), getattr(torch.optim, name)(yours)
    for setting, value in ours.param_groups[0].settings().items():
        if setting in theirs.param_groups[0]:
            assert value == theirs.param_groups[0][setting], setting


def test_groups_with_rates_of_their_own() -> None:
    mine, yours = both()

    def groups(ps: list[Any]) -> list[dict[str, Any]]:
        return [{"params": ps[:2], "lr": 0.1, "betas": (0.5, 0.9)}, {"params": ps[2:]}]

    ten_steps(optim.Adam(groups(mine), lr=0.01), torch.optim.Adam(groups(yours), lr=0.01))


def test_parameters_without_gradient_are_skipped() -> None:
    _, x, y = start()
    mine, yours = both()
    ours, theirs = optim.Adam(mine, lr=0.1), torch.optim.Adam(yours, lr=0.1)
    for step in range(6):
        ours.zero_grad()
        theirs.zero_grad()
        loss_of(np.tanh, mine, x, y).backward()
        loss_of(torch.tanh, yours, torch.from_numpy(x), torch.from_numpy(y)).backward()
        if step % 2:
            mine[1].grad = yours[1].grad = None
        ours.step()
        theirs.step()
    for a, b in zip(mine, yours, strict=True):
        np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("name", "settings"), SCHEDULES, ids=[name for name, _ in SCHEDULES])
def test_schedules(name: str, settings: dict[str, Any]) -> None:
    mine, yours = both()
    ours, theirs = optim.SGD(mine, lr=0.1), torch.optim.SGD(yours, lr=0.1)
    schedules = (
        getattr(optim.lr_scheduler, name)(ours, **settings),
        getattr(torch.optim.lr_scheduler, name)(theirs, **settings),
    )
    ten_steps(ours, theirs, schedules)
    assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-12)


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.1, 1000.0])
def test_clipping_by_norm(norm_type: float, max_norm: float) -> None:
    _, x, y = start()
    mine, yours = both()
    loss_of(np.tanh, mine, x, y).backward()
    loss_of(torch.tanh, yours, torch.from_numpy(x), torch.from_numpy(y)).backward()
    norm = optim.clip_grad_norm_(mine, max_norm, norm_type)
    want = torch.nn.utils.clip_grad_norm_(yours, max_norm, norm_type)
    assert norm.item() == pytest.approx(want.item(), rel=1e-12)
    for a, b in zip(mine, yours, strict=True):
        assert a.grad is not None
        np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=1e-12)
