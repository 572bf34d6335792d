"""``np.f(tensor)``: the NumPy protocols, answered from the registry.

What has no derivative here raises and names the nearest call that has; nothing silently becomes a constant. A tensor
that requires no gradient is an array to NumPy, so every NumPy function works on it.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import numpy

from autograd.apply import ROUTES
from autograd.errors import GraphError, UnsupportedError, user_line
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


def function_call(function: Any, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """Answer ``__array_function__``."""
    route = ROUTES.get(function)
    out = settings.pop("out", None)
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
        nearest = get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f" The nearest call that has one is np.{nearest[0]}." if nearest else ""
        raise UnsupportedError(
            f"np.{name} has no derivative here.{hint} For its value alone, pass t.detach(). ({user_line()})"
        )
    return function(*_arrays(args), **_arrays(settings))


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


def _arrays(tree: Any) -> Any:
    if isinstance(tree, Tensor):
        return numpy.asarray(tree)
    if isinstance(tree, list | tuple):
        return type(tree)(_arrays(x) for x in tree)
    if isinstance(tree, dict):
        return {k: _arrays(v) for k, v in tree.items()}
    return tree
