"""NumPy's matrix product, on one thread where two would only wait for each other."""

from __future__ import annotations

from typing import Any

import numpy

from autograd.kernels.threads import SMALL, single

__all__ = ["matmul"]

SPLIT = 1 << 18
"""Multiply-adds from which OpenBLAS splits a product."""


def matmul(a: Any, b: Any) -> Any:
    """np.matmul(a, b)."""
    if not (numpy.ndim(a) and numpy.ndim(b)) or not SPLIT <= a.size * b.shape[-1] < SMALL:
        return numpy.matmul(a, b)
    switch = single("numpy")
    if switch is None:
        return numpy.matmul(a, b)
    switch.enter()
    try:
        return numpy.matmul(a, b)
    finally:
        switch.leave()
