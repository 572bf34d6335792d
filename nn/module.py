"""Module and Parameter: what a network is made of.

A module's parameters, buffers and children are ordinary attributes: what stands in ``vars(module)`` is what there is. All
walks over a tree of modules use a stack of their own, so that depth and cycles do no harm, and visit a module once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, GraphError

__all__ = ["Handle", "LoadReport", "Module", "Parameter", "concrete"]

MAX_LINES = 400  # of a repr


def concrete(x: Any) -> np.ndarray[Any, Any] | None:
    """The values of an array or Tensor; None while `jit` records, since another call may come with others, and inside vmap.

    >>> concrete(ag.Tensor([1.0]))
    array([1.], dtype=float32)
    """
    if ag.is_recording():
        return None
    try:
        data = x.data if isinstance(x, ag.Tensor) else x
    except GraphError:  # inside vmap: every example has its own
        return None
    return data if isinstance(data, np.ndarray) else None


class Parameter(ag.Tensor):
    """A tensor that a module learns: a leaf that requires a gradient.

    Numbers, lists and arrays become the default dtype (float32), so that a float64 array does not turn a whole network
    into float64; a Tensor or a complex array keeps its dtype, and `dtype` overrides both.

    >>> Parameter([1.0, 2.0])
    Parameter([1., 2.], requires_grad=True)
    >>> Parameter(np.zeros(2)).dtype
    dtype('float32')
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, dtype: Any = None, name: str | None = None):
        if dtype is None:
            kept = isinstance(data, ag.Tensor) or np.iscomplexobj(data)
            dtype = np.asarray(data.data if isinstance(data, ag.Tensor) else data).dtype if kept else ag.get_default_dtype()
        super().__init__(data, requires_grad=requires_grad, dtype=dtype, name=name)

    def __repr__(self) -> str:
        return "Parameter" + super().__repr__().removeprefix("Tensor")


class Handle:
    """Takes a hook off again."""

    def __init__(self, module: Module, kind: str, key: int):
        self._module, self._kind, self._key = module, kind, key

    def remove(self) -> None:
        """Remove the hook; a second call does nothing. With its last hook gone, a module has the attributes that it had."""
        attributes = vars(self._module)
        hooks = attributes.get(self._kind, {})
        hooks.pop(self._key, None)
        if not hooks:
            attributes.pop(self._kind, None)
        self._key = 0  # which no hook has


class LoadReport(NamedTuple):
    """The names that `load_state_dict(strict=False)` had no value for, and those that it had no place for."""

    missing: list[str]
    unexpected: list[str]


class Module:
    """The base of layers, losses and networks: parameters, buffers and child modules, as attributes.

    Subclasses set attributes in ``__init__`` and compute in `forward`. Anything of type `Parameter` or `Module` that is set
    as an attribute is found by itself; a running value that is saved but not learned is set by `register_buffer`.

    >>> class Affine(Module):
    ...     def __init__(self):
    ...         self.scale = Parameter([2.0])
    ...     def forward(self, x):
    ...         return x * self.scale
    >>> model = Affine()
    >>> model(ag.Tensor([1.0, 2.0])).numpy()
    array([2., 4.], dtype=float32)
    >>> [name for name, _ in model.named_parameters()]
    ['scale']
    """

    training: bool = True
    _buffers: Mapping[str, bool] = {}  # name -> whether it is saved; the values are attributes
    _before: Mapping[int, Callable[..., Any]] = {}
    _after: Mapping[int, Callable[..., Any]] = {}

    def forward(self, *args: Any, **settings: Any) -> Any:
        """What the module computes; every subclass says."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward(): say there what it computes.")

    def __call__(self, *args: Any, **settings: Any) -> Any:
        if not (self._before or self._after):
            return self.forward(*args, **settings)
        for before in list(self._before.values()):
            changed = before(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        output = self.forward(*args, **settings)
        for after in list(self._after.values()):
            changed = after(self, args, output)
            output = output if changed is None else changed
        return output

    # ---- what belongs to it ---------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter | Module):
            _check_name(self, name)
            if isinstance(value, Parameter) and value.name is None:
                value.name = name
        elif name in self._buffers and value is not None and not isinstance(value, ag.Tensor):
            value = ag.Tensor(value, dtype=getattr(vars(self).get(name), "dtype", None))
        object.__setattr__(self, name, value)

    def register_parameter(self, name: str, value: Parameter | None) -> None:
        """Add a parameter under a new name; None keeps the name for a parameter that this module does without."""
        if value is not None and not isinstance(value, Parameter):
            raise DTypeError(
                f"register_parameter({name!r}) takes a Parameter, got {type(value).__name__}: wrap it, nn.Parameter(x)."
            )
        _check_new(self, name)
        setattr(self, name, value)

    def register_module(self, name: str, value: Module) -> None:
        """Add a child module under a new name."""
        if not isinstance(value, Module):
            raise DTypeError(f"register_module({name!r}) takes a Module, got {type(value).__name__}.")
        _check_new(self, name)
        setattr(self, name, value)

    add_module = register_module

    def register_buffer(self, name: str, value: Any, persistent: bool = True) -> None:
        """Add a tensor that is not learned, such as a running mean; `persistent` ones are part of the state."""
        _check_new(self, name)
        self.__dict__["_buffers"] = {**self._buffers, name: persistent}
        setattr(self, name, value)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the modules directly below, each once."""
        seen: set[int] = set()
        for name, value in vars(self).items():
            if isinstance(value, Module) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def children(self) -> Iterator[Module]:
        """The modules directly below, each once."""
        return (module for _, module in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """(dotted name, module) of this module and all below it, parents first, each once under its first name."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            name, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield name, module
            start = name + "." if name else ""
            stack.extend((start + child, below) for child, below in reversed(list(module.named_children())))

    def modules(self) -> Iterator[Module]:
        """This module and all below it, parents first, each once."""
        return (module for _, module in self.named_modules())

    def _slots(self, prefix: str = "") -> Iterator[tuple[str, ag.Tensor, Module | None]]:
        """Every place that holds a parameter or buffer: (dotted name, tensor, None for a parameter, else the holder)."""
        for path, module in self.named_modules(prefix):
            start = path + "." if path else ""
            for name, value in vars(module).items():
                if isinstance(value, Parameter):
                    yield start + name, value, None
                elif name in module._buffers and value is not None:
                    yield start + name, value, module

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter), each parameter once: one that is shared has its first name."""
        seen: set[int] = set()
        for name, value, holder in self._slots(prefix):
            if holder is None and id(value) not in seen:
                seen.add(id(value))
                yield name, value  # type: ignore[misc]

    def parameters(self) -> Iterator[Parameter]:
        """All parameters, each once: what an optimizer is given."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, ag.Tensor]]:
        """(dotted name, buffer), each once."""
        seen: set[int] = set()
        for name, value, holder in self._slots(prefix):
            if holder is not None and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def buffers(self) -> Iterator[ag.Tensor]:
        """All buffers, each once."""
        return (buffer for _, buffer in self.named_buffers())

    def name_parameters(self) -> Self:
        """Name every parameter by its full dotted path, for pictures and messages."""
        for name, parameter in self.named_parameters():
            parameter.name = name
        return self

    # ---- its state ------------------------------------------------------------------------------------------------

    def _state(self) -> dict[str, ag.Tensor]:
        return {
            name: value for name, value, holder in self._slots() if holder is None or holder._buffers[name.rpartition(".")[2]]
        }

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Copies of all parameters and persistent buffers by dotted name; what `nn.save` writes.

        A tensor that is held in two places is listed under both names, as PyTorch does; a module that is, under its first.
        """
        return {name: np.array(value.data) for name, value in self._state().items()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> LoadReport:
        """Write values into the parameters and buffers, in place. Anything that does not fit is said in one error, and
        then nothing is loaded.

        Args:
            state: arrays or Tensors by dotted name, as from `state_dict` or `nn.load`.
            strict: whether missing and unexpected names are errors; shapes and dtypes always are.

        >>> import nn
        >>> nn.Linear(2, 1).load_state_dict({"weight": np.zeros((1, 3), np.float32)})
        Traceback (most recent call last):
        autograd.errors.ArgumentError: the state does not fit Linear, and nothing was loaded:
          missing: bias
          shape: weight is (1, 3) in the state and (1, 2) in the module
        ...
        """
        if not isinstance(state, Mapping):
            raise DTypeError(
                f"load_state_dict takes a dict of arrays by name, got {type(state).__name__}. Read a file by nn.load(path)."
            )
        here = self._state()
        given = {name: value.data if isinstance(value, ag.Tensor) else np.asarray(value) for name, value in state.items()}
        missing = [name for name in here if name not in given]
        unexpected = [name for name in given if name not in here and _at(self, name) is None]
        wrong = []
        if strict and missing:
            wrong.append(f"missing: {_listed(missing)}")
        if strict and unexpected:
            wrong.append(f"unexpected: {_listed(unexpected)}")
        pairs = [(n, t, given[n]) for n in given if (t := here.get(n) if n in here else _at(self, n)) is not None]
        wrong += [
            f"shape: {n} is {a.shape} in the state and {t.shape} in the module" for n, t, a in pairs if a.shape != t.shape
        ]
        wrong += [
            f"dtype: {n} is {a.dtype} in the state and {t.dtype} in the module" for n, t, a in pairs if a.dtype != t.dtype
        ]
        wrong += [f"read-only: the array of {n} cannot be written" for n, t, _ in pairs if not t.data.flags.writeable]
        if wrong:
            raise ArgumentError(
                f"the state does not fit {type(self).__name__}, and nothing was loaded:\n  " + "\n  ".join(wrong) + "\n"
                "Build the module with the sizes that the state was saved from (strict=False allows missing and unexpected "
                "names; model.to(dtype) changes the dtype)."
            )
        with ag.no_grad():
            for _, tensor, array in pairs:
                tensor.copy_(array)
        return LoadReport(missing, unexpected)

    def to(self, dtype: Any) -> Self:
        """Turn all float parameters and buffers into another float dtype, and drop their gradients."""
        wanted = np.dtype(dtype)
        if wanted.kind != "f":
            raise DTypeError(f"a module takes a float dtype, got {wanted}.")
        for _, value, _holder in self._slots():
            if value.dtype.kind == "f" and value.dtype != wanted:
                value.grad = None
                value.data = ag.Tensor(value.data, dtype=wanted)
        return self

    def float(self) -> Self:
        """`to(float32)`."""
        return self.to(np.float32)

    def double(self) -> Self:
        """`to(float64)`."""
        return self.to(np.float64)

    def train(self, mode: bool = True) -> Self:
        """Put this module and all below it into training mode; matters to dropout and batch normalisation."""
        for module in self.modules():
            object.__setattr__(module, "training", bool(mode))
        return self

    def eval(self) -> Self:
        """Put this module and all below it into evaluation mode."""
        return self.train(False)

    def requires_grad_(self, wanted: bool = True) -> Self:
        """Make all parameters require a gradient, or freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad = wanted
        return self

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to None."""
        for parameter in self.parameters():
            parameter.grad = None

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call a function on every module, children before their parents, as for initialising weights."""
        for module in reversed(list(self.modules())):
            function(module)
        return self

    # ---- watching it ----------------------------------------------------------------------------------------------

    def register_forward_pre_hook(self, hook: Callable[[Module, tuple[Any, ...]], Any]) -> Handle:
        """Call ``hook(module, args)`` before `forward`; what it returns, if anything, replaces the arguments."""
        return self._hook("_before", hook)

    def register_forward_hook(self, hook: Callable[[Module, tuple[Any, ...], Any], Any]) -> Handle:
        """Call ``hook(module, args, output)`` after `forward`; what it returns, if anything, replaces the output."""
        return self._hook("_after", hook)

    def _hook(self, kind: str, hook: Callable[..., Any]) -> Handle:
        hooks = self.__dict__.setdefault(kind, {})
        key = max(hooks, default=0) + 1
        hooks[key] = hook
        return Handle(self, kind, key)

    def extra_repr(self) -> str:
        """What stands between the parentheses of this module in a repr."""
        return ""

    def __repr__(self) -> str:
        lines: list[str] = []
        stack: list[tuple[str, str | None, Any]] = [("", None, self)]  # indent, name, module or a ready line
        open_: set[int] = set()
        while stack and len(lines) < MAX_LINES:
            indent, name, item = stack.pop()
            if isinstance(item, tuple):  # the closing parenthesis of a module
                open_.discard(item[0])
                lines.append(indent + ")")
                continue
            label = indent + (f"({name}): " if name is not None else "") + type(item).__name__
            below = [] if id(item) in open_ else list(item.named_children())
            if id(item) in open_:
                lines.append(label + "(…)  # contains itself")
            elif not below:
                lines.append(f"{label}({item.extra_repr()})")
            else:
                lines.append(label + "(" + item.extra_repr())
                open_.add(id(item))
                stack.append((indent, None, (id(item),)))
                stack.extend((indent[:80] + "  ", child, module) for child, module in reversed(below))
        return "\n".join(lines if not stack else [*lines, "…"])

    def _repr_html_(self) -> str:
        from nn.tree import tree

        return tree(self)

    def summary(self, input_shape: tuple[int, ...], dtype: Any = None) -> Any:
        """A table of all layers with output shapes, parameters and floating-point operations.

        Args:
            input_shape: the shape of an input, batch axis included.
            dtype: of the input; that of the parameters if left out.

        >>> import nn
        >>> nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).summary((1, 64))
        layer         output    parameters      FLOPs
        ---------------------------------------------
        Sequential    (1, 10)            0      4,810
          0: Linear   (1, 32)        2,080      4,128
          1: ReLU     (1, 32)            0         32
          2: Linear   (1, 10)          330        650
        ---------------------------------------------
        2,410 parameters, all trainable; 9.4 KiB; 4,810 FLOPs for an input of shape (1, 64)
        """
        from nn.summary import summarise

        return summarise(self, input_shape, dtype)


def _check_name(module: Module, name: str) -> None:
    if not isinstance(name, str) or not name or "." in name:
        raise ArgumentError(
            f"a parameter or module cannot be named {name!r}: names are joined by '.' in state_dict(), so they are not "
            "empty and hold no '.'. Choose another name."
        )
    taken = getattr(type(module), name, None)
    if taken is not None:
        raise ArgumentError(
            f"{name!r} is part of {type(module).__name__} itself ({type(taken).__name__}). Choose another name."
        )


def _check_new(module: Module, name: str) -> None:
    _check_name(module, name)
    if name in vars(module):
        raise ArgumentError(
            f"{type(module).__name__} already has an attribute {name!r}. Choose another name, or delete it first."
        )


def _at(module: Module, path: str) -> ag.Tensor | None:
    """The parameter or saved buffer at a dotted path, which may lead through a shared module by its second name."""
    *parents, name = path.split(".")
    holder: Any = module
    for step in parents:
        holder = vars(holder).get(step) if isinstance(holder, Module) else None
    if not isinstance(holder, Module):
        return None
    value = vars(holder).get(name)
    return value if isinstance(value, Parameter) or (isinstance(value, ag.Tensor) and holder._buffers.get(name)) else None


def _listed(names: list[str], most: int = 20) -> str:
    shown = ", ".join(n if n.isprintable() and n else repr(n) for n in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
