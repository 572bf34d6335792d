"""Data sets, and loaders that go through them in batches, in an order that can be repeated and resumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, IndexingError, ShapeError, user_line

__all__ = ["ArrayDataset", "DataLoader", "Dataset", "TensorDataset", "train_test_split"]

Array = np.ndarray[Any, Any]


class Dataset:
    """Samples by number: subclasses define ``__len__`` and ``__getitem__``. `batch` may be overridden to be faster."""

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} does not define __len__().")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__().")

    def batch(self, indices: Array) -> tuple[Array, ...]:
        """The samples at some indices, stacked: one array for each field."""
        samples = [self[int(i)] for i in indices]
        fields = zip(*(s if isinstance(s, tuple | list) else (s,) for s in samples), strict=True)
        return tuple(np.stack([f.data if isinstance(f, ag.Tensor) else np.asarray(f) for f in field]) for field in fields)


class ArrayDataset(Dataset):
    """Arrays or Tensors of one length, read together along their first axis.

    >>> data = ArrayDataset(np.zeros((5, 2), np.float32), np.arange(5))
    >>> len(data), int(data[3][1])
    (5, 3)
    """

    def __init__(self, *arrays: Any):
        if not arrays:
            raise ArgumentError("ArrayDataset needs at least one array.")
        self.arrays: tuple[Array, ...] = tuple(a.data if isinstance(a, ag.Tensor) else np.asarray(a) for a in arrays)
        lengths = [a.shape[0] if a.ndim else -1 for a in self.arrays]
        if min(lengths) < 0 or len(set(lengths)) > 1:
            shapes = " and ".join(str(a.shape) for a in self.arrays)
            raise ShapeError(f"the arrays of a data set have one first axis, the samples; got shapes {shapes}. ({user_line()})")
        strange = [a.dtype for a in self.arrays if a.dtype.kind not in "biufc"]
        if strange:
            raise DTypeError(
                f"a data set holds numbers, got an array of dtype {strange[0]}: number the classes first. ({user_line()})"
            )

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexingError(f"sample {index} of a data set of {len(self)}.")
        return tuple(a[index] for a in self.arrays)

    def batch(self, indices: Array) -> tuple[Array, ...]:
        return tuple(a[indices] for a in self.arrays)


TensorDataset = ArrayDataset


class DataLoader:
    """Goes through a data set in batches, as tuples of Tensors.

    The batch size makes gradient descent *batch* (``len(dataset)``), *stochastic* (1) or *mini-batch*. With `shuffle`, every
    epoch draws one number from its generator and orders the samples by that: with a `seed` or a `generator` of its own, the
    order of all epochs is fixed, and `state_dict` taken between two batches resumes with the next one.

    Args:
        dataset: a `Dataset`, an array, or a tuple of arrays.
        batch_size: the samples of a batch; the last batch may be smaller.
        shuffle: whether each epoch has an order of its own.
        generator: an `autograd.Generator`; or `seed` for a new one; else the default generator.
        drop_last: leave out a last batch that is smaller.

    >>> loader = DataLoader((np.arange(5),), batch_size=2)
    >>> [batch[0].tolist() for batch in loader]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, dataset: Any, batch_size: int = 1, shuffle: bool = False, generator: Any = None, seed: int | None = None,
                 drop_last: bool = False):  # fmt: skip
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise ArgumentError(f"batch_size must be a whole number, at least 1, got {batch_size!r}. ({user_line()})")
        if generator is not None and seed is not None:
            raise ArgumentError("give a generator or a seed, not both.")
        arrays = isinstance(dataset, tuple | list | np.ndarray | ag.Tensor)
        self.dataset: Any = (
            ArrayDataset(*dataset) if isinstance(dataset, tuple | list) else ArrayDataset(dataset) if arrays else dataset
        )
        if not hasattr(self.dataset, "__len__") or not hasattr(self.dataset, "__getitem__"):
            raise DTypeError(f"DataLoader takes a Dataset or arrays, got {type(dataset).__name__}. ({user_line()})")
        self.batch_size, self.shuffle, self.drop_last = int(batch_size), bool(shuffle), bool(drop_last)
        self.generator = ag.Generator(seed) if seed is not None else ag.default_generator if generator is None else generator
        self._epoch_seed, self._position, self._resume = 0, 0, False

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        n = len(self.dataset)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[tuple[ag.Tensor, ...]]:
        n = len(self.dataset)
        if not self._resume:
            self._position = 0
            self._epoch_seed = int(self.generator.integers(0, 2**62, (1,))[0]) if self.shuffle else 0
        self._resume = False
        order = ag.Generator(self._epoch_seed).permutation(n) if self.shuffle else np.arange(n)
        batch = getattr(self.dataset, "batch", None) or (lambda indices: Dataset.batch(self.dataset, indices))
        while self._position < len(self):
            start = self._position * self.batch_size
            arrays = batch(order[start : start + self.batch_size])
            self._position += 1
            yield tuple(ag.from_numpy(a) for a in arrays)

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands: plain numbers, fit for JSON."""
        return {
            "generator": self.generator.get_state(), "epoch_seed": self._epoch_seed, "position": self._position,
            "samples": len(self.dataset), "batch_size": self.batch_size, "shuffle": self.shuffle,
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to where `state_dict` was taken; the next epoch begun yields the batches that were still to come."""
        here = self.state_dict()
        missing = [k for k in here if k not in state]
        if missing:
            raise ArgumentError(f"the loader's state lacks {', '.join(missing)}; nothing was changed.")
        for key in ("samples", "batch_size", "shuffle"):
            if state[key] != here[key]:
                raise ArgumentError(
                    f"the state is of a loader with {key}={state[key]}, and this one has {key}={here[key]}; "
                    "nothing was changed."
                )
        if not 0 <= state["position"] <= len(self):
            raise ArgumentError(
                f"the state's position {state['position']} is not among {len(self)} batches; nothing was changed."
            )
        self.generator.set_state(state["generator"])
        self._epoch_seed, self._position = int(state["epoch_seed"]), int(state["position"])
        self._resume = 0 < self._position < len(self)


def train_test_split(count: int, labels: Any = None, test_size: float = 0.2, seed: int = 0) -> tuple[Array, Array]:
    """Indices of a training and a held-out part, in random order; with `labels`, each class has its share in both.

    Args:
        count: the number of samples.
        labels: class indices (count,), or None.
        test_size: the share that is held out, in (0, 1).
        seed: fixes the split.

    >>> train, test = train_test_split(10, labels=[0] * 5 + [1] * 5)
    >>> len(train), sorted(int(i) // 5 for i in test)
    (8, [0, 1])
    """
    if not 0 < test_size < 1:
        raise ArgumentError(f"test_size must lie between 0 and 1, got {test_size}. ({user_line()})")
    rng = ag.Generator(seed)
    held = max(1, round(count * test_size))
    if count < 2 or held >= count:
        raise ArgumentError(f"{count} samples cannot be split with test_size={test_size}: both parts need one. ({user_line()})")
    if labels is None:
        order = rng.permutation(count)
        return order[held:], order[:held]
    labels = np.asarray(labels)
    if labels.shape != (count,):
        raise ShapeError(f"labels have shape {labels.shape}; one for each of the {count} samples is needed. ({user_line()})")
    classes, sizes = np.unique(labels, return_counts=True)
    exact = sizes * (held / count)
    shares = np.floor(exact).astype(int)
    for k in np.argsort(shares - exact, kind="stable")[: held - int(shares.sum())]:  # the largest remainders get one more
        shares[k] += 1
    test = np.concatenate([rng.permutation(np.flatnonzero(labels == c))[:n] for c, n in _pairs(classes, shares)])
    train = np.setdiff1d(np.arange(count), test)
    return train[rng.permutation(len(train))], test[rng.permutation(len(test))]


def _pairs(classes: Sequence[Any] | Array, shares: Array) -> Iterator[tuple[Any, int]]:
    return ((c, int(n)) for c, n in zip(classes, shares, strict=True))
