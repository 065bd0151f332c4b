"""A zero of a function of one number."""

from __future__ import annotations

from collections.abc import Callable


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """A zero between low and high, where the signs differ: false position with the Illinois rule."""
    at_low, at_high = function(low), function(high)
    for _ in range(200):
        if at_low == 0 or at_high == 0 or abs(high - low) <= 4e-16 * abs(high):
            break
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        value = function(middle)
        if value * at_high <= 0:
            low, at_low = high, at_high
        else:
            at_low /= 2
        high, at_high = middle, value
    return low if at_low == 0 else high
