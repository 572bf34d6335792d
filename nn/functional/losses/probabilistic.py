"""Losses that compare distributions, or are the negative log-likelihood of one."""

# mypy: disable-error-code="no-any-return"
# The functions of `ag` are made from the ops at import: mypy sees them as Any.

from __future__ import annotations

import math
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ShapeError, user_line
from nn.functional.common import Tensor, as_tensor, like, reduced, same_shape
from nn.functional.losses.common import LOSS, check_reduction, check_settings, check_shares, check_values, tiny

__all__ = ["gaussian_nll_loss", "kl_div", "kl_divergence", "kl_normal", "poisson_loss", "poisson_nll_loss"]

ABOVE = 1e-4
"""By how much a logarithm of a probability may be above 0, from rounding."""


def _check_logs(loss: str, what: str, x: Any, hint: str) -> None:
    check_values(loss, what, x, lambda v: v > ABOVE, "is above 0, and no logarithm of a probability", hint)


@ag.accelerated("x", "target", long=LOSS)
def kl_div(x: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """Kullback-Leibler divergence of log-probabilities x from a target distribution P: the terms P·(ln P − x).

    The terms with P = 0 are 0, also where x is −inf; where the derivative by P is −∞ (at P = 0), ln P counts as 0 in it.
    It is not symmetric: targets that the prediction gives no probability cost much, and the reverse costs nothing.

    Args:
        reduction: "mean" is over all elements, as in PyTorch, which is not the divergence; "batchmean" sums and divides
            by the first axis, which is; and "sum", "none".
        log_target: whether targets are logarithms too, as from `log_softmax`.

    Shape: x and target the same. Errors: ArgumentError for probabilities outside [0, 1], and for an x above 0.
    Source: course notes, *Kullback-Leibler Divergence*; `kl_divergence` is its formula, of two distributions.

    >>> round(kl_div(ag.log(ag.Tensor([[0.5, 0.5]])), ag.Tensor([[1.0, 0.0]]), reduction="batchmean").item(), 4)
    0.6931
    """
    check_reduction(reduction, "batchmean")
    x, target = same_shape("kl_div", x, target)
    _check_logs("kl_div", "prediction", x, "Pass log_softmax(x), not probabilities or logits.")
    if log_target:
        _check_logs("kl_div", "log-target", target, "With log_target=True, targets are logarithms of probabilities.")
        gone = target == -np.inf
        p, log_p = ag.exp(target), ag.where(gone, 0, target)
    else:
        check_shares("kl_div", "target", target, "Pass log_target=True if targets are logarithms.")
        gone = target == 0
        p, log_p = target, ag.log(ag.where(gone, 1, target))
    loss = p * (log_p - ag.where(gone & (x == -np.inf), 0, x))
    if reduction == "batchmean":
        return ag.sum(loss) / loss.shape[0] if loss.ndim and loss.size else ag.sum(loss) * (1.0 if not loss.ndim else np.nan)
    return reduced(loss, reduction)


@ag.accelerated("p", "q", long=LOSS)
def kl_divergence(p: Any, q: Any, axis: int = -1, reduction: str = "mean") -> Tensor:
    """The notes' D(P‖Q) = Σ P·ln(P/Q) of two distributions along an axis; then the mean over the others.

    Terms with P = 0 are 0; it is infinite where Q = 0 and P > 0. Not symmetric. Here P is what is true and Q what stands in
    for it; `kl_div` takes logarithms, which do not round to 0, and should be preferred for training.

    Shape: p and q the same, (…, C, …) → (…). Errors: ArgumentError for values outside [0, 1].
    Source: course notes, *Kullback-Leibler Divergence*; Kullback, Leibler 1951.

    >>> round(kl_divergence([1.0, 0.0], [0.5, 0.5]).item(), 4)
    0.6931
    """
    p, q = same_shape("kl_divergence", p, q)
    for what, values in (("probability of P,", p), ("probability of Q,", q)):
        check_shares("kl_divergence", what, values, "Pass distributions, such as the output of softmax.")
    gone = p == 0
    ratio = ag.log(ag.where(gone, 1, p)) - ag.log(ag.where(gone, 1, q))
    return reduced(ag.sum(p * ratio, axis=axis), reduction)


@ag.accelerated("mean", "log_variance", long=LOSS)
def kl_normal(mean: Any, log_variance: Any, axis: int = -1, reduction: str = "mean") -> Tensor:
    """D(N(μ, σ²) ‖ N(0, 1)) = ½ Σ (μ² + σ² − 1 − ln σ²), what a variational autoencoder pays for its code.

    Shape: mean and log_variance = ln σ² the same, (N, D) → (N,), the sum along the axis, then reduced.
    It overflows where e^(ln σ²) does (88 in float32).
    Source: course notes, *Kullback-Leibler Divergence*, on autoencoders; Kingma, Welling 2014.

    >>> kl_normal(ag.Tensor([[1.0, 0.0]]), ag.Tensor([[0.0, 0.0]])).item()
    0.5
    """
    mean, log_variance = same_shape("kl_normal", mean, log_variance)
    terms = ag.square(mean) + (ag.expm1(log_variance) - log_variance)
    return reduced(ag.sum(terms, axis=axis) / 2 if mean.ndim else terms / 2, reduction)


@ag.accelerated("x", "target", long=LOSS)
def poisson_nll_loss(x: Any, target: Any, log_input: bool = True, full: bool = False, eps: float = 1e-8,
                     reduction: str = "mean") -> Tensor:  # fmt: skip
    """Negative log-likelihood of counts t of a Poisson distribution: eˣ − t·x of a log-rate x, or x − t·ln(x + ε) of a rate.

    Use it to predict how often something happens. The variance of a Poisson distribution is its mean: data that vary
    more are fitted with too much confidence.

    Args:
        log_input: whether x is the logarithm of the rate; it then may be any number, and nothing has to keep it positive.
        full: add what does not depend on x, ln t!, by Stirling's formula t·ln t − t + ½·ln 2πt where t > 1.
        eps: ε ≥ 0, against ln 0, where log_input is False.

    Shape: x and target the same. Errors: ArgumentError for a negative count or rate.
    Source: course notes, *Poisson Loss*, whose formula is `poisson_loss`.

    >>> poisson_nll_loss(ag.Tensor([0.0]), ag.Tensor([3.0])).item()
    1.0
    """
    check_settings("poisson_nll_loss", eps=eps)
    x, target = same_shape("poisson_nll_loss", x, target)
    check_values("poisson_nll_loss", "target", target, lambda v: v < 0, "is negative", "Targets are counts.")
    if log_input:
        loss = ag.exp(x) - target * x
    else:
        _check_rates("poisson_nll_loss", x)
        loss = x - target * ag.log(x + eps)
    if full:
        many = ag.where(target > 1, target, 1)
        stirling = many * ag.log(many) - many + 0.5 * ag.log(2 * math.pi * many)
        loss = loss + ag.where(target > 1, stirling, 0)
    return reduced(loss, reduction)


@ag.accelerated("x", "target", long=LOSS)
def poisson_loss(x: Any, target: Any, reduction: str = "mean") -> Tensor:
    """The notes' Poisson loss of a rate, x − t·ln x, with nothing added to x.

    0·ln 0 is 0; where x = 0 and t > 0 it is infinite.

    Shape, errors and use as of `poisson_nll_loss`, which takes log-rates and should be preferred for training.
    Source: course notes, *Poisson Loss*.

    >>> poisson_loss(ag.Tensor([1.0, 0.0]), ag.Tensor([3.0, 0.0]), "none").tolist()
    [1.0, 0.0]
    """
    x, target = same_shape("poisson_loss", x, target)
    check_values("poisson_loss", "target", target, lambda v: v < 0, "is negative", "Targets are counts.")
    _check_rates("poisson_loss", x)
    return reduced(x - target * ag.log(ag.where((target == 0) & (x == 0), 1, x)), reduction)


def _check_rates(loss: str, x: Any) -> None:
    hint = "Pass the output of softplus or exp, or log-rates to poisson_nll_loss."
    check_values(loss, "rate", x, lambda v: v < 0, "is negative", hint)


def gaussian_nll_loss(x: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> Tensor:
    """Negative log-likelihood of targets of a normal distribution of mean x and variance v: ½(ln v + (x − t)²/v).

    Use it for regression that tells how sure it is. A variance below ε counts as ε, but keeps the gradient that it has
    there, as in PyTorch, so that it can grow again. Training may look for an easy way out by large variances:
    start from a model that is trained on the squared error.

    Args:
        var: v ≥ 0 of x's shape; of one for each row, (…) or (…, 1) for x (…, D); or one number.
        full: add ½·ln 2π.
        eps: ε > 0.

    Shape: x and target the same. Errors: ArgumentError for a negative variance.
    Source: Nix, Weigend 1994, "Estimating the mean and variance of the target probability distribution".

    >>> gaussian_nll_loss(ag.Tensor([1.0]), ag.Tensor([3.0]), ag.Tensor([1.0])).item()
    2.0
    """
    check_settings("gaussian_nll_loss", eps=eps)
    x, target = same_shape("gaussian_nll_loss", x, target)
    var = like(var, x)
    if var.shape != x.shape and var.ndim:
        if var.shape == x.shape[:-1]:
            var = ag.expand_dims(var, -1)
        elif var.shape != (*x.shape[:-1], 1):
            raise ShapeError(
                f"gaussian_nll_loss: variances of shape {var.shape} for predictions of shape {x.shape}: give one for each, "
                f"{x.shape}, or one for each row, {x.shape[:-1]}. ({user_line()})"
            )
    hint = "Pass the output of softplus, or exp of a log-variance."
    check_values("gaussian_nll_loss", "variance", var, lambda v: v < 0, "is negative", hint)
    return _gaussian(x, target, var, full, max(eps, tiny(x)), reduction)


@ag.accelerated("x", "target", "var", long=LOSS)
def _gaussian(x: Tensor, target: Tensor, var: Any, full: bool, eps: float, reduction: str) -> Tensor:
    var = as_tensor(var)
    fixed = var.detach()
    var = var + (ag.maximum(fixed, eps) - fixed)
    loss = 0.5 * (ag.log(var) + ag.square(as_tensor(x) - target) / var)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)
