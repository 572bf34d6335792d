"""How many threads compiled programs may use, and how many the BLAS libraries may use meanwhile.

NumPy and SciPy each carry an OpenBLAS of their own, with a pool of their own. OpenBLAS splits every product above some
0.3 million multiply-adds over its threads, which spin while they wait. For a product of up to a few million that gains
little, and on a machine that does something else beside it one step can take a hundred times as long. So a small product
is held to one thread for the time that it takes, and the user's setting is put back. A compiled program that runs on
several threads of `kernels.pool` holds both libraries to one for the same reason.
"""

from __future__ import annotations

import ctypes
import operator
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from autograd.errors import ArgumentError

__all__ = ["SMALL", "Switch", "chosen", "get_num_threads", "loaded", "openblas", "set_num_threads", "single"]

SMALL = 1 << 24
"""Multiply-adds of a product below which one thread is best."""

MOST = 1024
"""Threads that a program may have."""

_chosen: int | None = None


def set_num_threads(n: int) -> None:
    """Let compiled programs run on up to `n` threads, the caller's among them; 1 switches the pool off.

    Without it they may use the number in the environment variable WENGERT_NUM_THREADS, else as many as there are
    processors for this process, but no more than OMP_NUM_THREADS says. Small programs stay on one thread anyway.

    It also bounds the threads that BLAS takes for this library's own uncompiled products (``a @ b`` of Tensors), each
    for the time that it lasts; NumPy's and SciPy's own setting for everything else stays as it is.

    ArgumentError if `n` is not a whole number from 1 to 1024.

    >>> import autograd as ag
    >>> before = ag.get_num_threads()
    >>> ag.set_num_threads(1)
    >>> ag.get_num_threads()
    1
    >>> ag.set_num_threads(before)
    """
    global _chosen
    try:
        number = operator.index(n)
    except TypeError:
        raise ArgumentError(f"the number of threads is a whole number, got {n!r}. Give an int from 1 to {MOST}.") from None
    if isinstance(n, bool) or not 1 <= number <= MOST:
        raise ArgumentError(f"the number of threads must be from 1 to {MOST}, got {n!r}. 1 switches the threads off.")
    _chosen = number


def get_num_threads() -> int:
    """How many threads a compiled program may use; see `set_num_threads`."""
    return _chosen or _default()


def chosen() -> int | None:
    """What the user gave `set_num_threads`; None before."""
    return _chosen


@cache
def _default() -> int:
    """What the environment says, else what the machine has."""
    text = os.environ.get("WENGERT_NUM_THREADS", "").strip()
    if text:
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST):
            raise ArgumentError(f"WENGERT_NUM_THREADS is {text!r} in the environment. Set it to a number from 1 to {MOST}.")
        return int(text)
    if os.name != "posix":  # the pool needs POSIX threads
        return 1
    others = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # a list is for nested regions
    most = int(others) if others.isascii() and others.isdigit() and int(others) else MOST
    return min(_processors(), most)


def _processors() -> int:
    """How many processors this process may use, by its affinity and its group's quota."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        count = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        count = min(count, max(1, int(quota) // int(period)))
    except (OSError, ValueError):  # no such group, or "max"
        pass
    return count


class Switch:
    """Bounds the threads of one OpenBLAS while anybody is inside; the last to leave puts the user's setting back."""

    def __init__(self, get: Any, put: Any):
        self._get, self._put, self._lock = get, put, threading.Lock()
        self._inside: list[int] = []
        self._before = self._now = 1

    def after_fork(self) -> None:
        """Other threads that were inside are not in the child."""
        if self._inside:
            self._put(self._before)
        self._lock, self._inside = threading.Lock(), []

    def enter(self, most: int = 1) -> None:
        """A product, or a program of them, that may use `most` threads starts."""
        with self._lock:
            if not self._inside:
                self._before = self._now = self._get()
            self._inside.append(most)
            if most < self._now:
                self._now = most
                self._put(most)

    def leave(self, most: int = 1) -> None:
        """It has ended."""
        with self._lock:
            self._inside.remove(most)
            if self._now != self._before:
                now = min(self._before, *self._inside) if self._inside else self._before
                if now != self._now:
                    self._now = now
                    self._put(now)


_switches: dict[str, Switch | None] = {}
_looking = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_looking.acquire, after_in_parent=_looking.release, after_in_child=_looking.release)


def single(package: str) -> Switch | None:
    """The switch for the OpenBLAS that "numpy" or "scipy" carries; None where it carries none."""
    try:
        return _switches[package]
    except KeyError:
        with _looking:  # two switches for one library would put back what the other has put
            if package not in _switches:
                _switches[package] = _look(package)
        return _switches[package]


def openblas(package: str) -> Iterator[ctypes.CDLL]:
    """The OpenBLAS that the wheel of "numpy" or "scipy" carries, found without importing it."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return
    root = Path(spec.origin).parent
    for library in sorted([*root.parent.glob(f"{package}.libs/*openblas*"), *root.glob(".dylibs/*openblas*")]):
        with suppress(OSError):
            yield ctypes.CDLL(str(library))


def _look(package: str) -> Switch | None:
    for handle in openblas(package):
        for name in ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads64_",
                     "openblas_{}_num_threads"):  # fmt: skip
            try:
                switch = Switch(handle[name.format("get")], handle[name.format("set")])
            except AttributeError:
                continue
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=switch.after_fork)
            return switch
    return None


def loaded() -> list[Switch]:
    """The switches of the OpenBLAS libraries that this process has loaded."""
    found = [single("numpy"), single("scipy") if "scipy" in sys.modules else None]
    return [switch for switch in found if switch is not None]
