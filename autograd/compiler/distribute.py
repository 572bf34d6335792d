"""Σ (a·s + b·t) = s·Σ a + t·Σ b, where s and t do not change along the sum.

Where s waits for another sum over the same elements, the sums of a and b do not, and can be taken in one pass with that one. So
the derivative of a normalisation goes over its rows twice, not three times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from autograd.compiler.trace import REDUCTIONS, Traced
from autograd.kernels.scalars import ADDITIVE, SCALING

__all__ = ["distribute"]

FEW = 4  # terms that a sum is taken apart into


class Term(NamedTuple):
    """A part of what is added up: ± x, with factors and divisors that are the same for all that is added up."""

    x: Traced
    minus: bool = False
    factors: tuple[tuple[str, Any], ...] = ()


def distribute(instructions: list[Traced]) -> None:
    """Take sums apart where that lets them be taken earlier, in place."""
    waits: dict[float, int] = {}  # how many reductions stand one behind the other before a value is known
    for x in instructions:
        waits[x.tick] = _most(waits, x.inputs) + (x.function in REDUCTIONS)
    for x in instructions:
        if x.function == "sum" and x.dtype.kind == "f" and x.inputs[0].dtype == x.dtype:
            y = x.inputs[0]
            terms = _terms(Term(y), y, x.settings["axes"])
            if 0 < len(terms) <= FEW and _most(waits, [t.x for t in terms]) < waits[y.tick]:
                _replace(x, terms)


def _most(waits: dict[float, int], inputs: Sequence[Any]) -> int:
    return max((waits[i.tick] for i in inputs if isinstance(i, Traced)), default=0)


def _terms(term: Term, whole: Traced, axes: tuple[int, ...]) -> list[Term]:
    """A term taken apart, as far as its parts go over all that is added up; none if it does not itself."""
    x, minus, factors = term = term._replace(x=_source(term.x))
    if x.dtype != whole.dtype or _lengths(x, whole, axes) != _lengths(whole, whole, axes):
        return []
    parts: list[Term] = []
    if x.function in ADDITIVE and all(isinstance(i, Traced) for i in x.inputs):
        signs = zip(x.inputs, ADDITIVE[x.function], strict=True)
        parts = [Term(i, minus != (sign < 0), factors) for i, sign in signs]
    for k in SCALING.get(x.function, ()):
        scaled, factor = x.inputs[k], x.inputs[1 - k]
        if not parts and isinstance(scaled, Traced) and _same(factor, whole, axes):
            parts = [Term(scaled, minus, (*factors, (x.function, _source(factor))))]
    found = [_terms(part, whole, axes) for part in parts]
    return [t for terms in found for t in terms] if found and all(found) else [term]


def _lengths(x: Traced, whole: Traced, axes: tuple[int, ...]) -> list[int]:
    """Of an array, which may have fewer axes than the whole, along axes of the whole."""
    before = whole.ndim - x.ndim
    return [x.shape[a - before] if a >= before else 1 for a in axes]


def _source(x: Any) -> Any:
    while isinstance(x, Traced) and x.function == "broadcast":
        x = x.inputs[0]
    return x


def _same(x: Any, whole: Traced, axes: tuple[int, ...]) -> bool:
    """Whether x is the same all along axes of the whole."""
    x = _source(x)
    if not isinstance(x, Traced):
        return isinstance(x, int | float)
    return x.dtype == whole.dtype and all(n == 1 for n in _lengths(x, whole, axes))


def _replace(x: Traced, terms: list[Term]) -> None:
    """Make the sum x one of sums of terms."""
    axes, rank = x.settings["axes"], x.inputs[0].ndim
    made: list[Traced] = []

    def make(function: str, inputs: tuple[Any, ...], shape: tuple[int, ...], **settings: Any) -> Traced:
        made.append(y := Traced(function, inputs, shape, x.dtype, **settings))
        y.tick = x.tick - 0.05 + 5e-4 * len(made)
        return y

    def padded(y: Any) -> Any:
        if not isinstance(y, Traced) or y.ndim == rank:
            return y
        return make("reshape", (y,), (*(1,) * (rank - y.ndim), *y.shape))

    def together(function: str, a: Traced, b: Any) -> Traced:
        shape = a.shape if not isinstance(b, Traced) else tuple(map(max, a.shape, b.shape))
        return make(function, (a, b), shape)

    total: Traced | None = None
    for y, minus, factors in terms:
        y = padded(y)
        part = make("sum", (y,), tuple(1 if a in axes else n for a, n in enumerate(y.shape)), axes=axes)
        for function, factor in factors:
            part = together(function, part, padded(factor))
        if total is None:
            total = make("negative", (part,), part.shape) if minus else part
        else:
            total = together("subtract" if minus else "add", total, part)
    assert total is not None and math.prod(total.shape) <= x.size
    if total.shape != x.shape:
        total = make("broadcast", (total,), x.shape)
    x.function, x.inputs, x.settings = total.function, total.inputs, total.settings
