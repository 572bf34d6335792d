"""From the loop program to machine code that runs: LLVM's passes, the cache on disk, linking, BLAS, threads."""

from __future__ import annotations

import ast
import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

from autograd.compiler import cache as cached
from autograd.compiler.loops import Buffer
from autograd.compiler.seldom import inline_versions

__all__ = ["Code", "compile_program"]


OWN = ("python", "status", "clocks")
"""What a table holds among the routines that each program has its own of."""


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
    """The address of a routine of BLAS or LAPACK, from SciPy."""
    from scipy.linalg import cython_blas, cython_lapack

    capsule = {**cython_lapack.__pyx_capi__, **cython_blas.__pyx_capi__}[name]
    get_name, get = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(get(capsule, get_name(capsule)))


class Code:
    """A compiled program: `run` takes the address of a table of addresses."""

    def __init__(
        self,
        engine: Any,
        routines: list[int],
        assembly: Callable[[], str],
        threads: int,
        python: int | None = None,
        status: int | None = None,
        clocks: int | None = None,
    ):
        # which of the routines calls back into Python; which is why it ended; which is where it puts down the time
        self.python, self.status, self.clocks = python, status, clocks
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

    from autograd.compiler.llvm import Maker

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
    names = description["routines"]
    own = [names.index(n) if n in names else None for n in OWN]
    return Code(engine, routines, assembly, threads, *own)


@cache
def _routine(name: str) -> int:
    """The address of the barrier of the pool, or of a BLAS routine.

    BLAS is looked for in the library that SciPy's wheels carry, since importing scipy.linalg takes longer than all else
    that a program from disk needs; where there is none, SciPy is asked.
    """
    if name in OWN:
        return 0
    if name == "barrier":
        from autograd.kernels.pool import pool

        return pool().barrier_address
    from autograd.kernels.threads import openblas

    for library in openblas("scipy"):
        routine: Any = getattr(library, f"scipy_{name}_", None)
        address = ctypes.cast(routine, ctypes.c_void_p).value
        if address is not None:
            return address
    return _blas(name)
