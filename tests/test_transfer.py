"""Transfer learning, worked: a network trained on one task is taken over by another with few labels; where that helps, and
where it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd.errors import ArgumentError, DTypeError
from nn.transfer import freeze, load_partial, unfreeze

Array = np.ndarray[Any, Any]
SEEDS = 10


# ---- worked examples ----------------------------------------------------------------------------------------------------


def digits() -> tuple[Array, Array]:
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = datasets.load_digits(return_X_y=True)
    return (x / 16 - 0.3).astype(np.float32), y


def network(seed: int, classes: int) -> nn.Module:
    return nn.MLP(64, (64, 32), classes, generator=ag.Generator(seed))


def train(model: nn.Module, groups: Any, x: Array, y: Array, epochs: int, seed: int, batch_size: int = 32) -> nn.Module:
    loader = nn.DataLoader((x, y), batch_size, shuffle=True, seed=seed)
    nn.fit(model, nn.CrossEntropyLoss(), optim.Adam(groups, lr=2e-3), loader, epochs=epochs, progress=False)
    return model


def few(y: Array, each: int, seed: int) -> tuple[Array, Array]:
    """Indices of some samples of each class, and of the others."""
    rng = np.random.default_rng(seed)
    chosen = np.concatenate([rng.permutation(np.flatnonzero(y == c))[:each] for c in np.unique(y)])
    return chosen, np.setdiff1d(np.arange(len(y)), chosen)


def wins(source: tuple[Array, Array], target: tuple[Array, Array], each: int) -> int:
    """In how many of ten seeds the pre-trained network is better on what is left of the target than one from scratch."""
    x, y = target
    classes, better = len(np.unique(y)), 0
    for seed in range(SEEDS):
        chosen, rest = few(y, each, seed)
        pretrained = network(seed, len(np.unique(source[1])))
        train(pretrained, pretrained.parameters(), *source, 20, seed)

        scratch = network(seed + 100, classes)
        train(scratch, scratch.parameters(), x[chosen], y[chosen], 200, seed, len(chosen))

        transferred = network(seed + 100, classes)
        load_partial(transferred, pretrained, leave=("4",))  # the body; the head is new
        rates = optim.layerwise_lr(transferred, lr=0.01, decay=0.1)  # the head learns, the first layer hardly
        train(transferred, rates, x[chosen], y[chosen], 200, seed, len(chosen))

        right = [np.mean(nn.predict(m, x[rest]).argmax(1) == y[rest]) for m in (scratch, transferred)]
        better += right[1] > right[0]
    return better


def test_digits_help_to_tell_odd_from_even() -> None:
    """Much data for the ten digits, 20 labels for odd and even: the body knows what is needed (sign test, p ≤ 0.011)."""
    x, y = digits()
    half = np.arange(len(y)) % 2 == 0
    assert wins((x[half], y[half]), (x[~half], y[~half] % 2), each=10) >= 9


def test_some_digits_do_not_help_with_others() -> None:
    """What tells 0–4 apart is not what tells 5–9 apart, on 8×8 pixels: from scratch is better (sign test, p ≤ 0.011)."""
    x, y = digits()
    old = y < 5
    assert wins((x[old], y[old]), (x[~old], y[~old] - 5), each=2) <= 1


def test_frozen_layers_stay_and_learn_again_when_unfrozen() -> None:
    x, y = np.random.default_rng(0).normal(size=(40, 64)).astype(np.float32), np.arange(40) % 3
    model = freeze(network(0, 3), "0", "2")
    before = {k: np.array(v) for k, v in model.state_dict().items()}
    train(model, [p for p in model.parameters() if p.requires_grad], x, y, 2, 0)
    assert [k for k, v in model.state_dict().items() if not np.array_equal(v, before[k])] == ["4.weight", "4.bias"]
    assert model[0].weight.grad is None
    unfreeze(model, "2")
    assert [n for n, p in model.named_parameters() if p.requires_grad] == ["2.weight", "2.bias", "4.weight", "4.bias"]
    assert all(p.requires_grad for p in unfreeze(model).parameters())


# ---- partial loading ----------------------------------------------------------------------------------------------------


def test_from_a_network_a_dict_and_a_file(tmp_path: Path) -> None:
    old = network(0, 5)
    nn.save(old, tmp_path / "old.safetensors")
    for source in (old, old.state_dict(), tmp_path / "old.safetensors", str(tmp_path / "old.safetensors")):
        model = network(1, 7)
        head = np.array(model[4].weight.numpy())
        report = load_partial(model, source, leave=("4",))
        assert report.missing == ["4.weight", "4.bias"] and report.unexpected == []
        assert np.array_equal(model[0].weight.numpy(), old[0].weight.numpy())
        assert np.array_equal(model[4].weight.numpy(), head)


def test_what_does_not_fit_loads_nothing() -> None:
    model = network(1, 7)
    before = {k: np.array(v) for k, v in model.state_dict().items()}
    with pytest.raises(ArgumentError, match=r"4\.weight is \(5, 32\) in the state and \(7, 32\)"):
        load_partial(model, network(0, 5))
    with pytest.raises(ArgumentError, match="nothing is named 'head'"):
        load_partial(model, network(0, 5), leave=("head",))
    with pytest.raises(DTypeError, match="int"):
        load_partial(model, 3)
    with pytest.raises(ArgumentError, match="nothing is named '1'"):
        freeze(model, "1")
    assert all(np.array_equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.requires_grad for p in model.parameters())
