"""Text in pictures: brief numbers and arrays, names made safe to show, and how wide a line will be."""

from __future__ import annotations

import math
import re
import unicodedata
from functools import lru_cache
from typing import Any

import numpy

__all__ = ["array", "array_lines", "clean", "number", "shape_text", "shorten", "sign", "width"]

LIMIT = 32  # characters of a name that are shown; the tooltip has more
TOOLTIP = 2000  # characters of a name in a tooltip

_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")

# Widths of the ASCII characters in Helvetica and its metric twins (Arial, Liberation Sans, Nimbus Sans),
# in 1/1000 em, from Adobe's font metrics: so boxes have the right size whatever fonts the machine has
# that lays them out.
_WIDTHS = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778,
    722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278,
    278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip
_OTHER = {"×": 584, "−": 584, "·": 333, "…": 1000, "–": 556, **dict.fromkeys("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", 720)}


def width(text: str, size: float, bold: bool = False) -> float:
    """How wide a line is, in the unit of `size`: exact for Latin letters in Helvetica, generous for all else.

    >>> width("loss", 10)
    17.78
    """
    try:
        total = sum([_KNOWN[c] for c in text])
    except KeyError:
        total = sum(map(_wide, text))
    return round(total * size * (1.12 if bold else 1.0) / 1000, 2)


_KNOWN = {**{chr(32 + k): w for k, w in enumerate(_WIDTHS)}, **_OTHER}


def _wide(c: str) -> int:
    """The width of any character."""
    if c in _KNOWN:
        return _KNOWN[c]
    if unicodedata.category(c) in ("Mn", "Me", "Cf"):
        return 0
    return 1050 if unicodedata.east_asian_width(c) in "WF" else 720


def clean(text: str, keep_newlines: bool = False) -> str:
    """The same text with what XML and DOT cannot hold made visible: control characters, lone surrogates.

    >>> clean("a\\x00b\\nc")
    'a␀b␊c'
    """
    if text.isprintable():
        return text
    return (_BUT_NEWLINES if keep_newlines else _UNSAFE).sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    """A sign for what cannot be shown."""
    code = ord(found[0])
    if code < 32 or code == 127:
        return chr(0x2400 + code) if code < 32 else "␡"
    return "␊" if found[0] in "\u2028\u2029" else "\N{REPLACEMENT CHARACTER}"


_ENDS = "".join(chr(0x10000 * plane + code) for plane in range(17) for code in (0xFFFE, 0xFFFF))
_HIDDEN = f"\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\u2028\u2029{_ENDS}"
_UNSAFE = re.compile(f"[\x00-\x1f{_HIDDEN}]")
_BUT_NEWLINES = re.compile(f"[\x00-\x09\x0b-\x1f{_HIDDEN}]")


def shorten(text: str, limit: int = LIMIT) -> str:
    """At most `limit` characters, the middle replaced by an ellipsis.

    >>> shorten("abcdefghij", 7)
    'abcd…ij'
    """
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 3
    return text[: limit - 1 - tail] + "…" + text[len(text) - tail :]


def number(x: Any, digits: int = 4) -> str:
    """A number in about `digits` digits, with a true minus sign and powers of ten as in print.

    >>> number(-0.5), number(1234567.0), number(1.5e-7), number(2.0), number(float("inf"))
    ('−0.5', '1.235×10⁶', '1.5×10⁻⁷', '2', '∞')
    """
    if isinstance(x, bool | numpy.bool_):
        return str(bool(x))
    if isinstance(x, complex | numpy.complexfloating):
        if x.imag == 0:
            return number(x.real, digits)
        sign = "−" if math.copysign(1, x.imag) < 0 else "+"
        return f"{number(x.real, digits)} {sign} {number(abs(x.imag), digits)}i"
    if isinstance(x, int | numpy.integer) and abs(int(x)) < 1_000_000:
        return str(int(x)).replace("-", "−")
    x = float(x)
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    text = f"{x:.{digits}g}"
    if "e" in text or (x and not 1e-4 <= abs(x) < 1e6):
        mantissa, exponent = f"{x:.{digits - 1}e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        power = "10" + str(int(exponent)).translate(_SUPERSCRIPT)
        text = {"1": power, "-1": "-" + power}.get(mantissa, f"{mantissa}×{power}")
    return text.replace("-", "−")


def array_lines(a: Any) -> tuple[str, ...]:
    """An array in a few lines: whole if it is small, else its range.

    >>> array_lines(numpy.eye(2))
    ('[1, 0]', '[0, 1]')
    >>> array_lines(numpy.linspace(-1, 2, 100))
    ('−1 … 2',)
    """
    a = numpy.asarray(a)
    if a.ndim == 0:
        return (number(a[()]),)
    if a.size == 0:
        return ("empty",)
    if a.ndim == 1 and a.size <= 4:
        return (_row(a),)
    if a.ndim == 2 and a.shape[0] <= 3 and a.shape[1] <= 4:
        return tuple(_row(row) for row in a)
    return (_span(a),)


def array(a: Any) -> str:
    """An array in one short line: a number where all are the same.

    >>> array(numpy.ones((3, 4))), array([1.0, 2.0])
    ('1', '[1, 2]')
    """
    a = numpy.asarray(a)
    if a.size and (a.ndim > 1 and a.shape[0] > 1 or (a == a.flat[0]).all()):
        return _span(a).removeprefix("all ")
    return array_lines(a)[0]


def _row(a: Any) -> str:
    return "[" + ", ".join([number(v, 3) for v in a.tolist()]) + "]"


def _span(a: Any) -> str:
    if a.dtype.kind == "b":
        return f"{int(a.sum()):,} of {a.size:,} True"
    if a.dtype.kind == "c":
        return number(a.flat[0], 3) if (a == a.flat[0]).all() else f"|·| {_span(numpy.abs(a))}"
    bad = int(numpy.isnan(a).sum()) if a.dtype.kind == "f" else 0
    if bad == a.size:
        return "all NaN"
    low, high = (numpy.nanmin(a), numpy.nanmax(a)) if bad else (a.min(), a.max())
    if low == high and not bad:
        return f"all {number(low + 0)}"
    text = f"{number(low, 3)} … {number(high, 3)}"
    return f"{text}, {bad:,} NaN" if bad else text


def sign(label: str) -> str:
    """An op's label as it is printed: a true minus."""
    return "−" if label == "-" else label


@lru_cache(maxsize=1024)
def shape_text(shape: tuple[int, ...], dtype: Any) -> str:
    """``3×4 float32``; just the dtype for a scalar.

    >>> shape_text((3, 4), numpy.dtype("float32")), shape_text((), numpy.dtype("float64"))
    ('3×4 float32', 'float64')
    """
    return f"{'×'.join(map(str, shape))} {dtype}".strip()
