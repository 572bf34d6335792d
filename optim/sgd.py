"""Gradient descent, with momentum and Nesterov momentum in PyTorch's form and in the course notes'."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import autograd as ag
from autograd.errors import ArgumentError, user_line
from optim.optimizer import Array, Optimizer, Write, decayed, reader

__all__ = ["SGD", "sgd"]


def sgd(p: Array, g: Array, v: Array | None, t: Array, *, lr: Array, momentum: Array, dampening: Array,
        weight_decay: Array, nesterov: bool, form: str) -> tuple[Array, Array | None]:  # fmt: skip
    """One step of gradient descent; v is the velocity, None without momentum."""
    if v is None:
        return p - lr * decayed(g, p, weight_decay), None
    if form == "lookahead":  # g was taken at p − momentum·v, and so is the decay
        v = momentum * v + lr * decayed(g, p - momentum * v, weight_decay)
        return p - v, v
    g = decayed(g, p, weight_decay)
    if form == "average":
        v = momentum * v + (1 - momentum) * g
    else:  # PyTorch's velocity starts as the first gradient, undamped
        v = momentum * v + (1 - dampening * (t > 1)) * g
    return p - lr * (g + momentum * v if nesterov else v), v


class SGD(Optimizer):
    r"""Stochastic gradient descent, p ← p − lr·∇L, optionally with momentum.

    ============================  =================================================  =========================
    setting                       velocity                                           update
    ============================  =================================================  =========================
    ``momentum=0``                                                                   p ← p − lr·g
    ``form="pytorch"``, default   v ← momentum·v + (1 − dampening)·g, v = g at first  p ← p − lr·v
    the same, ``nesterov=True``   the same                                           p ← p − lr·(g+momentum·v)
    ``form="average"``            v ← momentum·v + (1 − momentum)·g                  p ← p − lr·v
    ``form="lookahead"``          v ← momentum·v + lr·∇L(p − momentum·v)             p ← p − v
    ============================  =================================================  =========================

    The last two are the course notes' momentum (section 2) and Nesterov's accelerated gradient (section 3).
    The moving average takes steps 1/(1 − momentum) times shorter than PyTorch's form at the same rate. The
    look-ahead form has to evaluate the gradient elsewhere, so it needs ``step(closure)``: the parameters are
    shifted by −momentum·v, the closure called, the parameters put back and updated; PyTorch's form
    approximates it without the second evaluation. Batch, mini-batch and single-sample descent differ in the
    loader's batch size only.

    When: the simple and well-understood choice, on large data sets and where precise convergence counts;
    momentum against slow convergence and oscillation, Nesterov to converge faster than plain momentum.
    Limits: one rate for all parameters, that has to be tuned with the momentum; can oscillate, and overshoot
    the minimum.

    Args:
        params: tensors, or dicts for groups.
        lr: the learning rate, ≥ 0.
        momentum: ≥ 0; between 0 and 1 in the notes' forms.
        dampening: how much of a gradient after the first is left out of the velocity; PyTorch's form.
        weight_decay: adds weight_decay·p to the gradient.
        nesterov: PyTorch's form of Nesterov momentum.
        form: ``"pytorch"``, ``"average"`` or ``"lookahead"``, see above.
        maximize: climb instead.

    Sources: Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning";
    Nesterov 1983.

    >>> import autograd as ag, optim
    >>> w = ag.Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> w.data
    array([ 0.46, -0.92], dtype=float32)
    """

    rule = staticmethod(sgd)
    slots = ("momentum_buffer",)

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0.0, dampening: float = 0.0,
                 weight_decay: float = 0.0, nesterov: bool = False, *, form: str = "pytorch",
                 maximize: bool = False):  # fmt: skip
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "form": form, "maximize": maximize,
        })  # fmt: skip

    @property
    def needs_closure(self) -> bool:
        return any(group.flags["form"] == "lookahead" for group in self.param_groups)

    def uses(self, slot: str, settings: Mapping[str, Any]) -> bool:
        return bool(settings["momentum"] > 0)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """As `Optimizer.step`; the look-ahead form needs the closure, and calls it at the shifted point."""
        ahead = [group for group in self.param_groups if group.flags["form"] == "lookahead"]
        if not ahead:
            return super().step(closure)
        if closure is None:
            raise ArgumentError(
                "SGD(form='lookahead') takes the gradient at a shifted point: call step(closure), and let "
                f"closure zero the gradients, compute the loss, call backward(), return it. ({user_line()})"
            )
        there, back, read = [], [], reader()
        with ag.no_grad():
            for group in ahead:
                momentum = read(group.cells["momentum"][0])
                for p in group["params"]:
                    there.append(Write(p, p.detach() - momentum * self.state[p]["momentum_buffer"]))
                    back.append(Write(p, +p.detach()))
        try:
            with ag.no_grad():
                ag.overwrite(there)
            loss = self._evaluate(closure)
        finally:
            with ag.no_grad():
                ag.overwrite(back)
        return super().step(lambda: loss)
