"""Columns of units: norm and activation on some columns of a signal, whose rows go on in other columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..description.network import Network, normalisation_of
from ..statistics import Tally
from ..steps.step import StepBothWays
from ..steps.units import Activate, Normalise, RowMeans

Array = np.ndarray[Any, Any]


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
    norm = Normalise(known, network.norm_eps, rows) if known else None
    return network.in_order(PreactivationColumns(part, back), norm, Activate(network.activation, part, network.batch))


def norm_of(steps: Sequence[StepBothWays]) -> tuple[int, Normalise]:
    """The norm among the steps, and its place."""
    return next((place, step) for place, step in enumerate(steps) if isinstance(step, Normalise))
