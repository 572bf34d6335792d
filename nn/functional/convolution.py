"""Convolution, its transpose, and the windows that they are made of.

A convolution is a matrix product: the windows of x, each laid out as a column, times the kernels as rows. The transposed
one is the transpose of that: what the product gives is added up where the windows lie.
"""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

from math import prod
from typing import Any

import autograd as ag
from autograd.errors import ArgumentError, ShapeError, user_line
from nn.functional.common import Tensor, as_tensor
from nn.functional.spatial import LONG, Lengths, batched, border, bordered, numbers, reach, whole

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "fold", "unfold"]


@ag.accelerated("x", "weight", "bias", long=LONG)
def conv1d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1) -> Tensor:  # fmt: skip
    """Convolution of signals, y[n, o, i] = b[o] + Σ_c Σ_k W[o, c, k] x[n, c, i·stride + k·dilation − padding].

    As in all of deep learning the kernel is not turned round: mathematics calls it cross-correlation.

    Shape: x (N, C, L) or (C, L), weight (O, C/groups, K), bias (O,) → (N, O, L') or (O, L'), with
    L' = ⌊(L + 2·padding − dilation·(K − 1) − 1)/stride⌋ + 1.

    Args:
        padding: zeros on either side; "valid" none; "same" as many as keep L (stride 1 only), the odd one behind.
        groups: into how many parts the channels are divided, each with kernels of its own; C makes it depthwise.

    For what matters is near in time, and may happen at any time. Limits: it sees no further than its windows reach; stack
    or dilate them. Source: LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to document recognition".

    Errors: ShapeError where channels do not match, or a kernel is longer than the padded x; ArgumentError for a stride or
    dilation below 1, a negative padding, groups that do not divide the channels.

    >>> conv1d(ag.Tensor([[[1.0, 2.0, 4.0]]]), ag.Tensor([[[-1.0, 1.0]]])).tolist()
    [[[1.0, 2.0]]]
    """
    return convolution("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


@ag.accelerated("x", "weight", "bias", long=LONG)
def conv2d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1) -> Tensor:  # fmt: skip
    """Convolution of images; as `conv1d`, over two axes.

    Shape: x (N, C, H, W) or (C, H, W), weight (O, C/groups, KH, KW), bias (O,) → (N, O, H', W'). Every setting may be one
    number or (vertical, horizontal).

    >>> conv2d(ag.Tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), ag.Tensor([[[[1.0, 0.0], [0.0, 1.0]]]])).tolist()
    [[[[5.0]]]]
    """
    return convolution("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


@ag.accelerated("x", "weight", "bias", long=LONG)
def conv3d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1) -> Tensor:  # fmt: skip
    """Convolution of volumes; as `conv1d`, over three axes.

    Shape: x (N, C, D, H, W) or (C, D, H, W), weight (O, C/groups, KD, KH, KW), bias (O,) → (N, O, D', H', W').

    >>> import numpy as np
    >>> conv3d(np.ones((1, 1, 3, 3, 3)), np.ones((1, 1, 3, 3, 3))).item()
    27.0
    """
    return convolution("conv3d", 3, x, weight, bias, stride, padding, dilation, groups)


@ag.accelerated("x", "weight", "bias", long=LONG)
def conv_transpose1d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
                     groups: int = 1, dilation: Any = 1) -> Tensor:  # fmt: skip
    """Transposed convolution, y[n, o, i·stride + k·dilation − padding] += Σ_c W[c, o, k] x[n, c, i], and bias b[o] everywhere.

    What backward does to the input of `conv1d` with the same settings: it makes signals longer, stride times about.

    Shape: x (N, C, L) or (C, L), weight (C, O/groups, K), bias (O,) → (N, O, L') or (O, L'), with
    L' = (L − 1)·stride − 2·padding + dilation·(K − 1) + output_padding + 1.

    Args:
        padding: what is cut off on either side.
        output_padding: what is added behind, since several lengths come from one length by a stride.

    For decoders and for drawing what a network sees. Limits: where stride does not divide K, some places get more terms
    than others, which shows as a checkerboard. Source: Zeiler, Krishnan, Taylor, Fergus 2010, "Deconvolutional networks".

    Errors: as `conv1d`; ArgumentError where output_padding is not below stride or dilation, ShapeError where padding leaves
    nothing.

    >>> conv_transpose1d(ag.Tensor([[[1.0, 2.0]]]), ag.Tensor([[[1.0, 10.0]]]), stride=2).tolist()
    [[[1.0, 10.0, 2.0, 20.0]]]
    """
    return transposed("conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding, groups, dilation)


@ag.accelerated("x", "weight", "bias", long=LONG)
def conv_transpose2d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
                     groups: int = 1, dilation: Any = 1) -> Tensor:  # fmt: skip
    """Transposed convolution of images; as `conv_transpose1d`, over two axes.

    Shape: x (N, C, H, W) or (C, H, W), weight (C, O/groups, KH, KW), bias (O,) → (N, O, H', W').

    >>> import numpy as np
    >>> conv_transpose2d(np.ones((1, 1, 1, 1)), np.ones((1, 1, 2, 2))).tolist()
    [[[[1.0, 1.0], [1.0, 1.0]]]]
    """
    return transposed("conv_transpose2d", 2, x, weight, bias, stride, padding, output_padding, groups, dilation)


@ag.accelerated("x", "weight", "bias", long=LONG)
def conv_transpose3d(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
                     groups: int = 1, dilation: Any = 1) -> Tensor:  # fmt: skip
    """Transposed convolution of volumes; as `conv_transpose1d`, over three axes.

    Shape: x (N, C, D, H, W) or (C, D, H, W), weight (C, O/groups, KD, KH, KW), bias (O,) → (N, O, D', H', W').

    >>> import numpy as np
    >>> conv_transpose3d(np.ones((1, 1, 1, 1, 1)), np.ones((1, 1, 1, 1, 2)), stride=(1, 1, 2)).tolist()
    [[[[[1.0, 1.0]]]]]
    """
    return transposed("conv_transpose3d", 3, x, weight, bias, stride, padding, output_padding, groups, dilation)


def unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The windows of images as columns: what a convolution multiplies.

    Shape: x (N, C, H, W) or (C, H, W) → (N, C·KH·KW, L) or (C·KH·KW, L), L = H'·W' windows, as of `conv2d`.

    Errors: as `conv2d`.

    >>> unfold(ag.Tensor([[[1.0, 2.0, 3.0]]]), (1, 2)).tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    x, alone = batched("unfold", x, 2)
    size, stride, dilation = (
        numbers("unfold", what, v, 2, 1)
        for what, v in (("kernel_size", kernel_size), ("stride", stride), ("dilation", dilation))
    )
    x = bordered(x, tuple((n, n) for n in numbers("unfold", "padding", padding, 2, 0)))
    fits("unfold", x.shape[2:], size, dilation)
    y = ag.windows(x, size, stride, dilation)
    y = y.reshape((x.shape[0], x.shape[1] * prod(size), prod(y.shape[4:])))
    return y[0] if alone else y


def fold(x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """Columns added up as windows of images: the transpose of `unfold`.

    Shape: x (N, C·KH·KW, L) or (C·KH·KW, L) → (N, C, *output_size) or (C, *output_size).

    Errors: ShapeError where the columns are not those of an image of output_size; else as `conv2d`.

    >>> fold(ag.Tensor([[1.0, 2.0], [2.0, 3.0]]), (1, 3), (1, 2)).tolist()
    [[[1.0, 4.0, 3.0]]]
    """
    x = as_tensor(x)
    if x.ndim not in (2, 3):
        raise ShapeError(f"fold takes x of shape (N, C·KH·KW, L) or (C·KH·KW, L), got {x.shape}. ({user_line()})")
    if x.ndim == 2:
        return fold(x.reshape((1, *x.shape)), output_size, kernel_size, dilation, padding, stride)[0]
    given = (("output_size", output_size), ("kernel_size", kernel_size), ("stride", stride), ("dilation", dilation))
    lengths, size, stride, dilation = (numbers("fold", what, v, 2, 1) for what, v in given)
    padding = numbers("fold", "padding", padding, 2, 0)
    full = tuple(n + 2 * p for n, p in zip(lengths, padding, strict=True))
    fits("fold", full, size, dilation)
    counts = tuple((n - r) // s + 1 for n, r, s in zip(full, reach(size, dilation), stride, strict=True))
    if x.shape[1] % prod(size) or x.shape[2] != prod(counts):
        raise ShapeError(
            f"fold: x has shape {x.shape}; for output_size {lengths} and kernel_size {size} its second axis must be a multiple "
            f"of {prod(size)}, and its last {prod(counts)} (windows: {counts}). ({user_line()})"
        )
    y = x.reshape((x.shape[0], x.shape[1] // prod(size), *size, *counts))
    return cropped(ag.overlap_add(y, (*y.shape[:2], *full), stride, dilation), padding)


def convolution(name: str, axes: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any,
                groups: int, mode: str = "zeros") -> Tensor:  # fmt: skip
    """`conv1d` and its kin over so many axes, with a border of zeros or another."""
    x, alone = batched(name, x, axes)
    weight = kernels(name, weight, axes)
    size, stride = weight.shape[2:], numbers(name, "stride", stride, axes, 1)
    dilation = numbers(name, "dilation", dilation, axes, 1)
    groups = divides(name, groups, x.shape[1], weight.shape[0])
    if x.shape[1] != weight.shape[1] * groups:
        raise ShapeError(
            f"{name}: x of shape {x.shape} has {x.shape[1]} channels, and weight of shape {weight.shape} with groups={groups} "
            f"takes {weight.shape[1] * groups}. ({user_line()})"
        )
    x = bordered(x, border(name, padding, size, stride, dilation), mode)
    fits(name, x.shape[2:], size, dilation)
    y = products(ag.windows(x, size, stride, dilation), weight, groups)
    y = shifted_by(name, y, bias)
    return y.reshape(y.shape[1:]) if alone else y


def products(windows: Tensor, weight: Tensor, groups: int) -> Tensor:
    """Kernels (O, C/groups, K…) times windows (N, C, K…, L…): (N, O, L…)."""
    (out, inner, *size), d, n = weight.shape, weight.ndim - 2, windows.shape[0]
    counts, depth = windows.shape[2 + d :], inner * prod(size)
    if groups == 1:  # one product for each sample: what it reads is still in the cache
        y = weight.reshape((out, depth)) @ windows.reshape((n, depth, prod(counts)))
    else:
        y = weight.reshape((groups, out // groups, depth)) @ windows.reshape((n, groups, depth, prod(counts)))
    return y.reshape((n, out, *counts))


def transposed(name: str, axes: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any,
               groups: int, dilation: Any) -> Tensor:  # fmt: skip
    """`conv_transpose1d` and its kin over so many axes."""
    x, alone = batched(name, x, axes)
    weight = kernels(name, weight, axes)
    size, stride = weight.shape[2:], numbers(name, "stride", stride, axes, 1)
    dilation, padding = numbers(name, "dilation", dilation, axes, 1), numbers(name, "padding", padding, axes, 0)
    more = numbers(name, "output_padding", output_padding, axes, 0)
    if any(o >= max(s, m) for o, s, m in zip(more, stride, dilation, strict=True)):
        raise ArgumentError(
            f"{name}: output_padding {more} must be below stride {stride} or dilation {dilation}, along each axis. "
            f"({user_line()})"
        )
    groups = divides(name, groups, x.shape[1], weight.shape[1] * whole(name, "groups", groups, 1))
    if x.shape[1] != weight.shape[0]:
        raise ShapeError(
            f"{name}: x of shape {x.shape} has {x.shape[1]} channels, and weight of shape {weight.shape} takes "
            f"{weight.shape[0]}. ({user_line()})"
        )
    ends = zip(x.shape[2:], stride, reach(size, dilation), more, strict=True)
    full = tuple((n - 1) * s + r + o for n, s, r, o in ends)
    if any(f - 2 * p < 1 for f, p in zip(full, padding, strict=True)) or 0 in x.shape[2:]:
        raise ShapeError(
            f"{name}: x of shape {x.shape} with kernels of size {size}, stride {stride} and dilation {dilation} gives {full} "
            f"elements, of which padding {padding} on either side leaves none. ({user_line()})"
        )
    y = cropped(spread(x, weight, groups, full, stride, dilation), padding)
    y = shifted_by(name, y, bias)
    return y.reshape(y.shape[1:]) if alone else y


def spread(x: Tensor, weight: Tensor, groups: int, full: Lengths, stride: Lengths, dilation: Lengths) -> Tensor:
    """Each element of x (N, C, L…) times the kernels (C, O/groups, K…), added up: (N, O, *full)."""
    (c, out, *size), (n, _, *counts) = weight.shape, x.shape
    inner, outer = c // groups, out * prod(size)
    if groups == 1:
        y = weight.reshape((c, outer)).T @ x.reshape((n, c, prod(counts)))
    else:
        y = weight.reshape((groups, inner, outer)).swapaxes(1, 2) @ x.reshape((n, groups, inner, prod(counts)))
    y = y.reshape((n, groups * out, *size, *counts))
    return ag.overlap_add(y, (n, groups * out, *full), stride, dilation)


def cropped(y: Tensor, padding: Lengths) -> Tensor:
    """The last axes without so many elements at either end."""
    if not any(padding):
        return y
    inside = tuple(slice(p, n - p) for n, p in zip(y.shape[y.ndim - len(padding) :], padding, strict=True))
    return y[(..., *inside)]


# ---- checks ------------------------------------------------------------------------------------------------------------


def kernels(name: str, weight: Any, axes: int) -> Tensor:
    """The weight, of the right rank and not empty."""
    weight = as_tensor(weight)
    if weight.ndim != axes + 2 or 0 in weight.shape[2:]:
        raise ShapeError(
            f"{name} takes weight with {axes + 2} axes (two of channels, then the kernel, of at least one element), "
            f"got shape {weight.shape}. ({user_line()})"
        )
    return weight


def divides(name: str, groups: Any, *channels: int) -> int:
    """groups, if it divides the channels."""
    groups = whole(name, "groups", groups, 1)
    if any(c % groups for c in channels):
        raise ArgumentError(
            f"{name}: groups={groups} must divide the channels in and out, {channels[0]} and {channels[1]}. ({user_line()})"
        )
    return groups


def fits(name: str, lengths: Lengths, size: Lengths, dilation: Lengths) -> None:
    """That a window is no longer than what it slides over."""
    if any(r > n for r, n in zip(reach(size, dilation), lengths, strict=True)):
        raise ShapeError(
            f"{name}: a kernel of size {size} with dilation {dilation} reaches over {reach(size, dilation)} elements, and x "
            f"has {lengths}, its padding included. Pad more, or take a smaller kernel. ({user_line()})"
        )


def shifted_by(name: str, y: Tensor, bias: Any) -> Tensor:
    """y (N, O, …) plus bias (O,)."""
    if bias is None:
        return y
    bias = as_tensor(bias)
    if bias.shape != (y.shape[1],):
        raise ShapeError(f"{name}: bias has shape {bias.shape}; it must be ({y.shape[1]},): channels out. ({user_line()})")
    return y + bias.reshape((-1, *(1,) * (y.ndim - 2)))
