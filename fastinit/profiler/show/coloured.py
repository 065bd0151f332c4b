"""Coloured: tables as rich draws them, in its own markup."""

from __future__ import annotations

from io import StringIO
from shutil import get_terminal_size
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

__all__ = ["Shown", "cell_len", "empty", "escape", "print_table", "unmarked"]


class Shown(Table):
    """A rich table that `print`, the prompt and a notebook show as it is."""

    def __str__(self) -> str:
        text = StringIO()
        Console(file=text, width=get_terminal_size().columns).print(self)
        return "\n".join(map(str.rstrip, text.getvalue().splitlines()))

    __repr__ = __str__


def empty(caption: str, headers: list[str]) -> Shown:
    """A table of numbers without a row."""
    made = Shown(caption=caption, caption_justify="left", box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    for header in headers:
        made.add_column(header, justify="right", no_wrap=True)
    return made


def unmarked(cell: str) -> str:
    """A cell without its markup."""
    return str(Text.from_markup(cell).plain)


def print_table(table: Any) -> None:
    """In colour on a terminal; elsewhere without blanks at the ends of lines."""
    console = Console()
    if console.is_terminal:
        console.print(table)
    else:
        print(table)
