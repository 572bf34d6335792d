"""Faults put in on purpose are found, and healthy networks are left in peace; everything is as before afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


@pytest.mark.parametrize("seed", range(5))
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


def test_report_as_text_html_and_picture() -> None:
    arguments, settings = fast(0)
    report = diagnose(*arguments, **settings)
    assert "learning rate too high" in str(report)
    assert "param_groups[0]['lr'] = 3" in str(report)
    assert "<li><b>learning rate too high</b>" in report._repr_html_()
    figure = report.plot()
    assert [axes.get_title() for axes in figure.axes][-1] == "loss of the trial steps"
    x, _ = data(0)
    names = [f"<b>{k}</b>" for k in range(x.shape[1] + 1)]
    (model, pair), _ = leaking(0)
    assert "<b>13" not in diagnose(model, pair, feature_names=names)._repr_html_()
