"""`to_source()`: the program that it prints, run with NumPy alone, gives the tensor's value and backward()'s gradients."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from op_table import COMPOSED, ROWS, run

import autograd as ag
from autograd import Value
from autograd.errors import ArgumentError, DTypeError, GraphError
from autograd.rule import OPS
from autograd.viz.latex import to_latex
from autograd.viz.polish import polished


def leaf(data: Any, name: str | None = None, dtype: Any = np.float64) -> ag.Tensor:
    return ag.Tensor(data, requires_grad=True, dtype=dtype, name=name)


def check(root: ag.Tensor, leaves: list[ag.Tensor], rtol: float = 1e-12) -> str:
    """Run the source by itself and compare with the tensor and with backward()."""
    source = root.to_source()
    words = ast.parse(source)
    modules = {a.name for n in ast.walk(words) if isinstance(n, ast.Import) for a in n.names}
    assert modules <= {"numpy", "math"} and not any(isinstance(n, ast.ImportFrom) for n in ast.walk(words))
    program: dict[str, Any] = {}
    exec(compile(source, "<generated>", "exec"), program)
    inputs = {k: v.copy() for k, v in source.inputs.items()}
    with np.errstate(all="ignore"):
        value, gradients = program["loss_and_gradients"](**inputs)
    assert all(np.array_equal(inputs[k], v, equal_nan=v.dtype.kind in "fc") for k, v in source.inputs.items())
    np.testing.assert_allclose(value, root.data, rtol=rtol, atol=1e-300)
    for x in leaves:
        x.grad = None
    root.backward(np.ones(root.shape, root.dtype))
    for x in leaves:
        if x.grad is None:
            continue
        g = gradients[x.name]
        assert np.shape(g) == x.shape and np.asarray(g).dtype == x.dtype
        np.testing.assert_allclose(g, x.grad.data, rtol=rtol, atol=1e-13 if rtol < 1e-9 else 1e-6)
    return str(source)


@pytest.mark.parametrize("name", [n for n, row in ROWS.items() if row.order])
def test_every_op(name: str) -> None:
    for sample in ROWS[name].samples:
        arrays = sample.arrays()
        inputs = [leaf(a, f"in{k}") if a.dtype.kind == "f" else a for k, a in enumerate(arrays)]
        y = run(OPS[name], inputs, sample.settings)
        leaves = [x for x in inputs if isinstance(x, ag.Tensor)]
        check((y * np.arange(1, y.size + 1).reshape(y.shape)).sum(), leaves)


@pytest.mark.parametrize("name", COMPOSED)
def test_composed_functions(name: str) -> None:
    for case in COMPOSED[name]:
        rng = np.random.default_rng(0)
        inputs = [leaf(case.domain(rng, shape), f"in{k}") for k, shape in enumerate(case.shapes)]
        y = case.call(ag, *inputs)
        if y.requires_grad:
            check((y * np.arange(1, y.size + 1).reshape(y.shape)).sum(), inputs)


@pytest.mark.parametrize("name", ["tanh", "exp", "matmul", "logsumexp", "max", "softplus", "getitem", "relu", "sqrt"])
def test_float32_stays(name: str) -> None:
    for sample in ROWS[name].samples:
        inputs = [leaf(a, f"in{k}", np.float32) if a.dtype.kind == "f" else a for k, a in enumerate(sample.arrays(np.float32))]
        y = run(OPS[name], inputs, sample.settings)
        check(y.sum() * 0.5 + 1.0, [x for x in inputs if isinstance(x, ag.Tensor)], rtol=1e-5)


def network() -> tuple[ag.Tensor, list[ag.Tensor]]:
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(5, 4)), np.array([0, 1, 2, 0, 1])
    w, b, v = leaf(rng.normal(size=(4, 6)), "w"), leaf(rng.normal(size=6), "b"), leaf(rng.normal(size=(6, 3)), "v")
    h = (x @ w + b).tanh()
    h.name = "h"
    z = h @ v
    z.name = "z"
    return -(z[np.arange(5), t] - ag.logsumexp(z, axis=1)).mean(), [w, b, v]


def test_a_network_reads_as_one_writes_it() -> None:
    source = check(*network())
    for line in (
        "h = np.tanh(v2)  # (5, 6)",
        "g_v2 = g_h * (1 - h * h)",
        "g_b = np.sum(g_v2, axis=0)",
        "g_v = h.T @ g_z",
        "v4 = logsumexp(z, axis=1)  # (5,)",
        'return loss, {"w": g_w, "b": g_b, "v": g_v}',
    ):
        assert line in source, source


def test_it_runs_where_this_library_is_not(tmp_path: Path) -> None:
    root, _ = network()
    source = root.to_source()
    np.savez(tmp_path / "inputs.npz", **source.inputs)
    script = f"{source}\nvalue, gradients = loss_and_gradients(**np.load('inputs.npz'))\nprint(repr(float(value)))\n"
    (tmp_path / "program.py").write_text(script + "import sys\nassert not {'autograd', 'scipy', 'numba'} & set(sys.modules)\n")
    done = subprocess.run([sys.executable, "-I", "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(root.item(), rel=1e-14)


def test_models_of_nn() -> None:
    nn = pytest.importorskip("nn")
    rng = np.random.default_rng(0)
    for activation in (nn.ReLU(), nn.Tanh(), nn.GELU(), nn.Sigmoid(), nn.SiLU(), nn.ELU()):
        model = nn.Sequential(nn.Linear(4, 8), activation, nn.Linear(8, 3)).double()
        for loss in (
            nn.functional.cross_entropy(model(rng.normal(size=(5, 4))), np.array([0, 1, 2, 0, 1])),
            nn.functional.mse_loss(model(rng.normal(size=(5, 4))), rng.normal(size=(5, 3))),
        ):
            leaves = list(model.parameters())
            for k, p in enumerate(leaves):
                p.name = f"p{k}"
            check(loss, leaves)


def kinds() -> dict[str, Callable[[Any], tuple[Any, tuple[int, ...]]]]:
    """Every kind of model that the notebooks have: the network, and the shape of what it takes."""
    def convolution(nn: Any) -> Any:
        return nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ELU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(48, 3)
        )

    def dropout(nn: Any) -> Any:
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.SiLU(), nn.Dropout(0.5), nn.LayerNorm(4), nn.Linear(4, 2))

    return {
        "mlp": lambda nn: (nn.MLP(4, (8, 8), 3), (5, 4)),
        "convolution": lambda nn: (convolution(nn), (2, 1, 8, 8)),
        "transposed": lambda nn: (nn.Sequential(nn.ConvTranspose2d(2, 3, 3, stride=2), nn.AvgPool2d(3)), (2, 2, 4, 4)),
        "rnn": lambda nn: (nn.RNN(3, 4), (5, 2, 3)),
        "lstm": lambda nn: (nn.LSTM(3, 4, num_layers=2), (5, 2, 3)),
        "gru": lambda nn: (nn.GRU(3, 4, bidirectional=True), (5, 2, 3)),
        "transformer": lambda nn: (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 5, 8)),
        "dropout and norms": lambda nn: (dropout(nn), (6, 3)),
        "vae": lambda nn: (nn.VAE(6, (5,), 2), (4, 6)),
    }


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_of_model(kind: str, tmp_path: Path) -> None:
    """Loss and gradients to 1e-12, where nothing but NumPy is."""
    nn = pytest.importorskip("nn")
    rng = np.random.default_rng(0)
    model, shape = kinds()[kind](nn)
    model.double()
    if kind == "vae":
        x = (rng.random(shape) > 0.5).astype(float)
        loss = nn.ELBOLoss()(model(x), x)
    else:
        out = model(rng.normal(size=shape))
        out = out[0] if isinstance(out, tuple) else out
        loss = (out * rng.normal(size=out.shape)).sum()
    leaves = list(model.parameters())
    for k, p in enumerate(leaves):
        p.name = f"p{k}"
    source = check(loss, leaves)
    body = source[source.index("# forward") :]
    assert "np.matmul(" not in body and "slice(None" not in body


def test_embeddings_and_attention() -> None:
    nn = pytest.importorskip("nn")

    class Words(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.table, self.attention, self.out = nn.Embedding(9, 6), nn.MultiheadAttention(6, 2), nn.Linear(6, 3)

        def forward(self, words: Any) -> Any:
            h = self.table(words)
            return self.out(self.attention(h, h, h)[0].mean(axis=0))

    model = Words().double()
    loss = nn.functional.cross_entropy(model(np.array([[1, 2], [3, 1], [8, 8]])), np.array([0, 2]))
    leaves = list(model.parameters())
    for k, p in enumerate(leaves):
        p.name = f"p{k}"
    check(loss, leaves)


@pytest.mark.parametrize(
    ("words", "better"),
    [
        ("np.matmul(np.swapaxes(a, -1, -2), g_b)", "a.T @ g_b"),
        ("np.swapaxes(c, -1, -2)", "np.swapaxes(c, -1, -2)"),
        ("np.swapaxes(a, 0, 1)", "np.swapaxes(a, 0, 1)"),
        ("np.reshape(c, (math.prod(c.shape[:-1]), c.shape[-1]))", "np.reshape(c, (6, 4))"),
        ("np.reshape(a, (math.prod(a.shape[:-1]), a.shape[-1]))", "a"),
        ("np.swapaxes(np.reshape(g_c, (6, 4)), -1, -2)", "np.reshape(g_c, (6, 4)).T"),
        ("f(g, (slice(None, None, None), slice(0, 8, 2), None, 3))", "f(g, np.s_[:, 0:8:2, None, 3])"),
        ("np.mean(a, axis=(-1,), keepdims=True)", "np.mean(a, axis=-1, keepdims=True)"),
        ("(a - b) ** (2 * 1 - (2 != 0))", "a - b"),
        ("g_a[*(slice(None),) * (0 % g_a.ndim), slice((0, 1, 2)[1], (0, 1, 2)[2])]", "g_a[1:2]"),
        ("g_a[*(slice(None),) * (-1 % g_a.ndim), slice((0, 1, 2)[0], (0, 1, 2)[1])]", "g_a[:, 0:1]"),
        ("a ** 1.0", "a ** 1.0"),
        ("unknown.shape[0] + a.shape[5]", "unknown.shape[0] + a.shape[5]"),
    ],
)
def test_lines_are_polished(words: str, better: str) -> None:
    assert polished(words, {"a": (2, 3), "b": (2, 4), "c": (2, 3, 4)}) == better


def test_what_was_compiled_in_one_piece_is_written_out() -> None:
    nn = pytest.importorskip("nn")
    x = leaf(np.random.default_rng(0).normal(size=(200, 200)), "x")
    source = check(nn.functional.gelu(x).sum(), [x])
    assert "compiled" not in source


def test_names_and_constants() -> None:
    x, y = leaf([1.0, 2.0], "x"), leaf([3.0, 4.0], "x")
    z = leaf([5.0, 6.0], "lambda")
    source = (x * y + z * ag.Tensor([2.0, 1.0], dtype=float, name="a b\n</script>")).sum().to_source()
    assert set(source.inputs) == {"x", "x_2", "x1", "a_b___script_"}
    ast.parse(source)
    assert repr(source) == str(source)
    a = leaf(2.0, "a")
    check(a * 3.0 + 1 / a - np.float64(0.5) * a, [a])
    check(leaf(2.0, "loss"), [])


def test_a_leaf_that_gets_nothing_and_one_that_is_used_often() -> None:
    x, i = leaf(np.arange(40.0), "x"), np.random.default_rng(0).integers(0, 40, 60)
    check((x[i] * x[::2].sum() + x[3]).mean(), [x])


def test_in_place_writes() -> None:
    x, v = leaf(np.ones((3, 4)), "x"), leaf([2.0, 3.0, 5.0], "v")
    y = x * 2.0
    y[:, 1] = v
    y.T[2, 0] = v[0] * 7.0
    check((y * y).sum(), [x, v])


def test_refusals() -> None:
    with pytest.raises(GraphError, match="without a graph"):
        ag.Tensor([1.0]).to_source()
    x = leaf([1.0, 2.0])
    y = (x * x).sum()
    y.backward()
    with pytest.raises(GraphError, match="retain_graph"):
        y.to_source()


# ---- LaTeX -----------------------------------------------------------------------------------------------------------------

A, B = Value(2.0, "a"), Value(-3.0, "beta")


@pytest.mark.parametrize(
    ("expression", "latex"),
    [
        (lambda: A * B + A**2, r"a \, \beta + a^{2}"),
        (lambda: (A + B) ** 2 / (A * B), r"\frac{\left(a + \beta\right)^{2}}{a \, \beta}"),
        (lambda: -(A - (B - A)), r"-\left(a - \left(\beta - a\right)\right)"),
        (lambda: A * -2, r"a \cdot \left(-2\right)"),
        (lambda: 2 * A, r"2 \, a"),
        (lambda: A * 3.5e-7, r"a \cdot 3.5 \cdot 10^{-7}"),
        (lambda: A.exp() * B.sqrt(), r"e^{a} \, \sqrt{\beta}"),
        (lambda: abs(A - B).log(), r"\ln\left(\left|a - \beta\right|\right)"),
        (lambda: (A + 1).tanh(), r"\tanh\left(a + 1\right)"),
        (lambda: A.tanh() ** 2, r"\left(\tanh\left(a\right)\right)^{2}"),
    ],
)
def test_latex(expression: Any, latex: str) -> None:
    assert expression().to_latex() == latex


def test_latex_of_indices_and_of_the_largest() -> None:
    x = leaf([1.0, 2.0], "alpha")
    assert x[0].to_latex() == r"\alpha_{0}" and (x[0] * x[1:]).sum().to_latex() == r"\sum \alpha_{0} \, \alpha_{1:}"
    assert leaf([1.0, 2.0], "x1")[0].to_latex() == "{x_{1}}_{0}"
    assert ag.maximum(x, 0.0).to_latex() == r"\max\left(\alpha, 0\right)"


def test_latex_of_tensors_and_of_what_is_used_twice() -> None:
    x, w = leaf(np.ones((2, 3)), "x"), leaf(np.ones((3, 2)), "W_1")
    assert (x @ w).sum(axis=1).mean().to_latex() == r"\operatorname{mean}\left(\sum_{\text{axis 1}} x \, W_{1}\right)"
    c = A * B
    assert (c * c).to_latex() == r"\begin{aligned} v_{1} &= a \, \beta \\ y &= v_{1} \, v_{1} \end{aligned}"
    h = Value(0.5)
    for _ in range(60):
        h = h * B + A
    assert h.to_latex().count(r"\\") >= 5
    assert (Value(1.0, "50% {x}_\\") * A).to_latex() == r"\text{50\% \{x\}\_$\backslash $} \, a"
    for _ in range(600):
        h = h.tanh()
    with pytest.raises(ArgumentError, match="720 operations"):
        h.to_latex()
    with pytest.raises(DTypeError, match="float"):
        to_latex(2.0)
