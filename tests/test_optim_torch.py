"""Twenty training steps of one network under every optimizer and setting, beside PyTorch's: 1e-10 in float64.

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
    ("StepLR", {"step_size": 3, "gamma": 0.5}), ("MultiStepLR", {"milestones": [2, 3, 11], "gamma": 0.5}),
    ("ConstantLR", {"factor": 0.3, "total_iters": 4}), ("LinearLR", {"start_factor": 0.2, "end_factor": 0.8, "total_iters": 6}),
    ("ExponentialLR", {"gamma": 0.8}), ("PolynomialLR", {"total_iters": 9, "power": 1.7}),
    ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}), ("CosineAnnealingWarmRestarts", {"T_0": 3, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 3}), ("LambdaLR", {"lr_lambda": lambda t: 1 / (1 + t)}),
    ("MultiplicativeLR", {"lr_lambda": lambda t: 1 - 0.1 / t}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3, "step_size_down": 5}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 4, "mode": "triangular2", "cycle_momentum": False}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 4, "mode": "exp_range", "gamma": 0.9}),
    ("OneCycleLR", {"max_lr": 0.2, "total_steps": 41}),
    ("OneCycleLR", {"max_lr": 0.2, "epochs": 7, "steps_per_epoch": 6, "anneal_strategy": "linear", "pct_start": 0.4}),
    ("OneCycleLR", {"max_lr": 0.2, "total_steps": 50, "three_phase": True, "cycle_momentum": False}),
]  # fmt: skip


@pytest.fixture(autouse=True)
def torch_in_float64() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def twenty_steps(ours: optim.Optimizer, theirs: Any, schedules: tuple[Any, Any] | None = None) -> None:
    """Train both, and compare after every step."""
    _, x, y = start()
    mine = [p for group in ours.param_groups for p in group["params"]]
    yours = [p for group in theirs.param_groups for p in group["params"]]
    for step in range(20):
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
def test_twenty_steps(name: str, settings: dict[str, Any]) -> None:
    mine, yours = both()
    twenty_steps(getattr(optim, name)(mine, **settings), getattr(torch.optim, name)(yours, **settings))


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

    twenty_steps(optim.Adam(groups(mine), lr=0.01), torch.optim.Adam(groups(yours), lr=0.01))


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


Pair = tuple[optim.Optimizer, Any]


def with_groups(kind: str = "SGD") -> Pair:
    """Two groups with rates of their own, and momentum."""
    mine, yours = both()
    more: dict[str, Any] = {"momentum": 0.9} if kind == "SGD" else {}
    ours = getattr(optim, kind)([{"params": mine[:2]}, {"params": mine[2:], "lr": 0.3}], lr=0.1, **more)
    theirs = getattr(torch.optim, kind)([{"params": yours[:2]}, {"params": yours[2:], "lr": 0.3}], lr=0.1, **more)
    return ours, theirs


def forty_epochs(pair: Pair, ours: Any, theirs: Any, metric: Any = None) -> None:
    for epoch in range(40):
        for a, b in zip(pair[0].param_groups, pair[1].param_groups, strict=True):
            assert a["lr"] == pytest.approx(b["lr"], rel=1e-10, abs=1e-15), epoch
            if "momentum" in b:
                assert a["momentum"] == pytest.approx(b["momentum"], rel=1e-10), epoch
            else:
                np.testing.assert_allclose(a["betas"], b["betas"], 1e-10)
        pair[1].step()
        for schedule in (ours, theirs):
            schedule.step(*([] if metric is None else [metric(epoch)]))


@pytest.mark.parametrize(("name", "settings"), SCHEDULES, ids=[f"{n}{k}" for k, (n, _) in enumerate(SCHEDULES)])
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_schedules(name: str, settings: dict[str, Any], kind: str) -> None:
    pair = with_groups(kind)
    schedules = [
        getattr(library.lr_scheduler, name)(o, **settings) for library, o in zip((optim, torch.optim), pair, strict=True)
    ]
    forty_epochs(pair, *schedules)


def test_schedules_in_a_row_and_at_once() -> None:
    for library_settings in ("in a row", "at once"):
        pair = with_groups()
        made = []
        for library, optimizer in zip((optim, torch.optim), pair, strict=True):
            s = library.lr_scheduler
            if library_settings == "in a row":
                parts = [s.LinearLR(optimizer, 0.2, total_iters=5), s.ExponentialLR(optimizer, 0.9)]
                made.append(s.SequentialLR(optimizer, parts, milestones=[6]))
            else:
                made.append(s.ChainedScheduler([s.ConstantLR(optimizer, 0.3, 4), s.ExponentialLR(optimizer, 0.9)]))
        forty_epochs(pair, *made)


@pytest.mark.parametrize("settings", [
    {}, {"patience": 2, "cooldown": 3, "factor": 0.5}, {"mode": "max", "patience": 1, "threshold": 0.1},
    {"patience": 1, "threshold_mode": "abs", "threshold": 0.5, "min_lr": 0.02},
    {"mode": "max", "patience": 2, "threshold_mode": "abs", "threshold": 0.3},
])  # fmt: skip
def test_plateau(settings: dict[str, Any]) -> None:
    pair = with_groups()
    schedules = [
        library.lr_scheduler.ReduceLROnPlateau(o, **settings) for library, o in zip((optim, torch.optim), pair, strict=True)
    ]
    values = np.random.default_rng(0).normal(size=40).cumsum() + 5
    values[7] = np.nan
    forty_epochs(pair, *schedules, metric=lambda epoch: float(values[epoch]))


@pytest.mark.parametrize("settings", [
    {}, {"line_search_fn": "strong_wolfe"}, {"lr": 0.3, "history_size": 3, "max_iter": 5},
    {"line_search_fn": "strong_wolfe", "history_size": 2, "max_iter": 7, "max_eval": 9},
])  # fmt: skip
def test_lbfgs(settings: dict[str, Any]) -> None:
    """The same points step for step, on the network, and on Rosenbrock's function."""
    _, x, y = start()
    mine, yours = both()
    ours, theirs = optim.LBFGS(mine, **settings), torch.optim.LBFGS(yours, **settings)

    def close(optimizer: Any, loss: Any) -> Any:
        def closure() -> Any:
            optimizer.zero_grad()
            value = loss()
            value.backward()
            return value

        return closure

    for step in range(60 // settings.get("max_iter", 20)):  # later on, rounding has been magnified
        a = ours.step(close(ours, lambda: loss_of(np.tanh, mine, x, y)))
        b = theirs.step(close(theirs, lambda: loss_of(torch.tanh, yours, torch.from_numpy(x), torch.from_numpy(y))))
        assert a.item() == pytest.approx(b.item(), rel=1e-6), step
        for p, q in zip(mine, yours, strict=True):
            np.testing.assert_allclose(p.data, q.detach().numpy(), 1e-5, 1e-6, err_msg=f"step {step}")
    if settings.get("line_search_fn"):
        w = ag.Tensor(np.array([-1.5, 2.0]), requires_grad=True)
        v = torch.tensor([-1.5, 2.0], requires_grad=True)
        ours, theirs = optim.LBFGS([w], **settings), torch.optim.LBFGS([v], **settings)
        for _ in range(3):
            ours.step(close(ours, lambda: (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2))
            theirs.step(close(theirs, lambda: (1 - v[0]) ** 2 + 100 * (v[1] - v[0] ** 2) ** 2))
            np.testing.assert_allclose(w.data, v.detach().numpy(), 1e-6, 1e-8)


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
