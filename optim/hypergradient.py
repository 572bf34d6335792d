"""Learning rates by their own gradient: at each step, and through many unrolled steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, user_line
from autograd.tape import gradients
from optim.optimizer import Optimizer

__all__ = ["Hypergradient", "unrolled"]


class Hypergradient:
    r"""Hypergradient descent: wraps an optimizer, and moves its rate against the derivative of the loss by the rate.

    An optimizer makes p ← p − lr·u, so the loss after it has the derivative −∇L·u by lr, where u is the last step's direction
    and ∇L the gradient found now. The rate goes against it:

    lr ← lr + hyper_lr·∇L·u, or with ``multiplicative=True``  lr ← lr·(1 + hyper_lr·∇L·u/(‖∇L‖‖u‖)), at least 0.

    With `SGD` this is the paper's SGD-HD, with Adam Adam-HD; other optimizers work alike. Works inside of compiled steps.

    When: where the rate is not known, as a start of a search. Limits: hyper_lr has to be chosen, though with less care; twice
    the memory for the last direction; the rate follows the noise of small batches. Sources: Baydin et al. 2018, "Online
    learning rate adaptation with hypergradient descent"; course notes, *Gradient-Based Optimization (Hypergradient Descent)*.

    Args:
        optimizer: whose rates to move, group by group.
        hyper_lr: the rate of the rate, ≥ 0.
        multiplicative: see above; then hyper_lr has no unit, and 0.02 is a fair choice.

    >>> import autograd as ag, optim
    >>> w = ag.Tensor([3.0], requires_grad=True)
    >>> optimizer = optim.Hypergradient(optim.SGD([w], lr=0.01), hyper_lr=0.001)
    >>> for _ in range(20):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> optimizer.param_groups[0]["lr"] > 0.1, abs(w.item()) < 0.2
    (True, True)
    """

    def __init__(self, optimizer: Optimizer, hyper_lr: float = 1e-3, multiplicative: bool = False):
        if not isinstance(optimizer, Optimizer):
            raise DTypeError(f"Hypergradient wraps an optimizer, got {type(optimizer).__name__}. ({user_line()})")
        if not isinstance(hyper_lr, int | float) or not 0 <= hyper_lr < np.inf:
            raise ArgumentError(f"Hypergradient: hyper_lr must be a finite number ≥ 0, got {hyper_lr!r}. ({user_line()})")
        self.optimizer, self.hyper_lr, self.multiplicative = optimizer, float(hyper_lr), multiplicative
        self.directions = {p: ag.from_numpy(np.zeros_like(p.data)) for g in optimizer.param_groups for p in g["params"]}

    @property
    def param_groups(self) -> list[Any]:
        """The optimizer's."""
        return self.optimizer.param_groups

    def zero_grad(self) -> None:
        """The optimizer's."""
        self.optimizer.zero_grad()

    def step(self) -> None:
        """Move the rates by the gradients of now, then let the optimizer make its step with them."""
        with ag.no_grad():
            before = []
            for group in self.param_groups:
                due = [p for p in group["params"] if p.grad is not None]
                cell = group.cells["lr"][0]
                rate = self._moved(cell.value, due)
                cell.write(rate)
                before.append((cell, [(p, p.detach() + 0) for p in due]))
            self.optimizer.step()
            for cell, old in before:
                for p, value in old:
                    lr = cell.value
                    self.directions[p].copy_((value - p.detach()) / np.where(lr > 0, lr, 1.0))

    def _moved(self, lr: Any, due: list[ag.Tensor]) -> Any:
        dot: Any = 0.0
        squares: Any = 0.0
        sizes: Any = 0.0
        for p in due:
            assert p.grad is not None
            g, u = p.grad.detach(), self.directions[p]
            dot, squares, sizes = dot + (g * u).sum(), squares + (g * g).sum(), sizes + (u * u).sum()
        if self.multiplicative:
            rate = lr * (1 + self.hyper_lr * dot / np.sqrt(np.maximum(squares * sizes, 1e-30)))
        else:
            rate = lr + self.hyper_lr * dot
        rate = np.maximum(rate, 0.0)
        return rate if ag.is_recording() else float(getattr(rate, "data", rate))

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's state, and the last directions."""
        return {**self.optimizer.state_dict(), "directions": [u.data.copy() for u in self.directions.values()]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        values = state_dict.get("directions")
        kept = list(self.directions.values())
        if values is None or [np.shape(v) for v in values] != [u.shape for u in kept]:
            raise ArgumentError(
                f"Hypergradient: this is not the state of these parameters; nothing was loaded. ({user_line()})"
            )
        self.optimizer.load_state_dict({k: v for k, v in state_dict.items() if k != "directions"})
        with ag.no_grad():
            for u, value in zip(kept, values, strict=True):
                u.copy_(value)


def unrolled(loss: Callable[..., ag.Tensor], params: Iterable[ag.Tensor], lr: Any, steps: int,
             momentum: Any = 0.0) -> list[ag.Tensor]:  # fmt: skip
    """The parameters after some steps of gradient descent, as functions of all that went in: backward() from a loss of theirs
    gives *hypergradients*, by the rate, the momentum, the start, and whatever else the loss depends on, such as λ.

    v ← momentum·v + ∇L(p),  p ← p − lr·v, recorded, with derivatives of derivatives; nothing is written.

    Args:
        loss: a function of the parameters, ``loss(*params)``.
        params: Tensors to start from; what requires a gradient gets one.
        lr, momentum: numbers, or Tensors that require a gradient; or lists with one for each step.
        steps: how many; each keeps its graph, so memory grows with them.

    Source: Maclaurin, Duvenaud, Adams 2015, "Gradient-based hyperparameter optimization through reversible learning".

    >>> import numpy as np, autograd as ag, optim
    >>> lr = ag.Tensor(np.array(0.1), requires_grad=True)
    >>> w = ag.Tensor(np.array(2.0), requires_grad=True)
    >>> (end,) = optim.unrolled(lambda w: w * w, [w], lr, steps=2)      # w·(1 − 2·lr)²
    >>> end.backward()
    >>> lr.grad                                                            # −4·w·(1 − 2·lr)
    Tensor(-6.4, dtype=float64)
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise ArgumentError(f"unrolled: steps must be a whole number ≥ 0, got {steps!r}. ({user_line()})")
    points = [p if p.requires_grad else p.detach().requires_grad_() for p in params]
    if not points:
        raise ArgumentError(f"unrolled: there are no parameters. ({user_line()})")
    rates, momenta = ([x] * steps if not isinstance(x, list | tuple) else list(x) for x in (lr, momentum))
    if len(rates) != steps or len(momenta) != steps:
        raise ArgumentError(f"unrolled: {len(rates)} rates and {len(momenta)} momenta for {steps} steps. ({user_line()})")
    velocity: list[Any] = [0.0] * len(points)
    for rate, beta in zip(rates, momenta, strict=True):
        found = gradients([loss(*points)], points, create_graph=True)
        slopes = [0.0 * p if g is None else g for p, g in zip(points, found, strict=True)]
        velocity = [beta * v + g for v, g in zip(velocity, slopes, strict=True)]
        points = [p - rate * v for p, v in zip(points, velocity, strict=True)]
    return points
