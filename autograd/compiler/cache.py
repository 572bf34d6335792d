"""Compiled programs on disk, so that a new process need not compile again what an earlier one has.

An entry is the object file of a program with what is needed to load it, under the hash of all that its machine code
depends on. No address is in it: buffers and BLAS routines come in a table when the program runs.

The folder is the user's own: `WENGERT_CACHE_DIR`, else the place for caches of the platform (on Linux
``$XDG_CACHE_HOME/wengert`` or ``~/.cache/wengert``). Machine code that is read from it is run, so a folder into which
anybody else could write is not used. An empty `WENGERT_CACHE_DIR`, ``0`` or ``off`` switches the cache off. Whatever
fails here costs time and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy

__all__ = ["Info", "clear", "discard", "events", "folder", "info", "key", "load", "store"]

LIMIT = 256 << 20
"""Bytes above which the entries that were not used for the longest time go."""

MAGIC = b"wengert 1\n"
NAME = re.compile(r"[0-9a-f]{64}\.(obj|[0-9a-f]{16}\.tmp)")  # nothing else in the folder is ever touched
SELDOM = 3600.0  # seconds: how exactly the last use is noted; and when a file half written was given up
TURN_OFF = "WENGERT_CACHE_DIR=off does without it"

events = {"hits": 0, "misses": 0}
"""How often this process has found what it looked for, and has not."""

_began = time.time()
_warned: set[str] = set()
_written = LIMIT  # bytes added since the folder was last looked through; the first entry of a process has it done


# ---- what a program is known by ------------------------------------------------------------------------------------------


def key(lines: Iterable[str], buffers: dict[str, Any], functions: dict[str, Any], target: Iterable[str]) -> str:
    """The hash of all that the machine code of a program depends on.

    That is its lines and buffers, the sources of the compiler and of the scalar functions, the versions of LLVM (which
    is Numba's, by llvmlite) and NumPy, and the processor, which `target` describes. The names of buffers do not count,
    but their order does: the same step, recorded later in another process, has other names. Empty where the sources
    cannot be known; under that nothing is kept.

    >>> from autograd.compiler.loops import Buffer
    >>> a, b = (key([f"{x}[0] = 1.0"], {x: Buffer(numpy.dtype("f4"), (1,))}, {}, []) for x in ("b7", "b8"))
    >>> a == b
    True
    """
    alias = {name: f"@{k}" for k, name in enumerate(buffers)}
    text = re.sub(r"[A-Za-z_]\w*", lambda word: alias.get(word[0], word[0]), "\n".join(lines))
    here = Path(__file__).parent
    places = [str(here), str(here.parent / "kernels"), *sorted({f.__code__.co_filename for f in functions.values()})]
    try:
        digests = [sources(place) for place in places]
    except OSError:
        return ""
    parts = [
        *digests,
        *(f"{name} {f.__module__}.{f.__qualname__}" for name, f in functions.items()),
        *(f"{b.dtype.str} {b.shape}" for b in buffers.values()),
        *("numpy " + numpy.__version__, *target, text),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def sources(place: str) -> str:
    """The hash of a file, or of all Python files of a folder; read once.

    OSError where there are none, or one was changed after it may have been loaded, so that it does not tell what runs.
    """
    path, digest = Path(place), hashlib.sha256()
    for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
        text = file.read_bytes()
        if file.stat().st_mtime > _began:
            raise OSError(f"{file} was changed after this process had started")
        digest.update(f"{file.name} {len(text)}\n".encode() + text)
    return digest.hexdigest()


# ---- where ---------------------------------------------------------------------------------------------------------------


def folder(create: bool = False) -> Path | None:
    """The folder of the cache; None where there is none, or none to be trusted (a RuntimeWarning says so, once)."""
    place = _place()
    if place is None or not place.is_absolute():  # never in the working directory
        return None
    try:
        place = place.parent.resolve() / place.name
        if create:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.mkdir(mode=0o700, exist_ok=True)
        problem = _distrust(place)
    except OSError:
        return None
    if problem is None:
        return place
    if str(place) not in _warned:
        _warned.add(str(place))
        what = f"compiled programs are not kept on disk: {problem}. Make it yours alone (chmod 700), or choose another"
        warnings.warn(f"{what} by WENGERT_CACHE_DIR; {TURN_OFF}.", RuntimeWarning, stacklevel=2)
    return None


def _place() -> Path | None:
    setting = os.environ.get("WENGERT_CACHE_DIR")
    if setting is not None:
        return None if setting.lower() in ("", "0", "off") else Path(setting)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(base):
            base = os.path.expanduser("~/.cache")
    return Path(base) / "wengert"


def _distrust(place: Path) -> str | None:
    """Why somebody else could put files into a folder, or another folder in its place; None where nobody can."""
    if not hasattr(os, "geteuid"):  # Windows: what is below LOCALAPPDATA is the user's
        return None
    user = os.geteuid()
    for part in (place, *place.parents):
        state = os.lstat(part)
        mode = state.st_mode
        if not stat.S_ISDIR(mode):
            return f"{part} is a {'symbolic link' if stat.S_ISLNK(mode) else 'file'}, not a folder"
        if state.st_uid != user and (part == place or state.st_uid != 0):
            return f"{part} belongs to another user (number {state.st_uid})"
        if mode & (stat.S_IWGRP | stat.S_IWOTH) and (part == place or not mode & stat.S_ISVTX):
            return f"others can write in {part} (mode {stat.S_IMODE(mode):o})"
    return None


# ---- entries -------------------------------------------------------------------------------------------------------------


def load(name: str) -> tuple[dict[str, Any], bytes] | None:
    """What was stored under a key: its description and the object file. A damaged entry is removed and is none."""
    place = folder() if name else None
    entry = None
    if place is not None:
        path = place / f"{name}.obj"
        try:
            entry = _unpack(name, _read(path))
            if entry is None:
                path.unlink()
            elif path.stat().st_mtime < time.time() - SELDOM:
                os.utime(path)
        except OSError:
            pass
    events["hits" if entry is not None else "misses"] += 1
    return entry


def _read(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with open(handle, "rb") as file:
        state = os.fstat(handle)
        ours = not hasattr(os, "geteuid") or state.st_uid == os.geteuid() and not state.st_mode & 0o022
        return file.read() if ours and stat.S_ISREG(state.st_mode) else b""


def _unpack(name: str, data: bytes) -> tuple[dict[str, Any], bytes] | None:
    """An entry: MAGIC, the SHA-256 of the key and all that follows, the length of the description, it, the object."""
    start = len(MAGIC) + 32
    if data[: len(MAGIC)] != MAGIC or hashlib.sha256(name.encode() + data[start:]).digest() != data[len(MAGIC) : start]:
        return None
    end = start + 4 + int.from_bytes(data[start : start + 4], "little")
    return json.loads(data[start + 4 : end]), data[end:]


def store(name: str, description: dict[str, Any], code: bytes) -> None:
    """Keep a program under a key. Another process sees all of it or nothing."""
    global _written
    place = folder(create=True) if name else None
    if place is None:
        return
    about = json.dumps(description).encode()
    body = len(about).to_bytes(4, "little") + about + code
    data = MAGIC + hashlib.sha256(name.encode() + body).digest() + body
    part = place / f"{name}.{os.urandom(8).hex()}.tmp"
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600), "wb") as file:
            file.write(data)
        os.replace(part, place / f"{name}.obj")
    except OSError:  # a full disk, a folder that cannot be written: the program runs all the same
        return
    finally:
        _remove([part])
    _written += len(data)
    if _written > LIMIT // 16:
        _written = 0
        _tidy(place)


def discard(name: str) -> None:
    """Remove an entry that cannot be loaded."""
    place = folder()
    if place is not None:
        _remove([place / f"{name}.obj"])


def _tidy(place: Path) -> None:
    """Remove what a crash has left half written, and what was not used for the longest time, to below the limit."""
    now, total = time.time(), 0
    for path, state in sorted(_files(place), key=lambda found: -found[1].st_mtime):
        total += state.st_size
        if total > LIMIT * 15 // 16 or path.suffix == ".tmp" and state.st_mtime < now - SELDOM:
            _remove([path])


def _files(place: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The files of the cache; others may come and go meanwhile."""
    try:
        names = [name for name in os.listdir(place) if NAME.fullmatch(name)]
    except OSError:
        return
    for name in names:
        try:
            yield place / name, os.lstat(place / name)
        except OSError:
            continue


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            continue


# ---- for users -------------------------------------------------------------------------------------------------------------


class Info:
    """The folder of compiled programs (None: not kept), how many there are, their bytes, hits and misses so far."""

    def __init__(self) -> None:
        self.folder = folder(create=True)
        found = [state.st_size for path, state in _files(self.folder) if path.suffix == ".obj"] if self.folder else []
        self.entries, self.bytes = len(found), sum(found)
        self.hits, self.misses = events["hits"], events["misses"]

    def __repr__(self) -> str:
        where = self.folder if self.folder is not None else "not kept"
        return f"{where}: {self.entries} programs, {self.bytes:,} bytes; here {self.hits} hits, {self.misses} misses"


def info() -> Info:
    """What is kept on disk, and what it was good for in this process; ``autograd.jit.cache_info()``."""
    return Info()


def clear() -> None:
    """Remove all compiled programs from disk; ``autograd.jit.clear_cache()``. Those in memory stay as they are."""
    place = folder()
    if place is not None:
        _remove([path for path, _ in _files(place)])
