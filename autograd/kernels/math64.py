# ruff: noqa: F821  (round_even, copysign, fma, horner, bits_float, float_bits are instructions of compiler.llvm)
"""The scalar functions of float64, written so that LLVM turns a loop over them into vector code.

The PyPI build of Numba has no vector library: a loop over ``math.tanh`` costs 16 ns an element. These functions have no
branches, calls or tables, only arithmetic, selects and bit casts, and are inlined into the loops of a program. They are
right to 2 units in the last place (arcsin 2.1, softplus 2.6; in float32 tan 3.5, softplus 2.7, the others 2.02),
subnormal numbers included; angles from 2⁴⁹ on are left to the C library (`compiler.seldom`). Three habits of theirs:

- c = min(90.0, max(−105.0, x)) keeps a NaN, because a comparison with it is false, and the NaN comes out at the end.
- t = x + 3·2⁵¹ rounds x to an integer k, which lies in the low bits of t; k = t − 3·2⁵¹ is the same as a float.
- Products and sums are contracted to fused ones where the processor has them; ``fma`` stands where that is needed for
  the result, which is then what rounding took away from a product.

The coefficients are weighted minimax fits (Lawson's iteration at Chebyshev nodes in 70 digits, then rounded): the weight is
what the polynomial is multiplied by in the result.
"""

from __future__ import annotations

import numpy as np

# fmt: off
__all__: list[str] = []

f64, i64 = np.float64, np.int64


def two_to_64(k):  # type: ignore[no-untyped-def]
    """2ᵏ for −1023 < k < 1024, from its bits."""
    return bits_float((k << 52) + 0x3FF0000000000000)


def scaled_64(y, k):  # type: ignore[no-untyped-def]
    """y·2ᵏ in two halves, so that subnormal results are right; one instruction where the processor has it."""
    half = k >> 1
    return y * two_to_64(half) * two_to_64(k - half)


def scaled_exp_64(x, n):  # type: ignore[no-untyped-def]
    """eˣ·2ⁿ: x = k·ln 2 + r with |r| ≤ ln 2/2, a polynomial in r, and 2ᵏ⁺ⁿ in two halves so that subnormals are right."""
    c = min(711.0, max(-746.0, x))
    t = c * 1.4426950408889634 + 6755399441055744.0
    k = t - 6755399441055744.0
    r = (c - k * 0.6931471806019545) - k * -4.2009150726810846e-11
    p = horner(r, 0.5, 0.16666666666666685, 0.0416666666666028, 0.008333333333314036, 0.0013888888927265808,
        0.00019841269904598855, 2.4801508100265053e-05, 2.755722640472023e-06, 2.762541411797355e-07,
        2.5114981496128417e-08)
    y = (r + r * r * p) + 1.0
    e = float_bits(t) - 0x4338000000000000 + n
    return scaled_64(y, e)


def exp_64(x):  # type: ignore[no-untyped-def]
    """eˣ."""
    return scaled_exp_64(x, 0)


def exp2_64(x):  # type: ignore[no-untyped-def]
    """2ˣ: x = k + r with |r| ≤ ½, which is exact."""
    c = min(1025.0, max(-1080.0, x))
    t = c + 6755399441055744.0
    r = c - (t - 6755399441055744.0)
    y = r * horner(r, 0.6931471805599453, 0.24022650695910133, 0.05550410866482174, 0.009618129107593252,
        0.0013333558146379283, 0.00015403530458177775, 1.5252733867358366e-05, 1.321543476752578e-06, 1.017804652529961e-07,
        7.073868848449243e-09, 4.457378692044314e-10) + 1.0
    e = float_bits(t) - 0x4338000000000000
    return scaled_64(y, e)


def expm1_64(x):  # type: ignore[no-untyped-def]
    """eˣ − 1 = 2ᵏ·(eʳ − 1) + (2ᵏ − 1), with what rounding took from r put back."""
    c = min(711.0, max(-50.0, x))
    t = c * 1.4426950408889634 + 6755399441055744.0
    k = t - 6755399441055744.0
    h = c - k * 0.6931471806019545
    r = h - k * -4.2009150726810846e-11
    lost = (h - r) - k * -4.2009150726810846e-11
    p = horner(r, 0.5, 0.16666666666666677, 0.041666666666666685, 0.008333333333321643, 0.0013888888888873656,
        0.00019841269886094714, 2.480158734899727e-05, 2.755724424305542e-06, 2.7557251615337267e-07, 2.510902455966e-08,
        2.0921925920998937e-09)
    e = float_bits(t) - 0x4338000000000000
    half = e >> 1
    s = two_to_64(half)
    y = ((r + (r * r * p + lost)) * s + (s - two_to_64(half - e))) * two_to_64(e - half)
    return x if abs(x) < 1.0e-17 else y


def log_parts_64(x):  # type: ignore[no-untyped-def]
    """x = 2ᵏ·(1 + f) with √½ ≤ 1 + f < √2, for finite x > 0: f and k."""
    tiny = x < 2.2250738585072014e-308
    bits = float_bits(x * 18014398509481984.0 if tiny else x) - 0x3FE6A09E667F3BCD
    f = bits_float((bits & 0xFFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD) - 1.0
    return f, (bits >> 52) - (54 if tiny else 0)


def log_sum_64(f, k):  # type: ignore[no-untyped-def]
    """k·ln 2 + ln(1 + f): ln(1 + f) = 2·artanh s = f − f²/2 + s·(f²/2 + P(s²)) with s = f/(2 + f)."""
    s = f / (f + 2.0)
    z = s * s
    h = f * f * 0.5
    y = s * (
        h
        + z
    * horner(z, 0.6666666666666734, 0.3999999999941448, 0.2857142874242387, 0.22222198569938584, 0.18183564477154604,
        0.15314047029735897, 0.14795982255572546)
    ) + k * 1.9082149292705877e-10
    return (f - (h - y)) + k * 0.6931471803691238


def log_64(x):  # type: ignore[no-untyped-def]
    """ln x."""
    f, k = log_parts_64(x)
    y = log_sum_64(f, f64(k))
    return (y if x < np.inf else x) if x > 0.0 else (-np.inf if x == 0.0 else np.nan)


def log_pair_64(f):  # type: ignore[no-untyped-def]
    """ln(1 + f) as a sum of two numbers."""
    s = f / (f + 2.0)
    z = s * s
    h = f * f * 0.5
    high = f - h
    return high, ((f - high) - h) + s * (
        h
        + z
    * horner(z, 0.6666666666666734, 0.3999999999941448, 0.2857142874242387, 0.22222198569938584, 0.18183564477154604,
        0.15314047029735897, 0.14795982255572546)
    )


def log2_64(x):  # type: ignore[no-untyped-def]
    """log₂ x = k + ln(1 + f)/ln 2, so exact at powers of 2."""
    f, n = log_parts_64(x)
    k = f64(n)
    high, low = log_pair_64(f)
    p = high * 1.4426950408889634
    rest = fma(high, 1.4426950408889634, -p) + (high * 2.0355273740931033e-17 + low * 1.4426950408889634)
    y = k + p
    y = y + (((k - y) + p) + rest)
    return (y if x < np.inf else x) if x > 0.0 else (-np.inf if x == 0.0 else np.nan)


def log10_64(x):  # type: ignore[no-untyped-def]
    """log₁₀ x = k·log₁₀ 2 + ln(1 + f)/ln 10."""
    f, n = log_parts_64(x)
    k = f64(n)
    high, low = log_pair_64(f)
    p = high * 0.4342944819032518
    rest = fma(high, 0.4342944819032518, -p) + (high * 1.098319650216765e-17 + low * 0.4342944819032518)
    whole = k * 0.3010299956658855
    y = whole + p
    y = y + (((whole - y) + p) + (rest + k * -1.9043128467164274e-12))
    return (y if x < np.inf else x) if x > 0.0 else (-np.inf if x == 0.0 else np.nan)


def log1p_64(x):  # type: ignore[no-untyped-def]
    """ln(1 + x): 1 + x = 2ᵏ·(1 + f), where k is that of the rounded sum and f = 2⁻ᵏx + (2⁻ᵏ − 1) is rounded once."""
    u = x + 1.0
    k = (float_bits(u) - 0x3FE6A09E667F3BCD) >> 52
    s = two_to_64(2 - k)
    y = log_sum_64(fma(x * 0.25, s, s * 0.25 - 1.0), f64(k))
    y = (y if x < np.inf else x) if u > 0.0 else (-np.inf if u == 0.0 else np.nan)
    return x if abs(x) < 1.0e-17 else y


def tanh_64(x):  # type: ignore[no-untyped-def]
    """tanh x = t/(t + 2) with t = e^2|x| − 1, whose last bits are kept, and the quotient is corrected by them."""
    c = min(44.0, abs(x) * 2.0)
    n = c * 1.4426950408889634 + 6755399441055744.0
    k = n - 6755399441055744.0
    h = c - k * 0.6931471806019545
    r = h - k * -4.2009150726810846e-11
    lost = (h - r) - k * -4.2009150726810846e-11
    s = two_to_64(float_bits(n) - 0x4338000000000000)
    p = (
        r
        * r
    * horner(r, 0.5, 0.16666666666666677, 0.041666666666666685, 0.008333333333321643, 0.0013888888888873656,
        0.00019841269886094714, 2.480158734899727e-05, 2.755724424305542e-06, 2.7557251615337267e-07, 2.510902455966e-08,
        2.0921925920998937e-09)
        + lost
    )
    high = r * s + (s - 1.0)
    low = fma(r, s, (s - 1.0) - high) + p * s
    t = high + low
    low = (high - t) + low
    d = t + 2.0
    q = f64(1.0) / d
    y = t * q
    error = fma(-y, d, t) + (low - y * ((2.0 - d) + t + low))
    return copysign(y + error * q, x)


def sinh_64(x):  # type: ignore[no-untyped-def]
    """sinh x: an odd polynomial for |x| < 1, else eˣ/2 − 1/(2eˣ)."""
    a = abs(x)
    z = x * x
    h = scaled_exp_64(a, -1)
    small = (
        a
        * (
            z
    * horner(z, 0.16666666666666669, 0.008333333333333139, 0.00019841269841437722, 2.755731915532603e-06,
        2.5052123400058585e-08, 1.6057240236874357e-10, 7.759315073159436e-13)
        )
        + a
    )
    return copysign(small if a < 1.0 else h - 0.25 / h, x)


def cosh_64(x):  # type: ignore[no-untyped-def]
    """cosh x = eˣ/2 + 1/(2eˣ)."""
    h = scaled_exp_64(abs(x), -1)
    return h + 0.25 / h


def erf_64(x):  # type: ignore[no-untyped-def]
    """erf x: an odd polynomial for |x| < 1, else 1 − e^(−p) with a polynomial p ≈ −ln erfc |x|."""
    a = min(6.0, abs(x))
    z = a * a
    small = horner(z, 0.12837916709551256, -0.3761263890318355, 0.11283791670945245, -0.026866170643274925,
        0.005223977607413488, -0.0008548325989245598, 0.00012055295307739071, -1.4924744431117065e-05,
        1.644751495573515e-06, -1.6209156057778263e-07, 1.3722894290212712e-08, -7.801042485945627e-10)
    large = horner(a, 2.4353156169657543e-08, 1.128378950632518, 0.6366205688880017, 0.10277130224025585,
        -0.01912904256398389, -0.0002007897503211931, 0.001673199479231737, -0.0005507438256963179, -2.3188400647996742e-05,
        0.00011147641471980131, -6.508924343662324e-05, 2.440566523677412e-05, -6.822662927070416e-06,
        1.4791276217945841e-06, -2.499483849667491e-07, 3.246125365398945e-08, -3.1372277990947526e-09,
        2.1273074732266803e-10, -9.03274261875018e-12, 1.806777145501047e-13)
    return copysign(small * a + a if a < 1.0 else 1.0 - exp_64(-large), x)


def angle_64(x):  # type: ignore[no-untyped-def]
    """x = n·π/2 + (r + low) with |r| ≤ 0.9, for |x| < 2⁴⁹: π/2 in three parts, of which the first leaves no remainder."""
    t = x * 0.6366197723675814 + 6755399441055744.0
    k = t - 6755399441055744.0
    a = fma(-k, 1.5707963267948966, x)
    p = k * 6.123233995736766e-17
    r = a - p
    low = ((a - r) - p) - (fma(k, 6.123233995736766e-17, -p) + k * -1.4973849048591698e-33)
    return r, low, float_bits(t)


def sine_64(r, low):  # type: ignore[no-untyped-def]
    """sin(r + low) for |r| ≤ 0.9."""
    z = r * r
    p = horner(z, -0.16666666666666632, 0.00833333333332231, -0.0001984126982972264, 2.755731366129635e-06,
        -2.5050753159596258e-08, 1.589649948414545e-10)
    return r + (r * (z * p) + (low - low * (z * 0.5)))


def cosine_64(r, low):  # type: ignore[no-untyped-def]
    """cos(r + low) for |r| ≤ 0.9."""
    z = r * r
    p = horner(z, 0.0416666666666666, -0.0013888888888873982, 2.480158728939004e-05, -2.7557314324756903e-07,
        2.0875719400218343e-09, -1.1359441087745987e-11)
    h = z * 0.5
    w = 1.0 - h
    return w + (((1.0 - w) - h) + (z * z * p - r * low))


def sin_64(x):  # type: ignore[no-untyped-def]
    """sin x."""
    r, low, n = angle_64(x)
    y = sine_64(r, low) if (n & 1) == 0 else cosine_64(r, low)
    y = bits_float(float_bits(y) ^ ((n & 2) << 62))
    return beyond(sin, 562949953421312.0, x, x if abs(x) < 1.0e-8 else y)


def cos_64(x):  # type: ignore[no-untyped-def]
    """cos x."""
    r, low, n = angle_64(x)
    y = cosine_64(r, low) if (n & 1) == 0 else sine_64(r, low)
    return beyond(cos, 562949953421312.0, x, bits_float(float_bits(y) ^ (((n + 1) & 2) << 62)))


def tan_64(x):  # type: ignore[no-untyped-def]
    """tan x = sin x/cos x, each as a sum of two numbers."""
    r, low, n = angle_64(x)
    z = r * r
    p = r * (z * horner(z, -0.16666666666666632, 0.00833333333332231, -0.0001984126982972264, 2.755731366129635e-06,
        -2.5050753159596258e-08, 1.589649948414545e-10)) + (low - low * (z * 0.5))
    s = r + p
    q = horner(z, 0.0416666666666666, -0.0013888888888873982, 2.480158728939004e-05, -2.7557314324756903e-07,
        2.0875719400218343e-09, -1.1359441087745987e-11)
    h = z * 0.5
    w = 1.0 - h
    d = ((1.0 - w) - h) + (fma(r, r, -z) * -0.5 + (z * z * q - r * low))
    c = w + d
    even = (n & 1) == 0
    top = s if even else -c
    top_low = (r - s) + p if even else -((w - c) + d)
    bottom = c if even else s
    bottom_low = (w - c) + d if even else (r - s) + p
    i = f64(1.0) / bottom
    y = top * i
    y = y + (fma(-y, bottom, top) + (top_low - y * bottom_low)) * i
    return beyond(tan, 562949953421312.0, x, x if abs(x) < 1.0e-8 else y)


def power_64(x, y):  # type: ignore[no-untyped-def]
    """xʸ = 2^(y·log₂ |x|), with log₂ to 65 bits as the sum of two numbers; the sign and the special cases of C's pow.

    log₂ (1 + f) = s·(c₁ + c₃z + z²P(z)) with s = f/(2 + f), z = s², where s, z and the first two terms are such sums too.
    """
    v = abs(x)
    f, n = log_parts_64(v)
    d = f + 2.0
    i = f64(1.0) / d
    s = f * i
    s_low = (fma(-s, d, f) - s * ((2.0 - d) + f)) * i
    z = s * s
    z_low = fma(s, s, -z) + s * s_low * 2.0
    p = horner(z, 0.577078016355618, 0.4121985830919532, 0.3205989022708574, 0.26230770138587206, 0.22198398489085439,
        0.1912554774592939, 0.19038235679237428)
    a = z * 0.9617966939259756
    a_low = fma(z, 0.9617966939259756, -a) + (z_low * 0.9617966939259756 + z * 5.0577616648125907e-17)
    b = a + z * z * p
    b_low = fma(z * z, p, a - b) + a_low
    e = b + 2.8853900817779268
    e_low = ((2.8853900817779268 - e) + b) + (b_low + 4.0710547481862066e-17)
    g = s * e
    g_low = fma(s, e, -g) + (s * e_low + s_low * e)
    k = f64(n)
    high = k + g
    low = ((k - high) + g) + g_low
    log2 = high + low
    low = (high - log2) + low
    log2 = (log2 if v < np.inf else v) if v != 0.0 else -np.inf
    low = low if (v < np.inf) & (v != 0.0) else 0.0
    w = min(1.0e300, max(-1.0e300, y))
    u = min(1100.0, max(-1200.0, w * log2))
    rest = fma(w, log2, -u) + w * low if abs(u) < 1100.0 else 0.0
    t = u + 6755399441055744.0
    r = (u - (t - 6755399441055744.0)) + rest
    q = horner(r, 0.6931471805599453, 0.24022650695910133, 0.05550410866482174, 0.009618129107593252, 0.0013333558146379283,
        0.00015403530458177775, 1.5252733867358366e-05, 1.321543476752578e-06, 1.017804652529961e-07, 7.073868848449243e-09,
        4.457378692044314e-10) * r + 1.0
    m = float_bits(t) - 0x4338000000000000
    result = scaled_64(q, m)
    whole = round_even(y) == y
    result = copysign(result, x) if whole & (round_even(y * 0.5) != y * 0.5) else result
    result = np.nan if (x < 0.0) & (v != np.inf) & ~whole else result
    return 1.0 if (x == 1.0) | (y == 0.0) else result


def softplus_64(x):  # type: ignore[no-untyped-def]
    """ln(1 + eˣ) = max(x, 0) + ln(1 + t), t = e^−|x|, as 2·artanh(t/(2 + t)), which needs no other reduction."""
    t = exp_64(-abs(x))
    s = t / (t + 2.0)
    z = s * s
    p = horner(z, 0.6666666666666667, 0.39999999999993974, 0.2857142857251037, 0.22222222125454943, 0.18181823203340788,
               0.15384451925277876, 0.13336805886656233, 0.11715950311648185, 0.10972567316687516, 0.06994250736926542,
               0.16467621127161297)
    return (s * (z * p) + s * 2.0) + (x if x > 0.0 else 0.0)
