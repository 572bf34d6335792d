"""The options of `python -m nn`: what they are called, what they take, and how the help explains them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from nn.choices import OPTIMIZERS, SCHEDULES, optimizers
from nn.datasets import DATASETS
from nn.layers import ACTIVATIONS
from nn.names import nearest

__all__ = ["parser"]

DESCRIPTION = "Train a neural network on real data, and predict with it."
EXAMPLES = """\
examples:
  python -m nn train digits                            train on scans of handwritten digits
  python -m nn train digits --hidden 128,64 --activation tanh --optimizer nesterov --lr 0.01
  python -m nn train diabetes                          predict a number instead of a class
  python -m nn train flowers.csv --target species      a table of your own
  python -m nn tune digits --trials 30                 search layers, optimizer, rate, …
  python -m nn predict runs/digits-1                   the digits that were held out
  python -m nn predict runs/digits-1 --index 42        one of them, with its picture
  python -m nn predict runs/flowers-1 new.csv          the rows of a file
"""
TRAIN_HELP = f"""\
DATA is one of the data sets that come with scikit-learn (nothing is downloaded):

{chr(10).join(f"  {name:<15}{what}" for name, what in DATASETS.items())}

or the path of a CSV file: a line of column names, then numbers; --target names the column to predict. If that column
holds words, or few different whole numbers, they are classes; other numbers are predicted as numbers.

What happens: a fifth of the samples is held out, the same for every run. The inputs are standardised to mean 0 and
deviation 1 (pixels by one common deviation). A network of fully connected layers learns from the rest, in small batches:
it computes outputs, compares them with the targets by a loss (cross-entropy for classes, mean squared error for
numbers), finds by backpropagation how each weight changes the loss, and takes a step downhill. One pass over the samples
is an epoch. At the end the network is tried on the held-out part, once.

The run folder then holds model.safetensors (the weights), config.json (what predict needs beside them), history.csv and
curves.svg, curves.png (loss and accuracy over the epochs), and graph.svg (the graph of the loss for two samples, as the
tape recorded it, with values and gradients).
"""
TRAIN_EXAMPLES = """\
to learn from:
  --hidden ""                  no hidden layer: logistic regression. What does it lose?
  --optimizer sgd --lr 10      a rate that is too large: the loss jumps, or is lost
  --batch-size 1 --epochs 3    stochastic gradient descent: one sample a step
  --activation sigmoid --hidden 64,64,64,64     vanishing gradients: it learns slowly
  --validation 0.5             half of the data to learn from: the curves drift apart
"""


TUNE_HELP = """\
DATA is as for `train`, and the same fifth of its samples is held out.

What happens: each trial is a choice of hidden layers (how many, how wide), activation, optimizer, learning rate, batch
size, epochs, L1 and L2 penalties and dropout, and is cross-validated on the other samples. Bayesian search proposes the
next from a model of those before; random search draws; grid search tries 48 fixed combinations. At the end the best is
trained on all samples but the held-out ones, and tried on those, once: the score of the search is the best of many, and
so too good.

The study is on disk after every trial. Ctrl-C ends the search after the trial under way; the same command goes on, and
finds what it would have found. The folder then holds study.db (Optuna's, also for its dashboard), trials.csv, search.svg
and search.png (best score so far, what mattered, every trial), and what `train` leaves of the best.
"""
TUNE_EXAMPLES = """\
examples:
  python -m nn tune digits --trials 30 --cv 3
  python -m nn tune digits --only learning_rate,batch_size --method random
  python -m nn tune flowers.csv --target species --out runs/flowers
  python -m nn predict runs/digits-tune
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        """One line, where argparse would print the usage of all options before it."""
        self.exit(2, f"error: {message.rstrip('.')}. {self.prog} --help explains all options.\n")


def parser(train: Callable[[Any], int], tune: Callable[[Any], int],
           predict: Callable[[Any], int]) -> argparse.ArgumentParser:  # fmt: skip
    """The parser of the command line; `train`, `tune` and `predict` are what the commands run."""
    raw = argparse.RawDescriptionHelpFormatter
    main = _Parser("python -m nn", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=raw, allow_abbrev=False)
    commands = main.add_subparsers(metavar="COMMAND", required=True)
    t = commands.add_parser("train", help="train a network, and leave it in a run folder", formatter_class=raw,
                            allow_abbrev=False, description=TRAIN_HELP, epilog=TRAIN_EXAMPLES)  # fmt: skip
    t.set_defaults(command=train)
    _data(t)
    t.add_argument(
        "--hidden",
        type=_sizes,
        default=[256],
        metavar="SIZES",
        help='neurons in each hidden layer, such as 128,64; "" for none (256)',
    )
    t.add_argument(
        "--activation",
        type=_one_of("activation", ACTIVATIONS),
        default="relu",
        metavar="NAME",
        help=f"between the layers: {', '.join(ACTIVATIONS)} (relu)",
    )
    t.add_argument(
        "--optimizer",
        type=_one_of("optimizer", optimizers()),
        default="adam",
        metavar="NAME",
        help=f"how a step is made of a gradient: {', '.join(optimizers())} (adam)",
    )
    rates = ", ".join(f"{name} {rate:g}" for name, (_, _, rate) in OPTIMIZERS.items())
    t.add_argument(
        "--lr",
        type=_number(0),
        metavar="RATE",
        help=f"learning rate: the size of a step at the start (by optimizer: {rates})",
    )
    t.add_argument(
        "--schedule",
        type=_one_of("schedule", SCHEDULES),
        metavar="NAME",
        help=f"how the rate goes on from there: {', '.join(SCHEDULES)} (cosine: it falls to 0 along half a cosine)",
    )
    t.add_argument(
        "--epochs", type=_whole(1), metavar="N", help="passes over the training samples (60, or what makes 1,000 steps)"
    )
    t.add_argument("--batch-size", type=_whole(1), default=32, metavar="N", help="samples for each step (32)")
    t.add_argument(
        "--seed",
        type=_whole(0),
        default=0,
        metavar="N",
        help="of the first weights and the order of the samples; the same seed gives the same weights, bit for bit (0)",
    )
    t.add_argument(
        "--weight-decay",
        type=_number(0),
        metavar="RATE",
        help="the optimizer's own pull of the weights towards 0, against overfitting (0.0001)",
    )
    t.add_argument("--l1", type=_number(0), default=0.0, metavar="λ", help="adds λ·Σ|w| to the loss: most weights near 0 (0)")
    t.add_argument("--l2", type=_number(0), default=0.0, metavar="λ", help="adds λ·Σw² to the loss: small weights (0)")
    t.add_argument(
        "--dropout",
        type=_share,
        default=0.0,
        metavar="SHARE",
        help="the share of hidden neurons that each step leaves out, against overfitting (0)",
    )
    t.add_argument(
        "--clip-norm", type=_number(0), metavar="NORM", help="the most that the norm of a step's gradient may be (no limit)"
    )
    t.add_argument(
        "--early-stopping",
        type=_whole(1),
        metavar="EPOCHS",
        help="stop when the watched loss has not fallen for so many epochs, and keep the weights of the best (never)",
    )
    t.add_argument(
        "--label-smoothing",
        type=_share,
        default=0.1,
        metavar="SHARE",
        help="classes: the share of each target that is spread over all classes, against overconfidence (0.1)",
    )
    t.add_argument(
        "--validation",
        type=_share,
        default=0.1,
        metavar="SHARE",
        help="the share of the training samples that is only watched, for the curves; 0 for none (0.1)",
    )
    t.add_argument("--run-dir", metavar="FOLDER", help="where to write; new or empty (runs/DATA-1, -2, ...)")
    t.add_argument("--no-jit", action="store_true", help="take the steps uncompiled")
    t.add_argument("--quiet", action="store_true", help="no progress bar")
    s = commands.add_parser("tune", help="search the settings of a network, and leave the best in a run folder",
                            formatter_class=raw, allow_abbrev=False, description=TUNE_HELP, epilog=TUNE_EXAMPLES)  # fmt: skip
    s.set_defaults(command=tune)
    _data(s)
    s.add_argument("--method", choices=["grid", "random", "bayesian"], default="bayesian", help="of the search (bayesian)")
    s.add_argument("--sampler", choices=["tpe", "cmaes", "gp"], default="tpe", help="of the Bayesian method (tpe)")
    s.add_argument(
        "--pruner",
        choices=["median", "wilcoxon", "halving", "none"],
        default="median",
        help="gives up trials whose first folds do badly (median)",
    )
    s.add_argument("--trials", type=_whole(1), default=30, metavar="N", help="in all, those of earlier calls included (30)")
    s.add_argument("--cv", type=_whole(2), default=3, metavar="N", help="folds of the cross-validation of each trial (3)")
    s.add_argument("--only", type=_names, default=[], metavar="NAMES", help="search these parameters only, such as l2,dropout")
    s.add_argument("--seed", type=_whole(0), default=0, metavar="N", help="of folds, proposals and networks (0)")
    s.add_argument("--out", metavar="FOLDER", help="where the study is kept, and taken up again (runs/DATA-tune)")
    s.add_argument("--quiet", action="store_true", help="no progress bar")
    p = commands.add_parser("predict", help="predict with a trained network", formatter_class=raw, allow_abbrev=False,
                            description="Predict with a trained network: for the rows of a CSV file, for one sample of "
                            "the data set\nthat it was trained from, or, with neither, for all samples that were held out.",
                            epilog=EXAMPLES)  # fmt: skip
    p.set_defaults(command=predict)
    p.add_argument("run", metavar="RUN", help="a run folder, such as runs/digits-1")
    p.add_argument("file", metavar="FILE.csv", nargs="?", help="a CSV file that has the columns the network was trained on")
    p.add_argument("--index", type=_whole(0), metavar="N", help="the number of a sample in the data set, from 0")
    return main


def _data(command: argparse.ArgumentParser) -> None:
    """What is learned from: the same for every command that learns."""
    command.add_argument("data", metavar="DATA", help="a data set by name, or a CSV file by path")
    command.add_argument("--target", metavar="COLUMN", help="the column of a CSV file that is to be predicted")
    command.add_argument(
        "--task",
        choices=["auto", "classification", "regression"],
        default="auto",
        help="what the target of a CSV file is (auto)",
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        sizes = [0]
    if any(not 0 < n <= 1_000_000 for n in sizes):
        raise argparse.ArgumentTypeError(f"{text!r:.60} is not a list of layer sizes, such as 64,32")
    return sizes


def _one_of(what: str, known: Any) -> Any:
    def choose(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(
                f"there is no {what} {text!r:.60}{nearest(text, known)} There are {', '.join(known)}"
            )
        return text

    return choose


def _whole(least: int) -> Any:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value < 1 << 63:
            raise argparse.ArgumentTypeError(f"{text!r:.60} is not a whole number of at least {least}")
        return value

    return parse


def _number(least: float) -> Any:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text!r:.60} is not a finite number of at least {least:g}")
        return value

    return parse


def _share(text: str) -> float:
    value: float = _number(0)(text)
    if value >= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share: give a number from 0, for none, to below 1")
    return value
