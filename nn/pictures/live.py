"""Learning curves while a network trains: a picture in a notebook, a few lines of text in a terminal."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from shutil import get_terminal_size
from typing import Any

from autograd.errors import ArgumentError
from nn.callbacks import Callback
from nn.pictures.curves import curves
from nn.pictures.look import whole

__all__ = ["LiveCurves", "spark"]

LEVELS = "▁▂▃▄▅▆▇█"


def spark(values: Sequence[float], width: int = 40) -> str:
    """Numbers as a row of bars of eight heights; a space where one is not finite. Of many, means of neighbours are shown.

    >>> spark([0, 1, 2, 3, float("nan"), 7])
    '▁▂▃▄ █'
    """
    if len(values) > width:
        edges = [round(k * len(values) / width) for k in range(width + 1)]
        values = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return " " * len(values)
    low, high = min(finite), max(finite)
    step = (high / 7 - low / 7) or 1.0
    return "".join(LEVELS[round((v / step) - (low / step))] if math.isfinite(v) else " " for v in values)


class LiveCurves(Callback):
    """A callback that shows the learning curves while they grow.

    In a notebook one picture is updated in place. In a terminal one line for each column, a row of bars, is written above the
    progress bar and updated in place; where stderr is a file or a pipe, nothing is written before the end, and then once.

    Args:
        every: how many epochs lie between two updates.
        where: "notebook", "terminal", or "auto", which finds out.
        columns: of the history, to be shown in a terminal; the loss, the metrics and those of the validation if left out.

    >>> LiveCurves(where="screen")
    Traceback (most recent call last):
    autograd.errors.ArgumentError: where must be "auto", "notebook" or "terminal", got 'screen'. ...
    """

    def __init__(self, every: int = 1, where: str = "auto", columns: Sequence[str] | None = None):
        if where not in ("auto", "notebook", "terminal"):
            raise ArgumentError(f'where must be "auto", "notebook" or "terminal", got {where!r:.40}.')
        self.every, self.where, self.columns = whole("every", every, 1), where, columns
        self._display: Any = None
        self._lines = 0
        self._shown = 0

    @property
    def in_notebook(self) -> bool:
        """Whether the curves are shown as a picture."""
        if self.where != "auto":
            return self.where == "notebook"
        module = sys.modules.get("IPython")
        shell = module.get_ipython() if module is not None else None
        return shell is not None and getattr(shell, "kernel", None) is not None

    def begin(self, trainer: Any) -> None:
        self._display, self._lines, self._shown = None, 0, 0

    def __call__(self, trainer: Any, row: Mapping[str, float]) -> None:
        if len(trainer.history) % self.every == 0:
            self._show(trainer.history, False)

    def end(self, trainer: Any) -> None:
        if len(trainer.history):
            self._show(trainer.history, True)

    def _show(self, history: Any, last: bool) -> None:
        if self._shown == len(history):
            return
        if self.in_notebook:
            self._picture(curves(history))
            self._shown = len(history)
            return
        try:
            terminal = sys.stderr.isatty()
            if terminal or last:
                self._write(history, terminal)
                self._shown = len(history)
        except (OSError, ValueError, AttributeError):
            pass  # nobody looks: no reason to end the training

    def _picture(self, figure: Any) -> None:
        from IPython.display import display

        if self._display is None:
            self._display = display(figure, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._display.update(figure)

    def text(self, history: Any, width: int = 52) -> str:
        """A line for each column: its name, a row of bars, its first and last value. The width is that of the first two."""
        names = list(self.columns or [c for c in history.columns if c not in ("epoch", "lr", "seconds")])
        wide = max((len(n) for n in names), default=0)
        columns = ((name, history[name]) for name in names)
        return "\n".join(f"{n:<{wide}}  {spark(v, width - wide)}  {v[0]:.4g} → {v[-1]:.4g}" for n, v in columns)

    def _write(self, history: Any, terminal: bool) -> None:
        """Above the bar, which makes room meanwhile: each line anew. None is wrapped, so that all can be found again."""
        if not terminal:
            sys.stderr.write(self.text(history) + "\n")
            return
        from tqdm import tqdm

        size = get_terminal_size()
        lines = [line[: size.columns - 1] for line in self.text(history, max(min(52, size.columns - 24), 20)).split("\n")]
        lines = lines[: max(size.lines - 2, 1)]
        with tqdm.external_write_mode(file=sys.stderr):
            up = f"\x1b[{self._lines}A" if self._lines else ""
            sys.stderr.write(f"\r{up}" + "".join(f"\x1b[2K{line}\n" for line in lines))
            sys.stderr.flush()
        self._lines = len(lines)
