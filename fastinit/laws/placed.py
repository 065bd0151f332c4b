"""Placed: structures that are functions of the place, `Identity` and `Dirac`. Any part is made without the rest."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .._core import FEW_AXES, CheckedCall
from ..arguments import integer, real, refuse
from ..dtypes import Kind
from ..layout import LIMIT, MOST_AXES, in_parts, whole_steps
from .law import Fill, Law, set_argument
from .structures import Gained, Structure

Array = np.ndarray[Any, Any]

#: Marks that are kept for calls that are made again: 32 KiB.
_MOST_MARKED = 1 << 12


class _Marks(NamedTuple):
    """Which elements have the value: how many at most, the numbers of all, and of some whether they are such."""

    most: int
    all: Callable[[], Array]
    among: Callable[[Array], Array]


class _Placed(Structure):
    """One value where the place says so, zero elsewhere."""

    is_fixed = True
    __slots__ = ()
    gain: float

    @abstractmethod
    def _marks(self, lengths: tuple[int, ...]) -> _Marks:
        """Raises where there is no such array."""

    def _rounded(self, kind: Kind) -> Array:
        if abs(self.gain) > kind.greatest:
            refuse("gain", f"at most {kind.greatest:.6g} in {kind.dtype.name}", self.gain)
        return np.asarray(self.gain).astype(kind.dtype)

    def _checked_call(self, lengths: tuple[int, ...], kind: Kind) -> CheckedCall | None:
        marks = self._marks(lengths)
        if 0 in lengths or len(lengths) > FEW_AXES or marks.most > _MOST_MARKED:
            return None
        return CheckedCall.fixed(self._rounded(kind), lengths, marks.all())

    def fills(self, lengths: tuple[int, ...], kind: Kind, seed: int, name: str, threads: int) -> Fill:
        marks, rounded = self._marks(lengths), self._rounded(kind)

        def fill(target: Array, first: int, steps: tuple[int, ...] | None) -> None:
            if not target.size:
                return
            for (piece,) in in_parts(target):
                piece[...] = 0
            if steps is None:
                target.reshape(-1)[marks.all()] = rounded
                return
            held, steps = (target, steps) if target.ndim else (target.reshape(1), (0,))
            if marks.most <= held.size:
                held[_places(marks.all() - first, held.shape, steps)] = rounded
            else:
                held[marks.among(_numbers(first, held.shape, steps))] = rounded

        return fill


def _places(offsets: Array, shape: tuple[int, ...], steps: tuple[int, ...]) -> tuple[Array, ...]:
    """Where in a part the elements are that are so far from its first in the whole; those elsewhere are left out.

    Each step of a part is longer than all that the shorter ones reach.
    """
    rest = offsets - sum(step * (length - 1) for step, length in zip(steps, shape, strict=True) if step < 0)
    places, inside = [np.zeros_like(offsets)] * len(shape), np.ones(len(offsets), bool)
    for axis in sorted(range(len(shape)), key=lambda axis: -abs(steps[axis])):
        if shape[axis] > 1:
            place, rest = np.divmod(rest, abs(steps[axis]))
            inside &= (place >= 0) & (place < shape[axis])
            places[axis] = shape[axis] - 1 - place if steps[axis] < 0 else place
    inside &= rest == 0
    return tuple(place[inside] for place in places)


def _numbers(first: int, shape: tuple[int, ...], steps: tuple[int, ...]) -> Array:
    """In the whole, of the elements of a part."""
    along = np.ix_(*(step * np.arange(length) for step, length in zip(steps, shape, strict=True)))
    return sum(along, np.asarray(first))


class Identity(Gained, _Placed):
    """`gain` on the diagonal of a matrix."""

    name: ClassVar[str] = "identity"
    arguments: ClassVar[tuple[str, ...]] = ("gain",)
    least_axes = 2
    __slots__ = ("gain",)
    gain: float

    def __init__(self, gain: float = 1.0) -> None:
        set_argument(self, "gain", real("gain", gain))

    def _marks(self, lengths: tuple[int, ...]) -> _Marks:
        if len(lengths) != 2:
            refuse("shape", "of two axes, for the identity", lengths)
        most, columns = min(lengths), lengths[1]
        return _Marks(
            most,
            lambda: np.arange(most) * (columns + 1),
            lambda numbers: numbers // columns == numbers % columns,
        )


class Dirac(_Placed):
    """A convolution that hands on its input, in each of `groups`."""

    name: ClassVar[str] = "dirac"
    arguments: ClassVar[tuple[str, ...]] = ("groups", "in_axis", "out_axis")
    gain = 1.0
    least_axes = 3
    __slots__ = ("groups", "in_axis", "out_axis")
    groups: int
    in_axis: int
    out_axis: int

    def __init__(self, groups: int = 1, in_axis: int = -2, out_axis: int = -1) -> None:
        if (number := integer("groups", groups, 1)) >= LIMIT:
            refuse("groups", "below 2**63", number)
        set_argument(self, "groups", number)
        set_argument(self, "in_axis", integer("in_axis", in_axis, -MOST_AXES, MOST_AXES))
        set_argument(self, "out_axis", integer("out_axis", out_axis, -MOST_AXES, MOST_AXES))

    def scaled(self, factor: float) -> Law:
        refuse("law", "one that has a scale", str(self), TypeError)

    def _marks(self, lengths: tuple[int, ...]) -> _Marks:
        if not 3 <= len(lengths) <= 5:
            refuse("shape", "of three to five axes, for a convolution", lengths)
        source, target = (
            integer(axis_name, axis, -len(lengths), len(lengths)) % len(lengths)
            for axis_name, axis in (("in_axis", self.in_axis), ("out_axis", self.out_axis))
        )
        if source == target:
            refuse("in_axis", f"apart from out_axis ({self.out_axis})", self.in_axis)
        if lengths[target] % self.groups:
            refuse("groups", f"a divisor of the {lengths[target]} output channels", self.groups)
        of_a_group = max(lengths[target] // self.groups, 1)
        middle: list[Any] = [length // 2 for length in lengths]

        def all_of_them() -> Array:
            outputs = np.arange(lengths[target])
            inputs = outputs % of_a_group
            place = middle.copy()
            place[source], place[target] = (channels[inputs < lengths[source]] for channels in (inputs, outputs))
            return sum(at * step for at, step in zip(place, whole_steps(lengths), strict=True))

        def among(numbers: Array) -> Array:
            place = np.unravel_index(numbers, lengths)
            found = place[source] == place[target] % of_a_group
            for axis, at in enumerate(middle):
                if axis not in (source, target):
                    found &= place[axis] == at
            return found

        return _Marks(lengths[target], all_of_them, among)
