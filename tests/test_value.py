"""Value: micrograd's own examples with their numbers, and what micrograd cannot do."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, Value
from autograd.errors import AutogradError, DTypeError, GraphError


def test_the_example_of_micrograds_readme() -> None:
    a = Value(-4.0)
    b = Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    assert f"{g.data:.4f}" == "24.7041"
    g.backward()
    assert (f"{a.grad:.4f}", f"{b.grad:.4f}") == ("138.8338", "645.5773")


def test_micrograds_sanity_check() -> None:
    x = Value(-4.0)
    z = 2 * x + 2 + x
    q = z.relu() + z * x
    h = (z * z).relu()
    y = h + q + q * x
    y.backward()
    assert (y.data, x.grad) == (-20.0, 46.0)


def test_a_neuron() -> None:
    """The neuron of the micrograd lecture: tanh(x₁w₁ + x₂w₂ + b)."""
    x1, x2, w1, w2 = Value(2.0), Value(0.0), Value(-3.0), Value(1.0)
    b = Value(6.8813735870195432)
    o = (x1 * w1 + x2 * w2 + b).tanh()
    o.backward()
    np.testing.assert_allclose([v.grad for v in (x1, w1, x2, w2)], [-1.5, 1.0, 0.5, 0.0], atol=1e-12)
    assert o.data == pytest.approx(0.7071067811865476) and b.grad == pytest.approx(0.5)


def test_the_same_program_on_values_and_on_tensors() -> None:
    def program(x: Any, y: Any) -> Any:
        z = (x * y).tanh() + (x / y).exp() - (y - x).relu() + x**y + abs(-x) + (2.0 - x).sigmoid() + 3 / y
        return (z + y.log() + x.sqrt()) ** 2

    for x, y in ((0.5, 1.5), (2.0, 0.7), (1.0, 1.0)):
        values = Value(x), Value(y)
        tensors = Tensor(x, dtype=float, requires_grad=True), Tensor(y, dtype=float, requires_grad=True)
        v, t = program(*values), program(*tensors)
        v.backward()
        t.backward()
        np.testing.assert_allclose(v.data, t.item(), rtol=1e-14)
        np.testing.assert_allclose([a.grad for a in values], [a.grad.item() for a in tensors], rtol=1e-13)


# ---- the walk


def test_every_value_has_its_gradient() -> None:
    a = Value(3.0)
    b = a * a
    c = b + a
    c.backward()
    assert (c.grad, b.grad, a.grad) == (1.0, 1.0, 7.0)


def test_a_second_backward_accumulates_rightly() -> None:
    """micrograd's would add the first call's gradients of inner values to the second's."""
    a = Value(3.0)
    b = a * a
    c = b * b
    c.backward()
    c.backward()
    assert (c.grad, b.grad, a.grad) == (2.0, 36.0, 216.0)


def test_two_losses_accumulate() -> None:
    a = Value(3.0)
    b = a * 2
    (b + 1).backward()
    (b * b).backward()
    assert (b.grad, a.grad) == (1 + 12.0, 26.0)


def test_the_same_value_twice() -> None:
    for f, expected in (
        (lambda x: x * x, 6.0),
        (lambda x: x + x, 2.0),
        (lambda x: x - x, 0.0),
        (lambda x: x / x, 0.0),
    ):
        x = Value(3.0)
        f(x).backward()
        assert x.grad == expected


def test_diamonds() -> None:
    x = Value(1.0)
    y = x
    for _ in range(40):
        y = y + y
    y.backward()
    assert x.grad == 2.0**40


def test_a_long_chain_and_a_long_sum() -> None:
    x = Value(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    assert (y.data, x.grad) == (100_001.0, 1.0)
    del y
    x.grad = 0.0
    total = sum((x * 2.0 for _ in range(30_000)), Value(0.0))
    total.backward()
    assert x.grad == 60_000.0


def test_a_dropped_graph_is_freed_at_once() -> None:
    class Watched(Value):
        __slots__ = ("__weakref__",)

    gc.disable()
    try:
        x = Watched(2.0)
        y = (x * x).exp() + x
        y.backward()
        gone = weakref.ref(x)
        del x, y
        assert gone() is None
    finally:
        gc.enable()


# ---- numbers that Python's floats refuse


@pytest.mark.parametrize(
    "f, arguments, value, grads",
    [
        (lambda a, b: a / b, (1.0, 0.0), math.inf, (math.inf, -math.inf)),
        (lambda a, b: a / b, (0.0, 0.0), math.nan, (math.inf, math.nan)),
        (lambda a, b: a**b, (-8.0, 0.5), math.nan, (math.nan, math.nan)),
        (lambda a, b: a**b, (0.0, -1.0), math.inf, (-math.inf, math.nan)),
        (lambda a, b: a**b, (0.0, 0.0), 1.0, (0.0, 0.0)),
        (lambda a, b: a**b, (1e200, 2.0), math.inf, (2e200, math.inf)),
        (lambda a: a.log(), (0.0,), -math.inf, (math.inf,)),
        (lambda a: a.log(), (-1.0,), math.nan, (-1.0,)),
        (lambda a: a.sqrt(), (0.0,), 0.0, (math.inf,)),
        (lambda a: a.sqrt(), (-1.0,), math.nan, (math.nan,)),
        (lambda a: a.exp(), (1000.0,), math.inf, (math.inf,)),
        (lambda a: a.sinh(), (1000.0,), math.inf, (math.inf,)),
        (lambda a: a.relu(), (0.0,), 0.0, (0.0,)),
        (lambda a: a.sigmoid(), (-1000.0,), 0.0, (0.0,)),
        (lambda a: a.arccos(), (2.0,), math.nan, (math.nan,)),
    ],
)
def test_numbers_are_numpys(
    f: Any, arguments: tuple[float, ...], value: float, grads: tuple[float, ...]
) -> None:
    """inf and NaN where Python would raise or turn complex."""
    xs = [Value(a) for a in arguments]
    y = f(*xs)
    y.backward()
    np.testing.assert_array_equal(y.data, value)
    np.testing.assert_array_equal([x.grad for x in xs], grads)
    assert all(type(x) is float for x in (y.data, *(x.grad for x in xs)))


def test_integers_become_floats() -> None:
    y = Value(3) // Value(2) + Value(True) * 2
    assert type(y.data) is float and y.data == 3.0
    assert type((Value(2) ** 3).data) is float
    assert type((2 ** Value(3)).data) is float and (2 ** Value(3)).data == 8.0


def test_numpy_numbers_and_arrays_of_values() -> None:
    v = np.float64(2.0) * Value(3.0)
    assert type(v) is Value and v.data == 6.0
    assert type(Value(1.0) + np.int64(2)) is Value


# ---- as an object


def test_repr_label_and_name() -> None:
    a, b = Value(2.0, name="a"), Value(0.5)
    assert (repr(a), repr(b)) == ("Value(data=2, grad=0, name='a')", "Value(data=0.5, grad=0)")
    assert ((a * b).label, a.tanh().label, a.label) == ("×", "tanh", "")


def test_comparisons_and_truth() -> None:
    a, b = Value(1.0), Value(2.0)
    assert a < b and a <= 1 and b > a and 2 >= b and not Value(0.0) and a
    assert sorted([b, a])[0] is a
    assert len({a, b, Value(1.0)}) == 3, "equality is identity, so that values can be keys"


def test_what_is_not_a_number_is_refused() -> None:
    for bad in ("two", None, [1.0, 2.0], 1j):
        with pytest.raises(DTypeError, match=r"test_value\.py:\d+"):
            Value(bad)
        with pytest.raises(TypeError):
            Value(1.0) + bad
        with pytest.raises(TypeError):
            bad * Value(1.0)
    with pytest.raises(GraphError, match=r"\.data"):
        math.sin(Value(1.0))


def test_a_graph_is_not_copied_but_a_leaf_is() -> None:
    a = Value(2.0, name="a")
    assert (copy.deepcopy(a).data, pickle.loads(pickle.dumps(a)).name) == (2.0, "a")
    for way in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(AutogradError, match=r"\.data"):
            way(a * 2)
