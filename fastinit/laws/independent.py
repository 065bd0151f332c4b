"""Independent elements: the laws whose every value the core makes from its place alone, and constants."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from .. import _core
from .._core import FEW_AXES, CheckedCall
from ..arguments import real, refuse
from ..dtypes import Kind
from ..layout import in_parts
from ..machine import usually_rounded
from ..ranges import REACH, at_least, check_normal, interval, next_below
from ..scaling import normal_interval, truncated_moments
from ..stream import stream_key
from .law import Fill, Law, set_argument
from .parameters import Parameters

_INF = math.inf
_new: Any = tuple.__new__  # of a named tuple: a third of the time of its own


class InCore(Law):
    """A law of which the core makes every value from its number in the stream."""

    in_core = True
    #: Its number in C.
    number: ClassVar[int]

    __slots__ = ()

    @abstractmethod
    def parameters(self, kind: Kind) -> Parameters:
        """Its numbers for the core. Raises where the dtype cannot hold its values."""

    def fills(self, lengths: tuple[int, ...], kind: Kind, seed: int, name: str, threads: int) -> Fill:
        law, code, parameters = self.number, kind.code, self.parameters(kind)
        key = stream_key(seed, self.stream, name)

        def fill(target: np.ndarray[Any, Any], first: int, steps: tuple[int, ...] | None) -> None:
            _core.fill(law, code, key, parameters, target, first, steps, threads)

        return fill

    @usually_rounded
    def _checked_call(self, lengths: tuple[int, ...], kind: Kind) -> CheckedCall | None:
        """The same, checked, for an array of few axes: the core fills many of these in the time that this takes."""
        if not 0 < len(lengths) <= FEW_AXES:
            return None
        return CheckedCall(self.number, self.stream, kind.code, self.parameters(kind), lengths, kind.dtype)


class Normal(InCore):
    """The normal law, ``mean + std z``.

    Examples
    --------
    >>> from fastinit.laws import Normal
    >>> Normal(std=0.02).scaled(0.5)
    Normal(mean=0.0, std=0.01)
    """

    name: ClassVar[str] = "normal"
    stream: ClassVar[str] = "normal"
    number: ClassVar[int] = 0
    arguments: ClassVar[tuple[str, ...]] = ("mean", "std")
    __slots__ = ("mean", "std")
    mean: float
    std: float

    def __init__(self, mean: float = 0.0, std: float = 1.0) -> None:
        if not (type(mean) is type(std) is float and -_INF < mean < _INF and 0 <= std < _INF):
            mean, std = real("mean", mean), real("std", std, low=0)
        set_argument(self, "mean", mean)
        set_argument(self, "std", std)

    @usually_rounded
    def scaled(self, factor: float) -> Normal:
        factor = real("factor", factor, low=0)
        return Normal(self.mean * factor, self.std * factor)

    def parameters(self, kind: Kind) -> Parameters:
        mean, std = self.mean, self.std
        if abs(mean) + REACH * std > kind.greatest:
            check_normal(kind, mean, std)
        return _new(Parameters, (mean, std, 0.0, 0.0, 0.0, 0.0, 0.0, 0))

    def _words(self) -> list[str]:
        return [word for word in super()._words() if word != "mean=0"]


class Uniform(InCore):
    """The uniform law on [low, high).

    Examples
    --------
    >>> from fastinit.laws import Uniform
    >>> Uniform(-3, 3).mean, round(Uniform(-3, 3).std, 6)
    (0.0, 1.732051)
    """

    name: ClassVar[str] = "uniform"
    stream: ClassVar[str] = "uniform"
    number: ClassVar[int] = 1
    arguments: ClassVar[tuple[str, ...]] = ("low", "high")
    __slots__ = ("high", "low")
    low: float
    high: float

    def __init__(self, low: float = 0.0, high: float = 1.0) -> None:
        if not (type(low) is type(high) is float and -_INF < low <= high < _INF):
            low, high = real("low", low), real("high", high)
            if low > high:
                refuse("low", f"at most high ({high!r})", low)
        set_argument(self, "low", low)
        set_argument(self, "high", high)

    @property
    @usually_rounded
    def mean(self) -> float:
        return self.low / 2 + self.high / 2

    @property
    @usually_rounded
    def std(self) -> float:
        return (self.high - self.low) / math.sqrt(12)

    @usually_rounded
    def variance(self, shape: tuple[int, ...]) -> float:
        return (self.high - self.low) ** 2 / 12

    @property
    def bounds(self) -> tuple[float, float]:
        return self.low, self.high

    @usually_rounded
    def scaled(self, factor: float) -> Uniform:
        factor = real("factor", factor, low=0)
        return Uniform(self.low * factor, self.high * factor)

    def parameters(self, kind: Kind) -> Parameters:
        return uniform_parameters(kind, self.low, self.high)


def uniform_parameters(kind: Kind, low: float, high: float, overflow: type[Exception] = ValueError) -> Parameters:
    """Those of `Uniform`, of ends in order; `overflow` is raised where the dtype cannot hold them."""
    if max(abs(low), abs(high), high - low) > kind.greatest:
        interval(kind, low, high, overflow)  # which refuses it
    least, greatest = _core.ends_of_numbers(kind.code, low, high)
    if least > greatest:
        interval(kind, low, high)
    return _new(Parameters, (least, high - low, least, greatest, 0.0, 0.0, 0.0, 0))


class UniformBelow(Uniform):
    """The uniform law on [low, high) as a dtype has its ends: no value is what `high` rounds to, in 16 bits neither.

    Where `Uniform` would give that, it gives the number of the dtype next below; all others are the same.

    Examples
    --------
    >>> from fastinit.laws import UniformBelow
    >>> UniformBelow(-3, 3).scaled(0.5)
    UniformBelow(low=-1.5, high=1.5)
    """

    name: ClassVar[str] = "uniform_below"
    __slots__ = ()

    def scaled(self, factor: float) -> UniformBelow:
        return UniformBelow(*super().scaled(factor)._values())

    def parameters(self, kind: Kind) -> Parameters:
        return _parameters_below(kind, self.low, self.high)

    def __str__(self) -> str:
        return f"{Uniform.name}({', '.join(self._words())})"


@lru_cache(maxsize=256)  # the layers of a model have few bounds, and a small fill no time
def _parameters_below(kind: Kind, low: float, high: float) -> Parameters:
    known = uniform_parameters(kind, low, high)
    if low == high:
        return known
    return known._replace(greatest=max(known.least, min(known.greatest, next_below(kind, high))))


class Truncated(InCore):
    """The normal law between ``mean + low std`` and ``mean + high std``; `mean` and `std` are of the law itself.

    Those before truncation are `centre` and `scale`. Its moments are right to 1e-14 however far out the bounds are.

    Examples
    --------
    >>> from fastinit.laws import Truncated
    >>> round(Truncated().std, 12), round(Truncated(low=7.5, high=float("inf")).std, 6)
    (0.879625661034, 0.126964)
    """

    name: ClassVar[str] = "truncated_normal"
    stream: ClassVar[str] = "truncated"
    number: ClassVar[int] = 2
    arguments: ClassVar[tuple[str, ...]] = ("mean", "std", "low", "high")
    kept_as: ClassVar[Mapping[str, str]] = {"mean": "centre", "std": "scale"}
    __slots__ = ("centre", "high", "low", "scale")
    centre: float
    scale: float
    low: float
    high: float

    def __init__(self, mean: float = 0.0, std: float = 1.0, low: float = -2.0, high: float = 2.0) -> None:
        if not (type(mean) is type(std) is float and -_INF < mean < _INF and 0 <= std < _INF):
            mean, std = real("mean", mean), real("std", std, low=0)
        if not (type(low) is type(high) is float and low < high):
            low, high = real("low", low, infinite=True), real("high", high, infinite=True)
            if low >= high:
                refuse("low", f"below high ({high!r})", low)
        set_argument(self, "centre", mean)
        set_argument(self, "scale", std)
        set_argument(self, "low", low)
        set_argument(self, "high", high)

    @property
    @usually_rounded
    def mean(self) -> float:
        return self.centre + self.scale * truncated_moments(self.low, self.high)[0]

    @property
    @usually_rounded
    def std(self) -> float:
        return self.scale * truncated_moments(self.low, self.high)[1]

    @property
    @usually_rounded
    def bounds(self) -> tuple[float, float]:
        if self.scale == 0:
            return self.centre, self.centre
        return self.centre + self.low * self.scale, self.centre + self.high * self.scale

    @usually_rounded
    def scaled(self, factor: float) -> Truncated:
        factor = real("factor", factor, low=0)
        return Truncated(self.centre * factor, self.scale * factor, self.low, self.high)

    def parameters(self, kind: Kind) -> Parameters:
        mean, std, low, high = self.centre, self.scale, self.low, self.high
        left, mass, right = normal_interval(low, high)
        if mass < 2**-48:
            rule = "such that a standard normal lies in (low, high) with probability 2**-48 or more"
            refuse("low", rule, (low, high))
        if abs(mean) + min(max(-low, high), REACH) * std > kind.greatest or std > kind.greatest:
            refuse("std", f"small enough for the values to stay below {kind.greatest:.6g} in {kind.name}", std)
        if std == 0:
            least = greatest = float(kind.real(mean))
        else:
            ends = (max(-kind.greatest, mean + low * std), min(kind.greatest, mean + high * std))
            least, greatest = at_least(kind, ends[0]), -at_least(kind, -ends[1])
        if least > greatest:
            refuse("std", f"such that a {kind.real.__name__} lies in [mean + low std, mean + high std]", std)
        tails = min(left, right) < 0.005  # |z| up to 2.57 needs none
        return _new(Parameters, (mean, std, least, greatest, left, mass, right, int(tails)))

    def _words(self) -> list[str]:
        mean = [f"mean={self.centre:.4g}"] if self.centre else []
        return [*mean, f"std={self.scale:.4g}", f"low={self.low:.4g}", f"high={self.high:.4g}"]


class Constant(Law):
    """One value everywhere."""

    name: ClassVar[str] = "constant"
    is_fixed = True
    arguments: ClassVar[tuple[str, ...]] = ("value",)
    __slots__ = ("value",)
    value: float

    def __init__(self, value: float) -> None:
        if not (type(value) is float and -_INF < value < _INF):
            value = real("value", value)
        set_argument(self, "value", value)

    @property
    def mean(self) -> float:
        return self.value

    @property
    def std(self) -> float:
        return 0.0

    @property
    def bounds(self) -> tuple[float, float]:
        return self.value, self.value

    @usually_rounded
    def scaled(self, factor: float) -> Constant:
        return Constant(self.value * real("factor", factor, low=0))

    def fills(self, lengths: tuple[int, ...], kind: Kind, seed: int, name: str, threads: int) -> Fill:
        value = self._within(kind)

        def fill(target: np.ndarray[Any, Any], first: int, steps: tuple[int, ...] | None) -> None:
            for (piece,) in in_parts(target):
                piece.fill(value)

        return fill

    def array(self, lengths: tuple[int, ...], kind: Kind, seed: int, name: str, threads: int) -> np.ndarray[Any, Any]:
        made = np.empty(lengths, kind.dtype)
        self.fills(lengths, kind, seed, name, threads)(made, 0, None)
        return made

    def _checked_call(self, lengths: tuple[int, ...], kind: Kind) -> CheckedCall | None:
        if not 0 < len(lengths) <= FEW_AXES:
            return None
        return CheckedCall.fixed(self.array((), kind, 0, "", 1), lengths)

    def _within(self, kind: Kind) -> float:
        if abs(self.value) > kind.greatest:
            refuse("value", f"at most {kind.greatest:.6g} in {kind.dtype.name}", self.value)
        return self.value

    def __str__(self) -> str:
        return {0.0: "zeros()", 1.0: "ones()"}.get(self.value, super().__str__())
