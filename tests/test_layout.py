"""The boundaries that keep the code base small: who may import whom, what lies at the top level, who may name
an op."""

from __future__ import annotations

import ast
import fnmatch
import importlib
import operator
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("autograd", "nn", "optim")
TOP_LEVEL = {
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "autograd",
    "nn",
    "optim",
    "tests",
    "notebooks",
    "bench",
}

# Files that put whole systems together; they may name the other package, inside functions.
ASSEMBLERS = {"nn/__main__.py", "nn/choices.py", "nn/tune.py"}

# Loaded when one of its names is first used; its classes are subclasses of scikit-learn's, and so import it outside functions.
LAZY = "nn/estimators/"

SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MODULES = sorted(
    info.name
    for package in PACKAGES
    for info in pkgutil.walk_packages([str(ROOT / package)], f"{package}.")
    if not info.name.endswith("__main__")
)


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[tuple[str, int, bool]]:
    """(first name of the imported package, line, inside a function) of every import in a file; a relative
    import counts as one of the file's own package."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    functions = [
        n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    ]
    inside = {id(child) for function in functions for child in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")[0], node.lineno, id(node) in inside
        elif isinstance(node, ast.ImportFrom):
            first = (node.module or "").split(".")[0] if node.level == 0 else label(path).split("/")[0]
            yield first, node.lineno, id(node) in inside


def test_top_level() -> None:
    patterns = [p for p in (ROOT / ".gitignore").read_text(encoding="utf-8").split("\n") if p and p[0] != "#"]
    ignored = {e.name for e in ROOT.iterdir() if any(fnmatch.fnmatch(e.name, p) for p in patterns)}
    assert {e.name for e in ROOT.iterdir() if e.name[0] != "."} - ignored == TOP_LEVEL


@pytest.mark.parametrize("path", SOURCES, ids=label)
def test_import_direction(path: Path) -> None:
    package = label(path).split("/")[0]
    forbidden = {"tests", "notebooks", "bench"} | {
        "autograd": {"nn", "optim"},
        "nn": {"optim"},
        "optim": {"nn"},
    }[package]
    for name, line, in_function in imports(path):
        if name in forbidden and not (label(path) in ASSEMBLERS and in_function and name in PACKAGES):
            pytest.fail(f"{label(path)}:{line} imports {name}")


@pytest.mark.parametrize("path", SOURCES, ids=label)
def test_heavy_imports_are_deferred(path: Path) -> None:
    heavy = {
        "scipy",
        "graphviz",
        "pygraphviz",
        "matplotlib",
        "sklearn",
        "optuna",
        "mpi4py",
        "anywidget",
        "tqdm",
    }
    if not label(path).startswith("autograd/kernels/"):
        heavy |= {"numba", "llvmlite"}
    if label(path).startswith(LAZY):
        heavy -= {"sklearn"}
    if label(path).split("/")[0] != "autograd":
        assert not [
            f"{label(path)}:{line}" for name, line, _ in imports(path) if name in ("numba", "llvmlite")
        ]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        child.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.walk(node)
        if isinstance(child, ast.Import | ast.ImportFrom)
    }
    early = [
        f"{label(path)}:{line} imports {name} outside a function"
        for name, line, in_function in imports(path)
        if name in heavy and not in_function and line not in typing_only
    ]
    assert not early


def test_no_test_package() -> None:
    """An `__init__.py` in tests/autograd would make that folder the package `autograd`."""
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_autograd_is_ours() -> None:
    """HIPS autograd is imported under the same name; where both are installed, an editable install of ours
    may lose."""
    import autograd

    assert Path(str(autograd.__file__)).resolve() == ROOT / "autograd" / "__init__.py"


def test_submodules_leave_the_public_names() -> None:
    """`import package.x` sets the attribute `x` of the package: a public function of that name would be
    lost."""
    roots = [importlib.import_module(name) for name in PACKAGES]
    before = {(root.__name__, name): getattr(root, name) for root in roots for name in root.__all__}
    for name in MODULES:
        importlib.import_module(name)
    for root in roots:
        assert len(root.__all__) == len(set(root.__all__)), root.__name__
        for name in root.__all__:
            assert getattr(root, name) is before[root.__name__, name], f"{root.__name__}.{name}"


def test_import_is_light() -> None:
    """`import autograd, nn, optim` costs little more than NumPy."""
    heavy = "numba llvmlite scipy matplotlib sklearn graphviz pygraphviz optuna pandas tqdm IPython".split()
    code = f"import sys, autograd, nn, optim; print(*[m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == []


# The compiler's closed instruction set beside the scalar functions: its words are NumPy's, and so some ops'.
INSTRUCTIONS = {"reshape", "transpose", "broadcast_to", "cast", "add", "sum", "prod", "max", "min", "matmul"}

# May look at op names: the declarations, the kernels named after them, the table from scalar functions to
# kernels, and in-place writes, which are recorded as two ops of their own.
NAMING = ("autograd/ops/", "autograd/kernels/", "autograd/compiler/scalars.py", "autograd/inplace.py")


def op_name_uses(path: Path, names: set[str]) -> Iterator[str]:
    """Lines where a file decides by an op's name: a string that is one, compared, looked up or a key."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        suspects: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            suspects = [node.left, *node.comparators]
        elif isinstance(node, ast.Dict):
            suspects = [key for key in node.keys if key is not None]
            words = [key.value for key in suspects if isinstance(key, ast.Constant)]
            if all(hasattr(operator, f"__{word}__") for word in words):
                suspects = []  # a table of Python's operators
        elif isinstance(node, ast.Subscript):
            suspects = [node.slice]
        elif isinstance(node, ast.MatchValue):
            suspects = [node.value]
        for suspect in suspects:
            members = suspect.elts if isinstance(suspect, ast.Tuple | ast.Set | ast.List) else [suspect]
            for member in members:
                if isinstance(member, ast.Constant) and member.value in names:
                    yield f"{label(path)}:{node.lineno} depends on the op name {member.value!r}"


@pytest.mark.parametrize("path", [p for p in SOURCES if label(p).startswith("autograd/")], ids=label)
def test_engine_does_not_know_ops_by_name(path: Path) -> None:
    """What is special about an op is said in its declaration."""
    from autograd.rule import OPS

    names = set(OPS)
    assert {"add", "tanh", "matmul"} <= names
    if label(path).startswith("autograd/compiler/"):
        names -= INSTRUCTIONS
    if not label(path).startswith(NAMING):
        assert list(op_name_uses(path, names)) == []
