"""Averages of parameters over the steps: exponential (EMA) and plain (SWA). They often generalise better than the last step.

Normalisation that keeps running statistics fits the averaged weights only after these were taken anew: run the training data
through the network, in training mode and without gradients, while the average is `applied`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, user_line
from optim.optimizer import Array, reader

__all__ = ["ExponentialMovingAverage", "StochasticWeightAverage"]


class _Average:
    """Copies of parameters, which `update` moves towards the parameters themselves, in one pass."""

    def __init__(self, params: Any):
        found = params.parameters() if hasattr(params, "parameters") else params
        self.params: list[ag.Tensor] = [found] if isinstance(found, ag.Tensor) else list(found)
        strange = next((p for p in self.params if not isinstance(p, ag.Tensor) or p.dtype.kind != "f"), None)
        if strange is not None or not self.params:
            what = "nothing" if strange is None else type(strange).__name__
            raise DTypeError(f"{type(self).__name__} takes parameters, or what has parameters(), got {what}. ({user_line()})")
        self.averages = [ag.from_numpy(p.data.copy()) for p in self.params]
        self.count = ag.State(0, dtype=np.int64, name="updates")
        self._pass = ag.CompiledPass(self._update)

    def _share(self, count: Array) -> Array:
        """How far the averages move towards the parameters at an update, of which there were `count` before."""
        raise NotImplementedError

    def update(self) -> None:
        """Take the parameters of now into the average; after each step, or each epoch. May be part of a compiled step."""
        self._pass()

    def _update(self) -> None:
        read = reader()
        count = read(self.count)
        with ag.no_grad():
            share = self._share(count)
            ag.overwrite([(a, read(a) + share * (read(p) - read(a))) for a, p in zip(self.averages, self.params, strict=True)])
            ag.overwrite([(self.count, count + 1)])

    def copy_to(self) -> None:
        """Write the averages into the parameters, for good."""
        with ag.no_grad():
            for p, a in zip(self.params, self.averages, strict=True):
                p.copy_(a.data)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside of ``with average.applied():`` the parameters are the averages; afterwards they are as before."""
        before = [p.data.copy() for p in self.params]
        try:
            self.copy_to()
            yield
        finally:
            with ag.no_grad():
                for p, value in zip(self.params, before, strict=True):
                    p.copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """The averages, as copies, and the number of updates."""
        return {"count": int(self.count.value), "averages": [a.data.copy() for a in self.averages]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave; ArgumentError if it does not fit, and then nothing has changed."""
        try:
            count, values = int(state_dict["count"]), [np.asarray(a) for a in state_dict["averages"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ArgumentError(
                f"{type(self).__name__}: this is not the state of an average: {error!r}. ({user_line()})"
            ) from None
        if [a.shape for a in values] != [a.shape for a in self.averages]:
            raise ArgumentError(f"{type(self).__name__}: the state belongs to parameters of other shapes. ({user_line()})")
        with ag.no_grad():
            for a, value in zip(self.averages, values, strict=True):
                a.copy_(value)
        self.count.value = count


class ExponentialMovingAverage(_Average):
    """EMA: a ← decay·a + (1 − decay)·p at each update.

    With `warm_up`, decay is at most (1 + n)/(10 + n) at update n, so that the start is forgotten sooner. Source: Polyak,
    Juditsky 1992, "Acceleration of stochastic approximation by averaging".

    Args:
        params: tensors, or what has ``parameters()``.
        decay: in [0, 1).

    >>> import autograd as ag, optim
    >>> w = ag.Tensor([0.0])
    >>> average = optim.ExponentialMovingAverage([w], decay=0.75)
    >>> with ag.no_grad():
    ...     _ = w.copy_([8.0])
    >>> average.update()
    >>> with average.applied():
    ...     print(w)
    Tensor([2.])
    >>> w
    Tensor([8.])
    """

    def __init__(self, params: Any, decay: float = 0.999, warm_up: bool = False):
        if not isinstance(decay, int | float) or not 0 <= decay < 1:
            raise ArgumentError(f"ExponentialMovingAverage: decay must be in [0, 1), got {decay!r}. ({user_line()})")
        self.decay, self.warm_up = float(decay), warm_up
        super().__init__(params)

    def _share(self, count: Array) -> Array:
        if not self.warm_up:
            return 1 - self.decay
        return 1 - np.minimum(self.decay, (1.0 + count) / (10.0 + count))


class StochasticWeightAverage(_Average):
    """SWA: the mean of the parameters at all updates, a ← a + (p − a)/(n + 1).

    Train to near the end, then go on with a constant or cyclic rate (`optim.lr_scheduler.SWALR`) and update after each epoch.
    Source: Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization".

    >>> import autograd as ag, optim
    >>> w = ag.Tensor([0.0])
    >>> average = optim.StochasticWeightAverage([w])
    >>> for value in (1.0, 2.0, 6.0):
    ...     with ag.no_grad():
    ...         _ = w.copy_([value])
    ...     average.update()
    >>> average.averages[0]
    Tensor([3.])
    """

    def _share(self, count: Array) -> Array:
        return 1.0 / (count + 1.0)
