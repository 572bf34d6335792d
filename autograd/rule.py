"""How an op is declared: forward, derivative and documentation in one paragraph.

    @elementwise(lambda y: 1 - y * y)
    def tanh(x, /):
        '''Hyperbolic tangent, y = tanh x; dy/dx = 1 - y².'''
        return np.tanh(x)

Parameters before the ``/`` are arrays; those after it are *settings* (an axis, a shape). A derivative rule names the
values that it needs, and these are what a node saves: ``y`` the output, the arrays by their own names, settings by
theirs, ``shape`` for the shape of the input in question and ``y_shape`` for that of the output. There are five kinds of op:

``elementwise``     states a partial derivative for each array; vjp = g·d and jvp = t·d follow
``reduction``       states, for a reduction of one array over axes, the partial of the result by each element
``linear``          linear in each array; states itself and its transpose, the jvp is the op itself
``primitive``       states vjp and jvp side by side
``constant``        has no derivative (comparisons, argmax); its result never requires a gradient

A rule is ordinary Python over a namespace called ``np``. Its code is never rewritten: `bind` gives the same code
object other globals, so that one rule runs on NumPy arrays, on Tensors (orders above one), on Python floats (`Value`)
and on the recorder of ``jit``. Broadcasting and dtypes are the engine's business, never a rule's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from types import FunctionType
from typing import Any

from autograd.instructions import LATER, np

__all__ = ["OPS", "Op", "bind", "constant", "elementwise", "kept", "linear", "np", "primitive", "reduction"]

Rule = Callable[..., Any]
Partial = Rule | int | None

OPS: dict[str, Op] = {}


def bind(function: Rule, namespace: Any) -> Rule:
    """The same code with its ``np`` (and that of the helpers in its module) bound to another namespace."""
    if namespace is np or not isinstance(function, FunctionType):
        return function
    clones: dict[int, dict[str, Any]] = namespace.__dict__.setdefault("__clones__", {})
    home = function.__globals__
    clone = clones.get(id(home))
    if clone is None:
        clone = clones[id(home)] = dict(home)
        clone["np"] = namespace
        for name, thing in home.items():
            if isinstance(thing, FunctionType) and thing.__globals__ is home:
                clone[name] = _with_globals(thing, clone)
            elif isinstance(thing, FunctionType) and thing.__globals__["__name__"].startswith(("autograd.ops.", __name__)):
                clone[name] = bind(thing, namespace)  # a helper from another file of rules
    return _with_globals(function, clone)


def _with_globals(function: FunctionType, scope: dict[str, Any]) -> FunctionType:
    twin = FunctionType(function.__code__, scope, function.__name__, function.__defaults__, function.__closure__)
    twin.__kwdefaults__ = function.__kwdefaults__
    return twin


def _names(rule: Rule) -> tuple[str, ...]:
    if isinstance(rule, FunctionType):  # twenty times faster than asking inspect, and there are hundreds at import
        code = rule.__code__
        return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return tuple(inspect.signature(rule).parameters)


def _plain_numpy_call(function: Any) -> str | None:
    """The name f when the whole function is ``return np.f(its parameters)``: then np.f itself can be called."""
    if not isinstance(function, FunctionType):
        return None
    code = function.__code__
    if len(code.co_names) != 2 or code.co_names[0] != "np" or code.co_kwonlyargcount:
        return None
    return code.co_names[1] if code.co_code in _call_codes(code.co_argcount) else None


@cache
def _call_codes(count: int) -> tuple[bytes, ...]:
    """The code of ``return np.f(its parameters)``: Python compiles a call on what the file imported in a way of its own."""
    parameters = ", ".join(f"p{k}" for k in range(count))
    scope: dict[str, Any] = {}
    for name, head in (("f", ""), ("imported", "import sys as np")):
        exec(f"{head}\ndef {name}({parameters}): return np.f({parameters})", scope)
    return scope["f"].__code__.co_code, scope["imported"].__code__.co_code


_OPERATORS = {"+": "add", "-": "sub", "×": "mul", "/": "truediv", "^": "pow", "@": "matmul", "%": "mod", "//": "floordiv",
              "−": "neg", "|·|": "abs", "+·": "pos", "¬": "invert", "<": "lt", "≤": "le", ">": "gt", "≥": "ge", "=": "eq",
              "≠": "ne", "∧": "and", "∨": "or", "⊻": "xor"}  # fmt: skip
"""An op's ``operator`` is the sign that pictures show; Python's name for it follows."""


class Plan:
    """What one op saves and how it pulls a gradient back and pushes a tangent on, when the inputs in `wanted` vary.

    `save(*arrays, y)` picks the values to keep; ``pulls[k](g, saved, node)`` and ``pushes[k](t, saved, node)`` belong
    to input ``wanted[k]``. They are small functions put together from the rule's own, so that the walk over the tape
    has no case distinctions. `steps` are the pulls with their inputs; in `walked`, which the walk over arrays takes, those
    that give the gradient of a part leave it to the walk to put it into the whole.
    """

    __slots__ = ("op", "pulls", "pushes", "save", "saved", "steps", "walked", "wanted", "_bound")

    def __init__(self, op: Op, wanted: tuple[int, ...], count: int):
        self.op, self.wanted = op, wanted
        arrays = op.arrays if not op.variadic else tuple(f"x{i}" for i in range(count))
        needed: set[str] = set()
        for i in wanted:
            for rule in (op.vjp_rule(i), op.jvp_rule(i)):
                needed |= set(arrays) if "xs" in rule.needs else set(rule.needs) & {*arrays, "y"}
        self.saved = tuple(n for n in (*arrays, "y") if n in needed)
        self.save: Callable[..., tuple[Any, ...]] = eval(
            f"lambda {''.join(a + ', ' for a in arrays)}y: ({''.join(n + ', ' for n in self.saved)})"
        )
        self._bound: dict[int, tuple[tuple[Rule | None, ...], tuple[Rule | None, ...]]] = {}
        self.pulls, self.pushes = self.rules(np)
        self.steps = self.walked = tuple(zip(wanted, self.pulls, strict=True))
        if any(hasattr(LATER, _plain_numpy_call(op.vjp_rule(i).function) or "") for i in wanted):
            self.walked = tuple(zip(wanted, self.rules(LATER)[0], strict=True))

    def rules(self, namespace: Any) -> tuple[tuple[Rule | None, ...], tuple[Rule | None, ...]]:
        """(pulls, pushes) with the rule's ``np`` bound to `namespace`; None stands for the identity."""
        key = id(namespace)
        if key not in self._bound:
            place = {name: f"s[{k}]" for k, name in enumerate(self.saved)}
            self._bound[key] = (
                tuple(self.op.vjp_rule(i).assemble(self.op, i, place, namespace) for i in self.wanted),
                tuple(self.op.jvp_rule(i).assemble(self.op, i, place, namespace) for i in self.wanted),
            )
        return self._bound[key]


class Assembly:
    """One derivative rule in the form ``f(g, saved, node)``: a template around the rule as it was written."""

    def __init__(self, function: Rule | None, needs: tuple[str, ...], template: str):
        self.function, self.needs, self.template = function, needs, template

    def assemble(self, op: Op, i: int, place: dict[str, str], namespace: Any) -> Rule | None:
        """The rule for input i with every name that it asks for fetched from where the node keeps it."""
        if self.template == "g":
            return None
        scope = {"f": self.function and bind(self.function, namespace), "np": namespace, "kept": bind(kept, namespace)}
        arguments = ", ".join(self._source(op, i, name, place) for name in self.needs)
        if self.function is not None and self.template in _PRODUCTS and _returns_argument(self.function):
            source = self.template.replace("f({})", arguments)
        else:
            source = self.template.format(arguments)
        return eval(compile(f"lambda g, s, n: {source}", f"<wengert rule {op.name}>", "eval"), scope)  # type: ignore[no-any-return]

    @staticmethod
    def _source(op: Op, i: int, name: str, place: dict[str, str]) -> str:
        if name in place or name == "g":
            return place.get(name, "g")
        if name == "shape":
            return f"n.inputs[{i}].shape"
        if name == "y_shape":
            return "n.shape"
        if name == "i":
            return str(i)
        if name == "xs":
            return "s[:-1]" if "y" in place else "s"
        if name.removeprefix("=") in op.settings:  # "=" marks a setting where the input's own shape has the same name
            return f"n.settings[{name.removeprefix('=')!r}]"
        raise TypeError(f"the rule of op {op.name!r} asks for {name!r}, which is neither an array, y, shape nor a setting")


def kept(y: Any, axis: Any, keepdims: bool) -> Any:
    """A reduced array with its reduced axes of length 1, to meet the unreduced one."""
    return y if axis is None or keepdims else np.expand_dims(y, axis)


_AXES = "n.settings['axis'], n.settings['keepdims']"
_SPREAD, _GATHER = f"kept(g, {_AXES}) * f({{}})", f"np.sum(g * f({{}}), {_AXES.replace(', n', ', keepdims=n')})"
_PRODUCTS = ("g * f({})", "np.strong_multiply(g, f({}))")


def _returns_argument(function: Rule) -> bool:
    reference = eval("lambda b: b")
    return isinstance(function, FunctionType) and function.__code__.co_code == reference.__code__.co_code


class Op:
    """A declared operation: its forward, its derivative rules and all that is derived from them."""

    def __init__(self, function: FunctionType, kind: str, *, label: str | None, operator: str | None, view: bool,
                 strong: bool, partials: tuple[Partial, ...] = (), vjps: tuple[Rule | None, ...] = (),
                 jvps: tuple[Rule | None, ...] = ()):  # fmt: skip
        self.name = function.__name__
        self.function = function
        self.kind, self.operator, self.view, self.strong = kind, operator, view, strong
        parameters = inspect.signature(function).parameters.values()
        self.arrays = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_ONLY)
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        self.settings = {
            p.name: p.default for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        }
        self.label = label or operator or self.name
        self.doc = (inspect.getdoc(function) or "").split("\n")[0]
        self.partials_given, self.vjps, self.jvps = partials, vjps, jvps
        self._plans: dict[Any, Plan] = {}
        self._forwards: dict[int, Rule] = {}
        self.batch: Rule | None = None  # how it runs on whole batches, where its kind does not tell; see `ops.batch`
        self.call: Rule = function  # the public function; set by autograd.apply
        for rule in (*vjps, *jvps, *(d for d in partials if callable(d))):
            known = {*self.arrays, *self.settings, "y", "g", "t", "shape", "y_shape", "i", "xs"}
            unknown = set(_names(rule)) - known if rule else ()
            if unknown:
                raise TypeError(f"a rule of op {self.name!r} asks for {sorted(unknown)}, which the op does not have")
        wanted = 1 if self.variadic else len(self.arrays)
        counts = {len(rules) for rules in (partials, vjps, jvps) if rules} or {0}
        if kind != "constant" and counts != {wanted}:
            raise TypeError(f"op {self.name!r} has {wanted} arrays, and {max(counts)} derivative rules: give one for each")
        if not self.doc:
            raise TypeError(f"op {self.name!r} has no docstring: say what it computes and its derivative")

    def __repr__(self) -> str:
        return f"<op {self.name}: {self.doc}>"

    def forward(self, namespace: Any = np) -> Rule:
        """The forward bound to a namespace; the namespace's own function where the forward is just a call of it."""
        key = id(namespace)
        if key not in self._forwards:
            name = _plain_numpy_call(self.function) if not self.settings and not self.variadic else None
            native = getattr(namespace, name, None) if name is not None else None
            self._forwards[key] = native if native is not None else bind(self.function, namespace)
        return self._forwards[key]

    def plan(self, wanted: tuple[int, ...], count: int) -> Plan:
        """The plan for a call with `count` arrays of which those at the positions `wanted` require a gradient."""
        key = (wanted, count) if self.variadic else wanted
        if key not in self._plans:
            self._plans[key] = Plan(self, wanted, count)
        return self._plans[key]

    def _of(self, rules: tuple[Any, ...], i: int) -> Any:
        return rules[0] if self.variadic else rules[i]

    def vjp_rule(self, i: int) -> Assembly:
        """The rule that pulls a cotangent back to input i."""
        if self.kind == "elementwise":
            return self._product(self.partials_given[i])
        if self.kind == "reduction":
            return Assembly(self.vjps[i], _names(self.vjps[i]), _SPREAD)  # type: ignore[arg-type]
        rule = self._of(self.vjps, i)
        return Assembly(rule, _names(rule)[1:], "f(g, {})") if rule else _UNUSED

    def jvp_rule(self, i: int) -> Assembly:
        """The rule that pushes a tangent of input i on to the output."""
        if self.kind == "elementwise":
            return self._product(self.partials_given[i])
        if self.kind == "reduction":
            return Assembly(self.vjps[i], _names(self.vjps[i]), _GATHER)  # type: ignore[arg-type]
        if self.kind == "linear":
            arrays = ("g" if k == i else name for k, name in enumerate(self.arrays))
            return Assembly(self.function, (*arrays, *(f"={name}" for name in self.settings)), "f({})")
        rule = self._of(self.jvps, i)
        return Assembly(rule, _names(rule)[1:], "f(g, {})") if rule else _UNUSED

    def _product(self, d: Partial) -> Assembly:
        if callable(d):
            return Assembly(d, _names(d), _PRODUCTS[self.strong])
        return {1: _IDENTITY, -1: _NEGATION, 0: _ZERO, None: _UNUSED}[d]

    def dunders(self) -> tuple[tuple[str, bool], ...]:
        """The Python operator methods of this op, each with whether its operands come reversed."""
        name = _OPERATORS.get(self.operator or "")
        if name is None:
            return ()
        if len(self.arrays) == 1 or name in ("lt", "le", "gt", "ge", "eq", "ne"):  # Python mirrors comparisons itself
            return ((f"__{name}__", False),)
        return ((f"__{name}__", False), (f"__r{name}__", True))

    @cached_property
    def differentiable(self) -> tuple[bool, ...]:
        """For each array, whether a derivative with respect to it exists."""
        rules = self.partials_given if self.kind == "elementwise" else self.vjps
        return tuple(r is not None for r in rules)

    @cached_property
    def partials(self) -> tuple[str, ...]:
        """The source text of each partial derivative, for pictures and the step-through view."""
        from autograd._source import lambda_sources

        return lambda_sources(self.partials_given if self.kind == "elementwise" else self.vjps)


_IDENTITY = Assembly(None, (), "g")
_NEGATION = Assembly(None, (), "-g")
_ZERO = Assembly(None, (), "g * 0")
_UNUSED = Assembly(None, (), "None")


def _declare(kind: str, **rules: Any) -> Callable[[Rule], Rule]:
    def decorate(function: Rule) -> Rule:
        assert isinstance(function, FunctionType)
        op = Op(function, kind, **rules)
        if op.name in OPS:
            raise TypeError(f"an op named {op.name!r} exists already")
        OPS[op.name] = op
        return _publish(op)

    return decorate


def _publish(op: Op) -> Rule:
    """The function that users call; `autograd.apply` replaces this with the recording one when it is loaded."""
    from autograd.apply import publish

    return publish(op)


def elementwise(*partials: Partial, label: str | None = None, operator: str | None = None,
                strong: bool = False) -> Callable[[Rule], Rule]:  # fmt: skip
    """Declare an elementwise op by its partial derivatives, one for each array (a number where it is constant).

    ``strong=True`` is for partials that can be infinite or undefined at a finite input (``sqrt`` at 0): there a zero
    cotangent stays zero, so that a masked-out branch never turns a gradient into NaN.
    """
    return _declare("elementwise", partials=partials, label=label, operator=operator, strong=strong, view=False)


def linear(*transposes: Rule | None, label: str | None = None, operator: str | None = None, view: bool = False,
           jvp: Rule | None = None) -> Callable[[Rule], Rule]:  # fmt: skip
    """Declare an op that is linear in each of its arrays by its transpose(s) ``vjp(g, …)``; it is its own jvp."""
    if jvp is not None:
        return _declare("primitive", vjps=transposes, jvps=(jvp,), label=label, operator=operator, strong=False, view=view)
    return _declare("linear", vjps=transposes, label=label, operator=operator, strong=False, view=view)


def reduction(partial: Rule, *, label: str | None = None) -> Callable[[Rule], Rule]:
    """Declare a reduction of one array over ``axis`` (with ``keepdims``) by d = dy/dx, per element: vjp = g·d, jvp = Σ t·d."""
    return _declare("reduction", vjps=(partial,), label=label, operator=None, strong=False, view=False)


def primitive(*, vjp: Rule | tuple[Rule | None, ...], jvp: Rule | tuple[Rule | None, ...],
              label: str | None = None, view: bool = False) -> Callable[[Rule], Rule]:  # fmt: skip
    """Declare any other op by ``vjp(g, …)`` and ``jvp(t, …)``, side by side."""
    vjps = vjp if isinstance(vjp, tuple) else (vjp,)
    jvps = jvp if isinstance(jvp, tuple) else (jvp,)
    return _declare("primitive", vjps=vjps, jvps=jvps, label=label, operator=None, strong=False, view=view)


def constant(function: Rule | None = None, *, label: str | None = None, operator: str | None = None) -> Any:
    """Declare an op without a derivative; its result never requires a gradient."""
    decorate = _declare("constant", label=label, operator=operator, strong=False, view=False)
    return decorate(function) if function is not None else decorate


def ops() -> Iterator[Op]:
    """Every registered op, in order of declaration."""
    return iter(OPS.values())
