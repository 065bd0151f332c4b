"""Progress: a bar with the time left, where somebody may be watching."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from time import monotonic
from typing import Any

from ..missing import missing

#: What is called once for each piece of work that is done.
Report = Callable[[], None]
#: Seconds after which a run is long: a shorter one shows no bar that was not asked for.
PATIENCE = 2.0
#: Seconds between two looks of the bar: drawing it costs more than a small layer.
_LOOK = 0.1


@contextmanager
def progress(total: int, wanted: bool | None = None, pieces: str = "layers") -> Iterator[Report]:
    """A function to call once for each of `total` pieces of work, and a bar on stderr that shows them.

    Parameters
    ----------
    total : int
        Calls to come.
    wanted : bool, optional
        Whether to show the bar; by default where stderr is a terminal, rich is installed and the work takes longer
        than `PATIENCE`.
    pieces : str
        What the bar calls them.

    Raises
    ------
    ImportError
        Where the bar is asked for and rich is not installed.
    """
    if wanted is None:
        wanted = sys.stderr is not None and sys.stderr.isatty() and _has_rich()
        patience = PATIENCE
    else:
        patience = 0.0
    if not wanted:
        yield _nothing
        return
    bar = Bar(total, patience, pieces)
    try:
        yield bar.report
    finally:
        bar.stop()


def _nothing() -> None:
    """Nobody is watching."""


def _has_rich() -> bool:
    try:
        import rich  # noqa: F401
    except ImportError:
        return False
    return True


class Bar:
    """A bar that begins, and first imports rich, once the work has taken `patience` seconds."""

    def __init__(self, total: int, patience: float, pieces: str) -> None:
        if not _has_rich():
            raise missing("a progress bar", "rich", "profile")
        self._total, self._done, self._pieces = total, 0, pieces
        self._next = monotonic() + patience
        self._turn = Lock()
        self._drawn: Any = None

    def report(self) -> None:
        """One more piece is done, on any thread."""
        with self._turn:
            self._done += 1
            now = monotonic()
            if now >= self._next:
                self._next = now + _LOOK
                if self._drawn is None:
                    self._start()
                self._drawn.update(self._task, completed=self._done)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._drawn = Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=10)
        self._task = self._drawn.add_task(self._pieces, total=self._total)
        self._drawn.start()

    def stop(self) -> None:
        """Take the bar away."""
        if self._drawn is not None:
            self._drawn.stop()
