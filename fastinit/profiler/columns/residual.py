"""Residual networks by columns: their stream is kept whole, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..products import gram, mean_cosine, squared_norm
from ..statistics import Tally, distinct_columns
from ..steps.step import backward, forward
from .chunks import ScratchArrays
from .layerwise import NetworkByColumns

Array = np.ndarray[Any, Any]

#: A residual stream is copied before it grows by more than this: going back, the branches are subtracted again, and of
#: L layers each subtraction may be off by a rounding of 2**-53 of the greater stream, so that the smaller one is right
#: to 2 L 2**-53 10**6, which is 1e-8 at depth 50.
_GROWTH = 1e6


class ResidualByColumns(NetworkByColumns):
    """``x' = x + scale (units(x) W + b)``: the stream is kept, and its gradient, of the layer that is passed."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        shape = (self.network.batch, self.network.widths[0])
        self._x = np.empty(shape, np.float64)
        self._d = np.empty(shape if self.signals.backward else (0, 0), self.network.dtype)
        self._scale = self.network.dtype.type(self.network.branch_scale)
        self._copies: dict[int, Array] = {}
        self._squares = self._squares_at_copy = 0.0
        self._distinct = np.nan

    def has_units(self, layer: int) -> bool:
        return layer < self.network.depth

    def source(self, layer: int, cut: slice, scratch: ScratchArrays) -> tuple[Array, Array | None]:
        x = scratch("x", self.network.batch, cut.stop - cut.start)
        np.copyto(x, self._x[:, cut], casting="same_kind")
        return x, None

    def _branch(self, layer: int, cut: slice, scratch: ScratchArrays) -> tuple[Array, Array]:
        """Some columns of what a layer adds to the stream, and the normals it is made of."""
        h, z = self.weights[layer].outputs(cut, scratch)
        if self._scale != 1:
            h *= self._scale
        return h, z

    def forward(self, layer: int) -> None:
        self._copy_before(layer)
        self._add(layer)
        self._see_distinct(layer)
        if layer == self.network.depth:
            return
        self.see_rows(layer)
        above = self.weights[layer + 1]

        def work(cut: slice, scratch: ScratchArrays) -> tuple[Tally, list[Array]]:
            part = Tally()
            x = forward(self.units(layer, part, back=False), self.source(layer, cut, scratch)[0])
            return part, above.watch_inputs(x, cut, scratch, self.signals.backward)

        tally = self.tallies[layer + 1]
        self.see_inputs(layer, self.merged(layer, tally, ("preact", "dead", "units"), work))
        tally.distinct = self._distinct

    def _add(self, layer: int) -> None:
        """The stream with this layer's branch."""

        def work(cut: slice, scratch: ScratchArrays) -> tuple[Tally, list[Array]]:
            part, squares = Tally(), np.array(0.0)
            if layer:
                h, z = self._branch(layer, cut, scratch)
                self._x[:, cut] += h
                squares += squared_norm(z, threads=1)
            else:
                self._x[:, cut] = self.inputs(cut, scratch)
            x = self.source(layer, cut, scratch)[0]
            self.read_signal(layer, part, x, cut)
            return part, [squares, gram(x, threads=1)]

        tally = self.tallies[layer]
        squares, products = self.merged(layer, tally, ("act",), work)
        tally.cosine, self._squares = mean_cosine(products), float(np.trace(products))
        self.products_of_outputs = products
        if layer:
            self.see_outputs(layer, squares)

    def _copy_before(self, layer: int) -> None:
        """Keep the stream where the branch is so large that it could not be subtracted again."""
        if layer < 2 or not self.signals.backward:
            self._squares_at_copy = self._squares
            return
        after = self._squares + self.network.branch_scale**2 * self.weights[layer].expected_squares()
        if after > _GROWTH**2 * self._squares_at_copy:
            self._copies[layer - 1] = self._x.copy()
            self._squares_at_copy = self._squares

    def _see_distinct(self, layer: int) -> None:
        """How many units of the stream differ: what a branch has set apart stays so."""
        if layer == 0:
            given = self.signals.inputs
            self._distinct = self.network.widths[0] if given is None else distinct_columns(given)
        elif self.weights[layer].spreads:
            self._distinct = self.network.widths[layer]

    def backward(self, layer: int) -> None:
        self.see_rows_back(layer)
        self._through_units(layer)
        self._through_sum(layer)

    def _through_units(self, layer: int) -> None:
        """To the gradient at the stream, what comes back through the branch above is added."""

        def work(cut: slice, scratch: ScratchArrays) -> tuple[Tally, list[Array]]:
            part = Tally()
            x = self.source(layer, cut, scratch)[0]
            units = self.units(layer, part, back=True)
            d = backward(units, self.gradient(layer, forward(units, x), cut, scratch))
            if layer == self.network.depth:
                self._d[:, cut] = d
            else:
                self._d[:, cut] += d
            return part, []

        above = self.tallies[min(layer + 1, self.network.depth)]
        self.merged(layer, above, ("grad_preact",), work)

    def _through_sum(self, layer: int) -> None:
        """The gradient at the stream goes to the branch below too, which is taken off the stream."""

        def work(cut: slice, scratch: ScratchArrays) -> tuple[Tally, list[Array]]:
            part, d = Tally(), np.ascontiguousarray(self._d[:, cut])
            part.grad_act.update(d, threads=1)
            if layer == 0:
                return part, []
            h, z = self._branch(layer, cut, scratch)
            self._x[:, cut] -= h
            return part, self.weights[layer].watch_gradient(d * self._scale, z)

        products = self.merged(layer, self.tallies[layer], ("grad_act",), work)
        if layer:
            self._x = self._copies.pop(layer - 1, self._x)
            self.see_gradient(layer, products)
