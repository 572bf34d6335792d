"""`to_source`: the recorded graph as a NumPy program that one could have written by hand.

Forward and backward come from the ops' own declarations: the body of an op and of its derivative rule, with the variables of
this graph put in. Helpers that rules call are taken along. Nothing here knows an op.
"""

from __future__ import annotations

import keyword
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy

from autograd import tape
from autograd.errors import GraphError, UnsupportedError
from autograd.modes import enable_grad
from autograd.rule import Op
from autograd.tape import Leaf, Node, fit
from autograd.tensor import Tensor
from autograd.viz.code import Library, literal, number
from autograd.viz.polish import polished

__all__ = ["Source", "to_source"]

_HEAD = '''"""{title}: forward and backward in NumPy.

{call}
"""

import numpy as np'''


class Source(str):
    """The text of a program; `inputs` are the recorded arrays, by the names of the arguments.

    >>> import autograd as ag
    >>> w = ag.Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> source, program = (w * w).sum().to_source(), {}
    >>> exec(source, program)
    >>> program["loss_and_gradients"](**source.inputs)
    (np.float32(5.0), {'w': array([2., 4.], dtype=float32)})
    """

    inputs: dict[str, Any]

    def __repr__(self) -> str:
        return str(self)


@dataclass
class Line:
    """One application of an op: variable, operands as text, and what they were."""

    name: str
    op: Op
    operands: list[str]
    arrays: list[Any]
    wanted: tuple[int, ...]
    settings: dict[str, Any]
    value: Any


@dataclass
class _Program:
    """What is collected on the way through the graph."""

    root: str = ""
    lines: list[Line] = field(default_factory=list)
    leaves: list[str] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=dict)
    taken: set[str] = field(default_factory=lambda: {"np", "math", "loss_and_gradients"})
    counts: dict[str, int] = field(default_factory=dict)

    def fresh(self, wish: str | None, stem: str) -> str:
        """A name for a variable: the tensor's own where Python allows it."""
        if wish:
            word = "".join(c if c.isalnum() and c.isascii() or c == "_" else "_" for c in wish)[:30]
            if word.isidentifier() and not keyword.iskeyword(word) and not word.startswith("__"):
                name, k = word, 1
                while name in self.taken or f"g_{name}" in self.taken:
                    k += 1
                    name = f"{word}_{k}"
                self.taken.add(name)
                return name
        while True:
            self.counts[stem] = self.counts.get(stem, 0) + 1
            name = f"{stem}{self.counts[stem]}"
            if name not in self.taken:
                self.taken.add(name)
                return name

    def given(self, wish: str | None, stem: str, value: Any) -> str:
        """An argument of the program."""
        name = self.fresh(wish, stem)
        self.inputs[name] = value
        return name


def to_source(root: Tensor) -> Source:
    """The graph that computed a tensor, as a NumPy program: ``loss_and_gradients(**source.inputs)``.

    It needs NumPy alone, and gives the value and the gradients of the leaves, which have the names of the tensors. For a
    tensor of several elements they are those of its sum.

    Raises:
        GraphError: without a graph, or after ``backward()`` has freed it.
        UnsupportedError: for an op of the user's own whose source cannot be read.
    """
    if root.node is None:
        raise GraphError("to_source() of a tensor without a graph: nothing that it was computed from requires a gradient.")
    freed = next((n for n in tape.walk(root.node) if n.saved is None), None)
    if freed is not None:
        raise GraphError(
            f"backward() has freed what {freed.describe()} had saved: call to_source() before it, or "
            "backward(retain_graph=True)."
        )
    program = _Program()
    names: dict[int, str] = {}
    with numpy.errstate(all="ignore"):
        program.root = _collect(program, root.node, root.name or "loss", names, {}, {})
        return _written(program)


def _collect(program: _Program, root: Node, title: str, names: dict[int, str], values: dict[int, Any],
             consts: dict[int, str]) -> str:  # fmt: skip
    """All lines up to a node, oldest first; `names` holds the leaves that have one already."""
    for node in reversed(tape.walk(root)):
        if node.tick in names:
            continue
        if isinstance(node, Leaf):
            names[node.tick] = program.given(node.name, "x", node.data)
            values[node.tick] = node.data
            program.leaves.append(names[node.tick])
            continue
        operands, arrays = [], []
        for k, below in enumerate(node.inputs):
            if below is not None:
                operands.append(names[below.tick])
                arrays.append(values[below.tick])
                continue
            other = (node.consts or {})[k]
            array = other.data if isinstance(other, Tensor) else other
            arrays.append(array)
            if numpy.ndim(array) == 0:
                operands.append(number(array))
            else:
                if id(other) not in consts:
                    consts[id(other)] = program.given(getattr(other, "name", None), "c", numpy.asarray(array))
                operands.append(consts[id(other)])
        op = node.plan.op
        wish = title if node is root else node.name
        if hasattr(op, "define"):  # compiled in one piece: written out by its definition
            names[node.tick], values[node.tick] = _opened(program, node, op, operands, arrays, wish, consts)
            continue
        value = numpy.asarray(op.forward()(*arrays, **node.settings))
        names[node.tick], values[node.tick] = program.fresh(wish, "v"), value
        program.lines.append(
            Line(names[node.tick], op, operands, arrays, node.plan.wanted, dict(node.settings), value)
        )
    return names[root.tick]


def _opened(program: _Program, node: Node, op: Any, operands: list[str], arrays: list[Any], wish: str | None,
            consts: dict[int, str]) -> tuple[str, Any]:  # fmt: skip
    tensors = [Tensor(a, requires_grad=k in node.plan.wanted) if numpy.ndim(a) else a for k, a in enumerate(arrays)]
    with enable_grad():
        inside = op.define(tensors)
    names = {t.node.tick: operands[k] for k, t in enumerate(tensors) if isinstance(t, Tensor) and t.node is not None}
    values = {t.node.tick: t.data for t in tensors if isinstance(t, Tensor) and t.node is not None}
    for k, t in enumerate(tensors):
        if isinstance(t, Tensor) and t.node is None:
            consts[id(t)] = operands[k]
    program.inputs.setdefault("", []).append(tensors)  # kept alive: their ids are keys
    name = _collect(program, inside.node, wish or "", names, values, consts)
    return name, inside.data


# ---- the text ------------------------------------------------------------------------------------------------------------


def _written(program: _Program) -> Source:
    program.inputs.pop("", None)
    library = Library(program.given)
    shapes = {line.name: line.value.shape for line in program.lines}
    shapes |= {name: numpy.shape(value) for name, value in program.inputs.items()}
    forward = []
    for line in program.lines:
        shape = f"  # {line.value.shape}" if line.value.shape else ""
        try:
            words = library.forward(line.op, line.operands, line.settings, line.arrays)
            forward.append(f"{line.name} = {polished(words, shapes)}{shape}")
        except (OSError, SyntaxError, KeyError) as error:
            raise UnsupportedError(f"the source of op {line.op.name!r} cannot be read: {error}.") from None
    backward, gradients = _backward(program, library, shapes)
    arguments = ", ".join(program.inputs)
    missing = [f"np.zeros_like({n})" for n in program.leaves if n not in gradients]
    pairs = [f'"{n}": {f"g_{n}" if n in gradients else missing[0]}' for n in program.leaves]
    body = [
        f'"""The value, and its derivatives by {", ".join(program.leaves[:6])}{", …" if len(program.leaves) > 6 else ""}."""',
        "# forward",
        *forward,
        "",
        "# backward: g_v is the derivative of the result by v",
        *backward,
        f"return {program.root}, {{{', '.join(pairs)}}}",
    ]
    if sum(map(len, pairs)) > 90:
        body[-1] = f"return {program.root}, {{\n    " + ",\n    ".join(pairs) + ",\n}"
    definition = f"def loss_and_gradients({arguments}):"
    if len(definition) > 120:
        definition = "def loss_and_gradients(\n    " + ",\n    ".join(program.inputs) + ",\n):"
    text = "\n".join(
        [
            _HEAD.format(title=program.root, call="value, gradients = loss_and_gradients(…)"),
            *library.text(),
            definition,
            *(f"    {line}" if line else "" for line in "\n".join(body).split("\n")),
            "",
        ]
    )
    if "math." in text:
        text = text.replace("\nimport numpy as np\n", "\nimport math\n\nimport numpy as np\n", 1)
    source = Source(text)
    source.inputs = dict(program.inputs)
    return source


def _backward(program: _Program, library: Library, shapes: dict[str, Any]) -> tuple[list[str], set[str]]:
    """The lines of the backward pass. Shapes and dtypes are those of the recorded numbers, which are carried along."""
    last = program.lines[-1] if program.lines else None
    if last is None:
        start = program.inputs[program.root]
        return [f"g_{program.root} = np.ones_like({program.root})"], {program.root} if start is not None else set()
    known: dict[str, Any] = {program.root: numpy.ones(last.value.shape, last.value.dtype)}
    out = [f"g_{program.root} = {_ones(last.value)}"]
    for line in reversed(program.lines):
        g = known.pop(line.name, None)
        if g is None:
            continue
        plan = line.op.plan(line.wanted, len(line.arrays))
        saved = plan.save(*line.arrays, line.value)
        below = [SimpleNamespace(shape=numpy.shape(a)) for a in line.arrays]
        node: Any = SimpleNamespace(inputs=below, shape=line.value.shape, dtype=line.value.dtype, settings=line.settings)
        for slot, pull in plan.steps:
            target, array = line.operands[slot], numpy.asarray(line.arrays[slot])
            raw = numpy.asarray(g if pull is None else pull(g, saved, node))
            like: Any = SimpleNamespace(shape=array.shape, dtype=array.dtype)
            amount = numpy.asarray(fit(raw, like))
            words = library.backward(
                line.op, slot, line.operands, line.name, line.settings, line.arrays, line.value, g
            )
            words = polished(_fitted(words, raw, array), shapes)
            if target in known:
                words = f"g_{target} + {_bracketed(words)}"
                known[target] = known[target] + amount
            else:
                known[target] = amount
            out.append(f"g_{target} = {words}")
    return out, {line.split(" = ")[0][2:] for line in out}


def _ones(value: Any) -> str:
    kind = "" if value.dtype == float else f", np.{value.dtype}"
    return f"np.ones({value.shape}{kind})" if value.shape else f"np.{value.dtype}(1)"


def _bracketed(words: str) -> str:
    return f"({words})" if words.startswith("-") else words


def _fitted(words: str, raw: Any, like: Any) -> str:
    """Broadcasting undone, and the dtype that the operand has."""
    if raw.shape != like.shape:
        extra = raw.ndim - like.ndim
        ones = [extra + k for k, (n, m) in enumerate(zip(like.shape, raw.shape[max(extra, 0) :], strict=False)) if n == 1 != m]
        if extra < 0 or any(n not in (1, m) for n, m in zip(like.shape, raw.shape[extra:], strict=True)):
            words = f"np.broadcast_to({words}, {like.shape})"
        elif not like.shape or not ones:
            axes = tuple(range(extra))
            words = f"np.sum({words})" if not like.shape else f"np.sum({words}, axis={axes[0] if len(axes) == 1 else axes})"
        else:
            axes = (*range(extra), *ones)
            words = f"np.sum({words}, axis={axes[0] if len(axes) == 1 else axes}, keepdims=True)"
            if extra:
                words = f"np.reshape({words}, {like.shape})"
    if raw.dtype != like.dtype:
        if raw.dtype.kind == "c" and like.dtype.kind != "c":
            words = f"np.real({words})"
        words = f"np.asarray({words}, {literal(like.dtype)})"
    return words
