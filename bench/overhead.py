"""`python -m bench.overhead`: what a call costs above NumPy's own, feature by feature and path by path, so that a feature
that slows the plain path down is seen. Nanoseconds for one call on a float32 array of one element."""

from __future__ import annotations

import argparse
import sys
import timeit
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd as ag
from bench import node_cost

LENGTH = 100


def nanoseconds(run: Callable[[], Any], calls: int, repeats: int) -> float:
    """The best time of one of the `calls` calls that `run` makes."""
    timer = timeit.Timer(run)
    number = max(1, int(0.01 / max(1e-7, timer.timeit(1))))
    return min(timer.repeat(repeats, number)) / number / calls * 1e9


def repeated(function: Callable[[Any], Any], x: Any) -> Callable[[], Any]:
    """A run of the function on the same argument, so that no graph grows."""

    def run() -> None:
        for _ in range(LENGTH):
            function(x)

    return run


def chained(x: Any, before: Callable[[Any], None] = lambda y: None, **settings: bool) -> Callable[[], Any]:
    """A run of forward and backward over a chain of products and tanhs."""
    w = ag.Tensor([1.0], requires_grad=True)

    def run() -> None:
        x.grad = w.grad = None
        y = x
        for _ in range(LENGTH // 2):
            y = ag.tanh(y * w)
            before(y)
        y.sum().backward(**settings)

    return run


def paths() -> list[tuple[str, Callable[[], Any]]]:
    """(what is timed, a run of LENGTH such calls)."""
    array = np.array([0.5], np.float32)
    x, plain = ag.Tensor(array, requires_grad=True), ag.Tensor(array)
    y = ag.exp(x)

    def without_grad() -> None:
        with ag.no_grad():
            for _ in range(LENGTH):
                ag.tanh(x)

    def hooked(t: Any) -> None:
        t.register_hook(lambda g: None)

    def anomaly() -> None:
        with ag.anomaly_mode():
            chain()

    chain = chained(x)
    return [
        ("np.tanh(array)", repeated(np.tanh, array)),
        ("array * array", repeated(lambda a: a * array, array)),
        ("ag.tanh(x), recorded", repeated(ag.tanh, x)),
        ("x.tanh()", repeated(lambda a: a.tanh(), x)),
        ("np.tanh(x): through NumPy's protocol", repeated(np.tanh, x)),
        ("ag.tanh(x) in no_grad", without_grad),
        ("ag.tanh of a tensor without grad", repeated(ag.tanh, plain)),
        ("x * y, both recorded", repeated(lambda a: a * y, x)),
        ("x * 2.0", repeated(lambda a: a * 2.0, x)),
        ("x * array", repeated(lambda a: a * array, x)),
        ("x.sum()", repeated(lambda a: a.sum(), x)),
        ("x.reshape(1, 1)", repeated(lambda a: a.reshape(1, 1), x)),
        ("x[0]", repeated(lambda a: a[0], x)),
        ("chain: forward + backward, per op", chain),
        ("the same with a hook on every second node", chained(x, hooked)),
        ("the same with retain_grad on every second node", chained(x, lambda t: t.retain_grad())),
        ("the same in anomaly mode", anomaly),
        ("the same with retain_graph", chained(x, retain_graph=True)),
        ("the same with create_graph", chained(x, create_graph=True)),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.overhead", description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    node_cost.show()
    print("\npath by path")
    for name, run in paths():
        print(f"{nanoseconds(run, LENGTH, options.repeats):8.0f} ns  {name}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
