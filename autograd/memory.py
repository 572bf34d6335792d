"""Memory that the process keeps: freed arrays, which serve again, and the compiler's code, which does not need to stay.

glibc maps every block above a threshold (128 KiB at first) afresh from the kernel and hands it back when it is freed, so
a step that makes and drops the same temporaries pays for page faults over and over. The threshold grows by itself to the
largest block that was ever mapped and freed: one block of 32 MiB, never touched, brings it there. Freed memory up to
twice that then stays with the process. Other C libraries do not notice.

LLVM is 150 MiB of code and tables, of which compiling one small function touches half. They are pages of a file, unchanged: let
go of, they stay in the kernel's cache of the file, from where the next program to be compiled gets them back.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from itertools import pairwise
from pathlib import Path

import numpy

__all__ = ["keep_freed_memory", "let_go_of"]


def keep_freed_memory() -> None:
    """Let freed arrays of up to 32 MiB serve again instead of going back to the kernel."""
    numpy.empty((1 << 25) - (1 << 16), numpy.uint8)


def let_go_of(library: str) -> None:
    """Take the code and tables of a shared library out of the process' resident memory, until they are used again (Linux).

    Only what is as it is in the file: what lies before its variables holds addresses that were entered when it was loaded.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        text = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
        madvise = ctypes.CDLL(None).madvise
    except (OSError, AttributeError):
        return
    parts = [line.split()[:2] for line in text.splitlines() if library in line]
    for (place, kind), (_, following) in pairwise([*parts, ("", "")]):
        if kind == "r-xp" or kind == "r--p" and following not in ("rw-p", ""):
            first, last = (int(end, 16) for end in place.split("-"))
            madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), mmap.MADV_DONTNEED)
