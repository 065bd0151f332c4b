"""Drawing: what shows profiles and sweeps imports what only an extra installs, and is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..missing import missing


def drawn(module: str, package: str | None = __package__) -> Any:
    """The module of that name in the `show` of a package."""
    try:
        return import_module(f".show.{module}", package)
    except ModuleNotFoundError as error:
        raise missing("to show a profile", str(error.name).partition(".")[0], "profile") from error
