"""`draw`, and the drawing that it returns."""

from __future__ import annotations

import os
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Any

from autograd.errors import ArgumentError, DTypeError
from autograd.viz import render, text
from autograd.viz.collapse import collapse
from autograd.viz.dot import dot
from autograd.viz.files import write
from autograd.viz.fold import WRAP, fold
from autograd.viz.layout import Curve, Layout, parse, sizes
from autograd.viz.model import Graph, picture
from autograd.viz.page import laid_out
from autograd.viz.svg import svg

__all__ = ["Drawing", "draw"]

SUFFIXES = ".svg, .png, .html, .dot, .gv"
RESOLUTION = 144  # dots per inch of PNG files

class Drawing:
    """A picture of a graph: DOT text, SVG, PNG, or a file; shown by itself at the end of a notebook cell.

    It is a record of the moment at which it was made: later changes of the graph do not show in it.
    """

    def __init__(self, graph: Graph, units: list[list[int]], title: str, direction: str, wrap: float = WRAP):
        self.picture, self.direction, self.wrap = picture(graph, units, title), direction, wrap
        self._graph, self._units = graph, units

    @cached_property
    def dot(self) -> str:
        """The picture as DOT text; needs no Graphviz."""
        return dot(self.picture, self.direction)

    @cached_property
    def _svg(self) -> str:
        return svg(self.picture, *laid_out(self.picture, self.direction, wrap=self.wrap))

    def svg(self) -> str:
        """The picture as an SVG document: scalable, readable on light and dark pages, with tooltips.

        Raises:
            RenderError: if there is no Graphviz to lay it out; the message says what to install.
        """
        return self._svg

    def png(self, path: str | os.PathLike[str] | None = None) -> bytes:
        """The picture as PNG on white, drawn by Graphviz itself; written to `path` too, if there is one.

        Raises:
            RenderError: if there is no Graphviz.
            FileError: if the file cannot be written.
        """
        look = (f"-Gdpi={RESOLUTION}", "-Gbgcolor=white")
        rows = self._rows()
        if rows is None:
            image = render.run(self.dot, "png", *look)
        else:
            image = render.run(dot(self.picture, self.direction, *rows), "png", *look, engine="nop2")
        if path is not None:
            write(Path(path), image)
        return image

    def _rows(self) -> tuple[Layout, list[Curve]] | None:
        """Where everything is if Graphviz's own picture is put in rows; None if it is not too long."""
        if self.direction != "LR" or self.wrap == inf:
            return None
        pairs = [(e.tail, e.head) for e in self.picture.edges]
        plain = render.run(self.dot, "plain", "-Edir=none").decode()
        whole = parse(plain, pairs)
        placed, curves = fold(whole, sizes(plain), pairs, list(whole.curves), self.wrap)
        return (placed, curves) if placed.rows else None

    def html(self) -> str:
        """The picture as a page of its own, without network or server: drag and wheel move it, ``/`` searches, a click
        shows details, and a box of many nodes opens."""
        from autograd.viz.explore import page

        return page(self._graph, self._units, self.picture, self.direction)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture in the format of the path's suffix; the file appears whole or not at all.

        The suffixes are .svg, .png, .html (a page of its own), .dot and .gv.

        Raises:
            ArgumentError: for another suffix.
            FileError: if the file cannot be written.
            RenderError: if there is no Graphviz, except for .dot and .gv.
        """
        path = Path(path)
        match path.suffix.lower():
            case ".svg":
                content = self.svg().encode()
            case ".html":
                content = self.html().encode()
            case ".png":
                content = self.png()
            case ".dot" | ".gv":
                content = self.dot.encode()
            case _:
                raise ArgumentError(
                    f"cannot save a picture as {str(path)!r}: the suffix must be one of {SUFFIXES}."
                )
        write(path, content)
        return path

    def __repr__(self) -> str:
        boxes, edges = len(self.picture.boxes), len(self.picture.edges)
        return f"<{self.picture.title}: {boxes} boxes, {edges} edges>"

    def _repr_svg_(self) -> str | None:
        try:
            return self.svg()
        except render.RenderError:
            return None

    def _repr_html_(self) -> str | None:
        drawn = self._repr_svg_()
        return None if drawn is None else f'<div style="overflow-x:auto">{drawn}</div>'

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """SVG for whatever can show it (GitHub too, which strips it from HTML); else words."""
        try:
            return {"image/svg+xml": self.svg(), "text/plain": repr(self)}
        except render.RenderError as error:
            return {"text/plain": f"{self!r}\n{error}"}


def draw(
    x: Any,
    *args: Any,
    values: bool = True,
    gradients: bool = True,
    derivatives: bool = False,
    direction: str = "LR",
    max_nodes: int = 150,
    wrap: float | None = WRAP,
    name: str | None = None,
    partials: bool = False,
) -> Drawing:
    """Draw the graph that computed a Tensor or a Value, of a call of a function or a network, or a jitted program.

    Every box shows name, shape, dtype, value and gradient as far as they are known; arrows run from what
    is used to what uses it. Before ``backward()`` all gradients are shown, by a walk that frees and
    accumulates nothing (those of the sum, if `x` is not a scalar). Afterwards the graph is freed: names
    and shapes are still there, but values only of leaves and the result, and gradients only of leaves and
    of what was told to ``retain_grad()``. A Value keeps all.

    ``draw(loss, model)`` tells the parameters by their full names, such as ``0.weight``.

    ``draw(fun, *args)`` calls the function once and draws what it computes; arrays and floats among the arguments become
    Tensors whose gradients are shown. ``draw(model, x)`` does so for a network, in evaluation mode, so that it stays as it
    was. What a module computed shares a box where the graph is large.

    Args:
        x: the Tensor or Value at which the graph ends; a function or network; or a jitted function, without arguments.
        args: the arguments of the function; for a Tensor, the networks that took part.
        values, gradients: whether to show them.
        derivatives: whether to write at each edge the local derivative, of the op's result by that operand
            (`partials` is an older name for it).
        direction: "LR", from left to right, or "TB", from top to bottom.
        max_nodes: in a larger graph neighbouring nodes share a box "N nodes inside", which opens in the HTML.
        wrap: the width in points from which on a picture from left to right is put in rows; None for never.
        name: the title, for screen readers and files.

    Raises:
        DTypeError: if `x` is none of these, or the function returns no Tensor.
        ArgumentError: for another direction, `max_nodes` below 5, or a jitted function that was not called yet.

    >>> import autograd as ag
    >>> x = ag.Tensor([3.0], requires_grad=True, name="x")
    >>> draw(x * x)
    <graph: 2 boxes, 2 edges>
    >>> draw(lambda x, y: x * y + x, 2.0, 3.0)
    <graph of <lambda>: 4 boxes, 4 edges>
    """
    if direction not in ("LR", "TB"):
        raise ArgumentError(f"direction must be 'LR' or 'TB', got {direction!r}.")
    if isinstance(max_nodes, bool) or not isinstance(max_nodes, int) or max_nodes < 5:
        raise ArgumentError(f"max_nodes must be an integer of at least 5, got {max_nodes!r}.")
    if wrap is not None and not (isinstance(wrap, int | float) and wrap >= 200):
        raise ArgumentError(f"wrap must be a width of at least 200 points, or None, got {wrap!r}.")
    graph = _read(x, args, values=bool(values), gradients=bool(gradients), partials=bool(derivatives or partials))
    return Drawing(graph, collapse(graph, max_nodes), text.clean(name if name is not None else _title(x)), direction,
                   inf if wrap is None else float(wrap))  # fmt: skip


def _title(x: Any) -> str:
    own = getattr(x, "name", None)
    if isinstance(own, str) and own:
        return f"graph of {own}"
    if _is_jitted(x):
        return getattr(x, "__name__", "graph")
    return f"graph of {getattr(x, '__name__', type(x).__name__)}" if callable(x) and not hasattr(x, "_inputs") else "graph"


def _is_jitted(x: Any) -> bool:
    return hasattr(x, "_variants") and hasattr(x, "source")


def _read(x: Any, args: tuple[Any, ...], *, values: bool, gradients: bool, partials: bool) -> Graph:
    from autograd.tensor import Tensor
    from autograd.value import Value
    from autograd.viz.call import is_module, named
    from autograd.viz.read import TapeGraph
    from autograd.viz.scalars import ValueGraph

    if isinstance(x, Tensor) and args and all(map(is_module, args)):
        return TapeGraph(x, values=values, gradients=gradients, partials=partials, spans=named(args))
    if args and (isinstance(x, Tensor | Value) or _is_jitted(x) or not callable(x)):
        raise ArgumentError(
            f"draw() takes arguments for a function or a network only (and networks, for the names of parameters, with a "
            f"Tensor), and this is a {type(x).__name__}: leave them out."
        )
    if isinstance(x, Tensor):
        return TapeGraph(x, values=values, gradients=gradients, partials=partials)
    if isinstance(x, Value):
        return ValueGraph(x, values=values, gradients=gradients, partials=partials)
    if _is_jitted(x):
        from autograd.viz.program import ProgramGraph

        return ProgramGraph(x)
    if callable(x) and not isinstance(x, type):
        from autograd.viz.call import called

        if any(isinstance(a, Value) for a in args):
            return _read(x(*args), (), values=values, gradients=gradients, partials=partials)
        (*more, root), spans = called(x, args)
        return TapeGraph(root, values=values, gradients=gradients, partials=partials, more=more, spans=spans)
    raise DTypeError(
        f"draw() takes a Tensor, a Value or a jitted function, or a function or network with its arguments; got "
        f"{type(x).__name__}: {x!r:.60}."
    )
