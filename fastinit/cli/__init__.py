"""The command line: ``fastinit info``, ``fastinit profile`` and ``fastinit verify``. Names only."""

from .command_line import main

__all__ = ["main"]
