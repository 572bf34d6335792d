"""NeuralClassifier: a network that says which class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

import autograd as ag
from autograd.errors import ArgumentError
from nn import functional as F
from nn import losses
from nn.estimators.base import NeuralEstimator

__all__ = ["NeuralClassifier"]

Array = np.ndarray[Any, Any]


class NeuralClassifier(ClassifierMixin, NeuralEstimator):  # type: ignore[misc]
    """A neural network as a scikit-learn classifier, of two classes or more.

    It minimises Σwᵢ·cross-entropyᵢ/Σwᵢ + l1·Σ|w| + l2·Σw² over mini-batches. X float32 is computed in float32, anything else
    in float64, as in scikit-learn's `MLPClassifier`. Bring the features to one scale first:
    ``make_pipeline(StandardScaler(), NeuralClassifier())``.

    Args:
        hidden_layer_sizes: neurons in each hidden layer, such as (64, 32); a number for one layer; () for none.
        activation: between the layers: a name in `nn.ACTIVATIONS`, or a class of a module.
        optimizer: a name, such as "adam", "momentum", "nesterov", "adamw", or a class of `optim`.
        learning_rate: None for the usual one of the optimizer.
        optimizer_settings: further ones by name, such as {"betas": (0.9, 0.99)}.
        schedule: the course of the rate over the epochs: "constant", "cosine", "exponential", "step", or a function of
            (optimizer, epochs) that makes a schedule to be stepped once an epoch.
        batch_size: "auto" is the smaller of 200 and the number of samples.
        epochs: passes over the samples; the most, with `early_stopping`.
        l1, l2: penalties on the weight matrices, added to the loss. The notes' λ is l2.
        weight_decay: the optimizer's own; for SGD, weight_decay=2λ is l2=λ, on the biases too.
        dropout: the share of hidden neurons that is left out of each step.
        clip_norm: the most that the norm of a step's gradient may be.
        loss: "cross_entropy", "focal" (hard samples count more), "multi_margin" (hinge), a class of `nn`, or a function of
            (logits (N, C), classes (N,)) that gives a loss for each sample.
        loss_settings: by name, such as {"label_smoothing": 0.1}.
        class_weight: "balanced", or weights by class, times the sample weights: for classes of unequal size.
        early_stopping: hold out `validation_fraction` of the samples, stratified; stop when its loss has not fallen by more
            than `tol` for `patience` epochs; keep the weights of the best epoch.
        module: an architecture of one's own in place of layers, activation and dropout: a function of (features, classes),
            which may take `generator`, or a Module, which is copied: pre-trained weights and what is frozen are kept.
        jit: compile the step: "auto" where it is repeated often enough to pay.
        warm_start: `fit` goes on from the weights of the last one.
        verbose: show a progress bar.
        random_state: fixes weights, order and dropout: equal ones give equal networks, bit for bit.

    Attributes: ``classes_``, ``n_features_in_``, ``feature_names_in_`` (of a data frame), ``module_`` (the network),
    ``optimizer_``, ``history_`` (`nn.History`), ``n_iter_`` (epochs), ``loss_`` (the last mean loss, without penalties),
    ``best_epoch_`` (of early stopping).

    Errors: ArgumentError, a ValueError, for parameters that make no sense, one class only, or a loss that is lost to infinity.

    >>> from nn import NeuralClassifier
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = NeuralClassifier((16,), learning_rate=0.01, epochs=100, random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.9), model.predict(X[:2])
    (True, array([0, 0]))
    """

    _classifies = True
    classes_: Array
    _losses: ClassVar[dict[str, Callable[..., Any]]] = {"cross_entropy": losses.CrossEntropyLoss}

    def __init__(self, hidden_layer_sizes: Any = (100,), activation: Any = "relu", *, optimizer: Any = "adam",
                 learning_rate: float | None = None, optimizer_settings: dict[str, Any] | None = None, schedule: Any = None,
                 batch_size: Any = "auto", epochs: int = 200, l1: float = 0.0, l2: float = 0.0, weight_decay: float = 0.0,
                 dropout: float = 0.0, clip_norm: float | None = None, loss: Any = "cross_entropy",
                 loss_settings: dict[str, Any] | None = None, class_weight: Any = None, early_stopping: bool = False,
                 validation_fraction: float = 0.1, patience: int = 10, tol: float = 1e-4, module: Any = None, jit: Any = "auto",
                 warm_start: bool = False, verbose: Any = False, random_state: Any = None):  # fmt: skip
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.optimizer_settings = optimizer_settings
        self.schedule = schedule
        self.batch_size = batch_size
        self.epochs = epochs
        self.l1 = l1
        self.l2 = l2
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.clip_norm = clip_norm
        self.loss = loss
        self.loss_settings = loss_settings
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.tol = tol
        self.module = module
        self.jit = jit
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from samples X (N, D), dense or sparse, of classes y (N,): numbers or words; sample_weight (N,), ≥ 0."""
        self._check_parameters()
        goes_on = self._goes_on()
        x, y = self._read(X, y, not goes_on)
        labels = self._labels(y)
        weight = self._weights(sample_weight, x)
        found = np.unique(labels)
        if len(found) < 2:
            raise ArgumentError(
                f"y holds one class only, {_few(found)}: a classifier learns to tell at least 2 classes apart. "
                "Shuffle the samples, or split them with stratify=y."
            )
        if goes_on and not np.array_equal(found, self.classes_):
            raise ArgumentError(
                f"with warm_start the classes stay the same: they were {_few(self.classes_)}, and y holds {_few(found)}."
            )
        self.classes_ = found
        return self._learn(x, labels, weight, self.epochs, not goes_on, bool(self.early_stopping))

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One more epoch, on these samples; the first call needs all `classes` that will ever come, or takes those of y."""
        self._check_parameters()
        first = not hasattr(self, "module_")
        x, y = self._read(X, y, first)
        labels = self._labels(y)
        weight = self._weights(sample_weight, x)
        if first:
            self.classes_ = np.unique(labels if classes is None else column_or_1d(np.asarray(classes)))
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ArgumentError(
                f"{_few(np.unique(classes))} is not the same as on the first call to partial_fit: {_few(self.classes_)}."
            )
        strange = np.setdiff1d(labels, self.classes_)
        if len(strange):
            raise ArgumentError(f"y holds {_few(strange)}, not among the classes {_few(self.classes_)} of the first call.")
        return self._learn(x, labels, weight, 1, first, False)

    def _labels(self, y: Any) -> Array:
        if np.ndim(y) == 2 and np.shape(y)[1] > 1:
            raise ArgumentError(
                f"y should be a 1d array, got an array of shape {np.shape(y)}. If its rows are one-hot, pass y.argmax(axis=1); "
                "if a sample may have several labels, use sklearn.multioutput.MultiOutputClassifier."
            )
        y = column_or_1d(y, warn=True)
        if type_of_target(y, input_name="y") == "continuous":
            raise ArgumentError(
                f"Unknown label type: continuous. y holds numbers such as {y[y != np.round(y)][0]!s}, which are no classes: "
                "for numbers there is nn.NeuralRegressor; for classes, cut them into ranges."
            )
        check_classification_targets(y)
        return np.asarray(y)

    def _learn(self, x: Any, labels: Array, weight: Array, epochs: int, first: bool, watch: bool) -> Self:
        classes = np.searchsorted(self.classes_, labels)
        if self.class_weight is not None:
            weight = weight * compute_sample_weight(self.class_weight, labels).astype(weight.dtype)
        if first:
            self._start(x, len(self.classes_))
        self._train(x, classes[:, None].astype(x.dtype), weight, epochs, classes, watch)
        return self

    def predict(self, X: Any) -> Array:
        """The most probable class of each sample, (N,)."""
        outputs = self._outputs(X)
        return np.asarray(self.classes_[np.argmax(outputs, axis=1)])

    def predict_proba(self, X: Any) -> Array:
        """A probability for each class, (N, C), in the order of ``classes_``: the softmax of the outputs. They are estimates of
        probabilities where the loss is cross-entropy; with another one, shares that add up to 1."""
        return F.softmax(ag.from_numpy(self._outputs(X))).numpy()

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms of `predict_proba`, exact where those round to 0."""
        return F.log_softmax(ag.from_numpy(self._outputs(X))).numpy()


for _name, _class in (("focal", "FocalLoss"), ("multi_margin", "MultiMarginLoss")):
    if hasattr(losses, _class):
        NeuralClassifier._losses[_name] = getattr(losses, _class)


def _few(values: Any) -> str:
    shown = ", ".join(map(repr, values.tolist()[:10]))
    return f"[{shown}{', …' if len(values) > 10 else ''}]"
