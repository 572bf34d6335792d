"""Activations: each a formula, elementwise or along an axis; any shape → the same."""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, AxisError, ShapeError, user_line
from nn.functional.common import Tensor, as_tensor, finite, log_total, not_below, positive, shifted

__all__ = [
    "celu", "elu", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "log_softmax",
    "logsigmoid", "mish", "prelu", "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softmin", "softplus", "softshrink",
    "softsign", "step", "swiglu", "swish", "tanh", "tanhshrink", "threshold",
]  # fmt: skip

SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
"""For which outputs of mean 0 and variance 1 keep these from layer to layer (Klambauer et al. 2017)."""


def _below(x: Tensor) -> Tensor:
    """x where it is not positive, else 0: what may go into an exponential. Its derivative at 0 is 1, from the left."""
    return ag.where(x > 0, 0, x)


def _bound(name: str, value: Any) -> float:
    """A threshold: any number, infinite ones too, that values can be compared with."""
    if not isinstance(value, int | float | np.number) or value != value:
        raise ArgumentError(f"{name}: threshold must be a number, got {value!r}. ({user_line()})")
    return float(value)


def step(x: Any, threshold: float = 0.0, values: tuple[float, float] = (0.0, 1.0)) -> Tensor:
    """Step function, y = values[1] where x > threshold, else values[0]; dy/dx = 0.

    The values are {0, 1}, or {−1, 1} for the bipolar form. When to use: in a perceptron; limit: no gradient passes, so nothing
    before it can be trained by descent. Source: course notes, *Step Function*.

    >>> step(ag.Tensor([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.0, 1.0]
    >>> step(ag.Tensor([-1.0, 2.0]), values=(-1, 1)).tolist()
    [-1.0, 1.0]
    """
    x, threshold = as_tensor(x), _bound("step", threshold)
    low, high = (np.asarray(v, x.dtype) for v in values)
    return ag.where(x.detach() > threshold, high, low)


def sigmoid(x: Any) -> Tensor:
    """Logistic function, y = 1/(1 + e⁻ˣ), in (0, 1); dy/dx = y(1 − y). Does not overflow.

    When to use: the output for binary classification (in training `binary_cross_entropy_with_logits` applies it itself);
    limits: the gradient, at most 1/4, vanishes for large |x| and over many layers; outputs are not centred. Source: course
    notes, *Sigmoid Function*.

    >>> sigmoid(ag.Tensor([-1e4, 0.0])).tolist()
    [0.0, 0.5]
    """
    return ag.sigmoid(x)


def tanh(x: Any) -> Tensor:
    """Hyperbolic tangent, y = (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ), in (−1, 1); dy/dx = 1 − y².

    When to use: hidden layers of shallow networks, on centred data; limit: the gradient vanishes for large |x|. Source: course
    notes, *Tanh Function*.

    >>> tanh(ag.Tensor([0.0, 100.0])).tolist()
    [0.0, 1.0]
    """
    return ag.tanh(x)


def relu(x: Any) -> Tensor:
    """Rectified linear unit, y = max(0, x); dy/dx = 1 where x > 0, else 0 (so 0 at 0).

    When to use: hidden layers, the usual choice; limit: a unit whose input is negative for all samples gets no gradient
    any more (it is "dead"). Source: course notes, *ReLU*; Nair, Hinton 2010.

    >>> relu(ag.Tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return ag.relu(x)


@ag.accelerated("x")
def leaky_relu(x: Any, negative_slope: float = 0.01) -> Tensor:
    """Leaky ReLU, y = x where x > 0, else αx; dy/dx = 1 where x > 0, else α (so α at 0).

    When to use: against dead units; limit: the slope is fixed (`prelu` learns it). Source: course notes, *Leaky ReLU*;
    Maas, Hannun, Ng 2013.

    >>> leaky_relu(ag.Tensor([-2.0, 2.0]), 0.5).tolist()
    [-1.0, 2.0]
    """
    x = as_tensor(x)
    return ag.where(x > 0, x, x * finite("leaky_relu", "negative_slope", negative_slope))


@ag.accelerated("x")
def gelu(x: Any, approximate: str = "none") -> Tensor:
    """Gaussian error linear unit, y = x·Φ(x), with Φ(x) = (1 + erf(x/√2))/2; dy/dx = Φ(x) + x·e^(−x²/2)/√(2π).

    With ``approximate="tanh"``, y = x/2 · (1 + tanh(√(2/π)(x + 0.044715x³))) = x·σ(2√(2/π)(x + 0.044715x³)), the same to
    5e-4, as in GPT-2. When to use: transformers. Source: Hendrycks, Gimpel 2016, "Gaussian error linear units";
    course notes, *GELU*.

    >>> gelu(ag.Tensor([-100.0, 0.0, 1.0])).data.round(4).tolist() == [0.0, 0.0, np.float32(0.8413)]
    True
    >>> round(gelu(ag.Tensor(1.0), approximate="tanh").item(), 4)
    0.8412
    """
    x = as_tensor(x)
    if approximate == "none":
        return x * (0.5 * (1 + ag.erf(x * 0.7071067811865476)))
    if approximate == "tanh":
        square = ag.clip(x * x, None, 1e4)  # beyond, σ is 0 or 1
        return x * ag.sigmoid(x * (1.5957691216057308 + 1.5957691216057308 * 0.044715 * square))  # (1 + tanh a)/2 = σ(2a)
    raise ArgumentError(f'gelu: approximate must be "none" or "tanh", got {approximate!r}. ({user_line()})')


@ag.accelerated("x")
def silu(x: Any) -> Tensor:
    """Sigmoid linear unit, or swish, y = x·σ(x) with σ(x) = 1/(1 + e⁻ˣ); dy/dx = σ(x)(1 + x(1 − σ(x))).

    Source: Elfwing, Uchibe, Doya 2017, "Sigmoid-weighted linear units for neural network function approximation".

    >>> silu(ag.Tensor([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.0, 1e4]
    True
    """
    x = as_tensor(x)
    return x * ag.sigmoid(x)


@ag.accelerated("x")
def swish(x: Any, beta: Any = 1.0) -> Tensor:
    """Swish, y = x·σ(βx); dy/dx = σ(βx)(1 + βx(1 − σ(βx))), dy/dβ = x²σ(βx)(1 − σ(βx)).

    With β = 1 the course notes' x/(1 + e⁻ˣ), which is `silu`; β may be a Tensor that is learned. β → ∞ gives ReLU, β = 0 x/2.
    When to use: hidden layers of deep networks, where it is often somewhat better than ReLU, being smooth and not monotonic;
    limit: it takes an exponential. Sources: Ramachandran, Zoph, Le 2017, "Searching for activation functions"; course notes,
    *Swish*.

    >>> swish(ag.Tensor([-1e4, 0.0, 1e4]), beta=2.0).tolist() == [0.0, 0.0, 1e4]
    True
    """
    x = as_tensor(x)
    beta = beta if isinstance(beta, Tensor) else finite("swish", "beta", beta)
    return x * ag.sigmoid(x * beta)


def prelu(x: Any, weight: Any) -> Tensor:
    """Parametric ReLU, y = x where x > 0, else αx with a learned α; dy/dx = 1 or α (α at 0), dy/dα = x where x ≤ 0, else 0.

    Shape: x (N, C, …) and weight (C,), a slope for each channel; or weight of one element, for all → that of x.
    When to use: where a fixed slope of `leaky_relu` does not give good results; limit: can overfit small data. Sources: He,
    Zhang, Ren, Sun 2015, "Delving deep into rectifiers"; course notes, *Parametric ReLU*.

    Errors: ShapeError where weight has another length than the channels.

    >>> prelu(ag.Tensor([[-2.0, -2.0]]), ag.Tensor([0.25, 0.5])).tolist()
    [[-0.5, -1.0]]
    """
    x, weight = as_tensor(x), as_tensor(weight)
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.size != 1 and weight.shape != (channels,):
        raise ShapeError(
            f"prelu: weight has shape {weight.shape}; for x of shape {x.shape} it has one element, or one for each of the "
            f"{channels} channels. ({user_line()})"
        )
    shape = (-1,) + (1,) * max(x.ndim - 2, 0) if weight.size != 1 else ()
    return ag.where(x > 0, x, x * ag.reshape(weight, shape))


@ag.accelerated("x")
def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """Exponential linear unit, y = x where x > 0, else α(eˣ − 1); dy/dx = 1, or αeˣ (α at 0).

    Negative outputs bring the mean near 0. Source: Clevert, Unterthiner, Hochreiter 2015, "Fast and accurate deep network
    learning by exponential linear units".

    >>> elu(ag.Tensor([-1e4, 0.0, 2.0])).tolist()
    [-1.0, 0.0, 2.0]
    """
    x = as_tensor(x)
    return ag.where(x > 0, x, finite("elu", "alpha", alpha) * ag.expm1(_below(x)))


@ag.accelerated("x")
def selu(x: Any) -> Tensor:
    """Scaled ELU, y = λ·x where x > 0, else λα(eˣ − 1), λ = 1.0507, α = 1.6733: layers that start by `lecun_normal_` normalise
    themselves. dy/dx = λ, or λαeˣ (λα at 0).

    Source: Klambauer, Unterthiner, Mayr, Hochreiter 2017, "Self-normalizing neural networks".

    >>> selu(ag.Tensor([-1e4, 1.0])).data.round(4).tolist() == [np.float32(-1.7581), np.float32(1.0507)]
    True
    """
    x = as_tensor(x)
    return ag.where(x > 0, SELU_SCALE * x, SELU_SCALE * SELU_ALPHA * ag.expm1(_below(x)))


@ag.accelerated("x")
def celu(x: Any, alpha: float = 1.0) -> Tensor:
    """Continuously differentiable ELU, y = x where x > 0, else α(e^(x/α) − 1); dy/dx = 1, or e^(x/α) (1 at 0). α > 0.

    Source: Barron 2017, "Continuously differentiable exponential linear units".

    >>> celu(ag.Tensor([-1e4, 2.0]), alpha=0.5).tolist()
    [-0.5, 2.0]
    """
    x, alpha = as_tensor(x), positive("celu", "alpha", alpha)
    return ag.where(x > 0, x, alpha * ag.expm1(_below(x) / alpha))


@ag.accelerated("x")
def softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Softplus, y = ln(1 + e^(βx))/β, a smooth ReLU; y = x where βx > threshold, as in PyTorch. dy/dx = σ(βx). β > 0.

    `autograd.softplus` is the same with β = 1 and no threshold, of which it has no need. Source: Dugas et al. 2001.

    >>> softplus(ag.Tensor([-1e4, 1e4])).tolist()
    [0.0, 10000.0]
    """
    x, beta, threshold = as_tensor(x), positive("softplus", "beta", beta), _bound("softplus", threshold)
    scaled = x * beta
    return ag.where(scaled > threshold, x, ag.softplus(scaled) / beta)


@ag.accelerated("x")
def mish(x: Any) -> Tensor:
    """Mish, y = x·tanh(ln(1 + eˣ)): smooth, not monotonic, near `swish`.

    Source: Misra 2019, "Mish: a self regularized non-monotonic activation function".

    >>> mish(ag.Tensor([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.0, 1e4]
    True
    """
    x = as_tensor(x)
    return x * ag.tanh(ag.softplus(x))


@ag.accelerated("x")
def hardswish(x: Any) -> Tensor:
    """Piecewise swish, y = x·clip(x + 3, 0, 6)/6; dy/dx = (2x + 3)/6 inside (−3, 3), 0 below and at −3, 1 above and at 3.

    Source: Howard et al. 2019, "Searching for MobileNetV3".

    >>> hardswish(ag.Tensor([-4.0, 1.0, 4.0])).data.round(3).tolist() == [0.0, np.float32(0.667), 4.0]
    True
    """
    x = as_tensor(x)
    return x * hardsigmoid(x)


def hardsigmoid(x: Any) -> Tensor:
    """Piecewise logistic function, y = clip(x + 3, 0, 6)/6; dy/dx = 1/6 inside (−3, 3), 0 outside.

    Source: Courbariaux, Bengio, David 2015, "BinaryConnect", with PyTorch's slope.

    >>> hardsigmoid(ag.Tensor([-4.0, 0.0, 4.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return hardtanh(as_tensor(x) + 3, 0.0, 6.0) / 6


def hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Piecewise tanh, y = clip(x, min_val, max_val); dy/dx = 1 inside, 0 outside. Source: Collobert 2004.

    >>> hardtanh(ag.Tensor([-4.0, 0.5, 4.0])).tolist()
    [-1.0, 0.5, 1.0]
    """
    low, high = finite("hardtanh", "min_val", min_val), finite("hardtanh", "max_val", max_val)
    if not low < high:
        raise ArgumentError(f"hardtanh: min_val must be below max_val, got {min_val} and {max_val}. ({user_line()})")
    x = as_tensor(x)
    return ag.where((x > low) & (x < high), x, ag.clip(x.detach(), low, high))


def relu6(x: Any) -> Tensor:
    """ReLU with a ceiling, y = min(max(0, x), 6); dy/dx = 1 inside (0, 6), 0 outside. Source: Krizhevsky 2010.

    >>> relu6(ag.Tensor([-1.0, 2.0, 9.0])).tolist()
    [0.0, 2.0, 6.0]
    """
    return hardtanh(x, 0.0, 6.0)


@ag.accelerated("x")
def softsign(x: Any) -> Tensor:
    """Softsign, y = x/(1 + |x|), in (−1, 1); dy/dx = 1/(1 + |x|)²: saturates more slowly than tanh.

    Source: Bergstra et al. 2009, "Quadratic polynomials learn better image features".

    >>> softsign(ag.Tensor([-1.0, 0.0, 3.0])).tolist()
    [-0.5, 0.0, 0.75]
    """
    x = as_tensor(x)
    return x / (1 + ag.absolute(x))


def logsigmoid(x: Any) -> Tensor:
    """Logarithm of the logistic function, y = ln σ(x) = −ln(1 + e⁻ˣ), exact for large |x|; dy/dx = σ(−x).

    >>> logsigmoid(ag.Tensor([-1e4, 1e4])).tolist() == [-1e4, 0.0]
    True
    """
    return -ag.softplus(-as_tensor(x))


@ag.accelerated("x")
def tanhshrink(x: Any) -> Tensor:
    """y = x − tanh x; dy/dx = tanh²x.

    >>> tanhshrink(ag.Tensor([0.0, 100.0])).tolist()
    [0.0, 99.0]
    """
    x = as_tensor(x)
    return x - ag.tanh(x)


def softshrink(x: Any, lambd: float = 0.5) -> Tensor:
    """Soft threshold, y = x − λ·sign x where |x| > λ, else 0; dy/dx = 1 or 0. The step of L1's proximal method. λ ≥ 0.

    >>> softshrink(ag.Tensor([-2.0, 0.3, 2.0])).tolist()
    [-1.5, 0.0, 1.5]
    """
    lambd = not_below("softshrink", "lambd", lambd, 0)
    x = as_tensor(x)
    return ag.where(x.detach() > lambd, x - lambd, ag.where(x.detach() < -lambd, x + lambd, 0))


def hardshrink(x: Any, lambd: float = 0.5) -> Tensor:
    """Hard threshold, y = x where |x| > λ, else 0; dy/dx = 1 or 0. λ ≥ 0.

    >>> hardshrink(ag.Tensor([-2.0, 0.3, 2.0])).tolist()
    [-2.0, 0.0, 2.0]
    """
    lambd = not_below("hardshrink", "lambd", lambd, 0)
    x = as_tensor(x)
    return ag.where(ag.absolute(x.detach()) > lambd, x, 0)


def threshold(x: Any, threshold: float, value: float) -> Tensor:
    """y = x where x > threshold, else value; dy/dx = 1 or 0.

    >>> threshold(ag.Tensor([-2.0, 0.3, 2.0]), 1.0, -5.0).tolist()
    [-5.0, -5.0, 2.0]
    """
    x, threshold = as_tensor(x), _bound("threshold", threshold)
    return ag.where(x > threshold, x, value)


# ---- gates -----------------------------------------------------------------------------------------------------------


def _halves(name: str, x: Any, axis: int) -> tuple[Tensor, Tensor]:
    """The two halves of x along an axis."""
    x = as_tensor(x)
    if not -x.ndim <= axis < x.ndim:
        raise AxisError(f"{name}: there is no axis {axis} in an input of shape {x.shape}. ({user_line()})")
    if x.shape[axis] % 2:
        raise ShapeError(
            f"{name} splits axis {axis} into two halves; its length is {x.shape[axis]}, an odd number, in shape {x.shape}. "
            f"({user_line()})"
        )
    first, second = ag.split(x, 2, axis=axis)
    return first, second


def glu(x: Any, axis: int = -1) -> Tensor:
    """Gated linear unit, y = a·σ(b), where a and b are the halves of x along an axis.

    Shape: (…, 2n, …) → (…, n, …); ShapeError for an odd length. Source: Dauphin et al. 2016, "Language modeling with gated
    convolutional networks".

    >>> glu(ag.Tensor([3.0, 0.0])).tolist()
    [1.5]
    """
    a, b = _halves("glu", x, axis)
    return a * ag.sigmoid(b)


def swiglu(x: Any, axis: int = -1) -> Tensor:
    """Swish-gated linear unit, y = silu(a)·b, where a and b are the halves of x along an axis; as `glu` else.

    Source: Shazeer 2020, "GLU variants improve transformer".

    >>> swiglu(ag.Tensor([0.0, 3.0])).tolist()
    [0.0]
    """
    a, b = _halves("swiglu", x, axis)
    return silu(a) * b


# ---- probabilities ---------------------------------------------------------------------------------------------------


@ag.accelerated("x")
def softmax(x: Any, axis: int = -1) -> Tensor:
    """Probabilities, yᵢ = eˣⁱ / Σ eˣʲ along an axis: positive, with sum 1; dyᵢ/dxⱼ = yᵢ(δᵢⱼ − yⱼ). Does not overflow.

    When to use: the output for several classes (in training `cross_entropy` applies it itself). Source: course notes,
    *Softmax Function*.

    >>> softmax(ag.Tensor([1e4, 1e4, -np.inf])).tolist()
    [0.5, 0.5, 0.0]
    """
    e = ag.exp(shifted(as_tensor(x), axis))
    return e / ag.sum(e, axis=axis, keepdims=True)


@ag.accelerated("x")
def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """ln softmax(x), computed as x − ln Σ eˣ, so that small probabilities keep their precision.

    >>> log_softmax(ag.Tensor([0.0, 1e4])).tolist()
    [-10000.0, 0.0]
    """
    z = shifted(as_tensor(x), axis)
    return z - log_total(z, axis)


def softmin(x: Any, axis: int = -1) -> Tensor:
    """Probabilities that are the greater the smaller x is, softmax(−x) along an axis.

    >>> softmin(ag.Tensor([1.0, 1.0])).tolist()
    [0.5, 0.5]
    """
    return softmax(-as_tensor(x), axis)
