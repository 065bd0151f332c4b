"""bfloat16 and float16 in exact cells: `python -m proof.statistics.halves [bfloat16 float16] [--values 1e10]`.

Shows, by the rule of rule.py, that each number of 16 bits is as frequent among the values of `fastinit.normal` as it
ought to be: the float32 value rounded to nearest, ties to even. A cell is one number, but that neighbours of which less
than ten are expected are joined, and both zeros are one. The law of the float32 value is the normal one, with what its
grid of angles does near zero (cells.py): below 10^-5 that is what one sees.

Kept in results/statistics_halves.json; 10^10 values of one dtype take a minute or two on a busy core.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from fastinit import _core
from fastinit.dtypes import kind_of
from fastinit.laws.parameters import Parameters
from fastinit.stream import stream_key
from proof import record
from proof.statistics.cells import chi2_p, near_zero, normal_between, rounded_edges
from proof.statistics.rule import MORE, settled
from proof.statistics.sources import SEED

Array = np.ndarray[Any, Any]
NAME = "statistics_halves"
CHUNK = 1 << 20
#: How many of the upper bits of a float32, or of its numbers from 2^-14 on, are those of the dtype.
DTYPES = ("bfloat16", "float16")
SIGN = 0x8000
#: Below it float32's grid of angles is looked at.
NEAR = 2.5e-4
STANDARD = Parameters(0.0, 1.0)


def magnitudes(dtype: str) -> Array:
    """The finite numbers that are not negative, as float64: number i is that of the bits i."""
    if dtype == "float16":
        return np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)
    return (np.arange(0x7F80, dtype=np.uint32) << 16).view(np.float32).astype(np.float64)


@cache
def cell_probabilities(dtype: str) -> Array:
    """Of |z| being rounded to each."""
    numbers = magnitudes(dtype)
    middle = ((numbers[1:] + numbers[:-1]) / 2).astype(np.float32)  # exact
    up_at_tie = np.arange(1, len(numbers)) % 2 == 0
    first = np.where(up_at_tie, middle, np.nextafter(middle, np.float32(np.inf)))
    edges = np.concatenate([[0.0], rounded_edges(first), [np.inf]])
    near = int(np.searchsorted(edges, NEAR))
    less = np.zeros(len(edges))
    less[:near] = near_zero(edges[:near])
    less[near:] = less[near - 1]
    return 2 * normal_between(edges) + np.diff(less)


def counted(dtype: str, key: bytes, parameters: Parameters, chunks: range) -> Array:
    """How often each pattern of 16 bits is among the values in these chunks."""
    kind = kind_of(dtype)
    values, counts = np.empty(CHUNK, kind.dtype), np.zeros(1 << 16, np.int64)
    for chunk in chunks:
        _core.fill(0, kind.code, key, parameters, values, chunk * CHUNK, None, 1)
        counts += np.bincount(values.view(np.uint16), minlength=1 << 16)
    return counts


def in_threads(dtype: str, parameters: Parameters, chunks: range, threads: int) -> Array:
    key = stream_key(SEED, "normal", dtype)
    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(partial(counted, dtype, key, parameters), [chunks[i::threads] for i in range(threads)]))


def p_values(dtype: str, counts: Array) -> dict[str, float]:
    half = cell_probabilities(dtype)
    above, below = counts[: len(half)], counts[SIGN : SIGN + len(half)]
    if counts.sum() != above.sum() + below.sum():
        return {"finite": 0.0}
    both = np.concatenate([below[:0:-1], [below[0] + above[0]], above[1:]])
    probabilities = np.concatenate([half[:0:-1] / 2, [half[0]], half[1:] / 2])
    near = magnitudes(dtype) < NEAR
    return {
        "cells": chi2_p(both, probabilities),
        "cells near zero": chi2_p(np.where(near, above + below, 0)[near], half[near]),
        "signs": chi2_p(np.array([below[1:].sum(), above[1:].sum()]), np.array([0.5, 0.5])),
    }


def prove(
    dtype: str, count: int, threads: int, folder: Path = record.RESULTS, parameters: Parameters = STANDARD
) -> bool:
    start, chunks = time.perf_counter(), -(-count // CHUNK)
    counts = in_threads(dtype, parameters, range(chunks), threads)
    ps = p_values(dtype, counts)

    def again(test: str) -> float:
        return p_values(dtype, in_threads(dtype, parameters, range(chunks, (1 + MORE) * chunks), threads))[test]

    besides = {"values": chunks * CHUNK, "numbers seen": int((counts > 0).sum())}
    result = settled(ps, again, besides=besides)
    record.keep(
        NAME,
        f"each number of {dtype} is as frequent among values of normal as it ought to be",
        command=f"python -m proof.statistics.halves {dtype} --values {chunks * CHUNK}",
        seed=SEED,
        seconds=time.perf_counter() - start,
        folder=folder,
        **result,
    )
    print(f"{dtype}: {ps}, {'holds' if result['holds'] else 'FAILS'}", flush=True)
    return result["holds"]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.statistics.halves", description=__doc__)
    parser.add_argument("dtypes", nargs="*", choices=[*DTYPES, []], metavar="DTYPE", help=f"{', '.join(DTYPES)} (both)")
    parser.add_argument("--values", type=float, default=1e10, help="%(default)s")
    parser.add_argument("--threads", type=int, default=2, help="%(default)s")
    options = parser.parse_args(argv)
    dtypes = options.dtypes or DTYPES
    return int(sum(not prove(dtype, int(options.values), options.threads) for dtype in dtypes) > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
