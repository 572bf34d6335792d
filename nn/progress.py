"""A progress bar over epochs or trials, in terminals and notebooks, that never gets in the way of the training."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["bar"]


@contextmanager
def bar(total: int, wanted: bool = True, unit: str = "epoch",
        what: str = "training") -> Iterator[Callable[[dict[str, float]], None]]:  # fmt: skip
    """Yields a function that is told the row of each finished epoch or trial. A stderr that fails ends the bar only."""
    shown = _open(total, unit, what) if wanted and total else None

    def show(row: dict[str, float]) -> None:
        if shown is not None:
            keep = {k: f"{v:.4f}" for k, v in row.items() if k not in ("epoch", "lr", "seconds")}
            _safely(lambda: (shown.set_postfix(keep, refresh=False), shown.update()))

    try:
        yield show
    finally:
        if shown is not None:
            _safely(shown.close)


def _open(total: int, unit: str, what: str) -> Any:
    if sys.stderr is None or sys.stderr.closed:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tqdm.auto warns in notebooks without ipywidgets, and falls back to text
        from tqdm.auto import tqdm

        try:
            return tqdm(total=total, unit=unit, desc=what, dynamic_ncols=True)
        except (OSError, ValueError):
            return None


def _safely(action: Callable[[], Any]) -> None:
    try:
        action()
    except (OSError, ValueError, AttributeError):
        pass
