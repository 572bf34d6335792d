"""Layers that take statistics away, and put a learned scale in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, ShapeError, user_line
from nn import functional as F
from nn.layers.common import size, sizes
from nn.module import Module, Parameter

__all__ = [
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "LayerNorm",
    "RMSNorm",
]  # fmt: skip


class LayerNorm(Module):
    """`functional.layer_norm` over the last axes, with a learned factor and, with `bias`, a learned shift for each place.

    Shape: (…, *normalized_shape) → the same. weight starts at one, bias at zero, as in PyTorch.

    >>> LayerNorm(2)(ag.Tensor([[1.0, 3.0]])).data.round(3).tolist()
    [[-1.0, 1.0]]
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(self, normalized_shape: int | Sequence[int], eps: float = 1e-5, elementwise_affine: bool = True,
                 bias: bool = True, dtype: Any = None):  # fmt: skip
        self.normalized_shape, self.eps = sizes("normalized_shape", normalized_shape), eps
        dtype = ag.get_default_dtype() if dtype is None else dtype
        ones = np.ones(self.normalized_shape, dtype)
        self.weight = Parameter(ones, dtype=dtype) if elementwise_affine else None
        self.bias = Parameter(0 * ones, dtype=dtype) if elementwise_affine and bias else None

    def forward(self, x: Any) -> ag.Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps:g}, elementwise_affine={self.weight is not None}"


class RMSNorm(Module):
    """`functional.rms_norm` over the last axes, with a learned factor for each place.

    Shape: (…, *normalized_shape) → the same. weight starts at one, as in PyTorch.

    >>> RMSNorm(1)(ag.Tensor([[-3.0]])).tolist()
    [[-1.0]]
    """

    weight: Parameter | None

    def __init__(self, normalized_shape: int | Sequence[int], eps: float | None = None, elementwise_affine: bool = True,
                 dtype: Any = None):  # fmt: skip
        self.normalized_shape, self.eps = sizes("normalized_shape", normalized_shape), eps
        dtype = ag.get_default_dtype() if dtype is None else dtype
        self.weight = Parameter(np.ones(self.normalized_shape, dtype), dtype=dtype) if elementwise_affine else None

    def forward(self, x: Any) -> ag.Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.weight is not None}"


class _Running(Module):
    """What batch and instance normalisation hold: factor and shift of each channel, running mean and variance, and the number
    of batches that these come from, an int64."""

    ranks: tuple[int, ...] = ()
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self, num_features: int, eps: float, momentum: float | None, affine: bool, track_running_stats: bool, dtype: Any
    ):
        if momentum is not None and not 0 <= momentum <= 1:
            raise ArgumentError(
                f"{type(self).__name__}: momentum must be in [0, 1], or None, got {momentum!r}. ({user_line()})"
            )
        if not eps > 0:
            raise ArgumentError(f"{type(self).__name__}: eps must be above 0, got {eps!r}. ({user_line()})")
        self.num_features, self.eps, self.momentum = size("num_features", num_features), eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        dtype = ag.get_default_dtype() if dtype is None else dtype
        zeros = np.zeros(self.num_features, dtype)
        self.weight = Parameter(zeros + 1, dtype=dtype) if affine else None
        self.bias = Parameter(zeros, dtype=dtype) if affine else None
        tracked = track_running_stats
        self.register_buffer("running_mean", ag.Tensor(zeros) if tracked else None)
        self.register_buffer("running_var", ag.Tensor(zeros + 1) if tracked else None)
        self.register_buffer("num_batches_tracked", ag.Tensor(np.zeros((), np.int64)) if tracked else None)

    def _checked(self, x: Any) -> Any:
        shape = x.shape if isinstance(x, ag.Tensor) else np.shape(x)
        if len(shape) not in self.ranks or shape[1] != self.num_features:
            axes = {2: "", 3: ", L", 4: ", H, W", 5: ", D, H, W"}
            wanted = " or ".join(f"(N, {self.num_features}{axes[rank]})" for rank in self.ranks)
            raise ShapeError(f"{self!r} takes an input of shape {wanted}, got {shape}. ({user_line()})")
        return x

    def _share(self) -> Any:
        """How far running values move in this batch: `momentum`, or what makes them the mean over all batches."""
        if self.momentum is not None:
            return self.momentum
        return 1 / (self.num_batches_tracked + 1).astype(self.running_mean.dtype)

    def _count(self) -> None:
        with ag.no_grad():
            self.num_batches_tracked.copy_(self.num_batches_tracked + 1)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps:g}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_Running):
    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, dtype: Any = None):  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype)

    def forward(self, x: Any) -> ag.Tensor:
        x = self._checked(x)
        if not self.track_running_stats:
            return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)
        moved = self._share() if self.training else 0.0
        y = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.training, moved, self.eps)
        if self.training:
            self._count()
        return y


class BatchNorm1d(_BatchNorm):
    """`functional.batch_norm` of (N, C) or (N, C, L): by the batch in training, by running values in evaluation.

    Args:
        num_features: C.
        eps: ε, under the root.
        momentum: how far the running values move in a batch; None: they are the means over all batches.
        affine: whether each channel has a learned factor (weight, starts at one) and shift (bias, at zero).
        track_running_stats: whether there are running values; without them, evaluation uses the batch as well.

    Buffers running_mean, running_var and num_batches_tracked have PyTorch's names, and are saved.

    >>> layer = BatchNorm1d(2)
    >>> layer(ag.Tensor([[0.0, 1.0], [2.0, 5.0]])).data.round(2).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    >>> layer.running_mean.data.round(2).tolist() == [np.float32(0.1), np.float32(0.3)]
    True
    """

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """`BatchNorm1d` for pictures, (N, C, H, W).

    >>> BatchNorm2d(3)(ag.Tensor(np.zeros((2, 3, 4, 4)))).shape
    (2, 3, 4, 4)
    """

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """`BatchNorm1d` for volumes, (N, C, D, H, W)."""

    ranks = (5,)


class _InstanceNorm(_Running):
    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = False,
                 track_running_stats: bool = False, dtype: Any = None):  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype)

    def forward(self, x: Any) -> ag.Tensor:
        x = self._checked(x)
        moved = (self.momentum or 0.0) if self.training else 0.0  # as in PyTorch, which does not count batches here
        own = self.training or not self.track_running_stats
        return F.instance_norm(x, self.running_mean, self.running_var, self.weight, self.bias, own, moved, self.eps)


class InstanceNorm1d(_InstanceNorm):
    """`functional.instance_norm` of (N, C, L); arguments as for `BatchNorm1d`, whose learned and running values are off here.

    >>> InstanceNorm1d(1)(ag.Tensor([[[1.0, 3.0]]])).data.round(3).tolist()
    [[[-1.0, 1.0]]]
    """

    ranks = (3,)


class InstanceNorm2d(_InstanceNorm):
    """`InstanceNorm1d` for pictures, (N, C, H, W)."""

    ranks = (4,)


class InstanceNorm3d(_InstanceNorm):
    """`InstanceNorm1d` for volumes, (N, C, D, H, W)."""

    ranks = (5,)


class GroupNorm(Module):
    """`functional.group_norm`: channels in groups, with a learned factor and shift for each channel.

    Shape: (N, num_channels, …) → the same. weight starts at one, bias at zero, as in PyTorch.

    >>> GroupNorm(2, 4)(ag.Tensor([[1.0, 3.0, 0.0, 10.0]])).data.round(3).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, dtype: Any = None):
        self.num_groups, self.num_channels, self.eps = size("num_groups", num_groups), size("num_channels", num_channels), eps
        if not num_groups or num_channels % num_groups:
            raise ArgumentError(f"GroupNorm: num_groups={num_groups} must divide num_channels={num_channels}. ({user_line()})")
        dtype = ag.get_default_dtype() if dtype is None else dtype
        self.weight = Parameter(np.ones(num_channels, dtype), dtype=dtype) if affine else None
        self.bias = Parameter(np.zeros(num_channels, dtype), dtype=dtype) if affine else None

    def forward(self, x: Any) -> ag.Tensor:
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps:g}, affine={self.weight is not None}"
