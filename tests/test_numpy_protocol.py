"""``np.f(tensor)`` is the same call as ``ag.f(tensor)``. What has no derivative says so; no tensor of a graph
becomes a constant without a word."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import pytest
from op_table import COMPOSED, ROWS, Composed, Sample

import autograd as ag
from autograd.apply import METHODS, ROUTES
from autograd.errors import ArgumentError, DTypeError, GraphError, UnsupportedError
from autograd.rule import OPS, Op


def leaf(*data: float) -> Any:
    return ag.Tensor(list(data), requires_grad=True, dtype=float)


def numpys(name: str) -> Any:
    """NumPy's function that is answered by our function of this name, or None."""
    public = getattr(ag, name)
    for found in (getattr(np, name, None), getattr(np.linalg, name, None)):
        if ROUTES.get(found) is public:
            return found
    return None


# ---- every routed function


ROUTED = [
    pytest.param(OPS[name], sample, id=f"{name}-{k}")
    for name, row in ROWS.items()
    if name not in COMPOSED and hasattr(ag, name) and numpys(name) and not OPS[name].variadic
    for k, sample in enumerate(row.samples)
]


@pytest.mark.parametrize("op, sample", ROUTED)
def test_numpy_functions_answer_with_tensors(op: Op, sample: Sample) -> None:
    arrays = sample.arrays()
    tensors = [ag.Tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    function = numpys(op.name)
    y = function(*tensors, **sample.settings)
    expected = function(*arrays, **sample.settings)
    assert type(y) is ag.Tensor and y.dtype == expected.dtype
    assert y.requires_grad == (op.kind != "constant")
    np.testing.assert_array_equal(y.data, expected)
    again = function(*arrays[:1], *tensors[1:], **sample.settings)  # an array among Tensors
    assert type(again) is (ag.Tensor if len(arrays) > 1 else type(expected))
    np.testing.assert_array_equal(np.asarray(getattr(again, "data", again)), expected)


@pytest.mark.parametrize(
    "sample",
    [pytest.param(c, id=f"{name}-{k}") for name, cs in COMPOSED.items() if hasattr(np, name) for k, c in enumerate(cs)],
)
def test_composed_functions_through_numpy(sample: Composed) -> None:
    rng = np.random.default_rng(0)
    arrays = [np.asarray(sample.domain(rng, shape)) for shape in sample.shapes]
    y = sample.call(np, *[ag.Tensor(a, requires_grad=True) for a in arrays])
    assert type(y) is ag.Tensor and y.requires_grad
    np.testing.assert_allclose(y.data, sample.call(np, *arrays), rtol=1e-13)


def test_methods_are_the_functions() -> None:
    assert {"exp", "tanh", "relu", "sigmoid", "sum", "mean", "reshape", "clip", "std"} <= set(METHODS)
    x = leaf(0.5, 1.5)
    for name in ("exp", "tanh", "sqrt", "sum", "max", "cumsum", "argmax", "softplus"):
        np.testing.assert_array_equal(getattr(x, name)().data, getattr(ag, name)(x).data)
    assert x.reshape(2, 1).shape == x.reshape((2, 1)).shape == x.reshape(-1, 1).shape == (2, 1)
    assert x.reshape(1, 2).transpose(1, 0).shape == x.reshape(1, 2).transpose().shape == (2, 1)
    assert x.sum(0).item() == x.sum(axis=0).item() == x.sum(axis=0, keepdims=True).item() == 2.0


def test_reduce_methods_of_ufuncs() -> None:
    x = ag.Tensor(np.arange(1.0, 7.0).reshape(2, 3), requires_grad=True)
    for ufunc in (np.add, np.maximum, np.minimum, np.multiply, np.logaddexp):
        for settings in ({}, {"axis": 1}, {"axis": 1, "keepdims": True}, {"axis": None}):
            y = ufunc.reduce(x, **settings)
            assert type(y) is ag.Tensor and y.requires_grad
            if ufunc is not np.logaddexp or settings != {"axis": None}:
                np.testing.assert_allclose(y.data, ufunc.reduce(x.data, **settings))


# ---- operators


OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod,
             operator.floordiv, operator.matmul]  # fmt: skip
COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]


@pytest.mark.parametrize("f", OPERATORS, ids=lambda f: f.__name__)
def test_operators_with_arrays_on_either_side(f: Any) -> None:
    a, b = np.array([[1.5, 2.5], [3.5, 4.5]]), np.array([[2.0, 3.0], [1.0, 5.0]])
    expected = f(a, b)
    for left, right in (
        (a, leaf_of(b)),
        (leaf_of(a), b),
        (leaf_of(a), leaf_of(b)),
        (a, ag.Tensor(b)),
        (ag.Tensor(a), b),
    ):
        y = f(left, right)
        assert type(y) is ag.Tensor and y.dtype == float
        np.testing.assert_array_equal(y.data, expected)
        assert y.requires_grad == any(isinstance(x, ag.Tensor) and x.requires_grad for x in (left, right))
    if f is not operator.matmul:
        for number in (2, 2.0, np.float64(2.0), np.int64(2), np.float32(2.0), [2.0, 3.0]):
            y, z = f(leaf_of(a), number), f(number, leaf_of(a))
            assert type(y) is type(z) is ag.Tensor
            np.testing.assert_array_equal(y.data, f(a, number))
            np.testing.assert_array_equal(z.data, f(number, a))


def leaf_of(a: np.ndarray) -> Any:
    return ag.Tensor(a, requires_grad=True)


@pytest.mark.parametrize("f", COMPARISONS, ids=lambda f: f.__name__)
def test_comparisons_give_boolean_tensors(f: Any) -> None:
    a, b = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])
    for left, right in ((a, leaf_of(b)), (leaf_of(a), b), (leaf_of(a), leaf_of(b))):
        y = f(left, right)
        assert type(y) is ag.Tensor and y.dtype == bool and not y.requires_grad
        np.testing.assert_array_equal(y.data, f(a, b))
    np.testing.assert_array_equal(f(leaf_of(a), 2).data, f(a, 2))
    np.testing.assert_array_equal(f(2, leaf_of(a)).data, f(2, a))


@pytest.mark.parametrize("f", [operator.and_, operator.or_, operator.xor], ids=lambda f: f.__name__)
def test_logic_on_masks(f: Any) -> None:
    a, b = np.array([True, True, False]), np.array([True, False, False])
    for left, right in ((a, ag.Tensor(b)), (ag.Tensor(a), b), (ag.Tensor(a), ag.Tensor(b))):
        y = f(left, right)
        assert type(y) is ag.Tensor and y.tolist() == f(a, b).tolist()
    assert f(True, ag.Tensor(b)).tolist() == f(True, b).tolist()
    assert (~ag.Tensor(a)).tolist() == [False, False, True]


def test_unary_operators() -> None:
    x = leaf(-1.5, 2.0)
    assert ((-x).tolist(), (+x).tolist(), abs(x).tolist()) == ([1.5, -2.0], [-1.5, 2.0], [1.5, 2.0])


def test_python_numbers_are_weak() -> None:
    x = ag.Tensor([1.0, 2.0], requires_grad=True)
    for y in (
        x + 1.0,
        2 * x,
        x / 3,
        x**2,
        1.0 - x,
        x**0.5,
        ag.maximum(x, 0.5),
        ag.where(x > 1, x, 0.0),
        x.clip(0.0, 1.0),
    ):
        assert y.dtype == np.float32
    assert (x + np.float64(1.0)).dtype == np.float64  # NumPy 2 promotion, exactly
    assert (x * np.arange(2)).dtype == np.float64
    assert (x * np.arange(2, dtype=np.int8)).dtype == np.float32


@pytest.mark.parametrize("other", [None, "1", object(), {1}, {"a": 1}, print], ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("f", [operator.add, operator.mul, operator.pow], ids=lambda f: f.__name__)
def test_operators_with_strangers(f: Any, other: Any) -> None:
    for call in (lambda: f(leaf(1.0), other), lambda: f(other, leaf(1.0))):
        with pytest.raises(TypeError):
            call()


# ---- what has no derivative


UNSUPPORTED = {
    "np.linalg.eigvalsh": (lambda x: np.linalg.eigvalsh(x), "eigvalsh"),
    "np.linalg.pinv": (lambda x: np.linalg.pinv(x), r"np\.linalg\.pinv has no derivative here\. For"),  # not np.sin
    "np.add.accumulate": (lambda x: np.add.accumulate(x), "accumulate"),
    "np.multiply.outer": (lambda x: np.multiply.outer(x, x), "multiply"),
    "np.unique": (np.unique, "np.sort"),
    "np.median": (np.median, "np.sort"),
    "np.linalg.norm": (lambda x: np.linalg.norm(x, 2), "ord=2 over 2 axes"),
    "np.convolve": (lambda x: np.convolve(x[0], x[0]), "einsum"),
    "np.nansum": (np.nansum, "np.where"),
    "np.modf": (np.modf, "modf"),
    "np.frexp": (np.frexp, "frexp"),
    "np.gcd": (lambda x: np.gcd(x, 2), "gcd"),
    "where=": (lambda x: np.add(x, 1.0, where=np.eye(2) > 0), "where="),
    "dtype=": (lambda x: np.add(x, 1.0, dtype=np.float32), "dtype="),
    "sum dtype=": (lambda x: np.sum(x, dtype=np.float32), "dtype="),
    "sum initial=": (lambda x: np.sum(x, initial=1.0), "initial="),
    "reshape order=": (lambda x: np.reshape(x, (4,), order="F"), "order="),
}


@pytest.mark.parametrize("call, words", UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_what_is_not_supported_says_so(call: Any, words: str) -> None:
    with pytest.raises(UnsupportedError, match=words) as caught:
        call(ag.Tensor(np.eye(2) + 1.0, requires_grad=True))
    assert "test_numpy_protocol.py:" in str(caught.value)


def test_a_constant_tensor_is_an_array_to_every_numpy_function() -> None:
    t = ag.Tensor(np.eye(2) + 1.0)
    assert np.linalg.cond(t) == pytest.approx(3.0)
    assert np.median(t) == 1.5
    np.testing.assert_array_equal(np.unique(t), [1.0, 2.0])
    np.testing.assert_array_equal(np.multiply.outer(t, t), np.multiply.outer(t.data, t.data))
    fraction, whole = np.modf(t)
    assert not fraction.any() and whole.sum() == 6.0
    np.testing.assert_array_equal(np.asarray(t), t.data)
    assert float(t[0, 0]) == 2.0 and int(t[0, 0]) == 2 and math.sqrt(t[0, 1]) == 1.0
    out = np.zeros(2)
    out[0] = t[0, 0]
    assert out.tolist() == [2.0, 0.0]


@pytest.mark.parametrize(
    "write",
    [
        lambda t: np.fill_diagonal(t, 5.0),
        lambda t: np.copyto(t, 5.0),
        lambda t: np.put(t, [0], 5.0),
        lambda t: np.place(t, t.data > 0, 5.0),
        lambda t: np.add.at(t, 0, 5.0),
    ],
)
def test_numpy_does_not_write_behind_the_back_of_the_tape(write: Any) -> None:
    t = ag.Tensor(np.eye(2))
    with pytest.raises(UnsupportedError, match=r"copy_\(value\).*test_numpy_protocol\.py:\d+"):
        write(t)
    assert t.tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_questions_about_an_array_are_answered_plainly() -> None:
    x = ag.Tensor(np.ones((2, 3)), requires_grad=True)
    assert (np.shape(x), np.ndim(x), np.size(x), np.iscomplexobj(x), np.isrealobj(x)) == (
        (2, 3),
        2,
        6,
        False,
        True,
    )
    assert str(np.result_type(x, np.float32)) == "float64"
    assert np.array_equal(x, x) and np.allclose(x, np.ones((2, 3)))
    assert np.full_like(x, 2.0).tolist() == [[2.0] * 3] * 2
    assert [i.tolist() for i in np.nonzero(x[0])] == [[0, 1, 2]]
    assert np.count_nonzero(x) == 6


# ---- no silent constants


@pytest.mark.parametrize(
    "leak",
    [
        np.asarray,
        np.array,
        lambda x: float(x[0]),
        lambda x: int(x[0]),
        lambda x: complex(x[0]),
        lambda x: math.sin(x[0]),
        lambda x: [1, 2, 3][x[0]],
        lambda x: np.zeros(2).__setitem__(slice(None), x),
        lambda x: np.array([x[0], x[1]]),
        lambda x: np.random.default_rng(0).normal(x),
        lambda x: np.frompyfunc(lambda v: v, 1, 1)(x),
        lambda x: np.float64(x[0]),
        lambda x: x * [x[0], 1.0],
    ],
)
def test_a_tensor_in_a_graph_does_not_turn_into_a_constant(leak: Any) -> None:
    with pytest.raises((GraphError, UnsupportedError), match=r"detach\(\)|item\(\)"):
        leak(leaf(1.0, 2.0))


def test_an_element_of_an_array_is_not_set_to_a_tensor_of_a_graph() -> None:
    """NumPy puts a ValueError of its own before ours."""
    array = np.zeros(2)
    with pytest.raises(ValueError) as caught:
        array[0] = leaf(1.0)[0]
    assert isinstance(caught.value.__cause__, GraphError) and array.tolist() == [0.0, 0.0]


def test_item_and_truth_of_many_elements() -> None:
    x = leaf(1.0, 2.0)
    for call in (x.item, lambda: bool(x), lambda: float(x.detach()), lambda: int(x.detach())):
        with pytest.raises(ArgumentError, match=r"\(2,\)"):
            call()
    assert bool(x[0] > 0) and x[0].item() == 1.0
    with pytest.raises(DTypeError, match="len"):
        len(x[0])
    with pytest.raises(DTypeError, match="iteration"):
        iter(x[0])


def test_iteration_and_formatting() -> None:
    x = leaf(1.0, 2.0)
    first, second = x
    (first * second).backward()
    assert x.grad.tolist() == [2.0, 1.0]
    assert f"{x[1]:.3f}" == "2.000" and "Tensor" in f"{x}"


def test_reflected_arrays_never_become_objects() -> None:
    y = np.array([1.0, 2.0]) * leaf(1.0, 2.0)
    assert type(y) is ag.Tensor and y.dtype == float
    z = np.float32(2.0) * leaf(1.0)
    assert type(z) is ag.Tensor


def test_none_and_words_are_just_not_equal() -> None:
    x = leaf(1.0, 2.0)
    assert x not in (None, "auto") and (x == None) is False and (x != "auto") is True  # noqa: E711
    assert None not in [x]


@pytest.mark.parametrize(
    "sample",
    [pytest.param(c, id=f"{name}-{k}") for name, cs in COMPOSED.items() if hasattr(np, name) for k, c in enumerate(cs)],
)
def test_lists_and_arrays_will_do(sample: Composed) -> None:
    """Without any Tensor among the arguments the answer is a constant Tensor."""
    rng = np.random.default_rng(0)
    arrays = [np.asarray(sample.domain(rng, shape)) for shape in sample.shapes]
    expected = sample.call(np, *arrays)
    for arguments in (arrays, [a.tolist() for a in arrays]):
        y = sample.call(ag, *arguments)
        assert type(y) is ag.Tensor and not y.requires_grad
        np.testing.assert_allclose(y.data, expected, rtol=1e-13)
