"""The engines: where each one's interpreter is, how to make one, and the variables of its threads and caches."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from argparse import ArgumentParser
from pathlib import Path

# Environment -> what is installed in it. HIPS autograd is imported as `autograd`, as this library is: it lives alone.
ENVIRONMENTS = {
    "torch": ["torch==2.13.0", "numpy"],
    "jax": ["jax==0.10.2", "numpy"],
    "pytensor": ["pytensor==3.0.7", "numba", "numpy"],
    "small": ["micrograd", "mygrad", "numpy"],
    "hips": ["autograd", "numpy", "scipy"],
}
HOME_OF = {
    "torch": "torch", "torch_fused": "torch", "torch_compile": "torch", "jax": "jax", "pytensor": "pytensor",
    "hips": "hips", "mygrad": "small", "micrograd": "small",
}  # fmt: skip
EAGER, JIT, SCALAR = "wengert", "wengert_jit", "wengert_value"
FLOORS = ("tape", "products")  # what they leave out makes them no peers
HERE = (EAGER, JIT, SCALAR, *FLOORS, "numpy")  # run in this interpreter
OURS = (EAGER, JIT, SCALAR)
ENGINES = (*HERE, *HOME_OF)
ONE_THREAD = (SCALAR, "tape", "hips", "mygrad", "micrograd")  # have no threads of their own, or lose by those of BLAS
COMPILED = (JIT, "torch_compile", "jax", "pytensor")

POOLS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"
)  # fmt: skip


def thread_variables(count: int) -> dict[str, str]:
    """Hold every pool of an engine's process to so many threads."""
    variables = dict.fromkeys(POOLS, str(count))
    variables |= {"NPROC": str(count), "PJRT_NPROC": str(count)}  # of XLA's pool
    if count == 1:
        variables["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return variables


def cache_variables(folder: str) -> dict[str, str]:
    """Send what the engines keep of compiled code to a folder of our own, so that a cold cache is cold."""
    return {
        "XDG_CACHE_HOME": folder,
        "NUMBA_CACHE_DIR": f"{folder}/numba",
        "TORCHINDUCTOR_CACHE_DIR": f"{folder}/torch",
        "JAX_COMPILATION_CACHE_DIR": f"{folder}/jax",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "PYTENSOR_FLAGS": f"base_compiledir={folder}/pytensor",
    }


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wengert-bench"


def interpreter(engine: str, given: dict[str, str]) -> tuple[str | None, str]:
    """(python to run the engine in, or None; where it was found, or why not)."""
    if engine in HERE:
        return sys.executable, "this interpreter"
    for name in (engine, HOME_OF[engine]):  # the environment's name serves for all of its engines
        variable = f"WENGERT_BENCH_{name.upper()}"
        if name in given:
            return given[name], "--python"
        if variable in os.environ:
            return os.environ[variable], variable
    made = cache() / HOME_OF[engine] / ("Scripts" if os.name == "nt" else "bin") / "python"
    if made.exists():
        return str(made), str(made.parent.parent)
    home = HOME_OF[engine]
    return None, (
        f"no interpreter: run 'python -m bench setup {home}', or give --python {home}=PATH or WENGERT_BENCH_{home.upper()}"
    )


def interpreters(parser: ArgumentParser, words: list[str]) -> dict[str, str]:
    """The --python NAME=PATH words of a command line."""
    names, paths = sorted({*HOME_OF, *ENVIRONMENTS}), {}
    for word in words:
        name, _, path = word.partition("=")
        if name not in names or not path:
            parser.error(f"--python {word}: want NAME=PATH with a name of {', '.join(names)}")
        paths[name] = path
    return paths


def set_up(names: list[str], pip: list[str]) -> int:
    """Make the peers' environments in the user's cache folder; `pip` are further words for pip install."""
    status = 0
    for name in names:
        folder = cache() / name
        print(f"{name}: {folder}: {' '.join(ENVIRONMENTS[name])}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        done = subprocess.run([str(python), "-m", "pip", "install", "-q", *ENVIRONMENTS[name], *pip], check=False)
        if done.returncode:
            print(f"{name}: pip failed ({done.returncode}); this peer will be left out", file=sys.stderr)
            status = done.returncode
    return status
