"""What the course notes claim of regularisers, initialisers and optimizers, tried: each claim is an experiment of two arms
that start from one seed, and a figure of each, of which the lower is the better. `python -m bench.claims` runs them over many
seeds and gives the sign test's word. An arm that has a learning rate to choose gets the better of a grid, chosen on seeds of
their own (`tuned`), so that no arm wins by the other's bad rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["CLAIMS", "Claim", "Pair", "claim"]

Pair = tuple[float, float]
"""The figures of the two arms: first the one that the notes expect to be lower."""


@dataclass(frozen=True)
class Claim:
    """A claim of the notes, and the experiment that tries it."""

    name: str
    section: str  # the heading in the notes
    says: str  # what is claimed, in our words
    measured: str  # "first arm against second arm: figure"
    run: Callable[[int], Pair]


CLAIMS: dict[str, Claim] = {}


def claim(section: str, says: str, measured: str) -> Callable[[Callable[[int], Pair]], Callable[[int], Pair]]:
    """Register an experiment, a function of the seed, under its own name."""

    def register(run: Callable[[int], Pair]) -> Callable[[int], Pair]:
        name = run.__name__.replace("_", " ")
        CLAIMS[name] = Claim(name, section, says, measured, run)
        return run

    return register
