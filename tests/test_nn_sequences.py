"""Embedding, recurrent layers, attention: derivatives, both modes, formulas, lengths and masks, bad arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import parity
import pytest

import autograd as ag
import nn
import nn.functional as F
import optim
from autograd.errors import AutogradError
from nn.functional import attention
from nn.layers import recurrent

RANDOM = np.random.default_rng(5)
T, N, I, H = 4, 3, 2, 5
X = RANDOM.normal(size=(T, N, I))
A = RANDOM.normal(size=(2, 5, 6))  # (N, L, E)
F64 = {"dtype": np.float64}
ROWS: dict[str, tuple[Callable[[], Any], tuple[Any, ...]]] = {
    "RNN": (lambda: nn.RNN(I, H, **F64), (X,)),
    "RNN relu": (lambda: nn.RNN(I, H, nonlinearity="relu", bias=False, **F64), (X,)),
    "LSTM": (lambda: nn.LSTM(I, H, **F64), (X,)),
    "LSTM deep": (lambda: nn.LSTM(I, H, 2, bidirectional=True, dropout=0.3, batch_first=True, **F64), (X,)),
    "GRU": (lambda: nn.GRU(I, H, **F64), (X,)), "GRU both": (lambda: nn.GRU(I, H, 2, bidirectional=True, **F64), (X[:, 0],)),
    "RNNCell": (lambda: nn.RNNCell(I, H, **F64), (X[0],)), "LSTMCell": (lambda: nn.LSTMCell(I, H, **F64), (X[0],)),
    "GRUCell": (lambda: nn.GRUCell(I, H, **F64), (X[0, 0],)),
    "MultiheadAttention": (lambda: _Itself(nn.MultiheadAttention(6, 2, batch_first=True, **F64)), (A,)),
    "MultiheadAttention of others": (
        lambda: nn.MultiheadAttention(6, 3, dropout=0.2, kdim=2, vdim=3, **F64), (A, A[..., :2], A[..., :3])),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(6, 2, 8, dropout=0.1, **F64), (A,)),
    "TransformerEncoderLayer norm first": (
        lambda: nn.TransformerEncoderLayer(6, 2, 8, activation="gelu", norm_first=True, batch_first=True, **F64), (A,)),
    "TransformerEncoder": (
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 8, 0.0, **F64), 2, nn.LayerNorm(6, **F64)), (A,)),
    "PositionalEncoding": (lambda: nn.PositionalEncoding(6, 9, 0.0, **F64), (A,)),
    "Bilinear": (lambda: nn.Bilinear(6, 2, 3, **F64), (A, A[..., :2])),
}  # fmt: skip


class _Itself(nn.Module):
    def __init__(self, attention: Any):
        self.attention = attention

    def forward(self, x: Any) -> Any:
        return self.attention(x, x, x)


def seeded(make: Callable[[], Any]) -> Callable[[], Any]:
    def build() -> Any:
        ag.manual_seed(1)
        return make()

    return build


def test_everything_has_a_row() -> None:
    names = {name.split()[0] for name in ROWS} | {"Embedding", "Linear"}
    kinds = [nn.layers.recurrent, nn.layers.attention, nn.layers.embedding, nn.layers.linear]
    assert names == {name for kind in kinds for name in kind.__all__}


@pytest.mark.parametrize("name", ROWS)
def test_module(name: str) -> None:
    make, arrays = ROWS[name]
    parity.under_jit(seeded(make), *arrays)
    parity.any_layout(seeded(make), *arrays)
    parity.keeps_float32(seeded(lambda: make().float()), *arrays)
    module = seeded(make)().eval()

    def first(*inputs: Any) -> Any:
        answer = module(*inputs)
        return answer[0] if isinstance(answer, tuple) else answer

    parity.right_derivatives(first, *arrays)


def test_compiled_without_a_call_back() -> None:
    model = nn.LSTM(I, H)
    step = ag.jit(lambda x: model(x)[0])
    step(X.astype(np.float32))
    assert step.explain().segments == 0


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def test_formulas() -> None:
    """The cells, written out."""
    x, h, c = X[0], RANDOM.normal(size=(N, H)), RANDOM.normal(size=(N, H))
    for kind in ("RNN", "LSTM", "GRU"):
        cell = getattr(nn, kind + "Cell")(I, H, **F64)
        wi, wh, bi, bh = (getattr(cell, n).data for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        a, b = x @ wi.T + bi, h @ wh.T + bh
        if kind == "RNN":
            np.testing.assert_allclose(cell(x, h).data, np.tanh(a + b), 1e-12)
        elif kind == "LSTM":
            i, f, g, o = np.split(a + b, 4, axis=1)
            c2 = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            ours = cell(x, (h, c))
            np.testing.assert_allclose(ours[1].data, c2, 1e-12)
            np.testing.assert_allclose(ours[0].data, sigmoid(o) * np.tanh(c2), 1e-12)
        else:
            (ar, az, an), (br, bz, bn) = np.split(a, 3, axis=1), np.split(b, 3, axis=1)
            r, z = sigmoid(ar + br), sigmoid(az + bz)
            np.testing.assert_allclose(cell(x, h).data, (1 - z) * np.tanh(an + r * bn) + z * h, 1e-12)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_layer_is_its_cell_step_by_step(kind: str) -> None:
    layer, cell = getattr(nn, kind)(I, H, **F64), getattr(nn, kind + "Cell")(I, H, **F64)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    state: Any = None
    for t, output in enumerate(layer(X)[0].data):
        state = cell(X[t], state)
        np.testing.assert_allclose(output, (state[0] if kind == "LSTM" else state).data, 1e-12)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_lengths_are_as_if_each_sequence_were_alone(kind: str) -> None:
    layer = getattr(nn, kind)(I, H, 2, bidirectional=True, **F64)
    lengths = np.array([4, 1, 3])
    output, state = layer(X, lengths=lengths)
    for n, length in enumerate(lengths):
        alone, last = layer(X[:length, n])
        np.testing.assert_allclose(output.data[:length, n], alone.data, 1e-12)
        assert (output.data[length:, n] == 0).all()
        for ours, theirs in zip(*((s,) if kind != "LSTM" else s for s in (state, last)), strict=True):
            np.testing.assert_allclose(ours.data[:, n], theirs.data, 1e-12)
    parity.under_jit(lambda: lambda x: layer(x, lengths=lengths)[0], X)


def test_state_is_carried_on() -> None:
    layer = nn.GRU(I, H, **F64)
    whole, last = layer(X)
    first, state = layer(X[:2])
    second, end = layer(X[2:], state)
    np.testing.assert_allclose(np.concatenate([first.data, second.data]), whole.data, 1e-12)
    np.testing.assert_allclose(end.data, last.data, 1e-12)


# ---- embedding -------------------------------------------------------------------------------------------------------


def test_embedding() -> None:
    index = np.array([[1, 3], [1, 0]])
    parity.right_derivatives(lambda w: F.embedding(index, w), RANDOM.normal(size=(4, 3)), order=2)
    parity.under_jit(lambda: lambda w: F.embedding(index, w, padding_idx=1), RANDOM.normal(size=(4, 3)))
    layer = nn.Embedding(4, 3, padding_idx=-1)
    assert (layer.weight.data[3] == 0).all()
    layer(index).sum().backward()
    assert layer.weight.grad.data[:, 0].tolist() == [1.0, 2.0, 0.0, 0.0]
    table = np.arange(6.0).reshape(3, 2)
    frozen = nn.Embedding.from_pretrained(table)
    assert not frozen.weight.requires_grad
    np.testing.assert_array_equal(frozen([2, 0]).data, table[[2, 0]])
    np.testing.assert_array_equal(F.one_hot(index, 4).data, np.eye(4, dtype=int)[index])


def test_an_index_out_of_range_in_a_compiled_step_changes_nothing() -> None:
    layer = nn.Embedding(4, 3)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)

    @ag.jit
    def step(index: Any) -> Any:
        loss = layer(index).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step(np.array([0, 3]))
    before = layer.weight.data.copy()
    with pytest.raises(IndexError):
        step(np.array([0, 4]))
    np.testing.assert_array_equal(layer.weight.data, before)


# ---- attention -------------------------------------------------------------------------------------------------------


def test_formula_of_attention() -> None:
    q, k, v = (RANDOM.normal(size=s) for s in [(2, 3, 4), (2, 5, 4), (2, 5, 6)])
    scores = q @ k.swapaxes(1, 2) / 2
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    np.testing.assert_allclose(F.scaled_dot_product_attention(q, k, v).data, weights @ v, 1e-12)
    parity.right_derivatives(F.scaled_dot_product_attention, q, k, v, order=2)
    parity.under_jit(lambda: lambda *a: F.scaled_dot_product_attention(*a, is_causal=True), q, k[:, :3], v[:, :3])


@pytest.mark.parametrize("mask", [
    np.array([[True, False, True], [False, False, False], [True, True, True]]),
    np.array([[0.0, -np.inf, 1.0], [-np.inf] * 3, [0.5, 0.0, 0.0]]),
])  # fmt: skip
def test_a_query_that_may_see_nothing_gets_nothing(mask: Any) -> None:
    q = RANDOM.normal(size=(2, 3, 4))
    x = ag.Tensor(q, requires_grad=True)
    y = F.scaled_dot_product_attention(x, x, x, attn_mask=mask)
    y.sum().backward()
    assert (y.data[:, 1] == 0).all()
    assert np.isfinite(x.grad.data).all()
    assert (y.data[:, 0] != 0).all()


def test_causal_attention_does_not_look_ahead() -> None:
    layer = nn.TransformerEncoderLayer(6, 2, 8, 0.0, batch_first=True, **F64)
    changed = A.copy()
    changed[:, 3:] += 1
    before, after = layer(A, is_causal=True).data, layer(changed, is_causal=True).data
    np.testing.assert_allclose(before[:, :3], after[:, :3], 1e-12)
    assert np.abs(before[:, 3:] - after[:, 3:]).max() > 0.1


def test_padding_is_not_seen() -> None:
    layer = nn.MultiheadAttention(6, 2, batch_first=True, **F64)
    padding = np.zeros((2, 5), bool)
    padding[:, 3:] = True
    y, weights = layer(A, A, A, key_padding_mask=padding)
    short, _ = layer(A, A[:, :3], A[:, :3])
    np.testing.assert_allclose(y.data, short.data, 1e-12)
    assert (weights.data[:, :, 3:] == 0).all()


def test_positions() -> None:
    table = nn.PositionalEncoding(7, 20, 0.0)(np.zeros((20, 1, 7), np.float32)).data[:, 0]
    t = np.arange(20)
    np.testing.assert_allclose(table[:, 2], np.sin(t / 10000 ** (2 / 7)), atol=1e-6)
    np.testing.assert_allclose(table[:, 5], np.cos(t / 10000 ** (4 / 7)), atol=1e-6)


def test_copies_of_a_layer_learn_apart() -> None:
    layer = nn.TransformerEncoderLayer(6, 2, 8)
    encoder = nn.TransformerEncoder(layer, 2)
    first, second = (list(m.parameters()) for m in encoder.layers)
    assert not {id(p) for p in first} & {id(p) for p in (*second, *layer.parameters())}


@pytest.mark.parametrize("make", [lambda: nn.LSTM(I, H), lambda: nn.GRU(I, H), lambda: nn.RNN(I, H)])
def test_empty_batch_and_one_step(make: Callable[[], Any]) -> None:
    layer = make()
    assert layer(np.zeros((3, 0, I), np.float32))[0].shape == (3, 0, H)
    assert layer(np.zeros((1, 2, I), np.float32))[0].shape == (1, 2, H)


BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: nn.RNN(I, H)(X[..., :1]), "(4, 3, 1)"), (lambda: nn.RNN(I, 0), "at least 1"),
    (lambda: nn.RNN(I, H, nonlinearity="sin"), "'sin'"), (lambda: nn.LSTM(I, H, dropout=1.5), "1.5"),
    (lambda: nn.LSTM(I, H)(np.zeros((0, 3, I), np.float32)), "no steps"),
    (lambda: nn.LSTM(I, H)(X, np.zeros((1, N, H))), "a pair"), (lambda: nn.GRU(I, H)(X, np.zeros((1, N, 4))), "(1, 3, 4)"),
    (lambda: nn.GRU(I, H)(X, lengths=[5, 1, 1]), "from 1 to 4"), (lambda: nn.GRU(I, H)(X, lengths=[1, 1]), "3 whole numbers"),
    (lambda: nn.GRUCell(I, H)(X), "(4, 3, 2)"), (lambda: nn.LSTMCell(I, H)(X[0], np.zeros((N, H))), "(3, 5)"),
    (lambda: F.embedding([4], np.ones((4, 2))), "4"), (lambda: F.embedding([[0, -1]], np.ones((4, 2))), "(0, 1)"),
    (lambda: F.embedding([0.5], np.ones((4, 2))), "float"), (lambda: nn.Embedding(4, 2, padding_idx=4), "4"),
    (lambda: F.one_hot([3], 3), "3"), (lambda: F.one_hot([3], 0), "0"), (lambda: nn.MultiheadAttention(6, 4), "num_heads=4"),
    (lambda: nn.MultiheadAttention(6, 2)(A[..., :5], A, A), "(2, 5, 5)"),
    (lambda: nn.MultiheadAttention(6, 2, batch_first=True)(A, A, A, attn_mask=np.zeros((5, 4))), "(5, 4)"),
    (lambda: nn.MultiheadAttention(6, 2, batch_first=True)(A, A, A, key_padding_mask=np.zeros((5, 2))), "(5, 2)"),
    (lambda: F.scaled_dot_product_attention(A, A[..., :5], A), "(2, 5, 5)"),
    (lambda: F.scaled_dot_product_attention(A, A, A, attn_mask=np.ones((5, 5), int)), "int64"),
    (lambda: F.scaled_dot_product_attention(A, A, A, attn_mask=np.ones((4, 5), bool)), "(4, 5)"),
    (lambda: F.scaled_dot_product_attention(A, A, A, attn_mask=np.ones((5, 5), bool), is_causal=True), "not both"),
    (lambda: nn.TransformerEncoderLayer(6, 2, activation="silu"), "'silu'"),
    (lambda: nn.PositionalEncoding(6, 3)(A.swapaxes(0, 1)), "(5, 2, 6)"), (lambda: nn.Bilinear(2, 3, 1)(A, A), "(2, 5, 6)"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "shown"), BAD, ids=range(len(BAD)))
def test_bad_arguments(call: Callable[[], Any], shown: str) -> None:
    with pytest.raises(AutogradError) as caught:
        call()
    assert shown in str(caught.value)
    assert "test_nn_sequences.py" in str(caught.value)


LONG = {n: RANDOM.normal(size=(2, 4, n, 24)) for n in (48, 40)}
GATES, STATE = RANDOM.normal(size=(40, 120)), RANDOM.normal(size=(40, 30))
SEEN = np.arange(48)[:, None] % 5 > np.zeros(40)  # every fifth query sees no key
COMPILED: dict[str, tuple[Callable[..., Any], tuple[Any, ...], tuple[Any, ...]]] = {
    **{f"attention {name}": (attention.attention, (LONG[48], LONG[40], LONG[40] * 2), (mask, causal, None))
       for name, mask, causal in (("plain", None, False), ("causal", None, True), ("seen", SEEN, False),
                                  ("added", RANDOM.normal(size=(4, 1, 40)), False))},
    "lstm_memory": (recurrent.lstm_memory, (GATES, STATE), ()), "lstm_output": (recurrent.lstm_output, (GATES, STATE), ()),
    "gru_state": (recurrent.gru_state, tuple(np.tile(a, (2, 1)) for a in (GATES[:, :90], GATES[:, 30:], STATE)), ()),
}  # fmt: skip


@pytest.mark.skipif(not ag.can_compile(), reason="nothing can be compiled here")
@pytest.mark.parametrize("name", COMPILED)
def test_what_runs_compiled_is_its_definition(name: str) -> None:
    function, arrays, rest = COMPILED[name]
    rows = []
    for call in (function, function.__wrapped__):  # type: ignore[attr-defined]
        leaves = [ag.Tensor(a, requires_grad=True) for a in arrays]
        y = call(*leaves, *rest)
        assert (y.node.op.name == function.__name__) == (call is function)
        y.backward(np.cos(y.data), retain_graph=True)
        first = ag.tape.gradients([y], leaves, [ag.Tensor(np.sin(y.data))], create_graph=True)
        second = ag.tape.gradients([sum((g * g).sum() for g in first)], leaves)
        rows.append([y.data, *(t.grad.data for t in leaves), *(g.data for g in first), *second])
    for got, want in zip(*rows, strict=True):
        np.testing.assert_allclose(got, want, 1e-9, 1e-9)
