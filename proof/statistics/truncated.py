"""Truncated normal values at extreme intervals: `python -m proof.statistics.truncated [DTYPE] [--values 1e9]`.

Shows, by the rule of rule.py, that what the exact distribution makes of the values is uniform, in 1,024 bins: on
intervals far out, narrow, infinite, and on the usual one. Their edges are found with 40 digits (mpmath).

A float32 value is one of few: far out its logarithm has a step of some units, and between 0 and 0.01 there are 67,000
probabilities. So in float32 values are compared with the law that all words have by the twin, whatever the words of the
stream are; and that law with the exact one. At no edge may it be off by more than four units in the last place of the
edge, and 2^-24 of the probability that is used: beyond 2.6 the smaller one, and else one. `off` is the most that was
found, as a part of that.

Kept in results/statistics_truncated.json; an interval takes ten seconds on a busy core.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import time
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from scipy import stats

import fastinit as fi
from fastinit.reference import fma32, open32, quantile32
from fastinit.scaling import normal_interval
from proof import record
from proof.statistics.cells import chi2_p
from proof.statistics.compiled import library
from proof.statistics.rule import MORE, settled
from proof.statistics.sources import SEED

Array = np.ndarray[Any, Any]
NAME = "statistics_truncated"
DTYPES = ("float32", "float64")
INTERVALS = ((5.0, inf), (-inf, -6.0), (-8.0, -7.5), (3.0, 3.5), (0.0, 0.01), (-2.0, 2.0), (-0.5, inf))
BINS, PLACES, CHUNK = 1024, 1 << 13, 1 << 18
#: The last of the words, of 31 bits, that a value is made of; and how many about an edge are counted one by one.
MOST_WORD, WINDOW = (1 << 31) - 1, 256
#: In the last place of an edge, that float32's law may be off; and nearer to zero both probabilities are used.
UNITS, MIDDLE = 4, 2.6
Values = Callable[[range], Array]


class BinCounts(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("edges", "start", "counts")),
        ("low", ctypes.c_double),
        ("places_per_unit", ctypes.c_double),
        ("bins", ctypes.c_size_t),
    )


def above(z: Any) -> Any:
    """P(Z > z), exactly."""
    return mpmath.erfc(z / mpmath.sqrt(2)) / 2


def inverse_above(p: Any, near: float) -> Any:
    """The z of which that is p, by Newton's steps for the logarithm."""
    z = mpmath.mpf(near)
    for _ in range(60):
        found = above(z)
        step = mpmath.log(found / p) * found / mpmath.npdf(z)
        z += step
        if abs(step) < mpmath.mpf(10) ** -25:
            return z
    raise ArithmeticError(f"no quantile of {p}")


@cache
def exact_edges(low: float, high: float) -> tuple[Array, Array]:
    """Those between bins of equal probability; and how probable each is, the edges being float64."""
    with mpmath.workdps(40):
        if low < 0 and high <= 0:
            edges, probabilities = exact_edges(-high, -low)
            return -edges[::-1], probabilities[::-1]
        most, least = above(mpmath.mpf(low)), above(mpmath.mpf(high))
        z, edges = max(low, -4.0), []
        for i in range(1, BINS):
            z = float(inverse_above(most - (most - least) * i / BINS, z))
            edges.append(z)
        all_above = [most, *(above(mpmath.mpf(edge)) for edge in edges), least]
        probabilities = [float((a - b) / (most - least)) for a, b in pairwise(all_above)]
        return np.array(edges), np.array(probabilities)


def float32_of(k: Array, low: float, high: float) -> Array:
    """The values that words of 31 bits give, by the twin; none of them is rare."""
    left, mass, right = map(np.float32, normal_interval(low, high))
    tails, fine = bool(min(left, right) < 0.005), np.zeros(k.shape, np.uint32)
    k = k.astype(np.uint32)
    p = fma32(open32(k, fine, tails), mass, left)
    q = fma32(open32(k ^ np.uint32(MOST_WORD), fine, tails), mass, right)
    return quantile32(p, q, tails).astype(np.float64)


def float32_below(edges: Array, low: float, high: float) -> Array:
    """How probable a float32 value below each edge is: by halving, and near the edge by counting words."""
    first, last = np.zeros(len(edges), np.int64), np.full(len(edges), MOST_WORD, np.int64)
    while (last - first).max() > 1:
        middle = (first + last) // 2
        less = float32_of(middle, low, high) < edges
        first, last = np.where(less, middle, first), np.where(less, last, middle)
    window = first[:, np.newaxis] + np.arange(-WINDOW, WINDOW)
    less = float32_of(window.ravel(), low, high).reshape(window.shape) < edges[:, np.newaxis]
    return (first - WINDOW + less.sum(axis=1)) / (MOST_WORD + 1)


@cache
def bins(dtype: str, low: float, high: float) -> tuple[Array, Array, float]:
    """The edges; how probable each bin is; and how far float32's law is off at an edge, in units of what it may be."""
    edges, exact = exact_edges(low, high)
    if dtype == "float64":
        return edges, exact, 0.0
    below = float32_below(edges, low, high)
    mass = normal_interval(low, high)[1]
    steps = UNITS * np.spacing(np.abs(edges).astype(np.float32)) * stats.norm.pdf(edges)
    taken = np.where(np.abs(edges) < MIDDLE, 1.0, stats.norm.sf(np.abs(edges)))
    allowed = (steps + 2.0**-24 * taken) / mass
    off = np.abs(below - np.cumsum(exact)[:-1]) / allowed
    return edges, np.diff(np.concatenate([[0.0], below, [1.0]])), float(off.max())


def drawn(dtype: str, low: float, high: float) -> Values:
    """Values of a stretch of the stream of this interval."""
    name = f"{dtype} {low} {high}"

    def values(numbers: range) -> Array:
        place = fi.flat[numbers.start : numbers.stop]
        return fi.truncated_normal(
            1 << 62, low=low, high=high, seed=SEED, name=name, dtype=dtype, index=place, threads=1
        )

    return values


def counted(dtype: str, edges: Array, values: Values, chunks: range) -> Array:
    width = (edges[-1] - edges[0]) / PLACES
    start = np.searchsorted(edges, edges[0] + (np.arange(PLACES) - 0.01) * width).astype(np.uint16)
    counts, edges = np.zeros(BINS, np.uint64), np.ascontiguousarray(edges)
    asked = BinCounts(edges.ctypes.data, start.ctypes.data, counts.ctypes.data, edges[0], 1 / width, BINS)
    count_in_bins = library("truncated.c", dtype).count_in_bins
    for chunk in chunks:
        some = values(range(chunk * CHUNK, (chunk + 1) * CHUNK))
        count_in_bins(ctypes.c_void_p(some.ctypes.data), ctypes.c_size_t(some.size), ctypes.byref(asked))
    return counts.astype(np.float64)


def prove(dtype: str, count: int, folder: Path = record.RESULTS, draw: Callable[..., Values] = drawn) -> bool:
    """All intervals in one dtype."""
    start, chunks, ps = time.perf_counter(), -(-count // CHUNK), {}
    intervals = {f"[{low:g}, {high:g}]": (low, high) for low, high in INTERVALS}

    def p_value(test: str, where: range) -> float:
        low, high = intervals[test]
        edges, probabilities, _ = bins(dtype, low, high)
        return chi2_p(counted(dtype, edges, draw(dtype, low, high), where), probabilities)

    for test in intervals:
        ps[test] = p_value(test, range(chunks))
        print(f"{dtype} {test}: {ps[test]:.3g}", flush=True)
    off = {test: round(bins(dtype, *ends)[2], 4) for test, ends in intervals.items()}
    besides, more = {"values of each": chunks * CHUNK, "off": off}, range(chunks, (1 + MORE) * chunks)
    result = settled(ps, lambda test: p_value(test, more), data=str, besides=besides)
    result["holds"] = holds = result["holds"] and max(off.values()) <= 1
    record.keep(
        NAME,
        f"truncated normal values in {dtype} follow the law of their interval",
        command=f"python -m proof.statistics.truncated {dtype} --values {chunks * CHUNK}",
        seed=SEED,
        seconds=time.perf_counter() - start,
        folder=folder,
        **result,
    )
    return holds


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.statistics.truncated", description=__doc__)
    parser.add_argument("dtypes", nargs="*", choices=[*DTYPES, []], metavar="DTYPE", help=f"{', '.join(DTYPES)} (both)")
    parser.add_argument("--values", type=float, default=1e9, help="of each interval (%(default)s)")
    options = parser.parse_args(argv)
    return int(sum(not prove(dtype, int(options.values)) for dtype in options.dtypes or DTYPES) > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
