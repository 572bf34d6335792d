"""This library with the whole step under `autograd.jit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engines import wengert

import autograd as ag

jit = ag.jit  # an AttributeError here says that this engine is not there
version = wengert.version


def mlp_small() -> Callable[[], Any]:
    return wengert.mlp_small(jit)


def mlp_digits() -> Callable[[], Any]:
    return wengert.mlp_digits(jit)
