"""The command line: runs the races or reads stored ones, shows them, and writes what is asked for."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .needs import check_installed
from .options import PICTURES, STANDARD, TRAINABILITY, arguments

INTERRUPTED = 130


def main(argv: list[str]) -> int:
    """0, or 1 where an entrant failed, 2 where an argument was wrong or nothing ran, 130 after Ctrl-C."""
    options = arguments(argv)
    return answered(
        "python -m bench", lambda: trainability(options) if options.only == TRAINABILITY else races(options)
    )


def answered(name: str, run: Callable[[], int]) -> int:
    """The exit status; what is wrong with a question, or missing, is one line."""
    try:
        return run()
    except BrokenPipeError:
        raise
    except (ValueError, ImportError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2


def races(options: argparse.Namespace) -> int:
    """Those that are run or were, and what is asked of them."""
    check_installed("the benchmark", "rich threadpoolctl" + " matplotlib" * bool(options.plots), "bench")
    from . import report
    from .screen import Screen

    console = Screen(stderr=options.json == STANDARD)
    if options.readme:
        report.around_markers(options.readme)  # before a run of minutes
    if options.compare or options.baseline:
        return compare(options, console)
    if options.report:
        results = report.load(options.report)
        _check_whole(options, results)
        return finish(options, results, console)
    return run(options, console)


def run(options: argparse.Namespace, console: Any) -> int:
    """The races that are asked for; without any there is nothing to show."""
    from . import running

    def give_up(results: dict[str, Any]) -> None:
        """What there is, while a call is still busy that nothing ends but the end of the process."""
        from .saves import remove_folders

        try:
            finish(options, results, console)
            print(end="", flush=True)
        finally:
            remove_folders()
            os._exit(INTERRUPTED)

    results = running.measure(options.full, options.only, console, give_up)
    if not results["races"] and not results["failures"] and not results["interrupted"]:
        raise ValueError(f"nothing ran: what is timed there needs `pip install {' '.join(results['missing'])}`")
    status = finish(options, results, console)
    if results["interrupted"]:
        return INTERRUPTED
    return 1 if results["failures"] else status


def finish(options: argparse.Namespace, results: dict[str, Any], console: Any) -> int:
    """Write the files that are asked for, and show the results; 2 where some are not to be made of so few.

    In this order: who reads the first lines alone wants the files too.
    """
    from . import report

    if results.get("interrupted") and not results["races"]:
        print("python -m bench: interrupted before the first race was done", file=sys.stderr)
        return INTERRUPTED
    if options.json:
        write_json(options.json, results)
    try:
        _check_whole(options, results)
        written, refused = write(options, results), ""
    except ValueError as error:
        written, refused = [], f"python -m bench: {error}"
    report.show(results, console, everything=bool(options.all or options.only))
    for line in written:
        print(line, file=console.file)
    if refused:
        print(refused, file=sys.stderr)
    return 2 if refused else 0


def write(options: argparse.Namespace, results: dict[str, Any]) -> list[str]:
    """The README and the pictures, where they are asked for; a line for each."""
    from . import plot, report

    said = []
    if options.readme:
        report.write_between_markers(options.readme, report.short_section(results))
        said.append(f"{options.readme} is written")
    if options.plots:
        pictures = [f"{path} is written" for path in plot.draw(results, options.plots)]
        said += pictures or ["No picture shows any of these races: none is written"]
    return said


def _check_whole(options: argparse.Namespace, results: dict[str, Any]) -> None:
    """What the documentation shows is not to lose rows by accident."""
    fewer = (
        "--only" if results["settings"].get("only") else "what was interrupted" if results.get("interrupted") else ""
    )
    if not fewer:
        return
    if options.readme:
        raise ValueError(f"`--readme` must be of a whole run, got one of {fewer}, which leaves out rows")
    if options.plots and options.plots.resolve() == PICTURES:
        where = f"`--plots` must be another folder with {fewer}"
        raise ValueError(f"{where}, which leaves out rows, got {str(options.plots)!r}")


def write_json(path: Path, results: dict[str, Any]) -> None:
    """To a file, or to standard output."""
    text = json.dumps(results) + "\n"
    if path == STANDARD:
        sys.stdout.write(text)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def compare(options: argparse.Namespace, console: Any) -> int:
    """1 where something became slower."""
    from . import baseline, comparison, report

    if options.compare:
        before, now = (report.load(path, "--compare") for path in options.compare)
    else:
        before, now = baseline.against(options.baseline, options.only, full=options.full)
    return int(comparison.show(before, now, console, everything=options.all))


def trainability(options: argparse.Namespace) -> int:
    """The benchmark of that name, with what is asked of it in its own words."""
    from .trainability.__main__ import main as run

    argv = [] if options.full else ["--quick"]
    argv += ["--json", str(options.json)] if options.json else []
    argv += ["--plot", str(options.plots / f"{TRAINABILITY}.png")] if options.plots else []
    return run(argv)
