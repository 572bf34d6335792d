"""Standardizer: `nn.experiment.Scaling` as a step of a pipeline, so that each fold of a cross-validation has its own."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from nn.experiment import Scaling

__all__ = ["Standardizer"]


class Standardizer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Features to mean 0 and deviation 1, as float32; features of one unit, such as pixels, by one common deviation.

    >>> Standardizer().fit_transform([[0.0, 5.0], [2.0, 5.0]]).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """

    def __init__(self, one_unit: bool = False):
        self.one_unit = one_unit

    def fit(self, X: Any, y: Any = None) -> Self:
        """Take mean and deviation of X."""
        self.scaling_ = Scaling.of(validate_data(self, X, dtype=np.float64), self.one_unit)
        return self

    def transform(self, X: Any) -> np.ndarray[Any, Any]:
        """X, standardised."""
        check_is_fitted(self)
        return self.scaling_.apply(validate_data(self, X, reset=False, dtype=np.float64))
