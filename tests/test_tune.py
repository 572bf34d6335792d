"""`nn.tune`: what is searched, that a search finds, repeats, resumes and is interrupted rightly, and what it leaves."""

from __future__ import annotations

import csv
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd.errors import ArgumentError, FormatError, UnsupportedError
from nn import tune

pytest.importorskip("sklearn")
pytest.importorskip("optuna")

import optuna
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nn.estimators import NeuralClassifier
from nn.tune import Choice, Float, Int, Layers

ROOT = Path(__file__).resolve().parents[1]
IRIS = load_iris(return_X_y=True)
RIDGE = {"alpha": Float(1e-4, 1e4, log=True)}


def quick(space: Any = None, **settings: Any) -> tune.Result:
    """A search over a model that is fitted in no time."""
    x, y = load_diabetes(return_X_y=True)
    return tune.search(x, y, space or RIDGE, **{"estimator": Ridge(), "progress": False, "trials": 8, **settings})


# ---- what is found ----------------------------------------------------------------------------------------------------


def test_grid_tries_every_combination_with_scikit_learns_scores() -> None:
    space = {"C": [0.01, 1.0, 100.0], "fit_intercept": [True, False]}
    model = make_pipeline(StandardScaler(), LogisticRegression())
    result = tune.search(*IRIS, space, estimator=model, method="grid", trials=50, cv=4, seed=3, progress=False)
    tried = sorted((r["C"], r["fit_intercept"]) for r in result.rows)
    assert tried == sorted((c, f) for c in space["C"] for f in (True, False))
    folds = StratifiedKFold(4, shuffle=True, random_state=3)
    for row in result.rows:
        own = {f"logisticregression__{k}": row[k] for k in space} | {"logisticregression__random_state": 3}
        scores = cross_val_score(model.set_params(**own), *IRIS, cv=folds)
        if row["folds"] == 4:
            assert row["score"] == pytest.approx(scores.mean()) and row["deviation"] == pytest.approx(scores.std())
    best = max((r for r in result.rows if r["state"] == "complete"), key=lambda r: r["score"])
    assert result.best_score == best["score"] and result.best_params == {k: best[k] for k in space}
    assert result.model.predict(IRIS[0]).shape == (150,) and result.model.get_params()["logisticregression__C"] == best["C"]


@pytest.mark.parametrize(("method", "sampler"), [("random", "tpe"), ("bayesian", "tpe"), ("bayesian", "cmaes")])
def test_each_method_finds_the_ridge(method: str, sampler: str) -> None:
    if sampler == "cmaes":
        pytest.importorskip("cmaes")
    result = quick(method=method, sampler=sampler, trials=25)
    assert len(result.rows) == 25 and result.best_params["alpha"] < 1 and result.best_score > 0.44


def test_the_gaussian_process_or_what_it_lacks() -> None:
    try:
        result = quick(sampler="gp", trials=12)
    except UnsupportedError as error:
        assert "torch" in str(error)
    else:
        assert result.best_params["alpha"] < 1


def test_bayesian_search_proposes_near_what_was_good() -> None:
    """The second half of its trials lies closer to the best than random's, over ten seeds, by a sign test."""
    wins = 0
    for seed in range(10):
        spread = []
        for method in ("bayesian", "random"):
            rows = quick(method=method, trials=40, seed=seed, pruner="none", cv=2).rows[20:]
            spread.append(np.median([r["score"] for r in rows]))
        wins += spread[0] > spread[1]
    assert wins >= 9  # p = 0.011


def test_a_network_is_searched_whole() -> None:
    """Architecture, optimizer, rate, batch size, epochs, λ, dropout; and better than the worst by far."""
    space = {**tune.default_space(), "epochs": [3, 6], "hidden_layer_sizes": Layers((0, 2), (4, 16))}
    result = tune.search(*IRIS, space, trials=6, progress=False)
    assert set(result.best_params) == set(tune.default_space())
    assert isinstance(result.best_params["hidden_layer_sizes"], tuple) and result.best_score > 0.6
    assert len(result.rows) == 6 and {r["state"] for r in result.rows} <= {"complete", "given up"}
    network = result.model[-1]
    assert isinstance(network, NeuralClassifier) and network.learning_rate == result.best_params["learning_rate"]


def test_choices_of_any_kind() -> None:
    import optim

    space = {"optimizer": [optim.SGD, "adam"], "hidden_layer_sizes": [(4,), (4, 4)], "epochs": Int(1, 3, step=2)}
    result = tune.search(*IRIS, space, method="grid", trials=100, progress=False)
    assert len(result.rows) == 8 and result.best_params["optimizer"] in (optim.SGD, "adam")
    assert {r["hidden_layer_sizes"] for r in result.rows} == {(4,), (4, 4)}
    assert Float(0.0, 1.0, step=0.25).values("") == [0, 0.25, 0.5, 0.75, 1.0]


def test_bad_trials_are_given_up_and_failures_kept() -> None:
    result = quick(trials=30, pruner="median", cv=5)
    given_up = [r for r in result.rows if r["state"] == "given up"]
    assert given_up and all(r["folds"] < 5 for r in given_up)
    assert {r["state"] for r in quick(trials=12, pruner="none").rows} == {"complete"}
    some = quick({"alpha": [1.0, -1.0]}, method="grid")
    assert [r["state"] for r in sorted(some.rows, key=lambda r: r["alpha"])] == ["failed", "complete"]
    assert "alpha" in next(r["error"] for r in some.rows if r["state"] == "failed") and some.best_params == {"alpha": 1.0}
    with pytest.raises(ArgumentError, match=r"all 2 trials failed.*alpha"):
        quick({"alpha": [-2.0, -1.0]}, method="grid")


def test_what_decides_that_a_trial_is_given_up_is_important(capsys: pytest.CaptureFixture[str]) -> None:
    """Among those that are left it makes no difference any more, and Optuna's own analysis looks at no others."""
    space = {"alpha": [1e-3, 1e5], "tol": Float(1e-5, 1e-3, log=True)}
    result = quick(space, estimator=Ridge(solver="lsqr"), method="random", trials=20, pruner="median")
    left = {r["alpha"] for r in result.rows[8:] if r["state"] == "complete"}
    assert left == {1e-3} and any(r["alpha"] == 1e5 for r in result.rows[8:])
    assert result.importances()["alpha"] > 0.8
    assert capsys.readouterr().err == ""


# ---- again, and going on ------------------------------------------------------------------------------------------------


def scores(result: tune.Result) -> list[Any]:
    return [(r["trial"], r["score"], r["state"], r["alpha"]) for r in result.rows]


@pytest.mark.parametrize("method", ["random", "bayesian", "grid"])
@pytest.mark.parametrize("file", ["study.db", "study.log"])
def test_a_search_in_parts_is_the_search(tmp_path: Path, method: str, file: str) -> None:
    space = {"alpha": [0.01, 0.1, 1.0, 10.0, 1e3]} if method == "grid" else RIDGE
    whole = quick(space, method=method, trials=14)
    for trials in (2, 5, 14):
        parts = quick(space, method=method, trials=trials, storage=tmp_path / file)
    assert scores(parts) == scores(whole) and parts.best_params == whole.best_params
    assert scores(quick(space, method=method, trials=14, storage=tmp_path / file)) == scores(whole)  # nothing is left to do
    assert scores(quick(space, method=method, trials=14, seed=1)) != scores(whole)


def test_a_study_with_other_settings_is_refused(tmp_path: Path) -> None:
    kept = tmp_path / "study.log"
    quick(storage=kept, trials=2)
    for other, words in (({"cv": 4}, "folds"), ({"seed": 1}, "seed: 0 then, 1 now"), ({"method": "random"}, "method"),
                         ({"space": {"alpha": [1.0]}}, "space"), ({"scoring": "r2"}, "scoring"),
                         ({"estimator": Ridge(tol=0.1)}, "estimator")):  # fmt: skip
        with pytest.raises(ArgumentError, match=words):
            quick(storage=kept, **other)
    x, y = load_diabetes(return_X_y=True)
    with pytest.raises(ArgumentError, match="data"):
        tune.search(x, y + 1, RIDGE, estimator=Ridge(), storage=kept, progress=False)
    (tmp_path / "bad.db").write_text("no database at all, and long enough to be looked at " * 20)
    with pytest.raises(FormatError, match=r"bad\.db"):
        quick(storage=tmp_path / "bad.db")


def test_interrupted_after_the_trial_under_way_and_resumed(tmp_path: Path) -> None:
    """SIGINT reaches a process in the middle of a trial: that trial is finished, the study kept, and the same call goes on."""
    code = (
        "import os, signal, numpy as np\nfrom nn import tune\nfrom sklearn.linear_model import Ridge\n"
        "from sklearn.datasets import load_diabetes\n"
        "class Slow(Ridge):\n"
        "    fits = 0\n"
        "    def fit(self, X, y):\n"
        "        Slow.fits += 1\n"
        "        if Slow.fits == 5 and {press}: os.kill(os.getpid(), signal.SIGINT)\n"
        "        return super().fit(X, y)\n"
        "x, y = load_diabetes(return_X_y=True)\n"
        "r = tune.search(x, y, {{'alpha': tune.Float(1e-3, 1e3, log=True)}}, estimator=Slow(), trials=6, pruner='none',\n"
        "                storage='study.db', progress=False)\n"
        "print(r.interrupted, r.done, [w['folds'] for w in r.rows], r.model is not None)\n"
    )
    said = []
    for press in (True, False):
        done = subprocess.run([sys.executable, "-W", "error", "-c", code.format(press=press)], cwd=tmp_path, text=True,
                              capture_output=True, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.strip())
    assert said == ["True 2 [3, 3] False", "False 6 [3, 3, 3, 3, 3, 3] True"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# ---- what it leaves -----------------------------------------------------------------------------------------------------


def test_table_file_and_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    space = {"hidden_layer_sizes": Layers((1, 2), (4, 8)), "learning_rate": Float(1e-3, 1e-1, log=True), "epochs": [5]}
    result = tune.search(*IRIS, space, trials=5, progress=False, pruner="none")
    lines = result.table(3).splitlines()
    assert len(lines) == 4 and lines[0].split() == ["trial", "score", "deviation", "seconds", *space]
    assert f"{result.best_score:.4g}" in lines[1]
    result.to_csv(tmp_path / "trials.csv")
    with open(tmp_path / "trials.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["score"]) for r in rows] == [r["score"] for r in result.rows]
    figure = result.plot(tmp_path / "search.png", tmp_path / "search.svg", title="iris")
    assert (tmp_path / "search.png").read_bytes()[:4] == b"\x89PNG" and len(figure.axes) == 4
    first = figure.axes[0]
    drawn = {line.get_label(): line.get_ydata() for line in first.lines}
    np.testing.assert_allclose(drawn["best so far"], np.maximum.accumulate([r["score"] for r in result.rows]))
    assert len(figure.axes[2].lines) == 5 + 5  # trials; depth, width 1, learning rate, epochs, score
    marks = [text.get_text() for text in figure.axes[2].texts]
    assert marks[:5] == ["1", "2", "4", "5", "8"]  # of depth and width: whole numbers
    with pytest.raises(ArgumentError, match=r"x\.gif"):
        result.plot(tmp_path / "x.gif")


def test_what_a_trial_tells_while_the_search_runs(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[float] = []
    quick(trials=4, progress=True, after_trial=lambda r: seen.append(r.best_score))
    assert len(seen) == 4 and seen == sorted(seen)
    err = capsys.readouterr().err
    assert "4/4" in err and f"best={seen[-1]:.4f}" in err and "Trial" not in err


def test_before_any_trial() -> None:
    study = optuna.create_study()
    result = tune.Result(study, lambda trial: {})
    assert math.isnan(result.best_score) and result.table() == "no trial is complete yet" and result.importances() == {}
    with pytest.raises(ArgumentError, match="no trial is complete"):
        _ = result.best_params


# ---- errors that teach --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("settings", "words"), [
    ({"method": "bayes"}, "did you mean 'bayesian'"), ({"sampler": "tpee"}, "'tpe'"), ({"pruner": "x"}, "'x'"),
    ({"trials": 0}, "got 0"), ({"cv": 1}, "got 1"), ({"seed": -1}, "got -1"), ({"space": {}}, "{}"), ({"space": {"alfa": [1]}}, "did you mean 'alpha'"),  # noqa: E501
    ({"space": {"alpha": 3}}, "got 3"), ({"space": {"alpha": []}}, "some"),
    ({"method": "grid"}, "Give a list, such as [0.0001, 1, 10000]"), ({"storage": "study.txt"}, "study.txt"), ({"scoring": "accurcy"}, "accurcy"),  # noqa: E501
    ({"storage": "nowhere/study.db"}, "nowhere"),
])  # fmt: skip
def test_bad_searches(settings: dict[str, Any], words: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        tune.search(*IRIS, **{"space": RIDGE, "estimator": Ridge(), "progress": False, **settings})
    assert words in str(caught.value), caught.value


@pytest.mark.parametrize("make", [
    lambda: Float(2.0, 1.0), lambda: Float(0.0, 1.0, log=True), lambda: Float(0.0, math.inf), lambda: Int(3, 2),
    lambda: Choice(), lambda: Choice(1, "1"), lambda: Layers((2, 1)), lambda: Layers((1, 2), (0, 4)),
])  # fmt: skip
def test_bad_ranges(make: Any) -> None:
    with pytest.raises(ArgumentError):
        make()


def test_without_optuna(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UnsupportedError, match=r"wengert\[search\]"):
        quick()
