"""Sampling from Gram matrices: of Gaussian or Haar weights W only the two products that a network asks for are drawn.

X, the inputs, is (rows, fan_in); its Gram matrix is XX' = R'R, and Q = E X has orthonormal rows, r of them. W is s
times V, of independent standard normal entries or with orthonormal rows or columns. Then, in law:

* forward, X W = s R' Y with Y = Q V: r rows of normals Z, or L^-1 Z with LL' = ZZ' (plus, where the matrix is taller
  than wide, a Wishart matrix for the places that are cut off);
* back, for a gradient D = dL/d(XW) that depends on V through Y only: D W' = s (C Q + T'F), where C = DY', T'T is what
  is left of DD' (all of it for normals, DD' - CC' for orthonormal rows), and F are rows of normals N less their part in
  the span of Q, for Haar made orthonormal in their turn (wider than tall: with a Wishart matrix for what is cut off).

What depends on the width is therefore Z and N alone, and they come from streams, columns by column, as often as wanted.

The Gaussian case conditions V on QV: Bolthausen, "An iterative construction of solutions of the TAP equations", 2014;
as an algorithm, for Haar matrices too: Lu, "Householder dice", IEEE Transactions on Information Theory 67(12), 2021.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from ...schemes.distributions import normal
from ..description.network import Network
from ..gram_factors import factor, stream_generator, whitening, wishart
from ..products import gram, row_sums
from ..steps.matrices import bias
from .chunks import ScratchArrays

Array = np.ndarray[Any, Any]

#: Where inputs are between 2**-40 and 2**40 on average they are used as they are, otherwise scaled by a power of two.
_USUAL_EXPONENT = 40
_LEAST_EXPONENT = -126
#: Beyond this share of the width so many rows of normals may be nearly dependent: orthonormal rows are then found, and
#: multiplied by, in float64.
_CROWDED = 0.25


class GramSampledWeights:
    """The weights of one layer, seen through the inputs and the gradient of a batch.

    `same` says for each row which of the different rows it equals, or is None where no two are equal: these keep the
    same bits.
    """

    fan_in: int
    fan_out: int
    haar: bool
    variance: float
    shown: float
    rank: int
    gradient_squares: float
    dot: float

    def __init__(self, network: Network, layer: int, seed: int, same: Array | None) -> None:
        shape = network.weight_shape(layer)
        self.fan_in, self.fan_out = shape
        self.haar = network.scheme.is_haar
        self.variance = network.scheme.variance(shape) or 0.0
        self._scale = sqrt(self.variance * (max(shape) if self.haar else 1))
        self._seed, self._name, self._dtype, self._same = seed, f"layer.{layer}", network.dtype, same
        self._bias_std, self._rows = network.bias_std, network.batch
        self._exact = self.haar and self._rows > _CROWDED * min(shape)
        self.shown = self._shown_back = 0.0
        self._fresh = 0
        self._frame: Array | None = None

    def _normals(self, way: str, rows: int, cut: slice, out: Array) -> Array:
        width = self.fan_out if way == "forward" else self.fan_in
        return normal((self._rows, width), seed=self._seed, name=f"{self._name}.{way}", dtype=self._dtype.name,
                      index=np.s_[:rows, cut], out=out, threads=1)  # fmt: skip

    def _random(self, what: str) -> np.random.Generator:
        return stream_generator(self._seed, f"{self._name}.{what}")

    # --- forward

    def watch_inputs(self, x: Array, cut: slice, scratch: ScratchArrays, backward: bool) -> list[Array]:
        """Of some columns of the inputs, what sums up to XX', and if there is a way back to XN' and NN'."""
        products = [gram(x, threads=1)]
        if backward:
            n = self._normals("backward", self._rows, cut, scratch("n", self._rows, x.shape[1]))
            products.append(self._product(x, n, self._exact))
            products.append(gram(n, threads=1) if self.haar else row_sums(n, n, threads=1)[1])
        return products

    def see_inputs(self, products: list[Array], rounding: float) -> None:
        """Take the sums; a row counts as explained by others where what is left of it is their rounding."""
        self._gram, *self._crossed = products
        rows = slice(None) if self._same is None else np.unique(self._same, return_index=True)[1]
        found = factor(self._gram[rows][:, rows], rounding * float(np.trace(self._gram)))
        self.rank = len(found.root)
        self._inverse = np.zeros((self.rank, self._rows))
        self._inverse[:, rows] = found.inverse
        self._map = self._scale * found.root.T

    def watch_frame(self, cut: slice, scratch: ScratchArrays) -> list[Array]:
        """Of some columns of Z, what sums up to ZZ': a Haar matrix needs it before it can be multiplied by."""
        z = self._normals("forward", self.rank, cut, scratch("z", self.rank, cut.stop - cut.start))
        return [gram(z, threads=1)]

    def see_frame(self, gram: Array, rounding: float) -> None:
        """Take the sum."""
        more = wishart(self.rank, max(self.fan_in - self.fan_out, 0), self._random("forward.wishart"))
        self._frame = whitening(gram + more, rounding * float(np.trace(gram)))
        self._map = self._map @ self._frame

    def outputs(self, cut: slice, scratch: ScratchArrays) -> tuple[Array, Array]:
        """Some columns of XW + b, and of Z."""
        columns = cut.stop - cut.start
        z = self._normals("forward", self.rank, cut, scratch("z", self.rank, columns))
        h = self._mapped(self._map, z, scratch("h", len(self._map), columns), scratch)
        if self._same is not None:
            h = np.take(h, self._same, axis=0, out=scratch("same", self._rows, columns), mode="clip")
        if self._bias_std:
            h += bias(self._bias_std, self.fan_out, self._seed, self._name, self._dtype.name, index=cut, threads=1)
        return h, z

    # --- back

    def watch_gradient(self, d: Array, z: Array) -> list[Array]:
        """Of some columns of D, what sums up to DD' and DZ'."""
        return [gram(d, threads=1), self._product(d, z, self.haar)]

    def see_gradient(self, products: list[Array], rounding: float) -> None:
        """Take the sums: then the gradient of the inputs is known, and the norms of the weights'."""
        dd, dz = products
        crossed, normals = self._crossed
        c = dz if self._frame is None else dz @ self._frame.T
        cut = rounding * float(np.trace(dd))
        room = max(self.fan_in, self.fan_out) - self.rank
        rest = (factor(dd - c @ c.T, cut, room) if self.haar else factor(dd, cut)).root
        self._fresh = len(rest)
        along = crossed[:, : self._fresh].T @ self._inverse.T  # N Q'
        new = self._scale * rest.T
        if self.haar:
            left = normals[: self._fresh, : self._fresh] - along @ along.T
            more = wishart(self._fresh, max(self.fan_out - self.fan_in, 0), self._random("backward.wishart"))
            new = new @ whitening(left + more, rounding * float(np.trace(normals)))
        self._gradient_map(self._scale * (c @ self._inverse) - new @ along @ self._inverse, new)
        self.gradient_squares = float(np.sum(self._gram * dd))
        self.dot = float(np.sum(dz * (self._map if self._same is None else self._map[self._same])))
        self._shown_back = 0.0 if self.haar else float(normals[: self._fresh].sum() - np.sum(along * along))

    def kernel(self, gradients: Array, examples: int) -> Array:
        """What weights and bias add to the tangent kernel, from DD', of the first examples."""
        some = slice(examples)
        return np.asarray((self._gram[some, some] + 1) * gradients[some, some])

    def _gradient_map(self, old: Array, new: Array) -> None:
        """Scaled so that float32 holds it also where inputs have all but vanished, or nearly overflow."""
        size = sqrt(max(np.diag(self._gram).max() / self.fan_in, 0.0))
        exponent = int(np.log2(size)) if 0 < size < np.inf else 0
        exponent = 0 if abs(exponent) <= _USUAL_EXPONENT else max(exponent, _LEAST_EXPONENT)
        self._input_scale = self._dtype.type(2.0**-exponent)
        self._gradient_used = np.hstack([old * 2.0**exponent, new])

    def gradient(self, x: Array, cut: slice, scratch: ScratchArrays) -> Array:
        """Some columns of D W', for the same columns of X."""
        both = scratch("both", self._rows + self._fresh, x.shape[1])
        np.multiply(x, self._input_scale, out=both[: self._rows])
        self._normals("backward", self._fresh, cut, both[self._rows :])
        return self._mapped(self._gradient_used, both, scratch("g", self._rows, x.shape[1]), scratch)

    # --- products

    def _product(self, x: Array, y: Array, exact: bool) -> Array:
        """xy' in float64; by BLAS in the signals' dtype, in half the time, where no difference from it is taken."""
        return gram(x, y, threads=1) if exact else (x @ y.T).astype(float)

    def _mapped(self, by: Array, x: Array, out: Array, scratch: ScratchArrays) -> Array:
        """The product of a matrix of float64 with columns of the signals."""
        if not self._exact:
            return np.matmul(by.astype(self._dtype), x, out=out)
        out[...] = by @ scratch.double("mapped", x)
        return out

    # --- norms

    def squared_norm(self) -> float:
        """|W|^2: what was seen, |Z|^2 among it, and a chi square for the rest."""
        if self.haar:
            return self._scale**2 * min(self.fan_in, self.fan_out)
        unseen = (self.fan_in - self.rank) * (self.fan_out - self._fresh)
        rest = self._random("rest").chisquare(unseen) if unseen else 0.0
        return self.variance * (self.shown + self._shown_back + rest)

    def expected_squares(self) -> float:
        """E |XW + b|^2."""
        return self.fan_out * (self.variance * float(np.trace(self._gram)) + self._rows * self._bias_std**2)

    @property
    def spreads(self) -> bool:
        """Whether outputs differ from unit to unit: almost surely, unless nothing comes in."""
        return self._bias_std > 0 or (self.rank > 0 and self.variance > 0)
