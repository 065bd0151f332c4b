"""Steps: what a layer is made of. Each knows the way forward, the gradient back, and the tangent forward.

Signals are matrices: a row for each example (of an image: for each position of each example; of a text: for each
token), a column for each unit. `forward` keeps what the other two need; both may be called once it has run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, Any]


class StepBothWays(Protocol):
    """A map of signals, at the signal that it last saw."""

    def forward(self, x: Array) -> Array:
        """The map."""

    def backward(self, d: Array) -> Array:
        """Its Jacobian's transpose times d: from the gradient after the step to that before it."""


class Step(StepBothWays, Protocol):
    """One that knows the tangent too."""

    def tangent(self, t: Array) -> Array:
        """Its Jacobian times t."""


def forward(steps: Sequence[StepBothWays], x: Array) -> Array:
    """Through the steps in order."""
    for step in steps:
        x = step.forward(x)
    return x


def backward(steps: Sequence[StepBothWays], d: Array) -> Array:
    """The gradient back through the steps, last first."""
    for step in reversed(steps):
        d = step.backward(d)
    return d


def backward_each(steps: Sequence[Any], d: Array) -> Array:
    """The gradients of several functions back, (functions, rows, units): a matrix is made, and read, once for all."""
    for step in reversed(steps):
        together = getattr(step, "backward_each", None)
        d = together(d) if together else np.stack([step.backward(one) for one in d])
    return d


def tangent(steps: Sequence[Step], t: Array) -> Array:
    """The tangent through the steps in order."""
    for step in steps:
        t = step.tangent(t)
    return t


def learn(steps: Sequence[Any], rate: float) -> None:
    """A step of gradient descent for whatever has parameters."""
    for step in steps:
        if hasattr(step, "learn"):
            step.learn(rate)
        learn(getattr(step, "branch", ()), rate)
