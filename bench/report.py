"""Report: tables from stored results, on the terminal and between the markers of a Markdown file."""

from __future__ import annotations

import json
from math import exp, log
from pathlib import Path
from typing import Any, NamedTuple

from .standings import REFERENCES, Row, headline, rivals, rows
from .targets import TOLERANCE, Results, judged, number, ratio

START, END = "<!-- bench:begin -->", "<!-- bench:end -->"
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


def lost_table(found: list[Row]) -> Table:
    """The rows that are lost, by how much, and why."""
    lost = [row for row in found if row.outcome == "lost"]
    lines = [(row.race, row.peer, str(row.ratio), row.reason) for row in sorted(lost, key=lambda row: row.ratio.times)]
    return Table("Lost rows", ("row", "lost to", "times as fast [quartiles]", "reason"), lines)


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


#: Groups of races that are columns of the table of fills, each with its heading.
BESIDE = {"second fill": "second fill", "fresh": "fresh memory", "all threads": "all threads"}


def fills_table(results: Results, *, largest: bool) -> Table:
    """A row for each fill: the rate of fastinit, the same elsewhere, and how many times as fast it is as each peer."""
    beside = {group: {r["name"]: r for r in results["races"] if r["group"] == group} for group in BESIDE}
    races = [race for race in results["races"] if race["group"] == "fills"]
    if largest:
        races = [race for race in races if race["values"] == max(r["values"] for r in races)]
    peers = list(dict.fromkeys(label for race in races for label in race["entrants"] if label != "fastinit"))
    lines = [_fill_row(race, [found.get(race["name"]) for found in beside.values()], peers) for race in races]
    means = tuple(_mean_against(races, label) for label in peers)
    heads = ("fastinit", "M values/s", *BESIDE.values(), "error", *(f"x {label}" for label in peers))
    return Table("Fills", heads, [*lines, ("geometric mean", *[""] * 5, *means)] if races else [])


def _fill_row(race: Results, beside: list[Results | None], peers: list[str]) -> tuple[str, ...]:
    elsewhere = (_rate_and_nearest(other) if other else "" for other in beside)
    error = f"{race['entrants']['fastinit']['error']:.1e}"
    cells = (str(ratio(race, "fastinit", label)) if label in race["entrants"] else "" for label in peers)
    return (race["name"], _rate(race), *elsewhere, error, *cells)


def _rate(race: Results) -> str:
    return number(race["values"] / race["entrants"]["fastinit"]["median"] / 1e6)


def _rate_and_nearest(race: Results) -> str:
    """The rate of fastinit, and how many times as fast it is as the best peer."""
    labels = rivals(race)
    if not labels:
        return _rate(race)
    times, label = min((ratio(race, "fastinit", label).times.median, label) for label in labels)
    return f"{_rate(race)} ({number(times)} x {label})"


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
    absent = f" Not installed: {', '.join(results['missing'])}." if results.get("missing") else ""
    return (
        f"{machine['cpu']}, {machine['threads']} threads, {machine['isa']}, {machine['compiler']}, fastinit "
        f"{machine['version']}, Python {machine['python']}, {machine['date']}; {versions}. One thread and warm memory "
        f"unless said; second fill: of memory swept out of the caches since the first; fresh: never touched before; "
        f"beside these rates the nearest peer. Entrants in turn, medians of {settings['fewest']} to {settings['most']} "
        f"rounds, fewer for who is far behind; ratios are medians over rounds with quartiles, and not significant "
        f"where the interquartile ranges of the times overlap. A row is a race against the best peer in it: lost where "
        f"one is significantly faster, by more than {100 * (1 - TOLERANCE):.0f} %, won where fastinit is than all. "
        f"Error: of mean and sd in sd (fills), relative (moments), or of Q'Q (orthogonal)."
        f"{chosen}{unset}{absent}{failed}"
    )


def markdown(table: Table) -> str:
    """A Markdown table, its second and further columns to the right."""
    lines = [table.heads, ("---", *["--:"] * (len(table.heads) - 1)), *table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def section(results: Results) -> str:
    """All that stands between the markers."""
    others = (table for table in group_tables(results) if table.title not in ("fills", *BESIDE))
    found = rows(results)
    details = [fills_table(results, largest=False), *others]
    folded = "\n\n".join(f"**{table.title}**\n\n{markdown(table)}" for table in details)
    lost = lost_table(found)
    lead = (f"**{headline(found)}.**", conditions(results), *([markdown(lost)] if lost.rows else []))
    top = (*lead, markdown(targets_table(results)), markdown(fills_table(results, largest=True)))
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
    """Rows lost, every table, the targets, and rows lost once more, where a terminal stands at the end."""
    from rich.table import Table as RichTable

    found = rows(results)
    console.print(headline(found), style="bold")
    for table in (*group_tables(results), targets_table(results), lost_table(found)):
        shown = RichTable(*table.heads, title=table.title, title_justify="left")
        for row in table.rows:
            shown.add_row(*row, style=_STYLES.get(row[-1]))
        console.print(shown)
    if missing := results.get("missing"):
        console.print(f"Not installed, and left out with what needs it: {', '.join(missing)}.", markup=False)
    for failure in results["failures"]:
        console.print(failure, style="red", markup=False)
    console.print(headline(found), style="bold")


_STYLES = {"met": "green", "missed": "red"}
