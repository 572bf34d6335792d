"""What every function and module of `nn` is held to: the same under `jit`, right derivatives, float32 kept, any layout of
its input, and PyTorch's numbers where PyTorch has it (`against_torch`, in tests that run where it is installed)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import autograd as ag
import nn

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]


def _floats(arrays: Sequence[Any]) -> list[int]:
    return [k for k, a in enumerate(arrays) if isinstance(a, np.ndarray) and a.dtype.kind == "f"]


def _flat(answer: Any) -> list[Any]:
    if isinstance(answer, tuple | list):
        return [x for part in answer for x in _flat(part)]
    return [] if answer is None else [answer]


def _parameters(function: Function) -> dict[str, Any]:
    return dict(function.named_parameters()) if isinstance(function, nn.Module) else {}


def values_and_gradients(function: Function, arrays: Sequence[Any], jit: bool = False, seed: int = 3) -> dict[str, Array]:
    """The outputs of a function of arrays, and the gradients of their weighted sum by every float input and parameter.
    The random stream starts anew, so that what draws from it draws the same."""
    tensors = [ag.Tensor(a, requires_grad=True) if k in _floats(arrays) else a for k, a in enumerate(arrays)]
    leaves = {f"input {k}": tensors[k] for k in _floats(arrays)} | _parameters(function)
    for leaf in leaves.values():
        leaf.grad = None

    def run() -> Any:
        outputs = function(*tensors)
        outputs = _flat(outputs)
        total = sum(((y * _weights(y.shape).astype(y.dtype)).sum() for y in outputs), 0.0)
        if isinstance(total, ag.Tensor) and total.requires_grad:
            total.backward()
        return outputs

    ag.manual_seed(seed)
    program = ag.jit(run) if jit else run
    outputs = program()
    if jit and ag.can_compile():
        assert program.explain().segments == 0  # no part of it runs op by op
    found = {f"output {k}": y.numpy().copy() for k, y in enumerate(outputs)}
    for name, leaf in leaves.items():
        if leaf.grad is not None:
            found[f"gradient of {name}"] = leaf.grad.numpy().copy()
    if isinstance(function, nn.Module):
        found |= {f"buffer {name}": buffer.numpy().copy() for name, buffer in function.named_buffers()}
    return found


def _weights(shape: tuple[int, ...]) -> Array:
    """Fixed and without symmetry, so that an error in one place cannot hide behind another."""
    n = int(np.prod(shape))
    return (np.cos(np.arange(n) * 1.7 + 0.3) + 0.1).reshape(shape)


def assert_close(a: dict[str, Array], b: dict[str, Array], tolerance: float) -> None:
    assert a.keys() == b.keys(), (sorted(a), sorted(b))
    for name in a:
        assert a[name].shape == b[name].shape, (name, a[name].shape, b[name].shape)
        np.testing.assert_allclose(a[name], b[name], tolerance, tolerance, err_msg=name)


def under_jit(make: Callable[[], Function], *arrays: Any, tolerance: float = 1e-10) -> None:
    """Eager and compiled agree: outputs, gradients, and buffers afterwards. `make` gives the function or a fresh module,
    the same each time (seed it inside)."""
    assert_close(values_and_gradients(make(), arrays), values_and_gradients(make(), arrays, jit=True), tolerance)


def right_derivatives(function: Function, *arrays: Any, order: int = 1) -> None:
    """Central differences confirm the derivatives by every float input, both modes."""
    floats = _floats(arrays)

    def of_floats(*inputs: Any) -> Any:
        given = list(arrays)
        for k, x in zip(floats, inputs, strict=True):
            given[k] = x
        return function(*given)

    ag.check_grads(of_floats, *(arrays[k].astype(np.float64) for k in floats), order=order)


def keeps_float32(make: Callable[[], Function], *arrays: Any) -> None:
    """float32 inputs give float32 outputs and gradients."""
    small = [a.astype(np.float32) if k in _floats(arrays) else a for k, a in enumerate(arrays)]
    for name, value in values_and_gradients(make(), small).items():
        if not name.startswith("buffer"):
            assert value.dtype == np.float32, (name, value.dtype)


def any_layout(make: Callable[[], Function], *arrays: Any) -> None:
    """A transposed or reversed copy of an input, the same values in another order in memory, gives the same."""
    expected = values_and_gradients(make(), arrays)
    odd = [np.asfortranarray(a)[...] if isinstance(a, np.ndarray) and a.ndim else a for a in arrays]
    assert_close(expected, values_and_gradients(make(), odd), 1e-12)
    reverse = [a[::-1].copy()[::-1] if isinstance(a, np.ndarray) and a.ndim else a for a in arrays]
    assert_close(expected, values_and_gradients(make(), reverse), 1e-12)


def against_torch(ours: Function, theirs: Any, *arrays: Any, tolerance: float = 1e-10, theirs_takes: Any = None) -> None:
    """PyTorch gives the same outputs and gradients in float64. Modules first get PyTorch's parameters and buffers, by
    `load_state_dict`. `theirs_takes` are its arguments, if they are not the same arrays."""
    import torch

    if isinstance(ours, nn.Module):
        theirs = theirs.double()
        state = {k: v.detach().numpy().copy() for k, v in theirs.state_dict().items()}
        ours.load_state_dict(state)
    mine = values_and_gradients(ours, arrays)
    given = list(arrays if theirs_takes is None else theirs_takes)
    tensors = [torch.tensor(a) if isinstance(a, np.ndarray) else a for a in given]
    floats = [k for k, a in enumerate(given) if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    for k in floats:
        tensors[k].requires_grad_(True)
    outputs = theirs(*tensors)
    outputs = list(outputs) if isinstance(outputs, tuple | list) else [outputs]
    sum((y * torch.tensor(_weights(tuple(y.shape)))).sum() for y in outputs).backward()
    yours = {f"output {k}": y.detach().numpy() for k, y in enumerate(outputs)}
    leaves = {f"input {k}": tensors[k] for k in floats}
    if isinstance(ours, nn.Module):
        leaves |= dict(theirs.named_parameters())
        yours |= {f"buffer {name}": buffer.numpy() for name, buffer in theirs.named_buffers()}
    yours |= {f"gradient of {name}": leaf.grad.numpy() for name, leaf in leaves.items() if leaf.grad is not None}
    assert_close(mine, yours, tolerance)
