"""``python -m nn``: train a network on real data, search its settings, and predict with it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, AutogradError, FileError
from nn import pictures
from nn.arguments import parser
from nn.callbacks import EarlyStopping
from nn.choices import TUNING, clipping, make_optimizer, make_schedule, penalty
from nn.data import DataLoader, train_test_split
from nn.datasets import DATASETS, Table, read_features
from nn.experiment import Config, Run, Scaling, held_out, load_table, slug
from nn.files import next_folder, write_atomically
from nn.history import History
from nn.metrics import accuracy, confusion_table, mean_squared_error, r2_score
from nn.pictures.confusion import LARGEST
from nn.terminal import complain, predictions, say, scan
from nn.training import Trainer
from nn.training import predict as outputs_of

VALIDATION_SEED = 1
EPOCHS, STEPS = 60, 1_000  # what training takes by default: at least so many of both
WEIGHT_DECAY = 1e-4
MAX_PARAMETERS = 200_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, 2 after a user's error, 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8
    options = parser(train, tune, predict).parse_args(arguments)
    try:
        with np.errstate(all="ignore"):  # an overflow shows in the loss, and is said once
            return int(options.command(options))
    except AutogradError as error:
        complain(f"error: {str(error).removesuffix(' (your code)')}")  # on a command line there is no line of code to name
    except MemoryError:
        complain("error: not enough memory for this network and data. Use smaller --hidden layers or fewer columns.")
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
    return 2


# ---- train ------------------------------------------------------------------------------------------------------------


def train(options: argparse.Namespace) -> int:
    """``python -m nn train``."""
    table = load_table(options.data, options.target, options.task)
    rest, test = held_out(table)
    if options.epochs is None:
        batches = ceil(len(rest) * (1 - options.validation) / options.batch_size)
        options.epochs = max(EPOCHS, ceil(STEPS / batches))
    config, generator = _configure(table, rest, options), ag.Generator(options.seed)
    ag.manual_seed(options.seed)
    model = config.model(generator).name_parameters()
    optimizer = _optimizer(options, model)
    folder, made = _folder(options, table)
    try:
        history, seconds = _train(options, table, config, model, optimizer, rest, generator)
        outputs = _report(table, config, model, test, history, seconds)
        run = Run(folder, config, model)
        config.result = {**outputs, "epochs": len(history), "seconds": round(seconds, 2), "interrupted": history.interrupted}
        run.save()
        history.to_csv(folder / "history.csv")
        _pictures(run, history, table, rest, test)
    except BaseException:
        if made and not any(folder.iterdir()):
            folder.rmdir()
        raise
    say(f"\nwritten to {folder}: {', '.join(sorted(p.name for p in folder.iterdir()))}")
    say(f"next: python -m nn predict {folder}")
    return 130 if history.interrupted else 0


def _configure(table: Table, rest: Any, options: argparse.Namespace) -> Config:
    sizes = [len(table.feature_names), *options.hidden, len(table.class_names or [0])]
    weights = sum((a + 1) * b for a, b in pairwise(sizes))
    if weights > MAX_PARAMETERS:
        raise ArgumentError(
            f"this network has {weights:,} parameters; at most {MAX_PARAMETERS:,} are allowed. Make --hidden smaller."
        )
    features = table.features[rest]
    targets = None if table.class_names else Scaling.of(table.targets[rest][:, None])
    if options.weight_decay is None:  # rules that use the signs of gradients only have none
        options.weight_decay = 0.0 if options.optimizer == "rprop" else WEIGHT_DECAY
    if options.schedule is None:  # a rate that tunes itself has none
        options.schedule = "constant" if options.optimizer.startswith(TUNING) else "cosine"
    if options.early_stopping and not options.validation:
        raise ArgumentError("--early-stopping watches the loss of samples not learned from: give --validation a share.")
    names = ("optimizer", "lr", "schedule", "epochs", "batch_size", "seed", "weight_decay", "l1", "l2", "clip_norm",
             "label_smoothing", "validation", "early_stopping")  # fmt: skip
    training = {name: getattr(options, name) for name in names}
    data = options.data if options.data in DATASETS else os.path.abspath(options.data)
    return Config(data, table.target_name, table.task, len(table.features), table.feature_names, table.class_names,
                  options.hidden, options.activation, Scaling.of(features, table.one_unit), targets, training,
                  dropout=options.dropout)  # fmt: skip


def _optimizer(options: argparse.Namespace, model: Any) -> Any:
    return make_optimizer(options.optimizer, model.parameters(), options.lr, weight_decay=options.weight_decay)


def _folder(options: argparse.Namespace, table: Table) -> tuple[Path, bool]:
    """The run folder, and whether it was made now. Made before training, so that a bad path costs no time."""
    if options.run_dir is None:
        return next_folder("runs", slug(table.name)), True
    folder = Path(options.run_dir)
    try:
        there = folder.is_dir()
        if there and any(folder.iterdir()):
            raise FileError(f"the run folder {str(folder)!r} is not empty. Choose another --run-dir, or empty it.")
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"cannot make the run folder {str(folder)!r}: {getattr(error, 'strerror', None) or error}.") from None
    if not os.access(folder, os.W_OK):
        raise FileError(f"cannot write to the run folder {str(folder)!r}. Choose another --run-dir.")
    return folder, not there


def _train(options: argparse.Namespace, table: Table, config: Config, model: Any, optimizer: Any, rest: Any,
           generator: Any) -> tuple[History, float]:  # fmt: skip
    x, y = config.inputs.apply(table.features[rest]), config.encode(table.targets[rest])
    validation = None
    if options.validation:
        labels = y if table.class_names else None
        kept, watched = train_test_split(len(x), labels, options.validation, VALIDATION_SEED)
        validation = DataLoader((x[watched], y[watched]), batch_size=1024)
        x, y = x[kept], y[kept]
    loader = DataLoader((x, y), batch_size=options.batch_size, shuffle=True, generator=generator)
    sizes = " - ".join(map(str, [len(config.feature_names), *config.hidden, len(table.class_names or [0])]))
    say(f"{table.name}: {len(x):,} samples to learn from" + (f", {len(watched):,} to watch" if validation else "")
         + f", {len(table.features) - len(rest):,} held out")  # fmt: skip
    say(f"network: {sizes}, {config.activation}, {sum(p.size for p in model.parameters()):,} parameters; {options.optimizer}")
    trainer = Trainer(
        model, config.loss(), optimizer, config.metrics(), jit=False if options.no_jit else None,
        penalty=penalty(options.l1, options.l2), before_step=clipping(options.clip_norm) if options.clip_norm else None,
        scheduler=make_schedule(options.schedule, optimizer, options.epochs),
    )  # fmt: skip
    say(f"steps run {trainer.how}")

    def after_epoch(_: Trainer, row: dict[str, float]) -> None:
        if not np.isfinite(row["loss"]):
            raise ArgumentError(
                f"the loss became {row['loss']} in epoch {row['epoch']}: the steps are too large. Choose a smaller --lr."
            )

    callbacks: list[Any] = [after_epoch]
    if options.early_stopping:
        callbacks.append(EarlyStopping("val_loss", options.early_stopping))
    start = perf_counter()
    history = trainer.fit(loader, validation, options.epochs, callbacks, progress=not options.quiet)
    if options.early_stopping and callbacks[-1].best_epoch:
        say(f"early stopping: kept the weights of epoch {callbacks[-1].best_epoch}")
    return history, perf_counter() - start


def _report(table: Table, config: Config, model: Any, test: Any, history: History, seconds: float) -> dict[str, float]:
    if history.interrupted:
        say(f"interrupted: {len(history)} complete epochs; the network is as after its last step")
    else:
        say(f"trained {len(history)} epochs in {seconds:.1f} s")
    outputs = config.decode(outputs_of(model, config.inputs.apply(table.features[test])))
    targets = table.targets[test]
    if table.class_names:
        share = accuracy(outputs, targets)
        right = round(share * len(targets))
        say(f"\nheld-out accuracy: {share:.2%} ({right} of {len(targets)})\n")
        say(confusion_table(outputs, targets, table.class_names))
        return {"held_out_accuracy": share}
    error, explained = mean_squared_error(outputs, targets), r2_score(outputs, targets)
    say(f"\nheld-out mean squared error: {error:.4g} (root: {error**0.5:.4g}); R²: {explained:.4f} on {len(targets)} samples")
    return {"held_out_mse": error, "held_out_r2": explained}


def _pictures(run: Run, history: History, table: Table, rest: Any, test: Any) -> None:
    """Curves, mistakes, weights and graph: worth having, and no reason to lose a run."""
    folder, config = run.folder, run.config
    title = f"{table.name}: {config.training['optimizer']}, seed {config.training['seed']}"

    def curves() -> None:
        if len(history):
            history.plot(folder / "curves.svg", folder / "curves.png", title=title)

    def confusion() -> None:
        names = table.class_names
        if names and len(names) <= LARGEST:
            outputs = config.decode(outputs_of(run.model, config.inputs.apply(table.features[test])))
            pictures.confusion(outputs, table.targets[test], folder / "confusion.png", names=names, title=f"{title}, held out")

    def weights() -> None:
        if table.name == "digits":
            pictures.filters(run.model, folder / "weights.png", shape=(8, 8), title=title)

    def graph() -> None:
        from autograd.viz import draw

        x, y = config.inputs.apply(table.features[rest[:2]]), config.encode(table.targets[rest[:2]])
        loss = config.loss()(run.model(ag.Tensor(x, name="x")), ag.Tensor(y, name="target"))
        loss.name = "loss"
        write_atomically(folder / "graph.svg", draw(loss).svg())

    said: set[str] = set()
    for picture in (curves, confusion, weights, graph):
        try:
            picture()
        except (AutogradError, ImportError) as error:
            if str(error) not in said:
                complain(f"no picture of the {picture.__name__}: {error}")
            said.add(str(error))


# ---- predict ----------------------------------------------------------------------------------------------------------


def predict(options: argparse.Namespace) -> int:
    """``python -m nn predict``."""
    run = Run.load(options.run)
    config = run.config
    if options.file is not None and options.index is not None:
        raise ArgumentError("give a file or --index, not both.")
    if options.file is not None:
        found = run.predict(read_features(options.file, config.feature_names))
        say(predictions(config, found, range(1, len(found) + 1), None))
        return 0
    table = load_table(
        config.data, None if config.data in DATASETS else config.target, config.task if config.data not in DATASETS else "auto"
    )
    if (
        len(table.features) != config.samples
        or table.feature_names != config.feature_names
        or table.class_names != config.class_names
    ):
        raise ArgumentError(
            f"{config.data} has changed since the network was trained on it. Give the rows to predict as a file."
        )
    _, test = held_out(table)
    if options.index is not None:
        if not 0 <= options.index < len(table.features):
            raise ArgumentError(f"there is no sample {options.index}: {table.name} has samples 0 to {len(table.features) - 1}.")
        chosen = np.array([options.index])
        say(f"sample {options.index} of {table.name}, which was {'held out' if options.index in test else 'learned from'}")
        if table.name == "digits":
            say(scan(table.features[options.index]))
    else:
        chosen = np.sort(test)
    found = run.predict(table.features[chosen])
    say(predictions(config, found, chosen, table.targets[chosen]))
    if options.index is None:
        if table.class_names:
            say(f"\nheld-out accuracy: {accuracy(found, table.targets[chosen]):.2%} on {len(chosen)} samples")
        else:
            say(f"\nheld-out R²: {r2_score(found, table.targets[chosen]):.4f} on {len(chosen)} samples")
    return 0


# ---- tune -------------------------------------------------------------------------------------------------------------


def tune(options: argparse.Namespace) -> int:
    """``python -m nn tune``."""
    from nn.tune.table import best_of, search_table, write_report

    table = load_table(options.data, options.target, options.task)
    rest, test = held_out(table)
    folder = Path(options.out) if options.out else Path("runs", f"{slug(table.name)}-tune")
    _make_study_folder(folder)
    say(f"{table.name}: {len(rest):,} samples in {options.cv} folds, {len(table.features) - len(rest):,} held out")
    result = search_table(table, rest, options, folder)
    if result.succeeded:
        say(f"\n{result.table(8)}\n")
        title = f"{table.name}: {options.method} search, {result.done} trials, {options.cv} folds"
        write_report(result, folder, title, complain)
    if result.interrupted:
        say(f"interrupted after {result.done} of {options.trials} trials: the same command goes on from there")
        return 130
    config, model, history = best_of(result, table, rest, options)
    chosen = (f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in result.best_params.items())
    say(f"the best, on all of them: {', '.join(chosen)}")
    outputs = _report(table, config, model, test, history, sum(history["seconds"]))
    config.result = {**outputs, "epochs": len(history), "search_score": result.best_score, "trials": result.done}
    run = Run(folder, config, model)
    run.save()
    history.to_csv(folder / "history.csv")
    _pictures(run, history, table, rest, test)
    say(f"\nwritten to {folder}: {', '.join(sorted(p.name for p in folder.iterdir()))}")
    say(f"next: python -m nn predict {folder}")
    return 0


def _make_study_folder(folder: Path) -> None:
    from nn.tune.table import STUDY

    try:
        if folder.is_dir() and any(folder.iterdir()) and not (folder / STUDY).exists():
            raise FileError(f"{str(folder)!r} is not empty, and holds no study to go on with. Choose another --out.")
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"cannot make the folder {str(folder)!r}: {getattr(error, 'strerror', None) or error}.") from None


if __name__ == "__main__":
    sys.exit(main())
