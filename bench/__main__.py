"""python -m bench: run the races, show the tables, and write results, README and pictures."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from . import UNSET

_SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
#: What `--only` calls the benchmark that is no race.
TRAINABILITY = "trainability"
#: Where the pictures of the documentation are.
PICTURES = Path(__file__).parent / "results"
INTERRUPTED = 130


def arguments(argv: list[str]) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="every race, with more rounds (about half an hour)")
    parser.add_argument("--only", metavar="PATTERN", help="races whose group/name the regular expression finds; or "
                        "trainability: no race, networks are trained and the verdicts held against it (40 in about "
                        "three minutes, with --full all; python -m bench.trainability can be resumed)")  # fmt: skip
    parser.add_argument("--all", action="store_true", help="show every row, not only the first ones and those lost")
    parser.add_argument("--json", metavar="PATH", type=Path, help="write the results here (bench/last.json has them)")
    parser.add_argument("--report", metavar="PATH", type=Path, help="run nothing: show these stored results")
    parser.add_argument("--compare", metavar=("BEFORE", "NOW"), type=Path, nargs=2,
                        help="run nothing: hold one stored run against another")  # fmt: skip
    parser.add_argument("--baseline", metavar="COMMIT",
                        help="build this commit beside, and race it against this tree in turn")  # fmt: skip
    parser.add_argument("--readme", metavar="PATH", type=Path, nargs="?", const=Path("README.md"),
                        help="write the first rows between the markers of this file (README.md)")  # fmt: skip
    parser.add_argument("--plots", metavar="DIR", type=Path, help="write the pictures here")
    options = parser.parse_args(argv)
    if options.report and (options.full or options.only or options.json):
        parser.error("`--report` must be given without --full, --only and --json")
    if (options.compare or options.baseline) and (options.report or options.readme or options.plots or options.json):
        parser.error("`--compare` and `--baseline` must be given without --report, --readme, --plots and --json")
    if options.compare and (options.only or options.full):
        parser.error("`--compare` must be given without --only and --full")
    if options.json and options.json.is_dir():
        parser.error(f"`--json` must be a file, got {str(options.json)!r}")
    if options.readme and options.only:
        parser.error("`--readme` must be given without --only, which leaves out rows")
    if options.plots and options.only not in (None, TRAINABILITY) and options.plots.resolve() == PICTURES:
        parser.error(f"`--plots` must be another folder with --only, which leaves out rows, got {str(options.plots)!r}")
    return options


def main(argv: list[str]) -> int:
    """0, or 1 where an entrant failed, 2 where an argument was wrong or nothing ran, 130 after Ctrl-C."""
    from rich.console import Console

    from . import report

    options, console = arguments(argv), Console(width=None if sys.stdout.isatty() else 150)
    if options.only == TRAINABILITY:
        return trainability(options)
    try:
        if options.compare or options.baseline:
            return compare(options, console)
        results = report.load(options.report) if options.report else run(options, console)
        report.show(results, console, everything=bool(options.all or options.only))
        write(options, results, console)
    except ValueError as error:
        console.print(f"python -m bench: {error}", style="red", markup=False)
        return 2
    if results.get("interrupted"):
        return INTERRUPTED
    return 1 if results["failures"] else 0


def run(options: argparse.Namespace, console: Any) -> dict[str, Any]:
    """The results of the races that are asked for; without any there is nothing to show."""
    from . import running

    results = running.measure(options.full, options.only, console)
    if not results["races"] and not results["failures"] and not results["interrupted"]:
        raise ValueError(f"nothing ran: what is timed there needs `pip install {' '.join(results['missing'])}`")
    return results


def write(options: argparse.Namespace, results: dict[str, Any], console: Any) -> None:
    """The files that are asked for."""
    from . import plot, report

    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results) + "\n")
    if options.readme:
        report.write_between_markers(options.readme, report.short_section(results))
    if options.plots:
        console.print(*plot.draw(results, options.plots))


def compare(options: argparse.Namespace, console: Any) -> int:
    """1 where something became slower."""
    from . import comparison, report

    if options.compare:
        before, now = (report.load(path, "--compare") for path in options.compare)
    else:
        before, now = comparison.against(options.baseline, options.only)
    table = comparison.comparison_table(before, now)
    report.print_table(table, console)
    return int(any(row[-1] == "slower" for row in table.rows))


def trainability(options: argparse.Namespace) -> int:
    """The benchmark of that name, with what is asked of it in its own words."""
    from .trainability.__main__ import main as run

    argv = [] if options.full else ["--quick"]
    argv += ["--json", str(options.json)] if options.json else []
    argv += ["--plot", str(options.plots / f"{TRAINABILITY}.png")] if options.plots else []
    return run(argv)


def without_slowing_variables() -> None:
    """Start again without the variables that make OpenBLAS, and so NumPy, slower than its users know it."""
    found = [name for name in _SLOWING if os.environ.pop(name, None) is not None]
    if found:
        print(f"{', '.join(found)} slows OpenBLAS: unset for this run", file=sys.stderr, flush=True)
        os.environ[UNSET] = ", ".join(found)
        os.execv(sys.executable, sys.orig_argv)


if __name__ == "__main__":
    without_slowing_variables()
    sys.exit(main(sys.argv[1:]))
