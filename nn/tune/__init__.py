"""Hyperparameter search: grid, random and Bayesian, by Optuna, each trial cross-validated.

Nothing here searches by itself: what is proposed next is decided by Optuna's samplers, and this package says to them what a
network's parameters are, tries what they propose, and keeps the record. (The fourth of the notes' methods, hypergradient
descent, tunes the learning rate while it trains: it is an optimizer, to be chosen or searched as such.)
"""

from nn.tune.result import Result
from nn.tune.search import default_space, search
from nn.tune.space import Choice, Float, Int, Layers

__all__ = ["Choice", "Float", "Int", "Layers", "Result", "default_space", "search"]
