"""What README.md says is run: its examples, and the form of its two commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import autograd as ag

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_examples(tmp_path: Path) -> None:
    """In a process of its own: an example declares an op, which must not stay in the registry of others.

    Where nothing can be compiled, the examples that look into a program are left out.
    """
    blocks = re.findall(r"```python\n.*?```\n", README, re.S)
    shown = [b for b in blocks if ag.can_compile() or ".explain()" not in b]
    assert len(blocks) - len(shown) == (not ag.can_compile())
    (tmp_path / "README.md").write_text("\n".join(shown), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "doctest", str(tmp_path / "README.md")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^>>> ", README, re.M)) > 20


def test_quick_start_is_two_commands() -> None:
    """Each makes the environment, installs extras that exist, and does its work."""
    commands = re.findall(r"```bash\n(.*?)\n```", README.split("## Scalars first")[0], re.S)
    assert len(commands) == 2
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    pattern = (
        r'python3 -m venv \.venv && \.venv/bin/pip install -q -e "\.\[([\w,]+)\]" && '
        r"\.venv/bin/python -m (nn train digits|pytest -q -n 2 --dist loadfile)"
    )
    for command, work in zip(commands, ("nn train digits", "pytest -q -n 2 --dist loadfile"), strict=True):
        found = re.fullmatch(pattern, command)
        assert found and found[2] == work, command
        assert set(found[1].split(",")) <= set(extras)


def test_files_named_exist() -> None:
    """Every path in the table of the layout, and every relative link."""
    layout = README.split("## Layout")[1].split("```")[1]
    for folder in re.findall(r"^(\w+)/ ", layout, re.M):
        assert (ROOT / folder).is_dir(), folder
    for name in re.findall(r"\b(\w+\.py|\w+/) ", layout):
        assert list(ROOT.glob(name)) or list(ROOT.glob(f"autograd/{name}")), name
    for link in re.findall(r"\]\((?!https?:|#)([^)]+)\)", README):
        assert (ROOT / link).exists(), link
