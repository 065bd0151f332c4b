"""Ranges: whether a dtype can hold what is asked for, of numbers or arrays of them, and its numbers next to others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arguments import refuse
from .dtypes import BFLOAT16_BITS, Kind

#: |z| stays below this in every dtype: sqrt(2 * 53 * log 2) = 8.572 (float64), sqrt(2 * 48 * log 2) = 8.158 (float32).
REACH = 8.58
_INFINITY: dict[Any, Any] = {real: real(np.inf) for real in (np.float16, np.float32, np.float64)}


def reals(name: str, value: Any) -> Any:
    """`value` as a float, or as a float64 array where it has axes; of any size. An error of its `__float__` passes."""
    if type(value) is float:
        return value
    if isinstance(value, (float, int)):
        return float(value)
    numbers = np.asarray(value)
    if numbers.dtype == object:  # integers beyond 64 bits, fractions and the like
        are_real = all(hasattr(number, "__float__") for number in numbers.flat)
    else:
        are_real = np.can_cast(numbers.dtype, np.float64, "same_kind")
    if not are_real:
        got = f"array of {numbers.dtype.name}" if numbers.ndim else value
        refuse(name, "a real number or an array of real numbers", got, TypeError)
    if numbers.ndim:
        return numbers.astype(np.float64)
    return float(value if hasattr(value, "__float__") else numbers)


def check_normal(kind: Kind, mean: Any, std: Any, names: tuple[str, str] = ("mean", "std")) -> None:
    """Raise where a deviation is negative, or values could overflow the dtype. NaN and infinity are not looked at."""
    if _first_bad(std <= 0, std):
        negative = _first_bad((std <= 0) & np.signbit(std), std)  # -0.0 is, as in NumPy
        if negative:
            refuse(names[1], "at least 0", negative[0])
    beyond = _first_bad((abs(mean) + REACH * std > kind.greatest) & (abs(mean) < math.inf) & (std < math.inf), std)
    if beyond:
        rule = f"small enough for {names[0]} + {REACH} {names[1]} to stay below {kind.greatest:.6g} in {kind.name}"
        refuse(names[1], rule, beyond[0])


def interval(kind: Kind, low: Any, high: Any, overflow: type[Exception] = ValueError) -> tuple[Any, Any]:
    """The least and the greatest number of the precision computed in that lie in [low, high).

    Raises `overflow` where the dtype cannot hold the ends or their distance.
    """
    most = kind.greatest
    beyond = _first_bad(np.logical_not((abs(low) <= most) & (abs(high) <= most) & (high - low <= most)), low, high)
    if beyond:
        rule = f"such that low, high and high - low stay below {most:.6g} in {kind.name}"
        refuse("high", rule, beyond, overflow)
    crossed = _first_bad(low > high, low, high)
    if crossed:
        refuse("low", f"at most high ({crossed[1]!r})", crossed[0])
    least, greatest = _ends(kind, low, high)
    empty = _first_bad(least > greatest, low, high)
    if empty:
        refuse("high", f"such that a {kind.real.__name__} lies in [low, high)", empty)
    return least, greatest


def at_least(kind: Kind, x: float) -> float:
    """The least number of the precision computed in that is not below x."""
    nearest = kind.real(x)
    return float(nearest if float(nearest) >= x else np.nextafter(nearest, _INFINITY[kind.real]))


def next_below(kind: Kind, x: float) -> float:
    """The number of a dtype next below that which `x` rounds to."""
    if kind.code != BFLOAT16_BITS.code:
        real = kind.dtype.type
        return float(np.nextafter(real(x), -_INFINITY[real]))
    bits = int(np.float32(x).view(np.uint32))  # of which bfloat16 keeps the upper half
    half = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    if half in (0, 0x8000):
        half = 0x8001
    else:
        half += 1 if half & 0x8000 else -1
    return float(np.uint32(half << 16).view(np.float32))


def _ends(kind: Kind, low: Any, high: Any) -> tuple[Any, Any]:
    least, greatest = (np.asarray(end).astype(kind.real) for end in (low, high))
    point = low == high
    up = _INFINITY[kind.real]
    least = np.where(point | (least.astype(np.float64) >= low), least, np.nextafter(least, up))
    greatest = np.where(point | (greatest.astype(np.float64) < high), greatest, np.nextafter(greatest, -up))
    return least, greatest


def _first_bad(bad: Any, *numbers: Any) -> tuple[float, ...] | None:
    """The numbers at the first place that is bad, if there is one."""
    if isinstance(bad, bool):
        return numbers if bad else None
    if not bad.any():
        return None
    return tuple(float(np.broadcast_to(x, bad.shape).flat[bad.argmax()]) for x in numbers)
