"""check_grads finds what is wrong, names it, and passes what is right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import check_grads
from autograd.check import GradientMismatch
from autograd.errors import ArgumentError, GraphError
from autograd.rule import OPS, elementwise, primitive
from autograd.rule import np as rules


@pytest.fixture
def broken() -> Iterator[dict[str, Any]]:
    """Ops with one mistake each, taken out of the registry afterwards."""
    before = dict(OPS)
    from autograd.apply import METHODS, namespace

    methods, names = dict(METHODS), dict(namespace().__dict__)

    @elementwise(lambda x: 2 * x + (x > 1) * 1e-3)
    def wrong_square(x, /):  # type: ignore[no-untyped-def]
        """x², with a derivative that is off by a thousandth above 1."""
        return rules.square(x)

    @primitive(vjp=lambda g, x: g * 3 * x * x, jvp=lambda t, x: t * 2 * x * x)
    def wrong_forward_mode(x, /):  # type: ignore[no-untyped-def]
        """x³, wrong in forward mode only."""
        return x * x * x

    @primitive(vjp=lambda g, x: g * np.exp(getattr(x, "data", x)), jvp=lambda t, x: t * rules.exp(x))
    def wrong_second_order(x, /):  # type: ignore[no-untyped-def]
        """eˣ whose vjp hides x from the tape."""
        return rules.exp(x)

    try:
        yield {"first": wrong_square, "forward": wrong_forward_mode, "second": wrong_second_order}
    finally:
        for name in set(OPS) - set(before):
            del OPS[name], METHODS[name]
            delattr(ag.Tensor, name)
        assert METHODS == methods
        for name in set(namespace().__dict__) - set(names):
            delattr(namespace(), name)


def test_right_derivatives_pass() -> None:
    check_grads(lambda x: ag.tanh(x) * x, [0.3, -0.7])
    check_grads(lambda x, w: (x @ w).sum(), np.ones((2, 3)), np.ones((3, 2)))
    check_grads(ag.logsumexp, np.array(0.5), order=3)
    check_grads(lambda x: x * 2, ag.Tensor([1.0, 2.0]))


def test_a_wrong_partial_derivative_is_located(broken: dict[str, Any]) -> None:
    with pytest.raises(GradientMismatch, match=r"^rev: .*argument 0, entry \[1\]: the rule") as caught:
        check_grads(broken["first"], np.array([0.5, 1.5, 0.25]))
    assert isinstance(caught.value, AssertionError)
    check_grads(broken["first"], np.array([0.5, 0.25]))


def test_a_wrong_forward_mode_is_named(broken: dict[str, Any]) -> None:
    check_grads(broken["forward"], np.array([0.5, 1.5]), modes=("rev",), order=1)
    with pytest.raises(GradientMismatch, match=r"^fwd: "):
        check_grads(broken["forward"], np.array([0.5, 1.5]), order=1)


def test_a_wrong_second_derivative_is_named(broken: dict[str, Any]) -> None:
    check_grads(broken["second"], np.array([0.5, 1.5]), order=1)
    with pytest.raises(GradientMismatch, match="rev of rev: "):
        check_grads(broken["second"], np.array([0.5, 1.5]), modes=("rev",))


def test_which_argument_and_which_entry(broken: dict[str, Any]) -> None:
    with pytest.raises(GradientMismatch, match=r"argument 1, entry \[0, 2\]"):
        check_grads(lambda a, b: a * broken["first"](b), np.array(2.0), np.array([[0.5, 0.25, 1.5]]), order=1)


def test_integers_are_passed_as_they_are() -> None:
    check_grads(lambda x, k: x[k], np.array([1.0, 2.0, 3.0]), np.array([0, 2, 0]))


def test_several_dtypes_are_converted() -> None:
    check_grads(lambda x: x * x, np.array([1.0, 2.0], np.float32))


def test_a_step_that_does_not_matter_far_from_one() -> None:
    check_grads(lambda x: ag.log(x), np.array([1e3, 2e3]))
    check_grads(lambda x: (x * x).sum(), np.array([1e4, -2e4]))


def test_a_kink_is_a_mismatch() -> None:
    with pytest.raises(GradientMismatch, match="kink"):
        check_grads(ag.relu, np.array([0.0]), order=1)


def test_nan_is_a_mismatch() -> None:
    with pytest.raises(GradientMismatch):
        check_grads(ag.log, np.array([-1.0]), order=1)


def test_the_answer_is_deterministic() -> None:
    for _ in range(2):
        check_grads(lambda x: ag.sin(x), np.array([1.0]), seed=3)


@pytest.mark.parametrize("settings", [{"modes": ("backward",)}, {"order": 0}, {"modes": ("rev", 1)}])
def test_settings_are_checked(settings: Any) -> None:
    with pytest.raises(ArgumentError, match="modes are 'rev' and 'fwd'"):
        check_grads(lambda x: x * 2, [1.0], **settings)


def test_what_f_returns_is_checked() -> None:
    with pytest.raises(GraphError, match="must return a Tensor"):
        check_grads(lambda x: 3.0, [1.0])


def test_a_constant_function_has_zero_derivatives() -> None:
    check_grads(lambda x: x.detach() * 0.0 + x.floor(), np.array([1.5, 2.5]))
