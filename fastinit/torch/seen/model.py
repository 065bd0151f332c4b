"""Model: what a profile says of a torch model, as a network with a layer for each module."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Row(NamedTuple):
    """A module, or the input: its name, its class (none for the input), and what it returned.

    `positions` are the elements of one unit, over all calls; `traced`, whether a gradient could come; `parting`,
    whether units that are all the same got gradients that are not; `through`, whether every path of the gradient passes
    it, so that no branch goes around it; `waits`, whether something beside it begins at zero and learns; `bends`,
    whether it is an activation; `same`, whether all rows that it returned are the same.
    """

    name: str
    kind: str
    elements: int
    positions: int
    traced: bool
    parting: bool
    through: bool = True
    waits: bool = False
    bends: bool = False
    same: bool = False

    @property
    def role(self) -> tuple[str, ...]:
        """Words of the name, and the class; numbers are left out, but for those that end the last word."""
        *path, last = self.name.split(".")
        return (*(re.sub(r"\d+", "#", word) for word in path), "#" if last.isdigit() else last, self.kind)


@dataclass(frozen=True)
class Model:
    """What a profile says of its model, with a row for each module.

    `rows` are those of the batch; `normalises`: whether it has a norm that divides by the deviation it finds;
    `branches`: whether it has weights that a gradient can go around; `output`: the name of the last layer; `learns`:
    whether a parameter takes a gradient; `batch_norm`: whether a norm takes moments of the batch; `biases`: whether
    some are not zero; `own_gain`: whether weights have that of their activation, None where it is not known.
    """

    name: str
    modules: tuple[Row, ...]
    parameters: int
    rows: int
    dtype: Any
    normalises: bool
    branches: bool
    output: str
    learns: bool = True
    batch_norm: bool = False
    biases: bool = False
    own_gain: bool | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each module, "input" being that of the input."""
        return tuple(row.name for row in self.modules)

    @property
    def labels(self) -> tuple[str, ...]:
        """What tables call each row: its name and class."""
        return tuple(f"{row.name} ({row.kind})" if row.kind else row.name for row in self.modules)

    @property
    def widths(self) -> tuple[int, ...]:
        """Elements of all outputs of each module: |g|^2 is what a gradient keeps."""
        return tuple(row.elements for row in self.modules)

    @property
    def depth(self) -> int:
        """Rows, the first not counted."""
        return len(self.modules) - 1

    @property
    def words(self) -> list[str]:
        """What it is, item by item."""
        return [self.name, f"{self.parameters} parameters", f"batch {self.rows}"]

    def __str__(self) -> str:
        return ", ".join(self.words)


class Modules:
    """How a sentence calls the layers of a model: by the names of the modules."""

    rest = "or before it"

    def __init__(self, modules: Sequence[Row]) -> None:
        self._modules = modules

    def one(self, layer: int) -> str:
        """A module, or the input."""
        row = self._modules[layer]
        return f"module {row.name}" if row.kind else "the input"

    def span(self, first: int, last: int) -> str:
        """From one module to another."""
        return f"{self.one(first)} to {self._modules[last].name}"
