# ruff: noqa: F821  (fmod and floor are instructions of compiler.llvm)
"""The scalar functions of the instruction set, as code over operands ``{0}``, ``{1}``, …, or as kernels.

`zero`, `one` and `infinity` stand for these numbers in the dtype of the operands. The functions in `FUNCTIONS` are
written in the same small part of Python and are inlined; a kernel has the name of its function and the bits of its dtype.
"""

from __future__ import annotations

from inspect import isfunction
from typing import Any

import numpy as np

from autograd.kernels import inverse, math32, math64

__all__ = ["FUNCTIONS", "INTRINSICS", "LIBRARY", "MANY_TIMES", "NEUTRAL", "SAMENESS", "SCALARS", "SELF_INVERSE", "source_of"]


def larger(a, b):  # type: ignore[no-untyped-def]
    return a if (a >= b) | (a != a) else b


def smaller(a, b):  # type: ignore[no-untyped-def]
    return a if (a <= b) | (a != a) else b


def choose(c, a, b):  # type: ignore[no-untyped-def]
    return a if c else b


def floor_remainder(a, b):  # type: ignore[no-untyped-def]
    r = fmod(a, b)
    return r + b if (r != 0) & ((r < 0) != (b < 0)) else r


def floor_quotient(a, b):  # type: ignore[no-untyped-def]
    r = fmod(a, b)
    q = (a - r) / b
    q = q - 1 if (r != 0) & ((r < 0) != (b < 0)) else q
    f = floor(q)
    f = f + 1 if q - f > 0.5 else f
    return a / b if b == 0 else f


SCALARS: dict[str, str] = {
    "add": "({0} + {1})", "subtract": "({0} - {1})", "multiply": "({0} * {1})", "true_divide": "({0} / {1})",
    "negative": "(-{0})", "positive": "{0}", "absolute": "abs({0})", "power": "({0} ** {1})", "square": "({0} * {0})",
    "sqrt": "sqrt({0})", "reciprocal": "(one / {0})", "floor": "floor({0})", "ceil": "ceil({0})",
    "trunc": "trunc({0})", "rint": "round_even({0})",
    "sign": "({0} if {0} != {0} else (one if {0} > zero else (-one if {0} < zero else zero)))",
    "maximum": "larger({0}, {1})", "minimum": "smaller({0}, {1})", "where": "choose({0}, {1}, {2})",
    "strong_multiply": "(zero if {0} == zero else {0} * {1})",
    "equal": "({0} == {1})", "not_equal": "({0} != {1})", "less": "({0} < {1})", "less_equal": "({0} <= {1})",
    "greater": "({0} > {1})", "greater_equal": "({0} >= {1})", "logical_and": "(({0} != zero) & ({1} != zero))",
    "logical_or": "(({0} != zero) | ({1} != zero))", "logical_not": "({0} == zero)", "bitwise_and": "({0} & {1})",
    "bitwise_or": "({0} | {1})", "invert": "(~{0})", "isnan": "({0} != {0})", "isinf": "(abs({0}) == infinity)",
    "isfinite": "(abs({0}) < infinity)", "signbit": "(copysign(one, {0}) < zero)", "bitwise_xor": "({0} ^ {1})",
    "remainder": "floor_remainder({0}, {1})", "floor_divide": "floor_quotient({0}, {1})",
}  # fmt: skip

FUNCTIONS: dict[str, Any] = {
    "larger": larger, "smaller": smaller, "choose": choose,
    "floor_remainder": floor_remainder, "floor_quotient": floor_quotient,
    **{name: f for module in (inverse, math32, math64) for name, f in vars(module).items() if isfunction(f)},
}  # fmt: skip


NEUTRAL = {"multiply": (0, 1), "strong_multiply": (0, 1), "true_divide": (1,)}
"""Functions of two operands, and which of them may be left out where it is 1."""

ADDITIVE = {"add": (1, 1), "subtract": (1, -1), "negative": (-1,)}
"""Functions that a sum goes through: it is the sum of the sums of the operands, with these signs."""

SCALING = {"multiply": (0, 1), "true_divide": (0,)}
"""Functions of two operands that a sum goes through, and of which operand, where the other is the same for all."""

SAMENESS = ("equal",)
"""Functions that tell whether both operands are the same."""

SELF_INVERSE = ("negative",)
"""Functions that undo themselves."""

MANY_TIMES = {"sum": "multiply"}
"""What a reduction of equal numbers is of the number and their count."""

INTRINSICS = {"sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "round_even": "rint", "abs": "fabs",
              "fma": "fma", "copysign": "copysign"}  # fmt: skip
"""Which of LLVM's own functions a name stands for."""

LIBRARY = {"fmod": "fmod"}
"""Which function of the C library a name stands for, where there is no kernel."""


def source_of(name: str, dtype: np.dtype[Any], operands: list[str]) -> str:
    """The source of a scalar function of operands that all have one dtype: from the table, or a call of a kernel.

    >>> source_of("tanh", np.dtype("float32"), ["x"])
    'tanh_32(x)'
    """
    if name not in SCALARS:
        return f"{name}_{8 * dtype.itemsize}({', '.join(operands)})"
    kind, text = "bool_" if dtype.kind == "b" else dtype.name, SCALARS[name]
    for word, value in (("zero", "0"), ("one", "1"), ("infinity", "np.inf")):
        text = text.replace(word, f"{kind}({value})")
    return text.format(*operands)
