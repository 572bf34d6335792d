"""``python -m nn``: what it prints and leaves, and that every user's error is one message and exit code 2."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nn
from autograd.errors import FileError, FormatError
from nn.__main__ import main
from nn.choices import OPTIMIZERS
from nn.experiment import Run, held_out, load_table

pytest.importorskip("sklearn")
ROOT = Path(__file__).resolve().parents[1]
FAST = ["--epochs", "2", "--hidden", "16", "--quiet"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> int:
    try:
        return main(arguments)
    except SystemExit as stop:  # argparse
        return int(stop.code or 0)


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """In a process of its own, with warnings as errors."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PY": f"{sys.executable} -W error -m nn", **environment}
    return subprocess.run(["bash", "-c", command], env=env, capture_output=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "run"
    assert main(["train", "digits", *FAST, "--run-dir", str(folder)]) == 0
    return folder


def test_digits_leaves_everything(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = ["confusion.png", "curves.png", "curves.svg", "graph.svg", "weights.png"]
    assert sorted(os.listdir(digits)) == sorted(["config.json", "history.csv", "model.safetensors", *pictures])
    assert all((digits / name).read_bytes().startswith(b"\x89PNG") for name in pictures if name.endswith("png"))
    for name in ("curves.svg", "graph.svg"):
        ET.parse(digits / name)
    assert len((digits / "history.csv").read_text().splitlines()) == 3
    config = json.loads((digits / "config.json").read_text())
    assert config["class_names"] == [str(k) for k in range(10)] and config["result"]["held_out_accuracy"] > 0.6
    assert run("predict", str(digits)) == 0
    out = capsys.readouterr().out
    assert f"held-out accuracy: {config['result']['held_out_accuracy']:.2%} on 360 samples" in out
    assert run("predict", str(digits), "--index", "3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("sample 3 of digits") and len(lines[1:9]) == 8 and any(c in "".join(lines[1:9]) for c in "@#*")


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "iris", *FAST) == 0
    out, err = capsys.readouterr()
    assert "held-out accuracy: " in out and "true \\ predicted" in out and "runs/iris-1" in out and not err
    assert run("train", "iris", *FAST[:4]) == 0
    assert "2/2" in capsys.readouterr().err
    assert sorted(os.listdir("runs")) == ["iris-1", "iris-2"]


def test_same_seed_same_weights(digits: Path) -> None:
    other = nn.load(_train("digits", *FAST))
    first = nn.load(digits / "model.safetensors")
    assert all(np.array_equal(first[k], other[k]) for k in first)
    third = nn.load(_train("digits", *FAST, "--seed", "1", run="third"))
    assert any(not np.array_equal(first[k], third[k]) for k in first)


def _train(*arguments: str, run: str = "again") -> Path:
    assert main(["train", *arguments, "--run-dir", run]) == 0
    return Path(run) / "model.safetensors"


def test_the_held_out_part_is_fixed_and_unseen() -> None:
    table = load_table("digits")
    rest, test = held_out(table)
    assert sorted([*rest, *test]) == list(range(1797)) and len(test) == 360
    np.testing.assert_array_equal(held_out(table)[1], test)
    from sklearn.model_selection import train_test_split

    expected = train_test_split(np.arange(1797), test_size=0.2, stratify=table.targets, random_state=0)[1]
    np.testing.assert_array_equal(test, expected)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_learns(optimizer: str) -> None:
    settings = ["--hidden", "16", "--batch-size", "8", "--epochs", "20"]
    assert main(["train", "iris", "--quiet", "--optimizer", optimizer, *settings, "--run-dir", "r"]) == 0
    assert json.loads(Path("r/config.json").read_text())["result"]["held_out_accuracy"] > 0.7


@pytest.mark.parametrize("arguments", [
    ["wine", "--hidden", ""], ["breast_cancer", "--activation", "tanh", "--hidden", "8,4"], ["iris", "--validation", "0"],
    ["iris", "--activation", "leaky_relu", "--weight-decay", "0.1", "--label-smoothing", "0", "--batch-size", "1"],
])  # fmt: skip
def test_settings(arguments: list[str]) -> None:
    assert main(["train", *arguments, "--epochs", "2", "--quiet", "--run-dir", "r"]) == 0
    assert main(["predict", "r"]) == 0


def test_regression(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "diabetes", "--epochs", "10", "--hidden", "", "--quiet", "--run-dir", "r") == 0
    assert "R²: " in capsys.readouterr().out
    assert run("predict", "r", "--index", "0") == 0
    assert "(151)" in capsys.readouterr().out
    assert run("predict", "r") == 0
    assert "held-out R²" in capsys.readouterr().out


def test_csv_from_training_to_prediction(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    rows = [(a, b, "in" if a * a + b * b < 1 else "out") for a, b in rng.normal(size=(200, 2)).round(3)]
    Path("my points.csv").write_text("x,y,where\n" + "".join(f"{a},{b},{w}\n" for a, b, w in rows))
    assert run("train", "my points.csv", "--target", "where", "--quiet") == 0
    assert "runs/my_points-1" in capsys.readouterr().out
    Path("new.csv").write_text("y,other,x\n0,a,0\n5,b,5\n")
    assert run("predict", "runs/my_points-1", "new.csv") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:2] == ["1", "in"] and lines[2].split()[:2] == ["2", "out"] and "%" in lines[1]
    assert run("predict", "runs/my_points-1", "--index", "5") == 0
    Path("my points.csv").write_text("x,y,where\n1,1,in\n2,2,out\n")
    capsys.readouterr()
    assert run("predict", "runs/my_points-1") == 2
    assert "has changed" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "words"), [
    (["train", "digts"], "did you mean 'digits'"),
    (["train", "no.csv", "--target", "a"], "cannot read no.csv"),
    (["train", "bad.csv"], "--target COLUMN"),
    (["train", "bad.csv", "--target", "kin"], "did you mean 'kind'"),
    (["train", "bad.csv", "--target", "kind"], "line 3 (row 2), column 'b': the cell is 'oops'"),
    (["train", "iris", "--target", "x"], "--target is for CSV files"),
    (["train", "iris", "--lr", "nan"], "'nan' is not a finite number"),
    (["train", "iris", "--lr", "-1"], "'-1' is not a finite number of at least 0"),
    (["train", "iris", "--lr", "1e30", "--quiet"], "smaller --lr"),
    (["train", "iris", "--epochs", "0"], "at least 1"),
    (["train", "iris", "--batch-size", "x"], "'x' is not a whole number"),
    (["train", "iris", "--hidden", "8,-1"], "not a list of layer sizes"),
    (["train", "iris", "--hidden", "100000,100000"], "parameters; at most"),
    (["train", "iris", "--activation", "rleu"], "did you mean 'relu'"),
    (["train", "iris", "--optimizer", "adamm"], "did you mean 'adam"),
    (["train", "iris", "--validation", "1"], "not a share"),
    (["train", "iris", "--validation", "0.999"], "cannot be split"),
    (["train", "iris", "--seed", "-3"], "at least 0"),
    (["train", "iris", "--run-dir", "full"], "is not empty"),
    (["train", "iris", "--run-dir", "bad.csv"], "cannot make the run folder"),
    (["train", "iris", "--run-dir", "nul\0"], "cannot make the run folder"),
    (["train", "iris", "--nonsense"], "--nonsense"),
    (["train"], "DATA"),
    (["nonsense"], "invalid choice"),
    ([], "COMMAND"),
    (["predict", "nowhere"], "no run folder 'nowhere'"),
    (["predict", "full"], "is not a run folder"),
])  # fmt: skip
def test_bad_calls(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.csv").write_text("a,b,kind\n1,2,x\n3,oops,y\n")
    Path("full").mkdir()
    Path("full/file").touch()
    before = sorted(os.listdir("."))
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1 and "Traceback" not in err, err
    left = list(Path("runs").iterdir()) if Path("runs").exists() else []
    assert not left and [n for n in sorted(os.listdir(".")) if n != "runs"] == before


def test_bad_predictions(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.csv").write_text("pixel_0_0,b\n1,2\n")
    for arguments, words in (
        (["--index", "1797"], "samples 0 to 1796"),
        (["--index", "-1"], "at least 0"),
        (["t.csv"], "lacks the column 'pixel_0_1'"),
        (["t.csv", "--index", "1"], "not both"),
        (["no.csv"], "cannot read"),
    ):
        assert run("predict", str(digits), *arguments) == 2
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("change", [
    lambda c: "", lambda c: "[]", lambda c: "{}", lambda c: "[" * 100_000, lambda c: json.dumps({**c, "format": 99}),
    lambda c: json.dumps({**c, "hidden": [3]}), lambda c: json.dumps({**c, "hidden": "x"}),
    lambda c: json.dumps({**c, "activation": 3}),
    lambda c: json.dumps({**c, "inputs": {"mean": [], "scale": []}}), lambda c: json.dumps({**c, "class_names": ["a"]}),
])  # fmt: skip
def test_damaged_runs(digits: Path, change: Any) -> None:
    Path("r").mkdir()
    for name in ("config.json", "model.safetensors"):
        Path("r", name).write_bytes((digits / name).read_bytes())
    Path("r/config.json").write_text(change(json.loads(Path("r/config.json").read_text())))
    with pytest.raises(FormatError):
        Run.load("r")
    assert run("predict", "r") == 2


def test_missing_weights(digits: Path) -> None:
    Path("r").mkdir()
    Path("r/config.json").write_bytes((digits / "config.json").read_bytes())
    with pytest.raises(FileError):
        Run.load("r")
    Path("r/model.safetensors").write_bytes((digits / "model.safetensors").read_bytes()[:-5])
    with pytest.raises(FormatError):
        Run.load("r")


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["predict", "--help"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 0
    assert "python -m nn" in capsys.readouterr().out


def test_without_matplotlib(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run("train", "iris", *FAST, "--run-dir", "r") == 0
    assert capsys.readouterr().err.count("matplotlib, which is not installed") == 1
    assert "curves.svg" not in os.listdir("r") and "graph.svg" in os.listdir("r")


def test_streams_that_do_not_listen() -> None:
    """Closed pipes and streams, and a terminal that knows ASCII only: the run is finished all the same."""
    command = "; ".join([
        "set -o pipefail", "$PY train iris --epochs 2 --run-dir pipe | true", "echo ${PIPESTATUS[0]}",
        "$PY train iris --epochs 2 --run-dir closed >&- 2>&-", "echo $?",
    ])  # fmt: skip
    done = shell(command)
    assert done.stdout.split() == [b"0", b"0"], done
    assert {"model.safetensors", "history.csv"} <= set(os.listdir("pipe")) & set(os.listdir("closed"))
    done = shell("$PY train diabetes --epochs 2 --run-dir ascii", PYTHONIOENCODING="ascii", LC_ALL="C", PYTHONUTF8="0")
    assert done.returncode == 0 and b"R?" in done.stdout and b"Traceback" not in done.stderr, done


def test_interrupted() -> None:
    command = [sys.executable, "-m", "nn", "train", "digits", "--epochs", "100000", "--run-dir", "r"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr is not None
    seen = b""
    while not re.search(rb"[1-9]\d*/100000", seen):
        piece = process.stderr.read1(1000)  # type: ignore[attr-defined]
        assert piece, seen
        seen += piece
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and b"interrupted: " in out and b"held-out accuracy" in out, (out, err)
    assert {"model.safetensors", "history.csv"} <= set(os.listdir("r"))
    Run.load("r")


def test_steps_run_compiled_and_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Compiled unless there is no compiler or it is not wanted; the same seed gives the same weights each time."""
    import autograd as ag

    said, weights = [], []
    for k, extra in enumerate(([], [], ["--no-jit"])):
        assert run("train", "digits", *FAST, *extra, "--run-dir", f"run{k}") == 0
        said.append(re.findall(r"^steps run (.*)$", capsys.readouterr().out, re.M))
        weights.append(Path(f"run{k}", "model.safetensors").read_bytes())
    usual = ["compiled" if ag.can_compile() else "uncompiled: there is no usable LLVM"]
    assert said == [usual, usual, ["uncompiled: jit=False"]]
    assert weights[0] == weights[1]
