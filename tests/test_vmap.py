"""`vmap` against a loop over the examples: every op of the table, and every composition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_table import ROWS, run

import autograd as ag
from autograd import errors
from autograd.apply import apply
from autograd.rule import OPS
from autograd.tensor import wrap

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(5, 3)), RNG.normal(size=(4, 3))
LOOPED = {"scatter_add", "write"}  # no batched form: example by example


def both(f: Any, *args: Any) -> None:
    """vmap over axis 0 of all arguments gives what a loop gives."""
    looped = np.stack([np.asarray(_plain(f(*(a[k] for a in args)))) for k in range(args[0].shape[0])])
    mapped = _plain(ag.vmap(f)(*args))
    assert mapped.shape == looped.shape and mapped.dtype == looped.dtype
    assert np.allclose(mapped, looped, rtol=1e-10, atol=1e-12, equal_nan=True)


def _plain(y: Any) -> Any:
    return y.numpy() if isinstance(y, ag.Tensor) else y


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_op(name: str) -> None:
    op = OPS[name]
    for sample in ROWS[name].samples:
        draws = [sample.arrays(seed=k) for k in range(3)]
        batch = [np.stack(column) for column in zip(*draws, strict=True)]
        both(lambda *xs, s=sample: run(op, [x if isinstance(x, ag.Tensor) else wrap(x) for x in xs], s.settings), *batch)
        if len(batch) > 1:  # some arguments are the same for all examples
            for fixed in range(len(batch)):
                axes = [None if k == fixed else 0 for k in range(len(batch))]
                given = [draws[0][k] if k == fixed else b for k, b in enumerate(batch)]
                mapped = _plain(ag.vmap(lambda *xs, s=sample: run(op, xs, s.settings), in_axes=axes)(*given))
                for n in range(3):
                    one = [draws[0][k] if k == fixed else draws[n][k] for k in range(len(batch))]
                    assert np.allclose(mapped[n], _plain(apply(op, one, {**op.settings, **sample.settings})), equal_nan=True)


def test_which_ops_run_example_by_example(monkeypatch: pytest.MonkeyPatch) -> None:
    from autograd import batching

    looped: set[str] = set()
    each = batching._each
    monkeypatch.setattr(batching, "_each", lambda op, *rest: (looped.add(op.name), each(op, *rest))[1])
    for name, row in ROWS.items():
        sample = row.samples[-1]
        batch = [np.stack([a, a]) for a in sample.arrays()]
        ag.vmap(lambda *xs, n=name, s=sample: run(OPS[n], xs, s.settings))(*batch)
    assert looped <= LOOPED


def test_axes_and_nesting() -> None:
    f = lambda p, x: {"y": p["w"] @ x, "z": (x.sum(),)}  # noqa: E731
    out = ag.vmap(f, in_axes=({"w": None}, 1), out_axes={"y": 1, "z": 0})({"w": W}, X.T)
    assert np.allclose(out["y"], W @ X.T) and np.allclose(out["z"][0], X.sum(1))
    assert np.allclose(ag.vmap(lambda a: ag.vmap(lambda b: a @ b)(W))(X), X @ W.T)
    assert np.allclose(ag.vmap(lambda x: 1.0)(X), np.ones(5))
    assert np.allclose(ag.vmap(lambda a, b: np.outer(a, b), (0, None))(X, W[0]), X[:, :, None] * W[0])


def loss(w: Any, x: Any) -> Any:
    return np.sum(np.tanh(w @ x) ** 2)


def test_gradients_of_each_example() -> None:
    each = ag.vmap(ag.grad(loss), in_axes=(None, 0))(W, X)
    assert type(each) is np.ndarray and each.shape == (5, 4, 3)
    assert np.allclose(each, [ag.grad(loss)(W, x) for x in X])
    total = ag.grad(lambda w: np.sum(ag.vmap(loss, (None, 0))(w, X)))(W)
    assert np.allclose(total, each.sum(0))


def test_with_the_other_transforms() -> None:
    f = lambda x: np.sum(x**3) * np.prod(x)  # noqa: E731
    both(ag.hessian(f), X)
    both(ag.jacobian(lambda x: np.tanh(W @ x)), X)
    both(lambda x: ag.jvp(f, (x,), (x,))[1], X)
    both(ag.grad(lambda x: ag.grad(f)(x) @ x), X)
    v = RNG.normal(size=(5, 3))
    assert np.allclose(ag.vmap(ag.hessian_vector_product(f))(X, v), [ag.hessian(f)(x) @ u for x, u in zip(X, v, strict=True)])
    pull, _ = ag.make_vjp(lambda x: np.tanh(W @ x))(X[0])
    assert np.allclose(ag.vmap(pull)(np.eye(4)), ag.jacobian(lambda x: np.tanh(W @ x))(X[0]))
    push = ag.make_jvp(lambda x: np.tanh(W @ x))(X[0])
    assert np.allclose(ag.vmap(lambda v: push(v)[1], out_axes=1)(np.eye(3)), ag.jacobian(lambda x: np.tanh(W @ x))(X[0]))
    doubly = ag.vmap(lambda w: ag.vmap(lambda x: ag.grad(lambda u: np.tanh(u @ x))(w))(X))(W)
    assert np.allclose(doubly, [[ag.grad(lambda u, x=x: np.tanh(u @ x))(w) for x in X] for w in W])
    w = ag.Tensor(W, requires_grad=True)
    ag.vmap(lambda x: loss(w, x))(X).sum().backward()
    assert w.grad is not None and np.allclose(w.grad.numpy(), ag.vmap(ag.grad(loss), (None, 0))(W, X).sum(0))


def rows(x: Any) -> Any:
    """A Jacobian from a pull that is itself mapped, inside whatever else is mapped."""
    pull, y = ag.make_vjp(lambda u: np.tanh(W @ u) * x[0])(x)
    return ag.vmap(pull)(np.eye(4, dtype=np.float32)) + y[0]


def test_pulls_mapped_inside_what_is_mapped() -> None:
    assert np.allclose(rows(X[0]), ag.jacobian(lambda u: np.tanh(W @ u) * X[0, 0])(X[0]) + np.tanh(W[0] @ X[0]) * X[0, 0])
    assert np.allclose(ag.vmap(rows)(X), [rows(x) for x in X])
    assert np.allclose(ag.vmap(ag.vmap(rows))(np.stack([X, 2 * X]))[1], [rows(2 * x) for x in X])
    second = ag.grad(lambda x: np.sum(ag.vmap(ag.grad(lambda u: u**3))(x)))(X[0])
    assert np.allclose(second, 6 * X[0])
    through = ag.grad(lambda x: np.sum(rows(x) ** 2))
    numeric = [(np.sum(rows(X[0] + e) ** 2) - np.sum(rows(X[0] - e) ** 2)) / 2e-5 for e in 1e-5 * np.eye(3)]
    assert np.allclose(through(X[0]), numeric, rtol=1e-6)


def test_what_leaks_out() -> None:
    kept: list[Any] = []
    ag.vmap(lambda x: (kept.append(x), kept.append(ag.make_vjp(np.tanh)(x)[0]), x)[2])(X)
    x, pull = kept
    with pytest.raises(errors.GraphError, match="after that vmap ended"):
        np.sin(x)
    with pytest.raises(errors.GraphError, match="after that vmap ended"):
        ag.vmap(lambda y: y + x)(X)
    with pytest.raises(errors.GraphError, match="after that vmap ended"):
        pull(X[0])
    with pytest.raises(errors.GraphError, match="after that vmap ended"):
        ag.vmap(pull)(X)


def test_under_jit() -> None:
    compiled = ag.jit(ag.vmap(ag.grad(loss), in_axes=(None, 0)))
    for _ in range(2):
        assert np.allclose(compiled(W, X).numpy(), ag.vmap(ag.grad(loss), in_axes=(None, 0))(W, X))


def test_float32_and_random_numbers() -> None:
    drawn = ag.vmap(lambda x: x * 0 + ag.default_generator.normal(size=3))(X)
    assert np.ptp(drawn, axis=0).max() == 0 < np.ptp(drawn)
    assert ag.vmap(lambda x: np.tanh(x) * 2.0)(X.astype(np.float32)).dtype == np.float32


def test_indices_that_differ_by_example() -> None:
    i = RNG.integers(-4, 4, (5, 2, 3))
    both(lambda i, x: ag.Tensor(W)[i] * x, i, X)
    both(lambda x: x[x.argmax()], X)
    both(lambda x: np.outer(x, x)[x.argmin()], X)
    both(ag.grad(lambda x: np.sum(np.outer(x, x)[x.argmin()] ** 2)), X)
    pairs = ag.vmap(lambda k: ag.vmap(lambda x: x[k])(ag.Tensor(X)))(i[0, :, 0] % 3)
    assert np.allclose(pairs, X[:, i[0, :, 0] % 3].T)
    with pytest.raises(errors.IndexingError, match="no rows"):
        ag.vmap(lambda k: ag.Tensor(1.0)[k])(np.arange(3))
    with pytest.raises(IndexError):
        ag.vmap(lambda k: ag.Tensor(W)[k])(np.arange(5))


def test_networks_by_example() -> None:
    """Layers and losses check values where they can be seen; inside vmap they go without."""
    import nn

    x, t = RNG.normal(size=(5, 3)), np.arange(5) % 4
    functional = nn.functional
    for f in (
        lambda x, t: functional.cross_entropy((W @ x)[None], t[None]),
        lambda x, t: functional.cross_entropy((W @ x)[None], t[None], ignore_index=2, label_smoothing=0.1, reduction="sum"),
        lambda x, t: functional.binary_cross_entropy_with_logits(x, (x > 0) * 1.0),
        lambda x, t: nn.functional.embedding(t, ag.Tensor(W)).sum() * x[0],
    ):
        both(f, ag.Tensor(x), ag.Tensor(t))
        both(ag.grad(f), ag.Tensor(x), ag.Tensor(t))


def test_errors_teach() -> None:
    with pytest.raises(errors.ShapeError, match=r"differ in length, \[4, 5\]"):
        ag.vmap(lambda a, b: a + b)(X, W)
    with pytest.raises(errors.ShapeError, match="no argument is mapped"):
        ag.vmap(lambda a: a, in_axes=None)(X)
    with pytest.raises(errors.ArgumentError, match="in_axes for 2"):
        ag.vmap(lambda a: a, in_axes=(0, 0))(X)
    with pytest.raises(errors.ShapeError, match="no axis 0"):
        ag.vmap(lambda a, b: a + b)(X, 1.0)
    with pytest.raises(errors.GraphError, match=r"every example has its own.*np\.where"):
        ag.vmap(lambda x: x if x.sum() > 0 else -x)(X)
    with pytest.raises(errors.UnsupportedError, match="written in place"):
        ag.vmap(lambda x: x.__setitem__(0, 1.0))(X)
    with pytest.raises(errors.GraphError, match=r"np\.stack to put tensors together"):
        ag.vmap(lambda x: np.array([x[0], x[1]]))(X)
    for f in (lambda x: x[x > 0], lambda x: x[1:, x.argmax()], lambda x: ag.Tensor(W)[x.argmax(), :2]):
        with pytest.raises(errors.UnsupportedError, match="take_along_axis"):
            ag.vmap(f)(X)
    assert ag.tape.mode.plain and ag.tape.mode.depth == 0
