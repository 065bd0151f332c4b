"""Sums of products over columns: blocks of 256 in 8 lanes, the blocks of a span of 1024 in order, then the spans."""

from __future__ import annotations

from typing import Any

import numpy as np

from .widths import F64, Array

COLUMNS, SPAN, LANES = 256, 1024, 8


def _sum(terms: Array) -> Array:
    """Along the last axis, in the core's order."""
    width = terms.shape[-1]
    total = np.zeros(terms.shape[:-1])
    for first in range(0, width, SPAN):
        span = np.zeros_like(total)
        for start in range(first, min(first + SPAN, width), COLUMNS):
            block = terms[..., start : min(start + COLUMNS, width)]
            lanes = np.zeros((*total.shape, LANES))
            for step in range(0, block.shape[-1], LANES):
                some = block[..., step : step + LANES]
                lanes[..., : some.shape[-1]] += some
            while lanes.shape[-1] > 1:
                half = lanes.shape[-1] // 2
                lanes = lanes[..., :half] + lanes[..., half:]
            span += lanes[..., 0]
        total += span
    return total


def gram(x: Any, y: Any = None) -> Array:
    """xy', by default xx'; of float32 or float64 rows, in float64."""
    one, other = np.asarray(x, F64), np.asarray(x if y is None else y, F64)
    return _sum(one[:, None] * other)


def row_sums(x: Any, y: Any) -> Array:
    """Of each row the sum of x, and then of each that of x y."""
    wide = np.asarray(x, F64)
    return np.stack([_sum(wide), _sum(wide * np.asarray(y, F64))])


def weighted_square(x: Any, weights: Any) -> float:
    """The square of the length of the weighted sum of rows."""
    total = np.zeros(np.shape(x)[1])
    for row, weight in zip(np.asarray(x, F64), weights, strict=True):
        total += weight * row
    return float(_sum(total * total))
