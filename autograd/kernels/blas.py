"""NumPy's matrix product, on one thread where two would only wait for each other, and on no more than the user chose."""

from __future__ import annotations

from typing import Any

import numpy

from autograd.kernels.pool import existing
from autograd.kernels.threads import SMALL, chosen, single

__all__ = ["matmul"]

SPLIT = 1 << 18
"""Multiply-adds from which OpenBLAS splits a product."""


def matmul(a: Any, b: Any) -> Any:
    """np.matmul(a, b)."""
    size = a.size * b.shape[-1] if numpy.ndim(a) and numpy.ndim(b) else 0
    if size < SPLIT:
        return numpy.matmul(a, b)
    if size >= SMALL:
        return _shared(a, b)
    switch = single("numpy")
    if switch is None:
        return numpy.matmul(a, b)
    switch.enter(1)
    try:
        return numpy.matmul(a, b)
    finally:
        switch.leave(1)


def _shared(a: Any, b: Any) -> Any:
    """A product that is worth the threads of NumPy's BLAS."""
    most, workers = chosen(), existing()
    switch = single("numpy") if most is not None else None
    if workers is not None:
        workers.leave_to_others(1)
    try:
        if switch is None or most is None:
            return numpy.matmul(a, b)
        switch.enter(most)
        try:
            return numpy.matmul(a, b)
        finally:
            switch.leave(most)
    finally:
        if workers is not None:
            workers.leave_to_others(-1)
