"""Screen: rich's console, where tables are shown."""

from __future__ import annotations

import sys
from typing import NoReturn

from rich.console import Console


class Screen(Console):
    """Of the terminal's width, or wide enough for a file; standard error where results go to standard output."""

    def __init__(self, *, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        super().__init__(stderr=stderr, width=None if stream.isatty() else 150)

    def on_broken_pipe(self) -> NoReturn:
        """Who started this says how it ends: rich would exit with 1, as where an entrant failed."""
        raise  # what is being handled
