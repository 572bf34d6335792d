"""A long picture in rows, like a text: cut where few lines pass, and the lines led on from row to row.

The cuts go through gaps between boxes, and every line is cut where it crosses: what was laid out without overlaps stays so.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil, inf, log, sqrt

from autograd.viz.layout import Curve, Layout, Size

__all__ = ["WRAP", "balanced", "fold", "for_page"]

WRAP = 1250.0
"""Points from which on a picture from left to right is put in rows."""
MOST = 10  # boxes from which lines may cross a cut; those of one box run together
LANE = 8.0  # between lines that are led to the next row
TURN = 12.0  # between a row and the first of them
RADIUS = 6.0

Point = tuple[float, float]
Bezier = tuple[Point, Point, Point, Point]


Pairs = list[tuple[int, int]]


def fold(placed: Layout, sizes: list[Size], edges: Pairs, curves: list[Curve],
         wrap: float = WRAP) -> tuple[Layout, list[Curve]]:  # fmt: skip
    """The same picture in rows of at most about `wrap`, if that is possible; as it is, if it is not much longer."""
    if placed.size.width <= wrap * 1.2:
        return placed, curves
    cuts = _cuts(placed, sizes, edges, curves, wrap)
    if not cuts:
        return placed, curves
    pieces = [_pieces(curve, cuts) for curve in curves]
    if any(found is None for found in pieces):
        return placed, curves
    return _rows(placed, sizes, edges, curves, cuts, [found for found in pieces if found is not None])


def for_page(placed: Layout, sizes: list[Size], edges: Pairs, curves: list[Curve]) -> tuple[Layout, list[Curve]]:
    """In as many rows as make it about twice as wide as high; in one, if that can be read without zooming."""
    if placed.size.width <= 1.5 * WRAP:
        return placed, curves
    found = [(placed, curves)]
    for rows in range(2, 12):
        wrap = placed.size.width / rows
        if wrap < WRAP / 2:
            break
        found.append(fold(placed, sizes, edges, curves, wrap))
    return min(found, key=lambda pair: abs(log(pair[0].size.width / (2 * pair[0].size.height + 1))))


def balanced(placed: Layout) -> float:
    """The width at which the rows together are about twice as wide as high: for a page, which scrolls neither way."""
    rows = sqrt(placed.size.width / (2.0 * (placed.size.height + 4 * TURN)))
    return max(WRAP, placed.size.width / max(rows, 1.0))


def _cuts(placed: Layout, sizes: list[Size], edges: Pairs, curves: list[Curve], wrap: float) -> list[float]:
    """Where to cut: in gaps, each row at most `wrap` long and at least half of that, with few lines across."""
    spans = sorted((x - s.width / 2, x + s.width / 2) for (x, _), s in zip(placed.centres, sizes, strict=True))
    gaps, reach = [], -inf
    for low, high in spans:
        if low - reach > 12 and reach > -inf:
            gaps.append((reach + low) / 2)
        reach = max(reach, high)
    ends = [(c.points[0][0], c.points[-1][0]) for c in curves]
    tails = [tail for tail, _ in edges]
    cost = {x: len({t for t, e in zip(tails, ends, strict=True) if min(e) < x < max(e)}) for x in gaps}
    rows = ceil(placed.size.width / wrap)
    ideal = placed.size.width / rows
    cuts: list[float] = []
    start = 0.0
    while placed.size.width - start > wrap * 1.1:
        near = [x for x in gaps if 0.45 * wrap < x - start <= wrap and cost[x] <= MOST]
        if not near:
            return []
        start = min(near, key=lambda x: cost[x] * 40 + abs(x - start - ideal))
        cuts.append(start)
    return cuts


def _pieces(curve: Curve, cuts: list[float]) -> list[tuple[int, list[Bezier]]] | None:
    """The curve cut where it crosses: (row, Béziers); None if it runs to and fro across a cut."""
    segments: list[Bezier] = [
        (curve.points[k], curve.points[k + 1], curve.points[k + 2], curve.points[k + 3])
        for k in range(0, len(curve.points) - 1, 3)
    ]
    row = sum(segments[0][0][0] > x for x in cuts)
    pieces: list[tuple[int, list[Bezier]]] = [(row, [])]
    for segment in segments:
        rest: Bezier | None = segment
        while rest is not None:
            if row < len(cuts) and rest[3][0] > cuts[row]:
                before, rest = _split(rest, cuts[row])
                pieces[-1][1].append(before)
                row += 1
                pieces.append((row, []))
            else:
                if row > 0 and rest[3][0] < cuts[row - 1] - 0.01:
                    return None
                pieces[-1][1].append(rest)
                rest = None
    return pieces


def _split(b: Bezier, x: float) -> tuple[Bezier, Bezier]:
    """Two Béziers that meet at x, by de Casteljau's construction."""
    low, high = 0.0, 1.0
    (x0, _), (x1, _), (x2, _), (x3, _) = b
    for _ in range(30):
        t = (low + high) / 2
        s = 1 - t
        if s * s * s * x0 + 3 * s * s * t * x1 + 3 * s * t * t * x2 + t * t * t * x3 < x:
            low = t
        else:
            high = t
    return _halves(b, (low + high) / 2)


def _halves(b: Bezier, t: float) -> tuple[Bezier, Bezier]:
    p01, p12, p23 = (_between(b[k], b[k + 1], t) for k in range(3))
    p012, p123 = _between(p01, p12, t), _between(p12, p23, t)
    middle = _between(p012, p123, t)
    return (b[0], p01, p012, middle), (middle, p123, p23, b[3])


def _between(p: Point, q: Point, t: float) -> Point:
    return p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])


def _rows(placed: Layout, sizes: list[Size], edges: Pairs, curves: list[Curve], cuts: list[float],
          pieces: list[list[tuple[int, list[Bezier]]]]) -> tuple[Layout, list[Curve]]:  # fmt: skip
    count = len(cuts) + 1
    borders = [0.0, *cuts, placed.size.width]
    home = [sum(x > cut for cut in cuts) for x, _ in placed.centres]
    lows, highs = [inf] * count, [-inf] * count
    for (_, y), s, row in zip(placed.centres, sizes, home, strict=True):
        lows[row], highs[row] = min(lows[row], y - s.height / 2), max(highs[row], y + s.height / 2)
    crossing: list[list[tuple[float, int]]] = [[] for _ in cuts]  # (height, curve) of the lines across each cut
    for k, found in enumerate(pieces):
        for row, beziers in found:
            for b in beziers:
                for _, y in b:
                    lows[row], highs[row] = min(lows[row], y), max(highs[row], y)
        for row, beziers in found[:-1]:
            crossing[row].append((beziers[-1][3][1], edges[k][0]))
    lane = []  # for each cut, the lane of each box whose lines cross it: lines of one box share it
    for lines in crossing:
        highest = {tail: y for y, tail in sorted(lines, reverse=True)}
        lane.append({tail: n for n, tail in enumerate(sorted(highest, key=lambda t: -highest[t]))})
    side = TURN + LANE * max(map(len, lane)) + RADIUS
    tops, y = [], 0.0
    for row in range(count):
        tops.append(y)
        y += highs[row] - lows[row] + (2 * TURN + RADIUS + LANE * len(lane[row]) if row < len(cuts) else 0)

    def moved(p: Point, row: int) -> Point:
        return p[0] - borders[row] + side, p[1] - lows[row] + tops[row]

    out: list[Curve] = []
    for k, (curve, found) in enumerate(zip(curves, pieces, strict=True)):
        points: list[Point] = []
        for n, (row, beziers) in enumerate(found):
            for b in beziers:
                ps = [moved(p, row) for p in b]
                points += ps if not points else ps[1:]
            if n + 1 < len(found):
                at, many = lane[row][edges[k][0]], len(lane[row])
                gutter = tops[row] + highs[row] - lows[row] + TURN + LANE * at
                start, end = points[-1], moved(found[n + 1][1][0][0], row + 1)
                right, left = start[0] + TURN / 2 + LANE * at, end[0] - TURN / 2 - LANE * (many - 1 - at)
                corners = [start, (right, start[1]), (right, gutter), (left, gutter), (left, end[1]), end]
                points += _led(corners)[1:]
        label = curve.label
        if label is not None:
            label = moved(label, min(max(sum(label[0] > cut for cut in cuts), found[0][0]), found[-1][0]))
        out.append(Curve(tuple(points), label))
    width = max(b - a for a, b in pairwise(borders)) + 2 * side
    centres = tuple(moved(p, row) for p, row in zip(placed.centres, home, strict=True))
    return Layout(Size(width, y), centres, placed.curves, tuple(tops[1:])), out


def _led(corners: list[Point]) -> list[Point]:
    """Straight stretches with rounded corners, as a chain of Béziers."""
    points = [corners[0]]
    for k in range(1, len(corners)):
        p, q = corners[k - 1], corners[k]
        if k + 1 < len(corners):
            r = corners[k + 1]
            before, after = _short_of(q, p), _short_of(q, r)
            points += [points[-1], before, before]
            points += [_between(before, q, 0.55), _between(after, q, 0.55), after]
        else:
            points += [points[-1], q, q]
    return points


def _short_of(corner: Point, other: Point) -> Point:
    length = abs(other[0] - corner[0]) + abs(other[1] - corner[1])
    return _between(corner, other, min(RADIUS, length / 2) / length) if length else corner
