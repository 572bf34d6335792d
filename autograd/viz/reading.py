"""Reading rules: the definition of a function as a syntax tree, and what in it is decided by shapes and settings alone."""

from __future__ import annotations

import ast
import inspect
import textwrap
from copy import deepcopy
from types import FunctionType
from typing import Any

import numpy

from autograd.rule import Op

__all__ = ["Facts", "Parts", "body_of", "decided", "definition", "evaluated", "is_array", "parsed", "rule_body", "settled"]

Parts = dict[str, ast.expr]
Facts = dict[str, Any]
"""Variables of a rule and their recorded values."""


def parsed(words: str) -> ast.expr:
    return ast.parse(words, mode="eval").body


def definition(function: FunctionType) -> ast.FunctionDef:
    """A function's definition without annotations, decorators and refusals, and over ``np``."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(tree, ast.FunctionDef)
    tree.decorator_list, tree.returns = [], None
    for a in ast.walk(tree):
        if isinstance(a, ast.arg):
            a.annotation = None
        elif isinstance(a, ast.Name) and a.id == "numpy":
            a.id = "np"
    tree.body = [s for s in tree.body if not (isinstance(s, ast.If) and all(isinstance(b, ast.Raise) for b in s.body))]
    return tree


def body_of(function: FunctionType, facts: Facts | None = None) -> ast.expr | None:
    """The one expression that a function returns, if that is all it does once its conditions on shapes are decided."""
    statements = definition(function).body
    known: Parts = {}
    while statements:
        first, *statements = statements
        match first:
            case ast.Expr(ast.Constant()):
                continue
            case ast.If(test, body, orelse):
                answer = decided(test, function, facts) if not known else None
                if answer is None:
                    return None
                statements = [*(body if answer else orelse), *statements]
            case ast.Assign([ast.Name(name)], value) if name in (facts or {}) and not known:
                known[name] = value  # an argument given a new form: put in where it is used
            case ast.Return(value) if value is not None:
                uses = [n.id for n in ast.walk(value) if isinstance(n, ast.Name)]
                if any(uses.count(name) > 1 for name in known):
                    return None
                return _Replacer(known).visit(value) if known else value
            case _:
                return None
    return None


class _Replacer(ast.NodeTransformer):
    def __init__(self, parts: Parts):
        self.parts = parts

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self.parts.get(node.id, node)


class _Shape:
    """All that a decision may depend on: not the numbers."""

    def __init__(self, array: Any):
        self.shape, self.ndim, self.dtype, self.size = array.shape, array.ndim, array.dtype, array.size

    def __bool__(self) -> bool:
        raise TypeError("its numbers are not to be looked at")

    __len__ = None


def is_array(x: Any) -> bool:
    if isinstance(x, tuple | list):
        return any(map(is_array, x))
    return isinstance(x, numpy.ndarray | numpy.generic)


def evaluated(expression: ast.expr, home: FunctionType, facts: Facts) -> Any:
    code = compile(ast.fix_missing_locations(ast.Expression(deepcopy(expression))), "<shape>", "eval")
    with numpy.errstate(all="ignore"):
        return eval(code, dict(home.__globals__), dict(facts))


def decided(test: ast.expr, home: FunctionType, facts: Facts | None) -> bool | None:
    """The answer to a condition that depends on shapes, dtypes and settings only; else None."""
    if facts is None:
        return None
    try:
        shapes = {k: _Shape(v) if isinstance(v, numpy.ndarray | numpy.generic) else v for k, v in facts.items()}
        return bool(evaluated(test, home, shapes))
    except Exception:
        return None


def rule_body(op: Op, slot: int) -> ast.expr:
    """The body of a derivative rule as it stands in the declaration."""
    function: Any = op.vjp_rule(slot).function
    if function.__name__ != "<lambda>":
        names = ", ".join(inspect.signature(function).parameters)
        return parsed(f"{function.__name__}({names})")
    source = op.partials[0 if op.variadic else slot]
    if not source:
        raise KeyError(f"no source of the derivative of {op.name}")
    return parsed(source)


class _Settler(ast.NodeTransformer):
    """Conditions whose answer is written in them: ``None is None``, and ``transpose(x, None)``."""

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if len(node.ops) == 1 and isinstance(node.ops[0], ast.Is | ast.IsNot) and _is_none(node.comparators[0]):
            if isinstance(node.left, ast.Constant | ast.Tuple | ast.UnaryOp):
                return ast.Constant(_is_none(node.left) == isinstance(node.ops[0], ast.Is))
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        decisive = isinstance(node.op, ast.Or)
        values: list[ast.expr] = []
        for value in node.values:
            if isinstance(value, ast.Constant) and isinstance(value.value, bool):
                if value.value is decisive:
                    return ast.Constant(decisive) if not values else node
                continue
            values.append(value)
        return node if len(values) > 1 else values[0] if values else ast.Constant(not decisive)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.test, ast.Constant):
            return node.body if node.test.value else node.orelse
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute):  # NumPy's defaults are left out
            node.keywords = [
                k for k in node.keywords
                if not (k.arg == "axis" and _is_none(k.value))
                and not (k.arg == "keepdims" and isinstance(k.value, ast.Constant) and k.value.value is False)
            ]  # fmt: skip
        return node


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def settled(node: ast.expr) -> ast.expr:
    found: ast.expr = _Settler().visit(node)
    return found
