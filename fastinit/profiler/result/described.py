"""Described: what verdicts, tables, pictures and pages need to know of what was profiled, a network or a model."""

from __future__ import annotations

from typing import Any, Protocol


class Described(Protocol):
    """What was profiled; its string is one line."""

    @property
    def depth(self) -> int:
        """Layers, the input not counted."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What tables call the input and the layers."""

    @property
    def widths(self) -> tuple[int, ...]:
        """By how many elements the second moment of each layer makes a squared norm."""

    @property
    def dtype(self) -> Any:
        """Of weights and signals."""
