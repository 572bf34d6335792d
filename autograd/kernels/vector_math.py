# ruff: noqa: F821  (round_even, bits_float and float_bits are instructions of compiler.llvm)
"""Scalar functions written so that LLVM turns a loop over them into vector code.

The PyPI build of Numba has no vector library: a loop over ``math.tanh`` costs 16 ns an element. These have no branches
and no calls, only arithmetic, selects and bit casts; ``compiler.llvm`` inlines them into the loops of a program.
Coefficients are Chebyshev fits in extended precision. float32 so far; float64 goes to the C library, one element at a
time.
"""

from __future__ import annotations

import numpy as np

__all__ = ["exp32", "log1p32", "log32", "tanh32"]

f32, i32 = np.float32, np.int32

def exp32(x):  # type: ignore[no-untyped-def]
    """eˣ: x = k·ln 2 + r with |r| ≤ ln 2/2, a polynomial in r, and 2ᵏ in two halves so that subnormals are right."""
    c = min(max(x, f32(-104.0)), f32(89.0))
    k = round_even(c * f32(1.44269504))
    r = (c - k * f32(0.693359375)) - k * f32(-2.12194440e-4)
    p = f32(0.00836317557) + r * f32(0.00139336437)
    p = f32(0.041666465) + r * p
    p = f32(0.16666577) + r * p
    p = f32(0.5) + r * p
    y = f32(1.0) + (r + r * r * p)
    n = i32(k)
    half = n >> i32(1)
    y = y * bits_float((half + i32(127)) << i32(23)) * bits_float((n - half + i32(127)) << i32(23))
    y = y if x < f32(88.7228391) else f32(np.inf)
    return x if x != x else y


def log32(x):  # type: ignore[no-untyped-def]
    """ln x: x = 2ᵏ·(1 + f) with √½ ≤ 1 + f < √2, and a polynomial in f."""
    tiny = x < f32(1.17549435e-38)
    scaled = x * f32(8388608.0) if tiny else x
    bits = float_bits(scaled) - i32(0x3F3504F3)
    k = bits >> i32(23)
    f = bits_float((bits & i32(0x7FFFFF)) + i32(0x3F3504F3)) - f32(1.0)
    e = f32(k) - (f32(23.0) if tiny else f32(0.0))
    p = f32(-0.115713578) + f * f32(0.0714910775)
    p = f32(0.116618539) + f * p
    p = f32(-0.124110404) + f * p
    p = f32(0.142498925) + f * p
    p = f32(-0.166684799) + f * p
    p = f32(0.200007094) + f * p
    p = f32(-0.249999891) + f * p
    p = f32(0.333333312) + f * p
    y = f * f * f * p + e * f32(-2.12194440e-4)
    y = (y - f32(0.5) * f * f) + f + e * f32(0.693359375)
    y = y if x < f32(np.inf) else x
    y = y if x > f32(0.0) else f32(-np.inf)
    return y if x >= f32(0.0) else f32(np.nan)


def log1p32(x):  # type: ignore[no-untyped-def]
    """ln(1 + x), exact near 0: ln of the rounded sum plus what rounding took away."""
    u = f32(1.0) + x
    lost = x - (u - f32(1.0))
    y = log32(u) + (lost / u if u > f32(0.0) else f32(0.0))
    return y if u < f32(np.inf) else u


def tanh32(x):  # type: ignore[no-untyped-def]
    """tanh x: an odd polynomial for |x| < 0.625, else 1 − 2/(e^2|x| + 1)."""
    a = abs(x)
    u = x * x
    p = f32(0.0210036419) + u * f32(-0.00610494874)
    p = f32(-0.0538524977) + u * p
    p = f32(0.133327823) + u * p
    p = f32(-0.333333291) + u * p
    small = x + x * u * p
    large = f32(1.0) - f32(2.0) / (exp32(f32(2.0) * min(a, f32(20.0))) + f32(1.0))
    large = large if x > f32(0.0) else -large
    y = small if a < f32(0.625) else large
    return x if x != x else y
