"""Structures: laws of arrays whose elements depend on each other. They know where the axes of the array are."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import real
from ..machine import usually_rounded
from .law import Law

Array = np.ndarray[Any, Any]


class Structure(Law):
    """A law that says nothing of an element before the shape is known."""

    is_independent = False
    __slots__ = ()


class Gained(Structure):
    """Such as has a gain."""

    __slots__ = ()
    gain: float

    @usually_rounded
    def scaled(self, factor: float) -> Law:
        return type(self)(**self._described() | {"gain": self.gain * real("factor", factor, low=0)})
