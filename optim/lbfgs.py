"""L-BFGS: Newton's direction from the last few steps, with a line search."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, user_line
from optim.optimizer import Optimizer
from optim.settings import SETTINGS, Among, Setting

__all__ = ["LBFGS"]

Vector = np.ndarray[Any, Any]


def _whole(x: Any) -> bool:
    return isinstance(x, int) and not isinstance(x, bool) and x >= 1


def _whole_or_none(x: Any) -> bool:
    return x is None or _whole(x)


WHOLE = Setting("flag", _whole, "a whole number ≥ 1")


MEMORY: WeakKeyDictionary[LBFGS, dict[str, Any]] = WeakKeyDictionary()


class Point(NamedTuple):
    """A step length along the direction, and what was found there: the loss, the gradient, the slope."""

    t: float
    f: float
    g: Vector
    slope: float


class LBFGS(Optimizer):
    r"""L-BFGS: goes along −H·g, where H, an estimate of the inverse Hessian, comes from the last `history_size` steps s and
    changes of gradient y; ``step(closure)`` makes up to `max_iter` such steps.

    When: whole-batch problems of a few thousand parameters, to high precision. Limits: gradients must not be noisy, so no
    mini-batches and no dropout; one group of parameters. The line search is Python, and may call a jitted closure.

    Args:
        params: tensors.
        lr: the first step length of each iteration; without a line search, the only one.
        max_iter: iterations in a call of ``step``.
        max_eval: evaluations of the closure in a call of ``step``; None: 5/4·max_iter.
        tolerance_grad: where no gradient is larger, it is done.
        tolerance_change: likewise for steps and changes of the loss.
        history_size: how many steps are remembered.
        line_search_fn: None, or "strong_wolfe": each step lowers the loss enough, and the slope with it.

    An error in the closure, or an interrupt, leaves parameters and state as before the call. A loss that is not finite at the
    start makes no step, after a RuntimeWarning; along a line search it counts as infinite, so a shorter step is tried.

    Sources: Nocedal 1980, "Updating quasi-Newton matrices with limited storage"; Nocedal, Wright 2006, "Numerical
    optimization", algorithms 3.5, 3.6, 7.4.

    >>> import numpy as np, autograd as ag, optim
    >>> w = ag.Tensor(np.array([-1.5, 2.0]), requires_grad=True)
    >>> optimizer = optim.LBFGS([w], line_search_fn="strong_wolfe", max_iter=100)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2      # Rosenbrock's
    ...     loss.backward()
    ...     return loss
    >>> _ = optimizer.step(closure)
    >>> w.data.round(5)
    array([1., 1.])
    """

    table: ClassVar[Mapping[str, Setting]] = {
        **SETTINGS, "max_iter": WHOLE, "history_size": WHOLE,
        "max_eval": Setting("flag", _whole_or_none, "a whole number ≥ 1, or None"),
        "line_search_fn": Setting("flag", Among((None, "strong_wolfe")), "None or 'strong_wolfe'"),
        "tolerance_grad": SETTINGS["weight_decay"], "tolerance_change": SETTINGS["weight_decay"],
    }  # fmt: skip

    @property
    def needs_closure(self) -> bool:
        return True

    def __init__(self, params: Iterable[Any], lr: float = 1.0, max_iter: int = 20, max_eval: int | None = None,
                 tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
                 line_search_fn: str | None = None):  # fmt: skip
        super().__init__(params, {
            "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn,
        })  # fmt: skip
        if len(self.param_groups) != 1:
            raise self._error(ArgumentError, f"takes one group of parameters, got {len(self.param_groups)}.")
        self._memory = {"n_iter": 0, "steps": [], "changes": []}

    @property
    def _memory(self) -> dict[str, Any]:
        """The last steps. Not an attribute, since a jitted closure that uses the optimizer would depend on all of those."""
        return MEMORY[self]

    @_memory.setter
    def _memory(self, memory: dict[str, Any]) -> None:
        MEMORY[self] = memory

    # ---- parameters as one vector -----------------------------------------------------------------------------------

    def _gather(self) -> Vector:
        return np.concatenate([p.data.ravel() for p in self.param_groups[0]["params"]])

    def _gradient(self) -> Vector:
        parts = [np.zeros(p.size, p.dtype) if p.grad is None else p.grad.data.ravel() for p in self.param_groups[0]["params"]]
        return np.concatenate(parts)

    def _scatter(self, x: Vector) -> None:
        start = 0
        with ag.no_grad():
            for p in self.param_groups[0]["params"]:
                p.copy_(x[start : start + p.size].reshape(p.shape))
                start += p.size

    # ---- a step -----------------------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to max_iter iterations; returns the loss at the start.

        Args:
            closure: zeroes the gradients, computes the loss, calls ``backward()`` and returns the loss.
        """
        if closure is None:
            raise ArgumentError(f"LBFGS evaluates the loss several times in a step: call step(closure). ({user_line()})")
        start, memory = self._gather(), {k: list(v) if isinstance(v, list) else v for k, v in self._memory.items()}
        try:
            return self._iterate(closure)
        except BaseException:
            self._scatter(start)
            self._memory = memory
            raise

    def _iterate(self, closure: Callable[[], Any]) -> Any:
        settings, memory = self.param_groups[0].settings(), self._memory
        first = self._evaluate(closure)
        loss, g, x = float(first.item()), self._gradient(), self._gather()
        if not np.isfinite(loss):
            warnings.warn(f"LBFGS: the loss is {loss}, and no step was made ({user_line()})", RuntimeWarning, stacklevel=3)
            return first
        if np.abs(g).max(initial=0) <= settings["tolerance_grad"]:
            return first
        evaluations = 1
        for k in range(settings["max_iter"]):
            memory["n_iter"] += 1
            direction = self._direction(g, settings["history_size"])
            slope = float(g @ direction)
            before = loss
            t = settings["lr"] * (min(1.0, 1.0 / float(np.abs(g).sum())) if memory["n_iter"] == 1 else 1.0)
            memory["last"] = (g, direction, t)
            if slope > -settings["tolerance_change"]:
                break
            if settings["line_search_fn"] is not None:
                end, count = wolfe(self._along(closure, x, direction), Point(0.0, loss, g, slope), t, direction)
                t, loss, g = end.t, end.f, end.g
                self._scatter(x := x + t * direction)
            else:
                self._scatter(x := x + t * direction)
                count = 0
                if k != settings["max_iter"] - 1:
                    loss, g, count = float(self._evaluate(closure).item()), self._gradient(), 1
            memory["last"] = (memory["last"][0], direction, t)
            evaluations += count
            done = evaluations >= settings["max_eval"] or np.abs(g).max() <= settings["tolerance_grad"]
            small = np.abs(t * direction).max() <= settings["tolerance_change"]
            if done or small or abs(loss - before) < settings["tolerance_change"]:
                break
        return first

    def _direction(self, g: Vector, most: int) -> Vector:
        """−H·g by the two loops over the remembered steps, after the last one was added to them."""
        memory = self._memory
        if "last" not in memory:
            return -g
        old, direction, t = memory["last"]
        y, s = g - old, t * direction
        steps, changes = memory["steps"], memory["changes"]
        if float(y @ s) > 1e-10:  # else the curvature is negative, or not to be told from noise
            steps.append(s)
            changes.append(y)
            del steps[:-most], changes[:-most]
            memory["scale"] = float(y @ s) / float(y @ y)
        q, factors = -g, []
        for s, y in zip(reversed(steps), reversed(changes), strict=True):
            factors.append(float(s @ q) / float(y @ s))
            q = q - factors[-1] * y
        q = q * memory.get("scale", 1.0)
        for s, y, a in zip(steps, changes, reversed(factors), strict=True):
            q = q + s * (a - float(y @ q) / float(y @ s))
        return np.asarray(q, g.dtype)

    def _along(self, closure: Callable[[], Any], x: Vector, direction: Vector) -> Callable[[float], Point]:
        """The closure, as a function of the step length."""

        def at(t: float) -> Point:
            self._scatter(x + t * direction)
            f, g = float(self._evaluate(closure).item()), self._gradient()
            return Point(t, f if np.isfinite(f) else np.inf, g, float(g @ direction))

        return at

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_memory": self._memory}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._memory = state.pop("_memory")
        self.__dict__.update(state)

    # ---- saving -----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """As `Optimizer.state_dict`, with the remembered steps under "memory"."""
        memory = {k: [a.copy() for a in v] if isinstance(v, list) else v for k, v in self._memory.items()}
        return {**super().state_dict(), "memory": memory}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As `Optimizer.load_state_dict`."""
        memory = state_dict.get("memory")
        size = sum(p.size for p in self.param_groups[0]["params"])
        if not isinstance(memory, Mapping) or any(a.size != size for k in ("steps", "changes") for a in memory[k]):
            raise self._error(ArgumentError, f"this is not the state of an LBFGS of {size} numbers; nothing was loaded.")
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "memory"})
        self._memory = {k: [a.copy() for a in v] if isinstance(v, list) else v for k, v in memory.items()}


# ---- the line search -------------------------------------------------------------------------------------------------


def cubic(a: Point, b: Point, low: float | None = None, high: float | None = None) -> float:
    """Where the cubic through two points with their slopes has its minimum, kept inside bounds; the middle where it has
    none."""
    if low is None or high is None:
        low, high = min(a.t, b.t), max(a.t, b.t)
    if not (np.isfinite(a.f) and np.isfinite(b.f)):
        return (low + high) / 2
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = float(np.sqrt(square))
    if a.t <= b.t:
        t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    else:
        t = a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2 * d2))
    return min(max(t, low), high)


def wolfe(at: Callable[[float], Point], start: Point, t: float, direction: Vector, c1: float = 1e-4, c2: float = 0.9,
          tolerance: float = 1e-9, most: int = 25) -> tuple[Point, int]:  # fmt: skip
    """A step that meets the strong Wolfe conditions, f ≤ f₀ + c₁·t·f₀' and |f'| ≤ c₂|f₀'|, and how often `at` was called.

    First the step grows until it brackets such a point, then the bracket shrinks.
    """

    def too_high(p: Point) -> bool:
        return p.f > start.f + c1 * p.t * start.slope

    def flat(p: Point) -> bool:
        return abs(p.slope) <= -c2 * start.slope

    last, new, calls = start, at(t), 1
    bracket: list[Point] = []
    while calls <= most:
        if too_high(new) or (calls > 2 and new.f >= last.f) or new.slope >= 0 and not flat(new):
            bracket = [last, new]
            break
        if flat(new):
            return new, calls
        longer = cubic(last, new, new.t + 0.01 * (new.t - last.t), new.t * 10)
        last, new, calls = new, at(longer), calls + 1
    if not bracket:
        bracket = [start, new]
    low = 0 if bracket[0].f <= bracket[1].f else 1  # the better end
    stuck = False
    while calls <= most:
        left, right = sorted((bracket[0].t, bracket[1].t))
        if (right - left) * float(np.abs(direction).max()) < tolerance:
            break
        t, margin = cubic(bracket[0], bracket[1]), 0.1 * (right - left)
        if min(right - t, t - left) < margin:  # too near an end to make the bracket much smaller
            if stuck or t >= right or t <= left:
                t, stuck = (right - margin if abs(t - right) < abs(t - left) else left + margin), False
            else:
                stuck = True
        else:
            stuck = False
        new, calls = at(t), calls + 1
        if too_high(new) or new.f >= bracket[low].f:
            bracket[1 - low] = new
            low = 0 if bracket[0].f <= bracket[1].f else 1
        else:
            if flat(new):
                return new, calls
            if new.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
                bracket[1 - low] = bracket[low]
            bracket[low] = new
    return bracket[low], calls
