"""Functions that run compiled unasked: the same as their definition in value, every derivative, and every error."""

from __future__ import annotations

import gc
import inspect
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd.accelerate import AHEAD, KEPT, KINDS, LONG
from autograd.errors import ArgumentError, GraphError, IndexingError, ShapeError
from autograd.tape import gradients, pushforward, values
from nn import functional as F

usable = pytest.mark.skipif("not __import__('autograd.compiler.jit', fromlist=['x']).usable()", reason="no LLVM")
pytestmark = usable

ROWS, COLUMNS = 170, 200
DRAWN = np.random.default_rng(0)
X = DRAWN.normal(size=(ROWS, COLUMNS))
W, B = DRAWN.normal(size=COLUMNS), DRAWN.normal(size=COLUMNS)
T = DRAWN.integers(0, COLUMNS, ROWS)
SOFT = DRAWN.dirichlet(np.ones(COLUMNS), ROWS)
HALF = DRAWN.uniform(size=X.shape)
assert X.size >= LONG

CASES: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "gelu": (F.gelu, {"x": X}, {}),
    "gelu tanh": (F.gelu, {"x": X}, {"approximate": "tanh"}),
    "silu": (F.silu, {"x": X}, {}),
    "leaky_relu": (F.leaky_relu, {"x": X}, {"negative_slope": 0.2}),
    "softmax": (F.softmax, {"x": X}, {}),
    "softmax of columns": (F.softmax, {"x": X}, {"axis": 0}),
    "log_softmax": (F.log_softmax, {"x": X}, {}),
    "layer_norm": (F.layer_norm, {"x": X, "weight": W, "bias": B}, {"normalized_shape": (COLUMNS,)}),
    "layer_norm bare": (F.layer_norm, {"x": X}, {"normalized_shape": [ROWS, COLUMNS], "eps": 0.1}),
    "rms_norm": (F.rms_norm, {"x": X, "weight": W}, {"normalized_shape": (COLUMNS,)}),
    "cross_entropy": (F.cross_entropy, {"x": X, "target": T}, {}),
    "cross_entropy sum": (F.cross_entropy, {"x": X, "target": T}, {"reduction": "sum", "label_smoothing": 0.1}),
    "cross_entropy none": (F.cross_entropy, {"x": X, "target": T}, {"reduction": "none", "ignore_index": int(T[0])}),
    "cross_entropy weight": (F.cross_entropy, {"x": X, "target": T, "weight": np.abs(W)}, {}),
    "cross_entropy soft": (F.cross_entropy, {"x": X, "target": SOFT}, {}),
    "logits": (F.binary_cross_entropy_with_logits, {"x": X, "target": HALF}, {"reduction": "sum"}),
}


@pytest.fixture(autouse=True)
def nothing_compiled_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function keeps a bounded number of compiled forms, which tests that ran before may have used up."""
    for function, _, _ in CASES.values():
        monkeypatch.setattr(inspect.getclosurevars(function).nonlocals["find"].__self__, "kinds", {})


def tensors(arrays: dict[str, Any], dtype: Any, *, grad: bool = True) -> dict[str, Any]:
    return {
        k: ag.Tensor(a.astype(dtype), requires_grad=grad and k != "target") if a.dtype.kind == "f" else ag.Tensor(a)
        for k, a in arrays.items()
    }


def close(got: Any, want: Any, dtype: Any, scale: float = 1.0) -> None:
    tolerance = scale * 200 * np.finfo(dtype).eps
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * max(1e-6, np.abs(want).max()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_the_same_as_the_definition(name: str, dtype: Any) -> None:
    function, arrays, settings = CASES[name]
    found = []
    for call in (function, function.__wrapped__):
        inputs = tensors(arrays, dtype)
        found.append(call(inputs.pop("x"), **inputs, **settings))
    got, want = found
    assert got.node is not None and got.node.op.name == function.__name__
    assert got.dtype == want.dtype and got.shape == want.shape
    close(got.data, want.data, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_gradients(name: str, dtype: Any) -> None:
    """First and second order, backward and forward, by arrays and by Tensors."""
    function, arrays, settings = CASES[name]
    rows = []
    for call in (function, function.__wrapped__):
        inputs = tensors(arrays, dtype)
        leaves = [t for t in inputs.values() if t.requires_grad]
        x, rest = inputs["x"], {k: t for k, t in inputs.items() if k != "x"}
        y = call(x, **rest, **settings)
        seed = ag.Tensor(np.cos(np.arange(y.size)).reshape(y.shape).astype(dtype))
        row = [y.data, next(v for n, v in values(y.node).items() if n is y.node)]
        y.backward(seed, retain_graph=True)
        row += [t.grad.data for t in leaves]
        row += gradients([y], leaves, [seed])  # the second time, and with another seed
        row += gradients([y], leaves, [2 * seed])
        if "norm" not in name and "softmax" not in name:  # of which a sum has no gradient but rounding
            row += gradients([y.sum()], leaves) + gradients([(3 * y).sum()], leaves)  # a seed without memory of its own
        row += pushforward([y], leaves, [np.cos(t.data) for t in leaves])
        first = gradients([y], leaves, [seed], create_graph=True)
        row += [g.data for g in first]
        total = sum((g * g).sum() for g in first)
        row += [g for g in gradients([total], leaves) if g is not None]
        rows.append(row)
    assert len(rows[0]) == len(rows[1])
    for got, want in zip(*rows, strict=True):
        close(got, want, dtype, scale=4.0)


def test_a_loss_gives_its_gradient_once_and_again() -> None:
    """The gradient that was computed with the value is handed out once, and belongs to whoever has it."""
    x, t = ag.Tensor(X.astype(np.float32), requires_grad=True), ag.Tensor(T)
    loss = F.cross_entropy(x, t)
    loss.backward(retain_graph=True)
    first = x.grad.data
    kept = first.copy()
    loss.backward()
    np.testing.assert_allclose(x.grad.data, 2 * kept, rtol=1e-6)
    x.grad = None
    other = F.cross_entropy(x, t)
    other.backward()
    x.grad.data[...] = 7
    np.testing.assert_array_equal(first, kept)
    F.cross_entropy(x, t).backward()
    np.testing.assert_allclose(x.grad.data, 7 + kept, rtol=1e-6)
    x.grad = None
    (F.cross_entropy(x, t) * 0).backward()
    assert not x.grad.data.any()
    with pytest.raises(GraphError, match="second time"):
        loss.backward()


def test_what_is_returned_is_never_written_again() -> None:
    x = ag.Tensor(X.astype(np.float32))
    with ag.no_grad():
        one = F.gelu(x)
        kept = one.data.copy()
        del x
        two = F.gelu(ag.Tensor(2 * X.astype(np.float32)))
    np.testing.assert_array_equal(one.data, kept)
    assert one.node is None and two.node is None and not np.shares_memory(one.data, two.data)


def test_a_write_to_the_input_before_backward_is_told() -> None:
    x = ag.Tensor(X, requires_grad=True)
    z = x * 1
    y = F.gelu(z)
    with ag.no_grad():
        z[0] = 0
    with pytest.raises(GraphError, match=r"changed in place.*gelu"):
        y.sum().backward()
    targets = T.copy()
    loss = F.cross_entropy(x, targets)
    targets[...] = 0  # the caller's array, of which the loss has a copy
    loss.backward()
    want = gradients([F.cross_entropy.__wrapped__(x, T)], [x])[0]
    np.testing.assert_allclose(x.grad.data, want, atol=1e-12)


def test_errors_are_those_of_the_definition() -> None:
    x = ag.Tensor(X.astype(np.float32), requires_grad=True)
    wrong = T.copy()
    wrong[3] = COLUMNS
    for _ in range(2):
        with pytest.raises(IndexingError, match=f"target {COLUMNS} at position 3 is not a class"):
            F.cross_entropy(x, wrong)
        F.cross_entropy(x, T).backward()
    wrong[3] = -100
    np.testing.assert_allclose(F.cross_entropy(x, wrong).data, F.cross_entropy.__wrapped__(x, wrong).data, rtol=1e-5)
    with pytest.raises(ArgumentError, match="outside"):
        F.binary_cross_entropy_with_logits(x, X.astype(np.float32))
    with pytest.raises(ShapeError, match="normalized_shape"):
        F.layer_norm(x, (3,))
    with pytest.raises(TypeError):
        F.gelu(x, nonsense=1)


def test_where_the_definition_runs() -> None:
    """Short arrays, anomaly mode, recording, float16, and signatures beyond the number that is compiled."""
    x = ag.Tensor(X.astype(np.float32), requires_grad=True)
    assert F.gelu(x[0]).node.op.name != "gelu"
    with ag.anomaly_mode():
        assert F.gelu(x).node.op.name != "gelu"
    assert F.gelu(x.astype(np.float16)).node.op.name != "gelu"
    np.testing.assert_allclose(ag.jit(F.gelu.__wrapped__)(X).data, F.gelu(ag.Tensor(X)).data, rtol=1e-12)

    @ag.accelerated("x")
    def scaled(x: Any, by: Any) -> Any:
        """x · by."""
        return x * by

    names = [scaled(x, by).node.op.name for by in range(KINDS + 2)]
    assert names == ["scaled"] * KINDS + ["multiply"] * 2

    @ag.accelerated("x")
    def odd(x: Any) -> Any:
        """x, or −x."""
        return x if x.data[0, 0] > 9 else -x

    assert [odd(x).node.op.name for _ in range(2)] == ["negative"] * 2


def test_graphs_are_dropped_without_the_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        x = ag.Tensor(X.astype(np.float32), requires_grad=True)
        for k in range(3):
            loss = F.cross_entropy(F.gelu(x), ag.Tensor(T))
            loss.backward()
            del loss
            x.grad = None
            if k == 0:
                before = sum(isinstance(o, np.ndarray) for o in gc.get_objects())
        assert sum(isinstance(o, np.ndarray) for o in gc.get_objects()) <= before
    finally:
        gc.enable()


# ---- large sums --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_sums_and_means_are_numpys(axis: object, keepdims: bool, dtype: type) -> None:
    x = np.random.default_rng(0).standard_normal((1030, 511)).astype(dtype)
    exact = x.astype(np.longdouble).sum(axis=axis, keepdims=keepdims)
    t = ag.Tensor(x, requires_grad=True)
    for name, expected in (("sum", exact), ("mean", exact * exact.size / x.size)):
        y = getattr(ag, name)(t, axis=axis, keepdims=keepdims)
        assert y.shape == expected.shape and y.dtype == dtype
        np.testing.assert_allclose(y.data, expected.astype(float), atol=np.finfo(dtype).eps * 1e3)
    y.sum().backward()
    np.testing.assert_allclose(t.grad, np.full(x.shape, y.size / x.size), rtol=1e-6)


def test_a_large_sum_of_what_numpy_alone_sums() -> None:
    x = np.ones((1030, 511))
    assert ag.sum(ag.from_numpy(x.T)).item() == x.size  # not laid out in rows
    assert ag.sum(ag.from_numpy(x.astype(int))).item() == x.size
    with pytest.raises(ag.errors.AxisError, match="axis 7 is out of bounds"):
        ag.sum(ag.from_numpy(x), axis=7)
    assert np.isnan(ag.sum(ag.from_numpy(np.where(x.cumsum().reshape(x.shape) == 9, np.nan, x))).item())


@pytest.mark.parametrize("count", [1_000_000, 999_983, 10_000, 8_193])
def test_long_sums_keep_their_digits(count: int) -> None:
    """Added to one number in a row, a million times 0.1 in float32 is wrong in the fifth digit."""
    x = np.full(count, 0.1, np.float32)
    exact = count * float(x[0])
    assert abs(ag.sum(ag.from_numpy(x)).item() / exact - 1) < 2e-6
    assert abs(ag.jit(lambda x: ag.sum(x))(x).item() / exact - 1) < 2e-6
    total = ag.jit(lambda x: (ag.sum(np.tanh(x)), ag.sum(x * x)))(x)  # two sums of one loop
    assert abs(total[0].item() / (count * np.tanh(float(x[0]))) - 1) < 2e-6
    assert abs(total[1].item() / (count * float(x[0]) ** 2) - 1) < 2e-6


def test_small_values_are_kept_for_backward_and_freed_by_it() -> None:
    x = ag.Tensor(X, requires_grad=True)
    y = F.layer_norm(x, (COLUMNS,))
    kept = y.node.consts[KEPT]
    np.testing.assert_allclose(kept[0], X.mean(1, keepdims=True), atol=1e-12)
    assert sum(k.size for k in kept) == 2 * ROWS
    y.sum().backward(retain_graph=True)
    first = x.grad.numpy().copy()
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * first)
    assert y.node.freed and not y.node.consts
    assert [d.shape for d in F.gelu(x).node.consts[AHEAD]] == [X.shape]  # each element's derivative, found with its value


def test_the_derivative_of_each_element_is_found_with_its_value() -> None:
    seed = np.random.default_rng(1).normal(size=X.shape)
    for function in (F.gelu, F.silu, F.mish):
        for numbers in (X, np.where(np.arange(X.size).reshape(X.shape) % 1000, X, np.inf)):
            seen = []
            for f in (function, function.__wrapped__):
                x = ag.Tensor(numbers, requires_grad=True)
                y = f(x)
                with np.errstate(all="ignore"):
                    y.backward(seed, retain_graph=True)
                    once = x.grad.numpy().copy()
                    y.backward(seed)
                seen.append((y.detach().numpy(), once, x.grad.numpy()))
            for fast, plain in zip(*seen, strict=True):
                np.testing.assert_allclose(fast, plain, rtol=1e-9, atol=1e-12)
    x = ag.Tensor(X, requires_grad=True)
    F.gelu(x).sum().backward()
    expected = x.grad.numpy().copy()
    x.grad = None
    (y := F.gelu(x)).sum().backward()
    assert not y.node.consts
    np.testing.assert_array_equal(x.grad.numpy(), expected)
    assert AHEAD not in (F.softmax(x, axis=1).node.consts or {})  # an element of it hangs on a row
