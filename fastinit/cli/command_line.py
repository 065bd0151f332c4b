"""The command line as a whole: its grammar, and `main`, which answers what is wrong in one line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, NoReturn

from ..arguments import choice, nearest
from ..version import STREAM, VERSION
from .readers import option_of
from .users_code import PrintedError, imported, print_error


class Parser(argparse.ArgumentParser):
    """One that takes options by their whole names, and answers a wrong question in one line."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **({"allow_abbrev": False} | keywords))

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where help is."""
        self.exit(2, f"fastinit: {message}{_see(self.prog)}\n")


def _see(command: str) -> str:
    """The end of a line that says what was wrong in the question."""
    return f" (see {command} --help)"


class Command(Parser):
    """That of one command, or of all, which takes nothing that it does not know."""

    #: Adds the options, once the command is typed: what knows them may be slow to import.
    fill: Callable[[Parser], None] | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As of `argparse.ArgumentParser`, once it is filled."""
        if self.fill is not None:
            fill, self.fill = self.fill, None
            fill(self)
            self.set_defaults(command=self)
        args = sys.argv[1:] if args is None else [*args]
        if self._subparsers is not None:
            args = self._with_help(args)
        self._check_options(args)
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def _with_help(self, args: list[str]) -> list[str]:
        """Where commands follow and none does, help is what was missing; ``help plan`` is ``plan --help``."""
        if not args:
            self.print_help(sys.stderr)
            self.exit(2)
        return [*args[1:], "--help"] if args[0] == "help" else args

    def option_for(self, argument: str, options: argparse.Namespace) -> str | None:
        """The option that gave an argument of a function its value, if one did."""
        action = self._option_string_actions.get(option_of(argument))
        given = action is not None and getattr(options, action.dest, None) is not None
        return option_of(argument) if given else None

    def _check_options(self, args: Sequence[str]) -> None:
        """Say which are unknown before what is missing: it may be what was meant."""
        known = self._option_string_actions
        unknown = [one for one in self._typed_options(args) if one not in known]
        if unknown:
            hints = (nearest(one, known) for one in unknown)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{next(filter(None, hints), '')}")

    def _typed_options(self, args: Sequence[str]) -> Iterator[str]:
        """Those that are its own: where commands follow, up to the first."""
        value_of = None
        for one in args:
            if one == "--":
                return
            if one[:2] == "--":
                yield one.partition("=")[0]
            elif self._subparsers is not None and one[:1] != "-" and value_of is None:
                return
            taking = self._option_string_actions.get(one)
            value_of = taking if taking is not None and taking.nargs != 0 else None

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As of `argparse.ArgumentParser`: a command or a value that is none of the choices."""
        if action.choices is not None and value not in action.choices:
            name = "/".join(action.option_strings) or str(action.metavar)
            try:
                choice(name, value, list(action.choices))
            except ValueError as error:
                self.error(str(error))


def _add_modules(parser: Parser) -> Parser:
    """With the option that goes before all others: what the modules register, the others know."""
    parser.add_argument(
        "--import", action="append", default=[], dest="modules", metavar="MODULE",
        help="a module that registers schemes; goes before the command, and may be given several times",
    )  # fmt: skip
    return parser


def _fill_info(parser: Parser) -> None:
    parser.description = "What runs here, a line for each. Exit status: 0."
    parser.set_defaults(run=_run_info)


def _run_info(_: argparse.Namespace) -> int:
    from ..machine import info

    for key, value in info().items():
        print(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
    return 0


def _fill_profile(parser: Parser) -> None:
    from .profile_options import add_profile

    add_profile(parser)


def _fill_plan(parser: Parser) -> None:
    from .shape_commands import add_plan

    add_plan(parser)


def _fill_verify(parser: Parser) -> None:
    from .verify_command import add_verify

    add_verify(parser)


def _fill_sweep(parser: Parser) -> None:
    from .sweep_options import add_sweep

    add_sweep(parser)


def _fill_save(parser: Parser) -> None:
    from .shape_commands import add_save

    add_save(parser)


def _fill_torch(parser: Parser) -> None:
    from .torch_commands import COMMANDS

    parser.description = "What is asked of a PyTorch model, which --model package.module:make names."
    _add_commands(parser, COMMANDS)


def _add_commands(parser: Parser, commands: Mapping[str, tuple[str, Callable[[Parser], None]]]) -> None:
    below = parser.add_subparsers(required=True, metavar="command", parser_class=Command)
    for name, (meaning, fill) in commands.items():
        below.add_parser(name, help=meaning).fill = fill


_COMMANDS = {
    "info": ("version, stream, instructions, threads, compiler", _fill_info),
    "profile": ("does a network carry a signal forward and a gradient back?", _fill_profile),
    "sweep": ("how does that depend on width, depth, scheme, ...?", _fill_sweep),
    "plan": ("what would save make? names, shapes, laws, deviations", _fill_plan),
    "save": ("new weights on disk, which may be larger than memory", _fill_save),
    "verify": ("do the arrays in a file have the law they claim?", _fill_verify),
    "torch": ("plan, profile, save, verify: of a PyTorch model", _fill_torch),
}


def parser() -> Parser:
    """The grammar of the command line, with the schemes that there are now."""
    meaning = "Initial weights: what runs here, whether they let a network train, and whether a file is right."
    whole = _add_modules(Command(prog="fastinit", description=meaning))
    version = f"fastinit {VERSION}, stream {STREAM}"
    whole.add_argument("--version", action="version", version=version, help="print version and stream, and exit")
    _add_commands(whole, _COMMANDS)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Where nobody reads its output to the end it says no more: 141, as the signal would have."""
    try:
        try:
            return _answer(arguments)
        finally:
            print(end="", flush=True)  # or the interpreter does, when it ends
    except OSError as error:
        _give_up_output()
        if isinstance(error, BrokenPipeError):
            return 141
        with suppress(OSError):
            _print_refusal(error)
        return 2


def _print_refusal(error: Exception, see: str = "") -> None:
    """In one line: what a file or an argument has in it may hold others, and what a terminal acts on."""
    shown = "".join(one if one.isprintable() else repr(one)[1:-1] for one in _words_of(error))
    print(f"fastinit: {shown}{see}", file=sys.stderr)


def _print_rule(error: Exception, options: argparse.Namespace | None) -> None:
    """A refusal, with where help is if it has a rule; its argument is called by the option that it came from."""
    said = str(error)
    if not said.startswith("`"):
        _print_refusal(error)
        return
    _, argument, rest = said.split("`", 2)
    command = "fastinit" if options is None else options.command.prog
    option = None if options is None else options.command.option_for(argument, options)
    _print_refusal(ValueError(f"`{option or argument}`{rest}"), _see(command))


def _words_of(error: Exception) -> str:
    """Of a file that the system refuses its name, and why: without a number that only the system knows."""
    if isinstance(error, OSError) and error.filename is not None and error.filename2 is None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _give_up_output() -> None:
    """What nobody takes: the interpreter would try again when it ends, and say so."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _answer(arguments: Sequence[str] | None) -> int:
    """The exit status; wrong questions get one line, not a traceback.

    What a user's code raises, if it would end the process, is no answer: 1 says that weights are wrong.
    """
    options: argparse.Namespace | None = None
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a pipe on Windows has no square sign
    try:
        for module in _add_modules(Parser(prog="fastinit", add_help=False)).parse_known_args(arguments)[0].modules:
            imported("--import", module)
        options = parser().parse_args(arguments)
        return int(options.run(options))
    except (ImportError, MemoryError) as error:
        _print_refusal(error)
        return 2
    except (ValueError, TypeError, IndexError, FileExistsError) as error:
        _print_rule(error, options)
        return 2
    except OSError:
        raise
    except PrintedError:
        return 2
    except KeyboardInterrupt:
        print("fastinit: interrupted", file=sys.stderr)
        return 130
    except BaseException as error:
        if options is None and isinstance(error, SystemExit):  # of the parser
            raise
        print_error(f"stopped by {type(error).__name__}", error)
        return 2
