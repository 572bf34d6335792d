"""Recurrent layers: RNN, LSTM, GRU, and their cells.

A sequence is kept as a list of its steps, which are stacked at the very end: taking steps out of one array would give each
of them a gradient as large as the array. Names and layouts of the parameters are PyTorch's: weight_ih_l0 (gates·H, in),
weight_hh_l0 (gates·H, H), bias_ih_l0, bias_hh_l0 (gates·H,); _l1 … for further layers, _reverse for the other direction.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, ShapeError, user_line
from nn import functional as F
from nn import init
from nn.functional.common import as_tensor
from nn.functional.regularization import probability
from nn.layers.common import size
from nn.module import Module, Parameter

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

Tensor = ag.Tensor
State = tuple[Tensor, ...]
"""What a cell carries on: (h,), or (h, c) of an LSTM; each (N, H)."""
Weights = tuple[Any, Any, Any, Any]
"""weight_ih, weight_hh, bias_ih, bias_hh."""


def _affine(x: Tensor, weight: Any, bias: Any) -> Tensor:
    return F.linear(x, weight, bias)


def rnn_step(x: Tensor, state: State, w: Weights, activation: Callable[[Any], Any] = ag.tanh) -> State:
    """h ← tanh(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh), or with ReLU."""
    return (activation(_affine(x, w[0], w[2]) + _affine(state[0], w[1], w[3])),)


def lstm_step(x: Tensor, state: State, w: Weights) -> State:
    """i, f, g, o from x W_ihᵀ + b_ih + h W_hhᵀ + b_hh;  c ← σ(f)·c + σ(i)·tanh(g),  h ← σ(o)·tanh(c)."""
    h, c = state
    gates = _affine(x, w[0], w[2]) + _affine(h, w[1], w[3])  # (N, 4H)
    i, f, g, o = ag.split(gates, 4, axis=1)
    c = ag.sigmoid(f) * c + ag.sigmoid(i) * ag.tanh(g)
    return ag.sigmoid(o) * ag.tanh(c), c


def gru_step(x: Tensor, state: State, w: Weights) -> State:
    """r, z = σ(x W + h W);  n = tanh(x W_n + b + r·(h W_n + b));  h ← (1 − z)·n + z·h."""
    (h,) = state
    size = h.shape[1]
    given, kept = _affine(x, w[0], w[2]), _affine(h, w[1], w[3])  # (N, 3H)
    both = ag.sigmoid(given[:, : 2 * size] + kept[:, : 2 * size])
    r, z = both[:, :size], both[:, size:]
    n = ag.tanh(given[:, 2 * size :] + r * kept[:, 2 * size :])
    return (n + z * (h - n),)


class _Recurrent(Module):
    """What the three kinds share; a subclass gives its number of gates and its step."""

    gates = 1
    states = 1

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
                 dropout: float = 0.0, bidirectional: bool = False, dtype: Any = None, generator: Any = None):  # fmt: skip
        self.input_size, self.hidden_size = size("input_size", input_size), size("hidden_size", hidden_size)
        self.num_layers = size("num_layers", num_layers)
        if not hidden_size or not num_layers:
            raise ArgumentError(f"{type(self).__name__}: hidden_size and num_layers must be at least 1. ({user_line()})")
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.dropout, self.generator = probability(type(self).__name__, dropout), generator
        dtype = ag.get_default_dtype() if dtype is None else dtype
        directions, bound = 1 + bidirectional, 1 / sqrt(hidden_size)
        for layer in range(num_layers):
            width = input_size if layer == 0 else hidden_size * directions
            for ending in self._endings(layer):
                shapes = {"weight_ih": (width,), "weight_hh": (hidden_size,), "bias_ih": (), "bias_hh": ()}
                for name, rest in shapes.items():
                    if rest or bias:
                        p = Parameter(np.zeros((self.gates * hidden_size, *rest), dtype), dtype=dtype)
                        init.uniform_(p, -bound, bound, generator)
                        setattr(self, name + ending, p)

    def _endings(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][: 1 + self.bidirectional]

    def cell(self, x: Tensor, state: State, w: Weights) -> State:
        """One step."""
        raise NotImplementedError

    def forward(self, x: Any, state: Any = None, lengths: Any = None) -> tuple[Tensor, Any]:
        """The outputs of the last layer at every step, and the last state of every layer.

        Shape: x (T, N, input_size), with batch_first (N, T, input_size), or (T, input_size) for one sequence → outputs with
        hidden_size, or twice that for both directions, in place of input_size; states (layers·directions, N, hidden_size).

        Args:
            x: the sequences.
            state: the first state, of the shape of the last; zeros if left out. An LSTM takes and gives a pair (h, c).
            lengths: of the sequences, (N,), where they are padded at their end: a state stays as it was after the last
                step, and outputs there are 0.
        """
        x = as_tensor(x)
        alone = x.ndim == 2
        x = ag.expand_dims(x, 1) if alone else ag.swapaxes(x, 0, 1) if self.batch_first and x.ndim == 3 else x
        if x.ndim != 3 or x.shape[2] != self.input_size:
            axes = "(N, T, " if self.batch_first else "(T, N, "
            raise ShapeError(
                f"{self!r} takes {axes}{self.input_size}) or (T, {self.input_size}), got {x.shape}. ({user_line()})"
            )
        steps, n = x.shape[0], x.shape[1]
        if not steps:
            raise ShapeError(f"{type(self).__name__}: the sequence has no steps, in shape {x.shape}. ({user_line()})")
        count = self.num_layers * (1 + self.bidirectional)
        first = self._first(state, count, n, x.dtype, alone)
        here = None if lengths is None else self._present(lengths, steps, n)
        sequence = [x[t] for t in range(steps)]
        last: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                sequence = [F.dropout(s, self.dropout, self.training, self.generator) for s in sequence]
            results = []
            for k, ending in enumerate(self._endings(layer)):
                outputs, end = self._run(sequence, first[len(last)], ending, here, reverse=k == 1)
                results.append(outputs)
                last.append(end)
            sequence = (
                results[0] if len(results) == 1 else [ag.concatenate(pair, axis=1) for pair in zip(*results, strict=True)]
            )
        output = ag.stack(sequence, axis=1 if self.batch_first and not alone else 0)
        states = tuple(ag.stack([s[k] for s in last]) for k in range(self.states))
        if alone:
            output, states = ag.squeeze(output, axis=1), tuple(ag.squeeze(s, axis=1) for s in states)
        return output, states[0] if self.states == 1 else states

    def _run(self, sequence: list[Tensor], state: State, ending: str, here: Any, reverse: bool) -> tuple[list[Tensor], State]:
        """One layer in one direction."""
        w = tuple(getattr(self, name + ending, None) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        outputs: list[Any] = [None] * len(sequence)
        for t in reversed(range(len(sequence))) if reverse else range(len(sequence)):
            new = self.cell(sequence[t], state, w)  # type: ignore[arg-type]
            if here is not None:
                new = tuple(ag.where(here[t], a, b) for a, b in zip(new, state, strict=True))
            state, outputs[t] = new, new[0] if here is None else ag.where(here[t], new[0], 0)
        return outputs, state

    def _first(self, state: Any, count: int, n: int, dtype: Any, alone: bool) -> list[State]:
        """The first states, one for each layer and direction."""
        shape = (count, n, self.hidden_size)
        if state is None:
            zero = ag.from_numpy(np.zeros(shape[1:], dtype))
            return [(zero,) * self.states] * count
        given = [as_tensor(s) for s in (state if isinstance(state, tuple | list) and self.states > 1 else (state,))]
        given = [ag.expand_dims(s, 1) for s in given] if alone else given
        if len(given) != self.states or any(s.shape != shape for s in given):
            shapes = ", ".join(str(s.shape) for s in given)
            raise ShapeError(
                f"{type(self).__name__}: the first state is {'a pair' if self.states > 1 else 'one array'} of shape {shape}, "
                f"got "
                f"{shapes}. ({user_line()})"
            )
        return [tuple(s[k] for s in given) for k in range(count)]

    def _present(self, lengths: Any, steps: int, n: int) -> list[Any]:
        """For each step, which sequences are not over yet, (N, 1)."""
        values = lengths.data if isinstance(lengths, Tensor) else np.asarray(lengths)
        if values.shape != (n,) or values.dtype.kind not in "iu" or (n and not (1 <= values.min() <= values.max() <= steps)):
            raise ArgumentError(
                f"{type(self).__name__}: lengths are {n} whole numbers from 1 to {steps}, got {values!r:.80}. ({user_line()})"
            )
        return [(values > t)[:, None] for t in range(steps)]

    def extra_repr(self) -> str:
        usual = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        more = [f"{name}={getattr(self, name)}" for name, value in usual.items() if getattr(self, name) != value]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *more])


class RNN(_Recurrent):
    """Recurrent network, h ← tanh(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh), over all steps of a sequence; or with ReLU.

    When to use: short sequences; limit: over many steps gradients vanish or explode (`LSTM`, `GRU`; `optim.clip_grad_norm_`).

    Args:
        input_size, hidden_size: numbers in a step, and in the state.
        num_layers: each on top of the one before.
        nonlinearity: "tanh" or "relu".
        bias: whether there are biases.
        batch_first: whether the batch is the first axis, and not the steps.
        dropout: between layers, in training.
        bidirectional: whether another network goes from the end to the start, and outputs are put together.

    Source: Elman 1990, "Finding structure in time".

    >>> output, h = RNN(3, 5)(np.zeros((7, 2, 3), np.float32))
    >>> output.shape, h.shape
    ((7, 2, 5), (1, 2, 5))
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", bias: bool = True,
                 batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, dtype: Any = None,
                 generator: Any = None):  # fmt: skip
        self.nonlinearity = _nonlinearity("RNN", nonlinearity)
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype, generator)

    def cell(self, x: Tensor, state: State, w: Weights) -> State:
        return rnn_step(x, state, w, ag.tanh if self.nonlinearity == "tanh" else ag.relu)


class LSTM(_Recurrent):
    """Long short-term memory: a state c that is added to, and gates that say what comes in, stays and goes out.

    i, f, o = σ(…), g = tanh(…) of x W_ihᵀ + b_ih + h W_hhᵀ + b_hh;  c ← f·c + i·g,  h ← o·tanh(c)

    When to use: long sequences, against vanishing gradients. Arguments as for `RNN`, without nonlinearity; the state is a pair
    (h, c). Source: Hochreiter, Schmidhuber 1997, "Long short-term memory".

    >>> output, (h, c) = LSTM(3, 5, bidirectional=True)(np.zeros((7, 2, 3), np.float32))
    >>> output.shape, h.shape
    ((7, 2, 10), (2, 2, 5))
    """

    gates, states = 4, 2

    def cell(self, x: Tensor, state: State, w: Weights) -> State:
        return lstm_step(x, state, w)


class GRU(_Recurrent):
    """Gated recurrent unit: an LSTM with two gates and without the second state.

    r, z = σ(…);  n = tanh(x W_n + b_n + r·(h W_hn + b_hn));  h ← (1 − z)·n + z·h

    Arguments as for `LSTM`. Source: Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder".

    >>> output, h = GRU(3, 5, num_layers=2)(np.zeros((7, 2, 3), np.float32))
    >>> output.shape, h.shape
    ((7, 2, 5), (2, 2, 5))
    """

    gates = 3

    def cell(self, x: Tensor, state: State, w: Weights) -> State:
        return gru_step(x, state, w)


# ---- cells -----------------------------------------------------------------------------------------------------------


class _Cell(Module):
    gates = 1
    states = 1
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = None, generator: Any = None):
        self.input_size, self.hidden_size = size("input_size", input_size), size("hidden_size", hidden_size)
        dtype, rows = ag.get_default_dtype() if dtype is None else dtype, self.gates * hidden_size
        self.weight_ih = Parameter(np.zeros((rows, input_size), dtype), dtype=dtype)
        self.weight_hh = Parameter(np.zeros((rows, hidden_size), dtype), dtype=dtype)
        self.bias_ih = Parameter(np.zeros(rows, dtype), dtype=dtype) if bias else None
        self.bias_hh = Parameter(np.zeros(rows, dtype), dtype=dtype) if bias else None
        bound = 1 / sqrt(max(hidden_size, 1))
        for p in self.parameters():
            init.uniform_(p, -bound, bound, generator)

    def step(self, x: Tensor, state: State, w: Weights) -> State:
        """One step."""
        raise NotImplementedError

    def forward(self, x: Any, state: Any = None) -> Any:
        x = as_tensor(x)
        alone = x.ndim == 1
        x = ag.expand_dims(x, 0) if alone else x
        if x.ndim != 2 or x.shape[1] != self.input_size:
            raise ShapeError(f"{self!r} takes (N, {self.input_size}) or ({self.input_size},), got {x.shape}. ({user_line()})")
        if state is None:
            given: State = (ag.from_numpy(np.zeros((x.shape[0], self.hidden_size), x.dtype)),) * self.states
        else:
            parts = state if isinstance(state, tuple | list) and self.states > 1 else (state,)
            given = tuple(ag.expand_dims(as_tensor(s), 0) if alone else as_tensor(s) for s in parts)
        shape = (x.shape[0], self.hidden_size)
        if len(given) != self.states or any(s.shape != shape for s in given):
            raise ShapeError(
                f"{self!r}: the state has shape {shape}, got {', '.join(str(s.shape) for s in given)}. ({user_line()})"
            )
        new = self.step(x, given, (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh))
        new = tuple(ag.squeeze(s, axis=0) for s in new) if alone else new
        return new[0] if self.states == 1 else new

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, bias={self.bias_ih is not None}"


class RNNCell(_Cell):
    """One step of an `RNN`: x (N, input_size), h (N, hidden_size) → h.

    >>> RNNCell(3, 5)(np.zeros((2, 3), np.float32)).shape
    (2, 5)
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", dtype: Any = None,
                 generator: Any = None):  # fmt: skip
        self.nonlinearity = _nonlinearity("RNNCell", nonlinearity)
        super().__init__(input_size, hidden_size, bias, dtype, generator)

    def step(self, x: Tensor, state: State, w: Weights) -> State:
        return rnn_step(x, state, w, ag.tanh if self.nonlinearity == "tanh" else ag.relu)


class LSTMCell(_Cell):
    """One step of an `LSTM`: x (N, input_size), (h, c) each (N, hidden_size) → (h, c).

    >>> h, c = LSTMCell(3, 5)(np.zeros((2, 3), np.float32))
    >>> h.shape
    (2, 5)
    """

    gates, states = 4, 2

    def step(self, x: Tensor, state: State, w: Weights) -> State:
        return lstm_step(x, state, w)


class GRUCell(_Cell):
    """One step of a `GRU`: x (N, input_size), h (N, hidden_size) → h.

    >>> GRUCell(3, 5)(np.zeros((2, 3), np.float32)).shape
    (2, 5)
    """

    gates = 3

    def step(self, x: Tensor, state: State, w: Weights) -> State:
        return gru_step(x, state, w)


def _nonlinearity(name: str, value: str) -> str:
    if value not in ("tanh", "relu"):
        raise ArgumentError(f'{name}: nonlinearity must be "tanh" or "relu", got {value!r}. ({user_line()})')
    return value
