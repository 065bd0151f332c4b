"""Weights: how a matrix is drawn, and two ways to multiply by it: made whole, or tile by tile and never stored."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..arguments import choice, refuse
from ..distributions import normal
from ..scaling import fan_pair
from ..schemes import FANS, SCHEMES
from .parallel import in_parallel
from .statistics import squared_norm

Array = np.ndarray[Any, Any]

#: Rows and columns of a tile: 4 MiB of float32, which a core's cache holds.
TILE = 1024

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
class Scheme:
    """A named scheme with its keywords, or a callable ``(shape, seed, name) -> array``; and a gain."""

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


def scheme_from(scheme: Any, gain: float) -> Scheme:
    """A `Scheme` from what the user gave: a name, (name, keywords), a function of this package, or a callable."""
    name, keywords = scheme if isinstance(scheme, tuple) and len(scheme) == 2 else (scheme, {})
    named = getattr(getattr(name, "scheme", None), "name", name)
    if callable(named):
        return Scheme(str(getattr(named, "__name__", type(named).__name__)), {}, named, gain)
    if not isinstance(keywords, dict):
        refuse("scheme", "a name, (name, {keyword: value}) or a callable", scheme, TypeError)
    known = [key for key in SCHEMES[choice("scheme", named, SCHEMES)].keywords if key not in _OWN]
    if set(keywords) - set(known):
        refuse("scheme", f"{named!r} with keywords among {known}", keywords)
    made = Scheme(named, dict(keywords), None, gain)
    try:  # an unknown keyword, or one out of range, before anything large is made
        made.draw((1, 2, 2) if made.name in _OF_KERNELS else (2, 2), 0, "", "float32")
    except (TypeError, ValueError) as error:
        raise type(error)(f"`scheme` {named!r}: {error}") from error
    return made


class Weights(Protocol):
    """A matrix (fan_in, fan_out), known by its products."""

    shape: tuple[int, int]

    def times(self, x: Array) -> Array:
        """x W."""

    def times_transposed(self, d: Array) -> Array:
        """d W'."""

    def squared_norm(self) -> float:
        """|W|^2, once it has been multiplied by."""

    def add(self, scale: float, x: Array, d: Array) -> None:
        """W += scale x'd; of weights that learn."""


class Buffers:
    """One array for each shape, kept warm: page faults cost more than the fill. Its owner is who drew into it last."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, ...], tuple[Array, Any]] = {}

    def take(self, shape: tuple[int, ...], dtype: Any, owner: Any) -> tuple[Array, bool]:
        """The array of that shape, and whether it still holds what `owner` drew."""
        array, last = self._held.get(shape, (None, None))
        if array is None:
            array = np.empty(shape, dtype)
        self._held[shape] = (array, owner)
        return array, last is owner


class Dense:
    """A matrix made whole. One that can be made again is not held: filling it costs less than the memory."""

    def __init__(self, scheme: Scheme, shape: tuple[int, ...], seed: int, name: str, dtype: Any, buffers: Buffers,
                 hold: bool) -> None:  # fmt: skip
        self.shape = (prod(shape[:-1]), shape[-1])
        self._draw = lambda **where: scheme.draw(shape, seed, name, dtype, **where)
        self._full_shape, self._dtype, self._buffers = shape, dtype, buffers
        self._matrix = self._draw().reshape(self.shape) if hold or not scheme.can_be_cut else None

    def matrix(self) -> Array:
        """(fan_in, fan_out)."""
        if self._matrix is not None:
            return self._matrix
        buffer, drawn = self._buffers.take(self._full_shape, self._dtype, self)
        if not drawn:
            self._draw(out=buffer)
        return buffer.reshape(self.shape)

    def times(self, x: Array) -> Array:
        """x W."""
        return x @ self.matrix()

    def times_transposed(self, d: Array) -> Array:
        """d W'."""
        return d @ self.matrix().T

    def squared_norm(self) -> float:
        """|W|^2."""
        return squared_norm(self.matrix())

    def add(self, scale: float, x: Array, d: Array) -> None:
        """W += scale x'd, for a matrix that is held."""
        assert self._matrix is not None
        self._matrix += self._matrix.dtype.type(scale) * (x.T @ d)


class Tiled:
    """A matrix that is never stored: tiles are made in cache, multiplied, and made again for the way back.

    The weights are those of `Dense`, bit for bit. A product sums fan_in terms in another order, so that both agree to
    ``2 fan_in u |x| |W|`` for each element, u being the rounding of the dtype.
    """

    def __init__(self, scheme: Scheme, shape: tuple[int, ...], seed: int, name: str, dtype: Any) -> None:
        *taps, height, width = shape
        self.shape = (prod(shape[:-1]), width)
        self._draw = lambda **where: scheme.draw(shape, seed, name, dtype, threads=1, **where)
        self._dtype = dtype
        # the taps of a kernel, its leading axes, lie one below the other
        bands = [(tap, number * height, _cuts(height)) for number, tap in enumerate(np.ndindex(*taps))]
        self._rows = [_Rows(_moved(cut, start), (*tap, cut)) for tap, start, cuts in bands for cut in cuts]
        self._columns = _cuts(width)
        self._squared_norm: float | None = None

    def tile(self, rows: _Rows, columns: slice, space: Array) -> Array:
        """The weights in some rows and columns."""
        shape = (rows.where.stop - rows.where.start, columns.stop - columns.start)
        tile = space[: shape[0] * shape[1]].reshape(shape)
        self._draw(index=(*rows.index, columns), out=tile)
        return tile

    def times(self, x: Array) -> Array:
        """x W."""
        result = np.zeros((len(x), self.shape[1]), x.dtype)
        first = self._squared_norm is None

        def stripe(columns: slice) -> float:
            squares, space = 0.0, np.empty(TILE * TILE, self._dtype)
            for rows in self._rows:
                tile = self.tile(rows, columns, space)
                result[:, columns] += x[:, rows.where] @ tile
                if first:
                    squares += squared_norm(tile)
            return squares

        squares = in_parallel(stripe, self._columns)
        if first:
            self._squared_norm = sum(squares)
        return result

    def times_transposed(self, d: Array) -> Array:
        """d W'."""
        result = np.zeros((len(d), self.shape[0]), d.dtype)

        def stripe(rows: _Rows) -> None:
            space = np.empty(TILE * TILE, self._dtype)
            for columns in self._columns:
                result[:, rows.where] += d[:, columns] @ self.tile(rows, columns, space).T

        in_parallel(stripe, self._rows)
        return result

    def squared_norm(self) -> float:
        """|W|^2, summed while the tiles were first multiplied."""
        assert self._squared_norm is not None
        return self._squared_norm


class _Rows(NamedTuple):
    """Rows of a matrix, and the index of them in the array of weights."""

    where: slice
    index: tuple[Any, ...]


def _cuts(length: int) -> list[slice]:
    return [slice(start, min(start + TILE, length)) for start in range(0, length, TILE)]


def _moved(cut: slice, by: int) -> slice:
    return slice(cut.start + by, cut.stop + by)


def bias(std: float, width: int, seed: int, name: str, dtype: Any, **where: Any) -> Array:
    """The biases of a layer, or with `index` some: normal of mean zero."""
    return normal(width, 0.0, std, seed=seed, name=f"{name}.bias", dtype=dtype, **where)
