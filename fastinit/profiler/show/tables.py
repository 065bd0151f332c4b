"""Tables as this machine can show them: rich's, or plain ones where it is not installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["Shown", "cell_len", "empty", "escape", "print_table", "unmarked"]

if TYPE_CHECKING:
    from .coloured import Shown, cell_len, empty, escape, print_table, unmarked
else:
    try:
        from .coloured import Shown, cell_len, empty, escape, print_table, unmarked
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] != "rich":
            raise
        from .plain import Shown, cell_len, empty, escape, print_table, unmarked
