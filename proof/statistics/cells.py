"""p-values of counts, and how probable it is that a normal number, rounded as it is, falls between two others."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special, stats

from fastinit.reference import turn32

Array = np.ndarray[Any, Any]

#: Of the angles of float32, which are so many to the quadrant, those near an axis that are summed one by one: as far as
#: so many times the size asked for, beyond which a sum is its integral.
STEPS, NEAR_AXIS, FEWEST, REACH = 1 << 23, 1 << 15, 256, 24
#: How probable float32's radius zero is: 64 of 2^31 uniforms round to one.
NO_RADIUS = 2.0**-25


def chi2_p(counts: Array, probabilities: Array, least: float = 10.0) -> float:
    """Upper tail of Pearson's statistic, neighbouring cells joined until each expects `least`."""
    expected = probabilities * (counts.sum() / probabilities.sum())
    first, so_far = [0], 0.0
    for cell, one in enumerate(expected.tolist()):
        if so_far >= least:
            first.append(cell)
            so_far = 0.0
        so_far += one
    if so_far < least and len(first) > 1:
        first.pop()
    mean, seen = np.add.reduceat(expected, first), np.add.reduceat(counts, first)
    return float(stats.chi2.sf(((seen - mean) ** 2 / mean).sum(), len(first) - 1))


def poisson_p(count: float, expected: float) -> float:
    """Of so many or more, where exactly so many count half."""
    return float(stats.poisson.sf(count, expected) + stats.poisson.pmf(count, expected) / 2)


def normal_between(edges: Array) -> Array:
    """Of a standard normal between neighbouring edges, which ascend, to the last digits in both tails."""
    below, above = special.ndtr(edges), special.ndtr(-edges)
    return np.where(edges[:-1] > 0, above[:-1] - above[1:], below[1:] - below[:-1])


def rounded_edges(first: Array) -> Array:
    """Where numbers begin to be rounded to `first`, a float32 or float64, or to greater ones."""
    kind = first.dtype.type
    before = np.nextafter(first, kind(-np.inf)).astype(np.float64)
    wide = first.astype(np.float64)
    return np.where(np.isfinite(first), (before + wide) / 2, wide)


def _sines_near_axis() -> Array:
    """Of the first angles that float32 makes, as it makes them: from the axis on."""
    turns = (np.arange(NEAR_AXIS) * 2.0**-22 - 1).astype(np.float32)
    return np.abs(turn32(turns)[1].astype(np.float64)) / np.sqrt(2)


def near_zero(sizes: Array) -> Array:
    """P(|z| < size) of float32's normal number less that of a normal one, of sizes below 3e-4.

    The angle is one of 2^23 in a quadrant, of which the first is the axis. For one of sine s, P(|z| < b) is that of a
    radius below b / s, 1 - exp(-b^2 / 2 s^2). Over a pair the first counts for one of two numbers, and the others for
    both: the trapezoids' sum for the integral over the quadrant, which is the normal number's.
    """
    sines, step = _sines_near_axis(), np.pi / 2 / STEPS
    difference = np.empty(len(sizes))
    for i, b in enumerate(sizes):
        summed = int(min(max(FEWEST, REACH * b / step), NEAR_AXIS))
        end = (summed - 0.5) * step
        nearer = -np.expm1(-((b / sines[:summed]) ** 2) / 2)
        integral = -end * np.expm1(-((b / end) ** 2) / 2) + b * np.sqrt(2 * np.pi) * special.ndtr(-b / end)
        difference[i] = (nearer.sum() - nearer[0] / 2) / STEPS - integral * 2 / np.pi
    return difference + NO_RADIUS * (sizes > 0)
