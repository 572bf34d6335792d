"""Affine maps."""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

from typing import Any

import autograd as ag

__all__ = ["linear"]


def linear(x: Any, weight: Any, bias: Any = None) -> ag.Tensor:
    """Affine map, y = x Wᵀ + b.

    Shape: x (…, in), weight (out, in), bias (out,) → (…, out).

    >>> linear(ag.Tensor([[1.0, 2.0]]), ag.Tensor([[3.0, 4.0]]), ag.Tensor([1.0])).tolist()
    [[12.0]]
    """
    return x @ weight.T if bias is None else ag.affine(x, weight, bias)
