"""Plain networks by columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..products import gram, mean_cosine, squared_norm
from ..statistics import Tally
from ..steps.step import backward, forward
from .chunks import ScratchArrays
from .layerwise import NetworkByColumns

Array = np.ndarray[Any, Any]


class PlainByColumns(NetworkByColumns):
    """``x' = units(x W + b)``: nothing as wide as the network is kept."""

    def has_units(self, layer: int) -> bool:
        return layer > 0

    def source(self, layer: int, cut: slice, scratch: ScratchArrays) -> tuple[Array, Array | None]:
        return self.weights[layer].outputs(cut, scratch) if layer else (self.inputs(cut, scratch), None)

    def forward(self, layer: int) -> None:
        self.see_rows(layer)
        above = self.weights.get(layer + 1)

        def work(cut: slice, scratch: ScratchArrays) -> tuple[Tally, list[Array]]:
            part = Tally()
            h, z = self.source(layer, cut, scratch)
            x = forward(self.units(layer, part, back=False), h)
            self.read_signal(layer, part, x, cut)
            squares = np.array(0.0 if z is None else squared_norm(z, threads=1))
            products = above.watch_inputs(x, cut, scratch, self.signals.backward) if above else [gram(x, threads=1)]
            return part, [squares, *products]

        tally = self.tallies[layer]
        squares, *products = self.merged(layer, tally, ("preact", "act", "dead", "units"), work)
        tally.cosine = mean_cosine(products[0])
        self.products_of_outputs = products[0]
        if layer:
            self.see_outputs(layer, squares)
            tally.distinct = self.network.widths[layer] if self.weights[layer].spreads else 1
        if above:
            self.see_inputs(layer, products)

    def backward(self, layer: int) -> None:
        self.see_rows_back(layer)

        def work(cut: slice, scratch: ScratchArrays) -> tuple[Tally, list[Array]]:
            part = Tally()
            h, z = self.source(layer, cut, scratch)
            units = self.units(layer, part, back=True)
            d = self.gradient(layer, forward(units, h), cut, scratch)
            part.grad_act.update(d, threads=1)
            d = backward(units, d)
            return part, [] if z is None else self.weights[layer].watch_gradient(d, z)

        products = self.merged(layer, self.tallies[layer], ("grad_preact", "grad_act"), work)
        if layer:
            self.see_gradient(layer, products)
