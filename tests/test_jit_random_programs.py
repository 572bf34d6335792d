"""Random programs do the same compiled as eager; `tests/random_programs.py` makes them, and runs as many as one likes."""

from __future__ import annotations

import numpy as np
import pytest
import random_programs

import autograd as ag

pytest.importorskip("numba")

SEEDS = range(60)
REFUSED: dict[int, str] = {}
"""Seeds of programs that a compiled step refuses, with a part of what it says."""


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_as_eager(seed: int) -> None:
    program = random_programs.Generator(seed).run()
    what, found = random_programs.verdict(program)
    if seed in REFUSED:
        assert what == "refused" and REFUSED[seed] in found
    elif what == "different":
        raise AssertionError(f"compiled is not as eager:\n{random_programs.shortened(program).source()}") from found
    else:
        assert what in ("same", "void"), found


def test_a_difference_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison itself: a compiled step that is wrong in one element is noticed."""
    program = random_programs.Program(0, ["w1 = leaf((3,), 'f4')"], [], ["v1 = ag.tanh(w1)"], ["v1"], ["w1"])
    assert random_programs.verdict(program)[0] == "same"

    def wrong(step: object) -> object:
        def call(*arguments: ag.Tensor) -> list[ag.Tensor]:
            (v,) = step(*arguments)  # type: ignore[operator]
            return [v + ag.Tensor([0.0, 1e-3, 0.0])]

        return call

    monkeypatch.setattr(ag, "jit", wrong, raising=False)
    assert random_programs.verdict(program)[0] == "different"


# ---- what random programs have found, by itself


@pytest.mark.parametrize(
    "shapes",
    [
        ((1, 2, 3), (1, 3, 2)),
        ((1, 1, 1), (1, 1, 1)),
        ((1, 1, 2, 3), (1, 1, 3, 1)),
        ((0, 2, 3), (0, 3, 2)),
        ((2, 3, 0), (2, 0, 3)),
    ],
)
def test_products_of_a_stack_of_one_or_none(shapes: tuple[tuple[int, ...], ...]) -> None:
    results = []
    for compiled in (False, True):
        a, b = (ag.Tensor(np.linspace(-1, 1, int(np.prod(s))).reshape(s), requires_grad=True) for s in shapes)

        def step(a: ag.Tensor = a, b: ag.Tensor = b) -> list[ag.Tensor]:
            y, z = a @ b, ag.einsum("...ij,...jk->...ki", a, b)
            (ag.sum(y * y) + ag.sum(z)).backward()
            return [y, z]

        y, z = ag.jit(step)() if compiled else step()
        assert a.grad is not None and b.grad is not None
        results.append([y.data, z.data, a.grad.data, b.grad.data])
    for got, want in zip(*results[::-1], strict=True):
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-12)
