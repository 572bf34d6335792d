"""What all optimizers share: settings, groups, the step as a whole, saving, clipping, schedules."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest

import autograd as ag
import optim
from autograd.errors import ArgumentError, DTypeError, GraphError, ShapeError

ALL = [
    optim.SGD, optim.Adagrad, optim.RMSprop, optim.Adadelta,
    optim.Adam, optim.AdamW, optim.Adamax, optim.NAdam,
]  # fmt: skip
NAN, INF = math.nan, math.inf


def leaf(*values: float, name: str | None = None) -> ag.Tensor:
    return ag.Tensor(list(values) or [1.0, -2.0], requires_grad=True, name=name)


def with_gradient(*values: float, gradient: float = 1.0) -> ag.Tensor:
    p = leaf(*values)
    p.grad = ag.Tensor(np.full_like(p.data, gradient))
    return p


# ---- settings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("lr", [-1.0, NAN, INF, -INF, "fast", None, True, [0.1]])
def test_rate_must_be_a_finite_number(make: Any, lr: Any) -> None:
    with pytest.raises(ArgumentError, match=r"lr must be a finite number ≥ 0, got .*test_optim_base.py:\d+") as error:
        make([leaf()], lr=lr)
    assert repr(lr) in str(error.value) and make.__name__ in str(error.value)


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (optim.SGD, {"momentum": -0.1}),
        (optim.SGD, {"momentum": NAN}),
        (optim.SGD, {"weight_decay": -1e-4}),
        (optim.SGD, {"dampening": INF}),
        (optim.SGD, {"nesterov": True}),
        (optim.SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
        (optim.SGD, {"nesterov": 1}),
        (optim.SGD, {"form": "heavy"}),
        (optim.SGD, {"form": "average"}),
        (optim.SGD, {"form": "average", "momentum": 1.0}),
        (optim.SGD, {"form": "lookahead", "momentum": 0.9, "nesterov": True}),
        (optim.SGD, {"form": "average", "momentum": 0.9, "dampening": 0.5}),
        (optim.Adagrad, {"eps": 0.0}),
        (optim.Adagrad, {"lr_decay": -1.0}),
        (optim.Adagrad, {"initial_accumulator_value": -1.0}),
        (optim.RMSprop, {"alpha": 1.0}),
        (optim.RMSprop, {"eps": -1e-8}),
        (optim.RMSprop, {"centered": "yes"}),
        (optim.Adadelta, {"rho": 1.5}),
        (optim.Adam, {"betas": (0.9, 1.0)}),
        (optim.Adam, {"betas": (-0.1, 0.999)}),
        (optim.Adam, {"betas": (0.9, NAN)}),
        (optim.Adam, {"betas": 0.9}),
        (optim.Adam, {"betas": (0.9, 0.99, 0.999)}),
        (optim.Adam, {"eps": 0}),
        (optim.AdamW, {"weight_decay": INF}),
        (optim.Adamax, {"eps": NAN}),
        (optim.NAdam, {"momentum_decay": -1.0}),
    ],
)
def test_settings_out_of_range(make: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError) as error:
        make([leaf()], **settings)
    assert any(repr(value) in str(error.value) for value in settings.values())
    with pytest.raises(ValueError):  # also where only one group says so
        make([{"params": [leaf()], **settings}])


def test_writing_a_setting_is_checked_and_refused_whole() -> None:
    group = optim.SGD([leaf()], lr=0.1, momentum=0.9, nesterov=True).param_groups[0]
    for name, value in [
        ("lr", NAN),
        ("momentum", 0.0),
        ("dampening", 0.5),
        ("nesterov", None),
        ("rate", 0.1),
        ("params", []),
    ]:
        before = dict(group)
        with pytest.raises(ArgumentError):
            group[name] = value
        assert dict(group) == before
    with pytest.raises(ArgumentError, match="can't be deleted"):
        del group["lr"]


def test_a_group_behaves_as_a_dict() -> None:
    p = leaf()
    group = optim.Adam([p], lr=0.1, betas=(0.5, 0.6)).param_groups[0]
    assert list(group)[:4] == ["params", "maximize", "lr", "betas"] and len(group) == len(dict(group))
    assert group["params"] == [p] and group["betas"] == (0.5, 0.6) and type(group["lr"]) is float
    assert "lr" in group and "momentum" not in group and group.get("momentum") is None
    group.update(lr=0.2, betas=[0.7, 0.8])
    assert (group["lr"], group["betas"]) == (0.2, (0.7, 0.8))
    assert isinstance(group.cells["lr"][0], ag.State)


def test_a_rate_that_is_written_is_used_and_keeps_its_cell() -> None:
    p = with_gradient(1.0)
    optimizer = optim.SGD([p], lr=0.5)
    cell = optimizer.param_groups[0].cells["lr"][0]
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 0.25
    optimizer.step()
    assert p.item() == 0.25 and optimizer.param_groups[0].cells["lr"][0] is cell


def test_momentum_that_is_switched_on_later_gets_its_state() -> None:
    p = with_gradient(1.0)
    optimizer = optim.SGD([p], lr=0.1)
    assert "momentum_buffer" not in optimizer.state[p]
    optimizer.param_groups[0]["momentum"] = 0.9
    assert "momentum_buffer" in optimizer.state[p]
    optimizer.step()
    assert p.item() == pytest.approx(0.9)


# ---- parameters ---------------------------------------------------------------------------------------


def test_what_is_no_list_of_leaves() -> None:
    p = leaf(name="w")
    bad: list[tuple[Any, type[Exception], str]] = [
        ([], ArgumentError, "no parameters"),
        (iter(()), ArgumentError, "empty once it was used"),
        ([{"params": []}], ArgumentError, "group 0 has no parameters"),
        (p, DTypeError, r"Write \[t\]"),
        ("weights", DTypeError, "list of tensors"),
        ({"params": [p]}, DTypeError, r"\[{'params'"),
        (3, DTypeError, "int"),
        ([np.ones(2)], DTypeError, "entry 0 is a ndarray"),
        ([("w", p)], DTypeError, "named_parameters"),
        ([p, p * 2], GraphError, "parameter 1 is the result of a computation"),
        ([ag.Tensor([1, 2])], DTypeError, "dtype int64"),
        ([p, p], ArgumentError, "'w' is in the optimizer already"),
        ([{"params": [p]}, {"params": [p]}], ArgumentError, "group 1, parameter 'w'"),
        ([{"params": [p]}, [p]], ArgumentError, "must be a dict"),
        ([{"lr": 0.1}], ArgumentError, "key 'params'"),
        ([{"params": [p], "rate": 0.1}], ArgumentError, r"unknown settings \['rate'\]"),
    ]
    for params, kind, message in bad:
        with pytest.raises(kind, match=message):
            optim.SGD(params, lr=0.1)


def test_adding_a_group_is_all_or_nothing() -> None:
    p, q = leaf(), leaf()
    optimizer = optim.Adam([p])
    for group in (
        {"params": [q, p]},
        {"params": [q], "lr": NAN},
        {"params": q, "eps": 0},
        {"params": [q, q * 1]},
    ):
        with pytest.raises((ArgumentError, GraphError)):
            optimizer.add_param_group(group)
        assert len(optimizer.param_groups) == 1 and list(optimizer.state) == [p]
    optimizer.add_param_group({"params": q, "lr": 0.5})
    assert optimizer.param_groups[1]["lr"] == 0.5 and optimizer.param_groups[1]["betas"] == (0.9, 0.999)


# ---- a step -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ALL)
def test_step_writes_in_place(make: Any) -> None:
    p = with_gradient()
    optimizer = make([p], lr=0.1)
    arrays = [p.data, *(s.data for s in optimizer.state[p].values() if isinstance(s, ag.Tensor))]
    before, version = [a.copy() for a in arrays], p.version
    optimizer.step()
    after = [p.data, *(s.data for s in optimizer.state[p].values() if isinstance(s, ag.Tensor))]
    assert all(a is b for a, b in zip(arrays, after, strict=True))
    assert all((a != b).all() for a, b in zip(before, after, strict=True))
    assert p.version > version and p.is_leaf and p.requires_grad
    assert optimizer.state[p]["step"].value == 1


@pytest.mark.parametrize("make", ALL)
def test_nothing_is_written_when_one_gradient_does_not_fit(make: Any) -> None:
    good, bad = with_gradient(), with_gradient()
    bad.name = "bad"
    optimizer = make([{"params": [good]}, {"params": [bad]}])
    bad.data = np.ones(3, np.float32)
    state, value = optimizer.state_dict(), good.data.copy()
    with pytest.raises(ShapeError, match=r"group 1, parameter 'bad' is float32\[3\] and its gradient float32\[2\]"):
        optimizer.step()
    np.testing.assert_array_equal(good.data, value)
    assert_same(optimizer.state_dict(), state)


def test_a_parameter_that_was_converted_is_an_error() -> None:
    p = leaf()
    optimizer = optim.Adam([p])
    p.data = np.ones(3, np.float32)
    p.grad = ag.Tensor(np.ones(3, np.float32))
    with pytest.raises(ShapeError, match="its exp_avg"):
        optimizer.step()


def test_without_gradients_nothing_happens() -> None:
    p, frozen = leaf(), ag.Tensor([1.0])
    optimizer = optim.Adam([p, frozen])
    before = optimizer.state_dict()
    optimizer.step()
    assert_same(optimizer.state_dict(), before)
    p.grad = ag.Tensor([1.0, 1.0])
    optimizer.zero_grad()
    assert p.grad is None


@pytest.mark.parametrize("make", ALL)
def test_nan_goes_on_and_raises_nothing(make: Any) -> None:
    p, q = with_gradient(gradient=NAN), with_gradient()
    with np.errstate(all="raise"):
        optimizer = make([p, q], lr=0.1)
        optimizer.step()
    assert np.isnan(p.data).all() and np.isfinite(q.data).all()


@pytest.mark.parametrize("make", ALL)
def test_extreme_gradients_stay_finite(make: Any) -> None:
    for gradient in (0.0, 1e-30, 1e15):
        p = with_gradient(gradient=gradient)
        optimizer = make([p])
        for _ in range(3):
            optimizer.step()
        assert np.isfinite(p.data).all(), gradient


def test_closure_runs_with_gradients_and_its_result_is_returned() -> None:
    p = leaf(3.0)
    optimizer = optim.SGD([p], lr=0.5)

    def closure() -> ag.Tensor:
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with ag.no_grad():
        assert optimizer.step(closure).item() == 9.0
    assert p.item() == 0.0


def test_an_error_in_the_closure_leaves_everything() -> None:
    p = leaf(3.0)
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9, form="lookahead")
    optimizer.state[p]["momentum_buffer"].copy_(np.ones(1, np.float32))
    seen, before = [], optimizer.state_dict()

    def closure() -> None:
        seen.append(p.item())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimizer.step(closure)
    assert seen == [pytest.approx(2.1)] and p.item() == 3.0
    assert_same(optimizer.state_dict(), before)
    with pytest.raises(ArgumentError, match=r"call step\(closure\)"):
        optimizer.step()


def test_an_interrupt_while_writing_finishes_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    from optim import optimizer as module

    def run(interrupt_at: int) -> list[np.ndarray]:
        ps = [with_gradient(), with_gradient()]
        optimizer = optim.Adam(ps, lr=0.1)
        interrupted = False

        def overwrite(new: Any) -> None:
            nonlocal interrupted
            if not interrupt_at or interrupted:
                original(new)
                return
            interrupted = True
            original(list(new)[:interrupt_at])
            raise KeyboardInterrupt

        original = ag.overwrite
        with monkeypatch.context() as patch:
            patch.setattr(module.ag, "overwrite", overwrite)
            try:
                optimizer._update()  # the step as it runs uncompiled
            except KeyboardInterrupt:
                pass
            else:
                assert not interrupt_at
        states = [s.value if isinstance(s, ag.State) else s.data for p in ps for s in optimizer.state[p].values()]
        return [p.data for p in ps] + states

    whole = run(0)
    for k in range(1, 6):
        for a, b in zip(run(k), whole, strict=True):
            np.testing.assert_array_equal(a, b)


def test_an_error_in_a_rule_writes_nothing() -> None:
    def rule(p: Any, g: Any, t: Any, *, lr: Any) -> tuple[Any]:
        if p[0] == 2:
            raise ZeroDivisionError
        return (p - lr * g,)

    class Broken(optim.Optimizer):
        pass

    Broken.rule = staticmethod(rule)
    ps = [with_gradient(1.0), with_gradient(2.0)]
    with pytest.raises(ZeroDivisionError):
        Broken(ps, {"lr": 0.1}).step()
    assert [p.item() for p in ps] == [1.0, 2.0]


# ---- saving -------------------------------------------------------------------------------------------


def assert_same(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list):
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b


def trained(make: Any = optim.Adam, **settings: Any) -> optim.Optimizer:
    optimizer: optim.Optimizer = make([with_gradient(), with_gradient(3.0)], **settings)
    optimizer.step()
    return optimizer


@pytest.mark.parametrize("make", ALL)
def test_state_round_trips_and_is_a_copy(make: Any) -> None:
    optimizer, other = trained(make, lr=0.25), make([leaf(), leaf(3.0)])
    state = optimizer.state_dict()
    kept = copy.deepcopy(state)
    optimizer.step()
    assert_same(state, kept)
    other.load_state_dict(state)
    assert_same(other.state_dict(), kept)


def test_flags_travel_and_bring_their_state() -> None:
    other = optim.Adam([leaf(), leaf(3.0)])
    other.load_state_dict(trained(amsgrad=True, maximize=True).state_dict())
    assert other.param_groups[0]["amsgrad"] and other.param_groups[0]["maximize"]
    assert all("max_exp_avg_sq" in state for state in other.state.values())


def broken_states() -> dict[str, tuple[Any, list[str]]]:
    def state(**changes: Any) -> dict[str, Any]:
        out = trained().state_dict()
        out["param_groups"][0].update(changes)
        return out

    def slot(name: str, value: Any) -> dict[str, Any]:
        out = state()
        out["state"][1][name] = value
        return out

    several = slot("exp_avg", np.zeros((1, 1), np.float32))
    several["param_groups"][0]["lr"] = NAN
    del several["state"][0]["exp_avg_sq"]
    return {
        "nothing": (None, ["NoneType"]),
        "no groups": ({"state": {}}, ["param_groups"]),
        "another optimizer": (
            trained(optim.SGD).state_dict(),
            ["lacks 'betas'", "unknown setting 'momentum'"],
        ),
        "groups": ({"state": {}, "param_groups": []}, ["0 parameter groups"]),
        "tensors": (state(params=[0]), ["1 tensors"]),
        "no state": ({**state(), "state": {}}, ["parameter 0 has no state", "parameter 1 has no state"]),
        "rate": (state(lr=-1.0), ["lr must be"]),
        "unknown": (slot("extra", 1), ["parameter 1 has an unknown state 'extra'"]),
        "shape": (slot("exp_avg", np.zeros(2, np.float32)), ["'exp_avg' is float32[2], not float32[1]"]),
        "dtype": (slot("exp_avg", np.zeros(1)), ["'exp_avg' is float64[1], not float32[1]"]),
        "step": (slot("step", "three"), ["'step' must be a number"]),
        "several": (several, ["lr must be", "parameter 0 lacks 'exp_avg_sq'", "parameter 1: 'exp_avg'"]),
    }


@pytest.mark.parametrize("name", broken_states())
def test_a_state_that_does_not_fit_changes_nothing(name: str) -> None:
    state, messages = broken_states()[name]
    optimizer = trained(lr=0.5)
    before = optimizer.state_dict()
    with pytest.raises(ArgumentError) as error:
        optimizer.load_state_dict(state)
    assert all(message in str(error.value) for message in messages), str(error.value)
    assert_same(optimizer.state_dict(), before)


def test_repr_says_what_is_trained_and_how() -> None:
    optimizer = optim.SGD([{"params": [leaf()]}, {"params": [leaf(1.0), leaf(2.0)], "lr": 0.01}], lr=0.1, momentum=0.9)
    lines = repr(optimizer).split("\n")
    assert lines[0] == "SGD(" and lines[-1] == ")"
    assert lines[1].startswith("  group 0: 1 tensor, 2 numbers; ") and "lr=0.1, momentum=0.9" in lines[1]
    assert lines[2].startswith("  group 1: 2 tensors, 2 numbers; ") and "lr=0.01" in lines[2]


# ---- clipping -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [NAN, INF])
def test_a_norm_that_is_not_finite(bad: float) -> None:
    ps = [with_gradient(gradient=bad), with_gradient(gradient=2.0)]
    with pytest.raises(ArgumentError, match="none was scaled"):
        optim.clip_grad_norm_(ps, 1.0, error_if_nonfinite=True)
    assert not math.isfinite(optim.clip_grad_norm_(ps, 1.0).item())
    assert ps[1].grad is not None and (ps[1].grad.data == 2.0).all()


def test_norms_neither_overflow_nor_divide_by_zero() -> None:
    huge, zero = with_gradient(3.0, 4.0, gradient=1e30), with_gradient(gradient=0.0)
    assert optim.clip_grad_norm_([huge], 1.0).item() == pytest.approx(math.sqrt(2) * 1e30, rel=1e-6)
    assert huge.grad is not None
    np.testing.assert_allclose(huge.grad.data, math.sqrt(0.5), rtol=1e-5)
    assert optim.clip_grad_norm_([zero], 1.0).item() == 0.0
    assert zero.grad is not None and (zero.grad.data == 0).all()


def test_clipping_leaves_out_what_has_no_gradient() -> None:
    assert optim.clip_grad_norm_([], 1.0).item() == 0.0
    assert optim.clip_grad_norm_(leaf(), 1.0).item() == 0.0
    optim.clip_grad_value_([leaf()], 1.0)
    half = ag.Tensor(np.ones(2, np.float16), requires_grad=True)
    half.grad = ag.Tensor(np.full(2, 3, np.float16))
    optim.clip_grad_value_(half, 0.5)
    assert half.grad.dtype == np.float16 and (half.grad.data == 0.5).all()
    for bad in (-1.0, NAN, "1"):
        with pytest.raises(ArgumentError, match="must be"):
            optim.clip_grad_norm_([], bad)  # type: ignore[arg-type]
        with pytest.raises(ArgumentError, match="must be"):
            optim.clip_grad_value_([], bad)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="norm_type"):
        optim.clip_grad_norm_([], 1.0, norm_type=0)


def test_clipping_one_gradient_leaves_another_that_shares_its_array() -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (a + b).backward(np.array([3.0, 4.0], np.float32))
    optim.clip_grad_value_([a], 1.0)
    assert b.grad is not None and b.grad.data.tolist() == [3.0, 4.0]


# ---- schedules ----------------------------------------------------------------------------------------


def test_schedules_check_their_settings() -> None:
    optimizer, s = optim.SGD([leaf()], lr=0.1), optim.lr_scheduler
    for make in (
        lambda: s.StepLR(optimizer, 0),
        lambda: s.StepLR(optimizer, 1.5),  # type: ignore[arg-type]
        lambda: s.StepLR(optimizer, 2, gamma=NAN),
        lambda: s.ExponentialLR(optimizer, -0.5),
        lambda: s.CosineAnnealingLR(optimizer, 0),
        lambda: s.CosineAnnealingLR(optimizer, 5, eta_min=-1.0),
        lambda: s.LambdaLR(optimizer, [math.cos, math.sin]),
    ):
        with pytest.raises(ArgumentError):
            make()
    with pytest.raises(DTypeError):
        s.StepLR("sgd", 3)  # type: ignore[arg-type]
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_a_rate_that_a_schedule_may_not_set_changes_nothing() -> None:
    optimizer = optim.SGD([leaf()], lr=0.1)
    schedule = optim.lr_scheduler.LambdaLR(optimizer, lambda t: -1.0 if t == 1 else 1.0)
    with pytest.raises(ArgumentError, match="lr must be"):
        schedule.step()
    assert (schedule.last_epoch, optimizer.param_groups[0]["lr"]) == (0, 0.1)


def test_a_schedule_resumes() -> None:
    def make() -> tuple[optim.Optimizer, optim.lr_scheduler.LRScheduler]:
        optimizer = optim.SGD([{"params": [leaf()]}, {"params": [leaf()], "lr": 0.3}], lr=0.1)
        return optimizer, optim.lr_scheduler.CosineAnnealingLR(optimizer, 8)

    optimizer, schedule = make()
    for _ in range(3):
        schedule.step()
    other, resumed = make()
    other.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(schedule.state_dict())
    assert resumed.get_last_lr() == schedule.get_last_lr() and repr(resumed) == repr(schedule)
    schedule.step()
    resumed.step()
    assert resumed.get_last_lr() == schedule.get_last_lr() and resumed.last_epoch == 4
    for state in ({}, {"last_epoch": 1, "base_lrs": [0.1]}, {"last_epoch": -1, "base_lrs": [0.1, 0.3]}, None):
        with pytest.raises(ArgumentError):
            resumed.load_state_dict(state)  # type: ignore[arg-type]
    optimizer.add_param_group({"params": [leaf()]})
    with pytest.raises(ArgumentError, match="3 groups now"):
        schedule.step()
