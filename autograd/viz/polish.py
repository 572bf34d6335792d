"""A line of a derived program as one would write it by hand: the same value, and what the recorded shapes decide worked out."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from math import prod
from typing import Any

__all__ = ["polished"]

Shapes = Mapping[str, tuple[int, ...]]

_FOLD: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Eq: operator.eq, ast.NotEq: operator.ne,
    ast.Gt: operator.gt, ast.Lt: operator.lt, ast.Mod: operator.mod,
}  # fmt: skip


def polished(words: str, shapes: Shapes) -> str:
    """An expression with ``@`` for matmul, ``.T`` for the transpose of a matrix, ``:`` for slices, and numbers for what
    shapes and constants decide. `shapes` are those of the variables; ``g_v`` has that of ``v``.

    >>> polished("np.matmul(np.swapaxes(h, -1, -2), g_z)", {"h": (5, 6), "z": (5, 3)})
    'h.T @ g_z'
    >>> polished("2 * v ** (2 * 1 - (2 != 0))", {})
    '2 * v'
    """
    try:
        tree = ast.parse(words, mode="eval")
    except SyntaxError:
        return words
    before = ast.dump(tree)
    after = _Polish(shapes).visit(tree)
    return words if ast.dump(after) == before else ast.unparse(ast.fix_missing_locations(after))


class _Polish(ast.NodeTransformer):
    """Operands first, so that what they became is seen."""

    def __init__(self, shapes: Shapes):
        self.shapes = shapes

    def _shape(self, node: ast.AST) -> tuple[int, ...] | None:
        """The shape of a variable, or of what is reshaped to a shape that is written out."""
        if isinstance(node, ast.Name):
            return self.shapes.get(node.id, self.shapes.get(node.id.removeprefix("g_")))
        if isinstance(node, ast.Attribute) and node.attr == "T":
            inner = self._shape(node.value)
            return inner[::-1] if inner is not None else None
        if isinstance(node, ast.Call) and _is_call(node, "reshape") and isinstance(node.args[1], ast.Tuple):
            sides = [_constant(e) for e in node.args[1].elts]
            if all(isinstance(n, int) for n in sides):
                return tuple(sides)
        return None

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Matrix products, transposes of matrices, sizes, slices, single axes."""
        self.generic_visit(node)
        for word in node.keywords:
            if word.arg == "axis" and isinstance(word.value, ast.Tuple) and len(word.value.elts) == 1:
                word.value = word.value.elts[0]
        if _is_call(node, "matmul") and len(node.args) == 2 and not node.keywords:
            return ast.BinOp(node.args[0], ast.MatMult(), node.args[1])
        if _is_call(node, "swapaxes") and [_constant(a) for a in node.args[1:]] == [-1, -2]:
            shape = self._shape(node.args[0])
            if shape is not None and len(shape) == 2:
                return ast.Attribute(node.args[0], "T", ast.Load())
        if _is_call(node, "reshape") and isinstance(node.args[1], ast.Tuple):
            wanted = tuple(_constant(e) for e in node.args[1].elts)
            if self._shape(node.args[0]) == wanted:
                return node.args[0]
        name = node.func
        if isinstance(name, ast.Attribute) and ast.unparse(name) == "math.prod" and len(node.args) == 1:
            sides = _constant(node.args[0])
            if isinstance(sides, tuple):
                return ast.Constant(prod(sides))
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """``v.ndim`` of a shape that is known."""
        self.generic_visit(node)
        shape = self._shape(node.value) if node.attr == "ndim" else None
        return node if shape is None else ast.Constant(len(shape))

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """``v.shape[-1]`` of a shape that is known, a part of a tuple that is written out, slices as they are written."""
        node.value = self.visit(node.value)
        node.slice = self._index(node.slice)
        whole = _constant(node.value)
        if isinstance(whole, tuple) and type(at := _constant(node.slice)) is int and -len(whole) <= at < len(whole):
            return _written(whole[at])
        if isinstance(node.value, ast.Attribute) and node.value.attr == "shape":
            shape = self._shape(node.value.value)
            if shape is not None and isinstance(node.slice, ast.Slice):
                ends = [None if e is None else _constant(e) for e in (node.slice.lower, node.slice.upper, node.slice.step)]
                if all(e is None or type(e) is int for e in ends):
                    return _written(shape[slice(*ends)])
            elif shape is not None and type(at := _constant(node.slice)) is int and -len(shape) <= at < len(shape):
                return _written(shape[at])
        return node

    def _index(self, node: ast.expr) -> ast.expr:
        """What stands between brackets."""
        if not isinstance(node, ast.Tuple):
            found: ast.expr = self.visit(node)
            return _slice(found) or found
        parts: list[ast.expr] = []
        for e in node.elts:
            e = self.visit(e)
            parts += e.value.elts if isinstance(e, ast.Starred) and isinstance(e.value, ast.Tuple) else [e]
        parts = [_slice(e) or e for e in parts]
        return parts[0] if len(parts) == 1 and isinstance(parts[0], ast.Slice) else ast.Tuple(parts, ast.Load())

    def visit_Tuple(self, node: ast.Tuple) -> ast.AST:
        """A tuple of slices, as it stands between brackets."""
        self.generic_visit(node)
        slices = [_slice(e) for e in node.elts]
        if not any(isinstance(s, ast.Slice) for s in slices):
            return node
        inside = ast.Tuple([s or e for s, e in zip(slices, node.elts, strict=True)], ast.Load())
        return ast.Subscript(ast.parse("np.s_", mode="eval").body, inside, ast.Load())

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Constants worked out; nothing to the power of one; a tuple so many times."""
        if isinstance(node.left, ast.Tuple) and isinstance(node.op, ast.Mult):
            node.right = self.visit(node.right)
            times = _constant(node.right)
            return ast.Tuple(node.left.elts * times, ast.Load()) if type(times) is int else node
        self.generic_visit(node)
        a, b, fold = _constant(node.left), _constant(node.right), _FOLD.get(type(node.op))
        if isinstance(node.op, ast.Pow) and type(b) is int and b == 1:
            return node.left
        if fold is not None and isinstance(a, int) and isinstance(b, int):
            return _written(fold(a, b))
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """Of whole numbers."""
        self.generic_visit(node)
        if len(node.ops) == 1 and (fold := _FOLD.get(type(node.ops[0]))) is not None:
            a, b = _constant(node.left), _constant(node.comparators[0])
            if isinstance(a, int) and isinstance(b, int):
                return ast.Constant(bool(fold(a, b)))
        return node


def _is_call(node: ast.AST, name: str) -> bool:
    """Whether it is np.name(…)."""
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name
        and isinstance(node.func.value, ast.Name) and node.func.value.id == "np"
    )  # fmt: skip


def _constant(node: ast.AST) -> Any:
    """A number or a tuple of them that is written out; else None."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return None


def _written(value: Any) -> ast.AST:
    return ast.parse(repr(value), mode="eval").body


def _slice(node: ast.AST) -> ast.Slice | None:
    """``slice(a, b, c)`` as ``a:b:c``."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "slice" and node.args):
        return None
    ends = [None if isinstance(a, ast.Constant) and a.value is None else a for a in node.args]
    if len(ends) == 1:
        return ast.Slice(None, ends[0], None)
    return ast.Slice(*ends) if len(ends) <= 3 else None
