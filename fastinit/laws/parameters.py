"""Parameters: the numbers that a law hands to the core."""

from __future__ import annotations

from typing import NamedTuple


class Parameters(NamedTuple):
    """The numbers by which the core makes values (`fi_parameters` in kernels.h says what each means)."""

    shift: float
    scale: float
    least: float = 0.0
    greatest: float = 0.0
    left: float = 0.0
    mass: float = 0.0
    right: float = 0.0
    tails: int = 0
