"""Units: norm and activation, and what is read of a signal before and after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import _core
from ...machine import threads_for
from ..description.network import Network, normalisation_of
from ..norms import ROWS, UNITS, MomentNorm, Norm, Normalised
from ..passes import ACTIVATION, BACKWARD, FORWARD, MOMENTS, NORM, READ
from ..products import mean_cosine, mean_cosine_of_rows, mean_cosine_within
from ..statistics import Tally, distinct_columns
from .shared import Shared
from .step import Step

Array = np.ndarray[Any, Any]


class Normalise:
    """Normalisation, with the gradient through its mean and deviation."""

    norm: Norm

    def __init__(self, norm: Norm, eps: float) -> None:
        self.norm, self._eps = norm, eps
        self.kept: Normalised | None = None

    def forward(self, x: Array) -> Array:
        self.kept = self.norm.normalised(x, self._eps)
        return self.kept.y

    def backward(self, d: Array) -> Array:
        assert self.kept is not None
        return self.kept.backward(d)

    def tangent(self, t: Array) -> Array:
        assert self.kept is not None
        return self.kept.tangent(t)


class Units:
    """Steps unit by unit: where h is read, a norm over the batch, phi; and (`ends`) where x' is read.

    They are one pass of the core over columns (an example's positions side by side), and one back, which makes the
    values again from what came in. Only that is kept, and nothing where it is only read.
    """

    def __init__(self, network: Network, tally: Tally | None, shared: Shared, order: Sequence[int], ends: bool) -> None:
        self._network, self._tally, self._shared, self._order, self._ends = network, tally, shared, tuple(order), ends
        norm = normalisation_of(network) if NORM in order else None
        self._norm = None if norm is None else (norm.axis == UNITS, norm.centred, network.norm_eps, None, None)
        self._changes = NORM in order or ACTIVATION in order
        wanted, unread = (READ in order, ends), [None, None]
        names = [name if is_read else None for name, is_read in zip(MOMENTS, (*wanted, *wanted), strict=True)]
        self._read = {FORWARD: [*names[:2], *unread], BACKWARD: [*unread, *names[2:]]}
        self._x: Array | None = None

    def forward(self, x: Array) -> Array:
        self._x = x if self._changes else None
        result, dead, products = self._pass(FORWARD, x)
        if self._tally is None:
            return result
        if READ in self._order:
            self._tally.distinct = distinct_columns(x)
        if ACTIVATION in self._order:
            self._tally.dead += dead
            self._tally.units += x.size // self._network.batch
        if self._ends:
            rows = result.reshape(self._network.batch, -1)
            self._tally.cosine = mean_cosine_of_rows(rows) if products is None else mean_cosine(products)
            self._tally.position_cosine = mean_cosine_within(rows.reshape(len(rows), -1, result.shape[1]))
        return result

    def backward(self, d: Array) -> Array:
        return self._pass(BACKWARD, d)[0]

    def backward_each(self, d: Array) -> Array:
        """The gradients of several functions back."""
        return self._pass(BACKWARD, d, len(d))[0]

    def _pass(self, way: int, signal: Array, functions: int = 1) -> tuple[Array, int, Array | None]:
        """What a signal becomes; how many units are dead, and its Gram matrix where the core makes it."""
        batch, tally, changed = self._network.batch, self._tally, signal
        if not tally and not self._changes:
            return signal, 0, None
        h, what = _by_example(signal if self._x is None else self._x, batch), dict[str, Any]()
        into: tuple[_core.Accumulator | None, ...] = (None,) * len(MOMENTS)
        if way == BACKWARD:
            what = {"gradient": _by_example(signal, functions * batch), "functions": functions}
        if tally:
            into = tuple([None if name is None else tally.sums_of(name) for name in self._read[way]])
            # of doubles squares may leave the range
            what["products"] = h.dtype == np.float32 and batch <= h.shape[1]
        if self._changes:
            changed = np.empty(signal.shape, signal.dtype)
            what["out"] = changed.reshape(-1, h.shape[1])
        dead, _, *products = _core.pass_columns(
            way, h.dtype, batch, h.shape[1], into, self._shared.room, threads_for(None), given=h, own=self._own,
            steps=self._order, norm=self._norm, activation=self._network.activation.in_core, **what,
        )  # fmt: skip
        found = products[0] if products else None
        self._shared.put(changed, found if len(changed) == batch else None)
        return changed, dead, found

    def _own(self, step: int, x: Array, d: Array | None, summed: bool) -> tuple[Array, Array]:
        """Of an activation that the core does not know."""
        with np.errstate(all="ignore"):
            return self._network.activation.with_slope(x)

    def tangent(self, t: Array) -> Array:
        x = self._x
        if x is None:  # what is only read
            return t
        for step in self._order:
            if step == NORM:
                norm = normalisation_of(self._network)
                assert norm is not None
                kept = norm.normalised(x, self._network.norm_eps)
                x, t = kept.y, kept.tangent(t)
            elif step == ACTIVATION:
                x, slope = self._network.activation.with_slope(x)
                t = t * slope
        return t


def _by_example(x: Array, batch: int) -> Array:
    """(batch, units), an example's positions side by side."""
    return np.ascontiguousarray(x.reshape(batch, -1))


def units(
    network: Network, tally: Tally | None, shared: Shared, order: Sequence[int], ends: bool = False
) -> list[Step]:
    """Steps in that order: one, where h comes in and a norm is over the rows of examples; or with the norm between."""
    norm = normalisation_of(network)
    if NORM not in order:
        return [Units(network, tally, shared, order, ends)] if order or ends else []
    assert norm is not None
    if isinstance(norm, MomentNorm) and norm.axis == ROWS and network.rows == network.batch and order[0] == READ:
        return [Units(network, tally, shared, order, ends)]
    place = order.index(NORM)
    before = units(network, tally, shared, order[:place])
    return [*before, Normalise(norm, network.norm_eps), *units(network, tally, shared, order[place + 1 :], ends)]
