"""Layer by layer: what is done with the columns of a signal, forward and back, whatever the network.

The core passes them: all columns of a layer in one call, a block at a time, on threads of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from ... import _core
from ...machine import threads_for
from ...stream import stream_key
from ..description.network import Network, mixes, normalisation_of
from ..description.signals import Signals, example_signs
from ..norms import UNITS, MomentNorm
from ..passes import ACTIVATION, FORWARD, FORWARD_SUMS, MOMENTS, NORM, READ
from ..products import rounding
from ..statistics import Tally
from ..tangent_kernel import kernel_examples, kernel_fields
from .dealing import pass_columns
from .gram_sampling import GramSampledWeights

Array = np.ndarray[Any, Any]


@dataclass
class RowMeans:
    """What a norm is to know of rows as wide as the layer: means of what it sums up, on the way forward and back."""

    forward: list[Array] | None = None
    backward: list[Array] | None = None


class NetworkByColumns(ABC):
    """What plain and residual networks share: one layer's columns forward, and back.

    Layer l has a signal x, made of the one below; its units (norm and activation) are those before it in a plain
    network, those after it in a residual one. Back go the gradients of one function of the outputs, or of each
    example's: of as many `functions`, one below the other.
    """

    network: Network
    signals: Signals
    seed: int
    tallies: list[Tally]
    functions: int
    weights: dict[int, GramSampledWeights]
    rows: list[RowMeans]

    def __init__(self, network: Network, signals: Signals, seed: int, tallies: list[Tally], functions: int = 1) -> None:
        self.network, self.signals, self.seed, self.tallies, self.functions = network, signals, seed, tallies, functions
        same = None if signals.inputs is None else _same_rows(signals.inputs.reshape(network.rows, -1))
        layers = range(1, network.depth + 1)
        self.weights = {layer: GramSampledWeights(network, layer, seed, same, functions) for layer in layers}
        self.rows = [RowMeans() for _ in range(network.depth + 1)]
        self.room = _core.ColumnRoom()
        self.outputs: Array | None = None
        if signals.loss is not None:
            self.outputs = np.empty((network.batch, network.widths[-1]), network.dtype)
        self.inputs, self.cotangent = signals.inputs, signals.cotangent
        self.kernel_here = signals.is_random and (functions > 1 or not mixes(network))
        self.products_of_outputs: Array | None = None

    def kernel_fields(self) -> dict[str, Any]:
        """Of the tangent kernel, after the way back; nothing where it did not come by."""
        if not self.kernel_here:
            return {}
        some = slice(kernel_examples(self.network))
        assert self.products_of_outputs is not None
        products = self.products_of_outputs[some, some]
        return kernel_fields(self.network, self.seed, self.tallies, products, self.signals.inputs)

    # --- what differs

    @abstractmethod
    def forward(self, layer: int) -> None:
        """Pass a layer."""

    @abstractmethod
    def backward(self, layer: int) -> None:
        """Pass a layer, back."""

    @abstractmethod
    def source(self, layer: int) -> dict[str, Any]:
        """Of a pass, what the units of this layer take in."""

    @abstractmethod
    def has_units(self, layer: int) -> bool:
        """Whether the layer has norm and activation."""

    # --- signals from outside

    def first(self) -> dict[str, Any]:
        """Of a pass that starts with the inputs."""
        if self.inputs is not None:
            return {"given": np.ascontiguousarray(self.inputs)}
        return {"z": (stream_key(self.seed, "normal", "input"), self.network.batch)}

    def turn(self) -> None:
        """From the way forward to the way back: where the outputs have a loss, its gradient."""
        if self.outputs is not None:
            self.cotangent = self.signals.last(self.network, self.seed, self.outputs)
            self.outputs = None

    def gradient(self, layer: int) -> dict[str, Any]:
        """Of a pass back, the gradient at what the weights after this layer take in; or at the outputs."""
        if layer < self.network.depth:
            return self.weights[layer + 1].gradient()
        if self.cotangent is not None:
            return {"gradient": np.ascontiguousarray(self.cotangent)}
        signs = example_signs(self.network.batch, self.seed, self.network.dtype)
        by = signs if self.functions == 1 else np.diag(signs)
        return {"n": (stream_key(self.seed, "normal", "cotangent"), 1), "signs": by.reshape(-1, 1)}

    def signal(self, layer: int) -> dict[str, Any]:
        """Of a pass whose end is a layer's signal: outputs are kept where they have a loss."""
        return {"out": self.outputs} if self.outputs is not None and layer == self.network.depth else {}

    # --- passes

    def units(self, layer: int, sums: list[Array]) -> dict[str, Any]:
        """Norm and activation of a layer; what is not the core's goes into `sums` where sums of rows are asked for."""
        if not self.has_units(layer):
            return {}
        network, rows = self.network, self.rows[layer]
        norm, activation = normalisation_of(network), network.activation

        def own(step: int, x: Array, d: Array | None, summed: bool) -> Any:
            with np.errstate(all="ignore"):
                if step == ACTIVATION:
                    return activation.function(x), activation.derivative(x)
                assert norm is not None
                if summed and d is None:
                    found = norm.row_sums(x)
                else:
                    normalised = norm.normalised(x, network.norm_eps, rows.forward)
                    if not summed:
                        return normalised.y if d is None else normalised.backward(d, rows.backward)
                    assert d is not None
                    found = normalised.row_sums(d)
                sums[:] = [a + b for a, b in zip(sums, found, strict=True)] if sums else found

        passed: dict[str, Any] = {"own": own, "activation": activation.in_core}
        if isinstance(norm, MomentNorm):
            known = norm.axis == UNITS
            passed["norm"] = (known, norm.centred, network.norm_eps, rows.forward, rows.backward)
        elif norm is not None:
            passed["threads"] = 1  # its sums are in order
        return passed | {"steps": network.in_order(READ, NORM, ACTIVATION)}

    def passed(self, way: int, layer: int, into: dict[str, Tally], **what: Any) -> list[Array]:
        """Pass a layer's columns; what is read goes into tallies by the name of its moments. The sums asked for."""
        network = self.network
        accumulators = tuple(into[name].sums_of(name) if name in into else None for name in MOMENTS)
        dead, squares, *products = pass_columns(
            way, network.dtype, network.batch, network.widths[layer], accumulators, self.room,
            **{"threads": threads_for(None), "functions": self.functions} | what,
        )  # fmt: skip
        if way == FORWARD and ACTIVATION in what.get("steps", ()):
            into["preact"].dead += dead
            into["preact"].units += network.widths[layer]
        if way == FORWARD and "map" in what:
            self.weights[layer].shown = squares
        return products

    def see_rows(self, layer: int, way: int = FORWARD_SUMS) -> None:
        """What the norm is to know of rows, where it goes over their units; or the gradient through it."""
        norm = normalisation_of(self.network)
        if norm is None or norm.axis != UNITS or not self.has_units(layer):
            return
        own: list[Array] = []
        end = {} if way == FORWARD_SUMS else self.gradient(layer)
        (sums,) = self.passed(way, layer, {}, **self.source(layer), **self.units(layer, own), **end)
        means = [found / self.network.widths[layer] for found in own or sums]
        if way == FORWARD_SUMS:
            self.rows[layer].forward = means
        else:
            self.rows[layer].backward = means

    # --- products

    def rounding(self, width: int) -> float:
        """How far an entry of a Gram matrix may be off, relative to the lengths of its two rows.

        Eight roundings of the elements themselves, squared, count as nothing too.
        """
        parts = _core.columns_parts(self.network.batch * self.functions, width)
        return max(rounding(width, parts), float(4 * np.finfo(self.network.dtype).eps) ** 2)

    def see_inputs(self, layer: int, products: list[Array]) -> None:
        """What the weights after this layer are to know of their inputs, from its sums."""
        weights = self.weights[layer + 1]
        weights.see_inputs(products, self.rounding(weights.fan_in))
        if weights.haar:
            frame = pass_columns(
                FORWARD, self.network.dtype, weights.rank, weights.fan_out, (None,) * 4, self.room, threads_for(None),
                z=weights.frame, products=True,
            )[2]  # fmt: skip
            weights.see_frame(frame, self.rounding(weights.fan_out))

    def see_gradient(self, layer: int, products: list[Array]) -> None:
        """What the weights before this layer are to know of their gradient, from its sums."""
        weights, tally = self.weights[layer], self.tallies[layer]
        weights.see_gradient(products, self.rounding(weights.fan_out))
        tally.add_weights(weight_grad_norm=weights.gradient_squares, weight_dot_grad=weights.dot)
        tally.add_weights(weight_norm=weights.squared_norm())
        if self.kernel_here:
            tally.add_kernel(weights.kernel(products[0], kernel_examples(self.network)))

    def see_outputs(self, layer: int) -> None:
        """The norm of the weights, where no gradient is to come."""
        if layer and not self.signals.backward:
            self.tallies[layer].add_weights(weight_norm=self.weights[layer].squared_norm())


def _same_rows(x: Array) -> Array | None:
    """For each row the number of the first one like it, the different ones being counted; None where all differ."""
    seen: dict[bytes, int] = {}
    same = [seen.setdefault(blake2b(row + 0).digest(), len(seen)) for row in x]  # -0 + 0 is 0
    return None if len(seen) == len(x) else np.array(same)
