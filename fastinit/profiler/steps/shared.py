"""Shared: what the steps of one drawing have together."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import _core
from ..products import gram

Array = np.ndarray[Any, Any]


class Shared:
    """Memory that passes use one after the other, and the Gram matrix of the signal that was passed last.

    Who made a signal may know that of its rows; who takes the signal next asks for it.
    """

    def __init__(self) -> None:
        self.room = _core.ColumnRoom()
        self._signal: Array | None = None
        self._products: Array | None = None

    def put(self, signal: Array, products: Array | None) -> None:
        """The Gram matrix of a signal, or None where it was not made."""
        self._signal, self._products = signal, products

    def products(self, signal: Array) -> Array:
        """The Gram matrix of a signal: what is known of it, or made here."""
        known = self._products if signal is self._signal else None
        return gram(signal) if known is None else known
