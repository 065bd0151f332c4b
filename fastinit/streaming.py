"""Streaming: the moments of a sequence that may come in pieces, and of the rows of an array."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from .arguments import integer, names_nearest, refuse
from .dtypes import NAMES, Kind, kind_of
from .layout import unmasked
from .machine import threads_for, usually_rounded
from .records import Record, plain, real_array, real_number
from .scaling import checked_axes

#: Elements of a row that the core reads without looking for Ctrl-C; and those that are copied for it, into a buffer
#: that stays in the second-level cache.
_READ, _COPIED = 1 << 24, 1 << 18


class _Numbers(NamedTuple):
    """The fields of `Statistics`."""

    count: Any
    mean: Any
    variance: Any
    std: Any
    skewness: Any
    kurtosis: Any
    minimum: Any
    maximum: Any
    zeros: Any
    nonfinite: Any


class Statistics(Record, _Numbers):
    """Moments of some elements: numbers, or arrays of them. Variance has ddof 0; a normal's kurtosis (Pearson's) is 3.

    A NaN or an infinity among the elements is counted in `nonfinite` and propagates as in NumPy. Of no elements the
    mean is NaN. `skewness` and `kurtosis` are None where order is 2.
    """

    def to_dict(self) -> dict[str, Any]:
        """The numbers by name, without those that are None; arrays are lists, NaN is None."""
        return {name: plain(value) for name, value in self._asdict().items() if value is not None}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Statistics:
        """That of which `to_dict` gives these."""
        read = {name: _read(name, found[name]) for name in cls._fields if name in found}
        return cls(**dict.fromkeys(_HIGHER) | read)


#: The fields that are integers, and those that only order 4 has.
_COUNTS, _HIGHER = ("count", "zeros", "nonfinite"), ("skewness", "kurtosis")


def _read(name: str, value: Any) -> Any:
    counts = name in _COUNTS
    if isinstance(value, list):
        return np.array(value, np.int64) if counts else real_array(value)
    return value if counts else real_number(value)


def _elements(x: Any) -> tuple[Kind, np.ndarray[Any, Any]]:
    """`x` as an array, and the kind that its elements are read as: their own, or float64 of integers and the like."""
    array = unmasked("x", x)
    name = array.dtype.type.__name__
    if name in NAMES:
        return kind_of(name), array
    if array.dtype.kind not in "buif":
        refuse("x", "an array of real numbers", array.dtype.name, TypeError)
    return kind_of("float64"), array


def _readable(array: np.ndarray[Any, Any], kind: Kind) -> bool:
    """Whether the core can read the elements where they are."""
    return array.dtype == kind.dtype and array.flags.aligned


def _pieces(array: np.ndarray[Any, Any], kind: Kind) -> Iterable[np.ndarray[Any, Any]]:
    """The elements in C order, in arrays that the core can read: itself, or one after the other in a buffer."""
    if _readable(array, kind):
        return (array,)
    if array.size <= _COPIED:
        return (array.astype(kind.dtype),)
    copied: Any = ["readonly", "contig", "aligned", "nbo"]  # NumPy's own types misspell the second
    pieces: Any = np.nditer(
        [array],
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_flags=[copied],
        op_dtypes=[kind.dtype],
        order="C",
        casting="same_kind",
        buffersize=_COPIED,
    )
    return iter(pieces)


def _checked_order(order: Any) -> Literal[2, 4]:
    if integer("order", order, 2, 5) == 3:
        refuse("order", "2 or 4", order)
    return 2 if order == 2 else 4


class Moments:
    """Moments of a sequence that comes in pieces.

    Parameters
    ----------
    order : {4, 2}
        2 leaves out skewness and kurtosis, and runs at the speed of reading.

    Raises
    ------
    ValueError, TypeError
        If `order` is neither.

    Notes
    -----
    The result of `update` depends on the sequence of elements alone: not on threads, instructions, or how the calls cut
    it. Elements are summed in blocks of 4096 about the block's mean, in float64 (third and fourth powers of elements of
    at most 32 bits: in float32 over 16 elements a lane, then in float64), and blocks are merged as a binary counter
    counts. Where powers of very small or large elements would leave the range of float64, sums are in units of a power
    of two: the deviation, skewness and kurtosis are right even where the variance underflows or overflows. Where the
    sum of a block overflows, of float64 elements beyond 2**1011, the mean is infinite, as NumPy's is, and what is about
    it NaN.

    *Error*: let u = 2**-53, and w = 2**-24 for third and fourth powers of elements of at most 32 bits, w = u otherwise.
    A power of a deviation has at most 7 roundings and a group's sum 15 more, so that a block's central sums are right
    to 22 w + 300 u of the sum of absolute powers; each doubling of the length after that adds a few u.

    A fork waits until the threads that are updating accumulators are done. What is no array of floats is read through a
    buffer of 2**18 elements; floats that do not lie in C order through one of 2**16 a thread.

    *Reference*: Pébay, "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order
    statistical moments", SAND2008-6212, 2008.

    Examples
    --------
    >>> import fastinit as fi
    >>> m = fi.Moments()
    >>> m.update([1.0, 2.0]).update([3.0, 4.0]).variance
    1.25
    """

    count: int
    mean: float
    variance: float
    std: float
    skewness: float | None
    kurtosis: float | None
    minimum: float
    maximum: float
    zeros: int
    nonfinite: int

    def __init__(self, order: Literal[2, 4] = 4) -> None:
        self._order = _checked_order(order)
        self._sums = _core.Accumulator(self._order)

    @property
    def order(self) -> Literal[2, 4]:
        """4, or 2."""
        return self._order

    def __copy__(self) -> Moments:
        return copy.deepcopy(self)

    def update(self, x: ArrayLike, *, threads: int | None = None) -> Moments:
        """Take in the elements of `x`, in C order; returns the accumulator itself.

        Ctrl-C is seen within some hundredths of a second; `count` then says how many have been taken in.
        """
        return self if self._sums.update_few(x, threads) else self._update(x, threads)

    @usually_rounded
    def _update(self, x: ArrayLike, threads: int | None) -> Moments:
        kind, array = _elements(x)
        for piece in _pieces(array, kind):
            self._sums.update(kind.code, piece, threads_for(threads))
        return self

    def result(self) -> Statistics:
        """All moments of what has been taken in."""
        return Statistics._make(self._sums.statistics())

    def __add__(self, other: Moments) -> Moments:
        """A new accumulator of both sequences.

        Mean and variance agree with one pass over them to 1e-12 relative, as do skewness and kurtosis of float64
        elements; of others these agree to the error of a block, which cuts at other places have anew.
        """
        if not isinstance(other, Moments):
            return NotImplemented
        if other.order != self.order:
            refuse("order", f"the same on both sides ({self.order})", other.order)
        both = Moments(self.order)
        both._sums.merge(self._sums)
        both._sums.merge(other._sums)
        return both

    def __radd__(self, other: int) -> Moments:
        """That of ``sum(accumulators)``, which begins with the integer 0."""
        if type(other) is not int or other:
            return NotImplemented
        return self + Moments(self.order)

    if not TYPE_CHECKING:  # which would find any name

        def __getattr__(self, name: str) -> Any:
            if name in Statistics._fields:
                return getattr(self.result(), name)
            raise AttributeError(f"`Moments` has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"Moments(order={self.order}, {self.result()})"


@names_nearest
def moments(
    x: ArrayLike, axis: int | Sequence[int] | None = None, order: Literal[2, 4] = 4, *, threads: int | None = None
) -> Statistics:
    """Moments of an array, or along some of its axes, in one pass.

    Parameters
    ----------
    x : array_like
        Real numbers.
    axis : None, int or tuple of int
        The axes to go over. None: all.
    order : {4, 2}
        2 leaves out skewness and kurtosis.
    threads : int
        See `set_num_threads`.

    Returns
    -------
    Statistics
        Numbers; with `axis`, arrays over the axes that are left.

    Raises
    ------
    ValueError, TypeError
        If an argument breaks its rule.

    Examples
    --------
    >>> import fastinit as fi
    >>> fi.moments([[1.0, 2.0], [3.0, 5.0]], axis=0).mean
    array([2. , 3.5])
    """
    few = _core.moments_of_few(x, order, threads) if axis is None else None
    return _moments(x, axis, order, threads) if few is None else Statistics._make(few)


@usually_rounded
def _moments(x: ArrayLike, axis: Any, order: Any, threads: int | None) -> Statistics:
    order = _checked_order(order)
    kind, array = _elements(x)
    axes: Sequence[int] = range(array.ndim)
    if axis is not None:
        axes = np.lib.array_utils.normalize_axis_tuple(checked_axes("axis", axis), array.ndim, "axis")
    kept = [position for position in range(array.ndim) if position not in axes]
    moved = array.transpose(*kept, *axes)
    if not kept:
        return Moments(order).update(moved, threads=threads).result()
    shape = moved.shape[: len(kept)]
    rows, length = prod(shape), prod(moved.shape[len(kept) :])
    if _readable(moved, kind) and length <= _READ:
        numbers = _core.moments_of_rows(order, kind.code, moved, len(kept), threads_for(threads))
    elif length > _COPIED:
        numbers = np.empty((rows, len(Statistics._fields)))
        for row, place in enumerate(np.ndindex(shape)):
            numbers[row] = Moments(order).update(moved[place], threads=threads)._sums.statistics()
    else:
        numbers = np.empty((rows, len(Statistics._fields)))
        together = _COPIED // max(length, 1)
        for first in range(0, rows, together):
            some = slice(first, min(first + together, rows))
            places = np.unravel_index(np.arange(some.start, some.stop), shape)
            copied = np.require(moved[places], kind.dtype, "A")
            numbers[some] = _core.moments_of_rows(order, kind.code, copied, 1, threads_for(threads))

    def told(name: str, column: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
        if order == 2 and name in _HIGHER:
            return None
        return column.astype(np.int64 if name in _COUNTS else np.float64).reshape(shape)

    return Statistics._make(map(told, Statistics._fields, numbers.T))
