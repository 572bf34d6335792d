# ruff: noqa: F821  (round_even, copysign, fma, horner, bits_float, float_bits are instructions of compiler.llvm)
"""The scalar functions of float32, written so that LLVM turns a loop over them into vector code.

How they are written is told in `kernels.math64`. Where float32 loses too much (the reduction of an angle, powers), the
work is done in float64.
"""

from __future__ import annotations

import numpy as np

# fmt: off
__all__: list[str] = []

f32, f64, i32, i64 = np.float32, np.float64, np.int32, np.int64


def two_to_32(k):  # type: ignore[no-untyped-def]
    """2ᵏ for −127 < k < 128, from its bits."""
    return bits_float((k << 23) + 0x3F800000)


def scaled_32(y, k):  # type: ignore[no-untyped-def]
    """y·2ᵏ in two halves, so that subnormal results are right; one instruction where the processor has it."""
    half = k >> 1
    return y * two_to_32(half) * two_to_32(k - half)


def scaled_exp_32(x, n):  # type: ignore[no-untyped-def]
    """eˣ·2ⁿ: x = k·ln 2 + r with |r| ≤ ln 2/2, a polynomial in r, and 2ᵏ⁺ⁿ in two halves so that subnormals are right."""
    c = min(f32(90.0), max(f32(-105.0), x))
    t = c * 1.44269504 + 12582912.0
    k = t - 12582912.0
    r = (c - k * 0.693359375) - k * -2.12194440e-4
    y = (r + r * r * horner(r, 0.5, 0.166665763, 0.0416665561, 0.00836317893, 0.0013926184)) + 1.0
    e = float_bits(t) - 0x4B400000 + n
    return scaled_32(y, e)


def exp_32(x):  # type: ignore[no-untyped-def]
    """eˣ."""
    return scaled_exp_32(x, i32(0))


def exp2_32(x):  # type: ignore[no-untyped-def]
    """2ˣ: x = k + r with |r| ≤ ½, which is exact."""
    c = min(f32(130.0), max(f32(-151.0), x))
    t = c + 12582912.0
    r = c - (t - 12582912.0)
    p = horner(r, 0.693147182, 0.240226507, 0.0555041097, 0.00961805694, 0.00133335032, 0.000154614681, 1.52972007e-05)
    y = r * p + 1.0
    e = float_bits(t) - 0x4B400000
    return scaled_32(y, e)


def expm1_32(x):  # type: ignore[no-untyped-def]
    """eˣ − 1 = 2ᵏ·(eʳ − 1) + (2ᵏ − 1), with what rounding took from r put back."""
    c = min(f32(90.0), max(f32(-25.0), x))
    t = c * 1.44269504 + 12582912.0
    k = t - 12582912.0
    h = c - k * 0.693359375
    r = h - k * -2.12194440e-4
    lost = (h - r) - k * -2.12194440e-4
    p = horner(r, 0.5, 0.166666672, 0.0416664667, 0.00833331048, 0.00139336498, 0.000198909911)
    e = float_bits(t) - 0x4B400000
    half = e >> 1
    s = two_to_32(half)
    y = ((r + (r * r * p + lost)) * s + (s - two_to_32(half - e))) * two_to_32(e - half)
    return x if abs(x) < 1.0e-8 else y


def log_parts_32(x):  # type: ignore[no-untyped-def]
    """x = 2ᵏ·(1 + f) with √½ ≤ 1 + f < √2, for finite x > 0: f and k."""
    tiny = x < 1.17549435e-38
    bits = float_bits(x * 8388608.0 if tiny else x) - 0x3F3504F3
    f = bits_float((bits & 0x7FFFFF) + 0x3F3504F3) - 1.0
    return f, (bits >> 23) - (i32(23) if tiny else i32(0))


def log_sum_32(f, k):  # type: ignore[no-untyped-def]
    """k·ln 2 + ln(1 + f), a polynomial in f."""
    p = horner(f, 0.333333105, -0.249999866, 0.20002228, -0.166692317, 0.14218621, -0.123846665, 0.118735425, -0.117881723,
               0.0691218078)
    y = f * f * f * p + k * -2.12194440e-4
    return (y - f * f * 0.5) + f + k * 0.693359375


def log_32(x):  # type: ignore[no-untyped-def]
    """ln x."""
    f, k = log_parts_32(x)
    y = log_sum_32(f, f32(k))
    return (y if x < np.inf else x) if x > 0.0 else (f32(-np.inf) if x == 0.0 else f32(np.nan))


def log2_32(x):  # type: ignore[no-untyped-def]
    """log₂ x = k + ln(1 + f)/ln 2, so exact at powers of 2."""
    f, k = log_parts_32(x)
    y = log_sum_32(f, f32(0.0))
    y = y * 1.44269502 + (y * 1.92596303e-8 + f32(k))
    return (y if x < np.inf else x) if x > 0.0 else (f32(-np.inf) if x == 0.0 else f32(np.nan))


def log10_32(x):  # type: ignore[no-untyped-def]
    """log₁₀ x = k·log₁₀ 2 + ln(1 + f)/ln 10."""
    f, k = log_parts_32(x)
    y = log_sum_32(f, f32(0.0))
    y = (y * 0.434294492 + (y * -1.01016394e-8 + f32(k) * 4.605039e-6)) + f32(k) * 0.301025391
    return (y if x < np.inf else x) if x > 0.0 else (f32(-np.inf) if x == 0.0 else f32(np.nan))


def log1p_32(x):  # type: ignore[no-untyped-def]
    """ln(1 + x): 1 + x = 2ᵏ·(1 + f), where k is that of the rounded sum and f = 2⁻ᵏx + (2⁻ᵏ − 1) is rounded once."""
    u = x + 1.0
    k = (float_bits(u) - 0x3F3504F3) >> 23
    s = two_to_32(i32(2) - k)
    y = log_sum_32(fma(x * 0.25, s, s * 0.25 - 1.0), f32(k))
    y = (y if x < np.inf else x) if u > 0.0 else (f32(-np.inf) if u == 0.0 else f32(np.nan))
    return x if abs(x) < 1.0e-8 else y


def tanh_32(x):  # type: ignore[no-untyped-def]
    """tanh x = m/(m + 2) with m = e^2|x| − 1 = 2ᵏ·(eʳ − 1) + (2ᵏ − 1)."""
    c = min(f32(20.0), abs(x) * 2.0)
    t = c * 1.44269504 + 12582912.0
    k = t - 12582912.0
    r = (c - k * 0.693359375) - k * -2.12194440e-4
    q = r * r * horner(r, 0.5, 0.166665196, 0.0416664332, 0.00836886372, 0.00139379618) + r
    s = two_to_32(float_bits(t) - 0x4B400000)
    m = s * q + (s - 1.0)
    return copysign(m / (m + 2.0), x)


def sinh_32(x):  # type: ignore[no-untyped-def]
    """sinh x: an odd polynomial for |x| < 1, else eˣ/2 − 1/(2eˣ)."""
    a = abs(x)
    z = x * x
    h = scaled_exp_32(a, i32(-1))
    small = a * (z * horner(z, 0.166666672, 0.00833333936, 0.000198381022, 2.80628024e-06)) + a
    return copysign(small if a < 1.0 else h - f32(0.25) / h, x)


def cosh_32(x):  # type: ignore[no-untyped-def]
    """cosh x = eˣ/2 + 1/(2eˣ)."""
    h = scaled_exp_32(abs(x), i32(-1))
    return h + f32(0.25) / h


def erf_32(x):  # type: ignore[no-untyped-def]
    """erf x: an odd polynomial for |x| < 0.95, else 1 − e^(−p) with a polynomial p ≈ −ln erfc |x|."""
    a = min(f32(4.1), abs(x))
    z = a * a
    small = horner(z, 0.128379166, -0.37612626, 0.112835944, -0.0268542115, 0.00518908724, -0.00080168643, 7.87587487e-05)
    large = horner(a, 0.000177113208, 1.12775123, 0.637056649, 0.104040347, -0.0222786572, 0.00305603817, -0.000197229718)
    return copysign(small * a + a if a < 0.95 else f32(1.0) - exp_32(-large), x)


def angle_32(x):  # type: ignore[no-untyped-def]
    """x = n·π/2 + r with |r| ≤ 0.9, for |x| < 2⁴⁹, in float64: π/2 in three parts, of which the first leaves no remainder."""
    v = f64(x)
    t = v * 0.6366197723675814 + 6755399441055744.0
    k = t - 6755399441055744.0
    r = fma(-k, 1.5707963267948966, v)
    r = (r - k * 6.123233995736766e-17) - k * -1.4973849048591698e-33
    return f32(r), i32(float_bits(t))


def sin_cos_32(r):  # type: ignore[no-untyped-def]
    """sin r and cos r for |r| ≤ π/4."""
    z = r * r
    s = r * (z * horner(z, -0.166666642, 0.0083327461, -0.000195873872)) + r
    c = z * z * horner(z, 0.0416666642, -0.00138883002, 2.45474366e-05) + (f32(1.0) - z * 0.5)
    return s, c


def sin_32(x):  # type: ignore[no-untyped-def]
    """sin x."""
    r, n = angle_32(x)
    s, c = sin_cos_32(r)
    y = bits_float(float_bits(s if (n & 1) == 0 else c) ^ ((n & 2) << 30))
    return beyond(sin, 562949953421312.0, x, x if abs(x) < 1.0e-4 else y)


def cos_32(x):  # type: ignore[no-untyped-def]
    """cos x."""
    r, n = angle_32(x)
    s, c = sin_cos_32(r)
    y = bits_float(float_bits(c if (n & 1) == 0 else s) ^ (((n + 1) & 2) << 30))
    return beyond(cos, 562949953421312.0, x, y)


def tan_32(x):  # type: ignore[no-untyped-def]
    """tan x = sin x/cos x."""
    r, n = angle_32(x)
    s, c = sin_cos_32(r)
    y = (s if (n & 1) == 0 else -c) / (c if (n & 1) == 0 else s)
    return beyond(tan, 562949953421312.0, x, x if abs(x) < 1.0e-4 else y)


def raised_32(v, w):  # type: ignore[no-untyped-def]
    """vʷ = 2^(w·log₂ v) for v ≥ 0, in float64 but to 33 bits."""
    bits = float_bits(v) - 0x3FE6A09E667F3BCD
    m = bits_float((bits & 0xFFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD)
    s = (m - 1.0) / (m + 1.0)
    p = horner(s * s, 2.885390081789987, 0.9617966734515485, 0.5770835660048659, 0.41167376623771057, 0.3407120415619086)
    log2 = s * p + f64(bits >> 52)
    log2 = (log2 if v < np.inf else v) if v != 0.0 else f64(-np.inf)
    u = min(1000.0, max(-1000.0, w * log2))
    t = u + 6755399441055744.0
    r = u - (t - 6755399441055744.0)
    q = horner(r, 1.0, 0.6931471805599453, 0.2402265092256076, 0.05550410883930555, 0.00961805662050108,
               0.001333350234150156, 0.00015461467905285986, 1.529734162283227e-05)
    return q * bits_float(float_bits(t) + 1023 << 52)


def power_32(x, y):  # type: ignore[no-untyped-def]
    """xʸ: |x|ʸ with the sign and the special cases of C's pow."""
    result = f32(raised_32(f64(abs(x)), min(1.0e300, max(-1.0e300, f64(y)))))
    whole = round_even(y) == y
    result = copysign(result, x) if whole & (round_even(y * 0.5) != y * 0.5) else result
    result = f32(np.nan) if (x < 0.0) & (x != -np.inf) & ~whole else result
    return f32(1.0) if (x == 1.0) | (y == 0.0) else result


def softplus_32(x):  # type: ignore[no-untyped-def]
    """ln(1 + eˣ) = max(x, 0) + ln(1 + t), t = e^−|x|, as 2·artanh(t/(2 + t)), which needs no other reduction."""
    t = exp_32(-abs(x))
    s = t / (t + 2.0)
    z = s * s
    p = horner(z, 0.666666746, 0.39998877, 0.286168873, 0.214276254, 0.243010387)
    return (s * (z * p) + s * 2.0) + (x if x > 0.0 else f32(0.0))
