"""Checks: is this the result that the call promises? Each returns the error to show beside the speed."""

from __future__ import annotations

from math import exp, pi, sqrt
from typing import Any

import numpy as np

from .races import Array, Check

#: The scale of every law that is timed.
STD = 0.02
BOUND = 0.05
_CUT = sqrt(1 - 4 * exp(-2) / sqrt(2 * pi) / 0.9544997361036416)  # 0.87962566: std of a normal cut at 2 std
_BLOCK = 1 << 16

# law: standard deviation, and the greatest absolute value
LAWS = {
    "normal": (STD, np.inf),
    "uniform": (BOUND / sqrt(3), BOUND),
    "truncated": (_CUT * STD, 2 * STD),
}


def check_law(law: str, scale: float = 1.0) -> Check:
    """A check that values have mean zero and the standard deviation and the range of `law`, times `scale`."""
    if law == "constant":
        return check_constant(STD)
    std, greatest = (scale * number for number in LAWS[law])

    def check(result: Any, _: Array, slack: float) -> float:
        return law_error(np.asarray(result).ravel(), std, greatest, slack)

    return check


def law_error(values: Array, std: float, greatest: float, slack: float) -> float:
    """The greater of |mean| / std and |sd / std - 1|, both bounded by six of their standard deviations.

    Those are 1 / sqrt(n) and at most 1 / sqrt(2 n), as the kurtosis is at most 3: false alarms 4e-9, and seeds are
    fixed. 16-bit values may be half a step beyond the range: 2**-8.
    """
    n = values.size
    mean, second, extreme = _sums(values)
    bias, spread = abs(mean) / std, abs(sqrt(second - mean * mean) / std - 1)
    assert bias <= 6 / sqrt(n) + slack, f"mean is {bias:.2g} std from zero"
    assert spread <= 6 / sqrt(2 * n) + slack, f"sd is {spread:.2g} from that of the law"
    assert extreme <= greatest * (1 + (2**-8 if values.itemsize == 2 else 2**-22)), f"a value of size {extreme:.4g}"
    return max(bias, spread)


def _sums(values: Array) -> tuple[float, float, float]:
    """Mean, mean square and greatest absolute value, block by block in float64."""
    total = squares = extreme = 0.0
    for start in range(0, values.size, _BLOCK):
        block = values[start : start + _BLOCK].astype(np.float64)
        total += float(block.sum())
        squares += float(np.dot(block, block))
        extreme = max(extreme, float(block.max()), -float(block.min()))
    return total / values.size, squares / values.size, extreme


def central_moments(values: Array) -> dict[str, float]:
    """Mean, variance, kurtosis and second moment of one array, in float64."""
    mean = _sums(values)[0]
    powers = np.zeros(2)
    for start in range(0, values.size, _BLOCK):
        squared = (values[start : start + _BLOCK].astype(np.float64) - mean) ** 2
        powers += squared.sum(), np.dot(squared, squared)
    variance, fourth = powers / values.size
    return {"variance": variance, "kurtosis": fourth / variance**2, "second": variance + mean * mean}


def check_moment(moment: str, bound: float) -> Check:
    """A check that the result is that central moment of the buffer, to a relative error of `bound`."""

    def check(result: Any, buffer: Array, slack: float) -> float:
        exact = central_moments(buffer.ravel("K"))[moment]
        error = abs(float(result) / exact - 1)
        assert error <= bound + slack, f"relative error of the {moment} is {error:.2g}"
        return error

    return check


def check_orthogonal(result: Any, _: Array, slack: float) -> float:
    """max |Q'Q - 1|, at most n u: each of n reflections or dot products rounds once."""
    q = np.asarray(result)
    error = float(np.abs(q.T @ q - np.eye(len(q), dtype=q.dtype)).max())
    assert error <= len(q) * np.finfo(q.dtype).eps / 2 + slack, f"columns are {error:.2g} from orthonormal"
    return error


def check_constant(value: float) -> Check:
    """A check that every value is `value`, as rounded to the dtype."""

    def check(result: Any, buffer: Array, _: float) -> float:
        rounded = buffer.dtype.type(value)
        assert (np.asarray(result).view(buffer.dtype) == rounded).all(), f"values are not all {rounded}"
        return abs(float(rounded) / value - 1)

    return check


def check_zeros(result: Any, _: Array, slack: float) -> float:
    """A cleared buffer."""
    assert not np.asarray(result).view(np.uint8).any(), "memory is not zero"
    return 0.0


def check_bits(expected: Any) -> Check:
    """A check of exact equality with the array that `expected` makes."""

    def check(result: Any, buffer: Array, slack: float) -> float:
        got = np.array(result)
        assert got.tobytes() == expected(buffer).tobytes(), "bits differ from those of one thread and the best level"
        return 0.0

    return check
