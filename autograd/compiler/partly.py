"""Of a write to a part of an array, that part: so that putting a row into a large buffer does not go over all of it.

A write is recorded as the whole new array: the old one with something else in one place. Where that is recognised, and the
new array is needed for nothing else, only the place is written, at the end of the program.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy

from autograd.compiler.trace import Traced, constant

__all__ = ["At", "Part", "changed_parts"]


class Part(NamedTuple):
    """`value` is written to `state` from the element `starts` on."""

    state: Traced
    value: Traced
    starts: tuple[int, ...]


class At(NamedTuple):
    """`value` is written to `state`, element by element in order, at `places` in the array laid out in a row, if not −1."""

    state: Traced
    value: Traced
    places: Traced


def changed_parts(state: Traced, new: Traced) -> list[Part | At] | None:
    """What is written to a state whose new value this is; None if that is all of it, or not told."""
    if new is state:
        return []
    at = _at_places(state, new)
    if at is not None:
        return [at]
    if new.function != "join" or new.shape != state.shape:
        return None
    parts = _parts(state, new, (0,) * state.ndim)
    written = sum(part.value.size for part in parts)
    return list(parts) if written < state.size else None


def _parts(state: Traced, x: Traced, starts: tuple[int, ...]) -> list[Part]:
    """What of x, which stands at `starts` of the new value, is not what was there."""
    if x.function == "slice" and x.inputs[0] is state and x.settings["starts"] == starts and set(x.settings["steps"]) == {1}:
        return []
    if x.function != "join":
        return [Part(state, x, starts)] if x.size else []
    axis, found, at = x.settings["axis"], [], starts[x.settings["axis"]]
    for part in x.inputs:
        found += _parts(state, part, (*starts[:axis], at, *starts[axis + 1 :]))
        at += part.shape[axis]
    return found


def _at_places(state: Traced, new: Traced) -> At | None:
    """``where(last > 0, value[last − 1], state)``, where `last` tells which write comes last to each element, if any does."""
    if new.function != "where" or new.inputs[2] is not state:
        return None
    there, value, _ = new.inputs
    if not all(isinstance(i, Traced) for i in (there, value)) or value.function != "gather" or new.dtype != value.dtype:
        return None
    if there.function == value.inputs[1].function == "constant":
        return _at_known_places(state, value, there.settings["value"], value.inputs[1].settings["value"])
    last, chosen, source = there.inputs[:1], value.inputs[1], value.inputs[0]
    if not last or not isinstance(last[0], Traced) or last[0].settings.get("combine") != "max" or chosen.inputs[:1] != last:
        return None  # only writes make such a scatter, and only these two things of it
    places: Any = last[0].inputs[1]
    return At(state, source, places) if places.size == source.size else None


def _at_known_places(state: Traced, value: Traced, there: Any, chosen: Any) -> At | None:
    """``where(there, value[chosen], state)``, of which both are known now, if few elements are written."""
    if there.shape != state.shape or 2 * numpy.count_nonzero(there) > state.size:
        return None
    places = numpy.flatnonzero(there)
    few = Traced("gather", (value.inputs[0], constant(chosen.ravel()[places])), places.shape, value.dtype)
    return At(state, few, constant(places))
