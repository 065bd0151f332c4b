"""Layer by layer: what is done with the columns of a signal, forward and back, whatever the network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from ..description.network import Network, normalisation_of
from ..description.signals import Signals, normal_inputs, random_cotangent
from ..norms import UNITS
from ..parallel import Workers
from ..statistics import Tally
from ..steps.step import StepBothWays, backward, forward
from ..steps.units import RowMeans
from ..tangent_kernel import kernel_examples, kernel_fields, mixes
from .chunks import ColumnChunks, ScratchArrays, total
from .gram_sampling import GramSampledWeights
from .units import norm_of, units

Array = np.ndarray[Any, Any]
#: What is done with some columns: what was read of them, and arrays to be summed.
Work = Callable[[slice, ScratchArrays], tuple[Tally, list[Array]]]


class NetworkByColumns(ABC):
    """What plain and residual networks share: one layer's columns forward, and back.

    Layer l has a signal x, made of the one below; its units (norm and activation) are those before it in a plain
    network, those after it in a residual one.
    """

    network: Network
    signals: Signals
    seed: int
    tallies: list[Tally]
    chunks: ColumnChunks
    weights: dict[int, GramSampledWeights]
    rows: list[RowMeans]

    def __init__(self, network: Network, signals: Signals, seed: int, tallies: list[Tally], workers: Workers) -> None:
        self.network, self.signals, self.seed, self.tallies = network, signals, seed, tallies
        self.chunks = ColumnChunks(network.batch, network.dtype, workers)
        same = None if signals.inputs is None else _same_rows(signals.inputs.reshape(network.rows, -1))
        layers = range(1, network.depth + 1)
        self.weights = {layer: GramSampledWeights(network, layer, seed, same) for layer in layers}
        self.rows = [RowMeans() for _ in range(network.depth + 1)]
        self.outputs: Array | None = None
        if signals.loss is not None:
            self.outputs = np.empty((network.batch, network.widths[-1]), network.dtype)
        self.cotangent = signals.cotangent
        self.kernel_here = signals.is_random and not mixes(network)
        self.products_of_outputs: Array | None = None

    def kernel_fields(self) -> dict[str, float]:
        """Of the tangent kernel, after the way back; nothing where it did not come by."""
        if not self.kernel_here:
            return {}
        some = slice(kernel_examples(self.network))
        assert self.products_of_outputs is not None
        return kernel_fields(self.network, self.seed, self.tallies, self.products_of_outputs[some, some])

    # --- what differs

    @abstractmethod
    def forward(self, layer: int) -> None:
        """Pass a layer."""

    @abstractmethod
    def backward(self, layer: int) -> None:
        """Pass a layer, back."""

    @abstractmethod
    def source(self, layer: int, cut: slice, scratch: ScratchArrays) -> tuple[Array, Array | None]:
        """What the units of this layer take in, and the normals it is made of."""

    @abstractmethod
    def has_units(self, layer: int) -> bool:
        """Whether the layer has norm and activation."""

    # --- signals from outside

    def inputs(self, cut: slice, scratch: ScratchArrays) -> Array:
        """Some columns of the inputs."""
        out = scratch("input", self.network.batch, cut.stop - cut.start)
        if self.signals.inputs is not None:
            np.copyto(out, self.signals.inputs[:, cut])
            return out
        return normal_inputs(self.network, self.seed, index=np.s_[:, cut], out=out, threads=1)

    def turn(self) -> None:
        """From the way forward to the way back: where the outputs have a loss, its gradient."""
        if self.outputs is not None:
            self.cotangent = self.signals.last(self.network, self.seed, self.outputs)
            self.outputs = None

    def gradient(self, layer: int, x: Array, cut: slice, scratch: ScratchArrays) -> Array:
        """Some columns of the gradient at what the weights after this layer take in: x; or at the outputs."""
        if layer < self.network.depth:
            return self.weights[layer + 1].gradient(x, cut, scratch)
        if self.cotangent is not None:
            return np.ascontiguousarray(self.cotangent[:, cut])
        known = self.network.batch, self.network.outputs, self.seed, self.network.dtype
        return random_cotangent(*known, index=cut, threads=1)

    def read_signal(self, layer: int, part: Tally, x: Array, cut: slice) -> None:
        """Some columns of a layer's signal pass; the outputs are kept where they have a loss."""
        part.act.update(x, threads=1)
        if self.outputs is not None and layer == self.network.depth:
            self.outputs[:, cut] = x

    # --- units

    def units(self, layer: int, part: Tally, back: bool) -> list[StepBothWays]:
        """Norm and activation of some columns, which read into `part`."""
        return units(self.network, self.rows[layer], part, back) if self.has_units(layer) else []

    def see_rows(self, layer: int) -> None:
        """What the norm is to know of rows, where it goes over their units."""
        if not self._needs_rows(layer):
            return
        width = self.network.widths[layer]

        def work(cut: slice, scratch: ScratchArrays) -> list[Array]:
            steps = self.units(layer, Tally(), back=True)
            where, norm = norm_of(steps)
            return norm.norm.row_sums(forward(steps[:where], self.source(layer, cut, scratch)[0]))

        self.rows[layer].forward = [found / width for found in total(self.chunks.map(work, width))]

    def see_rows_back(self, layer: int) -> None:
        """What the gradient through such a norm is to know of rows."""
        if not self._needs_rows(layer):
            return
        width = self.network.widths[layer]

        def work(cut: slice, scratch: ScratchArrays) -> list[Array]:
            steps = self.units(layer, Tally(), back=True)
            x = forward(steps, self.source(layer, cut, scratch)[0])
            where, norm = norm_of(steps)
            d = backward(steps[where + 1 :], self.gradient(layer, x, cut, scratch))
            assert norm.kept is not None
            return norm.kept.row_sums(d)

        self.rows[layer].backward = [found / width for found in total(self.chunks.map(work, width))]

    def _needs_rows(self, layer: int) -> bool:
        norm = normalisation_of(self.network)
        return norm is not None and norm.axis == UNITS and self.has_units(layer)

    # --- products

    def see_inputs(self, layer: int, products: list[Array]) -> None:
        """What the weights after this layer are to know of their inputs, from its sums."""
        weights = self.weights[layer + 1]
        weights.see_inputs(products, self.chunks.rounding(weights.fan_in))
        if weights.haar:
            (frame,) = total(self.chunks.map(weights.watch_frame, weights.fan_out))
            weights.see_frame(frame, self.chunks.rounding(weights.fan_out))

    def see_gradient(self, layer: int, products: list[Array]) -> None:
        """What the weights before this layer are to know of their gradient, from its sums."""
        weights, tally = self.weights[layer], self.tallies[layer]
        weights.see_gradient(products, self.chunks.rounding(weights.fan_out))
        tally.add_weights(weight_grad_norm=weights.gradient_squares, weight_dot_grad=weights.dot)
        tally.add_weights(weight_norm=weights.squared_norm())
        if self.kernel_here:
            tally.add_kernel(weights.kernel(products[0], kernel_examples(self.network)))

    def see_outputs(self, layer: int, squares: Array) -> None:
        """The sum of squares of the normals that a layer is made of: part of its weights' norm."""
        self.weights[layer].shown = float(squares)
        if not self.signals.backward:
            self.tallies[layer].add_weights(weight_norm=self.weights[layer].squared_norm())

    def merged(self, layer: int, tally: Tally, names: Sequence[str], work: Work) -> list[Array]:
        """Sums over a layer's chunks; what `work` reads of each goes into the tally under these names."""

        def read() -> Iterator[list[Array]]:
            for part, found in self.chunks.map(work, self.network.widths[layer]):
                tally.merge(part, names)
                yield found

        return total(read())


def _same_rows(x: Array) -> Array | None:
    """For each row the number of the first one like it, the different ones being counted; None where all differ."""
    seen: dict[bytes, int] = {}
    same = [seen.setdefault(blake2b(row + 0).digest(), len(seen)) for row in x]  # -0 + 0 is 0
    return None if len(seen) == len(x) else np.array(same)
