"""Options: what `python -m bench` is asked, and what is wrong with that, said before anything runs."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

#: What `--only` calls the benchmark that is no race.
TRAINABILITY = "trainability"
#: Where the pictures of the documentation are.
PICTURES = Path(__file__).parent / "results"
#: What `--json` calls standard output.
STANDARD = Path("-")
_WHAT = "Run the races, show the tables, and write results, README and pictures."
_STATUS = (
    "Exit status: 0; 1 where an entrant failed or, of two runs, something became slower; 2 where an argument was wrong "
    "or nothing ran; 130 after Ctrl-C."
)


class Parser(argparse.ArgumentParser):
    """One that takes options by their whole names, and answers a wrong question in one line."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **({"allow_abbrev": False} | keywords))

    def parse_args(self, args: Sequence[str], namespace: Any = None) -> Any:  # type: ignore[override]
        """As of argparse, with the nearest to what is unknown."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._nearest(unknown)}")
        return found

    def _nearest(self, unknown: list[str]) -> str:
        try:
            from fastinit.arguments import nearest
        except ImportError:  # a source folder whose core is not built
            return ""
        hints = (nearest(one.partition("=")[0], self._option_string_actions) for one in unknown if one[:1] == "-")
        return next(filter(None, hints), "")

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where help is."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def arguments(argv: list[str]) -> argparse.Namespace:
    """The options of the command line."""
    parser = Parser("python -m bench", description=_WHAT, epilog=_STATUS)
    parser.add_argument("--full", action="store_true", help="every race, with more rounds (about half an hour)")
    parser.add_argument("--only", metavar="PATTERN", help="races whose group/name the regular expression finds; or "
                        "trainability: no race, networks are trained and the verdicts held against it (40 in about "
                        "three minutes, with --full all; python -m bench.trainability can be resumed)")  # fmt: skip
    parser.add_argument("--all", action="store_true", help="show every row, not only the first ones and those lost; of "
                        "two runs, also what is the same")  # fmt: skip
    parser.add_argument("--json", metavar="PATH", type=Path, help="write the results here (bench/last.json has them); "
                        "- is standard output, and tables go to standard error")  # fmt: skip
    parser.add_argument("--report", metavar="PATH", type=Path, help="run nothing: show these stored results")
    parser.add_argument("--compare", metavar=("BEFORE", "NOW"), type=Path, nargs=2,
                        help="run nothing: hold one stored run against another")  # fmt: skip
    parser.add_argument("--baseline", metavar="COMMIT",
                        help="build this commit beside, and race it against this tree in turn")  # fmt: skip
    parser.add_argument("--readme", metavar="PATH", type=Path, nargs="?", const=Path("README.md"),
                        help="write the first rows between the markers of this file (README.md)")  # fmt: skip
    parser.add_argument("--plots", metavar="DIR", type=Path, help="write the pictures here")
    options = parser.parse_args(argv)
    if wrong := _wrong_together(options) or _wrong_alone(options):
        parser.error(wrong)
    return options


def _wrong_together(options: argparse.Namespace) -> str:
    """What options cannot be given beside each other; "" where all is well."""
    if options.report and (options.full or options.only or options.json):
        return "`--report` must be given without --full, --only and --json"
    if options.compare and options.baseline:
        return "`--compare` must be given without --baseline"
    if (options.compare or options.baseline) and (options.report or options.readme or options.plots or options.json):
        return "`--compare` and `--baseline` must be given without --report, --readme, --plots and --json"
    if options.compare and (options.only or options.full):
        return "`--compare` must be given without --only and --full"
    if options.baseline and options.only == TRAINABILITY:
        return "`--baseline` must be given with races: --only trainability has none"
    if options.readme and options.only:
        return "`--readme` must be given without --only, which leaves out rows"
    if options.plots and options.plots.resolve() == PICTURES and (fewer := _leaves_out(options)):
        return f"`--plots` must be another folder with {fewer}, got {str(options.plots)!r}"
    return ""


def _leaves_out(options: argparse.Namespace) -> str:
    """The option that makes this run less than the pictures of the documentation show."""
    if options.only == TRAINABILITY:
        return "" if options.full else f"--only {TRAINABILITY} without --full, which leaves out networks"
    return "--only, which leaves out rows" if options.only else ""


def _wrong_alone(options: argparse.Namespace) -> str:
    """What cannot be written or searched for, which a run of minutes would only find at its end."""
    if options.only:
        try:
            re.compile(options.only)
        except re.error as error:
            return f"`--only` must be a regular expression, got {options.only!r} ({error})"
    if options.json and options.json.is_dir():
        return f"`--json` must be a file, got {str(options.json)!r}"
    if options.plots and options.plots.exists() and not options.plots.is_dir():
        return f"`--plots` must be a folder, got {str(options.plots)!r}"
    return ""
