"""The step-through as a Jupyter widget: the page, and its place kept the same as that of the walk in Python."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograd.errors import UnsupportedError

if TYPE_CHECKING:
    from autograd.viz.backprop import Backprop

__all__ = ["widget"]


@cache
def _kind() -> Any:
    try:
        import anywidget
        import traitlets
    except ImportError:
        raise UnsupportedError(
            "the widget needs anywidget: python -m pip install anywidget. Without it the trace itself, at the end of a cell, "
            "shows the same page, and trace.save('steps.html') writes it."
        ) from None

    class BackpropWidget(anywidget.AnyWidget):  # type: ignore[misc]
        """What the browser is told: the page, and how many steps are done."""

        _esm = Path(__file__).parent / "widget.js"
        page = traitlets.Unicode().tag(sync=True)
        height = traitlets.Int().tag(sync=True)
        last = traitlets.Int().tag(sync=True)
        position = traitlets.Int().tag(sync=True)

        @traitlets.validate("position")
        def _within(self, proposal: Any) -> int:
            return min(max(int(proposal["value"]), 0), self.last)

    return BackpropWidget


def widget(trace: Backprop, height: int) -> Any:
    """A widget for a walk; each follows the other."""
    made = _kind()(page=trace.html(), height=height, last=len(trace), position=trace.position)

    def follow(change: Any) -> None:
        trace.position = change["new"]

    made.observe(follow, "position")
    return made
