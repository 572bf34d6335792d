"""JAX: the whole step in one `jit`, Adam by hand, the old parameters and moments donated to the new ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import networks
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


def cross_entropy(x: Any, y: Any) -> Any:
    right = jnp.take_along_axis(x, y[:, None], axis=1)[:, 0]
    return jnp.mean(jax.nn.logsumexp(x, axis=1) - right)


LOSSES = {"mse": lambda x, y: jnp.mean((x - y) ** 2), "cross_entropy": cross_entropy}


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
        return LOSSES[loss](x, y)

    def run(state: Any, x: Any, y: Any) -> Any:
        arrays, m, v, count = state
        value, gradients = jax.value_and_grad(forward)(arrays, x, y)
        return value, update(arrays, gradients, m, v, count)

    return stateful(run, workloads.layers(tuple(sizes)))


def lenet(a: Any, x: Any) -> Any:
    for weight, bias, padding in ((a[0], a[1], 2), (a[2], a[3], 0)):
        x = jax.lax.conv_general_dilated(
            x, weight, (1, 1), [(padding, padding)] * 2, dimension_numbers=("NCHW", "OIHW", "NCHW")
        )
        x = jax.nn.relu(x + bias[:, None, None])
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    x = x.reshape(len(x), -1)
    x = jax.nn.relu(x @ a[4].T + a[5])
    x = jax.nn.relu(x @ a[6].T + a[7])
    return x @ a[8].T + a[9]


def lstm(a: Any, x: Any, inputs: int, hidden: int) -> Any:
    given = jnp.swapaxes(x, 0, 1) @ a[0].T + (a[2] + a[3])  # all steps at once

    def step(carry: Any, gates: Any) -> Any:
        h, c = carry
        i, f, g, o = jnp.split(gates + h @ a[1].T, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zeros = jnp.zeros((len(x), hidden), x.dtype)
    (h, _), _ = jax.lax.scan(step, (zeros, zeros), given, unroll=4)
    return h @ a[4].T + a[5]


def gpt(a: Any, x: Any, width: int, heads: int) -> Any:
    b, t, _ = x.shape

    def norm(x: Any, weight: Any, bias: Any) -> Any:
        centred = x - x.mean(axis=-1, keepdims=True)
        return centred * jax.lax.rsqrt(jnp.mean(centred * centred, axis=-1, keepdims=True) + 1e-5) * weight + bias

    qkv = (norm(x, a[0], a[1]) @ a[4].T + a[5]).reshape(b, t, 3 * heads, width // heads).swapaxes(1, 2)
    q, k, v = qkv[:, :heads], qkv[:, heads : 2 * heads], qkv[:, 2 * heads :]
    scores = q @ k.swapaxes(2, 3) * (width // heads) ** -0.5
    scores = jnp.where(jnp.tril(jnp.ones((t, t), bool)), scores, -jnp.inf)
    y = (jax.nn.softmax(scores) @ v).swapaxes(1, 2).reshape(b, t, width)
    x = x + y @ a[6].T + a[7]
    return x + jax.nn.gelu(norm(x, a[2], a[3]) @ a[8].T + a[9], approximate=True) @ a[10].T + a[11]


def network(network: str, options: dict[str, int], batch: list[int], loss: str) -> Pair:
    forward = {"lenet": lenet, "lstm": lstm, "gpt": gpt}[network]

    def run(state: Any, x: Any, y: Any) -> Any:
        arrays, m, v, count = state
        value, gradients = jax.value_and_grad(lambda a: LOSSES[loss](forward(a, x, **options), y))(arrays)
        return value, update(arrays, gradients, m, v, count)

    return stateful(run, networks.starting(network, options))


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
    return gradients(cross_entropy, 1, [])


def layer_norm(rows: int, width: int) -> Pair:
    def forward(x: Any, weight: Any, bias: Any) -> Any:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = jnp.mean(centred * centred, axis=-1, keepdims=True)
        return (centred * jax.lax.rsqrt(variance + 1e-5) * weight + bias).sum()

    return gradients(forward, 1, workloads.start("layer_norm", {"width": width}))


def scalar(ops: int) -> Pair:
    return gradients(lambda *values: workloads.recurrence(values, jnp.tanh, ops), 5, [])
