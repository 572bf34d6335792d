"""Affine and bilinear maps, and rows of a table by number."""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, IndexingError, user_line
from nn.functional.common import given_tensor
from nn.module import concrete

__all__ = ["bilinear", "embedding", "linear", "one_hot"]


def linear(x: Any, weight: Any, bias: Any = None) -> ag.Tensor:
    """Affine map, y = x Wᵀ + b.

    Shape: x (…, in), weight (out, in), bias (out,) → (…, out).

    >>> linear(ag.Tensor([[1.0, 2.0]]), ag.Tensor([[3.0, 4.0]]), ag.Tensor([1.0])).tolist()
    [[12.0]]
    """
    return x @ weight.T if bias is None else ag.affine(x, weight, bias)


def bilinear(a: Any, b: Any, weight: Any, bias: Any = None) -> ag.Tensor:
    """Bilinear map, y_k = Σᵢⱼ aᵢ W_kij bⱼ + bias_k.

    Shape: a (…, in1), b (…, in2), weight (out, in1, in2), bias (out,) → (…, out).

    >>> bilinear(ag.Tensor([[1.0, 2.0]]), ag.Tensor([[3.0]]), ag.Tensor([[[1.0], [1.0]]])).tolist()
    [[9.0]]
    """
    y = ag.einsum("...i,kij,...j->...k", a, weight, b)
    return y if bias is None else y + bias


def embedding(index: Any, weight: Any, padding_idx: int | None = None) -> ag.Tensor:
    """Rows of a table by their numbers, y = weight[index]; the gradient of a row is the sum over all places that took it.

    Shape: index of any shape, whole numbers in [0, rows), weight (rows, D) → (*index.shape, D). The row `padding_idx` gets no
    gradient. Errors: DTypeError for numbers that are not whole, IndexingError for one out of range, with its place.

    >>> embedding(np.array([1, 0, 1]), ag.Tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[3.0, 4.0], [1.0, 2.0], [3.0, 4.0]]
    """
    index = _whole("embedding", index, weight.shape[0])
    rows = weight[index]
    if padding_idx is None:
        return rows
    skipped = ag.expand_dims(index == padding_idx % weight.shape[0], -1)
    return ag.where(skipped, rows.detach(), rows)


def one_hot(index: Any, num_classes: int) -> ag.Tensor:
    """Rows of the identity, 1 at the number and 0 else. Shape: index of any shape → (*index.shape, num_classes), of int64.

    >>> one_hot(np.array([2, 0]), 3).tolist()
    [[0, 0, 1], [1, 0, 0]]
    """
    if isinstance(num_classes, bool) or not isinstance(num_classes, int | np.integer) or num_classes < 1:
        raise ArgumentError(f"one_hot: num_classes must be a whole number, at least 1, got {num_classes!r}. ({user_line()})")
    index = _whole("one_hot", index, int(num_classes))
    return ag.where(ag.expand_dims(index, -1) == np.arange(num_classes), np.int64(1), np.int64(0))


def _whole(name: str, index: Any, rows: int) -> ag.Tensor:
    """Numbers of rows, as a Tensor, checked as far as they are known."""
    given = index if isinstance(index, ag.Tensor) else given_tensor(np.asarray(index))
    if given.dtype.kind not in "iu":
        raise DTypeError(f"{name}: rows are chosen by whole numbers, and these are {given.dtype}. ({user_line()})")
    values = concrete(given)
    if values is not None and values.size and (values.min() < 0 or values.max() >= rows):
        at = np.unravel_index(int(((values < 0) | (values >= rows)).argmax()), values.shape)
        raise IndexingError(
            f"{name}: index {values[at]} at position {tuple(int(i) for i in at)} is out of range: there are {rows} rows, 0 to "
            f"{rows - 1}. ({user_line()})"
        )
    return given
