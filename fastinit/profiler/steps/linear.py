"""Linear steps: products with weights, biases, and the patches of images that a kernel sees."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..description.network import Image
from ..products import inner, squared_norm
from ..statistics import Tally
from .kernel_products import KernelProducts
from .matrices import Weights, product
from .shared import Shared

Array = np.ndarray[Any, Any]


class Product:
    """x W, with the norms of W and of its gradient x'd.

    |x'd|^2 = <x x', d d'> needs no matrix of the weights' shape; it is made all the same where rows are many (the
    positions of images, the tokens of texts), and where the weights are to learn. <W, x'd> is <x W, d> or <x, d W'>:
    whichever needs nothing else to be kept.
    """

    weights: Weights

    def __init__(
        self, weights: Weights, tally: Tally, learns: bool, shared: Shared, kernel: KernelProducts | None = None
    ) -> None:
        self.weights, self._tally, self._learns, self._shared, self._kernel = weights, tally, learns, shared, kernel
        self._kept: tuple[Array | None, Array | None, Array | None] | None = None
        self._gradient: Array | None = None

    def forward(self, x: Array) -> Array:
        h = self.weights.times(x)
        few = len(x) <= min(self.weights.shape)
        keeps = self._learns or not few
        products = self._shared.products(x) if few else None
        self._kept = (h if few else None, x if keeps else None, products)
        if self._kernel:
            self._kernel.forward(x, products, self.weights.shape[1])
        self._tally.add_weights(weight_norm=self.weights.squared_norm())
        return h

    def backward(self, d: Array) -> Array:
        assert self._kept is not None
        h, x, products = self._kept
        self._kept = (h, x, None)
        self._gradient = d if self._learns else None
        before, back = self.weights.times_transposed(d), None
        if h is not None and products is not None:
            back = self._shared.products(d)
            squares, dot = inner(products, back), inner(h, d)
        else:
            assert x is not None
            squares, dot = squared_norm(product(x.T, d)), inner(x, before)
        self._tally.add_weights(weight_grad_norm=squares, weight_dot_grad=dot)
        if self._kernel:
            self._tally.add_kernel(self._kernel.backward(d, back))
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

    def backward_each(self, d: Array) -> Array:
        """The gradients of several functions back."""
        return d

    def tangent(self, t: Array) -> Array:
        return t

    def learn(self, rate: float) -> None:
        """One step of gradient descent, after `backward`."""
        assert self._gradient is not None
        self._b -= self._b.dtype.type(rate) * self._gradient


class Patches:
    """From images to what the kernel sees at each position: (rows, channels) to (rows, kernel * kernel * channels)."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._before = (image.kernel - 1) // 2

    def forward(self, x: Array) -> Array:
        size, kernel = self._image.size, self._image.kernel
        sides = (self._before, kernel - 1 - self._before)
        mode: Literal["wrap", "constant"] = "wrap" if self._image.padding == "circular" else "constant"
        padded = np.pad(x.reshape(-1, size, size, x.shape[1]), ((0, 0), sides, sides, (0, 0)), mode)
        axes: Any = (1, 2)  # the stubs of some versions know of one axis only
        windows = sliding_window_view(padded, (kernel, kernel), axis=axes)
        return windows.transpose(0, 1, 2, 4, 5, 3).reshape(len(x), -1)

    tangent = forward

    def backward(self, d: Array) -> Array:
        size, kernel = self._image.size, self._image.kernel
        windows = d.reshape(-1, size, size, kernel, kernel, d.shape[1] // kernel**2)
        image = np.zeros((*windows.shape[:3], windows.shape[5]), d.dtype)
        for i, j in np.ndindex(kernel, kernel):
            self._add_shifted(image, windows[:, :, :, i, j], i - self._before, j - self._before)
        return image.reshape(len(d), -1)

    def _add_shifted(self, image: Array, part: Array, down: int, across: int) -> None:
        """image[y + down, x + across] += part[y, x]."""
        if self._image.padding == "circular":
            image += np.roll(part, (down, across), (1, 2))
            return
        size = self._image.size
        (y, y_from), (x, x_from) = (_overlap(shift, size) for shift in (down, across))
        image[:, y, x] += part[:, y_from, x_from]


def _overlap(shift: int, size: int) -> tuple[slice, slice]:
    """Where in an axis a part shifted by so much comes to lie, and which of it does."""
    return slice(max(shift, 0), size + min(shift, 0)), slice(max(-shift, 0), size + min(-shift, 0))
