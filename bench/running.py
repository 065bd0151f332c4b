"""Running: the races that are asked for, one after another, each kept on disk when it is done, until Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastinit.whole_files import write_whole

from . import UNSET, processes, timing
from .needs import missing
from .races import ALL_THREADS, Race
from .standings import rows
from .stopping import stoppable
from .targets import Results, number

#: What there is of a run while it goes on, and after it.
LAST = Path(__file__).with_name("last.json")


def chosen(races: list[Race], full: bool, only: str | None) -> list[Race]:
    """The races to run: the quick ones, or all, or those that a pattern finds among all."""
    if only is None:
        return [race for race in races if full or race.quick]
    found = [race for race in races if re.search(only, race.key)]
    if not found:
        groups = ", ".join(dict.fromkeys(race.group for race in races))
        raise ValueError(f"`--only` must be a pattern that finds a race (groups: {groups}), got {only!r}")
    return found


def measure(
    full: bool, only: str | None, console: Any, give_up: Callable[[Results], None] = lambda results: None
) -> Results:
    """The results of a run; `interrupted` where Ctrl-C ended it: then of the races that were done.

    On a terminal a bar tells how far it is, elsewhere a line for each race. `give_up` is what `stoppable` calls.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from .peers import installed
    from .suite import races

    settings = timing.FULL if full else timing.QUICK
    results = _none_yet(settings, full, only)
    bar = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    progress = Progress(*bar, console=console, transient=True, disable=not console.is_terminal)

    def leave() -> None:
        progress.stop()
        give_up(results)

    with progress, stoppable(leave):
        task = progress.add_task("peers", total=None)
        todo = chosen(races(), full, only)
        needs = [one for race in todo for entrant in race.entrants.values() for one in missing(entrant.needs)]
        results["missing"] = sorted(set(needs))
        results["peers"] = {peer.name: {"version": peer.version, "choices": peer.choices} for peer in installed()}
        progress.update(task, total=len(todo), description="processes")
        if only is None:
            results["processes"] = processes.measured(ALL_THREADS, results["failures"], full=full)
        for race in todo:
            progress.update(task, description=race.key)
            found = timing.run(race, settings, results["failures"])
            results["races"] += [found] if found else []
            _keep(results)
            progress.advance(task)
            if not console.is_terminal:
                print(_line(race, found), file=console.file, flush=True)
        results["interrupted"] = False
    if results["races"]:  # or the run before it is still worth something
        _keep(results)
    return results


def _none_yet(settings: timing.Settings, full: bool, only: str | None) -> Results:
    return {
        "machine": machine(),
        "settings": {**settings._asdict(), "full": full, "only": only, "unset": os.environ.get(UNSET, "")},
        "peers": {},
        "missing": [],
        "processes": {},
        "races": [],
        "failures": [],
        "interrupted": True,
    }


def _keep(results: Results) -> None:
    write_whole(LAST, json.dumps(results) + "\n")


def _line(race: Race, found: Results | None) -> str:
    if not found:
        return f"{race.key}: not run"
    own = next(iter(found["entrants"].values()))
    against = "".join(f", {row.ratio} x {row.peer}" for row in rows({"races": [found]}))
    return f"{race.key}: {number(own['median'] * 1e3)} ms{against}"


def machine() -> dict[str, Any]:
    """Where this runs, and what was built."""
    from datetime import datetime, timezone

    import fastinit as fi

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
