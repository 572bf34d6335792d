"""The training loop's abilities beside the plain step, and what is done after each epoch."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd.errors import ArgumentError, AutogradError, DTypeError, FileError
from nn.callbacks import (
    CSVLogger,
    EarlyStopping,
    GradientFlow,
    ModelCheckpoint,
    TerminateOnNaN,
    gradient_flow,
)  # fmt: skip

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(24, 3))
Y = RANDOM.integers(0, 3, 24)
SHARES = RANDOM.random(24)
compiler = pytest.mark.skipif(not ag.can_compile(), reason="no LLVM")


def network(seed: int = 0) -> nn.Module:
    return nn.Sequential(
        nn.Linear(3, 5, dtype=np.float64, generator=ag.Generator(seed)), nn.Tanh(),
        nn.Linear(5, 3, dtype=np.float64, generator=ag.Generator(seed + 1)),
    )  # fmt: skip


def trainer(model: nn.Module | None = None, loss: Any = None, **settings: Any) -> nn.Trainer:
    model = model or network()
    return nn.Trainer(model, loss or nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.3, momentum=0.9), **settings)


def weights(t: nn.Trainer) -> Any:
    return np.concatenate([p.data.ravel() for p in t.model.parameters()])


def half_square(model: nn.Module) -> Any:
    return sum((0.05 * (p * p).sum() for p in model.parameters()), 0.0)


half_square.__module__ = "nn.tests"  # as if it were the library's own, so that it is compiled

# ---- accumulation ----------------------------------------------------------------------------------------------------

LOSSES = [
    nn.CrossEntropyLoss(), nn.CrossEntropyLoss(weight=np.array([1.0, 5.0, 0.2]), label_smoothing=0.1),
    nn.CrossEntropyLoss(ignore_index=1), nn.CrossEntropyLoss(reduction="sum"), nn.FocalLoss(), nn.MultiMarginLoss(),
    lambda output, target: nn.functional.cross_entropy(output, target),
]  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES, ids=range(len(LOSSES)))
@pytest.mark.parametrize(("jit", "sizes"), [(None, (12, 8, 4)), *((False, s) for s in [(8, 8, 8), (24,), (1, 22, 1)])])
def test_accumulated_batches_are_one_large_batch(loss: Any, jit: bool | None, sizes: tuple[int, ...]) -> None:
    if len(sizes) > 1 and callable(loss) and not isinstance(loss, nn.Loss) and jit is None:
        jit = True  # a function of the caller's own is compiled on request
    ends = np.cumsum((0, *sizes))
    batches = [(X[a:b], Y[a:b]) for a, b in itertools.pairwise(ends)]
    whole = trainer(loss=loss, jit=False, penalty=half_square)
    parts = trainer(loss=loss, jit=jit, penalty=half_square, accumulate=len(sizes))
    for _ in range(3):
        whole.fit([(X, Y)], epochs=1, progress=False)
        parts.fit(batches, epochs=1, progress=False)
    np.testing.assert_allclose(weights(parts), weights(whole), 1e-11, 1e-13)
    assert parts.steps == whole.steps == 3
    if not isinstance(loss, nn.Loss) or loss.reduction == "mean" and getattr(loss, "weight", None) is None:
        if getattr(loss, "ignore_index", -100) == -100:
            np.testing.assert_allclose(parts.history["loss"], whole.history["loss"], 1e-11)


def test_the_last_step_of_an_epoch_may_have_fewer_batches() -> None:
    t = trainer(accumulate=4)
    t.fit([(X[k : k + 4], Y[k : k + 4]) for k in range(0, 24, 4)], epochs=1, progress=False)
    assert t.steps == 2


@compiler
def test_accumulation_runs_compiled() -> None:
    t = trainer(accumulate=2, before_step=functools.partial(optim.clip_grad_norm_, max_norm=0.1), penalty=half_square)
    assert t.how == "compiled"
    t.fit([(X, Y)] * 4, epochs=2, progress=False)
    assert t.how == "compiled" and t._compiled is not None and t._compiled._part.explain().segments == 0
    assert t._compiled._finish.explain().segments == 0


def test_a_bad_target_in_an_accumulated_batch_changes_nothing() -> None:
    t = trainer(accumulate=2)
    t.fit([(X, Y)] * 2, epochs=1, progress=False)
    before = weights(t)
    with pytest.raises(IndexError, match="target 9 at position 0 is not a class"):
        t.fit([(X, Y), (X, Y * 0 + 9)], epochs=1, progress=False)
    np.testing.assert_array_equal(weights(t), before)


# ---- penalty, hooks, schedules, weights ------------------------------------------------------------------------------


@pytest.mark.parametrize("jit", [None, False])
def test_a_penalty_of_squares_is_weight_decay(jit: bool | None) -> None:
    """λ Σ w² in the loss is SGD's weight_decay=2λ, and no part of the history's loss."""
    plain, decayed = trainer(penalty=half_square, jit=jit), trainer(jit=False)
    decayed.optimizer = optim.SGD(decayed.model.parameters(), lr=0.3, momentum=0.9, weight_decay=0.1)
    for t in (plain, decayed):
        t.fit([(X, Y)], epochs=4, progress=False)
    np.testing.assert_allclose(weights(plain), weights(decayed), 1e-11)
    np.testing.assert_allclose(plain.history["loss"], decayed.history["loss"], 1e-11)


@compiler
def test_an_elastic_penalty_is_compiled() -> None:
    elastic = functools.partial(nn.functional.elastic_penalty, l1=0.02, l2=0.01)
    both = [trainer(penalty=elastic, jit=jit) for jit in (None, False)]
    free = trainer()
    for t in (*both, free):
        t.fit([(X, Y)], epochs=20, progress=False)
    assert both[0].how == "compiled"
    np.testing.assert_allclose(weights(both[0]), weights(both[1]), 1e-10)
    assert np.abs(weights(both[0])).sum() < np.abs(weights(free)).sum()


@compiler
def test_clipping_before_the_step() -> None:
    clip = functools.partial(optim.clip_grad_norm_, max_norm=0.01)
    compiled, plain, free = trainer(before_step=clip), trainer(before_step=clip, jit=False), trainer()
    for t in (compiled, plain, free):
        before = weights(t)
        t.fit([(X, Y)], epochs=1, progress=False)
        t.moved = np.linalg.norm(weights(t) - before)  # type: ignore[attr-defined]
    assert compiled.how == "compiled"
    np.testing.assert_allclose(weights(compiled), weights(plain), 1e-12)
    assert compiled.moved == pytest.approx(0.3 * 0.01, rel=1e-3) and free.moved > 10 * compiled.moved  # type: ignore[attr-defined]


@compiler
def test_after_step_keeps_an_average() -> None:
    averages = {}
    for jit in (True, False):
        model = network()
        shadow = [ag.Tensor(p.data.copy()) for p in model.parameters()]

        def average(m: nn.Module, shadow: Any = shadow) -> None:
            with ag.no_grad():
                for s, p in zip(shadow, m.parameters(), strict=True):
                    s.copy_(0.9 * s + 0.1 * p)

        t = trainer(model, after_step=average, jit=jit)
        assert t.how == ("compiled" if jit else "uncompiled: jit=False")
        t.fit([(X, Y)] * 3, epochs=2, progress=False)
        averages[jit] = np.concatenate([s.data.ravel() for s in shadow])
    np.testing.assert_allclose(averages[True], averages[False], 1e-12)
    assert "not the library's own" in trainer(after_step=lambda m: None).how


def test_schedules_step_by_epoch_or_by_step() -> None:
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    t = nn.Trainer(model, nn.CrossEntropyLoss(), optimizer, scheduler=schedule)
    t.fit([(X, Y)] * 2, epochs=3, progress=False)
    assert t.history["lr"] == [1.0, 0.5, 0.25] and optimizer.param_groups[0]["lr"] == 0.125
    t.schedule = "step"
    t.fit([(X, Y)] * 2, epochs=1, progress=False)
    assert optimizer.param_groups[0]["lr"] == 0.125 / 4

    seen: list[float] = []

    class Plateau:
        def step(self, metric: float) -> None:
            seen.append(metric)

    t = trainer(scheduler=Plateau())
    t.fit([(X, Y)], [(X[:4], Y[:4])], epochs=2, progress=False)
    assert seen == t.history["val_loss"]
    with pytest.raises(ArgumentError, match="whole epoch"):
        trainer(scheduler=Plateau(), schedule="step").fit([(X, Y)], epochs=1, progress=False)


@pytest.mark.parametrize("jit", [None, False])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_sample_weights_are_repetitions(jit: bool | None, accumulate: int) -> None:
    times = RANDOM.integers(0, 4, 24)
    cut = 10
    repeated = X.repeat(times, axis=0), Y.repeat(times)
    weighted = trainer(jit=jit, accumulate=accumulate)
    plain = trainer(jit=False)
    parts = [slice(0, cut), slice(cut, None)] if accumulate == 2 else [slice(None)]
    for _ in range(3):
        weighted.fit([(X[s], Y[s], times[s].astype(float)) for s in parts], epochs=1, progress=False)
        plain.fit([repeated], epochs=1, progress=False)
    np.testing.assert_allclose(weights(weighted), weights(plain), 1e-10)
    np.testing.assert_allclose(weighted.history["loss"], plain.history["loss"], 1e-10)
    a = nn.evaluate(weighted.model, weighted.loss, nn.DataLoader((X, Y, times.astype(float)), 7))
    b = nn.evaluate(plain.model, plain.loss, nn.DataLoader(repeated, 5))
    np.testing.assert_allclose(a["loss"], b["loss"], 1e-10)


def test_own_loss_gets_the_weights() -> None:
    seen: list[Any] = []

    def loss(output: Any, target: Any, weight: Any) -> Any:
        seen.append(weight)
        return (output.sum(axis=1) * ag.from_numpy(weight)).mean()

    trainer(loss=loss).fit([(X, Y, SHARES)], epochs=1, progress=False)
    assert seen[0] is SHARES


@compiler
def test_functions_of_the_library_and_partial_ones_are_compiled() -> None:
    smooth = functools.partial(nn.functional.cross_entropy, label_smoothing=0.1)
    t = trainer(loss=smooth)
    t.fit([(X, Y)], epochs=2, progress=False)
    other = trainer(loss=nn.CrossEntropyLoss(label_smoothing=0.1), jit=False)
    other.fit([(X, Y)], epochs=2, progress=False)
    assert t.how == "compiled"
    np.testing.assert_allclose(weights(t), weights(other), 1e-12)


def test_an_optimizer_that_wants_a_closure() -> None:
    class Twice:
        def __init__(self, model: nn.Module):
            self.inner = optim.SGD(model.parameters(), lr=0.1)
            self.param_groups, self.losses = self.inner.param_groups, []  # type: ignore[var-annotated]

        def zero_grad(self) -> None:
            self.inner.zero_grad()

        def step(self, closure: Callable[[], Any]) -> None:
            self.losses.append(closure().item())
            self.inner.step()
            self.losses.append(closure().item())

    model = network()
    optimizer = Twice(model)
    t = nn.Trainer(model, nn.CrossEntropyLoss(), optimizer, jit=True)
    assert "several times" in t.how
    t.fit([(X, Y)], epochs=2, progress=False)
    assert optimizer.losses[1] < optimizer.losses[0] == t.history["loss"][0]
    with pytest.raises(ArgumentError, match="accumulate=2"):
        nn.Trainer(model, nn.CrossEntropyLoss(), optimizer, accumulate=2)


def test_batch_stochastic_and_mini_batch_differ_in_the_loader_only() -> None:
    """Batch descent takes one step an epoch, whose gradient is that of all the data; stochastic takes one for each sample."""
    steps = {}
    for size in ("all", None, 1, 8):
        t = trainer()
        t.fit(nn.DataLoader((X, Y), size, shuffle=True, seed=1), epochs=1, progress=False)
        steps[size] = t.steps
    assert steps == {"all": 1, None: 1, 1: 24, 8: 3}
    one, whole = trainer(), trainer()
    one.fit(nn.DataLoader((X, Y), "all", shuffle=True, seed=3), epochs=5, progress=False)
    whole.fit([(X, Y)], epochs=5, progress=False)
    np.testing.assert_allclose(weights(one), weights(whole), 1e-10)


@pytest.mark.parametrize(("settings", "kind", "words"), [
    ({"accumulate": 0}, ArgumentError, "got 0"), ({"accumulate": True}, ArgumentError, "True"),
    ({"accumulate": 1.5}, ArgumentError, "1.5"), ({"penalty": 0.1}, DTypeError, "0.1"),
    ({"before_step": 1.0}, DTypeError, "before_step"), ({"after_step": "ema"}, DTypeError, "'ema'"),
    ({"scheduler": 0.1}, DTypeError, "float"), ({"schedule": "batch"}, ArgumentError, "'batch'"),
])  # fmt: skip
def test_bad_settings(settings: dict[str, Any], kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        trainer(**settings)


def test_mistakes_of_beginners() -> None:
    model = network()
    with pytest.raises(ArgumentError, match="made for other parameters"):
        nn.Trainer(model, nn.MSELoss(), optim.SGD(network().parameters(), lr=0.1))
    with pytest.raises(ArgumentError, match="4 parts"):
        trainer().fit([(X, Y, SHARES, SHARES)], epochs=1, progress=False)
    with pytest.raises(AutogradError, match=r"sample weights .* of shape \(24, 1\)"):
        trainer().fit([(X, Y, SHARES[:, None])], epochs=1, progress=False)
    with pytest.raises(AutogradError, match="not negative"):
        trainer().fit([(X, Y, -SHARES)], epochs=1, progress=False)
    with pytest.raises(ArgumentError, match="5 sample weights"):
        trainer(jit=False).fit([(X, Y, SHARES[:5])], epochs=1, progress=False)


# ---- callbacks -------------------------------------------------------------------------------------------------------


def told(stop: EarlyStopping, figures: list[float], name: str = "val_loss") -> int:
    """After how many epochs it stops; 0 for never."""
    for k, v in enumerate(figures):
        if stop(None, {"epoch": k + 1, "loss": 1.0, name: v}):
            return k + 1
    return 0


NAN = math.nan


@pytest.mark.parametrize(("settings", "figures", "end", "best"), [
    ({"patience": 2}, [3, 2, 2.5, 2.5, 1], 4, 2), ({"patience": 2}, [3, 2, 2.5, 1, 1.5, 1.5], 6, 1),
    ({"patience": 0}, [3, 2, 2], 3, 2), ({"patience": 1}, [3, 2, 2], 3, 2), ({"patience": 2}, [5, 4, 3, 2], 0, 2),
    ({"patience": 2, "min_delta": 0.5}, [3, 2.8, 2.6, 1], 3, 3), ({"patience": 2, "mode": "max"}, [1, 2, 1, 1], 4, 2),
    ({"patience": 2}, [3, NAN, NAN, 1], 3, 3), ({"patience": 2}, [NAN, NAN, 1], 2, NAN),
    ({"patience": 2}, [NAN, 1, NAN, 0.5], 0, 0.5), ({"patience": 2}, [math.inf, 4, 3], 0, 3),
    ({"patience": 2, "baseline": 1.0}, [3, 2, 1], 2, NAN), ({"patience": 3, "baseline": 2.0}, [3, 2, 2.5, 1], 0, 1),
])  # fmt: skip
def test_when_it_stops(settings: dict[str, Any], figures: list[float], end: int, best: float) -> None:
    stop = EarlyStopping(**settings)
    assert told(stop, figures) == stop.stopped_epoch == end
    np.testing.assert_equal(float(stop.best), float(best))


def test_direction_by_name() -> None:
    assert told(EarlyStopping("val_accuracy", patience=1), [0.5, 0.6, 0.55], "val_accuracy") == 3
    assert told(EarlyStopping("loss", patience=1), [1.0]) == 0
    with pytest.raises(ArgumentError, match="'val_kappa'"):
        EarlyStopping("val_kappa")
    assert EarlyStopping("val_kappa", mode="max").sign == -1


class Spoil:
    """A callback that spoils the weights from some epoch on."""

    def __init__(self, after: int):
        self.after = after

    def __call__(self, t: nn.Trainer, row: Any) -> None:
        if row["epoch"] >= self.after:
            with ag.no_grad():
                for p in t.model.parameters():
                    p.copy_(p.data + 3.0)


def test_the_best_weights_come_back_with_their_buffers() -> None:
    model = nn.Sequential(nn.Linear(3, 4, generator=ag.Generator(0)), nn.BatchNorm1d(4), nn.Linear(4, 3))
    t = nn.Trainer(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.05))
    stop, kept = EarlyStopping(patience=2), {}

    def keep(_: Any, row: Any) -> None:
        kept[row["epoch"]] = {k: np.array(v) for k, v in model.state_dict().items()}

    x = X.astype(np.float32)
    t.fit([(x, Y)], [(x, Y)], epochs=20, callbacks=[keep, stop, Spoil(4)], progress=False)
    assert stop.stopped_epoch == len(t.history) < 20
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, kept[stop.best_epoch][name], err_msg=name)
    spoiled = nn.evaluate(model, t.loss, [(x, Y)])["loss"]
    assert spoiled == pytest.approx(stop.best, rel=1e-6) == min(t.history["val_loss"])
    t.fit([(x, Y)], [(x, Y)], epochs=1, callbacks=[stop], progress=False)  # used again, it starts anew
    assert stop.best_epoch == len(t.history) and stop.stopped_epoch == 0


def test_without_restoring_the_last_weights_stay() -> None:
    t = trainer()
    t.fit([(X, Y)], [(X, Y)], epochs=9, callbacks=[EarlyStopping(patience=1, restore_best=False), Spoil(2)], progress=False)
    assert nn.evaluate(t.model, t.loss, [(X, Y)])["loss"] > min(t.history["val_loss"])


@pytest.mark.parametrize(("call", "words"), [
    (lambda: EarlyStopping(patience=-1), "-1"), (lambda: EarlyStopping(patience=2.5), "2.5"),
    (lambda: EarlyStopping(min_delta=-0.1), "-0.1"), (lambda: EarlyStopping(min_delta=NAN), "nan"),
    (lambda: EarlyStopping(mode="up"), "'up'"), (lambda: EarlyStopping(baseline=NAN), "nan"),
    (lambda: ModelCheckpoint("x", keep="all"), "'all'"), (lambda: GradientFlow("exploding"), "exploding"),
    (lambda: GradientFlow(("bad",)), "bad"),
    (lambda: EarlyStopping()(None, {"epoch": 1, "loss": 1.0}), "Pass validation data"),
    (lambda: EarlyStopping("val_los", mode="min")(None, {"epoch": 1, "val_loss": 1.0}), "did you mean 'val_loss'"),
])  # fmt: skip
def test_bad_callbacks(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        call()


def test_nan_ends_with_an_explanation() -> None:
    t = trainer()
    with pytest.raises(ArgumentError, match=r"loss of epoch 1 is nan.*rate is too high"):
        t.fit([(X * NAN, Y)], epochs=3, callbacks=[TerminateOnNaN()], progress=False)


def test_checkpoints(tmp_path: Path) -> None:
    t = trainer()
    best = ModelCheckpoint(tmp_path / "best.safetensors")
    last = ModelCheckpoint(str(tmp_path / "last-{epoch:02.0f}.safetensors"), keep="last")
    t.fit([(X, Y)], [(X, Y)], epochs=4, callbacks=[best, last, Spoil(3)], progress=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best.safetensors", *(f"last-0{k}.safetensors" for k in range(1, 5))]
    assert best.best == min(t.history["val_loss"]) and best.best_epoch == t.history["val_loss"].index(best.best) + 1
    model = network(9)
    model.load_state_dict(nn.load(tmp_path / "best.safetensors"))
    assert nn.evaluate(model, t.loss, [(X, Y)])["loss"] == best.best
    before = (tmp_path / "best.safetensors").read_bytes()
    best(t, {"epoch": 9, "val_loss": NAN})
    best(t, {"epoch": 10, "val_loss": best.best})
    assert (tmp_path / "best.safetensors").read_bytes() == before
    with pytest.raises(FileError, match="missing"):
        ModelCheckpoint(tmp_path / "missing" / "m.safetensors", keep="last")(t, t.history.rows[0])
    with pytest.raises(ArgumentError, match="nothing"):
        ModelCheckpoint("{nothing}", keep="last")(t, t.history.rows[0])


def test_table_after_each_epoch(tmp_path: Path) -> None:
    t = trainer()
    lengths: list[int] = []
    t.fit([(X, Y)], epochs=3, callbacks=[CSVLogger(tmp_path / "h.csv"),
          lambda *_: lengths.append(len((tmp_path / "h.csv").read_text().splitlines()))], progress=False)  # fmt: skip
    assert lengths == [2, 3, 4]
    t.history.to_csv(tmp_path / "whole.csv")
    assert (tmp_path / "whole.csv").read_text() == (tmp_path / "h.csv").read_text()


def deep(activation: Any, scale: float, layers: int = 12) -> nn.Module:
    parts: list[nn.Module] = []
    for k in range(layers):
        linear = nn.Linear(16, 16, dtype=np.float64, generator=ag.Generator(k))
        with ag.no_grad():
            linear.weight.copy_(scale * ag.Generator(k).normal(0, 1 / 4, (16, 16), np.float64))
        parts += [linear, activation()]
    return nn.Sequential(*parts, nn.Linear(16, 1, dtype=np.float64, generator=ag.Generator(99)))


@pytest.mark.parametrize(("activation", "scale", "words"), [
    (nn.Sigmoid, 1.0, "vanishing: 0.weight"), (nn.Identity, 6.0, "exploding: gradients"), (nn.Tanh, 1.0, "even"),
])  # fmt: skip
def test_diagnosis_of_gradients(activation: Any, scale: float, words: str) -> None:
    """Twelve layers of sigmoids lose the gradient, large linear ones blow it up: as the notes say."""
    model = deep(activation, scale)
    x = ag.Generator(5).normal(0, 1, (32, 16), np.float64)
    model(ag.Tensor(x)).mean().backward()
    flow = gradient_flow(model)
    assert flow.diagnosis.startswith(words), str(flow)
    assert len(str(flow).splitlines()) == len(flow) + 2
    g = model[0].weight.grad.data  # type: ignore[index]
    np.testing.assert_allclose(flow[0]["gradient"], np.linalg.norm(g))
    np.testing.assert_allclose(flow[0]["size"], np.sqrt((g**2).mean()))
    np.testing.assert_allclose(gradient_flow(model, 0.1)[0]["ratio"], 0.1 * flow[0]["ratio"])


def test_dead_and_broken_gradients() -> None:
    model = deep(nn.ReLU, 1.0, 2)
    assert "backward() first" in gradient_flow(model).diagnosis
    with ag.no_grad():
        model[0].bias.copy_(np.full(16, -1e3))  # type: ignore[index]
    model(ag.Tensor(np.ones((4, 16)))).sum().backward()
    assert gradient_flow(model).diagnosis.startswith("dead") and gradient_flow(model)[0]["zeros"] == 1.0
    model[0].weight.grad.data[0, 0] = NAN  # type: ignore[index]
    assert gradient_flow(model).diagnosis.startswith("not finite: 0.weight")


@pytest.mark.parametrize("jit", [None, False])
def test_gradient_flow_while_training(jit: bool | None) -> None:
    t = trainer(jit=jit)
    watch = GradientFlow()
    t.fit([(X, Y)], epochs=3, callbacks=[watch], progress=False)
    assert len(watch.epochs) == 3 and all(len(flow) == 4 and flow.diagnosis == "even" for flow in watch.epochs)
    t = trainer(jit=jit)
    t.fit([(X * NAN, Y)], epochs=5, callbacks=[GradientFlow(("not finite",))], progress=False)
    assert len(t.history) == 1
