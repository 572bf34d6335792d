"""The table that generic tests walk: sample arguments for every registered op and every composed function.

An op without a row fails `test_ops.test_every_op_has_a_row`. Most rows are one line: an elementwise op needs
only its domain, and the default is every number between −2 and 2; others give the shapes of their arrays and
their settings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import autograd as ag
from autograd.apply import apply
from autograd.rule import OPS, Op

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


# ---- domains: how the numbers of one argument are drawn


def between(low: float, high: float) -> Draw:
    return lambda rng, shape: rng.uniform(low, high, shape)


def outside(low: float, high: float) -> Draw:
    """Of either sign, |x| between low and high."""
    return lambda rng, shape: rng.choice([-1.0, 1.0], shape) * rng.uniform(low, high, shape)


def off_integers(low: int, high: int) -> Draw:
    """Well away from the steps of floor and the like, and from those of rint at one half."""
    return lambda rng, shape: rng.integers(low, high, shape) + rng.choice([0.25, 0.75], shape) + rng.uniform(-0.1, 0.1, shape)


def apart(offset: float = 0.0) -> Draw:
    """All different, at least 0.1 from each other: no ties."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        n = int(np.prod(shape))
        return (rng.permutation(n) * 0.3 - 0.15 * n + offset + rng.uniform(-0.1, 0.1, n)).reshape(shape)

    return draw


def regular() -> Draw:
    """Square matrices that are far from singular; other arrays as they come."""
    return lambda rng, shape: rng.uniform(-1, 1, shape) + (2 * np.eye(shape[-1]) if shape[-1:] == shape[-2:-1] else 0)


def triangular() -> Draw:
    """The same, with a diagonal that alone makes them so."""
    return lambda rng, shape: rng.uniform(-1, 1, shape) + rng.choice([-2, 2], shape) * np.eye(shape[-1])


def definite() -> Draw:
    """Symmetric positive definite matrices."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        a = rng.uniform(-1, 1, shape)
        return a @ np.swapaxes(a, -1, -2) + np.eye(shape[-1])

    return draw


def mask() -> Draw:
    return lambda rng, shape: rng.integers(0, 2, shape).astype(bool)


def whole(low: int, high: int) -> Draw:
    return lambda rng, shape: rng.integers(low, high, shape)


REAL, POSITIVE, AWAY = between(-2, 2), between(0.3, 3), outside(0.3, 2)


# ---- rows


@dataclass(frozen=True)
class Sample:
    shapes: tuple[tuple[int, ...], ...]
    domains: tuple[Draw, ...]
    settings: dict[str, Any] = field(default_factory=dict)

    def arrays(self, dtype: Any = float, seed: int = 0) -> list[np.ndarray]:
        """The sample arguments; floats in the wanted dtype (and with imaginary parts if that is complex)."""
        rng = np.random.default_rng(seed)
        drawn = [np.asarray(draw(rng, shape)) for draw, shape in zip(self.domains, self.shapes, strict=True)]
        if np.dtype(dtype).kind == "c":
            drawn = [np.asarray(a + 1j * rng.uniform(0.1, 0.5, a.shape)) if a.dtype.kind == "f" else a for a in drawn]
        return [a.astype(dtype) if a.dtype.kind in "fc" else a for a in drawn]


@dataclass(frozen=True)
class Row:
    samples: tuple[Sample, ...]
    order: int = 2  # up to which derivatives are checked
    complex: bool = True  # whether complex arguments are differentiated too
    finite: bool = False  # whether it refuses NaN, infinities and what a matrix filled with one number is


def run(op: Op, arrays: Any, settings: dict[str, Any]) -> Any:
    """Call an op on arrays: its public function where it takes them one by one, as users do."""
    if not op.settings and not op.variadic:
        return op.call(*arrays)
    return apply(op, arrays, {**op.settings, **settings})


ROWS: dict[str, Row] = {}


def unary(names: str, domain: Draw = REAL, **row: Any) -> None:
    for name in names.split():
        ROWS[name] = Row((Sample(((3, 4),), (domain,)), Sample(((),), (domain,))), **row)


def binary(names: str, a: Draw = REAL, b: Draw | None = None, **row: Any) -> None:
    """Two operands of one shape, and pairs that broadcast either way."""
    pairs = (((3, 4), (3, 4)), ((2, 3), (3,)), ((3, 1), (1, 2)), ((), (2,)))
    for name in names.split():
        ROWS[name] = Row(tuple(Sample(shapes, (a, b or a)) for shapes in pairs), **row)


def shaped(names: str, shapes: Any, *settings: dict[str, Any], domain: Draw | tuple[Draw, ...] = REAL, **row: Any) -> None:
    """Arrays of given shapes, with each of several settings. One shape alone, or a tuple of shapes."""
    shapes = shapes if shapes and isinstance(shapes[0], tuple) else (shapes,)
    domains = domain if isinstance(domain, tuple) else (domain,) * len(shapes)
    for name in names.split():
        samples = tuple(Sample(shapes, domains, s) for s in settings or ({},))
        ROWS[name] = Row((*(ROWS[name].samples if name in ROWS else ()), *samples), **row)


AXES = ({}, {"axis": 1}, {"axis": (0, -1)}, {"axis": -2, "keepdims": True}, {"keepdims": True})

# arithmetic
binary("add subtract")
binary("multiply strong_multiply")
binary("divide", REAL, AWAY)
binary("power", POSITIVE, REAL)
binary("hypot", AWAY, complex=False)
binary("remainder floor_divide", between(0.6, 0.9), between(0.21, 0.29), complex=False)
binary("maximum fmax", between(-2, -1), between(-3, 0))
binary("minimum fmin", between(-2, -1), between(-3, 0))
unary("negative positive square")
unary("sqrt", POSITIVE)
unary("reciprocal", AWAY)
unary("absolute relu", AWAY)
unary("cbrt sign", AWAY, complex=False)
unary("floor ceil rint trunc", off_integers(-3, 3), complex=False)
unary("real imag conj")
shaped(
    "clip",
    (4, 5),
    {"low": -0.4, "high": 0.9},
    {"low": 0.1},
    {"high": 0.0},
    {"low": np.zeros(5, np.int8), "high": 0.7},
)
shaped("select", ((3, 4), (3, 4), (4,)), domain=(mask(), REAL, REAL))
shaped("select", ((3, 1), (2,), ()), domain=(mask(), REAL, REAL))

# exponential, trigonometric
unary("exp expm1")
unary("exp2 erf")
unary("sigmoid softplus", complex=False)
unary("log", POSITIVE)
unary("log2 log10 log1p", POSITIVE)
binary("logaddexp", complex=False)
unary("sin cos sinh cosh tanh")
unary("tan", between(-1, 1))
unary("arctan")
unary("arcsinh", complex=False)
unary("arcsin arccos arctanh", between(-0.8, 0.8))
unary("arccosh", between(1.3, 3))
binary("arctan2", AWAY, complex=False)

# reductions
shaped("sum mean", (2, 3, 4), *AXES)
shaped("max min", (2, 3, 4), *AXES, domain=apart())
shaped("prod", (2, 3, 2), *AXES, domain=AWAY)
shaped("var std", (2, 3, 4), *AXES, {"ddof": 1}, {"axis": (1, 2), "ddof": 1, "keepdims": True})
shaped("logsumexp", (2, 3, 4), *AXES)
shaped("norm", (2, 3, 4), *AXES, complex=False)
shaped("cumsum", (2, 3), {}, {"axis": 0}, {"axis": -1})

# shape
shaped("reshape", (2, 6), {"shape": (3, 4)}, {"shape": (-1,)}, {"shape": (2, 1, -1)})
shaped("transpose", (2, 3, 4), {}, {"axes": (1, 2, 0)}, {"axes": (-1, 0, 1)})
shaped("swapaxes", (2, 3, 4), {"axis1": 0, "axis2": -1})
shaped("moveaxis", (2, 3, 4), {"source": 0, "destination": -1}, {"source": (0, 1), "destination": (2, 0)})
shaped("expand_dims", (2, 3), {"axis": 1}, {"axis": (0, -1)})
shaped("squeeze", (1, 3, 1), {}, {"axis": 0}, {"axis": (0, -1)})
shaped("broadcast_to", (3, 1), {"shape": (3, 4)}, {"shape": (2, 3, 4)})
shaped("flip", (3, 4), {}, {"axis": 0}, {"axis": (0, 1)})
shaped("roll", (3, 4), {"shift": 2}, {"shift": -1, "axis": 1}, {"shift": (1, 2), "axis": (0, 1)})
shaped("pad_zeros", (2, 3), {"widths": ((1, 2), (0, 3))})
shaped("cast", (2, 3), {"dtype": np.dtype(float)}, complex=False)
shaped(
    "concatenate",
    ((2, 3), (1, 3), (4, 3)),
    {"axis": 0, "bounds": (0, 2, 3, 7), "shapes": ((2, 3), (1, 3), (4, 3))},
)
shaped("stack", ((2, 3), (2, 3), (2, 3)), *({"axis": k, "count": 3} for k in (0, 1, 2)))
shaped("repeat", (2, 3), {"repeats": 2}, {"repeats": 3, "axis": 1}, {"repeats": (1, 0, 2), "axis": -1})

# windows
shaped("windows", (2, 7), {"size": (3,)}, {"size": (2,), "stride": 2}, {"size": (3,), "stride": (2,), "dilation": (2,)},
       {"size": (7,)}, {"size": (1,), "stride": 3}, {"size": (2, 3), "stride": (1, 2), "dilation": (1, 2)})  # fmt: skip
shaped("windows", (2, 1, 5, 4), {"size": (2, 3)}, {"size": (3, 1), "stride": (2, 3)}, {"size": (1, 1)})
shaped("max_windows", (2, 9), {"size": (2,), "stride": 2}, {"size": (3,)}, {"size": (3,), "dilation": 2, "border": ((1, 2),)},
       domain=apart(5.0), complex=False)  # fmt: skip
shaped("max_windows", (2, 1, 6, 5), {"size": (2, 3), "stride": (2, 1)}, {"size": (4, 4), "dilation": 1}, domain=apart(5.0),
       complex=False)  # fmt: skip
shaped("overlap_add", (2, 3, 5), {"shape": (2, 7)}, {"shape": (2, 13), "stride": 2}, {"shape": (2, 9), "dilation": 2},
       {"shape": (2, 15), "stride": 3})  # fmt: skip
shaped("overlap_add", (2, 3, 1, 2, 2, 4), {"shape": (2, 3, 4, 9), "stride": (1, 2), "dilation": (2, 1)})
shaped("overlap_add", (3, 2, 2, 4), {"shape": (4, 5)})

# products
shaped("matmul", ((2, 3), (3, 4)))
for _shapes in (((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)),
                ((4, 1, 2, 3), (5, 3, 2)), ((3,), (4, 3, 2)), ((4, 2, 3), (3,))):  # fmt: skip
    shaped("matmul", _shapes)
for _shapes in (((5, 3), (2, 3), (2,)), ((3,), (2, 3), (2,)), ((2, 4, 3), (1, 3), (1,))):
    shaped("affine", _shapes)
shaped("einsum", ((2, 3), (3, 4)), {"subscripts": "ij,jk->ik"})
shaped("einsum", ((2, 3), (3, 4), (4,)), {"subscripts": "ij,jk,k->i"})
shaped("einsum", ((2, 3),), {"subscripts": "ij->ji"}, {"subscripts": "ij->j"}, {"subscripts": "ij->"})

# linear systems
REGULAR, DEFINITE, TRIANGULAR = regular(), definite(), triangular()
for _shape in ((3, 3), (2, 2, 2), (1, 1)):
    shaped("inv det cofactor", _shape, domain=REGULAR, finite=True)
    shaped("logabsdet", _shape, domain=REGULAR, finite=True, complex=False)
    shaped("detsign", _shape, domain=REGULAR, order=0, complex=False)
    shaped("cholesky", _shape, domain=DEFINITE, complex=False, finite=True)
for _shapes in (((3, 3), (3, 2)), ((2, 3, 3), (3, 1)), ((2, 2), (3, 2, 2)), ((2, 1, 2, 2), (3, 2, 1))):
    shaped("solve", _shapes, domain=(REGULAR, REAL), finite=True)
    shaped("solve_triangular", _shapes, {}, {"lower": False}, domain=(TRIANGULAR, REAL), finite=True)

# indexing
ROWS_AND_COLUMNS = (np.array([0, 2, 2]), np.array([1, 1, 1]))
shaped("getitem", (3, 4), {"index": 1}, {"index": (slice(None, None, -2), None, 2)},
       {"index": (..., slice(1, 3))},
       {"index": np.array([0, 2, 0])}, {"index": ROWS_AND_COLUMNS}, {"index": np.eye(3, 4, dtype=bool)},
       {"index": (slice(1, None), np.array([[0, 3], [3, 3]]))})  # fmt: skip
shaped("scatter_add", (3,), {"index": ROWS_AND_COLUMNS, "shape": (3, 4)}, {"index": slice(0, 3), "shape": (5,)})
shaped("take_along_axis", ((3, 4), (2, 4)), {"axis": 0}, domain=(REAL, whole(0, 3)))
shaped("take_along_axis", ((2, 3), (2, 5)), {}, {"axis": 1}, domain=(REAL, whole(-3, 3)))
shaped("put_along", ((2, 4), (2, 4)), {"axis": 0, "shape": (3, 4)}, domain=(REAL, whole(0, 3)))
TURNED = (OPS["swapaxes"], {"axis1": 0, "axis2": 1})
shaped("write", ((3, 4), (4,)), {"path": ((OPS["getitem"], {"index": 1}),)},
       {"path": (TURNED, TURNED, (OPS["getitem"], {"index": (2, slice(None, None, -1))}))})  # fmt: skip
shaped("write", ((3, 4), (3, 4)), {"path": ()})

# without a derivative
binary("equal not_equal less less_equal greater greater_equal", whole(0, 3), order=0, complex=False)
binary("bitwise_and bitwise_or bitwise_xor logical_and logical_or", mask(), order=0, complex=False)
unary("invert logical_not", mask(), order=0, complex=False)
unary("isnan isinf isfinite signbit", order=0, complex=False)
shaped("any all", (2, 3, 4), *AXES, domain=mask(), order=0, complex=False)
shaped("argmax argmin", (2, 3, 4), {}, {"axis": 1}, {"axis": -1, "keepdims": True}, domain=apart(), order=0, complex=False)
shaped("argsort", (2, 3, 4), {}, {"axis": 0}, domain=apart(), order=0, complex=False)
shaped("zeros_like ones_like", (2, 3), order=0, complex=False)


# ---- functions composed of ops: how they are called, and NumPy's answer to the same call


@dataclass(frozen=True)
class Composed:
    shapes: tuple[tuple[int, ...], ...]
    call: Callable[..., Any]  # (module, *arrays): module is autograd or NumPy
    domain: Draw = REAL


COMPOSED: dict[str, tuple[Composed, ...]] = {
    "where": (Composed(((3, 4), (4,)), lambda m, a, b: m.where(np.eye(3, 4) > 0, a, b)),),
    "clip": (
        Composed(((3, 4),), lambda m, x: m.clip(x, a_min=-0.5, a_max=0.5)),
        Composed(((3, 4), (4,)), lambda m, x, b: m.clip(x, b, None)),
        Composed(((3, 4), (4,)), lambda m, x, b: m.clip(x, m.subtract(b, 3), b)),
    ),
    "round": tuple(Composed(((3, 4),), lambda m, x, d=d: m.round(x, d), off_integers(-3, 3)) for d in (0, -1)),
    "around": (Composed(((3, 4),), lambda m, x: m.around(x), off_integers(-3, 3)),),
    "copy": (Composed(((3, 4),), lambda m, x: m.copy(x)),),
    "atleast_1d": tuple(Composed((s,), lambda m, x: m.atleast_1d(x)) for s in ((), (3,))),
    "atleast_2d": tuple(Composed((s,), lambda m, x: m.atleast_2d(x)) for s in ((), (3,), (2, 3, 4))),
    "take": (
        Composed(((3, 4),), lambda m, x: m.take(x, np.array([0, 2, 2]), axis=1)),
        Composed(((3, 4),), lambda m, x: m.take(x, [5, 0])),
    ),
    "sort": tuple(Composed(((3, 4),), lambda m, x, k=k: m.sort(x, axis=k), apart()) for k in (0, 1)),
    "diagonal": (
        Composed(((3, 4),), lambda m, x: m.diagonal(x)),
        Composed(((3, 4),), lambda m, x: m.diagonal(x, offset=1)),
        Composed(((3, 4),), lambda m, x: m.diagonal(x, offset=-1)),
        Composed(((2, 3, 4),), lambda m, x: m.diagonal(x, 0, 1, 2)),
    ),
    "trace": (
        Composed(((3, 3),), lambda m, x: m.trace(x)),
        Composed(((2, 3, 4),), lambda m, x: m.trace(x, offset=1, axis1=1, axis2=2)),
    ),
    "dot": tuple(
        Composed(shapes, lambda m, a, b: m.dot(a, b))
        for shapes in (((3,), (3,)), ((2, 3), (3, 4)), ((), (3,)), ((2, 3), (4, 3, 2)), ((3,), (4, 3, 2)))
    ),
    "outer": (
        Composed(((3,), (2,)), lambda m, a, b: m.outer(a, b)),
        Composed(((3, 2), (2,)), lambda m, a, b: m.outer(a, b)),
    ),
    "inner": tuple(Composed(s, lambda m, a, b: m.inner(a, b)) for s in (((3,), (3,)), ((2, 3), (4, 3)), ((), (2,)))),
    "tensordot": (
        Composed(((2, 3, 4), (3, 4, 2)), lambda m, a, b: m.tensordot(a, b)),
        Composed(((2, 3, 4), (4, 2)), lambda m, a, b: m.tensordot(a, b, axes=([0, 2], [1, 0]))),
        Composed(((2, 3), (4,)), lambda m, a, b: m.tensordot(a, b, axes=0)),
        Composed(((2, 3), (3, 2)), lambda m, a, b: m.tensordot(a, b, axes=(1, 0))),
    ),
    "einsum": tuple(
        Composed(shapes, lambda m, *xs, s=subscripts: m.einsum(s, *xs))
        for subscripts, shapes in {
            "ij,jk->ik": ((2, 3), (3, 4)),
            "...ij,...jk->...ik": ((5, 2, 3), (3, 4)),
            "ii->i": ((3, 3),),
            "ii": ((3, 3),),
            "ij,ij": ((2, 3), (2, 3)),
            "i,j": ((2,), (3,)),
            "i,i,i->i": ((3,), (3,), (3,)),
            "bi,bij,bj->b": ((2, 3), (2, 3, 4), (2, 4)),
            "ij,jk": ((2, 1), (3, 4)),
            "...i->...": ((2, 3),),
            "ji": ((2, 3),),
            "iij,j->i": ((2, 2, 3), (3,)),
        }.items()
    ),
    "solve": tuple(
        Composed(shapes, lambda m, a, b: np.linalg.solve(a, b), regular())
        for shapes in (((3, 3), (3,)), ((2, 2, 2), (2,)), ((2, 3, 3), (2, 3, 1)))
    ),
    "solve_triangular": (
        Composed(
            ((3, 3), (3,)),
            lambda m, a, b: m.solve_triangular(a, b) if m is ag else np.linalg.solve(np.tril(a), b),
            regular(),
        ),
    ),
    "cholesky": tuple(
        Composed(((3, 3),), lambda m, a, u=u: np.linalg.cholesky(a @ a.T, upper=u), regular()) for u in (False, True)
    ),
    "slogdet": (
        Composed(((3, 3),), lambda m, a: np.linalg.slogdet(a)[1], regular()),
        Composed(((2, 2, 2),), lambda m, a: np.linalg.slogdet(a).sign * np.linalg.slogdet(a).logabsdet, regular()),
    ),
    "norm": (
        *(Composed(((3, 4),), lambda m, x, o=o: np.linalg.norm(x, o), apart(0.05)) for o in (None, "fro", 1, np.inf, -np.inf)),
        *(Composed(((3, 4),), lambda m, x, o=o: np.linalg.norm(x, o, axis=1), apart(0.05)) for o in (None, 2, 1, 3, np.inf)),
        Composed(((2, 3, 2),), lambda m, x: np.linalg.norm(x, axis=(0, 2), keepdims=True)),
        Composed(((4,),), lambda m, x: np.linalg.norm(x, 2.5)),
    ),
    "ptp": (Composed(((3, 4),), lambda m, x: m.ptp(x, axis=0), apart()),),
    "concatenate": (
        Composed(((2, 3), (2, 1)), lambda m, a, b: m.concatenate([a, b], axis=1)),
        Composed(((2, 3), (2,)), lambda m, a, b: m.concatenate([a, b], axis=None)),
        Composed(((2, 3),), lambda m, a: m.concatenate((a, np.ones((1, 3)), a))),
        Composed(((2, 3),), lambda m, a: m.concatenate((a, np.ones((0, 3))), axis=-2)),
    ),
    "concat": (Composed(((2, 3), (1, 3)), lambda m, a, b: m.concat([a, b])),),
    "stack": tuple(Composed(((2, 3), (2, 3)), lambda m, a, b, k=k: m.stack([a, b, a], axis=k)) for k in (0, 1, -1)),
    "vstack": (Composed(((3,), (2, 3)), lambda m, a, b: m.vstack([a, b])),),
    "hstack": (
        Composed(((3,), (2,)), lambda m, a, b: m.hstack([a, b])),
        Composed(((2, 3), (2, 1)), lambda m, a, b: m.hstack([a, b])),
    ),
    "split": (
        Composed(((6, 2),), lambda m, x: m.split(x, 3)[1]),
        Composed(((6, 2),), lambda m, x: m.concatenate(m.split(x, [1, 4])[::2])),
        Composed(((2, 4),), lambda m, x: m.concatenate(m.split(x, 2, axis=1)[::-1])),
    ),
    "pad": (
        Composed(((2, 3),), lambda m, x: m.pad(x, 1)),
        Composed(((2, 3),), lambda m, x: m.pad(x, ((0, 1), (2, 0)))),
        Composed(((2, 3),), lambda m, x: m.pad(x, ((1, 1), (2, 0)), constant_values=3.0)),
    ),
    "tile": tuple(Composed(((2, 3),), lambda m, x, r=r: m.tile(x, r)) for r in (2, (2, 1), (2, 1, 3))),
    "astype": (Composed(((2, 3),), lambda m, x: m.astype(x, float)),),
    "ravel": (Composed(((2, 3),), lambda m, x: m.ravel(x)),),
    "flatten": (Composed(((2, 3),), lambda m, x: x.flatten()),),
}


def composed_names() -> list[str]:
    """Public functions that are not themselves registered ops, or that stand before one of the same name."""
    return [name for name, f in ag._functions.items() if not hasattr(f, "op")]
