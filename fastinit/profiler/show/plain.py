"""Plain: the same tables where rich is not installed, as text without colours."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import zip_longest
from shutil import get_terminal_size
from textwrap import wrap
from typing import Any

__all__ = ["Shown", "cell_len", "empty", "escape", "print_table", "unmarked"]

cell_len = len
print_table = print


def escape(text: str) -> str:
    """The text: nothing in it is taken for markup but colours."""
    return text


def unmarked(cell: str) -> str:
    """A cell without the colours of others."""
    return re.sub(r"\[(green|yellow|red|/)\]", "", cell)


@dataclass
class Column:
    """How one is written: as rich calls it, of which folding is what counts here."""

    header: str
    justify: str = "right"
    no_wrap: bool = True
    overflow: str = ""
    max_width: int | None = None

    def lines(self, cell: str) -> list[str]:
        """Of a cell, folded where it may be."""
        lines = unmarked(cell).split("\n")
        if self.no_wrap:
            return lines
        return [part for line in lines for part in wrap(line, self.max_width or 40) or [""]]


@dataclass(repr=False)
class Shown:
    """A table whose string is all of it."""

    caption: str
    columns: list[Column]
    padding: Any = 0
    rows: list[tuple[tuple[str, ...], bool]] = field(default_factory=list)

    def add_row(self, *cells: str, end_section: bool = False) -> None:
        """Below the others."""
        self.rows.append((cells, end_section))

    def __str__(self) -> str:
        heads = [column.header.split("\n") for column in self.columns]
        rows = [[one.lines(cell) for one, cell in zip(self.columns, cells, strict=True)] for cells, _ in self.rows]
        cells = zip(*(heads, *rows), strict=True)
        widths = [max(len(line) for lines in column for line in lines) for column in cells]
        text = [*self._written(heads, widths), "-" * (sum(widths) + len(widths) - 1)]
        for row, (_, end) in zip(rows, self.rows, strict=True):
            text += [*self._written(row, widths), *[""] * (end and row is not rows[-1])]
        told = (part for line in self.caption.split("\n") for part in wrap(line, get_terminal_size().columns) or [""])
        return "\n".join((*text, *told))

    __repr__ = __str__

    def _written(self, row: list[list[str]], widths: list[int]) -> list[str]:
        ways = [
            f"{'<' if column.justify == 'left' else '>'}{width}"
            for column, width in zip(self.columns, widths, strict=True)
        ]
        lines = zip_longest(*row, fillvalue="")
        return [" ".join(map(format, line, ways)).rstrip() for line in lines]


def empty(caption: str, headers: list[str]) -> Shown:
    """A table of numbers without a row."""
    return Shown(caption, [Column(header) for header in headers])
