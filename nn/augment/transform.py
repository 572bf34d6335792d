"""What a transform is, and how several are put together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, ShapeError, user_line

__all__ = ["Array", "Compose", "RandomApply", "Transform"]

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

    >>> from nn.augment import GaussianNoise, RandomHorizontalFlip
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
