"""`python -m bench.vector_math`: the scalar functions of compiled programs, in nanoseconds an element, beside NumPy's
and PyTorch's; one thread, arrays of 4096 elements, which stay in the cache. Rounds alternate; the best of each counts."""

from __future__ import annotations

import argparse
import ctypes
import json
import subprocess
import sys
import timeit
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd.compiler.loops import Buffer
from autograd.compiler.machine import compile_program
from autograd.kernels.scalars import FUNCTIONS, source_of

LENGTH = 4096
RANGES = {
    "log": (0.01, 10),
    "log2": (0.01, 10),
    "log10": (0.01, 10),
    "log1p": (-0.9, 3),
    "sqrt": (0, 10),
    "power": (0.1, 5),
    "arcsin": (-1, 1),
    "arccos": (-1, 1),
    "arccosh": (1, 4),
    "arctanh": (-1, 1),
}
NAMES = (
    "exp exp2 expm1 log log2 log10 log1p tanh sigmoid softplus erf sinh cosh sin cos tan power sqrt cbrt hypot "
    "arcsin arccos arctan arctan2 arcsinh arccosh arctanh"
).split()
TWO = ("power", "hypot", "arctan2")
UFUNCS: dict[str, Callable[..., Any]] = {
    "sigmoid": lambda x, out: np.divide(1, np.add(np.exp(np.negative(x, out=out), out=out), 1, out=out), out=out),
    "softplus": lambda x, out: np.logaddexp(x, 0, out=out),
}
TORCH = """
import json, sys, timeit, torch
torch.set_num_threads(1)
names, ranges, length = json.loads(sys.argv[1])
found = {}
for name in names:
    for kind in ("float32", "float64"):
        f = {"softplus": torch.nn.functional.softplus, "power": torch.pow}.get(name) or getattr(torch, name, None)
        if f is None:
            continue
        low, high = ranges.get(name, (-3, 3))
        x = torch.empty(length, dtype=getattr(torch, kind)).uniform_(low, high)
        out, a = torch.empty_like(x), (x, x.flip(0)) if name in ("power", "hypot", "arctan2") else (x,)
        run = (lambda: f(*a)) if name == "softplus" else (lambda: f(*a, out=out))
        found[name + kind] = min(timeit.repeat(run, number=200, repeat=15)) / 200 / length * 1e9
print(json.dumps(found))
"""


def sample(name: str, dtype: str) -> list[np.ndarray]:
    """The operands: uniform over where the function is at home."""
    x = np.random.default_rng(0).uniform(*RANGES.get(name, (-3, 3)), LENGTH).astype(dtype)
    return [x, x[::-1].copy()] if name in TWO else [x]


def compiled(name: str, dtype: str, operands: list[np.ndarray], out: np.ndarray) -> Callable[[], Any]:
    """A call of the loop over the function, compiled as a step's loops are."""
    names = [f"x{k}" for k in range(len(operands))]
    kind = np.dtype(dtype)
    if name == "sigmoid":
        e = source_of("exp", kind, ["(-x0[i])"])
        value = f"{kind.name}(1) / ({kind.name}(1) + {e})"
    else:
        value = source_of(name, kind, [f"{n}[i]" for n in names])
    every = ", ".join(f"{n}: {dtype}[{LENGTH}]" for n in [*names, "y"])
    call = f"kernel({', '.join([*names, 'y'])})"
    lines = [f"def kernel({every}):", f"    for i in range({LENGTH}):", f"        y[i] = {value}", call]
    code = compile_program(lines, {n: Buffer(kind, (LENGTH,)) for n in [*names, "y"]}, FUNCTIONS)
    arrays = [*operands, out]
    table = (ctypes.c_void_p * (len(arrays) + 1))(*(a.ctypes.data for a in arrays))
    return lambda keep=(arrays, table): code.run(ctypes.addressof(table))  # type: ignore[misc]


def best(runs: list[Callable[[], Any]], rounds: int) -> list[float]:
    """The best time of each run in nanoseconds an element, all of them once a round."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, found in zip(runs, times, strict=True):
            found.append(timeit.timeit(run, number=100) / 100)
    return [min(t) / LENGTH * 1e9 for t in times]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.vector_math", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="FUNCTION", help=f"of {' '.join(NAMES)} (default: all)")
    parser.add_argument("--torch", metavar="PYTHON", help="the interpreter of an environment with PyTorch")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    names = options.names or NAMES
    torch: dict[str, float] = {}
    if options.torch:
        command = [options.torch, "-c", TORCH, json.dumps([names, RANGES, LENGTH])]
        torch = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"{'ns an element':10} {'':8} {'ours':>6} {'NumPy':>6} {'torch':>6}   ours to NumPy")
    for name in names:
        for dtype in ("float32", "float64"):
            operands = sample(name, dtype)
            out = np.empty_like(operands[0])
            ufunc = UFUNCS.get(name) or getattr(np, name, None)
            runs = [compiled(name, dtype, operands, out)]
            if ufunc is not None:
                runs.append(lambda f=ufunc, a=operands, out=out: f(*a, out=out))  # type: ignore[misc]
            times = best(runs, options.rounds)
            numpy = f"{times[1]:6.2f}" if ufunc is not None else f"{'–':>6}"
            ratio = f"{times[0] / times[1]:.2f}" if ufunc is not None else "–"
            peer = f"{torch[name + dtype]:6.2f}" if name + dtype in torch else f"{'–':>6}"
            print(f"{name:13} {dtype:8} {times[0]:6.2f} {numpy} {peer}   {ratio}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
