"""Timing: entrants of a race in turn, round after round, so that what disturbs one disturbs all."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from .races import Call, Checked, Race, use_threads


class Settings(NamedTuple):
    """Seconds and rounds for a race, and the seconds that a sample of short calls lasts at least."""

    budget: float
    fewest: int
    most: int
    sample: float = 0.01


QUICK = Settings(budget=0.5, fewest=3, most=15)
FULL = Settings(budget=12.0, fewest=9, most=41, sample=0.02)


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
    repeats = range(loops)
    start = perf_counter()
    for _ in repeats:
        call()
    return perf_counter() - start


def in_turn(entrants: dict[str, Checked], settings: Settings, warm: float) -> dict[str, list[float]]:
    """Seconds per call of each, one sample a round, each after a call to warm up (if that takes under `warm`)."""
    loops = {label: loops_for(entrant, settings.sample) for label, entrant in entrants.items()}
    samples: dict[str, list[float]] = {label: [] for label in entrants}
    start, rounds = perf_counter(), 0
    while rounds < settings.fewest or (rounds < settings.most and perf_counter() - start < settings.budget):
        for label, entrant in entrants.items():
            if entrant.seconds < warm:
                entrant.call()
            samples[label].append(_run(entrant.call, loops[label]) / loops[label])
        rounds += 1
    return samples


def run(race: Race, settings: Settings, failures: list[str]) -> dict[str, Any] | None:
    """The results of a race. Who fails, or gives a wrong output, is not timed; without the first there is no race."""
    use_threads(race.threads)
    buffer, checked = race.buffer(), {}
    for label in race.present:
        try:
            checked[label] = race.checked(label, buffer)
        except AssertionError as error:
            failures.append(f"wrong output: {error}")
        except Exception as error:  # of a peer, of any kind: it must not lose the other results
            failures.append(f"{race.key}, {label}: {error!r}")
    if next(iter(race.entrants)) not in checked:
        return None
    if race.rounds:
        settings = settings._replace(fewest=race.rounds, most=race.rounds)
    samples = in_turn(checked, settings, race.warm)
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
