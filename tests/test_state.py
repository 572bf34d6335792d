"""State cells outside of jit: a number in a box."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd.errors import AutogradError, DTypeError, GraphError


def test_read_and_write() -> None:
    count = ag.State(0)
    count.value += 1
    assert (count.value, type(count.value), repr(count)) == (1, int, "State(1)")
    rate = ag.State(0.5, name="lr")
    rate.write(ag.Tensor(0.25, dtype=float))
    assert (rate.value, type(rate.value)) == (0.25, float)
    assert type(ag.State(1, dtype=float).value) is float
    assert ag.State(True).value is True


def test_a_cell_takes_part_as_a_constant() -> None:
    rate = ag.State(0.5)
    x = ag.Tensor([2.0], requires_grad=True, dtype=float)
    y = x * rate.read()
    assert not rate.read().requires_grad
    y.backward()
    assert x.grad.tolist() == [0.5]


def test_a_cell_changed_before_backward_is_noticed() -> None:
    rate = ag.State(0.5)
    x = ag.Tensor([2.0], requires_grad=True, dtype=float)
    y = x * rate.read()
    rate.value = 0.25
    with pytest.raises(GraphError, match=r"changed in place.*multiply"):
        y.backward()


@pytest.mark.parametrize("bad", [None, "fast", [1.0, 2.0], 1j, object()])
def test_a_cell_holds_one_number(bad: Any) -> None:
    with pytest.raises(DTypeError, match="one number"):
        ag.State(bad)
    cell = ag.State(0.5)
    with pytest.raises(AutogradError):
        cell.value = bad
    assert cell.value == 0.5


def test_an_integer_cell_keeps_its_dtype() -> None:
    count = ag.State(3)
    with pytest.raises(DTypeError, match="int64"):
        count.value = 0.5
    count.value = np.int64(4)
    assert count.value == 4
