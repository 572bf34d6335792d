"""The floor of a network: the matrix products of a training step alone, by NumPy's BLAS into arrays that exist."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import workloads

SETTINGS = "no peer: the matrix products of the step alone, as a floor"


def version() -> str:
    return np.__version__


def mlp(sizes: list[int], batch: int, activation: str, loss: str) -> tuple[Callable[..., float], Callable[[], list[Any]]]:
    del activation, loss
    weights = workloads.layers(tuple(sizes))[0::2]
    shapes = list(pairwise(sizes))
    h = [np.ones((batch, n), np.float32) for n in sizes]
    d = [np.ones((batch, n), np.float32) for n in sizes]
    dw = [np.ones((b, a), np.float32) for a, b in shapes]

    def step(x: Any, y: Any) -> float:
        h[0] = x
        for k in range(len(shapes)):
            np.matmul(h[k], weights[k].T, out=h[k + 1])
        for k in reversed(range(len(shapes))):
            np.matmul(d[k + 1].T, h[k], out=dw[k])
            if k:
                np.matmul(d[k + 1], weights[k], out=d[k])
        return float(h[-1][0, 0])

    return step, list
