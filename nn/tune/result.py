"""What a search found: the best parameters, every trial as a row, a table, a picture, the model trained again."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from os import PathLike
from typing import Any

import numpy as np

from autograd.errors import ArgumentError
from nn.files import write_atomically

__all__ = ["Result", "quiet"]


class Result:
    """The trials of a search.

    Attributes: ``study`` (Optuna's, for its own tools); ``model``, the best, trained on all samples, or None;
    ``interrupted``, whether Ctrl-C ended the search.
    """

    def __init__(self, study: Any, parameters: Callable[[Any], dict[str, Any]]):
        self.study, self._parameters = study, parameters
        self.model: Any = None
        self.interrupted = False

    @property
    def done(self) -> int:
        """How many trials are finished: complete, given up, or failed."""
        return sum(t.state.is_finished() for t in self.study.get_trials(deepcopy=False))

    @property
    def succeeded(self) -> list[Any]:
        """The complete trials, as Optuna's."""
        return [t for t in self.study.get_trials(deepcopy=False) if t.state.name == "COMPLETE" and t.value == t.value]

    @property
    def _best(self) -> Any:
        if not self.succeeded:
            raise ArgumentError("no trial is complete yet: there is no best one.")
        return max(self.succeeded, key=lambda t: (t.value, -t.number))

    @property
    def best_params(self) -> dict[str, Any]:
        """The parameters of the best trial, fit for ``estimator.set_params``."""
        return self._chosen(self._best)

    @property
    def best_score(self) -> float:
        """Its mean score over the folds; NaN before a trial is complete. The best of many is optimistic."""
        return float(self._best.value) if self.succeeded else math.nan

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row for each finished trial, in their order: "trial", "state", "score", "folds", "deviation" (over the folds),
        "seconds", the parameters, and the "error" of one that failed."""
        rows = []
        for t in self.study.get_trials(deepcopy=False):
            if t.state.is_finished():
                scores = t.user_attrs.get("scores", [])
                row = {"trial": t.number, "state": {"COMPLETE": "complete", "PRUNED": "given up"}.get(t.state.name, "failed"),
                       "score": float(np.mean(scores)) if scores else math.nan, "folds": len(scores),
                       "deviation": float(np.std(scores)) if len(scores) > 1 else math.nan,
                       "seconds": t.user_attrs.get("seconds", math.nan)}  # fmt: skip
                rows.append({**row, **self._chosen(t), "error": t.user_attrs.get("error", "")})
        return rows

    def _chosen(self, trial: Any) -> dict[str, Any]:
        from optuna.trial import FixedTrial

        try:
            return self._parameters(FixedTrial(trial.params))
        except ValueError:  # a trial that was stopped while its parameters were drawn
            return dict(trial.params)

    def table(self, rows: int = 10) -> str:
        """The best trials as text, best first."""
        found = sorted((r for r in self.rows if r["state"] == "complete"), key=lambda r: (-r["score"], r["trial"]))[:rows]
        if not found:
            return "no trial is complete yet"
        names = [k for k in found[0] if k not in ("state", "folds", "error")]
        cells = [names, *([_cell(r.get(k)) for k in names] for r in found)]
        widths = [max(len(line[k]) for line in cells) for k in range(len(names))]
        return "\n".join("  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in cells)

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write all rows to a CSV file."""
        rows = self.rows
        out = StringIO()
        writer = csv.DictWriter(out, list(dict.fromkeys(k for r in rows for k in r)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(path, out.getvalue())

    def importances(self) -> dict[str, float]:
        """How much of the differences in score each parameter explains, by Optuna's analysis; empty for too few trials.

        Trials that were given up count with the mean of the folds that they had: a parameter that decides whether a trial is
        given up is an important one. Where scores are few it is a guess.
        """
        import warnings

        import optuna

        try:
            with quiet(optuna), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it warns where values are few, and is still the best guess
                study = optuna.create_study(direction="maximize")
                study.add_trials([self._counted(t) for t in self.study.get_trials(deepcopy=False) if self._is_counted(t)])
                return {k: float(v) for k, v in optuna.importance.get_param_importances(study).items()}
        except (ValueError, RuntimeError, ImportError, ZeroDivisionError):
            return {}

    @staticmethod
    def _is_counted(trial: Any) -> bool:
        return trial.state.name in ("COMPLETE", "PRUNED") and bool(np.isfinite(trial.user_attrs.get("scores") or np.nan).all())

    @staticmethod
    def _counted(trial: Any) -> Any:
        from optuna.trial import create_trial

        value = float(np.mean(trial.user_attrs["scores"]))
        return create_trial(params=trial.params, distributions=trial.distributions, value=value)

    def plot(self, *paths: str | PathLike[str], title: str = "") -> Any:
        """Draw the best score so far over the trials, the weight of each parameter, and the trials as lines through parallel
        axes; written to files, SVG, PNG or PDF by their ending. Returns matplotlib's figure."""
        from nn.tune.picture import draw

        return draw(self, paths, title)

    def __repr__(self) -> str:
        return f"Result({self.done} trials; best score {self.best_score:.4g}{'; interrupted' if self.interrupted else ''})"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)


@contextmanager
def quiet(optuna: Any) -> Iterator[None]:
    """Without Optuna's lines on every trial."""
    import warnings

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
