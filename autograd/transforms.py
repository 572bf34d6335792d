"""Functions that make derivatives of functions: `grad`, `jacobian`, `hessian`, `make_vjp`, `make_jvp` and their kin.

All of them run the function once with the chosen arguments as variables of the tape, and then walk the tape backward
(`tape.gradients`) or forward (`tape.pushforward`) between these variables and the result. So they compose: a walk inside
another transform is recorded in turn. A variable belongs to one call, and only the way to it is walked; two nested
transforms never mix their variables up, and a tensor that the function closes over keeps its ``.grad``.

Names and order of arguments are those of HIPS autograd; `vjp` and `jvp` are called as in JAX. Arguments may be nested
lists, tuples and dictionaries of floats, arrays and Tensors, and a derivative is nested as its argument is. A Python
float counts as float64, an array keeps its dtype. Arrays and floats in, arrays out; where an argument is a Tensor the
answers are Tensors, and they hang in the graph if anything that they depend on requires a gradient. What a function does
not depend on has the derivative 0.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy

from autograd.apply import operand
from autograd.batching import Batched, lifted, lowered
from autograd.errors import ArgumentError, DTypeError, GraphError, ShapeError, user_line
from autograd.ops.arithmetic import positive
from autograd.ops.shape import moveaxis, reshape, stack
from autograd.tape import Leaf, between, gradients, mode, pushforward
from autograd.tensor import Tensor, wrap
from autograd.trees import leaves, map_tree, matching, rebuild

__all__ = [
    "elementwise_grad", "grad", "grad_and_aux", "hessian", "hessian_vector_product", "jacobian", "jvp", "make_hvp",
    "make_jvp", "make_vjp", "value_and_grad", "vjp",
]  # fmt: skip

Function = Callable[..., Any]
Argnum = int | Sequence[int]


@contextmanager
def entered(**modes: Any) -> Iterator[None]:
    """Inside a transform: everything is recorded, and jitted functions run as they are."""
    before = {"record": mode.record, "depth": mode.depth, "batch": mode.batch}
    mode.set(record=True, depth=mode.depth + 1, **modes)
    try:
        yield
    finally:
        mode.set(**before)


class Run:
    """One call of a function with the arguments `argnum` as variables: what came out, and the walks to it."""

    def __init__(self, fun: Function, argnum: Argnum, args: tuple[Any, ...], kwargs: dict[str, Any], aux: bool = False):
        self.tensors = mode.capture is not None or any(isinstance(a, Tensor) for a in leaves((args, kwargs)))
        self.levels = mode.batch  # of the vmaps around it, whose examples its tensors hold
        self.linked = mode.record and (self.tensors or mode.depth > 0)  # whether the answers may hang in an outer graph
        many = isinstance(argnum, Sequence)
        places = tuple(argnum) if isinstance(argnum, Sequence) else (argnum,)
        for k in places:
            if not -len(args) <= k < len(args):
                raise ArgumentError(f"argnum {k} does not exist: {name_of(fun)} was called with {len(args)} arguments.")
        self.point = tuple(args[k] for k in places) if many else args[places[0]]
        self.likes = leaves(self.point)
        self.outer = False
        given = list(args)
        with entered():
            self.variables = [self._variable(x) for x in self.likes]
            self.nodes: list[Any] = [x._node for x in self.variables]
            variables = rebuild(self.point, [lift(x) for x in self.variables])
            for k, x in zip(places, variables if many else (variables,), strict=True):
                given[k] = x
            self.starts = [wrap(x._data, x._node) for x in self.variables]  # a write in place moves x on, not its start
            output = fun(*given, **kwargs)
            self.aux: Any = None
            self.output = output
            if aux:
                self.output, self.aux = output
            self.outputs = [lower(y) for y in leaves(self.output)]
        self.joined = self.outer or between([y._node for y in self.outputs], self.nodes)[1]

    def _variable(self, x: Any) -> Tensor:
        data = x._data if isinstance(x, Tensor) else numpy.asarray(operand(x))
        if data.dtype.kind not in "fc":
            shown = f"{x!r:.40}" if data.ndim == 0 else f"an array of dtype {data.dtype}"
            raise DTypeError(
                f"a derivative with respect to {shown} does not exist: only float and complex numbers vary smoothly. "
                f"Write 1.0 instead of 1, or pass a.astype(float). ({user_line()})"
            )
        if mode.batch:  # each example gets a variable of its own
            x = lower(x)
            data = x._data
        if isinstance(x, Tensor) and x._node is not None:
            self.outer = True
            return positive(x)  # type: ignore[no-any-return]
        return positive(wrap(data, Leaf(data)))  # type: ignore[no-any-return]

    # ---- walks

    def _laid(self, v: Any, like: Tensor) -> Any:
        """A seed or tangent in the layout of this run's tensors. Examples of a vmap entered since then stay examples."""
        if mode.batch[: len(self.levels)] != self.levels:
            raise GraphError(f"a derivative made inside vmap is asked for after that vmap ended. ({user_line()})")
        if not mode.batch:
            return v
        inner = mode.batch[len(self.levels) :]
        t = lower(v)
        if not inner:
            return t
        t = lifted(_moved(t, len(self.levels), len(inner)), inner)
        return t if t.dtype == like.dtype or t.dtype.kind == "c" else t.astype(like.dtype)

    def _links(self, given: Sequence[Any]) -> bool:
        return self.linked and (self.joined or any(isinstance(v, Tensor) and v._node is not None for v in given))

    def pull(self, seeds: Sequence[Any]) -> list[Any]:
        """Gradients with respect to the variables, one seed for each output (None: ones)."""
        seeds = [None if s is None else self._laid(s, y) for s, y in zip(seeds, self.outputs, strict=True)]
        linked = self._links(seeds)
        with entered():
            if mode.batch:
                seeds = [numpy.ones(y.shape, y.dtype) if s is None else s for s, y in zip(seeds, self.outputs, strict=True)]
            found = gradients(self.outputs, self.starts, seeds, create_graph=linked or mode.batch != self.levels)
        return [self._zeros(x) if g is None else g for g, x in zip(found, self.variables, strict=True)]

    def push(self, tangents: Sequence[Any]) -> list[Any]:
        """Derivatives of the outputs along tangents of the variables."""
        tangents = [self._laid(v, x) for v, x in zip(tangents, self.starts, strict=True)]
        linked = self._links(tangents) or mode.batch != self.levels
        given = [self._tangent(v, x, linked) for v, x in zip(tangents, self.starts, strict=True)]
        with entered():
            found = pushforward(self.outputs, self.starts, given, create_graph=linked)
        return [self._zeros(y) if t is None else t for t, y in zip(found, self.outputs, strict=True)]

    @staticmethod
    def _tangent(v: Any, x: Tensor, linked: bool) -> Any:
        t = v if isinstance(v, Tensor) else wrap(numpy.asarray(operand(v)))
        if t.shape != x.shape:
            raise ShapeError(f"the tangent has shape {t.shape}, and the argument {x.shape}: they must be equal.")
        t = t if t.dtype == x.dtype else t.astype(x.dtype)
        return t if linked else t._data if mode.capture is None else mode.capture.lift(t, t._data)

    @staticmethod
    def _zeros(x: Tensor) -> Any:
        return numpy.zeros(x.shape, x.dtype)

    # ---- answers

    def answer(self, value: Any, like: Any = None) -> Any:
        """An array or Tensor as the user gets it."""
        t = value if isinstance(value, Tensor) else wrap(value)
        if isinstance(t, Batched) and mode.batch == self.levels:
            return t
        if t._node is not None and not (self.linked and self.joined or _outside(t, self)):
            t = t.detach()
        if mode.batch:
            inner = mode.batch[len(self.levels) :]
            return lift(_moved(lowered(t, inner), len(inner), len(self.levels)) if inner else t)
        if self.tensors or t._node is not None:
            return t
        array = numpy.asarray(t._data)
        return array[()] if not isinstance(like, numpy.ndarray) else array

    def derivative(self, found: Sequence[Any]) -> Any:
        """Gradients nested as the arguments are."""
        return rebuild(self.point, [self.answer(g, x) for g, x in zip(found, self.likes, strict=True)])

    def value(self) -> Any:
        """What the function returned."""
        return rebuild(self.output, [self.answer(y) for y in self.outputs])

    def scalar(self, name: str) -> None:
        """Refuse a result that is not one real number."""
        if len(self.outputs) != 1 or isinstance(self.output, list | tuple | dict):
            kind = type(self.output).__name__
            raise ShapeError(f"{name} needs a function with one number as its result, this one returned a {kind}.")
        (y,) = self.outputs
        if math.prod(example(y)) != 1:
            raise ShapeError(
                f"{name} needs a function with one number as its result, this one returned shape {example(y)}. Sum it or take "
                "its mean first, or use elementwise_grad (each result depends on one element) or jacobian (all of them)."
            )
        if y.dtype.kind == "c":
            raise DTypeError(f"{name} needs a real result, this one is {y.dtype}. Take np.real(y) or np.abs(y) of it first.")


def lower(y: Any) -> Tensor:
    """A result as a Tensor; inside vmap with the values of all examples."""
    t = y if isinstance(y, Tensor) else wrap(numpy.asarray(operand(y)))
    return lowered(t, mode.batch) if mode.batch else t


def lift(t: Tensor) -> Tensor:
    """Inside vmap, a tensor with the values of all examples as one example."""
    return lifted(t, mode.batch) if mode.batch else t


def example(t: Tensor) -> tuple[int, ...]:
    """The shape of a tensor, inside vmap that of one example."""
    return t.shape[len(mode.batch) :]


def _moved(t: Tensor, first: int, then: int) -> Tensor:
    """The `then` axes that come after the `first` ones, before them."""
    return moveaxis(t, tuple(range(first, first + then)), tuple(range(then)))  # type: ignore[no-any-return]


def _outside(t: Tensor, run: Run) -> bool:
    return run.linked and not between([t._node], run.nodes)[0]


def name_of(fun: Any) -> str:
    """What a function is called in messages."""
    return getattr(fun, "__name__", None) or type(fun).__name__


def transform(fun: Any, name: str) -> Callable[[Function], Function]:
    """Give a derived function the signature of the function, and a name that says what it is."""
    if not callable(fun):
        got = type(fun).__name__
        raise DTypeError(f"{name} takes a function, got {got}. Call {name}(f)(x), not {name}(f(x)). ({user_line()})")

    def decorate(derived: Function) -> Function:
        derived = functools.wraps(fun)(derived)
        derived.__name__ = derived.__qualname__ = f"{name}_of_{name_of(fun)}"
        derived.__doc__ = f"{name} of {name_of(fun)}."
        return derived

    return decorate


def grad(fun: Function, argnum: Argnum = 0) -> Function:
    """A function that returns the gradient of `fun` with respect to its argument(s) `argnum`.

    Args:
        fun: returns one real number.
        argnum: the place of the argument, or several: then the gradients come as a tuple.

    Errors: ShapeError for a result of several numbers, DTypeError for an argument of integers.

    >>> import numpy as np
    >>> grad(np.tanh)(0.0)
    np.float64(1.0)
    >>> grad(lambda p, x: np.sum(p["w"] * x) + p["b"])({"w": np.ones(2), "b": 0.0}, np.array([3.0, 4.0]))
    {'w': array([3., 4.]), 'b': np.float64(1.0)}
    >>> grad(grad(lambda x: x**3))(2.0)
    np.float64(12.0)
    """

    @transform(fun, "grad")
    def gradient(*args: Any, **kwargs: Any) -> Any:
        run = Run(fun, argnum, args, kwargs)
        run.scalar("grad")
        return run.derivative(run.pull([None]))

    return gradient


def value_and_grad(fun: Function, argnum: Argnum = 0) -> Function:
    """A function that returns (value, gradient) at the cost of the gradient alone: what optimisers ask for.

    >>> value_and_grad(lambda x: x * x)(3.0)
    (np.float64(9.0), np.float64(6.0))
    """

    @transform(fun, "value_and_grad")
    def both(*args: Any, **kwargs: Any) -> Any:
        run = Run(fun, argnum, args, kwargs)
        run.scalar("value_and_grad")
        return run.value(), run.derivative(run.pull([None]))

    return both


def grad_and_aux(fun: Function, argnum: Argnum = 0) -> Function:
    """For a function that returns (number, anything): a function that returns (gradient of the number, anything).

    >>> grad_and_aux(lambda x: (x * x, "note"))(3.0)
    (np.float64(6.0), 'note')
    """

    @transform(fun, "grad_and_aux")
    def both(*args: Any, **kwargs: Any) -> Any:
        run = Run(fun, argnum, args, kwargs, aux=True)
        run.scalar("grad_and_aux")
        return run.derivative(run.pull([None])), map_tree(lambda a: run.answer(a) if isinstance(a, Tensor) else a, run.aux)

    return both


def elementwise_grad(fun: Function, argnum: Argnum = 0) -> Function:
    """The derivative of a function that acts on each element by itself: the gradient of the sum of its results.

    Where results mix elements, this is the sum of each column of the Jacobian.

    >>> import numpy as np
    >>> elementwise_grad(np.square)(np.array([1.0, 2.0, 3.0]))
    array([2., 4., 6.])
    """

    @transform(fun, "elementwise_grad")
    def gradient(*args: Any, **kwargs: Any) -> Any:
        run = Run(fun, argnum, args, kwargs)
        if any(y.dtype.kind == "c" for y in run.outputs):
            raise DTypeError("elementwise_grad needs a real result. Take np.real(y) of it first.")
        return run.derivative(run.pull([numpy.ones(example(y), y.dtype) for y in run.outputs]))

    return gradient


def make_vjp(fun: Function, argnum: Argnum = 0) -> Function:
    """``make_vjp(fun)(x)`` returns (pull, y): y = fun(x), and pull(v) = vᵀJ, the vector–Jacobian product, as often as wanted.

    >>> import numpy as np
    >>> pull, y = make_vjp(np.square)(np.array([1.0, 2.0]))
    >>> pull(np.array([1.0, 10.0]))
    array([ 2., 40.])
    """

    @transform(fun, "make_vjp")
    def made(*args: Any, **kwargs: Any) -> Any:
        run = Run(fun, argnum, args, kwargs)
        return lambda v: run.derivative(run.pull(matching(run.output, v, "the cotangent"))), run.value()

    return made


def make_jvp(fun: Function, argnum: Argnum = 0) -> Function:
    """``make_jvp(fun)(x)`` returns push: push(v) = (fun(x), J v), the Jacobian–vector product by forward mode.

    >>> import numpy as np
    >>> push = make_jvp(np.square)(np.array([1.0, 2.0]))
    >>> push(np.array([1.0, 10.0]))
    (array([1., 4.]), array([ 2., 40.]))
    """

    @transform(fun, "make_jvp")
    def made(*args: Any, **kwargs: Any) -> Any:
        run = Run(fun, argnum, args, kwargs)

        def push(v: Any) -> Any:
            found = run.push(matching(run.point, v, "the tangent"))
            return run.value(), rebuild(run.output, [run.answer(t) for t in found])

        return push

    return made


def vjp(fun: Function, *primals: Any) -> tuple[Any, Function]:
    """(y, pull) at a point, as in JAX: pull(v) is a tuple with vᵀJ for each argument.

    >>> y, pull = vjp(lambda a, b: a * b, 2.0, 3.0)
    >>> pull(1.0)
    (np.float64(3.0), np.float64(2.0))
    """
    pull, y = make_vjp(fun, tuple(range(len(primals))))(*primals)
    return y, pull


def jvp(fun: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """(y, J v) at a point, as in JAX; primals and tangents are sequences of arguments.

    >>> jvp(lambda a, b: a * b, (2.0, 3.0), (1.0, 0.0))
    (np.float64(6.0), np.float64(3.0))
    """
    return make_jvp(fun, tuple(range(len(primals))))(*primals)(tuple(tangents))  # type: ignore[no-any-return]


def jacobian(fun: Function, argnum: Argnum = 0) -> Function:
    """A function that returns all derivatives, J[out…, in…] = ∂y[out…]/∂x[in…].

    Shape: shape of the result + shape of the argument. It takes one backward walk for each result or one forward walk for
    each element of the arguments, whichever are fewer. Nested results and arguments give nested Jacobians.

    >>> import numpy as np
    >>> jacobian(lambda x: np.stack([x[0] * x[1], x[0] + x[1]]))(np.array([2.0, 3.0]))
    array([[3., 2.],
           [1., 1.]])
    """

    @transform(fun, "jacobian")
    def matrix(*args: Any, **kwargs: Any) -> Any:
        run = Run(fun, argnum, args, kwargs)
        outs, ins = (sum(math.prod(example(t)) for t in ts) for ts in (run.outputs, run.variables))
        blocks = _columns(run) if ins < outs else _rows(run)
        return rebuild(run.output, [run.derivative(row) for row in blocks])

    return matrix


def _unit(likes: Sequence[Tensor], which: int, k: int) -> list[Any]:
    """Zeros like all of the tensors, with a 1 at the k-th element of one of them."""
    parts = [numpy.zeros(example(t), t.dtype) for t in likes]
    parts[which].reshape(-1)[k] = 1
    return parts


def _stacked(parts: list[Any], shape: tuple[int, ...], axis: int, empty: Any) -> Any:
    if not parts:
        return numpy.zeros(shape, empty)
    with entered():
        tensors = [p if isinstance(p, Tensor) else wrap(p) for p in parts]
        if mode.batch:
            tensors = [lift(t) for t in tensors]
        return reshape(stack(tensors, axis=axis), shape)


def _rows(run: Run) -> list[list[Any]]:
    """blocks[output][variable] of the Jacobian, row by row: a backward walk for each result."""
    blocks = []
    for j, y in enumerate(run.outputs):
        rows = []
        for k in range(math.prod(example(y))):
            rows.append(run.pull(_unit(run.outputs, j, k)))
        blocks.append([
            _stacked([row[i] for row in rows], example(y) + example(x), 0, x.dtype) for i, x in enumerate(run.variables)
        ])  # fmt: skip
    return blocks


def _columns(run: Run) -> list[list[Any]]:
    """The same, column by column: a forward walk for each element of the arguments."""
    found: list[list[Any]] = []
    for i, x in enumerate(run.variables):
        columns = []
        for k in range(math.prod(example(x))):
            columns.append(run.push(_unit(run.variables, i, k)))
        found.append([
            _stacked([column[j] for column in columns], example(y) + example(x), -1, y.dtype) for j, y in enumerate(run.outputs)
        ])  # fmt: skip
    return [[found[i][j] for i in range(len(run.variables))] for j in range(len(run.outputs))]


def hessian(fun: Function, argnum: Argnum = 0) -> Function:
    """All second derivatives, H[i…, j…] = ∂²y/∂x[i…]∂x[j…]: the Jacobian of the Jacobian.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([2.0, 3.0]))
    array([[6., 4.],
           [4., 0.]])
    """
    return transform(fun, "hessian")(jacobian(jacobian(fun, argnum), argnum))


def make_hvp(fun: Function, argnum: Argnum = 0) -> Function:
    """``make_hvp(fun)(x)`` returns a function v ↦ H v, by a forward walk through the gradient; H is never formed.

    >>> import numpy as np
    >>> make_hvp(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))(np.array([1.0, 1.0]))
    array([ 6., 12.])
    """

    @transform(fun, "make_hvp")
    def made(*args: Any, **kwargs: Any) -> Any:
        push = make_jvp(grad(fun, argnum), argnum)(*args, **kwargs)
        return lambda v: push(v)[1]

    return made


def hessian_vector_product(fun: Function, argnum: Argnum = 0) -> Function:
    """A function of fun's arguments and a vector v, which comes last: H v, without forming H.

    >>> import numpy as np
    >>> hessian_vector_product(lambda x: np.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 6., 12.])
    """
    return transform(fun, "hessian_vector_product")(
        lambda *args, **kwargs: make_hvp(fun, argnum)(*args[:-1], **kwargs)(args[-1])
    )
