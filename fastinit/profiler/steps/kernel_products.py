"""Kernel products: what the weights and the bias of one product add to the tangent kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..gram_factors import factor
from ..products import gram
from ..statistics import Tally
from ..tangent_kernel import part_of_product
from .matrices import Weights

Array = np.ndarray[Any, Any]

#: Elements of the gradients that are made at once.
_GRADIENTS = 1 << 22
#: Elements that are small enough to stay in a cache, and in memory that is not given back.
_IN_CACHE = 1 << 14


class KernelProducts:
    """``<dW_i, dW_j> + <db_i, db_j>`` for the first examples, from x on the way forward and d on the way back.

    The gradient of example i is ``dW_i = x_i' d_i``, summed over the rows of the example; where norms mix examples it
    is that of one function of all, and every row takes part in each.
    """

    def __init__(self, examples: int, positions: int) -> None:
        self._examples, self._rows = examples, examples * positions
        self._single = positions == 1
        self._x: Array | None = None
        self._products: Array | None = None

    def forward(self, x: Array, products: Array | None, fan_out: int) -> None:
        """Keep the rows of the examples, or their Gram matrix, which may be part of `products`, where that is less."""
        rows = self._rows
        few = self._single or rows <= min(x.shape[1], fan_out)
        self._x = None if few else x[:rows]
        self._products = None
        if few:
            self._products = gram(x[:rows]) if products is None else products[:rows, :rows]

    def backward(self, d: Array, products: Array | None = None) -> Array:
        """What is added to the kernel, (examples, examples). The Gram matrix of d may be part of `products`."""
        rows, examples = self._rows, self._examples
        if self._products is None:
            assert self._x is not None
            x, d = (whole[:rows].reshape(examples, -1, whole.shape[1]) for whole in (self._x, d))
            return _from_gradients(x, d) + gram(d.sum(axis=1))
        x, self._products = self._products, None
        return part_of_product(x, gram(d[:rows]) if products is None else products[:rows, :rows], examples)

    def backward_each(self, d: Array) -> Array:
        """The same of functions of all examples, from (functions, rows, fan_out).

        Of x only xx' matters: with r'r = xx' + 1, the bias among it, gradients are r d_i, which are small.
        """
        if self._products is None:
            assert self._x is not None
            return _from_gradients(self._x[None], d) + gram(d.sum(axis=1))
        x, self._products = self._products + 1, None
        root = factor(x, len(x) * np.finfo(float).eps * float(x.trace())).root
        found, step = np.zeros((len(d), len(d))), max(1, _IN_CACHE // (len(d) * len(x)))
        for start in range(0, d.shape[2], step):
            some = d[:, :, start : start + step].astype(float)  # of two dtypes NumPy leaves a product to no BLAS
            found += gram((root @ some).reshape(len(d), -1))
        return found


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
            self._tally.add_kernel(self._kernel.backward_each(d))
        return self._weights.times_transposed(d.reshape(-1, d.shape[2])).reshape(*d.shape[:2], -1)
