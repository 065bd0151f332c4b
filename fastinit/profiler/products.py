"""Sums of products over columns: in float64, in which those of float32 are exact, in an order of their own.

They are made by the core, of any number of rows: of 1024 as fast as by a BLAS in float64, of fewer faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _core
from ..machine import threads_for

Array = np.ndarray[Any, Any]


def rounding(columns: int, parts: int | None = None) -> float:
    """How far a sum of products may be off, relative to the lengths of its two rows.

    A term passes 31 roundings in its lane, 3 in the tree of lanes, 3 in its span and one for each span of 1024 columns;
    in so many `parts` (a layer's columns) one for each block of its part, and one for each part. Of float64 it is a
    rounded product itself.
    """
    last = 3 + columns / 1024 if parts is None else 1 + columns / (256 * parts) + parts
    return (35 + last) * 2.0**-53


def gram(x: Array, y: Array | None = None, threads: int | None = None) -> Array:
    """xy', by default xx'. What is so small or large that squares would leave the range of float64 is scaled."""
    x, power = _scaled(x)
    y, more = (None, power) if y is None else _scaled(y)
    products = _core.gram(x, y, threads_for(threads))
    return np.ldexp(products, power + more) if power or more else products


def row_sums(x: Array, y: Array, threads: int | None = None) -> Array:
    """Of each row the sum of x, and then of each that of x y."""
    return _core.row_sums(_readable(x), _readable(y), threads_for(threads))


def inner(x: Array, y: Array, threads: int | None = None) -> float:
    """<x, y>."""
    return float(row_sums(x.reshape(1, -1), y.reshape(1, -1), threads)[1, 0])


def squared_norm(x: Array, threads: int | None = None) -> float:
    """|x|^2."""
    return inner(x, x, threads)


def mean_cosine(products: Array) -> float:
    """Mean over pairs of different rows of the cosine between them, from their Gram matrix; zero rows have none."""
    unit = _inverse_lengths(products.diagonal())
    return _mean_of_pairs(float(unit @ products @ unit), unit)


def mean_cosine_of_rows(x: Array) -> float:
    """The same from the rows themselves, in a time and memory linear in their number: |sum of unit vectors|^2."""
    return mean_cosine_within(x[None])


def mean_cosine_within(x: Array) -> float:
    """Mean over examples of that between their positions, of (examples, positions, units): of those that have one."""
    if x.shape[1] < 2:
        return np.nan
    rows, threads = _scaled(x.reshape(-1, x.shape[2]))[0], threads_for(None)
    unit = _inverse_lengths(row_sums(rows, rows)[1].reshape(x.shape[:2]))
    several = zip(rows.reshape(x.shape), unit, strict=True)
    return mean_of_known([_mean_of_pairs(_core.weighted_square(one, each, threads), each) for one, each in several])


def mean_of_known(values: Sequence[float]) -> float:
    """The mean of those that are numbers; not a number where none is."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan


def _inverse_lengths(squares: Array) -> Array:
    """Of rows from their squares; none, zero, of zero rows."""
    return np.divide(1, np.sqrt(squares), out=np.zeros(squares.shape), where=squares != 0)


def _mean_of_pairs(total: float, unit: Array) -> float:
    """From the square of the sum of unit vectors, those of zero rows being none."""
    count = np.count_nonzero(unit)
    return (total - count) / (count * (count - 1)) if count > 1 else np.nan


def _readable(x: Array) -> Array:
    """The matrix with its rows where the core can read them."""
    return x if x.strides[1] == x.itemsize and x.flags.aligned else np.require(x, requirements=["C", "A"])


def _scaled(x: Array) -> tuple[Array, int]:
    """x / 2**power, readable, and power: 0 where the largest element is between 2**-40 and 2**40, and of float32."""
    if x.dtype == np.float32 or not x.size:
        return _readable(x), 0
    peak = max(float(x.max()), -float(x.min()))
    power = int(np.frexp(peak)[1]) if np.isfinite(peak) else 0
    return (np.ldexp(x, -power), power) if abs(power) > 40 else (_readable(x), 0)
