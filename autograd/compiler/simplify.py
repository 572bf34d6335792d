"""Passes over instructions: what is computed twice is computed once, what 1 times something is, is that; a transposed
product is a product of transposes."""

from __future__ import annotations

import math
from typing import Any

from autograd.compiler.capture import Program
from autograd.compiler.trace import Traced
from autograd.kernels.scalars import MANY_TIMES, NEUTRAL, SELF_INVERSE

__all__ = ["merge", "order", "simplify"]


def simplify(program: Program) -> None:
    """All passes, in place."""
    merge(program)
    add_products(program)
    turn_products(program)


def roots(program: Program) -> list[Traced]:
    """What a program is there to compute."""
    values = [*program.results, *(new for _, new in program.commits), *(v for _, _, v in program.attributes)]
    values += [bad for bad, _ in program.checks]
    return [v for v in values if isinstance(v, Traced)]


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
    twin: dict[float, Traced] = {}
    known: dict[Any, Traced] = {}
    for x in order(roots(program)):
        x.inputs = tuple(twin[i.tick] if isinstance(i, Traced) else i for i in x.inputs)
        value = x.settings.get("value")
        what = (value.tobytes(), value.shape) if value is not None else tuple(x.settings.items())
        key = (x.function, x.dtype, x.shape, what, tuple(i.tick if isinstance(i, Traced) else (type(i), i) for i in x.inputs))
        twin[x.tick] = known.setdefault(key, simpler(x))
    program.results = [twin[r.tick] for r in program.results]
    program.checks = list({twin[bad.tick].tick: (twin[bad.tick], message) for bad, message in program.checks}.values())
    program.commits = [(state, twin[new.tick]) for state, new in program.commits]
    program.attributes = [(h, n, twin[v.tick] if isinstance(v, Traced) else v) for h, n, v in program.attributes]


def simpler(x: Traced) -> Traced:
    """What computes the same with less: nothing to the bit but a sum of one number many times, which is a product."""
    for k in NEUTRAL.get(x.function, ()):
        one, other = x.inputs[k], x.inputs[1 - k]
        if is_one(one) and isinstance(other, Traced) and other.dtype == x.dtype:
            return spread(other, x.shape, x.tick - 0.5)
    below: Any = x.inputs[0] if x.inputs else None
    if x.function in SELF_INVERSE and isinstance(below, Traced) and below.function == x.function:
        return below.inputs[0]  # type: ignore[no-any-return]
    if x.function in MANY_TIMES and below.function == "broadcast" and x.dtype == below.dtype and x.dtype.kind == "f":
        source = below.inputs[0]
        extents = (1,) * (below.ndim - source.ndim) + source.shape
        if all(extents[a] == 1 for a in x.settings["axes"]):
            count = math.prod(below.shape[a] for a in x.settings["axes"])
            product = Traced(MANY_TIMES[x.function], (source, float(count)), source.shape, x.dtype)
            product.tick = x.tick - 0.5
            return spread(product, x.shape, x.tick - 0.25)
    return x


def is_one(x: Any) -> bool:
    """Whether x is 1 throughout."""
    while isinstance(x, Traced) and x.function == "broadcast":
        x = x.inputs[0]
    if isinstance(x, Traced):
        return x.function == "constant" and x.size == 1 and x.settings["value"].item() == 1
    return not isinstance(x, bool) and isinstance(x, int | float) and x == 1


def spread(x: Traced, shape: tuple[int, ...], tick: float) -> Traced:
    """x in a shape that it broadcasts to, at a place in the order of the program."""
    if x.shape == shape:
        return x
    y = Traced("broadcast", (x,), shape, x.dtype)
    y.tick = tick
    return y


def add_products(program: Program) -> None:
    """Σ aₖ bₖ over a stack of products: each is added to those before, where nothing else needs them one by one."""
    instructions, uses = counted(program)
    for x in instructions:
        if x.function != "sum" or x.inputs[0].function != "matmul" or uses[x.inputs[0].tick] > 1:
            continue
        product = x.inputs[0]
        summed = all(a in x.settings["axes"] or n == 1 for a, n in enumerate(product.shape[:-2]))
        if summed and max(x.settings["axes"]) < product.ndim - 2 and x.dtype == product.dtype:
            x.function, x.inputs, x.settings = "matmul", product.inputs, {"total": True}


def counted(program: Program) -> tuple[list[Traced], dict[float, int]]:
    """The instructions, and how often each is used."""
    wanted = roots(program)
    instructions = order(wanted)
    uses: dict[float, int] = {}
    for i in (*wanted, *(i for x in instructions for i in x.inputs if isinstance(i, Traced))):
        uses[i.tick] = uses.get(i.tick, 0) + 1
    return instructions, uses


def turn_products(program: Program) -> None:
    """(a b)ᵀ = bᵀ aᵀ where nothing else needs a b: BLAS reads a transposed operand as it stands, a result it does not."""
    instructions, uses = counted(program)
    for x in instructions:
        if x.function == "transpose" and x.ndim == 2 and x.inputs[0].function == "matmul" and uses[x.inputs[0].tick] == 1:
            product = x.inputs[0]
            a, b = (turned(i, product.tick - before) for i, before in zip(product.inputs, (0.5, 0.25), strict=True))
            x.function, x.inputs, x.settings = "matmul", (b, a), {}


def turned(x: Traced, tick: float) -> Traced:
    """The transpose of a matrix, at a place in the order of the program."""
    if x.function == "transpose":
        return x.inputs[0]  # type: ignore[no-any-return]
    y = Traced("transpose", (x,), x.shape[::-1], x.dtype, axes=(1, 0))
    y.tick = tick
    return y
