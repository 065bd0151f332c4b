"""A lazy Gaussian matrix: it is asked for any number of products, and of each is drawn what is new as it is due.

W is s times V, V of independent standard normals. What is known of V are its products with an orthonormal basis of the
inputs seen so far, Y = U V, and with one of the outputs seen so far, Z = T V'. A new unit vector u across U has
u V = (u Z') T + n (I - T'T) in law, n being new normals; and from the other side the same. Learning adds terms of low
rank, as x'd of a batch.

*Reference*: Bolthausen, "An iterative construction of solutions of the TAP equations", Commun. Math. Phys. 325, 2014;
Bayati and Montanari, IEEE Transactions on Information Theory 57(2), 2011; as an algorithm, Lu, "Householder dice", IEEE
Transactions on Information Theory 67(12), 2021.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from ...schemes.distributions import normal
from ..description.initialisation import Initialisation
from ..gram_factors import factor, stream_generator
from ..products import gram, inner, rounding, squared_norm
from .matrices import product

Array = np.ndarray[Any, Any]

#: What is left of a signal counts as noise when it is so many roundings of the signal's dtype, in norm.
_ROUNDINGS = 32


class _Side:
    """One side of the matrix: an orthonormal basis of what was seen there, and its images on the other side."""

    def __init__(self, width: int, other: int, dtype: Any) -> None:
        self.basis = np.empty((0, width), dtype)
        self.images = np.empty((0, other), dtype)

    def take_in(self, x: Array) -> Array:
        """Coefficients of x in the basis, which grows by what it lacks.

        A Gram matrix shows directions down to 1e-6 of what is left: it is asked until nothing is but noise.
        """
        noise = float(_ROUNDINGS * np.finfo(x.dtype).eps) ** 2 * squared_norm(x)
        coefficients, rest = self._apart(x)
        while squared_norm(rest) > noise:
            seen = len(self.basis)
            self.basis = np.concatenate([self.basis, self._directions(rest, noise)])
            if len(self.basis) == seen:
                break
            coefficients, rest = self._apart(x)
        return coefficients

    def _apart(self, x: Array) -> tuple[Array, Array]:
        """Coefficients in the basis, and what it leaves, of which a second look finds what rounding hid."""
        coefficients = x @ self.basis.T
        rest = x - product(coefficients, self.basis)
        more = rest @ self.basis.T
        return coefficients + more, rest - product(more, self.basis)

    def _directions(self, rest: Array, noise: float) -> Array:
        """Orthonormal rows, orthogonal to the basis: of the second time they are so to the last digits."""
        first = _orthonormal(rest, noise)
        return _orthonormal(self._apart(first)[1], 0.0)


def _orthonormal(x: Array, noise: float) -> Array:
    """Rows that span those of x, except what has less than `noise` of squares, or the rounding of all."""
    products = gram(x)
    return factor(products, max(noise, rounding(x.shape[1]) * float(np.trace(products)))).inverse.astype(x.dtype) @ x


class LazyGaussian:
    """A Gaussian matrix that has never been made: what each product tells is remembered."""

    def __init__(
        self, initialisation: Initialisation, shape: tuple[int, ...], seed: int, name: str, dtype: Any
    ) -> None:
        variance = initialisation.variance(shape)
        assert variance is not None and initialisation.is_gaussian
        self.shape: tuple[int, int] = (shape[0], shape[1])
        self._scale, self._seed, self._name, self._dtype = sqrt(variance), seed, name, dtype
        self._inputs, self._outputs = _Side(*self.shape, dtype), _Side(*self.shape[::-1], dtype)
        self._learned: list[tuple[float, Array, Array]] = []
        self._squares: float | None = None
        self._unseen = 0.0

    def times(self, x: Array) -> Array:
        """x W."""
        result = self._product(x, self._inputs, self._outputs, "forward")
        for scale, left, right in self._learned:
            result += product(x @ left.T * x.dtype.type(scale), right)
        return result

    def times_transposed(self, d: Array) -> Array:
        """d W'."""
        result = self._product(d, self._outputs, self._inputs, "backward")
        for scale, left, right in self._learned:
            result += product(d @ right.T * d.dtype.type(scale), left)
        return result

    def _product(self, x: Array, side: _Side, other: _Side, way: str) -> Array:
        """x s V, or from the other side; new directions of x are answered and remembered."""
        size = float(np.abs(x).max())
        if not np.isfinite(size):
            return np.full((len(x), side.images.shape[1]), np.nan, x.dtype)
        unit = self._dtype.type(2.0 ** np.clip(np.frexp(size)[1], -126, 126))  # so that squares do not overflow
        seen = len(side.basis)
        coefficients = side.take_in(x / unit)
        side.images = np.concatenate([side.images, self._answer(side.basis[seen:], side, other, way)])
        result = product(coefficients, side.images)
        result *= self._dtype.type(self._scale)
        result *= unit
        return result

    def _answer(self, directions: Array, side: _Side, other: _Side, way: str) -> Array:
        """The images of new directions."""
        seen, width = side.images.shape
        fresh = normal((seen + len(directions), width), seed=self._seed, name=f"{self._name}.{way}", dtype=self._dtype,
                       index=np.s_[seen:])  # fmt: skip
        for _ in range(2):
            fresh -= product(fresh @ other.basis.T, other.basis)
        freedom = len(directions) * (width - len(other.basis))
        if self._squares is not None and freedom:
            self._fit(fresh, freedom)
        return product(directions @ other.images.T, other.basis) + fresh

    def _fit(self, fresh: Array, freedom: int) -> None:
        """Where |V|^2 has been told, what was unseen then is uniform on a sphere: a part of it has a beta's share."""
        unseen = self._freedom()
        share = self._random(f"share.{unseen}").beta(freedom / 2, unseen / 2) if unseen else 1.0
        fresh *= self._dtype.type(sqrt(share * self._unseen / squared_norm(fresh)))
        self._unseen *= 1 - share

    def _freedom(self) -> int:
        """Dimensions of what is unseen."""
        return (self.shape[0] - len(self._inputs.basis)) * (self.shape[1] - len(self._outputs.basis))

    def _random(self, what: str) -> np.random.Generator:
        return stream_generator(self._seed, f"{self._name}.{what}")

    def squared_norm(self) -> float:
        """|W|^2: what was seen, and when it is asked for first, a chi square for the rest."""
        if self._squares is None:
            freedom = self._freedom()
            self._unseen = self._random("rest").chisquare(freedom) if freedom else 0.0
            images = self._outputs.images
            seen = squared_norm(self._inputs.images) + squared_norm(images)
            seen -= squared_norm(images @ self._inputs.basis.T)
            self._squares = self._scale**2 * (seen + self._unseen)
        return self._squares

    def add(self, scale: float, x: Array, d: Array) -> None:
        """W += scale x'd."""
        before = self.squared_norm()
        self._squares = before + 2 * scale * inner(self.times(x), d) + scale**2 * inner(gram(x), gram(d))
        self._learned.append((scale, x, d))
