"""Layers that only lay out anew."""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import autograd as ag
from autograd.errors import AxisError, ShapeError, user_line
from nn.functional.common import as_tensor
from nn.module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Axes from start_dim to end_dim as one; by default all but the batch.

    Shape: (N, …) → (N, product of the rest).

    >>> Flatten()(ag.Tensor([[[1.0, 2.0], [3.0, 4.0]]])).tolist()
    [[1.0, 2.0, 3.0, 4.0]]
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Any) -> ag.Tensor:
        x = as_tensor(x)
        first, last = _axis(self, self.start_dim, x), _axis(self, self.end_dim, x)
        if first > last:
            raise AxisError(f"{self!r} got shape {x.shape}, where its first axis is after its last. ({user_line()})")
        return x.reshape((*x.shape[:first], prod(x.shape[first : last + 1]), *x.shape[last + 1 :]))

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One axis as several; one of their lengths may be −1.

    Shape: (…, dim, …) → (…, *unflattened_size, …).

    >>> Unflatten(1, (2, -1))(ag.Tensor([[1.0, 2.0, 3.0, 4.0]])).tolist()
    [[[1.0, 2.0], [3.0, 4.0]]]
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]):
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, x: Any) -> ag.Tensor:
        x = as_tensor(x)
        axis, size = _axis(self, self.dim, x), self.unflattened_size
        n, known = x.shape[axis], prod(k for k in size if k != -1)
        if size.count(-1) > 1 or (n % known if -1 in size and known else n != known):
            raise ShapeError(f"{self!r} cannot lay out axis {axis} of shape {x.shape} as {size}. ({user_line()})")
        return x.reshape((*x.shape[:axis], *(n // known if k == -1 else k for k in size), *x.shape[axis + 1 :]))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


def _axis(layer: Module, axis: int, x: ag.Tensor) -> int:
    if not -x.ndim <= axis < x.ndim:
        raise AxisError(f"{layer!r} got an input of shape {x.shape}, which has no axis {axis}. ({user_line()})")
    return axis % x.ndim
