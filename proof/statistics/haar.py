"""Orthogonal matrices against Haar's measure: `python -m proof.statistics.haar [float32 float64] [--matrices 10000]`.

Shows, by the rule of rule.py, of square matrices of 32 rows made by `fastinit.orthogonal`, each by a name of its own:

* determinants are 1 and -1 alike; the square of an entry follows its beta law (Kolmogorov and Smirnov), in the corners
  and inside, and in tall and wide matrices too;
* traces of the first eight powers have the mean (1 if the power is even, else 0) and the variance (the power) that
  Diaconis and Shahshahani found (Journal of Applied Probability 31A, 1994), which of 32 rows are exact up to there;
* eigenangles keep their distances: how far the nearest one is from 0, from 1 and from a right angle, and how many lie
  before 1 and before a right angle. They form determinantal processes, one for each sign of the determinant, so that
  these laws are determinants and Poisson-binomial: of matrices of integrals of cosines (sign 1) or sines (-1).

Kept in results/statistics_haar.json; ten thousand matrices take half a minute on a busy core.
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

import fastinit as fi
from proof import record
from proof.statistics.cells import chi2_p
from proof.statistics.rule import MORE, settled
from proof.statistics.sources import SEED

Array = np.ndarray[Any, Any]
Make = Callable[[tuple[int, int], str, int], Array]
NAME = "statistics_haar"
DTYPES = ("float32", "float64")
SIZE, PAIRS = 32, 16
POWERS = range(1, 9)
ENTRIES = ((0, 0), (0, 31), (31, 0), (31, 31), (5, 17))
#: Shapes that are not square, and one entry of each.
OBLONG = {(64, 8): (40, 5), (8, 64): (5, 40)}
RIGHT = np.pi / 2
#: Matrices whose eigenvalues are found together.
TOGETHER = 500


def made(shape: tuple[int, int], dtype: str, number: int) -> Array:
    return fi.orthogonal(shape, seed=SEED, name=f"{dtype} {shape} {number}", dtype=dtype)


def integrals(sign: int, low: float, high: float) -> Array:
    """Of products of the orthonormal functions of a sign between two angles: cos j x for 1, sin j x for -1."""

    def cosines(k: Array) -> Array:  # the integral of cos k x
        safe = np.where(k == 0, 1, k)
        return np.where(k == 0, high - low, (np.sin(safe * high) - np.sin(safe * low)) / safe)

    j = np.arange(PAIRS) if sign > 0 else np.arange(1, PAIRS)
    scale = np.where(j == 0, 1 / np.sqrt(np.pi), np.sqrt(2 / np.pi)) * np.ones(len(j))
    both = cosines(j[:, np.newaxis] - j) + sign * cosines(j[:, np.newaxis] + j)
    return both / 2 * np.outer(scale, scale)


def farther(sign: int, centre: float, distance: float) -> float:
    """How probable it is that no eigenangle of (0, pi) is so near."""
    low, high = max(centre - distance, 0.0), min(centre + distance, np.pi)
    found = integrals(sign, low, high)
    return float(np.linalg.det(np.eye(len(found)) - found))


def number_before(sign: int, angle: float) -> Array:
    """The probabilities of 0, 1, ... eigenangles before one."""
    law = np.ones(1)
    for p in np.clip(np.linalg.eigvalsh(integrals(sign, 0.0, angle)), 0, 1):
        law = np.convolve(law, [1 - p, p])
    return law


def eigenangles(matrices: Array, sign: int) -> Array:
    """Those inside (0, pi), a row for each matrix; of sign -1, 1 and -1 are eigenvalues besides."""
    angles = np.sort(np.abs(np.angle(np.linalg.eigvals(matrices))), axis=1)
    inside = angles if sign > 0 else angles[:, 1:-1]
    return (inside[:, ::2] + inside[:, 1::2]) / 2  # of conjugates


def nearest_p(angles: Array, sign: int, centre: float) -> float:
    """Kolmogorov and Smirnov's, of the distances to the nearest eigenangles."""
    distances = np.abs(angles - centre).min(axis=1)
    grid = np.linspace(0, distances.max() * 1.01, 400)
    law = np.array([1 - farther(sign, centre, distance) for distance in grid])
    return float(stats.kstest(distances, lambda x: np.interp(x, grid, law)).pvalue)


def angle_ps(angles: Array, sign: int) -> dict[str, float]:
    found = {}
    for name, centre in (("0", 0.0), ("1", 1.0), ("a right angle", RIGHT)):
        found[f"nearest to {name}, determinant {sign}"] = nearest_p(angles, sign, centre)
        if centre:
            law = number_before(sign, centre)
            counts = np.bincount((angles < centre).sum(axis=1), minlength=len(law))
            found[f"number before {name}, determinant {sign}"] = chi2_p(counts, law)
    return found


def trace_ps(matrices: Array) -> dict[str, float]:
    found, power, count = {}, np.eye(SIZE), len(matrices)
    for k in POWERS:
        power = power @ matrices
        traces, mean = np.trace(power, axis1=1, axis2=2), 1 - k % 2
        found[f"trace of power {k}"] = float(stats.norm.sf((traces.mean() - mean) / np.sqrt(k / count)))
        squares = ((traces - mean) ** 2).sum() / k
        found[f"spread of the trace of power {k}"] = float(stats.chi2.sf(squares, count))
    return found


def entry_p(entries: Array, longer: int) -> float:
    """Of an entry of a column of so many, or of a row."""
    return float(stats.kstest(entries**2, stats.beta(0.5, (longer - 1) / 2).cdf).pvalue)


def p_values(dtype: str, numbers: range, make: Make = made) -> dict[str, float]:
    matrices = np.array([make((SIZE, SIZE), dtype, i) for i in numbers], np.float64)
    signs = np.linalg.slogdet(matrices)[0]
    found = {"determinant": chi2_p(np.array([(signs < 0).sum(), (signs > 0).sum()]), np.array([0.5, 0.5]))}
    found |= {f"entry {place}": entry_p(matrices[(slice(None), *place)], SIZE) for place in ENTRIES}
    found |= trace_ps(matrices)
    for sign in (1, -1):
        some = matrices[signs == sign]
        parts = [eigenangles(some[i : i + TOGETHER], sign) for i in range(0, len(some), TOGETHER)]
        found |= angle_ps(np.concatenate(parts), sign) if parts else {}
    for shape, place in OBLONG.items():
        entries = np.array([make(shape, dtype, i)[place] for i in numbers], np.float64)
        found[f"entry {place} of {shape}"] = entry_p(entries, max(shape))
    return found


def prove(dtype: str, count: int, folder: Path = record.RESULTS, make: Make = made) -> bool:
    start = time.perf_counter()
    ps = p_values(dtype, range(count), make)
    besides = {"matrices": count, "rows": SIZE}
    more = range(count, (1 + MORE) * count)
    result = settled(ps, lambda test: p_values(dtype, more, make)[test], besides=besides)
    record.keep(
        NAME,
        f"orthogonal matrices in {dtype} follow Haar's measure",
        command=f"python -m proof.statistics.haar {dtype} --matrices {count}",
        seed=SEED,
        seconds=time.perf_counter() - start,
        folder=folder,
        **result,
    )
    print(f"{dtype}: {ps}, {'holds' if result['holds'] else 'FAILS'}", flush=True)
    return result["holds"]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.statistics.haar", description=__doc__)
    parser.add_argument("dtypes", nargs="*", choices=[*DTYPES, []], metavar="DTYPE", help=f"{', '.join(DTYPES)} (both)")
    parser.add_argument("--matrices", type=int, default=10_000, help="of each shape (%(default)s)")
    options = parser.parse_args(argv)
    return int(sum(not prove(dtype, options.matrices) for dtype in options.dtypes or DTYPES) > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
