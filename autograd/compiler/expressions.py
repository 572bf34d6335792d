"""Scalar expressions of the loop program as LLVM code: numbers, arithmetic, scalar functions inlined or called."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from typing import Any

import numpy

from autograd.compiler.loops import Buffer
from autograd.compiler.seldom import beyond
from autograd.kernels.scalars import INTRINSICS, LIBRARY

__all__ = ["DTYPES", "Expressions"]

FAST = ("reassoc", "contract", "nsz", "arcp")
SHORT = ("choose", "larger", "smaller")  # scalar functions that are shorter than a call of them
EXACT = ("contract",)  # inside the scalar functions, whose order of operations, zeros and quotients are their accuracy


class Expressions:
    """Builds the code of scalar expressions; what they read from arrays is left to `llvm.Maker`."""

    builder: Any  # writes the function at hand
    entry: Any  # its first block, where variables live

    def __init__(self, buffers: dict[str, Buffer], functions: dict[str, Any]):
        from llvmlite import ir

        self.ir = ir
        self.buffers, self.functions = buffers, functions
        self.module = ir.Module("program")
        self.variables: dict[str, Any] = {}
        self.routines: list[str] = []
        self.slots: dict[str, Any] = {}
        self.flags: tuple[str, ...] = FAST
        self.kernels: dict[str, Any] = {}
        self.outside: dict[Any, Any] = {}
        self.rows: list[int] = []
        self.threaded = False
        self.depth = 0

    # ---- types ------------------------------------------------------------------------------------------------------

    def type(self, dtype: Any) -> Any:
        """The LLVM type of a scalar in a register."""
        ir, dtype = self.ir, numpy.dtype(dtype)
        if dtype.kind == "f":
            return {4: ir.FloatType(), 8: ir.DoubleType()}[dtype.itemsize]
        return ir.IntType(1 if dtype.kind == "b" else 8 * dtype.itemsize)

    def number(self, value: Any, dtype: Any) -> tuple[Any, Any]:
        """A typed constant."""
        dtype = numpy.dtype(dtype)
        kind = self.type(dtype)
        if dtype.kind == "f":
            value = float(numpy.asarray(value, dtype))
        return self.ir.Constant(kind, value if dtype.kind == "f" else int(value)), dtype

    def cast(self, value: tuple[Any, Any], dtype: Any) -> tuple[Any, Any]:
        """A scalar in another dtype."""
        v, old = value
        new, b = numpy.dtype(dtype), self.builder
        if old == new:
            return value
        kind = self.type(new)
        if new.kind == "b":
            zero = self.number(0, old)[0]
            return (b.fcmp_unordered("!=", v, zero) if old.kind == "f" else b.icmp_signed("!=", v, zero)), new
        if old.kind == "f" and new.kind == "f":
            return (b.fpext(v, kind) if new.itemsize > old.itemsize else b.fptrunc(v, kind)), new
        if old.kind == "f":
            return (b.fptosi(v, kind) if new.kind == "i" else b.fptoui(v, kind)), new
        if new.kind == "f":
            return (b.sitofp(v, kind) if old.kind == "i" else b.uitofp(v, kind)), new
        width, have = kind.width, v.type.width
        if width == have:
            return v, new
        if width < have:
            return b.trunc(v, kind), new
        return (b.sext(v, kind) if old.kind == "i" else b.zext(v, kind)), new

    def stored(self, dtype: Any) -> Any:
        """The LLVM type of an element in memory."""
        return self.ir.IntType(8) if dtype.kind == "b" else self.type(dtype)

    def variable(self, name: str, dtype: Any) -> Any:
        """The place of a scalar variable; LLVM turns these into registers."""
        if name not in self.variables:
            with self.builder.goto_block(self.entry):
                self.variables[name] = self.builder.alloca(self.type(dtype), name=name), numpy.dtype(dtype)
        return self.variables[name][0]

    # ---- left to the maker -------------------------------------------------------------------------------------------

    def element(self, name: str, at: Any) -> tuple[Any, Any]:
        """Load one element of an array."""
        raise NotImplementedError

    def offset(self, s: ast.Subscript) -> Any:
        """The position of an element in its array, counted in elements."""
        raise NotImplementedError

    def statement(self, s: ast.stmt) -> None:
        """One statement of the loop program."""
        raise NotImplementedError

    # ---- expressions ------------------------------------------------------------------------------------------------

    def value(self, e: ast.expr) -> tuple[Any, Any]:
        """A scalar expression: its value and its dtype; of several results of a scalar function, a tuple of these."""
        if isinstance(e, ast.Tuple):
            return tuple(self.value(item) for item in e.elts)  # type: ignore[return-value]
        if isinstance(e, ast.Name):
            place, dtype = self.variables[e.id]
            return self.builder.load(place), dtype
        if isinstance(e, ast.Subscript):
            return self.element(e.value.id, self.offset(e))  # type: ignore[attr-defined]
        if isinstance(e, ast.Constant):
            return self.number(e.value, bool if isinstance(e.value, bool) else float if isinstance(e.value, float) else int)
        if isinstance(e, ast.UnaryOp):
            return self.unary(e)
        if isinstance(e, ast.BinOp):
            return self.binary(type(e.op).__name__, self.value(e.left), self.value(e.right))
        if isinstance(e, ast.Compare):
            return self.compare(type(e.ops[0]).__name__, self.value(e.left), self.value(e.comparators[0]))
        if isinstance(e, ast.IfExp):
            if isinstance(e.body, ast.Subscript):
                return self.where_there(e)
            c, a, b = self.cast(self.value(e.test), bool), self.value(e.body), self.value(e.orelse)
            return self.builder.select(c[0], a[0], self.cast(b, a[1])[0]), a[1]
        if isinstance(e, ast.Attribute):
            return self.number({"nan": numpy.nan, "inf": numpy.inf}[e.attr], numpy.float64)
        if isinstance(e, ast.Call):
            return self.call(e)
        raise NotImplementedError(ast.unparse(e))

    def where_there(self, e: ast.IfExp) -> tuple[Any, Any]:
        """``a[i] if c else x``, where the element is read only if the condition holds: a masked load, in a vector loop."""
        b = self.builder
        before = self.cast(self.value(e.test), bool)[0]
        start, there, after = b.block, b.function.append_basic_block(), b.function.append_basic_block()
        b.cbranch(before, there, after)
        b.position_at_end(there)
        element, dtype = self.value(e.body)
        there = b.block
        b.branch(after)
        b.position_at_end(after)
        found = b.phi(self.type(dtype))
        found.add_incoming(element, there)
        found.add_incoming(self.cast(self.value(e.orelse), dtype)[0], start)
        return found, dtype

    def unary(self, e: ast.UnaryOp) -> tuple[Any, Any]:
        """−x and ~x."""
        if isinstance(e.operand, ast.Constant) and isinstance(e.op, ast.USub):
            return self.value(ast.Constant(-e.operand.value))  # type: ignore[operator]
        v, dtype = self.value(e.operand)
        if isinstance(e.op, ast.USub):
            return (self.builder.fneg(v) if dtype.kind == "f" else self.builder.neg(v)), dtype
        return self.builder.not_(v), dtype

    def binary(self, op: str, a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any]:
        """Arithmetic on two scalars of one dtype."""
        x, dtype = a
        y = self.cast(b, dtype)[0]
        m = self.builder
        if op == "Pow":
            return self.power(x, y, dtype)
        if dtype.kind == "f":
            f = {"Add": m.fadd, "Sub": m.fsub, "Mult": m.fmul, "Div": m.fdiv}[op]
            return f(x, y, flags=self.flags), dtype
        f = {"Add": m.add, "Sub": m.sub, "Mult": m.mul, "BitAnd": m.and_, "BitOr": m.or_, "BitXor": m.xor,
             "LShift": m.shl, "RShift": m.ashr, "FloorDiv": m.sdiv, "Mod": m.srem}[op]  # fmt: skip
        if dtype.kind == "b" and op in ("Add", "Mult"):
            f = m.or_ if op == "Add" else m.and_
        return f(x, y), dtype

    def power(self, x: Any, y: Any, dtype: Any) -> tuple[Any, Any]:
        """xʸ; small constant powers as products."""
        exponent = getattr(y, "constant", None)
        if exponent in (1, 2, 3, 4):
            square = self.builder.fmul(x, x) if dtype.kind == "f" else self.builder.mul(x, x)
            times = self.builder.fmul if dtype.kind == "f" else self.builder.mul
            return (x if exponent == 1 else square if exponent == 2 else times(square, x if exponent == 3 else square)), dtype
        if exponent == 0.5:
            return self.intrinsic("sqrt", (x, dtype))
        kernel = f"power_{8 * dtype.itemsize}"
        if dtype.kind == "f" and kernel in self.functions:
            return self.inline(kernel, [(x, dtype), (y, dtype)])
        return self.library("pow", (x, dtype), (y, dtype))

    def compare(self, op: str, a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any]:
        """A comparison; false against NaN, but for ≠."""
        sign = {"Eq": "==", "NotEq": "!=", "Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">="}[op]
        x, dtype = a
        y = self.cast(b, dtype)[0]
        if dtype.kind == "f":
            f = self.builder.fcmp_unordered if op == "NotEq" else self.builder.fcmp_ordered
        else:
            f = self.builder.icmp_signed if dtype.kind == "i" else self.builder.icmp_unsigned
        return f(sign, x, y), numpy.dtype(bool)

    def intrinsic(self, name: str, x: tuple[Any, Any], *others: tuple[Any, Any]) -> tuple[Any, Any]:
        """One of LLVM's own functions, which become instructions; all operands have one dtype."""
        kind, operands = x[0].type, [x[0], *(o[0] for o in others)]
        function = self.module.declare_intrinsic(f"llvm.{name}", [kind], self.ir.FunctionType(kind, [kind] * len(operands)))
        return self.builder.call(function, operands), x[1]

    def horner(self, x: tuple[Any, Any], coefficients: list[tuple[Any, Any]]) -> tuple[Any, Any]:
        """The polynomial c₀ + c₁x + c₂x² + …, as E(x²) + x·O(x²) where it is long: two chains in step take half the time."""
        b, c = self.builder, [self.cast(c, x[1])[0] for c in coefficients]

        def chain(x: Any, y: Any, rest: list[Any]) -> Any:
            for c in reversed(rest):
                y = b.fadd(b.fmul(y, x, flags=self.flags), c, flags=self.flags)
            return y

        if len(c) < 6:
            return chain(x[0], c[-1], c[:-1]), x[1]
        square = b.fmul(x[0], x[0], flags=self.flags)
        even, odd = (chain(square, part[-1], part[:-1]) for part in (c[::2], c[1::2]))
        return chain(x[0], odd, [even]), x[1]

    def extreme(self, name: str, x: tuple[Any, Any], y: tuple[Any, Any]) -> tuple[Any, Any]:
        """The larger or smaller of two, NaN where either is, in a form that LLVM knows how to reduce in vectors."""
        if x[1].kind != "f":
            return self.builder.select(self.compare("Gt" if name == "largest" else "Lt", x, y)[0], x[0], y[0]), x[1]
        kind = x[0].type
        function = self.module.declare_intrinsic(
            "llvm.maximum" if name == "largest" else "llvm.minimum", [kind], self.ir.FunctionType(kind, [kind, kind])
        )
        return self.builder.call(function, [x[0], y[0]], fastmath=("nsz",)), x[1]

    def library(self, name: str, *operands: tuple[Any, Any]) -> tuple[Any, Any]:
        """A function of the C library, in double precision."""
        dtype = operands[0][1]
        double = self.ir.DoubleType()
        shape = self.ir.FunctionType(double, [double] * len(operands))
        function = self.module.globals.get(name) or self.ir.Function(self.module, shape, name)
        y = self.builder.call(function, [self.cast(x, numpy.float64)[0] for x in operands])
        return self.cast((y, numpy.dtype(numpy.float64)), dtype)

    def call(self, e: ast.Call) -> tuple[Any, Any]:
        """A cast, an intrinsic, a function of the C library, or a scalar function, inlined."""
        name = e.func.attr if isinstance(e.func, ast.Attribute) else e.func.id  # type: ignore[attr-defined]
        name = {"f32": "float32", "i32": "int32", "f64": "float64", "i64": "int64"}.get(name, name)
        if name == "beyond":  # beyond(f, limit, x, y): y, but f(x) of the C library where |x| ≥ limit
            (x, dtype), y = self.value(e.args[2]), self.value(e.args[3])
            function = beyond(self.module, e.args[0].id, x.type, e.args[1].value)  # type: ignore[attr-defined]
            return self.builder.call(function, [x, y[0]]), dtype
        arguments = [self.value(a) for a in e.args]
        first = arguments[0]
        if name in DTYPES:
            if hasattr(first[0], "constant") and first[0].constant is not self.ir.Undefined:
                return self.number(first[0].constant, DTYPES[name])
            return self.cast(first, DTYPES[name])
        if name in INTRINSICS:
            if first[1].kind != "f":
                return first if name != "abs" else self.integer_abs(first)
            return self.intrinsic(INTRINSICS[name], first, *(self.cast(a, first[1]) for a in arguments[1:]))
        if name in ("largest", "smallest"):
            return self.extreme(name, first, self.cast(arguments[1], first[1]))
        if name in ("max", "min"):
            x, y = first, self.cast(arguments[1], first[1])
            return self.builder.select(self.compare("Gt" if name == "max" else "Lt", x, y)[0], x[0], y[0]), x[1]
        if name in ("bits_float", "float_bits"):  # the same bits, read as a float or as an integer of the same size
            dtype = numpy.dtype(f"{'float' if name == 'bits_float' else 'int'}{8 * first[1].itemsize}")
            return self.builder.bitcast(first[0], self.type(dtype)), dtype
        if name == "horner":
            return self.horner(first, arguments[1:])
        if name in ("scaled_32", "scaled_64") and has_scale():
            return self.scaled(*arguments)
        if name in self.functions:
            return self.inline(name, arguments) if self.depth or name in SHORT else self.outlined(name, arguments)
        return self.library(LIBRARY[name], *arguments)

    def scaled(self, y: tuple[Any, Any], k: tuple[Any, Any]) -> tuple[Any, Any]:
        """y·2ᵏ in one instruction."""
        exponent = self.cast(k, numpy.int32)[0]
        kinds = [y[0].type, exponent.type]
        function = self.module.declare_intrinsic("llvm.ldexp", kinds, self.ir.FunctionType(kinds[0], kinds))
        return self.builder.call(function, [y[0], exponent]), y[1]

    def integer_abs(self, x: tuple[Any, Any]) -> tuple[Any, Any]:
        """|x| of an integer."""
        if x[1].kind != "i":
            return x
        negative = self.builder.icmp_signed("<", x[0], x[0].type(0))
        return self.builder.select(negative, self.builder.neg(x[0]), x[0]), x[1]

    def outlined(self, name: str, arguments: list[tuple[Any, Any]]) -> tuple[Any, ...]:
        """A call of a scalar function: outside of loops there is nothing to make vectors of, and the code stays short."""
        ir, pointer = self.ir, self.ir.IntType(8).as_pointer()
        key = (name, *(d for _, d in arguments))
        if key not in self.outside:
            inner = object.__new__(type(self))
            inner.__dict__.update(self.__dict__)
            inner.variables, inner.depth = {}, 1
            kinds = [v.type for v, _ in arguments]
            function = ir.Function(
                self.module, ir.FunctionType(ir.VoidType(), [*kinds, pointer]), f"{name}.{len(self.outside)}"
            )
            function.linkage = "internal"
            function.attributes.add("noinline")
            inner.entry = function.append_basic_block("entry")
            start = function.append_basic_block("start")
            inner.builder = b = ir.IRBuilder(start)
            y = inner.inline(name, [(v, d) for v, (_, d) in zip(function.args, arguments, strict=False)])
            parts = y if isinstance(y[0], tuple) else (y,)
            kind = ir.LiteralStructType([v.type for v, _ in parts])
            place = b.bitcast(function.args[-1], kind.as_pointer())
            for k, (v, _) in enumerate(parts):
                b.store(v, b.gep(place, [ir.IntType(32)(0), ir.IntType(32)(k)]))
            b.ret_void()
            b.position_at_end(inner.entry)
            b.branch(start)
            self.outside[key] = function, kind, [d for _, d in parts], isinstance(y[0], tuple)
        function, kind, dtypes, several = self.outside[key]
        b = self.builder
        with b.goto_block(self.entry):
            place = b.alloca(kind)
        b.call(function, [*(v for v, _ in arguments), b.bitcast(place, pointer)])
        word = ir.IntType(32)
        found = tuple((b.load(b.gep(place, [word(0), word(k)])), d) for k, d in enumerate(dtypes))
        return found if several else found[0]

    def inline(self, name: str, arguments: list[tuple[Any, Any]]) -> tuple[Any, Any]:
        """The body of a scalar function, with its own variables."""
        definition = _definition(self.functions[name])
        outer, flags = self.variables, self.flags
        self.variables, self.flags = {}, EXACT
        try:
            for parameter, (v, dtype) in zip(definition.args.args, arguments, strict=True):
                self.builder.store(v, self.variable(parameter.arg, dtype))
            for s in definition.body:
                if isinstance(s, ast.Return):
                    assert s.value is not None
                    return self.value(s.value)
                if not isinstance(s, ast.Expr):
                    self.statement(s)
        finally:
            self.variables, self.flags = outer, flags
        raise NotImplementedError(f"{name} does not return")


@cache
def has_scale() -> bool:
    """Whether this processor multiplies by powers of 2 in vectors."""
    import llvmlite.binding as llvm

    return bool(llvm.get_host_cpu_features().get("avx512f"))


@cache
def _definition(function: Any) -> ast.FunctionDef:
    definition = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(definition, ast.FunctionDef)
    return definition


DTYPES = {k: numpy.dtype(k) for k in ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
                                       "uint64", "bool")} | {"bool_": numpy.dtype(bool)}  # fmt: skip
