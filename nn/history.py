"""What happened in training, epoch by epoch: a table, a CSV file, learning curves."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from os import PathLike
from typing import Any

from autograd.errors import ArgumentError
from nn.files import write_atomically
from nn.names import nearest

__all__ = ["History"]


class History:
    """One row for each epoch: "epoch", "loss", metrics, the same of the validation data with "val_" before, "lr", "seconds".

    >>> history = History()
    >>> history.append({"epoch": 1, "loss": 0.5})
    >>> history["loss"]
    [0.5]
    >>> history.append({"epoch": 2, "loss": 0.25})
    >>> history
    History: 2 epochs
            first  last  best
      loss    0.5  0.25  0.25  in epoch 2
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.interrupted = False

    def append(self, row: dict[str, float]) -> None:
        """Add the row of an epoch."""
        self.rows.append(dict(row))

    @property
    def columns(self) -> list[str]:
        """All column names, in the order in which they came."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.rows)

    def __getitem__(self, column: str) -> list[float]:
        if column not in self.columns:
            raise ArgumentError(
                f"the history has no column {column!r}{nearest(column, self.columns)} It has "
                f"{', '.join(self.columns) or 'no rows'}."
            )
        return [row.get(column, float("nan")) for row in self.rows]

    def __repr__(self) -> str:
        from nn.sparklines import head, table

        rows = table(self)
        name, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
        lines = [f"History: {head(self)}"]
        for first, *rest in rows if len(rows) > 1 else ():
            cells = (f"  {word:>{wide}}" for word, wide in zip(rest, others, strict=True))
            lines.append(f"  {first:<{name}}{''.join(cells)}".rstrip())
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from nn.sparklines import html

        return html(self)

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write the table to a CSV file, with a header."""
        out = StringIO()
        writer = csv.DictWriter(out, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomically(path, out.getvalue())

    def plot(self, *paths: str | PathLike[str], title: str = "") -> Any:
        """Draw the learning curves, one panel for the loss and one for each metric, validation beside training.

        Args:
            paths: files to write, SVG, PNG or PDF by their ending.
            title: a line above the panels.

        Returns matplotlib's figure. Errors: UnsupportedError without matplotlib.
        """
        from nn.pictures.curves import curves

        return curves(self, *paths, title=title)
