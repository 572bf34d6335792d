"""This library with the whole step under `autograd.jit`."""

from __future__ import annotations

from typing import Any

import numba  # noqa: F401  what a first call costs is counted above `import autograd, numba`
from engines import wengert

import autograd as ag
from autograd.memory import let_go_of

let_go_of("libllvmlite")  # so that what importing it has touched is not counted as given back when the library lets go of it

SETTINGS = "the whole step in autograd.jit"
version = wengert.version


def mlp(**settings: Any) -> wengert.Pair:
    return wengert.mlp(**settings, wrap=ag.jit)


def network(**settings: Any) -> wengert.Pair:
    return wengert.network(**settings, wrap=ag.jit)


def chain(**settings: Any) -> wengert.Pair:
    return wengert.chain(**settings, wrap=ag.jit)


def gelu(**settings: Any) -> wengert.Pair:
    return wengert.gelu(**settings, wrap=ag.jit)


def softmax_ce(**settings: Any) -> wengert.Pair:
    return wengert.softmax_ce(**settings, wrap=ag.jit)


def layer_norm(**settings: Any) -> wengert.Pair:
    return wengert.layer_norm(**settings, wrap=ag.jit)


def scalar(**settings: Any) -> wengert.Pair:
    return wengert.scalar(**settings, wrap=ag.jit)
