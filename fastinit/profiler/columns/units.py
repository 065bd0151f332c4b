"""Columns of units: norm and activation on some columns of a signal, whose rows go on in other columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..description.network import Network, normalisation_of
from ..norms import Norm, Normalised
from ..statistics import Tally
from ..steps.step import StepBothWays
from ..steps.units import Activate

Array = np.ndarray[Any, Any]


@dataclass
class RowMeans:
    """What a norm is to know of rows as wide as the layer: means of what it sums up, on the way forward and back."""

    forward: list[Array] | None = None
    backward: list[Array] | None = None


class NormaliseColumns:
    """Normalisation of some columns, where `rows` says what is to be known of the others."""

    norm: Norm

    def __init__(self, norm: Norm, eps: float, rows: RowMeans) -> None:
        self.norm, self._eps, self._rows = norm, eps, rows
        self.kept: Normalised | None = None

    def forward(self, x: Array) -> Array:
        self.kept = self.norm.normalised(x, self._eps, self._rows.forward)
        return self.kept.y

    def backward(self, d: Array) -> Array:
        assert self.kept is not None
        return self.kept.backward(d, self._rows.backward)


class PreactivationColumns:
    """Where h is read: on the way forward once only, although the columns are made again on the way back."""

    def __init__(self, part: Tally, back: bool) -> None:
        self._part, self._back = part, back

    def forward(self, x: Array) -> Array:
        if not self._back:
            self._part.preact.update(x, threads=1)
        return x

    def backward(self, d: Array) -> Array:
        self._part.grad_preact.update(d, threads=1)
        return d


def units(network: Network, rows: RowMeans, part: Tally, back: bool) -> list[StepBothWays]:
    """Norm and activation of some columns, in order."""
    known = normalisation_of(network)
    norm = NormaliseColumns(known, network.norm_eps, rows) if known else None
    return network.in_order(PreactivationColumns(part, back), norm, Activate(network.activation, part, network.batch))


def norm_of(steps: Sequence[StepBothWays]) -> tuple[int, NormaliseColumns]:
    """The norm among the steps, and its place."""
    return next((place, step) for place, step in enumerate(steps) if isinstance(step, NormaliseColumns))
