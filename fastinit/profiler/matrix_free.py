"""Matrix-free propagation: the joint law of the way forward and the way back, without weights and without signals.

Given what the Gram matrices of a batch say (`unmade`), the columns of a layer are independent, and each can be made
again from its place in a stream. So a layer is passed a part of its columns at a time, forward once and back once, and
what is kept for each layer has the size of the batch, squared. A residual stream is kept whole, in float64.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from ..distributions import normal
from ..machine import threads_for
from .columns import Rows, norm_of, row_sums, units
from .network import Network, Signals, random_signs
from .parallel import Workers
from .propagation import Report
from .statistics import Tally, distinct_columns, mean_cosine
from .steps import Step, backward, forward
from .unmade import Unmade
from .workspace import Parts, Space, gram64, total

Array = np.ndarray[Any, Any]
#: What is done with some columns: what was read of them, and arrays to be summed.
Work = Callable[[slice, Space], tuple[Tally, list[Array]]]

#: A residual stream is copied before it grows by more than this: going back, the branches are subtracted again, and of
#: L layers each subtraction may be off by a rounding of 2**-53 of the greater stream, so that the smaller one is right
#: to 2 L 2**-53 10**6, which is 1e-8 at depth 50.
_GROWTH = 1e6


def propagate(
    network: Network, signals: Signals, seed: int, tallies: list[Tally], report: Report
) -> Iterator[dict[str, float]]:
    """Send the signals through one drawing of the network, and fill in the tallies, as `propagation.propagate` does."""
    for tally in tallies:
        tally.start()
    with Workers(threads_for(None)) as workers:
        passes = (Residual if network.residual else Plain)(network, signals, seed, tallies, workers)
        for layer in range(network.depth + 1):
            passes.forward(layer)
            report()
        if signals.backward:
            passes.turn()
            for layer in reversed(range(network.depth + 1)):
                passes.backward(layer)
                report()
    yield {}


class Passes(ABC):
    """What plain and residual networks share: one layer's columns forward, and back.

    Layer l has a signal x, made of the one below; its units (norm and activation) are those before it in a plain
    network, those after it in a residual one.
    """

    def __init__(self, network: Network, signals: Signals, seed: int, tallies: list[Tally], workers: Workers) -> None:
        self.network, self.signals, self.seed, self.tallies = network, signals, seed, tallies
        self.parts = Parts(network.batch, network.dtype, workers)
        same = None if signals.inputs is None else _same_rows(signals.inputs.reshape(network.rows, -1))
        layers = range(1, network.depth + 1)
        self.weights = {layer: Unmade(network, layer, seed, same) for layer in layers}
        self.rows = [Rows() for _ in range(network.depth + 1)]
        self.outputs: Array | None = None
        if signals.loss is not None:
            self.outputs = np.empty((network.batch, network.widths[-1]), network.dtype)
        self.cotangent = signals.cotangent

    # --- what differs

    @abstractmethod
    def forward(self, layer: int) -> None:
        """Pass a layer."""

    @abstractmethod
    def backward(self, layer: int) -> None:
        """Pass a layer, back."""

    @abstractmethod
    def source(self, layer: int, cut: slice, space: Space) -> tuple[Array, Array | None]:
        """What the units of this layer take in, and the normals it is made of."""

    @abstractmethod
    def has_units(self, layer: int) -> bool:
        """Whether the layer has norm and activation."""

    # --- signals from outside

    def inputs(self, cut: slice, space: Space) -> Array:
        """Some columns of the inputs."""
        out = space("input", self.network.batch, cut.stop - cut.start)
        if self.signals.inputs is not None:
            np.copyto(out, self.signals.inputs[:, cut])
            return out
        return normal(self.network.input_shape, seed=self.seed, name="input", dtype=self.network.dtype.name,
                      index=np.s_[:, cut], out=out, threads=1)  # fmt: skip

    def turn(self) -> None:
        """From the way forward to the way back: where the outputs have a loss, its gradient."""
        if self.outputs is not None:
            self.cotangent = self.signals.last(self.network, self.seed, self.outputs)
            self.outputs = None

    def gradient(self, layer: int, x: Array, cut: slice, space: Space) -> Array:
        """Some columns of the gradient at what the weights after this layer take in: x; or at the outputs."""
        if layer < self.network.depth:
            return self.weights[layer + 1].gradient(x, cut, space)
        if self.cotangent is not None:
            return np.ascontiguousarray(self.cotangent[:, cut])
        shape = (self.network.batch, self.network.widths[-1])
        return random_signs(shape, self.seed, "cotangent", self.network.dtype, index=np.s_[:, cut], threads=1)

    def read_signal(self, layer: int, part: Tally, x: Array, cut: slice) -> None:
        """Some columns of a layer's signal pass; the outputs are kept where they have a loss."""
        part.act.update(x, threads=1)
        if self.outputs is not None and layer == self.network.depth:
            self.outputs[:, cut] = x

    # --- units

    def units(self, layer: int, part: Tally, back: bool) -> list[Step]:
        """Norm and activation of some columns, which read into `part`."""
        return units(self.network, self.rows[layer], part, back) if self.has_units(layer) else []

    def see_rows(self, layer: int) -> None:
        """Mean and variance of rows, where the units need them."""
        if not self._over_rows(layer):
            return
        width = self.network.widths[layer]

        def work(cut: slice, space: Space) -> list[Array]:
            steps = self.units(layer, Tally(), back=True)
            x = forward(steps[: norm_of(steps)[0]], self.source(layer, cut, space)[0])
            return row_sums(x, x)

        mean, square = (found / width for found in total(self.parts.map(work, width)))
        assert self.network.norm
        self.rows[layer].see(self.network.norm, mean, square, self.network.dtype)

    def see_rows_back(self, layer: int) -> None:
        """The means over rows that the gradient through a norm takes in, where it does."""
        if not self._over_rows(layer):
            return
        width = self.network.widths[layer]

        def work(cut: slice, space: Space) -> list[Array]:
            steps = self.units(layer, Tally(), back=True)
            x = forward(steps, self.source(layer, cut, space)[0])
            where, norm = norm_of(steps)
            d = backward(steps[where + 1 :], self.gradient(layer, x, cut, space))
            assert norm.kept is not None
            return row_sums(d, norm.kept.y)

        mean, along = (found / width for found in total(self.parts.map(work, width)))
        self.rows[layer].see_back(mean, along, self.network.dtype)

    def _over_rows(self, layer: int) -> bool:
        return self.network.norm in ("layer", "rms") and self.has_units(layer)

    # --- products

    def see_inputs(self, layer: int, products: list[Array]) -> None:
        """What the weights after this layer are to know of their inputs, from its sums."""
        weights = self.weights[layer + 1]
        weights.see_inputs(products, self.parts.rounding(weights.fan_in))
        if weights.haar:
            weights.see_frame(*total(self.parts.map(weights.watch_frame, weights.fan_out)))

    def see_gradient(self, layer: int, products: list[Array]) -> None:
        """What the weights before this layer are to know of their gradient, from its sums."""
        weights, tally = self.weights[layer], self.tallies[layer]
        weights.see_gradient(products, self.parts.rounding(weights.fan_out))
        tally.add_weights(weight_grad_norm=weights.gradient_squares, weight_dot_grad=weights.dot)
        tally.add_weights(weight_norm=weights.squared_norm())

    def see_outputs(self, layer: int, squares: Array) -> None:
        """The sum of squares of the normals that a layer is made of: part of its weights' norm."""
        self.weights[layer].shown = float(squares)
        if not self.signals.backward:
            self.tallies[layer].add_weights(weight_norm=self.weights[layer].squared_norm())

    def merged(self, layer: int, tally: Tally, names: Sequence[str], work: Work) -> list[Array]:
        """Sums over a layer's parts; what `work` reads of each goes into the tally under these names."""

        def read() -> Iterator[list[Array]]:
            for part, found in self.parts.map(work, self.network.widths[layer]):
                tally.merge(part, names)
                yield found

        return total(read())


class Plain(Passes):
    """``x' = units(x W + b)``: nothing as wide as the network is kept."""

    def has_units(self, layer: int) -> bool:
        return layer > 0

    def source(self, layer: int, cut: slice, space: Space) -> tuple[Array, Array | None]:
        return self.weights[layer].outputs(cut, space) if layer else (self.inputs(cut, space), None)

    def forward(self, layer: int) -> None:
        self.see_rows(layer)
        above = self.weights.get(layer + 1)

        def work(cut: slice, space: Space) -> tuple[Tally, list[Array]]:
            part = Tally()
            h, z = self.source(layer, cut, space)
            x = forward(self.units(layer, part, back=False), h)
            self.read_signal(layer, part, x, cut)
            squares = np.array(0.0 if z is None else np.vdot(z, z), float)
            products = above.watch_inputs(x, cut, space, self.signals.backward) if above else [gram64(x, space)]
            return part, [squares, *products]

        tally = self.tallies[layer]
        squares, *products = self.merged(layer, tally, ("preact", "act", "dead", "units"), work)
        tally.cosine = mean_cosine(products[0])
        if layer:
            self.see_outputs(layer, squares)
            tally.distinct = self.network.widths[layer] if self.weights[layer].spreads else 1
        if above:
            self.see_inputs(layer, products)

    def backward(self, layer: int) -> None:
        self.see_rows_back(layer)

        def work(cut: slice, space: Space) -> tuple[Tally, list[Array]]:
            part = Tally()
            h, z = self.source(layer, cut, space)
            units = self.units(layer, part, back=True)
            d = self.gradient(layer, forward(units, h), cut, space)
            part.grad_act.update(d, threads=1)
            d = backward(units, d)
            return part, [] if z is None else self.weights[layer].watch_gradient(d, z, space)

        products = self.merged(layer, self.tallies[layer], ("grad_preact", "grad_act"), work)
        if layer:
            self.see_gradient(layer, products)


class Residual(Passes):
    """``x' = x + scale (units(x) W + b)``: the stream is kept, and its gradient, of the layer that is passed."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        shape = (self.network.batch, self.network.widths[0])
        self._x = np.empty(shape, np.float64)
        self._d = np.empty(shape, self.network.dtype) if self.signals.backward else None
        self._scale = self.network.dtype.type(self.network.branch_scale)
        self._copies: dict[int, Array] = {}
        self._squares = self._squares_at_copy = 0.0
        self._distinct = np.nan

    def has_units(self, layer: int) -> bool:
        return layer < self.network.depth

    def source(self, layer: int, cut: slice, space: Space) -> tuple[Array, Array | None]:
        x = space("x", self.network.batch, cut.stop - cut.start)
        np.copyto(x, self._x[:, cut], casting="same_kind")
        return x, None

    def _branch(self, layer: int, cut: slice, space: Space) -> tuple[Array, Array]:
        """Some columns of what a layer adds to the stream, and the normals it is made of."""
        h, z = self.weights[layer].outputs(cut, space)
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

        def work(cut: slice, space: Space) -> tuple[Tally, list[Array]]:
            part = Tally()
            x = forward(self.units(layer, part, back=False), self.source(layer, cut, space)[0])
            return part, above.watch_inputs(x, cut, space, self.signals.backward)

        tally = self.tallies[layer + 1]
        self.see_inputs(layer, self.merged(layer, tally, ("preact", "dead", "units"), work))
        tally.distinct = self._distinct

    def _add(self, layer: int) -> None:
        """The stream with this layer's branch."""

        def work(cut: slice, space: Space) -> tuple[Tally, list[Array]]:
            part, squares = Tally(), np.array(0.0)
            if layer:
                h, z = self._branch(layer, cut, space)
                self._x[:, cut] += h
                squares += np.vdot(z, z)
            else:
                self._x[:, cut] = self.inputs(cut, space)
            x = self.source(layer, cut, space)[0]
            self.read_signal(layer, part, x, cut)
            return part, [squares, gram64(x, space)]

        tally = self.tallies[layer]
        squares, gram = self.merged(layer, tally, ("act",), work)
        tally.cosine, self._squares = mean_cosine(gram), float(np.trace(gram))
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

        def work(cut: slice, space: Space) -> tuple[Tally, list[Array]]:
            part = Tally()
            x = self.source(layer, cut, space)[0]
            units = self.units(layer, part, back=True)
            d = backward(units, self.gradient(layer, forward(units, x), cut, space))
            if layer == self.network.depth:
                self._d[:, cut] = d
            else:
                self._d[:, cut] += d
            return part, []

        above = self.tallies[min(layer + 1, self.network.depth)]
        self.merged(layer, above, ("grad_preact",), work)

    def _through_sum(self, layer: int) -> None:
        """The gradient at the stream goes to the branch below too, which is taken off the stream."""

        def work(cut: slice, space: Space) -> tuple[Tally, list[Array]]:
            part, d = Tally(), np.ascontiguousarray(self._d[:, cut])
            part.grad_act.update(d, threads=1)
            if layer == 0:
                return part, []
            h, z = self._branch(layer, cut, space)
            self._x[:, cut] -= h
            return part, self.weights[layer].watch_gradient(d * self._scale, z, space)

        products = self.merged(layer, self.tallies[layer], ("grad_act",), work)
        if layer:
            self._x = self._copies.pop(layer - 1, self._x)
            self.see_gradient(layer, products)


def _same_rows(x: Array) -> Array | None:
    """For each row the number of the first one like it, the different ones being counted; None where all differ."""
    seen: dict[bytes, int] = {}
    same = [seen.setdefault(blake2b(row + 0).digest(), len(seen)) for row in x]  # -0 + 0 is 0
    return None if len(seen) == len(x) else np.array(same)
