"""Rules as source: the body of an op, or of its derivative, with a graph's variables in it, and the helpers that it calls."""

from __future__ import annotations

import ast
import builtins
import inspect
import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from types import FunctionType, ModuleType
from typing import Any

import numpy

from autograd import instructions
from autograd.rule import Op, kept
from autograd.viz import alone
from autograd.viz.reading import (
    Facts,
    Parts,
    body_of,
    decided,
    definition,
    evaluated,
    is_array,
    parsed,
    rule_body,
    settled,
)

__all__ = ["Library", "literal", "number"]

LONG = 24
"""Elements from which on an array in a setting is an argument of the program, not written out."""

_INFIX: dict[str, type[ast.operator]] = {
    "+": ast.Add, "-": ast.Sub, "×": ast.Mult, "/": ast.Div, "^": ast.Pow, "@": ast.MatMult, "%": ast.Mod, "//": ast.FloorDiv,
}  # fmt: skip


def number(x: Any) -> str:
    """A constant number as source: Python's own weak, NumPy's with its dtype."""
    if isinstance(x, bool | int | float | complex) and not isinstance(x, numpy.generic):
        return repr(x) if not isinstance(x, float) or math.isfinite(x) else f"float('{x}')"
    x = numpy.asarray(x)
    value = x.item()
    words = repr(value) if not isinstance(value, float) or math.isfinite(value) else f"float('{value}')"
    return f"np.{x.dtype}({words})" if x.dtype != bool else words


def literal(x: Any) -> str:
    """A setting as source."""
    if isinstance(x, numpy.dtype):
        return f"np.{x}"
    if isinstance(x, numpy.ndarray):
        kind = "" if x.dtype in (numpy.int64, numpy.float64, numpy.bool_) else f", np.{x.dtype}"
        return f"np.array({x.tolist()!r}{kind})" if x.size else f"np.zeros({x.shape}, np.{x.dtype})"
    if isinstance(x, tuple | list):
        inside = ", ".join(map(literal, x)) + ("," if isinstance(x, tuple) and len(x) == 1 else "")
        return f"({inside})" if isinstance(x, tuple) else f"[{inside}]"
    if isinstance(x, slice):
        return f"slice({literal(x.start)}, {literal(x.stop)}, {literal(x.step)})"
    if x is Ellipsis:
        return "..."
    if isinstance(x, numpy.integer):
        return repr(int(x))
    if isinstance(x, float | numpy.floating | numpy.complexfloating):
        return number(x)
    return repr(x)


class Library:
    """The helpers and constants that a program needs, and expressions of it. `given` makes a new argument for a long array."""

    def __init__(self, given: Callable[[str | None, str, Any], str]):
        self.given = given
        self.helpers: dict[str, str] = {}  # in the order in which they are needed
        self.constants: dict[str, str] = {}
        self._arguments: dict[int, tuple[str, Any]] = {}

    def text(self) -> list[str]:
        """The lines before the program."""
        lines = [f"{name} = {value}" for name, value in sorted(self.constants.items())]
        lines = ["", *lines] if lines else []
        for body in self.helpers.values():
            lines += ["", "", body]
        return [*lines, "", ""] if lines else [""]

    # ---- expressions ----------------------------------------------------------------------------------------------------

    def forward(self, op: Op, operands: Sequence[str], settings: dict[str, Any], arrays: Sequence[Any] | None = None) -> str:
        """An op applied to variables; `arrays` are their recorded values, of which shapes and dtypes are used."""
        parts = [parsed(o) for o in operands]
        if op.operator == "−":
            return ast.unparse(ast.UnaryOp(ast.USub(), parts[0]))
        infix = _INFIX.get(op.operator or "")
        if infix is not None and len(parts) == 2 and op.kind != "constant":
            return ast.unparse(ast.BinOp(parts[0], infix(), parts[1]))
        variables = self._settings(settings)
        names = op.arrays if not op.variadic else ()
        variables |= dict(zip(names, parts, strict=False))
        if op.variadic:
            (star,) = (p.name for p in inspect.signature(op.function).parameters.values() if p.kind is p.VAR_POSITIONAL)
            variables[star] = ast.Tuple(parts, ast.Load())
        facts = None
        if arrays is not None:
            facts = {**settings, **dict(zip(names, arrays, strict=False)), **({star: arrays} if op.variadic else {})}
        return self._applied(op.function, variables, facts)

    def backward(self, op: Op, slot: int, operands: Sequence[str], y: str, settings: dict[str, Any], arrays: Sequence[Any],
                 value: Any, gradient: Any) -> str:  # fmt: skip
        """What an operand is passed of the gradient of y."""
        rule = op.vjp_rule(slot)
        g = parsed(f"g_{y}")
        if rule.function is None:
            zero = ast.BinOp(g, ast.Mult(), ast.Constant(0))
            return ast.unparse({"g": g, "-g": ast.UnaryOp(ast.USub(), g), "g * 0": zero}[rule.template])
        variables = self._settings(settings)
        names = op.arrays if not op.variadic else tuple(f"x{k}" for k in range(len(operands)))
        variables |= {name: parsed(o) for name, o in zip(names, operands, strict=True)}
        facts = {**settings, **dict(zip(names, arrays, strict=True)), "y": value, "g": gradient, "i": slot, "xs": tuple(arrays)}
        facts["y_shape"] = numpy.shape(value)
        variables |= {"y": parsed(y), "g": g, "i": ast.Constant(slot)}
        variables |= {"y_shape": parsed(f"{y}.shape"), "xs": ast.Tuple([parsed(o) for o in operands], ast.Load())}
        variables["shape"] = parsed(f"{operands[slot]}.shape")  # of the operand, also where a setting has that name
        facts["shape"] = numpy.shape(arrays[slot])
        body = self._inlined(rule.function, rule_body(op, slot), variables, facts)
        if op.kind == "elementwise":
            if op.strong:
                return self._applied(alone.masked, {"g": g, "d": body}, whole=True)
            return ast.unparse(ast.BinOp(g, ast.Mult(), body))
        if op.kind == "reduction":
            how = {k: settings[k] for k in ("axis", "keepdims")}
            spread = self._inlined(kept, body_of(kept), {"y": g, **{k: variables[k] for k in how}}, {"y": gradient, **how})  # type: ignore[arg-type]
            return ast.unparse(ast.BinOp(settled(spread), ast.Mult(), body))
        return ast.unparse(body)

    def _settings(self, settings: dict[str, Any]) -> Parts:
        return {name: parsed(self._literal(value)) for name, value in settings.items()}

    def _literal(self, value: Any) -> str:
        if isinstance(value, numpy.ndarray) and value.size > LONG:
            if id(value) not in self._arguments:
                self._arguments[id(value)] = (self.given(None, "index", value), value)
            return self._arguments[id(value)][0]
        if isinstance(value, tuple) and any(isinstance(v, numpy.ndarray) for v in value):
            return f"({', '.join(map(self._literal, value))},)"
        if isinstance(value, tuple) and value and all(isinstance(v, tuple) and v and isinstance(v[0], Op) for v in value):
            return self._path(value)
        return literal(value)

    def _path(self, path: Sequence[tuple[Op, dict[str, Any]]]) -> str:
        """Views as functions, and the index at the end."""
        *views, (last, settings) = path
        index = settings.get("index", None)
        if index is None:
            views, index = [*views, (last, settings)], ...
        words = [f"lambda a: {self.forward(op, ['a'], how)}" for op, how in views]
        return f"(({''.join(w + ', ' for w in words)}), {self._literal(index)})"

    # ---- functions ------------------------------------------------------------------------------------------------------

    def _applied(self, function: Any, variables: Parts, facts: Facts | None = None, whole: bool = False) -> str:
        """A call of a function: its own body where that is one expression, else of the helper that it becomes."""
        body = None if whole else body_of(function, facts)
        if body is not None:
            return ast.unparse(self._inlined(function, body, variables, facts))
        name = self._helper(function)
        parameters = inspect.signature(function).parameters.values()
        arguments: list[ast.expr] = []
        for p in parameters:
            if p.kind is p.VAR_POSITIONAL:
                arguments.append(ast.Starred(variables[p.name], ast.Load()))
        keywords = [
            ast.keyword(p.name, variables[p.name])
            for p in parameters
            if p.kind is not p.VAR_POSITIONAL and p.name in variables and p.default is not p.empty
            and ast.unparse(variables[p.name]) != repr(p.default)
        ]  # fmt: skip
        arguments += [variables[p.name] for p in parameters if p.kind is not p.VAR_POSITIONAL and p.default is p.empty]
        return ast.unparse(ast.Call(ast.Name(name, ast.Load()), arguments, keywords))

    def _inlined(self, function: Any, body: ast.expr, variables: Parts, facts: Facts | None = None) -> ast.expr:
        """A body with its variables replaced, its helpers taken along, and calls of one-line helpers written out."""
        return settled(_Writer(self, function, variables, facts).visit(deepcopy(body)))

    def resolve(self, name: str, home: FunctionType) -> str:
        """A global name of a rule: the helper or constant that it is, taken along."""
        if hasattr(builtins, name) and name not in home.__globals__:
            return name
        thing = home.__globals__[name]
        if isinstance(thing, ModuleType):
            return "np" if thing in (numpy, instructions.np) else name
        if isinstance(thing, FunctionType):
            return self._helper(getattr(alone, name, thing))
        if isinstance(thing, float | int | numpy.generic):
            self.constants[name] = number(thing)
            return name
        raise KeyError(f"{name} is a {type(thing).__name__}")

    def instruction(self, name: str) -> FunctionType | None:
        """A function of the rules' ``np`` that NumPy does not have."""
        thing = getattr(alone, name, None) or getattr(instructions.np, name, None)
        if hasattr(numpy, name) or not isinstance(thing, FunctionType):
            return None
        return thing

    def helper(self, function: FunctionType) -> str:
        """The name of a function that the program has of its own."""
        return self._helper(function)

    def _helper(self, function: FunctionType) -> str:
        name = function.__name__
        if name not in self.helpers:
            self.helpers[name] = ""  # a place, so that what it calls itself is found
            tree = definition(function)
            tree = _Writer(self, function, {}).visit(tree)
            text = ast.unparse(ast.fix_missing_locations(tree))
            del self.helpers[name]
            self.helpers[name] = text  # after those that it calls
        return name


class _Writer(ast.NodeTransformer):
    """Puts variables in, and finds what else is used."""

    def __init__(self, library: Library, home: FunctionType, variables: Parts, facts: Facts | None = None):
        self.library, self.home, self.variables, self.facts = library, home, variables, facts
        self.local: set[str] = set()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.local = {a.arg for a in ast.walk(node) if isinstance(a, ast.arg)}
        self.local |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        node.body = [self._scipy(s) for s in node.body]
        self.local |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        self.generic_visit(node)
        return node

    @staticmethod
    def _scipy(statement: ast.stmt) -> ast.stmt:
        """A function of SciPy that Python's own math has too."""
        if not isinstance(statement, ast.ImportFrom) or not (statement.module or "").startswith("scipy"):
            return statement
        (alias,) = statement.names
        if not hasattr(math, alias.name):
            raise KeyError(f"{alias.name} of SciPy has no counterpart in NumPy or math")
        name = alias.asname or alias.name
        return ast.parse(f"{name} = np.vectorize(math.{alias.name}, otypes=[float])").body[0]

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.variables:
            return deepcopy(self.variables[node.id])
        if node.id in self.local or not isinstance(node.ctx, ast.Load) or node.id in ("np", "math"):
            return node
        if hasattr(builtins, node.id) and node.id not in self.home.__globals__:
            return node
        return ast.Name(self.library.resolve(node.id, self.home), ast.Load())

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        inner = {a.arg for a in node.args.args}
        before, self.local = self.local, self.local | inner
        variables, self.variables = self.variables, {k: v for k, v in self.variables.items() if k not in inner}
        node.body = self.visit(node.body)
        self.local, self.variables = before, variables
        return node

    def _bound(self, node: Any) -> Any:
        inner = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        before, self.local = self.local, self.local | inner
        variables, self.variables = self.variables, {k: v for k, v in self.variables.items() if k not in inner}
        self.generic_visit(node)
        self.local, self.variables = before, variables
        return node

    visit_GeneratorExp = visit_ListComp = visit_SetComp = visit_DictComp = _bound

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = node.func
        function: FunctionType | None = None
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "np":
            function = self.library.instruction(called.attr)
        elif isinstance(called, ast.Name) and called.id not in self.local and called.id not in self.variables:
            thing = self.home.__globals__.get(called.id)
            function = getattr(alone, called.id, thing) if isinstance(thing, FunctionType) else None
        if function is None:
            return self.generic_visit(node)
        facts = self._facts_of(node, function)
        if facts is not None and not any(map(is_array, facts.values())):  # of shapes and settings alone: a constant
            try:
                return parsed(literal(function(**facts)))
            except (TypeError, SyntaxError):
                pass
        node.args = [self.visit(a) for a in node.args]
        node.keywords = [self.visit(k) for k in node.keywords]
        body = body_of(function, facts)
        if body is not None and not any(isinstance(a, ast.Starred) for a in node.args) and all(k.arg for k in node.keywords):
            bound = inspect.signature(function).bind(*node.args, **{str(k.arg): k.value for k in node.keywords})
            variables = dict(bound.arguments)
            for p in inspect.signature(function).parameters.values():
                if p.name not in variables and p.default is not p.empty:
                    variables[p.name] = ast.Constant(p.default)
            uses = [n.id for n in ast.walk(body) if isinstance(n, ast.Name)]
            if all(uses.count(k) <= 1 or isinstance(v, ast.Name | ast.Constant | ast.Attribute) for k, v in variables.items()):
                return self.library._inlined(function, body, variables, facts)
        node.func = ast.Name(self.library.helper(function), ast.Load())
        return node

    def _facts_of(self, node: ast.Call, function: FunctionType) -> Facts | None:
        """The arguments of a call in numbers, if they can be told."""
        if self.facts is None:
            return None
        try:
            args = [evaluated(a, self.home, self.facts) for a in node.args]
            named = {str(k.arg): evaluated(k.value, self.home, self.facts) for k in node.keywords}
            bound = inspect.signature(function).bind(*args, **named)
        except Exception:  # a starred argument, or a name that is local
            return None
        bound.apply_defaults()
        return dict(bound.arguments)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        answer = decided(node.test, self.home, self.facts)
        return self.generic_visit(node) if answer is None else self.visit(node.body if answer else node.orelse)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id == "np":
            function = self.library.instruction(node.attr)
            return ast.Name(self.library.helper(function), ast.Load()) if function is not None else node
        return self.generic_visit(node)
