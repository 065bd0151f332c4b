"""Law: what the elements of an array are, as a value that every door asks."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from .._core import CheckedCall
from ..arguments import choice
from ..dtypes import Kind
from ..machine import usually_rounded

#: Fills an array with the elements number first + i steps[0] + j steps[1] + ... of the whole; None is C order.
Fill = Callable[[np.ndarray[Any, Any], int, "tuple[int, ...] | None"], None]


_named: dict[str, type[Law]] = {}


class Law(ABC):
    """A distribution of the elements of an array. Laws are values: they compare, hash, and do not change.

    Attributes
    ----------
    stream : str
        The law's name in the key of a stream.
    mean, std : float
        Of an element; NaN where they are not known.
    bounds : (float, float)
        No value is outside (but for the rounding of 16-bit dtypes).
    """

    #: Its arguments, which are attributes of the same name but for those of `kept_as`.
    arguments: ClassVar[tuple[str, ...]] = ()
    #: The attribute of an argument whose name the law has for a moment.
    kept_as: ClassVar[Mapping[str, str]] = {}
    #: As descriptions call it, and as `from_dict` knows it.
    name: ClassVar[str]
    stream: ClassVar[str] = ""
    #: Whether the core makes its values, at any position; whether a part can be made alone; whether no seed matters.
    in_core: ClassVar[bool] = False
    can_be_cut: ClassVar[bool] = True
    is_fixed: ClassVar[bool] = False
    #: Whether elements are independent; whether a library's rounding is in them.
    is_independent: ClassVar[bool] = True
    is_rounded: ClassVar[bool] = False
    #: Fewest axes that an array of it has.
    least_axes: ClassVar[int] = 0

    __slots__ = ()

    @property
    def mean(self) -> float:
        """Of an element; NaN where it is not known."""
        return math.nan

    @property
    def std(self) -> float:
        """Standard deviation of an element; NaN where it is not known."""
        return math.nan

    @property
    def bounds(self) -> tuple[float, float]:
        """Where all values are, so far as it is known."""
        return -math.inf, math.inf

    @abstractmethod
    def scaled(self, factor: float) -> Law:
        """The law of `factor` times the values; the factor is at least 0."""

    @abstractmethod
    def fills(self, lengths: tuple[int, ...], kind: Kind, seed: int, name: str, threads: int) -> Fill:
        """What fills arrays of that shape, or parts of one. Raises where there is no such array."""

    def array(self, lengths: tuple[int, ...], kind: Kind, seed: int, name: str, threads: int) -> np.ndarray[Any, Any]:
        """A new one of that shape, filled."""
        fill = self.fills(lengths, kind, seed, name, threads)
        made = np.empty(lengths, kind.dtype)
        fill(made, 0, None)
        return made

    def _checked_call(self, lengths: tuple[int, ...], kind: Kind) -> CheckedCall | None:
        """The same, checked, for the core alone; None where that does not make such an array."""
        return None

    def deviation(self, shape: tuple[int, ...]) -> float:
        """Standard deviation of an element of an array of that shape."""
        return self.std

    @usually_rounded
    def variance(self, shape: tuple[int, ...]) -> float:
        """Of an element of an array of that shape."""
        deviation = self.deviation(shape)
        return deviation * deviation

    def to_dict(self) -> dict[str, Any]:
        """Its name and its arguments."""
        return {"law": self.name} | self._described()

    @staticmethod
    def from_dict(described: Mapping[str, Any]) -> Law:
        """The law that `to_dict` described."""
        words = dict(described)
        return _named[choice("law", words.pop("law", None), _named)]._read(words)

    @classmethod
    def _read(cls, words: dict[str, Any]) -> Law:
        """The law of what `to_dict` said of it beside its name."""
        return cls(**words)

    def __init_subclass__(cls) -> None:
        if "name" in vars(cls):
            _named[cls.name] = cls

    def _values(self) -> tuple[Any, ...]:
        return tuple(self._described().values())

    def _described(self) -> dict[str, Any]:
        """Its arguments by name."""
        return {key: getattr(self, self.kept_as.get(key, key)) for key in self.arguments}

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a law does not change: `{type(self).__name__}.{name}` cannot be set")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._values()

    def __repr__(self) -> str:
        words = ", ".join(f"{key}={value!r}" for key, value in self._described().items())
        return f"{type(self).__name__}({words})"

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self._words())})"

    def _words(self) -> list[str]:
        """Its arguments, as a table shows them."""
        return [f"{key}={value:.4g}" for key, value in self._described().items() if not key.endswith("_axis")]


#: How a law gets its arguments, which do not change after.
set_argument: Callable[[Any, str, Any], None] = object.__setattr__
