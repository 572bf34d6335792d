"""`vmap`: a function of one example becomes a function of a batch, without a loop.

Inside, an example is a `Batched` tensor: it has the shape of one example and holds all of them. An op on it runs once on
the whole batch: an elementwise op broadcasts, a reduction shifts its axes, and the rules of `ops.batch` say how the batch
goes round the other ops. An op without such a rule runs example by example, and its results are stacked: as right, only
slower.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from autograd.apply import apply
from autograd.errors import ArgumentError, GraphError, IndexingError, ShapeError, UnsupportedError, user_line
from autograd.ops.batch import broadcasting, shifted
from autograd.ops.index import take_along_axis
from autograd.ops.shape import broadcast_to, moveaxis, reshape, stack
from autograd.rule import Op
from autograd.tape import mode
from autograd.tensor import Tensor, wrap
from autograd.trees import leaves, rebuild

__all__ = ["Batched", "lifted", "lowered", "picked", "run_batched", "vmap"]

Levels = tuple[tuple[int, int], ...]
_levels = itertools.count()  # no two calls of vmap have the same, so what leaks from one is never taken for another's


class Example:
    """What a batched tensor's data looks like: an array of which only shape and dtype can be known."""

    __traced__ = True

    def __init__(self, shape: tuple[int, ...], dtype: Any):
        self.shape, self.dtype, self.ndim = shape, dtype, len(shape)
        self.size = int(numpy.prod(shape, dtype=int))

    @staticmethod
    def concretised(what: str) -> GraphError:
        return GraphError(
            f"{what} of an example inside vmap has no single value: every example has its own. Use np.where for what "
            f"depends on values, np.stack to put tensors together, and return what you want to look at. ({user_line()})"
        )

    def __index__(self) -> int:
        raise UnsupportedError(
            f"inside vmap, what differs from example to example is an index of a Tensor only by itself, t[i], and of integers. "
            f"np.take_along_axis(x, i, axis) reads along other axes, and np.where(mask, x, 0) keeps what a mask marks. "
            f"({user_line()})"
        )

    def __array__(self, *_: Any, **__: Any) -> Any:
        self.__index__()


class Batched(Tensor):
    """A tensor inside `vmap`: shape and dtype of one example, the values of all, along the first axis of `value`."""

    __slots__ = ("value", "level")

    def __init__(self, value: Tensor, level: int):
        self.value, self.level = value, level

    @property
    def _data(self) -> Any:
        if all(level != self.level for level, _ in mode.batch):
            raise GraphError(
                f"an example of a vmap is used after that vmap ended. Return it from the function instead of keeping it. "
                f"({user_line()})"
            )
        return Example(self.value.shape[1:], self.value.dtype)

    @property
    def _node(self) -> Any:  # type: ignore[override]
        return self.value._node

    @property  # type: ignore[misc]
    def data(self) -> Any:
        raise Example.concretised(".data")

    def detach(self) -> Tensor:
        return Batched(self.value.detach(), self.level)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise UnsupportedError(f"inside vmap nothing is written in place: use np.where or np.concatenate. ({user_line()})")

    def copy_(self, value: Any) -> Tensor:
        raise UnsupportedError(f"inside vmap nothing is written in place: compute a new tensor. ({user_line()})")

    def __repr__(self) -> str:
        return f"Tensor(<one of {self.value.shape[0]} examples, {self.dtype}{list(self.shape)}>)"


for _name in ("add", "sub", "mul", "truediv", "pow", "matmul"):  # x += v makes a new tensor here
    setattr(Batched, f"__i{_name}__", getattr(Tensor, f"__{_name}__"))


# ---- ops on batches ---------------------------------------------------------------------------------------------------


def run_batched(op: Op, arguments: Sequence[Any], settings: dict[str, Any]) -> Any:
    """Run an op of which some arguments are batched, at the innermost level among them."""
    level = max(a.level for a in arguments if isinstance(a, Batched))
    on = tuple(isinstance(a, Batched) and a.level == level for a in arguments)
    arrays = [a.value if b else a for a, b in zip(arguments, on, strict=True)]
    if any(isinstance(t, Batched) for t in leaves(list(settings.values()))):
        raise UnsupportedError(f"{op.name} inside vmap takes no examples as {', '.join(settings)}. ({user_line()})")
    y = _whole(op, arrays, on, settings)
    if y is None:
        y = _each(op, arrays, on, settings)
    return Batched(y, level)


def _whole(op: Op, arrays: list[Any], on: tuple[bool, ...], settings: dict[str, Any]) -> Any:
    """The op on the whole batch; None where nothing says how."""
    if op.batch is not None:
        made = [a if b or isinstance(a, Tensor) else wrap(numpy.asarray(a)) for a, b in zip(arrays, on, strict=True)]
        y = op.batch(made, on, **settings)
        if y is not NotImplemented:
            return y
    if op.kind == "elementwise" or op.kind == "constant" and not settings:
        return broadcasting(op, arrays, on, settings)
    if "axis" in settings and "keepdims" in settings and len(arrays) == 1:
        return apply(op, arrays, {**settings, "axis": shifted(settings["axis"], arrays[0].ndim - 1)})
    return None


def _each(op: Op, arrays: list[Any], on: tuple[bool, ...], settings: dict[str, Any]) -> Any:
    """The op example by example."""
    n = next(a.shape[0] for a, b in zip(arrays, on, strict=True) if b)
    return stack([apply(op, [a[k] if b else a for a, b in zip(arrays, on, strict=True)], settings) for k in range(n)])


def picked(x: Tensor, index: Tensor) -> Tensor:
    """x[index], the rows of x that an integer tensor names, where each example has an index of its own."""
    if index.dtype.kind == "b":
        index._data.__index__()
    if x.ndim == 0:
        raise IndexingError(f"a tensor without axes has no rows to pick. ({user_line()})")
    width, rest = int(numpy.prod(x.shape[1:], dtype=int)), x.shape[1:]
    places = broadcast_to(reshape(index, (index.size, 1)), (index.size, width))
    rows: Tensor = take_along_axis(reshape(x, (x.shape[0], width)), places, axis=0)
    return reshape(rows, (*index.shape, *rest))  # type: ignore[no-any-return]


# ---- for the transforms inside: everything as whole batches, and back -------------------------------------------------


def lowered(t: Tensor, levels: Levels) -> Tensor:
    """The values of all examples at these levels, the outermost first; repeated where they are the same."""
    for level, size in reversed(levels):
        t = t.value if isinstance(t, Batched) and t.level == level else broadcast_to(t, (size, *t.shape))
    return t


def lifted(t: Tensor, levels: Levels) -> Tensor:
    """What `lowered` returned, or something of that layout, as one example again."""
    for level, _ in levels:
        t = Batched(t, level)
    return t


# ---- vmap ---------------------------------------------------------------------------------------------------------------


def vmap(fun: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """A function that maps `fun` over an axis of its arguments: write it for one example, call it with a batch.

    The body runs once, on the whole batch: ops broadcast or shift their axes. Ops for which no batched form is known
    (`scatter_add`, for one) run example by example. Random numbers drawn inside are the same for all examples; draw them
    before, and pass them as an argument, where each shall have its own.

    It composes with `grad`, `jvp`, `jacobian`, with itself and with jit: ``vmap(grad(loss), in_axes=(None, 0, 0))`` gives
    the gradient of each example.

    Args:
        fun: a function of one example; arguments and result may be nested lists, tuples and dictionaries.
        in_axes: the axis to map over, for all arguments or one for each; None: the same value for every example. An entry
            may be nested as its argument is.
        out_axes: where the batch stands in the results; one for all, or nested as the result is.

    Errors: ShapeError where batches differ in length; GraphError where a value is read (``if x > 0``), since every example
    has its own.

    >>> import numpy as np
    >>> vmap(lambda x, y: x @ y)(np.ones((3, 2)), np.array([[1.0, 2], [3, 4], [5, 6]]))
    array([ 3.,  7., 11.])
    >>> import autograd as ag
    >>> vmap(ag.grad(lambda w, x: np.sum(w * x) ** 2), in_axes=(None, 0))(np.ones(2), np.array([[1.0, 2], [3, 4]]))
    array([[ 6., 12.],
           [42., 56.]])
    """
    from autograd.transforms import entered, transform

    @transform(fun, "vmap")
    def mapped(*args: Any, **kwargs: Any) -> Any:
        axes = list(in_axes) if isinstance(in_axes, list | tuple) else [in_axes] * len(args)
        if len(axes) != len(args):
            raise ArgumentError(f"vmap has in_axes for {len(axes)} arguments, and was called with {len(args)}. ({user_line()})")
        places = [a for arg, axis in zip(args, axes, strict=True) for a in _spread(arg, axis)]
        values = leaves(list(args))
        sizes = {_length(v, axis) for v, axis in zip(values, places, strict=True) if axis is not None}
        if len(sizes) != 1:
            shapes = ", ".join(str(numpy.shape(v) if not isinstance(v, Tensor) else v.shape) for v in values)
            what = f"the batches differ in length, {sorted(sizes)}" if sizes else "no argument is mapped: all in_axes are None"
            raise ShapeError(f"vmap: {what} (arguments of shape {shapes}, in_axes {in_axes}). ({user_line()})")
        (size,) = sizes
        tensors = mode.capture is not None or any(isinstance(v, Tensor) for v in leaves([values, kwargs]))
        recorded = mode.record
        level = next(_levels)
        with entered(batch=(*mode.batch, (level, size))):
            given = [
                v if axis is None else Batched(_first(v, axis), level) for v, axis in zip(values, places, strict=True)
            ]
            output = fun(*rebuild(list(args), given), **kwargs)
        found = leaves(output)
        ends = _spread(output, out_axes)
        results = []
        with entered():
            for y, axis in zip(found, ends, strict=True):
                y = y if isinstance(y, Tensor) else wrap(numpy.asarray(y))
                inner = isinstance(y, Batched) and y.level == level
                y = y.value if inner else broadcast_to(y, (size, *y.shape))
                y = moveaxis(y, 0, axis) if axis else y
                results.append(y if recorded or isinstance(y, Batched) else y.detach())
        return rebuild(output, [y if tensors or y._node is not None or isinstance(y, Batched) else y.numpy() for y in results])

    return mapped


def _spread(tree: Any, axis: Any) -> list[Any]:
    """One axis for each leaf."""
    if axis is None or isinstance(axis, int):
        return [axis] * len(leaves(tree))
    if isinstance(tree, dict):
        return [a for k, v in tree.items() for a in _spread(v, axis[k])]
    return [a for v, b in zip(tree, axis, strict=True) for a in _spread(v, b)]


def _length(v: Any, axis: int) -> int:
    shape = v.shape if isinstance(v, Tensor) else numpy.shape(v)
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(f"vmap: an argument of shape {shape} has no axis {axis}. Pass in_axes=None for it. ({user_line()})")
    return int(shape[axis])


def _first(v: Any, axis: int) -> Tensor:
    t = v if isinstance(v, Tensor) else wrap(numpy.asarray(v))
    return moveaxis(t, axis, 0) if axis else t

