"""Comparison: the elements of an array, or of parts of one, against those that its law gives.

No check refuses more than 2e-9 of right arrays, however few their elements, coarse their numbers or long the tails of
their law. A mean over n elements may be away from that of a sample by six standard errors, and by what one element
does that is as far out as one of n can be: where few matter, means are not normal so far from where they should be.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import erf, hypot, isfinite, log, prod, sqrt
from typing import Any, NamedTuple

import numpy as np

from .fill import draw
from .findings import Verification
from .laws import DeltaOrthogonal, Law, Normal, Orthogonal, Packed, Sparse
from .layout import flat
from .repeats import PIECE, WINDOW, counts_of, has_many_values, repeats, share_of_the_commonest
from .streaming import Moments, Statistics, moments

#: Standard errors.
LIMIT = 6.0
#: Of what has a chance of exp(-20), 2e-9, we say that it does not happen.
_CHANCE = 20.0
#: Fewest and most elements of a sample, and fewest of one that is made an array at a time.
_FEWEST, _MOST, _FEWEST_CALLED = 1 << 12, 1 << 22, 1 << 10
#: Kurtosis of laws whose tails are no longer than a normal's, or hardly.
_LIGHT = 3.5
#: The distance of two neighbours among the numbers of a dtype: of those, at most, and of the least.
STEPS = {
    "float16": (2.0**-10, 2.0**-24),
    "bfloat16": (2.0**-7, 2.0**-133),
    "float32": (2.0**-23, 2.0**-149),
    "float64": (2.0**-52, 2.0**-1074),
}


def moments_of(pieces: list[Any]) -> Statistics:
    """Those of pieces one after the other."""
    sums = Moments()
    for piece in pieces:
        sums.update(piece)
    return sums.result()


def compare(found: Verification, pieces: list[Any], law: Law, lengths: tuple[int, ...], dtype: str) -> None:
    """Moments, tails, distinct values and repeats of parts of an array against a sample of its law."""
    measured = found.statistics
    if isinstance(law, Packed):
        lengths, law = law.part_of(lengths), law.law
    apart = isinstance(law, (Sparse, DeltaOrthogonal))  # how many elements are zero is another question
    sample = _sample(law, lengths, measured.count, dtype)
    if apart:
        pieces, sample = [piece[piece != 0] for piece in pieces], sample[sample != 0]
        measured = moments_of(pieces)
    if len(sample) and measured.count:
        counts = counts_of(sample)
        commonest = share_of_the_commonest(counts)
        claimed = _claimed(law, lengths)
        _check_law(_Against(found, measured, moments_of([sample]), claimed), pieces, sample, dtype, commonest)
        _check_repeats(found, pieces, has_many_values(counts), commonest)


def _sample(law: Law, lengths: tuple[int, ...], count: int, dtype: str) -> Any:
    """At least so many elements that the law gives an array of that shape, or such of them as are not zero."""
    if isinstance(law, Sparse):
        law = Normal(0.0, law.scale)
    if isinstance(law, DeltaOrthogonal):
        law, lengths = law.centre_of(lengths)
    quick = law.in_core or isinstance(law, Orthogonal)
    count = min(max(count, _FEWEST if quick else _FEWEST_CALLED), _MOST)
    if isinstance(law, Orthogonal):  # the first columns of a matrix are such a matrix
        columns, rows = sorted(law.sides(lengths))
        columns = min(columns, -(-count // rows))
        law, lengths = Orthogonal(law.gain, batch_axis=0), (-(-count // (rows * columns)), rows, columns)
    elif law.in_core:
        lengths = (count,)
    samples: list[Any] = []
    while (missing := count - sum(map(len, samples))) > 0:
        index = flat[: min(prod(lengths), missing)] if law.can_be_cut else None
        made = draw(law, lengths, seed=2**127 + len(samples), name="verify", dtype=dtype, index=index)
        samples.append(np.ravel(made))
    return np.concatenate(samples)


def _farthest(count: int, sample: Statistics, kurtosis: float, step: float) -> float:
    """How far from the mean one of so many elements is, at most, by how far one of a sample is.

    The logarithm of the chance falls with the square of the distance for a normal law or one of shorter tails, and with
    the distance itself for any of those that we have: they are log-concave.
    """
    seen = max(sample.maximum - sample.mean, sample.mean - sample.minimum)
    ratio = (log(count) + _CHANCE) / max(log(sample.count) - 2, 1.0)
    return (sqrt(ratio) if kurtosis <= _LIGHT else ratio) * (seen + step / 2) + step / 2


class _Against(NamedTuple):
    """Moments of n elements and of a sample, where what is compared of both is said; and what the law claims itself."""

    found: Verification
    mine: Statistics
    theirs: Statistics
    claimed: Mapping[str, float]

    @property
    def error(self) -> float:
        """Standard error of the difference of two means, in deviations of an element."""
        return sqrt(1 / self.mine.count + 1 / self.theirs.count)

    def check(self, what: str, measured: float, expected: float, standard_error: float, alone: float = 0.0) -> None:
        """Whether a number is so far from that of the sample as no right one is; `alone` is what one element does."""
        away = abs(measured - expected) / standard_error if standard_error else 0.0
        law = f"claimed: {self.claimed[what]:.4g}, " if what in self.claimed else ""
        self.found.checks[what] = f"{measured:.4g} ({law}sample: {expected:.4g}, {away:.1f} standard errors)"
        if abs(measured - expected) > LIMIT * standard_error + alone:
            claimed = self.claimed.get(what, expected)
            self.found.problems.append(
                f"{what} {measured:.3g} where {claimed:.3g} is claimed ({away:.0f} standard errors away)"
            )


def _claimed(law: Law, lengths: tuple[int, ...]) -> dict[str, float]:
    """What the law knows of the elements that are compared."""
    if isinstance(law, Sparse):
        return {"mean": 0.0, "standard deviation": law.scale}
    if isinstance(law, DeltaOrthogonal):
        return {}
    known = {"mean": law.mean, "standard deviation": law.deviation(lengths)}
    return {what: value for what, value in known.items() if isfinite(value)}


def _check_law(against: _Against, pieces: list[Any], sample: Any, dtype: str, commonest: float) -> None:
    """Moments, extremes, tails and distinct values against a sample."""
    found, mine, theirs, _ = against
    n = mine.count
    kurtosis = theirs.kurtosis if theirs.kurtosis == theirs.kurtosis else 3.0
    reach, extreme = (max(abs(one.minimum), abs(one.maximum)) for one in (theirs, mine))
    # Between numbers far apart lie all the elements but a few, and a sample need not show these.
    step, unseen = max(STEPS[dtype][0] * reach, STEPS[dtype][1]), _CHANCE / theirs.count
    spread = sqrt(theirs.variance + unseen * step * step) or 1.0
    fourth = max(kurtosis - 1, 0.1) * theirs.variance * theirs.variance + unseen * step * step * step * step
    far = _farthest(n, theirs, kurtosis, step)
    if mine.minimum == mine.maximum and theirs.variance > 0 and (n - 1) * log(commonest) < -_CHANCE:
        found.problems.append(f"all {n} elements are {mine.mean:.4g}")
    against.check("mean", mine.mean, theirs.mean, spread * against.error, far / n + 2.0**-50 * reach)
    # About the claimed mean: that about their own is too small where elements are few.
    std, error = hypot(mine.std, mine.mean - theirs.mean), sqrt(fourth) / (2 * spread) * against.error
    against.check("standard deviation", std, theirs.std, error, far * far / (2 * spread * n))
    found.checks["greatest absolute value"] = f"{extreme:.4g} (sample: {reach:.4g})"
    if max(mine.maximum - theirs.mean, theirs.mean - mine.minimum) > far:
        found.problems.append(f"greatest absolute value {extreme:.4g} where a sample of the law has {reach:.4g}")
    if n < 1000:
        found.checks["too few elements for"] = "skewness, kurtosis, tails, distinct values"
        return
    if mine.variance > 0 and n >= 20_000 and kurtosis <= _LIGHT:  # third and fourth powers of longer tails say little
        _check_third_and_fourth_powers(against, sample)
    _check_shares(against, pieces, sample, spread)
    _check_distinct(found, pieces, sample)


def _check_third_and_fourth_powers(against: _Against, sample: Any) -> None:
    """For a normal they err by sqrt(6) and sqrt(24), here doubled; for other laws by what the sample itself shows."""
    mine, theirs = against.mine, against.theirs
    seen = moments(sample[: len(sample) // 32 * 32].reshape(32, -1), axis=1)
    scatter = [float(np.std(shape)) * sqrt(theirs.count / 32) for shape in (seen.skewness, seen.kurtosis)]
    against.check("skewness", mine.skewness, theirs.skewness, max(sqrt(24.0), scatter[0]) * against.error)
    against.check("kurtosis", mine.kurtosis, theirs.kurtosis, max(sqrt(96.0), scatter[1]) * against.error)


def _check_shares(against: _Against, pieces: list[Any], sample: Any, spread: float) -> None:
    """Of elements beyond one to four deviations, where there are enough to count."""
    n, m = against.mine.count, against.theirs.count
    sigmas = np.arange(1.0, 5.0)
    shares = (_shares_beyond(some, against.theirs.mean, sigmas * spread) for some in (pieces, [sample]))
    for sigma, mine, theirs in zip(sigmas, *shares, strict=True):
        pooled = (mine * n + theirs * m) / (n + m)
        if pooled * min(n, m) > 25:
            error, few = sqrt(pooled * (1 - pooled)) * against.error, LIMIT / n + LIMIT / m  # Bernstein's inequality
            against.check(f"share beyond {sigma:g} sigma", mine, theirs, error, few)


def _check_distinct(found: Verification, pieces: list[Any], sample: Any) -> None:
    """How many values the first elements have."""
    some = np.concatenate([np.ravel(piece)[:65536] for piece in pieces])[:65536]
    few = min(len(some), len(sample))
    distinct, expected = (len(np.unique(values[:few].astype(np.float64))) for values in (some, sample))
    found.checks["distinct values"] = f"{distinct} of {few} (sample: {expected})"
    if distinct < 0.9 * expected - 10:
        found.problems.append(f"{distinct} distinct values among {few} where a sample of the law has {expected}")


def _shares_beyond(pieces: list[Any], centre: float, distances: Any) -> list[float]:
    beyond = np.zeros(len(distances), np.int64)
    for piece in pieces:
        elements = piece.reshape(-1)
        for start in range(0, len(elements), PIECE):
            away = np.abs(elements[start : start + PIECE].astype(np.float64) - centre)
            beyond += [np.count_nonzero(away > distance) for distance in distances]
    return (beyond / sum(piece.size for piece in pieces)).tolist()


def _check_repeats(found: Verification, pieces: list[Any], many_values: bool, commonest: float) -> None:
    seen = repeats(pieces)
    found.checks["stretches of one value"] = seen.alike
    elements = sum(piece.size for piece in pieces)
    if seen.alike and log(elements) + (WINDOW - 1) * log(commonest) < -_CHANCE:
        problem = f"{seen.alike} windows of {WINDOW} equal neighbours (memory that was left unfilled?)"
        found.problems.append(problem)
    if not many_values:
        return
    found.sketch = seen.sketch
    found.checks["repeated stretches"] = seen.again
    if seen.again:
        places = f"from element {seen.first} on occur again from element {seen.second} on"
        found.problems.append(f"values {places} ({seen.again} windows)")


def sketch_of(pieces: list[Any]) -> tuple[int, ...]:
    """The sketch of a right array, whose own values tell whether its law has few."""
    some = np.concatenate([np.ravel(piece)[:_FEWEST] for piece in pieces])
    return repeats(pieces).sketch if len(some) and has_many_values(counts_of(some)) else ()


def check_structure(found: Verification, whole: Any, law: Law) -> None:
    """What ties the elements of an array, each part of one that is packed, if it is here as a whole."""
    parts = [] if whole is None or not whole.size else [whole]
    if isinstance(law, Packed):
        parts, law = [part for one in parts for part in law.parts_of(one)], law.law
    if isinstance(law, Orthogonal):
        _check_orthogonal(found, parts, law)
    elif isinstance(law, Sparse):
        _check_sparse(found, parts, law)


def _check_orthogonal(found: Verification, parts: list[Any], law: Orthogonal) -> None:
    """Orthonormal rows or columns, whichever are fewer, to the rounding of the dtype."""
    columns = law.out_axis
    if not parts or law.batch_axis != () or not isinstance(columns, int):
        found.checks["orthogonality"] = "not checked (of a part, or with several axes for one)"
        return
    away, dtype, square = 0.0, parts[0].dtype.name, law.gain**2
    for part in parts:
        matrix = np.moveaxis(part, columns, -1).reshape(-1, part.shape[columns]).astype(np.float64)
        matrix = matrix.T if matrix.shape[0] < matrix.shape[1] else matrix
        away = max(away, float(np.abs(matrix.T @ matrix - square * np.eye(matrix.shape[1])).max()))
    rounding = STEPS[dtype][1] * sqrt(len(matrix))  # of numbers so small that it is no longer relative to them
    allowed = square * {"float16": 2.0**-8, "bfloat16": 2.0**-5, "float64": 2.0**-40}.get(dtype, 2.0**-16)
    allowed += rounding * (law.gain + rounding)
    found.checks["distance from orthogonality"] = f"{away:.2g} (at most {allowed:.2g})"
    if not away <= allowed:
        found.problems.append(f"products of columns are {away:.2g} away from those of an orthogonal matrix")


def _check_sparse(found: Verification, parts: list[Any], law: Sparse) -> None:
    """The same number of zeros in every column, but for weights that the dtype rounds to zero."""
    if not parts:
        found.checks["zeros in each column"] = "not checked (of a part)"
        return
    rows = len(parts[0])
    wanted = law.zeros_of(rows)
    more = np.concatenate([np.sum(part == 0, axis=0) for part in parts]) - wanted
    found.checks["zeros in each column"] = f"{more.min() + wanted} to {more.max() + wanted} (should be {wanted})"
    if not law.scale:
        return
    rounded = erf(STEPS[parts[0].dtype.name][1] / 2 / (sqrt(2) * law.scale)) + 2.0**-20
    expected = rounded * (rows - wanted) * len(more)
    too_many = int(more.sum()) > expected + LIMIT * sqrt(expected) + LIMIT
    wrong = int(np.sum(more != 0 if too_many else more < 0))
    if wrong:
        found.problems.append(f"{wrong} columns have not the {wanted} zeros they should have")
