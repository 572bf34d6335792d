"""What memory a recorded value lies in: views, and what a place holds after it was written.

An instruction is a value and never changes. The data of a Tensor, though, stands for a place in memory: after a write, that
Tensor and all others that look at the same memory have other values. So the instruction that a Tensor holds is taken as the
name of a place, and `now` gives the instruction that computes what is there by now. What shares memory is asked of NumPy, on
arrays that are laid out alike.
"""

from __future__ import annotations

from typing import Any

import numpy

from autograd.compiler.places import has_traced, written
from autograd.compiler.trace import NAMESPACE, Traced
from autograd.errors import ArgumentError, user_line
from autograd.rule import Op
from autograd.tape import writes

__all__ = ["Path", "Storage"]

Path = tuple[tuple[Any, dict[str, Any]], ...]
"""View ops with their settings: the way from an array to a view of it."""


class _View:
    """A way from a place to a part of it; and the value of that part for one value of the whole."""

    __slots__ = ("path", "root", "value", "whole")

    def __init__(self, root: Traced, path: Path, whole: Traced, value: Traced):
        self.root, self.path, self.whole, self.value = root, path, whole, value


class Storage:
    """The places of one recording."""

    def __init__(self) -> None:
        self._now: dict[float, Traced] = {}  # place -> its value by now; none for what was not written
        self._written: dict[float, Traced] = {}
        self._views: dict[float, _View] = {}
        self._layouts: dict[float, Any] = {}

    def lies(self, x: Traced, array: Any) -> None:
        """Enter that x is laid out as an array; rows one after the other are taken for granted otherwise."""
        self._layouts[x.tick] = array

    def _layout(self, x: Traced) -> Any:
        if x.tick not in self._layouts:
            self._layouts[x.tick] = numpy.empty(x.shape, bool)
        return self._layouts[x.tick]

    def _home(self, x: Traced) -> tuple[Traced, Path]:
        view = self._views.get(x.tick)
        return (view.root, view.path) if view is not None else (x, ())

    def root(self, x: Traced) -> Traced:
        """The whole array of which x names a part."""
        return self._home(x)[0]

    def now(self, x: Traced) -> Traced:
        """The value by now of the place that x names."""
        if not self._now:
            return x
        view = self._views.get(x.tick)
        if view is None:
            return self._now.get(x.tick, x)
        whole = self._now.get(view.root.tick, view.root)
        if whole is not view.whole:
            value: Any = whole
            for op, settings in view.path:
                value = op.forward(NAMESPACE)(value, **settings)
            view.whole, view.value = whole, value
        return view.value

    def share(self, base: Traced, op: Op, settings: dict[str, Any], y: Traced) -> bool:
        """Enter that y is a view of what base names, if NumPy makes one; whether it does."""
        index = settings.get("index")
        if has_traced(index):
            return False
        below = self._layout(base)
        there = op.forward()(below, **settings)
        if not isinstance(there, numpy.ndarray) or writes.owner(there) is not writes.owner(below):
            return False
        root, path = self._home(base)
        self._layouts[y.tick] = there
        self._views[y.tick] = _View(root, (*path, (op, settings)), self._now.get(root.tick, root), y)
        return True

    def lie_within(self, x: Traced, whole: Traced, path: Path) -> None:
        """Enter that x, which named a place of its own so far, is a part of another."""
        value = self._now.pop(x.tick, x)
        if value is not x:
            del self._written[x.tick]
            self._set(whole, written(self.now(whole), value, path, ...))
        for view in self._views.values():
            if view.root is x:
                view.root, view.path, view.whole = whole, (*path, *view.path), x
        self._views[x.tick] = _View(whole, path, whole if value is x else self.now(whole), value)

    def write(self, x: Traced, index: Any, value: Traced) -> None:
        """Write a value into the place that x names, at an index."""
        if not self._layout(x).flags.writeable:
            raise ArgumentError(f"the array of this tensor is read-only. Write to a copy: Tensor(t). ({user_line()})")
        root, path = self._home(x)
        old = self._now.get(root.tick, root)
        self._set(root, written(old, value.astype(old.dtype), path, index))

    def _set(self, root: Traced, value: Traced) -> None:
        self._now[root.tick], self._written[root.tick] = value, root

    def changed(self) -> list[tuple[Traced, Traced]]:
        """Every place that was written, with its last value."""
        return [(root, self._now[tick]) for tick, root in self._written.items()]
