"""From the loop program to machine code, by LLVM, Numba's back end.

The loop program is written in a small part of Python: loops over constant ranges, scalars, elements of arrays, calls of
scalar functions that are written in the same part of Python (`kernels.math64`) and are inlined. Numba itself could
compile it, and takes seconds for what this does in a tenth of one: types are known, so there is nothing to infer.
"""

from __future__ import annotations

import ast
import ctypes
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy

from autograd.compiler import cache as cached
from autograd.compiler.loops import Buffer
from autograd.compiler.seldom import beyond, inline_versions
from autograd.kernels.scalars import INTRINSICS, LIBRARY

__all__ = ["compile_program"]

FAST = ("reassoc", "contract", "nsz", "arcp")
MANY = 32  # arrays that a kernel takes one by one
SHORT = ("choose", "larger", "smaller")  # scalar functions that are shorter than a call of them
EXACT = ("contract",)  # inside the scalar functions, whose order of operations, zeros and quotients are their accuracy


def _target() -> tuple[Any, list[str]]:
    """This processor as LLVM sees it, which each compiled program owns, and all that says which one it is."""
    import llvmlite
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    name, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    machine = target.create_target_machine(cpu=name, features=features, opt=3, jit=True)
    return machine, [target.triple, name, features, f"LLVM {llvm.llvm_version_info}", f"llvmlite {llvmlite.__version__}"]


@cache
def _blas(name: str) -> int:
    """The address of a BLAS routine, from SciPy."""
    from scipy.linalg import cython_blas

    capsule = cython_blas.__pyx_capi__[name]
    get_name, get = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(get(capsule, get_name(capsule)))


class Code:
    """A compiled program: `run` takes the address of a table of addresses."""

    def __init__(self, engine: Any, routines: list[int], assembly: Callable[[], str], threads: int):
        self._engine, self.routines, self.assembly = engine, routines, assembly
        together, alone = (engine.get_function_address(name) for name in ("program", "alone"))
        if not (together and alone):
            raise RuntimeError("an object file without its program")
        self.run: Callable[[int], None] = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(alone)
        if threads > 1:
            self.run = _shared(together, threads)


def _shared(address: int, threads: int) -> Callable[[int], None]:
    """Runs a program on the pool. BLAS, which each thread calls for its own part, is held to one thread of its own."""
    from autograd.kernels.pool import pool
    from autograd.kernels.threads import get_num_threads, single

    blas = single("scipy")

    def run(table: int) -> None:
        if blas is None:
            pool().run(address, table, min(threads, get_num_threads()))
            return
        blas.enter()
        try:
            pool().run(address, table, min(threads, get_num_threads()))
        finally:
            blas.leave()

    return run


def compile_program(lines: list[str], buffers: dict[str, Buffer], functions: dict[str, Any], threads: int = 1) -> Code:
    """Compile the lines of a loop program over named buffers, or find it among those that were kept on disk.

    One that was lowered for several threads is run by as many.

    The table has the addresses of the buffers in order, then what ``Code.routines`` tells: the addresses of BLAS routines, and
    room for the rows of addresses that kernels of very many arrays take.
    """

    def assembly() -> str:
        return str(_target()[0].emit_assembly(_optimised(lines, buffers, functions)[0]))

    machine, target = _target()
    key = cached.key(lines, buffers, functions, target)
    entry = cached.load(key)
    if entry is not None:
        try:
            return _loaded(*entry, machine, assembly, threads)
        except RuntimeError:  # whole, but not for here
            cached.discard(key)
            machine, _ = _target()
    module, routines, rows = _optimised(lines, buffers, functions)
    outside = [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    description, code = {"routines": routines, "outside": outside, "rows": rows}, machine.emit_object(module)
    cached.store(key, description, code)
    return _loaded(description, code, machine, assembly, threads)


def _optimised(lines: list[str], buffers: dict[str, Buffer], functions: dict[str, Any]) -> tuple[Any, list[str], int]:
    """The LLVM module of a program, ready for machine code; the BLAS routines that it calls; the length of its rows.

    Loops become vectors, several side by side, and are not unrolled beyond that: the small MLP's step was twice as slow
    unrolled and took half as long again to compile; others did not change. Making vectors of straight-line code found
    nothing to do and takes longer than all else in long scalar programs.
    """
    import llvmlite.binding as llvm

    maker = Maker(buffers, functions)
    maker.program(ast.parse("\n".join(lines)).body)
    module = llvm.parse_assembly(str(maker.module))
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization, options.slp_vectorization, options.loop_unrolling = True, False, False
    builder = llvm.create_pass_builder(_target()[0], options)
    builder.getModulePassManager().run(module, builder)
    inline_versions(module, builder)
    return module, maker.routines, len(maker.rows)


def _loaded(description: dict[str, Any], code: bytes, machine: Any, assembly: Callable[[], str], threads: int) -> Code:
    """The program of an object file, linked; RuntimeError where that cannot be."""
    import llvmlite.binding as llvm

    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    missing = [name for name in description["outside"] if not llvm.address_of_symbol(name)]
    if missing:  # linking would end the process
        raise RuntimeError(f"the C library has no {', '.join(missing)}")
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    routines = [_routine(name) for name in description["routines"]] + [0] * description["rows"]
    return Code(engine, routines, assembly, threads)


@cache
def _routine(name: str) -> int:
    """The address of the barrier of the pool, or of a BLAS routine.

    BLAS is looked for in the library that SciPy's wheels carry, since importing scipy.linalg takes longer than all else
    that a program from disk needs; where there is none, SciPy is asked.
    """
    if name == "barrier":
        from autograd.kernels.pool import pool

        return pool().barrier_address
    spec = find_spec("scipy")
    if spec is None or spec.origin is None:
        return _blas(name)
    root = Path(spec.origin).parent
    for library in [*root.parent.glob("scipy.libs/*openblas*"), *root.glob(".dylibs/*openblas*")]:
        try:
            address = ctypes.cast(ctypes.CDLL(str(library))[f"scipy_{name}_"], ctypes.c_void_p).value
        except (OSError, AttributeError):
            continue
        if address is not None:
            return address
    return _blas(name)


class Maker:
    """Builds the LLVM module of one program."""

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
        if name == "dot":
            self.product(s.value)
        elif name == "clock":  # clock(ticks[k]): the processor's counter, for measuring steps
            place = s.value.args[0]
            counter = self.module.declare_intrinsic("llvm.readcyclecounter", [], self.ir.FunctionType(self.ir.IntType(64), []))
            b.store(b.call(counter, []), b.bitcast(self.argument(place), self.ir.IntType(64).as_pointer()))
        elif name == "barrier":
            wait = self.ir.FunctionType(self.ir.VoidType(), [self.ir.IntType(64)])
            b.call(self.routine("barrier", wait), [self.value(s.value.args[0])[0]])
        else:
            self.run(name, s.value.args)

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
        if name not in self.routines:
            self.routines.append(name)
        where = len(self.buffers) + self.routines.index(name)
        b = self.builder
        return b.inttoptr(b.load(b.gep(self.table, [self.ir.IntType(64)(where)])), kind.as_pointer())

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
            dtype = _DTYPES[parameter.annotation.value.id]  # type: ignore[attr-defined]
            inner.buffers[parameter.arg] = Buffer(dtype, shape)
            inner.slots[parameter.arg] = inner.builder.bitcast(argument, inner.stored(dtype).as_pointer())
        start = function.append_basic_block("start")
        inner.builder.position_at_end(start)
        inner.block(definition.body)
        inner.builder.ret_void()
        inner.builder.position_at_end(inner.entry)
        inner.builder.branch(start)
        return function

    def stored(self, dtype: Any) -> Any:
        """The LLVM type of an element in memory."""
        return self.ir.IntType(8) if dtype.kind == "b" else self.type(dtype)

    def variable(self, name: str, dtype: Any) -> Any:
        """The place of a scalar variable; LLVM turns these into registers."""
        if name not in self.variables:
            with self.builder.goto_block(self.entry):
                self.variables[name] = self.builder.alloca(self.type(dtype), name=name), numpy.dtype(dtype)
        return self.variables[name][0]

    # ---- statements -------------------------------------------------------------------------------------------------

    def statement(self, s: ast.stmt) -> None:
        """One statement of the loop program."""
        if isinstance(s, ast.For):
            assert isinstance(s.target, ast.Name) and isinstance(s.iter, ast.Call)
            first, last = self.bounds(s.iter)
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
                self.local(target.id, _DTYPES[value.args[0].id], value.args[1].value)  # type: ignore[attr-defined]
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

    def product(self, call: ast.Call) -> None:
        """``dot(a, b.T, out)``: a call of BLAS, whose arrays are column by column, so with everything exchanged.

        Stacks of matrices are multiplied one by one. With ``thread, threads`` behind, it computes this thread's part: of
        the stack, or of the longer side of the result.
        """
        ir, b = self.ir, self.builder
        turned = [isinstance(a, ast.Attribute) for a in call.args[:3]]
        names = [a.value.id if isinstance(a, ast.Attribute) else a.id for a in call.args[:3]]  # type: ignore[attr-defined]
        left, right, out = (self.buffers[name] for name in names)
        m, n = out.shape[-2:]
        k = left.shape[-2 if turned[0] else -1]
        stack = out.size // max(1, m * n)
        real = self.type(out.dtype).as_pointer()
        pointers = [b.bitcast(self.address(name), real) for name in names]
        word = ir.IntType(64)
        rows, columns, first, last = ir.IntType(32)(m), ir.IntType(32)(n), 0, 1
        if stack > 1:
            first, last = (0, stack) if len(call.args) == 3 else self.part(word(stack), 1)
        elif len(call.args) > 3:
            by_row = m >= n
            start, end = self.part(word(m if by_row else n), 16)
            count = b.trunc(b.sub(end, start), ir.IntType(32))
            steps = [k if not turned[0] else 1, 0, n] if by_row else [0, 1 if not turned[1] else k, 1]
            pointers = [b.gep(p, [b.mul(start, word(s))]) for p, s in zip(pointers, steps, strict=True)]
            rows, columns = (count, columns) if by_row else (rows, count)
            last = b.zext(b.icmp_signed("<", start, end), word)  # no round where there is no part

        def one() -> None:
            at = b.load(self.variables["stack"][0])
            places = [b.gep(p, [b.mul(at, word(s))]) for p, s in zip(pointers, [m * k, k * n, m * n], strict=True)]
            self.gemm(out.dtype, places, (rows, columns, ir.IntType(32)(k)), (left.shape[-1], right.shape[-1], n), turned)

        self.loop("stack", last, one, first)

    def gemm(self, dtype: Any, places: list[Any], lengths: tuple[Any, Any, Any], widths: Any, turned: list[bool]) -> None:
        """Call BLAS for the matrices at some places, of so many rows and columns and of rows that lie so far apart."""
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
        for place, scale in zip(scales, [1.0, 0.0], strict=True):
            b.store(ir.Constant(kind, scale), place)
        shape = ir.FunctionType(ir.VoidType(), [byte, byte, word, word, word, real, real, word, real, word, real, real, word])
        routine = self.routine("dgemm" if dtype == numpy.float64 else "sgemm", shape)
        b.call(routine, [*letters, *ints[:3], scales[0], right, ints[3], left, ints[4], scales[1], out, ints[5]])

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
            c, a, b = self.cast(self.value(e.test), bool), self.value(e.body), self.value(e.orelse)
            return self.builder.select(c[0], a[0], self.cast(b, a[1])[0]), a[1]
        if isinstance(e, ast.Attribute):
            return self.number({"nan": numpy.nan, "inf": numpy.inf}[e.attr], numpy.float64)
        if isinstance(e, ast.Call):
            return self.call(e)
        raise NotImplementedError(ast.unparse(e))

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
        if name in _DTYPES:
            if hasattr(first[0], "constant") and first[0].constant is not self.ir.Undefined:
                return self.number(first[0].constant, _DTYPES[name])
            return self.cast(first, _DTYPES[name])
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
        if name in self.functions:
            return self.inline(name, arguments) if self.depth or name in SHORT else self.outlined(name, arguments)
        return self.library(LIBRARY[name], *arguments)

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
            inner = Maker.__new__(Maker)
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
def _definition(function: Any) -> ast.FunctionDef:
    definition = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(definition, ast.FunctionDef)
    return definition


_DTYPES = {k: numpy.dtype(k) for k in ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
                                       "uint64", "bool")} | {"bool_": numpy.dtype(bool)}  # fmt: skip
