"""Many comparisons of one word in memory with what it was, as one call of machine code.

What an attribute in a slot, a closure cell or a field of a function holds is a word at a fixed place, the address of an
object; and the dictionaries of some Pythons carry a version that every write changes. A program's guards are mostly such:
reading a word takes a nanosecond, asking for an attribute fifteen. The places are found by trying; where something is not
as thought, there are no words, and everything is asked for.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from types import CellType, FunctionType
from typing import Any

from autograd.compiler.address import memory
from autograd.tensor import Tensor

__all__ = ["place_of_cell", "place_of_slot", "place_of_version", "same_words", "word_of_field"]

VERSION = 3  # words from the start of a dictionary: its head, the number of its items, then the version


@cache
def same_words() -> Callable[[int], int] | None:
    """A function of the address of a table (n, then n places and n words): 1 if each place holds its word, else 0."""
    if memory is None:
        return None
    try:
        import llvmlite.binding as llvm
        from llvmlite import ir

        word = ir.IntType(64)
        module = ir.Module()
        module.triple = llvm.get_default_triple()
        function = ir.Function(module, ir.FunctionType(word, [word]), "same_words")
        start, loop, following, equal, different = map(function.append_basic_block, ("start", "loop", "next", "yes", "no"))
        b = ir.IRBuilder(start)
        first = b.inttoptr(function.args[0], word.as_pointer())
        n = b.load(first)
        b.cbranch(b.icmp_signed(">", n, word(0)), loop, equal)
        b.position_at_end(loop)
        k = b.phi(word)
        k.add_incoming(word(1), start)
        place = b.load(b.gep(first, [k]))
        held = b.load(b.inttoptr(place, word.as_pointer()))
        b.cbranch(b.icmp_signed("==", held, b.load(b.gep(first, [b.add(k, n)]))), following, different)
        b.position_at_end(following)
        after = b.add(k, word(1))
        k.add_incoming(after, following)
        b.cbranch(b.icmp_signed("<=", after, n), loop, equal)
        for block, answer in ((equal, 1), (different, 0)):
            b.position_at_end(block)
            b.ret(word(answer))
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine(opt=2)
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(str(module)), machine)
        engine.finalize_object()
        call = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(engine.get_function_address("same_words"))
        _kept.append(engine)
        return call
    except Exception:  # without LLVM there are no compiled programs either
        return None


_kept: list[Any] = []


@cache
def _slot(name: str) -> int | None:
    """Bytes from the start of a Tensor to one of its slots."""
    if memory is None:
        return None
    probe, value = Tensor._wrap(None), object()
    before = {k: memory[(id(probe) >> 3) + k] for k in range(Tensor.__basicsize__ // 8)}
    setattr(probe, name, value)
    changed = [k for k, v in before.items() if memory[(id(probe) >> 3) + k] != v]
    return 8 * changed[0] if len(changed) == 1 and memory[(id(probe) >> 3) + changed[0]] == id(value) else None


def place_of_slot(t: Tensor, name: str) -> int | None:
    """The address of the word in which a Tensor holds one of its slots."""
    offset = _slot(name)
    return None if offset is None else id(t) + offset


@cache
def _cells() -> bool:
    value = object()
    cell = CellType(value)
    return memory is not None and memory[(id(cell) >> 3) + 2] == id(value)


def place_of_cell(cell: CellType) -> int | None:
    """The address of the word in which a closure cell holds its contents."""
    return id(cell) + 16 if _cells() else None


@cache
def _field(name: str) -> int | None:
    """Bytes from the start of a function to its code, or its defaults."""
    if memory is None:
        return None

    def probe(x: Any) -> Any:
        return x

    probe.__defaults__ = (object(),)
    start, value = id(probe) >> 3, id(getattr(probe, name))
    found = [k for k in range(FunctionType.__basicsize__ // 8) if memory[start + k] == value]
    return 8 * found[0] if len(found) == 1 else None


def word_of_field(function: FunctionType, name: str) -> tuple[int | None, int]:
    """The address of the word in which a function holds its code, or its defaults, and the word."""
    offset, value = _field(name), getattr(function, name)
    return (None if offset is None else id(function) + offset), 0 if value is None else id(value)


def place_of_version(home: dict[Any, Any]) -> int | None:
    """The address of the version of a dictionary; None where Python's dictionaries have none."""
    return id(home) + 8 * VERSION if _versions() else None


@cache
def _versions() -> bool:
    if memory is None or sys.version_info >= (3, 13):
        return False

    class Thing:
        kept: Any

    def set_often(thing: Thing, values: range) -> None:
        for v in values:
            thing.kept = str(v)

    thing, plain = Thing(), {"a": "1"}
    thing.kept = "0"
    own = vars(thing)
    trials: list[tuple[dict[str, Any], Callable[[], Any]]] = [
        *((plain, write) for write in (lambda: plain.update(a="2"), lambda: plain.update(b="3"), lambda: plain.pop("a"))),
        *((own, write) for write in (lambda: set_often(thing, range(1, 9)), lambda: set_often(thing, range(99)), own.clear)),
    ]
    for home, write in trials:
        before = memory[(id(home) >> 3) + VERSION]
        write()
        if memory[(id(home) >> 3) + VERSION] == before:
            return False
    return True
