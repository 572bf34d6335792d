"""Calls that make no sense: each gets an error of ours that names the trouble and the user's line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag

X = np.ones((2, 3))
E = ag.errors
BAD: list[tuple[str, Any, type[Exception], str]] = [
    ("shapes", lambda x: x + np.ones((2, 4)), E.ShapeError, r"\(2, 3\) and \(2, 4\)"),
    ("a vector for the columns", lambda x: x * np.ones(2), E.ShapeError, r"3 meets 2.*With shape \(2, 1\) the second fits"),
    ("a matrix for the leading axes", lambda x: x + np.ones((2, 3, 4)), E.ShapeError, r"With shape \(2, 3, 1\) the first fits"),
    ("three operands", lambda x: np.where(x > 0, np.ones(2), 0), E.ShapeError, r"\(2, 3\) and \(2,\)"),
    ("inner length", lambda x: x @ np.ones((2, 3)), E.ShapeError, r"length 3, .* second 2, .* Transposed, the second fits"),
    ("first to transpose", lambda x: x @ np.ones((2, 4)), E.ShapeError, "Transposed, the first fits"),
    ("inner length, nothing helps", lambda x: x @ np.ones((5, 4)), E.ShapeError, r"second 5, and they must be equal\. \("),
    ("by a vector", lambda x: x @ np.ones(2), E.ShapeError, "only axis of the second 2, .* Transposed, the first fits"),
    ("0-d operand", lambda x: x @ ag.Tensor(1.0), E.ShapeError, "matmul"),
    ("a number as a matrix", lambda x: x @ 3, E.ShapeError, "matmul"),
    ("axis out of range", lambda x: x.sum(axis=2), E.AxisError, "axis 2"),
    ("axis twice", lambda x: x.sum(axis=(0, 0)), ValueError, "duplicate"),
    ("axis of floats", lambda x: x.sum(axis=0.5), E.DTypeError, "sum"),
    ("reshape", lambda x: x.reshape(4, 2), E.ShapeError, r"\(2, 3\)"),
    ("two −1", lambda x: x.reshape(-1, -1), E.ShapeError, "one unknown"),
    ("−1 with 0", lambda x: x.reshape(0, -1), E.ShapeError, "reshape"),
    ("einsum letters", lambda x: ag.einsum("i1->i", x), E.ShapeError, "letters"),
    ("einsum ranks", lambda x: ag.einsum("ijk->i", x), E.ShapeError, "axes"),
    ("einsum output twice", lambda x: ag.einsum("ij->ii", x), E.ShapeError, "repeats"),
    ("einsum output unknown", lambda x: ag.einsum("ij->k", x), E.ShapeError, "'k'"),
    ("einsum sizes", lambda x: ag.einsum("ij,ij->i", x, np.ones((2, 4))), E.ShapeError, "'j'"),
    ("einsum count", lambda x: ag.einsum("ij,jk->ik", x), E.ShapeError, "2 terms"),
    ("index out of bounds", lambda x: x[5], E.IndexingError, "out of bounds"),
    ("index array out of bounds", lambda x: x[np.array([0, 5])], E.IndexingError, "out of bounds"),
    ("mask length", lambda x: x[np.array([True, False, True])], E.IndexingError, "boolean"),
    ("float index", lambda x: x[1.0], E.IndexingError, "integer"),
    ("float array index", lambda x: x[np.array([1.0])], E.IndexingError, "integer"),
    ("too many indices", lambda x: x[0, 0, 0], E.IndexingError, "too many"),
    ("joining nothing", lambda x: ag.concatenate([]), E.ShapeError, "empty"),
    ("stacking nothing", lambda x: ag.stack([]), E.ShapeError, "empty"),
    ("joining ranks", lambda x: ag.concatenate([x, np.ones(3)]), E.ShapeError, r"\(3,\)"),
    ("joining lengths", lambda x: ag.concatenate([x, np.ones((2, 2))]), E.ShapeError, r"\(2, 2\)"),
    ("joining along no axis", lambda x: ag.concatenate([x, x], axis=2), E.AxisError, "axis 2"),
    ("stacking shapes", lambda x: ag.stack([x, np.ones(3)]), E.ShapeError, r"\(3,\)"),
    ("uneven split", lambda x: ag.split(x, 2, axis=1), E.ShapeError, "equal"),
    ("split along no axis", lambda x: ag.split(x, 2, axis=5), E.AxisError, "axis 5"),
    ("negative pad", lambda x: ag.pad(x, -1), E.ArgumentError, "negative"),
    ("pad mode", lambda x: ag.pad(x, 1, mode="wrap"), E.ArgumentError, "wrap"),
    ("swapaxes", lambda x: x.swapaxes(0, 3), E.AxisError, "axis"),
    ("transpose", lambda x: x.transpose(0, 0), E.AutogradError, "transpose"),
    ("broadcast_to", lambda x: ag.broadcast_to(x, (3, 3)), E.ShapeError, "broadcast"),
    ("squeeze", lambda x: x.squeeze(axis=1), E.ShapeError, "squeeze"),
    ("unknown object", lambda x: x + object(), TypeError, "object"),
    ("None", lambda x: x * None, TypeError, "None"),
    ("string", lambda x: x * "2", TypeError, "str"),
    ("set", lambda x: x * {1}, TypeError, "set"),
    ("object array", lambda x: x * np.array([None, 1, 2]), E.DTypeError, "object"),
    ("masked array", lambda x: x * np.ma.masked_array([1.0, 2, 3], [0, 1, 0]), E.DTypeError, "mask"),
    ("where alone", lambda x: ag.where(x > 0), E.DTypeError, "pass a and b"),
    ("dtype=", lambda x: ag.sum(x, dtype=float), E.UnsupportedError, "dtype="),
    ("missing setting", lambda x: ag.reshape(x), E.DTypeError, "shape"),
    ("take out of bounds", lambda x: ag.take(x, [7]), E.IndexingError, "out of bounds"),
    ("tensordot", lambda x: ag.tensordot(x, x, axes=1), E.ShapeError, "tensordot"),
    ("diagonal of a vector", lambda x: ag.diagonal(x[0]), E.AutogradError, "diagonal"),
]  # fmt: skip


@pytest.mark.parametrize("call, kind, words", [pytest.param(*row[1:], id=row[0]) for row in BAD])
def test_bad_calls_name_the_trouble_and_the_place(call: Any, kind: type[Exception], words: str) -> None:
    x = ag.Tensor(X, requires_grad=True)
    with pytest.raises(kind, match=words) as caught:
        call(x)
    assert isinstance(caught.value, E.AutogradError), f"a bare {type(caught.value).__name__}"
    assert "test_bad_calls.py:" in str(caught.value)
