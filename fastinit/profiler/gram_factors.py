"""Factors of Gram matrices, and random Gram matrices (Wishart): what both samplers of unseen weights are made of."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from ..bit_generator import ARS
from ..generator import Generator
from ..stream import stream_key

Array = np.ndarray[Any, Any]

#: A row is as good a next one as the row of which most is unexplained where it has so much of that.
_NEARLY = 0.87


@dataclass(frozen=True, eq=False)
class Factor:
    """``gram = root' root``, and for gram = xx' ``inverse x`` has orthonormal rows; both are (rank, rows).

    Of `pivots`, the rows that explain all, root has a triangle; where they are None, of all in order.
    """

    root: Array
    pivots: list[int] | None = None

    @property
    def inverse(self) -> Array:
        """Of that triangle, and zero at the other rows; it takes four times as long as the root."""
        if self.pivots is None:
            return np.asarray(np.linalg.inv(self.root.T))
        inverse = np.zeros(self.root.shape)
        inverse[:, self.pivots] = np.linalg.inv(np.triu(self.root[:, self.pivots])).T
        return inverse


def factor(gram: Array, cut: float, room: int | None = None) -> Factor:
    """The Cholesky factor of a Gram matrix; rows are left out that others explain up to the square `cut`.

    Where there is `room` for fewer rows than it has, it keeps those of which most is unexplained.
    """
    if not np.isfinite(gram).all():
        return Factor(np.full_like(gram, np.nan))
    if room is not None and room < len(gram):
        return _pivoted(gram, cut, room)
    try:
        lower = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        return _pivoted(gram, cut, len(gram))
    if (np.diag(lower) ** 2 > cut).all():
        return Factor(lower.T)
    return _pivoted(gram, cut, len(gram))


def _pivoted(gram: Array, cut: float, room: int) -> Factor:
    """Next comes a row of which much is unexplained; Higham, "Accuracy and stability", second edition, section 10.3.

    The first one with nearly as much as the most: rows that are equally far off, as the last two of a batch whose sum
    is zero, must not be told apart by rounding.
    """
    rows = len(gram)
    root, left = np.zeros((rows, rows)), np.diag(gram).copy()
    pivots: list[int] = []
    for k in range(room):
        most = left.max()
        if most <= cut:
            break
        j = int(np.argmax(left >= _NEARLY * most))
        row = root[k]
        np.subtract(gram[j], root[:k, j] @ root[:k], out=row)
        row /= sqrt(left[j])
        left -= row * row
        left[j] = -np.inf
        pivots.append(j)
    return Factor(root[: len(pivots)], pivots)


def whitening(gram: Array, cut: float) -> Array:
    """A matrix that makes rows of this Gram matrix, of full rank, orthonormal; not a number where an entry is not.

    Where rounding hides the rank, what is left counts as the square `cut`.
    """
    if not np.isfinite(gram).all():
        return np.full_like(gram, np.nan)
    try:
        return np.asarray(np.linalg.inv(np.linalg.cholesky(gram)))
    except np.linalg.LinAlgError:
        squares, axes = np.linalg.eigh(gram)
        return np.asarray(axes.T / np.sqrt(np.maximum(squares, cut))[:, None])


def stream_generator(seed: int, name: str) -> np.random.Generator:
    """A generator of the few numbers that have no law of ours, of a stream of that name."""
    return Generator(ARS(int.from_bytes(stream_key(seed, "bits", name), "little")))


def wishart(size: int, freedom: int, random: np.random.Generator) -> Array:
    """NN' for N of (size, freedom) independent standard normals, by Bartlett's triangular root where it is smaller."""
    if freedom < size:
        root = random.standard_normal((size, freedom))
    else:
        root = np.tril(random.standard_normal((size, size)), -1)
        np.fill_diagonal(root, np.sqrt(random.chisquare(freedom - np.arange(size))))
    return root @ root.T
