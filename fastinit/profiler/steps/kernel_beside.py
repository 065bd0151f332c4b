"""Kernel beside: the tangent kernel by signals of its own, which pass each layer after those that are measured."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..description.network import mixes
from ..description.signals import Signals, random_cotangent
from ..products import gram
from ..statistics import Tally
from ..tangent_kernel import kernel_examples, kernel_fields
from .kernel_products import KernelProducts
from .layers import Builder
from .step import backward, backward_each, forward

Array = np.ndarray[Any, Any]


class KernelBeside:
    """The kernel of the first examples, where random signs are not what comes back, or a norm mixes examples.

    Then they are taken alone, and each comes with a cotangent of its own. All go back together. A matrix that was just
    made for what is measured is not made again.
    """

    def __init__(self, signals: Signals, builder: Builder) -> None:
        network, self._seed, self._tallies = builder.network, builder.seed, builder.tallies
        self._network = some = replace(network, batch=kernel_examples(network, alone=True))
        self._mixes, self._own = mixes(network), [Tally(measures=False) for _ in builder.tallies]
        functions = some.batch if self._mixes else 1
        kernel = partial(KernelProducts, some.batch, network.rows // network.batch, functions)
        self._layers = Builder(some, self._seed, self._own, builder.method, kernel=kernel, beside=builder).layers()
        self._signal = inputs = signals.first(network, self._seed)[: some.rows]
        self._inputs = signals.comparable(some, inputs)
        self._products: Array | None = None

    def forward(self, layer: int) -> None:
        """Pass a layer."""
        self._signal = forward(self._layers[layer], self._signal)

    def turn(self) -> None:
        """From the way forward to the way back."""
        some, x = self._network, self._signal
        self._products = gram(x.reshape(some.batch, -1))
        d = random_cotangent(some.batch, some.outputs, self._seed, some.dtype)
        if self._mixes:
            d = np.eye(some.batch, dtype=d.dtype)[:, :, None] * d
        self._signal = d.reshape(-1, *x.shape) if self._mixes else d.reshape(x.shape)

    def backward(self, layer: int) -> None:
        """Pass a layer, back."""
        back = backward_each if self._mixes else backward
        self._signal = back(self._layers[layer], self._signal)

    def fields(self) -> dict[str, Any]:
        """Of the whole network; the tallies get the shares of layers."""
        assert self._products is not None
        found = kernel_fields(self._network, self._seed, self._own, self._products, self._inputs)
        for tally, seen in zip(self._tallies, self._own, strict=True):
            tally.kernel_share = seen.kernel_share
        return found
