"""One setting of the C library's allocator, for arrays of middling size.

glibc maps every block above a threshold (128 KiB at first) afresh from the kernel and hands it back when it is freed, so
a step that makes and drops the same temporaries pays for page faults over and over. The threshold grows by itself to the
largest block that was ever mapped and freed: one block of 32 MiB, never touched, brings it there. Freed memory up to
twice that then stays with the process. Other C libraries do not notice.
"""

from __future__ import annotations

import numpy

__all__ = ["keep_freed_memory"]


def keep_freed_memory() -> None:
    """Let freed arrays of up to 32 MiB serve again instead of going back to the kernel."""
    numpy.empty((1 << 25) - (1 << 16), numpy.uint8)
