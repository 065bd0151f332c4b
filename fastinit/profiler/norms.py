"""Norms: forward, and the Jacobian, which is symmetric: one function for the gradient back and the tangent forward."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

NORMS = ("batch", "layer", "rms")
#: What so few rows do to the gradient through batch normalisation.
FEW_ROWS = {
    2: "sends no gradient back (but for norm_eps)",
    3: "has a gradient whose expectation is infinite: read medians and mean_log()",
}
#: Mean and deviation are over rows (the batch, and the positions of an image), or over the units of a row.
_AXIS = {"batch": 0, "layer": 1, "rms": 1}


class Normalised(NamedTuple):
    """``y = (h - mean) * inverse``, with ``inverse = 1 / sqrt(variance + eps)``; the mean of "rms" is zero."""

    norm: str
    y: Array
    inverse: Array

    def jacobian(self, d: Array, means: tuple[Array, Array] | None = None) -> Array:
        """The Jacobian of y times d, or its transpose: ``inverse (d - <d> - y <d y>)``; "rms" has no ``<d>``.

        `means` are ``<d>`` and ``<d y>``, for rows of which only a part is here.
        """
        axis = _AXIS[self.norm]
        mean, along = means or (_mean(d, axis), _mean_product(d, self.y, axis))
        result = self.y * along
        np.subtract(d, result, out=result)
        if self.norm != "rms":
            result -= mean
        result *= self.inverse
        return result


def normalised(norm: str, h: Array, eps: float, seen: tuple[Array, Array] | None = None) -> Normalised:
    """Rows of units, normalised; where the variance and eps are both zero the result is not a number.

    `seen` are mean and variance, for rows of which only a part is here.
    """
    axis = _AXIS[norm]
    y = h.copy() if norm == "rms" else h - (_mean(h, axis) if seen is None else seen[0])
    variance = _mean_product(y, y, axis) if seen is None else seen[1]
    inverse = 1 / np.sqrt(variance + y.dtype.type(eps))
    y *= inverse
    return Normalised(norm, y, inverse)


def _mean(x: Array, axis: int) -> Array:
    return np.mean(x, axis=axis, keepdims=True)


def _mean_product(x: Array, y: Array, axis: int) -> Array:
    """Mean of x y; over the rows without an array for the products."""
    if axis == 0:
        return np.einsum("ij,ij->j", x, y)[None] / x.dtype.type(len(x))
    return _mean(x * y, axis)
