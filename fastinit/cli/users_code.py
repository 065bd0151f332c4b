"""The user's own code: modules and what they have under a name. Where it fails its traceback is printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ..arguments import Words, refuse


class PrintedError(Exception):
    """What is wrong has been printed."""


def called(function: Callable[[], Any], whose: str) -> Any:
    """What the user's function gives; if it fails the line where it does is wanted, and whose it is."""
    try:
        return function()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        print_error(f"{whose} raised {type(error).__name__}", error)
        raise PrintedError from error


def made_by(option: str, what: str, make: Any) -> Callable[[], Any]:
    """The user's function, which must be one that is called without arguments."""
    rule = f"what makes {what} when it is called without arguments"
    if not callable(make):
        refuse(option, rule, make)
    from inspect import signature  # slow to import, and no part of what help needs

    try:
        signature(make).bind()
    except TypeError as error:
        refuse(option, rule, Words(f"{getattr(make, '__name__', type(make).__name__)} ({error})"))
    except ValueError:  # of what tells no signature
        pass
    called_without: Callable[[], Any] = make
    return called_without


def print_error(what: str, error: BaseException) -> None:
    """The traceback of the exception that is handled, and below it a line that says what happened."""
    import traceback  # slow to import, and seldom wanted

    traceback.print_exc()
    said = next(iter(str(error).splitlines()), "")
    print(f"fastinit: {what}{f': {said}' if said else ''}", file=sys.stderr)


def imported(option: str, name: str) -> Any:
    """A module that an option names, of the current folder too, as ``python -m`` finds it, wherever the command is."""
    here = os.getcwd()
    if not {"", here} & set(sys.path) and not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, here)

    def module_or_error() -> Any:
        try:
            return import_module(name)
        except ImportError as error:
            return error

    found = called(module_or_error, f"the module of {option}, {name},")
    if isinstance(found, ModuleNotFoundError) and found.name and f"{name}.".startswith(f"{found.name}."):
        refuse(option, "a module that Python finds, as it finds those of this folder", name)
    if isinstance(found, ImportError):
        raise ImportError(f"{option} {name}: {found}") from found
    return found


def read_object(option: str, text: str) -> Any:
    """What a module has under a name: ``package.module:name``."""
    module, colon, name = text.partition(":")
    if not (module and colon and name):
        refuse(option, "package.module:name", text)
    found = imported(option, module)
    return getattr(found, name) if hasattr(found, name) else refuse(option, f"a name that {module} has", name)
