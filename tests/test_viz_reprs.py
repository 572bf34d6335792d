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


def test_a_tree_tells_costs_where_the_input_is_plain_to_see() -> None:
    nn = pytest.importorskip("nn")
    dense = nn.Sequential(nn.Sequential(nn.Linear(64, 32), nn.ReLU()), nn.BatchNorm1d(32), nn.Dropout(0.5), nn.Linear(32, 10))
    state, stream = dense.state_dict(), ag.default_generator.get_state()
    state = {k: np.array(v) for k, v in state.items()}
    attributes = [sorted(vars(m)) for m in dense.modules()]
    words = Reader(dense._repr_html_()).words
    assert "output 1×32 · 4,128 FLOPs" in words and "summary(" not in words
    assert [sorted(vars(m).keys() - {"training"}) for m in dense.modules()] == attributes, "no hook is left behind"
    assert all(np.array_equal(state[k], v) for k, v in dense.state_dict().items())
    assert ag.default_generator.get_state() == stream
    calls = []

    class Own(nn.Module):
        def forward(self, x: Any) -> Any:
            calls.append(x)
            return x

    watched = nn.Sequential(nn.Linear(2, 2))
    watched[0].register_forward_hook(lambda *args: calls.append(args))
    wrong = nn.Sequential(nn.Linear(2, 3), nn.Linear(2, 3))
    for model in (nn.Sequential(nn.Linear(2, 2), Own()), watched, wrong, nn.Sequential(nn.Conv2d(1, 1, 3))):
        assert "summary(input_shape) tells" in Reader(model._repr_html_()).words
    assert not calls, "no code of the user's runs for a picture"


# ---- optimizers and histories ------------------------------------------------------------------------------------------------


def test_an_optimizer_shows_its_groups_and_its_state() -> None:
    optim = pytest.importorskip("optim")
    a, b = (ag.Tensor(np.zeros(n, np.float32), requires_grad=True, name=name) for n, name in ((100, "<script>"), (28, None)))
    optimizer = optim.Adam([{"params": [a], "lr": 0.25}, {"params": [b]}], lr=0.5)
    assert "  no step yet; 1.0 KiB of state: exp_avg, exp_avg_sq" in repr(optimizer).split("\n")
    for _ in range(3):
        a.sum().backward()
        optimizer.step()
    page = Reader(optimizer._repr_html_())
    for words in ("Adam", "2 tensors, 128 parameters", "0 to 3 steps", "1.0 KiB of state", "lr0.250.5", "<script>", "betas"):
        assert words in page.words, page.words
    assert page.tags <= {"div", "details", "summary", "table", "tr", "td", "th", "b", "span"}
    assert "no state" in repr(optim.SGD([a]))
    many = optim.SGD([{"params": [ag.Tensor([1.0], requires_grad=True)]} for _ in range(300)], lr=0.1, momentum=0.9)
    page = Reader(many._repr_html_())
    assert "and 200 more" in page.words and "group0" not in page.words


def test_every_optimizer_shows_itself() -> None:
    optim = pytest.importorskip("optim")
    for name in optim.__all__:
        kind = getattr(optim, name)
        if isinstance(kind, type) and issubclass(kind, optim.Optimizer) and kind is not optim.Optimizer:
            optimizer = kind([ag.Tensor(np.ones(3, np.float32), requires_grad=True)])
            assert kind.__name__ in Reader(optimizer._repr_html_()).words
            assert repr(optimizer).startswith(f"{kind.__name__}(\n  group 0: 1 tensor")


def test_a_history_shows_its_curves_and_its_last_epochs() -> None:
    nn = pytest.importorskip("nn")
    history = nn.History()
    assert repr(history) == "History: no epochs" and "no epochs" in Reader(history._repr_html_()).words
    for k in range(1000):
        row = {"loss": 100.0 * 0.99**k, "val_loss": abs(k - 400.0) + 1, "<b>": np.nan, "seconds": 0.001}
        history.append({"epoch": k + 1, **row})
    lines = repr(history).split("\n")
    assert lines[0] == "History: 1,000 epochs, 1 s" and len(lines) == 5
    assert lines[3].split() == ["val_loss", "401", "600", "1", "in", "epoch", "401"]
    html = history._repr_html_()
    page = Reader(html)
    assert "loss, logarithmic" in page.words and "validation 600" in page.words and "<b>" in page.words
    assert all(f"{n}" in page.words for n in range(996, 1001)) and "995" not in page.words.replace("0.995", "")
    assert html.count("<polyline") == 2 and len(html) < 10_000
    history.append({"epoch": 1001, "loss": np.inf})
    history.interrupted = True
    assert "1,001 epochs, 1 s, interrupted" in Reader(history._repr_html_()).words
