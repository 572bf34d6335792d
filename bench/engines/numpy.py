"""NumPy with the derivatives written by hand, in place where that is faster: what one writes without a library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import workloads

Pair = tuple[Callable[..., float], Callable[[], list[Any]]]
SETTINGS = "derivatives by hand, in place"


def version() -> str:
    return np.__version__


def cross_entropy(z: Any, y: Any) -> tuple[float, Any]:
    """Loss, and the gradient by the logits, which take its place."""
    rows = np.arange(len(y))
    z -= z.max(axis=1, keepdims=True)
    right = z[rows, y]
    np.exp(z, out=z)
    total = z.sum(axis=1, keepdims=True)
    loss = float(np.mean(np.log(total[:, 0]) - right))
    z /= total * len(y)
    z[rows, y] -= 1 / len(y)
    return loss, z


def mean_square(z: Any, y: Any) -> tuple[float, Any]:
    z -= y
    loss = float(np.vdot(z, z)) / z.size
    z *= 2 / z.size
    return loss, z


def mlp(sizes: list[int], batch: int, activation: str, loss: str) -> Pair:
    arrays = workloads.layers(tuple(sizes))
    optimizer = workloads.Adam(arrays)
    weights, biases = arrays[0::2], arrays[1::2]
    loss_of = {"mse": mean_square, "cross_entropy": cross_entropy}[loss]
    last = len(weights) - 1

    def step(x: Any, y: Any) -> float:
        h = [x]
        for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
            z = h[-1] @ w.T
            z += b
            if k < last:
                np.tanh(z, out=z) if activation == "tanh" else np.maximum(z, 0, out=z)
            h.append(z)
        value, d = loss_of(h[-1], y)
        gradients: list[Any] = []
        for k in range(last, -1, -1):
            gradients[:0] = [d.T @ h[k], d.sum(axis=0)]
            if k:
                d = d @ weights[k]
                d *= (1 - h[k] * h[k]) if activation == "tanh" else (h[k] > 0)
        optimizer.step(gradients)
        return value

    return step, lambda: arrays


def chain(size: int, ops: int) -> Pair:
    state: list[Any] = []

    def step(x: Any, w: Any) -> float:
        values = [x]
        for _ in range(ops // 2):
            y = values[-1] * w
            values.append(np.tanh(y, out=y))
        g, dw = np.ones_like(x), np.zeros_like(w)
        for k in range(len(values) - 1, 0, -1):
            g *= 1 - values[k] * values[k]
            dw += g * values[k - 1]
            g *= w
        state[:] = [g, dw]
        return float(values[-1].sum())

    return step, lambda: state


def gelu(elements: int) -> Pair:
    state: list[Any] = []
    c, a = np.float32(0.7978845608028654), np.float32(0.044715)

    def step(x: Any) -> float:
        square = x * x
        t = square * a
        t += 1
        t *= x
        t *= c
        np.tanh(t, out=t)
        slope = square  # c·(1 + 3a·x²)
        slope *= 3 * a * c
        slope += c
        slope *= x
        slope *= 1 - t * t
        t += 1
        loss = 0.5 * float(np.vdot(x, t))
        slope += t
        slope *= np.float32(0.5)
        state[:] = [slope]
        return loss

    return step, lambda: state


def softmax_ce(rows: int, classes: int) -> Pair:
    state: list[Any] = []

    def step(x: Any, y: Any) -> float:
        loss, gradient = cross_entropy(x.copy(), y)
        state[:] = [gradient]
        return loss

    return step, lambda: state


def layer_norm(rows: int, width: int) -> Pair:
    weight, bias = workloads.start("layer_norm", {"width": width})
    state: list[Any] = []

    def step(x: Any) -> float:
        normal = x - x.mean(axis=1, keepdims=True)
        scale = 1 / np.sqrt(np.einsum("ij,ij->i", normal, normal)[:, None] / width + np.float32(1e-5))
        normal *= scale
        sums = normal.sum(axis=0)  # also the gradient by the weight, since that by y is 1
        loss = float(sums @ weight + rows * bias.sum())
        along = (normal @ weight)[:, None] / width
        dx = weight - weight.mean() - normal * along
        dx *= scale
        state[:] = [dx, sums, np.full(width, rows, np.float32)]
        return loss

    return step, lambda: state


def adam(size: int) -> Pair:
    parameters = workloads.start("adam", {"size": size})
    optimizer = workloads.Adam(parameters)

    def step(batch: Any) -> float:
        optimizer.step(batch)
        return float(parameters[0][0])

    return step, lambda: parameters
