"""Neural networks on `autograd`, in PyTorch's vocabulary.

>>> import autograd as ag, nn
>>> model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
>>> model(ag.Tensor([[0.0, 1.0]])).shape
(1, 1)
"""

from nn import data, datasets, functional, init, metrics
from nn.activations import GELU, Identity, LeakyReLU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Step, Tanh
from nn.containers import ModuleList, Sequential
from nn.data import ArrayDataset, DataLoader, Dataset, TensorDataset, train_test_split
from nn.files import load, save
from nn.history import History
from nn.layers import ACTIVATIONS, MLP, LayerNorm, Linear, Perceptron, RMSNorm
from nn.losses import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, MSELoss, NLLLoss
from nn.module import Module, Parameter, concrete
from nn.training import Trainer, evaluate, fit, predict

__all__ = [
    "ACTIVATIONS", "GELU", "MLP", "ArrayDataset", "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "DataLoader",
    "Dataset", "History", "Identity", "LayerNorm", "LeakyReLU", "Linear", "LogSoftmax", "MSELoss", "Module", "ModuleList",
    "NLLLoss", "Parameter", "Perceptron", "RMSNorm", "ReLU", "Sequential", "SiLU", "Sigmoid", "Softmax", "Step", "Tanh",
    "TensorDataset", "Trainer", "concrete", "data", "datasets", "evaluate", "fit", "functional", "init", "load",
    "metrics", "predict", "save", "train_test_split",
]  # fmt: skip
