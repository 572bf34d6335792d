"""``jit(check=True)``: every call runs twice, compiled and as it is, and what differs is named."""

from __future__ import annotations

from typing import Any

import numpy

from autograd.errors import GraphError, user_line
from autograd.tensor import Tensor, wrap
from autograd.trees import map_tree
from autograd.value import Value

__all__ = ["checked"]

Found = list[tuple[str, Any]]


class _State:
    """What a step can change, as it is now: arrays of Tensors, their gradients, random streams, Values."""

    def __init__(self, tensors: list[Tensor], holders: list[tuple[Any, str]], generators: list[Any], cells: list[Value]):
        self._tensors, self._holders, self._generators, self._cells = tensors, holders, generators, cells
        self._numbers = [(v.data, v.grad) for v in cells]
        self._arrays = [t._data.copy() for t in tensors]
        self._attributes = [getattr(h, n) for h, n in holders]
        self._gradients = [a._data.copy() if isinstance(a, Tensor) else None for a in self._attributes]
        self._streams = [g.get_state() for g in generators]

    def again(self) -> _State:
        """The same things as they are now."""
        return _State(self._tensors, self._holders, self._generators, self._cells)

    def restore(self) -> None:
        """Put everything back, in place."""
        for t, array in zip(self._tensors, self._arrays, strict=True):
            t._data[...] = array
        for (holder, name), value, array in zip(self._holders, self._attributes, self._gradients, strict=True):
            if isinstance(value, Tensor):
                value._data[...] = array
            setattr(holder, name, value)
        for g, stream in zip(self._generators, self._streams, strict=True):
            g.set_state(stream)
        for v, (data, grad) in zip(self._cells, self._numbers, strict=True):
            v.data, v.grad = data, grad

    def values(self) -> Found:
        """Everything with a name for messages."""
        found = [
            (f"the tensor {t.name!r}" if t.name else f"a tensor of shape {t.shape}", a)
            for t, a in zip(self._tensors, self._arrays, strict=True)
        ]
        found += [(f"a gradient ({name})", g) for (_, name), g in zip(self._holders, self._gradients, strict=True)]
        found += [
            (f"the Value {v.name!r}" if v.name else "a Value", numpy.array(n))
            for v, n in zip(self._cells, self._numbers, strict=True)
        ]
        return found + [("the position of a Generator", repr(s)) for s in self._streams]


def checked(compiled: Any, variant: Any, tree: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """The answer of the compiled program, after the function itself has given the same; GraphError if it did not.

    The function runs on the state of before the call, and what it leaves is compared: results, the tensors that the program
    reads or writes, gradients, random streams. After that everything is as the compiled program left it; after an error,
    as before the call.
    """
    program = variant.program
    tensors = list({id(t._data): t for _, t, _ in program.states}.values())
    tensors += [wrap(tree.given[k]) for k in variant.overwritten]
    holders = list({(id(h), n): (h, n) for h, n, *_ in (*program.attributes, *program.expected_none, *program.reads)}.values())
    generators = list({id(d.generator): d.generator for d in program.draws}.values())
    before = _State(tensors, holders, generators, tree.values + program.cells)
    try:
        answer = variant.run(tree.inputs, tree.given, tree.values)
        after = before.again()
        before.restore()
        expected = compiled.function(*arguments, **named)
        eager = before.again()
        _compare(_leaves(answer), _leaves(expected), compiled)
        _compare(after.values(), eager.values(), compiled)
    except BaseException:
        before.restore()
        raise
    after.restore()
    return answer


def _leaves(tree: Any) -> Found:
    found: Found = []

    def note(x: Any) -> None:
        value = x._data if isinstance(x, Tensor) else x if x is None else numpy.array(x.data if isinstance(x, Value) else x)
        found.append((f"result {len(found)}", value))

    map_tree(note, tree)
    return found


def _compare(got: Found, want: Found, compiled: Any) -> None:
    if len(got) != len(want):
        raise _differs(compiled, f"the number of results: {len(got)} compiled, {len(want)} eager")
    for (label, a), (_, b) in zip(got, want, strict=True):
        if not isinstance(a, numpy.ndarray) or not isinstance(b, numpy.ndarray):
            if isinstance(a, numpy.ndarray) or isinstance(b, numpy.ndarray) or a != b:
                raise _differs(compiled, f"{label}: {a!r:.60} compiled, {b!r:.60} eager")
        elif a.shape != b.shape or a.dtype != b.dtype:
            raise _differs(compiled, f"{label}: {a.dtype}{list(a.shape)} compiled, {b.dtype}{list(b.shape)} eager")
        elif a.size:
            rounding = 1e-3 if a.dtype.itemsize <= 4 else 1e-8
            with numpy.errstate(all="ignore"):
                scale = numpy.abs(b[numpy.isfinite(b)]).max(initial=0) if b.dtype.kind == "f" else 0
                if not numpy.allclose(a, b, rtol=rounding, atol=rounding * scale, equal_nan=b.dtype.kind == "f"):
                    most = numpy.abs(a.astype(float) - b.astype(float)).max()
                    raise _differs(compiled, f"{label}, of shape {a.shape}, by up to {most:.3g}")


def _differs(compiled: Any, what: str) -> GraphError:
    name = getattr(compiled, "__name__", "the function")
    return GraphError(
        f"{name} gives something else compiled than eager: {what}. It depends on something that is not looked at (a file, a "
        f"clock, NumPy's random numbers), or has an effect that is not recorded. ({user_line()})"
    )
