"""Layers: the steps of each layer, in order, from the description of a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..description.network import Network
from ..passes import ACTIVATION, NORM, READ
from ..statistics import Tally
from .branches import ResidualSum
from .kernel_products import KernelProduct, KernelProducts
from .lazy_gaussian import LazyGaussian
from .linear import Bias, Patches, Product
from .matrices import Buffers, Dense, Tiled, Weights, bias
from .shared import Shared
from .step import Step
from .transformer import Embed, block
from .units import units

Array = np.ndarray[Any, Any]


class Builder:
    """Makes the steps of one drawing of a network, layer by layer; layer 0 is where the input is read.

    `beside` another builder, whose weights and biases they have, as far as these have learned, nothing is measured but
    the kernel, if that is wanted.
    """

    network: Network
    seed: int
    tallies: list[Tally]
    method: str
    learns: bool
    kernel: Callable[[], KernelProducts | None]

    def __init__(
        self,
        network: Network,
        seed: int,
        tallies: list[Tally],
        method: str,
        learns: bool = False,
        kernel: Callable[[], KernelProducts | None] = lambda: None,
        beside: Builder | None = None,
    ) -> None:
        self.network, self.seed, self.tallies, self.method, self.learns = network, seed, tallies, method, learns
        self.kernel, self._buffers, self._shared = kernel, Buffers(), Shared()
        self._measures = beside is None
        self._weights: dict[str, Weights] = beside._weights if beside else {}
        self._biases: dict[str, Array] = beside._biases if beside else {}

    def _weights_of(self, shape: tuple[int, ...], name: str, gain: float) -> Weights:
        """Those of that shape and stream, times a gain."""
        scheme = self.network.scheme
        scheme = scheme if gain == 1 else replace(scheme, gain=scheme.gain * gain)
        given = (scheme, shape, self.seed, name, self.network.dtype)
        if self.method == "matrix_free":
            return LazyGaussian(*given)
        return Tiled(*given) if self.method == "tiled" else Dense(*given, self._buffers, self.learns)

    def _product(self, tally: Tally, weights: Weights) -> Step:
        """The product with them."""
        kernel = self.kernel()
        if self._measures:
            return Product(weights, tally, self.learns, self._shared, kernel)
        return KernelProduct(weights, tally, kernel)

    def layers(self) -> list[list[Step]]:
        """The steps of every layer."""
        first: list[Step] = self._units(0, [], ends=True)
        if self.network.text and self.network.text.vocabulary:
            first.insert(0, Embed(self.network, self.seed))
        return [first, *(self._layer(number) for number in range(1, self.network.depth + 1))]

    def _layer(self, number: int) -> list[Step]:
        network, name, order = self.network, f"layer.{number}", self.network.in_order(READ, NORM, ACTIVATION)
        if network.text:
            hidden = self._units(number, [READ, ACTIVATION])
            steps = block(network, hidden, lambda part, gain: self._linear(number, f"{name}.{part}", gain))
            return [*steps, *self._units(number, [], ends=True)]
        if network.residual:
            branch = [*self._units(number, order), *self._linear(number, name)]
            return [ResidualSum(branch, network.branch_scale), *self._units(number, [], ends=True)]
        return [*self._linear(number, name), *self._units(number, order, ends=True)]

    def _linear(self, number: int, name: str, gain: float = 1.0) -> list[Step]:
        """x W + b, of the weights of a layer that have that name."""
        network, shape = self.network, self.network.matrices(number)[name]
        steps: list[Step] = [Patches(network.image)] if network.image else []
        if name not in self._weights:
            self._weights[name] = self._weights_of(shape, name, gain)
        steps.append(self._product(self.tallies[number], self._weights[name]))
        if network.bias_std:
            if name not in self._biases:
                self._biases[name] = bias(network.bias_std, shape[-1], self.seed, name, network.dtype)
            steps.append(Bias(self._biases[name]))
        return steps

    def _units(self, number: int, order: list[int], ends: bool = False) -> list[Step]:
        return units(self.network, self.tallies[number] if self._measures else None, self._shared, order, ends)
