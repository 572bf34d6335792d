"""Mathematical notation for the step-through view: what nodes are called, and how rules read in print."""

from __future__ import annotations

import ast
import operator
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from autograd.rule import OPS, Op
from autograd.viz import text

__all__ = ["applied", "names_of", "printed", "rule_text", "symbols"]

SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
LONGEST = 14  # characters of a name that stand in formulas
_SIGNS: dict[type, tuple[str, int]] = {
    ast.Add: (" + ", 1), ast.Sub: (" − ", 1), ast.Mult: ("·", 2), ast.Div: ("/", 2), ast.MatMult: (" @ ", 2),
    ast.Mod: (" mod ", 2), ast.FloorDiv: (" // ", 2), ast.Pow: ("^", 4), ast.BitAnd: (" ∧ ", 1), ast.BitOr: (" ∨ ", 1),
}  # fmt: skip
_RELATIONS: dict[type, str] = {ast.Gt: ">", ast.GtE: "≥", ast.Lt: "<", ast.LtE: "≤", ast.Eq: "=", ast.NotEq: "≠"}

_FOLDS: dict[type, Any] = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
_TESTS: dict[type, Any] = {ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt, ast.LtE: operator.le,
                           ast.Eq: operator.eq, ast.NotEq: operator.ne}  # fmt: skip


def symbols(kinds: Sequence[str], names: Sequence[str]) -> list[str]:
    """What each node is called in formulas: its name, numbered where several have the same; else v₁, x₁, c₁, and L.

    >>> symbols(["parameter", "parameter", "operation", "result"], ["w", "w", "", ""])
    ['w₁', 'w₂', 'v₁', 'L']
    """
    plain = [text.shorten(text.clean(n.strip()), LONGEST) for n in names]
    often = Counter(plain)
    found: list[str] = []
    used: Counter[str] = Counter()
    last = len(names) - 1
    for i, (kind, name) in enumerate(zip(kinds, plain, strict=True)):
        if not name and i == last and "L" not in often:
            found.append("L")
            continue
        stem = name or {"parameter": "x", "constant": "c"}.get(kind, "v")
        numbered = not name or often[name] > 1
        while True:
            used[stem] += 1
            symbol = stem + str(used[stem]).translate(SUBSCRIPT) if numbered else stem
            if not numbered or symbol not in often:
                break
        found.append(symbol)
    return found


def printed(source: str, names: Mapping[str, str]) -> str:
    """A rule's Python as one prints it, with other names for its variables.

    >>> printed("1 - y * y", {"y": "h"}), printed("-y / b", {"y": "q", "b": "t + 1"}), printed("x > 0", {"x": "a"})
    ('1 − h·h', '−q/(t + 1)', '[a > 0]')
    """
    try:
        return _term(ast.parse(source, mode="eval").body, names)[0]
    except SyntaxError:
        return source


def _term(node: ast.AST, names: Mapping[str, str]) -> tuple[str, int]:
    """The text, and how tightly it holds together: 1 sum, 2 product, 4 power, 5 one thing."""
    match node:
        case ast.BinOp(left, op, right) if type(op) in _SIGNS:
            sign, level = _SIGNS[type(op)]
            short = _folded(op, *(_term(side, names) for side in (left, right)))
            if short is not None:
                return short
            strict = isinstance(op, ast.Sub | ast.Div | ast.Pow | ast.Mod | ast.FloorDiv)
            a = _held(left, names, level + isinstance(op, ast.Pow))
            return a + sign + _held(right, names, 5 if isinstance(right, ast.UnaryOp) else level + strict), level
        case ast.UnaryOp(ast.USub(), operand):
            return "−" + _held(operand, names, 2), 2
        case ast.Compare(left, [relation], [right]) if type(relation) in _RELATIONS:
            sides = [_plain(_term(side, names)[0]) for side in (left, right)]
            if None not in sides:
                return text.number(int(_TESTS[type(relation)](*sides))), 5
            return f"[{_term(left, names)[0]} {_RELATIONS[type(relation)]} {_term(right, names)[0]}]", 5
        case ast.Name(name):
            word = names.get(name, name)
            return word, 5 if word.replace("_", "").isalnum() else 1
        case ast.Constant(value):
            return (text.number(value) if isinstance(value, int | float) else repr(value)), 5
        case ast.Attribute(ast.Name("np"), name):
            return name, 5
        case ast.Attribute(value, name):
            return f"{_held(value, names, 5)}.{name}", 5
        case ast.Call(function, arguments, settings):
            words = [_term(a, names)[0] for a in arguments]
            words += [f"{k.arg}={_term(k.value, names)[0]}" for k in settings if k.arg]
            called = _term(function, names)[0]
            label = OPS[called].label if called in OPS else called
            label = label if label.isalpha() and label.isascii() else called
            return f"{label}({', '.join(words)})", 5
    return ast.unparse(node), 1


def _plain(words: str) -> float | None:
    """The number that a piece of text is, if it is one."""
    try:
        return float(words.replace("−", "-"))
    except ValueError:
        return None


def _folded(op: ast.operator, left: tuple[str, int], right: tuple[str, int]) -> tuple[str, int] | None:
    """Arithmetic on plain numbers done, and x·1, x^1, x − 0 written as x."""
    a, b = _plain(left[0]), _plain(right[0])
    if a is not None and b is not None and type(op) in _FOLDS and not (isinstance(op, ast.Div) and b == 0):
        value = text.number(_FOLDS[type(op)](a, b), 6)
        return value, 2 if value.startswith("−") else 5
    if b == 1 and isinstance(op, ast.Mult | ast.Pow | ast.Div) or b == 0 and isinstance(op, ast.Sub | ast.Add):
        return left
    if a == 1 and isinstance(op, ast.Mult) or a == 0 and isinstance(op, ast.Add):
        return right
    return None


def _held(node: ast.AST, names: Mapping[str, str], level: int) -> str:
    words, own = _term(node, names)
    return words if own >= level else f"({words})"


def rule_text(op: Op, slot: int, names: Mapping[str, str], upstream: str) -> str:
    """What the input in a slot is passed, in symbols: the local derivative of an elementwise op, else the whole product."""
    source = op.partials[0 if op.variadic else slot]
    if op.kind == "elementwise":
        return printed(source, names)
    array = op.arrays[slot] if not op.variadic else "x"
    words = {**names, "g": upstream}
    short = {letter: v for k, v in names.items() if len(k) > 1 for letter in (k[0].upper(), k[0])}
    for letter in dict.fromkeys((array, array[0].upper(), array[0])):  # a documentation writes W for weight
        stated = re.search(rf"(dy/)?\bd{letter} = ([^,;()]+)", op.doc)
        if stated:
            return _stated(stated[2].strip().rstrip("."), {**short, **words}, upstream if stated[1] else "")
    return printed(source, words) if source else op.name


def _stated(formula: str, names: Mapping[str, str], upstream: str) -> str:
    """A formula of the documentation with this graph's names: ``gᵀ x`` is (∂L/∂y)ᵀ · x; a derivative is multiplied."""

    def named(found: re.Match[str]) -> str:
        word = names.get(found[1], found[1])
        return f"({word})ᵀ" if found[2] and not word.isalnum() else word + found[2]

    words = re.sub(r"([A-Za-z_]+)(ᵀ?)", named, formula)
    words = re.sub(r"(?<=[\w)])(?<![ΣΠ]) (?=[\w(∂])", " · ", words)
    return f"{upstream} · {words}" if upstream else words


def applied(op: Op, operands: Sequence[str], detail: str) -> str:
    """An op applied to its operands, on one line.

    >>> applied(OPS["add"], ["a", "b"], ""), applied(OPS["tanh"], ["x"], ""), applied(OPS["sum"], ["x"], "axis 1")
    ('a + b', 'tanh(x)', 'Σ(x; axis 1)')
    """
    sign = text.sign(op.label)
    if len(operands) == 2 and not op.variadic and not sign.isalpha() and len(sign) <= 2:
        return sign.join(operands) if sign == "^" else f"{operands[0]} {sign} {operands[1]}"
    if sign == "−" and len(operands) == 1:
        return f"−{operands[0]}"
    if len(operands) == 1 and sign.count("·") == 1 and len(sign) > 1:
        return sign.replace("·", operands[0])
    word = sign if sign.isalpha() or sign == "√" else op.name
    if "ˣ" in word or len(operands) > 1:
        word = op.name
    return f"{word}({', '.join(operands)}{'; ' + detail if detail else ''})"


def names_of(op: Op, operands: Sequence[str], own: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """The variables that a rule may use, and what they are called here."""
    arrays = op.arrays if not op.variadic else tuple(f"x{k}" for k in range(len(operands)))
    plain = {k: text.shorten(repr(v), 24) for k, v in settings.items()}
    return {**plain, **dict(zip(arrays, operands, strict=True)), "y": own}
