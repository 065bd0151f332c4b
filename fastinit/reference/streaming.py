"""Moments: blocks of 4096, summed in lanes, merged as a binary counter counts."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from .widths import F32, F64, Array

BLOCK, LANES, GROUP_ROWS = 4096, 16, 16


class Sums(NamedTuple):
    """Of the finite elements (minimum and maximum: of all); m2, m3, m4 are sums of powers about the mean, in units of
    2**exponent."""

    count: Any = 0.0
    mean: Any = 0.0
    m2: Any = 0.0
    m3: Any = 0.0
    m4: Any = 0.0
    exponent: Any = 0
    minimum: Any = np.inf
    maximum: Any = -np.inf
    zeros: Any = 0.0
    nonfinite: Any = 0.0
    nonfinite_sum: Any = 0.0


def lane_tree(lanes: Array) -> float:
    """The sum of 16 lanes: halves added to halves."""
    while len(lanes) > 1:
        lanes = lanes[: len(lanes) // 2] + lanes[len(lanes) // 2 :]
    return float(lanes[0])


def lane_sums(terms: Array, before: Array | float = 0.0) -> Array:
    """Sums of terms by place mod 16, in float64, one row of 16 after the other."""
    sums = np.zeros(LANES) + before
    for row in range(0, len(terms), LANES):
        some = terms[row : row + LANES]
        sums[: len(some)] += some
    return sums


def _group_sums(terms: Array) -> Array:
    """The same, but whole groups of 16 rows are first summed in the precision of the terms."""
    sums, whole = np.zeros(LANES), len(terms) // (GROUP_ROWS * LANES) * GROUP_ROWS * LANES
    for group in terms[:whole].reshape(-1, GROUP_ROWS, LANES):
        partial = np.zeros(LANES, terms.dtype)
        for row in group:
            partial = partial + row
        sums += partial
    return lane_sums(terms[whole:], sums)


def _exponent_for(distance: float) -> int:
    """What distances are scaled by where powers of them would leave the range of float64."""
    if distance == 0 or 2.0**-200 < distance < 2.0**200:
        return 0
    return int(np.clip(np.frexp(distance)[1], -1022, 1022)) if np.isfinite(distance) else 1022


def block_sums(x: Array, order: int) -> Sums:
    """One block of float32 or float64 elements."""
    wide = x.astype(F64)
    finite = np.isfinite(wide)
    if not finite.all():
        kept = block_sums(wide[finite], order) if finite.any() else Sums()
        others = wide[~finite]
        total = 0.0
        for number in others:
            total += number
        rest = others.min(), others.max(), 0.0, float(len(others)), total
        return merged(kept, Sums(0.0, 0.0, 0.0, 0.0, 0.0, 0, *rest))
    count, total = float(len(x)), lane_tree(lane_sums(wide))
    ends = wide.min(), wide.max(), float(np.sum(wide == 0))
    mean = total / count
    if not np.isfinite(total):
        return Sums(count, mean, np.nan, np.nan, np.nan, 0, *ends)
    squares = lane_tree(lane_sums(wide * wide))
    m2, m3, m4 = squares - total * mean, 0.0, 0.0
    reach = max(ends[1] - mean, mean - ends[0])
    exponent = _exponent_for(reach)
    narrow = x.dtype == F32 and (order == 2 or reach == 0 or 2.0**-20 < reach < 2.0**24)
    if exponent or not m2 > 0.0625 * squares or (order == 4 and not narrow):
        centre = mean * 2.0**-exponent
        d = wide * 2.0**-exponent - centre
        shift, s2 = lane_tree(_group_sums(d)) / count, lane_tree(_group_sums(d * d))
        mean, m2 = (centre + shift) * 2.0**exponent, s2 - count * shift * shift
    if order == 4:
        if narrow:
            d, shift = x - F32(mean), mean - float(F32(mean))
            s2 = m2 + count * shift * shift
        d2, squares = d * d, count * shift * shift
        s3, s4 = (lane_tree(_group_sums(terms)) for terms in (d2 * d, d2 * d2))
        m3 = s3 - 3.0 * shift * s2 + 2.0 * shift * squares
        m4 = s4 - 4.0 * shift * s3 + 6.0 * shift * shift * s2 - 3.0 * shift * shift * squares
    return Sums(count, mean, m2, m3, m4, exponent, *ends)


def merged(a: Sums, b: Sums) -> Sums:
    """Two parts as one (Pebay, SAND2008-6212), in units of the largest that one of them or their distance asks for."""
    na, nb, n = a.count, b.count, a.count + b.count
    ends = np.minimum(a.minimum, b.minimum), np.maximum(a.maximum, b.maximum), a.zeros + b.zeros
    rest = a.nonfinite + b.nonfinite, a.nonfinite_sum + b.nonfinite_sum
    asked = [part.exponent for part in (a, b) if part.m2 != 0]
    if na and nb and a.mean != b.mean:
        asked.append(_exponent_for(abs(b.mean - a.mean)))
    exponent = max(asked, default=0)
    (a2, a3, a4), (b2, b3, b4) = (_in_units(part, exponent) for part in (a, b))
    if na == 0 or nb == 0:
        sums = (b.mean, b2, b3, b4) if na == 0 else (a.mean, a2, a3, a4)
        return Sums(n, *sums, exponent, *ends, *rest)
    delta = b.mean * 2.0**-exponent - a.mean * 2.0**-exponent
    share = delta / n
    cross = delta * share * na * nb
    mean = a.mean + share * nb * 2.0**exponent if nb < na else b.mean - share * na * 2.0**exponent
    m2 = a2 + b2 + cross
    m3 = a3 + b3 + cross * share * (na - nb) + 3.0 * share * (na * b2 - nb * a2)
    m4 = a4 + b4 + cross * share * share * (na * na - na * nb + nb * nb)
    m4 = m4 + 6.0 * share * share * (na * na * b2 + nb * nb * a2) + 4.0 * share * (na * b3 - nb * a3)
    return Sums(n, mean, m2, m3, m4, exponent, *ends, *rest)


def _in_units(part: Sums, exponent: int) -> tuple[float, float, float]:
    """m2, m3 and m4 of a part in units of 2**exponent, which are no smaller than its own unless all three are zero."""
    down = part.exponent - exponent
    factor = 2.0**down if part.m2 != 0 and down >= -1022 else 0.0
    m3, m4 = part.m3 * factor * factor * factor, part.m4 * factor * factor * factor * factor
    return part.m2 * factor * factor, m3, m4


@np.errstate(over="ignore", invalid="ignore")  # plain squares, where others are taken in their place
def sums(x: Any, order: int = 4) -> Sums:
    """The sums from which all moments of a sequence follow, as `fastinit.Moments` holds them."""
    x = np.asarray(x).ravel()
    x = x if x.dtype == F64 else x.astype(F32 if x.dtype.itemsize <= 4 and x.dtype.kind not in "iub" else F64)
    tree: list[tuple[int, Sums]] = []  # a binary counter: levels fall, and two of a level are merged into the next
    whole = len(x) // BLOCK * BLOCK
    for start in range(0, whole, BLOCK):
        level, carry = 0, block_sums(x[start : start + BLOCK], order)
        while tree and tree[-1][0] == level:
            carry, level = merged(tree.pop()[1], carry), level + 1
        tree.append((level, carry))
    total = block_sums(x[whole:], order) if len(x) > whole else Sums()
    while tree:
        total = merged(tree.pop()[1], total)
    return merged(Sums(), total)


def moments(x: Any, axis: Any = None, order: int = 4) -> dict[str, Any]:
    """As `fastinit.moments`, as a dict."""
    shape: tuple[int, ...] = ()
    if axis is None:
        rows = [np.asarray(x).ravel()]
    else:
        axes = np.lib.array_utils.normalize_axis_tuple(axis, np.ndim(x))
        moved = np.moveaxis(np.asarray(x), axes, range(-len(axes), 0))
        shape = moved.shape[: np.ndim(x) - len(axes)]
        rows = list(moved.reshape(prod(shape), -1))
    s = Sums(*(np.array(column).reshape(shape) for column in zip(*(sums(row, order) for row in rows), strict=True)))
    total = s.count + s.nonfinite
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        valid = np.where((s.nonfinite == 0) & (total > 0), 1.0, np.nan)
        variance = np.maximum(s.m2, 0) / s.count * valid  # in units of 4**exponent
        spread = np.where(s.m2 > 0, s.m2, np.nan) * valid
        return {
            "count": total,
            "mean": np.where(s.nonfinite == 0, s.mean * valid, s.nonfinite_sum),
            "variance": np.ldexp(variance, 2 * s.exponent),
            "std": np.ldexp(np.sqrt(variance), s.exponent),
            "skewness": np.sqrt(s.count) * s.m3 / spread / np.sqrt(spread) if order == 4 else None,
            "kurtosis": s.count * s.m4 / spread / spread if order == 4 else None,
            "minimum": np.where(total > 0, s.minimum, np.nan),
            "maximum": np.where(total > 0, s.maximum, np.nan),
            "zeros": s.zeros,
            "nonfinite": s.nonfinite,
        }
