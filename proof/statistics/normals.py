"""Normal values by the thousand million: `python -m proof.statistics.normals [float32 float64] [--values 1e10]`.

Shows, by the rule of rule.py, that the values of `fastinit.normal` are independent and normal:

* in 4,096 bins of equal probability and 4,096 of equal width between -6.5 and 6.5, and in tails from 4 to 6.5 sigma;
* by their first eight moments, and by products of values, and of their squares, ten lags apart;
* in 64 x 64 cells of neighbours, of values 32 apart, and of those that are made of one pair of words;
* by the radius and the angle of such pairs, in 4,096 bins each, and in 64 x 64 of both.

The stream's name is the dtype, so that both see words of their own. Values are counted in cells whose edges lie where
numbers begin to be rounded to the next one, rings and angles half a step of float32's grid off its steps. What is left
of that grid is too little to be seen: its logarithm errs by 3e-8, which changes no bin by more than 1e-6 of itself, and
one radius in 2^25 is zero, which is 1.2e-4 of the bin that it falls into. At 10^11 values these add less than one to a
chi-square of 4,095 +- 90.

Counts are kept in results/statistics_normals.json after every part of 10^10; 10^10 take five minutes on a busy core.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial, reduce
from math import prod, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special, stats

from fastinit import _core
from fastinit.dtypes import kind_of
from fastinit.laws.parameters import Parameters
from fastinit.stream import stream_key
from proof import record
from proof.statistics.cells import chi2_p, normal_between, poisson_p, rounded_edges
from proof.statistics.compiled import FAST, library
from proof.statistics.rule import MORE, settled
from proof.statistics.sources import SEED

Array = np.ndarray[Any, Any]
NAME = "statistics_normals"
BEFORE, CHUNK = 1 << 10, 1 << 16
#: Chunks after which the counts are kept.
PART = round(10**10 / CHUNK)
CELLS, BINS, GROUPS, MOMENTS = 1 << 16, 4096, 64, 8
ENDS = 6.5
SIGMAS = (4.0, 4.5, 5.0, 5.5, 6.0, 6.5)
LAGS = (1, 2, 8, 15, 16, 17, 31, 32, 33, 1024)
STANDARD = Parameters(0.0, 1.0)

#: What normals.c counts, in its order, with how many and of what.
COUNTED = {
    "cells": (CELLS, np.uint32),
    "neighbours": (GROUPS**2, np.uint32),
    "halves": (GROUPS**2, np.uint32),
    "tiles": (GROUPS**2, np.uint32),
    "rings": (BINS, np.uint32),
    "angles": (BINS, np.uint32),
    "places": (GROUPS**2, np.uint32),
    "tails": (2 * len(SIGMAS), np.uint64),
    "moments": (MOMENTS, np.float64),
    "products": (len(LAGS), np.float64),
    "of_squares": (len(LAGS), np.float64),
}
#: By dtype, how far the edges of rings and angles are from multiples of a bin: half a step of what float32 makes.
OFFSETS = {"float32": (2.0**-25, 2.0**-14), "float64": (0.0, 0.0)}


class Counts(ctypes.Structure):
    _fields_ = (
        ("group", ctypes.c_void_p),
        *((name, ctypes.c_void_p) for name in COUNTED),
        ("ring_offset", ctypes.c_double),
        ("angle_offset", ctypes.c_double),
    )


@cache
def cell_probabilities(dtype: str) -> Array:
    """Of each cell; the first and the last have all that is beyond."""
    places = np.arange(1, CELLS)
    first = (places * (2 * ENDS / CELLS) - ENDS).astype(dtype)
    for way, wrong in ((np.inf, lambda x: cell_of(x) < places), (-np.inf, lambda x: cell_of(x) >= places)):
        step = np.nextafter(first, np.array(way, dtype))
        first = np.where(wrong(first if way > 0 else step), step, first)
    return normal_between(np.concatenate([[-np.inf], rounded_edges(first), [np.inf]]))


def cell_of(x: Array) -> Array:
    return ((x.astype(np.float64) + ENDS) * (CELLS / (2 * ENDS))).astype(np.int64)


@cache
def grouped(dtype: str, groups: int) -> Array:
    """The group of each cell, groups being about equally probable."""
    p = cell_probabilities(dtype)
    return np.minimum((np.cumsum(p) - p / 2) * groups, groups - 1).astype(int)


class Counter:
    """Counts values of one dtype, chunk by chunk."""

    def __init__(self, dtype: str) -> None:
        self.measure = library("normals.c", dtype, FAST).count_normals
        self.group = grouped(dtype, GROUPS).astype(np.uint8)
        self.found = {name: np.zeros(size, kind) for name, (size, kind) in COUNTED.items()}
        places = (self.group, *self.found.values())
        self.counts = Counts(*(a.ctypes.data for a in places), *OFFSETS[dtype])

    def add(self, values: Array) -> None:
        """Of a contiguous row, the first BEFORE of which are only what comes before the others."""
        count = ctypes.c_size_t(len(values) - BEFORE)
        self.measure(ctypes.c_void_p(values.ctypes.data), count, ctypes.byref(self.counts))

    def totals(self) -> dict[str, Array]:
        """Exact, being far below 2^53."""
        return {name: a.astype(np.float64) for name, a in self.found.items()}


def counted(dtype: str, key: bytes, parameters: Parameters, chunks: range) -> dict[str, Array]:
    """Of the values in these chunks of a stream, none of which is its first."""
    values, counter = np.empty(BEFORE + CHUNK, dtype), Counter(dtype)
    for chunk in chunks:
        _core.fill(0, kind_of(dtype).code, key, parameters, values, chunk * CHUNK - BEFORE, None, 1)
        counter.add(values)
    return counter.totals()


def added(one: Mapping[str, Array], other: Mapping[str, Array]) -> dict[str, Array]:
    return {name: one[name] + other[name] for name in COUNTED} if one else dict(other)


def in_threads(dtype: str, parameters: Parameters, chunks: range, threads: int) -> dict[str, Array]:
    key = stream_key(SEED, "normal", dtype)
    with ThreadPoolExecutor(threads) as pool:
        shares = [chunks[i::threads] for i in range(threads)]
        return reduce(added, pool.map(partial(counted, dtype, key, parameters), shares))


def from_score(score: float) -> float:
    return float(stats.norm.sf(score))


def interaction_p(table: Array, one: Array, other: Array) -> float:
    """Of what rows and columns have to do with each other: pairs may overlap, whose rows and columns then depend."""
    count, table = table.sum(), table.reshape(len(one), len(other))

    def distance(seen: Array, probabilities: Array) -> float:
        return float(((seen - count * probabilities) ** 2 / (count * probabilities)).sum())

    statistic = distance(table, np.outer(one, other))
    statistic -= distance(table.sum(axis=1), one) + distance(table.sum(axis=0), other)
    return float(stats.chi2.sf(statistic, (len(one) - 1) * (len(other) - 1)))


def bin_ps(dtype: str, found: Mapping[str, Array]) -> dict[str, float]:
    p, bins = cell_probabilities(dtype), grouped(dtype, BINS)
    probable = np.bincount(grouped(dtype, GROUPS), p, GROUPS)
    ring_edges = np.concatenate([[0.0], np.arange(1, BINS) / BINS + OFFSETS[dtype][0], [1.0]])
    rings = np.diff(ring_edges)
    wide = np.repeat(1 / GROUPS, GROUPS)
    return {
        "equal bins": chi2_p(found["cells"].reshape(BINS, -1).sum(axis=1), p.reshape(BINS, -1).sum(axis=1)),
        "equiprobable bins": chi2_p(np.bincount(bins, found["cells"], BINS), np.bincount(bins, p, BINS)),
        **{
            f"pairs: {name}": interaction_p(found[name], probable, probable)
            for name in ("neighbours", "halves", "tiles")
        },
        "radius": chi2_p(found["rings"], rings),
        "angle": chi2_p(found["angles"], np.full(BINS, 1 / BINS)),
        "radius and angle": chi2_p(found["places"], np.outer(rings.reshape(GROUPS, -1).sum(axis=1), wide).ravel()),
    }


def tail_ps(dtype: str, count: int, found: Mapping[str, Array]) -> dict[str, float]:
    beyond = rounded_edges(np.nextafter(np.array(SIGMAS, dtype), np.array(np.inf, dtype)))
    expected = count * special.ndtr(-beyond)
    sides = found["tails"].reshape(2, -1)
    return {
        f"tail {sign}{sigma}": poisson_p(seen, mean)
        for sign, side in zip("-+", sides, strict=True)
        for sigma, seen, mean in zip(SIGMAS, side, expected, strict=True)
    }


def sum_ps(count: int, found: Mapping[str, Array]) -> dict[str, float]:
    moments = {k: prod(range(k - 1, 0, -2)) if k % 2 == 0 else 0 for k in range(2 * MOMENTS + 1)}
    scores = {
        f"moment {k}": (total - count * moments[k]) / sqrt(count * (moments[2 * k] - moments[k] ** 2))
        for k, total in enumerate(found["moments"], 1)
    }
    for lag, product, of_squares in zip(LAGS, found["products"], found["of_squares"], strict=True):
        scores[f"lag {lag}"] = product / sqrt(count)
        scores[f"lag {lag} of squares"] = of_squares / (2 * sqrt(count))
    return {test: from_score(score) for test, score in scores.items()}


def p_values(dtype: str, count: int, found: Mapping[str, Array]) -> dict[str, float]:
    return {**bin_ps(dtype, found), **tail_ps(dtype, count, found), **sum_ps(count, found)}


def prove(
    dtype: str, count: int, threads: int, folder: Path = record.RESULTS, parameters: Parameters = STANDARD
) -> bool:
    """By parts, each of which is kept with all before it."""
    start, found, done, holds, chunks = time.perf_counter(), {}, 0, True, max(1, round(count / CHUNK))

    @cache
    def many(after: int) -> dict[str, float]:
        later = range(1 + after, 1 + after + MORE * after)
        return p_values(dtype, len(later) * CHUNK, in_threads(dtype, parameters, later, threads))

    while done < chunks and holds:
        part = range(1 + done, 1 + min(chunks, done + PART))
        found, done = added(found, in_threads(dtype, parameters, part, threads)), done + len(part)
        ps = p_values(dtype, done * CHUNK, found)
        result = settled(ps, lambda test: many(done)[test], besides={"values": done * CHUNK})  # noqa: B023
        holds = result["holds"]
        record.keep(
            NAME,
            f"values of normal in {dtype} are normal and independent",
            command=f"python -m proof.statistics.normals {dtype} --values {done * CHUNK}",
            seed=SEED,
            seconds=time.perf_counter() - start,
            folder=folder,
            **result,
        )
        print(f"{dtype}: {done * CHUNK:.2e} values, {'holds' if holds else 'FAILS'}", flush=True)
    return holds


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.statistics.normals", description=__doc__)
    parser.add_argument("dtypes", nargs="*", choices=[*OFFSETS, []], metavar="DTYPE", help="float32, float64 (both)")
    parser.add_argument("--values", type=float, default=1e10, help="%(default)s")
    parser.add_argument("--threads", type=int, default=2, help="%(default)s")
    options = parser.parse_args(argv)
    dtypes = options.dtypes or [*OFFSETS]
    return int(sum(not prove(dtype, int(options.values), options.threads) for dtype in dtypes) > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
