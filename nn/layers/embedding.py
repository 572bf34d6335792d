"""Embedding: a row of weights for each index."""

from __future__ import annotations

from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, ShapeError, user_line
from nn import functional as F
from nn import init
from nn.layers.common import size
from nn.module import Module, Parameter

__all__ = ["Embedding"]


class Embedding(Module):
    """A learned vector for each of num_embeddings things, such as words, by their number: `functional.embedding`.

    Shape: whole numbers of any shape → (*, embedding_dim); weight (num_embeddings, embedding_dim) starts as N(0, 1), as in
    PyTorch. The row padding_idx is 0 and stays so.

    >>> Embedding(10, 3)(np.array([[1, 2], [4, 1]])).shape
    (2, 2, 3)
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, dtype: Any = None,
                 generator: Any = None):  # fmt: skip
        self.num_embeddings, self.embedding_dim = size("num_embeddings", num_embeddings), size("embedding_dim", embedding_dim)
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ArgumentError(
                f"Embedding: padding_idx={padding_idx} is out of range: there are {num_embeddings} rows. ({user_line()})"
            )
        self.padding_idx = padding_idx
        dtype = ag.get_default_dtype() if dtype is None else dtype
        self.weight = Parameter(np.zeros((num_embeddings, embedding_dim), dtype), dtype=dtype)
        init.normal_(self.weight, generator=generator)
        if padding_idx is not None:
            with ag.no_grad():
                self.weight[padding_idx] = 0.0

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, padding_idx: int | None = None) -> Embedding:
        """A layer whose table is given, (rows, D); with `freeze`, it is not learned."""
        table = embeddings.data if isinstance(embeddings, ag.Tensor) else np.asarray(embeddings)
        if table.ndim != 2:
            raise ShapeError(f"Embedding.from_pretrained takes a table (rows, D), got shape {table.shape}. ({user_line()})")
        layer = cls(table.shape[0], table.shape[1], padding_idx, table.dtype)
        with ag.no_grad():
            layer.weight.copy_(table)
        layer.weight.requires_grad = not freeze
        return layer

    def forward(self, index: Any) -> ag.Tensor:
        return F.embedding(index, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
