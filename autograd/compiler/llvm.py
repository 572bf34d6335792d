"""From the loop program to LLVM code: kernels, loops, arrays, products, and the calls that make a program.

The loop program is written in a small part of Python: loops over constant ranges, scalars, elements of arrays, calls of
scalar functions that are written in the same part of Python (`kernels.math64`) and are inlined. Numba itself could
compile it, and takes seconds for what this does in a tenth of one: types are known, so there is nothing to infer.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Callable
from typing import Any

import numpy

from autograd.compiler.expressions import DTYPES, Expressions
from autograd.compiler.loops import Buffer

__all__ = ["Maker"]

MANY = 32  # arrays that a kernel takes one by one
BLOCK = 4096  # elements that are added up by themselves


class Maker(Expressions):
    """Builds the LLVM module of one program."""

    # ---- the frame --------------------------------------------------------------------------------------------------

    def program(self, statements: list[ast.stmt]) -> None:
        """The kernels, and the function ``program(table, thread, threads)`` that calls them."""
        ir = self.ir
        word = ir.IntType(64)
        table = word.as_pointer()
        self.threaded = any(isinstance(s, ast.If) for s in statements)
        for s in statements:
            if isinstance(s, ast.FunctionDef):
                self.kernels[s.name] = self.kernel(s)
        fill = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [table]), "fill")
        fill.linkage = "internal"
        self.rows_start = ir.GlobalVariable(self.module, word, "rows_start")
        self.rows_start.linkage, self.rows_start.global_constant = "internal", True
        outer = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [table, word, word]), "program")
        self.table = outer.args[0]
        self.entry = outer.append_basic_block("entry")
        self.builder = b = ir.IRBuilder(self.entry)
        for name, value in zip(("thread", "threads"), outer.args[1:], strict=True):
            b.store(value, self.variable(name, numpy.int64))
        self.place = {name: k for k, name in enumerate(self.buffers)}
        start = outer.append_basic_block("start")
        b.position_at_end(start)
        for s in statements:
            if isinstance(s, ast.If):  # one thread only
                first, after = outer.append_basic_block(), outer.append_basic_block()
                b.cbranch(self.value(s.test)[0], first, after)
                b.position_at_end(first)
                for line in s.body:
                    self.step(line)
                b.branch(after)
                b.position_at_end(after)
            elif isinstance(s, ast.Expr):
                self.step(s)
        b.ret_void()
        b.position_at_end(self.entry)
        b.branch(start)
        self.fill_rows(fill)
        alone = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [table]), "alone")
        b = ir.IRBuilder(alone.append_basic_block())
        b.call(fill, [alone.args[0]])
        b.call(outer, [alone.args[0], word(0), word(1)])
        b.ret_void()

    def step(self, s: Any) -> None:
        """One call of a program: a kernel, a product, or waiting for the other threads."""
        name, b = s.value.func.id, self.builder
        if name in ("dot", "add_dots"):
            self.product(s.value, name == "add_dots")
        elif name in ("potrf", "trsm", "gesv"):
            self.in_place(name, s.value.args)
        elif name == "python":  # a call of what has no compiled form; where it fails, the program ends
            number = self.ir.IntType(64)
            kind = self.ir.FunctionType(self.ir.IntType(32), [number.as_pointer(), number])
            failed = b.call(self.routine("python", kind), [self.table, self.value(s.value.args[0])[0]])
            stop, on = b.function.append_basic_block(), b.function.append_basic_block()
            b.cbranch(b.icmp_signed("!=", failed, self.ir.IntType(32)(0)), stop, on)
            b.position_at_end(stop)
            b.ret_void()
            b.position_at_end(on)
        elif name == "check":  # check(k, number): unless it is 0, the program ends, and its status says why
            number, place = s.value.args
            count = self.ir.IntType(64)
            bad = b.load(b.bitcast(self.argument(place), count.as_pointer()))
            stop, tell, leave, on = (b.function.append_basic_block() for _ in range(4))
            b.cbranch(b.icmp_signed("!=", bad, count(0)), stop, on)
            b.position_at_end(stop)
            b.cbranch(b.icmp_signed("==", b.load(self.variables["thread"][0]), count(0)), tell, leave)
            b.position_at_end(tell)
            b.store(count(number.value + 1), self.behind("status"))
            b.branch(leave)
            b.position_at_end(leave)
            b.ret_void()
            b.position_at_end(on)
        elif name == "clock":
            self.clock(s.value.args[0].value)
        elif name == "barrier":
            wait = self.ir.FunctionType(self.ir.VoidType(), [self.ir.IntType(64)])
            b.call(self.routine("barrier", wait), [self.value(s.value.args[0])[0]])
        else:
            self.run(name, s.value.args)

    def clock(self, k: int) -> None:
        """``clock(k)``: the time is put down as the k-th pair, of seconds and nanoseconds, of those that the program takes."""
        b, pointer = self.builder, self.ir.IntType(8).as_pointer()
        kind = self.ir.FunctionType(self.ir.IntType(32), [self.ir.IntType(32), pointer])
        get = self.module.globals.get("clock_gettime") or self.ir.Function(self.module, kind, "clock_gettime")
        place = b.inttoptr(b.add(b.load(self.behind("clocks")), self.ir.IntType(64)(16 * k)), pointer)
        b.call(get, [self.ir.IntType(32)(time.CLOCK_MONOTONIC), place])

    def run(self, name: str, arguments: list[ast.expr]) -> None:
        """Call a kernel; one of very many arrays finds their addresses in a row behind the table."""
        b, kernel = self.builder, self.kernels[name]
        if len(kernel.args) == len(arguments):
            b.call(kernel, [self.argument(a) for a in arguments])
            return
        number = self.ir.IntType(64)
        start = b.add(b.load(self.rows_start), number(len(self.rows)))
        self.rows += [self.place[a.id] for a in arguments]  # type: ignore[attr-defined]
        b.call(kernel, [b.bitcast(b.gep(self.table, [start]), self.ir.IntType(8).as_pointer())])

    def fill_rows(self, fill: Any) -> None:
        """The function that copies addresses from the table into the rows, which a program does first."""
        ir, number = self.ir, self.ir.IntType(64)
        start = len(self.buffers) + len(self.routines)
        self.rows_start.initializer = number(start)
        b = ir.IRBuilder(fill.append_basic_block())
        if self.rows:
            kind = ir.ArrayType(ir.IntType(32), len(self.rows))
            which = ir.GlobalVariable(self.module, kind, "which")
            which.global_constant, which.linkage, which.initializer = True, "internal", ir.Constant(kind, self.rows)
            begin, again, after = b.block, fill.append_basic_block(), fill.append_basic_block()
            b.branch(again)
            b.position_at_end(again)
            k = b.phi(number)
            k.add_incoming(number(0), begin)
            source = b.zext(b.load(b.gep(which, [number(0), k])), number)
            b.store(b.load(b.gep(fill.args[0], [source])), b.gep(fill.args[0], [b.add(k, number(start))]))
            following = b.add(k, number(1))
            k.add_incoming(following, again)
            b.cbranch(b.icmp_unsigned("<", following, number(len(self.rows))), again, after)
            b.position_at_end(after)
        b.ret_void()

    def argument(self, e: ast.expr) -> Any:
        """What a kernel is given: a number, an array, or a thread's own part of one."""
        if isinstance(e, ast.Subscript):
            array = self.buffers[e.value.id]  # type: ignore[attr-defined]
            bytes_each = array.bytes // array.shape[0]
            offset = self.builder.mul(self.value(e.slice)[0], self.ir.IntType(64)(bytes_each))
            return self.builder.gep(self.address(e.value.id), [offset])  # type: ignore[attr-defined]
        assert isinstance(e, ast.Name)
        return self.address(e.id) if e.id in self.place else self.value(e)[0]

    def address(self, name: str) -> Any:
        """Where an array is, from the table; looked up at each call, so that a long program holds none for long."""
        place = self.builder.gep(self.table, [self.ir.IntType(64)(self.place[name])])
        return self.builder.inttoptr(self.builder.load(place), self.ir.IntType(8).as_pointer())

    def routine(self, name: str, kind: Any) -> Any:
        """A function whose address the table holds behind the arrays."""
        return self.builder.inttoptr(self.builder.load(self.behind(name)), kind.as_pointer())

    def behind(self, name: str) -> Any:
        """Where in the table something stands that is not an array."""
        if name not in self.routines:
            self.routines.append(name)
        where = len(self.buffers) + self.routines.index(name)
        return self.builder.gep(self.table, [self.ir.IntType(64)(where)])

    def kernel(self, definition: ast.FunctionDef) -> Any:
        """A function over arrays. As arguments they can be declared not to overlap, which lets loops become vectors."""
        ir, inner = self.ir, Maker.__new__(Maker)
        inner.__dict__.update(self.__dict__)
        inner.buffers, inner.variables, inner.slots = {}, {}, {}
        parameters = definition.args.args
        pointer = ir.IntType(8).as_pointer()
        kinds = [pointer if p.annotation is not None else ir.IntType(64) for p in parameters]
        loops = any(isinstance(s, ast.For) for s in definition.body)
        in_a_row = len(parameters) > MANY and not loops and not self.threaded
        kinds = [pointer] if in_a_row else kinds
        function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), kinds), definition.name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        inner.entry = function.append_basic_block("entry")
        inner.builder = ir.IRBuilder(inner.entry)
        arguments: list[Any] = list(function.args)
        if in_a_row:
            b, row = inner.builder, inner.builder.bitcast(arguments[0], ir.IntType(64).as_pointer())
            arguments = [b.inttoptr(b.load(b.gep(row, [ir.IntType(64)(k)])), pointer) for k in range(len(parameters))]
        for parameter, argument in zip(parameters, arguments, strict=True):
            if parameter.annotation is None:
                inner.builder.store(argument, inner.variable(parameter.arg, numpy.int64))
                continue
            if not in_a_row:
                argument.add_attribute("noalias")
            assert isinstance(parameter.annotation, ast.Subscript)
            lengths = ast.literal_eval(parameter.annotation.slice)
            shape = lengths if isinstance(lengths, tuple) else (lengths,)
            dtype = DTYPES[parameter.annotation.value.id]  # type: ignore[attr-defined]
            inner.buffers[parameter.arg] = Buffer(dtype, shape)
            inner.slots[parameter.arg] = inner.builder.bitcast(argument, inner.stored(dtype).as_pointer())
        start = function.append_basic_block("start")
        inner.builder.position_at_end(start)
        inner.block(definition.body)
        inner.builder.ret_void()
        inner.builder.position_at_end(inner.entry)
        inner.builder.branch(start)
        return function

    # ---- statements -------------------------------------------------------------------------------------------------

    def statement(self, s: ast.stmt) -> None:
        """One statement of the loop program."""
        if isinstance(s, ast.For):
            assert isinstance(s.target, ast.Name) and isinstance(s.iter, ast.Call)
            first, last = self.bounds(s.iter)
            sums = self.long_sums(s)
            if sums:
                self.in_blocks(s.target.id, first, last, s.body, sums)
            else:
                self.loop(s.target.id, last, lambda: self.block(s.body), first)
        elif isinstance(s, ast.AugAssign):
            load = ast.copy_location(ast.parse(ast.unparse(s.target), mode="eval").body, s.target)
            self.assign(s.target, ast.BinOp(load, s.op, s.value))
        elif isinstance(s, ast.Assign):
            self.assign(s.targets[0], s.value)
        elif not isinstance(s, ast.Pass):
            raise NotImplementedError(ast.unparse(s))

    def block(self, statements: list[ast.stmt]) -> None:
        """Statements in a row."""
        for s in statements:
            self.statement(s)

    def bounds(self, e: ast.Call) -> tuple[Any, Any]:
        """First and last (excluded) of ``range(n)``, ``range(a, n)``, and this thread's part of it in ``share(n)``."""
        word = self.ir.IntType(64)
        ends: list[Any] = [a.value if isinstance(a, ast.Constant) else self.value(a)[0] for a in e.args]
        if e.func.id == "range":  # type: ignore[attr-defined]
            return (0, ends[0]) if len(ends) == 1 else (ends[0], ends[1])
        return self.part(word(ends[0]), 64 if ends[0] > 4096 else 1)

    def long_sums(self, s: ast.For) -> list[str]:
        """The variables that a long innermost loop adds up into: ``v = v + …``."""
        length = s.iter.args[-1]  # type: ignore[attr-defined]
        if not isinstance(length, ast.Constant) or not isinstance(length.value, int) or length.value <= 2 * BLOCK:
            return []
        if any(isinstance(t, ast.For) for t in s.body):
            return []
        return [
            t.targets[0].id for t in s.body
            if isinstance(t, ast.Assign) and isinstance(t.targets[0], ast.Name) and isinstance(t.value, ast.BinOp)
            and isinstance(t.value.op, ast.Add) and isinstance(t.value.left, ast.Name) and t.value.left.id == t.targets[0].id
            and self.variables[t.targets[0].id][1].kind == "f"
        ]  # fmt: skip

    def in_blocks(self, name: str, first: Any, last: Any, body: list[ast.stmt], sums: list[str]) -> None:
        """A long loop, block by block, each with sums of its own: a number that is added to a great one loses its last digits,
        and a million of them would lose the fourth digit of the total."""
        b, word = self.builder, self.ir.IntType(64)
        first, last = (word(n) if isinstance(n, int) else n for n in (first, last))
        blocks = b.udiv(b.add(b.sub(last, first), word(BLOCK - 1)), word(BLOCK))
        wide, count = self.type(numpy.dtype(float)), f"block {name}"
        start_of = {v: self.variables.pop(v) for v in sums}
        totals = {v: self.variable(f"total {v}", numpy.float64) for v in sums}
        for v, (place, dtype) in start_of.items():
            b.store(b.load(place) if dtype.itemsize == 8 else b.fpext(b.load(place), wide), totals[v])

        def block() -> None:
            start = b.add(first, b.mul(b.load(self.variables[count][0]), word(BLOCK)))
            end = b.add(start, word(BLOCK))
            end = b.select(b.icmp_unsigned("<", end, last), end, last)
            for v, (_, dtype) in start_of.items():
                b.store(self.type(dtype)(0.0), self.variable(v, dtype))
            self.loop(name, end, lambda: self.block(body), start)
            for v, (_, dtype) in start_of.items():
                part = b.load(self.variables[v][0])
                b.store(b.fadd(b.load(totals[v]), part if dtype.itemsize == 8 else b.fpext(part, wide)), totals[v])

        self.loop(count, blocks, block)
        self.variables.update(start_of)
        for v, (place, dtype) in start_of.items():
            total = b.load(totals[v])
            b.store(total if dtype.itemsize == 8 else b.fptrunc(total, self.type(dtype)), place)

    def part(self, count: Any, block: int) -> tuple[Any, Any]:
        """Which of `count` rounds are this thread's, in whole blocks."""
        b, word = self.builder, self.ir.IntType(64)
        thread, threads = (b.load(self.variables[name][0]) for name in ("thread", "threads"))
        blocks = b.udiv(b.add(count, word(block - 1)), word(block))
        ends = []
        for t in (thread, b.add(thread, word(1))):
            end = b.mul(b.udiv(b.mul(blocks, t), threads), word(block))
            ends.append(b.select(b.icmp_unsigned("<", end, count), end, count))
        return ends[0], ends[1]

    def loop(self, name: str, last: Any, body: Callable[[], Any], first: Any = 0) -> None:
        """``for name in range(first, last)``; either may be known only when the program runs."""
        b, word = self.builder, self.ir.IntType(64)
        place = self.variable(name, numpy.int64)
        function = b.function
        inside, after = function.append_basic_block(), function.append_basic_block()
        known = isinstance(first, int) and isinstance(last, int)
        start, end = (word(n) if isinstance(n, int) else n for n in (first, last))
        b.store(start, place)
        if known:
            b.branch(inside if first < last else after)
        else:
            b.cbranch(b.icmp_signed("<", start, end), inside, after)
        b.position_at_end(inside)
        if known and first >= last:
            b.unreachable()
            b.position_at_end(after)
            return
        self.depth += 1
        body()
        self.depth -= 1
        following = b.add(b.load(place), word(1), flags=("nuw", "nsw"))
        b.store(following, place)
        b.cbranch(b.icmp_unsigned("<", following, end), inside, after)
        b.position_at_end(after)

    def assign(self, target: ast.expr, value: ast.expr) -> None:
        """``x = …``, ``x, y = f(…)``, ``a[i, j] = …``, ``a[...] = …``."""
        if isinstance(target, ast.Tuple):
            for item, (v, dtype) in zip(target.elts, self.value(value), strict=True):
                self.builder.store(v, self.variable(item.id, dtype))  # type: ignore[attr-defined]
            return
        if isinstance(target, ast.Name):
            if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "local":
                self.local(target.id, DTYPES[value.args[0].id], value.args[1].value)  # type: ignore[attr-defined]
                return
            v, dtype = self.value(value)
            self.builder.store(v, self.variable(target.id, dtype))
            return
        assert isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name)
        name = target.value.id
        buffer = self.buffers[name]
        if isinstance(target.slice, ast.Constant) and target.slice.value is ...:
            source = value.id if isinstance(value, ast.Name) else None
            fixed = None if source is not None else self.cast(self.value(value), buffer.dtype)

            def copy() -> None:
                at = self.builder.load(self.variable("flat", numpy.int64))
                item = fixed if fixed is not None else self.cast(self.element(source, at), buffer.dtype)  # type: ignore[arg-type]
                self.put(name, at, item[0])

            self.loop("flat", buffer.size, copy)
            return
        self.put(name, self.offset(target), self.cast(self.value(value), buffer.dtype)[0])

    def local(self, name: str, dtype: Any, count: int) -> None:
        """``name = local(dtype, count)``: an array inside the kernel."""
        self.buffers[name] = Buffer(dtype, (count,))
        with self.builder.goto_block(self.entry):
            place = self.builder.alloca(self.ir.ArrayType(self.stored(dtype), count))
            place.align = 64
            self.slots[name] = self.builder.bitcast(place, self.stored(dtype).as_pointer())

    def offset(self, s: ast.Subscript) -> Any:
        """The position of an element in its array, counted in elements."""
        word = self.ir.IntType(64)
        if isinstance(s.slice, ast.Call):  # flat(position)
            return self.cast(self.value(s.slice.args[0]), numpy.int64)[0]
        shape = self.buffers[s.value.id].shape  # type: ignore[attr-defined]
        parts = s.slice.elts if isinstance(s.slice, ast.Tuple) else [s.slice]
        parts = parts[: len(shape)]  # a 0-d array is written x[0]
        at = word(0)
        for part, n in zip(parts, shape, strict=True):
            i = word(part.value) if isinstance(part, ast.Constant) else self.cast(self.value(part), numpy.int64)[0]
            at = self.builder.add(self.builder.mul(at, word(n), flags=("nsw",)), i, flags=("nsw",))
        return at

    def element(self, name: str, at: Any) -> tuple[Any, Any]:
        """Load one element."""
        dtype = self.buffers[name].dtype
        v = self.builder.load(self.builder.gep(self.slots[name], [at], inbounds=True))
        return (self.builder.trunc(v, self.ir.IntType(1)) if dtype.kind == "b" else v), dtype

    def put(self, name: str, at: Any, v: Any) -> None:
        """Store one element."""
        if self.buffers[name].dtype.kind == "b":
            v = self.builder.zext(v, self.ir.IntType(8))
        self.builder.store(v, self.builder.gep(self.slots[name], [at], inbounds=True))

    def product(self, call: ast.Call, total: bool = False) -> None:
        """``dot(a, b.T, out)``: a call of BLAS, whose arrays are column by column, so with everything exchanged.

        Stacks of matrices are multiplied one by one, and added up if wanted; one matrix may stand for all of a stack.
        With ``thread, threads`` behind, it computes this thread's part: of the stack, or of the longer side of the result.
        """
        ir, b = self.ir, self.builder
        turned = [isinstance(a, ast.Attribute) for a in call.args[:3]]
        names = [a.value.id if isinstance(a, ast.Attribute) else a.id for a in call.args[:3]]  # type: ignore[attr-defined]
        left, right, out = (self.buffers[name] for name in names)
        m, n = out.shape[-2:]
        k = left.shape[-2 if turned[0] else -1]
        stack = max(left.size // max(1, m * k), right.size // max(1, k * n)) if total else out.size // max(1, m * n)
        real = self.type(out.dtype).as_pointer()
        pointers = [b.bitcast(self.address(name), real) for name in names]
        word = ir.IntType(64)
        rows, columns, first, last = ir.IntType(32)(m), ir.IntType(32)(n), 0, 1
        if stack > 1 and not total:
            first, last = (0, stack) if len(call.args) == 3 else self.part(word(stack), 1)
        elif len(call.args) == 3:
            last = stack
        else:
            by_row = m >= n
            start, end = self.part(word(m if by_row else n), 16)
            count = b.trunc(b.sub(end, start), ir.IntType(32))
            steps = [k if not turned[0] else 1, 0, n] if by_row else [0, 1 if not turned[1] else k, 1]
            pointers = [b.gep(p, [b.mul(start, word(s))]) for p, s in zip(pointers, steps, strict=True)]
            rows, columns = (count, columns) if by_row else (rows, count)
            last = b.mul(b.zext(b.icmp_signed("<", start, end), word), word(stack))  # no round where there is no part

        def one() -> None:
            at = b.load(self.variables["matrices"][0])
            lengths = (m * k, k * n, m * n)
            steps = [length if stack > 1 and x.size > length else 0
                     for length, x in zip(lengths, (left, right, out), strict=True)]  # fmt: skip
            places = [b.gep(p, [b.mul(at, word(s))]) for p, s in zip(pointers, steps, strict=True)]
            zero, one = ir.Constant(self.type(out.dtype), 0.0), ir.Constant(self.type(out.dtype), 1.0)
            kept = b.select(b.icmp_signed(">", at, word(0)), one, zero) if total else zero
            widths = (left.shape[-1], right.shape[-1], n)
            self.gemm(out.dtype, places, (rows, columns, ir.IntType(32)(k)), widths, turned, kept)

        self.loop("matrices", last, one, first)

    def in_place(self, name: str, arguments: list[Any]) -> None:
        """``potrf(out, _)``, ``trsm(a, out, lower)`` or ``gesv(a, pivots, out, _)``, for one matrix after the other.

        Column by column, a lower triangle is an upper one, and a x = b is xᵀ aᵀ = bᵀ. Where a matrix has no factor, the first
        element of its result becomes NaN.
        """
        ir, b = self.ir, self.builder
        *names, lower = arguments
        arrays = [self.buffers[x.id] for x in names]
        kind, (rows, columns) = self.type(arrays[-1].dtype), arrays[-1].shape[-2:]
        word, byte, long = ir.IntType(32), ir.IntType(8), ir.IntType(64)
        number, real = word.as_pointer(), kind.as_pointer()
        pointers = [b.bitcast(self.address(x.id), real if len(self.buffers[x.id].shape) > 1 else number) for x in names]
        prefix = "d" if arrays[-1].dtype == numpy.float64 else "s"
        with b.goto_block(self.entry):
            height, width, info = (b.alloca(word) for _ in range(3))
            side, triangle, plain, turned = (b.alloca(byte) for _ in range(4))
            one = b.alloca(kind)

        def call(routine: str, *given: Any) -> None:
            shape = ir.FunctionType(ir.VoidType(), [g.type for g in given])
            b.call(self.routine(prefix + routine, shape), given)

        def each() -> None:
            at = b.load(self.variables["matrix"][0])
            places = [
                b.gep(p, [b.mul(at, long(x.shape[-2] * x.shape[-1]))]) if len(x.shape) > 1 else p
                for p, x in zip(pointers, arrays, strict=True)
            ]
            for place, v in ((height, rows), (width, columns), (info, 0)):
                b.store(word(v), place)
            for place, sign in ((side, "R"), (triangle, "U" if lower.value else "L"), (plain, "N"), (turned, "T")):
                b.store(byte(ord(sign)), place)
            b.store(ir.Constant(kind, 1.0), one)
            if name == "potrf":
                call("potrf", triangle, width, places[0], width, info)
            elif name == "trsm":
                call("trsm", side, triangle, plain, plain, width, height, one, places[0], height, places[1], width)
            else:
                call("getrf", width, width, places[0], width, places[1], info)
                failed = b.load(info)
                call("getrs", turned, width, height, places[0], width, places[1], places[2], width, info)
                b.store(failed, info)
            first = places[-1]
            bad = b.icmp_signed("!=", b.load(info), word(0))
            b.store(b.select(bad, ir.Constant(kind, float("nan")), b.load(first)), first)

        self.loop("matrix", arrays[-1].size // (rows * columns), each)

    def gemm(self, dtype: Any, places: list[Any], lengths: tuple[Any, Any, Any], widths: Any, turned: list[bool],
             kept: Any) -> None:  # fmt: skip
        """Call BLAS for the matrices at some places, of so many rows and columns and of rows that lie so far apart.

        The result is added to what was there, times `kept`.
        """
        ir, b = self.ir, self.builder
        kind = self.type(dtype)
        word, byte, real = ir.IntType(32).as_pointer(), ir.IntType(8).as_pointer(), kind.as_pointer()
        with b.goto_block(self.entry):
            ints = [b.alloca(ir.IntType(32)) for _ in range(6)]
            letters = [b.alloca(ir.IntType(8)) for _ in range(2)]
            scales = [b.alloca(kind) for _ in range(2)]
        (left, right, out), (rows, columns, depth) = places, lengths
        steps = [ir.IntType(32)(widths[k]) for k in (1, 0, 2)]
        for place, v in zip(ints, [columns, rows, depth, *steps], strict=True):
            b.store(v, place)
        for place, t in zip(letters, [turned[1], turned[0]], strict=True):
            b.store(ir.IntType(8)(ord("T" if t else "N")), place)
        for place, scale in zip(scales, [ir.Constant(kind, 1.0), kept], strict=True):
            b.store(scale, place)
        shape = ir.FunctionType(ir.VoidType(), [byte, byte, word, word, word, real, real, word, real, word, real, real, word])
        routine = self.routine("dgemm" if dtype == numpy.float64 else "sgemm", shape)
        b.call(routine, [*letters, *ints[:3], scales[0], right, ints[3], left, ints[4], scales[1], out, ints[5]])
