r"""`to_latex`: the expression that computed a Value or a Tensor, as LaTeX.

Signs decide how an op is set; what is used more than once, or would make a line too long, gets a line of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from autograd.errors import ArgumentError, DTypeError
from autograd.tape import Node
from autograd.tensor import Tensor
from autograd.value import Value
from autograd.viz import text
from autograd.viz.model import Graph
from autograd.viz.read import detail

__all__ = ["to_latex"]

MOST = 500
"""Operations that are written out."""
LONG = 90
"""Characters of an expression from which on it gets a line of its own."""

_BINARY = {"+": (r"{} + {}", 1), "-": (r"{} - {}", 1), "×": (r"{} \, {}", 2), "@": (r"{} \, {}", 2), "·": (r"{} \, {}", 2)}
_WRAPPED = {"|·|": r"\left|{}\right|", "⌊·⌋": r"\left\lfloor {} \right\rfloor", "⌈·⌉": r"\left\lceil {} \right\rceil",
            "√": r"\sqrt{{{}}}", "∛": r"\sqrt[3]{{{}}}", "1/·": r"\frac{{1}}{{{}}}"}  # fmt: skip
_NAMES = {"ln": r"\ln", "σ": r"\sigma", "Σ": r"\sum", "Π": r"\prod",
          "log₂": r"\log_2", "log₁₀": r"\log_{10}", "Re": r"\operatorname{Re}"}
_KNOWN = {n: rf"\{n}" for n in "sin cos tan arcsin arccos arctan sinh cosh tanh exp max min".split()}
_GREEK = ("alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
          "omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega").split()  # fmt: skip
_SPECIAL = {"\\": r"\backslash ", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
            "^": r"\hat{}", "~": r"\sim "}  # fmt: skip


def to_latex(root: Any) -> str:
    r"""The expression that computed a Value or a Tensor, without dollar signs; several lines stand in ``aligned``.

    >>> a, b = Value(2.0, "a"), Value(3.0, "beta")
    >>> print(to_latex((a * b + a**2).tanh()))
    \tanh\left(a \, \beta + a^{2}\right)
    """
    graph = _graph(root)
    count = sum(map(bool, graph.inputs))
    if count > MOST:
        raise ArgumentError(f"an expression of {count:,} operations is no formula: to_latex() writes {MOST} at most.")
    uses = [0] * len(graph.inputs)
    for inputs in graph.inputs:
        for j in inputs:
            uses[j] += 1
    lines: list[tuple[str, str]] = []
    words: list[tuple[str, int]] = []
    fresh = {"x": 0, "v": 0, "c": 0}
    last = len(graph.inputs) - 1
    for i, inputs in enumerate(graph.inputs):
        name = getattr(graph.things[i], "name", None)
        if not inputs:
            kind = "c" if graph.box(i).kind == "constant" else "x"
            words.append((_name(name) if name else _fresh(fresh, kind), 9))
            continue
        made = _applied(graph, i, words)
        own = _name(name) if name else ""
        if i < last and not own and uses[i] > 1 or len(made[0]) > LONG and i < last and not own:
            own = _fresh(fresh, "v")
        if own:
            lines.append((own, made[0]))
            made = (own, 9)
        words.append(made)
    if not lines:
        return words[-1][0]
    if not (lines[-1][0] == words[-1][0]):
        lines.append(("", words[-1][0]))
    if len(lines) == 1:
        return " = ".join(lines[0])
    body = r" \\ ".join(f"{left} &= {right}" if left else f"y &= {right}" for left, right in lines)
    return rf"\begin{{aligned}} {body} \end{{aligned}}"


def _graph(root: Any) -> Any:
    from autograd.viz.read import TapeGraph
    from autograd.viz.scalars import ValueGraph

    kinds: dict[type, Any] = {Tensor: TapeGraph, Value: ValueGraph}
    for kind, graph in kinds.items():
        if isinstance(root, kind):
            return graph(root, values=False, gradients=False, partials=False)
    raise DTypeError(f"to_latex() takes a Tensor or a Value, got {type(root).__name__}.")


def _fresh(counts: dict[str, int], stem: str) -> str:
    counts[stem] += 1
    return f"{stem}_{{{counts[stem]}}}"


def _name(name: str) -> str:
    """A name in mathematics: one letter, Greek letters by their names, a trailing number as an index; all else as text."""
    name = text.clean(text.shorten(name.strip(), 24))
    found = re.fullmatch(r"([A-Za-z]+)_?(\d+)?", name)
    if found:
        stem, index = found[1], f"_{{{found[2]}}}" if found[2] else ""
        if len(stem) == 1:
            return stem + index
        return (rf"\{stem}" if stem in _GREEK else rf"\mathrm{{{stem}}}") + index
    return rf"\text{{{''.join(_in_text(c) for c in name)}}}"


def _in_text(c: str) -> str:
    return rf"${_SPECIAL[c]}$" if c in "\\^~" else _SPECIAL.get(c, c)


def _applied(graph: Graph, i: int, words: Sequence[tuple[str, int]]) -> tuple[str, int]:
    """Node i over its operands: LaTeX, and how tightly it holds together (1 sum, 2 product, 7 function, 9 one thing)."""
    thing: Any = graph.things[i]  # type: ignore[attr-defined]
    op = thing.op if hasattr(thing, "op") else thing._op
    operands = _operands(thing, [words[j] for j in graph.inputs[i]])
    sign = op.label
    if len(operands) == 2 and not op.variadic:
        (a, b), (left, right) = operands, (x[0] for x in operands)
        if sign == "/":
            return rf"\frac{{{left}}}{{{right}}}", 9
        if sign == "^":
            return f"{_held(a, 9)}^{{{right}}}", 8
        if sign in _BINARY:
            form, level = _BINARY[sign]
            form = r"{} \cdot {}" if level == 2 and re.fullmatch(r"-?[\d.]+.*", right) else form
            return form.format(_held(a, level), _held(b, level + (sign == "-") + (right.startswith("-") and 8))), level
    if len(operands) == 1:
        (x,) = operands
        if sign in _WRAPPED:
            return _WRAPPED[sign].format(x[0]), 9
        if sign == "−":
            return "-" + _held(x, 2), 1
        if sign == "⊤":
            return rf"{_held(x, 9)}^{{\top}}", 8
        if "ˣ" in sign:
            base = sign.split("ˣ")[0]
            return f"{base}^{{{x[0]}}}" + (" - 1" if "−" in sign else ""), 1 if "−" in sign else 8
    if sign == "[·]" and len(operands) == 1 and isinstance(thing, Node) and (index := detail(thing)):
        word = operands[0][0]
        if not re.fullmatch(r".|\\[A-Za-z]+", word):  # no letter: braces, so that it has one index only
            word = rf"{{{word}}}" if operands[0][1] == 9 else rf"\left({word}\right)"
        return rf"{word}_{{{''.join(map(_in_text, index))}}}", 8
    known = _NAMES.get(sign) or _KNOWN.get(sign) or rf"\operatorname{{{''.join(map(_in_text, op.name))}}}"
    inside = ", ".join(x[0] for x in operands)
    axis = detail(thing) if isinstance(thing, Node) else ""
    known += rf"_{{\text{{{''.join(map(_in_text, axis))}}}}}" if axis else ""
    if known.startswith((r"\sum", r"\prod")):
        return f"{known} {_held(operands[0], 2)}", 2
    return rf"{known}\left({inside}\right)", 7


def _operands(thing: Any, drawn: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The operands in order, with plain numbers where they stand."""
    from autograd.viz.read import is_inline
    from autograd.viz.scalars import _is_literal

    rest = iter(drawn)
    out: list[tuple[str, int]] = []
    if isinstance(thing, Value):
        return [_number(v.data) if _is_literal(v) else next(rest) for v in thing._inputs]
    for k, below in enumerate(thing.inputs):
        other = below if below is not None else (thing.consts or {}).get(k)
        if below is None and (other is None or is_inline(other)):
            out.append(("c", 9) if other is None else _number(getattr(other, "data", other)))
        else:
            out.append(next(rest))
    return out


def _number(x: Any) -> tuple[str, int]:
    import numpy

    words = text.number(numpy.asarray(x)[()], 6).replace("−", "-").replace("∞", r"\infty")
    power = re.fullmatch(r"(-?[\d.]*)×?10([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)", words)
    if power:
        exponent = power[2].translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-"))
        words = (power[1] + r" \cdot " if power[1] else "") + f"10^{{{exponent}}}"
        return words, 2
    return words, 1 if words.startswith("-") else 9


def _held(words: tuple[str, int], level: int) -> str:
    return words[0] if words[1] >= level else rf"\left({words[0]}\right)"
