"""Networks as scikit-learn estimators: for its pipelines, searches, cross-validation and ensembles.

This package is loaded when `nn.NeuralClassifier` or `nn.NeuralRegressor` is first used: `import nn` does without scikit-learn.
"""

try:
    import sklearn.base  # noqa: F401
except ImportError as error:
    raise ImportError(
        'nn.NeuralClassifier and nn.NeuralRegressor need scikit-learn: python -m pip install "wengert[data]".'
    ) from error

from nn.estimators.classifier import NeuralClassifier
from nn.estimators.regressor import NeuralRegressor

__all__ = ["NeuralClassifier", "NeuralRegressor"]
