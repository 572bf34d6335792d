"""What a recording took for granted about the Python around it, and whether it still holds.

The names that a function's code mentions are looked up where the function finds them: in its closure, in its module, in
its defaults. Numbers, strings, booleans and None compare by value, everything else by identity; of an object reached
that way, so do those attributes that the code mentions, and the ``training`` flag of every module below it. Functions
written by the user that are reached are looked at in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from autograd.errors import is_internal

__all__ = ["Guards"]

PLAIN = (bool, int, float, str, type(None))
MISSING = object()


def same(old: Any, new: Any) -> bool:
    """Whether a value is what it was: plain ones by value (and NaN is NaN), others by identity."""
    if old is new:
        return True
    return type(old) is type(new) and isinstance(old, PLAIN) and (old == new or old != old and new != new)


class Guards:
    """The values that a function reaches, taken down once; `hold` looks whether they are unchanged."""

    def __init__(self, function: Any):
        self._names: list[tuple[dict[str, Any], str, Any]] = []
        self._cells: list[tuple[Any, Any]] = []
        self._attributes: list[tuple[Any, str, Any]] = []
        self._seen: set[int] = set()
        self._keep: list[Any] = []
        self._function(function)
        del self._seen

    def hold(self) -> bool:
        """Whether everything is as it was."""
        for scope, name, old in self._names:
            new = scope.get(name, MISSING)
            if new is not old and not same(old, new):
                return False
        for cell, old in self._cells:
            if cell.cell_contents is not old and not same(old, cell.cell_contents):
                return False
        for holder, name, old in self._attributes:
            new = getattr(holder, name, MISSING)
            if new is not old and not same(old, new):
                return False
        return True

    def _function(self, function: Any) -> None:
        if isinstance(function, MethodType):
            self._object(function.__self__, set(function.__func__.__code__.co_names))
            function = function.__func__
        if not isinstance(function, FunctionType) or id(function) in self._seen or is_internal(function.__code__.co_filename):
            return
        self._seen.add(id(function))
        names = set(mentioned(function.__code__))
        scope = function.__globals__
        for name in names & scope.keys():
            self._names.append((scope, name, scope[name]))
            self._value(scope[name], names)
        for cell in function.__closure__ or ():
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            self._cells.append((cell, value))
            self._value(value, names)
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._value(value, names)
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            self._function(wrapped)

    def _value(self, value: Any, names: set[str]) -> None:
        if isinstance(value, FunctionType | MethodType):
            self._function(value)
        elif hasattr(value, "function") and hasattr(value, "_variants"):  # another jitted function
            self._function(value.function)
        elif not isinstance(value, (*PLAIN, ModuleType, type)):
            self._object(value, names)

    def _object(self, thing: Any, names: set[str]) -> None:
        if id(thing) in self._seen:
            return
        self._seen.add(id(thing))
        self._keep.append(thing)  # so that its id stays its own
        below: Any = getattr(thing, "modules", None) if hasattr(thing, "training") else None
        for holder in below() if callable(below) else (thing,):
            if hasattr(holder, "training"):
                self._attributes.append((holder, "training", holder.training))
        self._object_attributes(thing, names)
        for method in (getattr(type(thing), name, None) for name in ("forward", "__call__")):
            if isinstance(method, FunctionType) and not is_internal(method.__code__.co_filename):
                self._object_attributes(thing, set(mentioned(method.__code__)))
                self._function(method)

    def _object_attributes(self, thing: Any, names: set[str]) -> None:
        own: dict[str, Any] = getattr(thing, "__dict__", {})
        for name in sorted(names & own.keys() - {"training"}):
            self._attributes.append((thing, name, own[name]))


def mentioned(code: CodeType) -> Iterator[str]:
    """Every name that a code object uses, those of the functions inside it too."""
    yield from code.co_names
    yield from code.co_freevars
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from mentioned(constant)
