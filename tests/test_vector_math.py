"""The scalar functions of compiled programs: how far they are from the true value, in units of the last place, over the
whole range; what they make of zeros, infinities and NaN; and that loops over them are vectors."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

import autograd as ag

pytest.importorskip("numba")
mp = pytest.importorskip("mpmath")

CASES: dict[str, tuple[Callable[..., Any], float, float]] = {  # the true function, and the bounds for float32 and float64
    "exp": (mp.exp, 1.0, 1.0), "exp2": (lambda x: mp.power(2, x), 1.0, 1.5), "expm1": (mp.expm1, 1.5, 1.5),
    "log": (mp.log, 1.0, 1.0), "log2": (lambda x: mp.log(x, 2), 1.5, 1.0), "log10": (mp.log10, 1.5, 1.0),
    "log1p": (mp.log1p, 1.5, 1.5), "sinh": (mp.sinh, 1.5, 1.5), "cosh": (mp.cosh, 1.5, 1.5), "tanh": (mp.tanh, 1.5, 1.5),
    "sigmoid": (lambda x: 1 / (1 + mp.exp(-x)), 2.0, 2.0), "softplus": (lambda x: mp.log1p(mp.exp(x)), 2.0, 2.0),
    "erf": (mp.erf, 1.0, 1.5), "sin": (mp.sin, 1.5, 1.0), "cos": (mp.cos, 1.5, 1.0), "tan": (mp.tan, 3.0, 1.0),
    "arcsin": (mp.asin, 2.0, 2.1), "arccos": (mp.acos, 1.5, 1.5), "arctan": (mp.atan, 2.0, 2.0),
    "arcsinh": (mp.asinh, 1.5, 2.0), "arccosh": (mp.acosh, 1.5, 1.5), "arctanh": (mp.atanh, 2.0, 2.0),
    "sqrt": (mp.sqrt, 0.501, 0.501), "cbrt": (lambda x: mp.sign(x) * mp.cbrt(abs(x)), 0.6, 0.6),
    "power": (mp.power, 0.6, 1.5), "arctan2": (mp.atan2, 2.0, 2.0), "hypot": (mp.hypot, 0.6, 2.0),
}  # fmt: skip
POSITIVE, WITHIN_ONE = {"log", "log2", "log10", "sqrt", "power"}, {"arcsin", "arccos", "arctanh"}
LIKE_EXP = {"exp", "exp2", "expm1", "sinh", "cosh", "tanh", "sigmoid", "softplus", "erf"}
TWO = ("power", "arctan2", "hypot")
MORE = {"float32": (-149, 128), "float64": (-1074, 1024)}


@cache
def points(dtype: str) -> np.ndarray[Any, Any]:
    """Magnitudes over the whole range with both signs, subnormal ones too, more of them where functions bend."""
    draw, (least, most) = np.random.default_rng(0), MORE[dtype]
    wide = np.ldexp(draw.uniform(0.5, 1, 300), draw.integers(least + 2, most + 1, 300))
    near = np.ldexp(draw.uniform(0.5, 1, 300), draw.integers(-30, 12, 300))
    steps = np.concatenate([np.arange(1, 60) * math.pi / 4, np.arange(1, 60) * math.log(2) / 2, np.arange(1, 30) / 8])
    x = np.concatenate([wide, -wide, near, -near, steps, -steps, draw.uniform(-1, 1, 300) * math.log(2) * most])
    return np.concatenate([x.astype(dtype), 1 + draw.uniform(-0.5, 0.5, 200).astype(dtype), [2.0**least, 2.0**-126]]).astype(
        dtype
    )


def arguments(name: str, dtype: str) -> tuple[np.ndarray[Any, Any], ...]:
    """Points where the function is defined; for a power, exponents with results over the whole range."""
    x = points(dtype)
    if name in POSITIVE:
        x = np.abs(x)
    if name in WITHIN_ONE:
        x = np.concatenate([x[np.abs(x) < 1], np.random.default_rng(2).uniform(-1, 1, 500).astype(dtype)])
    if name in ("log1p", "arccosh"):
        x = x[x > -1] if name == "log1p" else np.abs(x) + 1
    if name not in TWO:
        return (x,)
    if name != "power":
        x = x[np.abs(x) < 1e30]
        return x, x * np.random.default_rng(1).uniform(-2, 2, x.size).astype(dtype)
    logs = np.log2(x.astype("float64"))
    y = np.random.default_rng(1).uniform(-1, 1, x.size) * MORE[dtype][1] * 1.05 / np.maximum(np.abs(logs), 1e-6)
    return x, y.astype(dtype)


def truth(name: str, values: tuple[Any, ...]) -> Any:
    """The value, in 100 bits and more; beyond ±10⁴ what grows or shrinks like eˣ is as at the end."""
    f = CASES[name][0]
    x = [mp.mpf(float(v)) for v in values]
    if name in LIKE_EXP and abs(x[0]) > 10**4:
        return x[0] if name == "softplus" and x[0] > 0 else f(mp.sign(x[0]) * 10**4)
    return f(*x)


def distance(got: Any, want: Any, dtype: Any) -> float:
    """How far off a result is, in units of the last place of the true value."""
    info = np.finfo(dtype)
    if abs(want) >= mp.mpf(float(info.max)) * (1 + mp.mpf(float(info.eps)) / 4):
        return 0.0 if np.isinf(got) and (got > 0) == (want > 0) else math.inf
    if not np.isfinite(got):
        return math.inf
    unit = mp.mpf(2) ** (max(mp.frexp(want)[1] - 1, info.minexp) - info.nmant)
    return float(abs(mp.mpf(float(got)) - want) / unit)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_units_in_the_last_place(name: str, dtype: str) -> None:
    given = arguments(name, dtype)
    got = ag.jit(getattr(ag, name))(*(ag.Tensor(x) for x in given)).data
    assert got.dtype == dtype
    worst = (0.0, None)
    with mp.workprec(100):
        for y, *values in zip(got, *given, strict=True):
            worst = max(worst, (distance(y, truth(name, values), dtype), tuple(values)), key=lambda pair: pair[0])
    assert worst[0] <= CASES[name][1 if dtype == "float32" else 2], worst


SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-320, -1e-320, 1e-41, -1e-41, 2.0, -2.0, 0.5, 3.0, -3.0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_special_values(name: str, dtype: str) -> None:
    x = SPECIAL.astype(dtype)
    given = (
        (x,) if name not in TWO else tuple(g.ravel() for g in np.meshgrid(x, np.append(x, [1e30, 2.0**24 + 2]).astype(dtype)))
    )
    tensors = [ag.Tensor(v) for v in given]
    with np.errstate(all="ignore"):
        want = getattr(ag, name)(*tensors).data
    got = ag.jit(getattr(ag, name))(*tensors).data
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_allclose(got, want, rtol=4 * np.finfo(dtype).eps, atol=0)
    kept = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[kept]), np.signbit(want[kept]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_huge_angles_between_others(dtype: str) -> None:
    """The C library is asked for them, element by element: its neighbours in the vector keep their own results."""
    x = np.linspace(-3, 3, 100, dtype=dtype)
    x[::7] = np.float64(2.0) ** np.arange(49, 49 + x[::7].size)
    for name in ("sin", "cos", "tan"):
        want = getattr(np, name)(x.astype("float64")).astype(dtype)
        np.testing.assert_allclose(ag.jit(getattr(ag, name))(ag.Tensor(x)).data, want, rtol=4 * np.finfo(dtype).eps, atol=0)


def loop_of(name: str, dtype: str) -> str:
    """The machine code of the innermost loop over a function, up to its first jump back."""
    from autograd.compiler.loops import Buffer
    from autograd.compiler.machine import compile_program
    from autograd.kernels.scalars import FUNCTIONS, source_of

    names = ["a", "b"] if name in TWO else ["a"]
    body = source_of(name, np.dtype(dtype), [f"{n}[i]" for n in names])
    parameters = ", ".join(f"{n}: {dtype}[4096]" for n in [*names, "out"])
    lines = [
        f"def kernel({parameters}):",
        "    for i in range(4096):",
        f"        out[i] = {body}",
        f"kernel({', '.join([*names, 'out'])})",
    ]
    code = compile_program(lines, {n: Buffer(np.dtype(dtype), (4096,)) for n in [*names, "out"]}, FUNCTIONS)
    found = re.search(r"^(\.LBB\d+_\d+):(?:.*\n)((?:.*\n)*?)\s+j\w+\s+\1$", code.assembly(), re.M)
    assert found
    return found[2]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [n for n in CASES if n != "sigmoid"])
def test_loops_are_vectors(name: str, dtype: str) -> None:
    import llvmlite.binding as llvm

    if not llvm.get_host_cpu_features().get("avx2"):
        pytest.skip("a processor with AVX2 is needed")
    loop = loop_of(name, dtype)
    assert re.search(r"\bv(?:sqrt|f?n?m\w*)p[sd]\b.*%[yz]mm", loop)
    assert not re.search(r"\bcall", loop)
    assert not re.search(r"\bv(?:add|mul|div|fn?m\w+)s[sd]\b", loop), "some of it is done one element at a time"
