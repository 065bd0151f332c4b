"""Architecture: the steps of each layer, in order, from the description of a network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .conditioned import Conditioned
from .network import Image, Network
from .statistics import Tally
from .steps import Activate, Activity, Bias, Normalise, Preactivation, Product, Residual, Step
from .transformer import Embed, block
from .weights import Buffers, Dense, Tiled, Weights, bias

Array = np.ndarray[Any, Any]


class Patches:
    """From images to what the kernel sees at each position: (rows, channels) to (rows, kernel * kernel * channels)."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._before = (image.kernel - 1) // 2

    def forward(self, x: Array) -> Array:
        size, kernel = self._image.size, self._image.kernel
        sides = (self._before, kernel - 1 - self._before)
        mode = "wrap" if self._image.padding == "circular" else "constant"
        padded = np.pad(x.reshape(-1, size, size, x.shape[1]), ((0, 0), sides, sides, (0, 0)), mode)  # type: ignore[call-overload]
        windows = sliding_window_view(padded, (kernel, kernel), axis=(1, 2))
        return windows.transpose(0, 1, 2, 4, 5, 3).reshape(len(x), -1)

    tangent = forward

    def backward(self, d: Array) -> Array:
        size, kernel = self._image.size, self._image.kernel
        windows = d.reshape(-1, size, size, kernel, kernel, d.shape[1] // kernel**2)
        image = np.zeros((*windows.shape[:3], windows.shape[5]), d.dtype)
        for i, j in np.ndindex(kernel, kernel):
            self._add_shifted(image, windows[:, :, :, i, j], i - self._before, j - self._before)
        return image.reshape(len(d), -1)

    def _add_shifted(self, image: Array, part: Array, down: int, across: int) -> None:
        """image[y + down, x + across] += part[y, x]."""
        if self._image.padding == "circular":
            image += np.roll(part, (down, across), (1, 2))
            return
        size = self._image.size
        (y, y_from), (x, x_from) = (_overlap(shift, size) for shift in (down, across))
        image[:, y, x] += part[:, y_from, x_from]


def _overlap(shift: int, size: int) -> tuple[slice, slice]:
    """Where in an axis a part shifted by so much comes to lie, and which of it does."""
    return slice(max(shift, 0), size + min(shift, 0)), slice(max(-shift, 0), size + min(-shift, 0))


class Builder:
    """Makes the steps of one drawing of a network, layer by layer; layer 0 is where the input is read."""

    def __init__(self, network: Network, seed: int, tallies: list[Tally], method: str, learns: bool) -> None:
        self.network, self.seed, self.tallies, self.method, self.learns = network, seed, tallies, method, learns
        self._buffers = Buffers()

    def product(self, shape: tuple[int, ...], tally: Tally, name: str, gain: float = 1.0) -> Product:
        """The product with weights of that shape and stream, times a gain."""
        scheme = replace(self.network.scheme, gain=self.network.scheme.gain * gain)
        given = (scheme, shape, self.seed, name, self.network.dtype)
        weights: Weights
        if self.method == "matrix_free":
            weights = Conditioned(*given)
        elif self.method == "tiled":
            weights = Tiled(*given)
        else:
            weights = Dense(*given, self._buffers, self.learns)
        return Product(weights, tally, self.learns)

    def layers(self) -> list[list[Step]]:
        """The steps of every layer."""
        first: list[Step] = [Activity(self.tallies[0], self.network.batch)]
        if self.network.text and self.network.text.vocabulary:
            first.insert(0, Embed(self.network, self.seed))
        return [first, *(self._layer(number) for number in range(1, self.network.depth + 1))]

    def _layer(self, number: int) -> list[Step]:
        network, tally, name = self.network, self.tallies[number], f"layer.{number}"
        if network.text:
            steps = block(network, tally, lambda part, gain: self._linear(number, f"{name}.{part}", gain))
            return [*steps, Activity(tally, network.batch)]
        if network.residual:
            branch = [*self._units(tally), *self._linear(number, name)]
            return [Residual(branch, network.branch_scale), Activity(tally, network.batch)]
        return [*self._linear(number, name), *self._units(tally), Activity(tally, network.batch)]

    def _linear(self, number: int, name: str, gain: float = 1.0) -> list[Step]:
        """x W + b, of the weights of a layer that have that name."""
        network, shape = self.network, self.network.matrices(number)[name]
        steps: list[Step] = [Patches(network.image)] if network.image else []
        steps.append(self.product(shape, self.tallies[number], name, gain))
        if network.bias_std:
            steps.append(Bias(bias(network.bias_std, shape[-1], self.seed, name, network.dtype)))
        return steps

    def _units(self, tally: Tally) -> list[Step]:
        network = self.network
        norm = Normalise(network.norm, network.norm_eps) if network.norm else None
        return network.in_order(Preactivation(tally), norm, Activate(network.activation, tally, network.batch))
