"""Comparison: two runs, race by race, and how far they can be held against each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from .report import Table, duration, geometric_mean, print_table, unquiet
from .targets import TOLERANCE, Results, number
from .timing import summary

#: What differs between two runs though the code is the same, of what the machine and the settings say.
_MACHINE = ("cpu", "system", "threads", "isa", "compiler", "python", "numpy")
_SETTINGS = ("full", "unset")
_HEADS = ("race", "before", "now", "times as fast", "verdict")


class Change(NamedTuple):
    """Of a race that both runs have: the seconds of fastinit before and now, and whether they are apart."""

    race: str
    before: float
    now: float
    verdict: Literal["slower", "faster", "same"]

    @property
    def times(self) -> float:
        """How many times as fast it is now."""
        return self.before / self.now


def changes(before: Results, now: Results) -> list[Change]:
    """The races that both have, those first that became slower by most.

    A race became slower or faster where the interquartile ranges of the times are apart, and the medians by more than
    3 %, as of rows.
    """
    old, new = _by_name(before), _by_name(now)
    found = [_change(key, old[key], race) for key, race in new.items() if key in old]
    if not found:
        raise ValueError("`--compare` must be two runs that have a race in common")
    return sorted(found, key=lambda change: change.times)


def _by_name(results: Results) -> dict[str, Results]:
    return {f"{race['group']}/{race['name']}": race for race in results["races"]}


def _change(key: str, before: Results, now: Results) -> Change:
    was, new = (summary(next(iter(race["entrants"].values()))["samples"]) for race in (before, now))
    times = was.median / new.median
    apart = not was.overlaps(new) and not TOLERANCE <= times <= 1 / TOLERANCE
    return Change(key, was.median, new.median, "same" if not apart else "faster" if times > 1 else "slower")


def sentence(found: list[Change]) -> str:
    """How many became slower and faster, and the mean of all."""
    count = {verdict: sum(change.verdict == verdict for change in found) for verdict in ("slower", "faster", "same")}
    mean = number(geometric_mean([change.times for change in found]))
    counted = f"{count['slower']} slower, {count['faster']} faster, {count['same']} the same"
    return f"Of {len(found)} race{'s' * (len(found) != 1)}, {counted}; {mean} times as fast as before (geometric mean)."


def warnings(before: Results, now: Results) -> Iterator[str]:
    """Why what was measured may be of the machine, not of the code; and what the comparison leaves out."""
    for when, results in (("before", before), ("now", now)):
        if said := unquiet(results):
            yield f"{when}: {said}"
    if differ := [*_differ(before, now)]:
        yield f"The runs differ in more than the code, and times may for that: {'; '.join(differ)}."
    old, new = _by_name(before), _by_name(now)
    for when, few in (("before", old.keys() - new.keys()), ("now", new.keys() - old.keys())):
        if few:
            yield f"{len(few)} race{'s' * (len(few) != 1)} only {when}: left out."
    for when, results in (("before", before), ("now", now)):
        if results.get("interrupted"):
            yield f"{when}: the run was interrupted."


def _differ(before: Results, now: Results) -> Iterator[str]:
    for part, names in (("machine", _MACHINE), ("settings", _SETTINGS)):
        for name in names:
            was, new = before[part].get(name), now[part].get(name)
            if was != new:
                yield f"{name} {was!r} and {new!r}"
    for name, peer in before["peers"].items():
        other = now["peers"].get(name, peer)
        if peer["version"] != other["version"]:
            yield f"{name} {peer['version']} and {other['version']}"


def table(found: list[Change]) -> Table:
    """A row for each."""
    lines = [(one.race, duration(one.before), duration(one.now), number(one.times), one.verdict) for one in found]
    return Table("Before and now", _HEADS, lines)


def show(before: Results, now: Results, console: Any, *, everything: bool) -> bool:
    """A sentence, why it may be wrong, and what changed, or everything; whether something became slower."""
    found = changes(before, now)
    console.print(sentence(found), style="bold", markup=False)
    for warning in warnings(before, now):
        console.print(warning, style="yellow", markup=False)
    shown = [change for change in found if everything or change.verdict != "same"]
    if shown:
        print_table(table(shown), console)
    if len(shown) < len(found):
        console.print(f"--all shows the {len(found) - len(shown)} that are the same too.", markup=False)
    return any(change.verdict == "slower" for change in found)
