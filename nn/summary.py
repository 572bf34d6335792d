"""What a network costs: shapes, parameters and floating-point operations, read off the tape of one forward pass.

FLOPs are counted on the recorded ops, so a user's own layer is counted with no word about it: a product of matrices costs
two for each multiplication and addition, an elementwise op one for each element of its result, a reduction one for each
element that it reads, and moving data nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import islice
from math import prod
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, AutogradError, ShapeError
from autograd.tape import Node, walk
from nn.containers import Sequential
from nn.layers.linear import Linear
from nn.module import Module, Parameter

__all__ = ["Row", "Summary", "costs", "flops", "summarise"]

MOST = 200
"""Modules of a network that is run for its picture in a notebook."""


@dataclass(frozen=True)
class Row:
    """One module: its name, type, depth in the tree, output shape, own parameters, and FLOPs with all below it."""

    name: str
    kind: str
    depth: int
    output: Any
    parameters: int
    flops: int


@dataclass(frozen=True)
class Summary:
    """The table that `Module.summary` returns; prints itself."""

    rows: list[Row]
    parameters: int
    trainable: int
    bytes: int
    flops: int
    input_shape: tuple[int, ...] = field(default=())

    def _table(self) -> list[tuple[str, ...]]:
        table: list[tuple[str, ...]] = [("layer", "output", "parameters", "FLOPs")]
        for row in self.rows:
            name = f"{row.name}: {row.kind}" if row.name else row.kind
            table.append(("  " * min(row.depth, 20) + name, str(row.output), f"{row.parameters:,}", f"{row.flops:,}"))
        return table

    def _total(self) -> str:
        frozen = self.parameters - self.trainable
        size = self.bytes / 1024 if self.bytes < 1 << 20 else self.bytes / (1 << 20)
        return (
            f"{self.parameters:,} parameters, {'all trainable' if not frozen else f'{frozen:,} of them frozen'}; "
            f"{size:.1f} {'KiB' if self.bytes < 1 << 20 else 'MiB'}; {self.flops:,} FLOPs for an input of "
            f"shape {self.input_shape}"
        )

    def __repr__(self) -> str:
        table = self._table()
        a, b, c, d = (max(len(line[k]) for line in table) for k in range(4))
        lines = [f"{w:<{a}}   {x:<{b}}   {y:>{c}}   {z:>{max(d, 8)}}" for w, x, y, z in table]
        rule = "-" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:], rule, self._total()])

    def _repr_html_(self) -> str:
        from nn.tree import table

        return table(self._table()[:400], self._total())


PRODUCTS = ("@", "xWᵀ+b")
"""Signs of the ops that are matrix products, of the last axis of their first operand."""


def flops(node: Node) -> int:
    """Floating-point operations of one node of the tape."""
    op, size = node.op, prod(node.shape)
    if op is None:
        return 0
    shapes = [_shape(node, i) for i in range(len(node.inputs))]
    if op.label in PRODUCTS:  # and what is added to it
        return 2 * size * (shapes[0][-1] if shapes[0] else 1) + size * (len(shapes) - 2)
    if op.kind == "elementwise":
        return size
    largest = max((prod(s) for s in shapes), default=0)
    return largest if largest > size or op.kind == "primitive" else 0


def _shape(node: Node, i: int) -> tuple[int, ...]:
    source = node.inputs[i]
    return (
        source.shape
        if source is not None
        else np.shape(getattr((node.consts or {}).get(i), "data", (node.consts or {}).get(i, ())))
    )


def summarise(model: Module, input_shape: tuple[int, ...], dtype: Any = None) -> Summary:
    """Run one forward pass on zeros, in evaluation mode, and read the table off it. The model is left as it was."""
    shape = tuple(input_shape) if isinstance(input_shape, tuple | list) else (input_shape,)
    if not shape or any(not isinstance(n, int) or n < 0 for n in shape):
        raise ArgumentError(f"input_shape must be a tuple of sizes, batch axis included, such as (1, 64); got {input_shape!r}.")
    if dtype is None:
        dtype = next((p.dtype for p in model.parameters()), ag.get_default_dtype())
    modules = dict(model.named_modules())
    modes = [(m, m.training) for m in modules.values()]
    spans: dict[int, tuple[int, int, Any]] = {}
    started: dict[int, list[int]] = {}

    def now() -> int:
        return ag.Tensor(0.0, requires_grad=True).node.tick  # type: ignore[union-attr]

    def before(module: Module, args: Any) -> None:
        started.setdefault(id(module), []).append(now())

    def after(module: Module, args: Any, output: Any) -> None:
        spans[id(module)] = (started[id(module)].pop(), now(), _shape_of(output))

    x = ag.Tensor(np.zeros(shape, dtype), requires_grad=np.dtype(dtype).kind in "fc")
    hooks = [m.register_forward_pre_hook(before) for m in modules.values()]
    hooks += [m.register_forward_hook(after) for m in modules.values()]
    try:
        model.eval()
        with ag.enable_grad():
            output = model(x)
    except ShapeError as error:
        raise ShapeError(f"the network cannot take an input of shape {shape}: {error}") from None
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes:
            object.__setattr__(module, "training", mode)
    nodes = [t.node for t in _tensors(output) if t.node is not None]
    costs = sorted((node.tick, flops(node)) for node in walk(nodes))
    ticks, sums = [t for t, _ in costs], [0]
    for _, cost in costs:
        sums.append(sums[-1] + cost)
    rows: list[Row] = []
    counted: set[int] = set()
    for name, module in modules.items():
        fresh = [p for p in vars(module).values() if isinstance(p, Parameter) and id(p) not in counted]
        counted.update(id(p) for p in fresh)
        start, end, out = spans.get(id(module), (0, 0, "not used"))
        cost = sums[bisect_right(ticks, end)] - sums[bisect_left(ticks, start)]
        depth = name.count(".") + 1 if name else 0
        rows.append(Row(name.rpartition(".")[2], type(module).__name__, depth, out, sum(p.size for p in fresh), cost))
    everything = list(model.parameters())
    return Summary(
        rows,
        sum(p.size for p in everything),
        sum(p.size for p in everything if p.requires_grad),
        sum(p.data.nbytes for p in everything),
        sums[-1],
        shape,
    )


def costs(model: Module) -> dict[int, Row]:
    """The rows of the summary by the identity of their module, where the input's shape is plain to see: a `Sequential` of this
    library's own layers that begins with a dense one. Of others, none: no code of the user's is run unasked.

    >>> import nn
    >>> model = nn.Sequential(nn.Linear(64, 10), nn.ReLU())
    >>> {row.kind: row.flops for row in costs(model).values()}
    {'Sequential': 1300, 'Linear': 1290, 'ReLU': 10}
    """
    modules = list(islice(model.modules(), MOST + 1))
    foreign = any(type(m).__module__.split(".")[0] != "nn" or m._before or m._after for m in modules)
    if foreign or len(modules) > MOST or sum(p.size for p in model.parameters()) > 10**7 or ag.is_recording():
        return {}
    first = model
    while isinstance(first, Sequential) and len(first):
        first = first[0]
    if not isinstance(first, Linear):
        return {}
    try:
        rows = summarise(model, (1, first.in_features)).rows
    except AutogradError:
        return {}
    return {id(m): row for (_, m), row in zip(model.named_modules(), rows, strict=True)}


def _tensors(output: Any) -> list[ag.Tensor]:
    found, stack = [], [output]
    while stack:
        item = stack.pop()
        if isinstance(item, ag.Tensor):
            found.append(item)
        elif isinstance(item, list | tuple):
            stack.extend(item)
        elif isinstance(item, dict):
            stack.extend(item.values())
    return found


def _shape_of(output: Any) -> Any:
    shapes = [t.shape for t in reversed(_tensors(output))]
    return shapes[0] if len(shapes) == 1 else shapes
