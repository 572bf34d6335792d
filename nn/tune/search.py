"""The search itself: trials proposed by Optuna, each cross-validated, kept on disk, and taken up again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import numpy as np

from autograd.errors import ArgumentError, DTypeError, FormatError, NotFoundError, UnsupportedError
from nn.names import nearest
from nn.progress import bar
from nn.training import _interrupt_deferred
from nn.tune.result import Result, quiet
from nn.tune.space import Choice, Dimension, Float, Int, Layers, as_dimensions, grid_of, suggest

__all__ = ["METHODS", "PRUNERS", "SAMPLERS", "default_space", "search"]

METHODS = ("grid", "random", "bayesian")
SAMPLERS = ("tpe", "cmaes", "gp")
PRUNERS = ("median", "wilcoxon", "halving", "none")


def default_space() -> dict[str, Dimension]:
    """The architecture (depth, widths, activation), the optimizer, its rate, batch size, epochs, λ of L1 and L2, and dropout.

    >>> list(default_space())[:4]
    ['hidden_layer_sizes', 'activation', 'optimizer', 'learning_rate']
    """
    return {
        "hidden_layer_sizes": Layers((1, 3), (16, 256)),
        "activation": Choice("relu", "leaky_relu", "tanh", "silu"),
        "optimizer": Choice("adam", "adamw", "nesterov", "rmsprop"),
        "learning_rate": Float(1e-4, 3e-2, log=True),
        "batch_size": Choice(16, 32, 64, 128),
        "epochs": Int(10, 60, step=10),
        "l1": Float(1e-7, 1e-3, log=True),
        "l2": Float(1e-6, 1e-2, log=True),
        "dropout": Float(0.0, 0.5),
    }


def search(x: Any, y: Any, space: Mapping[str, Any] | None = None, *, estimator: Any = None, method: str = "bayesian",
           sampler: str = "tpe", pruner: str = "median", trials: int = 30, cv: Any = 3, scoring: Any = None, seed: int = 0,
           storage: Any = None, refit: bool = True, progress: bool = True,
           after_trial: Callable[[Result], Any] | None = None) -> Result:  # fmt: skip
    """Search the parameters with which a network, or any scikit-learn estimator, does best in cross-validation.

    ==============  ================================================================================================
    ``grid``        every combination of listed values; for few parameters of few values
    ``random``      values drawn at random: better than a grid where many parameters hardly matter
    ``bayesian``    a model of score by parameters, fitted to the trials so far, proposes the next: fewest trials
    ==============  ================================================================================================

    The best score is the best of many, and so too good: report the score of ``result.model`` on samples that the search never
    saw. Source: course notes, *Hyperparameter Tuning Methods*; Bergstra, Bengio 2012, "Random search"; Akiba et al. 2019,
    "Optuna".

    Args:
        x, y: the samples to learn from, (N, D) and (N,) or (N, K).
        space: parameter -> a list of values, or `Float`, `Int`, `Choice`, `Layers`; None for `default_space`. A parameter of
            one step of a pipeline may go by its own name.
        estimator: whose parameters are searched; None for a `NeuralClassifier` if y holds classes (words or whole numbers),
            else a `NeuralRegressor`, after standardising the features.
        sampler: of the Bayesian method: "tpe" (tree-structured Parzen estimators), "cmaes" (evolution of a covariance; for
            numbers, and many trials), "gp" (Gaussian process; for few and costly trials; needs PyTorch).
        pruner: gives up a trial whose first folds do badly: "median", "wilcoxon", "halving" or "none".
        trials: how many in all, those of earlier calls in the same `storage` included; of a grid, at most.
        cv: folds, shuffled by the seed and stratified by class; or a splitter of scikit-learn's.
        scoring: what is best the higher it is, by scikit-learn's name, such as "f1_macro"; None for accuracy or R².
        seed: fixes folds, networks and proposals: trial k is the same in a search that was interrupted and in one that was not.
        storage: a file to keep the study in, and to take it up from: "study.db" (SQLite) or "study.log" (a journal); also a
            URL or an Optuna storage. None keeps it in memory.
        refit: whether to train the best on all samples.
        progress: whether to show a bar with the best score so far.
        after_trial: called with the result so far after each trial.

    Ctrl-C ends the search after the trial under way, and ``result.interrupted`` is True.

    Errors: UnsupportedError without Optuna; ArgumentError, also where a study was made with other settings; trials that fail
    are kept as such with the reason, and the search goes on, unless all fail.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 2)); y = (x[:, 0] > 0).astype(int)
    >>> space = {"learning_rate": [1e-6, 0.05], "epochs": [20]}
    >>> result = search(x, y, space, method="grid", progress=False)
    >>> result.best_params, len(result.rows)
    ({'learning_rate': 0.05, 'epochs': 20}, 2)
    """
    optuna = _optuna()
    from sklearn.base import is_classifier
    from sklearn.metrics import check_scoring
    from sklearn.model_selection import KFold, StratifiedKFold, check_cv

    _check(method, METHODS, "method")
    _check(sampler, SAMPLERS, "sampler")
    _check(pruner, PRUNERS, "pruner")
    for name, number, least in (("trials", trials, 1), ("seed", seed, 0)):
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < least:
            raise ArgumentError(f"{name} must be a whole number ≥ {least}, got {number!r}.")
    dimensions = as_dimensions(default_space() if space is None else space)
    estimator = _estimator(y) if estimator is None else estimator
    names = {name: _full_name(estimator, name) for name in dimensions}
    scorer = check_scoring(estimator, scoring=scoring)
    if isinstance(cv, int | np.integer):
        if isinstance(cv, bool) or cv < 2:
            raise ArgumentError(f"cv must be at least 2 folds, got {cv!r}.")
        kind = StratifiedKFold if is_classifier(estimator) else KFold
        folds = list(kind(int(cv), shuffle=True, random_state=seed).split(x, y))
    else:
        folds = list(check_cv(cv, y, classifier=is_classifier(estimator)).split(x, y))
    if method == "grid":
        grid, combinations = grid_of(dimensions)
        trials = min(trials, combinations)

    def proposer(number: int) -> Any:
        """A sampler for one trial: its draws depend on the seed and the trial's number, not on when the program was started."""
        own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        if method == "grid":
            return optuna.samplers.GridSampler(grid, seed=seed)
        if method == "random":
            return optuna.samplers.RandomSampler(seed=own)
        if sampler == "tpe":
            return optuna.samplers.TPESampler(seed=own)
        if sampler == "cmaes":
            return optuna.samplers.CmaEsSampler(seed=own, warn_independent_sampling=False)
        return optuna.samplers.GPSampler(seed=own)

    def objective(trial: Any) -> float:
        start, chosen = perf_counter(), suggest(dimensions, trial)
        scores: list[float] = []
        try:
            for k, (train, test) in enumerate(folds):
                model = _made(estimator, {names[n]: v for n, v in chosen.items()}, seed)
                model.fit(_rows(x, train), _rows(y, train))
                scores.append(float(scorer(model, _rows(x, test), _rows(y, test))))
                # the Wilcoxon test compares fold with fold, the others what is known after as many folds
                trial.report(scores[-1] if pruner == "wilcoxon" else float(np.mean(scores)), k)
                if k + 1 < len(folds) and trial.should_prune():
                    raise optuna.TrialPruned
        except (ValueError, TypeError, FloatingPointError, MemoryError) as error:
            trial.set_user_attr("error", f"{type(error).__name__}: {error}"[:500])
            raise
        finally:
            trial.set_user_attr("scores", scores)
            trial.set_user_attr("seconds", round(perf_counter() - start, 3))
        return float(np.mean(scores))

    with quiet(optuna):
        made = {"method": method, "sampler": sampler if method == "bayesian" else "", "pruner": pruner, "seed": int(seed),
                "space": repr(dimensions), "folds": _digest([np.asarray(test) for _, test in folds]), "scoring": str(scorer),
                "data": _digest([x, y]), "estimator": repr(estimator)}  # fmt: skip
        study = _study(optuna, storage, made, _pruner(optuna, pruner))
        result = Result(study, lambda trial: suggest(dimensions, trial))
        catch = (ValueError, TypeError, FloatingPointError, MemoryError)
        with _interrupt_deferred() as interrupted, bar(int(trials), progress, unit="trial", what="searching") as show:
            for _ in range(result.done):
                show({})
            while result.done < trials and not interrupted():
                study.sampler = proposer(len(study.get_trials(deepcopy=False)))
                study.optimize(objective, n_trials=1, catch=catch)
                show({"last": result.rows[-1]["score"], "best": result.best_score})
                if after_trial is not None:
                    after_trial(result)
            result.interrupted = interrupted()
        if result.done and not result.succeeded and not result.interrupted:
            raise ArgumentError(f"all {result.done} trials failed; the last by {result.rows[-1]['error']}")
    if refit and result.succeeded and not result.interrupted:
        best = {names[n]: v for n, v in result.best_params.items()}
        result.model = _made(estimator, best, seed).fit(x, y)
    return result


# ---- its parts --------------------------------------------------------------------------------------------------------


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UnsupportedError('nn.tune needs Optuna, not installed here: python -m pip install "wengert[search]".') from None
    return optuna


def _check(value: Any, known: tuple[str, ...], what: str) -> None:
    if value not in known:
        raise NotFoundError(f"there is no {what} {value!r}{nearest(str(value), known)} There are {', '.join(known)}.")


def _estimator(y: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.utils.multiclass import type_of_target

    from nn.estimators import NeuralClassifier, NeuralRegressor

    numbers = type_of_target(np.asarray(y)).startswith("continuous")
    return make_pipeline(StandardScaler(), NeuralRegressor() if numbers else NeuralClassifier())


def _full_name(estimator: Any, name: str) -> str:
    """The name that `set_params` knows a parameter by: its own, or, in a pipeline, with its step's before it."""
    known = estimator.get_params()
    found = [k for k in known if k == name] or [k for k in known if k.endswith(f"__{name}")]
    if len(found) != 1:
        own = sorted({k.rpartition("__")[2] for k in known})
        raise NotFoundError(
            f"{type(estimator).__name__} has no parameter {name!r}{nearest(name, own)}" if not found else
            f"{name!r} may be {' or '.join(found)}: write the one that is meant."
        )  # fmt: skip
    return str(found[0])


def _made(estimator: Any, parameters: dict[str, Any], seed: int) -> Any:
    """A fresh estimator with these parameters; where its randomness is left open, the seed fixes it."""
    from sklearn.base import clone

    model = clone(estimator).set_params(**parameters)
    loose = [k for k, v in model.get_params().items() if k.rpartition("__")[2] == "random_state" and v is None]
    return model.set_params(**dict.fromkeys(loose, int(seed)))


def _rows(x: Any, indices: Any) -> Any:
    from sklearn.utils import _safe_indexing

    return _safe_indexing(x, indices)


def _digest(arrays: list[Any]) -> str:
    digest = hashlib.sha256()
    for a in arrays:
        a = a.tocsr() if hasattr(a, "tocsr") else a
        parts = (a.data, a.indices, a.indptr) if hasattr(a, "indptr") else (a,)
        for part in map(np.asarray, parts):
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(str(part.tolist()).encode() if part.dtype == object else np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]


def _pruner(optuna: Any, name: str) -> Any:
    kinds = {"median": "MedianPruner", "wilcoxon": "WilcoxonPruner", "halving": "SuccessiveHalvingPruner", "none": "NopPruner"}
    return getattr(optuna.pruners, kinds[name])()


def _study(optuna: Any, storage: Any, made: dict[str, Any], pruner: Any) -> Any:
    """A new study, or the one that is kept there, if it was made with the same settings."""
    try:
        study = optuna.create_study(
            storage=_storage(optuna, storage), study_name="search", direction="maximize", load_if_exists=True, pruner=pruner
        )
        before = study.user_attrs
    except Exception as error:  # SQLAlchemy's, sqlite3's, the journal's: whatever the storage raises
        raise FormatError(f"the study in {storage!r} cannot be read or made: {type(error).__name__}: {error!s:.200}") from None
    differ = [f"{k}: {before[k]!s:.60} then, {v!s:.60} now" for k, v in made.items() if k in before and before[k] != v]
    if differ:
        raise ArgumentError(
            f"the study in {storage!r} was made with other settings ({'; '.join(differ)}): its scores do not compare. "
            "Give another storage for a new study, or the settings of the old one."
        )
    for k, v in made.items():
        if k not in before:
            study.set_user_attr(k, v)
    return study


def _storage(optuna: Any, storage: Any) -> Any:
    if storage is None or not isinstance(storage, str | os.PathLike):
        return storage
    path = os.fspath(storage)
    if "://" in path:
        return path
    if path.endswith((".db", ".sqlite", ".sqlite3")):
        return f"sqlite:///{os.path.abspath(path)}"
    if path.endswith((".log", ".journal")):
        return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(os.path.abspath(path)))
    raise DTypeError(f"a study is kept in a file .db (SQLite) or .log (a journal), or at a URL; got {path!r}.")
