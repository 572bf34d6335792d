"""What a diagnosis says: findings, each with its evidence and its remedy; as text, HTML and a picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

__all__ = ["Finding", "Layer", "Report", "Shown"]


@dataclass(frozen=True)
class Shown:
    """Numbers that show a finding, for its picture.

    Attributes:
        kind: "bars", one for each name; "histogram" of the values; "image" of a matrix.
        title: what they are.
        values: the numbers.
        names: of bars.
        marked: the bars that the finding is about.
        bounds: lines across, by name.
    """

    kind: str
    title: str
    values: np.ndarray[Any, Any]
    names: tuple[str, ...] = ()
    marked: tuple[int, ...] = ()
    bounds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: a name that stays the same, such as "dead units".
        says: what was seen, with numbers, and why it matters.
        fix: code that mends it.
        evidence: the figures that it rests on.
        shown: the numbers behind it, drawn by `Report.plot`; None where the figures of the layers and steps show it.
    """

    kind: str
    says: str
    fix: str
    evidence: dict[str, float] = field(default_factory=dict)
    shown: Shown | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Layer:
    """A weight and what a training batch does to it: root mean squares of the weight, its gradient, and of one update (None
    where no step was taken)."""

    name: str
    weight: float
    gradient: float
    update: float | None = None


@dataclass(frozen=True)
class Report:
    """The findings of `diagnose`, the most basic first; false if there are none.

    Attributes:
        findings: what is wrong.
        layers: the flow of gradients, layer by layer.
        signals: the root mean square of each module's output, by name, in the order in which they ran.
        losses: the loss of each trial step; empty if none was made.
    """

    findings: list[Finding]
    layers: list[Layer]
    signals: dict[str, float]
    losses: list[float]

    def __bool__(self) -> bool:
        return bool(self.findings)

    @property
    def kinds(self) -> list[str]:
        """The names of what was found."""
        return [finding.kind for finding in self.findings]

    def __str__(self) -> str:
        if not self.findings:
            return "Nothing found: data, signals, gradients and the first steps look healthy."
        parts = []
        for k, finding in enumerate(self.findings, 1):
            fix = "\n".join("       " + line for line in finding.fix.splitlines())
            parts.append(f"{k}. {finding.kind}\n   {finding.says}\n{fix}")
        return "\n\n".join(parts)

    def __repr__(self) -> str:
        return f"<diagnosis: {', '.join(self.kinds) or 'nothing found'}>"

    def _repr_html_(self) -> str:
        if not self.findings:
            return f"<p>{escape(str(self))}</p>"
        items = "".join(
            f"<li><b>{escape(f.kind)}</b><br>{escape(f.says)}<pre style='margin:.4em 0 1em'>{escape(f.fix)}</pre></li>"
            for f in self.findings
        )
        return f"<ol style='max-width:50em'>{items}</ol>"

    def plot(self) -> Any:
        """The evidence as a picture: what shows each finding, signals and gradients layer by layer, and the trial steps.
        Returns matplotlib's Figure."""
        from nn.doctor.picture import draw

        return draw(self)
