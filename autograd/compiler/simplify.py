"""Passes over instructions: what is computed twice is computed once, what 1 times something is, is that; a transposed
product is a product of transposes."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from autograd.compiler.apart import slice_by_slice
from autograd.compiler.capture import Program
from autograd.compiler.distribute import distribute
from autograd.compiler.indices import turns
from autograd.compiler.picked import picked
from autograd.compiler.together import one_of_a_sum, one_of_equal_factors, side_by_side, transposed_once
from autograd.compiler.trace import Traced, constant
from autograd.kernels.scalars import MANY_TIMES, NEUTRAL, SELF_INVERSE

__all__ = ["merge", "order", "passes", "roots", "simplify"]


Pass = Callable[[Program], None]


def _of_instructions(function: Callable[[list[Traced]], None]) -> Pass:
    """A pass over the instructions alone."""
    return functools.wraps(function)(lambda program: function(counted(program)[0]))


def _of_uses(function: Callable[[list[Traced], dict[float, int]], None]) -> Pass:
    """A pass over the instructions that asks how often each is used."""
    return functools.wraps(function)(lambda program: function(*counted(program)))


def passes() -> tuple[Pass, ...]:
    """The passes in their order, each of which works on the program in place."""
    return (
        merge, add_products, turn_products, _of_instructions(distribute), _of_uses(picked), _of_uses(slice_by_slice),
        _of_uses(side_by_side), _of_instructions(one_of_equal_factors), _of_instructions(transposed_once),
        _of_uses(one_of_a_sum), turn_products, merge,
    )  # fmt: skip


def simplify(program: Program) -> None:
    """All passes, in place."""
    for one in passes():
        one(program)


def roots(program: Program) -> list[Traced]:
    """What a program is there to compute."""
    values = [*program.results, *(new for _, new in program.commits), *(v for _, _, v in program.attributes)]
    values += [bad for bad, _ in program.checks] + [new for _, _, new in program.cell_results]
    return [v for v in values if isinstance(v, Traced)]


def order(roots: list[Traced]) -> list[Traced]:
    """Every instruction that the roots need, oldest first."""
    found, stack = {}, [r for r in roots if isinstance(r, Traced)]
    while stack:
        x = stack.pop()
        if x.tick not in found:
            found[x.tick] = x
            stack.extend(i for i in x.inputs if isinstance(i, Traced))
        elif found[x.tick] is not x:
            raise RuntimeError(f"two instructions have one place in the order of the program: {x} and {found[x.tick]}")
    return [found[t] for t in sorted(found)]


def merge(program: Program) -> None:
    """Common subexpressions: equal functions of equal inputs become one, and what 1 times something is, is that."""
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
    program.cell_results = [(k, n, twin[v.tick] if isinstance(v, Traced) else v) for k, n, v in program.cell_results]
    program.attributes = [(h, n, twin[v.tick] if isinstance(v, Traced) else v) for h, n, v in program.attributes]


def simpler(x: Traced) -> Traced:
    """What computes the same with less: nothing to the bit but a sum of one number many times, which is a product."""
    for k in NEUTRAL.get(x.function, ()):
        one, other = x.inputs[k], x.inputs[1 - k]
        if is_one(one) and isinstance(other, Traced) and other.dtype == x.dtype:
            return spread(other, x.shape, x.tick - 0.5)
    below: Any = x.inputs[0] if x.inputs else None
    if x.function == "reshape":
        while below.function == "reshape":
            below = below.inputs[0]
        x.inputs = (below,)
        if below.shape == x.shape:
            return below  # type: ignore[no-any-return]
    if x.function == "slice" and below.function == "slice":
        x, below = sliced_once(x, below), below.inputs[0]
    if x.function == "join":
        x.inputs = tuple(piece for part in x.inputs for piece in pieces(x, part))
    if x.function == "slice" and below.function == "reshape":
        return rows_of(x, below)
    if x.function == "slice" and below.function == "join":
        return within(x, below)
    if x.function == "slice" and "box" in below.settings:
        return beside(x, below)
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


def sliced_once(x: Traced, below: Traced) -> Traced:
    """A slice of a slice, as one."""
    (a, s), (b, t) = ((y.settings["starts"], y.settings["steps"]) for y in (below, x))
    starts = tuple(p + q * r for p, q, r in zip(a, b, s, strict=True))
    steps = tuple(q * r for q, r in zip(t, s, strict=True))
    y = Traced("slice", below.inputs, x.shape, x.dtype, starts=starts, steps=steps)
    y.tick = x.tick
    return y


def rows_of(x: Traced, below: Traced) -> Traced:
    """Rows, one after another, of an array in another shape, as rows of the array itself, in that shape."""
    source, width = below.inputs[0], math.prod(below.inputs[0].shape[1:])
    first, count = x.settings["starts"][0] * math.prod(below.shape[1:]), x.size
    whole = x.shape[1:] == below.shape[1:] and all(s == 1 for s in x.settings["steps"])
    if not whole or not width or first % width or count % width or not source.ndim:
        return x
    starts = (first // width, *(0 for _ in source.shape[1:]))
    y = Traced("slice", (source,), (count // width, *source.shape[1:]), x.dtype, starts=starts, steps=(1,) * source.ndim)
    y.tick = x.tick - 0.02
    z = Traced("reshape", (y,), x.shape, x.dtype)
    z.tick = x.tick
    return z


def pieces(x: Traced, part: Traced) -> list[Traced]:
    """What a part of a join consists of: if it is a stretch of another join along the same axis, the pieces of that."""
    axis, whole = x.settings["axis"], part.inputs[0] if part.function == "slice" else part
    if whole.function != "join" or whole.settings["axis"] != axis:
        return [part]
    low, high = 0, part.shape[axis]
    if part is not whole:
        starts, steps = part.settings["starts"], part.settings["steps"]
        if steps[axis] != 1 or any(n != m for k, (n, m) in enumerate(zip(part.shape, whole.shape, strict=True)) if k != axis):
            return [part]
        low, high = starts[axis], starts[axis] + high
    found, start = [], 0
    for piece in whole.inputs:
        n = piece.shape[axis]
        a, b = max(low - start, 0), min(high - start, n)
        start += n
        if a >= b:
            continue
        if (a, b) != (0, n):
            at = tuple(a if k == axis else 0 for k in range(x.ndim))
            shape = (*piece.shape[:axis], b - a, *piece.shape[axis + 1 :])
            cut = Traced("slice", (piece,), shape, x.dtype, starts=at, steps=(1,) * x.ndim)
            cut.tick = part.tick + (x.tick - part.tick) * (0.913 + 0.003 * a / n)  # after the piece, before the join
            piece = sliced_once(cut, piece) if piece.function == "slice" else cut
        found.append(piece)
    return found


def within(x: Traced, joined: Traced) -> Traced:
    """A slice of arrays side by side that lies within one of them, as a slice of that."""
    axis, start = joined.settings["axis"], 0
    low, step = x.settings["starts"][axis], x.settings["steps"][axis]
    high = low + step * (x.shape[axis] - 1)
    for part in joined.inputs:
        n = part.shape[axis]
        if start <= min(low, high) and max(low, high) < start + n:
            starts = (*x.settings["starts"][:axis], low - start, *x.settings["starts"][axis + 1 :])
            if x.shape == part.shape and all(s == 1 for s in x.settings["steps"]):
                return part  # type: ignore[no-any-return]
            y = Traced("slice", (part,), x.shape, x.dtype, starts=starts, steps=x.settings["steps"])
            y.tick = x.tick
            return y
        start += n
    return x


def beside(x: Traced, placed: Traced) -> Traced:
    """A slice of an array that stands among zeros: zeros, or a slice of it."""
    box, along = placed.settings["box"], zip(x.settings["starts"], x.settings["steps"], x.shape, strict=True)
    ends = [(low, low + step * (n - 1)) for low, step, n in along]
    if any(max(e) < a or b <= min(e) for e, (a, b) in zip(ends, box, strict=True)):
        zero = constant(0, x.dtype)
        zero.tick = x.tick - 0.5
        return spread(zero, x.shape, x.tick)
    if not all(a <= min(e) and max(e) < b for e, (a, b) in zip(ends, box, strict=True)):
        return x
    source, shape = placed.inputs[0], tuple(b - a for a, b in box)
    if source.shape != shape:
        source = Traced("reshape", (source,), shape, x.dtype)
        source.tick = x.tick - 0.5
    if x.shape == shape and all(step == 1 for step in x.settings["steps"]):
        return source  # type: ignore[no-any-return]
    starts = tuple(low - a for low, (a, _) in zip(x.settings["starts"], box, strict=True))
    y = Traced("slice", (source,), x.shape, x.dtype, starts=starts, steps=x.settings["steps"])
    y.tick = x.tick
    return y


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
    """Σ aₖ bₖ over a stack of products: each is added to those before, where nothing else needs them one by one.

    Σ aₖ bₖᵀ is (Σ bₖ aₖᵀ)ᵀ where it is wider than high: OpenBLAS is up to twice as fast at that, and what is left to be
    turned is one matrix.
    """
    instructions, uses = counted(program)
    for x in instructions:
        if x.function != "sum" or not x.settings["axes"] or x.inputs[0].function != "matmul" or uses[x.inputs[0].tick] > 1:
            continue
        product = x.inputs[0]
        summed = all(a in x.settings["axes"] or n == 1 for a, n in enumerate(product.shape[:-2]))
        if summed and max(x.settings["axes"]) < product.ndim - 2 and x.dtype == product.dtype:
            a, b = product.inputs
            if x.shape[-2] < x.shape[-1] and turns(b) and not turns(a):
                flipped = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
                right = Traced("transpose", (a,), (*a.shape[:-2], *a.shape[:-3:-1]), a.dtype, axes=flipped)
                total = Traced("matmul", (b.inputs[0], right), (*x.shape[:-2], *x.shape[:-3:-1]), x.dtype, total=True)
                right.tick, total.tick = x.tick - 0.5, x.tick - 0.25
                x.function, x.inputs, x.settings = "transpose", (total,), {"axes": flipped}
            else:
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
