"""`backprop`: the forward pass and backprop one step at a time, in the terminal, as a page, in a notebook."""

from __future__ import annotations

import os
import time
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from autograd.errors import ArgumentError, DTypeError, NotFoundError
from autograd.tensor import Tensor
from autograd.value import Value
from autograd.viz import text
from autograd.viz.files import write
from autograd.viz.steps import Record, Share, Step, record

__all__ = ["Backprop", "backprop"]

MOST = 2000
"""Nodes of a graph that one can step through."""
HEIGHT = 560
"""Pixels of the page in a notebook."""


def backprop(loss: Any, gradient: Any = None) -> Backprop:
    """Step through the forward pass and through backprop: what ``loss.backward()`` does, one node at a time.

    It starts where the forward pass is done: ``step()`` goes on with ``∂L/∂L = 1``, ``back()`` goes back, into the forward
    pass too. Each step of backprop shows a node whose gradient is complete, because everything that uses it has passed its
    share on; what it passes to each of its inputs, upstream gradient × local derivative = contribution, in symbols and in
    numbers; and how the gradients of the inputs grow. The walk is a record: it changes nothing in the graph, and ends at
    exactly the gradients that ``backward()`` would leave.

    Args:
        loss: the Tensor or Value to start from; not freed by a ``backward()`` before.
        gradient: the seed, as of ``backward(gradient)``; may be left out for a scalar.

    Raises:
        GraphError: without a graph, after it was freed, or if a saved value was overwritten.
        ArgumentError: for graphs of more than 2,000 nodes.

    >>> a, b = Value(2.0, "a"), Value(-3.0, "b")
    >>> trace = backprop(a * b + a)
    >>> trace.step().step()
    step 4 of 7 · backprop · L = v₁ + a
      ∂L/∂L = 1 is complete: backprop starts here
      v₁: 1 × 1 = 1    [∂L/∂L · 1]    ∂L/∂v₁ = 1
      a : 1 × 1 = 1    [∂L/∂L · 1]    ∂L/∂a = 1    waits for v₁
    >>> trace.end().gradients
    {'a': -2.0, 'b': 2.0}
    """
    if not isinstance(loss, Tensor | Value):
        raise DTypeError(f"backprop() takes the Tensor or the Value at which the graph ends, got {type(loss).__name__}.")
    found = record(loss, gradient)
    count = len(found.boxes)
    if count > MOST:
        raise ArgumentError(
            f"this graph has {count:,} nodes, and one steps through {MOST:,} at most: take a smaller model or batch, or look "
            "at the whole with draw(loss)."
        )
    return Backprop(found)


class Backprop:
    """A walk through a graph, forward and back. `position` counts the steps that are done."""

    def __init__(self, found: Record):
        self.record = found
        self.steps: list[Step] = [*found.forward, *found.backward]
        self._widget: Any = None
        self.start = self._position = len(found.forward)

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def position(self) -> int:
        """How many steps are done; the widget, if it was made, shows the same."""
        return self._position

    @position.setter
    def position(self, value: int) -> None:
        self._position = value
        if self._widget is not None:
            self._widget.position = value

    def step(self, count: int = 1) -> Backprop:
        """Go so many steps on, at most to the end."""
        self.position = min(max(self.position + count, 0), len(self.steps))
        return self

    def back(self, count: int = 1) -> Backprop:
        """Go so many steps back, at most to where only the leaves have values."""
        return self.step(-count)

    def end(self) -> Backprop:
        """Go to the end, where the gradients are those of ``backward()``."""
        return self.step(len(self.steps))

    def rewind(self) -> Backprop:
        """Go to the start of backprop: everything is computed, and no gradient is known."""
        self.position = self.start
        return self

    def goto(self, node: Any, forward: bool = False) -> Backprop:
        """Go to the step of a node: the one at which its gradient is complete, or, forward, at which it is computed.

        Args:
            node: a Tensor or Value of the graph, its name or symbol, or a number of steps.

        Raises:
            NotFoundError: if no step belongs to it.
        """
        if isinstance(node, int) and not isinstance(node, bool):
            if not 0 <= node <= len(self.steps):
                raise NotFoundError(f"there are {len(self.steps)} steps, and {node} is not among them.")
            self.position = node
            return self
        place = self._place(node)
        phases = ("forward",) if forward else ("backward", "leaf")
        for k, step in enumerate(self.steps):
            if step.at == place and step.phase in phases:
                self.position = k + 1
                return self
        raise NotFoundError(f"{self.record.symbols[place]} is given: no step belongs to it.")

    def _place(self, node: Any) -> int:
        things, symbols = self.record.graph.things, self.record.symbols
        wanted = node.node if isinstance(node, Tensor) and node.node is not None else node
        for i, thing in enumerate(things):
            if thing is wanted or isinstance(wanted, str) and wanted in (symbols[i], getattr(thing, "name", None)):
                return i
        known = ", ".join(symbols[:20]) + (", …" if len(symbols) > 20 else "")
        raise NotFoundError(f"{text.shorten(repr(node), 60)} is not in this graph; it has {known}.")

    def play(self, delay: float = 0.0) -> None:
        """Print all steps that are left, with so many seconds between them."""
        while self.position < len(self.steps):
            print(self.step().text())
            if delay:
                time.sleep(delay)

    @property
    def gradients(self) -> dict[str, Any]:
        """The gradients of the leaves as they are at this point, by name: complete ones, what ``.grad`` would be."""
        found: dict[str, Any] = {}
        for step in self.steps[self.start : self.position]:
            if step.phase == "leaf":
                found[self.record.symbols[step.at]] = self.record.gradients[step.at]
        return dict(sorted(found.items()))

    # ---- as text --------------------------------------------------------------------------------------------------

    def text(self) -> str:
        """The step that was done last, in words and numbers."""
        if self.position == 0:
            given = ", ".join(f"{self.record.symbols[i]} = {text.array(v)}" for i, v in list(self.record.given.items())[:12])
            return f"step 0 of {len(self.steps)} · given: {given}"
        step = self.steps[self.position - 1]
        name = self.record.symbols[step.at]
        head = f"step {self.position} of {len(self.steps)} · "
        if step.phase == "forward":
            return f"{head}forward · {step.formula} = {text.array(step.result)}"
        if step.phase == "seed":
            return f"{head}backprop starts · {step.formula if text.array(step.result) == '1' else f'∂{name}/∂{name} = given'}"
        number = text.array(step.result)
        if step.phase == "leaf":
            held = "" if step.held is None else f" (it was {text.array(step.held)}: now {text.array(self._final(step.at))})"
            return f"{head}a leaf is complete · {step.formula} = {number}{held}\n  {self.why(step)}"
        made = next((s.formula for s in self.record.forward if s.at == step.at), name)
        lines = [f"{head}backprop · {made}", f"  {step.formula} = {number} is complete: {self.why(step)}"]
        width = max((len(self.record.symbols[s.to]) for s in step.shares), default=0)
        lines += [f"  {self.record.symbols[s.to]:<{width}}: {self._share(step, s)}" for s in step.shares]
        return "\n".join(lines)

    def _final(self, place: int) -> Any:
        return self.record.gradients[place]

    def why(self, step: Step) -> str:
        """Why it is this node's turn."""
        users = [self.record.symbols[i] for i in step.spoken]
        if not users:
            return "backprop starts here"
        if len(users) == 1:
            return f"{users[0]}, all that uses it, has passed its share on"
        return f"all {len(users)} that use it ({text.shorten(', '.join(users), 60)}) have passed their shares on"

    def _share(self, step: Step, share: Share) -> str:
        call, name = self.record.symbols[-1], self.record.symbols[share.to]
        amount, after = text.array(share.amount), text.array(share.after)
        upstream, factor = text.array(step.result), None if share.factor is None else text.array(share.factor)
        numbers = f"{upstream} × {factor} = {amount}" if factor is not None else amount
        rule = self.rule(step, share)
        summed = ", summed over the axes along which it was broadcast" if share.summed else ""
        before = "" if share.before is None else f"{text.array(share.before)} + {amount} = "
        waits = self.waiting(share.to)
        later = f"    waits for {text.shorten(', '.join(waits), 40)}" if waits else ""
        return f"{numbers}    [{rule}{summed}]    ∂{call}/∂{name} = {before}{after}{later}"

    @staticmethod
    def rule(step: Step, share: Share) -> str:
        """What an input is passed, in symbols."""
        return share.rule if share.factor is None else _product(step.formula, share.rule)

    def waiting(self, place: int) -> list[str]:
        """What has still to pass its share on to a node, by this position."""
        done = {s.at for s in self.steps[self.start : self.position] if s.phase == "backward"}
        users = dict.fromkeys(s.at for s in self.record.backward for share in s.shares if share.to == place)
        return [self.record.symbols[i] for i in users if i not in done]

    def __repr__(self) -> str:
        return self.text()

    # ---- as a page ------------------------------------------------------------------------------------------------

    @cached_property
    def _page(self) -> str:
        from autograd.viz.stepper import page

        return page(self)

    def html(self) -> str:
        """One page that works by itself: a slider, ← → space Home End, and a click on a node; ``#step=7`` in its address.

        Raises:
            RenderError: if there is no Graphviz to lay the graph out.
        """
        return self._page.replace("data-start=\"0\"", f'data-start="{self.position}"', 1)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page; the suffix is .html.

        Raises:
            ArgumentError: for another suffix.
            FileError: if the file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() not in (".html", ".htm"):
            raise ArgumentError(f"the steps are saved as a page: {str(path)!r} does not end in .html.")
        write(path, self.html().encode())
        return path

    def widget(self, height: int = HEIGHT) -> Any:
        """The page as a Jupyter widget (anywidget): ``step()``, ``goto()`` in another cell move it, and its slider, keys and
        clicks move this walk.

        Args:
            height: in pixels.

        Raises:
            UnsupportedError: if anywidget is not installed.
            RenderError: if there is no Graphviz to lay the graph out.
        """
        if self._widget is None:
            from autograd.viz.widget import widget

            self._widget = widget(self, height)
        return self._widget

    def _repr_html_(self) -> str | None:
        from autograd.viz.render import RenderError

        try:
            page = self.html()
        except RenderError:
            return None
        frame = f'width="100%" height="{HEIGHT}" style="border:0" sandbox="allow-scripts" title="backprop, step by step"'
        words = f'<pre style="display:none">{escape(text.clean(self.text(), keep_newlines=True))}</pre>'
        return f'{words}<iframe srcdoc="{escape(page)}" {frame}></iframe>'


def _product(formula: str, rule: str) -> str:
    bracketed = f"({rule})" if any(c in rule for c in "+− ") and not rule.startswith("[") else rule
    return f"{formula} · {bracketed}"
