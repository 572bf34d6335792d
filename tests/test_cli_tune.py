"""``python -m nn tune``: what it leaves, that it goes on after Ctrl-C, that users' errors are one line; and the settings of
`train` that test_cli.py does not try."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("optuna")

from nn.__main__ import main
from nn.choices import OPTIMIZERS, optimizers
from nn.experiment import Run, held_out, load_table
from nn.tune import default_space

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> int:
    try:
        return main(arguments)
    except SystemExit as stop:  # argparse
        return int(stop.code or 0)


def trials(folder: str) -> list[dict[str, str]]:
    with open(Path(folder, "trials.csv"), encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_search_report_and_prediction(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    assert run("tune", "iris", "--trials", "3", "--cv", "2", "--out", "r") == 0
    out, err = capsys.readouterr()
    assert "120 samples in 2 folds, 30 held out" in out and "held-out accuracy" in out and "3/3" in err and "best=" in err
    left = {"study.db", "trials.csv", "search.svg", "search.png", "config.json", "model.safetensors", "history.csv"}
    assert left <= set(os.listdir("r"))
    ET.parse("r/search.svg")
    rows = trials("r")
    assert len(rows) == 3 and set(default_space()) <= set(rows[0])
    config = json.loads(Path("r/config.json").read_text())
    best = max((r for r in rows if r["state"] == "complete"), key=lambda r: float(r["score"]))
    assert config["result"]["search_score"] == float(best["score"]) and config["dropout"] == float(best["dropout"])
    assert str(tuple(config["hidden"])) == best["hidden_layer_sizes"]
    # the figure that was printed is the kept network's, on samples that the search never saw
    table = load_table("iris")
    _, test = held_out(table)
    share = float(np.mean(Run.load("r").predict(table.features[test]).argmax(1) == table.targets[test]))
    assert config["result"]["held_out_accuracy"] == pytest.approx(share)
    assert run("predict", "r") == 0 and f"held-out accuracy: {share:.2%}" in capsys.readouterr().out


def test_more_trials_go_on_and_the_same_command_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    only = ["--only", "learning_rate,epochs", "--method", "random", "--quiet"]
    assert run("tune", "diabetes", *only, "--trials", "1", "--out", "parts") == 0
    assert run("tune", "diabetes", *only, "--trials", "2", "--out", "parts") == 0
    weights = Path("parts/model.safetensors").read_bytes()
    assert run("tune", "diabetes", *only, "--trials", "2", "--out", "parts") == 0
    assert run("tune", "diabetes", *only, "--trials", "2", "--out", "whole") == 0
    assert trials("parts") == trials("whole") and len(trials("whole")) == 2
    assert weights == Path("parts/model.safetensors").read_bytes() == Path("whole/model.safetensors").read_bytes()
    capsys.readouterr()
    assert run("tune", "diabetes", *only, "--cv", "5", "--out", "parts") == 2
    assert "made with other settings (folds" in capsys.readouterr().err
    assert run("predict", "parts") == 0 and "held-out R²" in capsys.readouterr().out


def test_interrupted_and_resumed() -> None:
    """Ctrl-C while trials run: exit code 130, the study on disk, a table of what is known; the same command then ends it."""
    command = [sys.executable, "-W", "error", "-m", "nn", "tune", "iris", "--only", "learning_rate,epochs", "--out", "r"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([*command, "--trials", "500"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr is not None
    seen = b""
    while b"2/500" not in seen:
        piece = process.stderr.read1(1000)  # type: ignore[attr-defined]
        assert piece, seen
        seen += piece
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and b"the same command goes on" in out and b"Traceback" not in err, (out, err)
    before = trials("r")
    assert 2 <= len(before) < 400 and "config.json" not in os.listdir("r")
    more = str(len(before) + 1)
    done = subprocess.run([*command, "--trials", more], env=env, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0 and b"held-out accuracy" in done.stdout, done
    assert trials("r")[:-1] == before and len(trials("r")) == int(more)


def test_a_csv_file_by_grid(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 2))
    rows = [f"{a},{b},{'in' if a * a + b * b < 1 else 'out'}" for a, b in x.round(3)]
    Path("points.csv").write_text("x,y,where\n" + "\n".join(rows) + "\n")
    assert run("tune", "points.csv", "--target", "where", "--method", "grid", "--only", "learning_rate", "--quiet") == 0
    assert len(trials("runs/points-tune")) == 4
    Path("new.csv").write_text("x,y\n0,0\n5,5\n")
    capsys.readouterr()
    assert run("predict", "runs/points-tune", "new.csv") == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[1:3]] == ["in", "out"]


@pytest.mark.parametrize(("arguments", "words"), [
    (["tune", "digts"], "did you mean 'digits'"), (["tune", "iris", "--method", "bayes"], "invalid choice"),
    (["tune", "iris", "--trials", "0"], "at least 1"), (["tune", "iris", "--cv", "1"], "at least 2"),
    (["tune", "iris", "--only", "lerning_rate"], "did you mean 'learning_rate'"),
    (["tune", "iris", "--out", "full"], "holds no study"), (["tune", "iris", "--out", "full/file"], "cannot make the folder"),
    (["train", "iris", "--dropout", "1"], "not a share"), (["train", "iris", "--l1", "-1"], "at least 0"),
    (["train", "iris", "--schedule", "cosin"], "did you mean 'cosine'"),
    (["train", "iris", "--early-stopping", "0"], "at least 1"),
    (["train", "iris", "--early-stopping", "3", "--validation", "0"], "--validation"),
])  # fmt: skip
def test_bad_calls(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("full").mkdir()
    Path("full/file").touch()
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1 and "Traceback" not in err, err


def test_what_train_takes(capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--dropout", "0.3", "--l1", "1e-4", "--l2", "1e-3", "--schedule", "step", "--clip-norm", "1", "--lr", "0.05",
                "--activation", "gelu", "--hidden", "32", "--early-stopping", "2", "--epochs", "200"]  # fmt: skip
    assert run("train", "wine", *settings, "--quiet", "--run-dir", "r") == 0
    assert "early stopping: kept the weights of epoch" in capsys.readouterr().out
    config = json.loads(Path("r/config.json").read_text())
    assert config["dropout"] == 0.3 and config["training"]["l2"] == 1e-3 and config["result"]["epochs"] < 200
    assert config["result"]["held_out_accuracy"] > 0.9
    assert run("predict", "r") == 0
    assert "(Dropout)" not in str(Run.load("r").model) and "Dropout" in str(Run.load("r").model)


def test_penalties_and_dropout_change_the_weights() -> None:
    weights = []
    for k, extra in enumerate(([], ["--l2", "0.1"], ["--l1", "0.01"], ["--dropout", "0.5"], ["--clip-norm", "0.01"])):
        assert main(["train", "iris", "--epochs", "3", "--no-jit", "--quiet", *extra, "--run-dir", f"r{k}"]) == 0
        weights.append(float(sum(np.square(p.numpy()).sum() for p in Run.load(f"r{k}").model.parameters())))
    assert len(set(weights)) == 5 and weights[1] < weights[0] > weights[2]


def test_every_optimizer_of_the_library_by_name() -> None:
    for name in sorted(set(optimizers()) - set(OPTIMIZERS)):
        assert main(["train", "iris", "--quiet", "--optimizer", name, "--epochs", "1", "--no-jit", "--run-dir", name]) == 0
