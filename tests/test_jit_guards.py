"""What a compiled program took for granted: whatever changes around it, it never answers as before."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim

pytest.importorskip("numba")

X = np.linspace(-1.0, 1.0, 6)


def variants(step: Any) -> int:
    return sum(len(v) for v in step._variants.values())


class Box:
    """An object of the user's."""

    shared = 1.0

    def __init__(self, **values: Any):
        vars(self).update(values)

    @property
    def twice(self) -> Any:
        return self.value * 2

    def method(self, x: Any) -> Any:
        return x * self.value * self.shared


CONFIG = types.ModuleType("config")
CONFIG.rate = 2.0  # type: ignore[attr-defined]
TABLE = {"a": 2.0, "b": {"c": [3.0, 4.0]}}


def case_list_item() -> Any:
    scales = [2.0, 3.0]
    return lambda x: x * scales[0] + scales[1], lambda: scales.__setitem__(1, 5.0)


def case_list_grows() -> Any:
    scales = [2.0, 3.0]
    return lambda x: x * sum(scales), lambda: scales.append(1.0)


def case_list_of_tensors() -> Any:
    ws = [ag.Tensor(X), ag.Tensor(X * 2)]
    return lambda x: x * ws[0] + ws[1], lambda: ws.__setitem__(0, ag.Tensor(X * 7))


def case_long_list() -> Any:
    scales = [float(k) for k in range(100)]
    return lambda x: x * sum(scales), lambda: scales.__setitem__(50, -1.0)


def case_dict_item() -> Any:
    table = {"a": 2.0, "b": {"c": [3.0, 4.0]}}
    return lambda x: x * table["a"] + table["b"]["c"][1], lambda: table["b"]["c"].__setitem__(1, 9.0)  # type: ignore[index]


def case_large_dict() -> Any:
    table: dict[Any, Any] = {k: float(k) for k in range(100)}
    return lambda x: x * sum(table.values()), lambda: table.update({7: -1.0})


def case_large_dict_of_tensors() -> Any:
    table = {str(k): ag.Tensor(X + k) for k in range(50)}
    return lambda x: x * table["7"], lambda: table.update({"7": ag.Tensor(X * 7)})


def case_dict_new_key() -> Any:
    table = {"a": 2.0}
    return lambda x: x * sum(table.values()), lambda: table.update(b=1.0)


def case_dict_replaced_by_another_type() -> Any:
    table: dict[str, Any] = {"a": 1}
    return lambda x: x * (2 if table["a"] is True else 3), lambda: table.update(a=True)


def case_attribute() -> Any:
    box = Box(value=2.0)
    return lambda x: x * box.value, lambda: setattr(box, "value", 3.0)


def case_attribute_in_a_method() -> Any:
    box = Box(value=2.0)
    return lambda x: box.method(x), lambda: setattr(box, "value", 3.0)


def case_attribute_of_the_class() -> Any:
    kind = type("Kind", (Box,), {"shared": 2.0})
    box = kind(value=1.0)
    return lambda x: box.method(x), lambda: setattr(kind, "shared", 3.0)


def case_property() -> Any:
    box = Box(value=2.0)
    return lambda x: x * box.twice, lambda: setattr(box, "value", 3.0)


def case_nested_objects() -> Any:
    box = Box(inner=[Box(value=2.0)])
    return lambda x: x * box.inner[0].value, lambda: setattr(box.inner[0], "value", 3.0)


def case_attribute_of_a_module_file() -> Any:
    return lambda x: x * CONFIG.rate, lambda: setattr(CONFIG, "rate", CONFIG.rate + 1)


def case_default_argument() -> Any:
    def f(x: Any, scale: Any = 2.0) -> Any:
        return x * scale

    return f, lambda: setattr(f, "__defaults__", (3.0,))


def case_default_that_is_a_list() -> Any:
    scales = [2.0]

    def f(x: Any, scales: Any = scales) -> Any:
        return x * scales[0]

    return f, lambda: scales.__setitem__(0, 3.0)


def case_default_of_a_helper() -> Any:
    def helper(x: Any, scale: Any = 2.0) -> Any:
        return x * scale

    return lambda x: helper(x), lambda: setattr(helper, "__defaults__", (3.0,))


def case_function_in_a_dict() -> Any:
    functions: dict[str, Callable[[Any], Any]] = {"f": ag.exp}
    return lambda x: functions["f"](x), lambda: functions.update(f=ag.tanh)


def case_swapped_layer() -> Any:
    model = nn.Sequential(nn.Linear(6, 4, dtype=float), nn.Tanh(), nn.Linear(4, 2, dtype=float))
    return lambda x: model(x[None]), lambda: setattr(model, "1", nn.ReLU())


def case_layer_added() -> Any:
    model = nn.Sequential(nn.Linear(6, 4, dtype=float))
    return lambda x: model(x[None]), lambda: model.append(nn.Tanh())


def case_layers_in_a_list() -> Any:
    layers = [nn.Linear(6, 6, dtype=float), nn.Tanh()]

    def f(x: Any) -> Any:
        for layer in layers:
            x = layer(x)
        return x

    return f, lambda: layers.__setitem__(1, nn.Sigmoid())


def case_hook_on_a_layer() -> Any:
    model = nn.Sequential(nn.Linear(6, 4, dtype=float), nn.Tanh())
    return lambda x: model(x), lambda: model.register_forward_hook(lambda m, given, y: y * 2)


def case_parameter_replaced() -> Any:
    model = nn.Linear(6, 4, dtype=float)
    return lambda x: model(x), lambda: setattr(model, "weight", nn.Parameter(np.ones((4, 6)), dtype=float))


def case_index_array() -> Any:
    index = np.array([0, 2, 4])
    return lambda x: x[index], lambda: index.__setitem__(0, 5)


def case_index_tensor() -> Any:
    index = ag.Tensor(np.array([0, 2, 4]))
    return lambda x: x[index], lambda: index.copy_(np.array([1, 1, 1]))


def case_mask() -> Any:
    mask = np.array([True, False] * 3)
    return lambda x: x[mask], lambda: mask.__setitem__(slice(4), [False, True] * 2)


def case_values_python_computes_with() -> Any:
    table, rows = np.arange(10.0), np.array([1, 3])
    return lambda x: x[:2] * table[rows], lambda: table.__imul__(3)


def case_a_number_as_an_array() -> Any:
    scale = np.array(2.0)
    return lambda x: x * scale, lambda: scale.__setitem__((), 5.0)


def case_a_tensor_that_is_looked_at() -> Any:
    scale = ag.Tensor(2.0)
    return lambda x: x * 2 if scale.item() > 1 else x, lambda: scale.copy_(0.5)


def case_requires_grad() -> Any:
    w = ag.Tensor(X)
    return (lambda x: (x * w).sum() * (2 if w.requires_grad else 1)), lambda: w.requires_grad_()


def case_a_set() -> Any:
    chosen = {"a"}
    return lambda x: x * (2 if "b" in chosen else 3), lambda: chosen.add("b")


CASES = {name.removeprefix("case_"): make for name, make in list(globals().items()) if name.startswith("case_")}


@pytest.mark.parametrize("name", CASES)
def test_a_change_is_never_answered_stale(name: str) -> None:
    function, change = CASES[name]()
    step = ag.jit(function)
    x = ag.Tensor(X)
    for _ in range(3):
        np.testing.assert_allclose(step(x).data, function(x).data, rtol=1e-12)
    assert variants(step) == 1
    before = function(x).data.copy()
    change()
    after = function(x).data
    assert before.shape != after.shape or not np.allclose(before, after), "a change that shows"
    for _ in range(3):
        np.testing.assert_allclose(step(x).data, after, rtol=1e-12)
    assert variants(step) == 2


def test_what_an_optimizer_consists_of() -> None:
    results = []
    for wrap in (ag.jit, lambda f: f):
        v, w = ag.Tensor(X, requires_grad=True), ag.Tensor(X * 2, requires_grad=True)
        optimizer = optim.SGD([v], lr=0.1, momentum=0.9)

        def step(v: Any = v, w: Any = w, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = ((v - w) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        call = wrap(step)
        losses = [call().item(), call().item()]
        optimizer.add_param_group({"params": [w], "lr": 0.01})
        losses += [call().item(), call().item()]
        optimizer.param_groups[0]["nesterov"] = True
        losses += [call().item(), call().item()]
        optimizer.load_state_dict(optimizer.state_dict())
        losses += [call().item()]
        results.append([*losses, *v.data, *w.data])
    np.testing.assert_allclose(*results, rtol=1e-12)


def test_the_default_dtype() -> None:
    f = ag.jit(lambda: ag.Tensor([1.0, 2.0]) * 2)
    before = ag.get_default_dtype()
    for dtype in (np.float32, np.float64, np.float32):
        ag.set_default_dtype(dtype)
        for _ in range(2):
            assert f().dtype == dtype
    ag.set_default_dtype(before)
    assert variants(f) == 2


def test_a_value_that_comes_back_finds_its_program() -> None:
    settings = {"how": "a", "other": 1.0}
    f = ag.jit(lambda x: x * 2 if settings["how"] == "a" else x * 3)
    for how in "abab":
        settings["how"] = how
        assert f(np.ones(1)).item() == (2 if how == "a" else 3)
    assert variants(f) == 2
    settings["how"] = "".join(["a"])  # an equal string, another object
    f(np.ones(1))
    assert variants(f) == 2


def test_what_does_not_matter_does_not_record_again() -> None:
    box = Box(value=2.0, calls=0)
    model = nn.Linear(6, 4)

    def f(x: Any) -> Any:
        return model(x) * box.value

    step = ag.jit(f)
    for _ in range(4):
        step(X.astype(np.float32))
        box.calls += 1
        model.train()
        model.weight.grad = None
    assert variants(step) == 1


def test_the_warning_names_what_keeps_changing() -> None:
    box = Box(value=0.0)
    f = ag.jit(lambda x: x * box.value)
    with pytest.warns(RuntimeWarning, match=r"attribute 'value' of the closure variable 'box'"):
        for k in range(10):
            box.value = float(k)
            assert f(np.ones(1)).item() == k
    w = ag.Tensor([1.0], name="weights")
    g = ag.jit(lambda: w * 2)
    with pytest.warns(RuntimeWarning, match=r"the array of the Tensor 'weights'"):
        for k in range(10):
            w.data = np.array([float(k)], np.float32)
            assert g().item() == 2 * k


def test_too_many_kinds_of_arguments_are_named_and_dropped() -> None:
    f = ag.jit(lambda x, k: x * k)
    with pytest.warns(RuntimeWarning, match=r"its argument 'k' was another int"):
        for k in range(40):
            assert f(np.ones(1), k).item() == k
    assert len(f._variants) <= 33
    g = ag.jit(lambda x: x.sum())
    with pytest.warns(RuntimeWarning, match=r"its argument 'x' was another shape"):
        for n in range(1, 36):
            assert g(np.ones(n)).item() == n


@pytest.mark.parametrize("missing", ["place_of_version", "place_of_slot", "place_of_cell", "same_words"])
def test_without_words_everything_is_asked_for(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python keeps things elsewhere than is thought."""
    from autograd.compiler import guards

    monkeypatch.setattr(guards, missing, lambda *_: None)
    for name in ("dict_item", "dict_new_key", "swapped_layer", "layer_added", "list_of_tensors", "requires_grad"):
        test_a_change_is_never_answered_stale(name)
    test_what_an_optimizer_consists_of()


def test_words_are_used_where_they_can_be() -> None:
    from autograd.compiler import words

    if sys.implementation.name == "cpython" and sys.maxsize > 2**32 and getattr(sys, "_is_gil_enabled", lambda: True)():
        assert words.same_words() is not None
        assert words.place_of_slot(ag.Tensor(1.0), "_data") is not None


def test_a_leaf_that_was_made_anew_gets_the_gradient() -> None:
    w = ag.Tensor(X, requires_grad=True)

    @ag.jit
    def step() -> None:
        w.grad = None
        (w * 3).sum().backward()

    for _ in range(2):
        step()
        w.requires_grad_(False).requires_grad_(True)
        assert w.grad is None
        step()
        assert w.grad is not None
        np.testing.assert_array_equal(w.grad.data, 3)
