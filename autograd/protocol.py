"""``np.f(tensor)``: the NumPy protocols, answered from the registry.

What has no derivative here raises and names the nearest call that has; nothing silently becomes a constant. A tensor
that requires no gradient is an array to NumPy, so every NumPy function works on it.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import numpy

from autograd.apply import ROUTES
from autograd.errors import GraphError, UnsupportedError, user_line
from autograd.tape import mode
from autograd.tensor import Tensor

__all__ = ["function_call", "ufunc_call"]


def ufunc_call(ufunc: Any, method: str, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """Answer ``__array_ufunc__``."""
    out = settings.pop("out", None)
    route = ROUTES.get(ufunc if method == "__call__" else (ufunc, method))
    if route is None:
        label = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        return _store(out, _as_constant(getattr(ufunc, method), label, inputs, settings))
    if settings.get("where") is True:
        del settings["where"]
    for name in ("where", "dtype", "casting", "order", "subok", "signature"):
        if settings.pop(name, None) is not None:
            raise UnsupportedError(
                f"np.{ufunc.__name__}({name}=…) is not supported on Tensors. "
                f"Use np.where(mask, …) or t.astype(dtype) on the result. ({user_line()})"
            )
    return _store(out, route(*inputs, **settings))


PROPERTIES: dict[Any, Callable[[Any], Any]] = {
    numpy.shape: lambda x: x.shape,
    numpy.ndim: lambda x: x.ndim,
    numpy.size: lambda x: x.size,
    numpy.iscomplexobj: lambda x: x.dtype.kind == "c",
    numpy.isrealobj: lambda x: x.dtype.kind != "c",
}
"""What NumPy asks about an array without looking at its values."""

CONSTANT = {
    numpy.allclose, numpy.array_equal, numpy.array_equiv, numpy.array_repr, numpy.array_str, numpy.array2string,
    numpy.argwhere, numpy.can_cast, numpy.count_nonzero, numpy.empty_like, numpy.flatnonzero, numpy.full_like,
    numpy.isclose, numpy.may_share_memory, numpy.nonzero, numpy.result_type, numpy.searchsorted, numpy.shares_memory,
}  # fmt: skip
"""Functions whose answer does not change with small changes of the values: a constant is the right derivative."""

NEAREST = {
    "average": "np.mean", "median": "np.sort", "quantile": "np.sort", "percentile": "np.sort", "partition": "np.sort",
    "cumprod": "np.exp(np.cumsum(np.log(x)))", "nansum": "np.where, then np.sum",
    "nan_to_num": "np.where", "interp": "np.where", "piecewise": "np.where", "choose": "np.where",
    "vdot": "np.dot", "kron": "np.einsum", "cross": "np.einsum", "convolve": "np.einsum", "unique": "np.sort",
}  # fmt: skip


def function_call(function: Any, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """Answer ``__array_function__``."""
    if function in PROPERTIES and not settings and len(args) == 1:
        return PROPERTIES[function](args[0])
    route = ROUTES.get(function)
    out = settings.pop("out", None)
    if function in CONSTANT:
        args, settings = _map(Tensor.detach, args), _map(Tensor.detach, settings)
    if route is None:
        return _store(out, _as_constant(function, function.__name__, args, settings))
    return _store(out, route(*args, **settings))


def _store(out: Any, result: Any) -> Any:
    if isinstance(out, tuple):
        out = out[0] if len(out) == 1 else None
    if out is None:
        return result
    if isinstance(out, Tensor):
        return out.copy_(result)
    if isinstance(result, Tensor):
        if result.requires_grad:
            raise GraphError(f"out= is a plain array and would cut the graph. Pass a Tensor as out=. ({user_line()})")
        result = result._data
    out[...] = result
    return out


def _as_constant(function: Any, name: str, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    if any(t.requires_grad for t in _tensors((args, settings))):
        known = {getattr(f, "__name__", ""): f for f in ROUTES if not isinstance(f, tuple)}
        alike = get_close_matches(name, known, n=1, cutoff=0.6) if _qualified(function, name) == f"np.{name}" else []
        close = [f"np.{n}" for n in alike]
        nearest = NEAREST.get(name) or (close[0] if close else "")
        hint = f" The nearest call that has one is {nearest}." if nearest else ""
        raise UnsupportedError(
            f"{_qualified(function, name)} has no derivative here.{hint} For its value alone, pass t.detach(). ({user_line()})"
        )
    if mode.capture is not None:
        return mode.capture.eager(_qualified(function, name), function, args, settings)
    try:
        return function(*_map(_frozen, args), **_map(_frozen, settings))
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise UnsupportedError(
            f"np.{name} writes into its argument, and the tape would not know. Use t[index] = value or "
            f"t.copy_(value). ({user_line()})"
        ) from None


def _qualified(function: Any, name: str) -> str:
    """What a NumPy function is called in programs: np.linalg.norm."""
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module.replace('numpy', 'np', 1)}.{name}" if module.split(".")[0] == "numpy" else f"np.{name}"


def _frozen(t: Tensor) -> Any:
    """The array of a constant tensor, to be read only."""
    array = numpy.asarray(t).view()
    array.flags.writeable = False
    return array


def _tensors(tree: Any) -> list[Tensor]:
    found, stack = [], [tree]
    while stack:
        x = stack.pop()
        if isinstance(x, Tensor):
            found.append(x)
        elif isinstance(x, list | tuple):
            stack.extend(x)
        elif isinstance(x, dict):
            stack.extend(x.values())
    return found


def _map(change: Callable[[Tensor], Any], tree: Any) -> Any:
    """A nested argument with every Tensor in it changed."""
    if isinstance(tree, Tensor):
        return change(tree)
    if isinstance(tree, list | tuple):
        return type(tree)(_map(change, x) for x in tree)
    if isinstance(tree, dict):
        return {k: _map(change, v) for k, v in tree.items()}
    return tree
