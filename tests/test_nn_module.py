"""Module and Parameter: naming, walking, state, modes, hooks, repr, summary."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
from autograd.errors import ArgumentError, DTypeError, ShapeError


class Net(nn.Module):
    def __init__(self) -> None:
        self.first = nn.Linear(3, 4)
        self.scale = nn.Parameter([1.0, 2.0, 3.0, 4.0])
        self.register_buffer("mean", np.zeros(4, np.float32))
        self.register_buffer("scratch", np.zeros(1, np.float32), persistent=False)

    def forward(self, x: Any) -> Any:
        return self.first(x) * self.scale - self.mean


def test_what_belongs_to_a_module() -> None:
    net = Net()
    assert [n for n, _ in net.named_parameters()] == ["scale", "first.weight", "first.bias"]  # its own first, as in PyTorch
    assert [n for n, _ in net.named_buffers()] == ["mean", "scratch"]
    assert [n for n, _ in net.named_modules()] == ["", "first"]
    assert list(net.children()) == [net.first]
    assert list(net.state_dict()) == ["scale", "mean", "first.weight", "first.bias"]
    assert isinstance(net.mean, ag.Tensor) and not net.mean.requires_grad
    assert net.scale.name == "scale" and net.name_parameters().first.weight.name == "first.weight"


def test_parameter_takes_the_default_dtype() -> None:
    assert nn.Parameter(np.zeros(2)).dtype == np.float32
    assert nn.Parameter([1, 2]).dtype == np.float32
    assert nn.Parameter(ag.Tensor(np.zeros(2))).dtype == np.float64
    assert nn.Parameter(np.zeros(2), dtype=np.float64).dtype == np.float64
    p = nn.Parameter([1.0])
    assert p.requires_grad and p.is_leaf and isinstance(p, ag.Tensor)
    ag.set_default_dtype(np.float64)
    assert nn.Linear(2, 2).weight.dtype == np.float64


def test_copies_are_independent_and_keep_sharing() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert isinstance(twin[0].weight, nn.Parameter)
        assert twin[0].weight is not net[0].weight
        np.testing.assert_array_equal(twin[0].weight.data, net[0].weight.data)
    assert copy.deepcopy(net)[0].weight is not net[0].weight
    shared = copy.deepcopy(net)
    assert shared[0].weight is shared[1].weight


def test_shared_parameter_is_counted_once() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    assert [n for n, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert net.summary((1, 3)).parameters == 15
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]  # as PyTorch lists it


def test_shared_module_loads_under_both_names() -> None:
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, layer)
    assert list(net.state_dict()) == ["0.weight", "0.bias"]
    state = net.state_dict()
    net.load_state_dict(state | {f"1.{k[2:]}": v for k, v in state.items()})


def test_cycles_and_depth_do_no_harm() -> None:
    a, b = nn.Module(), nn.Module()
    a.other, b.other = b, a
    a.weight = nn.Parameter([1.0])
    assert [n for n, _ in a.named_parameters()] == ["weight"]
    assert len(list(a.modules())) == 2
    assert "contains itself" in repr(a)
    a.eval()
    assert not b.training
    top = nn.Module()
    top.weight = nn.Parameter([1.0])
    for _ in range(3000):
        outer = nn.Module()
        outer.inner = top
        top = outer
    assert len(list(top.parameters())) == 1
    assert len(list(top.train().modules())) == 3001
    assert repr(top).endswith("…")
    assert len(top.state_dict()) == 1


@pytest.mark.parametrize("name", ["", "a.b", "train", "forward"])
@pytest.mark.parametrize("value", [nn.Parameter([1.0]), nn.ReLU()], ids=["parameter", "module"])
def test_bad_names(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match="name"):
        setattr(nn.Module(), name, value)


def test_a_name_twice() -> None:
    m = nn.Module()
    m.register_parameter("w", nn.Parameter([1.0]))
    for register in (
        lambda: m.register_parameter("w", nn.Parameter([1.0])),
        lambda: m.register_module("w", nn.ReLU()),
        lambda: m.register_buffer("w", [1.0]),
    ):
        with pytest.raises(ValueError, match="already has an attribute 'w'"):
            register()
    with pytest.raises(DTypeError, match=r"nn\.Parameter"):
        m.register_parameter("v", np.zeros(3))  # type: ignore[arg-type]


def test_load_state_dict_says_everything_in_one_error_and_loads_nothing() -> None:
    net = Net()
    before = net.state_dict()
    state: dict[str, Any] = {k: v + 1 for k, v in before.items()}
    del state["scale"]
    state["first.weight"] = np.zeros((4, 2), np.float32)
    state["mean"] = np.zeros(4)
    state["extra"] = np.zeros(1)
    with pytest.raises(ArgumentError) as error:
        net.load_state_dict(state)
    for part in (
        "missing: scale",
        "unexpected: extra",
        "shape: first.weight is (4, 2)",
        "dtype: mean is float64",
        "nothing was loaded",
    ):
        assert part in str(error.value)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    with pytest.raises(DTypeError):
        net.load_state_dict([1, 2])  # type: ignore[arg-type]


def test_load_state_dict_writes_in_place() -> None:
    net, other = Net(), Net()
    arrays = [p.data for p in net.parameters()]
    report = net.load_state_dict(other.state_dict())
    assert report == ([], [])
    assert all(p.data is a for p, a in zip(net.parameters(), arrays, strict=True))
    x = ag.Tensor(np.ones((2, 3), np.float32))
    np.testing.assert_array_equal(net(x).data, other(x).data)
    report = net.load_state_dict({"scale": np.ones(4, np.float32), "no": np.ones(1)}, strict=False)
    assert "mean" in report.missing and report.unexpected == ["no"]
    net.state_dict()["scale"][:] = 7  # a copy
    assert net.scale.data[0] == 1


def test_modes_freezing_gradients_apply() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Tanh()))
    assert net.training
    assert net.eval() is net and not any(m.training for m in net.modules())
    net.train()
    net(ag.Tensor(np.ones((1, 2), np.float32))).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.requires_grad_(False)
    assert not net(ag.Tensor(np.ones((1, 2), np.float32))).requires_grad
    seen: list[str] = []
    net.apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Tanh", "Sequential", "Linear", "Sequential"]


def test_dtype_changes_in_place() -> None:
    net = Net()
    weight = net.first.weight
    net(ag.Tensor(np.ones((1, 3), np.float32))).sum().backward()
    assert net.double() is net and net.first.weight is weight
    assert weight.dtype == np.float64 and weight.grad is None and weight.name == "weight" and net.mean.dtype == np.float64
    net(ag.Tensor(np.ones((1, 3)))).sum().backward()
    assert weight.grad is not None and weight.grad.dtype == np.float64
    assert net.float().first.weight.dtype == np.float32
    with pytest.raises(DTypeError):
        net.to(int)


def test_hooks() -> None:
    layer = nn.Identity()
    x = ag.Tensor([1.0])
    before = layer.register_forward_pre_hook(lambda module, args: args[0] * 2)
    after = layer.register_forward_hook(lambda module, args, output: output + 1)
    assert layer(x).item() == 3.0
    before.remove()
    before.remove()
    assert layer(x).item() == 2.0
    after.remove()
    assert layer(x) is x
    assert nn.Identity()._before == {}, "hooks belong to one module"
    second = layer.register_forward_pre_hook(lambda module, args: args[0] * 3)
    before.remove()  # again: it is not the other's
    assert len(layer._before) == 1
    second.remove()
    assert vars(layer).keys() & {"_before", "_after"} == set(), "nothing is left behind"


def test_forward_must_be_defined() -> None:
    with pytest.raises(NotImplementedError, match=r"does not define forward"):
        nn.Module()(1)


def test_buffer_stays_a_tensor() -> None:
    net = Net()
    net.mean = np.ones(4)
    assert isinstance(net.mean, ag.Tensor) and net.mean.dtype == np.float32


def test_containers() -> None:
    net = nn.Sequential({"in": nn.Linear(2, 3), "out": nn.Linear(3, 1)})
    assert next(n for n, _ in net.named_parameters()) == "in.weight"
    assert net(ag.Tensor(np.ones((5, 2), np.float32))).shape == (5, 1)
    assert len(net) == 2 and isinstance(net[1:], nn.Sequential) and net[-1].out_features == 1
    with pytest.raises(IndexError):
        net[2]
    with pytest.raises(TypeError, match="item 1 is function"):
        nn.Sequential(nn.ReLU(), lambda x: x)
    modules = nn.ModuleList([nn.ReLU()]).append(nn.Tanh())
    assert [type(m).__name__ for m in modules] == ["ReLU", "Tanh"]
    assert repr(nn.Sequential()) == "Sequential()"


def test_summary_counts_what_the_tape_holds() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            self.w = nn.Parameter(np.zeros((8, 8)))

        def forward(self, x: Any) -> Any:
            return ag.exp(x @ self.w).sum(axis=1)

    net = Attention()
    net.requires_grad_(False)
    found = net.summary((4, 8))
    assert found.flops == 2 * 4 * 8 * 8 + 32 + 32
    assert (found.parameters, found.trainable) == (64, 0)
    assert found.rows[0].output == (4,)
    assert "64 of them frozen" in repr(found)
    net.train()
    with pytest.raises(ShapeError, match=r"cannot take an input of shape \(4, 3\)"):
        nn.Linear(8, 2).summary((4, 3))
    with pytest.raises(ArgumentError):
        net.summary(())
    assert net.training and net._before == {}
