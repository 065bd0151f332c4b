"""Branches: steps beside each other, whose results are added, joined or multiplied."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from .step import Step, backward, backward_each, forward, tangent

Array = np.ndarray[Any, Any]


class ResidualSum:
    """``skip x + scale f(x)``, f being steps one after the other."""

    branch: Sequence[Step]

    def __init__(self, branch: Sequence[Step], scale: float = 1.0, skip: float = 1.0) -> None:
        self.branch, self._scale, self._skip = branch, scale, skip

    def forward(self, x: Array) -> Array:
        return _scaled(self._skip, x) + _scaled(self._scale, forward(self.branch, x))

    def backward(self, d: Array) -> Array:
        return _scaled(self._skip, d) + backward(self.branch, _scaled(self._scale, d))

    def backward_each(self, d: Array) -> Array:
        """The gradients of several functions back."""
        return _scaled(self._skip, d) + backward_each(self.branch, _scaled(self._scale, d))

    def tangent(self, t: Array) -> Array:
        return _scaled(self._skip, t) + _scaled(self._scale, tangent(self.branch, t))


def _scaled(scale: float, x: Array) -> Array:
    return x if scale == 1 else x * x.dtype.type(scale)


class SideBySide:
    """What several sequences of steps make of the same signal, side by side: (rows, sum of their units)."""

    def __init__(self, branches: Sequence[Sequence[Step]]) -> None:
        self._branches = branches
        self.branch: list[Step] = [step for branch in branches for step in branch]
        self._ends: Array | None = None

    def forward(self, x: Array) -> Array:
        results = [forward(branch, x) for branch in self._branches]
        self._ends = np.cumsum([result.shape[1] for result in results])[:-1]
        return np.concatenate(results, axis=1)

    def backward(self, d: Array) -> Array:
        assert self._ends is not None
        parts = np.split(d, self._ends, axis=1)
        total, *others = (backward(branch, part) for branch, part in zip(self._branches, parts, strict=True))
        for other in others:
            total = total + other
        return total

    def backward_each(self, d: Array) -> Array:
        """The gradients of several functions back."""
        assert self._ends is not None
        parts = zip(self._branches, np.split(d, self._ends, axis=2), strict=True)
        return reduce(np.add, [backward_each(branch, part) for branch, part in parts])

    def tangent(self, t: Array) -> Array:
        return np.concatenate([tangent(branch, t) for branch in self._branches], axis=1)


class Multiply:
    """The product of the first half of the columns with the second."""

    def __init__(self) -> None:
        self._halves: list[Array] = []

    def forward(self, x: Array) -> Array:
        self._halves = one, other = np.split(x, 2, axis=1)
        return one * other

    def backward(self, d: Array) -> Array:
        one, other = self._halves
        return np.concatenate([d * other, d * one], axis=1)

    def tangent(self, t: Array) -> Array:
        one, other = self._halves
        first, second = np.split(t, 2, axis=1)
        return first * other + one * second
