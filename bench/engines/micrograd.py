"""micrograd: scalars only. Its walk recurses, so the limit of recursion is lifted; tanh is added as its author's lecture
adds it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import valuenet
import workloads
from micrograd.engine import Value

SETTINGS = "limit of recursion lifted, tanh added"
sys.setrecursionlimit(1_000_000)


def version() -> str:
    from importlib.metadata import version

    return version("micrograd")


def value() -> tuple[Callable[..., float], Callable[[], list[Any]]]:
    return valuenet.demo(Value)


def tanh(x: Value) -> Value:
    y = math.tanh(x.data)
    out = Value(y, (x,), "tanh")

    def backward() -> None:
        x.grad += (1 - y * y) * out.grad

    out._backward = backward
    return out


def scalar(ops: int) -> tuple[Callable[..., float], Callable[[], list[Any]]]:
    leaves: list[Any] = []

    def step(*batch: Any) -> float:
        leaves[:] = [Value(float(x)) for x in batch]
        result = workloads.recurrence(leaves, tanh, ops)
        result.backward()
        return result.data

    return step, lambda: [v.grad for v in leaves]
