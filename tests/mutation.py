"""Break a line of the library on purpose and see whether a test notices: `python tests/mutation.py`, or with the names of some
items of the course notes.

Each mutant is one replacement in one file (`mutants.MUTANTS`). It is never written to disk: a child process imports the changed
text in place of the file, and runs the one test that the page of the course notes names for that item. The test has to fail.
Children are forked from a process that has pytest and NumPy loaded already, so a mutant takes about a second.
"""

from __future__ import annotations

import os
import re
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "notebooks" / "course-notes.md"
FAILED = 1  # pytest's exit status where tests ran and some failed


class Row(NamedTuple):
    """A row of the page: an item of the notes, what it is called here, the test that proves it."""

    section: str
    item: str  # of a question, its number
    names: list[str]
    test: str


class Mutant(NamedTuple):
    """`old`, which occurs once in the file, becomes `new`."""

    file: str
    old: str
    new: str


def rows() -> list[Row]:
    """The rows of all tables of the page whose head is "in the notes | here | proved by"."""
    found, section, inside = [], "", False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            section, inside = line.lstrip("# "), False
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells == ["in the notes", "here", "proved by"]:
            inside = True
        elif inside and len(cells) == 3 and not set(line) <= set("|-: "):
            item, tests = re.sub(r"^(\d+)\. .*", r"\1", cells[0]), re.findall(r"`([^`]+)`", cells[2])
            test = tests[0] if len(tests) == 1 else cells[2]
            found.append(Row(section, item, re.findall(r"`([^`]+)`", cells[1]), test))
        elif not line.startswith("|"):
            inside = False
    return found


def run_mutated(mutant: Mutant, test: str) -> int:
    """Pytest's exit status of one test, with the mutant in place. Ends the process that calls it."""
    target = ROOT / mutant.file
    plain = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        if Path(self.path) != target:
            return plain(self, fullname)
        text = target.read_text(encoding="utf-8")
        return compile(text.replace(mutant.old, mutant.new), self.path, "exec")

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # which take most of the time that it needs to start
    import pytest

    return int(pytest.main([str(ROOT / "tests" / test), "-x", "-q", "-p", "no:cacheprovider", "--no-header"]))


def survivors(chosen: list[Row], mutants: dict[str, Mutant], processes: int = 2) -> list[str]:
    """What is wrong: rows whose test passed with the mutant in place, or could not be run."""
    import numpy  # noqa: F401  (loaded once, for all children)
    import pytest  # noqa: F401

    wrong, running = [], {}
    waiting = list(reversed(chosen))
    while waiting or running:
        while waiting and len(running) < processes:
            row = waiting.pop()
            child = os.fork()
            if child == 0:
                status = 3
                try:
                    silence = os.open(os.devnull, os.O_WRONLY)
                    os.dup2(silence, 1)
                    os.dup2(silence, 2)
                    status = run_mutated(mutants[row.item], row.test)
                finally:
                    os._exit(status)
            running[child] = row
        child, status = os.wait()
        row, code = running.pop(child), os.waitstatus_to_exitcode(status)
        if code != FAILED:
            what = "passes" if code == 0 else f"cannot be run (status {code})"
            wrong.append(f"{row.item}: {row.test} {what} with {mutants[row.item].new!r} in {mutants[row.item].file}")
    return wrong


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from mutants import MUTANTS

    names = sys.argv[1:]
    table = [row for row in rows() if not names or row.item in names]
    for complaint in (found := survivors(table, MUTANTS)):
        print(complaint)
    print(f"{len(table) - len(found)} of {len(table)} mutants were noticed")
    sys.exit(bool(found))
