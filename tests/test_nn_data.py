"""Data sets, loaders, splits and CSV files."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
from autograd.errors import ArgumentError, DTypeError, FileError, FormatError, NotFoundError, ShapeError, UnsupportedError
from nn.datasets import DATASETS, load_csv, load_dataset, read_features

X, Y = np.arange(20, dtype=np.float32).reshape(10, 2), np.arange(10)


def labels(loader: Any) -> list[list[int]]:
    return [batch[1].tolist() for batch in loader]


def test_batches() -> None:
    loader = nn.DataLoader((X, Y), batch_size=4)
    assert labels(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(loader) == 3
    assert (
        len(nn.DataLoader((X, Y), batch_size=4, drop_last=True)) == 2 == len(labels(nn.DataLoader((X, Y), 4, drop_last=True)))
    )
    x, y = next(iter(loader))
    assert isinstance(x, ag.Tensor) and x.dtype == np.float32 and y.dtype == Y.dtype
    assert labels(nn.DataLoader((X[:0], Y[:0]), 4)) == []


def test_own_data_set() -> None:
    class Squares(nn.Dataset):
        def __len__(self) -> int:
            return 5

        def __getitem__(self, index: int) -> Any:
            return np.float32(index), index**2

    assert labels(nn.DataLoader(Squares(), batch_size=2)) == [[0, 1], [4, 9], [16]]
    with pytest.raises(NotImplementedError, match="__len__"):
        nn.DataLoader(nn.Dataset()).__len__()


def test_shuffling_is_seeded_and_differs_between_epochs() -> None:
    loader = nn.DataLoader((X, Y), 3, shuffle=True, seed=5)
    first, second = labels(loader), labels(loader)
    assert first != second and sorted(np.concatenate(first)) == list(range(10))
    again = nn.DataLoader((X, Y), 3, shuffle=True, generator=ag.Generator(5))
    assert [labels(again), labels(again)] == [first, second]
    ag.manual_seed(1)
    a = labels(nn.DataLoader((X, Y), 3, shuffle=True))
    ag.manual_seed(1)
    assert labels(nn.DataLoader((X, Y), 3, shuffle=True)) == a


def test_numpy_stream_is_left_alone() -> None:
    state = np.random.get_state()[1].tolist()  # type: ignore[index,union-attr]  # noqa: NPY002
    labels(nn.DataLoader((X, Y), 3, shuffle=True))
    nn.Linear(2, 2)
    assert np.random.get_state()[1].tolist() == state  # type: ignore[index,union-attr]  # noqa: NPY002


@pytest.mark.parametrize("consumed", [0, 1, 2, 4])
def test_resuming_in_the_middle_of_an_epoch(consumed: int) -> None:
    whole = nn.DataLoader((X, Y), 3, shuffle=True, seed=9)
    expected = labels(whole) + labels(whole) + labels(whole)
    loader = nn.DataLoader((X, Y), 3, shuffle=True, seed=9)
    seen = labels(loader)
    state = None
    if consumed:
        for k, (_, y) in enumerate(loader, 1):
            seen.append(y.tolist())
            if k == consumed:
                state = json.loads(json.dumps(loader.state_dict()))
                break
    else:
        state = loader.state_dict()
    resumed = nn.DataLoader((X, Y), 3, shuffle=True, seed=123)
    assert state is not None
    resumed.load_state_dict(state)
    seen += labels(resumed)
    seen += labels(resumed)
    assert seen[: len(expected)] == expected


def test_states_that_do_not_fit() -> None:
    loader = nn.DataLoader((X, Y), 3, shuffle=True, seed=1)
    before = loader.state_dict()
    for change in ({"batch_size": 4}, {"samples": 3}, {"position": 99}):
        with pytest.raises(ArgumentError, match="nothing was changed"):
            loader.load_state_dict(before | change)
    with pytest.raises(ArgumentError, match="lacks generator"):
        loader.load_state_dict({"position": 1})
    assert loader.state_dict() == before


@pytest.mark.parametrize(("call", "kind"), [
    (lambda: nn.DataLoader((X, Y[:3])), ShapeError),
    (lambda: nn.DataLoader((X, Y), batch_size=0), ArgumentError),
    (lambda: nn.DataLoader((X, Y), batch_size=2.5), ArgumentError),
    (lambda: nn.DataLoader((X, Y), seed=1, generator=ag.Generator(1)), ArgumentError),
    (lambda: nn.DataLoader(iter([1])), DTypeError),
    (lambda: nn.ArrayDataset(), ArgumentError),
    (lambda: nn.ArrayDataset(np.array(["a"])), DTypeError),
    (lambda: nn.ArrayDataset(X)[10], IndexError),
])  # fmt: skip
def test_bad_loaders(call: Any, kind: Any) -> None:
    with pytest.raises(kind):
        call()


def test_split_is_stratified_and_whole() -> None:
    y = np.repeat([0, 1, 2], [50, 30, 20])
    train, test = nn.train_test_split(100, y, 0.2, seed=3)
    assert sorted([*train, *test]) == list(range(100))
    assert np.bincount(y[test]).tolist() == [10, 6, 4]
    np.testing.assert_array_equal(nn.train_test_split(100, y, 0.2, seed=3)[1], test)
    assert nn.train_test_split(100, y, 0.2, seed=4)[1].tolist() != test.tolist()
    assert [len(part) for part in nn.train_test_split(7)] == [6, 1]
    for size in (0.0, 1.0, float("nan")):
        with pytest.raises(ArgumentError):
            nn.train_test_split(10, test_size=size)
    with pytest.raises(ArgumentError, match="1 samples"):
        nn.train_test_split(1)
    with pytest.raises(ShapeError):
        nn.train_test_split(10, [1, 2])


# ---- data sets by name ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_bundled(name: str) -> None:
    table = load_dataset(name)
    assert len(table.features) == len(table.targets) and table.features.shape[1] == len(table.feature_names)
    assert (table.task == "regression") == (name == "diabetes")


def test_bundled_unknown_or_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFoundError, match="did you mean 'iris'"):
        load_dataset("irises")
    real = builtins.__import__
    monkeypatch.setattr(
        builtins, "__import__", lambda name, *rest: _refuse(name) if name.startswith("sklearn") else real(name, *rest)
    )
    with pytest.raises(UnsupportedError, match="pip install"):
        load_dataset("iris")


def _refuse(name: str) -> Any:
    raise ImportError(name)


# ---- CSV --------------------------------------------------------------------------------------------------------------


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv(tmp_path: Path, separator: str) -> None:
    text = "\ufeffa,b,kind\r\n1,2,x\r\n\r\n3,4e0,y\r\n5, 6 ,x\r\n".replace(",", separator)
    table = load_csv(write(tmp_path, text), "kind")
    np.testing.assert_array_equal(table.features, [[1, 2], [3, 4], [5, 6]])
    assert table.targets.tolist() == [0, 1, 0] and table.class_names == ["x", "y"] and table.feature_names == ["a", "b"]


def test_csv_tasks(tmp_path: Path) -> None:
    path = write(tmp_path, "a,n,v\n1,10,0.5\n2,9,1.5\n3,10,2.5\n")
    assert load_csv(path, "n").class_names == ["9", "10"]
    assert load_csv(path, "n", "regression").targets.tolist() == [10, 9, 10]
    assert load_csv(path, "v").task == "regression"
    assert load_csv(path, "v", "classification").class_names == ["0.5", "1.5", "2.5"]
    np.testing.assert_array_equal(read_features(path, ["v", "a"]), [[0.5, 1], [1.5, 2], [2.5, 3]])
    with pytest.raises(NotFoundError, match="lacks the column 'b'"):
        read_features(path, ["b"])
    with pytest.raises(ArgumentError):
        load_csv(path, "n", "clustering")


@pytest.mark.parametrize(("text", "words"), [
    ("", "is empty"),
    ("\n \n", "is empty"),
    ("a,kind\n", "no rows"),
    ("a,b,kind\n1,2,x\n3,y\n", "line 3: 2 cells, and the header has 3; the first missing column is 'kind'"),
    ("a,b,kind\n1,2,x\n3,4,y,9\n", "line 3: 4 cells.*first too many is '9'"),
    ("a,b,kind\n1,2,x\n3,oops,y\n", r"line 3 \(row 2\), column 'b': the cell is 'oops'"),
    ("a,b,kind\n1,,x\n", "column 'b': the cell is empty"),
    ("a,b,kind\n1,nan,x\n", "'nan', not a finite"),
    ("a,b,kind\n1,1_0,x\n", "'1_0'"),
    ("a,b,kind\n1,2,\n", "line 2: the target column 'kind' is empty"),
    ("a,,kind\n1,2,x\n", "column 2 has no name"),
    ("a,a,kind\n1,2,x\n", "two columns are named 'a'"),
    ("kind\nx\n", "no column beside the target"),
    ("a,kind\n1,x\n2,x\n", "1 different values"),
    ('a,kind\n1,"x\n2,y\n', "not readable as CSV"),
    (b"a,kind\n1,x\n2,\xe9t\xe9\n", "line 3: byte 0xe9 is not UTF-8"),
    (b"a,b,kind\n1,2\x00,x\n", "column 'b'|line 2"),
    (",".join(f"c{k}" for k in range(1_000_000)) + "\n", "1,000,000 columns"),
    ("a" * 200_000 + ",kind\n1,x\n", "not readable as CSV"),
])  # fmt: skip
def test_bad_csv(tmp_path: Path, text: Any, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(FormatError, match=words) as error:
        load_csv(path, "kind")
    assert str(path) in str(error.value) and len(str(error.value)) < 1000


def test_csv_that_is_not_there_or_lacks_the_target(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no column 'specis', did you mean 'species'\? Its columns are a, species"):
        load_csv(write(tmp_path, "a,species\n1,x\n2,y\n"), "specis")
    for path in (tmp_path, tmp_path / "no.csv", "nul\0.csv"):
        with pytest.raises(FileError, match="cannot read"):
            load_csv(path, "kind")
