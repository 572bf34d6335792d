"""The library's own exceptions, each derived from the built-in that people expect.

Every message says what happened (with names, shapes and values), where in the user's code, and what to do.
"""

from __future__ import annotations

import copy
import sys
from functools import cache, lru_cache
from os.path import basename
from pathlib import Path
from types import CodeType, FrameType

import numpy

__all__ = [
    "ArgumentError", "AutogradError", "AxisError", "DTypeError", "FileError", "FormatError", "GraphError",
    "IndexingError", "LinAlgError", "NotFoundError", "ShapeError", "UnsupportedError", "user_line",
    "why_shapes_differ",
]  # fmt: skip


NOWHERE = "your code"
"""What stands for the user's line where there is none, as on a command line."""


class AutogradError(Exception):
    """The base of every error that this library raises on purpose; its text ends with the user's line."""

    def __init__(self, *args: object):
        super().__init__(*args)
        self.where = user_line()

    def __str__(self) -> str:
        text = super().__str__()
        return text if self.where in text or self.where == NOWHERE else f"{text} ({self.where})"


class ShapeError(AutogradError, ValueError):
    """Shapes that do not fit each other."""


class ArgumentError(AutogradError, ValueError):
    """An argument with a value that makes no sense; the message carries the value."""


class DTypeError(AutogradError, TypeError):
    """An object or a dtype that an operation cannot take."""


class UnsupportedError(AutogradError, TypeError):
    """A NumPy call that has no derivative here; the message names the nearest one that has."""


class GraphError(AutogradError, RuntimeError):
    """Something is wrong with the recorded graph: none there, already freed, or changed behind its back."""


class AxisError(AutogradError, ValueError, IndexError):
    """An axis that the array does not have, or has twice."""


class IndexingError(AutogradError, IndexError):
    """An index out of bounds, of the wrong length, or of the wrong kind."""


class LinAlgError(AutogradError, numpy.linalg.LinAlgError):
    """A matrix for which the answer does not exist."""


class FileError(AutogradError, OSError):
    """A file that cannot be read or written; the message carries the path."""


class FormatError(AutogradError, ValueError):
    """A file whose content is not what it should be."""


class NotFoundError(AutogradError, ValueError):
    """A name that nothing answers to; the message carries the nearest names."""


_HOME = Path(__file__).parent.parent
_ROOTS = (
    *(f"{_HOME / package}/" for package in ("autograd", "nn", "optim")),
    f"{Path(numpy.__file__).parent}/",  # NumPy calls back into us: its lines say nothing to the user
    copy.__file__,
)


@cache
def is_internal(filename: str) -> bool:
    """Whether a source file is one of the library's own, so that the user's line is further up the stack."""
    return filename.startswith(_ROOTS) or filename.startswith(("<wengert", "<frozen"))


_CALLERS = tuple(f"{Path(numpy.__file__).parent.parent / name}/" for name in ("matplotlib", "pandas", "scipy", "sklearn"))


def user_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost frame, from `frame` outwards, that is not the library's own, nor of one to which tensors are handed: a line
    in matplotlib says nothing to who called plot()."""
    while frame is not None and (is_internal(name := frame.f_code.co_filename) or name.startswith(_CALLERS)):
        frame = frame.f_back
    return frame


def line_of(code: CodeType | None, instruction: int) -> str | None:
    """``file.py:12`` for a code object and an instruction offset; in a notebook ``In[3]:12``, of the cell run as the third."""
    return None if code is None else f"{_called(code.co_filename)}:{_line_number(code, instruction)}"


@lru_cache(maxsize=4096)
def _line_number(code: CodeType, instruction: int) -> int:
    for start, end, number in code.co_lines():
        if start <= instruction < end and number is not None:
            return number
    return code.co_firstlineno


def _called(filename: str) -> str:
    if "IPython" in sys.modules:
        shell = getattr(sys.modules["IPython"], "get_ipython", lambda: None)()
        cell = getattr(getattr(shell, "compile", None), "format_code_name", lambda _: None)(filename)
        if cell:
            return str(cell[1])
    return basename(filename)


Place = tuple[CodeType | None, int]
"""A line as a code object and an instruction offset: cheap to take down, made into text only for a message."""


def user_place() -> Place:
    """The innermost place outside the library."""
    frame = user_frame(sys._getframe(1))
    return (None, 0) if frame is None else (frame.f_code, frame.f_lasti)


def why_shapes_differ(shapes: list[tuple[int, ...]], text: str) -> str | None:
    """The two mistakes with shapes that are made most, with their way out, instead of NumPy's words; None for others.

    >>> why_shapes_differ([(3, 4), (2,)], "operands could not be broadcast together")
    'the shapes (3, 4) and (2,) do not broadcast: from the right, 4 meets 2, and only a 1 is stretched.'
    """
    if any(words in text for words in ("core dimension", "inner lengths", "enough dimensions")) and len(shapes) == 2:
        return _why_no_product(*shapes)
    clash = next(((a, b) for i, a in enumerate(shapes) for b in shapes[:i] if not _broadcast(a, b)), None)
    if "broadcast" not in text or clash is None:
        return None
    b, a = clash
    m, n = next((m, n) for m, n in zip(reversed(a), reversed(b), strict=False) if m != n and 1 not in (m, n))
    said = f"the shapes {a} and {b} do not broadcast: from the right, {m} meets {n}, and only a 1 is stretched."
    for which, short, long in (("first", a, b), ("second", b, a)):
        for extra in range(1, len(long) - len(short) + 1):
            if _broadcast(wider := (*short, *(1,) * extra), long):
                return f"{said} With shape {wider} the {which} fits."
    return said


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(reversed(a), reversed(b), strict=False))


def _why_no_product(a: tuple[int, ...], b: tuple[int, ...]) -> str:
    if not a or not b:
        return f"the shapes {a} and {b} have no matrix product: a number is no matrix. Multiply by it with *."
    rows, which = (b[-2], "last but one") if len(b) > 1 else (b[0], "only")
    said = f"the shapes {a} and {b} have no matrix product: the last axis of the first has length {a[-1]}, "
    said += f"the {which} axis of the second {rows}, and they must be equal."
    if len(b) > 1 and a[-1] == b[-1]:
        return f"{said} Transposed, the second fits."
    if len(a) > 1 and a[-2] == rows:
        return f"{said} Transposed, the first fits."
    return said


def user_line() -> str:
    """``file.py:12`` of the innermost line outside the library, for use in messages.

    >>> user_line().startswith("<doctest")
    True
    """
    return line_of(*user_place()) or NOWHERE
