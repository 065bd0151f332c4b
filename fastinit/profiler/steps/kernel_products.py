"""Kernel products: what the weights and the bias of one product add to the tangent kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..products import gram
from ..tangent_kernel import part_of_product

Array = np.ndarray[Any, Any]

#: Elements of the examples' gradients that are made at once.
_GRADIENTS = 1 << 22


class KernelProducts:
    """``<dW_i, dW_j> + <db_i, db_j>`` for the first examples, from x on the way forward and d on the way back."""

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

    def backward(self, d: Array, products: Array | None, functions: int = 1) -> Array:
        """What is added to the kernel, (examples, examples). The Gram matrix of d may be part of `products`."""
        rows = functions * self._rows
        if self._products is None:
            return self._from_gradients(d[:rows], functions > 1)
        x, self._products = self._products, None
        return part_of_product(x, gram(d[:rows]) if products is None else products[:rows, :rows], self._examples)

    def _from_gradients(self, d: Array, mixed: bool) -> Array:
        """From the gradients of all examples, some rows of them at a time."""
        assert self._x is not None
        d = d.reshape(self._examples, -1, d.shape[1])
        x = self._x.reshape(1 if mixed else self._examples, -1, self._x.shape[1])
        found = gram(d.sum(axis=1))
        step = max(1, _GRADIENTS // (len(d) * d.shape[2]))
        for start in range(0, x.shape[2], step):
            gradients = np.swapaxes(x[:, :, start : start + step], 1, 2) @ d
            found += gram(gradients.reshape(len(d), -1))
        return found
