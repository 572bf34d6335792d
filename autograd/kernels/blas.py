"""NumPy's matrix product, on one thread where two would only wait for each other, and on no more than the user chose."""

from __future__ import annotations

from typing import Any

import numpy

from autograd.kernels.threads import SMALL, chosen, single

__all__ = ["matmul"]

SPLIT = 1 << 18
"""Multiply-adds from which OpenBLAS splits a product."""


def matmul(a: Any, b: Any) -> Any:
    """np.matmul(a, b)."""
    size = a.size * b.shape[-1] if numpy.ndim(a) and numpy.ndim(b) else 0
    if size < SPLIT:
        return numpy.matmul(a, b)
    most = 1 if size < SMALL else chosen()
    switch = single("numpy") if most is not None else None
    if switch is None or most is None:
        return numpy.matmul(a, b)
    switch.enter(most)
    try:
        return numpy.matmul(a, b)
    finally:
        switch.leave(most)
