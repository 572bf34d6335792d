"""Faults put in on purpose are found, and healthy networks are left in peace; everything is as before afterwards."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import doctor_cases as held_out
import numpy as np
import pytest

import autograd as ag
import nn
import optim
from nn.doctor import diagnose

Fault = Callable[[int], tuple[Any, ...]]
SETS = ["wine", "breast_cancer", "iris"]


def data(seed: int, name: str | None = None) -> tuple[Any, Any]:
    """A data set, standardised."""
    table = nn.datasets.load_dataset(name or SETS[seed % len(SETS)])
    x = table.features.astype(np.float32)
    return (x - x.mean(axis=0)) / x.std(axis=0), table.targets


def network(seed: int, sizes: tuple[int, ...] = (16, 16), activation: str = "relu", name: str | None = None) -> Any:
    x, y = data(seed, name)
    return nn.MLP(x.shape[1], sizes, len(np.unique(y)), activation, generator=ag.Generator(seed))


def sgd(model: Any, rate: float = 0.05) -> Any:
    return optim.SGD(model.parameters(), lr=rate, momentum=0.9)


def scaled(model: Any, factor: float) -> Any:
    with ag.no_grad():
        for p in model.parameters():
            if p.ndim > 1:
                p.copy_(p.data * factor)
    return model


def vanishing(seed: int) -> Any:
    return (nn.MLP(data(seed)[0].shape[1], (16,) * 8, 3, "sigmoid", generator=ag.Generator(seed)), data(seed)), {}


def exploding(seed: int) -> Any:
    return (scaled(network(seed, (64,) * 5), 8.0), data(seed)), {}


def dead(seed: int) -> Any:
    model = network(seed)
    with ag.no_grad():
        model[0].bias.copy_(np.full(16, -20.0))
    return (model, data(seed)), {}


def saturated(seed: int) -> Any:
    return (scaled(network(seed, (16,), "tanh"), 20.0), data(seed)), {}


def symmetric(seed: int) -> Any:
    return (scaled(network(seed), 0.0), data(seed)), {}


def forgotten(seed: int) -> Any:
    model = network(seed)
    optimizer = sgd(model)

    def step(x: Any, y: Any) -> None:
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return (model, data(seed), None, optimizer), {"step": step}


def softmax(seed: int) -> Any:
    return (nn.Sequential(network(seed), nn.Softmax()), data(seed)), {}


def unreachable(seed: int) -> Any:
    x, _ = data(seed, "diabetes")
    y = np.random.default_rng(seed).normal(3, 2, (len(x), 1)).astype(np.float32)
    return (nn.MLP(10, (16,), 1, output="sigmoid", generator=ag.Generator(seed)), (x, y)), {}


def fast(seed: int) -> Any:
    model = network(seed)
    return (model, data(seed), None, optim.SGD(model.parameters(), lr=30.0)), {}


def slow(seed: int) -> Any:
    model = network(seed)
    return (model, data(seed), None, optim.Adam(model.parameters(), lr=1e-8)), {}


def raw(seed: int) -> Any:
    table = nn.datasets.load_dataset(["wine", "breast_cancer"][seed % 2])
    model = nn.MLP(table.features.shape[1], (16,), 3, generator=ag.Generator(seed))
    return (model, (table.features.astype(np.float32), table.targets)), {}


def leaking(seed: int) -> Any:
    x, y = data(seed)
    noise = np.random.default_rng(seed).normal(0, 0.01, len(x))
    x = np.column_stack([x, (y - y.mean()) / y.std() + noise]).astype(np.float32)
    return (nn.MLP(x.shape[1], (16,), 3, generator=ag.Generator(seed)), (x, y)), {}


FAULTS: dict[str, tuple[Callable[[int], Any], str]] = {
    "vanishing": (vanishing, "vanishing gradients"), "exploding": (exploding, "exploding gradients"),
    "dead": (dead, "dead units"), "saturated": (saturated, "saturated units"), "symmetric": (symmetric, "symmetric weights"),
    "no zero_grad": (forgotten, "missing zero_grad"), "softmax": (softmax, "softmax before cross-entropy"),
    "range": (unreachable, "targets out of range"), "fast": (fast, "learning rate too high"),
    "slow": (slow, "learning rate too low"), "raw": (raw, "unnormalised input"),
    "leak": (leaking, "target leaks into the input"),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found(name: str, seed: int) -> None:
    make, kind = FAULTS[name]
    arguments, settings = make(seed)
    report = diagnose(*arguments, **settings)
    assert kind in report.kinds, str(report)
    finding = report.findings[report.kinds.index(kind)]
    assert finding.says
    compile(finding.fix, "fix", "exec")  # the remedy is code


@pytest.mark.parametrize("seed", range(20))
def test_healthy_networks_are_left_in_peace(seed: int) -> None:
    """Networks of several kinds and depths, fresh or after training, with a step that is right."""
    name = [*SETS, "diabetes"][seed % 4]
    activation = ["relu", "tanh", "leaky_relu", "relu", "tanh"][seed % 5]
    sizes = [(16,), (32, 32), (16, 16, 16)][seed % 3]
    x, y = data(seed, name)
    if name == "diabetes":
        y = ((y - y.mean()) / y.std()).astype(np.float32)[:, None]
    model = nn.MLP(x.shape[1], sizes, 1 if y.ndim > 1 else len(np.unique(y)), activation, generator=ag.Generator(seed))
    loss: Any = nn.MSELoss() if y.ndim > 1 else nn.CrossEntropyLoss()
    optimizer: Any = sgd(model, 0.02) if seed % 2 else optim.Adam(model.parameters(), lr=0.003)
    if seed >= 10:
        nn.fit(model, loss, optimizer, nn.DataLoader((x, y), batch_size=32, seed=seed), epochs=15, progress=False)

    def step(a: Any, b: Any) -> None:
        value = loss(model(a), b)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    report = diagnose(model, (x, y), loss, optimizer, step=step)
    assert not report, str(report)
    assert "healthy" in str(report)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fault", held_out.FAULTS, ids=lambda f: f.__name__)
def test_faults_are_found_in_what_was_not_seen_before(fault: Any, seed: int) -> None:
    """Data and networks that no check was written by."""
    pytest.importorskip("sklearn")
    kind = held_out.FAULTS[fault]
    c = held_out.case(seed + list(held_out.FAULTS).index(fault), seed, classes_only=fault is held_out.softmax)
    given = fault(c)
    x, y, loss = given.pop("x", c.x), given.pop("y", c.y), given.pop("loss", c.loss)
    report = diagnose(given.pop("model"), (x, y), loss, given.pop("optimizer", None), **given)
    assert any(word in found for word in kind.split("|") for found in report.kinds), str(report)
    assert len(report.kinds) <= 3, str(report)
    for finding in report.findings:
        compile(finding.fix, "fix", "exec")


@pytest.mark.parametrize("seed", range(20))
def test_what_was_not_seen_before_and_is_healthy(seed: int) -> None:
    pytest.importorskip("sklearn")
    c = held_out.case(seed, seed)
    model = held_out.network(c, 1 + seed % 3, drop=0.2 if seed % 4 == 3 else 0.0)
    optimizer = held_out.optimizer(c, model)
    if seed >= 10:
        nn.fit(model, c.loss, optimizer, nn.DataLoader((c.x, c.y), batch_size=32, seed=seed), epochs=3, progress=False)

    def evaluate() -> Any:
        model.eval()
        with ag.no_grad():
            return c.loss(model(ag.Tensor(c.x)), ag.Tensor(c.y))

    step = held_out.step(c, model, optimizer, mode=True)
    report = diagnose(model, (c.x, c.y), c.loss, optimizer, step=step, evaluate=evaluate)
    assert not report, str(report)


class Functional(nn.Module):
    """Activations called as functions, as many write them."""

    def __init__(self, bias: float = 0.0, scale: float = 1.0):
        super().__init__()
        self.one, self.two = nn.Linear(13, 32), nn.Linear(32, 32)
        self.three = nn.Linear(32, 3)
        with ag.no_grad():
            self.one.bias.copy_(np.full(32, bias))
            self.two.weight.copy_(self.two.weight.data * scale)

    def forward(self, x: Any) -> Any:
        return self.three(ag.tanh(self.two(nn.functional.relu(self.one(x)))))


def test_activations_that_are_functions_are_seen() -> None:
    assert diagnose(Functional(), data(0)).kinds == []
    (finding,) = diagnose(Functional(bias=-20.0), data(0)).findings
    assert finding.kind == "dead units" and "relu() at test_nn_doctor.py:" in finding.says
    (finding,) = diagnose(Functional(scale=200.0), data(0)).findings
    assert finding.kind == "saturated units" and "tanh() at test_nn_doctor.py:" in finding.says


def test_losses_that_are_functions_are_known() -> None:
    model = nn.Sequential(network(0), nn.Softmax())
    assert diagnose(model, data(0), nn.functional.cross_entropy).kinds == ["softmax before cross-entropy"]
    x, y = data(0)
    report = diagnose(network(0), (x, y + 1), nn.functional.cross_entropy)
    assert report.kinds == ["targets out of range"] and "classes 0 to 2" in report.findings[0].says


def test_an_optimizer_of_other_parameters() -> None:
    report = diagnose(network(0), data(0), None, sgd(network(1)))
    assert report.kinds == ["weights do not move"]


@pytest.mark.parametrize("rate", [30.0, 1e-7])
def test_the_rate_in_the_fix_works(rate: float) -> None:
    """The remedy is run as it stands, and then there is nothing to find."""
    model = network(0)
    optimizer = optim.SGD(model.parameters(), lr=rate)
    report = diagnose(model, data(0), None, optimizer)
    assert len(report.kinds) == 1 and "the loss fell from" in report.findings[0].fix
    exec(report.findings[0].fix, {"optimizer": optimizer})
    assert not diagnose(model, data(0), None, optimizer)


def test_everything_is_put_back() -> None:
    x, y = data(0)
    model = network(0)
    model.eval()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    nn.functional.cross_entropy(model(ag.Tensor(x)), y).backward()
    optimizer.step()
    before = [p.data.copy() for p in model.parameters()], [p.grad for p in model.parameters()]
    state, stream = optimizer.state_dict(), ag.default_generator.get_state()
    diagnose(model, (x, y), None, optimizer)
    for p, data_, grad in zip(model.parameters(), *before, strict=True):
        np.testing.assert_array_equal(p.data, data_)
        assert p.grad is grad
    assert str(optimizer.state_dict()) == str(state)
    assert ag.default_generator.get_state() == stream
    assert not model.training


def test_a_step_that_raises_is_a_finding_or_is_passed_on() -> None:
    x, y = data(0)
    report = diagnose(network(0), (x[:, :5], y))
    assert report.kinds == ["the step fails"]
    assert "last axis must have length" in report.findings[0].says

    def step(a: Any, b: Any) -> None:
        raise RuntimeError("mine")

    model = network(0)
    before = model[0].weight.data.copy()
    with pytest.raises(RuntimeError, match="mine"):
        diagnose(model, (x, y), step=step)
    np.testing.assert_array_equal(model[0].weight.data, before)


@pytest.mark.parametrize("fault", [f for f in held_out.FAULTS if f is not held_out.wrong_mode], ids=lambda f: f.__name__)
def test_each_finding_is_shown(fault: Any) -> None:
    """A panel about the finding itself, or the figures of layers and steps that show it; no name is over another."""
    pytest.importorskip("matplotlib")
    c = held_out.case(6, 1)
    given = fault(c)
    x, y, loss = given.pop("x", c.x), given.pop("y", c.y), given.pop("loss", c.loss)
    report = diagnose(given.pop("model"), (x, y), loss, given.pop("optimizer", None), **given)
    figure = report.plot()
    figure.canvas.draw()
    titles = [axes.get_title() for axes in figure.axes]
    (kind,) = {held_out.FAULTS[fault]} & set(report.kinds)
    if kind in ("vanishing gradients", "exploding gradients"):
        assert "weights and gradients, root mean square" in titles
    elif kind.startswith("learning rate"):
        assert "loss of the trial steps" in titles
    else:
        assert any(title.startswith(f"{kind}:") for title in titles)
    for axes in figure.axes:
        boxes = [t.get_window_extent() for t in axes.get_xticklabels() if t.get_text() and not t.get_rotation()]
        assert not any(a.overlaps(b) for a, b in pairwise(boxes)), axes.get_title()


def test_report_as_text_html_and_picture() -> None:
    arguments, settings = fast(0)
    report = diagnose(*arguments, **settings)
    assert "learning rate too high" in str(report)
    assert "group['lr'] = 0.3    # the loss fell from" in str(report)
    assert "<li><b>learning rate too high</b>" in report._repr_html_()
    figure = report.plot()
    assert [axes.get_title() for axes in figure.axes][-1] == "loss of the trial steps"
    x, _ = data(0)
    names = [f"<b>{k}</b>" for k in range(x.shape[1] + 1)]
    (model, pair), _ = leaking(0)
    assert "<b>13" not in diagnose(model, pair, feature_names=names)._repr_html_()
