"""Neural networks on `autograd`, in PyTorch's vocabulary.

>>> import autograd as ag, nn
>>> model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
>>> model(ag.Tensor([[0.0, 1.0]])).shape
(1, 1)
"""

from importlib import import_module
from typing import TYPE_CHECKING

from nn import activations, augment, callbacks, data, datasets, functional, init, layers, losses, metrics, pictures, tune
from nn.activations import *
from nn.containers import ModuleList, Sequential
from nn.data import ArrayDataset, DataLoader, Dataset, TensorDataset, train_test_split
from nn.doctor import diagnose
from nn.files import load, save
from nn.history import History
from nn.layers import *
from nn.losses import *
from nn.module import Module, Parameter, concrete
from nn.training import Trainer, evaluate, fit, predict
from nn.transfer import freeze, load_partial, unfreeze
from nn.vae import VAE, ELBOLoss

__all__ = [
    "VAE", "ArrayDataset", "DataLoader", "Dataset", "ELBOLoss", "History", "Module", "ModuleList", "Parameter", "Sequential",
    "TensorDataset", "Trainer", "augment", "callbacks", "concrete", "data", "datasets", "diagnose", "evaluate", "fit", "freeze",
    "functional", "init", "load", "load_partial", "metrics", "pictures", "predict", "save", "train_test_split", "tune",
    "unfreeze",
    *activations.__all__, *layers.__all__, *losses.__all__,
]  # fmt: skip

_LAZY = {"NeuralClassifier": "nn.estimators", "NeuralRegressor": "nn.estimators"}

if TYPE_CHECKING:
    from nn.estimators import NeuralClassifier as NeuralClassifier
    from nn.estimators import NeuralRegressor as NeuralRegressor
else:

    def __getattr__(name):  # what is loaded when it is first used, because it needs scikit-learn
        if name not in _LAZY:
            raise AttributeError(f"module 'nn' has no attribute {name!r}")
        return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
