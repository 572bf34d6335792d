"""micrograd: scalars only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import valuenet
from micrograd.engine import Value


def version() -> str:
    from importlib.metadata import version

    return version("micrograd")


def value() -> Callable[[], Any]:
    return valuenet.demo(Value)
