"""Convolution layers, and their transposes."""

from __future__ import annotations

from math import prod, sqrt
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, user_line
from nn import functional as F
from nn import init
from nn.functional.convolution import convolution
from nn.functional.spatial import border, numbers, reach, whole
from nn.module import Module, Parameter

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "Fold", "Unfold"]

MODES = ("zeros", "reflect", "replicate", "circular")


class _Convolution(Module):
    """What all convolutions hold. Weight and bias start as U(−1/√f, 1/√f), f = weight.shape[1]·K…, as in PyTorch."""

    axes = 0
    transposed = False
    bias: Parameter | None
    padding: Any

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
                 groups: int, bias: bool, padding_mode: str, dtype: Any, generator: Any):  # fmt: skip
        name, d = type(self).__name__, self.axes
        self.in_channels = whole(name, "in_channels", in_channels, 1)
        self.out_channels, self.groups = whole(name, "out_channels", out_channels, 1), whole(name, "groups", groups, 1)
        if in_channels % groups or out_channels % groups:
            raise ArgumentError(
                f"{name}: groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}. "
                f"({user_line()})"
            )
        if padding_mode not in MODES[: 1 if self.transposed else None]:
            raise ArgumentError(
                f"{name}: padding_mode must be {' or '.join(map(repr, MODES[: 1 if self.transposed else None]))}, "
                f"got {padding_mode!r}. ({user_line()})"
            )
        self.kernel_size, self.stride = numbers(name, "kernel_size", kernel_size, d, 1), numbers(name, "stride", stride, d, 1)
        self.dilation, self.padding_mode = numbers(name, "dilation", dilation, d, 1), padding_mode
        if not self.transposed:
            border(name, padding, self.kernel_size, self.stride, self.dilation)
        self.padding = padding if isinstance(padding, str) else numbers(name, "padding", padding, d, 0)
        channels = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        dtype = ag.get_default_dtype() if dtype is None else dtype
        self.weight = Parameter(np.zeros((*channels, *self.kernel_size), dtype), dtype=dtype)
        self.bias = Parameter(np.zeros(out_channels, dtype), dtype=dtype) if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Any = None) -> None:
        """Draw weight and bias anew."""
        bound = 1 / sqrt(prod(self.weight.shape[1:]))
        init.uniform_(self.weight, -bound, bound, generator)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound, generator)

    def forward(self, x: Any) -> ag.Tensor:
        if self.padding_mode == "zeros":
            function = (F.conv1d, F.conv2d, F.conv3d)[self.axes - 1]
            return function(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        return convolution(type(self).__name__, self.axes, x, self.weight, self.bias, self.stride, self.padding, self.dilation,
                           self.groups, self.padding_mode)  # fmt: skip

    def extra_repr(self) -> str:
        d, given = self.axes, [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        usually: dict[str, Any] = {"padding": (0,) * d, "dilation": (1,) * d, "output_padding": (0,) * d, "groups": 1}
        for what, usual in usually.items():
            value = getattr(self, what, usual)
            given += [f"{what}={value!r}"] if value != usual else []
        given += ["bias=False"] if self.bias is None else []
        return ", ".join([*given, f"padding_mode={self.padding_mode}"] if self.padding_mode != "zeros" else given)


class Conv1d(_Convolution):
    """`functional.conv1d` with learned kernels: weight (out, in/groups, K), bias (out,).

    Shape: (N, in_channels, L) → (N, out_channels, L'). Weight and bias start as U(−1/√f, 1/√f), f = in/groups·K, as in
    PyTorch. padding_mode is what the border is made of: "zeros", or x itself: "reflect" (mirrored), "replicate" (its last
    element), "circular" (from the other end).

    >>> Conv1d(2, 3, 5, padding=2)(ag.Tensor([[[0.0] * 8] * 2])).shape
    (1, 3, 8)
    """

    axes = 1

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros", dtype: Any = None,
                 generator: Any = None):  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, dtype,
                         generator)  # fmt: skip


class Conv2d(Conv1d):
    """`functional.conv2d` with learned kernels: weight (out, in/groups, KH, KW), bias (out,); settings as of `Conv1d`.

    Shape: (N, in_channels, H, W) → (N, out_channels, H', W').

    >>> Conv2d(1, 6, 5)
    Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))
    """

    axes = 2


class Conv3d(Conv1d):
    """`functional.conv3d` with learned kernels: weight (out, in/groups, KD, KH, KW), bias (out,); settings as of `Conv1d`.

    Shape: (N, in_channels, D, H, W) → (N, out_channels, D', H', W').

    >>> Conv3d(1, 2, 2)(ag.Tensor([[[[[0.0] * 4] * 4] * 4]])).shape
    (1, 2, 3, 3, 3)
    """

    axes = 3


class ConvTranspose1d(_Convolution):
    """`functional.conv_transpose1d` with learned kernels: weight (in, out/groups, K), bias (out,).

    Shape: (N, in_channels, L) → (N, out_channels, L'). Weight and bias start as U(−1/√f, 1/√f), f = out/groups·K, as in
    PyTorch. Called with output_size, it chooses output_padding so that the result is as long.

    >>> ConvTranspose1d(2, 3, 4, stride=2, padding=1)(ag.Tensor([[[0.0] * 8] * 2])).shape
    (1, 3, 16)
    """

    axes = 1
    transposed = True

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1, padding_mode: str = "zeros",
                 dtype: Any = None, generator: Any = None):  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, dtype,
                         generator)  # fmt: skip
        self.output_padding = numbers(type(self).__name__, "output_padding", output_padding, self.axes, 0)

    def forward(self, x: Any, output_size: Any = None) -> ag.Tensor:
        more = self.output_padding if output_size is None else self._to_reach(x, output_size)
        function = F.conv_transpose1d if self.axes == 1 else F.conv_transpose2d
        return function(x, self.weight, self.bias, self.stride, self.padding, more, self.groups, self.dilation)

    def _to_reach(self, x: Any, output_size: Any) -> tuple[int, ...]:
        """The output_padding that gives so long a result."""
        name, d = type(self).__name__, self.axes
        wanted = numbers(name, "output_size", tuple(output_size)[-d:], d, 1)
        shape = np.shape(x) if not isinstance(x, ag.Tensor) else x.shape
        ends = zip(shape[-d:], self.stride, self.padding, reach(self.kernel_size, self.dilation), strict=True)
        least = tuple((n - 1) * s - 2 * p + r for n, s, p, r in ends)
        more = tuple(w - m for w, m in zip(wanted, least, strict=True))
        if any(not 0 <= o < s for o, s in zip(more, self.stride, strict=True)):
            most = tuple(m + s - 1 for m, s in zip(least, self.stride, strict=True))
            raise ArgumentError(f"{name}: output_size {wanted} cannot be: it goes from {least} to {most}. ({user_line()})")
        return more


class ConvTranspose2d(ConvTranspose1d):
    """`functional.conv_transpose2d` with learned kernels: weight (in, out/groups, KH, KW), bias (out,).

    Shape: (N, in_channels, H, W) → (N, out_channels, H', W'). As `ConvTranspose1d` else.

    >>> ConvTranspose2d(4, 2, 2, stride=2)
    ConvTranspose2d(4, 2, kernel_size=(2, 2), stride=(2, 2))
    """

    axes = 2


class Unfold(Module):
    """`functional.unfold` as a layer: (N, C, H, W) → (N, C·KH·KW, L).

    >>> Unfold(2)(ag.Tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).tolist()
    [[[1.0], [2.0], [3.0], [4.0]]]
    """

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1):
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, x: Any) -> ag.Tensor:
        return F.unfold(x, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Unfold):
    """`functional.fold` as a layer: (N, C·KH·KW, L) → (N, C, *output_size).

    >>> Fold((2, 2), 2)(ag.Tensor([[[1.0], [2.0], [3.0], [4.0]]])).tolist()
    [[[[1.0, 2.0], [3.0, 4.0]]]]
    """

    def __init__(self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1):
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, x: Any) -> ag.Tensor:
        return F.fold(x, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, {super().extra_repr()}"
