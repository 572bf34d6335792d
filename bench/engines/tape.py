"""The floor of an eager engine: a bare tape over NumPy, without checks, modes, broadcasting, names or dtypes. What an
engine costs above it is the price of its features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

SETTINGS = "no peer: a bare tape over NumPy, as a floor"


def version() -> str:
    return np.__version__


class Node:
    __slots__ = ("back", "data", "grad", "inputs")

    def __init__(self, data: Any, inputs: tuple[Node, ...] = (), back: Any = None) -> None:
        self.data, self.inputs, self.back, self.grad = data, inputs, back, None


def chain(size: int, ops: int) -> tuple[Callable[..., float], Callable[[], list[Any]]]:
    state: list[Any] = []

    def step(start: Any, factor: Any) -> float:
        tape: list[Node] = []
        x, w = Node(start), Node(factor)

        def mul(a: Node, b: Node) -> Node:
            p, q = a.data, b.data
            tape.append(node := Node(p * q, (a, b), lambda g: (g * q, g * p)))
            return node

        def tanh(a: Node) -> Node:
            y = np.tanh(a.data)
            tape.append(node := Node(y, (a,), lambda g: (g * (1 - y * y),)))
            return node

        y = x
        for _ in range(ops // 2):
            y = tanh(mul(y, w))
        loss = float(y.data.sum())
        y.grad = np.ones_like(y.data)
        while tape:
            node = tape.pop()
            pulled, node.grad = node.back(node.grad), None
            for source, g in zip(node.inputs, pulled, strict=True):
                source.grad = g if source.grad is None else source.grad + g
        state[:] = [x.grad, w.grad]
        return loss

    return step, lambda: state
