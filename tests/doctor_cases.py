"""Data and networks for the doctor that were not used while its checks were written, and the faults that are put into them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

import autograd as ag
import nn
import optim

Array = np.ndarray[Any, Any]
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)


@dataclass
class Case:
    """A data set, the same before it was normalised, and what kind of network suits it. `classes` is 0 for regression."""

    name: str
    seed: int
    rng: np.random.Generator
    x: Array
    y: Array
    raw: Array
    classes: int
    kind: str = "mlp"
    act: type = nn.ReLU
    norm: type | None = None

    @property
    def loss(self) -> Any:
        return nn.CrossEntropyLoss() if self.classes else nn.MSELoss()


def standard(x: Any) -> Array:
    x = np.asarray(x, np.float32)
    return (x - x.mean(axis=0)) / x.std(axis=0)  # type: ignore[no-any-return]


def circles(seed: int, rng: Any, sk: Any) -> dict[str, Any]:
    x, y = sk.make_circles(400, noise=0.1, factor=0.5, random_state=seed)
    return {"x": standard(x), "y": y, "raw": x * 500 + 1000, "classes": 2, "norm": nn.BatchNorm1d}


def blobs(seed: int, rng: Any, sk: Any) -> dict[str, Any]:
    x, y = sk.make_blobs(400, 8, centers=5, cluster_std=4.0, random_state=seed)
    return {"x": standard(x), "y": y, "raw": x * np.where(np.arange(8) == 0, 500, 1), "classes": 5, "act": nn.GELU}


def friedman(seed: int, rng: Any, sk: Any) -> dict[str, Any]:
    x, y = sk.make_friedman2(500, noise=1.0, random_state=seed)
    return {"x": standard(x), "y": standard(y[:, None]), "raw": x, "classes": 0, "norm": nn.LayerNorm, "act": nn.SiLU}


def stripes(seed: int, rng: Any, sk: Any) -> dict[str, Any]:
    y, phase, (i, j) = rng.integers(0, 3, 300), rng.uniform(0, 6, (300, 1, 1)), np.mgrid[:12, :12]
    waves = np.stack([1.3 * i, 1.3 * j, 1.04 * (i + j)])[y]
    x = np.sin(waves + phase)[:, None] + rng.normal(0, 0.5, (300, 3, 12, 12))
    raw = np.clip(x * 50 + 128, 0, 255)
    return {"x": x, "y": y, "raw": raw, "classes": 3, "kind": "conv", "norm": nn.BatchNorm2d}


def waves(seed: int, rng: Any, sk: Any) -> dict[str, Any]:
    y = rng.integers(0, 3, 300)
    x = np.sin(np.arange(16) * (0.4 + 0.5 * y[:, None]) + rng.uniform(0, 6, (300, 1)))[:, :, None]
    x = x + rng.normal(0, 0.3, (300, 16, 2))
    return {"x": x, "y": y, "raw": x * 1000, "classes": 3, "kind": "gru"}


def positions(seed: int, rng: Any, sk: Any) -> dict[str, Any]:
    x = rng.normal(size=(300, 8, 6))
    return {"x": x, "y": x[:, :, 0].argmax(axis=1) % 4, "raw": x * 300, "classes": 4, "kind": "transformer"}


def quantiles(seed: int, rng: Any, sk: Any) -> dict[str, Any]:
    x, y = sk.make_gaussian_quantiles(n_samples=500, n_features=6, n_classes=3, random_state=seed)
    return {"x": standard(x), "y": y, "raw": x * np.where(np.arange(6) == 2, 300, 1), "classes": 3}


def uncorrelated(seed: int, rng: Any, sk: Any) -> dict[str, Any]:
    x, y = sk.make_sparse_uncorrelated(500, 10, random_state=seed)
    return {"x": standard(x), "y": standard(y[:, None]), "raw": x * 40 + 100, "classes": 0}


SETS = (circles, blobs, friedman, stripes, waves, positions, quantiles, uncorrelated)


def case(number: int, seed: int, classes_only: bool = False) -> Case:
    """One of the data sets."""
    from sklearn import datasets

    sets = [s for s in SETS if not (classes_only and s in (friedman, uncorrelated))]
    make, rng = sets[number % len(sets)], np.random.default_rng(seed + 100)
    made = make(seed, rng, datasets)
    for key in ("x", "raw"):
        made[key] = made[key].astype(np.float32)
    return Case(make.__name__, seed, rng, **made)


class Sequence(nn.Module):
    """A layer over a sequence, and a network that sees its last step, or the mean of all."""

    def __init__(self, body: Any, head: Any, mean: bool):
        super().__init__()
        self.body, self.head, self.mean = body, head, mean

    def forward(self, x: Any) -> Any:
        h = self.body(x)
        h = h[0] if isinstance(h, tuple) else h
        return self.head(h.mean(axis=1) if self.mean else h[:, -1])


def network(c: Case, depth: int = 2, act: type | None = None, out: Any = None, drop: float = 0.0,
            outputs: int | None = None) -> Any:  # fmt: skip
    """A network of so many hidden layers that suits the data."""
    g, act, last = ag.Generator(c.seed), act or c.act, outputs or max(c.classes, 1)
    norm = c.norm if depth < 4 else None
    ends = [*([nn.Dropout(drop)] if drop else []), *([out] if out else [])]
    if c.kind == "conv":
        layers: list[Any] = []
        size, channels = c.x.shape[2], c.x.shape[1]
        for k in range(depth):
            layers += [nn.Conv2d(channels, 8, 3, padding=1, generator=g), *([norm(8)] if norm else []), act()]
            channels = 8
            if k < 2:
                layers.append(nn.MaxPool2d(2))
                size //= 2
        return nn.Sequential(*layers, nn.Flatten(), *ends[: bool(drop)], nn.Linear(8 * size * size, last, generator=g),
                             *ends[bool(drop) :])  # fmt: skip
    if c.kind != "mlp":
        width = c.x.shape[2]
        if c.kind == "gru":
            body: Any = nn.GRU(width, 16, batch_first=True)
        else:
            layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=drop, batch_first=True)
            body = nn.Sequential(nn.Linear(width, 16, generator=g), layer)
        return Sequence(body, dense([16] * depth, last, act, None, g, ends, drop), c.kind == "transformer")
    return dense([c.x.shape[1]] + [32] * depth, last, act, norm, g, ends, drop)


def dense(sizes: list[int], last: int, act: type, norm: type | None, g: Any, ends: list[Any], drop: float) -> Any:
    layers: list[Any] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b, generator=g), *([norm(b)] if norm else []), act(), *ends[: bool(drop)]]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], last, generator=g), *ends[bool(drop) :])


def changed(model: Any, rule: Callable[[str, Array], Array]) -> Any:
    """The same network with other weights."""
    with ag.no_grad():
        for name, p in model.named_parameters():
            if p.ndim > 1:
                p.copy_(rule(name, p.data).astype(p.dtype))
    return model


def optimizer(c: Case, model: Any) -> Any:
    parameters = model.parameters()
    return optim.SGD(parameters, lr=0.02, momentum=0.9) if c.seed % 2 else optim.Adam(parameters, lr=0.003)


def step(c: Case, model: Any, opt: Any, clear: bool = True, mode: bool | None = None) -> Callable[[Any, Any], None]:
    def run(x: Any, y: Any) -> None:
        if mode is not None:
            model.train(mode)
        if clear:
            opt.zero_grad()
        c.loss(model(x), y).backward()
        opt.step()

    return run


# ---- the faults: what `diagnose` is given ----------------------------------------------------------------------------


def vanishing(c: Case) -> dict[str, Any]:
    return {"model": network(c, 9, nn.Sigmoid)}


def vanishing_small_weights(c: Case) -> dict[str, Any]:
    return {"model": changed(network(c, 7, nn.Tanh), lambda name, w: w * 0.1)}


def exploding(c: Case) -> dict[str, Any]:
    return {"model": changed(network(c, 6, nn.ReLU), lambda name, w: c.rng.normal(size=w.shape))}


def dead(c: Case) -> dict[str, Any]:
    model = network(c, 3, nn.ReLU)
    layers = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d)][:-1]
    norms = [m for m in model.modules() if isinstance(m, NORMS)] if c.kind != "transformer" else []
    with ag.no_grad():
        for m in (*(layers[:1] if c.seed % 2 else layers), *norms):
            m.bias.copy_(np.full(m.bias.shape, -8.0))
    return {"model": model}


def saturated(c: Case) -> dict[str, Any]:
    model = network(c, 3, nn.Sigmoid if c.seed % 2 else nn.Tanh)
    if c.norm is None:
        last = [name for name, p in model.named_parameters() if p.ndim > 1][-1]
        return {"model": changed(model, lambda name, w: w if name == last or "body" in name else w * 25)}
    with ag.no_grad():
        for m in model.modules():
            if isinstance(m, NORMS):
                m.weight.copy_(m.weight.data * 25)
    return {"model": model}


def symmetric(c: Case) -> dict[str, Any]:
    value = [0.0, 0.1, 0.5, 0.01, 1 / 16][c.seed]
    return {"model": changed(network(c), lambda name, w: np.full(w.shape, value))}


def no_zero_grad(c: Case) -> dict[str, Any]:
    model = network(c)
    opt = optimizer(c, model)
    return {"model": model, "optimizer": opt, "step": step(c, model, opt, clear=False)}


def softmax(c: Case) -> dict[str, Any]:
    return {"model": network(c, out=nn.Softmax(axis=-1))}


def out_of_range(c: Case) -> dict[str, Any]:
    if c.classes == 0:
        return {"model": network(c, out=[nn.Sigmoid(), nn.Tanh(), nn.ReLU()][c.seed % 3]), "y": c.y * 3}
    if c.seed % 3 == 0:
        return {"model": network(c), "y": c.y + 1}  # 1 to C
    if c.seed % 3 == 1:
        y = c.rng.normal(50, 20, (len(c.y), 1)).astype(np.float32)
        return {"model": network(c, out=nn.Sigmoid(), outputs=1), "y": y, "loss": nn.MSELoss()}
    y = np.where(c.y > 0, 1.0, -1.0).astype(np.float32)[:, None]
    return {"model": network(c, outputs=1), "y": y, "loss": nn.BCEWithLogitsLoss()}


def too_fast(c: Case) -> dict[str, Any]:
    model = network(c)
    p = list(model.parameters())
    made = (optim.SGD(p, lr=10.0), optim.Adam(p, lr=1.0), optim.SGD(p, lr=5.0, momentum=0.9), optim.Adam(p, lr=3.0),
            optim.RMSprop(p, lr=1.0))  # fmt: skip
    return {"model": model, "optimizer": made[c.seed]}


def too_slow(c: Case) -> dict[str, Any]:
    model = network(c)
    p = list(model.parameters())
    made = (optim.SGD(p, lr=1e-6), optim.Adam(p, lr=1e-7), optim.SGD(p, lr=1e-7, momentum=0.9), optim.Adam(p, lr=1e-8),
            optim.SGD(p, lr=1e-5))  # fmt: skip
    return {"model": model, "optimizer": made[c.seed]}


def unnormalised(c: Case) -> dict[str, Any]:
    return {"model": network(c), "x": c.raw}


def leaking(c: Case) -> dict[str, Any]:
    y = c.y.astype(np.float64).reshape(len(c.y))
    told = ((y - y.mean()) / y.std() + c.rng.normal(0, 0.03, len(y))).astype(np.float32)
    c.x = c.x.copy()
    if c.kind == "conv":
        c.x[:, 0, 0, 0] = told
    elif c.kind == "mlp":
        c.x = np.column_stack([c.x[:, :1], told, c.x[:, 1:]])
    else:
        c.x[:, -1, 1] = told
    return {"model": network(c), "x": c.x}


def wrong_mode(c: Case) -> dict[str, Any]:
    model = network(c, drop=0.3)
    opt = optimizer(c, model)
    if c.seed % 2:
        return {"model": model, "optimizer": opt, "step": step(c, model, opt, mode=False)}

    def evaluate() -> Any:
        with ag.no_grad():
            return c.loss(model(ag.Tensor(c.x)), ag.Tensor(c.y))

    return {"model": model, "optimizer": opt, "step": step(c, model, opt, mode=True), "evaluate": evaluate}


FAULTS: dict[Callable[[Case], dict[str, Any]], str] = {
    vanishing: "vanishing gradients", vanishing_small_weights: "vanishing gradients", exploding: "exploding gradients",
    dead: "dead units", saturated: "saturated units", symmetric: "symmetric weights", no_zero_grad: "missing zero_grad",
    softmax: "softmax before cross-entropy", out_of_range: "targets out of range", too_fast: "learning rate too high",
    too_slow: "learning rate too low", unnormalised: "unnormalised input", leaking: "target leaks into the input",
    wrong_mode: "in evaluation mode|in training mode",
}  # fmt: skip
