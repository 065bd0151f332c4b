"""Races: calls that do the same work on the same memory, so that their times may be compared."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt
from time import perf_counter
from typing import Any, Literal, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

import fastinit as fi

from .needs import missing

Array = np.ndarray[Any, Any]
Call = Callable[[], Any]
Check = Callable[[Any, Array, float], float]

SIZES = (1, 64, 1 << 10, 1 << 12, 1 << 16, 1 << 20, 1 << 24, 1 << 26)
#: What races have that are of one size alone.
LARGE = 1 << 24
MOST = SIZES[-1]
ALL_THREADS = fi.info()["threads"]


class Entrant(NamedTuple):
    """One way to do the work of a race.

    `bind` takes the buffer of the race and returns the call to time, as a user would type it: a lambda around it costs
    all entrants the same. The call returns its result, or `writes` the buffer, which is the result then. `slack` is how
    far beyond the bound of a sound result this one is known to be; `check` replaces that of the race; `needs` are the
    packages that it imports then, with spaces between. One that `splits` may be bound to parts of a buffer, each
    written by a thread of the caller: each has a generator of its own, and lets go of the GIL.
    """

    bind: Callable[[Array], Call]
    slack: float = 0.0
    check: Check | None = None
    needs: str = ""
    writes: bool = False
    splits: bool = False


class Checked(NamedTuple):
    """A call whose output was right, the error of that output, and the seconds that this first run took."""

    call: Call
    error: float
    seconds: float


@dataclass(frozen=True)
class Race:
    """Entrants by label, fastinit first, and what they share.

    `check` takes a result, the buffer and the slack, and returns the error of the result, or raises AssertionError.
    Races that are not `quick` are left to the full run; long ones say how many `rounds` they get at most. A call that
    takes less than `warm` seconds is made once before each sample. `memory` is the state of the buffer before a sample:
    "warm"; "swept", written by the entrant, and then driven out of all caches; or "fresh", never touched.
    """

    group: str
    name: str
    values: int
    buffer: Callable[[], Array]
    check: Check
    entrants: dict[str, Entrant]
    threads: int = 1
    quick: bool = True
    rounds: int | None = None
    warm: float = 0.05
    memory: Literal["warm", "swept", "fresh"] = "warm"

    @property
    def key(self) -> str:
        """What results and targets call this race."""
        return f"{self.group}/{self.name}"

    @property
    def present(self) -> list[str]:
        """The entrants whose packages are installed."""
        return [label for label, entrant in self.entrants.items() if not missing(entrant.needs)]

    def checked(self, label: str, buffer: Array) -> Checked:
        """The call to time, after one run of it whose output was found right."""
        entrant = self.entrants[label]
        call = entrant.bind(buffer)
        start = perf_counter()
        returned = call()
        seconds = perf_counter() - start
        result = buffer if entrant.writes else returned
        try:
            return Checked(call, (entrant.check or self.check)(result, buffer, entrant.slack), seconds)
        except AssertionError as error:
            raise AssertionError(f"{self.key}, {label}: {error}") from error


def use_threads(count: int) -> None:
    """Let fastinit, BLAS and OpenMP use so many threads, and torch where it is loaded; JAX has one from its start."""
    fi.set_num_threads(count)
    threadpool_limits(count)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)


def size_label(values: int) -> str:
    """64, 4 Ki, 16 Mi."""
    for unit, letter in ((1 << 20, " Mi"), (1 << 10, " Ki")):
        if values % unit == 0:
            return f"{values // unit}{letter}"
    return str(values)


def side(wanted: int, most: int) -> int:
    """The side of a square matrix of at most `most` values, and at most `wanted`."""
    return min(wanted, isqrt(most))
