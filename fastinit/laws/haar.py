"""Orthogonal matrices, uniform (Haar) by random reflections, many at once, in place.

Stewart 1980 with the signs of Mezzadri 2007; `fastinit.orthogonal` names the papers and the numbers of the stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from .. import _core
from ..dtypes import Kind, kind_of
from .parameters import Parameters

Array = np.ndarray[Any, Any]

#: Reflections applied together. At 2048 x 2048 float32, 64 of them take a quarter longer, 256 a tenth.
PANEL = 160
#: Elements of a product before it is subtracted: it stays in the second-level cache.
_STRIPE = 1 << 19
#: Elements of small matrices made together.
_STACK = 1 << 16
_SLICE = 4096
_STANDARD_NORMAL = Parameters(0.0, 1.0)


def fill_orthogonal(
    array: Array, batch: Sequence[int], columns: Sequence[int], kind: Kind, scale: float, key: bytes, threads: int
) -> None:
    """Orthogonal matrices in place of those that the axes make of `array` (of any strides)."""
    rows = tuple(axis for axis in range(array.ndim) if axis not in (*batch, *columns))
    ordered = array.transpose(*batch, *rows, *columns)
    turned = array.transpose(*batch, *columns, *rows)
    count, height, width = (prod(array.shape[axis] for axis in axes) for axes in (batch, rows, columns))
    if not array.size:
        return
    if ordered.flags.carray:
        matrices = ordered.reshape(count, height, width)
    elif turned.flags.carray:
        matrices = turned.reshape(count, width, height).mT
    else:
        matrices = np.empty((count, height, width), array.dtype)
    together = max(1, _STACK // (height * width))
    for first in range(0, count, together):
        some = matrices[first : first + together]
        computed = some if some.dtype == kind.real else np.empty(some.shape, kind.real)
        _make_orthogonal(computed if height >= width else computed.mT, first, key, threads)
        if scale != 1 or computed is not some:
            np.multiply(computed, scale, out=some, dtype=kind.real, casting="unsafe")
    if not np.may_share_memory(matrices, array):
        ordered[...] = matrices.reshape(ordered.shape)


def _make_orthogonal(matrices: Array, first: int, key: bytes, threads: int) -> None:
    """Matrices number `first` and up of the stream, of shape (count, n, k) with k <= n."""
    count, n, k = matrices.shape
    matrices[...] = 0
    for start in reversed(range(0, k, PANEL)):
        vectors = np.empty((count, min(PANEL, k - start), n - start), matrices.dtype)
        number = (first * k + start) * n + start
        code = kind_of(matrices.dtype).code
        _core.fill(0, code, key, _STANDARD_NORMAL, vectors, number, (k * n, n, 1), threads)
        signs = _make_reflectors(vectors)
        _reflect(matrices[:, start:, start:], vectors, signs)


def _diagonals(matrices: Array) -> Array:
    return np.einsum("mjj->mj", matrices)


def _make_reflectors(vectors: Array) -> Array:
    """Row j of each matrix, from column j on, becomes a vector to reflect by: the reflection takes what the row was to
    `sign` times the j-th axis, times its length. Returns the signs."""
    leading = vectors[:, :, : vectors.shape[1]]
    leading[...] = np.triu(leading)
    diagonals = _diagonals(leading)
    lengths = np.sqrt(np.vecdot(vectors, vectors))
    lengths[lengths == 0] = 1  # the last vector of a square has one element, which is 0 once in 2**24 times or so
    lengths[diagonals < 0] *= -1
    diagonals += lengths
    return -np.sign(lengths)


def _reflect(matrices: Array, vectors: Array, signs: Array) -> None:
    """Multiply by the reflections, all at once: H[0] H[1] ... = I - V T V', T^-1 = V'V above the diagonal + half of it.

    The first columns of the matrices are those of a diagonal, the signs, and are zero outside it as are the first rows.
    """
    panel = vectors.shape[1]
    _diagonals(matrices[:, :panel, :panel])[...] = signs
    product = np.empty((*vectors.shape[:2], matrices.shape[2]), matrices.dtype)
    product[..., :panel] = vectors[..., :panel] * signs[:, np.newaxis]
    np.matmul(vectors[..., panel:], matrices[:, panel:, panel:], out=product[..., panel:])
    product = _accumulated(vectors) @ product
    by_column = matrices.strides[-1] != matrices.itemsize
    height = max(PANEL, _STRIPE // (matrices.shape[0] * matrices.shape[2]))
    for start in range(0, matrices.shape[1], height):
        stripe = slice(start, start + height)
        if by_column:
            matrices.mT[..., stripe] -= product.mT @ vectors[..., stripe]
        else:
            matrices[:, stripe] -= vectors[..., stripe].mT @ product


def _accumulated(vectors: Array) -> Array:
    """T, through float64: with V'V in float32 the columns of a 2048 x 2048 Q were ten times less orthonormal."""
    gram = np.zeros((*vectors.shape[:2], vectors.shape[1]))
    for start in range(0, vectors.shape[2], _SLICE):
        exact = vectors[..., start : start + _SLICE].astype(np.float64)
        gram += exact @ exact.mT
    _diagonals(gram)[...] /= 2
    return _inverted(gram).astype(vectors.dtype)


def _inverted(upper: Array) -> Array:
    """Inverses of upper triangular matrices, whatever is below the diagonal; by halves a third of the time of inv."""
    size = upper.shape[-1]
    if size <= 32:
        return np.linalg.inv(np.triu(upper))
    first, second = slice(size // 2), slice(size // 2, size)
    inverse = np.zeros(upper.shape)
    inverse[:, first, first] = _inverted(upper[:, first, first])
    inverse[:, second, second] = _inverted(upper[:, second, second])
    inverse[:, first, second] = -inverse[:, first, first] @ upper[:, first, second] @ inverse[:, second, second]
    return inverse
