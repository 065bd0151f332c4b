"""Norms, forward and by their Jacobian, which is symmetric: the gradient goes back as the tangent goes forward."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

NORMS = ("batch", "layer", "rms")
#: Mean and deviation are over rows (the batch, and the positions of an image), or over the units of a row.
_AXIS = {"batch": 0, "layer": 1, "rms": 1}


class Normalised(NamedTuple):
    """``y = (h - mean) * inverse``, with ``inverse = 1 / sqrt(variance + eps)``; the mean of "rms" is zero."""

    norm: str
    y: Array
    inverse: Array

    def jacobian(self, d: Array) -> Array:
        """The Jacobian of y times d, or its transpose: ``inverse (d - <d> - y <d y>)``; "rms" has no ``<d>``."""
        axis = _AXIS[self.norm]
        result = self.y * np.mean(d * self.y, axis=axis, keepdims=True)
        np.subtract(d, result, out=result)
        if self.norm != "rms":
            result -= np.mean(d, axis=axis, keepdims=True)
        result *= self.inverse
        return result


def normalised(norm: str, h: Array, eps: float) -> Normalised:
    """Rows of units, normalised; where the variance and eps are both zero the result is not a number."""
    axis = _AXIS[norm]
    y = h.copy() if norm == "rms" else h - np.mean(h, axis=axis, keepdims=True)
    inverse = 1 / np.sqrt(np.mean(y * y, axis=axis, keepdims=True) + y.dtype.type(eps))
    y *= inverse
    return Normalised(norm, y, inverse)
