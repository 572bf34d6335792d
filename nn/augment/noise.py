"""Changes of values, of images and features alike."""

from __future__ import annotations

import math

import numpy as np

import autograd as ag
from nn.augment.transform import Array, Transform

__all__ = ["FeatureDropout", "GaussianNoise", "SwapNoise"]


class GaussianNoise(Transform):
    """Adds normal noise to every number, of images or features; its standard deviation is in their units.

    Standardise features first, so that one `std` suits all. Values may leave their range: clip afterwards if that matters.
    On the inputs of a linear model it is the same as a penalty on squared weights (Bishop 1995).
    """

    def __init__(self, std: float = 0.1):
        self.std = self._number("std", std, 0)

    def change(self, x: Array, generator: ag.Generator) -> Array:
        noise = generator.normal(0, self.std, x.shape, np.float64 if x.dtype == np.float64 else np.float32)
        return np.asarray(x + noise)


class FeatureDropout(Transform):
    """Sets each number to `fill` with probability p: as if it were missing. Nothing is scaled up."""

    def __init__(self, p: float = 0.1, fill: float = 0.0):
        self.p, self.fill = self._number("p", p, 0, 1), self._number("fill", fill, -math.inf)

    def change(self, x: Array, generator: ag.Generator) -> Array:
        return np.where(generator.uniform(0, 1, x.shape, np.float64) < self.p, x.dtype.type(self.fill), x)


class SwapNoise(Transform):
    """Replaces each feature with probability p by that of another sample of the batch: noise that has the right distribution.

    For tables, whose columns have scales and kinds of their own. Shape (N, …), one draw for each number.
    """

    def __init__(self, p: float = 0.1):
        self.p = self._number("p", p, 0, 1)

    def change(self, x: Array, generator: ag.Generator) -> Array:
        if not x.size:
            return x.copy()
        other = np.take_along_axis(x, generator.integers(0, len(x), x.shape), axis=0)
        return np.where(generator.uniform(0, 1, x.shape, np.float64) < self.p, other, x)
