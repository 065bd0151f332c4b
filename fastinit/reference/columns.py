"""Columns of a layer: the product that makes them, and the order in which what is read of them is added.

Blocks of columns, and parts of blocks, depend on rows and width; sums of products are made of 256 columns at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .products import COLUMNS, gram
from .rounding import fma32
from .streaming import BLOCK, Sums, block_sums, merged
from .widths import F32, F64, Array

_ELEMENTS, _SUMS, _LEAST, _MOST, _LANES = 1 << 14, 1 << 20, 4, 32, 16


@np.errstate(invalid="ignore", over="ignore")
def mapped(matrix: Any, x: Any) -> Array:
    """A matrix of float32 or float64 times columns: term after term, by fma of float32; in the dtype of the columns."""
    narrow = matrix.dtype == F32
    total = np.zeros((len(matrix), x.shape[1]), matrix.dtype)
    for by, row in zip(matrix.T[:, :, None], x, strict=True):
        total = fma32(by, row, total) if narrow else total + by * row.astype(F64)
    return total.astype(x.dtype)


def _blocks(rows: int, width: int) -> Iterator[list[slice]]:
    """The blocks of each part."""
    columns = max(_ELEMENTS // max(rows, 1) // COLUMNS, 1) * COLUMNS
    blocks = [slice(first, min(first + columns, width)) for first in range(0, width, columns)]
    parts = min(-(-len(blocks) // 2), max(min(_SUMS // max(rows * rows, 1), _MOST), _LEAST))
    for part in range(parts):
        yield blocks[len(blocks) * part // parts : len(blocks) * (part + 1) // parts]


def _narrow(x: Array, y: Array) -> Array:
    """Products of at most 256 columns of float32, in 16 lanes of float32."""
    lanes = np.zeros((len(x), len(y), _LANES), F32)
    for step in range(0, x.shape[1], _LANES):
        one, other = x[:, None, step : step + _LANES], y[None, :, step : step + _LANES]
        some = lanes[:, :, : one.shape[-1]]
        some[...] = fma32(one, other, some)
    total = lanes.astype(F64)
    while total.shape[-1] > 1:
        half = total.shape[-1] // 2
        total = total[..., :half] + total[..., half:]
    return total[..., 0]


def column_products(x: Any, y: Any = None, exact: bool = True, rows: int = 0) -> Array:
    """xx', or xy', in float64; where they are not `exact`, of float32 in float32 within 256 columns.

    Of a layer whose gradients have so many `rows`, if those are more.
    """
    other = x if y is None else y
    product = gram if exact or x.dtype == F64 else _narrow
    total = np.zeros((len(x), len(other)))
    for part in _blocks(max(len(x), len(other), rows), x.shape[1]):
        sums = np.zeros_like(total)
        for block in part:
            for first in range(block.start, block.stop, COLUMNS):
                some = slice(first, min(first + COLUMNS, block.stop))
                sums = sums + product(x[:, some], other[:, some])
        total = total + sums
    return total


def column_sums(x: Any, order: int) -> Sums:
    """The moments of a signal that is read block by block."""
    total = Sums()
    for part in _blocks(*x.shape):
        seen = Sums()
        for block in part:
            elements = x[:, block].ravel()
            for first in range(0, len(elements), BLOCK):
                seen = merged(seen, block_sums(elements[first : first + BLOCK], order))
        total = merged(total, seen)
    return merged(Sums(), total)
