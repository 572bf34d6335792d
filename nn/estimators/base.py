"""What both estimators have in common: validity of parameters, data in, training, data out."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

import autograd as ag
from autograd.errors import ArgumentError
from nn.callbacks import EarlyStopping
from nn.choices import clipping, make_optimizer, make_schedule, multilayer, penalty
from nn.data import DataLoader, train_test_split
from nn.estimators.network import Rows, WeightedLoss, build, default_stream, dense, fits, make_loss
from nn.history import History
from nn.module import Module
from nn.training import Trainer
from nn.training import predict as outputs_of

__all__ = ["NeuralEstimator"]

Array = np.ndarray[Any, Any]
DTYPES = [np.float64, np.float32]  # those that are kept; anything else becomes the first
PREDICT = 1024  # rows at a time, also of a sparse matrix
WORTH_COMPILING = 2_000  # steps: compiling costs as much as about 1,000 uncompiled steps of a small network save
UPDATE_WORTH_COMPILING = 3_000  # updates of a parameter, those of large ones counted as many: compiling takes up to 0.1 s
COUNTED_AS_ONE = 4_000  # elements, whose plain update takes as long as the Python of one parameter, 20 µs


Rule = tuple[Callable[[Any], bool], str]
"""Whether a value is valid, and what is wanted, in words."""


def _is_number(v: Any, kind: type) -> bool:
    return isinstance(v, kind) and not isinstance(v, bool)


def _whole(least: int) -> Rule:
    return lambda v: _is_number(v, Integral) and v >= least, f"a whole number ≥ {least}"


def _real(least: float, below: float = math.inf, open_: bool = False) -> Rule:
    def valid(v: Any) -> bool:
        return _is_number(v, Real) and bool(least < v if open_ else least <= v) and bool(v < below)

    limits = f"{'>' if open_ else '≥'} {least:g}" + (f" and < {below:g}" if below < math.inf else "")
    return valid, f"a finite number {limits}"


def _or(also: Any, rule: Rule) -> Rule:
    return lambda v: v is also or isinstance(v, str) and v == also or rule[0](v), f"{also!r} or {rule[1]}"


def _are_sizes(v: Any) -> bool:
    return _whole(1)[0](v) or isinstance(v, tuple | list | np.ndarray) and all(_whole(1)[0](n) for n in v)


FLAG: Rule = (lambda v: isinstance(v, bool | np.bool_), "True or False")
NAMED: Rule = (lambda v: isinstance(v, str) or callable(v), "a name, or something to call")
SETTINGS: Rule = (lambda v: v is None or isinstance(v, dict), "None or a dict")

VALID: dict[str, Rule] = {
    "hidden_layer_sizes": (_are_sizes, "a whole number ≥ 1, or a tuple of them, such as (64, 32), or () for no hidden layer"),
    "activation": NAMED, "optimizer": NAMED, "optimizer_settings": SETTINGS, "loss": NAMED, "loss_settings": SETTINGS,
    "learning_rate": _or(None, _real(0, open_=True)), "batch_size": _or("auto", _whole(1)), "epochs": _whole(1),
    "l1": _real(0), "l2": _real(0), "weight_decay": _real(0), "dropout": _real(0, 1), "early_stopping": FLAG,
    "validation_fraction": _real(0, 1, open_=True), "patience": _whole(1), "tol": _real(0),
    "clip_norm": _or(None, _real(0, open_=True)), "schedule": _or(None, NAMED),
    "module": (lambda v: v is None or callable(v), "None, a Module, or a function of (features, outputs) that makes one"),
    "jit": _or("auto", FLAG), "warm_start": FLAG, "verbose": _or(True, _or(False, _whole(0))), "scale_target": FLAG,
}  # fmt: skip
"""What each parameter may be: the one place that says it. (`class_weight` and `random_state` are scikit-learn's.)"""


class NeuralEstimator(BaseEstimator):  # type: ignore[misc]
    """The base of `NeuralClassifier` and `NeuralRegressor`: constructor arguments are stored unchanged, as all of
    scikit-learn wants it; `fit` looks at them."""

    _losses: ClassVar[dict[str, Callable[..., Any]]]
    _classifies: bool

    # ---- data in ------------------------------------------------------------------------------------------------------

    def _check_parameters(self) -> None:
        for name, value in self.get_params(deep=False).items():
            if name in VALID and not VALID[name][0](value):
                raise ArgumentError(f"{type(self).__name__}: {name} must be {VALID[name][1]}, got {value!r:.80}.")

    def _read(self, x: Any, y: Any, first: bool) -> tuple[Any, Any]:
        if y is None:
            raise ArgumentError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None: fit(X, y)."
            )
        try:
            return self._validated(x, y, first)
        except ValueError as error:
            hint = _hint(str(error), y, self._classifies)
            if not hint:
                raise
            raise ArgumentError(f"{error} {hint}") from None

    def _validated(self, x: Any, y: Any, first: bool) -> tuple[Any, Any]:
        found: tuple[Any, Any] = validate_data(self, x, y, reset=first, accept_sparse="csr", dtype=DTYPES, multi_output=True,
                                               y_numeric=not self._classifies)  # fmt: skip
        if not self._classifies and found[1].dtype.kind not in "biuf":
            return found[0], found[1].astype(np.float64)
        return found

    def _weights(self, sample_weight: Any, x: Any) -> Array:
        weight: Array = _check_sample_weight(sample_weight, x, dtype=x.dtype, ensure_non_negative=True)
        if not weight.any():
            raise ArgumentError("Sample weights must contain at least one non-zero number: nothing is left to learn from.")
        return weight

    # ---- training -----------------------------------------------------------------------------------------------------

    def _start(self, x: Any, outputs: int) -> None:
        """A fresh network, optimizer and history."""
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._generator = ag.Generator(seed)
        self._own = self.module is not None
        if self.module is None:
            sizes = [int(n) for n in np.atleast_1d(np.asarray(self.hidden_layer_sizes, dtype=np.int64))]
            self.module_: Module = multilayer(
                x.shape[1], sizes, outputs, self.activation, self.dropout, x.dtype, self._generator
            )
        else:
            with default_stream(self._generator, True):
                self.module_ = build(self.module, x.shape[1], outputs, x.dtype, self._generator)
            fits(self.module_, dense(x[:2]), outputs)
        self.optimizer_ = make_optimizer(
            self.optimizer, self.module_.parameters(), self.learning_rate, weight_decay=self.weight_decay,
            **(self.optimizer_settings or {}),
        )  # fmt: skip
        self.history_ = History()

    def _train(self, x: Any, target: Array, weight: Array, epochs: int, labels: Array | None, watch: bool) -> None:
        """Some more epochs from where the network stands; the rows of weight 0 are left out."""
        kept = np.flatnonzero(weight)
        if len(kept) < len(weight):
            x, target, weight, labels = x[kept], target[kept], weight[kept], None if labels is None else labels[kept]
        validation = None
        if watch:
            seed = int(self._generator.integers(0, 2**31 - 1, (1,))[0])
            learned, watched = train_test_split(len(weight), labels, self.validation_fraction, seed)
            validation = DataLoader(Rows(x[watched], target[watched], _of_mean_1(weight[watched])), batch_size=PREDICT)
            x, target, weight = x[learned], target[learned], weight[learned]
        rows = Rows(x, target, _of_mean_1(weight))
        size = min(200, len(rows)) if self.batch_size == "auto" else min(int(self.batch_size), len(rows))
        # one batch is the whole set: its order does not matter, and is left as it is
        loader = DataLoader(rows, size, shuffle=size < len(rows), generator=self._generator)
        loss = WeightedLoss(make_loss(self.loss, self._losses, self.loss_settings), self._classifies).to(x.dtype)
        compile_ = self.jit if self.jit != "auto" else epochs * len(loader) >= WORTH_COMPILING
        self._compile_update((len(self.history_) + epochs) * len(loader), compile_)
        trainer = Trainer(
            self.module_, loss, self.optimizer_, jit=None if compile_ else False,
            penalty=penalty(self.l1, self.l2),
            before_step=clipping(self.clip_norm) if self.clip_norm else None,
            scheduler=make_schedule(self.schedule, self.optimizer_, epochs),
        )  # fmt: skip
        trainer.history = self.history_
        stop = EarlyStopping("val_loss", int(self.patience), self.tol) if watch else None
        with default_stream(self._generator, self._own), np.errstate(all="ignore"):
            trainer.fit(loader, validation, epochs, [_finite] if stop is None else [_finite, stop], progress=bool(self.verbose))
        if stop is not None:
            self.best_epoch_ = stop.best_epoch
        self.n_iter_ = len(self.history_)
        self.loss_ = float(self.history_.rows[-1]["loss"]) if len(self.history_) else math.nan
        self.module_.zero_grad()
        if self.history_.interrupted:  # fitted as far as it got; whatever called `fit` is to end too
            raise KeyboardInterrupt

    def _compile_update(self, steps: int, whole: Any) -> None:
        """Whether the optimizer's update is compiled where the step is not: a search makes many short fits, none of which would
        win back what compiling takes."""
        work = sum(1 + p.size / COUNTED_AS_ONE for p in self.module_.parameters())
        optimizer: Any = self.optimizer_
        while optimizer is not None:  # one that wraps another, and that one
            if hasattr(optimizer, "jit"):
                optimizer.jit = bool(whole) or self.jit == "auto" and steps * work >= UPDATE_WORTH_COMPILING
            optimizer = getattr(optimizer, "optimizer", None)

    def _goes_on(self) -> bool:
        return bool(self.warm_start) and hasattr(self, "module_")

    # ---- data out -----------------------------------------------------------------------------------------------------

    def _outputs(self, x: Any) -> Array:
        check_is_fitted(self)
        x = validate_data(self, x, reset=False, accept_sparse="csr", dtype=DTYPES)
        dtype = next(self.module_.parameters()).dtype
        slabs = [x[k : k + PREDICT] for k in range(0, x.shape[0], PREDICT)]
        return np.concatenate([outputs_of(self.module_, dense(slab).astype(dtype, copy=False)) for slab in slabs])

    # ---- what scikit-learn asks ---------------------------------------------------------------------------------------

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        if "optimizer_" in state:  # its numbers, and its class: the parameters are the network's
            state = {**state, "optimizer_": _packed(state["optimizer_"])}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "optimizer_" in state:
            self.optimizer_ = _unpacked(state["optimizer_"], [p for p in self.module_.parameters() if p.requires_grad])


def _packed(optimizer: Any) -> tuple[Any, ...]:
    """Class and numbers of an optimizer, and of the one that it wraps, if it does."""
    inner = getattr(optimizer, "optimizer", None)
    return type(optimizer), optimizer.state_dict(), None if inner is None else _packed(inner)


def _unpacked(packed: tuple[Any, ...], parameters: list[Any]) -> Any:
    kind, numbers, inner = packed
    optimizer = kind(parameters if inner is None else _unpacked(inner, parameters))
    optimizer.load_state_dict(numbers)
    return optimizer


def _hint(said: str, y: Any, classifies: bool) -> str:
    """What to do about data that scikit-learn refuses, where its message does not say."""
    if said.startswith("could not convert string to float"):
        if not classifies and np.asarray(y).dtype.kind in "OUS":
            return "If y holds words, they are classes: use nn.NeuralClassifier."
        return (
            "X holds a word: leave out a header, or turn columns of words into numbers, as by "
            "make_pipeline(make_column_transformer((OneHotEncoder(), [columns]), remainder='passthrough'), …)."
        )
    return ""


def _finite(_: Trainer, row: dict[str, float]) -> None:
    if not math.isfinite(row["loss"]):
        raise ArgumentError(
            f"the loss became {row['loss']} in epoch {row['epoch']}. Bring the features to one scale, as by "
            "make_pipeline(StandardScaler(), …), or choose a smaller learning_rate."
        )


def _of_mean_1(weight: Array) -> Array:
    mean = float(weight.mean(dtype=np.float64))
    if not math.isfinite(mean):
        raise ArgumentError("the sample weights are too large: their sum overflows. Divide them by their mean.")
    return weight / mean
