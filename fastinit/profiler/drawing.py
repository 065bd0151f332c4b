"""Drawing: what shows profiles and sweeps imports what only an extra installs, and is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def drawn(module: str, package: str | None = __package__) -> Any:
    """The module of that name in the `show` of a package."""
    try:
        return import_module(f".show.{module}", package)
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        raise ImportError(f"to show a profile needs {missing}: pip install 'fastinit-nn[profile]'") from error
