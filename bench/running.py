"""Running: the races that are asked for, one after another, each kept on disk when it is done, until Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import UNSET, processes, timing
from .races import ALL_THREADS, Race, missing
from .standings import rows
from .targets import Results, number

#: What there is of a run while it goes on, and after it.
LAST = Path(__file__).with_name("last.json")


def chosen(races: list[Race], full: bool, only: str | None) -> list[Race]:
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


def measure(full: bool, only: str | None, console: Any) -> Results:
    """The results of a run; `interrupted` where Ctrl-C ended it: then of the races that were done.

    On a terminal a bar tells how far it is, elsewhere a line for each race.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from .peers import installed
    from .suite import races

    settings = timing.FULL if full else timing.QUICK
    results: Results = {
        "machine": machine(),
        "settings": {**settings._asdict(), "full": full, "only": only, "unset": os.environ.get(UNSET, "")},
        "peers": {},
        "missing": [],
        "processes": {},
        "races": [],
        "failures": [],
        "interrupted": True,
    }
    bar = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*bar, console=console, transient=True, disable=not console.is_terminal) as progress, stoppable():
        task = progress.add_task("peers", total=None)
        todo = chosen(races(), full, only)
        needs = [one for race in todo for entrant in race.entrants.values() for one in missing(entrant.needs)]
        results["missing"] = sorted(set(needs))
        results["peers"] = {peer.name: {"version": peer.version, "choices": peer.choices} for peer in installed()}
        progress.update(task, total=len(todo), description="processes")
        if only is None:
            results["processes"] = processes.measured(ALL_THREADS, full=full)
        for race in todo:
            progress.update(task, description=race.key)
            found = timing.run(race, settings, results["failures"])
            results["races"] += [found] if found else []
            _keep(results)
            progress.advance(task)
            if not console.is_terminal:
                print(_line(race, found), flush=True)
        results["interrupted"] = False
    _keep(results)
    return results


def _keep(results: Results) -> None:
    """Whole or not at all."""
    part = LAST.with_suffix(".part")
    part.write_text(json.dumps(results) + "\n")
    part.replace(LAST)


def _line(race: Race, found: Results | None) -> str:
    if not found:
        return f"{race.key}: not run"
    own = next(iter(found["entrants"].values()))
    against = "".join(f", {row.ratio} x {row.peer}" for row in rows({"races": [found]}))
    return f"{race.key}: {number(own['median'] * 1e3)} ms{against}"


@contextmanager
def stoppable() -> Iterator[None]:
    """Ctrl-C ends what is within, also where a call makes a result of what it has by then, as profiles do."""

    def stop(*_: Any) -> None:
        timing.STOPPED.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGINT, before)
        timing.STOPPED.clear()


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
