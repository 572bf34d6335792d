"""Weights drawn from distributions of which the shape of the weight is all that counts."""

from __future__ import annotations

from functools import lru_cache
from math import prod, sqrt
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, ShapeError, user_line

__all__ = [
    "calculate_gain", "constant_", "dirac_", "eye_", "kaiming_normal_", "kaiming_uniform_", "lecun_normal_", "lecun_uniform_",
    "normal_", "ones_", "orthogonal_", "sparse_", "trunc_normal_", "uniform_",
    "variance_scaling_", "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip

Tensor = ag.Tensor
_GAINS = {
    "linear": 1.0, "identity": 1.0, "sigmoid": 1.0, "step": 1.0, "softmax": 1.0, "tanh": 5 / 3, "relu": sqrt(2.0),
    "selu": 3 / 4,
    **dict.fromkeys([f"conv{k}d" for k in (1, 2, 3)] + [f"conv_transpose{k}d" for k in (1, 2, 3)], 1.0),
}  # fmt: skip
_BY_INTEGRAL = (
    "celu", "elu", "gelu", "hardsigmoid", "hardswish", "hardtanh", "logsigmoid", "mish", "relu6", "silu", "softplus",
    "softsign",
    "swish", "tanhshrink",
)  # fmt: skip


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights before an activation are widened, so that its outputs keep their variance.

    relu √2, leaky_relu √(2/(1 + α²)) with `param` α = 0.01, tanh 5/3, selu 3/4, linear, convolutions, sigmoid 1: PyTorch's
    values. For the other activations of `nn.functional`, 1/√E f(z)² with normal z, by numerical integration.

    >>> calculate_gain("leaky_relu", 1.0), round(calculate_gain("gelu"), 3)
    (1.0, 1.534)
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else float(param)
        return sqrt(2 / (1 + slope * slope))
    if nonlinearity in _BY_INTEGRAL:
        return _integrated(nonlinearity)
    if nonlinearity not in _GAINS:
        known = ", ".join(sorted([*_GAINS, *_BY_INTEGRAL, "leaky_relu"]))
        raise ArgumentError(f"no gain is known for {nonlinearity!r}; there are {known}. ({user_line()})")
    return _GAINS[nonlinearity]


@lru_cache(maxsize=32)
def _integrated(nonlinearity: str) -> float:
    from nn import functional

    z = np.linspace(-10, 10, 20001)
    y = getattr(functional, nonlinearity)(ag.Tensor(z)).data
    return float(1 / np.sqrt(np.trapezoid(y * y * np.exp(-z * z / 2), z) / np.sqrt(2 * np.pi)))


def uniform_(tensor: Tensor, low: float = 0.0, high: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with values drawn evenly from [low, high): W ~ U(−a, a) with ``uniform_(w, -a, a)``.

    When to use: for small a it breaks the symmetry; limit: the range has to fit the size of the layer, which `xavier_uniform_`
    and `kaiming_uniform_` see to. Source: course notes, *Uniform Initialization*, *Random Initialization*.

    >>> bool((uniform_(ag.Tensor([0.0] * 9), 2.0, 3.0) >= 2.0).all())
    True
    """
    if not (low <= high and np.isfinite(high - low)):
        raise ArgumentError(f"uniform_ needs low <= high, both finite, got {low} and {high}. ({user_line()})")
    return write(tensor, draw(generator).uniform(low, high, tensor.shape, tensor.dtype))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fill from the normal distribution, N(mean, std²).

    Limit: too small a deviation lets signals vanish, too large a one lets them explode. Source: course notes, *Random
    Initialization*.

    >>> normal_(ag.Tensor([0.0] * 3), 1.0, 0.0).tolist()
    [1.0, 1.0, 1.0]
    """
    if not (np.isfinite(mean) and np.isfinite(std) and std >= 0):
        raise ArgumentError(f"normal_ needs a finite mean and std >= 0, got {mean} and {std}. ({user_line()})")
    return write(tensor, draw(generator).normal(mean, std, tensor.shape, tensor.dtype))


def constant_(tensor: Tensor, value: float) -> Tensor:
    """Fill with one value."""
    return write(tensor, value)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0. Weights that all start at 0 all learn the same: for biases. Source: course notes, *Zero Initialization*.

    >>> zeros_(ag.Tensor([1.0])).tolist()
    [0.0]
    """
    return write(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return write(tensor, 1.0)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill from U(−a, a), a = gain·√(6/(fan_in + fan_out)): keeps the variance of activations and gradients alike.

    When to use: sigmoid and tanh; limit: with ReLU signals shrink from layer to layer (`kaiming_uniform_` does not). Sources:
    Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks"; course notes,
    *Xavier/Glorot Initialization*.

    >>> w = xavier_uniform_(ag.Tensor([[0.0] * 3] * 3))
    >>> bool((abs(w.data) <= 1.0).all())
    True
    """
    fan_in, fan_out = _fans(tensor)
    a = gain * sqrt(6 / max(fan_in + fan_out, 1))
    return uniform_(tensor, -a, a, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill from N(0, σ²), σ = gain·√(2/(fan_in + fan_out)): as `xavier_uniform_`."""
    fan_in, fan_out = _fans(tensor)
    return normal_(tensor, 0.0, gain * sqrt(2 / max(fan_in + fan_out, 1)), generator)


def kaiming_uniform_(tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                     generator: Any = None) -> Tensor:  # fmt: skip
    """Fill from U(−b, b), b = gain·√(3/fan): He's initialisation; with ReLU b = √(6/fan_in).

    When to use: ReLU and its variants; `a` is the slope of a leaky ReLU, 0 for ReLU. `mode` "fan_in" keeps the variance of
    signals, "fan_out" that of gradients. Sources: He, Zhang, Ren, Sun 2015, "Delving deep into rectifiers"; course notes, *He
    Initialization*.

    >>> w = kaiming_uniform_(ag.Tensor([[0.0] * 6]), nonlinearity="relu")
    >>> bool((abs(w.data) <= 1.0).all())
    True
    """
    b = calculate_gain(nonlinearity, a) * sqrt(3 / _fan(tensor, mode))
    return uniform_(tensor, -b, b, generator)


def kaiming_normal_(tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                    generator: Any = None) -> Tensor:  # fmt: skip
    """Fill from N(0, σ²), σ = gain/√fan, with ReLU √(2/fan_in): as `kaiming_uniform_`."""
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / sqrt(_fan(tensor, mode)), generator)


def trunc_normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
                  generator: Any = None) -> Tensor:  # fmt: skip
    """Fill from N(mean, std²) cut off outside of [a, b], by the inverse of its distribution function.

    >>> bool((abs(trunc_normal_(ag.Tensor([0.0] * 50)).data) <= 2.0).all())
    True
    """
    if not (std > 0 and a < b):
        raise ArgumentError(f"trunc_normal_ needs std > 0 and a < b, got std={std}, a={a}, b={b}. ({user_line()})")
    from scipy.special import ndtr, ndtri

    low, high = ndtr((a - mean) / std), ndtr((b - mean) / std)
    if not low < high:
        raise ArgumentError(
            f"trunc_normal_: hardly anything of N({mean}, {std}²) lies in [{a}, {b}]. Widen the range. ({user_line()})"
        )
    values = mean + std * ndtri(draw(generator).uniform(low, high, tensor.shape, np.float64))
    return write(tensor, np.clip(values, a, b))


def lecun_normal_(tensor: Tensor, generator: Any = None) -> Tensor:
    """Fill from N(0, σ²), σ = 1/√fan_in: keeps the variance of linear units; what `selu` needs.

    The notes name it for sigmoid and tanh, and for leaky ReLU. Tried (`python -m bench.claims`), deep networks of either lose
    their signal by it, and `kaiming_normal_` does better.

    Sources: LeCun, Bottou, Orr, Müller 1998, "Efficient backprop"; course notes, *LeCun Initialization*.

    >>> lecun_normal_(ag.Tensor([[0.0] * 4])).shape
    (1, 4)
    """
    return normal_(tensor, 0.0, 1 / sqrt(_fan(tensor, "fan_in")), generator)


def lecun_uniform_(tensor: Tensor, generator: Any = None) -> Tensor:
    """Fill from U(−a, a), a = √(3/fan_in): as `lecun_normal_`."""
    a = sqrt(3 / _fan(tensor, "fan_in"))
    return uniform_(tensor, -a, a, generator)


def variance_scaling_(tensor: Tensor, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal",
                      generator: Any = None) -> Tensor:  # fmt: skip
    """Fill from a distribution of mean 0 and variance scale/n, n = fan_in, fan_out or their mean.

    LeCun's initialisation is scale 1 by fan_in, He's scale 2 by fan_in, Xavier's scale 1 by fan_avg.

    Args:
        scale: above 0.
        mode: "fan_in", "fan_out" or "fan_avg".
        distribution: "normal", "truncated_normal" (at two deviations, widened so that the variance is as said) or "uniform".

    Sources: course notes, *Variance Scaling Initialization*; Keras and JAX, whose definition this is.

    >>> w = variance_scaling_(ag.Tensor([[0.0] * 3]), distribution="uniform")
    >>> bool((abs(w.data) <= 1.0).all())
    True
    """
    if not (np.isfinite(scale) and scale > 0):
        raise ArgumentError(f"variance_scaling_: scale must be above 0, got {scale!r}. ({user_line()})")
    if distribution not in ("normal", "truncated_normal", "uniform"):
        raise ArgumentError(
            f'variance_scaling_: distribution must be "normal", "truncated_normal" or "uniform", got {distribution!r}. '
            f"({user_line()})"
        )
    n = sum(_fans(tensor)) / 2 if mode == "fan_avg" else _fan(tensor, mode)
    std = sqrt(scale / max(n, 1))
    if distribution == "uniform":
        return uniform_(tensor, -sqrt(3) * std, sqrt(3) * std, generator)
    if distribution == "normal":
        return normal_(tensor, 0.0, std, generator)
    std /= 0.87962566103423978  # of N(0, 1) cut off at ±2
    return trunc_normal_(tensor, 0.0, std, -2 * std, 2 * std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with a (semi-)orthogonal matrix times gain, WᵀW = gain²·I or WWᵀ = gain²·I: norms stay from layer to layer.

    The matrix is (out, in × the rest), drawn evenly from all such: the Q of a normal matrix, with signs set. When to use: deep
    and recurrent networks; limit: O(n³). Sources: Saxe, McClelland, Ganguli 2013, "Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks"; course notes, *Orthogonal Initialization*.

    >>> w = orthogonal_(ag.Tensor([[0.0] * 2] * 2)).data
    >>> bool(np.allclose(w.T @ w, np.eye(2), atol=1e-6))
    True
    """
    if tensor.ndim < 2:
        raise ShapeError(f"orthogonal_ needs a weight with two axes or more, got shape {tensor.shape}. ({user_line()})")
    if not np.isfinite(gain):
        raise ArgumentError(f"orthogonal_: gain must be finite, got {gain!r}. ({user_line()})")
    rows, columns = tensor.shape[0], prod(tensor.shape[1:])
    a = draw(generator).normal(0.0, 1.0, (max(rows, columns), min(rows, columns)), np.float64)
    q, r = np.linalg.qr(a)
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return write(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Fill a matrix (out, in) from N(0, std²), with a share `sparsity` of each column, drawn at random, 0 (rounded up).

    Limit: what is 0 can still be learned, and few inputs to a unit can waste its capacity. The notes expect faster convergence;
    tried (`python -m bench.claims`), there is none. Sources: Martens 2010, "Deep
    learning via Hessian-free optimization"; course notes, *Sparse Initialization*.

    >>> float((sparse_(ag.Tensor([[0.0] * 3] * 4), 0.5, 1.0).data == 0).mean())
    0.5
    """
    if tensor.ndim != 2:
        raise ShapeError(f"sparse_ fills matrices, got shape {tensor.shape}. ({user_line()})")
    if not 0 <= sparsity <= 1:
        raise ArgumentError(f"sparse_: sparsity must be in [0, 1], got {sparsity!r}. ({user_line()})")
    if not std >= 0:
        raise ArgumentError(f"sparse_: std must be at least 0, got {std!r}. ({user_line()})")
    values = draw(generator).normal(0.0, std, tensor.shape, np.float64)
    order = draw(generator).uniform(0.0, 1.0, tensor.shape, np.float64).argsort(axis=0)
    np.put_along_axis(values, order[: int(np.ceil(sparsity * tensor.shape[0]))], 0.0, axis=0)
    return write(tensor, values)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity: as many inputs as there is place for are passed on.

    >>> eye_(ag.Tensor([[5.0, 5.0]])).tolist()
    [[1.0, 0.0]]
    """
    if tensor.ndim != 2:
        raise ShapeError(f"eye_ fills matrices, got shape {tensor.shape}. ({user_line()})")
    return write(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight (out, in, K, …) so that it passes on as many channels as there is place for, in each group.

    >>> dirac_(ag.Tensor([[[5.0] * 3]])).tolist()
    [[[0.0, 1.0, 0.0]]]
    """
    if tensor.ndim < 3:
        raise ShapeError(f"dirac_ fills weights of convolutions, (out, in, K, …), got shape {tensor.shape}. ({user_line()})")
    if groups < 1 or tensor.shape[0] % groups:
        raise ArgumentError(f"dirac_: groups={groups} must divide the {tensor.shape[0]} outputs. ({user_line()})")
    values, size = np.zeros(tensor.shape), tensor.shape[0] // groups
    middle = tuple(k // 2 for k in tensor.shape[2:])
    for k in range(groups):
        for channel in range(min(size, tensor.shape[1])):
            values[(k * size + channel, channel, *middle)] = 1.0
    return write(tensor, values)


def write(tensor: Tensor, values: Any) -> Tensor:
    """Values into a tensor of floats, in place."""
    if not isinstance(tensor, Tensor) or tensor.dtype.kind != "f":
        got = f"a Tensor of {tensor.dtype}" if isinstance(tensor, Tensor) else type(tensor).__name__
        raise DTypeError(f"initialisation fills a Tensor of floats, got {got}. ({user_line()})")
    with ag.no_grad():
        return tensor.copy_(values)


def draw(generator: Any) -> Any:
    """The generator given, or the default one."""
    return ag.default_generator if generator is None else generator


def _fans(tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        raise ShapeError(
            f"fan-in and fan-out need a weight of shape (out, in, …), got {tensor.shape}. Use uniform_ or zeros_ for it."
        )
    rest = prod(tensor.shape[2:])
    return tensor.shape[1] * rest, tensor.shape[0] * rest


def _fan(tensor: Tensor, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(f'mode must be "fan_in" or "fan_out", got {mode!r}. ({user_line()})')
    return max(_fans(tensor)[mode == "fan_out"], 1)
