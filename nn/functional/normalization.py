"""Normalisation: statistics taken away, a learned scale put in their place."""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, ShapeError, user_line
from nn.functional.common import Tensor, as_tensor, like, not_below, positive

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"]


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
    eps = not_below("layer_norm", "eps", eps, 0)
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
    eps = float(np.finfo(x.dtype).eps) if eps is None else not_below("rms_norm", "eps", eps, 0)
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


# ---- over the batch, over groups of channels -------------------------------------------------------------------------


def batch_norm(x: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
               training: bool = False, momentum: Any = 0.1, eps: float = 1e-5) -> Tensor:  # fmt: skip
    """Batch normalisation, y = (x − μ)/√(σ² + ε) · weight + bias, with mean μ and variance σ² of each channel.

    In training μ and σ² (over n) are those of the batch, and the running values, where given, move towards them, in place:
    r ← (1 − momentum)·r + momentum·(μ, or σ² over n − 1). Otherwise the running values are used. When to use: between a
    layer and its activation, in deep networks and convolutional ones, which then train at higher rates; limit: small
    batches, whose statistics are rough (`group_norm` and `layer_norm` need none). Sources: Ioffe, Szegedy 2015, "Batch
    normalization"; course notes, *Explain batch normalization*.

    Shape: x (N, C, …), the others (C,) → that of x. Errors: ShapeError where a length is not C; ArgumentError in training
    with one value a channel, whose variance is no estimate, or without running values outside of training.

    >>> batch_norm(ag.Tensor([[1.0], [3.0]]), training=True).data.round(3).tolist()
    [[-1.0], [1.0]]
    """
    x = _channelled("batch_norm", x, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    eps = positive("batch_norm", "eps", eps)
    axes, shape = (0, *range(2, x.ndim)), (1, -1) + (1,) * (x.ndim - 2)
    if not training:
        if running_mean is None or running_var is None:
            raise ArgumentError(
                f"batch_norm: outside of training the running mean and variance are used, and they were not given. "
                f"({user_line()})"
            )
        mean, var = (ag.reshape(like(v, x), shape) for v in (running_mean, running_var))
        return _affine((x - mean) * (1 / ag.sqrt(var + eps)), weight, bias, shape)
    _movable("batch_norm", momentum, running_mean=running_mean, running_var=running_var)
    n = x.size // max(x.shape[1], 1)
    if n == 1:
        raise ArgumentError(
            f"batch_norm: in training there must be more than one value for each channel, and an input of shape {x.shape} has "
            f"one. Use a larger batch, or model.eval(). ({user_line()})"
        )
    mean = ag.mean(x, axis=axes, keepdims=True)
    centred = x - mean
    var = ag.mean(centred * centred, axis=axes, keepdims=True)
    y = _affine(centred * (1 / ag.sqrt(var + eps)), weight, bias, shape)
    if n:
        _move(running_mean, mean, momentum)
        _move(running_var, var * (n / (n - 1)), momentum)
    return y


def instance_norm(x: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
                  use_input_stats: bool = True, momentum: Any = 0.1, eps: float = 1e-5) -> Tensor:  # fmt: skip
    """Instance normalisation: as `batch_norm`, with the mean and variance of each channel of each sample by itself.

    Running values, where given, move towards the mean of the samples' values, and are used where `use_input_stats` is False.
    Shape: x (N, C, L…) → the same. Source: Ulyanov, Vedaldi, Lempitsky 2016, "Instance normalization".

    >>> instance_norm(ag.Tensor([[[1.0, 3.0]], [[0.0, 10.0]]])).data.round(3).tolist()
    [[[-1.0, 1.0]], [[-1.0, 1.0]]]
    """
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, eps=eps)
    x = _channelled("instance_norm", x, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    _movable("instance_norm", momentum, running_mean=running_mean, running_var=running_var)
    axes, shape, n = tuple(range(2, x.ndim)), (1, -1) + (1,) * (x.ndim - 2), int(np.prod(x.shape[2:]))
    if n == 1:
        raise ArgumentError(
            f"instance_norm: there must be more than one value for each channel of a sample, and an input of shape {x.shape} "
            f"has one. ({user_line()})"
        )
    mean = ag.mean(x, axis=axes, keepdims=True)
    centred = x - mean
    var = ag.mean(centred * centred, axis=axes, keepdims=True)
    y = _affine(centred * (1 / ag.sqrt(var + positive("instance_norm", "eps", eps))), weight, bias, shape)
    if x.size:
        _move(running_mean, ag.mean(mean, axis=0), momentum)
        _move(running_var, ag.mean(var, axis=0) * (n / (n - 1)), momentum)
    return y


def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """Group normalisation: channels are taken together in groups, and each group of each sample is normalised; then the factor
    and shift of each channel, y = (x − μ)/√(σ² + ε) · weight + bias.

    One group is `layer_norm` over all of a sample, C groups are `instance_norm`. When to use: convolutional networks with small
    batches. Shape: x (N, C, …), weight and bias (C,) → that of x. Errors: ArgumentError where num_groups does not divide C.
    Source: Wu, He 2018, "Group normalization".

    >>> group_norm(ag.Tensor([[1.0, 3.0, 0.0, 10.0]]), 2).data.round(3).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    x = _channelled("group_norm", x, weight=weight, bias=bias)
    if isinstance(num_groups, bool) or not isinstance(num_groups, int) or num_groups < 1 or x.shape[1] % num_groups:
        raise ArgumentError(
            f"group_norm: num_groups must be a whole number that divides the {x.shape[1]} channels, got {num_groups!r}. "
            f"({user_line()})"
        )
    groups = ag.reshape(x, (x.shape[0], num_groups, x.size // max(x.shape[0] * num_groups, 1)))
    centred = groups - ag.mean(groups, axis=2, keepdims=True)
    scale = 1 / ag.sqrt(ag.mean(centred * centred, axis=2, keepdims=True) + positive("group_norm", "eps", eps))
    return _affine(ag.reshape(centred * scale, x.shape), weight, bias, (1, -1) + (1,) * (x.ndim - 2))


def _channelled(name: str, x: Any, **parts: Any) -> Tensor:
    """x as a Tensor with channels on axis 1, for each of which there is one of every part."""
    x = as_tensor(x)
    if x.ndim < 2:
        raise ShapeError(f"{name} takes an input of shape (N, C, …), got {x.shape}. ({user_line()})")
    for what, value in parts.items():
        got = value.shape if isinstance(value, Tensor) else np.shape(value)
        if value is not None and got != (x.shape[1],):
            raise ShapeError(
                f"{name}: {what} has shape {got}, and an input of shape {x.shape} has {x.shape[1]} channels, on axis 1. "
                f"({user_line()})"
            )
    return x


def _affine(y: Tensor, weight: Any, bias: Any, shape: tuple[int, ...]) -> Tensor:
    y = y if weight is None else y * ag.reshape(weight, shape)
    return y if bias is None else y + ag.reshape(bias, shape)


def _movable(name: str, momentum: Any, **running: Any) -> None:
    """Checks, before anything is written, of what running values are moved by, and that they can be."""
    if not isinstance(momentum, Tensor) and not 0 <= momentum <= 1:
        raise ArgumentError(f"{name}: momentum must be in [0, 1], got {momentum!r}. ({user_line()})")
    for what, value in running.items():
        if value is not None and not isinstance(value, Tensor):
            raise DTypeError(f"{name} writes into {what}: it must be a Tensor, got {type(value).__name__}. ({user_line()})")


def _move(running: Any, now: Tensor, momentum: Any) -> None:
    """Move a running value towards a new one, in place."""
    if running is not None:
        with ag.no_grad():
            running.copy_(running + momentum * (ag.reshape(now.detach(), running.shape) - running))
