"""The loop program: what a lowered program is made of, and how it reads.

A program is a list of steps in order. A *nest* is one kernel: loops that share their outer axes, so that a row that one
of them has made is read by the next while it is in the cache. A *product* is a call of BLAS. A kernel's text is a
small part of Python over parameters whose dtypes and shapes it states; two kernels that read alike are one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Buffer", "Call", "Check", "Fill", "Let", "Load", "Loop", "Nest", "Plain", "Product", "Routine", "Step", "Store", "kernels",
    "kind", "threaded", "timed",
]  # fmt: skip

MANY, LONG, SCALARS = 64, 96, 256
"""Loops that one kernel takes up; statements that a loop does; statements that there are outside of loops."""
DEAR = 2
"""Scalar functions that are chains of operations themselves, such as tanh, that a loop takes up."""

Index = tuple[str, ...] | str
"""Where in a buffer: an index for each of its axes, or the text of a position in the array laid out in a row."""


@dataclass(slots=True)
class Buffer:
    """An array of the program: its element type, its shape, and where it is found when the program runs."""

    dtype: Any
    shape: tuple[int, ...]
    place: str = "arena"
    """One of argument, state, constant, output, arena; "row" for one that lives only inside a kernel."""
    number: int = 0
    """Which of its place, or the offset in the arena."""
    alias: str = ""
    """The array whose memory it is, in another shape."""
    offset: int = 0
    """How many bytes of that come before it."""

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """What it takes."""
        return self.size * int(self.dtype.itemsize)


@dataclass(slots=True)
class Load:
    """``name = buffer[index]``, or 0 and no look at the buffer where a condition does not hold."""

    name: str
    buffer: str
    index: Index
    where: str = ""

    def text(self, arrays: dict[str, Buffer]) -> str:
        element = _element(self.buffer, self.index, arrays)
        otherwise = f" if {self.where} else {kind(arrays[self.buffer].dtype)}(0)" if self.where else ""
        return f"{self.name} = {element}{otherwise}"


@dataclass(slots=True)
class Let:
    """``name = value``."""

    name: str
    value: str

    def text(self, arrays: dict[str, Buffer]) -> str:
        return f"{self.name} = {self.value}"


@dataclass(slots=True)
class Store:
    """``buffer[index] = value``, or what `combine` makes of the old element {0} and the value {1}."""

    buffer: str
    index: Index
    value: str
    combine: str = "{1}"

    def text(self, arrays: dict[str, Buffer]) -> str:
        element = _element(self.buffer, self.index, arrays)
        return f"{element} = {self.combine.format(element, self.value)}"


Statement = Load | Let | Store


@dataclass(slots=True)
class Fill:
    """``buffer[...] = value`` before the loops of a kernel start."""

    buffer: str
    value: str


@dataclass(eq=False)
class Loop:
    """Loops over a shape (axes of length 1 left out), with what happens before, in and after the innermost one."""

    shape: tuple[int, ...]
    row: list[Statement] = field(default_factory=list)
    body: list[Statement] = field(default_factory=list)
    stores: list[Statement] = field(default_factory=list)
    after_row: list[Statement] = field(default_factory=list)
    names: dict[Any, str] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    """The functions of the instructions that it carries out, in order."""
    reductions: dict[str, tuple[str, str]] = field(default_factory=dict)
    """For an array that `after_row` stores: how it takes up a further part, and what it starts with."""

    def full(self) -> bool:
        """Whether it takes up no more: the rounds of a short loop overlap in the processor, those of a long one do not."""
        if not self.shape:
            return len(self.body) >= SCALARS
        return len(self.body) >= LONG or sum(bool(_KERNEL.search(s.value)) for s in self.body if isinstance(s, Let)) >= DEAR

    def statements(self) -> Iterator[Statement]:
        """All of them, in the order in which they run."""
        for part in (self.row, self.body, self.stores, self.after_row):
            yield from part

    def straight(self, arrays: dict[str, Buffer]) -> bool:
        """Whether every access is to the element that the loops stand at, or to an array of one element."""
        if self.row or self.after_row or len(self.shape) < 2:
            return False
        count = tuple(f"i{k}" for k in range(len(self.shape)))
        for s in self.statements():
            if isinstance(s, Let):
                if re.search(r"\bi\d+\b", s.value):
                    return False
            elif arrays[s.buffer].size != 1 and (
                isinstance(s.index, str)
                or tuple(i for i in s.index if i != "0") != count
                or tuple(n for n in arrays[s.buffer].shape if n != 1) != self.shape
                or arrays[s.buffer].place == "row"
            ):
                return False
        return True

    def lines(self, arrays: dict[str, Buffer], depth: int) -> list[str]:
        """The loops below the first `depth` axes; none where nothing is left to do in them."""
        if not any(self.statements()):
            return []
        if depth == 0 and self.straight(arrays):
            return [f"for i0 in range({math.prod(self.shape)}):", *("    " + self._flat(s, arrays) for s in self.statements())]
        lines, pad = [], ""
        for k in range(depth, len(self.shape)):
            if k == len(self.shape) - 1:
                lines += [pad + s.text(arrays) for s in self.row]
            lines.append(f"{pad}for i{k} in range({self.shape[k]}):")
            pad += "    "
        if not pad:
            lines += [s.text(arrays) for s in self.row]
        lines += [pad + s.text(arrays) for s in (*self.body, *self.stores)]
        return lines + [pad[4:] + s.text(arrays) for s in self.after_row]

    def _flat(self, s: Statement, arrays: dict[str, Buffer]) -> str:
        if isinstance(s, Let) or arrays[s.buffer].size == 1:
            return s.text(arrays)
        if isinstance(s, Load):
            return Load(s.name, s.buffer, "i0").text(arrays)
        return Store(s.buffer, "i0", s.value, s.combine).text(arrays)


@dataclass(eq=False)
class Nest:
    """Loops that share their first `depth` axes."""

    loops: list[Loop]
    depth: int
    fills: list[Fill] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    """Buffers that hold one row at a time and live in this kernel only."""
    shared: bool = False
    """Whether several threads do it together, each its part of the outermost loop."""
    private: dict[str, str] = field(default_factory=dict)
    """For an array that all of them add up into: the array in which each has one of its own."""

    def outer(self) -> int:
        """The rounds of the outermost loop."""
        shape = self.loops[0].shape
        return shape[0] if shape else 1

    chunk: int = 0
    """If its loops run over one axis, in turn for so many elements at a time, what they hand on stays in the cache."""

    def full(self) -> bool:
        """Whether it takes up no more: LLVM's time grows faster than a kernel does."""
        return len(self.loops) >= MANY or not self.loops[0].shape and self.loops[0].full()

    def flat(self, arrays: dict[str, Buffer]) -> bool:
        """Whether it is one loop over elements, whatever their axes."""
        return len(self.loops) == 1 and self.loops[0].straight(arrays)

    def statements(self) -> Iterator[Statement]:
        """All of them, in order."""
        for loop in self.loops:
            yield from loop.statements()

    @property
    def sources(self) -> list[str]:
        """The functions of the instructions that it carries out, in order."""
        return [name for loop in self.loops for name in loop.sources]

    def buffers(self) -> list[str]:
        """The arrays that it takes from outside."""
        named = {f.buffer: None for f in self.fills}
        named |= {s.buffer: None for s in self.statements() if not isinstance(s, Let)}
        return [b for b in named if b not in self.rows]

    def touched(self) -> list[str]:
        """The arrays in memory that it reads or writes."""
        return [self.private.get(b, b) for b in self.buffers()]

    def written(self) -> list[str]:
        """Those that it writes."""
        stores = {s.buffer: None for s in self.statements() if isinstance(s, Store)} | {f.buffer: None for f in self.fills}
        return [self.private.get(b, b) for b in stores if b not in self.rows]

    def lines(self, arrays: dict[str, Buffer]) -> list[str]:
        """Its body."""
        out = [f"{f.buffer}[...] = {f.value}" for f in self.fills]
        for name in self.rows:
            b = arrays[name]
            if b.size != 1:
                out.append(f"{name} = local({kind(b.dtype)}, {b.size})")
        depth, pad = self.depth if len(self.loops) > 1 else 0, ""
        inside = [line for loop in self.loops for line in loop.lines(arrays, depth)]
        if not inside:
            return out or ["pass"]
        for k in range(depth):
            out.append(f"{pad}for i{k} in range({self.loops[0].shape[k]}):")
            pad += "    "
        out += [pad + line for line in inside]
        if self.shared:
            at = next(k for k, line in enumerate(out) if line.startswith("for i0 in range("))
            out[at] = out[at].replace("range(", "share(")
        return out

    def moved(self, arrays: dict[str, Buffer]) -> dict[str, int]:
        """The bytes that it reads or writes of each array: of one of which it takes a part, that part."""
        found: dict[str, int] = {}
        for loop in self.loops:
            for s in loop.statements():
                if not isinstance(s, Let) and s.buffer not in self.rows:
                    each = math.prod(loop.shape) * int(arrays[s.buffer].dtype.itemsize)
                    found[s.buffer] = min(found.get(s.buffer, 0) + each, arrays[s.buffer].bytes)
        return found

    def flops(self) -> int:
        """Scalar functions computed."""
        total = 0
        for loop in self.loops:
            size = math.prod(loop.shape)
            total += size * sum(isinstance(s, Let) for s in loop.body) + size * sum(
                isinstance(s, Store) and s.combine != "{1}" for s in loop.stores
            )
        return total


@dataclass(eq=False)
class Plain:
    """A kernel given as lines: copies, and matrix products too small for a call."""

    text: list[str]
    out: str
    read: list[str]
    sources: list[str]
    work: int = 0
    runs_for_all: bool = False
    """Whether it wants to know how many threads there are."""
    stack: int = 1
    """Rounds of an outermost loop whose rounds have nothing to do with each other."""
    shared: bool = False

    def buffers(self) -> list[str]:
        """The arrays that it takes from outside."""
        return list(dict.fromkeys([*self.read, self.out]))

    touched = buffers

    def written(self) -> list[str]:
        """The one that it writes."""
        return [self.out]

    def lines(self, arrays: dict[str, Buffer]) -> list[str]:
        """Its body."""
        return [line.replace("range(", "share(") if self.shared and line.startswith("for ") else line for line in self.text]

    def flops(self) -> int:
        """Scalar functions computed."""
        return self.work


@dataclass(eq=False)
class Product:
    """``out = a b`` by BLAS, either operand transposed."""

    left: str
    right: str
    out: str
    turned: tuple[bool, bool]
    work: int
    stack: int = 1
    total: bool = False
    """Whether the products of a stack are added up."""
    shared: bool = False
    sources = ("matmul",)

    def buffers(self) -> list[str]:
        """The arrays that it takes from outside."""
        return [self.left, self.right, self.out]

    touched = buffers

    def written(self) -> list[str]:
        """The one that it writes."""
        return [self.out]

    def line(self) -> str:
        """The call."""
        a, b = (name + (".T" if t else "") for name, t in zip((self.left, self.right), self.turned, strict=True))
        name = "add_dots" if self.total else "dot"
        return f"{name}({a}, {b}, {self.out}{', thread, threads' if self.shared else ''})"

    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * self.work


@dataclass(eq=False)
class Routine:
    """What LAPACK or BLAS does to an array in place, for a stack of matrices one by one: ``potrf(out)``, a Cholesky factor;
    ``trsm(a, out)``, the solution of a triangular system; ``gesv(a, pivots, out)``, that of any, with each right side a
    row of `out`, which takes a and room for the pivots as scratch."""

    name: str
    read: list[str]
    out: str
    lower: bool
    work: int
    sources: list[str]
    shared = False

    def buffers(self) -> list[str]:
        """The arrays that it takes from outside."""
        return [*self.read, self.out]

    touched = buffers

    def written(self) -> list[str]:
        """Those that it writes."""
        return self.buffers() if self.name == "gesv" else [self.out]

    def line(self) -> str:
        """The call."""
        return f"{self.name}({', '.join([*self.read, self.out, str(int(self.lower))])})"

    def flops(self) -> int:
        """Multiplications and additions."""
        return self.work


@dataclass(eq=False)
class Call:
    """``out = function(arrays)`` in Python, for what has no compiled form."""

    number: int
    function: Callable[..., Any]
    read: list[str]
    out: str
    sources: list[str]
    shared = False

    def buffers(self) -> list[str]:
        """The arrays that it takes from outside."""
        return list(dict.fromkeys([*self.read, self.out]))

    touched = buffers

    def written(self) -> list[str]:
        """The one that it writes."""
        return [self.out]

    def line(self) -> str:
        """The call; what it is of, the program's caller knows."""
        return f"python({self.number})"

    def flops(self) -> int:
        """Not known."""
        return 0


@dataclass(eq=False)
class Check:
    """The end of the program, before it has written anything, if a number is not 0."""

    number: int
    read: str
    shared = True  # all threads end
    sources = ()

    def buffers(self) -> list[str]:
        """The arrays that it takes from outside."""
        return [self.read]

    touched = buffers

    def written(self) -> list[str]:
        """None."""
        return []

    def line(self) -> str:
        """The test."""
        return f"check({self.number}, {self.read})"

    def flops(self) -> int:
        """None to speak of."""
        return 0


Step = Nest | Plain | Product | Routine | Call | Check


def kernels(steps: list[Step], arrays: dict[str, Buffer]) -> tuple[list[str], list[tuple[Step, str]]]:
    """The text of every kernel, each once; and for each step the line that calls it."""
    names: dict[tuple[str, ...], str] = {}
    text: list[str] = []
    calls: list[tuple[Step, str]] = []
    for step in steps:
        if isinstance(step, Product | Routine | Call | Check):
            calls.append((step, step.line()))
            continue
        used = step.buffers()
        new = {b: f"x{k}" for k, b in enumerate(used)}
        body = _renamed(step.lines(arrays), new)
        head = ", ".join(f"x{k}: {kind(arrays[b].dtype)}[{', '.join(map(str, arrays[b].shape)) or '()'}]"
                         for k, b in enumerate(used))  # fmt: skip
        if step.shared or isinstance(step, Plain) and step.runs_for_all:
            head = f"thread, threads, {head}"
        key = (head, *body)
        if key not in names:
            names[key] = f"kernel{len(names)}"
            text += [f"def {names[key]}({head}):", *("    " + line for line in body)]
        given = used
        if isinstance(step, Nest):
            given = [f"{step.private[b]}[thread]" if b in step.private else b for b in used]
        elif step.runs_for_all:
            given = ["thread", "threads", *used]
        calls.append((step, f"{names[key]}({', '.join(['thread', 'threads', *given] if step.shared else given)})"))
    return text, calls


def threaded(calls: list[tuple[Step, str]], phases: list[int]) -> list[tuple[Step | None, str]]:
    """The calls of a program that several threads run: what is not shared is the first one's, and all wait between phases."""
    lines: list[tuple[Step | None, str]] = []
    alone = False
    for k, (step, line) in enumerate(calls):
        if k and phases[k] != phases[k - 1]:
            lines.append((None, "barrier(threads)"))
            alone = False
        if not step.shared and not alone:
            lines.append((None, "if thread == 0:"))
        alone = not step.shared
        lines.append((step, line if step.shared else "    " + line))
    return lines


def timed(lines: list[tuple[Step | None, str]], threads: int) -> list[str]:
    """The calls of a program with ``clock(k)`` before the k-th step and at the end, which the first thread does."""
    found: list[str] = []
    count = 0
    for step, line in [*lines, (None, "")]:
        if step is not None or not line:
            clock = [f"clock({count})"] if threads == 1 else ["if thread == 0:", f"    clock({count})"]
            found += [f"    clock({count})"] if line.startswith(" ") else clock
            count += 1
        found.append(line)
    return found[:-1]


def kind(dtype: Any) -> str:
    """The name of a dtype in the loop program."""
    return "bool_" if dtype.kind == "b" else str(dtype.name)


_KERNEL = re.compile(r"_(32|64)\(")
_WORD = re.compile(r"\b([abcosvr])(\d+)(\w*)\b")


def _renamed(lines: list[str], new: dict[str, str]) -> list[str]:
    """Lines over parameters x0, x1, …, with variables numbered from 0, so that equal kernels read alike."""

    def name(match: re.Match[str]) -> str:
        word = match.group(0)
        if word not in new:
            new[word] = f"{match.group(1)}{len(new)}"
        return new[word]

    return [_WORD.sub(name, line) for line in lines]


def _element(buffer: str, index: Index, arrays: dict[str, Buffer]) -> str:
    b = arrays[buffer]
    if b.place == "row":
        if b.size == 1:
            return buffer
        return f"{buffer}[{index if isinstance(index, str) else _position(index, b.shape)}]"
    if isinstance(index, str):
        return f"{buffer}[flat({index})]"
    return f"{buffer}[{', '.join(index) or '0'}]"


def _position(at: tuple[str, ...], shape: tuple[int, ...]) -> str:
    text = "0"
    for i, n in zip(at, shape, strict=True):
        text = i if text == "0" else f"({text}) * {n} + {i}"
    return text
