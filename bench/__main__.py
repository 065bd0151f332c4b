"""python -m bench: run the races, show the tables, and write results, README and pictures."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Any

_SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
_UNSET = "FASTINIT_BENCH_UNSET"
#: What `--only` calls the benchmark that is no race.
TRAINABILITY = "trainability"


def arguments(argv: list[str]) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="every race, with more rounds (about half an hour)")
    parser.add_argument("--only", metavar="PATTERN", help="races whose group/name the regular expression finds; or "
                        "trainability: no race, networks are trained and the verdicts held against it (40 in about "
                        "three minutes, with --full all; python -m bench.trainability can be resumed)")  # fmt: skip
    parser.add_argument("--json", metavar="PATH", type=Path, help="write the results here")
    parser.add_argument("--report", metavar="PATH", type=Path, help="run nothing: show these stored results")
    parser.add_argument("--readme", metavar="PATH", type=Path, nargs="?", const=Path("README.md"),
                        help="write the tables between the markers of this file (README.md)")  # fmt: skip
    parser.add_argument("--plots", metavar="DIR", type=Path, help="write the pictures here")
    options = parser.parse_args(argv)
    if options.report and (options.full or options.only or options.json):
        parser.error("`--report` must be given without --full, --only and --json")
    if options.readme and options.only == TRAINABILITY:
        parser.error(f"`--readme` must be given without --only {TRAINABILITY}")
    return options


def chosen(races: list[Any], full: bool, only: str | None) -> list[Any]:
    """The races to run: the quick ones, or all, or those that a pattern finds among all."""
    if only is None:
        return [race for race in races if full or race.quick]
    try:
        found = [race for race in races if re.search(only, race.key)]
    except re.error:
        found = []
    if not found:
        groups = ", ".join(dict.fromkeys(race.group for race in races))
        raise ValueError(f"`--only` must be a pattern that finds a race (groups: {groups}), got {only!r}")
    return found


def measure(options: argparse.Namespace, console: Any) -> dict[str, Any]:
    """Run the races, one after another."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from . import processes
    from .peers import installed
    from .races import ALL_THREADS, missing
    from .suite import races
    from .timing import FULL, QUICK, run

    settings = FULL if options.full else QUICK
    todo, results, failures = chosen(races(), options.full, options.only), [], []
    whole = processes.measured(ALL_THREADS, full=options.full) if options.only is None else {}
    bar = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*bar, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(todo))
        for race in todo:
            progress.update(task, description=race.key)
            results.append(run(race, settings, failures))
            progress.advance(task)
    return {
        "machine": machine(),
        "settings": {**settings._asdict(), "full": options.full, "unset": os.environ.get(_UNSET, "")},
        "peers": {peer.name: {"version": peer.version, "choices": peer.choices} for peer in installed()},
        "processes": whole,
        "races": [result for result in results if result],
        "failures": failures,
        "missing": sorted({one for race in todo for each in race.entrants.values() for one in missing(each.needs)}),
    }


def machine() -> dict[str, Any]:
    """Where this runs, and what was built."""
    from datetime import datetime, timezone

    import fastinit as fi

    from .races import ALL_THREADS

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    return {**fi.info(), "threads": ALL_THREADS, "cpu": cpu_model(), "system": sys.platform, "date": date, "load": load}


def cpu_model() -> str:
    """The name that the processor gives itself."""
    import platform

    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def main(argv: list[str]) -> int:
    """0, or 1 where an entrant failed, or 2 where an argument was wrong."""
    import json

    from rich.console import Console

    from . import plot, report

    options, console = arguments(argv), Console(width=None if sys.stdout.isatty() else 150)
    if options.only == TRAINABILITY:
        return trainability(options)
    try:
        results = report.load(options.report) if options.report else measure(options, console)
        report.show(results, console)
        if options.json:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps(results) + "\n")
        if options.readme:
            report.write_between_markers(options.readme, report.section(results))
    except ValueError as error:
        console.print(f"python -m bench: {error}", style="red", markup=False)
        return 2
    if options.plots:
        console.print(*plot.draw(results, options.plots))
    return 1 if results["failures"] else 0


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
        os.environ[_UNSET] = ", ".join(found)
        os.execv(sys.executable, sys.orig_argv)


if __name__ == "__main__":
    without_slowing_variables()
    sys.exit(main(sys.argv[1:]))
