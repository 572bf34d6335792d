"""Optimizers in PyTorch's vocabulary, each one update rule.

>>> import autograd as ag, optim
>>> w = ag.Tensor([4.0], requires_grad=True)
>>> optimizer = optim.Adam([w], lr=0.5)
>>> for _ in range(50):
...     loss = ((w - 1.0) ** 2).sum()
...     optimizer.zero_grad(); loss.backward(); optimizer.step()
>>> abs(w.item() - 1.0) < 0.1
True
"""

from optim import lr_scheduler
from optim.adam import Adam, Adamax, AdamW, NAdam, Nadam, RAdam
from optim.adaptive import Adadelta, Adagrad, RMSprop
from optim.averaging import ExponentialMovingAverage, StochasticWeightAverage
from optim.clipping import clip_grad_norm_, clip_grad_value_
from optim.grouping import decay_groups, layerwise_lr
from optim.hypergradient import Hypergradient, unrolled
from optim.lbfgs import LBFGS
from optim.optimizer import Optimizer
from optim.sgd import SGD
from optim.signs import Lion, Rprop

__all__ = [
    "LBFGS", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "ExponentialMovingAverage", "Hypergradient", "Lion",
    "NAdam", "Nadam", "Optimizer", "RAdam", "RMSprop", "Rprop", "StochasticWeightAverage", "clip_grad_norm_",
    "clip_grad_value_", "decay_groups", "layerwise_lr", "lr_scheduler", "unrolled",
]  # fmt: skip
