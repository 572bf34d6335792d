"""The graph of a call: a function or a network run once, with a note of which module was at work when."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy

from autograd import tape
from autograd.errors import DTypeError, GraphError
from autograd.modes import enable_grad
from autograd.tensor import Tensor
from autograd.viz.read import Spans

__all__ = ["called", "is_module", "named"]


def is_module(x: Any) -> bool:
    """Whether it is a network: something with named modules that can be watched."""
    return callable(x) and all(callable(getattr(x, name, None)) for name in ("named_modules", "register_forward_hook"))


def called(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[list[Tensor], Spans]:
    """What a call returns, as tensors, newest last, and the spans of the modules that took part.

    A network is run in evaluation mode, so that nothing in it changes. Arrays and floats become Tensors, of which a function
    of arrays records gradients.
    """
    network = is_module(function)
    spans, modules = _known([("", function)] if network else list(_reached(function)))
    wanted = not network or not spans.names
    given = [_operand(a, name, wanted, spans) for a, name in zip(args, _names(function, len(args)), strict=True)]
    modes = [(m, m.training) for _, m in modules.values() if network and hasattr(m, "training")]
    handles = [h for path, m in modules.values() if path for h in _watch(m, path, spans)]
    try:
        for module, _ in modes:
            object.__setattr__(module, "training", False)
        with enable_grad():
            output = function(*given)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            object.__setattr__(module, "training", mode)
    tensors = list(_tensors(output))
    if not tensors:
        raise DTypeError(
            f"the function returned {type(output).__name__}, and draw() shows what is computed with Tensors: return the Tensor."
        )
    recorded = sorted({id(t.node): t for t in tensors if t.node is not None}.values(), key=lambda t: t.node.tick)  # type: ignore[union-attr]
    if not recorded and any(isinstance(a, Tensor) and a.requires_grad for a in given):
        raise GraphError("the result does not depend on the arguments by anything that has a derivative.")
    return recorded or tensors[:1], spans


def named(networks: Sequence[Any]) -> Spans:
    """The names of the parameters of some networks; which module was at work is not known any more."""
    several = len(networks) > 1
    return _known([(f"{type(n).__name__.lower()}{k + 1}" if several else "", n) for k, n in enumerate(networks)])[0]


def _known(reached: Sequence[tuple[str, Any]]) -> tuple[Spans, dict[int, tuple[tuple[str, ...], Any]]]:
    """Kinds of modules and names of parameters, and the modules with their paths."""
    spans = Spans()
    modules: dict[int, tuple[tuple[str, ...], Any]] = {}
    for prefix, found in reached:
        for name, module in found.named_modules():
            path = tuple(p for p in (prefix, *name.split(".")) if p)
            modules.setdefault(id(module), (path, module))
    for path, module in modules.values():
        spans.kinds.setdefault(path, type(module).__name__)
        for name, parameter in getattr(module, "named_parameters", lambda **_: ())():
            if isinstance(parameter, Tensor) and parameter.node is not None:
                spans.names.setdefault(parameter.node.tick, ".".join((*path, name)))
    return spans, modules


def _reached(function: Any) -> Iterator[tuple[str, Any]]:
    """The networks that a function uses: in its closure, among its globals, or as the instance that it is a method of."""
    owner = getattr(function, "__self__", None)
    if owner is not None and is_module(owner):
        yield "", owner
    code = getattr(function, "__code__", None)
    if code is None:
        return
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    for name, cell in cells:
        try:
            if is_module(cell.cell_contents):
                yield name, cell.cell_contents
        except ValueError:  # not set yet
            continue
    for name in code.co_names:
        thing = function.__globals__.get(name)
        if is_module(thing) and not inspect.isclass(thing):
            yield name, thing


def _watch(module: Any, path: tuple[str, ...], spans: Spans) -> Iterator[Any]:
    started: list[int] = []

    def before(module: Any, args: Any) -> None:
        started.append(tape.tick())

    def after(module: Any, args: Any, output: Any) -> None:
        spans.stretches.append((started.pop(), tape.tick(), path))

    yield module.register_forward_pre_hook(before)
    yield module.register_forward_hook(after)


def _names(function: Any, count: int) -> list[str]:
    """The names of the first so many parameters."""
    try:
        target = function.forward if is_module(function) else function
        names = [p.name for p in inspect.signature(target).parameters.values() if p.kind is not p.VAR_POSITIONAL]
    except (TypeError, ValueError):
        names = []
    return (names + [f"argument {k}" for k in range(len(names), count)])[:count]


def _operand(x: Any, name: str, wanted: bool, spans: Spans) -> Any:
    if isinstance(x, Tensor):
        if x.node is not None and x.name is None:
            spans.names.setdefault(x.node.tick, name)
        return x
    if isinstance(x, float | complex | numpy.ndarray | numpy.floating):
        array = numpy.asarray(x)
        return Tensor(array, requires_grad=wanted and array.dtype.kind in "fc", name=name)
    return x


def _tensors(output: Any) -> Iterator[Tensor]:
    stack = [output]
    while stack:
        item = stack.pop()
        if isinstance(item, Tensor):
            yield item
        elif isinstance(item, list | tuple):
            stack.extend(reversed(item))
        elif isinstance(item, dict):
            stack.extend(reversed(item.values()))
