"""Model files: they round-trip, other tools read them, and everything malformed is one typed error, soon."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
from autograd.errors import ArgumentError, DTypeError, FileError, FormatError
from nn import files

ROOT = Path(__file__).resolve().parents[1]
STATE = {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(0),
    "n": np.array(3), "../../x": np.ones(2, np.float16), "": np.ones(1),
    "line\nbreak \u202e": np.array([True, False]), "c": np.ones(2, np.complex64),
}  # fmt: skip


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    nn.save(STATE, path, {"note": "é"})
    state, metadata = files.read(path)
    assert set(state) == set(STATE) and metadata == {"note": "é"}
    for name, value in STATE.items():
        np.testing.assert_array_equal(state[name], value)
        assert state[name].dtype == value.dtype and state[name].shape == value.shape
        assert state[name].flags.writeable
    assert os.listdir(tmp_path) == ["m.safetensors"]


def test_same_state_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        nn.save(STATE, tmp_path / name, {"p": "1", "q": "2"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_modules_tensors_and_odd_layouts(tmp_path: Path) -> None:
    model = nn.MLP(3, (4,), 2)
    nn.save(model, tmp_path / "m")
    other = nn.MLP(3, (4,), 2)
    other.load_state_dict(nn.load(tmp_path / "m"))
    np.testing.assert_array_equal(other[0].weight.data, model[0].weight.data)
    a = np.arange(6.0).reshape(2, 3)
    nn.save({"t": a.T, "s": a[:, ::-1], "big": a.astype(">f8"), "x": ag.Tensor([1.0], requires_grad=True)}, tmp_path / "o")
    state = nn.load(tmp_path / "o")
    np.testing.assert_array_equal(state["t"], a.T)
    np.testing.assert_array_equal(state["s"], a[:, ::-1])
    np.testing.assert_array_equal(state["big"], a)


def test_other_tools(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    nn.save({"w": STATE["w"]}, tmp_path / "ours")
    np.testing.assert_array_equal(load_file(tmp_path / "ours")["w"], STATE["w"])
    save_file({"w": STATE["w"]}, tmp_path / "theirs", {"format": "pt"})
    state, metadata = files.read(tmp_path / "theirs")
    np.testing.assert_array_equal(state["w"], STATE["w"])
    assert metadata == {"format": "pt"}


@pytest.mark.parametrize(("state", "kind"), [
    ({"w": np.array([None])}, DTypeError),
    ({"w": np.array(["x"])}, DTypeError),
    ({"w": np.ones(1, np.longdouble)}, DTypeError),
    ({1: np.ones(1)}, ArgumentError),
    ({"__metadata__": np.ones(1)}, ArgumentError),
    ({"\ud800": np.ones(1)}, ArgumentError),
    ([1, 2], DTypeError),
])  # fmt: skip
def test_what_cannot_be_saved(tmp_path: Path, state: Any, kind: Any) -> None:
    with pytest.raises(kind):
        nn.save(state, tmp_path / "m")
    assert not os.listdir(tmp_path)


# ---- writing whole or not at all --------------------------------------------------------------------------------------


def test_failures_leave_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m"
    nn.save({"w": np.ones(2)}, path)
    old = path.read_bytes()

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="No space left") as error:
        nn.save({"w": np.zeros(2)}, path)
    assert isinstance(error.value, OSError) and str(path) in str(error.value)
    assert path.read_bytes() == old and os.listdir(tmp_path) == ["m"]

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    monkeypatch.setattr(os, "fsync", lambda number: None)
    with pytest.raises(KeyboardInterrupt):
        nn.save({"w": np.zeros(2)}, path)
    assert path.read_bytes() == old and os.listdir(tmp_path) == ["m"]


def test_paths_that_cannot_be_written(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no" / "m", "nul\0", tmp_path / ("x" * 300)):
        with pytest.raises(FileError, match="cannot write"):
            nn.save({}, path)
    for path in (tmp_path, tmp_path / "no"):
        with pytest.raises(FileError, match="cannot read"):
            nn.load(path)
    assert not os.listdir(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(FileError, match="ermission"):
        nn.save({}, tmp_path / "m")
    tmp_path.chmod(0o700)


def test_mode_is_kept_and_links_are_followed(tmp_path: Path) -> None:
    path, link = tmp_path / "m", tmp_path / "link"
    nn.save({}, path)
    path.chmod(0o640)
    link.symlink_to(path)
    nn.save({"w": np.ones(1)}, link)
    assert link.is_symlink() and path.stat().st_mode & 0o777 == 0o640 and list(nn.load(path)) == ["w"]


def test_killed_while_saving(tmp_path: Path) -> None:
    """The file is one of those that were saved, complete, wherever the writer is killed."""
    path = tmp_path / "m"
    nn.save({"w": np.full(50_000, 0.0)}, path)
    code = (
        "import sys, numpy as np, nn\n"
        "print('ready', flush=True)\n"
        "k = 0\n"
        "while True:\n    k += 1\n    nn.save({'w': np.full(50_000, float(k))}, sys.argv[1])\n"
    )
    for delay in (0.003, 0.011, 0.027):
        writer = subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE)
        assert writer.stdout is not None
        with writer.stdout:
            writer.stdout.readline()
            end = time.perf_counter() + delay
            while time.perf_counter() < end:
                pass
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        assert len(set(nn.load(path)["w"])) == 1


# ---- what is not a sound file -----------------------------------------------------------------------------------------


def sound(tmp_path: Path) -> bytes:
    path = tmp_path / "sound"
    nn.save({"w": np.arange(3, dtype=np.float32)}, path, {"k": "v"})
    return path.read_bytes()


def built(header: Any, data: bytes = b"\0" * 12) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(**changes: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [3], "data_offsets": [0, 12], **changes}


class Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, ("exploded",)


def npz() -> bytes:
    out = io.BytesIO()
    np.savez(out, a=np.array([Bomb()], dtype=object))
    return out.getvalue()


MALFORMED: dict[str, bytes] = {
    "empty": b"", "short": b"\1\2", "zeros": b"\0" * 64, "pickle": pickle.dumps(Bomb()), "npz": npz(),
    "html": b"<!DOCTYPE html><html></html>",
    "header length": struct.pack("<Q", 2**63) + b"{}", "header too long": struct.pack("<Q", 10) + b"{}",
    "not JSON": built(b"{nonsense"), "not an object": built([1]), "not UTF-8": built(b'{"\xff": 1}'),
    "NaN": built(b'{"w": NaN}'),
    "deep": built(b"[" * 200_000 + b"]" * 200_000), "deep object": built(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "twice": built(b'{"w": ' + json.dumps(entry()).encode() + b', "w": ' + json.dumps(entry()).encode() + b"}"),
    "entry": built({"w": 3}), "lacks dtype": built({"w": {"shape": [3], "data_offsets": [0, 12]}}),
    "extra key": built({"w": entry(x=1)}),
    "dtype": built({"w": entry(dtype="F9")}), "dtype list": built({"w": entry(dtype=["F32"])}),
    "bfloat16": built({"w": entry(dtype="BF16")}),
    "negative shape": built({"w": entry(shape=[-3])}), "float shape": built({"w": entry(shape=[3.0])}),
    "huge shape": built({"w": entry(shape=[2**62, 2**62])}),
    "bool shape": built({"w": entry(shape=[True])}), "axes": built({"w": entry(shape=[1] * 65 + [3])}),
    "shape text": built({"w": entry(shape="3")}),
    "offsets": built({"w": entry(data_offsets=[0, 13])}), "offsets back": built({"w": entry(data_offsets=[12, 0])}),
    "one offset": built({"w": entry(data_offsets=[12])}),
    "overlap": built({"a": entry(), "b": entry()}), "gap": built({"a": entry(), "b": entry(data_offsets=[16, 28])}, b"\0" * 28),
    "trailing": built({"w": entry()}, b"\0" * 13), "cut": built({"w": entry()}, b"\0" * 11),
    "out of range": built({"w": entry(shape=[10**9], data_offsets=[0, 4 * 10**9])}),
    "metadata": built({"__metadata__": {"a": 1}, "w": entry()}), "metadata list": built({"__metadata__": [], "w": entry()}),
    "big number": built(b'{"w": ' + b"9" * 10_000 + b"}"),
    "many": built(
        b"{" + b",".join(b'"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}' % k for k in range(100_000)) + b"}", b""
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "m"
    path.write_bytes(MALFORMED[name])
    start = time.perf_counter()
    with pytest.raises(FormatError, match=r"m\b") as error:
        nn.load(path)
    assert time.perf_counter() - start < 1 and len(str(error.value)) < 600
    assert not (tmp_path / "exploded").exists(), "code in the file ran"


def test_huge_header_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "m"
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", 100_000_000) + b"{")
        file.truncate(100_000_100)  # sparse
    with pytest.raises(FormatError, match="100,000,000 bytes"):
        nn.load(path)


def test_what_it_looks_like(tmp_path: Path) -> None:
    for name, words in (("pickle", "a Python pickle"), ("npz", "zip archive"), ("html", "HTML")):
        (tmp_path / "m").write_bytes(MALFORMED[name])
        with pytest.raises(FormatError, match=words):
            nn.load(tmp_path / "m")


def test_cut_at_every_byte(tmp_path: Path) -> None:
    whole = sound(tmp_path)
    for k in range(len(whole)):
        (tmp_path / "m").write_bytes(whole[:k])
        with pytest.raises(FormatError):
            nn.load(tmp_path / "m")


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    whole = sound(tmp_path)
    for k in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[k // 8] ^= 1 << k % 8
        (tmp_path / "m").write_bytes(damaged)
        with pytest.raises(FormatError):
            nn.load(tmp_path / "m")


def test_newer_version(tmp_path: Path) -> None:
    head = json.dumps({"version": 2, "checksum": "", "metadata": {}})
    (tmp_path / "m").write_bytes(built({"__metadata__": {"wengert": head}, "w": entry()}))
    with pytest.raises(FormatError, match="format version 2"):
        nn.load(tmp_path / "m")


def test_folders_are_numbered(tmp_path: Path) -> None:
    assert [files.next_folder(tmp_path / "runs", "a").name for _ in range(3)] == ["a-1", "a-2", "a-3"]
    (tmp_path / "file").touch()
    with pytest.raises(FileError):
        files.next_folder(tmp_path / "file", "a")
