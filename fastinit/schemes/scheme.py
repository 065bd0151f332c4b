"""Scheme: how shapes and fans lead to laws, as a value: Var(w) = gain^2 scale / fan, or a family that no fan scales."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter, signature
from math import nan, sqrt
from types import MappingProxyType
from typing import Any

from .._core import CheckedCalls
from ..arguments import choice, real, refuse, unexpected
from ..dtypes import kind_for
from ..fill import draw
from ..laws import (
    Law,
    Normal,
    Orthogonal,
    Truncated,
    Uniform,
)
from ..laws.called import OneLaw, UsersFunction
from ..layout import checked_shape
from ..machine import threads_for, usually_rounded
from ..scaling import TRUNCATED_STD, Fans, checked_gain, fan_pair
from ..typing import Distribution, Mode

FANS: dict[str, Callable[[float, float], float]] = {
    "fan_in": lambda fan_in, fan_out: fan_in,
    "fan_out": lambda fan_in, fan_out: fan_out,
    "fan_avg": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
    "fan_geo_avg": lambda fan_in, fan_out: sqrt(fan_in * fan_out),
}
DISTRIBUTIONS = ("normal", "truncated_normal", "uniform")

#: In place of what describes a scheme: its own.
OWN: Any = object()
#: The default of a keyword that has none.
REQUIRED = Parameter.empty

#: Keywords of every scheme; and of those that a fan scales.
_USUAL = MappingProxyType({"seed": None, "name": "", "dtype": "float32", "index": None, "out": None, "threads": None})
COMMON = tuple(_USUAL)
AXES = MappingProxyType({"in_axis": -2, "out_axis": -1, "batch_axis": ()})
#: What describes a scheme with a scale.
DESCRIBED = ("scale", "mode", "distribution")


@dataclass(frozen=True)
class Scheme:
    """What weights mean: how a shape, or its fans, and keywords lead to a law. Called, it makes arrays.

    Parameters
    ----------
    name : str
        By which every door knows it once it is registered.
    scale, mode, distribution : float, str, str
        Of weights of mean zero and variance ``gain**2 * scale / fan``: see `fastinit.variance_scaling`. Fan-in and the
        normal where they are left out. They take a keyword ``gain``, and one for the distribution where that is the
        normal.
    family : callable
        Instead of a scale: from keywords to a law, as the classes of `fastinit.laws` are.
    keywords : mapping of str to value
        Keywords with their defaults: those of `family`; or which of ``scale``, ``mode`` and ``distribution`` a call may
        change, with the values that they have.

    Raises
    ------
    ValueError, TypeError
        If there is neither a scale nor a family, or both, or one of them breaks its rule.

    See Also
    --------
    fastinit.register : makes it known by its name.

    Examples
    --------
    >>> import fastinit as fi
    >>> scheme = fi.Scheme("one_and_a_half", scale=1.5, mode="fan_in")
    >>> scheme.law(fi.Fans(600, 100))
    Normal(mean=0.0, std=0.05)
    >>> bool((scheme((600, 100), seed=0) == fi.variance_scaling((600, 100), 1.5, seed=0)).all())
    True
    >>> fi.Scheme("tiny", family=fi.laws.Normal, keywords={"std": 1e-3}).law(std=2e-3)
    Normal(mean=0.0, std=0.002)
    """

    name: str
    scale: float | None = None
    mode: Mode | None = None
    distribution: Distribution | None = None
    family: Callable[..., Law] | None = None
    keywords: Mapping[str, Any] = field(default_factory=dict)
    _calls: CheckedCalls = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            refuse("name", "a string", self.name, TypeError)
        if not isinstance(self.keywords, Mapping):
            refuse("keywords", "a mapping of names to values", self.keywords, TypeError)
        if (self.scale is None) == (self.family is None):
            refuse("scale", "given, or family, and not both", (self.scale, self.family))
        given = self._checked_family() if self.scale is None else self._checked_scale()
        given |= {"keywords": MappingProxyType(given["keywords"]), "_calls": CheckedCalls(self._checked, threads_for)}
        for name, value in given.items():
            object.__setattr__(self, name, value)

    def _checked_family(self) -> dict[str, Any]:
        if not callable(self.family):
            refuse("family", "a function from keywords to a law", self.family, TypeError)
        if (self.mode, self.distribution) != (None, None):
            refuse("mode", "left out, as distribution, where there is a family", (self.mode, self.distribution))
        taken = sorted(set(self.keywords) & {"shape", "fans", *COMMON})
        if taken:
            refuse("keywords", "none that every scheme takes (shape, fans, " + ", ".join(COMMON) + ")", taken)
        try:
            signature(self.family).bind_partial(**self.keywords)
        except TypeError as error:
            raise TypeError(f"`keywords` must be those of the family: {error}") from error
        except ValueError:  # of what tells no signature
            pass
        return {"keywords": dict(self.keywords)}

    def _checked_scale(self) -> dict[str, Any]:
        found: dict[str, Any] = {"scale": real("scale", self.scale, low=0)}
        found["mode"] = choice("mode", "fan_in" if self.mode is None else self.mode, FANS)
        drawn = "normal" if self.distribution is None else self.distribution
        found["distribution"] = choice("distribution", drawn, DISTRIBUTIONS)
        unexpected(self.name, self.keywords, (*DESCRIBED, "gain"))
        has = found | {"gain": 1.0}
        for name, value in self.keywords.items():
            if value != has[name]:
                refuse("keywords", f"with the {name} that the scheme has ({has[name]!r})", value)
        usual = ["distribution"] if drawn == "normal" else []
        return found | {"keywords": {name: has[name] for name in dict.fromkeys([*self.keywords, *usual, "gain"])}}

    def __hash__(self) -> int:
        return hash((self.name, self.scale, self.mode, self.distribution))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.scale, self.mode, self.distribution, self.family, dict(self.keywords))

    @property
    def needs_fans(self) -> bool:
        """Whether its law depends on the fans."""
        return self.scale is not None

    @property
    def parameters(self) -> dict[str, Any]:
        """Its own keywords, axes among them, and their defaults; `REQUIRED` where there is none."""
        return {**self.keywords, **(AXES if self.needs_fans else {})}

    @property
    def is_called(self) -> bool:
        """Whether it is a user's function, which takes what keywords it likes."""
        return isinstance(self.family, UsersFunction)

    def law(self, fans: Fans | tuple[float, float] | None = None, **keywords: Any) -> Law:
        """The law of weights with these fans, which only a scheme with a scale needs.

        Parameters
        ----------
        fans : Fans
            Of the whole array.
        **keywords
            Its own: gain, std, ...

        Returns
        -------
        Law
            One of `fastinit.laws`.

        Raises
        ------
        ValueError, TypeError
            If a keyword is not its own, or breaks its rule, or fans are missing.
        """
        if not self.is_called:
            unexpected(self.name, keywords, self.keywords)
        if self.family is None and fans is None:
            refuse("fans", f"given, for the scheme {self.name!r}", fans)
        return self._law(fans, keywords)

    def _law(self, fans: Fans | tuple[float, float] | None, keywords: Mapping[str, Any]) -> Law:
        """Of keywords that are its own."""
        if self.family is None:
            assert fans is not None
            return self.scaled(*fans, **keywords)
        words = {**self.keywords, **keywords}
        for key, value in words.items():
            if value is REQUIRED:
                raise TypeError(f"{self.name}() missing a required argument: {key!r}")
        law = self.family(**words)
        return law if isinstance(law, Law) else refuse("family", "a function from keywords to a law", law, TypeError)

    @usually_rounded
    def scaled(
        self,
        fan_in: float,
        fan_out: float,
        gain: float = 1.0,
        distribution: Distribution = OWN,
        scale: float = OWN,
        mode: Mode = OWN,
    ) -> Normal | Uniform | Truncated:
        """The law of a scheme with a scale, some of what describes it being changed."""
        drawn: Any = self.distribution if distribution is OWN else distribution
        variance = self._variance(fan_in, fan_out, scale, mode)
        std = checked_gain(gain) * sqrt(variance) + 0.0  # no -0, which would be equal and have other bits
        choice("distribution", drawn, DISTRIBUTIONS)
        if drawn == "normal":
            return Normal(0.0, std)
        if drawn == "uniform":
            limit = sqrt(3.0) * std
            return Uniform(-limit, limit)
        return Truncated(0.0, std / TRUNCATED_STD)

    def _variance(self, fan_in: float, fan_out: float, scale: float, mode: Mode, factor: float = 1.0) -> float:
        """``factor * scale / fan``."""
        name: Any = self.mode if mode is OWN else mode
        if not isinstance(name, str) or name not in FANS:
            choice("mode", name, FANS)
        fan = FANS[name](fan_in, fan_out) or 1  # zero only where there are no elements
        return factor * real("scale", self.scale if scale is OWN else scale, low=0) / fan

    def law_for(self, shape: Any, **keywords: Any) -> Law:
        """The law of an array of that shape, whose fans are along axes that keywords may name."""
        if not self.is_called:
            unexpected(self.name, keywords, self.parameters)
        return self._law_for(checked_shape(shape) if self.needs_fans else shape, keywords)

    def _law_for(self, shape: Any, keywords: Mapping[str, Any]) -> Law:
        """Of a checked shape, and keywords that are its own."""
        if not self.needs_fans:
            return self._law(None, keywords)
        own = {**AXES, **keywords}
        fans = fan_pair(shape, *(own.pop(axis) for axis in AXES))
        return self.scaled(*fans, **own)

    @usually_rounded
    def variance(self, shape: tuple[int, ...], gain: float = 1.0, **keywords: Any) -> float:
        """Var(w) times the square of `gain`, for weights of mean zero that are independent or Haar; else NaN."""
        if self.needs_fans:
            fans = fan_pair(shape, -2, -1, ())
            return self._variance(*fans, keywords.get("scale", OWN), keywords.get("mode", OWN), gain**2)
        law = self.law(**keywords)
        known = law.mean == 0 and (law.is_independent or isinstance(law, Orthogonal))
        return gain**2 * law.variance(shape) if known else nan

    def __call__(self, shape: Any, **keywords: Any) -> Any:
        """Arrays; keywords are its own, and seed, name, dtype, index, out and threads."""
        if isinstance(self.family, UsersFunction):
            return self.family.function(shape, **keywords)
        shape = shape if type(shape) is tuple else checked_shape(shape)
        own, common = self.parameters, dict(_USUAL)
        for keyword, value in keywords.items():
            known = common if keyword in common else own
            if keyword not in known:
                unexpected(self.name, [keyword], (*self.parameters, *COMMON))
            known[keyword] = value
        return self._calls.draw((shape, common.pop("dtype"), *own.values()), **common)

    @usually_rounded
    def _checked(self, asked: tuple[Any, ...], seed: Any, name: Any, index: Any, out: Any, threads: Any) -> Any:
        """What `_calls` does not know: (shape, dtype, its own keywords in order)."""
        shape, dtype, *own = asked
        lengths = checked_shape(shape)
        law = self._law_for(lengths, dict(zip(self.parameters, own, strict=True)))
        # A function may lead elsewhere next time.
        is_kept = self.family is None or isinstance(self.family, (type, OneLaw))
        if is_kept and (law.in_core or law.is_fixed):
            call = law._checked_call(lengths, kind_for(dtype, out))
            if call is not None:
                self._calls.keep(asked, call)
        return draw(law, lengths, seed=seed, name=name, dtype=dtype, index=index, out=out, threads=threads)
