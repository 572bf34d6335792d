"""Attention, as pure functions."""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, ShapeError, user_line
from nn.functional.activations import softmax
from nn.functional.common import Tensor, as_tensor
from nn.functional.regularization import dropout

__all__ = ["scaled_dot_product_attention"]

LONG = 1 << 13
"""Numbers in the queries from which attention runs compiled."""


def scaled_dot_product_attention(query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0,
                                 is_causal: bool = False, scale: float | None = None,
                                 generator: Any = None) -> Tensor:  # fmt: skip
    """Attention, y = softmax(q kᵀ·scale + mask) v: each query takes the mean of the values, by how well it fits their keys.

    Args:
        query, key, value: (…, L, E), (…, S, E), (…, S, Ev).
        attn_mask: of a shape that broadcasts to (…, L, S): bool, where True takes part; or numbers, which are added.
        dropout_p: of the weights; whoever calls it leaves it 0 outside of training.
        is_causal: query i sees keys 0 to i only.
        scale: 1/√E, if not given.

    Shape: → (…, L, Ev). A query that may see no key gets 0, and no gradient. Source: Vaswani et al. 2017, "Attention is all
    you need".

    >>> q = ag.Tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> scaled_dot_product_attention(q, q, q, is_causal=True).data.round(2).tolist()[0]
    [1.0, 0.0]
    """
    if dropout_p:
        weights = attention_weights(query, key, attn_mask, is_causal, scale)
        return dropout(weights, dropout_p, True, generator) @ as_tensor(value)
    return attention(query, key, value, attn_mask, is_causal, scale)


@ag.accelerated("query", "key", "value", "attn_mask", long=LONG)
def attention(query: Any, key: Any, value: Any, attn_mask: Any, is_causal: bool, scale: float | None) -> Tensor:
    """softmax(q kᵀ·scale + mask) v."""
    return attention_weights(query, key, attn_mask, is_causal, scale) @ as_tensor(value)


def attention_weights(query: Any, key: Any, attn_mask: Any, is_causal: bool, scale: float | None) -> Tensor:
    """softmax(q kᵀ·scale + mask), (…, L, S)."""
    query, key = as_tensor(query), as_tensor(key)
    if query.ndim < 2 or key.ndim < 2 or query.shape[-1] != key.shape[-1]:
        raise ShapeError(
            f"attention takes queries (…, L, E) and keys (…, S, E) of one E, got {query.shape} and {key.shape}. ({user_line()})"
        )
    scale = 1 / sqrt(max(query.shape[-1], 1)) if scale is None else scale
    scores = (query * scale) @ ag.swapaxes(key, -1, -2)  # (…, L, S)
    if is_causal:
        if attn_mask is not None:
            raise ArgumentError(f"attention: give attn_mask or is_causal, not both. ({user_line()})")
        seen = np.tril(np.ones(scores.shape[-2:], bool))
        return softmax(ag.where(seen, scores, -np.inf), -1)
    if attn_mask is None:
        return softmax(scores, -1)
    mask = as_tensor(attn_mask)
    if mask.dtype.kind not in "bf":
        raise DTypeError(f"attention: a mask is of bool, or of numbers that are added; got {mask.dtype}. ({user_line()})")
    try:
        fits = np.broadcast_shapes(mask.shape, scores.shape) == scores.shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            f"attention: a mask of shape {mask.shape} does not fit scores of shape {scores.shape}. ({user_line()})"
        )
    scores = ag.where(mask, scores, -np.inf) if mask.dtype.kind == "b" else scores + mask.astype(scores.dtype)
    nothing = ag.max(scores.detach(), axis=-1, keepdims=True) == -np.inf  # a query that may see no key
    return ag.where(nothing, 0, softmax(ag.where(nothing, 0, scores), -1))
