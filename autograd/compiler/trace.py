"""Values that are not computed yet: what the data of a Tensor is while a program is recorded.

A `Traced` is one instruction of the program and stands for its result. The instruction set is closed: elementwise scalar
functions, reductions, movements of elements, the matrix product. `NAMESPACE` is the ``np`` over which rules run while
recording, so the forward and derivative of every op arrive here in these instructions, and no later stage knows an op.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy

from autograd.errors import GraphError, IndexingError, UnsupportedError, user_line
from autograd.rule import np
from autograd.tape import mode
from autograd.tensor import Tensor

__all__ = ["NAMESPACE", "Traced", "constant", "elementwise_names"]

REDUCTIONS = ("sum", "max", "min", "prod")
OF_ANY_DTYPE = ("argument", "state", "constant", "call")


class Foreign(UnsupportedError):
    """That an instruction would be of a dtype for which there is no machine code."""


def foreign(dtype: Any) -> bool:
    """Whether there is no machine code for arrays of a dtype."""
    return dtype.kind not in "biuf" or dtype.kind == "f" and dtype.itemsize not in (4, 8)


def unsupported(what: str, instead: str = "Call it outside of jit") -> UnsupportedError:
    """The error for what has no compiled form."""
    return UnsupportedError(f"{what} has no compiled form yet. {instead}. ({user_line()})")


class Traced:
    """One instruction, standing for its result: a shape and a dtype, no values."""

    __slots__ = ("function", "inputs", "settings", "shape", "dtype", "tick", "weak")
    __array_ufunc__ = None
    __traced__ = True
    _ticks = 0

    def __init__(self, function: str, inputs: tuple[Any, ...], shape: tuple[int, ...], dtype: Any, **settings: Any):
        self.function, self.inputs, self.settings = function, inputs, settings
        self.shape, self.dtype = tuple(shape), numpy.dtype(dtype)
        self.weak: type | None = None  # int or float where it stands for a Python number, which widens no array
        if self.dtype.kind not in "biufc":
            raise unsupported(f"an array of {self.dtype}")
        if function not in OF_ANY_DTYPE and any(foreign(i.dtype) for i in (self, *inputs) if isinstance(i, Traced)):
            raise Foreign(f"{function} of {self.dtype} has no compiled form. Call it outside of jit. ({user_line()})")
        Traced._ticks += 1
        self.tick: float = Traced._ticks

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def concretised(self, what: str) -> GraphError:
        """The error for reading a value that does not exist yet."""
        way = "Return it from the jitted function and read it outside, or choose with autograd.where."
        if what == "an array":
            what = "making an array of a tensor"
            way = "Join tensors with np.stack, write into a Tensor, and pass numbers as one np.array rather than as a list."
        return GraphError(
            f"{what} reads a value while the program is being recorded, before there is one. {way} ({user_line()})"
        )

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise UnsupportedError(f"this NumPy function has no compiled form yet. Call it outside of jit. ({user_line()})")

    def __bool__(self) -> bool:
        raise self.concretised("a branch (if, while, and, or)")

    def __float__(self) -> float:
        raise self.concretised("float()")

    def __int__(self) -> int:
        raise self.concretised("int()")

    def __format__(self, spec: str) -> str:
        return f"<recorded {self.dtype}{list(self.shape)}>"

    def __repr__(self) -> str:
        return f"%{self.tick} = {self.function} {self.dtype}{list(self.shape)}"

    @property
    def real(self) -> Any:
        """Real part."""
        return NAMESPACE.real(self)

    def reshape(self, *shape: Any) -> Any:
        return NAMESPACE.reshape(self, shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        return NAMESPACE.sum(self, axis=axis, keepdims=keepdims)

    def astype(self, dtype: Any, **_: Any) -> Any:
        return NAMESPACE.astype(self, dtype)

    def broadcast_to(self, shape: Any) -> Any:
        return NAMESPACE.broadcast_to(self, shape)


def constant(value: Any, dtype: Any = None) -> Traced:
    """A known array inside a program."""
    array = numpy.ascontiguousarray(numpy.array(value, dtype=dtype)).reshape(numpy.shape(value))
    return Traced("constant", (), array.shape, array.dtype, value=array)


def fresh(x: Traced) -> Traced:
    """The same value as an instruction of its own."""
    if foreign(x.dtype):
        value = x.settings.get("value")
        inputs, call = ((x,), lambda a: a) if value is None else ((), lambda: value)
        return Traced("call", inputs, x.shape, x.dtype, name="copy", call=call)
    y = Traced("reshape", (x,), x.shape, x.dtype)
    y.weak = x.weak
    return y


def lifted(x: Any) -> Any:
    """Arrays as instructions; Python numbers stay weak numbers."""
    if isinstance(x, Traced | bool | int | float):
        return x
    return constant(x)


def _elementwise(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def emit(*arguments: Any) -> Any:
        if not any(isinstance(a, Traced) for a in arguments):
            return function(*arguments)
        inputs = tuple(lifted(a) for a in arguments)
        traced = [a for a in inputs if isinstance(a, Traced)]
        weak = all(a.weak for a in traced)
        with numpy.errstate(all="ignore"):
            y = function(*(_probe(a, weak) for a in inputs))
        result = Traced(name, inputs, numpy.broadcast_shapes(*(a.shape for a in traced)), y.dtype)
        if weak and y.dtype.kind in "if":
            result.weak = float if y.dtype.kind == "f" else int
        return result

    emit.__name__ = name
    return emit


def _probe(a: Any, weak: bool) -> Any:
    """A stand-in with which NumPy shows the dtype of a result."""
    if not isinstance(a, Traced):
        return a
    return a.weak(1) if a.weak and not weak else numpy.ones(1, a.dtype)


def elementwise_names() -> tuple[str, ...]:
    """The scalar functions of the instruction set."""
    return (
        "add subtract multiply true_divide negative positive absolute power square sqrt cbrt reciprocal floor ceil trunc rint "
        "sign remainder floor_divide maximum minimum exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan "
        "arctan2 sinh cosh tanh arcsinh arccosh arctanh hypot erf where strong_multiply equal not_equal less less_equal "
        "greater greater_equal logical_and logical_or logical_not bitwise_and bitwise_or invert isnan isinf isfinite "
        "signbit bitwise_xor"
    ).split()  # type: ignore[return-value]


def each_alone(y: Traced, xs: list[Traced]) -> bool:
    """Whether every element of y is computed from the elements of xs in its own place alone."""
    names, given = {*elementwise_names(), "cast"}, {x.tick for x in xs}
    moved: list[Any] = []
    stack: list[Any] = [y]
    seen: set[float] = set()
    while stack:
        t = stack.pop()
        if t.tick in seen:
            continue
        seen.add(t.tick)
        if t.tick in given:
            if t.shape != y.shape:
                return False
        elif t.function in names or t.function == "reshape" and t.shape == t.inputs[0].shape:
            stack += [i for i in t.inputs if isinstance(i, Traced)]
        else:
            moved.append(t)
    seen = set()
    while moved:  # what is not computed element by element must not hang on xs
        t = moved.pop()
        if t.tick in given:
            return False
        if t.tick not in seen:
            seen.add(t.tick)
            moved += [i for i in t.inputs if isinstance(i, Traced)]
    return True


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    positive = tuple(sorted(numpy.lib.array_utils.normalize_axis_index(a, ndim) for a in axes))
    if len(set(positive)) != len(positive):
        raise ValueError(f"duplicate axis in {axis}")
    return positive


def _reduction(name: str) -> Callable[..., Any]:
    function = getattr(numpy, name)

    def emit(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
        if not isinstance(x, Traced):
            return function(x, axis=axis, keepdims=keepdims)
        axes = _axes(axis, x.ndim)
        if name in ("max", "min") and any(x.shape[a] == 0 for a in axes):
            raise ValueError(f"zero-size array to reduction operation {name} which has no identity")
        kept = tuple(1 if k in axes else n for k, n in enumerate(x.shape))
        y = Traced(name, (x,), kept, function(numpy.ones(1, x.dtype)).dtype, axes=axes)
        return y if keepdims else reshape(y, tuple(n for k, n in enumerate(kept) if k not in axes))

    return emit


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum over count."""
    count = math.prod(x.shape[a] for a in _axes(axis, x.ndim))
    return NAMESPACE.true_divide(NAMESPACE.sum(x, axis=axis, keepdims=keepdims), count)


def reshape(x: Any, shape: Any) -> Any:
    """Elements in order in another shape."""
    if not isinstance(x, Traced):
        return numpy.reshape(x, shape)
    target = numpy.lib.stride_tricks.as_strided(numpy.empty(1, bool), x.shape, (0,) * x.ndim).reshape(shape)
    return x if target.shape == x.shape else Traced("reshape", (x,), target.shape, x.dtype)


def transpose(x: Any, axes: Any = None) -> Any:
    """Axes permuted."""
    if not isinstance(x, Traced):
        return numpy.transpose(x, axes)
    order = tuple(range(x.ndim))[::-1] if axes is None else tuple(a % x.ndim for a in axes)
    if sorted(order) != list(range(x.ndim)):
        raise ValueError("axes don't match array")
    if order == tuple(range(x.ndim)):
        return x
    if x.function == "transpose":  # two in a row are one
        return transpose(x.inputs[0], tuple(x.settings["axes"][k] for k in order))
    return Traced("transpose", (x,), tuple(x.shape[k] for k in order), x.dtype, axes=order)


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    order = list(range(x.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(x, tuple(order))


def expand_dims(x: Any, axis: Any) -> Any:
    """New axes of length 1."""
    if not isinstance(x, Traced):
        return numpy.expand_dims(x, axis)
    count = len(axis) if isinstance(axis, tuple) else 1
    new = _axes(axis, x.ndim + count)
    rest = iter(x.shape)
    return reshape(x, tuple(1 if k in new else next(rest) for k in range(x.ndim + count)))


def squeeze(x: Any, axis: Any = None) -> Any:
    """Axes of length 1 removed."""
    return reshape(x, numpy.squeeze(numpy.empty(x.shape, bool), axis).shape)


def broadcast_to(x: Any, shape: Any) -> Any:
    """x repeated along new axes and axes of length 1."""
    if not isinstance(x, Traced):
        return numpy.broadcast_to(x, shape)
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if numpy.broadcast_shapes(x.shape, shape) != shape:
        raise ValueError(f"cannot broadcast {x.shape} to {shape}")
    return x if shape == x.shape else Traced("broadcast", (x,), shape, x.dtype)


def matmul(a: Any, b: Any) -> Any:
    """The product of two matrices, or of each pair in two stacks of them; `compose.product` brings all else to it."""
    dtype = numpy.result_type(a.dtype, b.dtype)
    return Traced("matmul", (a.astype(dtype), b.astype(dtype)), (*a.shape[:-1], b.shape[-1]), dtype)


def _picked(indices: Any, axis: int, shape: tuple[int, ...]) -> Any:
    """Where along an axis an index array points, as a mask; an index out of range ends the program."""
    if indices.shape[axis] != 1:
        raise UnsupportedError(f"picking several elements along an axis has no compiled form yet. ({user_line()})")
    n = shape[axis]
    places = counted((n,) + (1,) * (len(shape) - axis % len(shape) - 1), numpy.int32)
    indices = astype(lifted(indices), numpy.int64)
    inside(indices, axis, n)
    return places == astype(NAMESPACE.where(indices < 0, indices + n, indices), numpy.int32)


def must_hold(valid: Any, message: str, error: type[Exception] = IndexingError) -> None:
    """What is looked at when the program runs, which ends if any of it is not true."""
    if mode.capture is not None and isinstance(valid, Traced):
        mode.capture.check(valid, message, error)


def inside(indices: Any, axis: int, n: int) -> Any:
    """Whether indices that are computed are those of an axis, which must hold."""
    valid = NAMESPACE.logical_and(NAMESPACE.greater_equal(indices, -n), NAMESPACE.less(indices, n))
    must_hold(valid, f"an index is out of bounds for axis {axis}, of size {n}.")
    return valid


def counted(shape: tuple[int, ...], dtype: Any = numpy.int64) -> Any:
    """0, 1, 2, … along the first axis."""
    return Traced("count", (), shape, dtype)


def take_along_axis(x: Any, indices: Any, axis: int) -> Any:
    """The element that an index picks along an axis, as a masked sum."""
    return NAMESPACE.sum(NAMESPACE.where(_picked(indices, axis, x.shape), x, 0), axis=axis, keepdims=True)


def put_along(g: Any, indices: Any, axis: int, shape: tuple[int, ...]) -> Any:
    """Zeros but where an index points along an axis."""
    return NAMESPACE.where(_picked(indices, axis, shape), g, 0)


def _like(fill: int) -> Callable[..., Any]:
    def emit(x: Any, dtype: Any = None) -> Any:
        return broadcast_to(constant(fill, dtype or x.dtype), x.shape)

    return emit


def astype(x: Any, dtype: Any) -> Any:
    """The same values in another dtype."""
    if not isinstance(x, Traced):
        return numpy.asarray(x).astype(dtype)
    return x if numpy.dtype(dtype) == x.dtype else Traced("cast", (x,), x.shape, dtype)


NAMESPACE: Any = ModuleType("trace", "NumPy's names, giving instructions instead of values.")
NAMESPACE.__dict__.update({k: v for k, v in vars(np).items() if not k.startswith("__")})
for _name in elementwise_names():
    setattr(NAMESPACE, _name, _elementwise(_name, getattr(np, _name)))
for _name in REDUCTIONS:
    setattr(NAMESPACE, _name, _reduction(_name))
NAMESPACE.__dict__.update(
    mean=mean, reshape=reshape, transpose=transpose, swapaxes=swapaxes, expand_dims=expand_dims, squeeze=squeeze,
    broadcast_to=broadcast_to, matmul=matmul, take_along_axis=take_along_axis, put_along=put_along, zeros_like=_like(0),
    ones_like=_like(1), astype=astype,
)  # fmt: skip


def _operator(name: str, turned: bool = False) -> Callable[..., Any]:
    """A method that is the function of a name in the namespace; with a Tensor, the Tensor's."""

    def method(*operands: Any) -> Any:
        if len(operands) == 2 and isinstance(operands[1], Tensor):
            return NotImplemented
        return getattr(NAMESPACE, name)(*(operands[::-1] if turned else operands))

    return method


for _python, _name in {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "pow": "power", "mod": "remainder",
    "floordiv": "floor_divide", "and": "bitwise_and", "or": "bitwise_or", "matmul": "matmul",
}.items():  # fmt: skip
    setattr(Traced, f"__{_python}__", _operator(_name))
    setattr(Traced, f"__r{_python}__", _operator(_name, turned=True))
for _python, _name in {
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal",
    "neg": "negative", "abs": "absolute", "invert": "invert", "getitem": "getitem",
}.items():  # fmt: skip
    setattr(Traced, f"__{_python}__", _operator(_name))
Traced.__hash__ = object.__hash__  # type: ignore[method-assign]
