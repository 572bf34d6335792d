"""Matrix products and their kin: linear in each operand."""

from __future__ import annotations

import math
from typing import Any

import numpy

from autograd.apply import apply, composite, tensor
from autograd.errors import DTypeError, ShapeError, user_line
from autograd.rule import linear, np, primitive


def turned(m: Any) -> Any:
    """The last two axes exchanged."""
    return np.swapaxes(m, -1, -2)


def matmul_left(g: Any, b: Any, shape: tuple[int, ...]) -> Any:
    """Gradient of a @ b with respect to a, whose shape is given."""
    if b.ndim == 1:
        return np.expand_dims(g, -1) * b
    if len(shape) == 1:
        return np.squeeze(np.matmul(b, np.expand_dims(g, -1)), -1)
    return np.matmul(g, turned(b))


def matmul_right(g: Any, a: Any, shape: tuple[int, ...]) -> Any:
    """Gradient of a @ b with respect to b, whose shape is given."""
    if a.ndim == 1 and len(shape) == 1:
        return g * a
    if a.ndim == 1:
        return np.expand_dims(a, -1) * np.expand_dims(g, -2)
    if len(shape) == 1:
        return np.squeeze(np.matmul(turned(a), np.expand_dims(g, -1)), -1)
    return np.matmul(turned(a), g)


@linear(lambda g, b, shape: matmul_left(g, b, shape), lambda g, a, shape: matmul_right(g, a, shape), operator="@")
def matmul(a, b, /):
    """Matrix product, y = a b, over stacks of matrices; da = g bᵀ, db = aᵀ g."""
    return np.matmul(a, b)


def rows(x: Any) -> Any:
    """x as a matrix whose rows are its last axis."""
    return x if x.ndim == 2 else np.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


@primitive(vjp=(lambda g, weight: np.matmul(g, weight), lambda g, x: np.matmul(turned(rows(g)), rows(x)),
                lambda g: np.sum(rows(g), axis=0)),
           jvp=(lambda t, weight: np.matmul(t, turned(weight)), lambda t, x: np.matmul(x, turned(t)),
                lambda t, y_shape: np.broadcast_to(t, y_shape)), label="xWᵀ+b")  # fmt: skip
def affine(x, weight, bias, /):
    """Affine map, y = x Wᵀ + b, of x (…, in) by W (out, in) and b (out,); dx = g W, dW = gᵀ x, db = Σ g."""
    return np.matmul(x, turned(weight)) + bias


@composite()
def dot(a: Any, b: Any) -> Any:
    """NumPy's dot: a product of numbers, vectors or matrices; sum over the last axis of a and the last but one of b."""
    a, b = tensor(a), tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if b.ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, axes=((a.ndim - 1,), (b.ndim - 2,)))


@composite(method=False)
def outer(a: Any, b: Any) -> Any:
    """All products of an element of a with one of b."""
    a, b = tensor(a), tensor(b)
    return a.reshape((-1, 1)) * b.reshape((1, -1))


@composite(method=False)
def inner(a: Any, b: Any) -> Any:
    """Sum of products over the last axes."""
    a, b = tensor(a), tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return tensordot(a, b, axes=((a.ndim - 1,), (b.ndim - 1,)))


@composite(method=False)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum of products over the named axes of a and b (or the last and first so many)."""
    a, b = tensor(a), tensor(b)
    if isinstance(axes, int):
        axes = (tuple(range(a.ndim - axes, a.ndim)), tuple(range(axes)))
    left, right = ((x,) if isinstance(x, int) else tuple(x) for x in axes)
    left, right = tuple(k % a.ndim for k in left), tuple(k % b.ndim for k in right)
    if [a.shape[k] for k in left] != [b.shape[k] for k in right]:
        raise ShapeError(f"tensordot: axes {left} of {a.shape} and {right} of {b.shape} differ in length. ({user_line()})")
    keep_a = [k for k in range(a.ndim) if k not in left]
    keep_b = [k for k in range(b.ndim) if k not in right]
    n = int(numpy.prod([a.shape[k] for k in left], dtype=int))
    rows = a.transpose([*keep_a, *left]).reshape((-1, n) if n else (int(numpy.prod([a.shape[k] for k in keep_a])), 0))
    columns = b.transpose([*right, *keep_b]).reshape((n, -1) if n else (0, int(numpy.prod([b.shape[k] for k in keep_b]))))
    return matmul(rows, columns).reshape(tuple([a.shape[k] for k in keep_a] + [b.shape[k] for k in keep_b]))


def einsum_transpose(g: Any, i: int, xs: Any, subscripts: str, shape: tuple[int, ...]) -> Any:
    """Gradient with respect to operand i: g contracted with the other operands, spread over what i alone summed."""
    terms, out = subscripts.split("->")
    operands = terms.split(",")
    others = [k for k in range(len(operands)) if k != i]
    seen = set(out).union(*(operands[k] for k in others))
    alone = [c for c in operands[i] if c not in seen]
    wanted = "".join(c for c in operands[i] if c in seen)
    y = np.einsum(",".join([out, *(operands[k] for k in others)]) + "->" + wanted, g, *(xs[k] for k in others))
    if alone:
        y = np.reshape(y, tuple(n if c in seen else 1 for c, n in zip(operands[i], shape, strict=True)))
        y = np.broadcast_to(y, shape)
    return y


@linear(lambda g, i, xs, subscripts, shape: einsum_transpose(g, i, xs, subscripts, shape),
        jvp=lambda t, i, xs, subscripts: np.einsum(subscripts, *[t if k == i else x for k, x in enumerate(xs)]))  # fmt: skip
def einsum(*xs, subscripts):
    """Einstein summation over named axes, y[out] = Σ Π xₖ[termₖ]; linear in each operand."""
    return np.einsum(subscripts, *xs)


_contract = einsum


@composite(method=False)
def einsum(subscripts: Any, *operands: Any) -> Any:
    """Einstein summation: ``einsum("ij,jk->ik", a, b)`` is a @ b. Repeated letters take the diagonal; ``...`` broadcasts.

    >>> import autograd as ag
    >>> ag.einsum("ij->j", ag.Tensor([[1.0, 2.0], [3.0, 4.0]]))
    Tensor([4., 6.])
    """
    if not isinstance(subscripts, str):
        raise DTypeError(f"einsum takes its subscripts as a string such as 'ij,jk->ik', got {type(subscripts).__name__}.")
    xs: list[Any] = [tensor(x) for x in operands]
    terms, out = _parse(subscripts.replace(" ", ""), [x.ndim for x in xs])
    sizes: dict[str, int] = {}
    for term, x in zip(terms, xs, strict=True):
        for c, n in zip(term, x.shape, strict=True):
            if sizes.setdefault(c, n) != n and 1 not in (n, sizes[c]):
                raise ShapeError(
                    f"einsum {subscripts!r}: letter {c!r} is {sizes[c]} long in one place and {n} in another. ({user_line()})"
                )
            sizes[c] = max(sizes[c], n)
    for k, term in enumerate(terms):
        xs[k], terms[k] = _without_ones(xs[k], term, sizes)
    if len(terms) == 1 and sorted(terms[0]) == sorted(out):
        return xs[0].transpose([terms[0].index(c) for c in out])
    spare = [c for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in sizes]
    for k, term in enumerate(list(terms)):  # a repeated letter: a new one, tied to the first by an identity matrix
        for j, c in enumerate(term):
            if c in term[:j]:
                new = spare.pop(0)
                terms[k] = terms[k][:j] + new + terms[k][j + 1 :]
                terms.append(c + new)
                xs.append(numpy.eye(sizes[c], dtype=xs[k].dtype))
    return apply(_contract.op, tuple(xs), {"subscripts": ",".join(terms) + "->" + out})


def _without_ones(x: Any, term: str, sizes: dict[str, int]) -> tuple[Any, str]:
    """An operand without the axes of length 1 that broadcast against longer ones."""
    drop = [k for k, (c, n) in enumerate(zip(term, x.shape, strict=True)) if n == 1 and sizes[c] != 1]
    if not drop:
        return x, term
    letters = "".join(c for k, c in enumerate(term) if k not in drop)
    return x.reshape(tuple(n for k, n in enumerate(x.shape) if k not in drop)), letters


def _parse(subscripts: str, ranks: list[int]) -> tuple[list[str], str]:
    """Terms and output with every ellipsis spelled out in letters."""
    body, arrow, out = subscripts.partition("->")
    terms = body.split(",")
    problem = None
    if len(terms) != len(ranks):
        problem = f"{len(terms)} terms for {len(ranks)} operands"
    elif any(not (c.isascii() and c.isalpha()) for c in (body + out).replace("...", "").replace(",", "")):
        problem = "only letters, commas, '...' and one '->' are allowed"
    if problem is None:
        spare = [c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkjihgfedcba" if c not in subscripts]
        widths = [rank - len(t.replace("...", "")) for t, rank in zip(terms, ranks, strict=True)]
        if any(w < 0 or w and "..." not in t for w, t in zip(widths, terms, strict=True)):
            problem = f"terms {terms} do not fit operands of {ranks} axes"
        else:
            longest = spare[: max([w for w, t in zip(widths, terms, strict=True) if "..." in t], default=0)]
            terms = [t.replace("...", "".join(longest[len(longest) - w :])) for t, w in zip(terms, widths, strict=True)]
            letters = "".join(terms)
            if not arrow:
                out = "".join(longest) + "".join(sorted(c for c in set(letters) - set(longest) if letters.count(c) == 1))
            out = out.replace("...", "".join(longest))
            if len(set(out)) != len(out):
                problem = f"the output {out!r} repeats a letter"
            elif set(out) - set(letters):
                problem = f"the output has {sorted(set(out) - set(letters))}, which no operand has"
    if problem is not None:
        raise ShapeError(f"einsum {subscripts!r}: {problem}. ({user_line()})")
    return terms, out
