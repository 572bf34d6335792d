"""The benchmark's own arithmetic, and one small comparison from end to end. No peer is needed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench.compare import Options, Row, Team, compare, difference
from bench.peers import ENGINES, HOME_OF, interpreter
from bench.report import Result, document, markdown, rate, table, text
from bench.targets import TARGETS, Target, Verdict, fastest, judge
from bench.workloads import Adam, batches, chain, start, workloads

PEAKS = {"flops": 1e11, "bytes": 1e10}


def rows() -> list[Row]:
    return [
        Row("wengert", rounds=[4.0, 4.0], costs={"peak": 10.0}),
        Row("wengert_jit", rounds=[1.0, 2.0], costs={"peak": 4.0, "cold": 3.0, "warm": 0.2}),
        Row("products", rounds=[0.5, 0.5]),
        Row("torch", rounds=[10.0, 10.0], costs={"peak": 5.0}),
        Row("jax", rounds=[2.0, 4.0], costs={"peak": 10.0, "cold": 1.0}),
        Row("hips", why="no"),
    ]


def test_every_target_is_of_a_workload_and_an_engine():
    names = {work.name for work in workloads()}
    assert set(TARGETS) <= names
    for targets in TARGETS.values():
        for target in targets:
            assert target.ours in ENGINES and target.to in (*ENGINES, "", "the fastest")


def test_verdicts():
    found = {(v.target.ours, v.target.to, v.target.of): v for v in judge("mlp_digits", 1, rows())}
    assert fastest(rows()).engine == "jax"  # neither ours nor a floor
    assert found["wengert_jit", "the fastest", "time"].value == 0.5
    assert found["wengert_jit", "the fastest", "time"].met
    assert found["wengert", "torch", "time"].spread == (0.4, 0.4)
    assert found["wengert_jit", "jax", "cold"].value == 3 and not found["wengert_jit", "jax", "cold"].met
    assert found["wengert_jit", "", "warm"].value == 0.2 and found["wengert_jit", "", "warm"].met
    assert found["wengert", "torch", "peak"].value == 2
    assert ("wengert_jit", "torch_compile", "cold") not in found  # no such figure
    late = [
        Row("wengert_jit", rounds=[1.0], costs={"cold": 3.0}),
        Row("jax", why="no answer within 60 s", costs={"cold": 60.0}),
    ]
    assert [v.value for v in judge("scalar", 10_000, late) if v.target.of == "cold"] == [0.05]
    assert "MISSED" in str(Verdict("w", Target("wengert", "torch", 0.5), "torch", 0.7))


def test_tables():
    work = next(w for w in workloads() if w.name == "mlp_digits")
    lines = {line[0]: line for line in table(work, rows(), PEAKS)}
    assert lines["torch"][3:5] == ["0.40 (0.40–0.40)", "0.15 (0.10–0.20)"]
    assert lines["hips"] == ["hips", "left out: no"]
    assert rate(2e9, 0.1, 1e11) == "20 (20%)" and rate(0, 1, 1) == ""
    result = Result(work, rows(), judge(work.name, work.units, rows()), ["micrograd"])
    assert "no such work in: micrograd" in text(result, PEAKS)
    assert "**mlp_digits**" in markdown(["about"], [result], PEAKS)


def test_batches_are_the_same_in_every_process_and_aligned():
    for work in workloads():
        if work.name in ("adam", "mlp_large", "softmax_ce", "gelu", "layer_norm"):
            continue  # the same code, and large
        one, two = (batches(work.build, work.settings) for _ in range(2))
        for a, b in zip(one, two, strict=True):
            assert all(np.array_equal(x, y) and x.ctypes.data % 64 == 0 for x, y in zip(a, b, strict=True))
        assert not np.array_equal(one[0][0], one[1][0])  # fresh ones


def test_difference_is_a_share_of_the_way():
    first, ours = np.zeros(4), np.ones(4)
    assert difference(ours, ours * 1.01, first) == pytest.approx(0.01)
    assert difference(ours, np.ones(3), first) == np.inf
    assert difference(ours + 100, ours * 1.01 + 100, first + 100) == pytest.approx(0.01)


def test_the_update_by_hand_is_adam():
    p = [np.array([1.0, -2.0])]
    Adam(p, rate=0.1).step([np.array([3.0, -4.0])])
    assert p[0] == pytest.approx([0.9, -1.9])


def test_an_engine_without_interpreter_says_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("TORCH", "HIPS"):
        monkeypatch.delenv(f"WENGERT_BENCH_{name}", raising=False)
    python, why = interpreter("torch", {})
    assert python is None and "bench setup torch" in why
    assert interpreter("torch_fused", {HOME_OF["torch_fused"]: "/a/python"}) == ("/a/python", "--python")
    monkeypatch.setenv("WENGERT_BENCH_HIPS", "/b/python")
    assert interpreter("hips", {}) == ("/b/python", "WENGERT_BENCH_HIPS")


def test_a_comparison_from_end_to_end(tmp_path):
    options = Options(rounds=1, budget=0.002, threads=1)
    work = next(w for w in workloads() if w.name == "mlp_small")
    engines = ["wengert", "numpy", "products"]
    team = Team(engines, options)
    try:
        found = compare(work, team, engines)
        small = compare(chain(3, 4), team, engines)
        assert [(r.engine, r.why, len(r.rounds)) for r in found] == [(e, "", 1) for e in engines]
        assert [r.engine for r in small] == ["wengert", "numpy"]  # a floor has no such work
        made = document(team, options, {"commit": "?"}, PEAKS, [Result(work, found, [], [])])
        assert json.loads(json.dumps(made))["results"][0]["rows"][1]["engine"] == "numpy"
    finally:
        team.close()
    assert len(start("mlp", work.settings)) == 6


def test_the_picture(tmp_path):
    pytest.importorskip("matplotlib")
    from bench.picture import draw

    result = {"workload": "w", "units": 1, "rows": [{"engine": r.engine, "seconds": r.rounds} for r in rows()]}
    where = {"processor": "p", "cores": 1, "commit": "c", "date": "d"}
    draw({"results": [result], "machine": where}, tmp_path / "a.svg")
    assert "ours, jit" in (tmp_path / "a.svg").read_text(encoding="utf-8") or (tmp_path / "a.svg").stat().st_size > 5000
