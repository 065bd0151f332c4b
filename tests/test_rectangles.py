"""Rectangles: by brute force over positions, with chunks as lists are cut. No framework is needed."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from fastinit.layout import part
from fastinit.rectangles import (
    Cut,
    Rectangle,
    chunk,
    cut_as_written,
    cut_in_order,
    is_within,
    partition_of,
    rectangles_of,
    shard_of,
    strided_chunk,
)


def cut(positions, count):
    """A list as torch.chunk cuts a tensor, with empty lists where it gives no more."""
    length = -(-len(positions) // count) if positions else 0
    return [positions[length * number : length * (number + 1)] for number in range(count)]


def cut_strided(positions, split, count, number):
    """Of each of `split` chunks, chunk `number` of `count`."""
    return [at for some in cut(positions, split) for at in cut(some, count)[number]]


def held(intervals):
    return [at for start, stop in intervals for at in range(start, stop)]


def gathered(rectangles, local, shape):
    """The whole, -1 where no rectangle is; and how often each element is held."""
    whole, counts = np.full(shape, -1), np.zeros(shape, int)
    for one in rectangles:
        whole[one.slices] = local[one.local_slices]
        counts[one.slices] += 1
    return whole, counts


@pytest.mark.parametrize("length", range(14))
def test_chunks(length):
    positions, whole = list(range(length)), [(0, length)]
    for count in range(1, 7):
        parts = [held(chunk(whole, count, number)) for number in range(count)]
        assert parts == cut(positions, count) and list(itertools.chain(*parts)) == positions


@pytest.mark.parametrize("length", range(14))
def test_strided_chunks(length):
    positions, whole = list(range(length)), [(0, length)]
    for split, count in itertools.product(range(1, 5), range(1, 5)):
        parts = [held(strided_chunk(whole, split, count, number)) for number in range(count)]
        assert parts == [cut_strided(positions, split, count, number) for number in range(count)]
        assert sorted(itertools.chain(*parts)) == positions


@pytest.mark.parametrize("first", [[(0, 5)], [(3, 4), (7, 12)], [(6, 9), (0, 2)], [(2, 2), (4, 5)], []])
def test_chunks_of_what_is_in_pieces(first):
    for count in range(1, 5):
        assert [held(chunk(first, count, number)) for number in range(count)] == cut(held(first), count)


def test_rectangles_join_intervals_that_meet():
    assert rectangles_of([[(0, 2), (2, 3)], [(1, 2), (4, 6)]]) == [((0, 1), (0, 0), (3, 1)), ((0, 4), (0, 1), (3, 2))]
    assert rectangles_of([[(0, 2)], []]) == [] and rectangles_of([]) == [((), (), ())]


def test_rectangles_are_where_they_say():
    """Local memory cut from a whole by positions along each axis: each rectangle has the same of both."""
    whole = np.arange(7 * 9).reshape(7, 9)
    choices = [[[(0, 7)], [(1, 3), (5, 6)], [(5, 7), (0, 2)], [(0, 2), (2, 4)]], [[(0, 9)], [(8, 9), (1, 4)], [(2, 2)]]]
    for rows, columns in itertools.product(*choices):
        local = whole[np.ix_(held(rows), held(columns))]
        rectangles = rectangles_of([rows, columns])
        found, counts = gathered(rectangles, local, whole.shape)
        assert counts.sum() == local.size and counts.max(initial=0) <= 1
        assert (found[counts == 1] == whole[counts == 1]).all()
        assert sum(one.elements for one in rectangles) == local.size
        assert all(is_within(one, whole.shape, local.shape) for one in rectangles)


@pytest.mark.parametrize("shape", [(1,), (5,), (4, 6), (3, 1, 7), (2, 3, 4)])
def test_partitions_are_put_together_again(shape):
    """Megatron's: of each of `stride` chunks of an axis, one share a rank."""
    for axis, ranks, stride in itertools.product(range(len(shape)), (1, 2, 3), (1, 2, 3)):
        if shape[axis] % stride:
            continue
        whole_shape = (*shape[:axis], shape[axis] * ranks, *shape[axis + 1 :])
        whole, counts = np.arange(np.prod(whole_shape)).reshape(whole_shape), np.zeros(whole_shape, int)
        for rank in range(ranks):
            local = np.concatenate([np.split(some, ranks, axis)[rank] for some in np.split(whole, stride, axis)], axis)
            found_shape, rectangles = partition_of(shape, axis, rank, ranks, stride)
            found, held_here = gathered(rectangles, local, whole_shape)
            assert found_shape == whole_shape and (found[held_here == 1] == whole[held_here == 1]).all()
            counts += held_here
        assert (counts == 1).all()


def test_a_partition_of_uneven_chunks_is_refused():
    with pytest.raises(ValueError) as refused:
        partition_of([4, 6], 0, 0, 2, 3)
    assert str(refused.value) == "`stride` must be a divisor of axis 0 of (4, 6), got 3"


@pytest.mark.parametrize("length", [*range(10), 13, 26])
def test_one_cut_after_another(length):
    positions, whole = list(range(length)), [(0, length)]
    for first, second in itertools.product((1, 2, 3), (2, 3, 4)):
        for a, b in itertools.product(range(first), range(second)):
            cuts = [Cut(0, 1, first, a), Cut(0, 1, second, b)]
            expected = cut(cut(positions, first)[a], second)[b]
            assert held(cut_as_written(cuts, (length,))[0]) == expected
            assert shard_of(cuts, (length,), (len(expected),)) == rectangles_of(
                [chunk(chunk(whole, first, a), second, b)]
            )


@pytest.mark.parametrize("length", [*range(10), 13, 26])
def test_a_split_comes_after_cuts_to_its_right(length):
    """As FSDP2 over `data` ranks cuts what tensor parallel over `model` ranks has left, however uneven."""
    positions = list(range(length))
    for data, model in itertools.product((1, 2, 3, 4), (2, 3)):
        for rank, other in itertools.product(range(data), range(model)):
            cuts = [Cut(0, model, data, rank), Cut(0, 1, model, other)]
            left = cut(cut(positions, model)[other], data)[rank]
            assert held(cut_in_order(cuts, (length,))[0]) == left
            assert cut_in_order([Cut(0, 5, data, rank), Cut(0, 1, model, other)], (length,)) == []
            rectangles = shard_of(cuts, (length,), (len(left),))
            assert [at for one in rectangles for at in range(length)[one.slices[0]]] == left


def test_every_rank_of_a_mesh_has_its_own():
    """Axes cut by different dimensions of a mesh; in all, each element once for every rank along the others."""
    shape = (5, 7)
    for rows, columns, copies in itertools.product((1, 2, 3), (1, 4), (1, 2)):
        counts = np.zeros(shape, int)
        for row, column, _ in itertools.product(range(rows), range(columns), range(copies)):
            cuts = [Cut(0, 1, rows, row), Cut(1, 1, columns, column)]
            local_shape = len(cut(list(range(5)), rows)[row]), len(cut(list(range(7)), columns)[column])
            for one in shard_of(cuts, shape, local_shape):
                counts[one.slices] += 1
        assert (counts == copies).all()


def test_a_local_array_of_another_shape_is_not_told():
    assert shard_of([Cut(0, 1, 2, 0)], (6, 4), (2, 4)) is None
    assert shard_of([], (), ()) == [Rectangle((), (), ())]
    assert shard_of([], (2, 3), (2, 3)) == [Rectangle.whole((2, 3))]


WITHIN = [
    (((0, 0), (0, 0), (2, 3)), True),
    (((2, 1), (0, 0), (2, 3)), True),
    (((4, 6), (2, 3), (0, 0)), True),
    (((3, 0), (0, 0), (2, 3)), False),  # beyond the whole
    (((0, 0), (1, 0), (2, 3)), False),  # beyond local memory
    (((-1, 0), (0, 0), (2, 3)), False),
    (((0, 0), (0, -1), (2, 3)), False),
    (((0, 0, 0), (0, 0), (2, 3)), False),
    (((0, 0), (0,), (2, 3)), False),
    (((0, 0), (0, 0), (2,)), False),
]


@pytest.mark.parametrize(("places", "expected"), WITHIN)
def test_within(places, expected):
    assert is_within(Rectangle(*places), (4, 6), (2, 3)) is expected


@pytest.mark.parametrize("size", [(), (1,), (7,), (3, 5), (2, 1, 9), (0, 4), (4, 0)])
def test_splits_have_every_element_once_and_in_order(size):
    rectangle = Rectangle(tuple(range(len(size))), (0,) * len(size), size)
    numbers = np.arange(rectangle.elements).reshape(size)
    for most in range(1, 17):
        parts = list(rectangle.split(most))
        assert all(0 < one.elements <= most for one in parts)
        assert [n for one in parts for n in numbers[one.local_slices].ravel().tolist()] == numbers.ravel().tolist()
        for one in parts:
            offsets = zip(one.offset, one.local_offset, rectangle.offset, strict=True)
            assert all(at - local == begin for at, local, begin in offsets)


def test_without_a_row():
    whole = np.arange(6 * 4).reshape(6, 4)
    for begin, length in itertools.combinations(range(7), 2):
        rectangle = Rectangle((begin, 1), (0, 0), (length - begin, 2))
        local = whole[rectangle.slices]
        for row in range(6):
            found, counts = gathered(rectangle.without_row(row), local, whole.shape)
            expected = np.zeros_like(counts)
            expected[rectangle.slices] = 1
            expected[row] = 0
            assert (counts == expected).all() and (found[counts == 1] == whole[counts == 1]).all()
            assert all(one.elements for one in rectangle.without_row(row))


def test_an_index_is_one_of_the_core():
    """What a rectangle says of the whole is what `index=` takes."""
    rectangle = Rectangle((2, 0), (0, 0), (3, 4))
    assert part((6, 4), rectangle.slices) == part((6, 4), np.s_[2:5, 0:4])
    assert rectangle.cut(0, 1, 2).slices == np.s_[3:5, 0:4] and rectangle.cut(0, 1, 2).local_slices == np.s_[1:3, 0:4]


def test_no_framework_is_needed():
    code = "import sys; sys.modules['torch'] = None; import fastinit.rectangles"
    subprocess.run([sys.executable, "-c", code], check=True)
