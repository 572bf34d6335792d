"""How tensors and networks show themselves in a notebook: bounded, whatever they hold, and with no markup of the user's."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from test_viz import HOSTILE

import autograd as ag
from autograd.viz import text


class Reader(HTMLParser):
    """Elements and text of a piece of HTML; every element must be closed."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.words = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


SHAPES = [(), (1,), (0,), (3, 0), (5,), (200,), (3, 4), (30, 40), (2, 3, 4), (1, 1, 1, 1, 9)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool", "complex64"])
def test_every_tensor_has_a_table(shape: tuple[int, ...], dtype: str) -> None:
    a = (np.arange(np.prod(shape)) % 7).reshape(shape).astype(dtype)
    html = ag.Tensor(a)._repr_html_()
    assert html is not None and len(html) < 20_000
    page = Reader(html)
    assert text.shape_text(shape, dtype) in page.words
    assert page.tags <= {"div", "table", "tr", "td", "svg", "rect", "span", "b"}


@pytest.mark.parametrize(
    "values",
    [[np.nan] * 20, [np.inf, -np.inf] * 5, [1e308, -1e308] * 5, [5e-324] * 9, [-0.0] * 9, [np.inf, 1.0, 2.0, 3.0, np.nan]],
)
def test_extreme_values(values: list[float]) -> None:
    words = Reader(str(ag.Tensor(np.array(values))._repr_html_())).words
    lost = int((~np.isfinite(values)).sum())
    assert (f"{lost} not finite" in words) == bool(lost)


def test_values_and_gradient_are_shown() -> None:
    x = ag.Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True, name="w")
    before = Reader(str(x._repr_html_())).words
    assert "w · 2×3 float64 · requires a gradient" in before and "gradient1" not in before
    (x * x).sum().backward()
    words = Reader(str(x._repr_html_())).words
    assert "024" in words.replace("\n", "") and "6810" in words and "mean 5" in words
    assert "<svg" in str(x._repr_html_())


def test_a_computed_tensor_shows_its_graph() -> None:
    x = ag.Tensor([1.0, 2.0], requires_grad=True)
    assert (x * x)._repr_html_() is None
    assert str((x * x)._repr_svg_()).startswith("<svg")


def test_large_ones_take_no_time() -> None:
    x = ag.from_numpy(np.zeros(20_000_000, np.float32))
    started = time.perf_counter()
    html = x._repr_html_()
    assert html is not None and "of a sample" in html and time.perf_counter() - started < 1.0


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_are_text(name: str) -> None:
    page = Reader(str(ag.Tensor([1.0] * 9, requires_grad=True, name=name)._repr_html_()))
    assert "script" not in page.tags
    assert page.attributes <= {"style", "width", "height", "role", "aria-label", "fill", "opacity", "x", "y"}
    assert text.clean(text.shorten(name, 60)) in page.words


def test_no_values_are_read_while_a_step_is_recorded() -> None:
    seen = []

    @ag.jit
    def step(x: Any) -> Any:
        seen.append((x * 2.0)._repr_html_())
        return x * 2.0

    step(np.ones(3))
    assert seen[0] is None


# ---- networks ----------------------------------------------------------------------------------------------------------------


def test_a_network_is_a_tree() -> None:
    nn = pytest.importorskip("nn")
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Sequential(nn.Linear(8, 3), nn.Dropout(0.5)))
    next(model.parameters()).requires_grad = False
    page = Reader(model._repr_html_())
    for words in ("67 parameters · 32 of them frozen", "8×4 float32, frozen", "weight", "Dropout", "27 parameters"):
        assert words in page.words, page.words
    assert page.tags <= {"div", "details", "summary", "table", "tr", "td", "b", "span"}
    summary = Reader(model.summary((1, 4))._repr_html_())
    assert "FLOPs" in summary.words and "2: Sequential" in summary.words


def test_a_tree_is_bounded_and_hostile_names_are_text() -> None:
    nn = pytest.importorskip("nn")
    deep: Any = nn.Linear(1, 1)
    for _ in range(2000):
        deep = nn.Sequential(deep)
    wide = nn.Sequential(*[nn.Linear(1, 1) for _ in range(3000)])
    for model in (deep, wide):
        assert len(model._repr_html_()) < 300_000
        Reader(model._repr_html_())
    odd = nn.Module()
    for name in ("<script>alert(1)</script>", "a\nb\0", '"quoted"', "x" * 10_000):
        setattr(odd, name, nn.Linear(2, 2))
    odd.itself, shared = odd, nn.Linear(2, 2)
    odd.one, odd.two = shared, shared
    page = Reader(odd._repr_html_())
    assert "script" not in page.tags and "<script>alert(1)</script>" in page.words
    assert page.words.count("contains itself") == 1
