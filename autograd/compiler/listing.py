"""``step.passes()``: the recorded instructions as text, and what each pass makes of them.

A program is recorded anew for it, and the passes run over that one by one; then it is dropped.
"""

from __future__ import annotations

import difflib
import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

from autograd.compiler.capture import Program
from autograd.compiler.simplify import order, passes, roots
from autograd.compiler.trace import Traced

__all__ = ["Listing", "Stage", "instructions"]

LONGEST = 60
"""Lines of one stage that are printed."""


class Stage(NamedTuple):
    """A pass: its name, what it is for, and the instructions after it."""

    name: str
    purpose: str
    lines: list[str]


def instructions(program: Program) -> list[str]:
    """A line for each instruction, oldest first: its number, what it computes, dtype, shape; then what the program leaves."""
    found = order(roots(program))
    number = {x.tick: f"%{k}" for k, x in enumerate(found)}

    def text(value: Any) -> str:
        return number[value.tick] if isinstance(value, Traced) else f"{value!r:.20}"

    lines = []
    for x in found:
        given = f"({', '.join(map(text, x.inputs))})" if x.inputs else ""
        lines.append(f"{number[x.tick]} = {_function(x)}{given}: {x.dtype}{list(x.shape)}")
    lines += [f"return {text(r)}" for r in program.results]
    lines += [f"{_function(place)} ← {text(value)}" for place, value in program.commits]
    lines += [f"{type(holder).__name__.lower()}.{name} ← {text(value)}" for holder, name, value in program.attributes]
    return lines


def _function(x: Traced) -> str:
    """What an instruction does, with those of its settings that are short."""
    if x.function in ("argument", "state"):
        return f"{x.function} {x.settings['slot']}"
    if x.function == "constant" and x.size == 1:
        return f"constant {x.settings['value'].item()!r:.20}"
    shown = {k: v for k, v in x.settings.items() if isinstance(v, int | str | tuple) and len(str(v)) < 40}
    return x.function + (f"[{', '.join(f'{k}={v}' for k, v in shown.items())}]" if shown else "")


class Listing:
    """The instructions of a step as they were recorded, and after each pass: `stages`.

    Printed: those that were recorded, and for each pass the lines that it takes away and puts in.
    """

    def __init__(self, name: str, record: Callable[[], Program]):
        self.name, program = name, record()
        self.stages = [Stage("recorded", "What the function and its derivative are made of.", instructions(program))]
        for one in passes():
            one(program)
            purpose = (inspect.getdoc(one) or "").split("\n")[0]
            self.stages.append(Stage(one.__name__, purpose, instructions(program)))

    def __str__(self) -> str:
        before, idle = self.stages[0].lines, []
        out = [f"{self.name}: {_count(before)} recorded", *("  " + line for line in _cut(before))]
        for name, purpose, lines in self.stages[1:]:
            if _plain(lines) == _plain(before):
                idle.append(name)
                continue
            changed = difflib.unified_diff(_plain(before), _plain(lines), lineterm="", n=0)
            marks = [line for line in changed if line[:1] in "+-" and line[:3] not in ("+++", "---")]
            out += ["", f"{name}: {_count(before)} → {_count(lines)}", *textwrap.wrap(purpose, 110)]
            out += ["  " + line for line in _cut(marks)]
            before = lines
        if idle:
            out += ["", *textwrap.wrap(f"Nothing to do: {', '.join(dict.fromkeys(idle))}", 110)]
        return "\n".join(out)

    __repr__ = __str__


def _plain(lines: list[str]) -> list[str]:
    """The lines without numbers, which every pass before them shifts: operands by what they are."""
    made: dict[str, str] = {}
    plain = []
    for line in lines:
        name, equals, rest = line.partition(" = ")
        plain.append(re.sub(r"%\d+", lambda found: made.get(found[0], found[0]), rest if equals else line))
        if equals:
            made[name] = re.split(r"[\[(:]", rest)[0]
    return plain


def _count(lines: list[str]) -> str:
    n = sum(line.startswith("%") for line in lines)
    return f"{n} instruction{'s' * (n != 1)}"


def _cut(lines: list[str]) -> list[str]:
    return lines if len(lines) <= LONGEST else [*lines[:LONGEST], f"… and {len(lines) - LONGEST} more"]
