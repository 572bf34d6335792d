"""Every registered op against the same properties, from the rows of `op_table`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import hypothesis.extra.numpy as arrays_of
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from op_table import COMPOSED, ROWS, Composed, Row, Sample, composed_names, run

import autograd as ag
from autograd import check_grads
from autograd.rule import OPS, Op
from autograd.tape import pushforward
from autograd.value import Value

INF, NAN = math.inf, math.nan


def samples(wanted: Any = lambda op, row: True) -> Any:
    """A test parameter for every sample of every op that passes."""
    found = []
    for name, row in ROWS.items():
        if wanted(OPS[name], row):
            found += [pytest.param(OPS[name], s, id=f"{name}-{k}") for k, s in enumerate(row.samples)]
    return pytest.mark.parametrize("op, sample", found)


def differentiable(op: Op, row: Row) -> bool:
    return op.kind != "constant"


def composed() -> Any:
    found = [pytest.param(c, id=f"{name}-{k}") for name, cs in COMPOSED.items() for k, c in enumerate(cs)]
    return pytest.mark.parametrize("sample", found)


def draw(sample: Composed) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.asarray(sample.domain(rng, shape)) for shape in sample.shapes]


def leaves(arrays: list[np.ndarray]) -> list[Any]:
    """Tensors that share the arrays, those of floats with a gradient."""
    return [ag.from_numpy(a).requires_grad_() if a.dtype.kind in "fc" else a for a in arrays]


def value_and_grads(op: Op, arrays: list[np.ndarray], settings: dict[str, Any]) -> tuple[np.ndarray, list[Any]]:
    xs = leaves(arrays)
    y = run(op, xs, settings)
    if y.requires_grad:
        y.backward(np.random.default_rng(1).uniform(1, 2, y.shape))
    return y.data, [x.grad.data for x in xs if isinstance(x, ag.Tensor) and x.grad is not None]


def same(a: Any, b: Any, **tolerance: Any) -> None:
    np.testing.assert_allclose(a, b, **{"rtol": 1e-12, "atol": 1e-12, **tolerance})


# ---- the table itself


def test_every_op_has_a_row() -> None:
    assert set(ROWS) == set(OPS)
    assert set(COMPOSED) == set(composed_names())


def test_every_op_is_documented() -> None:
    assert [op.name for op in OPS.values() if not op.doc or not op.doc[-1] == "."] == []


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.kind != "constant"], ids=lambda op: op.name)
def test_partials_have_a_source_text(op: Op) -> None:
    assert len(op.partials) == (1 if op.variadic else len(op.arrays))
    rules = op.partials_given if op.kind == "elementwise" else op.vjps
    for text, rule in zip(op.partials, rules, strict=True):
        assert bool(text) == (rule is not None)


# ---- derivatives


@samples(differentiable)
def test_derivatives_agree_with_differences(op: Op, sample: Sample) -> None:
    """Reverse and forward mode against central differences, and so again for the second order."""
    check_grads(lambda *xs: run(op, xs, sample.settings), *sample.arrays(), order=ROWS[op.name].order)


@samples(lambda op, row: row.complex and op.kind != "constant")
def test_complex_derivatives(op: Op, sample: Sample) -> None:
    check_grads(lambda *xs: run(op, xs, sample.settings), *sample.arrays(complex), order=2)


@composed()
def test_composed_functions(sample: Composed) -> None:
    """Values are NumPy's, derivatives those of differences."""
    xs = draw(sample)
    y = sample.call(ag, *leaves(xs))
    assert isinstance(y, ag.Tensor) and y.requires_grad
    expected = sample.call(np, *xs)
    assert y.shape == expected.shape and y.dtype == expected.dtype
    same(y.data, expected)
    check_grads(lambda *ts: sample.call(ag, *ts), *xs)


@samples(lambda op, row: op.kind == "constant")
def test_constants_never_require_a_gradient(op: Op, sample: Sample) -> None:
    arrays = sample.arrays()
    y = run(op, [ag.Tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays], sample.settings)
    assert isinstance(y, ag.Tensor) and not y.requires_grad
    expected = op.forward()(*arrays, **{**op.settings, **sample.settings})
    np.testing.assert_array_equal(y.data, expected)


# ---- dtypes


@samples(lambda op, row: op.kind != "constant" and op.name != "cast")
def test_single_precision_stays(op: Op, sample: Sample) -> None:
    """float32 in, float32 out, and no rule computes in float64 on the way."""
    check_precision(op, sample, np.float32)


@samples(lambda op, row: row.complex and op.kind != "constant")
def test_complex_single_precision_stays(op: Op, sample: Sample) -> None:
    check_precision(op, sample, np.complex64)


SINGLE = (np.float32, np.complex64)


def check_precision(op: Op, sample: Sample, dtype: Any) -> None:
    xs = leaves(sample.arrays(dtype))
    y = run(op, xs, sample.settings)
    assert y.dtype in SINGLE
    node, plan = y.node, y.node.plan
    g = np.ones(y.shape, y.dtype)
    for i, pull in zip(plan.wanted, plan.pulls, strict=True):
        if pull is not None:
            assert pull(g, node.saved, node).dtype in SINGLE, f"pull of input {i}"
    for i, push in zip(plan.wanted, plan.pushes, strict=True):
        if push is not None:
            t = np.ones(node.inputs[i].shape, dtype)
            assert push(t, node.saved, node).dtype in SINGLE, f"push of input {i}"
    y.backward(g, create_graph=True)
    for x in xs:
        if isinstance(x, ag.Tensor):
            assert x.grad.dtype == dtype and x.grad.shape == x.shape


@samples(lambda op, row: op.kind != "constant" and op.name not in ("cast", "logsumexp"))
def test_half_precision_works(op: Op, sample: Sample) -> None:
    y, grads = value_and_grads(op, sample.arrays(np.float16), sample.settings)
    assert y.dtype == np.float16 and all(g.dtype == np.float16 for g in grads)


@samples(lambda op, row: op.kind == "elementwise")
def test_integers_are_constants(op: Op, sample: Sample) -> None:
    """An integer or boolean operand takes part like a number, and gets no gradient."""
    arrays = [np.ones(a.shape, int) for a in sample.arrays()]
    y = run(op, [ag.Tensor(a) for a in arrays], {})
    with np.errstate(all="ignore"):
        expected = np.asarray(op.forward()(*arrays))
    assert not y.requires_grad and y.dtype == expected.dtype
    np.testing.assert_array_equal(y.data, expected)
    if len(arrays) == 2:
        x = ag.Tensor(sample.arrays()[0], requires_grad=True)
        y = run(op, [x, arrays[1]], {})
        y.sum().backward()
        assert x.grad.dtype == float
        if op.name not in ("floor_divide", "remainder"):
            check_grads(lambda x: run(op, [x, arrays[1].astype(bool)], {}), sample.arrays()[0], order=1)


# ---- memory layouts


def layouts(a: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The same numbers, stored in unusual ways."""
    yield "Fortran order", np.asfortranarray(a)
    wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype) if a.ndim else np.zeros(2, a.dtype)
    strided = wide[..., ::2] if a.ndim else wide[0:1].reshape(())
    strided[...] = a
    yield "strided", strided
    if a.ndim:
        yield "negative stride", a[::-1].copy()[::-1]
    frozen = a.copy()
    frozen.flags.writeable = False
    yield "read-only", frozen
    raw = np.zeros(a.nbytes + 1, np.uint8)[1:].view(np.uint8)
    unaligned = np.ndarray(a.shape, a.dtype, raw.data)
    unaligned[...] = a
    yield "unaligned", unaligned
    yield "byte-swapped", a.astype(a.dtype.newbyteorder())


@samples(differentiable)
def test_memory_layout_does_not_matter(op: Op, sample: Sample) -> None:
    arrays = sample.arrays()
    y, grads = value_and_grads(op, arrays, sample.settings)
    for unusual in zip(*map(layouts, arrays), strict=False):
        label = unusual[0][0]
        y2, grads2 = value_and_grads(op, [a for _, a in unusual], sample.settings)
        same(y, y2, err_msg=label)
        for g, g2 in zip(grads, grads2, strict=True):
            same(g, g2, err_msg=label)


@samples(lambda op, row: differentiable(op, row) and not row.finite)
def test_stride_zero(op: Op, sample: Sample) -> None:
    arrays = [np.broadcast_to(a.reshape(-1)[:1].reshape((1,) * a.ndim), a.shape) for a in sample.arrays()]
    y, grads = value_and_grads(op, [a.copy() for a in arrays], sample.settings)
    y2, grads2 = value_and_grads(op, arrays, sample.settings)
    same(y, y2)
    for g, g2 in zip(grads, grads2, strict=True):
        same(g, g2)


@pytest.mark.parametrize("name", [n for n, op in OPS.items() if op.kind == "elementwise"])
def test_empty_arrays(name: str) -> None:
    n = len(OPS[name].arrays)
    xs = [ag.Tensor(np.zeros((0, 3)), requires_grad=True), ag.Tensor(np.ones(3), requires_grad=True)][:n]
    y = run(OPS[name], xs, {})
    assert y.shape == (0, 3)
    y.sum().backward()
    assert xs[0].grad.shape == (0, 3)
    if n == 2:
        np.testing.assert_array_equal(xs[1].grad.data, np.zeros(3))


@pytest.mark.parametrize(
    "function, shape",
    [
        (lambda x: x.sum(axis=0), (3,)),
        (lambda x: x.sum(), ()),
        (lambda x: x.max(axis=1), (0,)),
        (lambda x: x.prod(axis=0), (3,)),
        (lambda x: x.cumsum(), (0,)),
        (lambda x: x.reshape(3, 0), (3, 0)),
        (lambda x: x.T, (3, 0)),
        (lambda x: x @ np.ones((3, 2)), (0, 2)),
        (lambda x: np.ones((2, 0)) @ x, (2, 3)),
        (lambda x: ag.concatenate([x, x]), (0, 3)),
        (lambda x: x[:, 1], (0,)),
        (lambda x: x[np.zeros(0, int)], (0, 3)),
        (lambda x: ag.einsum("ij,ik->jk", x, np.ones((0, 2))), (3, 2)),
        (lambda x: ag.tensordot(x, np.ones((3, 2)), 1), (0, 2)),
        (lambda x: ag.tensordot(np.ones((2, 0)), x, 1), (2, 3)),
        (lambda x: ag.pad(x, 1), (2, 5)),
        (lambda x: ag.sort(x, axis=1), (0, 3)),
        (lambda x: ag.logsumexp(x, axis=1), (0,)),
        (lambda x: x.repeat(2, axis=0), (0, 3)),
    ],
)
def test_empty_through_other_ops(function: Any, shape: tuple[int, ...]) -> None:
    x = ag.Tensor(np.zeros((0, 3)), requires_grad=True)
    y = function(x)
    assert y.shape == shape
    y.backward(np.ones(shape))
    assert x.grad.shape == (0, 3)


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin"])
def test_no_answer_for_nothing(name: str) -> None:
    with pytest.raises(ag.errors.ShapeError, match=name):
        getattr(ag, name)(ag.Tensor(np.zeros(0)))


# ---- NaN and infinity


def unwell(op: Op, row: Row) -> bool:
    return op.kind != "constant" and not row.finite


@samples(unwell)
def test_nan_and_infinity_pass_through_whatever_numpy_is_set_to(op: Op, sample: Sample) -> None:
    """Same values and gradients under np.seterr(all="raise") as under "ignore"; nothing raises or warns."""
    arrays = sample.arrays()
    for a in arrays:
        if a.dtype.kind == "f" and a.size:
            flat = a.reshape(-1)
            flat[:4] = np.array([NAN, INF, -INF, 0.0])[: flat.size]
    with np.errstate(all="ignore"):
        y, grads = value_and_grads(op, arrays, sample.settings)
    with np.errstate(all="raise"):
        y2, grads2 = value_and_grads(op, arrays, sample.settings)
    np.testing.assert_array_equal(y, y2)
    for g, g2 in zip(grads, grads2, strict=True):
        np.testing.assert_array_equal(g, g2)


# ---- shapes drawn by hypothesis


@settings(max_examples=25)
@given(arrays_of.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3, min_side=0),
       st.sampled_from(["add", "multiply", "divide", "maximum", "hypot", "arctan2"]))  # fmt: skip
def test_broadcasting(shapes: Any, name: str) -> None:
    """Any two shapes that broadcast; gradients are summed back to where they belong."""
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(0.5, 2, s) for s in shapes.input_shapes)
    y = OPS[name].call(*(xs := leaves([a, b])))
    assert y.shape == shapes.result_shape
    seed = rng.uniform(1, 2, y.shape)
    y.backward(seed)
    wide = leaves([np.broadcast_to(v, y.shape).copy() for v in (a, b)])
    OPS[name].call(*wide).backward(seed)
    for x, w in zip(xs, wide, strict=True):
        total = w.grad.data
        total = total.sum(axis=tuple(range(total.ndim - x.ndim)))
        total = total.sum(axis=tuple(k for k, n in enumerate(x.shape) if n == 1), keepdims=True)
        same(x.grad.data, total)


@settings(max_examples=15)
@given(arrays_of.array_shapes(min_dims=0, max_dims=4, max_side=3), st.data(),
       st.sampled_from(["sum", "mean", "max", "prod", "var", "std", "logsumexp"]))  # fmt: skip
def test_reductions_over_any_axes(shape: tuple[int, ...], data: Any, name: str) -> None:
    n = len(shape)
    axis = (
        data.draw(st.none() | st.lists(st.integers(-n, n - 1), unique_by=lambda k: k % n, max_size=n).map(tuple)) if n else None
    )
    keepdims = data.draw(st.booleans())
    x = np.random.default_rng(0).permutation(int(np.prod(shape))).reshape(shape) * 0.3 + 0.1
    numpys = (lambda x, **how: np.log(np.sum(np.exp(x), **how))) if name == "logsumexp" else getattr(np, name)
    expected = numpys(x, axis=axis, keepdims=keepdims)
    y = getattr(ag, name)(ag.Tensor(x), axis=axis, keepdims=keepdims)
    assert y.shape == np.shape(expected)
    same(y.data, expected)
    if name != "std" or np.all(y.data > 0):
        check_grads(lambda x: getattr(ag, name)(x, axis=axis, keepdims=keepdims), x, order=1)


@settings(max_examples=25)
@given(st.data())
def test_basic_indices(data: Any) -> None:
    shape = data.draw(arrays_of.array_shapes(min_dims=1, max_dims=3, max_side=4))
    index = data.draw(arrays_of.basic_indices(shape, allow_newaxis=True))
    x = ag.Tensor(np.random.default_rng(0).normal(size=shape), requires_grad=True)
    y = x[index]
    np.testing.assert_array_equal(y.data, x.data[index])
    y.sum().backward()
    expected = np.zeros(shape)
    expected[index] = 1
    np.testing.assert_array_equal(x.grad.data, expected)


# ---- one rule, several executions

SCALARS = [0.0, -0.0, 0.5, 1.0, -1.0, 2.0, -8.0, 40.0, 800.0, -800.0, 1e300, INF, -INF, NAN]


@pytest.mark.parametrize("name", [n for n, op in OPS.items() if hasattr(Value, n)])
def test_value_tensor_and_numpy_agree(name: str) -> None:
    """On ordinary numbers, at poles and at infinities: the same value and partial derivatives."""
    op = OPS[name]
    assert op.kind == "elementwise"
    points = [(x,) for x in SCALARS] if len(op.arrays) == 1 else [(a, b) for a in SCALARS for b in SCALARS]
    if name == "power":
        points.remove((-INF, 0.5))  # NumPy has inf for the number and, through sqrt, NaN for the array
    for sample in ROWS[name].samples:
        if all(s == () for s in sample.shapes):
            points += [tuple(float(a) for a in sample.arrays(seed=k)) for k in range(3)]
    for point in points:
        with np.errstate(all="ignore"):
            plain = float(op.forward()(*map(np.float64, point)))
            tensors = [ag.Tensor(x, dtype=float, requires_grad=True) for x in point]
            t = op.call(*tensors)
            t.backward()
        scalars = [Value(x) for x in point]
        v = getattr(Value, name)(*scalars)
        v.backward()
        same([t.item(), v.data], [plain, plain], rtol=1e-14, atol=0, err_msg=f"{name}{point}")
        same(
            [s.grad for s in scalars],
            [x.grad.item() for x in tensors],
            rtol=1e-13,
            atol=1e-300,
            err_msg=f"{name}'{point}",
        )


def test_values_have_every_elementwise_function_of_all_arguments() -> None:
    expected = {n for n, op in OPS.items() if op.kind == "elementwise" and None not in op.partials_given}
    assert {n for n in OPS if hasattr(Value, n)} == expected


@samples(differentiable)
def test_forward_mode_is_the_transpose_of_reverse(op: Op, sample: Sample) -> None:
    """⟨u, J v⟩ = ⟨Jᵀ u, v⟩ to rounding, where check_grads can only see so far as differences let it."""
    rng = np.random.default_rng(2)
    xs = leaves(sample.arrays())
    tensors = [x for x in xs if isinstance(x, ag.Tensor)]
    y = run(op, xs, sample.settings)
    v = [rng.normal(size=x.shape) for x in tensors]
    u = rng.normal(size=y.shape)
    (t,) = pushforward([y], tensors, v)
    y.backward(u)
    back = sum(float(np.sum(x.grad.data * d)) for x, d in zip(tensors, v, strict=True))
    same(float(np.sum(u * t)), back)
