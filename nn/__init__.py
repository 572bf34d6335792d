"""Neural networks on `autograd`, in PyTorch's vocabulary.

>>> import autograd as ag, nn
>>> model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
>>> model(ag.Tensor([[0.0, 1.0]])).shape
(1, 1)
"""

from nn import activations, data, datasets, functional, init, layers, losses, metrics
from nn.activations import *
from nn.containers import ModuleList, Sequential
from nn.data import ArrayDataset, DataLoader, Dataset, TensorDataset, train_test_split
from nn.files import load, save
from nn.history import History
from nn.layers import *
from nn.losses import *
from nn.module import Module, Parameter, concrete
from nn.training import Trainer, evaluate, fit, predict

__all__ = [
    "ArrayDataset", "DataLoader", "Dataset", "History", "Module", "ModuleList", "Parameter", "Sequential", "TensorDataset",
    "Trainer", "concrete", "data", "datasets", "evaluate", "fit", "functional", "init", "load", "metrics", "predict", "save",
    "train_test_split", *activations.__all__, *layers.__all__, *losses.__all__,
]  # fmt: skip
