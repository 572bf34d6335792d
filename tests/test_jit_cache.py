"""Compiled programs on disk: found again by a new process, never stale, never from a folder that others can write, and
never in the way."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd as ag

pytest.importorskip("numba")

from autograd.compiler import cache
from autograd.compiler import machine as compiler
from autograd.compiler.loops import Buffer

POSIX = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners and modes of POSIX")
KEY = "0" * 64
BUFFERS = {"a0": Buffer(np.dtype("f4"), (3,)), "o0": Buffer(np.dtype("f4"), (3,))}
TARGET = ["x86_64-linux", "some cpu", "+avx2", "LLVM 1", "llvmlite 1"]

STEP = """
import json, sys
import numpy as np
import autograd as ag
import nn, optim
ag.manual_seed(0)
model = nn.Sequential(nn.Linear(40, 60), nn.Tanh(), nn.Linear(60, 50))
optimizer = optim.Adam(model.parameters(), lr=0.01)
@ag.jit
def step(x):
    loss = (model(x) ** 2).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    return loss
x = np.linspace(-1, 1, 50 * 40, dtype=np.float32).reshape(50, 40)
losses = [step(x).item().hex() for _ in range(3)]
from autograd.compiler import cache
print(json.dumps({"losses": losses, "weights": [p.data.sum().item().hex() for p in model.parameters()], **cache.events}))
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own."""
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path / "programs"))
    monkeypatch.setattr(cache, "_warned", set())
    monkeypatch.setattr(cache, "events", {"hits": 0, "misses": 0})
    return tmp_path / "programs"


def call(n: int = 7) -> np.ndarray[Any, Any]:
    """Record, compile or load, and run a small program."""
    x = np.arange(n, dtype=np.float32)
    y: np.ndarray[Any, Any] = ag.jit(lambda x: ag.exp(x) * 2 + x)(ag.Tensor(x)).numpy()
    np.testing.assert_allclose(y, np.exp(x) * 2 + x, rtol=1e-6)
    return y


def start(**environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", STEP],
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return dict(json.loads(out))


def entries(place: Path) -> list[Path]:
    return sorted(place.glob("*.obj"))


# ---- found again --------------------------------------------------------------------------------------------------------


def test_a_new_process_compiles_nothing(place: Path) -> None:
    first, second = result(start()), result(start())
    assert (first.pop("hits"), first.pop("misses")) == (0, 1)
    assert (second.pop("hits"), second.pop("misses")) == (1, 0)
    assert first == second


def test_a_hit_builds_and_optimises_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    y = call()
    monkeypatch.setattr(compiler, "_optimised", None)
    assert call().tobytes() == y.tobytes()
    assert cache.events == {"hits": 1, "misses": 1}


def test_a_program_from_disk_shows_its_assembly(place: Path) -> None:
    def step(x: Any) -> Any:
        return ag.tanh(x)

    texts = []
    for _ in range(2):
        made = ag.jit(step)
        made(np.ones(64, np.float32))
        texts.append(made._last.code.assembly())
    assert texts[0] == texts[1] and "program" in texts[0]


def test_names_of_buffers_do_not_count_but_their_order_does() -> None:
    buffers = [{x: BUFFERS["a0"], y: Buffer(np.dtype("f4"), (4,))} for x, y in (("b3", "b9"), ("b17", "b4"))]
    a, b = (cache.key([f"copy({', '.join(names)})"], names, {}, TARGET) for names in buffers)
    c = cache.key(["copy(b9, b3)"], buffers[0], {}, TARGET)
    assert a == b != c


# ---- never stale --------------------------------------------------------------------------------------------------------


def test_the_key_holds_everything_that_the_machine_code_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["o0[0] = a0[0]"]

    def function(x: Any) -> Any:
        return x

    monkeypatch.setattr(cache, "_began", time.time() + 1e6)
    base = cache.key(lines, BUFFERS, {"f": function}, TARGET)
    assert base == cache.key(lines, dict(BUFFERS), {"f": function}, list(TARGET)) != ""
    one = BUFFERS["a0"]
    others = [
        cache.key(["o0[0] = a0[1]"], BUFFERS, {"f": function}, TARGET),
        cache.key(lines, {"a0": Buffer(np.dtype("f8"), (3,)), "o0": one}, {"f": function}, TARGET),
        cache.key(lines, {"a0": Buffer(np.dtype("f4"), (4,)), "o0": one}, {"f": function}, TARGET),
        cache.key(lines, {"o0": one, "a0": one}, {"f": function}, TARGET),
        cache.key(lines, BUFFERS, {"g": function}, TARGET),
        cache.key(lines, BUFFERS, {"f": call}, TARGET),
        *(cache.key(lines, BUFFERS, {"f": function}, [*TARGET[:k], "new", *TARGET[k + 1 :]]) for k in range(len(TARGET))),
    ]
    monkeypatch.setattr(cache.numpy, "__version__", "99.0")
    others.append(cache.key(lines, BUFFERS, {"f": function}, TARGET))
    monkeypatch.undo()
    monkeypatch.setattr(cache, "sources", lambda place: "other")
    others.append(cache.key(lines, BUFFERS, {"f": function}, TARGET))
    assert len({base, *others}) == 1 + len(others)


def test_a_changed_source_is_another_hash(tmp_path: Path) -> None:
    file, seen = tmp_path / "kernel.py", set()
    for text in ("a = 1", "a = 2"):
        file.write_text(text)
        os.utime(file, (0, 0))
        cache.sources.cache_clear()
        seen |= {cache.sources(str(tmp_path)), cache.sources(str(file))}
    cache.sources.cache_clear()
    assert len(seen) == 2


def test_a_source_changed_under_a_running_process_is_not_trusted(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.sources.cache_clear()
    monkeypatch.setattr(cache, "_began", 0.0)
    try:
        call()
    finally:
        cache.sources.cache_clear()
    assert not entries(place)


@pytest.mark.parametrize("what", ["get_host_cpu_name", "version", "numpy"])
def test_another_processor_or_library_compiles_anew(place: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    import llvmlite
    import llvmlite.binding as llvm

    call()
    if what == "version":
        monkeypatch.setattr(llvmlite, "__version__", "0.1")
    elif what == "numpy":
        monkeypatch.setattr(cache.numpy, "__version__", "1.0")
    else:
        monkeypatch.setattr(llvm, what, lambda: "x86-64")
    call()
    assert cache.events == {"hits": 0, "misses": 2} and len(entries(place)) == 2


# ---- damaged ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["empty", "magic", "flipped", "truncated", "exchanged", "longer", "noise"])
def test_a_damaged_entry_is_compiled_again_without_a_word(place: Path, damage: str) -> None:
    y = call()
    (path,) = entries(place)
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes({
        "empty": b"", "magic": b"x" + data[1:], "truncated": data[:middle], "longer": data + b"\0", "noise": os.urandom(5000),
        "flipped": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :], "exchanged": data,
    }[damage])  # fmt: skip
    if damage == "exchanged":  # the entry of another program under this one's name
        call(9)
        (other,) = set(entries(place)) - {path}
        path.write_bytes(other.read_bytes())
    cache.events.update(hits=0, misses=0)
    assert call().tobytes() == y.tobytes()
    assert cache.events == {"hits": 0, "misses": 1}
    assert path.read_bytes() == data
    call()
    assert cache.events == {"hits": 1, "misses": 1}


def test_every_length_of_a_broken_entry_is_refused(place: Path) -> None:
    cache.store(KEY, {"routines": []}, b"code")
    data = (place / f"{KEY}.obj").read_bytes()
    assert cache._unpack(KEY, data) == ({"routines": []}, b"code")
    assert not any(cache._unpack(KEY, data[:n]) for n in range(len(data)))


def test_an_entry_that_cannot_be_linked_is_compiled_again(place: Path) -> None:
    y = call()
    (path,) = entries(place)
    found = cache.load(path.stem)
    assert found is not None
    cache.store(path.stem, found[0] | {"outside": ["no_such_function_of_the_c_library"]}, found[1])
    assert call().tobytes() == y.tobytes()
    assert cache.load(path.stem) == found


# ---- whose folder -------------------------------------------------------------------------------------------------------


def refused(reason: str) -> None:
    """No cache, one warning for two calls, the same results."""
    with pytest.warns(RuntimeWarning, match=reason) as caught:
        call()
        call()
    assert len(caught) == 1 and cache.events == {"hits": 0, "misses": 2}


@POSIX
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_can_write_is_refused(place: Path, mode: int) -> None:
    place.mkdir()
    place.chmod(mode)
    refused("others can write in .*programs")
    assert not entries(place)


@POSIX
def test_code_in_a_folder_that_others_can_write_is_not_run(place: Path) -> None:
    call()
    place.chmod(0o777)
    cache.events.update(misses=0)
    refused("others can write")


@POSIX
def test_a_folder_inside_one_that_others_can_write_is_refused(place: Path) -> None:
    place.parent.chmod(0o777)
    try:
        refused("others can write")
        place.parent.chmod(0o1777)  # sticky, as /tmp: others cannot rename what is ours
        call()
        assert len(entries(place)) == 1
    finally:
        place.parent.chmod(0o700)


@POSIX
def test_a_folder_of_another_user_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache.os, "geteuid", lambda: 54321)
    refused("belongs to another user")
    assert not entries(place)


@POSIX
def test_an_entry_of_another_user_or_that_others_can_write_is_not_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.store(KEY, {}, b"code")
    path = place / f"{KEY}.obj"
    path.chmod(0o666)
    assert cache.load(KEY) is None and not path.exists()
    cache.store(KEY, {}, b"code")
    monkeypatch.setattr(cache, "_distrust", lambda place: None)
    monkeypatch.setattr(cache.os, "geteuid", lambda: 54321)
    assert cache.load(KEY) is None


@POSIX
def test_a_symbolic_link_is_refused(place: Path) -> None:
    (place.parent / "elsewhere").mkdir(mode=0o700)
    place.symlink_to(place.parent / "elsewhere")
    refused("symbolic link")
    assert not entries(place.parent / "elsewhere")


@POSIX
def test_a_linked_entry_is_not_followed(place: Path) -> None:
    cache.store(KEY, {}, b"code")
    (place / f"{KEY}.obj").rename(place / "aside")
    (place / f"{KEY}.obj").symlink_to(place / "aside")
    assert cache.load(KEY) is None


@POSIX
def test_what_is_made_is_private(place: Path) -> None:
    call()
    assert place.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in place.iterdir()] == [0o600]


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WENGERT_CACHE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(cache.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache._place() == tmp_path / "x" / "wengert"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, by its specification
    assert cache._place() == Path(os.path.expanduser("~/.cache/wengert"))
    monkeypatch.setattr(cache.sys, "platform", "darwin")
    assert cache._place() == Path(os.path.expanduser("~/Library/Caches/wengert"))
    monkeypatch.setattr(cache.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache._place() == tmp_path / "local" / "wengert"


@pytest.mark.parametrize("setting", ["", "0", "off", "OFF", "relative/folder", "."])
def test_switched_off_or_in_the_working_directory(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WENGERT_CACHE_DIR", setting)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call()
    assert cache.folder(create=True) is None and not list(tmp_path.iterdir())
    assert "not kept" in repr(cache.info())


# ---- nothing can go wrong -----------------------------------------------------------------------------------------------


def test_no_folder_can_be_made(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path / "file" / "programs"))
    call()
    assert ag.jit.cache_info().folder is None
    ag.jit.clear_cache()


@pytest.mark.parametrize("where", ["open", "replace"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_read_only_disk(place: Path, monkeypatch: pytest.MonkeyPatch, where: str, error: int) -> None:
    def fail(*arguments: Any, **named: Any) -> Any:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(cache.os, where, fail)
    call()
    monkeypatch.undo()
    assert not list(place.iterdir())


def test_an_interrupt_while_writing_leaves_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(cache.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        cache.store(KEY, {}, b"code")
    assert not list(place.iterdir())


def test_a_crash_half_way_is_harmless_and_is_cleaned_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.mkdir(mode=0o700)
    old, new, foreign = place / f"{KEY}.{'a' * 16}.tmp", place / f"{KEY}.{'b' * 16}.tmp", place / "notes.tmp"
    for path in (old, new, foreign):
        path.write_bytes(b"half of an entry")
    os.utime(old, (0, 0))
    monkeypatch.setattr(cache, "_written", cache.LIMIT)
    call()
    assert len(entries(place)) == 1
    assert not old.exists() and new.exists() and foreign.exists()  # the new one may be another process at work


def test_four_processes_on_an_empty_cache(place: Path) -> None:
    results = [result(p) for p in [start() for _ in range(4)]]
    assert all((r["losses"], r["weights"]) == (results[0]["losses"], results[0]["weights"]) for r in results)
    assert len(entries(place)) == 1 == len(list(place.iterdir()))
    again = result(start())
    assert (again["losses"], again["hits"], again["misses"]) == (results[0]["losses"], 1, 0)


def test_the_bound(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIMIT", 100_000)
    monkeypatch.setattr(cache, "_written", 0)
    names = [f"{k:064x}" for k in range(40)]
    for k, name in enumerate(names):
        cache.store(name, {}, bytes(8000))
        os.utime(place / f"{name}.obj", (1000 + k, 1000 + k))
        assert cache.load(names[0]) is not None  # used again and again, so it stays
        assert sum(path.stat().st_size for path in place.iterdir()) <= 100_000
    kept = {path.stem for path in entries(place)}
    assert {names[0], *names[-5:]} <= kept and not {*names[1:20]} & kept


def test_clear_cache_and_cache_info(place: Path) -> None:
    call()
    call(8)
    (place / "notes.txt").write_text("not ours")
    about = ag.jit.cache_info()
    assert about.folder is not None and about.folder.samefile(place)
    assert (about.entries, about.bytes, about.hits, about.misses) == (2, sum(p.stat().st_size for p in entries(place)), 0, 2)
    assert "2 programs" in repr(about)
    ag.jit.clear_cache()
    assert [path.name for path in place.iterdir()] == ["notes.txt"] and ag.jit.cache_info().entries == 0
    call()
    assert cache.events["misses"] == 3
