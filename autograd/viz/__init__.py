"""Pictures of graphs. `draw(loss)` shows the tape: the same nodes that backward walks.

>>> import autograd as ag
>>> x = ag.Tensor([1.0, 2.0], requires_grad=True, name="x")
>>> picture = draw((x * x).sum())
>>> picture.dot.startswith("digraph")
True
"""

from autograd.viz.backprop import Backprop, backprop
from autograd.viz.drawing import Drawing, draw
from autograd.viz.render import RenderError

__all__ = ["Backprop", "Drawing", "RenderError", "backprop", "draw"]
