"""Columns of units: norm and activation on some columns of a signal, whose rows go on in other columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..description.network import Network
from ..norms import Normalised, normalised
from ..statistics import Tally
from ..steps.step import Step
from ..steps.units import Activate

Array = np.ndarray[Any, Any]


@dataclass
class RowMeans:
    """Of rows as wide as the layer, as columns: mean and variance, and back the means of d and of d y."""

    forward: tuple[Array, Array] | None = None
    backward: tuple[Array, Array] | None = None

    def see(self, norm: str, mean: Array, square: Array, dtype: Any) -> None:
        """Take the means of x and of its square."""
        mean = np.zeros_like(mean) if norm == "rms" else mean
        self.forward = _column(mean, dtype), _column(np.maximum(square - mean * mean, 0), dtype)

    def see_back(self, mean: Array, along: Array, dtype: Any) -> None:
        """Take the means of d and of d y."""
        self.backward = _column(mean, dtype), _column(along, dtype)


def _column(x: Array, dtype: Any) -> Array:
    return x.astype(dtype)[:, None]


class NormaliseColumns:
    """Normalisation of some columns, where `rows` says what is to be known of the others."""

    def __init__(self, norm: str, eps: float, rows: RowMeans) -> None:
        self._norm, self._eps, self._rows = norm, eps, rows
        self.kept: Normalised | None = None

    def forward(self, x: Array) -> Array:
        self.kept = normalised(self._norm, x, self._eps, self._rows.forward)
        return self.kept.y

    def backward(self, d: Array) -> Array:
        assert self.kept is not None
        return self.kept.jacobian(d, self._rows.backward)

    tangent = backward


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

    tangent = backward


def units(network: Network, rows: RowMeans, part: Tally, back: bool) -> list[Step]:
    """Norm and activation of some columns, in order."""
    norm = NormaliseColumns(network.norm, network.norm_eps, rows) if network.norm else None
    return network.in_order(PreactivationColumns(part, back), norm, Activate(network.activation, part, network.batch))


def norm_of(steps: Sequence[Step]) -> tuple[int, NormaliseColumns]:
    """The norm among the steps, and its place."""
    return next((place, step) for place, step in enumerate(steps) if isinstance(step, NormaliseColumns))


def row_sums(x: Array, y: Array) -> list[Array]:
    """Over columns, in float64: of x, and of x y."""
    return [np.add.reduce(x, axis=1, dtype=float), np.einsum("ij,ij->i", x, y, dtype=float)]
