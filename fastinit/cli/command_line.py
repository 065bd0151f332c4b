"""The command line as a whole: its grammar, and `main`, which answers what is wrong in one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any, NoReturn

from ..machine import STREAM, VERSION, info
from .profile_command import add_profile
from .users_code import PrintedError, imported
from .verify_command import add_verify


class Parser(argparse.ArgumentParser):
    """One that takes options by their whole names, and answers a wrong question in one line."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **({"allow_abbrev": False} | keywords))

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where help is."""
        self.exit(2, f"fastinit: {message} (see {self.prog} --help)\n")


def _with_modules(**keywords: Any) -> Parser:
    """A parser of the option that goes before all others: what the modules register, the others know."""
    one = Parser(prog="fastinit", **keywords)
    one.add_argument(
        "--import", action="append", default=[], dest="modules", metavar="MODULE", help="that registers schemes"
    )
    return one


def parser() -> Parser:
    """The grammar of the command line, with the schemes that there are now."""
    whole = _with_modules(
        description="Initial weights: what runs here, whether they let a network train, and whether a file is right."
    )
    whole.add_argument("--version", action="version", version=f"fastinit {VERSION}, stream {STREAM}")
    commands = whole.add_subparsers(required=True, metavar="command")
    one = commands.add_parser("info", help="version, stream, instructions, threads, compiler")
    one.set_defaults(run=_run_info)
    add_profile(commands)
    add_verify(commands)
    return whole


def _run_info(_: argparse.Namespace) -> int:
    for key, value in info().items():
        print(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; wrong questions get one line, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a pipe on Windows has no square sign
    try:
        for module in _with_modules(add_help=False).parse_known_args(arguments)[0].modules:
            imported(module)
        options = parser().parse_args(arguments)
        return int(options.run(options))
    except (ValueError, TypeError, IndexError, OSError, ImportError, MemoryError) as error:
        print(f"fastinit: {error}", file=sys.stderr)
        return 2
    except PrintedError:
        return 2
    except KeyboardInterrupt:
        print("fastinit: interrupted", file=sys.stderr)
        return 130
