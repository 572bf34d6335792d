"""Smoother curves where the way is clear: between neighbouring ranks, and bows for parallel edges."""

from __future__ import annotations

from math import hypot

from autograd.viz.layout import Curve, Layout, Size

__all__ = ["smooth"]

HEAD = 8.0  # the last stretch, straight, for the arrow head
NEAR = 160.0  # how long parallel edges may be that are drawn as bows
BOW = 28.0  # between the control points of two of them


def smooth(
    layout: Layout, sizes: list[Size], edges: list[tuple[int, int]], labels: list[Size | None], direction: str
) -> list[Curve]:
    """Graphviz's curves, with those replaced that can be drawn more simply; labels are put on their lines."""
    axis = 0 if direction == "LR" else 1
    ranks = _ranks(layout, sizes, axis)
    order = {place: k for k, place in enumerate(sorted(ranks))}
    curves = list(layout.curves)
    taken: list[tuple[float, float, Size]] = []
    for i, ((tail, head), curve) in enumerate(zip(edges, layout.curves, strict=True)):
        a, b = _place(layout, tail, axis), _place(layout, head, axis)
        if order[b] - order[a] == 1:
            points = _across(curve, ranks[a][1], ranks[b][0], axis)
            curves[i] = Curve(points, _free_place(points[3:7], labels[i], taken))
    boxes = [(*centre, size) for centre, size in zip(layout.centres, sizes, strict=True)]
    for i, (curve, size) in enumerate(zip(layout.curves, labels, strict=True)):
        if curves[i] is curve and size is not None and curve.label is not None:  # a long one: Graphviz puts it beside the line
            curves[i] = Curve(curve.points, _on_line(curve, curve.label, size, [*boxes, *taken]))
            taken.append((*curves[i].label, size))  # type: ignore[misc]
    return _apart(edges, curves)


def _place(layout: Layout, box: int, axis: int) -> float:
    return round(layout.centres[box][axis], 1)


def _ranks(layout: Layout, sizes: list[Size], axis: int) -> dict[float, tuple[float, float]]:
    """The extent of each rank: boxes of one rank have their centres in line."""
    ranks: dict[float, tuple[float, float]] = {}
    for i, size in enumerate(sizes):
        place = _place(layout, i, axis)
        half = (size.height if axis else size.width) / 2
        low, high = ranks.get(place, (place, place))
        ranks[place] = (min(low, place - half), max(high, place + half))
    return ranks


def _across(curve: Curve, start: float, end: float, axis: int) -> tuple[tuple[float, float], ...]:
    """Straight out of the tail's rank, an S through the gap, straight into the head's."""
    first, last = curve.points[0], curve.points[-1]
    end -= HEAD
    middle = (start + end) / 2
    p, q = _with(first, axis, start), _with(last, axis, end)
    return (first, first, p, p, _with(p, axis, middle), _with(q, axis, middle), q, q, last, last)


def _free_place(
    bezier: tuple[tuple[float, float], ...], size: Size | None, taken: list[tuple[float, float, Size]]
) -> tuple[float, float] | None:
    """A point of the curve, near its middle, at which the label covers no other."""
    if size is None:
        return None
    places = [_at(bezier, t) for t in (0.5, 0.4, 0.6, 0.3, 0.7, 0.2)]
    x, y = next((place for place in places if _free(place, size, taken)), places[0])
    taken.append((x, y, size))
    return x, y


def _on_line(
    curve: Curve, wished: tuple[float, float], size: Size, taken: list[tuple[float, float, Size]]
) -> tuple[float, float]:
    """The free point of the curve that is nearest to where Graphviz keeps place for the label; that place if there is none."""
    points = curve.points
    places = [_at(points[k : k + 4], t / 10) for k in range(0, len(points) - 3, 3) for t in range(11)]
    places.sort(key=lambda p: hypot(p[0] - wished[0], p[1] - wished[1]))
    return next((place for place in places if _free(place, size, taken)), wished)


def _free(place: tuple[float, float], size: Size, taken: list[tuple[float, float, Size]]) -> bool:
    """Whether what is put there covers nothing."""
    x, y = place
    return all(abs(x - u) * 2 > size.width + s.width or abs(y - v) * 2 > size.height + s.height for u, v, s in taken)


def _at(bezier: tuple[tuple[float, float], ...], t: float) -> tuple[float, float]:
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    x, y = (sum(w * p[k] for w, p in zip(weights, bezier, strict=True)) for k in (0, 1))
    return x, y


def _with(point: tuple[float, float], axis: int, value: float) -> tuple[float, float]:
    return (value, point[1]) if axis == 0 else (point[0], value)


def _apart(edges: list[tuple[int, int]], curves: list[Curve]) -> list[Curve]:
    """Parallel edges between neighbours, such as the two of x*x, as equal bows on either side."""
    places: dict[tuple[int, int], list[int]] = {}
    for i, edge in enumerate(edges):
        places.setdefault(edge, []).append(i)
    out = list(curves)
    for parallel in places.values():
        (xa, ya), (xb, yb) = curves[parallel[0]].points[0], curves[parallel[0]].points[-1]
        length = hypot(xb - xa, yb - ya)
        if len(parallel) < 2 or not 0 < length < NEAR:
            continue
        px, py = (ya - yb) / length, (xb - xa) / length
        for k, i in enumerate(parallel):
            off = BOW * (k - (len(parallel) - 1) / 2)
            control = [(xa + t * (xb - xa) + off * px, ya + t * (yb - ya) + off * py) for t in (0.25, 0.75)]
            middle = ((xa + xb) / 2 + 0.75 * off * px, (ya + yb) / 2 + 0.75 * off * py)
            out[i] = Curve(((xa, ya), *control, (xb, yb)), middle)
    return out
