"""The rare path of normal values, by itself: `python -m proof.statistics.rare [--words 1e10]`.

A radius word below 2^14 takes 17 more bits from its fine word, so that the tail goes on: once in 2^17 pairs. The words
are made and looked through for it; the pairs that are found are made as any others. Given that a word is rare, exp of
-r^2/2 of its pair is uniform below 2^-17, and the angle uniform. Shows, by the rule of rule.py, in float32 and float64:

* how often words are rare; the radius and the angle by Kolmogorov and Smirnov, and both in 8 x 8 cells;
* what the fine word adds to the radius, modulo the 2^-31 between words.

Kept in results/statistics_rare.json; 10^10 words, in which 38,000 are rare, take a minute on a busy core.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from fastinit import _core
from fastinit.dtypes import kind_of
from fastinit.laws.parameters import Parameters
from fastinit.stream import stream_key
from proof import record
from proof.statistics.cells import chi2_p, poisson_p
from proof.statistics.rule import MORE, settled
from proof.statistics.sources import MAIN, SEED

Array = np.ndarray[Any, Any]
Words = Callable[[bytes, int, int, int], Array]
NAME = "statistics_rare"
DTYPES = ("float32", "float64")
CHUNK, TILE, LANES, RARE = 1 << 20, 32, 16, 1 << 14
#: How probable it is that the word of a pair is rare.
HOW_RARE = 2.0**-17
STANDARD = Parameters(0.0, 1.0)


def rare_places(key: bytes, chunks: range) -> Array:
    """The numbers of the first values of pairs whose radius word is rare."""
    found = []
    for chunk in chunks:
        words = _core.words(key, MAIN, chunk * CHUNK, CHUNK).reshape(-1, TILE)[:, :LANES]
        tiles, lanes = np.nonzero(words << np.uint32(1) < np.uint32(2 * RARE))
        found.append(chunk * CHUNK + tiles * TILE + lanes)
    return np.concatenate(found)


def pairs(key: bytes, dtype: str, places: Array, parameters: Parameters = STANDARD) -> tuple[Array, Array]:
    tile = np.empty(TILE, dtype)
    first, second = np.empty(len(places)), np.empty(len(places))
    for i, place in enumerate(places.tolist()):
        _core.fill(0, kind_of(dtype).code, key, parameters, tile, place - place % TILE, None, 1)
        first[i], second[i] = tile[place % TILE], tile[place % TILE + LANES]
    return first, second


def p_values(dtype: str, first: Array, second: Array) -> dict[str, float]:
    uniform = np.exp(-(first**2 + second**2) / 2) / HOW_RARE
    angle = np.arctan2(second, first) / (2 * np.pi) % 1
    ring, part = ((np.clip(x, 0, 1 - 1e-12) * 8).astype(int) for x in (uniform, angle))
    return {
        f"{dtype} radius": float(stats.kstest(uniform, "uniform").pvalue),
        f"{dtype} angle": float(stats.kstest(angle, "uniform").pvalue),
        f"{dtype} both": chi2_p(np.bincount(ring * 8 + part, minlength=64), np.full(64, 1 / 64)),
        f"{dtype} fine": float(stats.kstest(uniform * RARE % 1, "uniform").pvalue),
    }


def all_p_values(chunks: range, parameters: Parameters = STANDARD) -> tuple[dict[str, float], int]:
    key = stream_key(SEED, "normal", "rare")
    places = rare_places(key, chunks)
    ps = {"how often": poisson_p(len(places), len(chunks) * CHUNK / 2 * HOW_RARE)}
    for dtype in DTYPES:
        ps |= p_values(dtype, *pairs(key, dtype, places, parameters))
    return ps, len(places)


def prove(count: int, folder: Path = record.RESULTS, parameters: Parameters = STANDARD) -> bool:
    start, chunks = time.perf_counter(), -(-count // CHUNK)
    ps, rare = all_p_values(range(chunks), parameters)
    more, besides = range(chunks, (1 + MORE) * chunks), {"words": chunks * CHUNK, "rare": rare}
    result = settled(ps, lambda test: all_p_values(more, parameters)[0][test], besides=besides)
    record.keep(
        NAME,
        "normal values of rare words follow the law of the far tail",
        command=f"python -m proof.statistics.rare --words {chunks * CHUNK}",
        seed=SEED,
        seconds=time.perf_counter() - start,
        folder=folder,
        **result,
    )
    print(f"{rare} rare of {chunks * CHUNK}: {ps}, {'holds' if result['holds'] else 'FAILS'}", flush=True)
    return result["holds"]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.statistics.rare", description=__doc__)
    parser.add_argument("--words", type=float, default=1e10, help="%(default)s")
    return int(not prove(int(parser.parse_args(argv).words)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
