"""The laws in distribution. Each test has a fixed seed and states how often a right generator would fail it.

Moments and Kolmogorov-Smirnov let a broken wedge of a ziggurat pass; fine bins, tails, pairs and lags do not.
"""

from math import sqrt

import numpy as np
import pytest
from scipy import special, stats

import fastinit as fi

PIECE = 1 << 22
EDGES = np.linspace(-8.0, 8.0, 4097)


def histogram(law, count, edges, dtype="float32", **keywords):
    """Counts in equal bins; the first and last also take what lies beyond."""
    counts = np.zeros(len(edges) - 1, np.int64)
    scale, low = 1 / (edges[1] - edges[0]), edges[0]
    for start in range(0, count, PIECE):
        some = fi.flat[start : min(start + PIECE, count)]
        values = law(count, index=some, dtype=dtype, **keywords).astype(np.float64)
        places = np.clip(((values - low) * scale).astype(np.int64), 0, len(counts) - 1)
        counts += np.bincount(places, minlength=len(counts))
    return counts


def chi2_p(counts, probabilities, least=25.0):
    """Upper tail of Pearson's statistic, neighbouring bins joined until each expects `least`."""
    expected, observed, joined = counts.sum() * probabilities, [], []
    e = o = 0.0
    for one, other in zip(expected, counts, strict=True):
        e, o = e + one, o + other
        if e >= least:
            joined.append(e)
            observed.append(o)
            e = o = 0.0
    joined[-1] += e
    observed[-1] += o
    statistic = ((np.array(observed) - joined) ** 2 / joined).sum()
    return stats.chi2.sf(statistic, len(joined) - 1)


def normal_probabilities(edges):
    inner = np.concatenate([[-np.inf], edges[1:-1], [np.inf]])
    upper = special.ndtr(inner)
    return np.where(inner[1:] > 0, special.ndtr(-inner[:-1]) - special.ndtr(-inner[1:]), upper[1:] - upper[:-1])


def equiprobable(counts, probabilities, bins):
    """Equal bins joined to about `bins` of equal probability."""
    group = np.minimum((np.cumsum(probabilities) - probabilities / 2) * bins, bins - 1).astype(int)
    return np.bincount(group, counts, bins), np.bincount(group, probabilities, bins)


def check_normal(count, dtype, seed):
    fine = np.linspace(-8.0, 8.0, (1 << 16) + 1)
    counts, probabilities = histogram(fi.normal, count, fine, dtype, seed=seed), normal_probabilities(fine)
    wide = counts.reshape(4096, 16).sum(axis=1), probabilities.reshape(4096, 16).sum(axis=1)
    # False alarm: 1e-6 for each of the two, and 1e-6 for each of the tails.
    assert chi2_p(*wide) > 1e-6
    assert chi2_p(*equiprobable(counts, probabilities, 4096)) > 1e-6
    for sigmas in (3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0):
        first = int((sigmas + 8) * 4096)
        for beyond in (counts[first:].sum(), counts[: len(counts) - first].sum()):
            expected = count * special.ndtr(-sigmas)
            assert stats.poisson.cdf(beyond, expected) > 1e-6
            assert stats.poisson.sf(beyond - 1, expected) > 1e-6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_in_4096_equal_and_4096_equiprobable_bins(dtype):
    check_normal(1 << 25, dtype, seed=101)


@pytest.mark.slow
def test_normal_in_fine_bins_at_a_billion_draws():
    check_normal(10**9, "float32", seed=102)


def test_uniform_in_4096_bins():
    """False alarm: 1e-6 a dtype."""
    for dtype in ("float32", "float64"):
        counts = histogram(fi.uniform, 1 << 25, np.linspace(0, 1, 4097), dtype, seed=103)
        assert chi2_p(counts, np.full(4096, 1 / 4096)) > 1e-6


@pytest.mark.parametrize(("low", "high"), [(-2.0, 2.0), (-3.0, 3.0), (0.5, 6.0), (4.0, 5.0), (-np.inf, 0.3)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_truncated_normal_in_fine_bins(dtype, low, high):
    """False alarm: 1e-6 each."""
    edges = np.linspace(max(low, -8.0), min(high, 8.0), 4097)
    counts = histogram(fi.truncated_normal, 1 << 23, edges, dtype, seed=104, low=low, high=high)
    outer = np.concatenate([[low], edges[1:-1], [high]])
    side = np.sign(outer[:-1] + outer[1:] + 1e-300)
    upper = np.where(
        side > 0,
        special.ndtr(-outer[:-1]) - special.ndtr(-outer[1:]),
        special.ndtr(outer[1:]) - special.ndtr(outer[:-1]),
    )
    assert chi2_p(counts, upper / upper.sum()) > 1e-6


def test_radius_and_angle_of_pairs_are_uniform_and_independent():
    """In 64 x 64 cells. False alarm: 1e-6."""
    z = fi.normal(1 << 24, seed=105, dtype="float64").reshape(-1, 2, 16)
    first, second = z[:, 0].ravel(), z[:, 1].ravel()
    radius = np.exp(-(first**2 + second**2) / 2)
    angle = np.arctan2(second, first) / (2 * np.pi) + 0.5
    cells = np.minimum(radius * 64, 63).astype(int) * 64 + np.minimum(angle * 64, 63).astype(int)
    assert chi2_p(np.bincount(cells, minlength=4096), np.full(4096, 1 / 4096)) > 1e-6


def lagged(values, lag):
    """Correlation at a lag, in standard errors."""
    a, b = values[:-lag], values[lag:]
    return float(np.dot(a, b)) / (len(a) * values.var()) * sqrt(len(a))


@pytest.mark.parametrize("lag", [1, 8, 16, 32, 64, 256])
def test_no_correlation_at_any_lag(lag):
    """Of z, z^2 and |z|. False alarm: 6e-7 each (|correlation| beyond 5 standard errors)."""
    z = fi.normal(1 << 23, seed=106).astype(np.float64)
    for values in (z, z**2 - 1, np.abs(z) - sqrt(2 / np.pi)):
        assert abs(lagged(values, lag)) < 5


@pytest.mark.parametrize("vary", ["name", "seed"])
def test_neighbouring_names_and_seeds_interleaved(vary):
    """1,024 streams, one value of each in turn: fine bins and lags of the whole. False alarm: 1e-6, 6e-7 each."""
    key = {"name": lambda i: {"seed": 7, "name": f"layer.{i}"}, "seed": lambda i: {"seed": i}}[vary]
    rows = np.array([fi.normal(8192, dtype="float64", **key(i)) for i in range(1024)])
    values = rows.T.ravel()
    counts = np.bincount(np.clip((values + 8) * 256, 0, 4095).astype(int), minlength=4096)
    assert chi2_p(counts, normal_probabilities(EDGES)) > 1e-6
    for lag in (1, 2, 1024):
        for some in (values, values**2 - 1):
            assert abs(lagged(some, lag)) < 5


def test_bfloat16_in_exact_cells():
    """Each bfloat16 has the probability that the normal gives its rounding interval. False alarm: 1e-6."""
    from ml_dtypes import bfloat16

    bits = fi.normal(1 << 25, seed=107, dtype="bfloat16").view(np.uint16)
    counts = np.bincount(bits, minlength=65536)
    magnitudes = np.arange(0x7F00, dtype=np.uint16).view(bfloat16).astype(np.float64)
    edges = np.concatenate([[0.0], (magnitudes[1:] + magnitudes[:-1]) / 2])
    half = special.ndtr(-edges) - np.append(special.ndtr(-edges[1:]), 0.0)
    assert counts[0x7F00:0x8000].sum() == counts[0xFF00:].sum() == 0
    positive, negative = counts[:0x7F00], counts[0x8000 : 0x8000 + 0x7F00]
    assert chi2_p(np.concatenate([negative[::-1], positive]), np.concatenate([half[::-1], half])) > 1e-6


@pytest.mark.slow
def test_tails_reach_beyond_six_and_a_half_sigma():
    """The greatest |z| of 4e9 draws: below 6.0 once in 2e3, beyond 7.7 once in 1e4; none is infinite."""
    greatest = 0.0
    for start in range(0, 1 << 32, 1 << 26):
        values = fi.normal(1 << 32, seed=108, index=fi.flat[start : start + (1 << 26)])
        greatest = max(greatest, float(values.max()), -float(values.min()))
    assert 6.0 < greatest < 7.7


def test_forced_small_words_reach_eight_sigma():
    """The least radius words, made by hand: the deepest tail is there, finite, and in order."""
    from fastinit import reference

    deep = reference.open32(np.zeros(4, np.uint32), np.array([0, 3 << 15, 1 << 31, 2**32 - 1], np.uint32))
    radius = np.sqrt(2 * reference.neglog32(deep))
    assert deep[0] == 2.0**-48
    assert abs(radius[0] - sqrt(2 * 48 * np.log(2))) < 1e-6
    assert (np.diff(radius) < 0).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_functions_of_the_laws_are_accurate(dtype):
    """-log, the turn and the quantile against long doubles: the errors that the comments in C claim, and rounding."""
    from fastinit import reference as r

    rng = np.random.default_rng(1)
    wide = np.longdouble
    eps = float(np.finfo(dtype).eps)
    u = np.concatenate([rng.random(100_000), 2.0 ** -rng.uniform(0, 48, 100_000), 1 - 2.0 ** -rng.uniform(1, 23, 1000)])
    u = u.astype(dtype)
    u = u[(u > 0) & (u <= 1)]
    neglog = (r.neglog32 if dtype == "float32" else r.neglog64)(u)
    exact = -np.log(u.astype(wide))
    assert (np.abs(neglog - exact) <= 3.1e-8 * (dtype == "float32") * exact + 2 * eps * exact).all()
    t = rng.uniform(-1, 1, 200_000).astype(dtype)
    difference, total = (r.turn32 if dtype == "float32" else r.turn64)(t)
    y = t.astype(wide) * (np.pi + wide(1.2246467991473532e-16)) / 4
    allowed = (6e-8 if dtype == "float32" else 4e-16) + 1.5 * eps
    assert np.abs(difference - (np.cos(y) - np.sin(y))).max() < allowed
    assert np.abs(total - (np.cos(y) + np.sin(y))).max() < allowed
    tail = (2.0 ** -rng.uniform(1, 80, 100_000)).astype(dtype)
    rest = (1 - tail.astype(wide)).astype(dtype)
    z = (r.quantile32 if dtype == "float32" else r.quantile64)(tail, rest, True).astype(np.float64)
    exact_z = special.ndtri(tail.astype(np.float64))
    assert (np.abs(z - exact_z) <= (3e-7 if dtype == "float32" else 4e-15) * np.maximum(np.abs(exact_z), 1)).all()
