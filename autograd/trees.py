"""Nested lists, tuples and dictionaries: taken apart into a flat list of what they hold, and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from autograd.errors import ShapeError, user_line

__all__ = ["leaves", "map_tree", "matching", "rebuild"]


def leaves(tree: Any) -> list[Any]:
    """What the containers hold, in order.

    >>> leaves({"a": [1.0, 2.0], "b": (3.0,)})
    [1.0, 2.0, 3.0]
    """
    if isinstance(tree, dict):
        return [x for v in tree.values() for x in leaves(v)]
    if isinstance(tree, list | tuple):
        return [x for v in tree for x in leaves(v)]
    return [tree]


def map_tree(function: Callable[[Any], Any], tree: Any) -> Any:
    """The same nesting with the function applied to all that it holds.

    >>> map_tree(lambda x: 2 * x, {"a": [1, 2], "b": (3,)})
    {'a': [2, 4], 'b': (6,)}
    """
    return _rebuild(tree, map(function, leaves(tree)))


def rebuild(tree: Any, values: Sequence[Any]) -> Any:
    """The nesting of `tree` with other values in it, given in the order of `leaves`."""
    return _rebuild(tree, iter(values))


def _rebuild(tree: Any, values: Iterator[Any]) -> Any:
    if isinstance(tree, dict):
        return {k: _rebuild(v, values) for k, v in tree.items()}
    if isinstance(tree, list | tuple):
        items = [_rebuild(v, values) for v in tree]
        if isinstance(tree, tuple):
            return type(tree)(*items) if hasattr(tree, "_fields") else tuple(items)
        return items
    return next(values)


def matching(tree: Any, other: Any, what: str) -> list[Any]:
    """The leaves of `other`, which must be nested as `tree` is."""
    if _skeleton(tree) != _skeleton(other):
        raise ShapeError(f"{what} must be nested as {_skeleton(tree)}, got {_skeleton(other)}. ({user_line()})")
    if isinstance(tree, dict):
        return [x for k, v in tree.items() for x in matching(v, other[k], what)]
    if isinstance(tree, list | tuple):
        return [x for a, b in zip(tree, other, strict=True) for x in matching(a, b, what)]
    return [other]


def _skeleton(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {k: _skeleton(v) for k, v in sorted(tree.items(), key=lambda item: str(item[0]))}
    if isinstance(tree, list | tuple):
        return [_skeleton(v) for v in tree]
    return "*"
