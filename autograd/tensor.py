"""Tensor: a NumPy array that remembers how it was computed.

Only what a tensor *is* stands here. Its operators and methods come from the ops, by `autograd.apply.publish`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy

from autograd import tape
from autograd.errors import ArgumentError, DTypeError, GraphError, ShapeError, UnsupportedError, user_line, user_place
from autograd.instructions import native
from autograd.tape import Extra, Leaf, Node, writes

__all__ = ["Tensor", "from_numpy", "get_default_dtype", "set_default_dtype", "wrap"]

ndarray = numpy.ndarray
_default = numpy.dtype(numpy.float32)


def get_default_dtype() -> numpy.dtype[Any]:
    """The dtype that Python floats, and parameters of networks, become.

    >>> get_default_dtype()
    dtype('float32')
    """
    return _default


def set_default_dtype(dtype: Any) -> None:
    """Set the dtype of tensors made from Python floats; a float dtype."""
    global _default
    dtype = numpy.dtype(dtype)
    if dtype.kind != "f":
        raise DTypeError(f"the default dtype must be a float dtype, got {dtype}.")
    _default = dtype


def as_array(data: Any, dtype: Any = None) -> ndarray[Any, Any]:
    """What a user passed, as a new array of numbers; raises where values would be lost."""
    if isinstance(data, numpy.ma.MaskedArray):
        raise DTypeError("a masked array would lose its mask. Fill it first: a.filled(value).")
    if tape.mode.capture is not None and (isinstance(data, Tensor | ndarray) or hasattr(data, "__traced__")):
        return tape.mode.capture.copy(data, dtype)  # type: ignore[no-any-return]
    if isinstance(data, Tensor):
        data = data._data
    if isinstance(data, str | bytes | set | frozenset | dict | Iterator) or data is None or hasattr(data, "gi_frame"):
        raise DTypeError(f"cannot make a Tensor from {type(data).__name__}: pass numbers, a list or an array. ({user_line()})")
    python = not isinstance(data, ndarray | numpy.generic)
    try:
        array = numpy.array(_unwrapped(data) if python else data)
    except OverflowError as error:
        raise DTypeError(f"a number does not fit: {error}. ({user_line()})") from None
    except ValueError as error:
        raise ShapeError(f"{_ragged(data) or error} ({user_line()})") from None
    if array.dtype.kind not in "biufc":
        raise DTypeError(f"cannot make a Tensor of dtype {array.dtype} from {data!r:.60}: pass numbers. ({user_line()})")
    target = numpy.dtype(dtype) if dtype is not None else _default if python and array.dtype == numpy.float64 else array.dtype
    if target.kind not in "biufc":
        raise DTypeError(f"a Tensor holds numbers, and not {target}: pass a dtype of numbers. ({user_line()})")
    target = native(target)
    if array.dtype.kind == "c" and target.kind != "c":
        raise DTypeError(f"a complex array does not fit in {target}: its imaginary part would be lost. Take a.real first.")
    array = array if array.dtype == target and array.dtype.isnative else array.astype(target)
    return array if tape.mode.capture is None else tape.mode.capture.copy(array, None)


def _unwrapped(data: Any) -> Any:
    if isinstance(data, list | tuple):
        return [_unwrapped(d) for d in data]
    return data._concrete("making a Tensor of a list of tensors") if isinstance(data, Tensor) else data


def _ragged(data: Any, axis: int = 0) -> str | None:
    """Where a nested list stops being rectangular, in words."""
    if not isinstance(data, list | tuple) or not data:
        return None
    lengths = [len(d) if isinstance(d, list | tuple | ndarray) else -1 for d in data]
    for k, n in enumerate(lengths):
        if n != lengths[0]:
            have = ["a number" if m < 0 else f"length {m}" for m in (lengths[0], n)]
            return f"ragged list: along axis {axis + 1}, element 0 has {have[0]} and element {k} has {have[1]}."
    return next((r for d in data if (r := _ragged(d, axis + 1))), None)


class Tensor:
    """An array whose computations are recorded, so that `backward` can differentiate through them.

    Args:
        data: numbers, nested lists, an array or a Tensor; copied. Python floats become the default dtype (float32).
        requires_grad: whether gradients with respect to it are wanted; float or complex dtypes only.
        dtype: the dtype to convert to.
        name: a name for messages and pictures.

    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    Tensor([2., 4., 6.])
    """

    __slots__ = ("_data", "_node", "_name", "_grad", "_view", "_views", "__weakref__")
    __array_priority__ = 1000.0
    __hash__: ClassVar[Any] = object.__hash__

    _data: Any
    _node: Node | None
    _view: Any
    _views: Any

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None, name: str | None = None):
        self._data = as_array(data, dtype)
        self._node = None
        if requires_grad:
            self.requires_grad = True
        if name is not None:
            self.name = name

    if TYPE_CHECKING:  # operators and methods that the ops bring along
        def __getattr__(self, name: str) -> Any: ...
        def __add__(self, other: Any) -> Tensor: ...
        __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__
        __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __mod__ = __floordiv__ = __add__
        __lt__ = __le__ = __gt__ = __ge__ = __and__ = __or__ = __add__
        def __neg__(self) -> Tensor: ...
        __abs__ = __invert__ = __neg__
        def __getitem__(self, index: Any) -> Tensor: ...

    @staticmethod
    def _wrap(array: Any, node: Node | None = None) -> Tensor:
        out: Tensor = object.__new__(Tensor)
        out._data = array
        out._node = node
        return out

    # ---- what it holds --------------------------------------------------------------------------------------------

    @property
    def data(self) -> Any:
        """The array itself, shared. Assigning replaces it and counts as a write. Not to be read while `jit` records."""
        if tape.mode.capture is not None and type(self._data) is ndarray:
            raise GraphError(
                "reading .data while a step is being recorded would freeze the values of the moment into the program. Compute "
                f"with the tensor itself, or read before the jitted call. ({user_line()})"
            )
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        if isinstance(self._node, Node) and not isinstance(self._node, Leaf):
            raise GraphError("assigning .data of a computed tensor would disconnect it from its graph. Use a new tensor.")
        array = value._data if isinstance(value, Tensor) else numpy.asarray(value, dtype=self._data.dtype)
        if tape.mode.capture is not None:
            raise UnsupportedError(f"assigning .data has no compiled form: write into it, t.copy_(value). ({user_line()})")
        writes.note(self._data, user_place())
        if isinstance(self._node, Leaf):
            self._node.data, self._node.shape, self._node.dtype = array, array.shape, array.dtype
        self._data = array

    @property
    def node(self) -> Node | None:
        """The node of the tape that made this tensor; None when no gradient is recorded."""
        return self._node

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if wanted and self._node is None:
            if self._data.dtype.kind not in "fc":
                raise DTypeError(
                    f"only float and complex tensors can require a gradient, this one is {self._data.dtype}. "
                    f"Write 1.0 instead of 1, or pass dtype=float. ({user_line()})"
                )
            self._node = Leaf(self._data)
            name = getattr(self, "_name", None)
            if name is not None:
                self.name = name
        elif not wanted and self._node is not None:
            if not isinstance(self._node, Leaf):
                raise GraphError("requires_grad of a computed tensor cannot be turned off: use detach().")
            self._name, self._node = self._node.name, None

    def requires_grad_(self, wanted: bool = True) -> Tensor:
        """Set `requires_grad` and return the tensor itself."""
        self.requires_grad = wanted
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user, not by a recorded operation."""
        return self._node is None or isinstance(self._node, Leaf)

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient of a leaf, or of a tensor that was told to `retain_grad`."""
        node = self._node
        if tape.mode.capture is not None:
            if node is None:
                self._grad = getattr(self, "_grad", None)
                return tape.mode.capture.read(self, "_grad")  # type: ignore[no-any-return]
            return tape.mode.capture.read(node if isinstance(node, Leaf) else self._extra(), "grad")  # type: ignore[no-any-return]
        if isinstance(node, Leaf):
            return node.grad
        return node.extra.grad if node is not None and node.extra is not None else getattr(self, "_grad", None)

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            value = value if isinstance(value, Tensor) else Tensor(value, dtype=self._data.dtype)
            if value.shape != self.shape or value.dtype != self.dtype:
                raise ShapeError(
                    f"a gradient of shape {value.shape} and dtype {value.dtype} does not belong to a tensor of shape "
                    f"{self.shape} and dtype {self.dtype}."
                )
        node = self._node
        holder: Any = node if isinstance(node, Leaf) else self._extra() if node is not None else self
        name = "_grad" if holder is self else "grad"
        if tape.mode.capture is not None:
            tape.mode.capture.assign(holder, name, value)
        else:
            setattr(holder, name, value)

    @property
    def name(self) -> str | None:
        """A name for messages and pictures."""
        return self._node.name if self._node is not None else getattr(self, "_name", None)

    @name.setter
    def name(self, value: str | None) -> None:
        if value is not None and not isinstance(value, str):
            raise DTypeError(f"a name is a string, got {type(value).__name__}.")
        if self._node is not None:
            self._extra().name = value
        else:
            self._name = value

    def _extra(self) -> Extra:
        node = self._node
        if node is None:
            raise GraphError("this tensor does not require a gradient: create it with requires_grad=True.")
        if node.extra is None:
            node.extra = Extra()
        return node.extra

    @property
    def dtype(self) -> numpy.dtype[Any]:
        """Its NumPy dtype."""
        return self._data.dtype  # type: ignore[no-any-return]

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self._data.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """The number of its axes."""
        return self._data.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """The number of its elements."""
        return self._data.size  # type: ignore[no-any-return]

    @property
    def version(self) -> int:
        """How often its storage was written in place; views share it."""
        return writes.version(self._data)

    # ---- gradients --------------------------------------------------------------------------------------------------

    def backward(self, gradient: Any = None, retain_graph: bool = False, create_graph: bool = False) -> None:
        """Add d(self)/d(leaf) to the ``.grad`` of every leaf that this tensor was computed from.

        Args:
            gradient: the seed, of this tensor's shape; may be left out for a scalar.
            retain_graph: keep what the graph saved, so that backward can run through it again.
            create_graph: record the backward pass itself, for derivatives of derivatives.
        """
        tape.backward(self, gradient, retain_graph=retain_graph, create_graph=create_graph)

    def retain_grad(self) -> None:
        """Keep the gradient of this computed tensor in ``.grad`` when backward passes it."""
        self._extra().retain = True

    def register_hook(self, hook: Callable[[Tensor], Any]) -> HookHandle:
        """Call ``hook(gradient)`` when backward has this tensor's gradient; what it returns, if anything, replaces it."""
        extra = self._extra()
        handle = HookHandle(extra.hooks)
        extra.hooks[handle.key] = hook
        return handle

    def detach(self) -> Tensor:
        """The same values without a graph; shares the array."""
        return Tensor._wrap(self._data)

    # ---- out of the graph -------------------------------------------------------------------------------------------

    def numpy(self) -> ndarray[Any, Any]:
        """The array; read-only while the tensor is part of a graph, so that saved values cannot change unseen."""
        array = self._concrete("numpy()")
        if self._node is None:
            return array
        view = array.view()
        view.flags.writeable = False
        return view

    def _concrete(self, what: str) -> ndarray[Any, Any]:
        if not isinstance(self._data, ndarray):
            raise self._data.concretised(what)
        if tape.mode.capture is not None:
            tape.mode.capture.reading(self, what)
        return self._data

    def item(self) -> Any:
        """The one element, as a Python number."""
        array = self._concrete("item()")
        if array.size != 1:
            raise ArgumentError(f"only a tensor with one element is a number; this one has shape {self.shape}. ({user_line()})")
        return array.item()

    def tolist(self) -> Any:
        """Its values as nested lists of Python numbers."""
        return self._concrete("tolist()").tolist()

    def _number(self, what: str) -> Any:
        if self._node is not None:
            raise GraphError(
                f"{what} of a tensor that requires a gradient would silently cut the graph. Use t.item() for the "
                f"number, t.detach() for the values. ({user_line()})"
            )
        return self.item()

    def __bool__(self) -> bool:
        array = self._concrete("bool()")
        if array.size != 1:
            raise ArgumentError(
                f"the truth of a tensor of shape {self.shape} is ambiguous. Use (t > 0).any() or .all(). ({user_line()})"
            )
        return bool(array)

    def __float__(self) -> float:
        return float(self._number("float()"))

    def __int__(self) -> int:
        return int(self._number("int()"))

    def __complex__(self) -> complex:
        return complex(self._number("complex()"))

    def __index__(self) -> int:
        value = self._number("an index")
        if self._data.dtype.kind not in "iu":
            raise DTypeError(f"only an integer tensor is an index; this one is {self.dtype}.")
        return int(value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray[Any, Any]:
        if self._node is not None:
            raise GraphError(
                "turning a tensor that requires a gradient into an array would silently cut the graph. Use t.numpy() "
                f"or t.detach() for its values, or the np.f(t) functions on the tensor itself, such as np.stack for np.array. "
                f"({user_line()})"
            )
        array = self._concrete("an array")
        return numpy.array(array, dtype=dtype) if copy or dtype not in (None, array.dtype) else array

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        from autograd.protocol import ufunc_call

        return ufunc_call(ufunc, method, inputs, settings)

    def __array_function__(self, function: Any, types: Any, args: Any, settings: Any) -> Any:
        from autograd.protocol import function_call

        return function_call(function, args, settings)

    # ---- in place -----------------------------------------------------------------------------------------------------

    def __setitem__(self, index: Any, value: Any) -> None:
        from autograd.inplace import assign

        assign(self, index, value)

    def copy_(self, value: Any) -> Tensor:
        """Write values into the same array; differentiable when it is recorded."""
        from autograd.inplace import assign

        assign(self, ..., value)
        return self

    # ---- as a Python object -------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        if not self.shape:
            raise DTypeError("len() of a 0-d tensor.")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise DTypeError("iteration over a 0-d tensor.")
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        if not isinstance(self._data, ndarray):
            return f"Tensor(<recorded {self.dtype}{list(self.shape)}>)"
        with numpy.printoptions(threshold=100, edgeitems=3, precision=5, suppress=False):
            body = numpy.array2string(self._data, separator=", ", prefix="Tensor(")
        notes = []
        if self._data.dtype != _default and self._data.dtype.kind not in "bi" or self.size == 0:
            notes.append(f"dtype={self.dtype}")
        if self.size == 0 or self.size > 100:
            notes.append(f"shape={self.shape}")
        if self._node is not None:
            op = self._node.op
            notes.append(f"op={op.name}" if op else "requires_grad=True")
        if self.name:
            notes.append(f"name={self.name[:60]!r}")
        return f"Tensor({', '.join([body, *notes])})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.size == 1 else format(repr(self), spec)

    def __copy__(self) -> Tensor:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        cls, arguments = self.__reduce__()
        out: Tensor = cls(*arguments)
        memo[id(self)] = out
        return out

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise GraphError("a tensor inside a graph cannot be copied or pickled. Detach it first: t.detach().")
        return type(self), (self._data, self.requires_grad, self._data.dtype, self.name)

    @property
    def T(self) -> Tensor:
        """The transpose: axes reversed."""
        return self.transpose()  # type: ignore[no-any-return]

    def astype(self, dtype: Any) -> Tensor:
        """The same values in another dtype; differentiable between float dtypes."""
        target = numpy.dtype(dtype)
        if self.dtype.kind == "c" and target.kind != "c":
            raise DTypeError(f"as {target}, a complex tensor would lose its imaginary part. Take .real first. ({user_line()})")
        return self.cast(dtype=target)  # type: ignore[no-any-return]

    def to_source(self) -> Any:
        """The graph that computed this tensor as a program for NumPy alone; see `autograd.viz.source`."""
        from autograd.viz.source import to_source

        return to_source(self)

    def to_latex(self) -> str:
        """The expression that computed this tensor, as LaTeX."""
        from autograd.viz.latex import to_latex

        return to_latex(self)

    def _repr_html_(self) -> str | None:
        if not isinstance(self._data, ndarray) or not self.is_leaf:
            return None  # a computed tensor shows its graph
        from autograd.viz.table import card

        return card(self)

    def _repr_svg_(self) -> str | None:
        if self._node is None or isinstance(self._node, Leaf):
            return None
        from autograd.viz import draw

        return draw(self)._repr_svg_()


class HookHandle:
    """Takes a hook off again."""

    def __init__(self, hooks: dict[int, Any]):
        self._hooks, self.key = hooks, tape.tick()

    def remove(self) -> None:
        """Remove the hook; a second call does nothing."""
        self._hooks.pop(self.key, None)


wrap = Tensor._wrap


def from_numpy(array: ndarray[Any, Any]) -> Tensor:
    """A Tensor that shares the array's memory: a write to one is seen by the other.

    >>> a = numpy.zeros(2)
    >>> t = from_numpy(a)
    >>> a[0] = 1.0
    >>> t
    Tensor([1., 0.], dtype=float64)
    """
    if not isinstance(array, ndarray) or array.dtype.kind not in "biufc":
        raise UnsupportedError(f"from_numpy takes an array of numbers, got {type(array).__name__}.")
    if isinstance(array, numpy.ma.MaskedArray):
        raise DTypeError("a masked array would lose its mask. Fill it first: a.filled(value).")
    return Tensor._wrap(array.view(ndarray) if array.dtype.isnative else array.astype(native(array.dtype)))
