"""micrograd's demo network and loss on any scalar class with micrograd's operators, so that both engines run
the very same Python code and differ in the engine alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workloads import MLP_SMALL, layers, moons


def demo(value: Callable[[float], Any]) -> Callable[[], list[float]]:
    """One step of the demo: forward of 100 points, hinge loss with L2 penalty, backward. Gives the loss and
    gradients."""
    arrays = layers(MLP_SMALL, float)
    weights = [[[value(float(w)) for w in row] for row in matrix] for matrix in arrays[0::2]]
    biases = [[value(float(b)) for b in vector] for vector in arrays[1::2]]
    parameters = [w for matrix in weights for row in matrix for w in row] + [
        b for vector in biases for b in vector
    ]
    points, labels = moons(100)
    rows, targets = points.tolist(), labels.tolist()

    def network(x: list[Any]) -> Any:
        for depth, (matrix, vector) in enumerate(zip(weights, biases, strict=True)):
            x = [
                sum((w * xi for w, xi in zip(row, x, strict=True)), b)
                for row, b in zip(matrix, vector, strict=True)
            ]
            if depth < len(weights) - 1:
                x = [xi.relu() for xi in x]
        return x[0]

    def step() -> list[float]:
        for p in parameters:
            p.grad = 0.0
        scores = [network([value(xi) for xi in row]) for row in rows]
        losses = [(1 + -target * score).relu() for target, score in zip(targets, scores, strict=True)]
        loss = sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(p * p for p in parameters)
        loss.backward()
        return [loss.data, *(p.grad for p in parameters)]

    return step
