"""Where each peer's interpreter is, and how to make one."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

# Environment -> what is installed in it. HIPS autograd is imported as `autograd`, as this library is: it
# lives alone.
ENVIRONMENTS = {
    "torch": ["torch==2.13.0", "numpy", "micrograd", "mygrad"],
    "hips": ["autograd", "numpy", "scipy"],
}
HOME_OF = {"torch": "torch", "micrograd": "torch", "mygrad": "torch", "hips": "hips"}
OURS = ("wengert", "wengert_jit", "tape")
ENGINES = (*OURS, *HOME_OF)


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wengert-bench"


def interpreter(engine: str, given: dict[str, str]) -> tuple[str | None, str]:
    """(python to run the engine in, or None; where it was found, or why not)."""
    if engine in OURS:
        return sys.executable, "this interpreter"
    variable = f"WENGERT_BENCH_{engine.upper()}"
    if engine in given:
        return given[engine], "--python"
    if variable in os.environ:
        return os.environ[variable], variable
    made = cache() / HOME_OF[engine] / ("Scripts" if os.name == "nt" else "bin") / "python"
    if made.exists():
        return str(made), str(made.parent.parent)
    return None, f"no interpreter: run 'python -m bench setup', or give --python {engine}=PATH or {variable}"


def set_up(names: list[str], pip: list[str]) -> int:
    """Make the peers' environments in the user's cache folder; `pip` are further words for pip install."""
    for name in names:
        folder = cache() / name
        print(f"{name}: {folder}: {' '.join(ENVIRONMENTS[name])}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        done = subprocess.run(
            [str(python), "-m", "pip", "install", "-q", *ENVIRONMENTS[name], *pip], check=False
        )
        if done.returncode:
            print(f"{name}: pip failed ({done.returncode}); this peer will be left out", file=sys.stderr)
            return done.returncode
    return 0
