"""The training loop, history and metrics."""

from __future__ import annotations

import csv
import gc
import io
import os
import signal
import sys
import threading
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd.errors import ArgumentError, DTypeError, ShapeError, UnsupportedError
from nn import metrics

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 2)).astype(np.float32)
Y = (X[:, 0] > X[:, 1]).astype(np.int64)

compiler = pytest.mark.skipif(not ag.can_compile(), reason="no LLVM")


def parts(seed: int = 0, **settings: Any) -> tuple[nn.Trainer, nn.DataLoader]:
    generator = ag.Generator(seed)
    model = nn.MLP(2, (8,), 2, generator=generator)
    trainer = nn.Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.02), {"accuracy": metrics.accuracy})
    return trainer, nn.DataLoader((X, Y), 16, shuffle=True, generator=generator)


def weights(trainer: nn.Trainer) -> Any:
    return np.concatenate([p.data.ravel() for p in trainer.model.parameters()])


def test_it_learns_and_keeps_its_history() -> None:
    trainer, loader = parts()
    history = trainer.fit(loader, nn.DataLoader((X, Y), 60), epochs=15, progress=False)
    assert history is trainer.history and len(history) == 15 and trainer.steps == 15 * 4
    assert history.columns == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds"]
    assert history["loss"][-1] < history["loss"][0] and history["val_accuracy"][-1] > 0.9
    trainer.fit(loader, epochs=2, progress=False)
    assert history["epoch"] == list(range(1, 18)), "a second fit goes on"
    again = nn.evaluate(trainer.model, trainer.loss, nn.DataLoader((X, Y), 7), trainer.metrics)
    whole = nn.evaluate(trainer.model, trainer.loss, nn.DataLoader((X, Y), 60), trainer.metrics)
    np.testing.assert_allclose(again["loss"], whole["loss"], rtol=1e-5)
    assert "17 epochs" in repr(history)
    with pytest.raises(ArgumentError, match="did you mean 'loss'"):
        history["los"]


def test_same_seed_same_bits() -> None:
    runs = []
    for _ in range(2):
        trainer, loader = parts(seed=4)
        trainer.fit(loader, epochs=3, progress=False)
        runs.append(weights(trainer).tobytes())
    assert runs[0] == runs[1]


def test_in_one_call_without_metrics() -> None:
    model = nn.Linear(2, 2)
    history = nn.fit(
        model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1), [(ag.Tensor(X), Y)], epochs=2, progress=False
    )
    assert history.columns[:2] == ["epoch", "loss"]


def test_modes_during_and_after() -> None:
    trainer, loader = parts()
    seen: list[bool] = []

    class Watch(nn.Module):
        def forward(self, x: Any) -> Any:
            seen.append(self.training)
            return x

    trainer.model.watch = Watch()  # type: ignore[assignment]
    trainer.model.eval()
    trainer.model[0].train()
    trainer.fit(loader, nn.DataLoader((X, Y), 60), epochs=1, progress=False)
    assert seen == [True] * 4 + [False]
    assert not trainer.model.training and trainer.model[0].training, "as before"


def test_an_exception_leaves_modes_weights_and_handler() -> None:
    trainer, loader = parts()
    trainer.model.eval()
    before, handler = weights(trainer), signal.getsignal(signal.SIGINT)
    broken = nn.DataLoader((X, Y + 5), 16)
    with pytest.raises(IndexError, match="is not a class"):
        trainer.fit(broken, epochs=1, progress=False)
    np.testing.assert_array_equal(weights(trainer), before)
    assert not trainer.model.training and signal.getsignal(signal.SIGINT) is handler and ag.is_grad_enabled()
    trainer.fit(loader, epochs=1, progress=False)


@pytest.mark.skipif(signal.getsignal(signal.SIGINT) is not signal.default_int_handler, reason="SIGINT is taken")
def test_interrupt_ends_after_the_step_under_way() -> None:
    reference, loader = parts()
    reference.jit = False  # as below, where the loss is not the library's own
    states = []
    for x, y in loader:
        reference.step(x, y)
        states.append(weights(reference))
    trainer, loader = parts()
    inner, calls = trainer.loss, 0

    def loss(output: Any, target: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return inner(output, target)

    trainer.loss = loss
    history = trainer.fit(loader, epochs=5, progress=False)
    assert history.interrupted and len(history) == 0 and trainer.steps == 2
    np.testing.assert_array_equal(weights(trainer), states[1])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    trainer.loss = inner
    assert not trainer.fit(loader, epochs=1, progress=False).interrupted
    assert len(trainer.history) == 1


@pytest.mark.skipif(signal.getsignal(signal.SIGINT) is not signal.default_int_handler, reason="SIGINT is taken")
def test_second_interrupt_is_at_once() -> None:
    trainer, loader = parts()

    def loss(output: Any, target: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("not reached")

    trainer.loss = loss
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(loader, epochs=1, progress=False)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_threads() -> None:
    done: list[Any] = [None] * 4

    def work(k: int) -> None:
        trainer, loader = parts(seed=1)
        trainer.fit(loader, epochs=2, progress=False)
        done[k] = weights(trainer)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k in range(1, 4):
        np.testing.assert_array_equal(done[k], done[0])


def test_callbacks_see_and_stop() -> None:
    trainer, loader = parts()
    rows: list[Any] = []
    trainer.fit(
        loader, epochs=10, callbacks=[lambda t, row: rows.append(row), lambda t, row: row["epoch"] == 3], progress=False
    )
    assert len(rows) == len(trainer.history) == 3


def test_progress_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, loader = parts()
    trainer.fit(loader, epochs=2)
    err = capsys.readouterr().err
    assert "2/2" in err and "loss=" in err
    for stream in (None, io.StringIO()):
        if stream is not None:
            stream.close()
        monkeypatch.setattr(sys, "stderr", stream)
        trainer.fit(loader, epochs=1)

    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Broken())
    trainer.fit(loader, epochs=1)
    assert len(trainer.history) == 5


def test_memory_is_given_back_without_the_collector() -> None:
    trainer, loader = parts()
    trainer.fit(loader, epochs=1, progress=False)
    gc.collect()
    gc.disable()
    try:
        trainer.fit(loader, epochs=2, progress=False)
        first = len(gc.get_objects())
        trainer.fit(loader, epochs=8, progress=False)
        assert len(gc.get_objects()) - first < 100
    finally:
        gc.enable()


@pytest.mark.parametrize(("call", "kind"), [
    (lambda t, d: nn.Trainer(lambda x: x, t.loss, t.optimizer), DTypeError),  # type: ignore[arg-type]
    (lambda t, d: nn.Trainer(t.model, None, t.optimizer), DTypeError),  # type: ignore[arg-type]
    (lambda t, d: nn.Trainer(t.model, t.loss, "adam"), DTypeError),
    (lambda t, d: t.fit(d, epochs=-1, progress=False), ArgumentError),
    (lambda t, d: t.fit(d, epochs=1.5, progress=False), ArgumentError),
    (lambda t, d: t.fit(iter(d), progress=False), DTypeError),
    (lambda t, d: t.fit([], epochs=1, progress=False), ArgumentError),
    (lambda t, d: t.fit(nn.DataLoader((X,), 8), epochs=1, progress=False), ArgumentError),
    (lambda t, d: nn.evaluate(t.model, t.loss, []), ArgumentError),
])  # fmt: skip
def test_bad_calls(call: Any, kind: Any) -> None:
    trainer, loader = parts()
    before = weights(trainer)
    with pytest.raises(kind):
        call(trainer, loader)
    np.testing.assert_array_equal(weights(trainer), before)


def test_predict_in_batches() -> None:
    model = nn.MLP(2, (3,), 2)
    whole = nn.predict(model, X)
    np.testing.assert_allclose(nn.predict(model, X, batch_size=7), whole, rtol=1e-6)
    assert nn.predict(model, X[:0]).shape == (0, 2) and model.training


# ---- history on disk --------------------------------------------------------------------------------------------------


def test_history_files(tmp_path: Path) -> None:
    history = nn.History()
    for k in range(1, 4):
        history.append(
            {"epoch": k, "loss": 1 / k, "accuracy": 0.5, "val_loss": 100.0**-k, "val_accuracy": 0.4}
            | ({"late": 1.0} if k == 3 else {})
        )
    history.to_csv(tmp_path / "h.csv")
    rows = list(csv.DictReader((tmp_path / "h.csv").read_text().splitlines()))
    assert len(rows) == 3 and float(rows[1]["loss"]) == 0.5 and rows[0]["late"] == ""
    history.plot(tmp_path / "c.svg", tmp_path / "c.png", title="a < b & c")
    ET.fromstring((tmp_path / "c.svg").read_text())
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    first = (tmp_path / "c.svg").read_bytes()
    history.plot(tmp_path / "c.svg", title="a < b & c")
    assert (tmp_path / "c.svg").read_bytes() == first, "the same curves are the same file"
    with pytest.raises(ArgumentError, match="gif"):
        history.plot(tmp_path / "c.gif")
    with pytest.raises(ArgumentError, match="empty"):
        nn.History().plot()


def test_curves_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    history = nn.History()
    history.append({"epoch": 1, "loss": 1.0})
    with pytest.raises(UnsupportedError, match="matplotlib"):
        history.plot()


# ---- metrics ----------------------------------------------------------------------------------------------------------


def test_metrics_agree_with_scikit_learn() -> None:
    sk = pytest.importorskip("sklearn.metrics")
    output, target = rng.normal(size=(50, 3)), rng.integers(0, 3, 50)
    chosen = output.argmax(1)
    assert metrics.accuracy(output, target) == sk.accuracy_score(target, chosen)
    np.testing.assert_array_equal(metrics.confusion(output, target, 3), sk.confusion_matrix(target, chosen))
    np.testing.assert_allclose(metrics.r2_score(output[:, 0], output[:, 1]), sk.r2_score(output[:, 1], output[:, 0]))
    np.testing.assert_allclose(
        metrics.mean_squared_error(output[:, 0], output[:, 1]), sk.mean_squared_error(output[:, 1], output[:, 0])
    )


def test_metrics_at_the_edges() -> None:
    assert np.isnan(metrics.accuracy(np.zeros((0, 3)), np.zeros(0, int)))
    assert np.isnan(metrics.r2_score(np.ones(3), np.ones(3)))
    with pytest.raises(ShapeError):
        metrics.accuracy(np.zeros((3, 2)), np.zeros(2, int))
    with pytest.raises(ShapeError):
        metrics.mean_squared_error(np.zeros((3, 1)), np.zeros(3))
    table = metrics.confusion_table(np.array([0, 1]), np.array([0, 1]), ["a" * 40, "b", "never"])
    assert "a" * 15 + "~" in table and "-" in table


# ---- resuming ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "RMSprop"])
def test_saved_and_resumed_has_the_bits_of_the_uninterrupted_run(tmp_path: Path, optimizer: str) -> None:
    def build(seed: int) -> tuple[nn.Trainer, nn.DataLoader]:
        model = nn.MLP(2, (8,), 2, generator=ag.Generator(seed))
        step = getattr(optim, optimizer)(model.parameters(), lr=0.01)
        return nn.Trainer(model, nn.CrossEntropyLoss(), step), nn.DataLoader((X, Y), 16, shuffle=True, seed=seed)

    whole, loader = build(3)
    whole.fit(loader, epochs=4, progress=False)
    half, loader = build(3)
    half.fit(loader, epochs=2, progress=False)
    nn.save(half.model, tmp_path / "model.safetensors")
    states = half.optimizer.state_dict(), loader.state_dict()
    rest, loader = build(99)
    rest.model.load_state_dict(nn.load(tmp_path / "model.safetensors"))
    rest.optimizer.load_state_dict(states[0])
    loader.load_state_dict(states[1])
    rest.fit(loader, epochs=2, progress=False)
    assert weights(rest).tobytes() == weights(whole).tobytes()


def test_numpy_error_state_changes_nothing() -> None:
    trainer, loader = parts(seed=2)
    trainer.fit(loader, epochs=2, progress=False)
    other, loader = parts(seed=2)
    with np.errstate(all="raise"):
        other.fit(loader, epochs=2, progress=False)
    assert weights(trainer).tobytes() == weights(other).tobytes()


def test_compiled_and_uncompiled_steps_agree() -> None:
    """Sixty samples by sixteen: the last batch is smaller, and a program of its own."""
    runs = {}
    for jit in (None, False):
        trainer, loader = parts(seed=2)
        trainer.jit = jit
        history = trainer.fit(loader, nn.DataLoader((X, Y), 60), epochs=4, progress=False)
        runs[jit] = (history["loss"], history["val_accuracy"], weights(trainer))
    for a, b in zip(*runs.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@compiler
def test_how_steps_run() -> None:
    trainer, loader = parts()
    assert trainer.how == "compiled"
    trainer.fit(loader, epochs=2, progress=False)
    assert trainer._compiled is not None
    trainer.jit = False
    assert trainer.how == "uncompiled: jit=False"
    trainer.jit = None
    hook = trainer.model[0].register_forward_hook(lambda module, inputs, output: None)
    assert "Linear has hooks" in trainer.how
    hook.remove()
    inner = trainer.loss
    trainer.loss = lambda output, target: inner(output, target)
    assert "not the library's own" in trainer.how
    trainer.jit = True
    assert trainer.how == "compiled"
    before = weights(trainer)
    trainer.fit(loader, epochs=1, progress=False)
    assert (weights(trainer) != before).any()


@compiler
def test_what_has_no_compiled_form_is_said_once() -> None:
    trainer, loader = parts()
    inner = trainer.loss

    def loss(output: Any, target: Any) -> Any:
        return inner(output, target) * (2.0 if output.data.sum() > 1e9 else 1.0)

    trainer.loss, trainer.jit = loss, True
    with pytest.warns(RuntimeWarning, match="run uncompiled") as said:
        trainer.fit(loader, epochs=2, progress=False)
    assert len(said) == 1 and trainer.how.startswith("uncompiled: ") and trainer.steps == 8


@compiler
def test_a_wrong_target_leaves_the_weights_alone() -> None:
    """What the loss checks by value is checked before a compiled step, too."""
    trainer, loader = parts()
    trainer.fit(loader, epochs=1, progress=False)
    before = weights(trainer)
    with pytest.raises(IndexError, match="is not a class"):
        trainer.fit(nn.DataLoader((X, Y + 5), 16), epochs=1, progress=False)
    np.testing.assert_array_equal(weights(trainer), before)
    model = nn.Linear(2, 1)
    trainer = nn.Trainer(model, nn.BCEWithLogitsLoss(), optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(ArgumentError, match="outside"):
        trainer.fit([(X, 2 + Y[:, None].astype(np.float32))], epochs=1, progress=False)
    assert trainer.how == "compiled"
