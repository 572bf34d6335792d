"""Random changes of samples that leave their meaning as it is: data augmentation, against overfitting.

A transform is called as ``transform(batch, generator)`` with arrays, of which the first is changed and the others, targets and
weights, are kept (`Mixup` and `CutMix` change targets too): what `DataLoader(transform=…)` wants. Of one array it gives one.
Every sample of a batch is changed by numbers of its own. The dtype stays; nothing is written into the input.

Images have shape (N, H, W) or (N, C, H, W), in any range of values; what comes in at the edges is `fill`. Interpolation is
linear, so that values stay between the smallest and the largest there were, and `fill`. Which changes
keep the meaning depends on the data: a mirrored 3 is no digit, and a 6 turned by 180 degrees is a 9.

Source: course notes, *Data Augmentation*, and questions 30 and 40; Simard et al. 2003, "Best practices for convolutional neural
networks".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, ShapeError, user_line

__all__ = [
    "Compose", "CutMix", "Cutout", "FeatureDropout", "GaussianNoise", "Mixup", "RandomApply", "RandomCrop", "RandomFlip",
    "RandomHorizontalFlip", "RandomRotation", "RandomShift", "RandomVerticalFlip", "RandomZoom", "SwapNoise", "Transform",
    "smote",
]  # fmt: skip

Array = np.ndarray[Any, Any]


class Transform:
    """The base: subclasses say in `change` what becomes of the inputs of a batch.

    >>> class Negative(Transform):
    ...     def change(self, x, generator):
    ...         return -x
    >>> Negative()(np.array([1.0, 2.0])).tolist()
    [-1.0, -2.0]
    """

    def __call__(self, batch: Any, generator: ag.Generator | None = None) -> Any:
        rng = ag.default_generator if generator is None else generator
        alone = not isinstance(batch, tuple | list)
        fields = tuple(a.data if isinstance(a, ag.Tensor) else np.asarray(a) for a in ((batch,) if alone else batch))
        changed = self.change_batch(fields, rng)
        return changed[0] if alone else changed

    def change_batch(self, fields: tuple[Array, ...], generator: ag.Generator) -> tuple[Array, ...]:
        """All fields of a batch: the inputs changed, the others as they are."""
        return (self._kept(fields[0], self.change(fields[0], generator)), *fields[1:])

    def change(self, x: Array, generator: ag.Generator) -> Array:
        """The inputs of a batch, changed."""
        raise NotImplementedError(f"{type(self).__name__} does not define change().")

    @staticmethod
    def _kept(x: Array, y: Array) -> Array:
        """y in the dtype of x; whole numbers are rounded, and stay in range."""
        if y.dtype == x.dtype:
            return y
        if x.dtype.kind in "iu":
            bounds = np.iinfo(x.dtype)
            y = np.clip(np.rint(y), bounds.min, bounds.max)
        return y.astype(x.dtype)

    def _images(self, x: Array) -> Array:
        """Images as (N, C, H, W)."""
        if x.ndim not in (3, 4) or x.dtype.kind not in "fiub":
            raise ShapeError(
                f"{type(self).__name__} takes images (N, H, W) or (N, C, H, W), got {x.dtype} of shape {x.shape}. "
                f"Rows of pixels are put in shape by x.reshape(-1, H, W). ({user_line()})"
            )
        return x if x.ndim == 4 else x[:, None]

    def _number(self, name: str, value: Any, low: float, high: float = math.inf) -> float:
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not number or not low <= value <= high or math.isinf(value):
            upper = f" and at most {high:g}" if high < math.inf else ""
            raise ArgumentError(f"{type(self).__name__}: {name} must be a number, at least {low:g}{upper}, got {value!r}.")
        return float(value)

    def __repr__(self) -> str:
        settings = ", ".join(f"{k}={v!r}" for k, v in vars(self).items())
        return f"{type(self).__name__}({settings})"


class Compose(Transform):
    """One transform after another.

    >>> Compose([RandomHorizontalFlip(), GaussianNoise(0.1)])
    Compose([RandomHorizontalFlip(p=0.5), GaussianNoise(std=0.1)])
    """

    def __init__(self, transforms: Sequence[Any]):
        self.transforms = list(transforms)
        wrong = [t for t in self.transforms if not callable(t)]
        if wrong:
            raise DTypeError(f"Compose takes transforms, got {type(wrong[0]).__name__}: {wrong[0]!r:.60}. ({user_line()})")

    def change_batch(self, fields: tuple[Array, ...], generator: ag.Generator) -> tuple[Array, ...]:
        for transform in self.transforms:
            fields = tuple(transform(fields, generator))
        return fields

    def __repr__(self) -> str:
        return f"Compose([{', '.join(map(repr, self.transforms))}])"


class RandomApply(Transform):
    """Changes each sample with probability p, and leaves the others."""

    def __init__(self, transform: Transform, p: float = 0.5):
        self.transform, self.p = transform, self._number("p", p, 0, 1)

    def change(self, x: Array, generator: ag.Generator) -> Array:
        chosen = generator.uniform(0, 1, len(x), np.float64) < self.p
        y = self.transform(x, generator)
        if y.shape != x.shape:
            raise ShapeError(f"RandomApply: {self.transform!r} turns shape {x.shape} into {y.shape}, which cannot be mixed.")
        return np.where(chosen.reshape((-1,) + (1,) * (x.ndim - 1)), y, x)


# ---- where pixels are ------------------------------------------------------------------------------------------------


class _Affine(Transform):
    """Turns, shifts and zooms by one resampling with scipy.ndimage."""

    fill: float

    def matrices(self, n: int, generator: ag.Generator, size: tuple[int, int]) -> tuple[Array, Array]:
        """Where a point of each result lies in the image, about its centre: matrices (n, 2, 2) and shifts (n, 2)."""
        raise NotImplementedError

    def change(self, x: Array, generator: ag.Generator) -> Array:
        from scipy.ndimage import affine_transform

        images = self._images(x)
        n, channels, height, width = images.shape
        matrices, shifts = self.matrices(n, generator, (height, width))
        centre = np.array([(height - 1) / 2, (width - 1) / 2])
        work = images.astype(np.float64 if x.dtype == np.float64 else np.float32, copy=False)
        result = np.empty_like(work, order="C")
        for k in range(n):
            offset = centre - matrices[k] @ centre + shifts[k]
            for c in range(channels):
                result[k, c] = affine_transform(work[k, c], matrices[k], offset, order=1, mode="grid-constant", cval=self.fill)
        return result.reshape(x.shape)


class RandomRotation(_Affine):
    """Turns images about their centre by an angle uniform on [−degrees, degrees].

    Ten to fifteen degrees suit handwriting. Small images become smoother by interpolation.

    >>> RandomRotation(15)(np.ones((2, 8, 8), np.float32), ag.Generator(0)).shape
    (2, 8, 8)
    """

    def __init__(self, degrees: float = 10.0, fill: float = 0.0):
        self.degrees, self.fill = self._number("degrees", degrees, 0, 180), self._number("fill", fill, -math.inf)

    def matrices(self, n: int, generator: ag.Generator, size: tuple[int, int]) -> tuple[Array, Array]:
        angle = np.deg2rad(generator.uniform(-self.degrees, self.degrees, n, np.float64) if self.degrees else np.zeros(n))
        cos, sin = np.cos(angle), np.sin(angle)
        return np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], -2), np.zeros((n, 2))


class RandomShift(_Affine):
    """Shifts images by up to a share of their height and width, by parts of a pixel too.

    Args:
        share: of the size; 0.1 shifts an image of 20 pixels by at most 2.
    """

    def __init__(self, share: float = 0.1, fill: float = 0.0):
        self.share, self.fill = self._number("share", share, 0, 1), self._number("fill", fill, -math.inf)

    def matrices(self, n: int, generator: ag.Generator, size: tuple[int, int]) -> tuple[Array, Array]:
        shifts = generator.uniform(-1, 1, (n, 2), np.float64) * self.share * np.array(size)
        return np.broadcast_to(np.eye(2), (n, 2, 2)), shifts


class RandomZoom(_Affine):
    """Enlarges or shrinks images about their centre by a factor from 1/(1 + share) to 1 + share, uniform in its logarithm."""

    def __init__(self, share: float = 0.1, fill: float = 0.0):
        self.share, self.fill = self._number("share", share, 0), self._number("fill", fill, -math.inf)

    def matrices(self, n: int, generator: ag.Generator, size: tuple[int, int]) -> tuple[Array, Array]:
        factor = np.exp(generator.uniform(-1, 1, n, np.float64) * math.log1p(self.share))
        return np.eye(2) / factor[:, None, None], np.zeros((n, 2))


class RandomFlip(Transform):
    """Mirrors each image along an axis with probability p: −1 left and right, −2 up and down."""

    def __init__(self, axis: int = -1, p: float = 0.5):
        if axis not in (-1, -2):
            raise ArgumentError(f"RandomFlip: axis must be -1 (left and right) or -2 (up and down), got {axis!r}.")
        self.axis, self.p = axis, self._number("p", p, 0, 1)

    def change(self, x: Array, generator: ag.Generator) -> Array:
        self._images(x)
        chosen = generator.uniform(0, 1, len(x), np.float64) < self.p
        return np.where(chosen.reshape((-1,) + (1,) * (x.ndim - 1)), np.flip(x, self.axis), x)


class RandomHorizontalFlip(RandomFlip):
    """Exchanges left and right with probability p. Not for digits and letters.

    >>> RandomHorizontalFlip(p=1)(np.array([[[1, 2, 3]]])).tolist()
    [[[3, 2, 1]]]
    """

    def __init__(self, p: float = 0.5):
        super().__init__(-1, p)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomVerticalFlip(RandomHorizontalFlip):
    """Exchanges up and down with probability p: for images without an up, such as those of a microscope."""

    def __init__(self, p: float = 0.5):
        super().__init__(p)
        self.axis = -2


class RandomCrop(Transform):
    """Cuts a window of some size out of each image, at a random place; with padding, of an image that was enlarged by it.

    Args:
        size: (height, width), or one number for both; None for the size of the images, which wants padding.
        padding: how many pixels of `fill` are put around first.

    >>> RandomCrop(2)(np.zeros((5, 8, 8)), ag.Generator(0)).shape
    (5, 2, 2)
    """

    def __init__(self, size: int | tuple[int, int] | None = None, padding: int = 0, fill: float = 0.0):
        self.size = (size, size) if isinstance(size, int) else size
        if self.size is not None and (len(self.size) != 2 or min(self.size) < 1):
            raise ArgumentError(f"RandomCrop: size must be a number of pixels, or two of them, got {size!r}.")
        if isinstance(padding, bool) or not isinstance(padding, int) or padding < 0:
            raise ArgumentError(f"RandomCrop: padding must be a whole number of pixels, at least 0, got {padding!r}.")
        self.padding, self.fill = padding, self._number("fill", fill, -math.inf)

    def change(self, x: Array, generator: ag.Generator) -> Array:
        images, p = self._images(x), self.padding
        height, width = self.size or images.shape[2:]
        padded = np.pad(images, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=x.dtype.type(self.fill))
        room = padded.shape[2] - height, padded.shape[3] - width
        if min(room) < 0:
            raise ShapeError(
                f"RandomCrop: a window of {height}×{width} is larger than the images, {padded.shape[2]}×{padded.shape[3]} with "
                f"their padding. ({user_line()})"
            )
        top = generator.integers(0, room[0] + 1, len(x))[:, None] + np.arange(height)  # (N, height)
        left = generator.integers(0, room[1] + 1, len(x))[:, None] + np.arange(width)
        cut = padded[np.arange(len(x))[:, None, None], :, top[:, :, None], left[:, None, :]]  # (N, height, width, C)
        moved: Array = np.moveaxis(cut, -1, 1)
        return np.ascontiguousarray(moved if x.ndim == 4 else moved[:, 0])


class Cutout(Transform):
    """Covers a rectangle at a random place of each image: cut-out, or random erasing.

    Args:
        share: the sides of the rectangle, as a share of the image's; its centre is anywhere, so that it may reach beyond.
        p: the probability for each image.
        fill: what it is covered with.

    Source: DeVries, Taylor 2017, "Improved regularization of convolutional neural networks with cutout"; Zhong et al. 2020.
    """

    def __init__(self, share: float = 0.4, p: float = 1.0, fill: float = 0.0):
        self.share, self.p = self._number("share", share, 0, 1), self._number("p", p, 0, 1)
        self.fill = self._number("fill", fill, -math.inf)

    def change(self, x: Array, generator: ag.Generator) -> Array:
        images = self._images(x)
        inside = _boxes(images.shape, np.full(len(x), self.share), generator)
        chosen = generator.uniform(0, 1, len(x), np.float64) < self.p
        covered = inside & chosen[:, None, None, None]
        return np.where(covered, x.dtype.type(self.fill), images).reshape(x.shape)


def _boxes(shape: tuple[int, ...], sides: Array, generator: ag.Generator) -> Array:
    """Masks (N, 1, H, W) of rectangles with these sides, as shares, about random centres."""
    n, _, height, width = shape
    masks = []
    for length in (height, width):
        centre = generator.integers(0, length, n)
        size = np.rint(sides * length).astype(int)
        start = centre - size // 2
        at = np.arange(length)
        masks.append((at >= start[:, None]) & (at < (start + size)[:, None]))
    inside: Array = masks[0][:, None, :, None] & masks[1][:, None, None, :]
    return inside


# ---- what values are -------------------------------------------------------------------------------------------------


class GaussianNoise(Transform):
    """Adds normal noise to every number, of images or features; its standard deviation is in their units.

    Standardise features first, so that one `std` suits all. Values may leave their range: clip afterwards if that matters.
    On the inputs of a linear model it is the same as a penalty on squared weights (Bishop 1995).
    """

    def __init__(self, std: float = 0.1):
        self.std = self._number("std", std, 0)

    def change(self, x: Array, generator: ag.Generator) -> Array:
        noise = generator.normal(0, self.std, x.shape, np.float64 if x.dtype == np.float64 else np.float32)
        return np.asarray(x + noise)


class FeatureDropout(Transform):
    """Sets each number to `fill` with probability p: as if it were missing. Nothing is scaled up."""

    def __init__(self, p: float = 0.1, fill: float = 0.0):
        self.p, self.fill = self._number("p", p, 0, 1), self._number("fill", fill, -math.inf)

    def change(self, x: Array, generator: ag.Generator) -> Array:
        return np.where(generator.uniform(0, 1, x.shape, np.float64) < self.p, x.dtype.type(self.fill), x)


class SwapNoise(Transform):
    """Replaces each feature with probability p by that of another sample of the batch: noise that has the right distribution.

    For tables, whose columns have scales and kinds of their own. Shape (N, …), one draw for each number.
    """

    def __init__(self, p: float = 0.1):
        self.p = self._number("p", p, 0, 1)

    def change(self, x: Array, generator: ag.Generator) -> Array:
        if not x.size:
            return x.copy()
        other = np.take_along_axis(x, generator.integers(0, len(x), x.shape), axis=0)
        return np.where(generator.uniform(0, 1, x.shape, np.float64) < self.p, other, x)


# ---- two samples in one ----------------------------------------------------------------------------------------------


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
            share = _beta(self.alpha, generator.uniform(0, 1, len(x), np.float64))
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


def _beta(alpha: float, u: Array) -> Array:
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
        inside = _boxes(images.shape, np.sqrt(1 - share), generator)
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
