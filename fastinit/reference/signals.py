"""Signals, rows of units: norms and their Jacobians, and columns that are told from each other by a projection."""

from __future__ import annotations

from typing import Any

import numpy as np

from .streaming import lane_sums, lane_tree
from .widths import F64, Array

ROWS = 0


def _sums(terms: Array, axis: int) -> Array:
    """Over rows one after the other; over columns in lanes."""
    if axis == ROWS:
        return sum(terms, start=np.zeros(terms.shape[1]))
    return np.array([lane_tree(lane_sums(row)) for row in terms])


def normalise(x: Any, axis: int, centred: bool = True, eps: float = 0.0, means: Any = None) -> tuple[Array, Array]:
    """(x - mean) inverse, and inverse = 1 / sqrt(variance + eps), over rows (axis 0) or columns; `means`: of x, x^2."""
    wide, shift = x.astype(F64), np.zeros(x.shape[1 - axis])
    if means is None:
        shift = np.take(wide, 0, axis) if centred else shift
        away = wide - np.expand_dims(shift, axis)
        means = [_sums(terms, axis) / x.shape[axis] for terms in (away, away * away)]
    mean, square = means
    variance = np.maximum(square - mean * mean if centred else square, 0)
    inverse = 1 / np.sqrt(variance + eps)
    mean = mean + shift if centred else np.zeros_like(mean)
    high = mean.astype(x.dtype)
    off, rest, times = (np.expand_dims(t.astype(x.dtype), axis) for t in (high, mean - high.astype(F64), inverse))
    return (x - off - rest) * times, inverse


def jacobian(d: Any, y: Any, inverse: Any, axis: int, centred: bool = True, means: Any = None) -> Array:
    """(d - <d> - y <d y>) inverse, without <d> where nothing is centred; `means`: of d, d y."""
    if means is None:
        wide = d.astype(F64)
        means = [_sums(terms, axis) / d.shape[axis] for terms in (wide, wide * y)]
    mean, along, times = (np.expand_dims(t.astype(d.dtype), axis) for t in (*means, inverse))
    return (d - (mean if centred else 0 * mean) - y * along) * times


def project(x: Any, weights: Any) -> tuple[Array, Array]:
    """Of each column the weighted sum, row after row in float64, and the largest magnitude."""
    return _sums(np.expand_dims(weights, 1) * x.astype(F64), ROWS), np.abs(x).max(axis=0)
