"""Initialisation: how all weights of a network are drawn, a scheme with its keywords and a gain."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from ...arguments import choice, refuse
from ...scaling import fan_pair
from ...schemes import FANS, SCHEMES

Array = np.ndarray[Any, Any]

_SCALES = {"lecun": (1.0, "fan_in"), "he": (2.0, "fan_in"), "kaiming": (2.0, "fan_in")}
_SCALES |= {"glorot": (1.0, "fan_avg"), "xavier": (1.0, "fan_avg")}
_SCALED = (*(f"{author}_{law}" for author in _SCALES for law in ("normal", "uniform")), "variance_scaling")
#: Schemes that take the gain themselves; the values of others are multiplied by it.
_WITH_GAIN = (*_SCALED, "orthogonal", "delta_orthogonal", "identity")
#: Parameters that a profile gives to a scheme, or has keywords of its own for.
_OWN = {"shape", "seed", "name", "dtype", "index", "out", "threads", "gain", "in_axis", "out_axis", "batch_axis"}
_OWN |= {"common", "keywords"}
#: Schemes whose matrix is made whole before any part of it can be had.
_WHOLE = ("orthogonal", "delta_orthogonal", "sparse", "dirac")
#: Schemes of convolutional kernels alone.
_OF_KERNELS = ("delta_orthogonal", "dirac")


@dataclass(frozen=True)
class Initialisation:
    """How all weights of a network are drawn: a named scheme with its keywords, or a callable; and a gain.

    A callable is ``(shape, seed, name) -> array``.
    """

    name: str
    keywords: dict[str, Any] = field(default_factory=dict)
    call: Callable[..., Any] | None = None
    gain: float = 1.0

    def __str__(self) -> str:
        words = ", ".join(f"{key}={value}" for key, value in self.keywords.items())
        return self.name + (f"({words})" if words else "") + (f" x {self.gain:.6g}" if self.gain != 1 else "")

    def draw(self, shape: tuple[int, ...], seed: int, name: str, dtype: Any, **where: Any) -> Array:
        """The weights of one layer, or with `index` and `out` a part of them."""
        if self.call is not None:
            return self._called(shape, seed, name, dtype)
        own = self.name in _WITH_GAIN
        more = {"gain": self.gain} if own else {}
        weights = SCHEMES[self.name](shape, seed=seed, name=name, dtype=dtype, **self.keywords, **more, **where)
        if not own and self.gain != 1:
            weights *= self.gain
        return weights

    def _called(self, shape: tuple[int, ...], seed: int, name: str, dtype: Any) -> Array:
        weights = np.asarray(_by_name(self.call)(shape, seed, name))
        if weights.shape != shape:
            refuse("scheme", f"a callable whose array has shape {shape}", weights.shape)
        if weights.dtype.kind not in "fiub":
            refuse("scheme", "a callable whose array holds real numbers", weights.dtype.name, TypeError)
        return np.multiply(weights, self.gain, dtype=dtype)

    @property
    def law(self) -> str | None:
        """What the weights are, if they are independent and named by one law, or Haar: "normal", "uniform", ..."""
        if self.call is not None:
            return None
        if self.name == "small_normal":
            return "normal"
        if self.name in _SCALED:
            drawn = "uniform" if self.name.endswith("uniform") else "normal"
            return str(self.keywords.get("distribution", drawn))
        return self.name

    def variance(self, shape: tuple[int, ...]) -> float | None:
        """Var(w) of a layer's weights of mean zero; None where that is not known from the name."""
        words = self.keywords
        if self.name in _SCALED:
            scale, mode = _SCALES.get(
                self.name.rsplit("_", 1)[0], (words.get("scale", 1.0), words.get("mode", "fan_in"))
            )
            return self.gain**2 * scale / FANS[mode](*fan_pair(shape, -2, -1, ()))
        known = {
            "small_normal": words.get("std", 0.01) ** 2,
            "normal": None if words.get("mean", 0.0) else words.get("std", 1.0) ** 2,
            "uniform": _uniform_variance(words.get("low", 0.0), words.get("high", 1.0)),
            "orthogonal": 1 / max(prod(shape[:-1]), shape[-1]),
            "zeros": 0.0,
        }
        variance = None if self.call else known.get(self.name)
        return None if variance is None else self.gain**2 * variance

    @property
    def can_be_cut(self) -> bool:
        """Whether a tile can be had without the rest."""
        return self.call is None and self.name not in _WHOLE


def _uniform_variance(low: float, high: float) -> float | None:
    """Of a uniform law of mean zero."""
    return high**2 / 3 if low == -high else None


def _by_name(call: Callable[..., Any]) -> Callable[[tuple[int, ...], int, str], Any]:
    """The callable with seed and name passed by name, where its signature has these names."""
    try:
        names = inspect.signature(call).parameters
    except (TypeError, ValueError):
        names = {}
    if {"seed", "name"} <= set(names) or any(p.kind is p.VAR_KEYWORD for p in names.values()):
        return lambda shape, seed, name: call(shape, seed=seed, name=name)
    return call


def initialisation_from(scheme: Any, gain: float) -> Initialisation:
    """From what the user gave: a name, (name, keywords), a function of this package, or a callable."""
    name, keywords = scheme if isinstance(scheme, tuple) and len(scheme) == 2 else (scheme, {})
    named = getattr(getattr(name, "scheme", None), "name", name)
    if callable(named):
        return Initialisation(str(getattr(named, "__name__", type(named).__name__)), {}, named, gain)
    if not isinstance(keywords, dict):
        refuse("scheme", "a name, (name, {keyword: value}) or a callable", scheme, TypeError)
    known = [key for key in SCHEMES[choice("scheme", named, SCHEMES)].keywords if key not in _OWN]
    if set(keywords) - set(known):
        refuse("scheme", f"{named!r} with keywords among {known}", keywords)
    made = Initialisation(named, dict(keywords), None, gain)
    try:  # an unknown keyword, or one out of range, before anything large is made
        made.draw((1, 2, 2) if made.name in _OF_KERNELS else (2, 2), 0, "", "float32")
    except (TypeError, ValueError) as error:
        raise type(error)(f"`scheme` {named!r}: {error}") from error
    return made
