"""Writing into tensors, and views that see it.

A view shares its base's storage, so the values agree by themselves; what has to be kept right is the graph. A view
knows the tensor that it views and the *path* of view ops from there; the base knows its living views. A recorded write
gives the base a new node (the op ``write``), and every view a fresh node that reads along its path from the new base.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy

from autograd.apply import apply, operand, record
from autograd.errors import ArgumentError, AutogradError, DTypeError, GraphError, ShapeError, user_line, user_place
from autograd.rule import OPS, Op
from autograd.tape import Leaf, mode, writes
from autograd.tensor import Tensor, wrap

__all__ = ["assign", "augment", "link"]

Path = tuple[tuple[Op, dict[str, Any]], ...]


def link(base: Tensor, op: Op, settings: dict[str, Any], view: Tensor) -> None:
    """Remember that `view` looks into the storage of `base`, unless NumPy had to copy after all."""
    if mode.capture is not None:
        if not mode.capture.share(base, op, settings, view):
            return
    elif writes.owner(view._data) is not writes.owner(base._data):
        return
    root: Any
    root, path = getattr(base, "_view", (base, ()))
    view._view = (root, (*path, (op, settings)))
    if isinstance(root._node, Leaf):
        return  # such a tensor is only ever written under no_grad, which changes no graph
    views: list[ref[Tensor]] = getattr(root, "_views", None) or []
    if len(views) >= 8 and len(views) & (len(views) - 1) == 0:  # at powers of two: drop the dead, amortised
        views[:] = [v for v in views if v() is not None]
    views.append(ref(view))
    root._views = views


def assign(target: Tensor, index: Any, value: Any) -> None:
    """``target[index] = value``, recorded when either side requires a gradient."""
    root, path = getattr(target, "_view", (target, ()))
    source = value._data if isinstance(value, Tensor) else operand(value)
    above = value._node if isinstance(value, Tensor) else None
    if mode.capture is None and not target._data.flags.writeable:
        raise ArgumentError(f"the array of this tensor is read-only. Write to a copy: Tensor(t). ({user_line()})")
    if mode.record and isinstance(root._node, Leaf):
        raise GraphError(
            f"a leaf that requires a gradient{_called(root)} cannot be written in place while operations are recorded. "
            f"Write under `with no_grad():`, or on a copy: x = x * 1. ({user_line()})"
        )
    index = plain_index(index)
    if getattr(source, "dtype", None) is not None and source.dtype.kind == "c" and target.dtype.kind != "c":
        raise DTypeError(f"writing complex values into {target.dtype} would lose the imaginary part. ({user_line()})")
    _store(target, root, index, value, source)
    if not mode.record or (root._node is None and above is None):
        return
    write = OPS["write"]
    settings = {"path": path if index is ... else (*path, (OPS["getitem"], {"index": index}))}
    wanted = tuple(i for i, n in enumerate((root._node, above)) if n is not None)
    consts = {1: value} if above is None else None
    root._node = record(write.plan(wanted, 2), (root._node, above), (), root._data, settings, consts)._node
    for reference in getattr(root, "_views", ()):
        view = reference()
        if view is not None:
            fresh = wrap(root._data, root._node)
            for op, how in view._view[1]:
                fresh = apply(op, (fresh,), how)
            view._node = fresh._node


def _store(target: Tensor, root: Tensor, index: Any, value: Any, source: Any) -> None:
    """Put values into the memory that a tensor looks at, or take down that it is to be done."""
    array = target._data
    try:
        if mode.capture is not None:
            recorded = mode.record and (root._node is not None or getattr(value, "_node", None) is not None)
            mode.capture.write(target, index, value, root if recorded else None)
        else:
            array[index] = source
    except AutogradError:
        raise
    except (IndexError, ValueError, TypeError) as error:
        raise _worded(error, target, source, index) from None
    if mode.capture is None:
        writes.note(array, user_place())


def augment(target: Tensor, call: Callable[[Any, Any], Any], value: Any) -> Tensor:
    """``target op= value``.

    Outside of any graph it writes into the array. Inside one, a tensor that shares its storage with nobody simply
    becomes the new value: what earlier ops saved of the old one stays as it was.
    """
    if mode.record and isinstance(target._node, Leaf):
        assign(target, ..., value)  # raises, with the way out
    if getattr(target._data, "weak", None):  # a number, of which Python makes a new one
        return call(target, value)  # type: ignore[no-any-return]
    alone = (
        mode.capture is None and target._data.base is None
        and not hasattr(target, "_view") and not any(v() is not None for v in getattr(target, "_views", ()))
    )  # fmt: skip
    recorded = mode.record and (target._node is not None or getattr(value, "_node", None) is not None)
    old = wrap(target._data.copy(), target._node) if recorded and not alone and mode.capture is None else target
    result = call(old, value)  # whose rule may save the old values, which are about to be written over
    if result.shape != target.shape:
        raise ShapeError(f"the result has shape {result.shape}, and does not fit in place into {target.shape}. ({user_line()})")
    if not numpy.can_cast(result.dtype, target.dtype, "same_kind"):
        raise DTypeError(f"a result of dtype {result.dtype} does not fit in place into {target.dtype}. ({user_line()})")
    if alone and recorded:
        if result.dtype != target.dtype:
            result = result.astype(target.dtype)
        name = target.name
        target._data, target._node = result._data, result._node
        if name is not None:
            target.name = name
    else:
        assign(target, ..., result)
    return target


def plain_index(index: Any) -> Any:
    """An index with its Tensors replaced by arrays, and its arrays copied: the tape keeps it, and they may change."""
    if isinstance(index, tuple):
        return tuple(plain_index(i) for i in index)
    if isinstance(index, Tensor):
        if index._node is not None or index.dtype.kind not in "iub":
            raise DTypeError(f"an index must hold integers or booleans, not {index.dtype}. ({user_line()})")
        index = index._data if mode.capture is None else mode.capture.index(index)
    elif mode.capture is not None and type(index) is numpy.ndarray:
        mode.capture.index(index)
    if isinstance(index, list):
        return numpy.array([_element(i) for i in index], dtype=numpy.intp if not index else None)
    return index.copy() if isinstance(index, numpy.ndarray) else index


def _element(i: Any) -> Any:
    return plain_index(i) if isinstance(i, Tensor) else i


def _called(t: Tensor) -> str:
    return f", {t.name!r}," if t.name else ""


def _worded(error: Exception, target: Tensor, source: Any, index: Any) -> Exception:
    from autograd.errors import IndexingError

    kind = IndexingError if isinstance(error, IndexError) else ShapeError if isinstance(error, ValueError) else DTypeError
    shape = getattr(source, "shape", ())
    return kind(f"cannot write shape {shape} into x[{index!r:.40}] of shape {target.shape}: {error} ({user_line()})")
