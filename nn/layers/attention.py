"""Attention, and the transformer's encoder layer."""

# mypy: disable-error-code="no-any-return"
# Modules and functions of `ag` are called: mypy sees their results as Any.

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, ShapeError, user_line
from nn import functional as F
from nn import init
from nn.containers import ModuleList
from nn.functional.attention import attention_weights
from nn.functional.common import as_tensor
from nn.functional.regularization import probability
from nn.layers.common import size
from nn.layers.dropout import Dropout
from nn.layers.linear import Linear
from nn.layers.normalization import LayerNorm
from nn.module import Module, Parameter

__all__ = ["MultiheadAttention", "PositionalEncoding", "TransformerEncoder", "TransformerEncoderLayer"]

Tensor = ag.Tensor


class MultiheadAttention(Module):
    """Several attentions side by side, each in a part of the features, and a linear map of what they give.

    Shape: query (L, N, embed_dim), key (S, N, kdim), value (S, N, vdim); with batch_first the batch comes first; without a
    batch (L, embed_dim) … → output of the query's shape, and weights (N, L, S), or (N, num_heads, L, S) if not averaged.

    Parameters have PyTorch's names: in_proj_weight (3·embed_dim, embed_dim), in_proj_bias, out_proj.weight, out_proj.bias; or
    q_proj_weight, k_proj_weight, v_proj_weight where kdim or vdim is not embed_dim.

    Args:
        embed_dim: the features, divided among the heads.
        num_heads: how many.
        dropout: of the weights, in training.
        bias: whether there are biases.
        kdim, vdim: features of keys and values; embed_dim, if not given.
        batch_first: see above.

    Source: Vaswani et al. 2017, "Attention is all you need".

    >>> x = np.zeros((2, 5, 8), np.float32)
    >>> y, weights = MultiheadAttention(8, 2, batch_first=True)(x, x, x)
    >>> y.shape, weights.shape
    ((2, 5, 8), (2, 5, 5))
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, kdim: int | None = None,
                 vdim: int | None = None, batch_first: bool = False, dtype: Any = None, generator: Any = None):  # fmt: skip
        self.embed_dim, self.num_heads = size("embed_dim", embed_dim), size("num_heads", num_heads)
        if not num_heads or embed_dim % num_heads:
            raise ArgumentError(f"MultiheadAttention: num_heads={num_heads} must divide embed_dim={embed_dim}. ({user_line()})")
        self.dropout, self.batch_first, self.generator = probability("MultiheadAttention", dropout), batch_first, generator
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        dtype = ag.get_default_dtype() if dtype is None else dtype

        def weight(rows: int, columns: int) -> Parameter:
            return Parameter(
                init.xavier_uniform_(ag.Tensor(np.zeros((rows, columns), dtype)), generator=generator), dtype=dtype
            )

        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = weight(3 * embed_dim, embed_dim)
        else:
            self.in_proj_weight = None
            self.q_proj_weight = weight(embed_dim, embed_dim)
            self.k_proj_weight, self.v_proj_weight = weight(embed_dim, self.kdim), weight(embed_dim, self.vdim)
        self.in_proj_bias = Parameter(np.zeros(3 * embed_dim, dtype), dtype=dtype) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype, generator)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def forward(self, query: Any, key: Any, value: Any, key_padding_mask: Any = None, need_weights: bool = True,
                attn_mask: Any = None, average_attn_weights: bool = True,
                is_causal: bool = False) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """The output, and the weights or None.

        Args:
            query, key, value: see above.
            key_padding_mask: (N, S): True where a key is padding, and not seen (or numbers that are added).
            need_weights: whether to give the weights.
            attn_mask: (L, S) or (N·num_heads, L, S): True where a query may *not* see a key, as in PyTorch (or numbers that are
                added). `scaled_dot_product_attention` has it the other way round, as there.
            average_attn_weights: whether weights are the mean over the heads.
            is_causal: a query sees no later keys; needs no mask.
        """
        same = query is key and key is value
        q = as_tensor(query)
        k, v = (q, q) if same else (as_tensor(key), as_tensor(value))
        alone = q.ndim == 2
        q, k, v = (self._batched(t, width, what, alone) for t, width, what in (
            (q, self.embed_dim, "query"), (k, self.kdim, "key"), (v, self.vdim, "value")))  # fmt: skip
        n, length, source = q.shape[0], q.shape[1], k.shape[1]
        if k.shape[0] != n or v.shape[:2] != k.shape[:2]:
            raise ShapeError(
                f"MultiheadAttention: query, key and value do not fit: {q.shape}, {k.shape}, {v.shape} (N, length, features). "
                f"({user_line()})"
            )
        q, k, v = (self._heads(t) for t in self._projected(q, k, v, same))  # (N, heads, length, E/heads)
        mask = self._mask(attn_mask, key_padding_mask, n, length, source, alone, is_causal)
        weights = attention_weights(q, k, mask, is_causal and mask is None, None)  # (N, heads, L, S)
        used = F.dropout(weights, self.dropout, self.training, self.generator)
        y = ag.reshape(ag.swapaxes(used @ v, 1, 2), (n, length, self.embed_dim))
        y = self.out_proj(y)
        y = ag.squeeze(y, axis=0) if alone else y if self.batch_first else ag.swapaxes(y, 0, 1)
        if not need_weights:
            return y, None
        weights = ag.mean(weights, axis=1) if average_attn_weights else weights
        return y, ag.squeeze(weights, axis=0) if alone else weights

    def _batched(self, x: Tensor, width: int, what: str, alone: bool) -> Tensor:
        """x as (N, length, features)."""
        if x.ndim != (2 if alone else 3) or x.shape[-1] != width:
            raise ShapeError(
                f"MultiheadAttention: the {what} has shape {x.shape}; it needs {2 if alone else 3} axes, the last of length "
                f"{width}. "
                f"({user_line()})"
            )
        return ag.expand_dims(x, 0) if alone else x if self.batch_first else ag.swapaxes(x, 0, 1)

    def _projected(self, q: Tensor, k: Tensor, v: Tensor, same: bool) -> list[Tensor]:
        e = self.embed_dim
        if same and self.in_proj_weight is not None:
            return list(ag.split(F.linear(q, self.in_proj_weight, self.in_proj_bias), 3, axis=-1))
        weights: list[Any]
        if self.in_proj_weight is None:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        else:
            weights = [self.in_proj_weight[i * e : (i + 1) * e] for i in range(3)]
        biases = [None if self.in_proj_bias is None else self.in_proj_bias[i * e : (i + 1) * e] for i in range(3)]
        return [F.linear(x, w, b) for x, w, b in zip((q, k, v), weights, biases, strict=True)]

    def _heads(self, x: Tensor) -> Tensor:
        """(N, length, E) → (N, heads, length, E/heads)."""
        parts = ag.reshape(x, (x.shape[0], x.shape[1], self.num_heads, self.embed_dim // self.num_heads))
        return ag.swapaxes(parts, 1, 2)

    def _mask(self, attn_mask: Any, padding: Any, n: int, length: int, source: int, alone: bool, is_causal: bool) -> Any:
        """Both masks as numbers that are added, or None."""
        total: Any = None
        for what, mask in (("attn_mask", attn_mask), ("key_padding_mask", padding)):
            if mask is None:
                continue
            mask = as_tensor(mask)
            if what == "attn_mask":
                shapes = {
                    (length, source): (length, source),
                    (n * self.num_heads, length, source): (n, self.num_heads, length, source),
                }
            else:
                shapes = {(source,) if alone else (n, source): (n, 1, 1, source)}
            if mask.shape not in shapes:
                raise ShapeError(
                    f"MultiheadAttention: {what} has shape {mask.shape}; it may have {' or '.join(map(str, shapes))}. "
                    f"({user_line()})"
                )
            mask = ag.reshape(mask, shapes[mask.shape])
            mask = ag.where(mask, -np.inf, 0.0) if mask.dtype.kind == "b" else mask
            total = mask if total is None else total + mask
        if is_causal and total is not None:
            total = total + np.where(np.tril(np.ones((length, source), bool)), 0.0, -np.inf)
        return total

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, {self.num_heads}, dropout={self.dropout:g}, batch_first={self.batch_first}"


class TransformerEncoderLayer(Module):
    """Self-attention, then two linear maps with an activation between them; each is added to what went in, and normalised.

    y = norm1(x + attention(x)), z = norm2(y + linear2(activation(linear1(y)))); with norm_first the norms come before attention
    and maps instead. Dropout stands after each part. Names and defaults are PyTorch's.

    Args:
        d_model, nhead: features and heads.
        dim_feedforward: between the linear maps.
        dropout: everywhere.
        activation: "relu", "gelu", or a function.
        layer_norm_eps, batch_first, norm_first, bias: see above.

    Source: Vaswani et al. 2017, "Attention is all you need"; norm_first: Xiong et al. 2020.

    >>> TransformerEncoderLayer(8, 2, 16, batch_first=True)(np.zeros((2, 5, 8), np.float32)).shape
    (2, 5, 8)
    """

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
                 activation: str | Callable[[Any], Any] = "relu", layer_norm_eps: float = 1e-5, batch_first: bool = False,
                 norm_first: bool = False, bias: bool = True, dtype: Any = None, generator: Any = None):  # fmt: skip
        if isinstance(activation, str) and activation not in ("relu", "gelu"):
            raise ArgumentError(
                f'TransformerEncoderLayer: activation must be "relu", "gelu" or a function, got {activation!r}. ({user_line()})'
            )
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, None, None, batch_first, dtype, generator)
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype, generator)
        self.dropout = Dropout(dropout, generator)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype, generator)
        self.norm1, self.norm2 = (LayerNorm(d_model, layer_norm_eps, True, bias, dtype) for _ in range(2))
        self.dropout1, self.dropout2 = Dropout(dropout, generator), Dropout(dropout, generator)
        self.activation = getattr(F, activation) if isinstance(activation, str) else activation
        self.norm_first = norm_first

    def forward(self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Tensor:
        x = as_tensor(src)
        if self.norm_first:
            x = x + self._attend(self.norm1(x), src_mask, src_key_padding_mask, is_causal)
            return x + self._feed(self.norm2(x))
        x = self.norm1(x + self._attend(x, src_mask, src_key_padding_mask, is_causal))
        return self.norm2(x + self._feed(x))

    def _attend(self, x: Tensor, mask: Any, padding: Any, is_causal: bool) -> Tensor:
        y, _ = self.self_attn(x, x, x, padding, False, mask, is_causal=is_causal and mask is None)
        return self.dropout1(y)

    def _feed(self, x: Tensor) -> Tensor:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerEncoder(Module):
    """Several encoder layers, copies of one, and a last normalisation, if given.

    >>> layer = TransformerEncoderLayer(8, 2, 16)
    >>> TransformerEncoder(layer, 3)(np.zeros((5, 2, 8), np.float32)).shape
    (5, 2, 8)
    """

    norm: Module | None

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None):
        self.layers = ModuleList([copy.deepcopy(encoder_layer) for _ in range(size("num_layers", num_layers))])
        self.num_layers, self.norm = num_layers, norm

    def forward(self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Tensor:
        x = as_tensor(src)
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, is_causal)
        return x if self.norm is None else self.norm(x)


class PositionalEncoding(Module):
    """Adds to each step sines and cosines of its place, sin(t/10000^(2i/d)), cos(t/10000^(2i/d)), since attention knows no
    order.

    Shape: (T, N, d_model), or with batch_first (N, T, d_model) → the same, with dropout. Source: Vaswani et al. 2017.

    >>> PositionalEncoding(4, dropout=0.0)(np.zeros((2, 1, 4), np.float32)).data[0, 0].tolist()
    [0.0, 1.0, 0.0, 1.0]
    """

    def __init__(self, d_model: int, max_len: int = 5000, dropout: float = 0.1, batch_first: bool = False, dtype: Any = None):
        dtype = ag.get_default_dtype() if dtype is None else dtype
        angle = np.arange(max_len)[:, None] / 10000.0 ** (np.arange(0, d_model, 2) / d_model)  # (T, d/2)
        table = np.zeros((max_len, d_model))
        table[:, 0::2], table[:, 1::2] = np.sin(angle), np.cos(angle)[:, : d_model // 2]
        self.d_model, self.max_len, self.batch_first = d_model, max_len, batch_first
        self.register_buffer("table", ag.Tensor(table.astype(dtype)), persistent=False)
        self.dropout = Dropout(dropout)

    table: Any

    def forward(self, x: Any) -> Tensor:
        x = as_tensor(x)
        axis = 1 if self.batch_first else 0
        if x.ndim != 3 or x.shape[2] != self.d_model or x.shape[axis] > self.max_len:
            raise ShapeError(
                f"PositionalEncoding(d_model={self.d_model}, max_len={self.max_len}) got an input of shape {x.shape}. "
                f"({user_line()})"
            )
        places = self.table[: x.shape[axis]]
        return self.dropout(x + (places if self.batch_first else ag.expand_dims(places, 1)))
