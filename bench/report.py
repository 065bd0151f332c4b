"""Report: tables from stored results, on the terminal and between the markers of a Markdown file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
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


def load(path: Path, option: str = "--report") -> Results:
    """Results that `python -m bench --json` wrote."""
    try:
        results = json.loads(path.read_text())
    except (OSError, ValueError):
        results = None
    if not isinstance(results, dict) or KEYS - set(results):
        raise ValueError(f"`{option}` must be a file that --json wrote, got {str(path)!r}")
    return results


class Glance(NamedTuple):
    """A row that one looks at first: what is timed, its race, and what such races are called and found by."""

    what: str
    race: str
    called: str = ""
    like: str = ""


_FILL = r"^(fills|second fill|fresh|all threads|threads|schemes|large)/"
_NORMAL, _PROFILES = _FILL + r"(?!.*uniform|constant)|^orthogonal/", r"^(profile|points|loops|moments)/"
#: The rows that one looks at first. Each race that has a rival is like exactly one.
GLANCE = (
    Glance("16 Mi normal values", "fills/normal float32 16 Mi", "of normal laws", _NORMAL),
    Glance("16 Mi uniform values", "fills/uniform float32 16 Mi", "of uniform laws", _FILL + r".*uniform"),
    Glance("1 Mi of a constant", "fills/constant float32 1 Mi", "of constants", _FILL + r"constant"),
    Glance("a call of he_normal, 8 x 8", "calls/he_normal 8 x 8", "small calls", r"^calls/"),
    Glance("GPT-2 of 4 layers", "torch/GPT-2, 4 layers of 768", "in frameworks", r"^(torch|jax|keras|dask|save)/"),
    Glance("a profile, 1024 x 16", "profile/dense 1024, depth 16, batch 256", "of profiles and moments", _PROFILES),
)
#: And those that README has too.
MORE = (
    Glance("16 Mi normal values on all threads", "all threads/normal float32 16 Mi"),
    Glance("16 Mi normal values cut at 2 sd", "fills/truncated float32 16 Mi"),
    Glance("1 Mi normal values of bfloat16", "fills/normal bfloat16 1 Mi"),
    Glance("orthogonal, 2048 x 2048", "orthogonal/2048 x 2048, one thread"),
    Glance("four moments of 16 Mi values", "moments/moments of order 4 float32 16 Mi"),
    Glance("200 small linear layers", "torch/200 x nn.Linear(32, 32)"),
)
_TYPED, _FRAMEWORKS = ("numpy as typed", "numpy", "numpy four moments", "numpy qr"), ("torch", "transformers")


def glance_table(results: Results, glances: tuple[Glance, ...] = GLANCE) -> Table:
    """Of those rows the ones that were run: times of a call, how many times as fast, and where races like it lose."""
    races = {f"{race['group']}/{race['name']}": race for race in results["races"]}
    found = {row.race: row for row in rows(results)}
    like = any(glance.like for glance in glances)
    heads = ("what", "fastinit", "best other", "NumPy as typed", "torch", *["where it loses"] * like)
    lines = [
        (one.what, *_glance(races[one.race], found[one.race]), *[_where_lost(one, found.values())] * like)
        for one in glances
        if one.race in found
    ]
    return Table("At a glance", heads, lines)


def _glance(race: Results, row: Row) -> tuple[str, ...]:
    took = {label: duration(entry["median"]) for label, entry in race["entrants"].items()}
    typed, framework = (next((took[label] for label in few if label in took), "") for few in (_TYPED, _FRAMEWORKS))
    times = number(row.ratio.times.median) + " x" + ", lost" * (row.outcome == "lost")
    return took["fastinit"], f"{took[row.peer]} {row.peer} ({times})", typed, framework


def _where_lost(glance: Glance, found: Iterable[Row]) -> str:
    """In how many races like it, and the worst of them."""
    alike = [row for row in found if re.search(glance.like, row.race)]
    lost = sorted((row for row in alike if row.outcome == "lost"), key=lambda row: row.ratio.times)
    worst = f"; worst: {lost[0].race} ({number(lost[0].ratio.times.median)} x {lost[0].peer})" if lost else ""
    return f"{len(lost)} of {len(alike)} {glance.called}{worst}"


def duration(seconds: float) -> str:
    """Three digits, in the unit that suits them."""
    unit, factor = next(
        pair for pair in (("s", 1), ("ms", 1e3), ("us", 1e6)) if seconds * pair[1] >= 1 or pair[0] == "us"
    )
    return f"{number(seconds * factor)} {unit}"


def unquiet(results: Results) -> str:
    """What says that the machine had other work, so that the times are not to be trusted; "" where nothing does."""
    load, threads = results["machine"].get("load"), results["machine"]["threads"]
    firsts = [next(iter(race["entrants"].values())) for race in results["races"]]
    wide = sum(entry["iqr"] > _WIDE * entry["median"] for entry in firsts)
    said = [f"load {load:.1f} on {threads} threads at the start"] if load and load > threads else []
    said += [f"{wide} of {len(firsts)} rows spread by more than {_WIDE:.0%}"] * (4 * wide > len(firsts))
    return f"The machine was not quiet: {', '.join(said)}. Do not trust these times." if said else ""


#: An interquartile range of so much of the median is not that of a quiet machine.
_WIDE = 0.3


def lost_table(found: list[Row]) -> Table:
    """The races that are lost, to whom and by how much, below what is known of why; the worst first."""
    reasons: dict[str, list[str]] = {}
    for row in sorted((row for row in found if row.outcome == "lost"), key=lambda row: row.ratio.times):
        reasons.setdefault(row.reason, []).append(f"{row.race} ({number(row.ratio.times.median)} x {row.peer})")
    lines = [(reason, str(len(lost)), "; ".join(lost)) for reason, lost in reasons.items()]
    return Table("Lost races", ("why", "races", "times as fast as the other"), lines)


def targets_table(results: Results) -> Table:
    """What is promised, and what was measured; where only some races were asked for, of these."""
    heads = ("what", "times as fast as", "measured [quartiles]", "at least", "verdict")
    some = results["settings"].get("only")
    return Table("Targets", heads, [row for row in judged(results) if not some or row[-1] != "not measured"])


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
    """Every table, for a page of its own."""
    others = (table for table in group_tables(results) if table.title not in ("fills", *BESIDE))
    found = rows(results)
    lost, glance = lost_table(found), glance_table(results)
    tables = [markdown(table) for table in (glance, lost) if table.rows]
    measured = (markdown(targets_table(results)), markdown(fills_table(results, largest=True)))
    details = (fills_table(results, largest=False), *others)
    folded = _folded("Every row", *(f"**{table.title}**\n\n{markdown(table)}" for table in details))
    top = (f"**{headline(found)}.**", *_warned(results), *tables, conditions(results), *measured, folded)
    return "\n\n".join(top)


def short_section(results: Results) -> str:
    """What stands between the markers of the README: a sentence and twelve rows."""
    machine = results["machine"]
    where = f"{machine['cpu']}, {machine['isa']}, float32 and one thread unless said, {machine['date']}"
    twelve = (*(glance._replace(like="") for glance in GLANCE), *MORE)
    top = (f"**{headline(rows(results))}** ({where}).", *_warned(results), markdown(glance_table(results, twelve)))
    return "\n\n".join(top)


def _folded(summary: str, *parts: str) -> str:
    return "\n\n".join((f"<details><summary>{summary}</summary>", *parts, "</details>"))


def _warned(results: Results) -> list[str]:
    return [warning] if (warning := unquiet(results)) else []


def around_markers(path: Path) -> tuple[str, str]:
    """What stands before the two markers of a file, and after them."""
    whole = path.read_text() if path.is_file() else ""
    if whole.count(START) != 1 or whole.count(END) != 1 or whole.index(START) > whole.index(END):
        rule = f"a file with {START} and {END} once each, in this order"
        raise ValueError(f"`--readme` must be {rule}, got {str(path)!r}")
    before, rest = whole.split(START)
    return before, rest.split(END)[1]


def write_between_markers(path: Path, text: str) -> None:
    """Replace what stands between the two markers of a file."""
    before, after = around_markers(path)
    path.write_text(f"{before}{START}\n{text}\n{END}{after}")


def show(results: Results, console: Any, *, everything: bool = True) -> None:
    """A sentence, the rows that one looks at first, those that are lost, and all others where these are wanted too."""
    found = rows(results)
    for warning in _warned(results):
        console.print(warning, style="yellow", markup=False)
    if results.get("interrupted"):
        console.print(f"Interrupted after {_races(results)}: the rest was not run.", style="yellow", markup=False)
    console.print(f"{headline(found)}.", style="bold", markup=False)
    tables = [*group_tables(results), targets_table(results)] if everything else []
    for table in (glance_table(results), lost_table(found), *tables):
        if table.rows:
            print_table(table, console)
    if missing := results.get("missing"):
        console.print(f"Not installed, and left out with what needs it: {', '.join(missing)}.", markup=False)
    for failure in results["failures"]:
        console.print(failure, style="red", markup=False)
    if not everything:
        console.print(f"--all shows every row of {_races(results)}.", markup=False)


def _races(results: Results) -> str:
    count = len(results["races"])
    return f"{count} race{'s' * (count != 1)}"


def print_table(table: Table, console: Any) -> None:
    """On the terminal."""
    from rich.table import Table as RichTable

    shown = RichTable(*table.heads, title=table.title, title_justify="left")
    for row in table.rows:
        shown.add_row(*row, style=_STYLES.get(row[-1]))
    console.print(shown)


_STYLES = {"met": "green", "missed": "red", "faster": "green", "slower": "red"}
