"""Steps: what a layer is made of. Each knows the way forward, the gradient back, and the tangent forward.

Signals are matrices: a row for each example (of an image: for each position of each example; of a text: for each
token), a column for each unit. `forward` keeps what the other two need; both may be called once it has run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ..activations import Activation
from .norms import Normalised, normalised
from .statistics import Tally, distinct_columns, gram, inner, mean_cosine_of_rows, squared_norm
from .weights import Weights

Array = np.ndarray[Any, Any]


class Step(Protocol):
    """A map of signals, at the signal that it last saw."""

    def forward(self, x: Array) -> Array:
        """The map."""

    def backward(self, d: Array) -> Array:
        """Its Jacobian's transpose times d: from the gradient after the step to that before it."""

    def tangent(self, t: Array) -> Array:
        """Its Jacobian times t."""


class Product:
    """x W, with the norms of W and of its gradient x'd.

    |x'd|^2 = <x x', d d'> needs no matrix of the weights' shape; it is made all the same where rows are many (the
    positions of images, the tokens of texts), and where the weights are to learn. <W, x'd> is <x W, d> or <x, d W'>:
    whichever needs nothing else to be kept.
    """

    def __init__(self, weights: Weights, tally: Tally, learns: bool) -> None:
        self.weights, self._tally, self._learns = weights, tally, learns
        self._kept: tuple[Array | None, Array | None, Array | None] | None = None
        self._gradient: Array | None = None

    def forward(self, x: Array) -> Array:
        h = self.weights.times(x)
        few = len(x) <= min(self.weights.shape)
        keeps = self._learns or not few
        self._kept = (h if few else None, x if keeps else None, gram(x) if few else None)
        self._tally.add_weights(weight_norm=self.weights.squared_norm())
        return h

    def backward(self, d: Array) -> Array:
        assert self._kept is not None
        h, x, products = self._kept
        self._kept = (h, x, None)
        self._gradient = d if self._learns else None
        before = self.weights.times_transposed(d)
        if h is not None and products is not None:
            squares, product = float(np.vdot(products, gram(d))), inner(h, d)
        else:
            assert x is not None
            squares, product = squared_norm(x.T @ d), inner(x, before)
        self._tally.add_weights(weight_grad_norm=squares, weight_dot_grad=product)
        return before

    def tangent(self, t: Array) -> Array:
        return self.weights.times(t)

    def learn(self, rate: float) -> None:
        """One step of gradient descent, after `backward`."""
        assert self._kept is not None and self._kept[1] is not None and self._gradient is not None
        self.weights.add(-rate, self._kept[1], self._gradient)


class Bias:
    """x + b."""

    def __init__(self, b: Array) -> None:
        self._b = b
        self._gradient: Array | None = None

    def forward(self, x: Array) -> Array:
        return x + self._b

    def backward(self, d: Array) -> Array:
        self._gradient = d.sum(axis=0)
        return d

    def tangent(self, t: Array) -> Array:
        return t

    def learn(self, rate: float) -> None:
        """One step of gradient descent, after `backward`."""
        assert self._gradient is not None
        self._b -= self._b.dtype.type(rate) * self._gradient


class Normalise:
    """Normalisation, with the gradient through its mean and deviation."""

    def __init__(self, norm: str, eps: float) -> None:
        self._norm, self._eps = norm, eps
        self._kept: Normalised | None = None

    def forward(self, x: Array) -> Array:
        self._kept = normalised(self._norm, x, self._eps)
        return self._kept.y

    def backward(self, d: Array) -> Array:
        assert self._kept is not None
        return self._kept.jacobian(d)

    tangent = backward


class Activate:
    """phi, unit by unit."""

    def __init__(self, activation: Activation, tally: Tally, batch: int) -> None:
        self._activation, self._tally, self._batch = activation, tally, batch
        self._slopes: Array | None = None

    def forward(self, x: Array) -> Array:
        self._slopes = self._activation.derivative(x)
        self._tally.add_slopes(self._slopes, self._batch)
        return self._activation.function(x)

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
        return x

    def backward(self, d: Array) -> Array:
        self._tally.grad_act.update(d)
        return d

    def tangent(self, t: Array) -> Array:
        return t


class Residual:
    """``skip x + scale f(x)``, f being steps one after the other."""

    def __init__(self, branch: Sequence[Step], scale: float = 1.0, skip: float = 1.0) -> None:
        self.branch, self._scale, self._skip = branch, scale, skip

    def forward(self, x: Array) -> Array:
        return _scaled(self._skip, x) + _scaled(self._scale, forward(self.branch, x))

    def backward(self, d: Array) -> Array:
        return _scaled(self._skip, d) + backward(self.branch, _scaled(self._scale, d))

    def tangent(self, t: Array) -> Array:
        return _scaled(self._skip, t) + _scaled(self._scale, tangent(self.branch, t))


def _scaled(scale: float, x: Array) -> Array:
    return x if scale == 1 else x * x.dtype.type(scale)


def forward(steps: Sequence[Step], x: Array) -> Array:
    """Through the steps in order."""
    for step in steps:
        x = step.forward(x)
    return x


def backward(steps: Sequence[Step], d: Array) -> Array:
    """The gradient back through the steps, last first."""
    for step in reversed(steps):
        d = step.backward(d)
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
