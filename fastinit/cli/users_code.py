"""The user's own code: modules and what they have under a name. Where it fails its traceback is printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ..arguments import refuse


class PrintedError(Exception):
    """What is wrong has been printed."""


def called(function: Callable[[], Any]) -> Any:
    """What the user's function gives; if it fails the line where it does is wanted."""
    try:
        return function()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        print_error()
        raise PrintedError from error


def print_error() -> None:
    """The traceback of the exception that is handled."""
    import traceback  # slow to import, and seldom wanted

    traceback.print_exc()


def imported(name: str) -> Any:
    """A module, of the current folder too: a command that is installed is not started there, as ``python -m`` is."""
    here = os.getcwd()
    if not {"", here} & set(sys.path) and not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, here)

    def module_or_error() -> Any:
        try:
            return import_module(name)
        except ImportError as error:
            return error

    found = called(module_or_error)
    if isinstance(found, ImportError):
        raise found
    return found


def read_object(option: str, text: str) -> Any:
    """What a module has under a name: ``package.module:name``."""
    module, colon, name = text.partition(":")
    if not (module and colon and name):
        refuse(option, "package.module:name", text)
    found = imported(module)
    return getattr(found, name) if hasattr(found, name) else refuse(option, f"a name that {module} has", name)
