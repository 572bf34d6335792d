"""Stepping through backprop: the record ends where backward() ends and changes nothing; the page shows those numbers."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import CHROMIUM, Browser
from op_table import ROWS, run
from test_viz import HOSTILE

import autograd as ag
from autograd import Value
from autograd.errors import ArgumentError, DTypeError, FileError, GraphError, NotFoundError, UnsupportedError
from autograd.rule import OPS
from autograd.viz import Backprop, backprop, text
from autograd.viz.symbols import printed, symbols

RNG = np.random.default_rng


def leaf(data: Any, name: str | None = None) -> ag.Tensor:
    return ag.Tensor(data, requires_grad=True, dtype=np.float64, name=name)


def expression() -> tuple[Any, list[Any]]:
    a, b = leaf(2.0, "a"), leaf(-3.0, "b")
    return (a * b + a**2).tanh() * b, [a, b]


def numbers() -> tuple[Any, list[Any]]:
    a, b = Value(2.0, "a"), Value(-3.0, "b")
    return (a * b + a**2).tanh() * b - 1 / a, [a, b]


def reused() -> tuple[Any, list[Any]]:
    x = leaf([0.5, -0.2], "x")
    h = x * x
    return (h * h + x * h).sum(), [x]


def network() -> tuple[Any, list[Any]]:
    rng = RNG(0)
    x, t = rng.normal(size=(5, 4)), np.eye(3)[[0, 1, 2, 0, 1]]
    w, b, v = leaf(rng.normal(size=(4, 6)), "w"), leaf(rng.normal(size=6), "b"), leaf(rng.normal(size=(6, 3)), "v")
    z = (x @ w + b).tanh() @ v
    return -(t * (z - ag.logsumexp(z, axis=1, keepdims=True))).sum(axis=1).mean(), [w, b, v]


def recurrent() -> tuple[Any, list[Any]]:
    rng = RNG(1)
    w, u = leaf(rng.normal(size=(3, 3)), "w"), leaf(rng.normal(size=(3, 2)), "u")
    h = ag.Tensor(np.zeros(3))
    for x in rng.normal(size=(7, 2)):
        h = (w @ h + u @ x).tanh()
    return (h * h).sum(), [w, u]


GRAPHS: list[Callable[[], tuple[Any, list[Any]]]] = [expression, numbers, reused, network, recurrent]


def exact(a: Any) -> np.ndarray:
    return np.asarray(getattr(a, "data", a))


# ---- the record --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", GRAPHS)
def test_it_ends_at_exactly_the_gradients_of_backward(build: Callable[[], tuple[Any, list[Any]]]) -> None:
    root, leaves = build()
    trace = backprop(root).end()
    assert all(x.grad is None or x.grad == 0 for x in leaves)
    root.backward()  # the walk has freed nothing
    assert set(trace.gradients) == {x.name for x in leaves}
    for x in leaves:
        assert np.array_equal(exact(trace.gradients[x.name]), exact(x.grad))


@pytest.mark.parametrize("name", [n for n, row in ROWS.items() if row.order])
def test_every_op_can_be_stepped_through(name: str) -> None:
    op = OPS[name]
    for sample in ROWS[name].samples[:2]:
        arrays = sample.arrays()
        inputs = [leaf(a, f"in{k}") if a.dtype.kind == "f" else a for k, a in enumerate(arrays)]
        y = run(op, inputs, sample.settings)
        seed = RNG(3).normal(size=y.shape)
        trace = backprop(y, seed).end()
        y.backward(seed)
        for x in inputs:
            if isinstance(x, ag.Tensor) and x.grad is not None:
                assert np.array_equal(trace.gradients[str(x.name)], x.grad.data)
        (step,) = [s for s in trace.steps if s.phase == "backward"]
        for share in step.shares:
            assert share.rule and "lambda" not in share.rule
            if share.factor is not None:
                with np.errstate(all="ignore"):
                    product = ag.tape.fit(np.asarray(step.result * share.factor), trace.record.graph.things[share.to])
                np.testing.assert_allclose(product, share.amount, rtol=1e-12, atol=1e-300)


def test_each_step_adds_up() -> None:
    for build in GRAPHS:
        root, _ = build()
        trace = backprop(root)
        for step in trace.record.backward:
            for share in step.shares:
                before = 0.0 if share.before is None else share.before
                assert np.array_equal(np.asarray(before + share.amount), np.asarray(share.after))


def test_a_node_speaks_when_all_that_use_it_have_spoken() -> None:
    for build in GRAPHS:
        root, _ = build()
        trace = backprop(root)
        spoken: set[int] = set()
        inputs = trace.record.graph.inputs
        for step in trace.record.backward:
            if step.phase in ("backward", "leaf"):
                users = {i for i, below in enumerate(inputs) if step.at in below}
                assert users <= spoken and set(step.spoken) == users
                spoken.add(step.at)


def test_the_forward_pass_likewise() -> None:
    a, b = leaf(2.0, "a"), leaf(-3.0, "b")
    y = (a * b + a).tanh()
    steps = backprop(y).record.forward
    assert [s.formula for s in steps] == ["v₁ = a × b", "v₂ = v₁ + a", "L = tanh(v₂)"]
    assert [float(s.result) for s in steps] == [-6.0, -4.0, float(y.data)]


def test_gradients_that_were_there_are_added_to() -> None:
    for build in (expression, numbers):
        root, leaves = build()
        root.backward(**({"retain_graph": True} if isinstance(root, ag.Tensor) else {}))
        trace = backprop(root).end()
        assert "(it was" in trace.goto("a").text()
        root.backward()
        assert all(np.array_equal(exact(trace.end().gradients[x.name]), exact(x.grad)) for x in leaves)


def test_functions_that_run_compiled_are_one_step_and_stay_as_they_were() -> None:
    nn = pytest.importorskip("nn")
    rng = RNG(0)
    x, target = leaf(rng.normal(size=(300, 200)), "x"), rng.normal(size=(300, 200))
    y = nn.functional.mse_loss(nn.functional.gelu(x), target)
    trace = backprop(y).end()
    y.backward()
    assert x.grad is not None and np.array_equal(trace.gradients["x"], x.grad.data)
    assert trace.html()


def test_hooks_and_kept_gradients() -> None:
    x = leaf([1.0, 2.0], "x")
    h = x * 3.0
    h.register_hook(lambda g: g * 10.0)
    y = (h * h).sum()
    trace = backprop(y).end()
    y.backward()
    assert x.grad is not None and np.array_equal(trace.gradients["x"], x.grad.data)


# ---- moving about ------------------------------------------------------------------------------------------------------


def test_step_back_goto() -> None:
    root, (a, _) = expression()
    trace = backprop(root)
    assert trace.position == trace.start == 5 and len(trace) == 13
    assert "tanh" not in trace.step().text() and trace.position == 6
    assert trace.back(2).text().startswith("step 4 of 13 · forward · v₄ = tanh(v₃)")
    assert trace.goto("v₃").text().splitlines()[0] == "step 9 of 13 · backprop · v₃ = v₁ + v₂"
    assert trace.goto(a).position == trace.goto("a").position == 13
    assert trace.goto("v₃", forward=True).position == 3
    assert trace.goto(0).text() == "step 0 of 13 · given: a = 2, b = −3"
    assert trace.back(100).position == 0 and trace.step(100).position == 13
    assert trace.rewind().gradients == {}
    with pytest.raises(NotFoundError, match="'nobody' is not in this graph; it has a, b, v₁"):
        trace.goto("nobody")
    with pytest.raises(NotFoundError, match="99"):
        trace.goto(99)
    with pytest.raises(NotFoundError, match="given"):
        trace.goto("a", forward=True)


def test_words(capsys: pytest.CaptureFixture[str]) -> None:
    root, _ = expression()
    trace = backprop(root)
    trace.play()
    printed_ = capsys.readouterr().out
    assert trace.position == len(trace)
    assert "v₃: −3 × 0.07065 = −0.212    [∂L/∂v₄ · (1 − v₄·v₄)]    ∂L/∂v₃ = −0.212" in printed_
    assert "a: −0.212 × 4 = −0.8478    [∂L/∂v₂ · 2·a]    ∂L/∂a = −0.8478    waits for v₁" in printed_
    assert repr(trace) == trace.text()


def test_names() -> None:
    assert symbols(["parameter", "parameter", "operation", "operation"], ["w", "w", "", "loss"]) == ["w₁", "w₂", "v₁", "loss"]
    assert len(set(symbols(["operation"] * 4, ["v₁", "", "x", "x"]))) == 4
    assert printed("b * a ** (b * 1 - (b != 0))", {"a": "x", "b": "3"}) == "3·x^2"
    assert printed("np.where(a == b, HALF, a > b)", {"a": "p", "b": "q"}) == "where([p = q], HALF, [p > q])"


def test_rules_that_are_no_factor_are_told_as_their_documentation_writes_them() -> None:
    x, weight, bias = leaf(np.ones((2, 3)), "x"), leaf(np.ones((4, 3)), "weight"), leaf(np.ones(4), "bias")
    steps = {s.at: s for s in backprop(ag.affine(x, weight, bias).mean(axis=0).sum()).record.backward if s.shares}
    rules = [share.rule for step in steps.values() for share in step.shares]
    assert rules == ["∂L/∂L · 1", "∂L/∂v₂ · 1/n", "∂L/∂v₁ · weight", "(∂L/∂v₁)ᵀ · x", "Σ ∂L/∂v₁"]
    a, b = leaf(np.ones((2, 3)), "a"), leaf(np.ones((3, 2)), "b")
    (step,) = [s for s in backprop(a @ b, np.ones((2, 2))).record.backward if s.shares]
    assert [s.rule for s in step.shares] == ["∂L/∂L · bᵀ", "aᵀ · ∂L/∂L"]


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(DTypeError, match="float"):
        backprop(3.0)
    with pytest.raises(GraphError, match="no graph"):
        backprop(ag.Tensor([1.0]))
    root, _ = expression()
    root.backward()
    with pytest.raises(GraphError, match="retain_graph"):
        backprop(root)
    with pytest.raises(GraphError, match="seed"):
        backprop(leaf([1.0, 2.0]) * 2.0)
    x = leaf([0.5])
    for _ in range(2100):
        x = x.tanh()
    with pytest.raises(ArgumentError, match="2,101 nodes"):
        backprop(x)
    root, _ = expression()
    with pytest.raises(ArgumentError, match=r"steps\.svg"):
        backprop(root).save(tmp_path / "steps.svg")
    with pytest.raises(FileError, match="missing"):
        backprop(root).save(tmp_path / "missing" / "steps.html")


def test_a_value_that_was_overwritten_is_told() -> None:
    x = leaf([1.0, 2.0])
    y = (x * x).sum()
    with ag.no_grad():
        x[...] = 3.0
    with pytest.raises(GraphError, match="changed in place"):
        backprop(y)


# ---- the page ------------------------------------------------------------------------------------------------------------


def long(count: int) -> Backprop:
    x = h = leaf([0.5, 0.2], "x")
    for k in range(count // 4):
        h = (h * x).tanh() + leaf([0.1, 0.2], f"b{k}")
    return backprop(h.sum())


def deep() -> Backprop:
    nn = pytest.importorskip("nn")
    block = [nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.LayerNorm(3)) for _ in range(12)]
    x = RNG(0).normal(size=(3, 3)).astype(np.float32)
    return backprop((nn.Sequential(*block)(x) ** 2).sum())


def recurrence() -> Backprop:
    nn = pytest.importorskip("nn")
    return backprop((nn.LSTM(3, 5)(RNG(0).normal(size=(11, 2, 3)).astype(np.float32))[0] ** 2).sum())


@pytest.mark.parametrize("build", [lambda: long(198), deep, recurrence], ids=["chain", "deep", "recurrent"])
def test_the_page_of_200_nodes_is_small(build: Callable[[], Backprop]) -> None:
    trace = build()
    assert 185 <= len(trace.record.boxes) <= 200
    page = trace.html()
    assert len(page.encode()) <= 300_000
    assert not re.search(r"(https?:)?//(?!www\.w3\.org/2000/svg)\w+\.\w", page.replace("default-src 'none'", ""))


def test_no_text_of_the_users_is_in_a_script() -> None:
    a = Value(2.0, "</script><script>alert(1)</script>")
    page = backprop(a * a).html()
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", page, re.S)
    assert len(scripts) == 1 and "alert(1)" not in scripts[0]
    assert "<script>alert" not in page


def test_the_notebook_gets_the_page_in_a_frame_of_its_own() -> None:
    root, _ = expression()
    trace = backprop(root).step(2)
    html = trace._repr_html_()
    assert html is not None and 'sandbox="allow-scripts"' in html
    source = unescape(re.search(r'srcdoc="([^"]*)"', html)[1])  # type: ignore[index]
    assert source == trace.html() and 'data-start="7"' in source


# ---- the widget ------------------------------------------------------------------------------------------------------------


def test_the_widget_and_the_walk_follow_each_other() -> None:
    pytest.importorskip("anywidget")
    root, (a, _) = expression()
    trace = backprop(root).step()
    widget = trace.widget(height=480)
    assert widget is trace.widget()
    assert set(widget.keys) >= {"page", "height", "last", "position", "_esm"}  # what the browser is told
    state = widget.get_state(["page", "height", "last", "position"])
    assert state == {"page": trace.html(), "height": 480, "last": 13, "position": 6}
    trace.goto(a)
    assert widget.position == trace.position == 13
    widget.set_state({"position": 9})  # as from the browser
    assert trace.position == 9 and trace.text().startswith("step 9 of 13 · backprop · v₃")
    widget.set_state({"position": 99})
    assert trace.position == widget.position == 13
    trace.rewind()
    assert widget.position == 5
    assert "export default" in widget._esm and "application/vnd.jupyter.widget-view+json" in widget._repr_mimebundle_()[0]


def test_without_anywidget_there_is_an_error_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from autograd.viz import widget

    monkeypatch.setitem(sys.modules, "anywidget", None)
    widget._kind.cache_clear()
    with pytest.raises(UnsupportedError, match=r"pip install anywidget.*trace\.save"):
        backprop(expression()[0]).widget()


MODEL = """
class Model {
  constructor(state) { this.state = state; this.hooks = []; this.saved = 0; }
  get(k) { return this.state[k]; }
  set(k, v) {
    if (this.state[k] === v) return;
    this.state[k] = v;
    for (const [on, f] of this.hooks) if (on === "change:" + k) f();
  }
  save_changes() { this.saved++; }
  on(k, f) { this.hooks.push([k, f]); }
  off(k, f) { this.hooks = this.hooks.filter(([on, g]) => on !== k || g !== f); }
}
"""


browser_only = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    tab = Browser()
    yield tab
    tab.close()


def gradient_of(browser: Browser, name: str) -> list[str]:
    """What a box shows as its gradient."""
    find = f"[...document.querySelectorAll('.box')].find((b) => b.querySelector('.r-name')?.textContent === '{name}')"
    return browser(f"[...({find}).querySelectorAll('.r-gradient')].map((t) => t.textContent)")  # type: ignore[no-any-return]


def shown_step(browser: Browser) -> int:
    return int(browser("document.getElementById('count').textContent").split()[1])


@browser_only
@pytest.mark.parametrize("build", GRAPHS)
def test_the_browser_shows_the_numbers_of_backward(browser: Browser, tmp_path: Path, build: Any) -> None:
    root, leaves = build()
    trace = backprop(root)
    path = trace.save(tmp_path / "steps.html")
    browser.open(path, "#step=0")
    assert shown_step(browser) == 0
    for x in leaves:
        assert gradient_of(browser, x.name)[0] == "–"
    browser.key("End")
    assert shown_step(browser) == len(trace)
    root.backward()
    for x in leaves:
        assert gradient_of(browser, x.name) == list(text.array_lines(exact(x.grad)))
    leaf_steps = [k + 1 for k, s in enumerate(trace.steps) if s.phase == "leaf"]
    for k in leaf_steps:
        browser(f"location.hash = '#step={k}'")
        shown = browser("document.querySelector('#panel [data-gradient]').dataset.gradient")
        grad = next(x.grad for x in leaves if x.name == trace.record.symbols[trace.steps[k - 1].at])
        assert shown == text.array(exact(grad))
    assert browser.complaints() == []


@browser_only
def test_keys_slider_buttons_and_clicks(browser: Browser, tmp_path: Path) -> None:
    root, _ = expression()
    trace = backprop(root)
    browser.open(trace.save(tmp_path / "steps.html"))
    assert shown_step(browser) == trace.start
    for key, expected in (("ArrowRight", 6), ("ArrowRight", 7), ("ArrowLeft", 6), ("End", 13), ("Home", 0)):
        browser.key(key)
        assert shown_step(browser) == expected
    for button, expected in (("next", 1), ("end", 13), ("back", 12), ("first", 5)):
        browser.click_on(f"document.getElementById('{button}')")
        assert shown_step(browser) == expected
    browser("slider.value = 11; slider.dispatchEvent(new Event('input')); 0")
    assert shown_step(browser) == 11
    rows = browser("[...document.querySelectorAll('#panel tr[data-to]')].map((r) => [r.dataset.to, r.innerText])")
    share = dict(rows)
    assert "−0.8478 + 0.6359 = −0.212" in share["a"] and "−0.212 × 2" in share["b"]
    assert "complete" in share["a"]
    browser.click_on("[...document.querySelectorAll('.box')].find((b) => b.textContent.includes('tanh'))")
    assert shown_step(browser) == trace.goto("v₄").position
    assert browser("document.querySelectorAll('.box.now').length") == 1
    browser.key(" ", " ")
    assert "pause" in browser("document.getElementById('play').textContent")
    browser.key(" ", " ")
    assert "play" in browser("document.getElementById('play').textContent")
    before = browser("document.getElementById('world').getAttribute('transform')")
    browser.drag((640, 420), (700, 440))
    moved = browser("document.getElementById('world').getAttribute('transform')")
    browser.wheel(640, 300, -200)
    assert before != moved != browser("document.getElementById('world').getAttribute('transform')")
    assert browser.complaints() == []


@browser_only
def test_the_widget_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    """Its module with a model as Jupyter gives it: the page in its frame and the model's position follow each other."""
    script = (Path(ag.viz.__file__).parent / "widget.js").read_text(encoding="utf-8")
    trace = backprop(expression()[0])
    state = json.dumps({"page": trace.html(), "height": 500, "last": len(trace), "position": 8}).replace("</", "<\\/")
    page = tmp_path / "notebook.html"
    page.write_text(
        f"<!doctype html><meta charset=utf-8><body style='margin:0'><div id=cell></div><script type=module>{MODEL}"
        "window.said = []; addEventListener('message', (e) => said.push(e.data.step));"
        f"{script.replace('export default', 'const made =')}\nwindow.model = new Model({state});"
        "window.end = made.render({model: window.model, el: document.getElementById('cell')});</script>",
        encoding="utf-8",
    )
    browser.open(page)

    def becomes(expression: str, wanted: Any) -> bool:
        end = time.monotonic() + 10
        while browser(expression) != wanted and time.monotonic() < end:
            time.sleep(0.01)
        return bool(browser(expression) == wanted)

    def position(wanted: int) -> bool:
        return becomes("window.model.state.position", wanted)

    assert browser("document.querySelector('iframe').getAttribute('sandbox')") == "allow-scripts"
    assert becomes("said.slice(0, 2)", [trace.start, 8])  # the page's own start, and then where the model is
    browser("document.querySelector('iframe').focus(); 0")  # the keys are the frame's from now on
    browser.key("ArrowRight")
    assert position(9)
    for _ in range(3):
        browser.key("ArrowLeft")
    assert position(6) and browser("window.model.saved") == 4  # every move of the reader's is told to Python, and once
    browser("window.model.set('position', 12); 0")  # as from Python
    assert becomes("said.at(-1)", 12)
    browser.key("ArrowRight")
    assert position(13)
    browser("window.end(); 0")
    assert browser("window.model.hooks.length") == 0
    assert browser.complaints() == []


@browser_only
def test_hostile_names_run_nothing(browser: Browser, tmp_path: Path) -> None:
    total = None
    for name in HOSTILE:
        v = Value(1.5, name) * 2.0
        total = v if total is None else total + v
    trace = backprop(total)
    browser.open(trace.save(tmp_path / "steps.html"), "#step=60")
    for _ in range(5):
        browser.key("ArrowRight")
    assert shown_step(browser) == 65
    assert browser("document.scripts.length") == 1
    assert browser.complaints() == []
    words = browser("[...document.querySelectorAll('.r-name')].map((t) => t.textContent)")
    assert [w for w in words if "script" in w]
