"""Data sets, and loaders that go through them in batches, in an order that can be repeated and resumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, IndexingError, ShapeError, user_line

__all__ = [
    "ArrayDataset", "DataLoader", "Dataset", "TensorDataset", "WeightedRandomSampler", "compute_class_weight",
    "compute_sample_weight", "oversample", "train_test_split", "undersample",
]  # fmt: skip

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

    The batch size makes gradient descent *batch* ("all"), *stochastic* (1) or *mini-batch*: nothing else differs. With
    `shuffle` or a `sampler`, every epoch draws one number from its generator and orders the samples by that: with a `seed` or a
    `generator` of its own, the order of all epochs is fixed, and `state_dict` taken between two batches resumes with the next.

    Args:
        dataset: a `Dataset`, an array, or a tuple of arrays.
        batch_size: the samples of a batch; the last batch may be smaller. "all", or None, for all of them in one.
        shuffle: whether each epoch has an order of its own.
        generator: an `autograd.Generator`; or `seed` for a new one; else the default generator.
        drop_last: leave out a last batch that is smaller.
        sampler: which samples an epoch has, instead of `shuffle`: a function of a `Generator` that returns indices and has a
            length, such as `WeightedRandomSampler`.
        transform: called with each batch of arrays and a `Generator`, to return others: augmentation, see `nn.augment`. What it
            draws depends on the epoch and the batch only, so that resuming repeats it.

    Source: course notes, *batch, mini-batch and stochastic gradient descent* (question 28).

    >>> loader = DataLoader((np.arange(5),), batch_size=2)
    >>> [batch[0].tolist() for batch in loader]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, dataset: Any, batch_size: int | str | None = 1, shuffle: bool = False, generator: Any = None,
                 seed: int | None = None, drop_last: bool = False, *, sampler: Any = None, transform: Any = None):  # fmt: skip
        whole = batch_size is None or isinstance(batch_size, str) and batch_size == "all"
        if not whole and (isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1):
            raise ArgumentError(f'batch_size must be a whole number, at least 1, or "all", got {batch_size!r}. ({user_line()})')
        if sampler is not None and (shuffle or not callable(sampler) or not hasattr(sampler, "__len__")):
            raise ArgumentError(
                "a sampler is a function of a Generator that returns indices, with a length, and takes the place of "
                f"shuffle=True; got {type(sampler).__name__} and shuffle={shuffle}. ({user_line()})"
            )
        if transform is not None and not callable(transform):
            raise DTypeError(f"transform must be a function of (batch, generator), got {type(transform).__name__}.")
        if generator is not None and seed is not None:
            raise ArgumentError("give a generator or a seed, not both.")
        arrays = isinstance(dataset, tuple | list | np.ndarray | ag.Tensor)
        self.dataset: Any = (
            ArrayDataset(*dataset) if isinstance(dataset, tuple | list) else ArrayDataset(dataset) if arrays else dataset
        )
        if not hasattr(self.dataset, "__len__") or not hasattr(self.dataset, "__getitem__"):
            raise DTypeError(f"DataLoader takes a Dataset or arrays, got {type(dataset).__name__}. ({user_line()})")
        self.sampler, self.transform = sampler, transform
        self.batch_size = max(self._samples, 1) if whole else int(batch_size)  # type: ignore[arg-type]
        self.shuffle, self.drop_last = bool(shuffle), bool(drop_last)
        self.generator = ag.Generator(seed) if seed is not None else ag.default_generator if generator is None else generator
        self._epoch_seed, self._position, self._resume = 0, 0, False

    @property
    def _samples(self) -> int:
        """The number of samples in an epoch."""
        return len(self.dataset if self.sampler is None else self.sampler)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        n = self._samples
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[tuple[ag.Tensor, ...]]:
        if not self._resume:
            self._position = 0
            random = self.shuffle or self.sampler is not None or self.transform is not None
            self._epoch_seed = int(self.generator.integers(0, 2**62, (1,))[0]) if random else 0
        self._resume = False
        order = self._order(ag.Generator(self._epoch_seed))
        batch = getattr(self.dataset, "batch", None) or (lambda indices: Dataset.batch(self.dataset, indices))
        while self._position < len(self):
            start = self._position * self.batch_size
            arrays = batch(order[start : start + self.batch_size])
            if self.transform is not None:
                seed = self._epoch_seed + (self._position + 1) * 2**64  # as far from the seed of the order as can be
                arrays = _fields(self.transform(arrays, ag.Generator(seed)))
            self._position += 1
            yield tuple(ag.from_numpy(a) for a in arrays)

    def _order(self, generator: ag.Generator) -> Array:
        """The indices of an epoch."""
        n = len(self.dataset)
        if self.sampler is None:
            return np.asarray(generator.permutation(n)) if self.shuffle else np.arange(n)
        order = np.asarray(self.sampler(generator))
        right = order.shape == (self._samples,) and order.dtype.kind in "iu"
        if not right or (order.size and not 0 <= order.min() <= order.max() < n):
            raise IndexingError(
                f"a sampler gives as many indices as its length, {self._samples}, each of 0 to {n - 1}; this one gave "
                f"{order.dtype} of shape {order.shape}{f', from {order.min()} to {order.max()}' if order.size else ''}."
            )
        return order

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands: plain numbers, fit for JSON."""
        return {
            "generator": self.generator.get_state(), "epoch_seed": self._epoch_seed, "position": self._position,
            "samples": self._samples, "batch_size": self.batch_size, "shuffle": self.shuffle,
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


def _fields(batch: Any) -> tuple[Array, ...]:
    """What a transform returned, as a tuple of arrays."""
    parts = batch if isinstance(batch, tuple | list) else (batch,)
    return tuple(a.data if isinstance(a, ag.Tensor) else np.asarray(a) for a in parts)


# ---- classes of different sizes --------------------------------------------------------------------------------------


def compute_class_weight(labels: Any, classes: int | None = None) -> Array:
    """A weight for each class, n / (C·n_c), so that all classes count alike: for ``CrossEntropyLoss(weight=…)``.

    scikit-learn's "balanced". A class without samples gets weight 0.

    Args:
        labels: class indices (N,).
        classes: C; if left out, the largest index and one.

    Source: course notes, *class imbalance* (question 40); King, Zeng 2001.

    >>> compute_class_weight([0, 0, 0, 1]).round(3).tolist()
    [0.667, 2.0]
    """
    values = _labels("compute_class_weight", labels)
    count = int(values.max()) + 1 if classes is None else int(classes)
    if values.max() >= count:
        raise ArgumentError(f"compute_class_weight: label {values.max()} with classes={count}: there are 0 to {count - 1}.")
    sizes = np.bincount(values, minlength=count)
    weights: Array = np.where(sizes > 0, len(values) / (np.count_nonzero(sizes) * np.maximum(sizes, 1)), 0.0)
    return weights


def compute_sample_weight(labels: Any) -> Array:
    """The weight of each sample's class, of mean 1: for batches (x, target, weight), or a `WeightedRandomSampler`.

    >>> compute_sample_weight([0, 0, 0, 1]).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    values = _labels("compute_sample_weight", labels)
    weights: Array = compute_class_weight(values)[values]
    return weights


class WeightedRandomSampler:
    """Draws samples in proportion to their weights, with replacement unless told; a `sampler` of `DataLoader`.

    With `compute_sample_weight` of the labels, classes come equally often. Rare samples are repeated: augment them.

    Args:
        weights: one for each sample, not negative, not all 0.
        num_samples: how many an epoch has; as many as there are weights if left out.
        replacement: whether a sample may come twice.

    >>> sampler = WeightedRandomSampler([0.0, 1.0, 0.0], 2)
    >>> sampler(ag.Generator(0)).tolist()
    [1, 1]
    """

    def __init__(self, weights: Any, num_samples: int | None = None, replacement: bool = True):
        values = np.asarray(weights.data if isinstance(weights, ag.Tensor) else weights, np.float64)
        bad = values[~(np.isfinite(values) & (values >= 0))]
        if values.ndim != 1 or bad.size or not values.sum() > 0:
            raise ArgumentError(
                "WeightedRandomSampler takes finite weights (N,), not negative and not all 0; got shape "
                f"{values.shape}{f' with {bad[0]:g}' if bad.size else ''}. ({user_line()})"
            )
        count = len(values) if num_samples is None else num_samples
        drawable = len(values) if replacement else int(np.count_nonzero(values))
        whole = isinstance(count, int | np.integer) and not isinstance(count, bool) and count >= 1
        if not whole or not replacement and count > drawable:
            raise ArgumentError(
                f"WeightedRandomSampler: num_samples must be a whole number, at least 1"
                f"{'' if replacement else f', and at most {drawable} without replacement'}, got {count!r}. ({user_line()})"
            )
        self.weights, self.num_samples, self.replacement = values / values.sum(), int(count), bool(replacement)

    def __len__(self) -> int:
        return self.num_samples

    def __call__(self, generator: ag.Generator) -> Array:
        """The indices of an epoch."""
        if self.replacement:
            edges = np.cumsum(self.weights)
            drawn = generator.uniform(0.0, float(edges[-1]), self.num_samples, np.float64)
            return np.asarray(np.searchsorted(edges, drawn, side="right"))
        # Efraimidis, Spirakis 2006: the largest of ln(u)/w are a draw without replacement
        u = generator.uniform(0.0, 1.0, len(self.weights), np.float64)
        with np.errstate(divide="ignore"):
            keys = np.where(self.weights > 0, np.log(u) / np.where(self.weights > 0, self.weights, 1), -np.inf)
        order: Array = np.argsort(-keys, kind="stable")[: self.num_samples]
        return order


def oversample(labels: Any, generator: ag.Generator | None = None) -> Array:
    """Indices with which all classes are as large as the largest: every sample once, and random repetitions of the rare ones.

    Resample the training data only, after splitting: a sample in both parts would be learned and then tested.
    Source: course notes, *class imbalance* (question 40).

    >>> sorted(oversample([0, 0, 0, 1], ag.Generator(0)).tolist())
    [0, 1, 2, 3, 3, 3]
    """
    values = _labels("oversample", labels)
    rng = generator or ag.default_generator
    groups = [np.flatnonzero(values == c) for c in np.unique(values)]
    most = max(map(len, groups))
    more = [np.concatenate([g, g[rng.integers(0, len(g), most - len(g))]]) for g in groups]
    return np.asarray(rng.permutation(np.concatenate(more)))


def undersample(labels: Any, generator: ag.Generator | None = None) -> Array:
    """Indices with which all classes are as small as the smallest: a random choice of each. Throws data away.

    Source: course notes, *class imbalance* (question 40).

    >>> labels = np.array([0, 0, 0, 1])
    >>> sorted(labels[undersample(labels, ag.Generator(0))].tolist())
    [0, 1]
    """
    values = _labels("undersample", labels)
    rng = generator or ag.default_generator
    groups = [np.flatnonzero(values == c) for c in np.unique(values)]
    least = min(map(len, groups))
    return np.asarray(rng.permutation(np.concatenate([rng.permutation(g)[:least] for g in groups])))


def _labels(name: str, labels: Any) -> Array:
    values = np.asarray(labels.data if isinstance(labels, ag.Tensor) else labels)
    if values.ndim != 1 or not values.size or values.dtype.kind not in "iub":
        raise DTypeError(f"{name} takes class indices (N,), N ≥ 1, got {values.dtype} of shape {values.shape}. ({user_line()})")
    values = values.astype(np.int64)
    if values.min() < 0:
        raise ArgumentError(f"{name}: label {values.min()} is negative; number the classes from 0. ({user_line()})")
    return values
