"""Modules that hold modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from autograd.errors import DTypeError, IndexingError
from nn.module import Module

__all__ = ["ModuleList", "Sequential"]


class ModuleList(Module):
    """A list of modules, whose parameters are found; it has no forward of its own.

    >>> import nn
    >>> len(ModuleList([nn.Linear(2, 2), nn.Linear(2, 1)]))
    2
    """

    def __init__(self, modules: Iterable[Module] = ()):
        self.extend(modules)

    def _items(self) -> list[tuple[str, Module]]:
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]

    def append(self, module: Module) -> ModuleList:
        """Add a module at the end."""
        if not isinstance(module, Module):
            raise DTypeError(
                f"{type(self).__name__} holds modules, and item {len(self)} is {type(module).__name__}: {module!r:.60}. "
                "Put a plain function into a Module's forward()."
            )
        setattr(self, str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> ModuleList:
        """Add modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def __len__(self) -> int:
        return len(self._items())

    def __iter__(self) -> Iterator[Module]:
        return iter([module for _, module in self._items()])

    def __getitem__(self, index: int | slice) -> Any:
        modules = [module for _, module in self._items()]
        if isinstance(index, slice):
            return type(self)(modules[index]) if type(self) is ModuleList else Sequential(*modules[index])
        if not -len(modules) <= index < len(modules):
            raise IndexingError(f"{type(self).__name__} has {len(modules)} modules, and no number {index}.")
        return modules[index]


class Sequential(ModuleList):
    """Modules applied one after the other; numbered, or named by a dict.

    >>> import nn
    >>> nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): Tanh()
      (2): Linear(in_features=3, out_features=1, bias=True)
    )
    """

    def __init__(self, *modules: Any):
        if len(modules) == 1 and isinstance(modules[0], dict):
            for name, module in modules[0].items():
                self.register_module(name, module)
        else:
            self.extend(modules)

    def forward(self, x: Any) -> Any:
        for module in vars(self).values():
            if isinstance(module, Module):
                x = module(x)
        return x
