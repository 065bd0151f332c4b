"""Units: normalisation and activation, and where the signal before and after them is read."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...activations import Activation
from ..norms import Norm, Normalised
from ..products import mean_cosine_of_rows, mean_cosine_within
from ..statistics import Tally, distinct_columns

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


class Activate:
    """phi, unit by unit."""

    def __init__(self, activation: Activation, tally: Tally, batch: int) -> None:
        self._activation, self._tally, self._batch = activation, tally, batch
        self._slopes: Array | None = None

    def forward(self, x: Array) -> Array:
        value, self._slopes = self._activation.with_slope(x)
        self._tally.add_slopes(self._slopes, self._batch)
        return value

    def backward(self, d: Array) -> Array:
        assert self._slopes is not None
        return d * self._slopes

    tangent = backward


class Preactivation:
    """Where h is read: the signal on its way forward, the gradient on its way back."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def forward(self, x: Array) -> Array:
        self._tally.preact.update(x)
        self._tally.distinct = distinct_columns(x)
        return x

    def backward(self, d: Array) -> Array:
        self._tally.grad_preact.update(d)
        return d

    def tangent(self, t: Array) -> Array:
        return t


class Activity:
    """Where x' is read."""

    def __init__(self, tally: Tally, batch: int) -> None:
        self._tally, self._batch = tally, batch

    def forward(self, x: Array) -> Array:
        self._tally.act.update(x)
        self._tally.cosine = mean_cosine_of_rows(x.reshape(self._batch, -1))
        self._tally.position_cosine = mean_cosine_within(x.reshape(self._batch, -1, x.shape[1]))
        return x

    def backward(self, d: Array) -> Array:
        self._tally.grad_act.update(d)
        return d

    def tangent(self, t: Array) -> Array:
        return t
