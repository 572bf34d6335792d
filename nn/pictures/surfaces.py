"""The surfaces that optimizers are shown on: two parameters, a known shape, a known minimum.

>>> float(SURFACES["rosenbrock"].function(1.0, 1.0))
0.0
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from autograd.errors import ArgumentError
from nn.names import nearest

__all__ = ["SURFACES", "Surface", "surface_of"]


class Surface(NamedTuple):
    """A function of two numbers, to be made small; the part of the plane that is drawn; where to start; where the minima are.

    The function is given tensors, or arrays of a grid.
    """

    name: str
    function: Callable[[Any, Any], Any]
    box: tuple[tuple[float, float], tuple[float, float]]
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...] = ()


def rosenbrock(x: Any, y: Any) -> Any:
    """(1 − x)² + 100 (y − x²)²: a curved valley with a flat floor. Rosenbrock 1960."""
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def beale(x: Any, y: Any) -> Any:
    """(1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²: plains between steep corners. Beale 1958."""
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def himmelblau(x: Any, y: Any) -> Any:
    """(x² + y − 11)² + (x + y² − 7)²: four minima, all of them 0. Himmelblau 1972."""
    return (x * x + y - 11) ** 2 + (x + y * y - 7) ** 2


def saddle(x: Any, y: Any) -> Any:
    """x² − y²: the gradient at (0, 0) is 0, and it is no minimum."""
    return x * x - y * y


def ravine(x: Any, y: Any) -> Any:
    """x²/20 + y²: twenty times as steep across as along, so that plain descent swings from wall to wall."""
    return x * x / 20 + y * y


SURFACES: dict[str, Surface] = {
    s.name: s
    for s in (
        Surface("rosenbrock", rosenbrock, ((-2, 2), (-1, 3)), (-1.5, 2.0), ((1, 1),)),
        Surface("beale", beale, ((-1, 4.5), (-1.5, 2)), (0.5, 1.5), ((3, 0.5),)),
        Surface("himmelblau", himmelblau, ((-5.5, 5.5), (-5.5, 5.5)), (-0.5, -1.0),
                ((3, 2), (-2.805118, 3.131312), (-3.77931, -3.283186), (3.584428, -1.848126))),
        Surface("saddle", saddle, ((-1.5, 1.5), (-1.5, 1.5)), (1.2, 1e-3)),
        Surface("ravine", ravine, ((-10, 10), (-4, 4)), (-8.0, 2.5), ((0, 0),)),
    )
}  # fmt: skip


def surface_of(given: Any) -> Surface:
    """One of the surfaces by name, or the caller's own.

    >>> surface_of("ravin")
    Traceback (most recent call last):
    autograd.errors.ArgumentError: there is no surface 'ravin', did you mean 'ravine'? There are rosenbrock, ...
    """
    if isinstance(given, Surface):
        (a, b), (c, d) = given.box
        if not (a < b and c < d):
            raise ArgumentError(f"the box of a surface is ((low, high), (low, high)), got {given.box!r}.")
        return given
    if not isinstance(given, str) or given not in SURFACES:
        near = nearest(given, SURFACES) if isinstance(given, str) else "."
        raise ArgumentError(
            f"there is no surface {given!r:.60}{near} There are {', '.join(SURFACES)}; or give a nn.pictures.Surface(name, "
            "function, box, start)."
        )
    return SURFACES[given]
