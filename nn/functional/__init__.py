"""Activations, losses, layers' formulas as pure functions, composed of the engine's ops: derivatives of every order follow.

Shapes are written as in the field: N the batch, C the classes or channels, … any further axes. Every function keeps the
dtype of its input.
"""

from nn.functional import activations, affine, attention, convolution, losses, normalization, pooling, regularization
from nn.functional.activations import *
from nn.functional.affine import *
from nn.functional.attention import *
from nn.functional.convolution import *
from nn.functional.losses import *
from nn.functional.normalization import *
from nn.functional.pooling import *
from nn.functional.regularization import *

__all__ = [
    *activations.__all__, *affine.__all__, *attention.__all__, *convolution.__all__, *losses.__all__, *normalization.__all__,
    *pooling.__all__, *regularization.__all__,
]  # fmt: skip
