"""What runs compiled without being asked to: an optimizer's pass over its parameters, long composed functions.

Both are written as ordinary Python over ops, and that Python is what the compiler records; where it cannot (no LLVM,
anomaly mode, a rule that looks at values), or while something else records, the Python itself runs. Nothing is said, since
nothing was asked for; the results are the same, to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autograd.tape import mode

__all__ = ["CompiledPass"]


class CompiledPass:
    """A function without arguments and results that writes into tensors, compiled at its first call.

    Args:
        function: what to run. It may write into tensors and state cells, and read ``.grad``.
        limit: how many programs are kept: where what the function depends on keeps changing (which of the parameters have a
            gradient, say), it runs as it is from then on, rather than being compiled forever.

    >>> import numpy, autograd as ag
    >>> w = ag.Tensor([1.0, 2.0])
    >>> def double():
    ...     with ag.no_grad():
    ...         w.copy_(2 * w)
    >>> double = CompiledPass(double)
    >>> double(), double(), w
    (None, None, Tensor([4., 8.]))
    """

    __slots__ = ("function", "limit", "_compiled", "_plain")

    def __init__(self, function: Callable[[], Any], limit: int = 4):
        self.function, self.limit = function, limit
        self._compiled: Any = None
        self._plain = False

    def __reduce__(self) -> Any:
        return type(self), (self.function, self.limit)  # a copy compiles for itself

    def __call__(self) -> None:
        last = self._compiled._last if self._compiled is not None else None
        if last is not None and mode.plain is last.record and not mode.anomaly and not self._plain:
            if last.call(()) is None:  # and not a miss
                return
        self._otherwise()

    def _otherwise(self) -> None:
        """A call whose program is yet to be found, or made; or that needs none."""
        if self._plain or mode.capture is not None or mode.anomaly:
            self.function()
            return
        from autograd.compiler.jit import Compiled, usable

        if not usable():
            self.function()
            return
        if self._compiled is None:
            self._compiled = Compiled(self.function)
        made = [v for variants in self._compiled._variants.values() for v in variants]
        if len(made) >= self.limit and not any(v.ready() for v in made):
            self.function()
            return
        try:
            self._compiled()
        except Exception:
            self.function()  # the mistake may be the caller's: then this raises as well, and nothing was decided
            self._plain, self._compiled = True, None
