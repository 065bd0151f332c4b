"""Packed: the law of an array that is packed from several along an axis, each of which has a law for itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from ..arguments import integer, refuse
from ..dtypes import Kind
from ..layout import MOST_AXES
from .called import Called
from .law import Law, set_argument
from .whole import Array, Whole


class Packed(Whole):
    """So many arrays of one law along an axis: part i is what the law gives it under the name ``name[i]``.

    Examples
    --------
    >>> import fastinit as fi
    >>> from fastinit.laws import Orthogonal, Packed
    >>> qkv = fi.init({"qkv": (4, 12)}, Packed(Orthogonal(), parts=3, axis=1), seed=0)["qkv"]
    >>> bool((qkv[:, 4:8] == fi.orthogonal((4, 4), seed=0, name="qkv[1]")).all())
    True
    """

    name: ClassVar[str] = "packed"
    arguments: ClassVar[tuple[str, ...]] = ("law", "parts", "axis")
    __slots__ = ("axis", "is_fixed", "is_rounded", "law", "least_axes", "parts")
    law: Law
    parts: int
    axis: int

    def __init__(self, law: Law, parts: int, axis: int) -> None:
        if not isinstance(law, Law) or isinstance(law, (Called, Packed)):
            refuse("law", "one of fastinit's, for each part", law, TypeError)
        set_argument(self, "law", law)
        set_argument(self, "parts", integer("parts", parts, 1))
        set_argument(self, "axis", integer("axis", axis, -MOST_AXES, MOST_AXES))
        for known in ("is_fixed", "is_rounded", "least_axes"):
            set_argument(self, known, getattr(law, known))

    @property
    def mean(self) -> float:
        return self.law.mean

    def scaled(self, factor: float) -> Packed:
        return Packed(self.law.scaled(factor), self.parts, self.axis)

    def part_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a part of an array of that shape."""
        axis = integer("axis", self.axis, -len(shape), len(shape)) % len(shape)
        if shape[axis] % self.parts:
            refuse("parts", f"a divisor of the length of axis {self.axis} of {shape}", self.parts)
        return (*shape[:axis], shape[axis] // self.parts, *shape[axis + 1 :])

    def parts_of(self, array: Array) -> Iterator[Array]:
        """Those of an array, one after the other."""
        moved = array.swapaxes(0, self.axis)
        length = self.part_of(array.shape)[self.axis]
        for number in range(self.parts):
            yield moved[number * length : (number + 1) * length].swapaxes(0, self.axis)

    def deviation(self, shape: tuple[int, ...]) -> float:
        return self.law.deviation(self.part_of(shape))

    def check(self, lengths: tuple[int, ...], kind: Kind) -> None:
        self.law.fills(self.part_of(lengths), kind, 0, "", 1)

    def build(self, array: Array, kind: Kind, seed: int, name: str, threads: int) -> None:
        for number, part in enumerate(self.parts_of(array)):
            part[...] = self.law.array(part.shape, kind, seed, f"{name}[{number}]", threads)

    def to_dict(self) -> dict[str, Any]:
        described = self.law.to_dict()
        return described | {"law": self.name, "of": described["law"], "parts": self.parts, "axis": self.axis}

    @classmethod
    def _read(cls, words: dict[str, Any]) -> Packed:
        kept = {key: words.pop(key) for key in ("parts", "axis")}
        return cls(Law.from_dict({"law": words.pop("of"), **words}), **kept)

    def __str__(self) -> str:
        return f"{self.parts} of {self.law}"
