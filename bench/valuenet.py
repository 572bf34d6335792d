"""micrograd's demo network and loss on any scalar class with micrograd's operators, so that both engines run the very
same Python code and differ in the engine alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workloads import layers

SIZES = (2, 16, 16, 1)


def demo(value: Callable[[float], Any]) -> tuple[Callable[..., float], Callable[[], list[float]]]:
    """One step of the demo: forward of the points, hinge loss with L2 penalty, backward; the state is the gradients."""
    arrays = layers(SIZES, float)
    weights = [[[value(float(w)) for w in row] for row in matrix] for matrix in arrays[0::2]]
    biases = [[value(float(b)) for b in vector] for vector in arrays[1::2]]
    parameters = [w for matrix in weights for row in matrix for w in row] + [b for vector in biases for b in vector]

    def network(x: list[Any]) -> Any:
        for depth, (matrix, vector) in enumerate(zip(weights, biases, strict=True)):
            x = [sum((w * xi for w, xi in zip(row, x, strict=True)), b) for row, b in zip(matrix, vector, strict=True)]
            if depth < len(weights) - 1:
                x = [xi.relu() for xi in x]
        return x[0]

    def step(points: Any, labels: Any) -> float:
        for p in parameters:
            p.grad = 0.0
        scores = [network([value(xi) for xi in row]) for row in points.tolist()]
        losses = [(1 + -target * score).relu() for target, score in zip(labels.tolist(), scores, strict=True)]
        loss = sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(p * p for p in parameters)
        loss.backward()
        return float(loss.data)

    return step, lambda: [p.grad for p in parameters]
