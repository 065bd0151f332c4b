"""Timing: entrants of a race in turn, round after round, so that what disturbs one disturbs all."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import repeat
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from .races import Array, Call, Checked, Race, use_threads
from .stopping import stop_if_asked

#: Who takes so many times as long as the first gets no more rounds than these.
_FAR, _ROUNDS_FAR = 4, 2
#: Where the system does not tell how large its caches are.
_CACHE = 1 << 26


class Settings(NamedTuple):
    """Seconds and rounds for a race, and the seconds that a sample of short calls lasts at least."""

    budget: float
    fewest: int
    most: int
    sample: float


QUICK = Settings(budget=0.3, fewest=3, most=15, sample=0.001)
FULL = Settings(budget=1.5, fewest=7, most=41, sample=0.005)


class Summary(NamedTuple):
    """Median and quartiles of some samples."""

    median: float
    low: float
    high: float

    def overlaps(self, other: Summary) -> bool:
        """Whether the interquartile ranges have a point in common."""
        return self.low <= other.high and other.low <= self.high


def summary(samples: Iterable[float]) -> Summary:
    """Median and quartiles."""
    low, median, high = np.percentile(list(samples), [25, 50, 75])
    return Summary(float(median), float(low), float(high))


def loops_for(entrant: Checked, sample: float) -> int:
    """How many calls last `sample` seconds, by the last of runs that double; 1 where the first run was far longer."""
    if entrant.seconds > 4 * sample:
        return 1
    loops, call = 1, entrant.call
    while (seconds := _run(call, loops)) < sample / 4:
        loops *= 2
    return max(1, round(loops * sample / seconds))


def _run(call: Call, loops: int) -> float:
    calls = repeat(None, loops)
    start = perf_counter()
    for _ in calls:
        call()
    return perf_counter() - start


def _once(call: Call) -> float:
    """One call, without letting go of what it returns."""
    start = perf_counter()
    _kept = call()
    return perf_counter() - start


@cache
def _larger_than_caches() -> Array:
    """Twice the last level of the caches."""
    sizes = (path.read_text() for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"))
    largest = max((int(size.strip().removesuffix("K")) << 10 for size in sizes), default=_CACHE)
    return np.zeros(2 * largest, np.uint8)


def sweep() -> None:
    """Read and write so much that nothing else is left in the caches."""
    swept = _larger_than_caches()
    swept += 1


def _sample(race: Race, label: str, entrant: Checked, buffer: Array, loops: int) -> float:
    """Seconds per call, on memory as the race wants it."""
    if race.memory == "fresh":
        untouched = np.empty_like(buffer)  # held here: a call may know no more than its address
        return _once(race.entrants[label].bind(untouched))
    if race.memory == "swept":
        entrant.call()
        sweep()
        return _once(entrant.call)
    if entrant.seconds < race.warm:
        entrant.call()
    return _run(entrant.call, loops) / loops


def in_turn(race: Race, entrants: dict[str, Checked], buffer: Array, settings: Settings) -> dict[str, list[float]]:
    """Seconds per call of each, one sample a round; who is far behind the first leaves after a few.

    Every other round runs backwards, so that nobody always comes after the same one.
    """
    loops = {label: loops_for(one, settings.sample) if race.memory == "warm" else 1 for label, one in entrants.items()}
    samples: dict[str, list[float]] = {label: [] for label in entrants}
    racing, first, rounds, start = list(entrants), next(iter(entrants)), 0, perf_counter()
    while rounds < settings.fewest or (rounds < settings.most and perf_counter() - start < settings.budget):
        for label in racing:
            samples[label].append(_sample(race, label, entrants[label], buffer, loops[label]))
            stop_if_asked()
        racing.reverse()
        rounds += 1
        if rounds == _ROUNDS_FAR:
            near = _FAR * min(samples[first])
            racing = [label for label in racing if min(samples[label]) <= near]
    return samples


def run(race: Race, settings: Settings, failures: list[str]) -> dict[str, Any] | None:
    """The results of a race. Who fails, or gives a wrong output, is not timed; without the first there is no race."""
    use_threads(race.threads)
    buffer, checked = race.buffer(), {}
    for label in race.present:
        try:
            checked[label] = race.checked(label, buffer)
        except Exception as error:  # of a peer, of any kind: it must not lose the other results
            stop_if_asked()
            wrong = isinstance(error, AssertionError)
            failures.append(f"wrong output: {error}" if wrong else f"{race.key}, {label}: {error!r}")
    if next(iter(race.entrants)) not in checked:
        return None
    if race.rounds:
        rounds = min(race.rounds, settings.fewest)
        settings = settings._replace(fewest=rounds, most=rounds)
    samples = in_turn(race, checked, buffer, settings)
    return {
        "group": race.group,
        "name": race.name,
        "values": race.values,
        "threads": race.threads,
        "entrants": {label: _entry(samples[label], entrant.error) for label, entrant in checked.items()},
    }


def _entry(samples: list[float], error: float) -> dict[str, Any]:
    median, low, high = summary(samples)
    rounded = [float(f"{seconds:.5g}") for seconds in samples]
    return {"median": median, "iqr": high - low, "rounds": len(samples), "error": error, "samples": rounded}
