"""The page that maps the course notes to the library is complete, its names exist, and each test that it names fails when the
item is broken on purpose."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import reduce
from pathlib import Path

import mutation
import pytest
from mutants import MUTANTS

import autograd
import nn
import optim

ROOT = Path(__file__).resolve().parents[1]

# The notes' headings and questions; the notes themselves are not part of the library.
INVENTORY: dict[str, list[str]] = {
    "Networks and learning": [
        "perceptron", "feedforward network", "forward propagation", "backpropagation", "chain rule", "gradient descent",
        "learning rate",
    ],
    "Activation functions": [
        "step", "linear", "sigmoid", "tanh", "ReLU", "leaky ReLU", "PReLU", "swish", "softmax", "GELU",
    ],
    "Cost functions": [
        "mean squared error", "mean absolute error", "Huber", "binary cross-entropy", "categorical cross-entropy",
        "KL divergence", "hinge", "squared hinge", "Poisson", "categorical hinge", "cosine proximity",
    ],
    "Optimizers": [
        "batch gradient descent", "stochastic gradient descent", "mini-batch gradient descent", "momentum",
        "Nesterov accelerated gradient", "Adagrad", "RMSprop", "Adam", "AdaDelta", "Adamax", "Nadam",
    ],
    "Overfitting and regularisation": [
        "overfitting", "L2", "L1", "dropout", "data augmentation", "early stopping",
    ],
    "Hyper-parameter tuning": [
        "model hyper-parameters", "training hyper-parameters", "grid search", "random search", "Bayesian optimisation",
        "hypergradient descent", "automated tuning", "learning-rate schedules", "batch size", "number of epochs",
        "regularisation parameter",
    ],
    "Initialisation": [
        "zero", "random", "Xavier", "He", "LeCun", "orthogonal", "sparse", "uniform", "variance scaling", "randomised",
        "dynamic",
    ],
    "Interview questions": [f"{k}" for k in range(1, 41)],
}  # fmt: skip

ROWS = mutation.rows()


def test_the_page_is_complete() -> None:
    listed = {(row.section, row.item) for row in ROWS}
    wanted = {(section, item) for section, items in INVENTORY.items() for item in items}
    assert listed == wanted
    assert len(ROWS) == len(wanted), "an item has two rows"
    assert set(MUTANTS) == {row.item for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.section}: {row.item}")
def test_names_and_tests_exist(row: mutation.Row) -> None:
    assert row.names, "no name of the library is given"
    for name in row.names:
        if name.startswith("python -m "):
            continue
        package, *path = name.split(".")
        reduce(getattr, path, {"autograd": autograd, "ag": autograd, "nn": nn, "optim": optim}[package])
    file, _, function = row.test.partition("::")
    assert f"def {function.partition('[')[0]}(" in (ROOT / "tests" / file).read_text(encoding="utf-8")


def test_mutants_can_be_made() -> None:
    for item, mutant in MUTANTS.items():
        text = (ROOT / mutant.file).read_text(encoding="utf-8")
        assert text.count(mutant.old) == 1, f"{item}: the text occurs {text.count(mutant.old)} times in {mutant.file}"
        assert mutant.old != mutant.new


@pytest.mark.skipif(not hasattr(os, "fork"), reason="mutants run in forked processes")
def test_every_named_test_fails_on_its_mutant() -> None:
    command = [sys.executable, "tests/mutation.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
