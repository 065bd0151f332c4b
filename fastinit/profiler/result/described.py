"""Described: what verdicts, tables, pictures and pages need to know of what was profiled, a network or a model."""

from __future__ import annotations

from typing import Any, Protocol

from ..norms import FEW_ROWS


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


def few_rows(norm: Any, rows: int) -> int:
    """The rows that a norm is over, where they are so few that its gradient is not to be trusted; else 0."""
    return rows if norm == "batch" and rows in FEW_ROWS else 0


def said_of_few_rows(rows: int) -> str:
    """What so few rows do."""
    return f"batch normalisation over {rows} rows {FEW_ROWS[rows]}"
