"""Bounds on gradients, against steps that blow a network up (exploding gradients)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import reduce
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, user_line
from optim.settings import NOT_NEGATIVE, checked

__all__ = ["clip_grad_norm_", "clip_grad_value_"]


def clip_grad_norm_(parameters: ag.Tensor | Iterable[ag.Tensor], max_norm: float, norm_type: float = 2.0,
                    error_if_nonfinite: bool = False) -> ag.Tensor:  # fmt: skip
    """Scale all gradients by one factor, so that their norm, taken together, is at most ``max_norm``.

    factor = min(1, max_norm / (norm + 1e-6)), PyTorch's. The norm is computed without overflow. Where it is
    infinite or NaN no factor makes sense and the gradients stay as they are (PyTorch's would become 0 or
    NaN).

    Args:
        parameters: tensors; those without a gradient are left out.
        max_norm: ≥ 0.
        norm_type: p of the p-norm, > 0; ``math.inf`` for the largest magnitude.
        error_if_nonfinite: raise `ArgumentError` instead where the norm is infinite or NaN.

    Returns: the norm before, a 0-d tensor.

    >>> import autograd as ag, optim
    >>> w = ag.Tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> optim.clip_grad_norm_([w], max_norm=1.0).item()
    10.0
    >>> w.grad.data.round(4)
    array([0.6, 0.8], dtype=float32)
    """
    max_norm = checked("clip_grad_norm_", "max_norm", max_norm, NOT_NEGATIVE)
    if not norm_type > 0:
        raise ArgumentError(f"clip_grad_norm_: norm_type must be > 0, got {norm_type!r} ({user_line()})")
    having = _with_gradient(parameters)
    with ag.no_grad():
        sizes = [abs(g) for _, g in having if g.size]
        if not sizes:
            return ag.Tensor(0.0)
        largest: Any = reduce(np.maximum, [np.max(size) for size in sizes])
        norm: ag.Tensor = largest
        if norm_type != math.inf:
            unit = np.where(np.isfinite(largest) & (largest > 0), largest, np.ones_like(largest.detach()))
            powers = [np.sum((size / unit) ** norm_type) for size in sizes]
            norm = unit * reduce(np.add, powers) ** (1 / norm_type)
        if error_if_nonfinite and not math.isfinite(norm.item()):
            raise ArgumentError(f"clip_grad_norm_: the gradients have norm {norm.item()}; none was scaled. ({user_line()})")
        factor = np.where(np.isfinite(norm), np.minimum(max_norm / (norm + 1e-6), 1.0), 1.0)
        for p, g in having:
            p.grad = g * factor.astype(g.dtype)
    return norm


def clip_grad_value_(parameters: ag.Tensor | Iterable[ag.Tensor], clip_value: float) -> None:
    """Limit every number of every gradient to [−clip_value, clip_value].

    >>> import autograd as ag, optim
    >>> w = ag.Tensor([3.0, -0.1], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> optim.clip_grad_value_([w], 1.0)
    >>> w.grad
    Tensor([ 1. , -0.2])
    """
    bound = checked("clip_grad_value_", "clip_value", clip_value, NOT_NEGATIVE)
    having = _with_gradient(parameters)
    with ag.no_grad():
        for p, g in having:
            p.grad = np.minimum(np.maximum(g, -bound), bound)


def _with_gradient(parameters: ag.Tensor | Iterable[ag.Tensor]) -> list[tuple[ag.Tensor, Any]]:
    given = [parameters] if isinstance(parameters, ag.Tensor) else list(parameters)
    return [(p, p.grad) for p in given if p.grad is not None]
