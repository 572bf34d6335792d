"""Which element of its inputs an element of an instruction comes from: index texts, one for each axis."""

from __future__ import annotations

from typing import Any

from autograd.compiler.trace import REDUCTIONS, Traced

__all__ = [
    "MADE_WHOLE", "MOVES", "below", "in_window", "index_below", "index_of", "long_axes", "one_for_all", "position",
    "same_but_ones", "shifted", "turns",
]  # fmt: skip

MADE_WHOLE = ("matmul", "routine", "scatter", "call", "overlap", "join", *REDUCTIONS)  # what is not made element by element
MOVES = ("broadcast", "reshape", "transpose", "slice", "window", "gather")


def turns(x: Traced) -> bool:
    """Whether x is a matrix, or a stack of them, transposed."""
    return x.function == "transpose" and x.settings["axes"] == (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)


def one_for_all(x: Traced) -> bool:
    """Whether x is one matrix, repeated as a stack."""
    return x.function == "broadcast" and x.ndim > 2 and x.shape[-2:] == x.inputs[0].shape[-2:] and (
        all(n == 1 for n in x.inputs[0].shape[:-2])
    )  # fmt: skip


def long_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def index_of(x: Traced) -> tuple[str, ...]:
    """The element of x at which loops over its shape stand."""
    out, k = [], 0
    for n in x.shape:
        out.append("0" if n == 1 else f"i{k}")
        k += n != 1
    return tuple(out)


def shifted(at: tuple[str, ...], axis: int, start: int) -> tuple[str, ...]:
    """An element further on along an axis."""
    i = at[axis]
    moved = i if not start else f"({start})" if i == "0" else f"{i} + {start}"
    return (*at[:axis], "(0)" if moved == "0" else moved, *at[axis + 1 :])


def same_but_ones(x: Traced, y: Traced) -> bool:
    return long_axes(x.shape) == long_axes(y.shape)


def position(at: tuple[str, ...], shape: tuple[int, ...]) -> str:
    """The place of an element in the array laid out in a row."""
    text = "0"
    for i, n in zip(at, shape, strict=True):
        text = i if text == "0" else f"({text}) * {n} + {i}"
    return text


def below(y: Traced, at: Any) -> list[tuple[Traced, Any]]:
    """The inputs of y with the places that element `at` of y comes from; None where that is not an element for each."""
    inputs = [i for i in y.inputs if isinstance(i, Traced)]
    if at is None or y.function in MADE_WHOLE:
        return [(i, None) for i in inputs]
    if y.function == "gather":
        return [(inputs[0], None), (inputs[1], at)]
    if y.function == "reshape" and not same_but_ones(inputs[0], y):
        return [(inputs[0], None)]
    return [(i, index_below(y, i, at)) for i in inputs]


def index_below(y: Traced, x: Traced, at: tuple[str, ...]) -> tuple[str, ...]:
    """The place in the input x that element `at` of y comes from."""
    if y.function == "transpose":
        place = [""] * x.ndim
        for k, axis in enumerate(y.settings["axes"]):
            place[axis] = at[k]
        return tuple(place)
    if y.function == "slice":
        return tuple(map(_shifted, at, x.shape, y.settings["starts"], y.settings["steps"]))
    if y.function == "window":
        d = len(y.settings["stride"])
        lead, size, windows = at[: x.ndim - d], at[x.ndim - d : x.ndim], at[x.ndim :]
        return (*lead, *map(in_window, size, windows, x.shape[x.ndim - d :], y.settings["stride"], y.settings["dilation"]))
    if y.function == "reshape":
        long = iter(i for i, n in zip(at, y.shape, strict=True) if n != 1)
        return tuple("0" if n == 1 else next(long) for n in x.shape)
    tail = at[len(at) - x.ndim :]
    return tuple("0" if n == 1 else i for i, n in zip(tail, x.shape, strict=True))


def in_window(k: str, o: str, length: int, stride: int, dilation: int, start: int = 0) -> str:
    """Where along an axis element k of window o is; a sum in brackets, so that it does not read as a loop's own index."""
    if length == 1:
        return "0"
    terms = [f"{n} * ({i})" if n != 1 else i for i, n in ((k, dilation), (o, stride)) if i != "0"]
    if not terms:
        return f"({start})"
    terms += [str(start)] if start else []
    return terms[0] if len(terms) == 1 else f"({' + '.join(terms)})"


def _shifted(i: str, length: int, start: int, step: int) -> str:
    """Where along an axis the element i of a slice is; a number is put in brackets, for "0" alone is an axis of length 1."""
    if length == 1:
        return "0"
    if i == "0":
        return f"({start})"
    i = i if i.isalnum() else f"({i})"
    return (f"{start} + " if start else "") + (i if step == 1 else f"{step} * {i}")
