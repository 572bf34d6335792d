"""Writing in place: values and gradients are those of the same program written without writes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import check_grads
from autograd.errors import ArgumentError, AutogradError, DTypeError, GraphError, IndexingError, ShapeError
from autograd.tape import gradients


def leaf(*data: float) -> Any:
    return ag.Tensor(list(data), requires_grad=True, dtype=float)


# ---- writes into a tensor of a graph


def test_the_written_place_gets_no_gradient_from_before() -> None:
    x = leaf(1.0, 2.0, 3.0)
    y = x * 2
    y[1] = 10.0
    (y * y).sum().backward()
    assert y.tolist() == [2.0, 10.0, 6.0]
    assert x.grad.tolist() == [8.0, 0.0, 24.0]


def test_the_written_value_gets_the_gradient() -> None:
    x, v = leaf(1.0, 2.0, 3.0), leaf(5.0)
    y = x * 2
    y[1:2] = v
    (y * np.array([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 200.0] and v.grad.tolist() == [10.0]


def test_a_broadcast_value_gets_the_sum() -> None:
    x, v = leaf(1.0, 2.0, 3.0), leaf(5.0)
    y = x * 2
    y[...] = v
    (y * np.array([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0] and v.grad.tolist() == [111.0]


def test_a_constant_tensor_joins_the_graph_that_is_written_into_it() -> None:
    """PyTorch: buf = zeros(3); buf[1] = x; buf requires a gradient from then on."""
    x = leaf(3.0)
    out = ag.Tensor(np.zeros(3))
    for k in range(3):
        out[k] = x[0] ** (k + 1)
    assert out.requires_grad and out.tolist() == [3.0, 9.0, 27.0]
    out.sum().backward()
    assert x.grad.tolist() == [1 + 6.0 + 27.0]


def test_masks_integer_arrays_and_duplicates() -> None:
    x, v = leaf(1.0, 2.0, 3.0), leaf(7.0, 8.0)
    y = x * 1
    y[np.array([True, False, True])] = v
    y[[1, 1]] = v  # the last one stays, as in NumPy
    np.testing.assert_array_equal(y.data, [7.0, 8.0, 8.0])
    assert (y * 1).sum().item() == 23.0


def test_the_tape_keeps_an_index_of_its_own() -> None:
    x = leaf(1.0, 2.0, 3.0)
    mask, rows = np.array([True, False, False]), np.array([2])
    y = x * 1
    y[mask] = 0.0
    z = y[rows,] + y[rows]
    mask[:], rows[:] = True, 0
    z.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 2.0]


def test_a_write_of_a_value_computed_from_what_it_overwrites() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    y[0] = y[0] * y[1]
    (y * np.array([1.0, 10.0])).sum().backward()  # 9 x₀x₁ + 30 x₁
    assert x.grad.tolist() == [18.0, 9.0 + 30.0]


def test_forward_mode_and_second_order_through_writes() -> None:
    def f(x: Any, v: Any) -> Any:
        y = x * x
        y[1] = v[0] * x[0]
        y[0] *= 3.0
        y.T[2:] += v
        return y * y

    check_grads(f, np.array([0.5, 1.5, 2.5]), np.array([0.7]))


# ---- augmented assignment and out=


@pytest.mark.parametrize(
    "augment, plain",
    [
        (lambda y, v: y.__iadd__(v), lambda y, v: y + v),
        (lambda y, v: y.__isub__(v), lambda y, v: y - v),
        (lambda y, v: y.__imul__(v), lambda y, v: y * v),
        (lambda y, v: y.__itruediv__(v), lambda y, v: y / v),
        (lambda y, v: y.__ipow__(v), lambda y, v: y**v),
        (lambda y, v: y.__imod__(v), lambda y, v: y % v),
    ],
)
def test_augmented_assignment(augment: Any, plain: Any) -> None:
    answers = []
    for how in (augment, plain):
        x, v = leaf(1.5, 2.5), leaf(0.7)
        y = how(x * 2, v)
        (y * y).sum().backward()
        answers.append((y.tolist(), x.grad.tolist(), v.grad.tolist()))
    assert answers[0] == answers[1]


def test_augmented_assignment_keeps_the_object_and_the_dtype() -> None:
    y = ag.Tensor([1.0, 2.0], requires_grad=True) * 1
    before = y
    y += np.array([1.0, 1.0])  # float64, as NumPy's own += allows
    assert y is before and y.dtype == np.float32
    with pytest.raises(ShapeError, match=r"\(3, 2\)"):
        y += np.ones((3, 2))
    with pytest.raises(DTypeError, match="complex"):
        y += 1j
    n = ag.Tensor([1, 2])
    with pytest.raises(DTypeError, match="int64"):
        n += 0.5


def test_what_was_saved_before_an_augmented_assignment_stays_right() -> None:
    """exp saved its output. PyTorch writes over it, and then refuses; here the sum is a new array."""
    x = leaf(1.0, 2.0)
    y = x.exp()
    z = y * 1
    y += 1.0
    (y + z).sum().backward()
    np.testing.assert_allclose(x.grad.data, 2 * np.exp([1.0, 2.0]))


def test_out() -> None:
    x = leaf(1.0, 2.0)
    y = ag.Tensor(np.zeros(2))
    assert np.multiply(x, 3.0, out=y) is y
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    plain = np.zeros(2)
    assert np.exp(ag.Tensor([0.0, 0.0], dtype=float), out=plain) is plain and plain.tolist() == [1.0, 1.0]
    with pytest.raises(GraphError, match="out="):
        np.multiply(x, 3.0, out=plain)
    with pytest.raises(GraphError, match="out="):
        plain += x
    np.add(plain, 1.0, out=y)


# ---- views


def test_a_write_to_the_base_is_seen_by_a_view() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    v = y[:1]
    y[0] = x[1] * 5
    assert v.tolist() == [10.0]
    v.sum().backward()
    assert x.grad.tolist() == [0.0, 5.0]


def test_a_write_through_a_view_is_seen_by_the_base() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    v = y[:1]
    v[0] = x[1] * 5
    assert y.tolist() == [10.0, 2.0]
    (y * np.array([1.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [0.0, 105.0]


def test_views_of_views_and_of_every_kind() -> None:
    x = ag.Tensor(np.arange(6.0), requires_grad=True)
    y = x * 1
    grid = y.reshape(2, 3)
    turned = grid.T
    row = turned[::-1][0]  # column 2 of the grid
    row *= 10.0
    assert y.tolist() == [0.0, 1.0, 20.0, 3.0, 4.0, 50.0]
    assert turned.tolist() == [[0.0, 3.0], [1.0, 4.0], [20.0, 50.0]]
    (turned * np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])).sum().backward()
    assert x.grad.tolist() == [1.0, 3.0, 50.0, 2.0, 4.0, 60.0]


def test_augmented_assignment_through_a_subscript() -> None:
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    y[1:] *= x[0]
    y[0] += y[2]
    y.sum().backward()  # x0 + x0x2 + x0x1 + x0x2
    assert x.grad.tolist() == [1 + 2 * 3.0 + 2.0, 1.0, 2.0]


def test_a_copy_is_not_a_view() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    c, fancy = y * 1, y[[0, 1]]
    y[0] = 7.0
    assert c.tolist() == fancy.tolist() == [1.0, 2.0]
    (c + fancy).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_one_element_is_a_copy_as_in_numpy() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    element = y[0]
    y[0] = 7.0
    assert element.item() == 1.0
    element.backward()
    assert x.grad.tolist() == [1.0, 0.0]


def test_a_reshape_that_copies_is_not_a_view() -> None:
    x = ag.Tensor(np.arange(4.0).reshape(2, 2), requires_grad=True)
    y = x * 1
    flat = y.T.reshape(4)
    flat[0] = 9.0
    assert y.tolist() == [[0.0, 1.0], [2.0, 3.0]]
    (y.sum() + flat.sum()).backward()
    assert x.grad.tolist() == [[1.0, 2.0], [2.0, 2.0]]


def test_a_view_taken_under_no_grad_still_shares_storage() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    with ag.no_grad():
        v = y[:1]
        v[0] = 5.0
    assert y.tolist() == [5.0, 2.0]


def test_detached_tensors_share_storage_and_versions() -> None:
    x = leaf(1.0, 2.0)
    y = x.exp()
    z = y * y
    y.detach()[0] = 5.0
    assert y.version == 1 and y.tolist()[0] == 5.0
    with pytest.raises(GraphError, match="changed in place"):
        z.sum().backward()


def test_versions_are_shared_by_views() -> None:
    y = ag.Tensor(np.zeros((2, 2)))
    v = y[0]
    assert (y.version, v.version) == (0, 0)
    v[0] = 1.0
    y[...] = 2.0
    v += 1.0
    assert (y.version, v.version, y[1].version) == (3, 3, 3)


# ---- what may not be written, and what backward notices


def test_a_saved_value_that_was_changed_is_noticed() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    z = y * y
    y[0] = 100.0
    with pytest.raises(GraphError) as caught:
        z.sum().backward()
    text = str(caught.value)
    assert "multiply" in text and text.count("test_inplace.py:") >= 2, text
    assert x.grad is None


def test_a_saved_value_changed_through_a_view_is_noticed() -> None:
    x = leaf(1.0, 2.0)
    y = x.exp()
    z = y.sum()
    y[:1][0] = 0.0  # exp saved its output
    with pytest.raises(GraphError, match=r"op 'exp'.*its output"):
        z.backward()


def test_a_constant_operand_that_was_changed_is_noticed() -> None:
    x, c = leaf(1.0, 2.0), ag.Tensor([3.0, 4.0], dtype=float)
    z = (x * c).sum()
    c[0] = 100.0
    with pytest.raises(GraphError, match="changed in place"):
        z.backward()


def test_a_leaf_changed_under_no_grad_is_noticed_where_it_was_saved() -> None:
    w = leaf(1.0, 2.0)
    loss = (w * w).sum()
    with ag.no_grad():
        w += 1.0
    with pytest.raises(GraphError, match="changed in place"):
        loss.backward()


def test_what_was_not_saved_may_change() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y + 1
    y[0] = 100.0
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_a_write_before_the_use_or_after_backward_is_fine() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    y[0] = 5.0
    z = (y * y).sum()
    z.backward()
    y[0] = 7.0
    assert x.grad.tolist() == [0.0, 4.0]


def test_forward_mode_and_gradients_notice_too() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    z = y * y
    y[0] = 100.0
    with pytest.raises(GraphError, match="changed in place"):
        gradients([z.sum()], [x])
    with pytest.raises(GraphError, match="changed in place"):
        ag.tape.pushforward([z], [x], [np.ones(2)])


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.__setitem__(0, 5.0),
        lambda x: x.__iadd__(1.0),
        lambda x: x.__imul__(x),
        lambda x: x[:1].__setitem__(0, 5.0),
        lambda x: x.T.__iadd__(1.0),
        lambda x: x.copy_([1.0, 2.0]),
        lambda x: np.add(x.detach(), 1.0, out=x),
    ],
)
def test_a_leaf_that_requires_grad_is_not_written(write: Any) -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(GraphError, match=r"leaf.*no_grad.*test_inplace\.py:\d+"):
        write(x)
    assert x.tolist() == [1.0, 2.0] and x.is_leaf and x.version == 0


def test_a_leaf_is_named_in_the_message() -> None:
    with pytest.raises(GraphError, match="'weights'"):
        ag.Tensor([1.0], requires_grad=True, name="weights")[0] = 2.0


def test_under_no_grad_a_leaf_is_written_in_its_own_buffer() -> None:
    w = leaf(1.0, 2.0)
    array = w.data
    with ag.no_grad():
        w += 1.0
        w[0] = 5.0
        w.copy_(w * 2)
        w[:1].copy_(np.array([11.0]))
        np.multiply(w, 2.0, out=w)
    assert w.data is array and array.tolist() == [22.0, 12.0]
    assert w.is_leaf and w.requires_grad and w.version == 5
    (w * w).sum().backward()
    assert w.grad.tolist() == [44.0, 24.0]


def test_views_of_a_leaf_taken_before_an_update() -> None:
    w = leaf(1.0, 2.0)
    v = w[1:]
    with ag.no_grad():
        w += 1.0
    assert v.tolist() == [3.0]
    (v * v).sum().backward()
    assert w.grad.tolist() == [0.0, 6.0]


def test_numpy_is_read_only_inside_a_graph() -> None:
    x = leaf(1.0, 2.0)
    for t in (x, x * 2):
        with pytest.raises(ValueError, match="read-only"):
            t.numpy()[0] = 5.0
    t = ag.Tensor([1.0, 2.0])
    t.numpy()[0] = 5.0
    assert t.tolist() == [5.0, 2.0]


def test_a_read_only_array_is_never_written() -> None:
    a = np.ones(2)
    a.flags.writeable = False
    t = ag.from_numpy(a)
    with pytest.raises(ArgumentError, match="read-only"):
        t[0] = 5.0
    with pytest.raises(ArgumentError, match="read-only"):
        t += 1.0
    spread = ag.broadcast_to(leaf(1.0), (3,))
    with pytest.raises(ArgumentError, match="read-only"):
        spread[0] = 2.0
    assert a.tolist() == [1.0, 1.0]


def test_assigning_data_counts_as_a_write() -> None:
    w = leaf(1.0, 2.0)
    loss = (w * w).sum()
    w.data = np.array([5.0, 6.0])
    with pytest.raises(GraphError, match="changed in place"):
        loss.backward()
    (w * w).sum().backward()
    assert w.grad.tolist() == [10.0, 12.0]
    with pytest.raises(GraphError, match="disconnect"):
        (w * 2).data = np.zeros(2)


BAD = [
    ("shape", lambda y: y.__setitem__(0, [1.0, 2.0]), ShapeError, r"\(2,\)"),
    ("out of bounds", lambda y: y.__setitem__(7, 1.0), IndexingError, "out of bounds"),
    ("mask length", lambda y: y.__setitem__(np.array([True]), 1.0), IndexingError, "boolean"),
    ("complex", lambda y: y.__setitem__(0, 1j), DTypeError, "imaginary|complex"),
    ("object", lambda y: y.__setitem__(0, "five"), DTypeError, "str"),
    ("None", lambda y: y.__setitem__(0, None), DTypeError, "None"),
    ("float index", lambda y: y.__setitem__(0.5, 1.0), IndexingError, "0.5|integer"),
]


@pytest.mark.parametrize("write, kind, words", [pytest.param(*row[1:], id=row[0]) for row in BAD])
def test_a_write_that_fails_changes_nothing(write: Any, kind: type[AutogradError], words: str) -> None:
    x = leaf(1.0, 2.0, 3.0)
    y = x * 2
    node = y.node
    with pytest.raises(kind, match=words) as caught:
        write(y)
    assert "test_inplace.py:" in str(caught.value)
    assert y.node is node and y.tolist() == [2.0, 4.0, 6.0] and y.version == 0
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


# ---- random programs


class Functional:
    """The same steps without any write: views are read anew, and every write makes a new base."""

    def __init__(self, x: Any):
        self.base = x * 1.0

    def read(self, index: Any) -> Any:
        return self.base[index]

    def write(self, index: Any, value: Any) -> None:
        place = np.zeros(self.base.shape, bool)
        place[index] = True
        self.base = ag.where(place, _spread(value, index, self.base.shape), self.base)


def _spread(value: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """The value at its place in zeros, by a product with one-hot rows: nothing that writes use."""
    target = np.zeros(shape)[index].shape
    positions = np.arange(int(np.prod(shape))).reshape(shape)[index].reshape(-1)
    hot = np.zeros((positions.size, int(np.prod(shape))))
    hot[np.arange(positions.size), positions] = 1.0
    return (ag.broadcast_to(value, target).reshape(-1) @ hot).reshape(shape)


INDICES = [0, -1, slice(None), slice(1, None), slice(None, None, -1), (slice(None), 1), (slice(0, 1), 2),
           (..., slice(0, 2)),           (slice(None, None, 2), slice(1, None))]  # fmt: skip


def program(seed: int, inplace: bool) -> Any:
    """Random reads, writes and augmented writes through long-lived views, as a function of x and v."""

    def f(x: Any, v: Any) -> Any:
        rng = np.random.default_rng(seed)
        store = Functional(x)
        y = x * 1.0
        views = [(INDICES[k], y[INDICES[k]]) for k in rng.permutation(len(INDICES))]
        collected = []
        for _ in range(8):
            index, view = views[rng.integers(len(views))]
            other, source = views[rng.integers(len(views))]
            kind = rng.integers(4)
            scale = float(rng.uniform(0.5, 1.5))
            if inplace:
                if kind == 0:
                    view[...] = v[0] * scale
                elif kind == 1:
                    view *= scale + v[1]
                elif kind == 2:
                    y[index] = source.mean() * scale
                else:
                    collected.append((view * scale).sum())
            else:
                if kind == 0:
                    store.write(index, v[0] * scale)
                elif kind == 1:
                    store.write(index, store.read(index) * (scale + v[1]))
                elif kind == 2:
                    store.write(index, store.read(other).mean() * scale)
                else:
                    collected.append((store.read(index) * scale).sum())
        end = y if inplace else store.base
        seen = [view for _, view in views] if inplace else [store.read(index) for index, _ in views]
        total = (end * end).sum()
        for k, view in enumerate(seen):
            total = total + (view * (k + 1.0)).sum()
        for c in collected:
            total = total + c * c
        return total

    return f


@pytest.mark.parametrize("seed", range(25))
def test_random_programs_of_writes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    arguments = [rng.uniform(0.5, 1.5, (3, 3)), rng.uniform(0.5, 1.5, 2)]
    answers = []
    for inplace in (True, False):
        xs = [ag.Tensor(a, requires_grad=True) for a in arguments]
        y = program(seed, inplace)(*xs)
        gs = [np.zeros(x.shape) if g is None else g for g, x in zip(gradients([y], xs), xs, strict=True)]
        answers.append((y.item(), *gs))
    for a, b in zip(*answers, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    check_grads(program(seed, True), *arguments, order=1)


@pytest.mark.parametrize(
    "view",
    [lambda m: m.squeeze(), lambda m: ag.real(m), lambda m: m[...], lambda m: m.reshape((2, 2)), lambda m: m.T.T,
     lambda m: ag.broadcast_to(m, (2, 2)), lambda m: ag.moveaxis(m, 0, 0), lambda m: ag.flip(ag.flip(m))],
)  # fmt: skip
def test_a_view_of_everything_is_a_view(view: Any) -> None:
    """NumPy gives the very array back for some: a write to the one is a write to the other."""
    w = ag.Tensor(np.array([[1.0, 2.0], [3.0, 4.0]]), requires_grad=True)
    base = w * 1
    looking = view(base)
    base[0] = 0.25
    seen = looking * 1
    (seen * seen).sum().backward()
    assert seen.tolist() == [[0.25, 0.25], [3.0, 4.0]] and w.grad.tolist() == [[0.0, 0.0], [6.0, 8.0]]
