"""Rectangles: the geometry of parts. Which positions of a whole array a part of it holds, and where in its memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from math import prod
from typing import NamedTuple

from .arguments import refuse

#: Positions along one axis of the whole, as half-open intervals in the order in which local memory has them.
Intervals = list[tuple[int, int]]
Shape = tuple[int, ...]


class Rectangle(NamedTuple):
    """Elements [offset, offset + size) of the whole along each axis, and where they begin in local memory."""

    offset: Shape
    local_offset: Shape
    size: Shape

    @classmethod
    def whole(cls, shape: Shape) -> Rectangle:
        """All of an array, where local memory has just that."""
        return cls((0,) * len(shape), (0,) * len(shape), shape)

    @property
    def slices(self) -> tuple[slice, ...]:
        """Of the whole."""
        return tuple(slice(at, at + length) for at, length in zip(self.offset, self.size, strict=True))

    @property
    def local_slices(self) -> tuple[slice, ...]:
        """Of local memory."""
        return tuple(slice(at, at + length) for at, length in zip(self.local_offset, self.size, strict=True))

    @property
    def elements(self) -> int:
        """How many it has."""
        return prod(self.size)

    def meets(self, other: Rectangle) -> bool:
        """Whether both have an element of local memory."""
        sides = zip(self.local_offset, self.size, other.local_offset, other.size, strict=True)
        return all(max(at, there) < min(at + length, there + most) for at, length, there, most in sides)

    def cut(self, axis: int, begin: int, length: int) -> Rectangle:
        """The part of it from its position `begin` of an axis on, so long."""
        offset, local_offset, size = map(list, self)
        offset[axis] += begin
        local_offset[axis] += begin
        size[axis] = length
        return Rectangle(tuple(offset), tuple(local_offset), tuple(size))

    def without_row(self, row: int) -> list[Rectangle]:
        """What there is of it before and after a row of the whole."""
        at, length = row - self.offset[0], self.size[0]
        if not 0 <= at < length:
            return [self]
        sides = (self.cut(0, 0, at), self.cut(0, at + 1, length - at - 1))
        return [side for side in sides if side.elements]

    def split(self, most: int) -> Iterator[Rectangle]:
        """In parts of at most so many elements, halved along the first axis that can be; in C order."""
        if self.elements <= most:
            if self.elements:
                yield self
            return
        axis = next(axis for axis, length in enumerate(self.size) if length > 1)
        half = self.size[axis] // 2
        for begin, length in ((0, half), (half, self.size[axis] - half)):
            yield from self.cut(axis, begin, length).split(most)


def is_within(rectangle: Rectangle, shape: Shape, local_shape: Shape) -> bool:
    """Whether a rectangle is one of the whole, and in place one of the local array."""
    for offset, lengths in ((rectangle.offset, shape), (rectangle.local_offset, local_shape)):
        if not len(offset) == len(rectangle.size) == len(lengths):
            return False
        ends = [at + length for at, length in zip(offset, rectangle.size, strict=True)]
        if any(end > most for end, most in zip(ends, lengths, strict=True)) or min(offset, default=0) < 0:
            return False
    return True


def chunk(intervals: Intervals, count: int, number: int) -> Intervals:
    """The positions in chunk `number` of `count`, as torch.chunk cuts them: the last may be short or empty."""
    total = sum(stop - start for start, stop in intervals)
    length = -(-total // count)
    return _taken(intervals, min(length * number, total), min(length * (number + 1), total))


def strided_chunk(intervals: Intervals, split: int, count: int, number: int) -> Intervals:
    """Chunk `number` of `count` of each of `split` chunks: what sharding from right to left leaves a rank."""
    return [one for part in range(split) for one in chunk(chunk(intervals, split, part), count, number)]


def _taken(intervals: Intervals, first: int, last: int) -> Intervals:
    """Positions number first to last (excluded) of those that the intervals hold in order."""
    taken, passed = [], 0
    for start, stop in intervals:
        low, high = max(start, start + first - passed), min(stop, start + last - passed)
        if low < high:
            taken.append((low, high))
        passed += stop - start
    return taken


def _joined(intervals: Intervals) -> Intervals:
    """The same positions in the fewest intervals."""
    joined: Intervals = []
    for start, stop in intervals:
        if joined and joined[-1][1] == start:
            start = joined.pop()[0]
        joined.append((start, stop))
    return joined


def rectangles_of(axes: Iterable[Intervals]) -> list[Rectangle]:
    """Every combination of an interval along each axis; in local memory the intervals of an axis follow each other."""
    along = []
    for intervals in axes:
        begin, placed = 0, []
        for start, stop in _joined(intervals):
            placed.append((start, begin, stop - start))
            begin += stop - start
        along.append(placed)
    return [Rectangle(*zip(*places, strict=True)) if places else Rectangle((), (), ()) for places in product(*along)]


def partition_of(
    local_shape: Sequence[int], axis: int, rank: int, ranks: int, stride: int
) -> tuple[Shape, list[Rectangle]]:
    """The shape of a whole that Megatron has partitioned, and what it leaves a rank.

    That is the rank's share of each of `stride` chunks along the axis.
    """
    shape = list(local_shape)
    shape[axis] *= ranks
    if local_shape[axis] % stride:
        refuse("stride", f"a divisor of axis {axis} of {tuple(local_shape)}", stride)
    axes: list[Intervals] = [[(0, length)] for length in shape]
    axes[axis] = strided_chunk(axes[axis], stride, ranks, rank)
    return tuple(shape), rectangles_of(axes)


class Cut(NamedTuple):
    """One of the cuts that make a shard: this rank has number `number` of `parts` of each of `split` chunks."""

    axis: int
    split: int
    parts: int
    number: int


def shard_of(cuts: Sequence[Cut], shape: Sequence[int], local_shape: Sequence[int]) -> list[Rectangle] | None:
    """What cuts leave a rank whose local array has that shape; None where they would leave another shape."""
    for axes in (cut_in_order(cuts, shape), cut_as_written(cuts, shape)):
        if tuple(sum(stop - start for start, stop in intervals) for intervals in axes) == tuple(local_shape):
            return rectangles_of(axes)
    return None


def cut_in_order(cuts: Sequence[Cut], shape: Sequence[int]) -> list[Intervals]:
    """The positions that are left along each axis where a cut of a split comes after cuts to its right.

    So FSDP2 cuts what tensor parallel has left; with `cut_as_written` uneven lengths would come out otherwise. Empty
    where there is no such order.
    """
    axes: list[Intervals] = [[(0, length)] for length in shape]
    orders: dict[int, list[tuple[int, int]]] = {}
    for axis, split, count, number in reversed(cuts):
        order = orders.setdefault(axis, [])
        places = [at for at in range(len(order) + 1) if prod(before for before, _ in order[:at]) == split]
        if not places:
            return []
        order.insert(places[0], (count, number))
    for axis, order in orders.items():
        for count, number in order:
            axes[axis] = chunk(axes[axis], count, number)
    return axes


def cut_as_written(cuts: Sequence[Cut], shape: Sequence[int]) -> list[Intervals]:
    """The positions that are left along each axis by one cut after the other."""
    axes: list[Intervals] = [[(0, length)] for length in shape]
    for axis, split, count, number in cuts:
        axes[axis] = strided_chunk(axes[axis], split, count, number)
    return axes
