"""Recurrent layers, attention and embedding beside PyTorch's: its state dicts load, and outputs and gradients agree, in
float64. Runs where PyTorch is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import parity
import pytest

import nn
import nn.functional as F

torch = pytest.importorskip("torch")

F64 = {"dtype": np.float64}
RECURRENT = [{}, {"bias": False}, {"num_layers": 2, "bidirectional": True}, {"num_layers": 3, "batch_first": True},
             {"bidirectional": True, "batch_first": True, "bias": False}]  # fmt: skip


class Flat(torch.nn.Module):
    """PyTorch's layer, with the outputs and all states side by side."""

    def __init__(self, layer: Any):
        super().__init__()
        self.layer = layer

    def forward(self, *inputs: Any) -> Any:
        return flat(self.layer(*inputs))

    def state_dict(self, *a: Any, **k: Any) -> Any:
        return self.layer.state_dict()

    def named_parameters(self, *a: Any, **k: Any) -> Any:
        return self.layer.named_parameters()

    def named_buffers(self, *a: Any, **k: Any) -> Any:
        return []


def flat(answer: Any) -> list[Any]:
    if isinstance(answer, tuple | list):
        return [x for part in answer for x in flat(part)]
    return [] if answer is None else [answer]


def ours_flat(layer: Any) -> Any:
    plain = layer.forward
    object.__setattr__(layer, "forward", lambda *inputs: tuple(flat(plain(*inputs))))
    return layer


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("settings", RECURRENT, ids=range(len(RECURRENT)))
@pytest.mark.parametrize("seed", range(3))
def test_recurrent(kind: str, settings: dict[str, Any], seed: int) -> None:
    random = np.random.default_rng(seed)
    t, n, i, h = (int(k) for k in random.integers(1, 5, 4))
    ours, theirs = getattr(nn, kind)(i, h, **settings, **F64), getattr(torch.nn, kind)(i, h, **settings)
    shape = [(t, n, i), (t, 0, i), (t, i)][seed] if not settings.get("batch_first") else [(n, t, i), (1, t, i), (t, i)][seed]
    parity.against_torch(ours_flat(ours), Flat(theirs), random.normal(size=shape))


def test_first_states() -> None:
    random = np.random.default_rng(3)
    x, h, c = (random.normal(size=s) for s in [(4, 3, 2), (4, 3, 5), (4, 3, 5)])
    settings = {"num_layers": 2, "bidirectional": True}
    for kind in ("RNN", "GRU"):
        ours, theirs = getattr(nn, kind)(2, 5, **settings, **F64), getattr(torch.nn, kind)(2, 5, **settings)
        parity.against_torch(ours_flat(ours), Flat(theirs), x, h)
    ours, theirs = nn.LSTM(2, 5, **settings, **F64), Flat(torch.nn.LSTM(2, 5, **settings))
    plain, torchs = ours.forward, theirs.forward
    object.__setattr__(ours, "forward", lambda x, h, c: tuple(flat(plain(x, (h, c)))))
    theirs.forward = lambda x, h, c: torchs(x, (h, c))
    parity.against_torch(ours, theirs, x, h, c)


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(3, 2), (2,)])
def test_cells(kind: str, bias: bool, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(4).normal(size=shape)
    ours, theirs = getattr(nn, kind)(2, 5, bias=bias, **F64), getattr(torch.nn, kind)(2, 5, bias=bias)
    parity.against_torch(ours_flat(ours), Flat(theirs), x)


def test_relu() -> None:
    x = np.random.default_rng(4).normal(size=(4, 3, 2))
    parity.against_torch(ours_flat(nn.RNN(2, 5, nonlinearity="relu", **F64)), Flat(torch.nn.RNN(2, 5, nonlinearity="relu")), x)


@pytest.mark.parametrize("settings", [{}, {"batch_first": True, "bias": False}, {"kdim": 2, "vdim": 3}])
@pytest.mark.parametrize("average", [True, False])
def test_multihead_attention(settings: dict[str, Any], average: bool) -> None:
    random = np.random.default_rng(5)
    shapes = [(4, 3, 6), (5, 3, settings.get("kdim", 6)), (5, 3, settings.get("vdim", 6))]
    if settings.get("batch_first"):
        shapes = [(b, a, c) for a, b, c in shapes]
    mask = random.random((4, 5)) < 0.3
    mask[:, 0] = False
    padding = random.random((3, 5)) < 0.3
    padding[:, 0] = False
    heads = random.normal(size=(6, 4, 5))
    for kw in ({}, {"attn_mask": mask}, {"key_padding_mask": padding, "attn_mask": mask}, {"attn_mask": heads}):
        ours = nn.MultiheadAttention(6, 2, **settings, **F64)
        theirs = Flat(torch.nn.MultiheadAttention(6, 2, **settings))
        plain, torchs = ours.forward, theirs.layer
        object.__setattr__(
            ours, "forward", lambda *a, plain=plain, kw=kw: tuple(flat(plain(*a, average_attn_weights=average, **kw)))
        )
        more = {k: torch.tensor(v) for k, v in kw.items()}
        theirs.forward = lambda *a, torchs=torchs, more=more: flat(torchs(*a, average_attn_weights=average, **more))
        parity.against_torch(ours, theirs, *(random.normal(size=s) for s in shapes))


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("masked", [None, bool, float])
def test_scaled_dot_product_attention(causal: bool, masked: Any) -> None:
    random = np.random.default_rng(6)
    q, k, v = (random.normal(size=s) for s in [(2, 3, 5, 4), (2, 3, 5, 4), (2, 3, 5, 6)])
    if causal and masked:
        return
    mask = None if masked is None else random.random((5, 5)) < 0.6 if masked is bool else random.normal(size=(5, 5))
    if masked is bool:
        mask[:, 0] = True
    theirs = None if mask is None else torch.tensor(mask)
    attention = torch.nn.functional.scaled_dot_product_attention
    for scale in (None, 0.3):
        parity.against_torch(
            lambda *a, s=scale: F.scaled_dot_product_attention(*a, attn_mask=mask, is_causal=causal, scale=s),
            lambda *a, s=scale: attention(*a, attn_mask=theirs, is_causal=causal, scale=s), q, k, v,
        )  # fmt: skip


@pytest.mark.parametrize("settings", [{}, {"norm_first": True, "activation": "gelu"}, {"batch_first": True, "bias": False}])
def test_encoder(settings: dict[str, Any]) -> None:
    x = np.random.default_rng(7).normal(size=(4, 3, 6))
    ours = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, **settings, **F64)
    theirs = torch.nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, **settings)
    parity.against_torch(ours, theirs, x)
    stack = nn.TransformerEncoder(ours, 2, nn.LayerNorm(6, **F64))
    their_stack = torch.nn.TransformerEncoder(theirs, 2, torch.nn.LayerNorm(6), enable_nested_tensor=False)
    parity.against_torch(stack, their_stack, x)


def test_embedding_and_bilinear() -> None:
    random = np.random.default_rng(8)
    index = random.integers(0, 5, (3, 4))
    ours, theirs = nn.Embedding(5, 2, padding_idx=1, **F64), torch.nn.Embedding(5, 2, padding_idx=1)
    parity.against_torch(ours, theirs, index)
    a, b = random.normal(size=(3, 2, 4)), random.normal(size=(3, 2, 5))
    parity.against_torch(nn.Bilinear(4, 5, 3, **F64), torch.nn.Bilinear(4, 5, 3), a, b)
