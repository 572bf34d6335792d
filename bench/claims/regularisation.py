"""The notes on overfitting, tried on data that invites it: 200 scans, a fifth of them with a label drawn anew."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

import nn
import optim
from bench.claims import Pair, claim
from bench.claims.tools import Trained, digits, few_digits, mlp, train, tuned

EPOCHS = 60


def overfit(
    seed: int, model: nn.Module | None = None, penalty: Callable[[nn.Module], Any] | None = None, **settings: Any
) -> Trained:
    """A network of 128 units trained far beyond what is good for it."""
    model = mlp(seed, (128,)) if model is None else model
    plain, loss = nn.CrossEntropyLoss(), None
    if penalty is not None:
        loss = lambda output, target: plain(output, target) + penalty(model)  # noqa: E731
    optimizer = optim.Adam(model.parameters(), lr=0.003, weight_decay=settings.pop("weight_decay", 0.0))
    return train(model, optimizer, few_digits(seed), EPOCHS, 50, seed, loss=loss, **settings)


def weights(model: nn.Module) -> Any:
    return np.concatenate([p.data.ravel() for p in model.parameters() if p.ndim == 2])


def l1(strength: float) -> Callable[[nn.Module], Any]:
    return lambda model: nn.functional.l1_penalty(model, strength)


def l2(strength: float) -> Callable[[nn.Module], Any]:
    return lambda model: nn.functional.l2_penalty(model, strength)


def elastic(strength: float) -> Callable[[nn.Module], Any]:
    return lambda model: nn.functional.elastic_penalty(model, strength / 4, strength)


@lru_cache(maxsize=8)
def strength_of(make: Callable[[float], Any]) -> float:
    return tuned(lambda strength, seed: overfit(seed, penalty=make(strength)).held_loss, 0.001, 0.01)


@claim(
    "Overfitting",
    "low training error, but high error on new data",
    "loss in training, against held out, 60 epochs on few samples",
)
def overfitting_shows(seed: int) -> Pair:
    result = overfit(seed)
    return result.losses[-1], result.held_loss


@claim("L2 Regularization", "less overfitting", "λΣw² with λ tuned, against none: held-out loss")
def l2_helps(seed: int) -> Pair:
    return overfit(seed, penalty=l2(strength_of(l2))).held_loss, overfit(seed).held_loss


@claim("L2 Regularization", "keeps weights small", "λΣw² with λ tuned, against none: root mean square of the weights")
def l2_keeps_weights_small(seed: int) -> Pair:
    models = overfit(seed, penalty=l2(strength_of(l2))).model, overfit(seed).model
    return tuple(float(np.sqrt(np.mean(weights(m) ** 2))) for m in models)


@claim("L1 Regularization (Lasso)", "less overfitting", "λΣ|w| with λ tuned, against none: held-out loss")
def l1_helps(seed: int) -> Pair:
    return overfit(seed, penalty=l1(strength_of(l1))).held_loss, overfit(seed).held_loss


@claim("L1 Regularization (Lasso)", "drives weights to zero", "L1, against L2, λ tuned: share of weights with |w| above 0.001")
def l1_is_sparse(seed: int) -> Pair:
    models = (overfit(seed, penalty=make(strength_of(make))).model for make in (l1, l2))
    return tuple(float((np.abs(weights(m)) > 1e-3).mean()) for m in models)


@claim(
    "Regularization Techniques",
    "L1 and L2 together regularise as well",
    "elastic penalty, λ tuned, against none: held-out loss",
)
def elastic_helps(seed: int) -> Pair:
    return overfit(seed, penalty=elastic(strength_of(elastic))).held_loss, overfit(seed).held_loss


def thinned(seed: int) -> nn.Module:
    """The network of 128 units with dropout of half of them; the same weights at the start."""
    first, activation, last = mlp(seed, (128,)).children()
    return nn.Sequential(first, activation, nn.Dropout(0.5), last)


@claim("Dropout", "less overfitting", "p = 0.5, against none: held-out loss")
def dropout_helps(seed: int) -> Pair:
    return overfit(seed, thinned(seed)).held_loss, overfit(seed).held_loss


@claim("Dropout", "takes more training", "none, against p = 0.5: training loss after 5 epochs")
def dropout_is_slower(seed: int) -> Pair:
    def early(model: nn.Module) -> float:
        return train(model, optim.Adam(model.parameters(), lr=0.003), few_digits(seed), 5, 50, seed).losses[-1]

    return early(mlp(seed, (128,))), early(thinned(seed))


@claim("Early Stopping", "stops before overfitting", "where 100 other samples say so, against the end: held-out loss")
def early_stopping_helps(seed: int) -> Pair:
    few = few_digits(seed)
    model = mlp(seed, (128,))
    optimizer = optim.Adam(model.parameters(), lr=0.003)
    batches = nn.DataLoader((few.x, few.y), batch_size=50, shuffle=True, seed=seed)
    judge = nn.DataLoader((few.x_held[:100], few.y_held[:100]), batch_size=100)
    stop = nn.callbacks.EarlyStopping(patience=5, restore_best=True)
    nn.fit(model, nn.CrossEntropyLoss(), optimizer, batches, judge, EPOCHS, callbacks=[stop], progress=False)
    rest = nn.DataLoader((few.x_held[100:], few.y_held[100:]), batch_size=2000)
    stopped = nn.evaluate(model, nn.CrossEntropyLoss(), rest)["loss"]
    return stopped, nn.evaluate(overfit(seed).model, nn.CrossEntropyLoss(), rest)["loss"]


@claim(
    "Data Augmentation",
    "better on unseen data",
    "scans shifted and turned, by how much tuned, against as they are: held-out error",
)
def augmentation_helps(seed: int) -> Pair:
    return _augmented_error(_strength_of_augmentation(), seed), _augmented_error(0.0, seed)


def _augmented_error(strength: float, seed: int) -> float:
    """The held-out error with shifts by up to a share of the width, and turns by up to 100 degrees times that share."""
    data = digits(seed, 200)
    blank = float(data.x.min())
    parts = [nn.augment.RandomRotation(100 * strength, fill=blank), nn.augment.RandomShift(strength, fill=blank)]

    def change(batch: tuple[Any, ...], generator: Any = None) -> tuple[Any, ...]:
        x, y = batch
        return nn.augment.Compose(parts)(x.reshape(-1, 1, 8, 8), generator).reshape(-1, 64), y

    model = mlp(seed, (128,))
    optimizer = optim.Adam(model.parameters(), lr=0.003)
    transform = change if strength else None
    batches = nn.DataLoader((data.x, data.y), batch_size=50, shuffle=True, seed=seed, transform=transform)
    nn.fit(model, nn.CrossEntropyLoss(), optimizer, batches, epochs=EPOCHS, progress=False)
    held = nn.DataLoader((data.x_held, data.y_held), batch_size=2000)
    return 1 - nn.evaluate(model, nn.CrossEntropyLoss(), held, {"accuracy": nn.metrics.accuracy})["accuracy"]


@lru_cache(maxsize=1)
def _strength_of_augmentation() -> float:
    return tuned(_augmented_error, 0.01, 0.1)


def deep(seed: int, normalised: bool) -> nn.Module:
    """Five hidden layers of sigmoid units, with batch normalisation before them or without."""
    modules: list[nn.Module] = []
    for module in mlp(seed, (64,) * 5, "sigmoid").children():
        if normalised and isinstance(module, nn.Sigmoid):
            modules.append(nn.BatchNorm1d(64))
        modules.append(module)
    return nn.Sequential(*modules)


def _deep_loss(normalised: bool, rate: float, seed: int) -> float:
    model = deep(seed, normalised)
    loss = train(model, optim.SGD(model.parameters(), lr=rate, momentum=0.9), digits(seed), 5, 50, seed).losses[-1]
    return loss if np.isfinite(loss) else 1e9


@lru_cache(maxsize=2)
def _deep_rate(normalised: bool) -> float:
    return tuned(lambda rate, seed: _deep_loss(normalised, rate, seed), 0.03, 0.3)


@claim(
    "Batch Normalization",
    "trains faster, against vanishing gradients",
    "with, against without: training loss, 5 sigmoid layers, rates tuned",
)
def batch_norm_trains_faster(seed: int) -> Pair:
    return tuple(_deep_loss(normalised, _deep_rate(normalised), seed) for normalised in (True, False))
