"""The command line: ``fastinit info``, ``profile``, ``sweep``, ``save`` and ``verify``. Names only."""

from .command_line import main

__all__ = ["main"]
