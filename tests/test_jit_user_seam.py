"""What users write themselves (an op, a module, an optimizer, layers of plain ops) compiles as the library's own does.

This file uses public names only, and a test looks that it does.
"""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

import autograd as ag
import nn
import optim
from autograd.rule import OPS, elementwise, np

pytest.importorskip("numba")

OURS = ("autograd", "autograd.rule", "nn", "optim")


def test_this_file_uses_public_names_only() -> None:
    for node in ast.walk(ast.parse(Path(__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert all(a.name in OURS or a.name.split(".")[0] not in ("autograd", "nn", "optim") for a in node.names)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ("autograd", "nn", "optim"):
            assert node.module in OURS
            assert {a.name for a in node.names} <= set(importlib.import_module(node.module).__all__)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            assert node.attr in ("__init__", "__all__", "__doc__")


# ---- an op, a module, an optimizer ----------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def bump() -> Iterator[Any]:
    """A user's op; taken out of the registry afterwards, for the tests that walk over all ops."""

    @elementwise(lambda x, y: -2 * x * y)
    def seam_bump(x: Any, /) -> Any:
        """Gaussian bump, y = exp(−x²); dy/dx = −2xy."""
        return np.exp(-x * x)

    yield seam_bump
    del OPS["seam_bump"], ag.Tensor.seam_bump  # type: ignore[attr-defined]


class Gated(nn.Module):
    """y = bump(x W + b) · σ(x V), and a count of its calls."""

    def __init__(self, op: Any, inputs: int, outputs: int):
        draw = numpy.random.default_rng(0)
        self.op, self.calls = op, ag.State(0)
        self.w = nn.Parameter(draw.normal(size=(inputs, outputs)) * 0.3, dtype=float)
        self.v = nn.Parameter(draw.normal(size=(inputs, outputs)) * 0.3, dtype=float)
        self.b = nn.Parameter(numpy.zeros(outputs), dtype=float)

    def forward(self, x: Any) -> Any:
        self.calls.value = self.calls.value + 1
        return self.op(x @ self.w + self.b) * ag.sigmoid(x @ self.v)


class Heavy:
    """Heavy ball with a rate that falls, p ← p − lr/√t·m, on nothing but tensors and a cell."""

    def __init__(self, parameters: Any, lr: float):
        self.parameters = list(parameters)
        self.lr, self.t = ag.State(lr), ag.State(0)
        self.m = [ag.Tensor(numpy.zeros_like(p.data)) for p in self.parameters]

    def step(self) -> None:
        with ag.no_grad():
            self.t.value = self.t.value + 1
            for p, m in zip(self.parameters, self.m, strict=True):
                m.copy_(0.9 * m + p.grad)
                p.copy_(p - self.lr.read() / self.t.value**0.5 * m)

    def zero_grad(self) -> None:
        for p in self.parameters:
            p.grad = None


class Signs(optim.Optimizer):
    """Sign descent with momentum, by the rule of the library's base class."""

    rule = staticmethod(lambda p, g, m, t, *, lr: (p - lr * numpy.tanh(9 * m), 0.8 * m + 0.2 * g))
    slots = ("average",)

    def __init__(self, parameters: Any, lr: float):
        super().__init__(parameters, {"lr": lr})


def train(wrap: Callable[[Any], Any], make: Any, op: Any) -> list[Any]:
    model = nn.Sequential(Gated(op, 5, 7), nn.Linear(7, 3, dtype=float, generator=ag.Generator(1)))
    optimizer = make(model.parameters(), 0.05)
    draw = numpy.random.default_rng(1)

    def step(x: Any, y: Any) -> Any:
        loss = ((model(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    call = wrap(step)
    losses = [call(draw.normal(size=(11, 5)), draw.normal(size=(11, 3))).item() for _ in range(6)]
    if isinstance(call, type(ag.jit(step))):
        assert call.fallback_reason is None and "seam_bump" not in call.source()  # nothing is left to call
    return [numpy.array(losses), *(p.data for p in model.parameters()), numpy.array(model[0].calls.value)]


@pytest.mark.parametrize("make", [Heavy, Signs, optim.Adam])
def test_a_users_op_module_and_optimizer_compile(make: Any, bump: Any) -> None:
    for got, want in zip(train(ag.jit, make, bump), train(lambda f: f, make, bump), strict=True):
        numpy.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


# ---- layers that are to come, of plain ops --------------------------------------------------------------------------


def lstm(x: Any, w: Any, u: Any, b: Any) -> Any:
    """The last state of an LSTM over the first axis of x: (T, B, I), (I, 4H), (H, 4H), (4H,) → (B, H)."""
    n = u.shape[0]
    h = c = numpy.zeros((x.shape[1], n), x.dtype)
    for t in range(x.shape[0]):
        z = x[t] @ w + h @ u + b
        i, f, o = (ag.sigmoid(z[:, k * n : (k + 1) * n]) for k in range(3))
        c = f * c + i * ag.tanh(z[:, 3 * n :])
        h = o * ag.tanh(c)
    return h


def attention(q: Any, k: Any, v: Any) -> Any:
    """softmax(Q Kᵀ/√d) V for stacks of matrices."""
    scores = q @ ag.swapaxes(k, -1, -2) / q.shape[-1] ** 0.5
    return ag.exp(scores - ag.logsumexp(scores, axis=-1, keepdims=True)) @ v


def convolution(x: Any, w: Any) -> Any:
    """Valid cross-correlation: (B, C, H, W), (O, C, K, K) → (B, O, H − K + 1, W − K + 1); windows by indexing."""
    k = w.shape[-1]
    rows = numpy.arange(x.shape[2] - k + 1)[:, None] + numpy.arange(k)
    columns = numpy.arange(x.shape[3] - k + 1)[:, None] + numpy.arange(k)
    windows = x[:, :, rows[:, None, :, None], columns[None, :, None, :]]  # (B, C, H', W', K, K)
    return ag.einsum("bchwij,ocij->bohw", windows, w)


def convolution_by_shifts(x: Any, w: Any) -> Any:
    """The same as a sum of shifted slices, one for each place in the kernel."""
    k, (h, n) = w.shape[-1], x.shape[2:]
    shifted = (ag.einsum("bchw,oc->bohw", x[:, :, i : h - k + 1 + i, j : n - k + 1 + j], w[:, :, i, j])
               for i in range(k) for j in range(k))  # fmt: skip
    return sum(shifted)


LAYERS: dict[str, tuple[Any, tuple[tuple[int, ...], ...]]] = {
    "lstm": (lstm, ((8, 3, 4), (4, 20), (5, 20), (20,))),
    "attention": (attention, ((2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 7))),
    "one head": (attention, ((5, 4), (6, 4), (6, 7))),
    "convolution": (convolution, ((2, 3, 6, 5), (4, 3, 3, 3))),
    "convolution by shifts": (convolution_by_shifts, ((2, 3, 6, 5), (4, 3, 2, 2))),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", [numpy.float64, numpy.float32])
def test_layers_to_come_compile(name: str, dtype: Any) -> None:
    layer, shapes = LAYERS[name]
    results = []
    for compiled in (False, True):
        draw = numpy.random.default_rng(0)
        leaves = [ag.Tensor(draw.normal(size=s).astype(dtype), requires_grad=True) for s in shapes]

        def step(leaves: Any = leaves) -> Any:
            for p in leaves:
                p.grad = None
            y = layer(*leaves)
            (y * y).mean().backward()
            return y

        y = ag.jit(lambda step=step: step())() if compiled else step()
        results.append([y.data, *(p.grad.data for p in leaves if p.grad is not None)])
    assert len(results[1]) == len(shapes) + 1
    for got, want in zip(*results[::-1], strict=True):
        assert got.dtype == dtype
        tolerance = 1e-11 if dtype == numpy.float64 else 1e-4
        numpy.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * numpy.abs(want).max())


@pytest.mark.parametrize("name", LAYERS)
def test_layers_to_come_differentiate(name: str) -> None:
    layer, shapes = LAYERS[name]
    draw = numpy.random.default_rng(2)
    ag.check_grads(layer, *(draw.normal(size=s) for s in shapes), modes=("rev",), order=1)


def test_both_convolutions_agree() -> None:
    draw = numpy.random.default_rng(3)
    x, w = draw.normal(size=(2, 3, 7, 6)), draw.normal(size=(4, 3, 3, 3))
    windows = numpy.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
    want = numpy.einsum("bchwij,ocij->bohw", windows, w)
    for layer in (convolution, convolution_by_shifts):
        numpy.testing.assert_allclose(layer(ag.Tensor(x), ag.Tensor(w)).data, want, rtol=1e-12, atol=1e-12)


# ---- a run that was interrupted -------------------------------------------------------------------------------------

RUN = """
import json, pickle, sys
import numpy, autograd as ag, nn, optim
place, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
ag.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 2))
optimizer = optim.Adam(model.parameters(), lr=0.01)
if first:
    with open(place, "rb") as file:
        parameters, state, stream = pickle.load(file)
    model.load_state_dict(parameters); optimizer.load_state_dict(state); ag.default_generator.set_state(stream)
@ag.jit
def step(x):
    noise = ag.default_generator.normal(0.0, 0.1, x.shape, x.dtype)
    loss = ((model(x + noise) - 1) ** 2).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    return loss
batches = numpy.random.default_rng(0).normal(size=(10, 8, 6)).astype("f4")
losses = [step(x).item().hex() for x in batches[first:last]]
with open(place, "wb") as file:
    pickle.dump((model.state_dict(), optimizer.state_dict(), ag.default_generator.get_state()), file)
print(json.dumps([losses, [p.data.tobytes().hex() for p in model.parameters()]]))
"""


def test_a_resumed_run_has_the_bits_of_the_whole_one(tmp_path: Path) -> None:
    def run(place: str, first: int, last: int) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(tmp_path / place), str(first), str(last)],
            cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    losses, parameters = run("whole", 0, 10)
    before, after = run("parts", 0, 5), run("parts", 5, 10)
    assert before[0] + after[0] == losses
    assert after[1] == parameters
