"""Calls of compiled programs: random numbers, nested arguments, interrupts, threads, what is held, checks, falling back."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd.compiler import variant as variant_module
from autograd.compiler.variant import Variant

pytest.importorskip("numba")

X = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


def variants(step: Any) -> int:
    return sum(len(v) for v in step._variants.values())


class Dropout(nn.Module):
    """A user's own, on the public seam."""

    def __init__(self, p: float, generator: Any = None):
        self.p, self.generator = p, generator or ag.default_generator

    def forward(self, x: Any) -> Any:
        if not self.training:
            return x
        return x * (self.generator.uniform(size=x.shape, dtype=x.dtype) >= self.p) / (1 - self.p)


def training(wrap: Any) -> tuple[Any, ...]:
    """A step with dropout and noise, its parameters, its optimizer, its generator."""
    generator = ag.Generator(5)
    model = nn.Sequential(nn.Linear(3, 8, dtype=float, generator=ag.Generator(1)), nn.Tanh(), Dropout(0.5, generator),
                          nn.Linear(8, 1, dtype=float, generator=ag.Generator(2)))  # fmt: skip
    optimizer = optim.Adam(model.parameters(), lr=0.01)

    def step(x: Any) -> Any:
        noise = generator.normal(size=x.shape, dtype=float)
        order = generator.permutation(4)
        loss = ((model(x + 0.1 * noise) - 1.0)[order] * np.arange(4.0)[:, None]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return wrap(step), model, optimizer, generator


# ---- random numbers


def test_the_random_stream_is_that_of_eager() -> None:
    (eager, m, _, g), (compiled, n, _, h) = training(lambda f: f), training(ag.jit)
    for _ in range(5):
        assert compiled(ag.Tensor(X)).item() == pytest.approx(eager(ag.Tensor(X)).item(), rel=1e-12)
        assert g.get_state() == h.get_state()
    for p, q in zip(m.parameters(), n.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-10)
    assert variants(compiled) == 1
    for k, model in ((0, m), (1, n)):
        model.eval()
        (eager, compiled)[k](ag.Tensor(X))
    assert g.get_state() == h.get_state() and variants(compiled) == 2


@pytest.mark.parametrize("draw", [
    lambda g: g.uniform(size=3), lambda g: g.uniform(-1, 2, (2, 3), np.float32), lambda g: g.normal(1.0, 2.0, 4, float),
    lambda g: g.integers(0, 10, (5,)), lambda g: g.permutation(7), lambda g: g.permutation(X), lambda g: g.normal(),
    lambda g: g.integers(3), lambda g: g.uniform(),
])  # fmt: skip
def test_each_draw_to_the_bit(draw: Any) -> None:
    g, h = ag.Generator(3), ag.Generator(3)
    f = ag.jit(lambda: ag.abs(draw(h)) * 1)
    for _ in range(3):
        want = np.abs(np.asarray(draw(g)))
        got = f().data
        assert got.dtype == want.dtype and got.shape == want.shape
        np.testing.assert_array_equal(got, want)
    h.manual_seed(3)
    g.manual_seed(3)
    np.testing.assert_array_equal(f().data, np.abs(np.asarray(draw(g))))
    assert variants(f) == 1


def test_a_draw_that_nothing_uses_still_advances() -> None:
    g, h = ag.Generator(0), ag.Generator(0)

    @ag.jit
    def f(x: Any) -> Any:
        h.normal(size=3)
        return x * h.uniform(size=3, dtype=float)

    g.normal(size=3)
    np.testing.assert_array_equal(f(np.ones(3)).data, g.uniform(size=3, dtype=float))
    assert g.get_state() == h.get_state()


def test_recording_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    step, model, _, generator = training(ag.jit)
    before = generator.get_state(), [p.data.copy() for p in model.parameters()]

    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(variant_module, "Survey", fail)
    with pytest.raises(KeyboardInterrupt):
        step(ag.Tensor(X))
    assert generator.get_state() == before[0]
    for p, a in zip(model.parameters(), before[1], strict=True):
        np.testing.assert_array_equal(p.data, a)


def test_an_error_in_a_draw_puts_the_stream_back() -> None:
    g = ag.Generator(0)
    deck = np.arange(3)
    f = ag.jit(lambda: (g.normal(size=2), g.integers(0, 5, 3), g.permutation(deck)))
    f()
    before, broken = g.get_state(), [True]
    program = f._last.program

    class Broken(type(g)):  # type: ignore[misc]
        def permutation(self, n: Any) -> Any:
            if broken[0]:
                raise KeyboardInterrupt
            return super().permutation(n)

    g.__class__ = Broken
    with pytest.raises(KeyboardInterrupt):
        f()
    assert g.get_state() == before and len(program.draws) == 3
    broken[0] = False
    f()
    assert g.get_state() != before


# ---- arguments and results


def test_nested_arguments_and_results() -> None:
    @ag.jit
    def f(batch: Any, *, scale: float = 1.0, how: str = "sum") -> Any:
        x, rest = batch["x"], batch["rest"]
        return {"y": [x * scale, (rest[0] + rest[1], None)], "z": x.sum() if how == "sum" else x.max()}

    batch = {"x": X, "rest": (np.ones(2), 3.0)}
    for scale in (1.0, 2.0):
        got = f(batch, scale=scale)
        np.testing.assert_allclose(got["y"][0].data, X * scale)
        np.testing.assert_allclose(got["y"][1][0].data, [4, 4])
        assert got["y"][1][1] is None and got["z"].item() == pytest.approx(X.sum())
    assert variants(f) == 1
    assert f(batch, how="max")["z"].item() == 1
    assert f({"x": X, "rest": [np.ones(2), 1]})["y"][1][0].data[0] == 2
    assert f({"rest": (np.ones(2), 3.0), "x": X}, scale=1.0)["y"][1][0].data[0] == 4
    with pytest.raises(ag.errors.DTypeError, match="set"):
        f({1, 2})


def test_equal_results_are_arrays_of_their_own() -> None:
    a, b = (ag.Tensor(np.ones(3), requires_grad=True) for _ in range(2))

    @ag.jit
    def f(x: Any) -> Any:
        a.grad = b.grad = None
        (a + b).sum().backward()
        return x * 2, x * 2

    for _ in range(3):
        y, z = f(np.ones(3))
        assert a.grad is not None and b.grad is not None
        a.grad.data[:] = 5
        y.data[:] = 7
        np.testing.assert_array_equal(b.grad.data, 1)
        np.testing.assert_array_equal(z.data, 2)


def test_arguments_of_every_layout() -> None:
    f = ag.jit(lambda x, s: x * s)
    odd = np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(X.dtype).reshape(X.shape)
    for x in (X, X.T.copy().T, X[::1], np.asfortranarray(X), odd, ag.Tensor(X), nn.Parameter(X, dtype=float).detach()):
        for s in (2.0, 3.0):
            np.testing.assert_array_equal(f(x, s).data, X * s)
    assert variants(f) == 1
    for x in (X.astype(">f8"), np.ma.getdata(X), X.view(type("Own", (np.ndarray,), {})), X.astype("<f8")):
        np.testing.assert_array_equal(f(x, 2.0).data, X * 2)
    assert variants(f) == 1
    with pytest.raises(ag.errors.DTypeError, match="MaskedArray"):
        f(np.ma.masked_array(X, X > 0), 2.0)
    np.testing.assert_array_equal(f(X, np.float64(2.0)).data, X * 2)
    np.testing.assert_array_equal(f(X, 2).data, X * 2)
    np.testing.assert_array_equal(f(X, True).data, X)
    assert variants(f) == 4, "a float, a NumPy float, an int and a bool"


# ---- what is held


def test_a_gradient_is_written_over_only_when_nobody_holds_it() -> None:
    w = ag.Tensor(X, requires_grad=True)

    @ag.jit
    def step(s: float) -> None:
        w.grad = None
        (w * s).sum().backward()

    step(1.0)
    first = w.grad
    assert first is not None
    address = id(first)
    step(2.0)
    assert w.grad is not first and first.data[0, 0] == 1
    del first
    for k in (3.0, 4.0):
        step(k)
        assert w.grad is not None and w.grad.data[0, 0] == k
    again = id(w.grad)
    step(5.0)
    assert id(w.grad) == again, "the Tensor serves again"
    assert address
    view = w.grad.data[0]  # type: ignore[union-attr]
    memory = memoryview(w.grad.data)  # type: ignore[union-attr]
    step(6.0)
    assert view[0] == 5 and memory[0, 0] == 5 and w.grad.data[0, 0] == 6  # type: ignore[union-attr]
    w.grad.data = np.zeros((4, 3))  # type: ignore[union-attr]
    step(7.0)
    assert w.grad.data[0, 0] == 7  # type: ignore[union-attr]
    w.grad = None
    step(8.0)
    assert w.grad is not None and w.grad.data[0, 0] == 8
    taken = w.grad
    w.grad = ag.Tensor(X * 0)
    step(9.0)
    assert taken.data[0, 0] == 8 and w.grad.data[0, 0] == 9


def test_versions_count_every_call() -> None:
    w = ag.Tensor(np.ones(3), requires_grad=True)

    @ag.jit
    @ag.no_grad()
    def step() -> None:
        w.copy_(w * 2)

    for k in range(1, 5):
        step()
        assert w.version == k
    step()
    step()
    w.data[0] = 1
    with ag.no_grad():
        w.copy_(w * 1)
    assert w.version == 7
    y = (w * w).sum()
    step()
    with pytest.raises(ag.errors.GraphError, match="a compiled program"):
        y.backward()


def test_threads_have_memory_of_their_own() -> None:
    @ag.jit
    def f(x: Any, s: float) -> Any:
        return ag.tanh(x * s).sum(axis=0), x @ x.T

    x = np.linspace(-1, 1, 40_000).reshape(200, 200)
    f(x, 1.0)
    wrong: list[Any] = []

    def work(s: float) -> None:
        want = np.tanh(x * s).sum(axis=0)
        for _ in range(30):
            got, product = f(x, s)
            if not (np.allclose(got.data, want) and np.allclose(product.data, x @ x.T)):
                wrong.append(s)

    threads = [threading.Thread(target=work, args=(float(k),)) for k in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong and variants(f) == 1


def test_threads_that_record_steps_over_one_leaf() -> None:
    w = ag.Tensor(np.ones(3), requires_grad=True)
    wrong: list[Any] = []

    def work(k: int) -> None:
        @ag.jit
        def norm(x: Any) -> Any:
            with ag.enable_grad():
                w.grad = None
                (w * x * k).sum().backward()
                return (w.grad * 1).sum()

        for n in range(1, 4):
            if norm(np.ones((n, 3))).item() != 3 * k * n:
                wrong.append((k, n))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    assert isinstance(w.grad.data, np.ndarray)  # type: ignore[union-attr]


# ---- interrupts


@pytest.mark.parametrize("where", ["compile", "code", "commit"])
def test_an_interrupt_leaves_a_state_that_is_whole(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the compiled code: the state of before. After it: the rest of the step is done, and then it is raised."""
    (eager, m, _, g), (step, n, _, h) = training(lambda f: f), training(ag.jit)
    x = ag.Tensor(X)
    eager(x)
    if where == "compile":
        from autograd.compiler import machine

        real = machine.compile_program

        def stopped(*arguments: Any) -> Any:
            real(*arguments)
            raise KeyboardInterrupt

        monkeypatch.setattr(machine, "compile_program", stopped)
        with pytest.raises(KeyboardInterrupt):
            step(x)
        monkeypatch.undo()
        assert all(p.grad is None for p in n.parameters())
    step(x)
    eager(x)
    last = step._last
    if where == "code":
        run = last._execute

        def interrupted(address: int) -> None:
            run(address)
            raise KeyboardInterrupt

        last._execute = interrupted
    elif where == "commit":
        real_commit, first = Variant._commit, [True]

        def commit(self: Variant, *arguments: Any) -> None:
            if first.pop() if first else False:
                raise KeyboardInterrupt
            real_commit(self, *arguments)

        monkeypatch.setattr(Variant, "_commit", commit)
    if where == "compile":
        step(x)
    else:
        held = [p.grad for p in n.parameters()]  # so that new ones must be set
        with pytest.raises(KeyboardInterrupt):
            step(x)
        assert all(p.grad is not old for p, old in zip(n.parameters(), held, strict=True))
    if where == "code":
        last._execute = run
    eager(x)
    step(x)
    for p, q in zip(m.parameters(), n.parameters(), strict=True):
        np.testing.assert_allclose(q.data, p.data, rtol=1e-10)
        np.testing.assert_allclose(q.grad.data, p.grad.data, rtol=1e-8, atol=1e-12)
    assert g.get_state() == h.get_state()


def test_an_interrupt_before_the_code_where_python_stands_between() -> None:
    """As with BLAS or threads, whose switches are Python: the call has then not happened."""
    step, model, _, generator = training(ag.jit)
    x = ag.Tensor(X)
    step(x)
    last = step._last
    run, parameters = last._execute, list(model.parameters())

    def state() -> list[Any]:
        values = [p.data.copy() for p in parameters] + [p.grad.data.copy() for p in parameters]
        return [*values, repr(generator.get_state()), *(p.version for p in parameters)]

    def same(a: list[Any], b: list[Any]) -> bool:
        return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))

    def before(address: int) -> None:
        raise KeyboardInterrupt

    def after(address: int) -> None:
        run(address)
        raise KeyboardInterrupt

    last._direct = False
    for interrupted, happened in ((before, False), (after, True), (before, False)):
        last._execute, was = interrupted, state()
        with pytest.raises(KeyboardInterrupt):
            step(x)
        assert same(state(), was) is not happened
    last._execute = run
    was = state()
    step(x)
    assert not same(state(), was)
    reference, other, _, stream = training(lambda f: f)
    for _ in range(3):
        reference(x)
    for p, q in zip(other.parameters(), parameters, strict=True):
        np.testing.assert_allclose(q.data, p.data, rtol=1e-10)
        np.testing.assert_allclose(q.grad.data, p.grad.data, rtol=1e-8, atol=1e-12)
    assert stream.get_state() == generator.get_state()


# ---- checking and falling back


def test_check_lets_pass_what_agrees() -> None:
    (eager, m, _, g), (step, n, _, h) = training(lambda f: f), training(ag.jit(check=True))
    for _ in range(3):
        assert step(ag.Tensor(X)).item() == pytest.approx(eager(ag.Tensor(X)).item(), rel=1e-12)
    for p, q in zip(m.parameters(), n.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-10)
        np.testing.assert_allclose(p.grad.data, q.grad.data, rtol=1e-10)
    assert g.get_state() == h.get_state()


def test_check_names_what_differs() -> None:
    rng, w = np.random.default_rng(0), ag.Tensor(np.ones(3), requires_grad=True, name="w")

    def result(x: Any) -> Any:
        return x + rng.normal()

    def write(x: Any) -> None:
        with ag.no_grad():
            w.copy_(w + rng.normal())

    def gradient(x: Any) -> None:
        w.grad = None
        (w * x * rng.normal()).sum().backward()

    for f, what in ((result, "result 0"), (write, "the tensor 'w'"), (gradient, "gradient")):
        step = ag.jit(f, check=True)
        with pytest.raises(ag.errors.GraphError, match=what):
            step(np.ones(3))
        np.testing.assert_array_equal(w.data, 1)
        assert w.grad is None


def test_what_cannot_be_compiled_runs_as_it_is_when_asked() -> None:
    @ag.jit(fallback=True)
    def positive(x: Any) -> Any:
        return x[x > 0] * 2

    with pytest.warns(RuntimeWarning, match=r"positive runs uncompiled.*test_jit_calls\.py:\d+"):
        np.testing.assert_array_equal(positive(ag.Tensor(X)).data, X[X > 0] * 2)
    assert positive.fallback_reason is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(positive(ag.Tensor(X)).data, X[X > 0] * 2)
    with pytest.raises(ag.errors.UnsupportedError):
        ag.jit(lambda x: x[x > 0])(ag.Tensor(X))
    double = ag.jit(lambda x: x * 2, fallback=True)
    double(X)
    assert double.fallback_reason is None


def test_falling_back_repeats_nothing() -> None:
    """What the recording met before it failed has changed nothing, so that the step that runs counts once."""
    w, count = ag.Tensor(np.ones(2), requires_grad=True), ag.State(0)

    @ag.jit(fallback=True)
    def step() -> float:
        count.value = count.value + 1
        with ag.no_grad():
            w.copy_(w * 2)
        return float(w.detach().sum())

    with pytest.warns(RuntimeWarning, match="uncompiled"):
        assert step() == 4
    assert count.value == 1 and step() == 8


def test_what_has_no_compiled_form_is_called_in_between() -> None:
    x = ag.Tensor(np.random.default_rng(0).normal(size=3000), requires_grad=True)

    def step() -> Any:
        x.grad = None
        y = (ag.tanh(x)[ag.argsort(x * 2)] * np.arange(3000.0)).sum()
        y.backward()
        return y

    expected, gradient = step().item(), x.grad.numpy().copy()
    compiled = ag.jit(step)
    for _ in range(2):
        np.testing.assert_allclose(compiled().item(), expected)
        np.testing.assert_allclose(x.grad.numpy(), gradient)
    assert "1 eager segment;" in str(compiled.explain())


def test_an_error_in_between_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w = ag.Tensor(np.arange(3000.0)), ag.Tensor(np.zeros(3000))
    fail = False

    def sort(a: Any, **settings: Any) -> Any:
        if fail:
            raise KeyboardInterrupt
        return argsort(a, **settings)

    argsort = np.argsort
    monkeypatch.setattr(np, "argsort", sort)

    @ag.jit
    def step() -> None:
        w.copy_(w + ag.argsort(-x))

    step()
    before = w.numpy().copy()
    fail = True
    with pytest.raises(KeyboardInterrupt):
        step()
    np.testing.assert_array_equal(w.numpy(), before)
    fail = False
    step()
    np.testing.assert_array_equal(w.numpy(), 2 * before)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_index_out_of_range_ends_the_step_before_anything_is_written(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from autograd.compiler import split

    monkeypatch.setattr(split, "PROGRAM", 0.0)
    monkeypatch.setattr(split, "STEP", 0.0)
    before = ag.get_num_threads()
    ag.set_num_threads(threads)
    try:
        w = ag.Tensor(np.random.default_rng(0).normal(size=(3, 4)), requires_grad=True)
        x = np.ones((50, 3))

        @ag.jit
        def step(labels: Any) -> Any:
            w.grad = None
            z = ag.tanh(x @ w)
            loss = ag.take_along_axis(z, labels[:, None], 1).sum() + z[labels[:3], labels[:3]].sum()
            loss.backward()
            with ag.no_grad():
                w.copy_(w - w.grad)
            return loss

        labels = np.arange(50) % 4
        step(labels)
        for place, wrong in ((40, 4), (40, -5), (1, 9)):
            weights, gradient = w.numpy().copy(), w.grad.numpy().copy()
            with pytest.raises(ag.errors.IndexingError, match=r"out of bounds for axis \d, of size"):
                step(np.where(np.arange(50) == place, wrong, labels))
            np.testing.assert_array_equal(w.numpy(), weights)
            np.testing.assert_array_equal(w.grad.numpy(), gradient)
            step(labels)
        assert ("thread" in step.source()) is (threads > 1)
    finally:
        ag.set_num_threads(before)


@pytest.mark.parametrize(
    "function",
    [np.linalg.pinv, np.diff, np.median, np.tril, lambda a: np.interp(a, [0.0, 9.0], [1.0, 2.0]),
     lambda a: np.linalg.eigvalsh(a @ a.T)],
)  # fmt: skip
def test_numpy_functions_of_constants_are_called_in_between(function: Any) -> None:
    a = np.random.default_rng(0).normal(size=(4, 5))
    w = ag.Tensor(2.0, requires_grad=True)

    @ag.jit
    def step(a: Any) -> Any:
        w.grad = None
        y = function(a * 2) * w
        y.sum().backward()
        return y

    expected = function(a * 2)
    np.testing.assert_allclose(step(a).numpy(), 2 * expected)
    np.testing.assert_allclose(w.grad.item(), np.sum(expected))
    assert step.explain().segments == 1 and repr(step) == "<jit step, 1 program>"


def test_what_cannot_be_called_in_between_is_named() -> None:
    for name, function in (("np.unique", np.unique), ("np.nonzero", np.nonzero), ("np.linalg.eigh", np.linalg.eigh)):
        with pytest.raises(ag.errors.UnsupportedError, match=name if "eigh" not in name else "eigh"):
            ag.jit(lambda a, f=function: f(a))(np.ones(3))


def test_making_an_array_of_computed_numbers_names_the_way_out() -> None:
    for function, argument in ((lambda a: np.array([a[0], a[1]]), np.ones(2)), (lambda a: np.sum(a), [1.0, 2.0])):
        with pytest.raises(ag.errors.GraphError, match=r"np\.stack.*np\.array"):
            ag.jit(function)(argument)
