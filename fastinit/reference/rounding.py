"""Arithmetic with one rounding: fma in either precision, and float32 to bfloat16."""

from __future__ import annotations

from typing import Any

import numpy as np

from .widths import F32, F64, U16, U32, Array


def _sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b, and the part that rounding it lost (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _product(a: Array, b: Array) -> tuple[Array, Array]:
    """a b, and the part that rounding it lost (Dekker)."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    return product, a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _halves(a: Array) -> tuple[Array, Array]:
    wide = a * 134217729.0
    high = wide - (wide - a)
    return high, a - high


def _odd(total: Array, error: Array) -> Array:
    """total + error rounded to odd: of the two doubles around it, the one whose last bit is one."""
    bits = np.asarray(total).view(np.int64)
    step = np.where((error != 0) & (bits & 1 == 0), np.where((error > 0) == (total > 0), 1, -1), 0)
    return (bits + step).view(F64)


def fma32(a: Any, b: Any, c: Any) -> Array:
    """a b + c rounded once to float32 (Boldo and Melquiond 2008)."""
    return _odd(*_sum(np.multiply(a, b, dtype=F64), np.asarray(c, F64))).astype(F32)


def fma64(a: Any, b: Any, c: Any) -> Array:
    """a b + c rounded once to float64."""
    product, rest = _product(np.asarray(a, F64), np.asarray(b, F64))
    low, low_error = _sum(np.asarray(c, F64), rest)
    high, high_error = _sum(product, low)
    return high + _odd(*_sum(low_error, high_error))


def horner(x: Array, *coefficients: str | float) -> Array:
    """A polynomial by fma in the precision of x, highest coefficient first, as numbers or in hexadecimal."""
    numbers = [float.fromhex(c) if isinstance(c, str) else c for c in coefficients]
    value = np.full_like(x, numbers[0])
    for number in numbers[1:]:
        value = fma32(value, x, F32(number)) if x.dtype == F32 else fma64(value, x, number)
    return value


def to_bfloat16(x: Array) -> Array:
    """float32 to the bits of bfloat16: to nearest, ties to even."""
    bits = x.view(U32)
    return ((bits + U32(0x7FFF) + (bits >> U32(16) & U32(1))) >> U32(16)).astype(U16)
