"""Drawing: what shows profiles imports what only an extra installs, and is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def drawn(module: str) -> Any:
    """The module of `show` of that name."""
    try:
        return import_module(f".show.{module}", __package__)
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        raise ImportError(f"to show a profile needs {missing}: pip install 'fastinit-nn[profile]'") from error
