"""Random numbers with explicit state: a Generator is a seed and a position, and nothing touches NumPy's global state."""

from __future__ import annotations

from typing import Any

import numpy

from autograd.errors import ArgumentError, FormatError, GraphError, user_line
from autograd.tape import mode
from autograd.tensor import get_default_dtype

__all__ = ["Generator", "default_generator", "manual_seed"]


class Generator:
    """A stream of random numbers (Philox, counter based); equal seeds give equal streams on every machine.

    Inside a jitted function the numbers are drawn anew at each call, in the order of the program: the same stream as
    eager, to the bit. They are Tensors there.

    >>> Generator(0).normal(size=2) == Generator(0).normal(size=2)
    array([ True,  True])
    """

    def __init__(self, seed: int = 0):
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of this seed."""
        if isinstance(seed, bool) or not isinstance(seed, int | numpy.integer) or seed < 0:
            raise ArgumentError(f"a seed is an integer not below 0, got {seed!r}.")
        return self._start(int(seed), numpy.random.Generator(numpy.random.Philox(int(seed))))

    def _start(self, seed: int, position: numpy.random.Generator) -> Generator:
        """Go on from a position; while a program is recorded, one that was there before moves only when the program runs."""
        if mode.capture is not None:
            mode.capture.moved(self, _state(seed, position))
        if mode.capture is None or not hasattr(self, "_numpy"):
            self.seed, self._numpy = seed, position
        return self

    def uniform(self, low: float = 0.0, high: float = 1.0, size: Any = None, dtype: Any = None) -> Any:
        """Numbers uniform on [low, high), in float32 too, where the largest would round up to high."""
        if mode.capture is not None:
            return mode.capture.draw(self, "uniform", low, high, size, dtype)
        x = self._cast(self._numpy.uniform(low, high, size), dtype)
        return numpy.where(x < high, x, numpy.nextafter(x, x.dtype.type(low))) if low < high else x

    def normal(self, loc: float = 0.0, scale: float = 1.0, size: Any = None, dtype: Any = None) -> Any:
        """Normal numbers of the given mean and standard deviation."""
        if mode.capture is not None:
            return mode.capture.draw(self, "normal", loc, scale, size, dtype)
        return self._cast(self._numpy.normal(loc, scale, size), dtype)

    def integers(self, low: int, high: int | None = None, size: Any = None) -> Any:
        """Integers uniform on [low, high)."""
        if mode.capture is not None:
            return mode.capture.draw(self, "integers", low, high, size)
        return self._numpy.integers(low, high, size)

    def permutation(self, n: Any) -> Any:
        """0 … n−1, or the elements of an array, in random order."""
        if mode.capture is not None:
            return mode.capture.draw(self, "permutation", n)
        return self._numpy.permutation(n)

    @staticmethod
    def _cast(x: Any, dtype: Any) -> Any:
        return numpy.asarray(x).astype(dtype if dtype is not None else get_default_dtype(), copy=False)

    def get_state(self) -> dict[str, Any]:
        """The position in the stream, as plain lists and numbers."""
        if mode.capture is not None:
            raise GraphError(
                "the position of a Generator is not known while a step is being recorded: its numbers are drawn when the "
                f"program runs. Read it outside of the jitted function. ({user_line()})"
            )
        return _state(self.seed, self._numpy)

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a position that `get_state` gave."""
        try:
            as_words = {k: numpy.array(state[k], numpy.uint64) for k in ("counter", "key", "buffer")}
            if [w.shape for w in as_words.values()] != [(4,), (2,), (4,)] or not 0 <= int(state["buffer_pos"]) <= 4:
                raise ValueError("words are missing")
            fresh = numpy.random.Philox(0)
            position: Any = {
                "bit_generator": "Philox",
                "state": {"counter": as_words["counter"], "key": as_words["key"]},
                "buffer": as_words["buffer"],
                **{k: int(state[k]) for k in ("buffer_pos", "has_uint32", "uinteger")},
            }
            fresh.state = position
            seed = int(state["seed"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise FormatError(f"not the state of a Generator: {error}. Pass what get_state() returned.") from None
        self._start(seed, numpy.random.Generator(fresh))

    def __repr__(self) -> str:
        return f"Generator(seed={self.seed})"


def _state(seed: int, position: numpy.random.Generator) -> dict[str, Any]:
    state: Any = position.bit_generator.state
    return {
        "seed": seed,
        "counter": [int(v) for v in state["state"]["counter"]],
        "key": [int(v) for v in state["state"]["key"]],
        "buffer": [int(v) for v in state["buffer"]],
        "buffer_pos": int(state["buffer_pos"]),
        "has_uint32": int(state["has_uint32"]),
        "uinteger": int(state["uinteger"]),
    }


default_generator = Generator(0)
"""What initialisers, dropout and shuffling draw from when they are given no generator."""


def manual_seed(seed: int) -> Generator:
    """Seed the default generator, and return it."""
    return default_generator.manual_seed(seed)
