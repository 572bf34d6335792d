"""Pictures: what is in them, that no name breaks or enters them, large graphs, and each way of rendering."""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import CHROMIUM, Browser
from hypothesis import given
from hypothesis import strategies as st

import autograd as ag
from autograd import Value
from autograd.errors import ArgumentError, DTypeError, FileError, GraphError
from autograd.tape import node_gradients
from autograd.viz import Drawing, RenderError, card, draw, layout, render, text
from autograd.viz.collapse import collapse
from autograd.viz.fold import WRAP
from autograd.viz.inside import repeats, split
from autograd.viz.model import Plain
from autograd.viz.page import laid_out

SVG = "{http://www.w3.org/2000/svg}"


def leaf(data: Any, name: str | None = None) -> ag.Tensor:
    return ag.Tensor(data, requires_grad=True, dtype=np.float64, name=name)


def network() -> ag.Tensor:
    """Two layers and a loss: named parameters, an input, a constant."""
    rng = np.random.default_rng(0)
    x = ag.Tensor(rng.normal(size=(5, 4)), name="x")
    w, b, v = leaf(rng.normal(size=(4, 3)), "w"), leaf(np.zeros(3), "b"), leaf(rng.normal(size=(3, 2)), "v")
    h = (x @ w + b).tanh()
    h.name = "h"
    loss = ((h @ v) ** 2).mean()
    loss.name = "loss"
    return loss


def texts(svg: str) -> list[str]:
    """What can be read in a picture, in order; tooltips not included."""
    return ["".join(e.itertext()) for e in ET.fromstring(svg).iter(SVG + "text")]


def tooltips(svg: str) -> list[str]:
    return ["".join(e.itertext()) for e in ET.fromstring(svg).iter(SVG + "title")]


# ---- structure ---------------------------------------------------------------------------------------


def test_each_node_and_edge_once() -> None:
    picture = draw(network()).picture
    kinds = Counter(box.kind for box in picture.boxes)
    assert kinds == {"parameter": 3, "constant": 1, "operation": 5, "result": 1}
    assert [b.label for b in picture.boxes if b.label] == ["@", "+", "tanh", "@", "^2", "mean"]
    assert Counter((e.tail, e.head) for e in picture.edges).most_common(1)[0][1] == 1
    assert len(picture.edges) == 9
    assert all(e.tail < e.head for e in picture.edges)


@pytest.mark.parametrize("x", [leaf([1.0, 2.0], "x"), Value(3.0, "x")])
def test_a_square_has_two_edges(x: Any) -> None:
    drawing = draw(x * x)
    assert [(e.tail, e.head) for e in drawing.picture.edges] == [(0, 1), (0, 1)]
    curves = re.findall(r'<path d="(M[^"]*C[^"]*)" fill="none"', drawing.svg())
    assert len(curves) == 2 and curves[0] != curves[1]
    assert drawing.dot.count("->") == 2


def test_a_shared_constant_is_one_box() -> None:
    x, c = leaf([1.0, 2.0]), ag.Tensor([3.0, 4.0], name="c")
    picture = draw(x * c + c).picture
    assert [b.name for b in picture.boxes if b.kind == "constant"] == ["c"]
    assert len(picture.edges) == 4


def test_a_tensor_without_a_graph() -> None:
    (box,) = draw(ag.Tensor([1.0, 2.0], name="data")).picture.boxes
    assert (box.kind, box.name, box.value) == ("constant", "data", ("[1, 2]",))
    (box,) = draw(leaf([1.0, 2.0])).picture.boxes
    assert box.kind == "parameter"
    assert draw(leaf([1.0, 2.0])).svg()


X = leaf([1.0, 2.0])


@pytest.mark.parametrize(
    ("y", "label"),
    [
        (2 * X, "2×"),
        (X**2, "^2"),
        (1 / X, "1/"),
        (1 - X, "1 −"),
        (X * -0.5, "× −0.5"),
        (X * 1.0001, "×1.0001"),
        (ag.maximum(X, 0), "max(·, 0)"),
        (X + ag.Tensor(3.0), "+ 3"),
        (X * (1 + 2j), "×(1 + 2i)"),
    ],
)
def test_numbers_stand_beside_the_sign(y: ag.Tensor, label: str) -> None:
    boxes = draw(y).picture.boxes
    assert (len(boxes), boxes[-1].label) == (2, label)


def test_a_number_that_was_freed_is_called_c() -> None:
    y = (leaf([1.0, 2.0]) ** 2).sum()
    y.backward()
    boxes = draw(y).picture.boxes
    assert boxes[1].label == "^c" and "c: a constant" in boxes[1].tooltip


def test_axis_and_index_are_told() -> None:
    x = leaf(np.ones((3, 4)))
    assert draw(x.sum(axis=1)).picture.boxes[-1].detail == "axis 1"
    assert draw(x.sum()).picture.boxes[-1].detail == ""
    assert draw(x[0, 1:]).picture.boxes[-1].detail == "0, 1:"


# ---- values and gradients ----------------------------------------------------------------------------


def test_gradients_are_shown_before_backward_and_nothing_is_touched() -> None:
    loss = network()
    assert loss.node is not None
    expected = {n.name: text.array_lines(g) for n, g in node_gradients(loss.node).items() if n.name}
    drawing = draw(loss)
    shown = {b.name: b.gradient for b in drawing.picture.boxes if b.name and b.kind != "constant"}
    assert shown == expected
    assert drawing.picture.boxes[-1].gradient == ("1",)
    assert not any(b.gradient for b in drawing.picture.boxes if b.kind == "constant")
    leaves = [n for n in ag.tape.walk(loss.node) if n.op is None]
    assert all(n.grad is None for n in leaves)
    loss.backward()
    assert {n.name: text.array_lines(n.grad.data) for n in leaves}.items() <= expected.items()


def test_values_are_those_of_the_forward() -> None:
    x = leaf([[1.0, 2.0], [3.0, 4.0]], "x")
    boxes = draw((x * x).sum()).picture.boxes
    assert [b.value for b in boxes] == [("[1, 2]", "[3, 4]"), ("[1, 4]", "[9, 16]"), ("30",)]
    assert [b.shape for b in boxes] == ["2×2 float64", "2×2 float64", "float64"]


def test_a_freed_graph_keeps_structure_names_and_shapes() -> None:
    loss = network()
    before = draw(loss).picture
    loss.backward()
    after = draw(loss).picture
    assert [b.name for b in after.boxes] == [b.name for b in before.boxes if b.kind != "constant"]
    assert [b.shape for b in after.boxes] == [b.shape for b in before.boxes if b.kind != "constant"]
    assert all(bool(b.value and b.gradient) == (b.kind == "parameter") for b in after.boxes)
    assert after.boxes[-1].value == before.boxes[-1].value
    gradients = {b.name: b.gradient for b in before.boxes}
    assert all(b.gradient == gradients[b.name] for b in after.boxes if b.kind == "parameter")
    assert draw(loss).svg()


def test_a_retained_gradient_is_shown_after_backward() -> None:
    x = leaf([1.0, 2.0])
    y = x * x
    y.retain_grad()
    y.sum().backward()
    assert draw(y).picture.boxes[-1].gradient == ("[1, 1]",)


def test_values_of_another_computation_are_not_shown() -> None:
    """After a write the forward would replay to other numbers than those that were computed."""
    x = leaf([1.0, 2.0], "x")
    y = (x * x).sum()
    with ag.no_grad():
        x[...] = 5.0
    boxes = draw(y).picture.boxes
    assert boxes[-1].value == ("5",)
    assert boxes[1].value == () and boxes[1].gradient == ()


def test_values_and_gradients_can_be_left_out() -> None:
    for y in (network(), Value(2.0) * Value(3.0)):
        drawing = draw(y, values=False, gradients=False)
        assert not any(b.value or b.gradient for b in drawing.picture.boxes)
        assert {"value", "grad"}.isdisjoint(texts(drawing.svg()))


def test_a_value_shows_what_backward_would_leave_and_then_what_it_left() -> None:
    def graph() -> Value:
        a, b = Value(2.0, "a"), Value(-3.0, "b")
        return (a * b + a) * b + a.tanh()

    preview = draw(root := graph()).picture
    assert root.grad == 0 and root._inputs[0].grad == 0
    root.backward()
    assert [b.gradient for b in draw(root).picture.boxes] == [b.gradient for b in preview.boxes]


def test_local_derivatives_on_the_edges() -> None:
    a, b = Value(2.0, "a"), Value(-3.0, "b")
    assert [e.label for e in draw(a * b, partials=True).picture.edges] == ["∂ −3", "∂ 2"]
    x = leaf(0.5, "x")
    (edge,) = draw(x.tanh(), partials=True).picture.edges
    assert edge.label == "∂ 0.7864" and edge.tooltip == "∂y/∂x = 1 - y * y = 0.7864"
    svg = draw(x.tanh(), partials=True).svg()
    assert "∂ 0.7864" in texts(svg) and "∂y/∂x = 1 - y * y = 0.7864" in tooltips(svg)
    assert [e.label for e in draw(x.tanh()).picture.edges] == [""]


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (0.0, "0"), (-0.0, "−0"), (1.0, "1"), (-2.5, "−2.5"), (1 / 3, "0.3333"), (123456.0, "1.235×10⁵"),
        (1e-5, "10⁻⁵"), (-1e10, "−10¹⁰"), (float("nan"), "NaN"), (float("-inf"), "−∞"), (True, "True"),
        (7, "7"), (10**20, "10²⁰"), (1 - 2j, "1 − 2i"), (np.float32(0.1), "0.1"),
    ],
)  # fmt: skip
def test_numbers_are_brief(x: Any, expected: str) -> None:
    assert text.number(x) == expected


@pytest.mark.parametrize(
    ("a", "expected"),
    [
        (np.zeros((0, 3)), ("empty",)),
        (np.full((9, 9), 2.0), ("all 2",)),
        (np.full(9, np.nan), ("all NaN",)),
        (np.array([np.nan, 1.0, np.inf, 2.0, -1.0]), ("−1 … ∞, 1 NaN",)),
        (np.arange(4), ("[0, 1, 2, 3]",)),
        (np.eye(2), ("[1, 0]", "[0, 1]")),
        (np.arange(10) > 3, ("6 of 10 True",)),
        (np.arange(9) * 1j, ("|·| 0 … 8",)),
    ],
)
def test_arrays_are_brief(a: Any, expected: tuple[str, ...]) -> None:
    assert text.array_lines(a) == expected


# ---- names -------------------------------------------------------------------------------------------

HOSTILE = [
    "quo\"te's", "back\\slash \\N \\G \\l\\", "new\nline\r\ttab", "nul\0x", "<script>alert(1)</script>",
    "&lt;b&gt; &amp; &#92;", "{a|<p> b}", '];evil[URL="javascript:alert(1)"',
    '"];evil[URL="javascript:alert(1)"];x["', "\u202eright\u200f אבג", "x" * 10_000,
    "日本語の名前", "</title></svg><script>alert(2)</script>", "]]>", "<!--", " ",
    "  two  spaces ", "lone \ud800",
    "\x85\u2028\ufffe", "<b>", "<", "%s{}$x", "A͈͉͊", "node", "strict digraph",
]  # fmt: skip
ELEMENTS = {"svg", "title", "desc", "style", "g", "rect", "path", "polygon", "text"}


def check_svg(svg: str) -> None:
    """It parses, and there is nothing in it but shapes and text: no script, link or handler."""
    root = ET.fromstring(svg)
    assert {e.tag for e in root.iter()} <= {SVG + name for name in ELEMENTS}
    for element in root.iter():
        assert not any("href" in a or a.startswith("on") for a in element.attrib)
        assert all(name.isascii() and "<" not in name for name in element.attrib.values())


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names(name: str) -> None:
    drawing = draw(Value(1.0, name) * Value(2.0, name), name=name, partials=True)
    svg = drawing.svg()
    check_svg(svg)
    assert texts(svg).count(text.clean(text.shorten(name))) == 2
    whole = text.clean(text.shorten(name, text.TOOLTIP), keep_newlines=True)
    assert sum(t.startswith(whole + "\n") for t in tooltips(svg)) == 2
    assert len(re.findall("<script", drawing.html(), re.I)) == 1
    assert len(svg) < 20_000


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("renderer", ["_program", "_library"])
def test_hostile_names_in_dot(name: str, renderer: str) -> None:
    """What Graphviz itself makes of the DOT text shows the same name, and has no link and no further node."""
    if renderer == "_program" and shutil.which("dot") is None:
        pytest.skip("there is no program dot")
    drawing = draw(leaf([1.0, 2.0], name) * 2, name=name)
    root = ET.fromstring(getattr(render, renderer)(drawing.dot, "svg", ()))
    assert sum(e.get("class") == "node" for e in root.iter(SVG + "g")) == 2
    assert not any(a.endswith("href") for e in root.iter() for a in e.attrib)
    words = re.sub(r"\s+", "", text.clean(text.shorten(name)))
    shown = {re.sub(r"\s+", "", "".join(e.itertext())) for e in root.iter(SVG + "text")}
    assert not words or words in shown
    assert root.tag == SVG + "svg"


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_name(one: str, two: str) -> None:
    drawing = draw(Value(1.0, one) + Value(2.0, two), name=one)
    check_svg(drawing.svg())
    found = texts(drawing.svg())
    assert all(not n or text.clean(text.shorten(n)) in found for n in (one, two))
    assert isinstance(drawing.dot, str)


def test_the_layout_engine_sees_no_user_text(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = []

    def spy(source: str, form: str, *options: str) -> bytes:
        sources.append(source)
        return real(source, form, *options)

    real = render.run
    monkeypatch.setattr(render, "run", spy)
    draw(Value(1.0, "secret") * Value(2.0, "secret"), name="secret", partials=True).svg()
    assert len(sources) == 1 and "secret" not in sources[0]


# ---- large graphs ------------------------------------------------------------------------------------


def chain(count: int) -> ag.Tensor:
    x = leaf([0.5, 0.2], "x")
    for _ in range(count // 2):
        x = (x * 1.0001).tanh()
    return x.sum()


def inside(drawing: Drawing) -> int:
    """How many nodes the boxes of a picture stand for."""
    groups = [re.fullmatch(r"([\d,]+) nodes inside", b.name) for b in drawing.picture.boxes]
    return sum(int(g[1].replace(",", "")) if g else 1 for g in groups)


@pytest.mark.parametrize("count", [10_000, 100_000])
def test_a_long_chain(count: int) -> None:
    drawing = draw(chain(count))
    assert len(drawing.picture.boxes) == 7 and inside(drawing) == count + 2
    assert f"{count - 4:,} nodes inside" in texts(drawing.svg())
    assert f"{count + 2:,} nodes in all" in drawing.picture.description


def test_a_long_chain_of_values() -> None:
    v = Value(0.5)
    for _ in range(10_000):
        v = v.tanh()
    drawing = draw(v)
    assert len(drawing.picture.boxes) <= 10 and inside(drawing) == 10_001


def test_a_deep_network_shows_both_ends() -> None:
    h = ag.Tensor(np.ones((2, 3)), name="x")
    for k in range(100):
        h = (h @ leaf(np.eye(3), f"W{k}") + leaf(np.zeros(3), f"b{k}")).tanh()
    drawing = draw(h.sum(), direction="TB")
    names = [b.name for b in drawing.picture.boxes]
    assert {"x", "W0", "b0", "W99", "b99"} <= set(names) and "W50" not in names
    assert len(names) <= 150 and inside(drawing) == 502
    assert drawing.picture.boxes[-1].kind == "result"
    drawing.svg()


class FakeGraph(Plain):
    """Any acyclic graph in tape order."""

    def __init__(self, inputs: list[list[int]], named: set[int]):
        self.inputs, self.named = inputs, named

    def is_named(self, i: int) -> bool:
        return i in self.named


@given(st.data())
def test_any_graph_collapses(data: st.DataObject) -> None:
    """Every node in one unit, at most as many as allowed, the result by itself, no cycle between units."""
    count = data.draw(st.integers(1, 120))
    sources = data.draw(st.floats(0, 1))
    inputs: list[list[int]] = []
    for i in range(count):
        source = i == 0 or (i < count - 1 and data.draw(st.floats(0, 1)) < sources)
        inputs.append([] if source else data.draw(st.lists(st.integers(0, i - 1), min_size=1, max_size=3)))
    used = {j for below in inputs for j in below}
    if count > 1:
        inputs[-1] = [*inputs[-1], *(j for j in range(count - 1) if j not in used)]
    limit = data.draw(st.integers(5, 60))
    named = data.draw(st.sets(st.integers(0, count - 1), max_size=9))
    units = collapse(FakeGraph(inputs, named), limit)  # type: ignore[arg-type]
    assert sorted(i for unit in units for i in unit) == list(range(count))
    assert len(units) <= limit
    assert units[-1] == [count - 1]
    home = {i: u for u, unit in enumerate(units) for i in unit}
    assert all(home[j] <= home[i] for i in range(count) for j in inputs[i])


# ---- the picture -------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_boxes_do_not_overlap_and_hold_their_text(direction: str) -> None:
    drawing = draw(network(), direction=direction, partials=True)
    cards = [card.card(b, direction) for b in drawing.picture.boxes]
    pairs = [(e.tail, e.head) for e in drawing.picture.edges]
    source = layout.source([c.size for c in cards], pairs, [None] * len(pairs), direction)
    placed = layout.parse(render.run(source, "plain").decode(), pairs)
    spans = [
        (x - c.size.width / 2, x + c.size.width / 2, y - c.size.height / 2, y + c.size.height / 2)
        for (x, y), c in zip(placed.centres, cards, strict=True)
    ]
    for i, a in enumerate(spans):
        for b in spans[:i]:
            assert a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2]
    for c in cards:
        assert c.left + c.width <= c.size.width and c.top + c.height <= c.size.height + 1e-9
        for row in c.rows:
            assert all(c.indent + x + card.measure(role, words) <= c.width for role, words, x in row.pieces)


def test_svg_is_deterministic_and_ids_are_its_own() -> None:
    one, again = draw(network(), name="one").svg(), draw(network(), name="one").svg()
    assert one == again
    two = draw(network(), name="two").svg()
    ids = [set(re.findall(r'id="([^"]+)"', s)) for s in (one, two)]
    assert ids[0].isdisjoint(ids[1])
    root = ET.fromstring(one)
    for rule in re.findall(r"([^{}]+)\{", root.find(SVG + "style").text or ""):  # type: ignore[union-attr]
        assert rule.startswith("@media") or all(root.attrib["id"] in part for part in rule.split(","))


def test_svg_speaks_to_screen_readers() -> None:
    root = ET.fromstring(draw(network()).svg())
    assert root.attrib["role"] == "img"
    title, description = (root.find(SVG + tag) for tag in ("title", "desc"))
    assert title is not None and title.text == "graph of loss"
    assert description is not None and "6 operations, 3 parameters, 1 constant" in (description.text or "")
    assert {e.attrib["id"] for e in (title, description)} == set(root.attrib["aria-labelledby"].split())


def test_dark_pages_change_every_colour() -> None:
    svg = draw(network()).svg()
    style = ET.fromstring(svg).find(SVG + "style")
    assert style is not None and style.text is not None
    dark = style.text.split("prefers-color-scheme:dark")[1]
    used = set(re.findall(r"(?:f-|var\(--)([a-z-]+)", svg))
    assert all(f"--{name}:" in dark for name in used)


# ---- rendering ---------------------------------------------------------------------------------------


def program(folder: Path, body: str) -> None:
    path = folder / "dot"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


FAULTS = {
    "missing": None,
    "failing": "echo broken >&2; exit 3",
    "silent": "exit 0",
    "hanging": "exec tail -f /dev/null",
    "killed": "kill -9 $$",
}


@pytest.fixture(params=FAULTS)
def broken_dot(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A PATH on which `dot` is missing, fails, or hangs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    if FAULTS[request.param] is not None:
        program(folder, FAULTS[request.param])
    if request.param == "missing":
        monkeypatch.setenv("PATH", str(folder))
    else:
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(render, "TIMEOUT", 0.3)
    return str(request.param)


def test_without_the_program_pygraphviz_renders(broken_dot: str) -> None:
    drawing = draw(network())
    check_svg(drawing.svg())
    assert drawing.png()[:8] == b"\x89PNG\r\n\x1a\n"


def test_without_either_there_is_an_error_with_the_hint(
    broken_dot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    drawing = draw(network())
    with pytest.raises(RenderError, match="pip install pygraphviz"):
        drawing.svg()
    with pytest.raises(RenderError, match=r"picture\.dot"):
        drawing.png()
    assert drawing.dot.startswith("digraph")
    assert drawing._repr_svg_() is None and drawing._repr_html_() is None
    bundle = drawing._repr_mimebundle_()
    assert list(bundle) == ["text/plain"] and "pip install" in bundle["text/plain"]


@pytest.mark.skipif(shutil.which("dot") is None, reason="there is no program dot")
def test_the_program_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    drawing = draw(network())
    check_svg(drawing.svg())
    assert drawing.png()[:4] == b"\x89PNG"


def test_notebook_representations() -> None:
    drawing = draw(network())
    bundle = drawing._repr_mimebundle_()
    check_svg(bundle["image/svg+xml"])
    assert bundle["text/plain"] == repr(drawing) == "<graph of loss: 10 boxes, 9 edges>"
    assert drawing._repr_svg_() == drawing.svg() and drawing.svg() in (drawing._repr_html_() or "")


# ---- files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "start"),
    [
        (".svg", b"<svg"),
        (".PNG", b"\x89PNG"),
        (".dot", b"digraph"),
        (".gv", b"digraph"),
        (".html", b"<!doctype html>"),
    ],
)
def test_save_by_suffix(tmp_path: Path, suffix: str, start: bytes) -> None:
    path = tmp_path / f"graph{suffix}"
    path.write_text("old")
    assert draw(network()).save(str(path)) == path
    assert path.read_bytes().startswith(start)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_save_that_cannot(tmp_path: Path) -> None:
    drawing = draw(network())
    with pytest.raises(ArgumentError, match=r"'graph.docx'.*\.svg"):
        drawing.save("graph.docx")
    with pytest.raises(FileError, match="missing"):
        drawing.save(tmp_path / "missing" / "graph.svg")
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(FileError, match="folder"):
        drawing.save(tmp_path / "folder.svg")
    assert [p.name for p in tmp_path.iterdir()] == ["folder.svg"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "graph.dot"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(FileError, match="No space left"):
        draw(network()).save(path)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"x": 3.0}, DTypeError, "a Value or a jitted function.*got float"),
        ({"x": np.ones(3)}, DTypeError, "got ndarray"),
        ({"direction": "RL"}, ArgumentError, "'LR' or 'TB', got 'RL'"),
        ({"max_nodes": 0}, ArgumentError, "max_nodes.*got 0"),
        ({"max_nodes": 1.5}, ArgumentError, "max_nodes.*got 1.5"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], match: str) -> None:
    arguments = {"x": Value(1.0), **arguments}
    with pytest.raises(error, match=match):
        draw(arguments.pop("x"), **arguments)


def test_a_jitted_function_draws_its_program() -> None:
    w = ag.Tensor(np.ones((3, 4)), requires_grad=True, name="w")

    @ag.jit
    def step(x):  # type: ignore[no-untyped-def]
        w.grad = None
        loss = ag.tanh(x @ w).sum()
        loss.backward()
        return loss

    with pytest.raises(ArgumentError, match="call it once"):
        draw(step)
    step(np.ones((2, 3)))
    drawing = draw(step)
    boxes = drawing.picture.boxes
    assert [b.name for b in boxes if b.kind == "parameter"] == ["w"]
    assert {b.name for b in boxes if b.kind == "result"} == {"result", "w.grad"}
    assert any("tanh" in b.label for b in boxes) and any("@" in b.label for b in boxes)
    assert "for i0 in" in next(b.tooltip for b in boxes if "tanh" in b.label)
    assert drawing.svg().startswith("<")


# ---- calls ---------------------------------------------------------------------------------------------


def test_a_function_is_called_and_drawn() -> None:
    def area(width: Any, height: Any) -> Any:
        return width * height + width

    drawing = draw(area, 2.0, np.array([3.0, 4.0]))
    assert repr(drawing) == "<graph of area: 4 boxes, 4 edges>"
    assert {b.name: b.gradient for b in drawing.picture.boxes[:2]} == {"width": ("9",), "height": ("[2, 2]",)}
    assert repr(draw(lambda v: v.tanh(), Value(0.5))) == "<graph of <lambda>: 2 boxes, 1 edges>"


def test_several_results() -> None:
    boxes = draw(lambda x: {"a": x * 2.0, "b": [x.exp(), 3]}, 1.5).picture.boxes
    assert sorted(b.kind for b in boxes) == ["parameter", "result", "result"]


def test_calls_that_cannot_be_drawn() -> None:
    with pytest.raises(DTypeError, match="returned float"):
        draw(lambda x: 3.0, 1.0)
    with pytest.raises(ArgumentError, match="arguments for a function"):
        draw(Value(1.0), 2.0)
    with pytest.raises(GraphError, match="derivative"):
        draw(lambda x: x > 1.0, 1.0)


def model() -> Any:
    nn = pytest.importorskip("nn")
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Sequential(nn.Linear(8, 8), nn.Tanh()), nn.Linear(8, 3))


def test_a_network_is_run_and_drawn_and_left_as_it_was() -> None:
    net = model()
    drawing = draw(net, np.ones((2, 4), np.float32))
    names = [b.name for b in drawing.picture.boxes]
    assert {"0.weight", "0.bias", "2.0.weight", "3.bias"} <= set(names)
    assert all(m.training and not m._before and not m._after for m in net.modules())
    assert all(p.grad is None and p.name in ("weight", "bias") for p in net.parameters())
    boxes = draw(net, np.ones((2, 4), np.float32), max_nodes=9).picture.boxes
    assert len(boxes) <= 9
    box = next(b for b in boxes if b.kind == "group")
    assert box.name.startswith("2 (Sequential)") and box.note[0] == "4 nodes inside"


def test_a_loss_with_its_network_tells_the_parameters_by_their_full_names() -> None:
    net = model()
    loss = (net(np.ones((2, 4), np.float32)) ** 2).mean()
    names = [b.name for b in draw(loss, net).picture.boxes if b.kind == "parameter"]
    assert names == ["0.weight", "0.bias", "2.0.weight", "2.0.bias", "3.weight", "3.bias"]
    assert "2.0.weight" in next(b.tooltip for b in draw(loss, net).picture.boxes if b.name == "2.0.weight")
    other = model()
    boxes = draw(loss + (other(np.ones((2, 4), np.float32)) ** 2).mean(), net, other).picture.boxes
    assert {"sequential1.0.weight", "sequential2.3.bias"} <= {b.name for b in boxes}
    with pytest.raises(ArgumentError, match="arguments for a function"):
        draw(loss, net, 3.0)


def test_modules_are_told_also_of_a_function_that_uses_them() -> None:
    net = model()

    def loss(x: Any) -> Any:
        for _ in range(10):
            x = net(x) @ np.ones((3, 4))
        return x.sum()

    drawing = draw(loss, np.ones((2, 4)))
    graph: Any = drawing._graph
    assert ("net", "2", "0") in {graph.path(i) for i in range(len(graph.things))}


# ---- rows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_labels_stand_on_their_lines(direction: str) -> None:
    """Also on lines past other boxes, beside which Graphviz puts them."""
    a, b = Value(2.0, "a"), Value(-3.0, "b")
    for y in ((a * b + a) ** 2, (a * b + 3) * (a * b) * a + b):
        _, _, curves = laid_out(draw(y, derivatives=True).picture, direction)
        for curve in curves:
            assert curve.label is not None
            points = np.array(curve.points)
            t = np.linspace(0, 1, 101)[:, None]
            weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3])
            line = np.concatenate([weights @ points[k : k + 4] for k in range(0, len(points) - 3, 3)])
            assert np.hypot(*(line - curve.label).T).min() < 3


def test_a_long_picture_is_put_in_rows() -> None:
    x = leaf([0.5, 0.2], "x")
    h = x
    for k in range(20):
        h = (h * x).tanh() + leaf([0.1, 0.2], f"b{k}") if k % 9 == 0 else (h * 1.5).tanh()
    drawing = draw(h.sum())
    cards, placed, curves = laid_out(drawing.picture, "LR")
    assert len(placed.rows) >= 2 and placed.size.width <= 1.3 * WRAP
    spans = [
        (px - c.size.width / 2, px + c.size.width / 2, py - c.size.height / 2, py + c.size.height / 2)
        for (px, py), c in zip(placed.centres, cards, strict=True)
    ]
    for i, a in enumerate(spans):
        assert a[0] >= 0 and a[2] >= -1e-6 and a[1] <= placed.size.width and a[3] <= placed.size.height + 1e-6
        for b in spans[:i]:
            assert a[1] <= b[0] + 1e-6 or b[1] <= a[0] + 1e-6 or a[3] <= b[2] + 1e-6 or b[3] <= a[2] + 1e-6
    for edge, curve in zip(drawing.picture.edges, curves, strict=True):  # every line starts and ends at its boxes
        (sx, sy), (ex, ey) = curve.points[0], curve.points[-1]
        tail, head = spans[edge.tail], spans[edge.head]
        assert abs(sx - tail[1]) < 2 and tail[2] <= sy <= tail[3]
        assert abs(ex - head[0]) < 2 and head[2] <= ey <= head[3]
        assert (len(curve.points) - 1) % 3 == 0
    straight = laid_out(draw(h.sum(), wrap=None).picture, "LR", wrap=np.inf)[1]
    assert straight.rows == () and straight.size.width > 2 * placed.size.width
    check_svg(drawing.svg())
    with pytest.raises(ArgumentError, match=r"wrap.*got 5"):
        draw(h, wrap=5)


@pytest.mark.parametrize("renderer", ["program", "library"])
def test_png_is_put_in_rows_too(renderer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if renderer == "library":
        monkeypatch.setattr(render.shutil, "which", lambda name: None)
    elif shutil.which("dot") is None:
        pytest.skip("there is no program dot")
    h = leaf([0.5, 0.2], "x")
    for _ in range(12):
        h = (h * 1.5).tanh()

    def size(image: bytes) -> tuple[int, int]:
        assert image[:4] == b"\x89PNG"
        return int.from_bytes(image[16:20], "big"), int.from_bytes(image[20:24], "big")

    (wide, low), (narrow, high) = size(draw(h, wrap=None).png()), size(draw(h).png())
    assert narrow < 1.35 * WRAP * 2 < wide and high > 2 * low  # two pixels to a point
    assert size(draw(h, direction="TB").png())[1] > 3 * high


# ---- opening boxes ----------------------------------------------------------------------------------------


@given(st.data())
def test_any_group_splits(data: st.DataObject) -> None:
    """Every node of a group in one unit, fewer in each, at most about as many as allowed."""
    count = data.draw(st.integers(2, 300))
    inputs: list[list[int]] = [[]]
    for i in range(1, count):
        source = data.draw(st.integers(0, 5)) == 0
        inputs.append([] if source else [i - 1, data.draw(st.integers(0, i - 1))])
    members = sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=2)))
    limit = data.draw(st.integers(4, 40))
    units = split(FakeGraph(inputs, set()), members, limit)  # type: ignore[arg-type]
    assert sorted(i for unit in units for i in unit) == members
    assert all(len(unit) < len(members) for unit in units)
    assert sum(bool([i for i in unit if inputs[i]]) for unit in units) <= limit


def opened(graph: Any, units: list[list[int]]) -> list[int]:
    """All nodes that appear as boxes of their own when everything is opened."""
    found, stack = [], list(units)
    while stack:
        unit = stack.pop()
        if len(unit) == 1:
            found += unit
        else:
            stack += split(graph, unit)
    return sorted(found)


def test_every_node_of_a_large_graph_can_be_reached() -> None:
    h = ag.Tensor(np.ones((2, 3)), name="x")

    def block(h: Any, k: int) -> Any:
        w = leaf(np.eye(3), f"W{k}")
        for _ in range(3):
            h = (h @ w + leaf(np.zeros(3), f"b{k}")).tanh()
        return h

    for k in range(1100):
        h = block(h, k)
    started = time.perf_counter()
    drawing = draw(h.sum(), values=False, gradients=False)
    drawing.svg()
    took = time.perf_counter() - started
    assert len(drawing.picture.boxes) <= 150
    assert opened(drawing._graph, drawing._units) == list(range(len(drawing._graph.inputs)))
    assert any("turns of a loop" in line for b in drawing.picture.boxes for line in b.note)
    assert took < 4  # 0.3 s on an idle machine


def test_the_steps_of_a_recurrent_layer_are_found() -> None:
    """They come from one line of the user's, and repeat: a box for each step, and one for what all of them use."""
    nn = pytest.importorskip("nn")
    drawing = draw(nn.LSTM(3, 5), np.ones((12, 2, 3), np.float32))
    boxes = drawing.picture.boxes
    assert len(drawing._graph.inputs) > 200 and len(boxes) <= 18
    (before,) = [b for b in boxes if "weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0" in b.note]
    assert "+, xWᵀ+b, ⊤" in before.note
    steps = [b for b in boxes if "nodes inside" in b.name]
    assert len(steps) >= 12 and len({b.name for b in steps}) <= 3
    assert opened(drawing._graph, drawing._units) == list(range(len(drawing._graph.inputs)))


def test_repeated_ops_are_found_where_they_begin_and_end() -> None:
    class Kinds(FakeGraph):
        def kind(self, i: int) -> Any:
            return word[i]

    word = "xyz" + "abcde" * 7 + "pq"
    runs = repeats(Kinds([[]] * len(word), set()), range(len(word)))
    assert ["".join(word[i] for i in run) for run in runs] == ["xyz", *["abcde"] * 7, "pq"]
    word = "abcdefghij" * 2 + "klmnopqrstuvwxyz"
    assert len(repeats(Kinds([[]] * len(word), set()), range(len(word)))) == 1


def test_a_second_order_graph() -> None:
    x = leaf([1.0, 2.0], "x")
    (x**3).sum().backward(create_graph=True)
    assert x.grad is not None
    boxes = draw((x.grad * x.grad).sum()).picture.boxes
    assert boxes[-1].value == ("153",) and {"x"} == {b.name for b in boxes if b.kind == "parameter"}


# ---- the page ------------------------------------------------------------------------------------------------

browser_only = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    tab = Browser()
    yield tab
    tab.close()


OVERLAPS = """(() => {
  const rects = [...document.querySelectorAll('#world .box')].filter((b) => b.style.display !== 'none')
    .map((b) => b.getBoundingClientRect()), found = [];
  rects.forEach((a, i) => rects.slice(0, i).forEach((b) => {
    const w = Math.min(a.right, b.right) - Math.max(a.left, b.left), h = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (w > 0.5 && h > 0.5) found.push([w, h]);
  }));
  return found;
})()"""
TEXT_OUT = """[...document.querySelectorAll('#world .box')].filter((b) => {
  const plates = [...b.querySelectorAll('rect')].map((r) => r.getBoundingClientRect());
  const left = Math.min(...plates.map((p) => p.left)), right = Math.max(...plates.map((p) => p.right));
  return [...b.querySelectorAll('text')].map((t) => t.getBoundingClientRect())
    .some((r) => r.left < left - 1 || r.right > right + 1);
}).map((b) => b.textContent)"""


@browser_only
@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_boxes_open_and_close_and_nothing_overlaps(browser: Browser, tmp_path: Path, direction: str) -> None:
    h = ag.Tensor(np.ones((2, 3)), name="x")
    for k in range(120):
        h = (h @ leaf(np.eye(3), f"W{k}") + leaf(np.zeros(3), f"b{k}")).tanh()
    browser.open(draw(h.sum(), max_nodes=40, direction=direction).save(tmp_path / "graph.html"))
    browser("fit(); 0")
    closed = browser("document.querySelectorAll('.opens').length")
    assert closed > 0 and browser(OVERLAPS) == []
    for _ in range(4):
        browser("fit(); 0")
        browser.click_on("[...document.querySelectorAll('.opens')].filter((b) => b.style.display !== 'none').at(-1)")
        assert browser(OVERLAPS) == []
    assert browser("document.querySelectorAll('.opened').length") == 4
    browser("fit(); 0")
    for _ in range(4):
        browser("[...document.querySelectorAll('.opened .fold')].at(-1).dispatchEvent(new MouseEvent('click')); 0")
    assert browser("document.querySelectorAll('.opened').length") == 0
    assert browser("[...document.querySelectorAll('.box')].every((b) => b.style.display === '')")
    assert browser.complaints() == []


@browser_only
def test_search_opens_what_holds_it_and_a_click_tells(browser: Browser, tmp_path: Path) -> None:
    h = leaf([0.5, 0.2], "x")
    for k in range(400):
        h = (h * leaf([1.0, 1.0], f"scale{k}")).tanh()
    browser.open(draw(h.sum(), max_nodes=30).save(tmp_path / "graph.html"))
    browser.key("/", "/")
    browser.type("scale217")
    assert browser("document.getElementById('count').textContent") == "1 found"
    browser.key("Enter")
    assert browser("document.getElementById('count').textContent") == "1 of 1"
    assert browser("document.querySelector('.hit .r-name').textContent") == "scale217"
    assert "a leaf that requires a gradient" in browser("document.getElementById('details').textContent")
    rect = browser("(() => {const r = document.querySelector('.hit').getBoundingClientRect(); return [r.x, r.y]})()")
    assert 0 <= rect[0] <= 1280 and 0 <= rect[1] <= 800
    browser("choose(boxes.at(-1)); 0")
    assert browser("document.querySelectorAll('.pick').length") == 1
    before = browser("document.getElementById('world').getAttribute('transform')")
    browser.drag((600, 700), (500, 650))
    assert browser("document.getElementById('world').getAttribute('transform')") != before
    assert browser.complaints() == []


@browser_only
def test_a_large_page_is_packed_and_works_the_same(browser: Browser, tmp_path: Path) -> None:
    h = leaf([0.5, 0.2], "x")
    for k in range(1500):
        h = (h * leaf([1.0, 1.0], HOSTILE[k % len(HOSTILE)] if k % 50 == 7 else f"scale{k}")).tanh()
    path = draw(h.sum(), max_nodes=30).save(tmp_path / "graph.html")
    assert path.stat().st_size < 500_000 < 200 * 4500
    browser.open(path)
    browser.key("/", "/")
    browser.type("scale1217")
    assert browser("unpacked.then(() => document.getElementById('count').textContent)") == "1 found"
    browser.key("Enter")
    assert browser("document.querySelector('.hit .r-name').textContent") == "scale1217"
    assert browser("data.scenes.map((_, k) => k && content(k).localName).slice(1).every((n) => n === 'g')")
    assert browser("document.scripts.length") == 1 and browser.complaints() == []


@browser_only
@pytest.mark.parametrize("partials", [False, True])
def test_text_is_neither_cut_nor_run_over(browser: Browser, tmp_path: Path, partials: bool) -> None:
    for k, y in enumerate((network(), draw_hostile(), Value(1.5, "a") * 2.5e-7 + 1.0)):
        browser.open(draw(y, derivatives=partials).save(tmp_path / f"graph{k}.html"))
        browser("fit(); 0")
        assert browser(TEXT_OUT) == [] and browser(OVERLAPS) == []
        assert browser("document.scripts.length") == 1
        assert browser.complaints() == []


TEXTS = """(() => {
  const shown = (e) => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0; };
  const texts = [...document.querySelectorAll('svg text')].filter(shown), rects = texts.map((t) => t.getBoundingClientRect());
  const found = [];
  rects.forEach((a, i) => rects.slice(0, i).forEach((b, j) => {
    const w = Math.min(a.right, b.right) - Math.max(a.left, b.left), h = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (w > 1 && h > 0.3 * Math.min(a.height, b.height)) found.push([texts[i].textContent, texts[j].textContent]);
  }));
  const light = (c) => {
    const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (const t of texts) {  // what lies under it: the last plate that holds its middle
    const box = t.closest('.box') || t.closest('g');
    if (!t.closest('.box') && !box.querySelector('rect')) continue;
    const r = t.getBoundingClientRect(), x = r.x + r.width / 2, y = r.y + r.height / 2;
    const under = [...box.querySelectorAll('rect')].filter((p) => {
      const q = p.getBoundingClientRect(), fill = getComputedStyle(p).fill;
      return fill !== 'none' && fill !== 'rgba(0, 0, 0, 0)' && q.left <= x && x <= q.right && q.top <= y && y <= q.bottom;
    }).at(-1);
    if (!under) { found.push(['outside of its box', t.textContent]); continue; }
    const [a, b] = [light(getComputedStyle(t).fill), light(getComputedStyle(under).fill)].sort((p, q) => q - p);
    if ((a + 0.05) / (b + 0.05) < 4.5) found.push(['contrast ' + ((a + 0.05) / (b + 0.05)).toFixed(2), t.textContent]);
  }
  return found;
})()"""


def graphs() -> dict[str, Callable[[], tuple[Any, ...]]]:
    """What people draw."""
    nn, optim = pytest.importorskip("nn"), pytest.importorskip("optim")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 4)).astype(np.float32)
    classes = np.array([0, 1, 2, 0, 1, 2])

    def expression() -> Any:
        a, b = Value(2.0, "a"), Value(-3.0, "b")
        return (a * b + a**2).tanh() * b - 1 / a

    def reused() -> Any:
        h = leaf([0.5, -0.2], "x")
        h = h * h
        return (h * h + h).sum()

    def in_place() -> Any:
        v = leaf(np.arange(4.0), "x")
        y = v * 2.0
        y[1] = v[0] * v[3]
        y += 1.0
        part = y[2:]
        part *= 3.0
        return y.sum()

    def second_order() -> Any:
        v = leaf([1.0, 2.0], "x")
        (v**3).sum().backward(create_graph=True)
        assert v.grad is not None
        return (v.grad * v.grad).sum()

    def ten_thousand() -> Any:
        h = ag.Tensor(np.ones((2, 3)), name="x")
        for k in range(2500):
            h = (h @ leaf(np.eye(3), f"W{k}") + leaf(np.zeros(3), f"b{k}")).tanh() * 1.01
        return h.sum()

    def jitted() -> Any:
        net = nn.MLP(4, (8,), 3)
        optimizer = optim.Adam(net.parameters(), lr=0.01)

        @ag.jit
        def step(x, y):  # type: ignore[no-untyped-def]
            loss = nn.functional.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        step(x, classes)
        return step

    def vae() -> Any:
        pixels = ag.Tensor((rng.random((4, 16)) > 0.5).astype(np.float32), name="x")
        return nn.ELBOLoss()(nn.VAE(16, (8,), 2)(pixels), pixels)

    deep = nn.Sequential(*[nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.LayerNorm(4)) for _ in range(40)])
    cnn = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 3)
    )
    return {
        "expression": lambda: (expression(),),
        "reused node": lambda: (reused(),),
        "mlp": lambda: (nn.functional.cross_entropy(nn.MLP(4, (8, 8), 3)(ag.Tensor(x, name="x")), classes),),
        "cnn": lambda: (cnn, rng.normal(size=(2, 1, 8, 8)).astype(np.float32)),
        "lstm": lambda: (nn.LSTM(3, 5), rng.normal(size=(12, 2, 3)).astype(np.float32)),
        "transformer": lambda: (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), np.ones((2, 5, 8), np.float32)),
        "ten thousand": lambda: (ten_thousand(),),
        "hostile": lambda: (draw_hostile(),),
        "in place": lambda: (in_place(),),
        "second order": lambda: (second_order(),),
        "jitted": lambda: (jitted(),),
        "vae": lambda: (vae(),),
        "modules": lambda: (deep, x),
    }


GRAPHS = ("expression", "reused node", "mlp", "cnn", "lstm", "transformer", "ten thousand", "hostile", "in place",
          "second order", "jitted", "vae", "modules")  # fmt: skip


@browser_only
@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_are_legible(browser: Browser, tmp_path: Path, name: str) -> None:
    """As SVG and as a page, in light and dark: boxes and texts are apart, texts in their boxes and easy to read."""
    drawing = draw(*graphs()[name](), derivatives=name in ("expression", "reused node"))
    assert len(drawing.picture.boxes) <= 150
    page, picture = drawing.save(tmp_path / "graph.html"), drawing.save(tmp_path / "graph.svg")
    try:
        for dark in ("light", "dark"):
            browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": dark}])
            browser.open(page)
            browser("fit(); zoom(1 / view.k); 0")
            assert browser(OVERLAPS) == [] and browser(TEXT_OUT) == [] and browser(TEXTS) == []
            assert browser("document.scripts.length") == 1 and browser.complaints() == []
        opens = "[...document.querySelectorAll('.opens')].filter((b) => b.style.display !== 'none')"
        if browser(f"{opens}.length"):
            browser("fit(); 0")
            browser.click_on(f"{opens}.at(-1)")
            assert browser("unpacked.then(() => document.querySelectorAll('.opened').length)") == 1
            browser("fit(); zoom(1 / view.k); 0")
            assert browser(OVERLAPS) == [] and browser(TEXTS) == []
        browser.open(picture)
        assert browser(TEXTS) == [] and browser("document.querySelectorAll('script').length") == 0
        assert browser.complaints() == []
    finally:
        browser.call("Emulation.setEmulatedMedia", features=[])
    if name == "modules":
        titles = [b.name for b in drawing.picture.boxes if b.kind == "group"]
        assert titles[0] == "0 (Sequential)" and len(titles) == 40


def draw_hostile() -> Any:
    total: Any = Value(0.0)
    for name in HOSTILE:
        total = total + Value(1.0, name) * 2.0
    return total
