"""Matrices of weights, and two ways to multiply by them: made whole, or tile by tile and never stored."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any, NamedTuple, Protocol

import numpy as np

from ...schemes.distributions import normal
from ..description.initialisation import Initialisation
from ..parallel import in_parallel
from ..products import squared_norm

Array = np.ndarray[Any, Any]

#: Rows and columns of a tile: 4 MiB of float32, which a core's cache holds.
TILE = 1024
#: A product is cut into so many stripes at most, of so many columns at least: eight take 4 % longer than the whole.
_STRIPES, _STRIPE = 8, 256


def product(x: Array, y: Array) -> Array:
    """x y, shared out by stripes along its longer side, which its shape alone decides."""
    shape = (len(x), y.shape[1])
    longer = max(shape)
    step = max(_STRIPE, -(-longer // _STRIPES))
    if longer <= step:
        return np.matmul(x, y)
    result = np.empty(shape, x.dtype)

    def stripe(start: int) -> None:
        some = slice(start, start + step)
        if longer == shape[1]:
            np.matmul(x, y[:, some], out=result[:, some])
        else:
            np.matmul(x[some], y, out=result[some])

    in_parallel(stripe, range(0, longer, step))
    return result


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

    def __init__(
        self,
        initialisation: Initialisation,
        shape: tuple[int, ...],
        seed: int,
        name: str,
        dtype: Any,
        buffers: Buffers,
        hold: bool,
    ) -> None:
        self.shape: tuple[int, int] = (prod(shape[:-1]), shape[-1])
        self._draw = partial(initialisation.draw, shape, seed, name, dtype)
        self._full_shape, self._dtype, self._buffers = shape, dtype, buffers
        self._matrix = self._draw().reshape(self.shape) if hold or not initialisation.can_be_cut else None

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
        return product(x, self.matrix())

    def times_transposed(self, d: Array) -> Array:
        """d W'."""
        return product(d, self.matrix().T)

    def squared_norm(self) -> float:
        """|W|^2."""
        return squared_norm(self.matrix())

    def add(self, scale: float, x: Array, d: Array) -> None:
        """W += scale x'd, for a matrix that is held."""
        assert self._matrix is not None
        self._matrix += self._matrix.dtype.type(scale) * product(x.T, d)


class Tiled:
    """A matrix that is never stored: tiles are made in cache, multiplied, and made again for the way back.

    The weights are those of `Dense`, bit for bit. A product sums fan_in terms in another order, so that both agree to
    ``2 fan_in u |x| |W|`` for each element, u being the rounding of the dtype.
    """

    def __init__(
        self, initialisation: Initialisation, shape: tuple[int, ...], seed: int, name: str, dtype: Any
    ) -> None:
        *taps, height, width = shape
        self.shape: tuple[int, int] = (prod(shape[:-1]), width)
        self._draw = partial(initialisation.draw, shape, seed, name, dtype, threads=1)
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
        self._draw(index=(*rows.at, columns), out=tile)
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
                    squares += squared_norm(tile, threads=1)
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

    def add(self, scale: float, x: Array, d: Array) -> None:
        """Cannot be: what has been learned would have to be stored."""
        raise NotImplementedError("weights that are made tile by tile do not learn")


class _Rows(NamedTuple):
    """Rows of a matrix, and where they are in the array of weights."""

    where: slice
    at: tuple[Any, ...]


def _cuts(length: int) -> list[slice]:
    return [slice(start, min(start + TILE, length)) for start in range(0, length, TILE)]


def _moved(cut: slice, by: int) -> slice:
    return slice(cut.start + by, cut.stop + by)


def bias(std: float, width: int, seed: int, name: str, dtype: Any, **where: Any) -> Array:
    """The biases of a layer, or with `index` some: normal of mean zero."""
    return normal(width, 0.0, std, seed=seed, name=f"{name}.bias", dtype=dtype, **where)
