"""JAX: the whole step in one `jit`, Adam by hand, the old parameters and moments donated to the new ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import workloads

Pair = tuple[Callable[..., float], Callable[[], list[Any]]]
jax.devices()  # starts the back end, as importing the others does
SETTINGS = "one jit for the whole step, state donated"


def version() -> str:
    return str(jax.__version__)


def update(arrays: Any, gradients: Any, m: Any, v: Any, count: Any) -> Any:
    """One step of Adam."""
    count = count + 1
    m = [0.9 * a + 0.1 * g for a, g in zip(m, gradients, strict=True)]
    v = [0.999 * a + 0.001 * (g * g) for a, g in zip(v, gradients, strict=True)]
    root = jnp.sqrt(1 - 0.999**count)
    rate = workloads.RATE / (1 - 0.9**count)
    arrays = [p - rate * a / (jnp.sqrt(b) / root + 1e-8) for p, a, b in zip(arrays, m, v, strict=True)]
    return arrays, m, v, count


def initial(arrays: list[Any]) -> Any:
    def zeros() -> list[Any]:
        return [jnp.zeros(a.shape, a.dtype) for a in arrays]

    return [jnp.array(a) for a in arrays], zeros(), zeros(), jnp.zeros((), jnp.float32)


def stateful(run: Any, arrays: list[Any]) -> Pair:
    """A step that keeps the state of run(state, *batch) -> (loss, state)."""
    state = initial(arrays)
    run = jax.jit(run, donate_argnums=0)

    def step(*batch: Any) -> float:
        nonlocal state
        loss, state = run(state, *batch)
        return float(loss)

    return step, lambda: list(state[0])


def mlp(sizes: list[int], batch: int, activation: str, loss: str) -> Pair:
    act = {"tanh": jnp.tanh, "relu": jax.nn.relu}[activation]

    def forward(arrays: Any, x: Any, y: Any) -> Any:
        for k in range(0, len(arrays), 2):
            x = x @ arrays[k].T + arrays[k + 1]
            if k + 2 < len(arrays):
                x = act(x)
        if loss == "mse":
            return jnp.mean((x - y) ** 2)
        right = jnp.take_along_axis(x, y[:, None], axis=1)[:, 0]
        return jnp.mean(jax.nn.logsumexp(x, axis=1) - right)

    def run(state: Any, x: Any, y: Any) -> Any:
        arrays, m, v, count = state
        value, gradients = jax.value_and_grad(forward)(arrays, x, y)
        return value, update(arrays, gradients, m, v, count)

    return stateful(run, workloads.layers(tuple(sizes)))


def adam(size: int) -> Pair:
    def run(state: Any, gradients: Any) -> Any:
        state = update(state[0], list(gradients), *state[1:])
        return state[0][0][0], state

    return stateful(run, workloads.start("adam", {"size": size}))


def gradients(function: Any, count: int, more: list[Any]) -> Pair:
    """Forward and backward of function(*leaves, *rest of the batch); `count` arrays of the batch become leaves."""
    given = [jnp.array(a) for a in more]
    leaves = len(given) + count
    run = jax.jit(jax.value_and_grad(function, argnums=tuple(range(leaves))))
    state: list[Any] = []

    def step(*batch: Any) -> float:
        loss, state[:] = run(*batch[:count], *given, *batch[count:])
        return float(loss)

    return step, lambda: state


def chain(size: int, ops: int) -> Pair:
    def forward(x: Any, w: Any) -> Any:
        for _ in range(ops // 2):
            x = jnp.tanh(x * w)
        return x.sum()

    return gradients(forward, 2, [])


def gelu(elements: int) -> Pair:
    return gradients(lambda x: jax.nn.gelu(x, approximate=True).sum(), 1, [])


def softmax_ce(rows: int, classes: int) -> Pair:
    def forward(x: Any, y: Any) -> Any:
        right = jnp.take_along_axis(x, y[:, None], axis=1)[:, 0]
        return jnp.mean(jax.nn.logsumexp(x, axis=1) - right)

    return gradients(forward, 1, [])


def layer_norm(rows: int, width: int) -> Pair:
    def forward(x: Any, weight: Any, bias: Any) -> Any:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = jnp.mean(centred * centred, axis=-1, keepdims=True)
        return (centred * jax.lax.rsqrt(variance + 1e-5) * weight + bias).sum()

    return gradients(forward, 1, workloads.start("layer_norm", {"width": width}))


def scalar(ops: int) -> Pair:
    return gradients(lambda *values: workloads.recurrence(values, jnp.tanh, ops), 5, [])
