"""New samples from two: mixtures of inputs and targets, and SMOTE's between neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, ShapeError, user_line
from nn.augment.images import boxes
from nn.augment.transform import Array, Transform

__all__ = ["CutMix", "Mixup", "smote"]


class _Mixing(Transform):
    """Mixes each sample with another of the batch, and their targets in the same shares."""

    alpha: float
    classes: int | None

    def __init__(self, alpha: float, classes: int | None):
        self.alpha = self._number("alpha", alpha, 0)
        if classes is not None and (isinstance(classes, bool) or not isinstance(classes, int) or classes < 1):
            raise ArgumentError(f"{type(self).__name__}: classes must be how many there are, or None, got {classes!r}.")
        self.classes = classes

    def mix(self, x: Array, other: Array, share: Array, generator: ag.Generator) -> tuple[Array, Array]:
        """The mixed inputs, and the shares (N,) of the first of each two in them."""
        raise NotImplementedError

    def change_batch(self, fields: tuple[Array, ...], generator: ag.Generator) -> tuple[Array, ...]:
        if len(fields) < 2:
            raise ArgumentError(f"{type(self).__name__} mixes targets too: call it with (x, target). ({user_line()})")
        x, target, *rest = fields
        if x.dtype.kind != "f":
            raise DTypeError(f"{type(self).__name__} takes inputs of a float dtype, got {x.dtype}. ({user_line()})")
        soft = self._soft(target, x.dtype)
        order = np.asarray(generator.permutation(len(x)))
        if self.alpha:
            share = beta(self.alpha, generator.uniform(0, 1, len(x), np.float64))
        else:
            share = np.ones(len(x))
        mixed, share = self.mix(x, x[order], share, generator)
        weight = share.reshape((-1,) + (1,) * (soft.ndim - 1)).astype(soft.dtype)
        return (self._kept(x, mixed), weight * soft + (1 - weight) * soft[order], *rest)

    def _soft(self, target: Array, dtype: Any) -> Array:
        """Targets as numbers that can be mixed: class indices become probabilities."""
        if target.dtype.kind == "f":
            return target
        if self.classes is None:
            raise ArgumentError(
                f"{type(self).__name__}: class indices are mixed as probabilities, for which it must know how many classes "
                f"there are: {type(self).__name__}(classes=…). ({user_line()})"
            )
        if target.size and not 0 <= target.min() <= target.max() < self.classes:
            raise ArgumentError(
                f"{type(self).__name__}: targets from {target.min()} to {target.max()} with classes={self.classes}."
            )
        return np.eye(self.classes, dtype=dtype)[target]


def beta(alpha: float, u: Array) -> Array:
    """Beta(α, α) of uniform numbers, by the inverse of its distribution."""
    from scipy.special import betaincinv

    return np.asarray(betaincinv(alpha, alpha, u))


class Mixup(_Mixing):
    """Mixup: λ·x_i + (1 − λ)·x_j, and the same of their targets, with λ ~ Beta(α, α) for each sample.

    With class indices give `classes`; targets become probabilities (N, classes), which `cross_entropy` takes.

    >>> x, t = Mixup(0.4, classes=3)((np.eye(3), np.array([0, 1, 2])), ag.Generator(0))
    >>> bool(np.allclose(x, t))
    True

    Source: Zhang et al. 2018, "mixup: beyond empirical risk minimization".
    """

    def __init__(self, alpha: float = 0.2, classes: int | None = None):
        super().__init__(alpha, classes)

    def mix(self, x: Array, other: Array, share: Array, generator: ag.Generator) -> tuple[Array, Array]:
        weight = share.reshape((-1,) + (1,) * (x.ndim - 1)).astype(x.dtype)
        return weight * x + (1 - weight) * other, share


class CutMix(_Mixing):
    """CutMix: a rectangle of each image comes from another, and the targets are mixed by its area.

    Source: Yun et al. 2019, "CutMix: regularization strategy to train strong classifiers with localizable features".
    """

    def __init__(self, alpha: float = 1.0, classes: int | None = None):
        super().__init__(alpha, classes)

    def mix(self, x: Array, other: Array, share: Array, generator: ag.Generator) -> tuple[Array, Array]:
        images = self._images(x)
        inside = boxes(images.shape, np.sqrt(1 - share), generator)
        mixed = np.where(inside, self._images(other), images).reshape(x.shape)
        return mixed, 1 - inside.mean(axis=(1, 2, 3))


def smote(x: Any, labels: Any, k: int = 5, generator: ag.Generator | None = None) -> tuple[Array, Array]:
    """Makes all classes as large as the largest by new samples between a sample and one of its k nearest of the same class.

    For features on one scale, and for training data only. Between two samples of a class there may be another class: look
    at what it gives. A class of one sample is repeated.

    Shape: x (N, D), labels (N,) → the same with the new samples after them.
    Source: Chawla et al. 2002, "SMOTE: synthetic minority over-sampling technique"; course notes, question 40.

    >>> x, t = smote(np.array([[0.0], [1.0], [2.0], [7.0], [9.0]]), [0, 0, 0, 1, 1], generator=ag.Generator(0))
    >>> np.bincount(t).tolist(), bool(7 <= x[-1, 0] <= 9)
    ([3, 3], True)
    """
    from scipy.spatial import cKDTree

    values, classes = np.asarray(x.data if isinstance(x, ag.Tensor) else x), np.asarray(labels)
    if values.ndim != 2 or classes.shape != (len(values),) or values.dtype.kind != "f":
        raise ShapeError(
            f"smote takes float features (N, D) and labels (N,), got {values.dtype} of {values.shape} and {classes.shape}. "
            f"({user_line()})"
        )
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise ArgumentError(f"smote: k must be a whole number, at least 1, got {k!r}. ({user_line()})")
    rng = ag.default_generator if generator is None else generator
    kinds, sizes = np.unique(classes, return_counts=True)
    parts, names = [values], [classes]
    for kind, size in zip(kinds, sizes, strict=True):
        missing = int(sizes.max()) - int(size)
        if not missing:
            continue
        members = values[classes == kind]
        start = rng.integers(0, size, missing)
        near = min(k, int(size) - 1)
        end = start
        if near:
            order = cKDTree(members).query(members, near + 1)[1]
            own = order == np.arange(size)[:, None]  # itself is left out, or the last where equal samples hide it
            own[~own.any(axis=1), -1] = True
            others = order[~own].reshape(int(size), near)
            end = others[start, rng.integers(0, near, missing)]
        share = rng.uniform(0, 1, (missing, 1), np.float64)
        parts.append((members[start] + share * (members[end] - members[start])).astype(values.dtype))
        names.append(np.full(missing, kind, classes.dtype))
    return np.concatenate(parts), np.concatenate(names)
