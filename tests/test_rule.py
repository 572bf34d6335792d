"""Declaring an op: what follows from one paragraph, and which mistakes are found at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
import pytest

import autograd as ag
from autograd.apply import METHODS, namespace
from autograd.errors import AutogradError, GraphError, ShapeError
from autograd.rule import OPS, bind, constant, elementwise, linear, np, primitive


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """Ops declared by a test are taken out of the registry after it."""
    before, names = set(OPS), set(namespace().__dict__)
    yield
    for name in set(OPS) - before:
        del OPS[name]
        if METHODS.pop(name, None) is not None:
            delattr(ag.Tensor, name)
    for name in set(namespace().__dict__) - names:
        delattr(namespace(), name)


def leaf(*data: float) -> Any:
    return ag.Tensor(list(data), requires_grad=True, dtype=float)


def test_everything_follows_from_one_paragraph() -> None:
    @elementwise(lambda y, x: y + np.exp(x), label="xeˣ")
    def ramp(x, /):  # type: ignore[no-untyped-def]
        """y = x·eˣ; dy/dx = y + eˣ."""
        return x * np.exp(x)

    op = OPS["ramp"]
    assert (op.label, op.kind, op.arrays, op.partials) == ("xeˣ", "elementwise", ("x",), ("y + np.exp(x)",))
    x = leaf(1.0)
    assert x.ramp().tolist() == ramp(x).tolist() == [numpy.e]
    assert ag.Tensor(0.0, dtype=float).ramp().item() == 0.0
    ag.check_grads(ramp, [0.5, -1.5], order=3)


def test_only_what_a_rule_names_is_saved() -> None:
    x, w = leaf(0.5), leaf(2.0)
    assert x.tanh().node.saved[0] is not x.data and len(x.tanh().node.saved) == 1
    assert (x + w).node.saved == ()
    assert [s is v.data for s, v in zip((x * w).node.saved, (x, w), strict=True)] == [True, True]
    assert (x * 2.0).node.saved == (2.0,) and (x * w.detach()).node.saved[0] is w.data


def test_a_forward_that_only_calls_numpy_is_numpys_function() -> None:
    @elementwise(lambda y: y)
    def growth(x, /):  # type: ignore[no-untyped-def]
        """y = eˣ; dy/dx = y."""
        return np.exp(x)

    assert OPS["growth"].forward() is OPS["exp"].forward() is numpy.exp
    assert OPS["clip"].forward() is not numpy.clip  # whose settings have other names


def test_settings_and_shape_reach_the_rules() -> None:
    @primitive(
        vjp=lambda g, x, k, shape: np.broadcast_to(g * k, shape),
        jvp=lambda t, k: np.sum(t * k, keepdims=True),
    )
    def scaled_sum(x, /, k=2.0):  # type: ignore[no-untyped-def]
        """k Σ x as an array of one element; dy/dx = k."""
        return np.sum(x * k, keepdims=True)

    ag.check_grads(lambda x: scaled_sum(x, k=3.0), numpy.ones(4))
    assert scaled_sum(leaf(1.0, 2.0)).tolist() == [6.0]


def test_the_same_code_runs_in_another_namespace() -> None:
    def rule(x: Any) -> Any:
        return np.exp(x)

    assert bind(rule, np) is rule
    twin = bind(rule, namespace())
    assert twin.__code__ is rule.__code__ and type(twin(leaf(0.0))) is ag.Tensor


@pytest.mark.parametrize("kind", ["elementwise", "linear", "primitive", "count", "undocumented", "twice"])
def test_a_bad_declaration_is_refused_at_once(kind: str) -> None:
    def f(a, b, /, k=1):  # type: ignore[no-untyped-def]
        """a·b."""
        return a * b

    def g(x, /):  # type: ignore[no-untyped-def]
        return x

    declarations = {
        "elementwise": (lambda: elementwise(lambda z: z, 1)(f), "asks for .*'z'"),
        "linear": (lambda: linear(lambda g, where: g, lambda g: g)(f), "asks for .*'where'"),
        "primitive": (lambda: primitive(vjp=lambda g, c: g, jvp=lambda t: t)(f), "asks for .*'c'"),
        "count": (lambda: elementwise(1)(f), "2 arrays, and 1 derivative"),
        "undocumented": (lambda: elementwise(1)(g), "docstring"),
        "twice": (lambda: constant(OPS["equal"].function), "exists already"),
    }
    declare, words = declarations[kind]
    before = set(OPS)
    with pytest.raises(TypeError, match=words):
        declare()
    assert set(OPS) == before


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda g, x: g[:2], r"shape \(2,\)"),
        (lambda g, x: numpy.ones((2, 2)), r"shape \(2, 2\)"),
        (lambda g, x: None, "NoneType"),
        (lambda g, x: 1.0, "float 1.0"),
        (lambda g, x: (g, g), "tuple"),
    ],
)
def test_a_rule_that_returns_the_wrong_thing_is_named(answer: Any, words: str) -> None:
    @primitive(vjp=answer, jvp=lambda t: t)
    def careless(x, /):  # type: ignore[no-untyped-def]
        """x, with a vjp that returns something else."""
        return x * 1

    x = leaf(1.0, 2.0, 3.0)
    with pytest.raises(ShapeError, match=rf"careless.*test_rule\.py:\d+.*{words}.*input 0"):
        careless(x).sum().backward()
    assert x.grad is None


def test_a_rule_of_another_dtype_is_cast() -> None:
    @primitive(vjp=lambda g, x: numpy.ones(3), jvp=lambda t: t)
    def wide(x, /):  # type: ignore[no-untyped-def]
        """x, with a vjp that forgets its dtype."""
        return x * 1

    x = ag.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    wide(x).sum().backward()
    assert x.grad.dtype == numpy.float32


def test_a_rule_that_leaves_the_tape_has_no_second_derivative() -> None:
    """An error, never silent zeros."""

    @primitive(vjp=lambda g, x: g * numpy.vectorize(numpy.cos)(x), jvp=lambda t, x: t * np.cos(x))
    def opaque(x, /):  # type: ignore[no-untyped-def]
        """sin x, differentiable once."""
        return np.sin(x)

    x = leaf(0.5)
    opaque(x).backward(retain_graph=True)
    with pytest.raises((GraphError, AutogradError)):
        ag.tape.gradients([opaque(x)], [x], create_graph=True)


def test_an_input_without_a_rule_gets_no_gradient() -> None:
    @primitive(vjp=(lambda g, b: g * b, None), jvp=(lambda t, b: t * b, None))
    def half_known(a, b, /):  # type: ignore[no-untyped-def]
        """a·b, with a derivative by a alone."""
        return a * b

    a, b = leaf(2.0), leaf(3.0)
    half_known(a, b).backward()
    assert a.grad.tolist() == [3.0] and b.grad is None
    assert not half_known(2.0, b).requires_grad
