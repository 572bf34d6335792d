"""Recurrent layers: RNN, LSTM, GRU, and their cells.

What the input gives to the gates is one product for all steps of a sequence; the rest is a loop over steps. Names and
layouts of the parameters are PyTorch's: weight_ih_l0 (gates·H, in), weight_hh_l0 (gates·H, H), bias_ih_l0, bias_hh_l0
(gates·H,); _l1 … for further layers, _reverse for the other direction.
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
Weights = tuple[Any, ...]
"""weight_ih, weight_hh, and bias_ih, bias_hh or None."""


def rnn_step(given: Tensor, kept: Tensor, state: State, activation: Callable[[Any], Any] = ag.tanh) -> State:
    """h ← tanh(given + kept), or with ReLU; given = x W_ihᵀ + b_ih, kept = h W_hhᵀ + b_hh."""
    return (activation(given + kept),)


def lstm_step(given: Tensor, kept: Tensor, state: State) -> State:
    """i, f, g, o from given + kept, each (N, 4H);  c ← σ(f)·c + σ(i)·tanh(g),  h ← σ(o)·tanh(c)."""
    gates = given + kept
    c = lstm_memory(gates, state[1])
    return lstm_output(gates, c), c


@ag.accelerated("gates", "c", long=1 << 12)
def lstm_memory(gates: Any, c: Any) -> Any:
    """The memory of an LSTM, c ← σ(f)·c + σ(i)·tanh(g)."""
    i, f, g, _ = ag.split(gates, 4, axis=1)
    return ag.sigmoid(f) * c + ag.sigmoid(i) * ag.tanh(g)


@ag.accelerated("gates", "c", long=1 << 12)
def lstm_output(gates: Any, c: Any) -> Any:
    """What an LSTM shows of its memory, h ← σ(o)·tanh(c)."""
    return ag.sigmoid(gates[:, 3 * c.shape[1] :]) * ag.tanh(c)


@ag.accelerated("given", "kept", "h", long=1 << 12)
def gru_state(given: Any, kept: Any, h: Any) -> Any:
    """r, z = σ(given + kept);  n = tanh(given + r·kept);  h ← (1 − z)·n + z·h; given and kept are (N, 3H)."""
    size = h.shape[1]
    both = ag.sigmoid(given[:, : 2 * size] + kept[:, : 2 * size])
    r, z = both[:, :size], both[:, size:]
    n = ag.tanh(given[:, 2 * size :] + r * kept[:, 2 * size :])
    return n + z * (h - n)


class _Recurrent(Module):
    """What the three kinds share; a subclass gives its number of gates and its step."""

    gates = 1
    states = 1
    one_bias = True
    """Whether only the sum of both biases matters."""

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

    def step(self, given: Tensor, kept: Tensor, state: State) -> State:
        """The next state, from x W_ihᵀ + b_ih and h W_hhᵀ + b_hh; one of them may hold both biases."""
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
        sequence = x
        last: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                sequence = F.dropout(sequence, self.dropout, self.training, self.generator)
            results = []
            for k, ending in enumerate(self._endings(layer)):
                outputs, end = self._run(sequence, first[len(last)], ending, here, reverse=k == 1)
                results.append(ag.stack(outputs))
                last.append(end)
            sequence = results[0] if len(results) == 1 else ag.concatenate(results, axis=2)
        output = ag.swapaxes(sequence, 0, 1) if self.batch_first and not alone else sequence
        states = tuple(ag.stack([s[k] for s in last]) for k in range(self.states))
        if alone:
            output, states = ag.squeeze(output, axis=1), tuple(ag.squeeze(s, axis=1) for s in states)
        return output, states[0] if self.states == 1 else states

    def _run(self, sequence: Tensor, state: State, ending: str, here: Any, reverse: bool) -> tuple[list[Tensor], State]:
        """One layer in one direction, over (T, N, in)."""
        w: Weights = tuple(getattr(self, name + ending, None) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        w_ih, w_hh, b_ih, b_hh = w
        joined = self.one_bias and b_hh is not None
        given = F.linear(sequence, w_ih, b_ih + b_hh if joined else b_ih)  # (T, N, gates·H)
        turned = w_hh.T
        outputs: list[Any] = [None] * len(sequence)
        for t in reversed(range(len(sequence))) if reverse else range(len(sequence)):
            kept = state[0] @ turned if joined or b_hh is None else F.linear(state[0], w_hh, b_hh)
            new = self.step(given[t], kept, state)
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

    def step(self, given: Tensor, kept: Tensor, state: State) -> State:
        return rnn_step(given, kept, state, ag.tanh if self.nonlinearity == "tanh" else ag.relu)


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

    def step(self, given: Tensor, kept: Tensor, state: State) -> State:
        return lstm_step(given, kept, state)


class GRU(_Recurrent):
    """Gated recurrent unit: an LSTM with two gates and without the second state.

    r, z = σ(…);  n = tanh(x W_n + b_n + r·(h W_hn + b_hn));  h ← (1 − z)·n + z·h

    Arguments as for `LSTM`. Source: Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder".

    >>> output, h = GRU(3, 5, num_layers=2)(np.zeros((7, 2, 3), np.float32))
    >>> output.shape, h.shape
    ((7, 2, 5), (2, 2, 5))
    """

    gates = 3
    one_bias = False

    def step(self, given: Tensor, kept: Tensor, state: State) -> State:
        return (gru_state(given, kept, state[0]),)


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

    def step(self, given: Tensor, kept: Tensor, state: State) -> State:
        """The next state, from x W_ihᵀ + b_ih and h W_hhᵀ + b_hh."""
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
        gates, kept = F.linear(x, self.weight_ih, self.bias_ih), F.linear(given[0], self.weight_hh, self.bias_hh)
        new = self.step(gates, kept, given)
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

    def step(self, given: Tensor, kept: Tensor, state: State) -> State:
        return rnn_step(given, kept, state, ag.tanh if self.nonlinearity == "tanh" else ag.relu)


class LSTMCell(_Cell):
    """One step of an `LSTM`: x (N, input_size), (h, c) each (N, hidden_size) → (h, c).

    >>> h, c = LSTMCell(3, 5)(np.zeros((2, 3), np.float32))
    >>> h.shape
    (2, 5)
    """

    gates, states = 4, 2

    def step(self, given: Tensor, kept: Tensor, state: State) -> State:
        return lstm_step(given, kept, state)


class GRUCell(_Cell):
    """One step of a `GRU`: x (N, input_size), h (N, hidden_size) → h.

    >>> GRUCell(3, 5)(np.zeros((2, 3), np.float32)).shape
    (2, 5)
    """

    gates = 3

    def step(self, given: Tensor, kept: Tensor, state: State) -> State:
        return (gru_state(given, kept, state[0]),)


def _nonlinearity(name: str, value: str) -> str:
    if value not in ("tanh", "relu"):
        raise ArgumentError(f'{name}: nonlinearity must be "tanh" or "relu", got {value!r}. ({user_line()})')
    return value
