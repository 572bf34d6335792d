# ruff: noqa: F821  (sqrt, copysign, fma, horner are instructions of compiler.llvm)
"""The inverse trigonometric and hyperbolic functions, and the length of a vector; written as `kernels.math64` tells."""

from __future__ import annotations

import numpy as np

from autograd.kernels.math32 import log1p_32, raised_32
from autograd.kernels.math64 import log1p_64

# fmt: off
__all__: list[str] = []

f32, f64 = np.float32, np.float64


def quotient_angle_32(n, d):  # type: ignore[no-untyped-def]
    """The angle of (d, n) for n, d ≥ 0: an odd polynomial in the smaller over the larger, or π/2 less it."""
    high = d if d > n else n
    t = (n if d > n else d) / high
    t = f32(0.0) if high == 0.0 else (f32(1.0) if (n == np.inf) & (d == np.inf) else t)
    z = t * t
    q = horner(z, -0.333331674, 0.199941292, -0.142141446, 0.106786795, -0.0758000761, 0.0435466878, -0.0165769141,
               0.00297351298)
    p = t * (z * q) + t
    p = f32(1.57079637) - (p + 4.37113883e-8) if n > d else p
    return p if (n == n) & (d == d) else n + d


def quotient_angle_64(n, d):  # type: ignore[no-untyped-def]
    """The angle of (d, n) for n, d ≥ 0: an odd polynomial in the smaller over the larger, or π/2 less it."""
    high = d if d > n else n
    t = (n if d > n else d) / high
    t = 0.0 if high == 0.0 else (1.0 if (n == np.inf) & (d == np.inf) else t)
    z = t * t
    q = horner(z, -0.33333333333333093, 0.19999999999955256, -0.14285714282792272, 0.11111111013365765,
               -0.0909090711430331, 0.07692281129676158, -0.06666414535358546, 0.05880589823976017,
               -0.052537934578186285, 0.04723252439565534, -0.04221610783658842, 0.03669134840633905,
               -0.029982114946662492, 0.022080901632682705, -0.013990981097486909, 0.007260519441919749,
               -0.002917880053063063, 0.0008429680683554155, -0.0001546851096306761, 1.3478062254112637e-05)
    p = t * (z * q) + t
    p = 1.5707963267948966 - (p - 6.123233995736766e-17) if n > d else p
    return p if (n == n) & (d == d) else n + d


def arctan_32(x):  # type: ignore[no-untyped-def]
    """arctan x."""
    return copysign(quotient_angle_32(abs(x), f32(1.0)), x)


def arctan_64(x):  # type: ignore[no-untyped-def]
    """arctan x."""
    return copysign(quotient_angle_64(abs(x), 1.0), x)


def arctan2_32(y, x):  # type: ignore[no-untyped-def]
    """The angle of (x, y), between −π and π."""
    p = quotient_angle_32(abs(y), abs(x))
    return copysign(f32(3.14159274) - (p + 8.74227766e-8) if copysign(f32(1.0), x) < 0.0 else p, y)


def arctan2_64(y, x):  # type: ignore[no-untyped-def]
    """The angle of (x, y), between −π and π."""
    p = quotient_angle_64(abs(y), abs(x))
    return copysign(3.141592653589793 - (p - 1.2246467991473532e-16) if copysign(1.0, x) < 0.0 else p, y)


def arcsin_part_32(a):  # type: ignore[no-untyped-def]
    """arcsin of a number up to ½: of |a| itself, or of √((1 − |a|)/2) where |a| > ½."""
    z = a * a if a <= 0.5 else (f32(1.0) - a) * 0.5
    s = a if a <= 0.5 else sqrt(z)
    q = horner(z, 0.166667536, 0.0749524236, 0.0454770513, 0.0241478961, 0.0422180146)
    return s * (z * q) + s


def arcsin_part_64(a):  # type: ignore[no-untyped-def]
    """arcsin of a number up to ½: of |a| itself, or of √((1 − |a|)/2) where |a| > ½."""
    z = a * a if a <= 0.5 else (1.0 - a) * 0.5
    s = a if a <= 0.5 else sqrt(z)
    q = horner(z, 0.1666666666666538, 0.07500000000343299, 0.04464285682336834, 0.03038195933357294,
               0.022371753503621177, 0.017359771046950422, 0.013884601459118903, 0.012173248754150249,
               0.006511019061909718, 0.019573386137330697, -0.016293180982131835, 0.03195831492992159)
    return s * (z * q) + s


def arcsin_32(x):  # type: ignore[no-untyped-def]
    """arcsin x."""
    a = abs(x)
    p = arcsin_part_32(a)
    return copysign(p if a <= 0.5 else f32(1.57079637) - (p * 2.0 + 4.37113883e-8), x)


def arcsin_64(x):  # type: ignore[no-untyped-def]
    """arcsin x."""
    a = abs(x)
    p = arcsin_part_64(a)
    return copysign(p if a <= 0.5 else 1.5707963267948966 - (p * 2.0 - 6.123233995736766e-17), x)


def arccos_32(x):  # type: ignore[no-untyped-def]
    """arccos x."""
    a = abs(x)
    p = arcsin_part_32(a)
    far = p * 2.0 if x > 0.0 else f32(3.14159274) - (p * 2.0 + 8.74227766e-8)
    return f32(1.57079637) - (copysign(p, x) + 4.37113883e-8) if a <= 0.5 else far


def arccos_64(x):  # type: ignore[no-untyped-def]
    """arccos x."""
    a = abs(x)
    p = arcsin_part_64(a)
    far = p * 2.0 if x > 0.0 else 3.141592653589793 - (p * 2.0 - 1.2246467991473532e-16)
    return 1.5707963267948966 - (copysign(p, x) - 6.123233995736766e-17) if a <= 0.5 else far


def arcsinh_32(x):  # type: ignore[no-untyped-def]
    """arcsinh x = ln(1 + |x| + x²/(1 + √(x² + 1))); ln 2|x| where squares could overflow."""
    a = abs(x)
    c = min(f32(1.0e8), a)
    z = c * c
    y = log1p_32(a + (z / (sqrt(z + 1.0) + 1.0) if a < 1.0e8 else f32(0.0)))
    return copysign(y + (f32(0.0) if a < 1.0e8 else f32(0.693147182)), x)


def arcsinh_64(x):  # type: ignore[no-untyped-def]
    """arcsinh x = ln(1 + |x| + x²/(1 + √(x² + 1))); ln 2|x| where squares could overflow."""
    a = abs(x)
    c = min(1.0e17, a)
    z = c * c
    y = log1p_64(a + (z / (sqrt(z + 1.0) + 1.0) if a < 1.0e17 else 0.0))
    return copysign(y + (0.0 if a < 1.0e17 else 0.6931471805599453), x)


def arccosh_32(x):  # type: ignore[no-untyped-def]
    """arccosh x = ln(1 + t + √(2t + t²)) with t = x − 1; ln 2x where squares could overflow."""
    t = x - 1.0
    c = min(f32(1.0e8), max(f32(-1.0), t))
    y = log1p_32(t + (sqrt(c * 2.0 + c * c) if x < 1.0e8 else f32(1.0)))
    return y + (f32(0.0) if x < 1.0e8 else f32(0.693147182))


def arccosh_64(x):  # type: ignore[no-untyped-def]
    """arccosh x = ln(1 + t + √(2t + t²)) with t = x − 1; ln 2x where squares could overflow."""
    t = x - 1.0
    c = min(1.0e17, max(-1.0, t))
    y = log1p_64(t + (sqrt(c * 2.0 + c * c) if x < 1.0e17 else 1.0))
    return y + (0.0 if x < 1.0e17 else 0.6931471805599453)


def arctanh_32(x):  # type: ignore[no-untyped-def]
    """arctanh x = ½·ln(1 + 2|x|/(1 − |x|))."""
    a = abs(x)
    return copysign(log1p_32(a * 2.0 / (f32(1.0) - a)) * 0.5, x)


def arctanh_64(x):  # type: ignore[no-untyped-def]
    """arctanh x = ½·ln(1 + 2|x|/(1 − |x|))."""
    a = abs(x)
    return copysign(log1p_64(a * 2.0 / (1.0 - a)) * 0.5, x)


def hypot_32(a, b):  # type: ignore[no-untyped-def]
    """√(a² + b²), whose squares float64 holds."""
    x = f64(a)
    y = f64(b)
    length = f32(sqrt(x * x + y * y))
    return f32(np.inf) if (abs(a) == np.inf) | (abs(b) == np.inf) else length


def hypot_64(a, b):  # type: ignore[no-untyped-def]
    """√(a² + b²) = m·√(1 + (n/m)²) with m the larger and n the smaller of |a| and |b|."""
    x = abs(a)
    y = abs(b)
    m = x if (x > y) | (x != x) else y
    t = (y if (x > y) | (x != x) else x) / m
    length = m * sqrt(t * t + 1.0)
    length = m if m == 0.0 else length
    return np.inf if (x == np.inf) | (y == np.inf) else length


def cbrt_32(x):  # type: ignore[no-untyped-def]
    """∛x."""
    return copysign(f32(raised_32(f64(abs(x)), 0.3333333333333333)), x)


def cbrt_64(x):  # type: ignore[no-untyped-def]
    """∛x: one step of Newton's method from a value right to 33 bits, with the rounding of its square put back."""
    a = abs(x)
    tiny = a < 1.0e-240
    v = a * 5.357543035931337e+300 if tiny else a
    y = raised_32(v, 0.3333333333333333)
    z = y * y
    y = y - (fma(z, y, -v) + fma(y, y, -z) * y) / (z * 3.0)
    y = y * 5.714936956411375e-101 if tiny else y
    return copysign(y if (a > 0.0) & (a < np.inf) else a, x)
