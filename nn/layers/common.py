"""Checks of the sizes that layers are made with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autograd.errors import ArgumentError, user_line

__all__ = ["size", "sizes"]


def sizes(name: str, value: int | Sequence[int]) -> tuple[int, ...]:
    return tuple(size(name, v) for v in (value if isinstance(value, tuple | list) else (value,)))


def size(name: str, value: int) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 0:
        raise ArgumentError(f"{name} must be a whole number, at least 0, got {value!r}. ({user_line()})")
    return int(value)
