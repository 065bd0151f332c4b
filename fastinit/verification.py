"""Verification: whether an array, a shard or a set of shards has the law it is said to have, and the very bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .arguments import Words, refuse, unexpected
from .comparison import STEPS, check_structure, compare, moments_of
from .dtypes import NAMES, kind_of
from .fill import draw
from .findings import DIFFER, OF_ANOTHER, Verification
from .laws import Law
from .layout import checked_shape, flat, overlapping, part, unmasked
from .machine import threads_limited, usually_rounded
from .repeats import PIECE, bits_of
from .schemes import SchemeLike, scheme_of
from .stream import encoded
from .typing import Index, Seed, Shape

#: Keywords that are not the scheme's.
_OWN = ("shape", "index", "seed", "name", "threads")
#: In units of the greatest element, for what a library of products rounds as it likes.
_ROUNDING = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-17, "float64": 2.0**-40}


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
        True if nothing was wrong; of an array without elements too, whose report says that nothing was checked.

    Raises
    ------
    ValueError, TypeError
        If the arguments do not belong together.

    Notes
    -----
    *False alarms*: each comparison allows six standard errors (2e-9 for a normal error), and what the farthest of the
    elements may do to it alone; a comparison of bits has none. Below 1,000 elements the shape of the distribution is
    not looked at, and that of a law with long tails only by shares. That rows or columns are orthonormal, and how many
    zeros a column has, is checked of a whole array only.

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
    pieces = [unmasked("array", piece) for piece in several]
    if not pieces or pieces[0].dtype.name not in NAMES:
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
    parts = [part(lengths, ... if one is None else one) for one in indices]
    for piece, one in zip(pieces, parts, strict=True):
        if piece.shape != one.shape or piece.dtype != kind.dtype:
            refuse("array", f"of shape {one.shape} and dtype {kind.dtype.name}", (piece.shape, piece.dtype.name))
    encoded(name)
    law = _claimed(scheme, lengths, keywords)
    if seed is None and not law.is_fixed and (pair := overlapping(parts)):
        got = Words(f"parts {pair[0]} and {pair[1]}, which do")
        refuse("index", "of parts that do not overlap, where no seed is given", got)
    with threads_limited(threads), np.errstate(all="ignore"):  # of what memory that nobody filled may hold
        return _verified(pieces, indices, _Claim(law, lengths, kind.dtype.name, seed, name))


def _verified(pieces: list[Any], indices: list[Any], claim: _Claim) -> Verification:
    found = Verification(moments_of(pieces))
    found.checks["elements"] = found.statistics.count
    if not found.statistics.count:
        found.checks["not checked"] = "anything: there are no elements"
        return found
    wrong: int | None = None
    if found.statistics.nonfinite:
        found.problems.append(f"{found.statistics.nonfinite} elements are not finite")
    elif claim.law.is_fixed or claim.seed is not None:
        wrong = found.checks[DIFFER] = _wrong_bits(pieces, claim, indices)
    if wrong != 0:
        check_structure(found, pieces[0] if indices == [None] else None, claim.law)
        if not claim.law.is_fixed:
            compare(found, pieces, claim.law, claim.lengths, claim.dtype)
    if wrong:
        _tell_bits(found, wrong, claim)
    return found


def _tell_bits(found: Verification, wrong: int, claim: _Claim) -> None:
    """After the cause, where the law knows one: a seed alone does not make zeros, or twice the scale."""
    whose = "the scheme" if claim.seed is None else f"seed {claim.seed} and name {claim.name!r}"
    problem = f"{wrong} of {found.statistics.count} elements are not those of {whose}"
    if not (found.problems or claim.law.is_fixed) and 2 * wrong > found.statistics.count:
        problem = f"{OF_ANOTHER} ({problem})"
    found.problems.insert(1, problem)


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
        made = draw(self.law, self.lengths, seed=self.seed, name=self.name, dtype=self.dtype, index=index)
        return np.asarray(made, kind_of(self.dtype).dtype)  # a user's function may have made another dtype


def _wrong_bits(pieces: list[Any], claim: _Claim, indices: list[Any]) -> int:
    """How many elements have not their bits, or of a law that is rounded are not nearly those of the claim."""
    wrong = 0
    for piece, index in zip(pieces, indices, strict=True):
        for mine, theirs in _side_by_side(piece, claim, index):
            if claim.law.is_rounded:
                theirs = theirs.astype(float)
                allowed = max(_ROUNDING[claim.dtype] * np.max(np.abs(theirs), initial=0.0), STEPS[claim.dtype][1])
                wrong += int(np.sum(np.abs(mine.astype(float) - theirs) > allowed))
            else:
                wrong += int(np.sum(bits_of(mine) != bits_of(theirs)))
    return wrong


def _side_by_side(piece: Any, claim: _Claim, index: Any) -> Iterator[tuple[Any, Any]]:
    """The array's elements and those the law gives, in pieces where it can be cut."""
    if index is not None or not claim.law.can_be_cut or not piece.flags.c_contiguous:
        yield np.atleast_1d(piece), np.atleast_1d(claim.made(index))
        return
    elements = piece.reshape(-1)
    for start in range(0, len(elements), PIECE):
        some = slice(start, min(start + PIECE, len(elements)))
        yield elements[some], claim.made(flat[some])
