"""What compiling leaves behind in resident memory."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import autograd as ag
from autograd.memory import let_go_of

pytest.importorskip("numba")


def resident(library: str) -> int:
    """KiB of the code of a library that are in this process' memory."""
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8", errors="replace").splitlines():
        if re.match(r"^[0-9a-f]+-[0-9a-f]+ ", line):
            inside = library in line and " r-xp " in line
        elif inside and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what is resident is known on Linux alone")
def test_the_compiler_leaves_memory_when_it_has_done() -> None:
    x = np.ones(3)
    ag.jit(lambda x: ag.exp(x) * 3)(x)
    compiled = ag.jit(lambda x: ag.tanh(x) * 2 + 1)
    first = compiled(x).tolist()
    assert resident("libllvmlite") < 8 << 10
    let_go_of("libllvmlite")
    assert compiled(x).tolist() == first
    np.testing.assert_allclose(ag.jit(lambda x: ag.sin(x) + 1)(x).data, np.sin(x) + 1)  # it is there again when it is needed
    let_go_of("no such library")
