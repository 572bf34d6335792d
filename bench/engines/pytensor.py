"""PyTensor in its Numba mode: the whole step as one function that updates shared variables in place."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import workloads

Pair = tuple[Callable[..., float], Callable[[], list[Any]]]
SETTINGS = 'mode "NUMBA", shared variables, borrowed inputs and outputs, trust_input'
sys.setrecursionlimit(100_000)  # its passes recurse over long graphs


def version() -> str:
    return str(pytensor.__version__)


def function(inputs: list[Any], outputs: list[Any], updates: Any = None) -> Any:
    made = pytensor.function(
        [pytensor.In(x, borrow=True) for x in inputs],
        [pytensor.Out(y, borrow=True) for y in outputs],
        updates=updates,
        mode="NUMBA",
        on_unused_input="ignore",
    )
    made.trust_input = True
    return made


def shared(array: Any) -> Any:
    return pytensor.shared(array, borrow=True)


def adam_updates(parameters: list[Any], gradients: list[Any]) -> list[tuple[Any, Any]]:
    count = shared(np.float32(0))
    t = count + np.float32(1)
    pairs = [(count, t)]
    root = pt.sqrt(1 - np.float32(0.999) ** t)
    rate = np.float32(workloads.RATE) / (1 - np.float32(0.9) ** t)
    for p, g in zip(parameters, gradients, strict=True):
        m, v = (shared(np.zeros_like(p.get_value(borrow=True))) for _ in range(2))
        new_m = np.float32(0.9) * m + np.float32(0.1) * g
        new_v = np.float32(0.999) * v + np.float32(0.001) * g * g
        pairs += [(m, new_m), (v, new_v), (p, p - rate * new_m / (pt.sqrt(new_v) / root + np.float32(1e-8)))]
    return pairs


def cross_entropy(x: Any, y: Any) -> Any:
    return pt.mean(pt.logsumexp(x, axis=1) - x[pt.arange(x.shape[0]), y])


def mlp(sizes: list[int], batch: int, activation: str, loss: str) -> Pair:
    parameters = [shared(a) for a in workloads.layers(tuple(sizes))]
    x = h = pt.matrix("x", dtype="float32", shape=(batch, sizes[0]))
    for k in range(0, len(parameters), 2):
        h = h @ parameters[k].T + parameters[k + 1]
        if k + 2 < len(parameters):
            h = pt.tanh(h) if activation == "tanh" else pt.maximum(h, np.float32(0))
    if loss == "mse":
        y = pt.matrix("y", dtype="float32", shape=(batch, sizes[-1]))
        value = pt.mean(pt.sqr(h - y))
    else:
        y = pt.vector("y", dtype="int64", shape=(batch,))
        value = cross_entropy(h, y)
    run = function([x, y], [value], adam_updates(parameters, pytensor.grad(value, parameters)))
    return lambda a, b: float(run(a, b)[0]), lambda: [p.get_value() for p in parameters]


def gradients(inputs: list[Any], value: Any, leaves: list[Any]) -> Pair:
    run = function(inputs, [value, *pytensor.grad(value, leaves)])
    state: list[Any] = []

    def step(*batch: Any) -> float:
        loss, *state[:] = run(*batch)
        return float(loss)

    return step, lambda: state


def chain(size: int, ops: int) -> Pair:
    x, w = (pt.vector(dtype="float32", shape=(size,)) for _ in range(2))
    y = x
    for _ in range(ops // 2):
        y = pt.tanh(y * w)
    return gradients([x, w], y.sum(), [x, w])


def gelu(elements: int) -> Pair:
    x = pt.vector(dtype="float32", shape=(elements,))
    c, a, half = np.float32(0.7978845608028654), np.float32(0.044715), np.float32(0.5)
    return gradients([x], (half * x * (1 + pt.tanh(c * (x + a * x**3)))).sum(), [x])


def softmax_ce(rows: int, classes: int) -> Pair:
    x, y = pt.matrix(dtype="float32", shape=(rows, classes)), pt.vector(dtype="int64", shape=(rows,))
    return gradients([x, y], cross_entropy(x, y), [x])


def layer_norm(rows: int, width: int) -> Pair:
    weight, bias = (shared(a) for a in workloads.start("layer_norm", {"width": width}))
    x = pt.matrix(dtype="float32", shape=(rows, width))
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = pt.sqr(centred).mean(axis=-1, keepdims=True)
    value = (centred / pt.sqrt(variance + np.float32(1e-5)) * weight + bias).sum()
    return gradients([x], value, [x, weight, bias])


def scalar(ops: int) -> Pair:
    values = [pt.scalar(dtype="float64") for _ in range(5)]
    return gradients(values, workloads.recurrence(values, pt.tanh, ops), values)


def adam(size: int) -> Pair:
    parameters = [shared(a) for a in workloads.start("adam", {"size": size})]
    batch = pt.matrix(dtype="float32", shape=(len(parameters), size // len(parameters)))
    updates = adam_updates(parameters, [batch[k] for k in range(len(parameters))])
    run = function([batch], [dict(updates)[parameters[0]][0]], updates)
    return lambda a: float(run(a)[0]), lambda: [p.get_value() for p in parameters]
