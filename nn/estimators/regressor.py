"""NeuralRegressor: a network that says how much."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin

from autograd.errors import ArgumentError
from nn import losses
from nn.estimators.base import NeuralEstimator

__all__ = ["NeuralRegressor"]

Array = np.ndarray[Any, Any]


class NeuralRegressor(RegressorMixin, NeuralEstimator):  # type: ignore[misc]
    """A neural network as a scikit-learn regressor, of one target or several.

    Parameters are those of `NeuralClassifier`, but for these:

    Args:
        loss: "mse", "mae" (the median), "huber" (few outliers), "smooth_l1", a class of `nn`, or a function of (outputs (N, K),
            targets (N, K)) that gives a loss for each number or each sample.
        scale_target: standardise each target to mean 0 and deviation 1 while learning, so that rates and penalties mean the
            same in dollars and in millions of them; predictions come in the target's unit. Losses that are not of a
            difference, such as Poisson's, need it off.

    Attributes: as `NeuralClassifier`, without ``classes_``; ``target_mean_`` and ``target_scale_``, (K,).

    >>> from nn import NeuralRegressor
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> bool(NeuralRegressor((16,), random_state=0).fit(X, y).score(X, y) > 0.4)
    True
    """

    _classifies = False
    _losses: ClassVar[dict[str, Callable[..., Any]]] = {"mse": losses.MSELoss}

    def __init__(self, hidden_layer_sizes: Any = (100,), activation: Any = "relu", *, optimizer: Any = "adam",
                 learning_rate: float | None = None, optimizer_settings: dict[str, Any] | None = None, schedule: Any = None,
                 batch_size: Any = "auto", epochs: int = 200, l1: float = 0.0, l2: float = 0.0, weight_decay: float = 0.0,
                 dropout: float = 0.0, clip_norm: float | None = None, loss: Any = "mse",
                 loss_settings: dict[str, Any] | None = None, scale_target: bool = True, early_stopping: bool = False,
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
        self.scale_target = scale_target
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
        """Learn from samples X (N, D), dense or sparse, with targets y (N,) or (N, K); sample_weight (N,), ≥ 0."""
        return self._learn(X, y, sample_weight, self.epochs, not self._goes_on(), bool(self.early_stopping))

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One more epoch, on these samples; the first call settles the scale of the targets."""
        return self._learn(X, y, sample_weight, 1, not hasattr(self, "module_"), False)

    def _learn(self, X: Any, y: Any, sample_weight: Any, epochs: int, first: bool, watch: bool) -> Self:
        self._check_parameters()
        x, y = self._read(X, y, first)
        weight = self._weights(sample_weight, x)
        target = y.reshape(len(y), -1).astype(np.float64)
        if first:
            self._flat, ones = y.ndim == 1, np.ones(target.shape[1])
            self.target_mean_, self.target_scale_ = 0 * ones, ones
            if self.scale_target:
                self.target_mean_ = np.average(target, axis=0, weights=weight)
                deviation = np.sqrt(np.average((target - self.target_mean_) ** 2, axis=0, weights=weight))
                self.target_scale_ = np.where(deviation > 0, deviation, 1.0)
            self._start(x, target.shape[1])
        elif target.shape[1] != len(self.target_mean_):
            raise ArgumentError(f"y has {target.shape[1]} targets, and had {len(self.target_mean_)} in the first call.")
        scaled = ((target - self.target_mean_) / self.target_scale_).astype(x.dtype)
        self._train(x, scaled, weight, epochs, None, watch)
        return self

    def predict(self, X: Any) -> Array:
        """The targets of each sample, (N,) or (N, K) as in `fit`, in the targets' unit."""
        outputs = self._outputs(X)
        values: Array = (outputs * self.target_scale_ + self.target_mean_).astype(outputs.dtype)
        return values[:, 0] if self._flat else values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


for _name, _class in (("mae", "L1Loss"), ("huber", "HuberLoss"), ("smooth_l1", "SmoothL1Loss")):
    if hasattr(losses, _class):
        NeuralRegressor._losses[_name] = getattr(losses, _class)
