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

from ...stream import stream_key
from ..description.network import Network
from ..gram_factors import factor, stream_generator, whitening, wishart
from ..tangent_kernel import part_of_product

Array = np.ndarray[Any, Any]

#: Where inputs are between 2**-40 and 2**40 on average float32 holds what they are multiplied by.
_USUAL_EXPONENT = 40
#: Beyond this share of the width so many rows of normals may be nearly dependent: orthonormal rows are then found, and
#: multiplied by, in float64.
_CROWDED = 0.25


class GramSampledWeights:
    """The weights of one layer, seen through the inputs and the gradient of a batch.

    `same` says for each row which of the different rows it equals, or is None where no two are equal: these keep the
    same bits. D may have the gradients of several functions, one below the other.
    """

    fan_in: int
    fan_out: int
    haar: bool
    variance: float
    shown: float
    rank: int
    gradient_squares: float
    dot: float

    def __init__(self, network: Network, layer: int, seed: int, same: Array | None, functions: int) -> None:
        shape = network.weight_shape(layer)
        self.fan_in, self.fan_out = shape
        self.haar = network.scheme.is_haar
        self.variance = network.scheme.variance(shape) or 0.0
        self._scale = sqrt(self.variance * (max(shape) if self.haar else 1))
        self._seed, self._name, self._dtype, self._same = seed, f"layer.{layer}", network.dtype, same
        self._bias_std, self._rows, self._functions = network.bias_std, network.batch, functions
        self._exact = self.haar and self._rows * functions > _CROWDED * min(shape)
        self.shown = self._shown_back = 0.0
        self._fresh = 0
        self._frame: Array | None = None

    def _stream(self, of: str) -> bytes:
        return stream_key(self._seed, "normal", f"{self._name}.{of}")

    def _random(self, what: str) -> np.random.Generator:
        return stream_generator(self._seed, f"{self._name}.{what}")

    # --- forward

    def watched_inputs(self, backward: bool) -> dict[str, Any]:
        """Of a pass over the inputs, what sums up to XX', and if there is a way back to XN' and NN'."""
        if not backward:
            return {"products": True}
        n = self._stream("backward"), self._rows * self._functions
        return {"products": True, "crossed": True, "squares": self.haar, "n": n, "exact": self._exact}

    def see_inputs(self, products: list[Array], rounding: float) -> None:
        """Take the sums; a row counts as explained by others where what is left of it is their rounding."""
        self._gram, *self._crossed = products
        rows = slice(None) if self._same is None else np.unique(self._same, return_index=True)[1]
        found = factor(self._gram[rows][:, rows], rounding * float(np.trace(self._gram)))
        self.rank = len(found.root)
        self._inverse = np.zeros((self.rank, self._rows))
        self._inverse[:, rows] = found.inverse
        self._map = self._scale * found.root.T

    @property
    def frame(self) -> tuple[bytes, int]:
        """The normals Z; a Haar matrix needs ZZ' before it can be multiplied by."""
        return self._stream("forward"), self.rank

    def see_frame(self, gram: Array, rounding: float) -> None:
        """Take the sum."""
        more = wishart(self.rank, max(self.fan_in - self.fan_out, 0), self._random("forward.wishart"))
        self._frame = whitening(gram + more, rounding * float(np.trace(gram)))
        self._map = self._map @ self._frame

    def outputs(self, scale: float = 1.0) -> dict[str, Any]:
        """Of a pass that starts with ``scale (XW + b)``: the normals that it is made of, and the matrix they go by."""
        by = scale * (self._map if self._same is None else self._map[self._same])
        if self._bias_std:
            by = np.hstack([by, np.full((self._rows, 1), scale)])
        biases = {"bias": self._stream("bias"), "bias_std": self._bias_std}
        return {"z": self.frame, "map": self._used(by, self._exact), **biases}

    # --- back

    def watched_gradient(self) -> dict[str, Any]:
        """Of a pass back to D, what sums up to DD' and DZ'."""
        return {"products": True, "crossed": True, "exact": self.haar}

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
        self._gradient_map = np.hstack([self._scale * (c @ self._inverse) - new @ along @ self._inverse, new])
        gram, by = self._gram, self._map if self._same is None else self._map[self._same]
        self.gradient_squares = float(np.sum(np.tile(gram, (self._functions, self._functions)) * dd))
        self.dot = float(np.sum(dz * np.tile(by, (self._functions, 1))))
        self._shown_back = 0.0 if self.haar else float(normals[0, : self._fresh].sum() - np.sum(along * along))

    def kernel(self, gradients: Array, examples: int) -> Array:
        """What weights and bias add to the tangent kernel, from DD', of the first examples."""
        rows, rows_back = slice(examples), slice(examples * self._functions)
        return part_of_product(self._gram[rows, rows], gradients[rows_back, rows_back], examples)

    def gradient(self) -> dict[str, Any]:
        """Of a pass back from D W', at the columns of X: more normals, and the matrix that both go by.

        In float64 where inputs have all but vanished, or nearly overflow, and float32 does not hold it.
        """
        size = sqrt(max(np.diag(self._gram).max() / self.fan_in, 0.0))
        exponent = np.log2(size) if 0 < size < np.inf else 0
        back = self._used(self._gradient_map, self._exact or abs(exponent) > _USUAL_EXPONENT)
        return {"n": (self._stream("backward"), self._fresh), "back": back}

    def _used(self, by: Array, exact: bool) -> Array:
        return np.ascontiguousarray(by, np.float64 if exact else self._dtype)

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
