"""The command line: ``fastinit`` and its commands. Names only."""

from .command_line import main

__all__ = ["main"]
