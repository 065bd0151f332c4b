"""Initialisation: how all weights of a network are drawn, a scheme with its keywords and a gain."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ...arguments import refuse
from ...laws import Called, Law, Normal, Orthogonal
from ...scaling import Fans
from ...schemes import AXES, SCHEMES, Scheme, scheme_of

Array = np.ndarray[Any, Any]

#: For what a law says of itself whatever the fans.
_ANY_FANS = Fans(2, 2)


@dataclass(frozen=True)
class Initialisation:
    """How all weights of a network are drawn: a scheme with its keywords, and a gain.

    A scheme that is a user's function is called as ``(shape, seed, name) -> array``.
    """

    scheme: Scheme
    keywords: dict[str, Any] = field(default_factory=dict)
    gain: float = 1.0

    @property
    def name(self) -> str:
        """That of the scheme."""
        return self.scheme.name

    def __str__(self) -> str:
        words = ", ".join(f"{key}={value}" for key, value in self.keywords.items())
        return self.name + (f"({words})" if words else "") + (f" x {self.gain:.6g}" if self.gain != 1 else "")

    def draw(self, shape: tuple[int, ...], seed: int, name: str, dtype: Any, **where: Any) -> Array:
        """The weights of one layer, or with `index` and `out` a part of them."""
        if self.scheme.is_called:
            return self._called(shape, seed, name, dtype)
        weights: Array = self.scheme(shape, seed=seed, name=name, dtype=dtype, **self._words, **where)
        if not self._takes_gain and self.gain != 1:
            weights *= self.gain
        return weights

    def _called(self, shape: tuple[int, ...], seed: int, name: str, dtype: Any) -> Array:
        assert self.call is not None
        weights = np.asarray(_by_name(self.call)(shape, seed, name))
        if weights.shape != shape:
            refuse("scheme", f"a callable whose array has shape {shape}", weights.shape)
        if weights.dtype.kind not in "fiub":
            refuse("scheme", "a callable whose array holds real numbers", weights.dtype.name, TypeError)
        return np.multiply(weights, self.gain, dtype=dtype)

    @property
    def call(self) -> Callable[..., Any] | None:
        """The user's function, of a scheme that is one."""
        law = self._law
        return law.call if isinstance(law, Called) else None

    @cached_property
    def _law(self) -> Law:
        return self.scheme.law(_ANY_FANS, **self.keywords)

    @cached_property
    def _words(self) -> dict[str, Any]:
        return self.keywords | ({"gain": self.gain} if self._takes_gain else {})

    @cached_property
    def _takes_gain(self) -> bool:
        """Whether the scheme multiplies by a gain itself; one that has another use for the word is multiplied."""
        if self.scheme.keywords.get("gain") != 1.0:
            return False
        return self.scheme.needs_fans or self.scheme.law(**self.keywords, gain=2.0) == self._law.scaled(2.0)

    @property
    def is_gaussian(self) -> bool:
        """Whether weights are independent normals of mean zero."""
        law = self._law
        return isinstance(law, Normal) and law.mean == 0

    @property
    def is_haar(self) -> bool:
        """Whether matrices have orthonormal rows or columns, uniformly distributed."""
        return isinstance(self._law, Orthogonal)

    def variance(self, shape: tuple[int, ...]) -> float | None:
        """Var(w) of a layer's weights of mean zero, independent or Haar; None where that is not known."""
        variance = self.scheme.variance(shape, self.gain, **self.keywords)
        return None if np.isnan(variance) else variance

    @property
    def can_be_cut(self) -> bool:
        """Whether a tile can be had without the rest."""
        return not self.scheme.is_called and self._law.can_be_cut


def _by_name(call: Callable[..., Any]) -> Callable[[tuple[int, ...], int, str], Any]:
    """The callable with seed and name passed by name, where its signature has these names."""
    try:
        names: Any = inspect.signature(call).parameters
    except (TypeError, ValueError):
        names = {}
    if {"seed", "name"} <= set(names) or any(p.kind is p.VAR_KEYWORD for p in names.values()):
        return lambda shape, seed, name: call(shape, seed=seed, name=name)
    return call


def initialisation_from(scheme: Any, gain: float) -> Initialisation:
    """From what the user gave: a name, (name, keywords), a Scheme, a function of this package, or a callable."""
    if isinstance(scheme, Law) and scheme.name in SCHEMES:
        words = {key: value for key, value in scheme.to_dict().items() if key != "law" and key not in AXES}
        gain *= words.pop("gain", 1.0)
        scheme = scheme.name, words
    name, keywords = scheme if isinstance(scheme, tuple) and len(scheme) == 2 else (scheme, {})
    if not isinstance(keywords, dict):
        refuse("scheme", "a name, (name, {keyword: value}) or a callable", scheme, TypeError)
    known = scheme_of(name)
    if known != SCHEMES.get(known.name, known) and not known.is_called:
        refuse("scheme", "of a name that no other scheme has", known.name)
    if known.is_called:
        if keywords:
            refuse("scheme", "without keywords where it is a function of one's own", scheme)
        return Initialisation(known, {}, gain)
    own = [key for key in known.keywords if key != "gain" and key not in AXES]  # a profile has those itself
    if "gain" in keywords:
        refuse("scheme", "without gain, which is a keyword of profile itself (gain=...)", scheme)
    if set(keywords) - set(own):
        refuse("scheme", f"{known.name!r} with keywords among {own}", keywords)
    made = Initialisation(known, dict(keywords), gain)
    try:  # one that is missing or out of range, before anything large is made
        made.draw((1, 2, 2)[-max(made._law.least_axes, 2) :], 0, "", "float32")
    except (TypeError, ValueError) as error:
        raise type(error)(f"`scheme` {known.name!r}: {error}") from error
    return made
