"""Last products: the Gram matrix of a signal, which who made the signal may know, for who takes it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..products import gram

Array = np.ndarray[Any, Any]


class LastProducts:
    """The Gram matrix of the rows of the signal that was passed last, for whoever takes that signal next."""

    def __init__(self) -> None:
        self._signal: Array | None = None
        self._products: Array | None = None

    def put(self, signal: Array, products: Array | None) -> None:
        """Of a signal, or None where it was not made."""
        self._signal, self._products = signal, products

    def of(self, signal: Array) -> Array:
        """That of a signal: what is known of it, or made here."""
        known = self._products if signal is self._signal else None
        return gram(signal) if known is None else known
