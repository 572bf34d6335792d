"""Activations and losses as pure functions, composed of the engine's ops: derivatives of every order follow.

Shapes are written as in the field: N the batch, C the classes, … any further axes. Every function keeps the dtype of its
input. Losses take ``reduction="mean" | "sum" | "none"``. Values of targets are checked where they are known; while `jit`
records they are not, and the indexing op checks them when the program runs.
"""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, IndexingError, ShapeError, user_line
from nn.module import concrete

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "gelu", "layer_norm", "leaky_relu", "linear",
    "log_softmax", "mse_loss", "nll_loss", "relu", "rms_norm", "sigmoid", "silu", "softmax", "step", "tanh",
]  # fmt: skip

Tensor = ag.Tensor

LOSS = 512
"""Elements from which a loss made of many ops runs compiled: from there on that saves more than a call of it costs."""

# ---- activations -----------------------------------------------------------------------------------------------------


def step(x: Any, threshold: float = 0.0, values: tuple[float, float] = (0.0, 1.0)) -> Tensor:
    """Step function, y = values[1] where x > threshold, else values[0]; dy/dx = 0.

    The values are {0, 1}, or {−1, 1} for the bipolar form. Shape: any → the same. Source: course notes, *Step Function*.

    >>> step(ag.Tensor([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.0, 1.0]
    >>> step(ag.Tensor([-1.0, 2.0]), values=(-1, 1)).tolist()
    [-1.0, 1.0]
    """
    x = _tensor(x)
    low, high = (np.asarray(v, x.dtype) for v in values)
    return ag.where(x.detach() > threshold, high, low)


def linear(x: Any, weight: Any, bias: Any = None) -> Tensor:
    """Affine map, y = x Wᵀ + b.

    Shape: x (…, in), weight (out, in), bias (out,) → (…, out).

    >>> linear(ag.Tensor([[1.0, 2.0]]), ag.Tensor([[3.0, 4.0]]), ag.Tensor([1.0])).tolist()
    [[12.0]]
    """
    return x @ weight.T if bias is None else ag.affine(x, weight, bias)


def sigmoid(x: Any) -> Tensor:
    """Logistic function, y = 1/(1 + e⁻ˣ), in (0, 1); dy/dx = y(1 − y). Does not overflow.

    >>> sigmoid(ag.Tensor([-1e4, 0.0])).tolist()
    [0.0, 0.5]
    """
    return ag.sigmoid(x)


def tanh(x: Any) -> Tensor:
    """Hyperbolic tangent, y = (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ), in (−1, 1); dy/dx = 1 − y².

    >>> tanh(ag.Tensor([0.0, 100.0])).tolist()
    [0.0, 1.0]
    """
    return ag.tanh(x)


def relu(x: Any) -> Tensor:
    """Rectified linear unit, y = max(0, x); dy/dx = 1 where x > 0, else 0 (so 0 at 0).

    >>> relu(ag.Tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return ag.relu(x)


@ag.accelerated("x")
def leaky_relu(x: Any, negative_slope: float = 0.01) -> Tensor:
    """Leaky ReLU, y = x where x > 0, else αx; dy/dx = 1 where x > 0, else α (so α at 0).

    >>> leaky_relu(ag.Tensor([-2.0, 2.0]), 0.5).tolist()
    [-1.0, 2.0]
    """
    x = _tensor(x)
    return ag.where(x > 0, x, x * negative_slope)


@ag.accelerated("x")
def gelu(x: Any, approximate: str = "none") -> Tensor:
    """Gaussian error linear unit, y = x·Φ(x), with Φ(x) = (1 + erf(x/√2))/2; dy/dx = Φ(x) + x·e^(−x²/2)/√(2π).

    With ``approximate="tanh"``, y = x/2 · (1 + tanh(√(2/π)(x + 0.044715x³))), the same to 5e-4, as in GPT-2.
    Source: Hendrycks, Gimpel 2016, "Gaussian error linear units".

    >>> gelu(ag.Tensor([-100.0, 0.0, 1.0])).data.round(4).tolist() == [0.0, 0.0, np.float32(0.8413)]
    True
    >>> round(gelu(ag.Tensor(1.0), approximate="tanh").item(), 4)
    0.8412
    """
    x = _tensor(x)
    if approximate == "none":
        return x * (0.5 * (1 + ag.erf(x * 0.7071067811865476)))
    if approximate == "tanh":
        return x * (0.5 * (1 + ag.tanh(0.7978845608028654 * (x + 0.044715 * (x * x * x)))))
    raise ArgumentError(f'gelu: approximate must be "none" or "tanh", got {approximate!r}. ({user_line()})')


@ag.accelerated("x")
def silu(x: Any) -> Tensor:
    """Sigmoid linear unit, or swish, y = x·σ(x) with σ(x) = 1/(1 + e⁻ˣ); dy/dx = σ(x)(1 + x(1 − σ(x))).

    Source: Elfwing, Uchibe, Doya 2017, "Sigmoid-weighted linear units for neural network function approximation".

    >>> silu(ag.Tensor([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.0, 1e4]
    True
    """
    x = _tensor(x)
    return x * ag.sigmoid(x)


# ---- normalisation ---------------------------------------------------------------------------------------------------


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
    x = _tensor(x)
    shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ShapeError(f"{name}: the last axes of x, of shape {x.shape}, must be normalized_shape, {shape}. ({user_line()})")
    for what, value in factors.items():
        got = shape if value is None else value.shape if isinstance(value, Tensor) else np.shape(value)
        if got != shape:
            raise ShapeError(f"{name}: {what} has shape {got}; it must be normalized_shape, {shape}. ({user_line()})")
    return x, tuple(range(-len(shape), 0))


# ---- probabilities ---------------------------------------------------------------------------------------------------


def _shifted(x: Tensor, axis: int) -> Tensor:
    """x minus its largest element along an axis, as a constant: what makes exponentials safe. A maximum of −inf stays."""
    top = ag.max(x.detach(), axis=axis, keepdims=True)
    return x - ag.maximum(top, np.finfo(x.dtype).min)


@ag.accelerated("x")
def softmax(x: Any, axis: int = -1) -> Tensor:
    """Probabilities, yᵢ = eˣⁱ / Σ eˣʲ along an axis: positive, with sum 1; dyᵢ/dxⱼ = yᵢ(δᵢⱼ − yⱼ). Does not overflow.

    >>> softmax(ag.Tensor([1e4, 1e4, -np.inf])).tolist()
    [0.5, 0.5, 0.0]
    """
    e = ag.exp(_shifted(_tensor(x), axis))
    return e / ag.sum(e, axis=axis, keepdims=True)


def _log_total(z: Tensor, axis: int) -> Tensor:
    """ln Σ eᶻ of z whose largest is 0, so that nothing overflows; its derivative uses eᶻ again."""
    return ag.log(ag.sum(ag.exp(z), axis=axis, keepdims=True))


@ag.accelerated("x")
def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """ln softmax(x), computed as x − ln Σ eˣ, so that small probabilities keep their precision.

    >>> log_softmax(ag.Tensor([0.0, 1e4])).tolist()
    [-10000.0, 0.0]
    """
    z = _shifted(_tensor(x), axis)
    return z - _log_total(z, axis)


# ---- losses ----------------------------------------------------------------------------------------------------------


def mse_loss(x: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Mean squared error, (x − t)².

    Shape: x and target the same, or ShapeError: (N, 1) against (N,) would broadcast to N² differences.
    Source: course notes, *Mean Squared Error*.

    >>> mse_loss(ag.Tensor([1.0, 4.0]), ag.Tensor([1.0, 2.0])).item()
    2.0
    """
    x, target = _same_shape("mse_loss", x, target)
    return _reduce(ag.square(x - target), reduction)


def binary_cross_entropy(x: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Tensor:
    """−t·ln p − (1 − t)·ln(1 − p) of probabilities p in [0, 1] (else ValueError) and targets t in [0, 1].

    Logarithms are no smaller than −100, or than that of the smallest normal number (−87.3 in float32): where p is exactly 0 or
    1, the loss is finite and the gradient of that term 0. `binary_cross_entropy_with_logits` has no such limit.

    >>> round(binary_cross_entropy(ag.Tensor([0.5, 1.0]), ag.Tensor([1.0, 1.0])).item(), 4)
    0.3466
    """
    x, target = _same_shape("binary_cross_entropy", x, target)
    _in_unit_interval(
        "binary_cross_entropy", "probability", x, "Pass the output of sigmoid, or use binary_cross_entropy_with_logits."
    )
    _in_unit_interval("binary_cross_entropy", "target", target, "Targets are 0, 1, or probabilities.")
    loss = -(target * _safe_log(x) + (1 - target) * _safe_log(1 - x))
    return _reduce(loss if weight is None else loss * _like(weight, x), reduction)


def _safe_log(p: Tensor) -> Tensor:
    low = max(float(np.finfo(p.dtype).tiny), 3.7200759760208356e-44)  # e⁻¹⁰⁰
    return ag.where(p.detach() < low, np.asarray(max(np.log(low), -100.0), p.dtype), ag.log(ag.maximum(p, low)))


def _are_shares(target: Any, **_: Any) -> bool:
    """Whether targets are in [0, 1]."""
    values = concrete(target)
    return values is None or not values.size or bool(values.min() >= 0 and values.max() <= 1)


@ag.accelerated("x", "target", "weight", "pos_weight", admit=_are_shares, long=LOSS)
def binary_cross_entropy_with_logits(x: Any, target: Any, weight: Any = None, pos_weight: Any = None,
                                     reduction: str = "mean") -> Tensor:  # fmt: skip
    """Binary cross-entropy of p = sigmoid(x), computed as t·softplus(−x) + (1 − t)·softplus(x): exact for large |x|.

    Args:
        weight: a factor for each element; broadcasts.
        pos_weight: a factor for the positive term, against imbalance; broadcasts.

    >>> binary_cross_entropy_with_logits(ag.Tensor([1e4, -1e4]), ag.Tensor([1.0, 1.0]), reduction="none").tolist()
    [0.0, 10000.0]
    """
    x, target = _same_shape("binary_cross_entropy_with_logits", x, target)
    _in_unit_interval("binary_cross_entropy_with_logits", "target", target, "Targets are 0, 1, or probabilities.")
    positive = target * ag.softplus(-x)
    loss = (positive if pos_weight is None else positive * _like(pos_weight, x)) + (1 - target) * ag.softplus(x)
    return _reduce(loss if weight is None else loss * _like(weight, x), reduction)


def _are_classes(x: Any, target: Any, ignore_index: int, **_: Any) -> bool:
    """Whether targets of `cross_entropy`, as far as they are class indices, are in range."""
    values = concrete(target)
    if values is None or values.dtype.kind == "f" or not values.size:
        return True
    classes = x.shape[1 if x.ndim > 1 else 0]
    inside = values.min() >= 0 and values.max() < classes
    return bool(inside or np.all((values >= 0) & (values < classes) | (values == ignore_index)))


@ag.accelerated("x", "target", "weight", admit=_are_classes, long=LOSS)
def cross_entropy(x: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean",
                  label_smoothing: float = 0.0) -> Tensor:  # fmt: skip
    """Cross-entropy −Σ t_c ln softmax(x)_c of logits x, against class indices or probabilities t.

    Shape: x (N, C, …) with target (N, …) of integers in [0, C), or (C,) with (); or target of x's shape and a float dtype.

    Args:
        weight: a factor for each class, (C,). With "mean" and class indices, the sum is divided by the sum of the weights
            of the targets, as in PyTorch.
        ignore_index: a target that counts for nothing. If every target is ignored, "mean" is NaN.
        label_smoothing: ε in [0, 1]: targets become (1 − ε)·t + ε/C.

    Errors: DTypeError (float class indices), IndexingError (a class out of range, named), ShapeError (another batch).

    >>> round(cross_entropy(ag.Tensor([[2.0, 0.0, 0.0]]), [0]).item(), 4)
    0.2395
    >>> cross_entropy(ag.Tensor([[2.0, 0.0, 0.0]]), [3])
    Traceback (most recent call last):
    autograd.errors.IndexingError: cross_entropy: target 3 at position 0 is not a class: there are 3 classes, 0 to 2. ...
    """
    x = _tensor(x)
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(f"cross_entropy: label_smoothing must be in [0, 1], got {label_smoothing}. ({user_line()})")
    axis = _class_axis("cross_entropy", x)
    weight = _class_weight("cross_entropy", x, axis, weight)
    soft = getattr(target, "dtype", np.dtype(np.int64)).kind == "f" and target.shape == x.shape
    z = _shifted(x, axis)
    if soft:
        classes = x.shape[axis]
        target = _like(target, x)
        target = target if label_smoothing == 0 else target * (1 - label_smoothing) + label_smoothing / classes
        scaled = target if weight is None else target * weight
        loss = ag.sum(scaled * (_log_total(z, axis) - z), axis=axis)
        return ag.sum(loss) / max(loss.size, 1) if reduction == "mean" else _reduce(loss, reduction)
    total = _log_total(z, axis)
    kept, index = _classes("cross_entropy", x, target, axis, ignore_index)
    loss = total - ag.take_along_axis(z, index, axis)
    share: Any = None if weight is None else ag.take_along_axis(ag.broadcast_to(weight, x.shape), index, axis)
    if share is not None:
        loss = loss * share
    if label_smoothing:
        spread = total - z if weight is None else (total - z) * weight
        loss = (1 - label_smoothing) * loss + ag.sum(spread, axis=axis, keepdims=True) * (label_smoothing / x.shape[axis])
    return _mean_of_kept(loss, kept, share, axis, reduction)


def nll_loss(x: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Tensor:
    """Negative log-likelihood, −x[target], of log-probabilities x such as those of `log_softmax`.

    Shape, arguments and errors as for `cross_entropy` with class indices.

    >>> nll_loss(ag.Tensor([[-1.0, -2.0], [-3.0, -4.0]]), [1, 0]).item()
    2.5
    """
    x = _tensor(x)
    axis = _class_axis("nll_loss", x)
    weight = _class_weight("nll_loss", x, axis, weight)
    kept, index = _classes("nll_loss", x, target, axis, ignore_index)
    loss = -ag.take_along_axis(x, index, axis)
    share: Any = None if weight is None else ag.take_along_axis(ag.broadcast_to(weight, x.shape), index, axis)
    return _mean_of_kept(loss if share is None else loss * share, kept, share, axis, reduction)


# ---- what they share -------------------------------------------------------------------------------------------------


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else Tensor(x)


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return ag.mean(loss)
    if reduction == "sum":
        return ag.sum(loss)
    if reduction == "none":
        return loss
    raise ArgumentError(f'reduction must be "mean", "sum" or "none", got {reduction!r}. ({user_line()})')


def _mean_of_kept(loss: Tensor, kept: Any, share: Any, axis: int, reduction: str) -> Tensor:
    """Reduce losses of shape (N, 1, …), of which only those `kept` count (None: all), each with its share of the mean."""
    if kept is not None:
        loss = ag.where(kept, loss, 0)
        share = ag.where(kept, np.ones((), loss.dtype) if share is None else share, 0)
    if reduction == "mean" and share is not None:
        return ag.sum(loss) / ag.sum(ag.broadcast_to(share, loss.shape))
    return _reduce(ag.squeeze(loss, axis=axis) if reduction == "none" else loss, reduction)


def _same_shape(name: str, x: Any, target: Any) -> tuple[Tensor, Tensor]:
    x = _tensor(x)
    target = _like(target, x)
    if x.shape != target.shape:
        raise ShapeError(
            f"{name}: the prediction has shape {x.shape} and the target {target.shape}; they must be equal, since "
            f"broadcasting would compare each with each. Reshape one: target.reshape({x.shape}). ({user_line()})"
        )
    return x, target


def _like(values: Any, x: Tensor) -> Tensor:
    """Targets or weights in the dtype of the prediction, so that float64 data does not widen a float32 network."""
    values = values if isinstance(values, Tensor) else _given(np.asarray(values))
    return values if values.dtype == x.dtype or values.dtype.kind == "c" else values.astype(x.dtype)


def _given(target: Any) -> Tensor:
    """An array of targets as a Tensor: a copy, since backward reads it again; but jit has to see the caller's own."""
    return Tensor(target) if concrete(target) is not None else ag.from_numpy(target)


def _in_unit_interval(name: str, what: str, x: Any, hint: str) -> None:
    values = concrete(x)
    if values is None or not values.size or (values.min() >= 0 and values.max() <= 1):
        return
    wrong = ~((values >= 0) & (values <= 1)) & ~np.isnan(values)  # NaN passes, and shows in the loss
    if wrong.any():
        at = np.unravel_index(int(wrong.argmax()), values.shape)
        place = tuple(int(i) for i in at)
        raise ArgumentError(f"{name}: {what} {values[at]:g} at position {place} is outside [0, 1]. {hint} ({user_line()})")


def _class_axis(name: str, x: Tensor) -> int:
    if x.ndim == 0 or x.dtype.kind != "f":
        raise ShapeError(f"{name} takes scores of shape (N, C) or (C,), got shape {x.shape} of {x.dtype}. ({user_line()})")
    return 1 if x.ndim > 1 else 0


def _class_weight(name: str, x: Tensor, axis: int, weight: Any) -> Any:
    if weight is None:
        return None
    weight = _like(weight, x)
    if weight.shape != (x.shape[axis],):
        raise ShapeError(
            f"{name}: weight has shape {weight.shape}, and there are {x.shape[axis]} classes: give one for "
            f"each. ({user_line()})"
        )
    return ag.reshape(weight, (-1,) + (1,) * (x.ndim - 1 - axis))


def _classes(name: str, x: Tensor, target: Any, axis: int, ignore_index: int) -> tuple[Any, Any]:
    """Checked class indices of shape (N, 1, …), and which of them count (None: all)."""
    if not isinstance(target, Tensor):
        given = np.asarray(target)
        target = _given(given if given.size or given.dtype.kind in "iu" else given.astype(np.int64))
    classes, batch = x.shape[axis], x.shape[:axis] + x.shape[axis + 1 :]
    values = concrete(target)
    if target.dtype.kind not in "iu":
        example = "" if values is None or not values.size else f", such as {values.flat[0]}"
        raise DTypeError(
            f"{name}: targets are class indices, of an integer dtype, and these are {target.dtype}{example} of shape "
            f"{target.shape}. Write target.astype(int), or pass probabilities of shape {x.shape}. ({user_line()})"
        )
    if target.shape != batch:
        raise ShapeError(
            f"{name}: scores of shape {x.shape} need targets of shape {batch}, one class index for each; got "
            f"{target.shape}. ({user_line()})"
        )
    kept: Any = None
    if values is None:
        kept = target != ignore_index
    else:
        outside = values.size and (values.min() < 0 or values.max() >= classes)
        if outside:
            wrong = ((values < 0) | (values >= classes)) & (values != ignore_index)
            if wrong.any():
                at = np.unravel_index(int(wrong.argmax()), values.shape)
                place: Any = tuple(int(i) for i in at)
                raise IndexingError(
                    f"{name}: target {values[at]} at position {place[0] if len(place) == 1 else place} is not a class: "
                    f"there are {classes} classes, 0 to {classes - 1}. "
                    f"Number the classes from 0, or set ignore_index. ({user_line()})"
                )
        if (outside or 0 <= ignore_index < classes) and (values == ignore_index).any():
            kept = target != ignore_index
    index = target if kept is None else ag.where(kept, target, 0)
    return None if kept is None else ag.expand_dims(kept, axis), ag.expand_dims(index, axis)
