"""Pooling layers."""

from __future__ import annotations

from typing import Any

import autograd as ag
from nn import functional as F
from nn.module import Module

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AvgPool1d", "AvgPool2d", "MaxPool1d",
    "MaxPool2d",
]  # fmt: skip


class MaxPool1d(Module):
    """`functional.max_pool1d` as a layer: (N, C, L) → (N, C, L'); with return_indices also where the largest stand.

    >>> MaxPool1d(2)(ag.Tensor([[[1.0, 3.0, 2.0, 0.0]]])).tolist()
    [[[3.0, 2.0]]]
    """

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, return_indices: bool = False,
                 ceil_mode: bool = False):  # fmt: skip
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation, self.return_indices, self.ceil_mode = padding, dilation, return_indices, ceil_mode

    def forward(self, x: Any) -> Any:
        return F.max_pool1d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool2d(MaxPool1d):
    """`functional.max_pool2d` as a layer: (N, C, H, W) → (N, C, H', W').

    >>> MaxPool2d(2)(ag.Tensor([[[[1.0, 3.0], [2.0, 0.0]]]])).tolist()
    [[[[3.0]]]]
    """

    def forward(self, x: Any) -> Any:
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices)


class AvgPool1d(Module):
    """`functional.avg_pool1d` as a layer: (N, C, L) → (N, C, L').

    >>> AvgPool1d(2)(ag.Tensor([[[1.0, 3.0, 2.0, 0.0]]])).tolist()
    [[[2.0, 1.0]]]
    """

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
                 count_include_pad: bool = True):  # fmt: skip
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, x: Any) -> ag.Tensor:
        return F.avg_pool1d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(AvgPool1d):
    """`functional.avg_pool2d` as a layer: (N, C, H, W) → (N, C, H', W').

    >>> AvgPool2d(2)(ag.Tensor([[[[1.0, 3.0], [2.0, 0.0]]]])).tolist()
    [[[[1.5]]]]
    """

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
                 count_include_pad: bool = True, divisor_override: int | None = None):  # fmt: skip
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override

    def forward(self, x: Any) -> ag.Tensor:
        settings = self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad, self.divisor_override
        return F.avg_pool2d(x, *settings)


class _Adaptive(Module):
    def __init__(self, output_size: Any):
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_Adaptive):
    """`functional.adaptive_avg_pool1d` as a layer: (N, C, L) → (N, C, output_size); 1 is the global average.

    >>> AdaptiveAvgPool1d(1)(ag.Tensor([[[1.0, 2.0, 6.0]]])).tolist()
    [[[3.0]]]
    """

    def forward(self, x: Any) -> ag.Tensor:
        return F.adaptive_avg_pool1d(x, self.output_size)


class AdaptiveAvgPool2d(_Adaptive):
    """`functional.adaptive_avg_pool2d` as a layer: (N, C, H, W) → (N, C, *output_size); 1 is the global average.

    >>> AdaptiveAvgPool2d(1)(ag.Tensor([[[[1.0, 3.0], [2.0, 0.0]]]])).tolist()
    [[[[1.5]]]]
    """

    def forward(self, x: Any) -> ag.Tensor:
        return F.adaptive_avg_pool2d(x, self.output_size)


class AdaptiveMaxPool1d(_Adaptive):
    """`functional.adaptive_max_pool1d` as a layer: (N, C, L) → (N, C, output_size).

    >>> AdaptiveMaxPool1d(1)(ag.Tensor([[[1.0, 2.0, 6.0]]])).tolist()
    [[[6.0]]]
    """

    def __init__(self, output_size: Any, return_indices: bool = False):
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, x: Any) -> Any:
        return F.adaptive_max_pool1d(x, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(AdaptiveMaxPool1d):
    """`functional.adaptive_max_pool2d` as a layer: (N, C, H, W) → (N, C, *output_size).

    >>> AdaptiveMaxPool2d(1)(ag.Tensor([[[[1.0, 3.0], [2.0, 0.0]]]])).tolist()
    [[[[3.0]]]]
    """

    def forward(self, x: Any) -> Any:
        return F.adaptive_max_pool2d(x, self.output_size, self.return_indices)
