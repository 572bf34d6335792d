"""The graph of a compiled program: its kernels, the arrays that they take, and what they make."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy

from autograd.compiler.loops import Nest, Product, Step, kernels
from autograd.errors import ArgumentError
from autograd.rule import OPS
from autograd.viz import text
from autograd.viz.model import Box, Edge, Plain
from autograd.viz.read import group_box, titled
from autograd.viz.text import sign

__all__ = ["ProgramGraph"]

SIGNS = 4
"""Signs of functions that stand on a kernel."""
SILENT = ("broadcast", "reshape", "cast")
"""Functions that move nothing."""


class ProgramGraph(Plain):
    """The program that a jitted function ran last: arrays that it is given, kernels, results."""

    def __init__(self, compiled: Any):
        variant = compiled._last
        if variant is None:
            raise ArgumentError("this jitted function has no program yet: call it once, then draw it.")
        lowered = variant.lowered
        self.arrays, program = lowered.buffers, lowered.program
        self.inputs: list[list[int]] = []
        self.boxes: list[Box] = []
        self.signs: list[list[str]] = []
        names = {f"s{x.settings['slot']}": t.name for x, t, _ in program.states}
        made: dict[str, int] = {}  # array -> the box that holds or makes it
        _, calls = kernels(lowered.steps, self.arrays)
        source = {call.split("(")[0]: kernel for kernel, call in _texts(lowered)}
        calls = [(step, call) for step, call in calls if step.written()]  # a check makes nothing
        shown = [(step, call) for step, call in calls if any(self.arrays[b].shape for b in step.touched())] or calls
        for step, call in shown:  # numbers, such as learning rates and counts of steps, have no box of their own
            below = []
            for name in dict.fromkeys(step.touched()):
                if not self.arrays[name].shape and shown is not calls and name not in made:
                    continue
                b = self.arrays[name]
                if name not in made and b.place in ("argument", "state", "constant"):
                    kind = "parameter" if b.place == "state" else "constant"
                    title = names.get(name) or f"{b.place} {b.number}"
                    made[name] = self._add(Box(kind, name=title, shape=text.shape_text(b.shape, b.dtype)), [], [])
                if name in made:
                    below.append(made[name])
            at = self._step(step, call, below, source)
            for name in step.written():
                made[name] = at
        holders = {lowered.slots[v.tick]: _attribute(h, n) for h, n, v in program.attributes if hasattr(v, "tick")}
        for k, x in enumerate(lowered.outputs):
            if f"o{k}" in made:
                title = holders.get(k, "result")
                box = Box("result", name=title, shape=text.shape_text(x.shape, x.dtype))
                self._add(box, [made[f"o{k}"]], [])

    def _add(self, box: Box, below: list[int], signs: list[str]) -> int:
        self.boxes.append(box)
        self.inputs.append(list(dict.fromkeys(below)))
        self.signs.append(signs)
        return len(self.boxes) - 1

    def _step(self, step: Step, call: str, below: list[int], source: dict[str, str]) -> int:
        signs = [_sign(f) for f in dict.fromkeys(step.sources) if f not in SILENT]
        label = "  ".join(signs[:SIGNS]) + ("  …" if len(signs) > SIGNS else "")
        name = call.split("(")[0]
        traffic = sum(self.arrays[b].bytes for b in step.touched())
        count = len([f for f in step.sources if f not in SILENT])
        loops = len(step.loops) if isinstance(step, Nest) else 0
        note = [f"{count} functions, {loops} loop{'s' * (loops != 1)}" if loops and count > 1 else ""]
        note.append(f"{_units(step.flops())}flop, {_units(traffic)}B" + (", all threads" if step.shared else ""))
        if isinstance(step, Nest):
            over = max((loop.shape for loop in step.loops), key=math.prod)
        else:
            over = self.arrays[step.out if isinstance(step, Product) else step.buffers()[-1]].shape
        shape = " × ".join(map(str, over))
        box = Box("operation", label=label or "=", name="BLAS" if isinstance(step, Product) else name, shape=shape,
                  note=tuple(n for n in note if n), tooltip=titled(call, [source.get(name, "")]))  # fmt: skip
        return self._add(box, below, signs)

    def is_named(self, i: int) -> bool:
        """Whether it is an array of the user's."""
        return self.boxes[i].kind == "parameter"

    def box(self, i: int) -> Box:
        """The box of one array or kernel."""
        return self.boxes[i]

    def edge(self, i: int, k: int, tail: int, head: int) -> Edge:
        """From what is read to the kernel that reads it."""
        return Edge(tail, head)

    def group(self, members: Sequence[int]) -> Box:
        """The box for several of them."""
        signs = Counter(s for i in members for s in self.signs[i])
        return group_box(len(members), signs, [self.boxes[i].name for i in members if self.is_named(i)], [])


def _texts(lowered: Any) -> list[tuple[str, str]]:
    """The text of every kernel, with its name in front of a bracket."""
    found: list[tuple[str, str]] = []
    lines, _ = kernels(lowered.steps, lowered.buffers)
    current: list[str] = []
    for line in [*lines, "def end("]:
        if line.startswith("def ") and current:
            found.append(("\n".join(current), current[0].removeprefix("def ")))
            current = []
        current.append(line)
    return found


def _sign(function: str) -> str:
    """The sign of the op that an instruction is the function of."""
    name = getattr(getattr(numpy, function, None), "__name__", function)
    return sign(OPS[name].label) if name in OPS else function


def _attribute(holder: Any, name: str) -> str:
    own = getattr(holder, "name", None)
    return f"{own}.{name}" if own else name


def _units(n: float) -> str:
    """A count with its prefix: 51.2 k, 1.3 M.

    >>> _units(900), _units(51_200), _units(1_300_000)
    ('900 ', '51.2 k', '1.3 M')
    """
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if n >= size:
            return f"{n / size:.3g} {prefix}"
    return f"{n:.0f} "
