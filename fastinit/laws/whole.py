"""Whole: structures that can only be made whole, `Orthogonal`, `DeltaOrthogonal` and `Sparse`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from math import ceil, prod
from typing import Any, ClassVar

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple
from numpy.lib.stride_tricks import as_strided

from .. import _core
from ..arguments import real, refuse
from ..dtypes import Kind
from ..layout import in_parts
from ..machine import usually_rounded
from ..scaling import Axes, checked_axes, checked_gain, fan_pair
from ..stream import encoded, stream_key
from .haar import fill_orthogonal
from .independent import Normal
from .law import Fill, set_argument
from .structures import Gained, Structure

Array = np.ndarray[Any, Any]

#: Elements of the keys that are ranked together.
_RANKED = 1 << 19


class Whole(Structure):
    """A law whose arrays can only be made whole: check raises where there is none, build fills one in C order."""

    can_be_cut = False
    __slots__ = ()

    def check(self, lengths: tuple[int, ...], kind: Kind) -> None:
        """Raise where there is no such array."""
        raise TypeError(type(self).__name__)

    def build(self, array: Array, kind: Kind, seed: int, name: str, threads: int) -> None:
        """Fill a C-contiguous array."""
        raise TypeError(type(self).__name__)

    def array(self, lengths: tuple[int, ...], kind: Kind, seed: int, name: str, threads: int) -> Array:
        self.check(lengths, kind)
        made = np.empty(lengths, kind.dtype)
        self.build(made, kind, seed, name, threads)
        return made

    def fills(self, lengths: tuple[int, ...], kind: Kind, seed: int, name: str, threads: int) -> Fill:
        self.check(lengths, kind)
        encoded(name)  # one that is none is refused before anything is made
        return _cut_from(lambda array: self.build(array, kind, seed, name, threads), lengths, kind)


def _cut_from(build: Callable[[Array], None], lengths: tuple[int, ...], kind: Kind) -> Fill:
    """What fills with an array that can only be made whole, by build(array), or with parts that are cut from it."""

    def whole() -> Array:
        array = np.empty(lengths, kind.dtype)
        build(array)
        return array

    made = cache(whole)

    def fill(target: Array, first: int, steps: tuple[int, ...] | None) -> None:
        if steps is None:
            build(target)
        else:
            strides = [step * target.itemsize for step in steps]
            source = as_strided(made().reshape(-1)[first:], target.shape, strides, writeable=False)
            for piece, some in in_parts(target, source):
                piece[...] = some

    return fill


def _checked_gain(kind: Kind, gain: float) -> None:
    """Elements that rounding has left a little above the gain must not overflow."""
    if 1.001 * gain > kind.greatest:
        refuse("gain", f"small enough for the values to stay below {kind.greatest:.6g} in {kind.dtype.name}", gain)


class Orthogonal(Gained, Whole):
    """Orthonormal rows or columns, whichever are fewer, times `gain`, uniform among all such matrices."""

    name: ClassVar[str] = "orthogonal"
    stream: ClassVar[str] = "orthogonal"
    arguments: ClassVar[tuple[str, ...]] = ("gain", "in_axis", "out_axis", "batch_axis")
    is_rounded = True
    least_axes = 2
    mean: ClassVar[float] = 0.0
    __slots__ = ("batch_axis", "gain", "in_axis", "out_axis")
    gain: float
    in_axis: Axes
    out_axis: Axes
    batch_axis: Axes

    def __init__(self, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = ()) -> None:
        set_argument(self, "gain", checked_gain(gain))
        for key, axes in (("in_axis", in_axis), ("out_axis", out_axis), ("batch_axis", batch_axis)):
            set_argument(self, key, checked_axes(key, axes))

    def sides(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Rows and columns of the matrices."""
        columns, batch = (normalize_axis_tuple(axes, len(shape)) for axes in (self.out_axis, self.batch_axis))
        height = prod(length for axis, length in enumerate(shape) if axis not in (*columns, *batch))
        return height, prod(shape[axis] for axis in columns)

    @usually_rounded
    def deviation(self, shape: tuple[int, ...]) -> float:
        return self.gain / math.sqrt(max(self.sides(shape)) or 1)

    @usually_rounded
    def variance(self, shape: tuple[int, ...]) -> float:
        return self.gain**2 / (max(self.sides(shape)) or 1)

    def check(self, lengths: tuple[int, ...], kind: Kind) -> None:
        _checked_gain(kind, self.gain)
        fan_pair(lengths, self.in_axis, self.out_axis, self.batch_axis)

    def build(self, array: Array, kind: Kind, seed: int, name: str, threads: int) -> None:
        columns, batch = (normalize_axis_tuple(axes, array.ndim) for axes in (self.out_axis, self.batch_axis))
        fill_orthogonal(array, batch, columns, kind, self.gain, stream_key(seed, self.stream, name), threads)


class DeltaOrthogonal(Gained, Whole):
    """A convolution that is zero but for the kernel's centre, an orthogonal matrix times `gain`."""

    name: ClassVar[str] = "delta_orthogonal"
    stream: ClassVar[str] = "orthogonal"
    arguments: ClassVar[tuple[str, ...]] = ("gain", "in_axis", "out_axis")
    is_rounded = True
    least_axes = 3
    mean: ClassVar[float] = 0.0
    __slots__ = ("gain", "in_axis", "out_axis")
    gain: float
    in_axis: Axes
    out_axis: Axes

    def __init__(self, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1) -> None:
        set_argument(self, "gain", checked_gain(gain))
        for key, axes in (("in_axis", in_axis), ("out_axis", out_axis)):
            set_argument(self, key, checked_axes(key, axes))

    @usually_rounded
    def deviation(self, shape: tuple[int, ...]) -> float:
        rows = prod(shape[axis] for axis in normalize_axis_tuple(self.in_axis, len(shape)))
        return self.gain * math.sqrt(rows / (prod(shape) or 1))

    def centre_of(self, shape: tuple[int, ...]) -> tuple[Orthogonal, tuple[int, int]]:
        """The law of the centre of a kernel of that shape, and the shape of the centre."""
        rows, columns = (normalize_axis_tuple(axes, len(shape)) for axes in (self.in_axis, self.out_axis))
        return Orthogonal(self.gain), (prod(shape[axis] for axis in rows), prod(shape[axis] for axis in columns))

    def check(self, lengths: tuple[int, ...], kind: Kind) -> None:
        _checked_gain(kind, self.gain)
        self._centre(np.broadcast_to(np.empty((), kind.dtype), lengths))

    def build(self, array: Array, kind: Kind, seed: int, name: str, threads: int) -> None:
        centre, rows = self._centre(array)
        for (piece,) in in_parts(array):
            piece.fill(0)
        if array.size:
            key = stream_key(seed, self.stream, name)
            fill_orthogonal(centre, (), tuple(range(rows, centre.ndim)), kind, self.gain, key, threads)

    def _centre(self, array: Array) -> tuple[Array, int]:
        """The centre of a kernel, rows before columns, and how many of its axes are rows."""
        if not 3 <= array.ndim <= 5:
            refuse("shape", "of three to five axes, for a convolution", array.shape)
        fan_pair(array.shape, self.in_axis, self.out_axis, ())
        rows, columns = (normalize_axis_tuple(axes, array.ndim) for axes in (self.in_axis, self.out_axis))
        fan_in, fan_out = (prod(array.shape[axis] for axis in axes) for axes in (rows, columns))
        if fan_in > fan_out:
            refuse("shape", f"of no more inputs ({fan_in}) than outputs ({fan_out}), to keep every norm", array.shape)
        places = tuple(axis for axis in range(array.ndim) if axis not in rows + columns)
        middle = tuple((array.shape[axis] - 1) // 2 for axis in places) if array.size else ()
        return array.transpose(places + rows + columns)[middle], len(rows)


class Sparse(Whole):
    """Normal values of deviation `scale`, but for ``ceil(sparsity * rows)`` zeros in every column."""

    name: ClassVar[str] = "sparse"
    stream: ClassVar[str] = "sparse"
    arguments: ClassVar[tuple[str, ...]] = ("sparsity", "std")
    kept_as: ClassVar[Mapping[str, str]] = {"std": "scale"}
    least_axes = 2
    mean: ClassVar[float] = 0.0
    __slots__ = ("scale", "sparsity")
    sparsity: float
    scale: float

    def __init__(self, sparsity: float, std: float = 0.01) -> None:
        share = real("sparsity", sparsity)
        if not 0 <= share <= 1:
            refuse("sparsity", "a number in [0, 1]", share)
        set_argument(self, "sparsity", share)
        set_argument(self, "scale", real("std", std, low=0))

    @usually_rounded
    def zeros_of(self, rows: int) -> int:
        """How many zeros a column of so many rows has."""
        return ceil(self.sparsity * rows)

    @usually_rounded
    def deviation(self, shape: tuple[int, ...]) -> float:
        return self.scale * math.sqrt(1 - self.zeros_of(shape[0]) / (shape[0] or 1))

    @usually_rounded
    def scaled(self, factor: float) -> Sparse:
        return Sparse(self.sparsity, self.scale * real("factor", factor, low=0))

    def check(self, lengths: tuple[int, ...], kind: Kind) -> None:
        if len(lengths) != 2:
            refuse("shape", "of two axes, for sparse weights", lengths)
        if lengths[0] > 1 << 32:
            refuse("shape", "of at most 2**32 rows, for sparse weights", lengths)
        Normal(0.0, self.scale).parameters(kind)

    def build(self, array: Array, kind: Kind, seed: int, name: str, threads: int) -> None:
        Normal(0.0, self.scale).fills(array.shape, kind, seed, name, threads)(array, 0, None)
        zeros = self.zeros_of(array.shape[0])
        if zeros:
            _put_zeros(array, zeros, stream_key(seed, self.stream, name))


def _put_zeros(array: Array, zeros: int, key: bytes) -> None:
    """Zeros in each column where its words are least; a word with its row below it has no equal."""
    rows, columns = array.shape
    together = max(1, _RANKED // rows)
    for start in range(0, columns, together):
        some = array[:, start : start + together]
        words = _core.words(key, 0, start * rows, some.size).reshape(-1, rows)
        ranks = words.astype(np.uint64) << np.uint64(32) | np.arange(rows, dtype=np.uint64)
        last = np.partition(ranks, zeros - 1, axis=1)[:, zeros - 1]
        np.copyto(some, 0, where=(ranks <= last[:, np.newaxis]).T, casting="unsafe")
