"""Verification: whether an array, a shard or a set of shards has the law it is said to have, and the very bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil, prod, sqrt
from typing import Any

import numpy as np

from .arguments import refuse
from .deterministic import constant, dirac, identity, ones, zeros
from .fill import kind_of
from .layout import checked_shape, flat, part
from .records import Record
from .schemes import scheme_of
from .streaming import Moments, Statistics, moments
from .structured import delta_orthogonal, orthogonal, sparse

#: A check fails beyond so many standard errors: at most 2e-9 of right arrays a check, 2e-8 in all.
LIMIT = 6.0
#: Elements that are worked on together: their 64-bit hashes stay in the cache.
_PIECE = 1 << 15
_SAMPLE = 1 << 22
_WINDOW = 16
#: Stretches are compared where two values of the law are equal less often: a window so by chance once in 2**96.
_ALIKE = 1 / 64
_SKETCH = 32
_FIXED = (constant, zeros, ones, identity, dirac)
_MADE_WHOLE = (orthogonal, delta_orthogonal, sparse)


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

    __hash__ = None  # type: ignore[assignment]

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


def verify(
    array: Any,
    scheme: str | Callable[..., Any],
    *,
    shape: Any = None,
    index: Any = None,
    seed: Any = None,
    name: str = "",
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
    scheme : str or callable
        The name of a law or scheme, or a callable like one.
    shape : sequence of int
        Shape of the whole array, if `array` is a part: the fan is taken from it.
    index : basic index, ``fi.flat[...]`` or list of these
        Which part `array` is.
    seed, name
        If `seed` is given, the stream that the array should come from.
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
    make = scheme_of(scheme)
    pieces = list(array) if isinstance(index, list) else [array]
    pieces = [np.asarray(piece) for piece in pieces]
    if not pieces or pieces[0].dtype.name not in ("float16", "float32", "float64", "bfloat16"):
        rule = "of dtype float16, bfloat16, float32 or float64 (a file's 16-bit items may be viewed as bfloat16)"
        refuse("array", rule, pieces[0].dtype.name if pieces else array, TypeError)
    kind = kind_of(pieces[0].dtype.name)
    pieces = [
        piece.astype(kind.dtype, copy=False) if piece.dtype.name == kind.dtype.name else piece for piece in pieces
    ]
    lengths = checked_shape(pieces[0].shape if shape is None else shape)
    indices = index if isinstance(index, list) else [index]
    if len(indices) != len(pieces):
        refuse("array", f"a list of {len(indices)} arrays where index is a list", len(pieces))
    for piece, one in zip(pieces, indices, strict=True):
        expected = lengths if one is None else part(lengths, one).shape
        if piece.shape != expected or piece.dtype != kind.dtype:
            refuse("array", f"of shape {expected} and dtype {kind.dtype.name}", (piece.shape, piece.dtype.name))
    keywords = {"dtype": kind.dtype.name, **keywords}
    found = Verification(_moments_of(pieces))
    found.checks["elements"] = found.statistics.count
    right = False
    if found.statistics.nonfinite:
        found.problems.append(f"{found.statistics.nonfinite} elements are not finite")
    elif make in _FIXED or seed is not None:
        right = _check_bits(found, pieces, make, lengths, indices, {"seed": seed, "name": name, **keywords})
    if make in _STRUCTURED:
        _STRUCTURED[make](found, pieces[0] if index is None else None, keywords)
    if make not in _FIXED and found.statistics.count and not right:
        sample = _sample(make, lengths, min(max(found.statistics.count, 1024), _SAMPLE), keywords)
        measured = found.statistics
        if make in (sparse, delta_orthogonal):  # of the elements that are not zero; how many are is another question
            pieces, sample = [piece[piece != 0] for piece in pieces], sample[sample != 0]
            measured = _moments_of(pieces)
        if len(sample) and measured.count:
            _check_law(found, measured, pieces, sample)
            _check_repeats(found, pieces, sample)
    return found


def _moments_of(pieces: list[Any]) -> Statistics:
    sums = Moments()
    for piece in pieces:
        sums.update(piece)
    return sums.result()


def _sample(make: Callable[..., Any], lengths: tuple[int, ...], count: int, keywords: dict[str, Any]) -> Any:
    """Elements that the scheme makes for that shape, about `count` (fewer if the array is smaller)."""
    if make in _MADE_WHOLE:
        return np.ravel(make(lengths, seed=2**127, name="verify", **keywords))
    samples = []
    size = prod(lengths)
    while sum(map(len, samples)) < count:
        some = min(size, count - sum(map(len, samples)))
        samples.append(make(lengths, seed=2**127 + len(samples), name="verify", index=flat[:some], **keywords))
    return np.concatenate(samples)


def _check_bits(
    found: Verification,
    pieces: list[Any],
    make: Callable[..., Any],
    lengths: tuple[int, ...],
    indices: list[Any],
    keywords: dict[str, Any],
) -> bool:
    # The library of products rounds as it likes: in units of the greatest element.
    rounding = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float64": 2.0**-40}.get(pieces[0].dtype.name, 2.0**-17)
    wrong = 0
    for piece, index in zip(pieces, indices, strict=True):
        for mine, theirs in _side_by_side(piece, make, lengths, index, keywords):
            if make in (orthogonal, delta_orthogonal):
                theirs = theirs.astype(float)
                allowed = rounding * np.max(np.abs(theirs), initial=0.0)
                wrong += int(np.sum(np.abs(mine.astype(float) - theirs) > allowed))
            else:
                wrong += int(np.sum(_bits(mine) != _bits(theirs)))
    found.checks["elements that differ"] = wrong
    if wrong:
        whose = "the scheme" if keywords["seed"] is None else f"seed {keywords['seed']} and name {keywords['name']!r}"
        found.problems.append(f"{wrong} of {found.statistics.count} elements are not those of {whose}")
    return not wrong


def _side_by_side(
    piece: Any, make: Callable[..., Any], lengths: tuple[int, ...], index: Any, keywords: dict[str, Any]
) -> Iterator[tuple[Any, Any]]:
    """The array's elements and those the scheme makes, in pieces where the scheme can be cut."""
    if index is not None or make in _MADE_WHOLE or not piece.flags.c_contiguous:
        yield np.atleast_1d(piece), np.atleast_1d(make(lengths, index=index, **keywords))
        return
    elements = piece.reshape(-1)
    for start in range(0, len(elements), _PIECE):
        some = slice(start, min(start + _PIECE, len(elements)))
        yield elements[some], make(lengths, index=flat[some], **keywords)


def _check_orthogonal(found: Verification, whole: Any, keywords: dict[str, Any]) -> None:
    """Orthonormal rows or columns, whichever are fewer, to the rounding of the dtype."""
    columns = keywords.get("out_axis", -1)
    if whole is None or not whole.size or "batch_axis" in keywords or not isinstance(columns, int):
        found.checks["orthogonality"] = "not checked (of a part, or with several axes for one)"
        return
    matrix = np.moveaxis(whole, columns, -1).reshape(-1, whole.shape[columns]).astype(np.float64)
    matrix = matrix.T if matrix.shape[0] < matrix.shape[1] else matrix
    square = float(keywords.get("gain", 1.0)) ** 2
    away = float(np.abs(matrix.T @ matrix - square * np.eye(matrix.shape[1])).max())
    allowed = square * {"float16": 2.0**-8, "bfloat16": 2.0**-5, "float64": 2.0**-40}.get(whole.dtype.name, 2.0**-16)
    found.checks["distance from orthogonality"] = f"{away:.2g} (at most {allowed:.2g})"
    if away > allowed:
        found.problems.append(f"products of columns are {away:.2g} away from those of an orthogonal matrix")


def _check_sparse(found: Verification, whole: Any, keywords: dict[str, Any]) -> None:
    """The same number of zeros in every column."""
    if whole is None or not whole.size or "sparsity" not in keywords:
        found.checks["zeros in each column"] = "not checked (of a part)"
        return
    wanted, zeros_there = ceil(keywords["sparsity"] * whole.shape[0]), np.sum(whole == 0, axis=0)
    found.checks["zeros in each column"] = f"{zeros_there.min()} to {zeros_there.max()} (should be {wanted})"
    if keywords.get("std", 0.01) and not (zeros_there == wanted).all():
        found.problems.append(
            f"{int(np.sum(zeros_there != wanted))} columns have not the {wanted} zeros they should have"
        )


_STRUCTURED = {orthogonal: _check_orthogonal, sparse: _check_sparse}


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
        for start in range(0, len(elements), _PIECE):
            away = np.abs(elements[start : start + _PIECE].astype(np.float64) - centre)
            beyond += [np.count_nonzero(away > distance) for distance in distances]
    return (beyond / sum(piece.size for piece in pieces)).tolist()


def _check_repeats(found: Verification, pieces: list[Any], sample: Any) -> None:
    """Stretches of a few hundred values or more that occur twice, wherever they begin.

    Windows of 16 values are hashed; those whose hash is 0 mod 64 are kept, so that equal stretches keep the same ones.
    """
    hashes, places = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    sketch = hashes[0]
    done = alike = 0
    for piece in pieces:
        bits = _bits(piece)
        for start in range(0, len(bits) - _WINDOW + 1, _PIECE):
            some = bits[start : start + _PIECE + _WINDOW - 1]
            alike += _equal_windows(some)
            window = _window_hashes(some)
            few = window if len(sketch) < _SKETCH else window[window < sketch[-1]]
            sketch = np.unique(np.concatenate([sketch, few]))[:_SKETCH]
            kept = np.flatnonzero(window & np.uint64(63) == 0)
            hashes.append(window[kept])
            places.append(kept + start + done)
        done += len(bits)
    found.checks["stretches of one value"] = alike
    if alike and not _equal_windows(_bits(sample)):  # as those of a law with few values are
        found.problems.append(f"{alike} windows of {_WINDOW} equal neighbours (memory that was left unfilled?)")
    if _chance_alike(_bits(sample)) > _ALIKE:
        return
    found.sketch = tuple(sketch.tolist())
    all_hashes, all_places = np.concatenate(hashes), np.concatenate(places)
    order = np.argsort(all_hashes, kind="stable")
    same = np.flatnonzero(all_hashes[order][1:] == all_hashes[order][:-1])
    found.checks["repeated stretches"] = len(same)
    if len(same):
        first, second = all_places[order][same[0]], all_places[order][same[0] + 1]
        found.problems.append(
            f"values from element {first} on occur again from element {second} on ({len(same)} windows)"
        )


def _chance_alike(bits: Any) -> float:
    """How often two of these values are equal."""
    counts = np.unique(bits[:65536], return_counts=True)[1].astype(float)
    return float(np.sum(counts * (counts - 1))) / max(1.0, float(np.sum(counts)) ** 2)


def _bits(array: Any) -> Any:
    return np.ascontiguousarray(array).reshape(-1).view(f"u{array.itemsize}")


def _equal_windows(bits: Any) -> int:
    equal, step = bits[1:] == bits[:-1], 1
    while step < _WINDOW and len(equal) > step:
        equal = equal[:-step] & equal[step:]
        step *= 2
    return int(np.sum(equal)) if step == _WINDOW else 0


def _window_hashes(bits: Any) -> Any:
    """A hash of each 16 neighbours: a polynomial in an odd constant, mixed so that its low bits depend on all."""
    factor = 0x9E3779B97F4A7C15
    values = (bits.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD6E8FEB86659FD93)
    values ^= values >> np.uint64(32)
    step = 1
    while step < _WINDOW and len(values) > step:
        values = values[:-step] * np.uint64(pow(factor, step, 2**64)) + values[step:]
        step *= 2
    values ^= values >> np.uint64(29)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    return values ^ values >> np.uint64(32)
