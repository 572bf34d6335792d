"""Passes over instructions: what nobody needs goes, what is computed twice is computed once."""

from __future__ import annotations

from typing import Any

from autograd.compiler.capture import Program
from autograd.compiler.trace import Traced

__all__ = ["merge", "order"]


def order(roots: list[Traced]) -> list[Traced]:
    """Every instruction that the roots need, oldest first."""
    found, stack = {}, [r for r in roots if isinstance(r, Traced)]
    while stack:
        x = stack.pop()
        if x.tick not in found:
            found[x.tick] = x
            stack.extend(i for i in x.inputs if isinstance(i, Traced))
    return [found[t] for t in sorted(found)]


def merge(program: Program) -> None:
    """Common subexpressions: equal functions of equal inputs become one; works on the program in place."""
    twin: dict[int, Traced] = {}
    known: dict[Any, Traced] = {}
    roots = [*program.results, *(new for _, new in program.commits), *(v for _, _, v in program.attributes)]
    for x in order(roots):
        x.inputs = tuple(twin[i.tick] if isinstance(i, Traced) else i for i in x.inputs)
        value = x.settings.get("value")
        what = (value.tobytes(), value.shape) if value is not None else tuple(x.settings.items())
        key = (x.function, x.dtype, x.shape, what, tuple(i.tick if isinstance(i, Traced) else (type(i), i) for i in x.inputs))
        twin[x.tick] = known.setdefault(key, x)
    program.results = [twin[r.tick] for r in program.results]
    program.commits = [(state, twin[new.tick]) for state, new in program.commits]
    program.attributes = [(h, n, twin[v.tick] if isinstance(v, Traced) else v) for h, n, v in program.attributes]
