"""`nn.NeuralClassifier` and `nn.NeuralRegressor`: scikit-learn's own suite, then what it does not ask for."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd.errors import ArgumentError, AutogradError

pytest.importorskip("sklearn")

from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris, make_classification
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score, learning_curve, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from nn.choices import optimizers, penalty
from nn.estimators import NeuralClassifier, NeuralRegressor

ROOT = Path(__file__).resolve().parents[1]
SMALL: dict[str, Any] = {"hidden_layer_sizes": (16,), "learning_rate": 0.01, "epochs": 60, "random_state": 0}


@pytest.fixture(scope="module")
def iris() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(x), y


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, ...]:
    x, y = load_digits(return_X_y=True)
    return tuple(train_test_split((x / 16).astype(np.float32), y, test_size=0.2, stratify=y, random_state=0))


@pytest.mark.parametrize("kind", [NeuralClassifier, NeuralRegressor])
def test_scikit_learn_checks(kind: Any) -> None:
    """Every check of scikit-learn's passes; none is expected to fail. Skipped is only what needs another array library."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        results = check_estimator(kind(epochs=100))
    assert {r["check_name"] for r in results if r["status"] != "passed"} <= {"check_array_api_input"}
    assert sum(r["status"] == "passed" for r in results) > 55


def test_importing_nn_does_without_scikit_learn() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None; import nn; from nn import *\n"
        "assert 'NeuralClassifier' in dir(nn)\n"
        "try: nn.NeuralClassifier\nexcept ImportError as e: print(e)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert 'python -m pip install "wengert[data]"' in done.stdout, done
    assert nn.NeuralClassifier is NeuralClassifier and nn.NeuralRegressor is NeuralRegressor
    with pytest.raises(AttributeError, match="no attribute 'NeuralClassifer'"):
        _ = nn.NeuralClassifer  # type: ignore[attr-defined]


# ---- the same seed, the same network ------------------------------------------------------------------------------------


def dropout_module(features: int, classes: int) -> nn.Module:
    """Draws its weights from the default generator."""
    return nn.Sequential(nn.Linear(features, 8), nn.Tanh(), nn.Linear(8, classes))


@pytest.mark.parametrize("extra", [{}, {"module": dropout_module}, {"early_stopping": True}])
def test_random_state_fixes_everything(iris: Any, extra: dict[str, Any]) -> None:
    model = NeuralClassifier(**{**SMALL, "epochs": 5, "batch_size": 16}, **extra)
    before = ag.default_generator.get_state()
    first = clone(model).fit(*iris).predict_proba(iris[0])
    ag.default_generator.normal(size=3)
    assert np.array_equal(first, clone(model).fit(*iris).predict_proba(iris[0]))
    assert not np.array_equal(first, clone(model).set_params(random_state=1).fit(*iris).predict_proba(iris[0]))
    drawn = clone(model).set_params(random_state=np.random.RandomState(0)).fit(*iris)
    assert np.array_equal(first, drawn.predict_proba(iris[0]))
    ag.default_generator.set_state(before)
    clone(model).fit(*iris)
    assert ag.default_generator.get_state() == before


def test_compiled_and_uncompiled_are_the_same(iris: Any) -> None:
    one, other = (NeuralClassifier(**{**SMALL, "epochs": 10, "batch_size": 50}, jit=jit).fit(*iris) for jit in (True, False))
    np.testing.assert_allclose(one.predict_proba(iris[0]), other.predict_proba(iris[0]), rtol=1e-12)


@pytest.mark.skipif(not ag.can_compile(), reason="no LLVM")
def test_short_fits_compile_nothing(iris: Any) -> None:
    """In a search of architectures that took most of the time; large updates and long fits are compiled."""

    def compiled(**settings: Any) -> bool:
        model = NeuralClassifier(**{"epochs": 5, "random_state": 0, **settings}).fit(*iris)
        optimizer = getattr(model.optimizer_, "optimizer", model.optimizer_)
        return optimizer._pass._compiled is not None

    assert not compiled() and not compiled(hidden_layer_sizes=(200,)) and not compiled(jit=False)
    assert compiled(epochs=800) and compiled(hidden_layer_sizes=(1000, 1000), epochs=15)
    assert not compiled(optimizer=lambda p, **k: optim.Hypergradient(optim.SGD(p, lr=0.1)))
    step = NeuralClassifier((8,), random_state=0, batch_size=10)
    for _ in range(60):  # 15 steps each
        step.partial_fit(*iris, classes=[0, 1, 2])
    assert step.optimizer_.jit and step.optimizer_._pass._compiled is not None


def test_the_dtype_of_x_is_kept(iris: Any) -> None:
    for dtype in (np.float32, np.float64):
        model = NeuralClassifier(**SMALL).fit(iris[0].astype(dtype), iris[1])
        assert {p.dtype for p in model.module_.parameters()} == {np.dtype(dtype)}
        assert model.predict_proba(iris[0]).dtype == dtype
    assert NeuralRegressor(**SMALL).fit(iris[0].astype(np.float32), iris[1]).predict(iris[0]).dtype == np.float32


# ---- what it minimises ------------------------------------------------------------------------------------------------


def test_weights_are_repetitions_in_a_batch_and_in_the_penalties(iris: Any) -> None:
    """A weight of 3 is three samples; a weight of 0 is none, also among mini-batches, where the order is drawn."""
    x, y = iris[0][::10], iris[1][::10]
    weight = np.arange(len(y)) % 4
    for kind in (NeuralClassifier, NeuralRegressor):
        model = kind(**SMALL, l1=1e-3, l2=1e-2)
        weighted = clone(model).fit(x, y, sample_weight=weight)
        repeated = clone(model).fit(x.repeat(weight, axis=0), y.repeat(weight))
        np.testing.assert_allclose(weighted.predict(x), repeated.predict(x), rtol=1e-9)
        zero = clone(model).set_params(batch_size=3)
        a = clone(zero).fit(x, y, sample_weight=weight > 0)
        b = clone(zero).fit(x[weight > 0], y[weight > 0])
        np.testing.assert_allclose(a.predict(x), b.predict(x), rtol=1e-9)


def test_the_loss_is_the_documented_one(iris: Any) -> None:
    """Σwᵢlᵢ/Σwᵢ + l1·Σ|w| + l2·Σw², computed here by NumPy, at the first weights (a rate too small to move them)."""
    x, y = iris
    weight = np.linspace(0.5, 3, len(y))
    model = NeuralClassifier((5,), "tanh", learning_rate=1e-12, epochs=1, l1=0.03, l2=0.2, random_state=0)
    model.fit(x, y, sample_weight=weight)
    a, b = (p.numpy() for n, p in model.module_.named_parameters() if n.endswith("weight"))
    logits = np.tanh(x @ a.T) @ b.T
    each = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(y)), y]
    expected = sum(0.03 * np.abs(w).sum() + 0.2 * (w**2).sum() for w in (a, b))
    assert model.loss_ == pytest.approx((weight * each).sum() / weight.sum(), rel=1e-9)
    regularised = penalty(0.03, 0.2)
    assert regularised is not None and regularised(model.module_).item() == pytest.approx(expected, rel=1e-9)


def test_l2_is_half_the_weight_decay_of_gradient_descent(iris: Any) -> None:
    """The notes' λΣw² and SGD's weight_decay=2λ give the same weights (no bias moves here: it has none to start from)."""
    x, y = iris

    def without_bias(features: int, classes: int) -> nn.Module:
        return nn.Linear(features, classes, bias=False)

    settings = {**SMALL, "module": without_bias, "optimizer": "sgd", "learning_rate": 0.1}
    one = NeuralClassifier(**settings, l2=0.05).fit(x, y)
    other = NeuralClassifier(**settings, weight_decay=0.1).fit(x, y)
    np.testing.assert_allclose(one.module_.weight.numpy(), other.module_.weight.numpy(), rtol=1e-12)


def test_class_weight_balances(digits: Any) -> None:
    """95 of 100 samples are of one class: with balanced weights the rare class is found more often."""
    x, y = make_classification(2000, 10, n_informative=4, weights=[0.95], flip_y=0.05, class_sep=0.7, random_state=3)
    train, test, ytrain, ytest = train_test_split(x, y, stratify=y, random_state=0)
    plain = NeuralClassifier(**SMALL).fit(train, ytrain)
    balanced = NeuralClassifier(**SMALL, class_weight="balanced").fit(train, ytrain)
    scores = [balanced_accuracy_score(ytest, m.predict(test)) for m in (plain, balanced)]
    assert scores[1] > scores[0] + 0.02, scores
    weights = np.where(ytrain == 1, 1 / np.mean(ytrain), 1 / np.mean(1 - ytrain))
    by_hand = NeuralClassifier(**SMALL).fit(train, ytrain, sample_weight=weights)
    np.testing.assert_allclose(by_hand.predict_proba(test), balanced.predict_proba(test), rtol=1e-6)


@pytest.mark.parametrize("loss", sorted(NeuralClassifier._losses))
def test_losses_of_classes(iris: Any, loss: str) -> None:
    assert NeuralClassifier(**SMALL, loss=loss).fit(*iris).score(*iris) > 0.9


@pytest.mark.parametrize("loss", sorted(NeuralRegressor._losses))
def test_losses_of_numbers(loss: str) -> None:
    x, y = load_diabetes(return_X_y=True)
    assert NeuralRegressor(**SMALL, loss=loss).fit(x, y).score(x, y) > 0.4


def test_a_loss_of_ones_own(iris: Any) -> None:
    def squares(output: Any, target: Any) -> Any:
        return (output - ag.Tensor(np.eye(3))[target]) ** 2

    assert NeuralClassifier(**SMALL, loss=squares).fit(*iris).score(*iris) > 0.85
    smoothed = NeuralClassifier(**SMALL, loss=nn.CrossEntropyLoss, loss_settings={"label_smoothing": 0.3}).fit(*iris)
    assert smoothed.predict_proba(iris[0]).max() < 0.95


# ---- settings ---------------------------------------------------------------------------------------------------------


def test_early_stopping_keeps_the_best_epoch() -> None:
    x, y = make_classification(300, 20, n_informative=3, flip_y=0.3, random_state=0)
    model = NeuralClassifier((64,), learning_rate=0.02, epochs=300, early_stopping=True, patience=5, random_state=0).fit(x, y)
    losses = model.history_["val_loss"]
    assert len(losses) == model.n_iter_ < 300 and model.best_epoch_ == 1 + int(np.argmin(losses)) <= model.n_iter_ - 1
    again = NeuralClassifier((64,), learning_rate=0.02, epochs=model.best_epoch_, early_stopping=True, random_state=0).fit(x, y)
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))


@pytest.mark.parametrize(("schedule", "last"), [
    ("cosine", 0.0), ("exponential", 1e-4), ("step", 1e-4), ("constant", 1e-2),
    ("plateau", 1e-2), ("warm_restarts", 5e-3 * (1 + 0.5**0.5)),
])  # fmt: skip
def test_schedules(iris: Any, schedule: str, last: float) -> None:
    model = NeuralClassifier(**{**SMALL, "epochs": 4}, schedule=schedule).fit(*iris)
    assert model.history_["lr"][0] == 1e-2
    assert model.optimizer_.param_groups[0]["lr"] == pytest.approx(last, abs=1e-12)


def test_every_optimizer_by_name(iris: Any) -> None:
    for name in optimizers():
        model = NeuralClassifier((16,), optimizer=name, epochs=3, random_state=0).fit(*iris)
        assert np.isfinite(model.loss_), name


def test_warm_start_and_partial_fit_go_on(iris: Any) -> None:
    whole = NeuralClassifier(**{**SMALL, "epochs": 20}).fit(*iris)
    halves = NeuralClassifier(**{**SMALL, "epochs": 10}, warm_start=True).fit(*iris).fit(*iris)
    steps = NeuralClassifier(**SMALL)
    for _ in range(20):
        steps.partial_fit(*iris, classes=[0, 1, 2])
    for other in (halves, steps):
        np.testing.assert_allclose(other.predict_proba(iris[0]), whole.predict_proba(iris[0]), rtol=1e-10)
        assert other.n_iter_ == 20 and other.history_["epoch"] == list(range(1, 21))
    few = NeuralClassifier(**SMALL).partial_fit(iris[0][:10], iris[1][:10], classes=[2, 1, 0])
    assert few.predict_proba(iris[0]).shape == (150, 3)


@pytest.mark.parametrize("turn", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("optimizer", ["adam", "hypergradient_adam"])
def test_copies_go_on_learning_alike(iris: Any, turn: Callable[[Any], Any], optimizer: str) -> None:
    """The optimizer's state and the generator come along."""
    model = NeuralClassifier(**{**SMALL, "epochs": 5, "batch_size": 20}, optimizer=optimizer).fit(*iris)
    other = turn(model)
    assert np.array_equal(other.predict_proba(iris[0]), model.predict_proba(iris[0]))
    for m in (model, other):
        m.partial_fit(*iris)
    assert np.array_equal(other.predict_proba(iris[0]), model.predict_proba(iris[0]))


def test_a_module_of_ones_own_is_copied_and_what_is_frozen_stays(iris: Any) -> None:
    given = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    given[0].requires_grad_(False)
    before = {k: np.array(v) for k, v in given.state_dict().items()}
    model = NeuralClassifier(**SMALL, module=given).fit(*iris)
    after = model.module_.state_dict()
    assert all(np.array_equal(before[k], given.state_dict()[k]) for k in before)
    assert np.array_equal(after["0.weight"], before["0.weight"].astype(np.float64))
    assert not np.allclose(after["2.weight"], before["2.weight"]) and model.score(*iris) > 0.8


def test_sparse_rows(digits: Any) -> None:
    x, _, y, _ = digits
    settings = {"epochs": 2, "random_state": 0}
    a, b = (NeuralClassifier((8,), **settings).fit(m, y) for m in (x, sparse.csr_array(x)))
    assert np.array_equal(a.predict_proba(x), b.predict_proba(sparse.csc_array(x)))


def test_several_targets_and_their_units() -> None:
    x, y = load_diabetes(return_X_y=True)
    both = np.column_stack([y, 1e6 - 1e6 * y])
    model = NeuralRegressor(**SMALL).fit(x, both)
    assert model.predict(x).shape == both.shape and model.score(x, both) > 0.4
    single, scaled = NeuralRegressor(**SMALL).fit(x, y), NeuralRegressor(**SMALL).fit(x, 1e6 * y + 3)
    np.testing.assert_allclose(scaled.predict(x), 1e6 * single.predict(x) + 3, rtol=1e-6)
    assert NeuralRegressor(**SMALL, scale_target=False).fit(x, y).score(x, y) < 0.3  # in its own unit it hardly starts


def test_log_probabilities_do_not_underflow(iris: Any) -> None:
    model = NeuralClassifier(**SMALL).fit(*iris)
    far = np.full((1, 4), 1e4)
    assert model.predict_proba(far).min() == 0 and np.isfinite(model.predict_log_proba(far)).all()
    np.testing.assert_allclose(np.exp(model.predict_log_proba(iris[0])), model.predict_proba(iris[0]))


# ---- in scikit-learn's tools ------------------------------------------------------------------------------------------


def test_pipelines_searches_and_curves(iris: Any) -> None:
    x, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), NeuralClassifier(**SMALL))
    assert cross_val_score(pipeline, x, y, cv=3).mean() > 0.9
    choices = {"neuralclassifier__l2": [0.0, 10.0], "neuralclassifier__optimizer": ["adam", "momentum"]}
    grid = GridSearchCV(pipeline, choices, cv=3)
    assert grid.fit(x, y).best_params_["neuralclassifier__l2"] == 0.0 and grid.best_score_ > 0.9
    sizes, training, held = learning_curve(pipeline, x, y, train_sizes=[0.1, 1.0], cv=3, shuffle=True, random_state=0)
    assert len(sizes) == 2 and held[0].mean() < held[1].mean() and training.min() > 0.8


def test_data_frames_and_words_as_classes(iris: Any) -> None:
    pandas = pytest.importorskip("pandas")
    frame, words = pandas.DataFrame(iris[0], columns=list("abcd")), np.array(["rose", "daisy", "lily"])[iris[1]]
    model = NeuralClassifier(**SMALL).fit(frame, words)
    assert list(model.feature_names_in_) == list("abcd") and list(model.classes_) == ["daisy", "lily", "rose"]
    assert set(model.predict(frame)) <= set(words) and model.score(frame, words) > 0.9
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[list("dcba")])


# ---- errors that teach ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("settings", "words"), [
    ({"hidden_layer_sizes": (4, 0)}, "(4, 0)"), ({"hidden_layer_sizes": "8"}, "'8'"), ({"activation": "rleu"}, "'relu'"),
    ({"optimizer": "adm"}, "'adam'"), ({"optimizer": 3}, "got 3"), ({"learning_rate": -1}, "got -1"),
    ({"learning_rate": 0}, "got 0"),
    ({"learning_rate": np.nan}, "got nan"), ({"batch_size": 0}, "got 0"), ({"batch_size": "all"}, "'all'"),
    ({"epochs": 2.5}, "2.5"), ({"epochs": True}, "True"), ({"l1": -0.1}, "-0.1"), ({"l2": np.inf}, "inf"),
    ({"dropout": 1}, "got 1"),
    ({"loss": "crossentropy"}, "'cross_entropy'"), ({"loss": nn.CrossEntropyLoss()}, "reduction='none'"),
    ({"schedule": "cosin"}, "'cosine'"), ({"early_stopping": 1}, "got 1"), ({"validation_fraction": 1.0}, "got 1.0"),
    ({"patience": 0}, "got 0"), ({"class_weight": "equal"}, "equal"), ({"random_state": "x"}, "x"), ({"module": 3}, "got 3"),
    ({"module": lambda d, c: nn.Linear(d, c + 1)}, "(2, 4)"), ({"module": lambda d, c: None}, "None"),
    ({"module": nn.Sequential(nn.Linear(4, 3)).requires_grad_(False)}, "nothing to learn"),
    ({"optimizer_settings": {"beta": 1}}, "beta"), ({"learning_rate": 1e300}, "smaller learning_rate"),
])  # fmt: skip
def test_parameters_that_make_no_sense(iris: Any, settings: dict[str, Any], words: str) -> None:
    model = NeuralClassifier(**{**SMALL, **settings})  # stored unchanged: only fit looks
    with pytest.raises((ValueError, TypeError)) as caught:
        model.fit(*iris)
    assert words in str(caught.value), caught.value


def test_data_that_make_no_sense(iris: Any) -> None:
    x, y = iris
    model = NeuralClassifier(**SMALL)
    with pytest.raises(NotFittedError):
        model.predict(x)
    for bad_x, bad_y, words in (
        (x, np.zeros(150), r"one class only, \[0.0\]"), (x, y + 0.5, "nn.NeuralRegressor"), (x, y[:-1], "inconsistent"),
        (x[0], y, "2D array"),
        (np.full((150, 4), np.nan), y, "NaN"), (x, np.where(y, y, np.nan), "NaN"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="(?s).*" + words):
            model.fit(bad_x, bad_y)
    for weight, words in ((-np.ones(150), "egative"), (np.zeros(150), "one non-zero"), (np.ones(3), "sample_weight.shape")):
        with pytest.raises(ValueError, match=words):
            model.fit(x, y, sample_weight=weight)
    model.fit(x, y)
    for bad_x, bad_y, words in (
        ([["a", "b"]] * 150, y, "OneHotEncoder"), (x, np.eye(3)[y], r"argmax\(axis=1\)"),
    ):  # fmt: skip
        with pytest.raises(ArgumentError, match=words):
            NeuralClassifier(**SMALL).fit(bad_x, bad_y)
    with pytest.raises(ArgumentError, match=r"use nn\.NeuralClassifier"):
        NeuralRegressor(**SMALL).fit(x, np.array(["a", "b", "c"])[y])
    with pytest.raises(ValueError, match="4 features"):
        model.predict(x[:, :2])
    with pytest.raises(ArgumentError, match=r"\[7\], not among the classes \[0, 1, 2\]"):
        model.partial_fit(x[:2], [0, 7])
    with pytest.raises(ArgumentError, match=r"classes stay the same"):
        model.set_params(warm_start=True).fit(x, y % 2)
    with pytest.raises(AutogradError, match="2 targets, and had 1"):
        NeuralRegressor(**SMALL).fit(x, y).partial_fit(x, np.c_[y, y])
