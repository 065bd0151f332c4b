"""Report: tables from stored results, on the terminal and between the markers of a Markdown file."""

from __future__ import annotations

import json
from math import exp, log
from pathlib import Path
from typing import Any, NamedTuple

from .targets import Results, judged, number, ratio

START, END = "<!-- bench:begin -->", "<!-- bench:end -->"
REFERENCES = ("memset", "memset, all threads", "memset, small pages", "skip_init", "np.dot (read limit)")
KEYS = {"machine", "settings", "peers", "processes", "races", "failures"}


class Table(NamedTuple):
    """A title, the heads of the columns, and rows of text."""

    title: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]


def load(path: Path) -> Results:
    """Results that `python -m bench --json` wrote."""
    try:
        results = json.loads(path.read_text())
    except (OSError, ValueError):
        results = None
    if not isinstance(results, dict) or KEYS - set(results):
        raise ValueError(f"`--report` must be a file that --json wrote, got {str(path)!r}")
    return results


def targets_table(results: Results) -> Table:
    """What is promised, and what was measured."""
    heads = ("what", "times as fast as", "measured [quartiles]", "at least", "verdict")
    return Table("Targets", heads, list(judged(results)))


def group_tables(results: Results) -> list[Table]:
    """For each group of races a row for each entrant, which is set against the first of its race."""
    groups = dict.fromkeys(race["group"] for race in results["races"])
    return [_group_table(name, [r for r in results["races"] if r["group"] == name]) for name in groups]


def _group_table(name: str, races: list[Results]) -> Table:
    rows, ratios = [], []
    for race in races:
        first = next(iter(race["entrants"]))
        for label, entry in race["entrants"].items():
            against = ratio(race, first, label)
            rows.append(_row(race, label, entry, "" if label == first else str(against)))
            if label != first and label not in REFERENCES:
                ratios.append(against.times.median)
    if ratios and "fastinit" in races[0]["entrants"]:
        rows.append(("geometric mean", "", "", "", "", "", "", number(geometric_mean(ratios))))
    heads = ("race", "entrant", "ms", "ns per value", "M values/s", "spread", "error", "first is times as fast")
    return Table(name, heads, rows)


def _row(race: Results, label: str, entry: Results, against: str) -> tuple[str, ...]:
    nanoseconds = entry["median"] / race["values"] * 1e9
    spread, error = f"{100 * entry['iqr'] / entry['median']:.0f} %", f"{entry['error']:.1e}"
    milliseconds = number(entry["median"] * 1e3)
    return (race["name"], label, milliseconds, number(nanoseconds), number(1e3 / nanoseconds), spread, error, against)


def geometric_mean(ratios: list[float]) -> float:
    """exp of the mean log."""
    return exp(sum(map(log, ratios)) / len(ratios))


def fills_table(results: Results, *, largest: bool) -> Table:
    """A row for each fill: the rate of fastinit, and how many times as fast it is as each peer."""
    fresh = {race["name"]: race for race in results["races"] if race["group"] == "fresh"}
    races = [race for race in results["races"] if race["group"] == "fills"]
    if largest:
        races = [race for race in races if race["values"] == max(r["values"] for r in races)]
    peers = list(dict.fromkeys(label for race in races for label in race["entrants"] if label != "fastinit"))
    rows = [_fill_row(race, fresh.get(race["name"]), peers) for race in races]
    means = tuple(_mean_against(races, label) for label in peers)
    heads = ("fastinit", "M values/s", "fresh memory", "error", *(f"x {label}" for label in peers))
    return Table("Fills", heads, [*rows, ("geometric mean", "", "", "", *means)] if races else [])


def _fill_row(race: Results, fresh: Results | None, peers: list[str]) -> tuple[str, ...]:
    own = race["entrants"]["fastinit"]
    rate = number(race["values"] / own["median"] / 1e6)
    fresh_rate = number(fresh["values"] / fresh["entrants"]["fastinit"]["median"] / 1e6) if fresh else ""
    cells = (str(ratio(race, "fastinit", label)) if label in race["entrants"] else "" for label in peers)
    return (race["name"], rate, fresh_rate, f"{own['error']:.1e}", *cells)


def _mean_against(races: list[Results], label: str) -> str:
    found = [ratio(race, "fastinit", label).times.median for race in races if label in race["entrants"]]
    return number(geometric_mean(found))


def conditions(results: Results) -> str:
    """One paragraph: where, when, with what, and how to read the numbers."""
    machine, settings = results["machine"], results["settings"]
    versions = ", ".join(f"{name} {peer['version']}" for name, peer in results["peers"].items())
    choices = [f"{name} {c} for {w}" for name, peer in results["peers"].items() for w, c in peer["choices"].items()]
    chosen = f" Fastest engines found: {'; '.join(choices)}." if choices else ""
    failed = f" Left out: {'; '.join(results['failures'])}." if results["failures"] else ""
    unset = f" Unset for this run: {settings['unset']}." if settings["unset"] else ""
    return (
        f"{machine['cpu']}, {machine['threads']} threads, {machine['isa']}, {machine['compiler']}, fastinit "
        f"{machine['version']}, Python {machine['python']}, {machine['date']}; {versions}. One thread and warm memory "
        f"unless said; entrants in turn, medians of {settings['fewest']} to {settings['most']} rounds; ratios are "
        f"medians over rounds with quartiles, and not significant where the interquartile ranges of the times overlap. "
        f"Error: of mean and sd in sd (fills), relative (moments), or of Q'Q (orthogonal).{chosen}{unset}{failed}"
    )


def markdown(table: Table) -> str:
    """A Markdown table, its second and further columns to the right."""
    lines = [table.heads, ("---", *["--:"] * (len(table.heads) - 1)), *table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def section(results: Results) -> str:
    """All that stands between the markers."""
    others = (table for table in group_tables(results) if table.title not in ("fills", "fresh"))
    details = [fills_table(results, largest=False), *others]
    folded = "\n\n".join(f"**{table.title}**\n\n{markdown(table)}" for table in details)
    top = (conditions(results), markdown(targets_table(results)), markdown(fills_table(results, largest=True)))
    return "\n\n".join((*top, f"<details><summary>Every row</summary>\n\n{folded}\n\n</details>"))


def write_between_markers(path: Path, text: str) -> None:
    """Replace what stands between the two markers of a file."""
    whole = path.read_text() if path.exists() else ""
    if whole.count(START) != 1 or whole.count(END) != 1 or whole.index(START) > whole.index(END):
        rule = f"a file with {START} and {END} once each, in this order"
        raise ValueError(f"`--readme` must be {rule}, got {str(path)!r}")
    before, rest = whole.split(START)
    path.write_text(f"{before}{START}\n{text}\n{END}{rest.split(END)[1]}")


def show(results: Results, console: Any) -> None:
    """Every table on a rich console, the targets last."""
    from rich.table import Table as RichTable

    for table in (*group_tables(results), targets_table(results)):
        shown = RichTable(*table.heads, title=table.title, title_justify="left")
        for row in table.rows:
            shown.add_row(*row, style=_STYLES.get(row[-1]))
        console.print(shown)
    for failure in results["failures"]:
        console.print(failure, style="red", markup=False)


_STYLES = {"met": "green", "missed": "red"}
