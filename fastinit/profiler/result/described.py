"""Described: what verdicts, tables, pictures and pages need to know of what was profiled, a network or a model."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any, Protocol

import numpy as np


class Described(Protocol):
    """What was profiled; its string is one line."""

    @property
    def words(self) -> list[str]:
        """What it is, item by item."""

    @property
    def depth(self) -> int:
        """Layers, the input not counted."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the input and the layers are called along an axis; empty where they are numbered."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What tables call the input and the layers."""

    @property
    def widths(self) -> tuple[int, ...]:
        """By how many elements the second moment of each layer makes a squared norm."""

    @property
    def dtype(self) -> Any:
        """Of weights and signals."""


class Profiled(Protocol):
    """What judging asks of a profile: its fields by name, what was profiled, and how far the run came."""

    @property
    def network(self) -> Described:
        """What was profiled."""

    @property
    def steps(self) -> Sized:
        """What was before each step of gradient descent."""

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped before all was done."""

    @property
    def backward(self) -> bool:
        """Whether a gradient was sent back."""

    @property
    def sums(self) -> bool:
        """Whether layers add to a stream, so that a power of the layer is to be expected."""

    def spread(self, first: int, last: int) -> float:
        """Standard deviation over drawings of the mean logarithm of the change between layers; NaN where unknown."""

    def cautions(self) -> list[Any]:
        """Findings to be kept in mind whatever is measured."""

    def __getitem__(self, name: str) -> np.ndarray[Any, Any]:
        """The field of that name."""

    def __contains__(self, name: object) -> bool:
        """Whether there is one."""
