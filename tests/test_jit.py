"""Jitted steps against the same steps run eagerly: values, what is written when, what records again, what is refused."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim

pytest.importorskip("numba")

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(32, 5)), rng.normal(size=(32, 1))
LABELS = rng.integers(0, 3, 32)


def variants(step: Any) -> int:
    return sum(len(v) for v in step._variants.values())


def recorded_here(error: Any) -> bool:
    """Whether a message names a line of this file."""
    return re.search(r"test_jit\.py:\d+", str(error.value)) is not None


def close(a: Any, b: Any, dtype: Any = np.float64) -> None:
    tolerance = 1e-10 if dtype == np.float64 else 3e-5
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


class Regression:
    """A small network written out, its step, and all of its state."""

    def __init__(self, activation: str = "tanh", dtype: Any = np.float64, outputs: int = 1):
        draw = np.random.default_rng(1)
        shapes = [(5, 8), (8,), (8, outputs), (outputs,)]
        self.parameters = [ag.Tensor(draw.normal(size=s).astype(dtype) * 0.5, requires_grad=True) for s in shapes]
        self.arrays = [p.data for p in self.parameters]
        self.optimizer = optim.Adam(self.parameters, lr=0.01)
        self.activation = getattr(ag, activation)
        self.rate = 1.0

    def output(self, x: Any) -> Any:
        w, b, v, c = self.parameters
        return self.activation(x @ w + b) @ v + c

    def step(self, x: Any, y: Any) -> Any:
        out = self.output(x)
        loss = ((out - y) ** 2).mean() if y.ndim == 2 else nn.functional.cross_entropy(out, y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def state(self) -> list[Any]:
        values: list[Any] = [a.copy() for a in self.arrays]
        for p in self.parameters:
            values.append(None if p.grad is None else p.grad.data.copy())
            for s in self.optimizer.state[p].values():
                values.append(s.value if isinstance(s, ag.State) else s.data.copy())
        return values


def same_state(a: list[Any], b: list[Any]) -> None:
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        assert (x is None) == (y is None)
        if x is not None:
            np.testing.assert_array_equal(x, y)


# ---- results


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_twenty_steps_equal_eager(activation: str, loss: str, dtype: Any) -> None:
    outputs, target = (1, Y.astype(dtype)) if loss == "mse" else (3, LABELS)
    eager, compiled = (Regression(activation, dtype, outputs) for _ in range(2))
    step = ag.jit(compiled.step)
    x, y = ag.Tensor(X.astype(dtype)), ag.Tensor(target)
    for _ in range(20):
        want, got = eager.step(x, y), step(x, y)
        assert got.dtype == dtype and got.shape == ()
        close(got.data, want.data, dtype)
    for p, q, a in zip(compiled.parameters, eager.parameters, compiled.arrays, strict=True):
        assert p.data is a, "written in place"
        assert p.grad is not None and q.grad is not None
        close(p.data, q.data, dtype)
        close(p.grad.data, q.grad.data, dtype)
    assert variants(step) == 1
    assert "for i0 in range" in step.source()


def test_the_first_call_counts_once_and_versions_advance() -> None:
    m = Regression()
    before = [p.version for p in m.parameters]
    step = ag.jit(m.step)
    step(ag.Tensor(X), ag.Tensor(Y))
    counts = [s.value for p in m.parameters for s in m.optimizer.state[p].values() if isinstance(s, ag.State)]
    assert counts and all(c == 1 for c in counts)
    assert all(p.version > b for p, b in zip(m.parameters, before, strict=True))
    reference = Regression()
    reference.step(ag.Tensor(X), ag.Tensor(Y))
    for p, q in zip(m.parameters, reference.parameters, strict=True):
        close(p.data, q.data)


def test_a_function_that_only_computes() -> None:
    @ag.jit
    def f(x: Any, y: Any) -> Any:
        return ag.exp(x).T @ y, (x * 2).sum(axis=0)

    a, b = f(ag.Tensor(X), Y)
    close(a.data, np.exp(X).T @ Y)
    close(b.data, 2 * X.sum(axis=0))
    assert a.node is None
    assert ag.jit(lambda x: None)(X) is None
    (only,) = ag.jit(lambda x: [x])(X)
    close(only.data, X)


def test_inference_without_gradients() -> None:
    m = Regression()

    @ag.jit
    @ag.no_grad()
    def predict(x: Any) -> Any:
        return m.output(x)

    close(predict(X).data, m.output(X).data)
    with ag.no_grad():
        m.parameters[3].copy_(m.parameters[3] + 1)
    close(predict(X).data, m.output(X).data)
    assert variants(predict) == 1
    with ag.no_grad():
        close(ag.jit(m.output)(X).data, m.output(X).data)


def test_two_updates_in_one_call() -> None:
    eager, compiled = Regression(), Regression()

    def twice(m: Regression) -> Callable[[Any, Any], Any]:
        def call(x: Any, y: Any) -> Any:
            m.step(x, y)
            return m.step(x, y)

        return call

    step = ag.jit(twice(compiled))
    for _ in range(3):
        close(step(X, Y).data, twice(eager)(ag.Tensor(X), ag.Tensor(Y)).data)
    for p, q in zip(compiled.parameters, eager.parameters, strict=True):
        close(p.data, q.data)


def test_gradients_accumulate_over_calls() -> None:
    w = ag.Tensor([1.0, 2.0], requires_grad=True)

    @ag.jit
    def add(x: Any) -> None:
        (w * x).sum().backward()

    for k in range(1, 4):
        add(ag.Tensor([1.0, 3.0]))
        assert w.grad is not None
        np.testing.assert_array_equal(w.grad.data, [k, 3 * k])
    assert variants(add) == 2, "one that finds no gradient, one that finds some"
    w.grad = None
    add(ag.Tensor([1.0, 3.0]))
    np.testing.assert_array_equal(w.grad.data, [1, 3])


def test_a_step_of_the_optimizer_alone_reads_the_gradient_of_the_moment() -> None:
    w = ag.Tensor([1.0, 2.0], requires_grad=True)
    sgd = optim.SGD([w], lr=0.1)
    update = ag.jit(lambda: sgd.step())
    for k in range(1, 4):
        sgd.zero_grad()
        (w * float(k)).sum().backward()
        before = w.data.copy()
        update()
        np.testing.assert_allclose(w.data, before - np.float32(0.1 * k), rtol=1e-6)


def test_counts_and_rates_never_record_again() -> None:
    m = Regression()
    step = ag.jit(m.step)
    for k in range(4):
        m.optimizer.param_groups[0]["lr"] = 0.1 / (k + 1)
        step(X, Y)
    assert variants(step) == 1


def test_a_seed_of_ones_own() -> None:
    w, seed = ag.Tensor(X, requires_grad=True), ag.Tensor(Y * np.ones(5))

    @ag.jit
    def step() -> None:
        w.grad = None
        (w * w).backward(seed)

    for _ in range(2):
        step()
        assert w.grad is not None
        close(w.grad.data, 2 * X * seed.data)
        seed.copy_(seed * 3)


# ---- nothing is committed while recording


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("late", [False, True])
def test_an_error_while_recording_changes_nothing(error: type[BaseException], late: bool) -> None:
    m = Regression()
    m.step(ag.Tensor(X), ag.Tensor(Y))  # so that there are gradients and moments to lose
    fail = [True]

    @ag.jit
    def step(x: Any, y: Any) -> Any:
        if late:
            loss = m.step(x, y)
        if fail[0]:
            raise error("stop")
        return loss if late else m.step(x, y)

    before, gradients = m.state(), [p.grad for p in m.parameters]
    with pytest.raises(error):
        step(X, Y)
    same_state(m.state(), before)
    assert all(p.grad is g for p, g in zip(m.parameters, gradients, strict=True))
    assert variants(step) == 0 and ag.is_grad_enabled()
    fail[0] = False
    reference = Regression()
    reference.step(ag.Tensor(X), ag.Tensor(Y))
    close(step(X, Y).data, reference.step(ag.Tensor(X), ag.Tensor(Y)).data)


def test_an_error_of_shapes_is_the_one_of_eager() -> None:
    m = Regression()
    step = ag.jit(m.step)
    before = m.state()
    with pytest.raises(ag.errors.ShapeError) as error:
        step(ag.Tensor(X[:, :4]), ag.Tensor(Y))
    assert "matmul" in str(error.value)
    same_state(m.state(), before)


# ---- what the user holds


def test_results_that_are_held_are_never_overwritten() -> None:
    m = Regression()
    step = ag.jit(m.step)
    losses, arrays, gradients, copies = [], [], [], []
    for _ in range(8):
        loss = step(X, Y)
        losses.append(loss)
        arrays.append(loss.numpy().reshape(1))  # a view keeps it too
        assert m.parameters[0].grad is not None
        gradients.append(m.parameters[0].grad)
        copies.append((loss.item(), m.parameters[0].grad.data.copy()))
    for loss, array, g, (value, kept) in zip(losses, arrays, gradients, copies, strict=True):
        assert loss.item() == value == array[0]
        np.testing.assert_array_equal(g.data, kept)


# ---- guards


def test_a_new_shape_or_dtype_records_again() -> None:
    m = Regression()
    step = ag.jit(m.step)
    step(X, Y)
    step(X[:7], Y[:7])
    assert variants(step) == 2
    step(X, Y)
    assert variants(step) == 2
    f = ag.jit(lambda x: x * 2)
    assert f(np.float32([1])).dtype == np.float32 and f(np.float64([1])).dtype == np.float64
    assert f(np.array([3])).dtype == np.int64


def test_a_replaced_array_is_not_answered_stale() -> None:
    w = ag.Tensor([1.0, 2.0])
    f = ag.jit(lambda x: (w * x).sum())
    assert f(ag.Tensor([1.0, 1.0])).item() == 3
    w.data = np.array([5.0, 5.0], np.float32)
    assert f(ag.Tensor([1.0, 1.0])).item() == 10
    w.data[0] = 1.0
    assert f(ag.Tensor([1.0, 1.0])).item() == 6


def test_bare_arrays_that_the_function_reaches_are_read_when_it_runs() -> None:
    table = np.array([1.0, 2.0])
    f = ag.jit(lambda x: x * table)
    f(np.ones(2))
    table[:] = 7
    np.testing.assert_array_equal(f(np.ones(2)).data, [7, 7])


FACTOR = 2.0


def helper(x: Any) -> Any:
    return x * FACTOR


def test_globals_and_closures_are_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    kind, offset = "sum", 1.0

    def f(x: Any) -> Any:
        y = helper(x) + offset
        return y.sum() if kind == "sum" else y.max()

    g = ag.jit(f)
    x = np.array([1.0, 2.0])
    assert g(x).item() == 8
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert g(x).item() == 11
    offset = 0.0
    assert g(x).item() == 9
    kind = "max"
    assert g(x).item() == 6
    kind, offset = "sum", 1.0
    monkeypatch.setitem(globals(), "FACTOR", 2.0)
    assert g(x).item() == 8
    assert variants(g) == 4, "an earlier program serves again"


def test_attributes_and_modes_are_guarded() -> None:
    class Noise(nn.Module):
        def forward(self, x: Any) -> Any:
            return x + ag.default_generator.normal(size=x.shape) if self.training else x

    model = nn.Sequential(nn.Linear(5, 4), Noise(), nn.Linear(4, 1)).eval()

    class Settings:
        scale = 1.0

        def __init__(self) -> None:
            self.scale = 2.0

    settings = Settings()
    f = ag.jit(lambda x: model(x) * settings.scale)
    x = X.astype(np.float32)
    first = f(x)
    close(first.data, model(x).data * 2, np.float32)
    settings.scale = 4.0
    close(f(x).data, first.data * 2, np.float32)
    model.train()
    state = ag.default_generator.get_state()
    noisy = f(x)
    after = ag.default_generator.get_state()
    ag.default_generator.set_state(state)
    close(noisy.data, model(x).data * 4, np.float32)
    assert ag.default_generator.get_state() == after != state
    model.eval()
    close(f(x).data, first.data * 2, np.float32)


def test_static_and_float_arguments() -> None:
    def f(x: Any, n: int, how: str, scale: float, flag: bool = False) -> Any:
        y = x**n * scale
        return y.sum() if how == "sum" else -y if flag else y

    g = ag.jit(f)
    x = np.array([1.0, 2.0], np.float32)
    for scale in (1.0, 2.5, -3.0):
        got = g(x, 2, "sum", scale)
        assert got.dtype == np.float32, "a Python float widens nothing"
        assert got.item() == 5 * scale
    assert variants(g) == 1
    np.testing.assert_array_equal(g(x, 3, "none", 1.0, True).data, [-1, -8])
    np.testing.assert_array_equal(g(x, 3, "none", scale=2.0).data, [2, 16])
    assert variants(g) == 3
    with pytest.raises(ag.errors.DTypeError):
        g(object(), 1, "sum", 1.0)


def test_too_many_programs_warn() -> None:
    w = ag.Tensor([1.0])
    f = ag.jit(lambda: w * 2)
    with pytest.warns(RuntimeWarning, match="compiled"):
        for k in range(10):
            w.data = np.array([float(k)])
            assert f().item() == 2 * k


# ---- refused while recording


@pytest.mark.parametrize(
    "read", [float, bool, lambda t: t.item(), lambda t: 1 if t > 0 else 2, lambda t: t.numpy(), lambda t: t.tolist(), int],
    ids=["float", "bool", "item", "branch", "numpy", "tolist", "int"],
)  # fmt: skip
def test_reading_a_value_is_refused(read: Callable[[Any], Any]) -> None:
    def f(x: Any) -> Any:
        s = (x * 2).sum()
        read(s)
        return s

    with pytest.raises(ag.errors.GraphError) as error:
        ag.jit(f)(X)
    assert recorded_here(error)


def test_printing_shows_the_shape(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        y = x * 2
        print(y)
        return y

    ag.jit(f)(X)
    assert "32, 5" in capsys.readouterr().out


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x[x > 0],
        lambda x: x + ag.default_generator.normal(loc=x.sum(), size=5),
    ],
    ids=["mask", "random"],
)
def test_what_has_no_compiled_form_says_so(call: Callable[[Any], Any]) -> None:
    with pytest.raises(ag.errors.UnsupportedError) as error:
        ag.jit(call)(X)
    assert recorded_here(error)


def test_writes_that_would_be_lost_are_refused() -> None:
    w = ag.Tensor([1.0, 2.0], requires_grad=True)

    def replaced() -> None:
        w.data = np.ones(2, np.float32)

    with pytest.raises(ag.errors.UnsupportedError):
        ag.jit(replaced)()
    with pytest.raises(ag.errors.GraphError, match="detach"):
        ag.jit(lambda x: x * 2)(w)


def test_a_part_of_a_tensor_is_written() -> None:
    w = ag.Tensor(np.arange(6.0).reshape(2, 3))
    array = w.data

    @ag.jit
    @ag.no_grad()
    def f(x: Any) -> Any:
        w[0, ::2] = x
        w[w > 4] = 0.0
        return w.sum()

    assert f(np.array([7.0, -7.0])).item() == 1 - 7 + 3 + 4
    np.testing.assert_array_equal(array, [[0, 1, -7], [3, 4, 0]])


def test_an_array_that_is_not_contiguous() -> None:
    base = np.arange(6.0).reshape(2, 3)
    w = ag.from_numpy(base.T)

    @ag.jit
    @ag.no_grad()
    def f(x: Any) -> Any:
        w.copy_(w * x)
        return w @ x[:2]

    got = f(np.full((3, 2), 2.0))
    np.testing.assert_array_equal(base, np.arange(6.0).reshape(2, 3) * 2)
    np.testing.assert_array_equal(got.data, base.T @ np.full((2, 2), 2.0))


# ---- embeddings and picks with indices that are arguments


def test_indices_as_arguments() -> None:
    table = ag.Tensor(rng.normal(size=(7, 3)), requires_grad=True)
    indices = np.array([[0, 6, 0], [-1, 2, 2]])

    def f(i: Any, rows: Any) -> Any:
        table.grad = None
        y = table[i]
        z = y.reshape(6, 3)[np.arange(6), rows]
        ((y * y).sum() + z.sum()).backward()
        return y, z

    rows = np.array([0, 1, 2, 2, 1, 0])
    want = [t.data for t in f(indices, rows)]
    assert table.grad is not None
    gradient = table.grad.data
    for got, w in zip(ag.jit(f)(indices, rows), want, strict=True):
        close(got.data, w)
    close(table.grad.data, gradient)


# ---- threads, processes


def test_two_threads_call_one_function() -> None:
    f = ag.jit(lambda x: ag.tanh(x @ x.T).sum(axis=0))
    inputs = [rng.normal(size=(20, 20)) for _ in range(4)]
    wrong: list[Any] = []

    def work(x: Any) -> None:
        want = np.tanh(x @ x.T).sum(axis=0)
        for _ in range(200):
            got = f(x)
            if not np.allclose(got.data, want, rtol=1e-10):
                wrong.append(got)

    threads = [threading.Thread(target=work, args=(x,)) for x in inputs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == [] and variants(f) == 1


def test_without_the_compiler_the_results_are_the_same() -> None:
    code = (
        "import numpy as np, autograd as ag\n"
        "w = ag.Tensor([1.0, 2.0], requires_grad=True)\n"
        "@ag.jit\n"
        "def step(x):\n"
        "    w.grad = None\n"
        "    loss = (ag.tanh(w * x) ** 2).sum()\n"
        "    loss.backward()\n"
        "    with ag.no_grad():\n"
        "        w.copy_(w - 0.1 * w.grad)\n"
        "    return loss\n"
        "print([step(ag.Tensor([0.5, 0.25])).item() for _ in range(5)])\n"
    )
    answers = []
    for disabled in ("0", "1"):
        environment = {**os.environ, "NUMBA_DISABLE_JIT": disabled}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        answers.append([float(v) for v in done.stdout.strip("[]\n").split(",")])
    np.testing.assert_allclose(*answers, rtol=1e-6)


def test_methods_and_nested_functions() -> None:
    class Model:
        def __init__(self, w: float):
            self.w = ag.Tensor([w])

        @ag.jit
        def __call__(self, x: Any) -> Any:
            return self.w * x

        @ag.jit
        def apply(self, x: Any) -> Any:
            return self.w * x

    a, b = Model(2.0), Model(3.0)
    assert a.apply(np.float32([1.0])).item() == 2 and b.apply(np.float32([1.0])).item() == 3
    inner = ag.jit(lambda x: x + 1)
    assert ag.jit(lambda x: inner(x) * 2)(np.array(1.0)).item() == 4


@pytest.mark.parametrize("make", [lambda x: x.detach().requires_grad_(), lambda x: ag.Tensor(x, requires_grad=True)])
def test_a_leaf_made_inside_is_new_in_every_call(make: Any) -> None:
    @ag.jit
    def slope(x: Any) -> Any:
        t = make(x)
        ag.tanh(t * 2.0).sum().backward()
        return t.grad

    for k in range(3):
        x = np.arange(3.0) + k
        np.testing.assert_allclose(slope(x).numpy(), 2 / np.cosh(2 * x) ** 2, atol=1e-14)
    assert "1 program kept" in str(slope.explain())
