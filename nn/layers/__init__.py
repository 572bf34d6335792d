"""Layers with weights, and the networks made of them by one call."""

from nn.layers import (
    attention,
    convolution,
    dropout,
    embedding,
    linear,
    mlp,
    normalization,
    perceptron,
    pooling,
    recurrent,
    shape,
)
from nn.layers.attention import *
from nn.layers.convolution import *
from nn.layers.dropout import *
from nn.layers.embedding import *
from nn.layers.linear import *
from nn.layers.mlp import *
from nn.layers.normalization import *
from nn.layers.perceptron import *
from nn.layers.pooling import *
from nn.layers.recurrent import *
from nn.layers.shape import *

__all__ = [
    *attention.__all__, *convolution.__all__, *dropout.__all__, *embedding.__all__, *linear.__all__, *mlp.__all__,
    *normalization.__all__, *perceptron.__all__, *pooling.__all__, *recurrent.__all__, *shape.__all__,
]  # fmt: skip
