"""Exponential, logarithm and power for the shader: a few multiplications instead of a call into the C library.

Both work on the bits of a float, whose exponent is its whole logarithm; the fraction is left to a short series.
"""

# Kernels are Python only in syntax: Warp compiles them, and mypy cannot follow its vectors and tid().
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-any-return,misc,operator"

from __future__ import annotations

import warp as wp

_LOG2_E = wp.constant(wp.float32(1.4426950408889634))
_TWO_OVER_LN2 = wp.constant(wp.float32(2.8853900817779268))
_ROOT_2 = wp.constant(wp.float32(1.4142135623730951))


@wp.func
def quick_exp2(x: float) -> float:
    """Return 2^x to 3e-7 of its value; 0 below x = -126. Coefficients: least squares at Chebyshev nodes of [0, 1]."""
    if x < -126.0:
        return 0.0
    whole = wp.floor(x)
    f = x - whole
    series = ((((0.00189511 * f + 0.00894621) * f + 0.05586328) * f + 0.24014077) * f + 0.69315462) * f + 0.9999999
    return series * wp.cast((int(whole) + 127) << 23, wp.float32)


@wp.func
def quick_exp(x: float) -> float:
    """Return e^x."""
    return quick_exp2(x * _LOG2_E)


@wp.func
def quick_log2(x: float) -> float:
    """Return the logarithm of a positive normal number to 1e-7 relative to max(1, |log2 x|); exactly 0 at 1."""
    bits = wp.cast(x, wp.int32)
    exponent = float((bits >> 23) - 127)
    mantissa = wp.cast((bits & 0x7FFFFF) | 0x3F800000, wp.float32)
    if mantissa > _ROOT_2:
        mantissa = mantissa * 0.5
        exponent += 1.0
    # Artanh series: log2(m) = 2 / ln 2 * artanh((m - 1) / (m + 1)), |t| < 0.172.
    t = (mantissa - 1.0) / (mantissa + 1.0)
    square = t * t
    return exponent + _TWO_OVER_LN2 * t * (1.0 + square * (0.33333333 + square * (0.2 + square * 0.14285714)))


@wp.func
def half_exponent(x: float) -> int:
    """Return floor(log2(x) / 2) of a number of at least 1."""
    return ((wp.cast(x, wp.int32) >> 23) - 127) >> 1


@wp.func
def quick_pow(x: float, power: float) -> float:
    """Return x^power for x >= 0; 0 for x = 0."""
    if x < 1.0e-30:
        return 0.0
    return quick_exp2(power * quick_log2(x))
