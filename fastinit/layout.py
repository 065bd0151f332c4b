"""Layout: which numbers of a stream a part of an array holds, and what arrays may be read and written."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import islice
from math import prod
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.lib.array_utils import byte_bounds

from .arguments import Words, integer, is_integer, refuse, type_of

Array = np.ndarray[Any, Any]

LIMIT = 1 << 63
#: As many as NumPy's arrays have.
MOST_AXES = 64
#: Elements that NumPy writes between two looks for Ctrl-C: of fresh memory some milliseconds.
_AT_ONCE = 1 << 21
#: What has elements in no order, or bytes, which are no lengths.
_NO_SHAPES = (str, bytes, bytearray, memoryview, Mapping, Set)


class Flat:
    """A range of the flattened (C-order) array, as an `index`: ``fi.flat[10:20]`` is what ``W.ravel()[10:20]`` is."""

    __iter__: ClassVar[None] = None  # what has items is else taken for a sequence, and this would have no end

    def __init__(self, positions: Any = None) -> None:
        self.positions: Any = positions

    def __getitem__(self, positions: Any) -> Flat:
        return Flat(positions)

    def __repr__(self) -> str:
        return f"fi.flat[{self.positions!r}]"


flat: Flat = Flat()


class Part(NamedTuple):
    """An array whose element (i, j, ...) is number first + i steps[0] + j steps[1] + ... of the stream."""

    first: int
    shape: tuple[int, ...]
    steps: tuple[int, ...]


def checked_shape(shape: Any, name: str = "shape") -> tuple[int, ...]:
    """`shape` (whose argument is called `name`) as a tuple of lengths whose product is below 2**63."""
    if type(shape) is tuple:
        lengths: tuple[Any, ...] = shape
    elif type(shape) is int:
        lengths = (shape,)
    elif type(shape) is not list and isinstance(shape, _NO_SHAPES):
        refuse(name, "an integer or a sequence of integers", shape, TypeError)
    else:
        try:
            lengths = tuple(islice(shape, MOST_AXES + 1))  # some have no end, as `flat`
        except TypeError:
            if not hasattr(shape, "__index__"):
                refuse(name, "an integer or a sequence of integers", shape, TypeError)
            lengths = (shape,)
    for length in lengths:
        if type(length) is not int or length < 0:
            lengths = tuple(integer(name, length, 0) for length in lengths)
            break
    if prod(lengths) >= LIMIT or (0 in lengths and max(lengths) >= LIMIT):
        refuse(name, "of fewer than 2**63 elements", lengths)
    if len(lengths) > MOST_AXES:
        refuse(name, f"of at most {MOST_AXES} axes", lengths)
    return lengths


def in_parts(target: Array, *others: Array) -> Iterator[tuple[Array, ...]]:
    """Views of what is to be written, and of others of its shape, one after the other in the order of its memory.

    Each is of so few elements that NumPy is done with it soon: Ctrl-C is seen between two of them.
    """
    if target.size <= _AT_ONCE:
        yield target, *others
        return
    axis = max(range(target.ndim), key=lambda axis: (target.shape[axis] > 1) * abs(target.strides[axis]))
    step = max(1, _AT_ONCE * target.shape[axis] // target.size)
    for start in range(0, target.shape[axis], step):
        place = (*[slice(None)] * axis, slice(start, start + step))
        yield from in_parts(target[place], *(one[place] for one in others))


def whole_steps(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Steps of an array in C order."""
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))


def part(shape: tuple[int, ...], index: Any) -> Part:
    """The part that a basic index, or a flat range, cuts out of an array of that shape (as NumPy would); or itself."""
    if isinstance(index, Part):
        return index
    if isinstance(index, Flat):
        if isinstance(index.positions, tuple):
            refuse("index", "a basic index (one integer or slice of the flattened array)", index, IndexError)
        return _cut((prod(shape),), (1,), (index.positions,), index)
    entries = index if isinstance(index, tuple) else (index,)
    return _cut(shape, whole_steps(shape), entries, index)


def _cut(shape: tuple[int, ...], steps: tuple[int, ...], entries: tuple[Any, ...], index: Any) -> Part:
    used = sum(entry is not None and entry is not Ellipsis for entry in entries)
    dots = sum(entry is Ellipsis for entry in entries)
    if dots > 1:
        refuse("index", "a basic index with one Ellipsis at the most", index, IndexError)
    if used > len(shape):
        refuse("index", f"a basic index of at most {len(shape)} entries for shape {shape}", index, IndexError)
    if not dots:
        entries = (*entries, Ellipsis)
    first, new_shape, new_steps, axis = 0, [], [], 0
    for entry in entries:
        if entry is None:
            new_shape.append(1)
            new_steps.append(0)
            continue
        for _ in range(len(shape) - used if entry is Ellipsis else 1):
            positions = range(shape[axis])
            chosen = positions if entry is Ellipsis else _chosen(positions, entry, axis, index)
            if isinstance(chosen, range):
                first += chosen.start * steps[axis] if chosen else 0
                new_shape.append(len(chosen))
                new_steps.append(chosen.step * steps[axis] if len(chosen) > 1 else 0)
            else:
                first += chosen * steps[axis]
            axis += 1
    return Part(first, tuple(new_shape), tuple(new_steps))


def _chosen(positions: range, entry: Any, axis: int, index: Any) -> range | int:
    if not (type(entry) is slice or is_integer(entry)):
        refuse(
            "index",
            "a basic index (integers, slices, Ellipsis, None), fi.flat[...], or a list of these",
            index,
            TypeError,
        )
    try:
        return positions[entry]
    except IndexError:
        rule = f"a basic index with an integer in [-{len(positions)}, {len(positions)}) for axis {axis}"
        refuse("index", rule, index, IndexError)
    except (TypeError, ValueError) as error:
        refuse("index", "a basic index with slices of integers, their steps not 0", index, type(error))


def unmasked(name: str, value: Any) -> np.ndarray[Any, Any]:
    """`value` as an array; one with a mask is refused, which would be looked under."""
    # Where nobody has imported numpy.ma nothing has a mask. To do it with this package would double the time it takes,
    # and a child that is forked while it is done later would wait for ever.
    ma = sys.modules.get("numpy.ma")
    if ma is not None and isinstance(value, getattr(ma, "MaskedArray", ())):
        rule = f"an array without a mask ({name}.compressed() has the elements that are not masked)"
        refuse(name, rule, Words("MaskedArray"), TypeError)
    return np.asarray(value)


def check_out(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise where `out` cannot take values of that shape and dtype."""
    if not isinstance(out, np.ndarray):
        refuse("out", "a NumPy array", type_of(out), TypeError)
    if out.dtype != dtype:
        hint = " in the machine's own byte order" if out.dtype == dtype.newbyteorder() else ""
        got = out.dtype.str if hint else f"{out.dtype.name} (dtype=None takes the dtype of out)"
        raise TypeError(f"`out` must have dtype {dtype.name}{hint}, got {got}")
    if out.shape != shape:
        raise ValueError(f"`out` must have shape {shape}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError("`out` must be writable, got a read-only array")
    if not out.flags.forc and _overlaps_itself(out):
        raise ValueError(f"`out` must not overlap itself, got strides {out.strides} for shape {out.shape}")


def check_apart(outs: Sequence[Any]) -> None:
    """Raise where two of several arrays have memory in common: the first would hold what was meant for the second."""
    if pair := _shared([(number, out) for number, out in enumerate(outs) if isinstance(out, np.ndarray)]):
        raise ValueError(f"`out` must be arrays apart in memory, got some that numbers {pair[0]} and {pair[1]} share")


def overlapping(parts: Sequence[Part]) -> tuple[int, int] | None:
    """The numbers of two parts that have an element in common, if there are such."""
    return _shared([(number, _places_of(part)) for number, part in enumerate(parts)])


def _places_of(part: Part) -> Array:
    """An array of bytes whose addresses are the numbers of the elements; it is not to be read."""
    interface = {"version": 3, "typestr": "|u1", "data": (part.first + 1, True), "shape": part.shape}
    return np.asarray(SimpleNamespace(__array_interface__={**interface, "strides": part.steps}))


def _shared(arrays: Sequence[tuple[int, Array]]) -> tuple[int, int] | None:
    """The numbers of two arrays that have memory in common.

    They are looked at by where they begin, so that the rows of a matrix are each compared with none.
    """
    bounds = [(*byte_bounds(array), number, array) for number, array in arrays]
    before: list[tuple[int, int, Array]] = []  # where those end that may reach into the next, and which they are
    for low, high, number, array in sorted(bounds, key=lambda one: one[:3]):
        before = [one for one in before if one[0] > low]
        for _, other, reaching in before:
            if np.shares_memory(reaching, array):
                return (other, number) if other < number else (number, other)
        before.append((high, number, array))
    return None


def _overlaps_itself(out: np.ndarray[Any, Any]) -> bool:
    """Whether some element cannot be told from the next by the strides, smallest first, alone."""
    axes = sorted((abs(stride), length) for stride, length in zip(out.strides, out.shape, strict=True) if length > 1)
    reaches = [out.itemsize]
    for stride, length in axes:
        reaches.append(reaches[-1] + stride * (length - 1))
    return out.size > 0 and any(stride < reach for (stride, _), reach in zip(axes, reaches, strict=False))
