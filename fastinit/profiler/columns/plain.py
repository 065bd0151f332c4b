"""Plain networks by columns."""

from __future__ import annotations

from typing import Any

from ..passes import BACKWARD, BACKWARD_SUMS, FORWARD
from ..products import mean_cosine
from .layerwise import NetworkByColumns


class PlainByColumns(NetworkByColumns):
    """``x' = units(x W + b)``: nothing as wide as the network is kept."""

    def has_units(self, layer: int) -> bool:
        return layer > 0

    def source(self, layer: int) -> dict[str, Any]:
        return self.weights[layer].outputs() if layer else self.first()

    def forward(self, layer: int) -> None:
        self.see_rows(layer)
        above, tally = self.weights.get(layer + 1), self.tallies[layer]
        end = above.watched_inputs(self.signals.backward) if above else {"products": True}
        products = self.passed(
            FORWARD, layer, {"preact": tally, "act": tally},
            **self.source(layer), **self.units(layer, []), **end, **self.signal(layer),
        )  # fmt: skip
        tally.cosine = mean_cosine(products[0])
        self.products_of_outputs = products[0]
        if layer:
            tally.distinct = self.network.widths[layer] if self.weights[layer].spreads else 1
        self.see_outputs(layer)
        if above:
            self.see_inputs(layer, products)

    def backward(self, layer: int) -> None:
        self.see_rows(layer, BACKWARD_SUMS)
        tally, start = self.tallies[layer], self.weights[layer].watched_gradient() if layer else {}
        products = self.passed(
            BACKWARD, layer, {"grad_preact": tally, "grad_act": tally},
            **self.source(layer), **self.units(layer, []), **self.gradient(layer), **start,
        )  # fmt: skip
        if layer:
            self.see_gradient(layer, products)
