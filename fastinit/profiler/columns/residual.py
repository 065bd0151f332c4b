"""Residual networks by columns: their stream is kept whole, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..passes import BACKWARD, BACKWARD_SUMS, FORWARD
from ..products import mean_cosine
from ..statistics import distinct_columns
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
        self._x = np.zeros(shape)
        back = (self.functions * shape[0], shape[1])
        self._d = np.empty(back if self.signals.backward else (0, 0), self.network.dtype)
        self._copies: dict[int, Array] = {}
        self._squares = self._squares_at_copy = 0.0
        self._distinct = np.nan

    def has_units(self, layer: int) -> bool:
        return layer < self.network.depth

    def source(self, layer: int) -> dict[str, Any]:
        return {"stream": self._x}

    def _branch(self, layer: int, sign: float) -> dict[str, Any]:
        """Of a pass, what a layer adds to the stream, or takes off it."""
        return self.weights[layer].outputs(self.network.branch_scale) | {"stream": self._x, "sign": sign}

    def forward(self, layer: int) -> None:
        self._copy_before(layer)
        self._add(layer)
        self._see_distinct(layer)
        if layer == self.network.depth:
            return
        self.see_rows(layer)
        tally, end = self.tallies[layer + 1], self.weights[layer + 1].watched_inputs(self.signals.backward)
        products = self.passed(FORWARD, layer, {"preact": tally}, **self.source(layer), **self.units(layer, []), **end)
        self.see_inputs(layer, products)
        tally.distinct = self._distinct

    def _add(self, layer: int) -> None:
        """The stream with this layer's branch."""
        tally = self.tallies[layer]
        source = self._branch(layer, 1) if layer else self.first() | {"stream": self._x, "sign": 1}
        (products,) = self.passed(FORWARD, layer, {"act": tally}, **source, **self.signal(layer), products=True)
        tally.cosine, self._squares = mean_cosine(products), float(np.trace(products))
        self.products_of_outputs = products
        self.see_outputs(layer)

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
        self.see_rows(layer, BACKWARD_SUMS)
        self._through_units(layer)
        self._through_sum(layer)

    def _through_units(self, layer: int) -> None:
        """To the gradient at the stream, what comes back through the branch above is added."""
        depth = self.network.depth
        self.passed(
            BACKWARD, layer, {"grad_preact": self.tallies[min(layer + 1, depth)]} if layer < depth else {},
            **self.source(layer), **self.units(layer, []), **self.gradient(layer), out=self._d, adds=layer < depth,
        )  # fmt: skip

    def _through_sum(self, layer: int) -> None:
        """The gradient at the stream goes to the branch below too, which is taken off the stream."""
        start = self._branch(layer, -1) | self.weights[layer].watched_gradient() if layer else {}
        products = self.passed(BACKWARD, layer, {"grad_act": self.tallies[layer]}, gradient=self._d, **start)
        if layer:
            self._x = self._copies.pop(layer - 1, self._x)
            scale = self.network.branch_scale
            self.see_gradient(layer, [scale**2 * products[0], scale * products[1]])
