"""Model files: a state dict in a safetensors file, which other tools open too.

Written whole or not at all, and read only after everything about it was checked: nothing in such a file is ever run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autograd import Tensor
from autograd.errors import ArgumentError, DTypeError, FileError, FormatError

__all__ = ["Contents", "load", "read", "save", "write_atomically"]

VERSION = 1
MAX_HEADER = 16 << 20
MAX_TENSORS = 65_536
OURS = "wengert"  # the metadata key: {"version", "checksum", "metadata"} as JSON. One key, so that a file's bytes are fixed.
DTYPES: dict[str, Any] = {
    "BOOL": np.bool_, "U8": np.uint8, "I8": np.int8, "U16": np.uint16, "I16": np.int16, "U32": np.uint32, "I32": np.int32,
    "U64": np.uint64, "I64": np.int64, "F16": np.float16, "F32": np.float32, "F64": np.float64, "C64": np.complex64,
}  # fmt: skip
SIGNATURES = {
    b"\x80": "a Python pickle", b"PK": "a zip archive (.npz, or PyTorch's .pt)", b"\x93NUMPY": "a NumPy .npy file",
    b"<": "HTML or XML", b"\x1f\x8b": "gzip", b"\x89PNG": "a picture", b"%PDF": "a PDF", b"{": "JSON",
}  # fmt: skip

Array = np.ndarray[Any, Any]


class Contents(NamedTuple):
    """What a model file holds: the arrays by name, and the metadata that was saved with them."""

    state: dict[str, Array]
    metadata: dict[str, str]


def save(state: Any, path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None) -> None:
    """Write a state dict, or a module's, to a safetensors file.

    The file is written beside its target under another name and then moved there in one step: whoever reads sees the old
    file or the new one, complete, and a failure leaves the old one. An existing file keeps its mode; through a symbolic
    link, the file that it points to is replaced. Names of tensors are data and may be any text.

    Args:
        state: a Module, or arrays and Tensors by name.
        path: the file; its folder must exist.
        metadata: text by name, to be saved along.

    Errors: FileError with the path (folder missing, no permission, disk full); DTypeError (what is not an array of numbers).

    >>> import tempfile, nn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save({"w": np.zeros(3)}, folder + "/model.safetensors")
    ...     load(folder + "/model.safetensors")
    {'w': array([0., 0., 0.])}
    """
    from safetensors.numpy import save as serialise

    mapping = state.state_dict() if hasattr(state, "state_dict") and not isinstance(state, Mapping) else state
    if not isinstance(mapping, Mapping):
        raise DTypeError(f"save takes a Module or a dict of arrays, got {type(state).__name__}.")
    arrays: dict[str, Array] = {}
    for name, value in mapping.items():
        if not isinstance(name, str) or name == "__metadata__":
            raise ArgumentError(f"a tensor in a file is named by a string other than '__metadata__', got {name!r}.")
        given = value.data if isinstance(value, Tensor) else np.asarray(value)
        array = np.ascontiguousarray(given).reshape(given.shape)  # ascontiguousarray gives 0-d arrays an axis
        if array.dtype.newbyteorder("=") not in {np.dtype(d) for d in DTYPES.values()}:
            raise DTypeError(f"{name!r} has dtype {array.dtype}, which safetensors does not hold. Convert it, or leave it out.")
        arrays[name] = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    notes = dict(metadata or {})
    if not all(isinstance(k, str) and isinstance(v, str) for k, v in notes.items()):
        raise DTypeError("metadata is text by name; turn other values into text first, by json.dumps().")
    head = {"version": VERSION, "checksum": _checksum(arrays, notes), "metadata": notes}
    try:
        content = serialise(arrays, {OURS: json.dumps(head, sort_keys=True)})
    except UnicodeEncodeError:
        raise ArgumentError("a name or metadata holds text that is not valid Unicode (a lone surrogate).") from None
    write_atomically(path, content)


def load(path: str | os.PathLike[str]) -> dict[str, Array]:
    """The state dict in a safetensors file, ours or another tool's: ``model.load_state_dict(nn.load(path))``.

    Errors: FileError (cannot be read); FormatError for all that is not a sound file: pickles and archives, damaged, truncated,
    changed since it was written (by the checksum), or written by a newer version of this library.
    """
    return read(path).state


def read(path: str | os.PathLike[str]) -> Contents:
    """The arrays and the metadata of a safetensors file; errors as for `load`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as parse

    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(8)
            length = _header_length(path, start, size)
            header = file.read(length)
            entries, metadata = _checked_header(path, header, size - 8 - length)
            content = start + header + file.read()
    except OSError as error:
        raise _file_error("read", path, error) from None
    if len(content) != size:
        raise FormatError(f"{path} changed while it was being read. Load it again.")
    try:
        arrays = parse(content)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path} is not a sound safetensors file: {error}.") from None
    del content
    arrays = {name: arrays[name] for name in entries}
    notes = {k: v for k, v in metadata.items() if k != OURS}
    if OURS not in metadata:
        if any('"checksum"' in v for v in metadata.values()):
            raise _damaged(path)
        return Contents(arrays, notes)
    ours = _json(path, metadata[OURS].encode())
    version = ours.get("version") if isinstance(ours, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise FormatError(f"{path} has format version {version}, and this library reads up to {VERSION}. Install a newer one.")
    if (
        version != VERSION
        or not isinstance(ours.get("metadata"), dict)
        or ours.get("checksum") != _checksum(arrays, ours["metadata"])
    ):
        raise _damaged(path)
    return Contents(arrays, {**notes, **ours["metadata"]})


def write_atomically(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write a file whole or not at all: beside its target, to the disk, then moved there. Text is written as UTF-8."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        target = os.path.realpath(path)
        if os.path.isdir(target):
            raise IsADirectoryError(21, "it is a folder")
        try:
            mode: int | None = os.stat(target).st_mode & 0o7777
        except FileNotFoundError:
            mode = None
        folder, name = os.path.split(target)
        beside = os.path.join(folder, f".{name[:100]}.{os.urandom(6).hex()}.tmp")
        number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with os.fdopen(number, "wb") as file:
                if mode is not None:
                    os.chmod(beside, mode)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, target)
        except BaseException:
            os.unlink(beside)
            raise
        _sync_folder(folder)
    except (OSError, ValueError) as error:
        raise _file_error("write", path, error) from None


def _sync_folder(folder: str) -> None:
    """Make the move itself last; where folders cannot be synced, nothing is lost but that."""
    try:
        number = os.open(folder or ".", os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(number)
    except OSError:
        pass
    finally:
        os.close(number)


def _file_error(action: str, path: Any, error: Exception) -> FileError:
    reason = getattr(error, "strerror", None) or error
    hint = (
        "Make its folder first."
        if isinstance(error, FileNotFoundError) and action == "write"
        else "Check the path, its permissions and the space on the disk."
    )
    return FileError(f"cannot {action} {os.fspath(path)!r}: {reason}. {hint}")


def _checksum(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> str:
    """SHA-256 over the metadata, and the names, dtypes, shapes and values of all arrays, in the order of their names."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(array.reshape(-1).view(np.uint8).data if array.size else b"")
    return "sha256:" + digest.hexdigest()


def _damaged(path: Any) -> FormatError:
    return FormatError(f"{path} is damaged: its checksum does not match its content. Copy it again from where it was written.")


def _header_length(path: Any, start: bytes, size: int) -> int:
    if len(start) < 8:
        raise FormatError(
            f"{path} is {'empty' if not start else 'cut off'}: a safetensors file has at least 8 bytes, this one {len(start)}."
        )
    length = int.from_bytes(start, "little")
    if length > size - 8 or length < 2:
        what = next((w for s, w in SIGNATURES.items() if start.startswith(s)), None)
        guess = f"it looks like {what}" if what else f"its header would have {length:,} bytes, and the file has {size:,}"
        raise FormatError(
            f"{path} is not a safetensors file, or is cut off: {guess}. Only safetensors files are read; nothing in it was run."
        )
    if length > MAX_HEADER:
        raise FormatError(f"{path} has a header of {length:,} bytes; at most {MAX_HEADER:,} are read.")
    return length


def _json(path: Any, text: bytes) -> Any:
    def unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"the name {key!r:.80} occurs twice")
            found[key] = value
        return found

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not JSON")

    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse)
    except RecursionError:
        raise FormatError(f"{path} has a header nested too deeply.") from None
    except ValueError as error:
        raise FormatError(f"{path} has a header that cannot be read: {error}.") from None


def _checked_header(path: Any, text: bytes, available: int) -> tuple[list[str], dict[str, str]]:
    """The names in the order of their data, and the metadata, of a header in which everything was checked."""
    if text.count(b"data_offsets") > MAX_TENSORS:
        raise FormatError(f"{path} lists more than {MAX_TENSORS:,} tensors.")
    header = _json(path, text)
    if not isinstance(header, dict):
        raise FormatError(f"{path} has a header that is not a JSON object.")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise FormatError(f"{path} has metadata that is not text by name.")
    if len(header) > MAX_TENSORS:
        raise FormatError(f"{path} lists {len(header):,} tensors; at most {MAX_TENSORS:,} are read.")
    spans = sorted((*_entry(path, name, entry), name) for name, entry in header.items())
    end = 0
    for start, stop, name in spans:
        if start != end:
            raise FormatError(f"{path}: the data of {name!r:.80} starts at byte {start}, where {end} was expected.")
        end = stop
    if end != available:
        raise FormatError(
            f"{path} has {available:,} bytes of data, and its header speaks of {end:,}: it is cut off, or has bytes too many."
        )
    return [name for _, _, name in spans], metadata


def _entry(path: Any, name: str, entry: Any) -> tuple[int, int]:
    def wrong(what: str) -> FormatError:
        return FormatError(f"{path}: tensor {name!r:.80} {what}.")

    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise wrong("is not described by dtype, shape and data_offsets")
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in DTYPES:
        raise wrong(f"has dtype {entry['dtype']!r:.40}, which NumPy cannot hold; known are {', '.join(DTYPES)}")
    shape, offsets = entry["shape"], entry["data_offsets"]
    number: Callable[[Any], bool] = lambda n: type(n) is int and 0 <= n < 1 << 63  # noqa: E731
    if not isinstance(shape, list) or len(shape) > 64 or not all(map(number, shape)):
        raise wrong(f"has a shape that is not one: {shape!r:.60}")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(number, offsets)):
        raise wrong(f"has offsets that are none: {offsets!r:.60}")
    if offsets[1] - offsets[0] != prod(shape) * np.dtype(DTYPES[entry["dtype"]]).itemsize:
        raise wrong(f"of shape {shape!r:.60} and dtype {entry['dtype']} does not fill bytes {offsets[0]} to {offsets[1]}")
    return offsets[0], offsets[1]


def next_folder(parent: str | os.PathLike[str], stem: str) -> Path:
    """Make and return the first folder ``parent/stem-1``, ``stem-2`` … that does not exist yet."""
    try:
        Path(parent).mkdir(parents=True, exist_ok=True)
        for k in range(1, 1_000_000):
            folder = Path(parent) / f"{stem}-{k}"
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                continue
    except OSError as error:
        raise _file_error("write", parent, error) from None
    raise FileError(f"{parent} is full of folders named {stem}-….")
