"""``step.profile(…)``: how long each kernel of a program takes.

The program is compiled once more, with a look at the clock between its steps, and run on copies of all that it reads and
writes, so that nothing changes by being measured.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from autograd.compiler.address import address_of
from autograd.compiler.callback import Callback
from autograd.compiler.loops import kernels
from autograd.compiler.machine import compile_program
from autograd.errors import UnsupportedError, user_line
from autograd.kernels import scalars

__all__ = ["profile"]


def profile(variant: Any, inputs: list[Any], calls: int) -> list[float]:
    """The seconds of each step of a program for these arguments: the medians of some calls."""
    lowered = variant.lowered
    buffers = lowered.table()
    try:
        code = compile_program(lowered.lines(clocks=True), buffers, scalars.FUNCTIONS, lowered.threads)
    except RuntimeError as error:
        raise UnsupportedError(f"a program cannot be timed here: {error}. ({user_line()})") from None
    steps = len(kernels(lowered.steps, lowered.buffers)[1])
    clocks = numpy.zeros((steps + 1, 2), numpy.int64)
    table, held = _table(variant, _inputs(variant, inputs), code.routines)
    assert code.clocks is not None
    table[len(buffers) + code.clocks] = address_of(clocks)
    run = code.run
    if code.python is not None:
        callback = Callback(lowered.calls, buffers)
        table[len(buffers) + code.python] = callback.address
        run = partial(callback.run, code.run)
    found = []
    for _ in range(calls + 1):
        run(address_of(table))
        found.append(numpy.diff(clocks @ (10**9, 1)))
    del held
    return [float(seconds) for seconds in numpy.median(found[1:], axis=0) / 1e9]


def _inputs(variant: Any, inputs: list[Any]) -> list[Any]:
    """The arrays that a program takes: arguments, random numbers, gradients that it reads."""
    program = variant.program
    arrays: dict[int, Any] = {k: numpy.array(x, order="C") for k, x in enumerate(inputs)}
    streams = {id(g): type(g)() for g in program.generators}
    for draw in program.draws:
        stream = streams.get(id(draw.generator))
        if stream is None:
            stream = streams[id(draw.generator)] = type(draw.generator)()
            stream.set_state(draw.generator.get_state())
        drawn = getattr(stream, draw.method)(*draw.arguments)
        if draw.slot is not None:
            arrays[draw.slot] = numpy.ascontiguousarray(drawn)
    for read in program.reads:
        arrays[read.slot] = numpy.array(getattr(read.holder, read.name)._data, order="C")
    return [arrays[k] for k in range(len(program.arguments))]


def _table(variant: Any, inputs: list[Any], routines: list[int]) -> tuple[Any, Any]:
    """The table of addresses, of arrays of its own, and what keeps these alive."""
    scratch = numpy.empty(variant.lowered.arena + 64, numpy.uint8)
    start = -(-address_of(scratch) // 64) * 64
    held: list[Any] = [scratch]
    addresses = []
    for kind, k in variant.places:
        if kind == "arena":
            addresses.append(start + k)
            continue
        if kind == "output":
            array = numpy.empty(*variant.outputs[k])
        elif kind == "state":
            array = numpy.array(variant.arrays[k], order="C")
        else:
            array = inputs[k] if kind == "argument" else variant._constants[k]
        held.append(array)
        addresses.append(address_of(array))
    return numpy.array([*addresses, *routines, 0], numpy.int64), held
