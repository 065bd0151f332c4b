"""Verification: whether an array, a shard or a set of shards has the law it is said to have, and the very bits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod, sqrt
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .arguments import refuse, unexpected
from .dtypes import kind_of
from .fill import draw
from .laws import DeltaOrthogonal, Law, Orthogonal, Sparse
from .layout import checked_shape, flat, part
from .machine import threads_limited, usually_rounded
from .records import Record
from .repeats import PIECE, WINDOW, bits_of, equal_windows, has_many_values, repeats
from .schemes import SchemeLike, scheme_of
from .streaming import Moments, Statistics, moments
from .typing import Index, Seed, Shape

#: A check fails beyond so many standard errors: at most 2e-9 of right arrays a check, 2e-8 in all.
LIMIT = 6.0
_SAMPLE = 1 << 22
#: Keywords that are not the scheme's.
_OWN = ("shape", "index", "seed", "name", "threads")
#: In units of the greatest element, for what a library of products rounds as it likes.
_ROUNDING = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-17, "float64": 2.0**-40}


@dataclass(eq=False, repr=False)
class Verification(Record):
    """What was found. It is true if nothing was wrong.

    Attributes
    ----------
    problems : list of str
        One line for each; empty if the array is what it is said to be.
    checks : dict
        Name of each check to what was measured.
    statistics : Statistics
        Moments of the array.
    sketch : tuple of int
        Hashes of some stretches of 16 values, the least of all there are: two arrays that share one have values in
        common. Empty where the law has few values, or every bit was compared and is right.
    """

    statistics: Statistics
    problems: list[str] = field(default_factory=list)
    checks: dict[str, Any] = field(default_factory=dict)
    sketch: tuple[int, ...] = ()

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # no type says so: typeshed ignores it for lists too

    @property
    def ok(self) -> bool:
        """Whether nothing was wrong."""
        return not self.problems

    def __bool__(self) -> bool:
        return self.ok

    @property
    def summary(self) -> str:
        """The problems in one line: the first, and how many more."""
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        return "".join(self.problems[:1]) + more

    def __str__(self) -> str:
        lines = [f"{name}: {value}" for name, value in self.checks.items()]
        return "\n".join(lines + [f"PROBLEM {problem}" for problem in self.problems] + ["ok" if self.ok else "not ok"])

    def __repr__(self) -> str:
        return f"Verification({self.statistics.count} elements, {'ok' if self.ok else f'not ok: {self.summary}'})"

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Verification:
        """That of which `to_dict` gives these."""
        statistics, sketch = Statistics.from_dict(found["statistics"]), tuple(found["sketch"])
        return cls(statistics, list(found["problems"]), dict(found["checks"]), sketch)


@usually_rounded
def verify(
    array: ArrayLike,
    scheme: SchemeLike | Law,
    *,
    shape: Shape | None = None,
    index: Index | list[Index] = None,
    seed: Seed = None,
    name: str = "",
    threads: int | None = None,
    **keywords: Any,
) -> Verification:
    """Does this array, or this part of one, have the law it claims?

    Where a seed is given every bit is compared. Where none is, or bits differ, its moments, tails and number of
    distinct values are compared with those of a sample that the scheme itself makes (under a seed of its own), and
    stretches that occur twice, as when two shards were filled alike, are looked for.

    Parameters
    ----------
    array : array_like or list of numpy.ndarray
        Of dtype float16, bfloat16, float32 or float64; a list where `index` is a list.
    scheme : str, Scheme, Law or callable
        The name of a law or scheme, one of `fastinit.laws`, or a callable like one.
    shape : sequence of int
        Shape of the whole array, if `array` is a part: the fan is taken from it.
    index : basic index, ``fi.flat[...]`` or list of these
        Which part `array` is.
    seed, name
        If `seed` is given, the stream that the array should come from.
    threads : int
        At most so many. None: see `set_num_threads`.
    **keywords
        Of the scheme: std, gain, in_axis, ...

    Returns
    -------
    Verification
        True if nothing was wrong.

    Raises
    ------
    ValueError, TypeError
        If the arguments do not belong together.

    Notes
    -----
    *False alarms*: each comparison allows six standard errors (2e-9 for a normal error); a comparison of bits has none.
    Below 1,000 elements the shape of the distribution is not looked at. That rows or columns are orthonormal, and how
    many zeros a column has, is checked of a whole array only.

    Examples
    --------
    >>> import fastinit as fi
    >>> W = fi.he_normal((1024, 512), seed=0, name="fc")
    >>> fi.verify(W, "he_normal", seed=0, name="fc").ok
    True
    >>> print(fi.verify(2 * W, "he_normal").problems[0])
    standard deviation 0.0883 where 0.0442 is claimed (721 standard errors away)
    """
    several: Any = array if isinstance(index, list) else [array]
    pieces = [np.asarray(piece) for piece in several]
    if not pieces or pieces[0].dtype.name not in ("float16", "float32", "float64", "bfloat16"):
        rule = "of dtype float16, bfloat16, float32 or float64 (a file's 16-bit items may be viewed as bfloat16)"
        refuse("array", rule, pieces[0].dtype.name if pieces else array, TypeError)
    kind = kind_of(pieces[0].dtype.name)
    pieces = [
        piece.astype(kind.dtype, copy=False) if piece.dtype.name == kind.dtype.name else piece for piece in pieces
    ]
    if shape is None and index is not None:
        refuse("shape", "given where index is: that of the whole", shape)
    lengths = checked_shape(pieces[0].shape if shape is None else shape)
    indices = index if isinstance(index, list) else [index]
    if len(indices) != len(pieces):
        refuse("array", f"a list of {len(indices)} arrays where index is a list", len(pieces))
    for piece, one in zip(pieces, indices, strict=True):
        expected = lengths if one is None else part(lengths, one).shape
        if piece.shape != expected or piece.dtype != kind.dtype:
            refuse("array", f"of shape {expected} and dtype {kind.dtype.name}", (piece.shape, piece.dtype.name))
    law = _claimed(scheme, lengths, keywords)
    with threads_limited(threads):
        return _verified(pieces, indices, _Claim(law, lengths, kind.dtype.name, seed, name))


def _verified(pieces: list[Any], indices: list[Any], claim: _Claim) -> Verification:
    law, whole = claim.law, pieces[0] if indices == [None] else None
    found = Verification(_moments_of(pieces))
    found.checks["elements"] = found.statistics.count
    right = False
    if found.statistics.nonfinite:
        found.problems.append(f"{found.statistics.nonfinite} elements are not finite")
    elif law.is_fixed or claim.seed is not None:
        right = _check_bits(found, pieces, claim, indices)
    if isinstance(law, Orthogonal):
        _check_orthogonal(found, whole, law)
    elif isinstance(law, Sparse):
        _check_sparse(found, whole, law)
    if not law.is_fixed and found.statistics.count and not right:
        sample = _sample(law, claim.lengths, min(max(found.statistics.count, 1024), _SAMPLE), claim.dtype)
        measured = found.statistics
        if isinstance(law, (Sparse, DeltaOrthogonal)):  # how many elements are zero is another question
            pieces, sample = [piece[piece != 0] for piece in pieces], sample[sample != 0]
            measured = _moments_of(pieces)
        if len(sample) and measured.count:
            _check_law(found, measured, pieces, sample)
            _check_repeats(found, pieces, sample)
    return found


def _claimed(scheme: Any, lengths: tuple[int, ...], keywords: dict[str, Any]) -> Law:
    known = scheme_of(scheme)
    if not known.is_called:
        unexpected("verify", keywords, (*known.parameters, *_OWN))
    return known.law_for(lengths, **keywords)


class _Claim(NamedTuple):
    """What an array is said to be: any part of it can be made."""

    law: Law
    lengths: tuple[int, ...]
    dtype: str
    seed: Any
    name: str

    def made(self, index: Any) -> Any:
        """What it is there."""
        return draw(self.law, self.lengths, seed=self.seed, name=self.name, dtype=self.dtype, index=index)


def _moments_of(pieces: list[Any]) -> Statistics:
    sums = Moments()
    for piece in pieces:
        sums.update(piece)
    return sums.result()


def _sample(law: Law, lengths: tuple[int, ...], count: int, dtype: str) -> Any:
    """Elements that the law gives that shape, about `count` (fewer if the array is smaller)."""
    if not law.can_be_cut:
        return np.ravel(draw(law, lengths, seed=2**127, name="verify", dtype=dtype))
    samples: list[Any] = []
    size = prod(lengths)
    while sum(map(len, samples)) < count:
        some = min(size, count - sum(map(len, samples)))
        samples.append(draw(law, lengths, seed=2**127 + len(samples), name="verify", dtype=dtype, index=flat[:some]))
    return np.concatenate(samples)


def _check_bits(found: Verification, pieces: list[Any], claim: _Claim, indices: list[Any]) -> bool:
    wrong = 0
    for piece, index in zip(pieces, indices, strict=True):
        for mine, theirs in _side_by_side(piece, claim, index):
            if claim.law.is_rounded:
                theirs = theirs.astype(float)
                allowed = _ROUNDING[claim.dtype] * np.max(np.abs(theirs), initial=0.0)
                wrong += int(np.sum(np.abs(mine.astype(float) - theirs) > allowed))
            else:
                wrong += int(np.sum(bits_of(mine) != bits_of(theirs)))
    found.checks["elements that differ"] = wrong
    if wrong:
        whose = "the scheme" if claim.seed is None else f"seed {claim.seed} and name {claim.name!r}"
        found.problems.append(f"{wrong} of {found.statistics.count} elements are not those of {whose}")
    return not wrong


def _side_by_side(piece: Any, claim: _Claim, index: Any) -> Iterator[tuple[Any, Any]]:
    """The array's elements and those the law gives, in pieces where it can be cut."""
    if index is not None or not claim.law.can_be_cut or not piece.flags.c_contiguous:
        yield np.atleast_1d(piece), np.atleast_1d(claim.made(index))
        return
    elements = piece.reshape(-1)
    for start in range(0, len(elements), PIECE):
        some = slice(start, min(start + PIECE, len(elements)))
        yield elements[some], claim.made(flat[some])


def _check_orthogonal(found: Verification, whole: Any, law: Orthogonal) -> None:
    """Orthonormal rows or columns, whichever are fewer, to the rounding of the dtype."""
    columns = law.out_axis
    if whole is None or not whole.size or law.batch_axis != () or not isinstance(columns, int):
        found.checks["orthogonality"] = "not checked (of a part, or with several axes for one)"
        return
    matrix = np.moveaxis(whole, columns, -1).reshape(-1, whole.shape[columns]).astype(np.float64)
    matrix = matrix.T if matrix.shape[0] < matrix.shape[1] else matrix
    square = law.gain**2
    away = float(np.abs(matrix.T @ matrix - square * np.eye(matrix.shape[1])).max())
    allowed = square * {"float16": 2.0**-8, "bfloat16": 2.0**-5, "float64": 2.0**-40}.get(whole.dtype.name, 2.0**-16)
    found.checks["distance from orthogonality"] = f"{away:.2g} (at most {allowed:.2g})"
    if away > allowed:
        found.problems.append(f"products of columns are {away:.2g} away from those of an orthogonal matrix")


def _check_sparse(found: Verification, whole: Any, law: Sparse) -> None:
    """The same number of zeros in every column."""
    if whole is None or not whole.size:
        found.checks["zeros in each column"] = "not checked (of a part)"
        return
    wanted, zeros_there = law.zeros_of(whole.shape[0]), np.sum(whole == 0, axis=0)
    found.checks["zeros in each column"] = f"{zeros_there.min()} to {zeros_there.max()} (should be {wanted})"
    if law.scale and not (zeros_there == wanted).all():
        found.problems.append(
            f"{int(np.sum(zeros_there != wanted))} columns have not the {wanted} zeros they should have"
        )


def _check_law(found: Verification, s: Statistics, pieces: list[Any], sample: Any) -> None:
    """Moments (`s`), extremes, tails and distinct values against a sample."""
    claimed = _moments_of([sample])
    n, m, variance = s.count, claimed.count, claimed.variance
    error = sqrt(1 / n + 1 / m)
    kurtosis = claimed.kurtosis if claimed.kurtosis == claimed.kurtosis else 3.0
    spread = sqrt(variance) or 1.0

    def compare(what: str, measured: float, expected: float, standard_error: float) -> None:
        away = abs(measured - expected) / standard_error if standard_error else 0.0
        found.checks[what] = f"{measured:.4g} (sample: {expected:.4g}, {away:.1f} standard errors)"
        if away > LIMIT:
            found.problems.append(
                f"{what} {measured:.3g} where {expected:.3g} is claimed ({away:.0f} standard errors away)"
            )

    if s.count > 1 and s.variance == 0 < variance:
        found.problems.append(f"all {s.count} elements are {s.mean:.4g}")
    compare("mean", s.mean, claimed.mean, spread * error)
    compare("standard deviation", s.std, claimed.std, 0.5 * spread * sqrt(max(kurtosis - 1, 0.1)) * error)
    reach, extreme = (max(abs(one.minimum), abs(one.maximum)) for one in (claimed, s))
    found.checks["greatest absolute value"] = f"{extreme:.4g} (sample: {reach:.4g})"
    if extreme > 2 * reach:
        found.problems.append(f"greatest absolute value {extreme:.4g} where a sample of the law has {reach:.4g}")
    if s.count < 1000:
        found.checks["too few elements for"] = "skewness, kurtosis, tails, distinct values"
        return
    if s.variance > 0 and s.count >= 20_000:
        # For a normal sqrt(6) and sqrt(24), here doubled; for laws with longer tails what the sample itself shows.
        seen = moments(sample[: len(sample) // 32 * 32].reshape(32, -1), axis=1)
        scatter = [float(np.std(shape)) * sqrt(m / 32) for shape in (seen.skewness, seen.kurtosis)]
        compare("skewness", s.skewness, claimed.skewness, max(sqrt(24.0), scatter[0]) * error)
        compare("kurtosis", s.kurtosis, claimed.kurtosis, max(sqrt(96.0), scatter[1]) * error)
    sigmas = np.arange(1.0, 5.0)
    shares = (_shares_beyond(some, claimed.mean, sigmas * spread) for some in (pieces, [sample]))
    for sigma, mine, theirs in zip(sigmas, *shares, strict=True):
        pooled = (mine * n + theirs * m) / (n + m)
        if pooled * min(n, m) > 25:
            compare(f"share beyond {sigma:g} sigma", mine, theirs, sqrt(pooled * (1 - pooled)) * error)
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


def _check_repeats(found: Verification, pieces: list[Any], sample: Any) -> None:
    seen = repeats(pieces)
    found.checks["stretches of one value"] = seen.alike
    if seen.alike and not equal_windows(bits_of(sample)):  # as those of a law with few values are
        problem = f"{seen.alike} windows of {WINDOW} equal neighbours (memory that was left unfilled?)"
        found.problems.append(problem)
    if not has_many_values(sample):
        return
    found.sketch = seen.sketch
    found.checks["repeated stretches"] = seen.again
    if seen.again:
        places = f"from element {seen.first} on occur again from element {seen.second} on"
        found.problems.append(f"values {places} ({seen.again} windows)")
