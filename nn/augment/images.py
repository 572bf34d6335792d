"""Changes of images: where their pixels are."""

from __future__ import annotations

import math

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, ShapeError, user_line
from nn.augment.transform import Array, Transform

__all__ = [
    "Cutout", "RandomCrop", "RandomFlip", "RandomHorizontalFlip", "RandomRotation", "RandomShift", "RandomVerticalFlip",
    "RandomZoom",
]  # fmt: skip


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
        inside = boxes(images.shape, np.full(len(x), self.share), generator)
        chosen = generator.uniform(0, 1, len(x), np.float64) < self.p
        covered = inside & chosen[:, None, None, None]
        return np.where(covered, x.dtype.type(self.fill), images).reshape(x.shape)


def boxes(shape: tuple[int, ...], sides: Array, generator: ag.Generator) -> Array:
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
