"""L-BFGS, schedules, averages, hypergradients, groups: what is beside the update rules."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd.errors import AutogradError
from optim import lr_scheduler as S


def leaf(*values: float) -> ag.Tensor:
    return ag.Tensor(np.array(values), requires_grad=True)


def closing(optimizer: Any, loss: Callable[[], Any]) -> Callable[[], Any]:
    def closure() -> Any:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    return closure


# ---- L-BFGS ----------------------------------------------------------------------------------------------------------


def rosenbrock(w: Any) -> Any:
    return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2


def test_lbfgs_finds_minima_to_high_precision() -> None:
    w = leaf(-1.5, 2.0)
    optimizer = optim.LBFGS([w], max_iter=200, line_search_fn="strong_wolfe", tolerance_change=0.0)
    optimizer.step(closing(optimizer, lambda: rosenbrock(w)))
    np.testing.assert_allclose(w.data, 1.0, atol=1e-6)
    random = np.random.default_rng(0)
    a, b = random.normal(size=(30, 10)), random.normal(size=30)
    x = ag.Tensor(np.zeros(10), requires_grad=True)
    optimizer = optim.LBFGS([x], max_iter=100, line_search_fn="strong_wolfe", tolerance_change=0.0)
    optimizer.step(closing(optimizer, lambda: ((a @ x - b) ** 2).sum()))
    np.testing.assert_allclose(x.data, np.linalg.lstsq(a, b, rcond=None)[0], atol=1e-7)


def test_lbfgs_calls_a_compiled_closure() -> None:
    w = leaf(-1.5, 2.0)
    optimizer = optim.LBFGS([w], max_iter=100, line_search_fn="strong_wolfe")

    @ag.jit
    def compiled() -> Any:
        return closing(optimizer, lambda: rosenbrock(w))()

    optimizer.step(lambda: compiled())
    np.testing.assert_allclose(w.data, 1.0, atol=1e-4)


@pytest.mark.parametrize("fails_at", [0, 3, 7])
def test_lbfgs_after_an_error_is_as_before(fails_at: int) -> None:
    w = leaf(-1.5, 2.0)
    optimizer = optim.LBFGS([w], max_iter=20, line_search_fn="strong_wolfe")
    optimizer.step(closing(optimizer, lambda: rosenbrock(w)))
    before, state = w.data.copy(), str(optimizer.state_dict())
    calls = 0

    def closure() -> Any:
        nonlocal calls
        if calls == fails_at:
            raise KeyboardInterrupt
        calls += 1
        return closing(optimizer, lambda: rosenbrock(w) * 1.5)()

    with pytest.raises(KeyboardInterrupt):
        optimizer.step(closure)
    np.testing.assert_array_equal(w.data, before)
    assert str(optimizer.state_dict()) == state


def test_lbfgs_resumes_to_the_bit() -> None:
    def run(pause: int | None) -> Any:
        w = leaf(-1.5, 2.0)
        optimizer = optim.LBFGS([w], max_iter=4, history_size=3, line_search_fn="strong_wolfe")
        for k in range(6):
            if k == pause:
                state, w = optimizer.state_dict(), leaf(*w.data)
                optimizer = optim.LBFGS([w], lr=0.7, max_iter=9)
                optimizer.load_state_dict(state)
            optimizer.step(closing(optimizer, lambda w=w: rosenbrock(w)))
        return w.data

    np.testing.assert_array_equal(run(3), run(None))


def test_lbfgs_and_losses_that_are_not_finite() -> None:
    w = leaf(5.0)
    optimizer = optim.LBFGS([w], line_search_fn="strong_wolfe", max_iter=50)
    optimizer.step(closing(optimizer, lambda: (w - np.log(w) * 3).sum()))  # a long step leads below 0, to NaN
    np.testing.assert_allclose(w.data, 3.0, atol=1e-5)
    with ag.no_grad():
        w.copy_([-1.0])
    with pytest.warns(RuntimeWarning, match="no step was made"), np.errstate(all="ignore"):
        optimizer.step(closing(optimizer, lambda: np.log(w).sum()))
    assert w.data == -1.0


# ---- schedules -------------------------------------------------------------------------------------------------------

SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "StepLR": lambda o: S.StepLR(o, 2, 0.5), "MultiStepLR": lambda o: S.MultiStepLR(o, [1, 4], 0.5),
    "ConstantLR": lambda o: S.ConstantLR(o, 0.5, 3), "LinearLR": lambda o: S.LinearLR(o, 0.1, 1.0, 4),
    "ExponentialLR": lambda o: S.ExponentialLR(o, 0.9), "PolynomialLR": lambda o: S.PolynomialLR(o, 6, 2.0),
    "CosineAnnealingLR": lambda o: S.CosineAnnealingLR(o, 5), "SWALR": lambda o: S.SWALR(o, 0.01, 4),
    "CosineAnnealingWarmRestarts": lambda o: S.CosineAnnealingWarmRestarts(o, 2, 2),
    "CyclicLR": lambda o: S.CyclicLR(o, 0.01, 0.1, 2), "OneCycleLR": lambda o: S.OneCycleLR(o, 0.1, 20),
    "LambdaLR": lambda o: S.LambdaLR(o, lambda t: 1 / (1 + t)),
    "MultiplicativeLR": lambda o: S.MultiplicativeLR(o, lambda t: 0.9),
    "SequentialLR": lambda o: S.SequentialLR(o, [S.LinearLR(o, 0.1, total_iters=2), S.CosineAnnealingLR(o, 5)], [2]),
    "ChainedScheduler": lambda o: S.ChainedScheduler([S.ConstantLR(o, 0.5, 3), S.ExponentialLR(o, 0.9)]),
}  # fmt: skip


def test_every_schedule_has_a_row() -> None:
    assert set(SCHEDULES) | {"LRScheduler", "ReduceLROnPlateau"} == set(S.__all__)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_in_a_compiled_step(name: str) -> None:
    """The same points and rates, and one program."""

    def run(jit: bool) -> tuple[Any, list[float], Any]:
        w = leaf(1.0, -2.0)
        optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
        schedule = SCHEDULES[name](optimizer)

        def step() -> Any:
            loss = (w**2).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            return loss

        call = ag.jit(step) if jit else step
        rates = []
        for _ in range(9):
            call()
            rates.append(optimizer.param_groups[0]["lr"])
        return w.data, rates, call

    plain, rates, _ = run(False)
    compiled, same, call = run(True)
    np.testing.assert_allclose(compiled, plain, 1e-10, 1e-12)
    np.testing.assert_allclose(same, rates, 1e-10)
    assert sum(len(variants) for variants in call._variants.values()) == 1
    assert len(set(rates)) > 1


@pytest.mark.parametrize("name", [*SCHEDULES, "ReduceLROnPlateau"])
def test_schedule_resumes_to_the_bit(name: str) -> None:
    def rates(pause: int | None) -> list[float]:
        optimizer = optim.SGD([leaf(1.0)], lr=0.1, momentum=0.9)
        make = SCHEDULES.get(name, lambda o: S.ReduceLROnPlateau(o, patience=1, cooldown=1))
        schedule, found = make(optimizer), []
        for t in range(9):
            if t == pause:
                state = optimizer.state_dict(), schedule.state_dict()
                optimizer = optim.SGD([leaf(1.0)], lr=0.1, momentum=0.9)
                schedule = make(optimizer)
                optimizer.load_state_dict(state[0])
                schedule.load_state_dict(state[1])
            schedule.step(*([1.0] if name == "ReduceLROnPlateau" else []))
            found += [optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]]
        return found

    assert rates(4) == rates(None)


def test_one_cycle_beyond_its_end() -> None:
    optimizer = optim.SGD([leaf(1.0)], lr=0.1, momentum=0.9)
    schedule = S.OneCycleLR(optimizer, 0.1, total_steps=3)
    schedule.step()
    schedule.step()
    last = schedule.get_last_lr()
    with pytest.raises(AutogradError, match="total_steps=3"):
        schedule.step()
    assert schedule.get_last_lr() == last


def test_plateau_counts_nan_as_no_better() -> None:
    optimizer = optim.SGD([leaf(1.0)], lr=1.0)
    schedule = S.ReduceLROnPlateau(optimizer, patience=1)
    for metric in (1.0, math.nan, math.nan):
        schedule.step(ag.Tensor(metric))
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)
    assert schedule.best == 1.0


def plain(**settings: Any) -> optim.Optimizer:
    return optim.SGD([leaf(1.0)], lr=0.1, **settings)


BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: S.CosineAnnealingLR(plain(), 0), "0"), (lambda: S.StepLR(plain(), 0), "0"),
    (lambda: S.MultiStepLR(plain(), [0]), "0"), (lambda: S.ExponentialLR(plain(), -0.5), "-0.5"),
    (lambda: S.LinearLR(plain(), 0.0), "0.0"), (lambda: S.LinearLR(plain(), 1.5), "1.5"),
    (lambda: S.ConstantLR(plain(), 2.0), "2.0"), (lambda: S.PolynomialLR(plain(), 3, math.nan), "nan"),
    (lambda: S.CosineAnnealingWarmRestarts(plain(), 2, 0), "0"), (lambda: S.OneCycleLR(plain(), 0.1), "total_steps"),
    (lambda: S.OneCycleLR(plain(), 0.1, 10, pct_start=1.5), "1.5"), (lambda: S.OneCycleLR(plain(), 0.1, 10), "momentum"),
    (lambda: S.CyclicLR(plain(momentum=0.9), 0.1, 0.2, mode="square"), "'square'"),
    (lambda: S.OneCycleLR(optim.Adagrad([leaf(1.0)]), 0.1, 10), "Adagrad"),
    (lambda: S.SequentialLR(o := plain(), [S.StepLR(o, 1), S.StepLR(o, 1)], [3, 2]), "[3, 2]"),
    (lambda: S.SequentialLR(plain(), [S.StepLR(plain(), 1)], []), "different optimizers"),
    (lambda: S.ChainedScheduler([]), "no schedules"), (lambda: S.ReduceLROnPlateau(plain(), factor=1.5), "1.5"),
    (lambda: S.ReduceLROnPlateau(plain(), mode="least"), "'least'"), (lambda: S.SWALR(plain(), -1.0), "-1.0"),
    (lambda: S.ReduceLROnPlateau(plain(), patience=-1), "-1"), (lambda: S.LambdaLR(plain(), [1, 2]), "2 functions"),
    (lambda: optim.Rprop([leaf(1.0)], etas=(1.2, 0.5)), "(1.2, 0.5)"),
    (lambda: optim.Lion([leaf(1.0)], betas=(0.9, 1.0)), "1.0"),
    (lambda: optim.RAdam([leaf(1.0)], eps=0.0), "0.0"),
    (lambda: optim.Rprop([leaf(1.0)], step_sizes=(0.0, 1.0)), "(0.0, 1.0)"),
    (lambda: optim.LBFGS([leaf(1.0)], max_iter=0), "0"),
    (lambda: optim.LBFGS([leaf(1.0)], line_search_fn="armijo"), "'armijo'"),
    (lambda: optim.LBFGS([leaf(1.0)]).step(), "closure"), (lambda: optim.LBFGS([{"params": [leaf(1.0)]}] * 1 + [
        {"params": [leaf(2.0)]}]), "got 2"),
    (lambda: optim.ExponentialMovingAverage([leaf(1.0)], decay=1.0), "1.0"),
    (lambda: optim.StochasticWeightAverage([]), "nothing"), (lambda: optim.StochasticWeightAverage([3]), "int"),
    (lambda: optim.Hypergradient(plain(), hyper_lr=-1.0), "-1.0"), (lambda: optim.Hypergradient(3), "int"),
    (lambda: optim.unrolled(lambda w: w.sum(), [leaf(1.0)], 0.1, -1), "-1"),
    (lambda: optim.unrolled(lambda w: w.sum(), [leaf(1.0)], [0.1], 2), "1 rates"),
    (lambda: optim.layerwise_lr(nn.Linear(1, 1), 0.1, decay=0.0), "0.0"), (lambda: optim.decay_groups([], 0.1), "list"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "shown"), BAD, ids=range(len(BAD)))
def test_bad_arguments(call: Callable[[], Any], shown: str) -> None:
    with pytest.raises(AutogradError) as caught:
        call()
    assert shown in str(caught.value)


# ---- averages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jit", [False, True])
def test_averages_are_their_formulas(jit: bool) -> None:
    w = leaf(1.0, 2.0)
    kinds = [optim.ExponentialMovingAverage([w], 0.8), optim.ExponentialMovingAverage([w], 0.8, warm_up=True),
             optim.StochasticWeightAverage([w])]  # fmt: skip
    optimizer = optim.SGD([w], lr=0.1)

    def step() -> None:
        loss = (w**2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for average in kinds:
            average.update()

    call = ag.jit(step) if jit else step
    points, expected = [], [w.data.copy(), w.data.copy()]
    for n in range(6):
        call()
        points.append(w.data.copy())
        for k, decay in enumerate((0.8, min(0.8, (1 + n) / (10 + n)))):
            expected[k] = decay * expected[k] + (1 - decay) * w.data
    for average, value in zip(kinds, [*expected, np.mean(points, axis=0)], strict=True):
        np.testing.assert_allclose(average.averages[0].data, value, 1e-12)


def test_averages_are_applied_and_taken_back() -> None:
    model = nn.Linear(2, 1)
    before = model.state_dict()
    average = optim.ExponentialMovingAverage(model, 0.5)
    with ag.no_grad():
        model.weight.copy_(np.zeros((1, 2)))
    average.update()
    with pytest.raises(RuntimeError, match="inside"), average.applied():
        np.testing.assert_allclose(model.weight.data, before["weight"] / 2)
        raise RuntimeError("inside")
    assert (model.weight.data == 0).all()
    other = optim.ExponentialMovingAverage(nn.Linear(2, 1), 0.5)
    other.load_state_dict(average.state_dict())
    np.testing.assert_array_equal(other.averages[0].data, average.averages[0].data)
    with pytest.raises(AutogradError, match="other shapes"):
        optim.ExponentialMovingAverage(nn.Linear(3, 1)).load_state_dict(average.state_dict())
    average.copy_to()
    np.testing.assert_allclose(model.weight.data, before["weight"] / 2)


# ---- hypergradients --------------------------------------------------------------------------------------------------


def by_hand(kind: str, multiplicative: bool, steps: int = 8) -> tuple[float, list[float]]:
    """SGD-HD and Adam-HD as in the paper, for the loss w²."""
    w, lr, u, m, v, rates = 2.0, 0.05, 0.0, 0.0, 0.0, []
    for t in range(1, steps + 1):
        g = 2 * w
        lr = lr * (1 + 0.02 * np.sign(g * u)) if multiplicative else lr + 0.01 * g * u
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        u = g if kind == "SGD" else (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
        w -= lr * u
        rates.append(lr)
    return w, rates


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("multiplicative", [False, True])
@pytest.mark.parametrize("jit", [False, True])
def test_hypergradient_descent_is_the_papers(kind: str, multiplicative: bool, jit: bool) -> None:
    w = leaf(2.0)
    inner = getattr(optim, kind)([w], lr=0.05)
    optimizer = optim.Hypergradient(inner, 0.02 if multiplicative else 0.01, multiplicative)

    def step() -> None:
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step()

    call = ag.jit(step) if jit else step
    rates = []
    for _ in range(8):
        call()
        rates.append(inner.param_groups[0]["lr"])
    end, expected = by_hand(kind, multiplicative)
    np.testing.assert_allclose(rates, expected, 1e-9)
    np.testing.assert_allclose(w.data, end, 1e-9)


def test_hypergradient_resumes_to_the_bit() -> None:
    def run(pause: int | None) -> Any:
        w = leaf(2.0, -1.0)
        optimizer = optim.Hypergradient(optim.Adam([w], lr=0.05), 0.01)
        for k in range(6):
            if k == pause:
                state, w = optimizer.state_dict(), leaf(*w.data)
                optimizer = optim.Hypergradient(optim.Adam([w], lr=0.9), 0.01)
                optimizer.load_state_dict(state)
            optimizer.zero_grad()
            (w**2).sum().backward()
            optimizer.step()
        return np.append(w.data, optimizer.param_groups[0]["lr"])

    np.testing.assert_array_equal(run(3), run(None))


def test_unrolled_hypergradients_are_differences() -> None:
    """Derivatives of a validation loss by rate, momentum, start and λ, through five steps of a small regression."""
    random = np.random.default_rng(0)
    x, y, x2, y2 = (random.normal(size=s) for s in [(8, 3), (8,), (6, 3), (6,)])

    def validation(lr: Any, momentum: Any, strength: Any, start: Any) -> Any:
        def loss(w: Any) -> Any:
            return ((x @ w - y) ** 2).mean() + strength * (w * w).sum()

        (end,) = optim.unrolled(loss, [start], lr, 5, momentum)
        return ((x2 @ end - y2) ** 2).mean()

    values = [np.array(0.05), np.array(0.6), np.array(0.1), random.normal(size=3)]
    tensors = [ag.Tensor(v, requires_grad=True) for v in values]
    validation(*tensors).backward()
    for k, (value, tensor) in enumerate(zip(values, tensors, strict=True)):
        slope = np.zeros(value.shape)
        for place in np.ndindex(value.shape):
            sides = []
            for h in (1e-6, -1e-6):
                moved = [v.copy() for v in values]
                moved[k][place] += h
                sides.append(validation(*(ag.Tensor(v, requires_grad=True) for v in moved)).item())
            slope[place] = (sides[0] - sides[1]) / 2e-6
        assert tensor.grad is not None
        np.testing.assert_allclose(tensor.grad.data, slope, 1e-6, 1e-8)


# ---- groups ----------------------------------------------------------------------------------------------------------


def test_groups_by_name() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 1))
    weights, others = optim.decay_groups(model, 0.1)
    assert weights["params"] == [model[0].weight, model[2].weight]
    assert len(others["params"]) == 4
    model[0].requires_grad_(False)
    groups = optim.layerwise_lr(model, 1.0, decay=0.5)
    assert [(len(g["params"]), g["lr"]) for g in groups] == [(2, 0.5), (2, 1.0)]
    assert len(optim.layerwise_lr(nn.Sequential(model, nn.Linear(1, 1)), 1.0, parts=1)) == 2


# ---- as objects ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SGD", "Adam", "RAdam", "Rprop", "Lion", "NAdam", "Adadelta", "LBFGS"])
@pytest.mark.parametrize("copier", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_go_on_alike(name: str, copier: Callable[[Any], Any]) -> None:
    def go(w: Any, optimizer: Any) -> Any:
        for _ in range(2):
            optimizer.step(closing(optimizer, lambda: rosenbrock(w)))
        return w.data

    w = leaf(-1.5, 2.0)
    optimizer = getattr(optim, name)([w], lr=0.01)
    go(w, optimizer)
    other_w, other = copier((w, optimizer))
    assert other.param_groups[0]["params"][0] is other_w
    np.testing.assert_array_equal(go(other_w, other), go(w, optimizer))


@pytest.mark.parametrize("make", [
    lambda p: optim.LBFGS(p, line_search_fn="strong_wolfe"), lambda p: optim.SGD(p, 0.05, 0.9, form="lookahead"),
])  # fmt: skip
def test_the_training_loop_gives_a_closure_where_one_is_needed(make: Callable[[Any], Any]) -> None:
    x = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    model = nn.Linear(1, 1)
    trainer = nn.Trainer(model, nn.MSELoss(), make(list(model.parameters())))
    assert "evaluates the loss" in trainer.how
    trainer.fit(nn.DataLoader((x, 3 * x + 1), batch_size=20), epochs=60, progress=False)
    assert model.weight.item() == pytest.approx(3, abs=0.05)
