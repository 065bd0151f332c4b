"""Kernel products: what the weights and the bias of one product add to the tangent kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..products import gram
from ..statistics import Tally
from ..tangent_kernel import part_of_product
from .matrices import Weights

Array = np.ndarray[Any, Any]

#: Elements of the gradients that are made at once.
_GRADIENTS = 1 << 22


class KernelProducts:
    """``<dW_i, dW_j> + <db_i, db_j>`` for the first examples, from x on the way forward and d on the way back.

    The gradient of example i is ``dW_i = x_i' d_i``, summed over the rows of the example; where norms mix examples it
    is that of one of as many functions of all, and every row takes part in each.
    """

    def __init__(self, examples: int, positions: int, functions: int = 1) -> None:
        self._examples, self._rows, self._functions = examples, examples * positions, functions
        self._single = positions == 1
        self._x: Array | None = None
        self._products: Array | None = None

    def forward(self, x: Array, products: Array | None, fan_out: int) -> None:
        """Keep the rows of the examples, or their Gram matrix, which may be part of `products`.

        That where positions are one, or the Gram matrix of all gradients is smaller than the weights.
        """
        rows = self._rows
        few = self._single or (self._functions * rows) ** 2 <= x.shape[1] * fan_out
        self._x = None if few else x[:rows]
        self._products = None
        if few:
            self._products = gram(x[:rows]) if products is None else products[:rows, :rows]

    def backward(self, d: Array, products: Array | None = None) -> Array:
        """What is added to the kernel, (examples, examples), of gradients (rows, fan_out) or of several functions.

        Their Gram matrix may be part of `products`.
        """
        examples, count = self._examples, self._functions * self._rows
        d = d.reshape(-1, d.shape[-1])[:count]
        if self._products is not None:
            x, self._products = self._products, None
            return part_of_product(x, gram(d) if products is None else products[:count, :count], examples)
        assert self._x is not None
        x = self._x.reshape(examples // self._functions, -1, self._x.shape[1])
        d = d.reshape(examples, -1, d.shape[1])
        return _from_gradients(x, d) + gram(d.sum(axis=1))


def _from_gradients(x: Array, d: Array) -> Array:
    """Products of the gradients ``x_i' d_i``, some rows of them at a time; there may be one x for all."""
    found = np.zeros((len(d), len(d)))
    step = max(1, _GRADIENTS // (len(d) * d.shape[2]))
    for start in range(0, x.shape[2], step):
        gradients = np.swapaxes(x[:, :, start : start + step], 1, 2) @ d
        found += gram(gradients.reshape(len(d), -1))
    return found


class KernelProduct:
    """x W, of which only the kernel is wanted, or nothing."""

    def __init__(self, weights: Weights, tally: Tally, kernel: KernelProducts | None) -> None:
        self._weights, self._tally, self._kernel = weights, tally, kernel

    def forward(self, x: Array) -> Array:
        if self._kernel:
            self._kernel.forward(x, None, self._weights.shape[1])
        return self._weights.times(x)

    def backward(self, d: Array) -> Array:
        if self._kernel:
            self._tally.add_kernel(self._kernel.backward(d))
        return self._weights.times_transposed(d)

    def tangent(self, t: Array) -> Array:
        return self._weights.times(t)

    def backward_each(self, d: Array) -> Array:
        """The gradients of several functions back."""
        if self._kernel:
            self._tally.add_kernel(self._kernel.backward(d))
        return self._weights.times_transposed(d.reshape(-1, d.shape[2])).reshape(*d.shape[:2], -1)
