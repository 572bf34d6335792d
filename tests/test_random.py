"""Random streams: equal seeds, equal numbers; a stream saved and set goes on where it was; NumPy's own is not touched."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd.errors import ArgumentError, FormatError


def draw(g: Any) -> list[Any]:
    return [g.normal(size=3).tolist(), g.uniform(-1, 1, (2, 2)).tolist(), g.integers(0, 10, 4).tolist(),
            g.permutation(5).tolist(), g.normal().item()]  # fmt: skip


def test_equal_seeds_give_equal_streams() -> None:
    assert draw(ag.Generator(7)) == draw(ag.Generator(7)) != draw(ag.Generator(8))
    g = ag.Generator(7)
    first = draw(g)
    assert draw(g) != first
    g.manual_seed(7)
    assert draw(g) == first


@pytest.mark.parametrize("before", range(4))
def test_a_state_goes_through_json_and_on(before: int) -> None:
    g = ag.Generator(3)
    g.integers(0, 10, before)  # at any place of the counter's block
    state = json.loads(json.dumps(g.get_state()))
    expected = draw(g)
    other = ag.Generator(99)
    other.set_state(state)
    assert draw(other) == expected and other.seed == 3


def test_the_default_generator_and_numpys() -> None:
    np.random.seed(0)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    assert ag.manual_seed(5) is ag.default_generator
    numbers = draw(ag.default_generator)
    assert np.random.random() == expected  # noqa: NPY002
    ag.manual_seed(5)
    assert draw(ag.default_generator) == numbers


def test_dtypes_follow_the_default() -> None:
    g = ag.Generator(0)
    assert g.normal(size=2).dtype == g.uniform(size=2).dtype == np.float32
    assert g.normal(size=2, dtype=np.float64).dtype == np.float64
    ag.set_default_dtype(np.float64)
    assert g.normal(size=2).dtype == np.float64


def test_uniform_stays_below_its_upper_bound() -> None:
    """In float32 too, where 1 − 2⁻⁵³ would round up to 1."""
    x = ag.Generator(0).uniform(2.0**24, 2.0**24 + 2, size=1000)
    assert x.dtype == np.float32 and x.min() == x.max() == 2.0**24
    x = ag.Generator(0).uniform(-3.0, 5.0, size=100_000)
    assert -3 <= x.min() < -2.99 and 4.99 < x.max() < 5 and abs(x.mean() - 1.0) < 0.02
    assert ag.Generator(0).uniform(2.0, 2.0).item() == 2.0


@pytest.mark.parametrize("seed", [-1, 1.5, "1", None, True])
def test_seeds_are_checked(seed: Any) -> None:
    with pytest.raises(ArgumentError, match=f"seed.*{seed}"):
        ag.Generator(seed)


def test_a_state_that_is_none_is_refused_and_changes_nothing() -> None:
    g = ag.Generator(1)
    good = g.get_state()
    for bad in (
        {},
        None,
        [],
        {**good, "counter": "x"},
        {**good, "key": [1]},
        {**good, "buffer_pos": -1},
        {**good, "seed": "q"},
    ):
        with pytest.raises(FormatError):
            g.set_state(bad)
        assert g.get_state() == good
