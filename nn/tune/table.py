"""A search over a table of data, as the command line runs it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from autograd.errors import ArgumentError, AutogradError
from nn.datasets import DATASETS, Table
from nn.experiment import Config, Scaling
from nn.history import History
from nn.names import nearest
from nn.tune.result import Result
from nn.tune.search import default_space, search

__all__ = ["GRID", "STUDY", "TRIALS", "best_of", "search_table", "write_report"]

STUDY, TRIALS = "study.db", "trials.csv"
GRID: dict[str, list[Any]] = {
    "hidden_layer_sizes": [(64,), (256,), (128, 64)], "learning_rate": [3e-4, 1e-3, 3e-3, 1e-2], "batch_size": [32],
    "epochs": [30], "l2": [0.0, 1e-4], "dropout": [0.0, 0.3],
}  # fmt: skip
"""What grid search tries by itself: 48 combinations."""


def search_table(table: Table, rest: Any, options: Any, folder: Path) -> Result:
    """Search over the training part; scaling is learned in each fold anew."""
    from sklearn.pipeline import Pipeline

    from nn.estimators import NeuralClassifier, NeuralRegressor
    from nn.estimators.standardizer import Standardizer

    network = NeuralClassifier() if table.class_names else NeuralRegressor()
    estimator = Pipeline([("scale", Standardizer(table.one_unit)), ("network", network)])
    space: dict[str, Any] = dict(GRID) if options.method == "grid" else dict(default_space())
    for name in options.only:
        if name not in space:
            raise ArgumentError(f"there is no parameter {name!r}{nearest(name, space)} Searched are {', '.join(space)}.")
    if options.only:
        space = {name: space[name] for name in options.only}
    return search(
        table.features[rest], table.targets[rest], space, estimator=estimator, method=options.method, sampler=options.sampler,
        pruner=options.pruner, trials=options.trials, cv=options.cv, seed=options.seed, storage=folder / STUDY,
        progress=not options.quiet,
    )  # fmt: skip


def write_report(result: Result, folder: Path, title: str, complain: Callable[[str], None]) -> None:
    """The trials as a table and as a picture, which is worth having, and no reason to lose a search."""
    result.to_csv(folder / TRIALS)
    try:
        result.plot(folder / "search.svg", folder / "search.png", title=title)
    except AutogradError as error:
        complain(f"no picture: {error}")


def best_of(result: Result, table: Table, rest: Any, options: Any) -> tuple[Config, Any, History]:
    """The best network, trained on the whole training part, as `python -m nn predict` reads it."""
    scale, network = result.model.named_steps["scale"], result.model.named_steps["network"]
    parameters = network.get_params()
    optimizer = parameters["optimizer"]
    training = {"optimizer": optimizer, "lr": parameters["learning_rate"], "seed": options.seed, "method": options.method}
    training |= {name: parameters[name] for name in ("batch_size", "epochs", "l1", "l2")}
    hidden = [int(n) for n in np.atleast_1d(np.asarray(parameters["hidden_layer_sizes"], np.int64))]
    targets = None
    if not table.class_names:
        targets = Scaling(network.target_mean_.tolist(), network.target_scale_.tolist())
    config = Config(
        options.data if options.data in DATASETS else os.path.abspath(options.data), table.target_name, table.task,
        len(table.features), table.feature_names, table.class_names, hidden, parameters["activation"],
        scale.scaling_, targets, training, dropout=parameters["dropout"],
    )  # fmt: skip
    return config, network.module_, network.history_
