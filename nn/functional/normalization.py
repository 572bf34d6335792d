"""Normalisation: statistics taken away, a learned scale put in their place."""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ShapeError, user_line
from nn.functional.common import Tensor, as_tensor

__all__ = ["layer_norm", "rms_norm"]


@ag.accelerated("x", "weight", "bias")
def layer_norm(x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """Layer normalisation, y = (x − μ)/√(σ² + ε) · weight + bias, with mean μ and variance σ² (over n) of each sample.

    Shape: x (…, *normalized_shape), weight and bias normalized_shape → that of x. The statistics are over the last axes, which
    normalized_shape gives. Source: Ba, Kiros, Hinton 2016, "Layer normalization".

    Errors: ShapeError where x does not end in normalized_shape, or weight or bias has another shape.

    >>> layer_norm(ag.Tensor([[1.0, 3.0], [0.0, 10.0]]), (2,)).data.round(3).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """
    x, axes = _normalised("layer_norm", x, normalized_shape, weight=weight, bias=bias)
    centred = x - ag.mean(x, axis=axes, keepdims=True)
    y = centred * (1 / ag.sqrt(ag.mean(centred * centred, axis=axes, keepdims=True) + eps))
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


@ag.accelerated("x", "weight")
def rms_norm(x: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Tensor:
    """Root mean square normalisation, y = x/√(mean x² + ε) · weight, over the last axes; ε is the dtype's, if not given.

    Shape and errors as for `layer_norm`. Source: Zhang, Sennrich 2019, "Root mean square layer normalization".

    >>> rms_norm(ag.Tensor([[3.0, 4.0]]), (2,)).data.round(4).tolist() == [[np.float32(0.8485), np.float32(1.1314)]]
    True
    """
    x, axes = _normalised("rms_norm", x, normalized_shape, weight=weight)
    eps = float(np.finfo(x.dtype).eps) if eps is None else eps
    y = x * (1 / ag.sqrt(ag.mean(x * x, axis=axes, keepdims=True) + eps))
    return y if weight is None else y * weight


def _normalised(name: str, x: Any, shape: Any, **factors: Any) -> tuple[Tensor, tuple[int, ...]]:
    """x as a Tensor, and the axes to normalise over; all checked."""
    x = as_tensor(x)
    shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ShapeError(f"{name}: the last axes of x, of shape {x.shape}, must be normalized_shape, {shape}. ({user_line()})")
    for what, value in factors.items():
        got = shape if value is None else value.shape if isinstance(value, Tensor) else np.shape(value)
        if got != shape:
            raise ShapeError(f"{name}: {what} has shape {got}; it must be normalized_shape, {shape}. ({user_line()})")
    return x, tuple(range(-len(shape), 0))
