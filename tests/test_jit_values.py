"""Programs of Values under jit: micrograd's code, compiled; the numbers of Values that a step reaches are its input."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

import autograd as ag
from autograd import Value

pytest.importorskip("numba")


class Neuron:
    """As micrograd has it."""

    def __init__(self, inputs: int, stream: random.Random):
        self.w = [Value(stream.uniform(-1, 1)) for _ in range(inputs)]
        self.b = Value(0.0)

    def __call__(self, x: list[Any]) -> Value:
        return sum((w * v for w, v in zip(self.w, x, strict=True)), self.b)

    def parameters(self) -> list[Value]:
        return [*self.w, self.b]


class Net:
    def __init__(self, seed: int):
        stream = random.Random(seed)
        self.hidden, self.out = [Neuron(2, stream) for _ in range(4)], Neuron(4, stream)

    def __call__(self, x: list[Any]) -> Value:
        return self.out([n(x).tanh() for n in self.hidden]).relu() + self.out.b * 0.5

    def parameters(self) -> list[Value]:
        return [p for n in (*self.hidden, self.out) for p in n.parameters()]


POINTS = [([0.0, 0.0], -1.0), ([0.0, 1.0], 1.0), ([1.0, 0.0], 1.0), ([1.0, 1.0], -1.0)]


def trainer(seed: int = 1) -> tuple[Callable[[float], Value], Net]:
    net = Net(seed)

    def step(rate: float) -> Value:
        loss = sum(((net(x) - y) ** 2 for x, y in POINTS), Value(0.0))
        for p in net.parameters():
            p.grad = 0.0
        loss.backward()
        for p in net.parameters():
            p.data -= rate * p.grad
        return loss

    return step, net


@pytest.mark.parametrize("check", [False, True])
def test_micrograds_training_loop_compiles(check: bool) -> None:
    eager, one = trainer()
    step, two = trainer()
    jitted = ag.jit(check=check)(step)
    for k in range(6):
        expected, got = eager(0.1 / (k + 1)), jitted(0.1 / (k + 1))
        assert isinstance(got, Value) and got.data == pytest.approx(expected.data, rel=1e-12) and got.grad == 1.0
        for a, b in zip(one.parameters(), two.parameters(), strict=True):
            assert type(b.data) is type(b.grad) is float
            assert b.data == pytest.approx(a.data, rel=1e-12, abs=1e-14)
            assert b.grad == pytest.approx(a.grad, rel=1e-12, abs=1e-14)
    assert "1 program" in repr(jitted) and jitted.explain().segments == 0


def test_a_value_from_outside_is_an_input_not_a_constant() -> None:
    v = Value(2.0)
    f = ag.jit(lambda x: x * (v * 3).data)
    assert f(1.0).item() == 6.0
    v.data = 5.0
    assert f(1.0).item() == 15.0
    assert "1 program" in repr(f)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "arithmetic": lambda a, b: (a * b + a / b - 2 / a + b**3 - a**b + 1 - -a) * 0.5,
    "functions": lambda a, b: a.exp().log() + b.sqrt() * a.tanh() + a.sin() * b.cos() + abs(a - b) + a.erf(),
    "kinks": lambda a, b: (a - 2).relu() + a.maximum(b) + b.minimum(a) + (a - b).sign() + a.floor(),
    "reused": lambda a, b: (lambda c: c * c + c)(a * b),
    "a number": lambda a, b: a * 0 + 3.0,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients_of_arguments(name: str) -> None:
    def step(a: Value, b: Value) -> tuple[Value, list[Value]]:
        y = FUNCTIONS[name](a, b)
        y.backward()
        return y, [y * 2]

    jitted = ag.jit(step)
    for numbers in ((1.5, 0.75), (0.5, 2.25), (3.0, 3.0)):
        one, two = [Value(x) for x in numbers], [Value(x) for x in numbers]
        for _ in range(2):  # the second adds to what is there
            y, (z,) = step(*one)
            got, (twice,) = jitted(*two)
            assert got.data == pytest.approx(y.data, rel=1e-12) and twice.data == pytest.approx(z.data, rel=1e-12)
            assert [v.grad for v in two] == pytest.approx([v.grad for v in one], rel=1e-12)
    assert "1 program" in repr(jitted)


def test_where_floats_raise_numpy_goes_on() -> None:
    f = ag.jit(lambda a: (1 / a, a.log(), (a - 1).sqrt()))
    inverse, log, root = f(Value(0.0))
    assert inverse.data == float("inf") and log.data == float("-inf") and root.data != root.data


def test_a_value_given_twice_is_one() -> None:
    def step(a: Value, b: Value) -> Value:
        c = a * b
        c.backward()
        return c

    jitted, x = ag.jit(step), Value(3.0)
    assert jitted(x, x).data == 9.0 and x.grad == 6.0
    y = Value(2.0)
    assert jitted(x, y).data == 6.0 and y.grad == 3.0
    with pytest.raises(ag.errors.GraphError, match="reached from outside as well"):
        ag.jit(lambda v: v * x)(x)


def test_branches_and_numbers_are_refused_and_nothing_changes() -> None:
    a = Value(2.0)

    def branch() -> Value:
        a.data = a.data + 1
        return a if a > 0 else -a

    for f in (branch, lambda: float((a * 2).data), lambda: f"{int(a.data)}"):
        with pytest.raises(ag.errors.GraphError, match="recorded"):
            ag.jit(f)()
        assert a.data == 2.0 and type(a.data) is float and a.grad == 0.0
    assert ag.jit(fallback=True)(lambda: a if a > 0 else -a).function() is a


def test_values_beside_tensors() -> None:
    scale = Value(2.0)
    w = ag.Tensor([1.0, 2.0], requires_grad=True)

    @ag.jit
    def step(x: Any) -> Any:
        w.grad = None
        loss = ((w * x) ** 2).sum() * scale.data
        loss.backward()
        scale.data += 1
        return loss

    assert [step(ag.Tensor([1.0, 1.0])).item() for _ in range(3)] == [10.0, 15.0, 20.0]
    assert w.grad.tolist() == [8.0, 16.0] and scale.data == 5.0
