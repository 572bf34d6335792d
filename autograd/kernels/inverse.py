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
    """The angle of (d, n) for n, d ≥ 0: its multiple of π/4 next to it, and an odd polynomial for what is left."""
    high = max(n, d)
    scale = (f32(1.0) if high > 1.0e-30 else f32(1.8446744e19)) if high < 1.0e38 else f32(0.25)
    y = n * scale
    x = d * scale
    small = (y * 2.41421356 <= x) & (y < np.inf)
    large = y > x * 2.41421356
    top = y if small else (-x if large else y - x)
    bottom = x if small else (y if large else y + x)
    t = f32(0.0) if top == 0.0 else top / bottom
    t = f32(0.0) if (n == np.inf) & (d == np.inf) else t
    z = t * t
    q = horner(z, -0.333333164, 0.199984878, -0.142438248, 0.105958335, -0.0608303398)
    turn = f32(0.0) if small else (f32(1.57079637) if large else f32(0.785398185))
    rest = f32(0.0) if small else (f32(-4.37113883e-8) if large else f32(-2.18556941e-8))
    return turn + (t + (t * (z * q) + rest))


def quotient_angle_64(n, d):  # type: ignore[no-untyped-def]
    """The angle of (d, n) for n, d ≥ 0: its multiple of π/4 next to it, and an odd polynomial for what is left."""
    high = max(n, d)
    scale = (1.0 if high > 1.0e-290 else 1.8446744073709552e19) if high < 1.0e300 else 0.25
    y = n * scale
    x = d * scale
    small = (y * 2.414213562373095 <= x) & (y < np.inf)
    large = y > x * 2.414213562373095
    top = y if small else (-x if large else y - x)
    bottom = x if small else (y if large else y + x)
    t = 0.0 if top == 0.0 else top / bottom
    t = 0.0 if (n == np.inf) & (d == np.inf) else t
    z = t * t
    q = horner(z, -0.333333333333332, 0.19999999999954002, -0.14285714280241238, 0.11111110785786692,
               -0.09090897826470755, 0.07692061459945576, -0.06663118364056703, 0.05847994141274413,
               -0.050397785041558334, 0.03807660641509955, -0.017920387857975596)
    turn = 0.0 if small else (1.5707963267948966 if large else 0.7853981633974483)
    rest = 0.0 if small else (6.123233995736766e-17 if large else 3.061616997868383e-17)
    return turn + (t + (t * (z * q) + rest))


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
    """arcsin of a number s up to ½ as s and the rest: of a itself, or of √((1 − a)/2) where a > ½."""
    z = a * a if a <= 0.5 else (f32(1.0) - a) * 0.5
    s = a if a <= 0.5 else sqrt(z)
    q = horner(z, 0.166667536, 0.0749524236, 0.0454770513, 0.0241478961, 0.0422180146)
    return s, s * (z * q)


def arcsin_part_64(a):  # type: ignore[no-untyped-def]
    """arcsin of a number s up to ½ as s and the rest: of a itself, or of √((1 − a)/2) where a > ½."""
    z = a * a if a <= 0.5 else (1.0 - a) * 0.5
    s = a if a <= 0.5 else sqrt(z)
    q = horner(z, 0.1666666666666538, 0.07500000000343299, 0.04464285682336834, 0.03038195933357294,
               0.022371753503621177, 0.017359771046950422, 0.013884601459118903, 0.012173248754150249,
               0.006511019061909718, 0.019573386137330697, -0.016293180982131835, 0.03195831492992159)
    return s, s * (z * q)


def arcsin_32(x):  # type: ignore[no-untyped-def]
    """arcsin x."""
    a = abs(x)
    s, p = arcsin_part_32(a)
    return copysign(s + p if a <= 0.5 else (f32(1.57079637) - s * 2.0) - (p * 2.0 + 4.37113883e-8), x)


def arcsin_64(x):  # type: ignore[no-untyped-def]
    """arcsin x."""
    a = abs(x)
    s, p = arcsin_part_64(a)
    return copysign(s + p if a <= 0.5 else (1.5707963267948966 - s * 2.0) - (p * 2.0 - 6.123233995736766e-17), x)


def arccos_32(x):  # type: ignore[no-untyped-def]
    """arccos x."""
    a = abs(x)
    s, rest = arcsin_part_32(a)
    p = s + rest
    far = p * 2.0 if x > 0.0 else f32(3.14159274) - (p * 2.0 + 8.74227766e-8)
    return f32(1.57079637) - (copysign(p, x) + 4.37113883e-8) if a <= 0.5 else far


def arccos_64(x):  # type: ignore[no-untyped-def]
    """arccos x."""
    a = abs(x)
    s, rest = arcsin_part_64(a)
    p = s + rest
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
