"""Writes and views in compiled steps: everything that looks at the same memory sees them, as without jit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd.rule import OPS

pytest.importorskip("numba")

X = np.array([[0.3, -1.0, 2.0], [1.5, 0.2, -0.7]])


class World:
    """What a step finds outside: a leaf, a buffer, and tensors that look into the buffer's memory."""

    def __init__(self) -> None:
        self.w = ag.Tensor(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), requires_grad=True)
        self.buffer = ag.Tensor(np.zeros((2, 3)))
        self.row, self.columns = self.buffer[0], self.buffer.T
        self.flat = ag.from_numpy(np.zeros(7))
        self.parts = [ag.from_numpy(self.flat.data[:3]), ag.from_numpy(self.flat.data[3:7].reshape(2, 2))]

    def state(self) -> list[Any]:
        tensors = [self.w, self.buffer, self.row, self.columns, self.flat, *self.parts]
        return [*(t.data.copy() for t in tensors), None if self.w.grad is None else self.w.grad.data.copy()]


CASES: dict[str, Callable[[World, Any], Any]] = {}


def case(function: Callable[[World, Any], Any]) -> Callable[[World, Any], Any]:
    CASES[function.__name__] = function
    return function


def slope(o: World, y: Any) -> Any:
    """The gradient of Σ y² in w.grad."""
    loss = (y * y).sum()
    o.w.grad = None
    loss.backward()
    return loss


@case
def a_view_sees_a_write_to_its_base(o: World, x: Any) -> Any:
    y = x * 1
    v = y[0]
    y[0] = 7.0
    return y, v, v + 1


@case
def a_base_and_other_views_see_a_write_through_a_view(o: World, x: Any) -> Any:
    y = x * 1
    v, u = y.T, y[:, 1:]
    v[0] = 7.0
    u[0, ::-1] = ag.Tensor([1.0, 2.0])
    y[..., 0] *= 2
    return y, v, u


@case
def a_view_of_a_view(o: World, x: Any) -> Any:
    y = x * 1
    v = y[0][1:].reshape((1, 2)).T
    v[1] = 5.0
    y.reshape((-1,))[2:4] += 0.5
    return y, v


@case
def what_numpy_copies_is_no_view(o: World, x: Any) -> Any:
    y = x * 1
    y.T.reshape((-1,))[2:4] = 0.0
    z = ag.Tensor(y)
    y[[0, 1]][0] = 9.0
    z[0] = 3.0
    return y, z


@case
def what_gives_its_operand_is_a_copy(o: World, x: Any) -> Any:
    v, u, y = ag.conj(o.w).detach(), ag.clip(o.buffer, None, 99.0), x * 1
    z = ag.concatenate([y])
    with ag.no_grad():
        o.w *= 2
    o.buffer += 1
    y[0] = 9.0
    return v, u, z


@case
def detached_and_transposed_twice(o: World, x: Any) -> Any:
    y = x * 1
    d, t = y.detach(), y.T.T
    y[0] = 9.0
    return d, t


@case
def views_of_a_leaf_follow_it(o: World, x: Any) -> Any:
    v, z = o.w[0].detach(), ag.einsum("ij->ji", o.w).detach()
    with ag.no_grad():
        o.w[...] = o.w * 2
    return v, z


@case
def outer_views_of_one_buffer(o: World, x: Any) -> Any:
    o.buffer[0, 1] = 3.0
    seen = o.row * 1
    o.columns[2] = x[0, :2]
    o.row += 1.0
    return seen, o.buffer.sum(), o.columns * 1


@case
def parts_of_one_flat_array(o: World, x: Any) -> Any:
    o.parts[0] += x[0]
    before = o.flat * 1
    o.parts[1][1] = x[1, :2]
    o.flat[-1:] = o.parts[0][0]
    return before, o.parts[1] * 1


@case
def written_twice_and_read_in_between(o: World, x: Any) -> Any:
    o.buffer[0] = x[0]
    a = o.buffer.sum()
    o.buffer[0] = x[1]
    return a, o.buffer.sum()


@case
def a_tensor_made_inside_starts_anew(o: World, x: Any) -> Any:
    b, c = ag.Tensor(np.zeros(3)), ag.Tensor([1.0, 2.0])
    b += x[0]
    c[0] += 1
    return b, c


@case
def into_an_argument(o: World, x: Any) -> Any:
    x[0] = 1.0
    x += 1
    return x.sum()


@case
def through_a_view_of_an_argument(o: World, x: Any) -> Any:
    x.T[1] = x[:, 0] * 2
    return x * 1


@case
def rows_that_overlap(o: World, x: Any) -> Any:
    y = x * 1
    y[:, 1:] = y[:, :-1]
    t = y[0] * 1
    y[0] = y[1]
    y[1] = t
    return y


@case
def with_a_gradient(o: World, x: Any) -> Any:
    y = o.w * 1
    y[0] = y[1] * 2
    y[1] *= 3
    v = y.T
    v[0] = 0.5
    return slope(o, y)


@case
def gradients_into_a_tensor_without_one(o: World, x: Any) -> Any:
    b = ag.Tensor(np.zeros((2, 3)))
    v = b[1]
    b[1] = o.w[1] * x[0]
    return slope(o, v), b.detach()


@case
def a_loop_that_fills_rows(o: World, x: Any) -> Any:
    h = ag.Tensor(np.zeros((4, 3)))
    row = x[0]
    for t in range(4):
        row = ag.tanh(row * o.w[0] + o.w[1])
        h[t] = row
    return slope(o, h)


@case
def with_a_gradient_at_computed_indices(o: World, x: Any) -> Any:
    y = o.w * 1
    y[ag.argmax(x[:, :2], axis=1)] = x[0] * o.w[1]
    return slope(o, y)


@case
def a_row_written_twice_keeps_the_last(o: World, x: Any) -> Any:
    y = ag.Tensor(np.zeros((2, 3)))
    y[np.array([1, 1])] = o.w * 2
    return slope(o, y)


@case
def a_computed_row_written_twice_keeps_the_last(o: World, x: Any) -> Any:
    y = ag.Tensor(np.zeros((2, 3)))
    y[ag.argmax(x[:, 2:], axis=1)] = o.w * 2
    return slope(o, y)


@case
def masks(o: World, x: Any) -> Any:
    y, z = x * 1, x * 1
    y[y > 0.5] = 0.0
    z[z[:, 0] > 0.5] = x[0] * 0 + 4.0
    z[:, z[0] < 0] = 8.0
    return y, z


@case
def a_mask_and_a_gradient(o: World, x: Any) -> Any:
    y = o.w * 1
    y[y > 2.5] = 0.0
    return slope(o, y)


@case
def computed_indices_beside_others(o: World, x: Any) -> Any:
    i = ag.argsort(x[0])
    y = x * 1
    y[np.arange(2), ag.argmax(x, axis=1)] = 0.0
    o.buffer[0, i] = x[1]
    return y, x[:, i], x[0:1, i], x[::-1, None, i], x[1, i], x.T[i, 1:]


@case
def a_gradient_that_is_scaled_in_place(o: World, x: Any) -> Any:
    loss = slope(o, o.w * x)
    g = o.w.grad
    g *= 0.5
    g[0] = 1.0
    return loss


@case
def out(o: World, x: Any) -> Any:
    np.add(x, 1.0, out=o.buffer)
    o.buffer[0].copy_(x[1])
    return o.row * 2


@case
def a_generator_made_inside(o: World, x: Any) -> Any:
    g = ag.Generator(3)
    a = g.normal(size=(2,)) * x[0, 0]
    g.manual_seed(3)
    return a, g.normal(size=(2,)) * x[0, 0]


def leaves(tree: Any) -> list[Any]:
    return [a for t in tree for a in leaves(t)] if isinstance(tree, tuple) else [tree.detach().data.copy()]


@pytest.mark.parametrize("name", CASES)
def test_a_step_writes_as_without_jit(name: str) -> None:
    seen = []
    for compiled in (False, True):
        world = World()

        def step(x: Any, world: World = world) -> Any:
            return CASES[name](world, x)

        call, found = ag.jit(step) if compiled else step, []
        for shift in (0.0, 0.25, 0.5):
            x = ag.Tensor(X + shift)
            found += [*leaves(call(x)), *world.state(), x.data.copy()]
        seen.append(found)
    assert len(seen[0]) == len(seen[1])
    for eager, jitted in zip(*seen, strict=True):
        if eager is None:
            assert jitted is None
        else:
            np.testing.assert_allclose(jitted, eager, rtol=1e-12, atol=1e-12)


def test_a_loop_that_fills_rows_is_one_join() -> None:
    """Rows that are written one by one are put side by side once, however many there are."""

    @ag.jit
    def fill(x: Any) -> Any:
        h = ag.Tensor(np.zeros((50, 3)))
        for t in range(50):
            h[t] = x * float(t)
        return h.sum(axis=0) * 1, h

    total, rows = fill(ag.Tensor(np.ones(3)))
    np.testing.assert_array_equal(rows.data, np.arange(50.0)[:, None] * np.ones(3))
    np.testing.assert_array_equal(total.data, np.full(3, 1225.0))
    assert fill.explain().bytes < 16_000  # not 50 times 50 rows


def test_an_argument_of_any_layout_is_written() -> None:
    @ag.jit
    def double(x: Any) -> None:
        x *= 2

    for array in (np.ones((3, 4))[::-1], np.ones((4, 3)).T, np.ones(3, ">f8"), np.ones((2, 6))[:, ::2]):
        double(array)
        np.testing.assert_array_equal(array, 2 * np.ones(array.shape))
    t = ag.Tensor(np.ones(3))
    y = (ag.Tensor(np.ones(3), requires_grad=True) * t).sum()
    double(t)
    with pytest.raises(ag.errors.GraphError, match="changed in place"):  # the write is known outside
        y.backward()
    fixed = np.ones(3)
    fixed.flags.writeable = False
    with pytest.raises(ag.errors.ArgumentError, match="read-only"):
        double(fixed)


def test_numbers_are_not_written_into() -> None:
    @ag.jit
    def step(x: float, y: Any) -> Any:
        old = x
        x += 1
        y += x
        return old * 1, y

    for value in (2.0, 3.0):
        old, y = step(value, np.ones(2))
        assert old.item() == value
        np.testing.assert_array_equal(y.data, 2 + np.full(2, value))


def test_arguments_that_lie_in_what_is_written_are_refused() -> None:
    w = ag.Tensor(np.ones(4))

    @ag.jit
    def step(x: Any) -> Any:
        w[0] = 5.0
        return x * 1

    @ag.jit
    def into(x: Any, y: Any) -> Any:
        x[0] = 5.0
        return y * 1

    step(np.ones(4))
    into(np.ones(4), np.ones(4))
    shared = np.ones(5)
    for call, arguments in ((step, (w,)), (step, (w.data[::-1],)), (into, (shared[1:], shared[:4]))):
        with pytest.raises(ag.errors.GraphError, match="Pass a copy"):
            call(*arguments)
    np.testing.assert_array_equal(shared, np.ones(5))


def test_a_graph_is_not_carried_out_of_a_step() -> None:
    w, buffer = ag.Tensor([1.0, 2.0], requires_grad=True), ag.Tensor([0.0, 0.0])

    @ag.jit
    def step() -> None:
        buffer[0] = w[0] * 2

    with pytest.raises(ag.errors.UnsupportedError, match="carry the graph"):
        step()
    assert buffer.tolist() == [0.0, 0.0] and not buffer.requires_grad


def test_read_only_places_are_refused_as_without_jit() -> None:
    def step(x: Any) -> Any:
        y = ag.broadcast_to(x, (2, 3))
        y[0] = 1.0
        return y

    for call in (step, ag.jit(step)):
        with pytest.raises(ag.errors.ArgumentError, match="read-only"):
            call(ag.Tensor(np.ones(3)))


def test_shapes_that_do_not_fit_are_told_as_without_jit() -> None:
    for index, value in ((0, np.ones(4)), (slice(0, 1), np.ones((2, 3))), (..., np.ones((3, 2))), (5, 1.0)):

        def step(x: Any, index: Any = index, value: Any = value) -> Any:
            y = x * 1
            y[index] = ag.Tensor(value)
            return y

        raised = []
        for call in (step, ag.jit(step)):
            with pytest.raises((ag.errors.ShapeError, ag.errors.IndexingError), match="cannot write") as error:
                call(ag.Tensor(np.ones((2, 3))))
            raised.append(type(error.value))
        assert raised[0] is raised[1]


def test_a_position_in_a_stream_is_not_read_while_recording() -> None:
    stream = ag.Generator(0)
    with pytest.raises(ag.errors.GraphError, match="position of a Generator"):
        ag.jit(lambda x: (stream.get_state(), x)[1])(1.0)


def test_seeding_inside_a_step_is_done_at_each_call() -> None:
    stream = ag.Generator(0)

    @ag.jit
    def step(x: Any) -> Any:
        stream.manual_seed(5)
        return stream.normal(size=(2,)) * x

    first, second = step(1.0).tolist(), step(1.0).tolist()
    assert first == second == ag.Tensor(ag.Generator(5).normal(size=(2,))).tolist()
    after = ag.Generator(5)
    after.normal(size=(2,))
    assert stream.get_state() == after.get_state()


def test_an_op_whose_result_shares_memory_says_so() -> None:
    """Else a write to one would change the other unseen."""
    from op_table import ROWS

    for name, row in ROWS.items():
        for sample in row.samples:
            arrays = sample.arrays(float, 1)
            with np.errstate(all="ignore"):
                y = OPS[name].forward()(*arrays, **{**OPS[name].settings, **sample.settings})
            shares = isinstance(y, np.ndarray) and any(np.may_share_memory(y, a) for a in arrays if isinstance(a, np.ndarray))
            assert OPS[name].view or not shares or name == "einsum", name  # the public einsum transposes by the op for it


def rows_read_each_other(buf: Any, v: Any) -> Any:
    buf[0] = buf[1] + buf[2]
    buf[1] = buf[0] * v
    return buf.sum()


def twice(buf: Any, v: Any) -> None:
    buf[0] = v
    buf[0] = v * 2
    buf[-1] = buf[0]


def through_a_view(buf: Any, v: Any) -> Any:
    row = buf[4]
    row[...] = v
    row[1:3] = row[0:2] * 2
    return row * 2


def at(buf: Any, i: Any, v: Any) -> None:
    buf[i] = v


def added_at(buf: Any, i: Any, v: Any) -> None:
    buf[i] = buf[i] + v


def corner(buf: Any, v: Any) -> None:
    buf[2, 1:3] = v[:2]
    buf[2, 0] = buf[2, 1] + buf[3, 3]


def into_two(buf: Any, v: Any) -> None:
    a, b = buf[:50], buf[50:]
    a[3], b[4] = b[4] + v, a[3] * v


V4, THREE = np.ones(4), np.arange(12.0).reshape(3, 4)
PARTS: dict[str, tuple[Any, tuple[Any, ...], bool]] = {
    "a row": (lambda buf, v: at(buf, 3, v), (V4,), True),
    "rows": (lambda buf, v: (at(buf, 3, v), at(buf, slice(5, 7), 2 * v), None)[2], (V4,), True),
    "a number": (lambda buf: at(buf, (4, 2), 7.0), (), True),
    "nothing": (lambda buf, v: at(buf, slice(3, 3), v), (V4,), True),
    "a corner": (corner, (V4,), True),
    "twice": (twice, (V4,), True),
    "a computed row": (at, (np.array(3), V4), True),
    "computed rows, one twice": (at, (np.array([3, 5, 3, -1]), np.arange(16.0).reshape(4, 4)), True),
    "known rows": (lambda buf, v: at(buf, [7, 2, 7], v), (THREE,), True),
    "every 40th row": (lambda buf, v: at(buf, slice(5, None, 40), v * 2), (THREE,), True),
    "every other column, backwards": (lambda buf, v: at(buf, (slice(None), slice(None, None, -2)), v[:2]), (V4,), False),
    "known elements": (lambda buf: at(buf, ([3, 50, 3], [1, 0, 1]), 7.0), (), True),
    "computed elements": (lambda buf, i, v: at(buf, (i, i % 4), v), (np.array([3, 50, 3]), np.arange(3.0)), True),
    "added to computed rows": (added_at, (np.array([7, 7, -1]), THREE), False),
    "rows that read each other": (rows_read_each_other, (V4,), False),
    "through a view": (through_a_view, (V4,), False),
    "exchanged": (into_two, (V4,), False),
    "nearly all": (lambda buf, v: at(buf, slice(1, -1), (buf[2:] + buf[:-2]) / 2), (V4,), False),
    "all, then a part": (lambda buf, v: (at(buf, slice(None), v), at(buf, 1, 0), None)[2], (V4,), False),
    "an argument's": (lambda buf, x, v: (at(buf, 2, x[1]), at(x, 1, buf[3]), at(x, 0, v), None)[3], (THREE, V4), False),
}


@pytest.mark.parametrize("name", PARTS)
def test_of_a_large_array_only_the_part_is_written(name: str) -> None:
    function, arguments, small = PARTS[name]
    ours, theirs = (ag.Tensor(np.arange(400.0).reshape(100, 4)) for _ in range(2))
    step = ag.jit(lambda *given: function(ours, *given))
    for _ in range(3):
        given = [[a.copy() for a in arguments] for _ in range(2)]
        found, expected = step(*given[0]), function(theirs, *given[1])
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
        for a, b in zip(*given, strict=True):
            np.testing.assert_array_equal(a, b)
        if expected is not None:
            np.testing.assert_array_equal(found.numpy(), expected.numpy())
    if small:
        assert not re.search(r"range\((9\d|100|[34]\d\d)\)", step.source())
