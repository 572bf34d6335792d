"""The ops, one paragraph each. `autograd.rule` says how to read and write them."""

from autograd.ops import arithmetic, compare, exponential, index, linalg, reduce, shape, solve, trigonometric, window
from autograd.rule import OPS

__all__ = [
    "OPS", "arithmetic", "compare", "exponential", "index", "linalg", "reduce", "shape", "solve", "trigonometric", "window",
]  # fmt: skip
