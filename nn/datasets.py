"""Real data: scikit-learn's bundled sets by name, and CSV files."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import StringIO
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from autograd.errors import ArgumentError, FileError, FormatError, NotFoundError, UnsupportedError
from nn.names import nearest

__all__ = ["DATASETS", "Table", "load_csv", "load_dataset", "read_features"]

DATASETS = {
    "digits": "1,797 scans of handwritten digits, 8×8 pixels, 10 classes",
    "iris": "150 flowers, 4 measurements, 3 species",
    "wine": "178 wines, 13 chemical measurements, 3 growers",
    "breast_cancer": "569 tumours, 30 measurements, malignant or benign",
    "diabetes": "442 patients, 10 measurements, progression after a year (regression)",
}
MAX_COLUMNS = 10_000
MAX_CLASSES = 1_000


@dataclass(frozen=True)
class Table:
    """A data set in memory: features (N, D) float64, targets (N,) of class indices or of floats."""

    name: str
    features: np.ndarray[Any, Any]
    targets: np.ndarray[Any, Any]
    feature_names: list[str]
    class_names: list[str] | None  # None: regression
    target_name: str = "target"
    one_unit: bool = False  # whether all features are of one kind, such as the pixels of a picture

    @property
    def task(self) -> str:
        """ "classification" or "regression"."""
        return "regression" if self.class_names is None else "classification"


def load_dataset(name: str) -> Table:
    """One of scikit-learn's bundled sets: digits, iris, wine, breast_cancer, diabetes. Nothing is downloaded.

    >>> load_dataset("iris").class_names
    ['setosa', 'versicolor', 'virginica']
    >>> load_dataset("digts")
    Traceback (most recent call last):
    autograd.errors.NotFoundError: there is no data set 'digts', did you mean 'digits'...? There are digits, iris, ...
    """
    if name not in DATASETS:
        raise NotFoundError(
            f"there is no data set {name!r:.100}{nearest(name, DATASETS)} There are {', '.join(DATASETS)}; or give a CSV file."
        )
    try:
        from sklearn import datasets
    except ImportError:
        raise UnsupportedError(
            f"the data set {name!r} comes with scikit-learn, which is not installed here. "
            'Install it, python -m pip install "scikit-learn>=1.5", or train on a CSV file.'
        ) from None
    bunch = getattr(datasets, f"load_{name}")()
    regression = name == "diabetes"
    return Table(
        name,
        np.asarray(bunch.data, np.float64),
        np.asarray(bunch.target, np.float64 if regression else np.int64),
        [str(n) for n in bunch.feature_names],
        None if regression else [str(n) for n in bunch.target_names],
        "progression" if regression else "class",
        name == "digits",
    )


def load_csv(path: str | Path, target: str, task: str = "auto", encoding: str = "utf-8-sig") -> Table:
    """A CSV file with a header, numbers in all feature columns, and a target column of class names or numbers.

    Args:
        path: the file; separated by ',', ';' or tabs.
        target: the name of the target column.
        task: "classification", "regression", or "auto": classification if the targets are words, or at most 20 different
            whole numbers; regression else.

    Errors: FileError (cannot be read), FormatError (empty, ragged, a cell that is not a number, not UTF-8: with line,
    column and value), NotFoundError (no such column).
    """
    if task not in ("auto", "classification", "regression"):
        raise ArgumentError(f'task must be "auto", "classification" or "regression", got {task!r}.')
    header, rows = _rows(path, encoding)
    if target not in header:
        raise NotFoundError(
            f"{path} has no column {target!r}{nearest(target, header)} Its columns are "
            f"{', '.join(header[:20])}{' …' if len(header) > 20 else ''}."
        )
    if len(header) == 1:
        raise FormatError(f"{path} has no column beside the target {target!r}: there is nothing to learn from.")
    at = header.index(target)
    if not rows:
        raise FormatError(f"{path} has a header and no rows of data.")
    features = _numbers(path, header, rows, [k for k in range(len(header)) if k != at])
    words = [cells[at].strip() for _, cells in rows]
    for (line, _), word in zip(rows, words, strict=True):
        if not word:
            raise FormatError(f"{path}, line {line}: the target column {target!r} is empty. Fill it, or delete the row.")
    numbers = [_float(w) for w in words]
    whole = all(v is not None and isfinite(v) and v == int(v) for v in numbers)
    if task == "auto":
        task = "regression" if None not in numbers and not (whole and len(set(numbers)) <= 20) else "classification"
    names = [n for k, n in enumerate(header) if k != at]
    if task == "regression":
        targets = _numbers(path, header, rows, [at])[:, 0]
        return Table(Path(path).stem, features, targets, names, None, target)
    classes = [str(c) for c in (sorted(set(words), key=float) if whole else sorted(set(words)))]
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise FormatError(
            f"{path}: the target column {target!r} has {len(classes):,} different values; classification takes "
            f"2 to {MAX_CLASSES:,}. "
            "Choose another column, or --task regression."
        )
    number = {c: k for k, c in enumerate(classes)}
    return Table(Path(path).stem, features, np.array([number[w] for w in words]), names, classes, target)


def read_features(path: str | Path, names: list[str], encoding: str = "utf-8-sig") -> np.ndarray[Any, Any]:
    """The named feature columns of a CSV file, (N, D), in the order of the names; other columns are left alone."""
    header, rows = _rows(path, encoding)
    missing = [n for n in names if n not in header]
    if missing:
        raise NotFoundError(
            f"{path} lacks the column {missing[0]!r}{nearest(missing[0], header)}"
            + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
            + f" The model was trained on {', '.join(names[:20])}{' …' if len(names) > 20 else ''}."
        )
    if not rows:
        raise FormatError(f"{path} has a header and no rows of data.")
    return _numbers(path, header, rows, [header.index(n) for n in names])


def _rows(path: str | Path, encoding: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and (line number, cells) of every row that is not blank."""
    try:
        raw = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"cannot read {path}: {reason}. Check the path.") from None
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise FormatError(
            f"{path}, line {line}: byte 0x{raw[error.start]:02x} is not "
            f"{encoding.removesuffix('-sig').upper()} text. Save the file as UTF-8."
        ) from None
    except LookupError:
        raise ArgumentError(f"there is no encoding {encoding!r}.") from None
    if not text.strip():
        raise FormatError(f"{path} is empty. A CSV file begins with a line of column names.")
    first = text.lstrip("\r\n").split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    if first.count(separator) >= MAX_COLUMNS:
        raise FormatError(f"{path}, line 1: {first.count(separator) + 1:,} columns; at most {MAX_COLUMNS:,} are read.")
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[tuple[int, list[str]]] = []
    header: list[str] = []
    try:
        for cells in reader:
            if not cells or cells == [""]:
                continue
            if not header:
                header = _header(path, cells)
            elif len(cells) != len(header):
                few = (
                    f"the first missing column is {header[len(cells)]!r}"
                    if len(cells) < len(header)
                    else f"the first too many is {cells[len(header)]!r:.60}"
                )
                raise FormatError(
                    f"{path}, line {reader.line_num}: {len(cells):,} cells, and the header has {len(header):,}; {few}."
                )
            else:
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise FormatError(f"{path}, line {reader.line_num}: not readable as CSV: {error}.") from None
    return header, rows


def _header(path: str | Path, cells: list[str]) -> list[str]:
    names = [c.strip() for c in cells]
    for k, name in enumerate(names):
        if not name:
            raise FormatError(f"{path}, line 1: column {k + 1} has no name.")
    twice = [n for k, n in enumerate(names) if n in names[:k]] if len(set(names)) < len(names) else []
    if twice:
        raise FormatError(f"{path}, line 1: two columns are named {twice[0]!r}. Rename one.")
    return names


def _numbers(
    path: str | Path, header: list[str], rows: list[tuple[int, list[str]]], columns: list[int]
) -> np.ndarray[Any, Any]:
    out = np.empty((len(rows), len(columns)))
    for i, (line, cells) in enumerate(rows):
        for j, k in enumerate(columns):
            value = _float(cells[k])
            if value is None or not isfinite(value):
                what = "empty" if not cells[k].strip() else f"{cells[k]!r:.60}, not a finite number"
                raise FormatError(
                    f"{path}, line {line} (row {i + 1}), column {header[k]!r}: the cell is {what}. Fill in a "
                    "number, or delete the row or column."
                )
            out[i, j] = value
    return out


def _float(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None
