"""Stored results of proofs as text: a job's in a table of a few lines, with all of its claims folded below it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

#: Entries of a list, and characters of a number's text, beyond which the page only counts.
_MOST_ENTRIES, _MOST_CHARACTERS = 6, 60


def stored(folder: Path, name: str) -> list[dict[str, Any]]:
    """The lines of a job; none where it was not run."""
    path = folder / f"{name.replace('.', '_')}.json"
    lines: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return lines


def stored_line(folder: Path, name: str, claim: str) -> dict[str, Any] | None:
    """The line of one claim of a job; None where it was not run."""
    return next((line for line in stored(folder, name) if line["claim"] == claim), None)


def number(found: Any, path: str) -> Any:
    """What is found under names, and places of lists, between dots."""
    for step in path.split("."):
        found = found[int(step)] if isinstance(found, list) else found[step]
    return found


def worst(lines: Sequence[Mapping[str, Any]], path: str, unit: str) -> str:
    """The greatest of a number that each line has, in words; nothing where there is no such number."""
    if not (lines and path):
        return ""
    return f", worst {max(number(line['found'], path) for line in lines):.3g} {unit}"


def section(folder: Path, name: str, shows: str, measure: tuple[str, str]) -> str:
    """A job, with a table of what it has shown and all of its claims."""
    lines = stored(folder, name)
    head = f"### proof.{name}\n\n{shows[0].upper()}{shows[1:]}.\n"
    if not lines:
        return f"{head}\n**Not run.**\n"
    rows = {
        "claims that hold": f"{sum(line['holds'] for line in lines)} of {len(lines)}{worst(lines, *measure)}",
        "seeds": _distinct(line["seed"] for line in lines) or "nothing is drawn",
        "false alarms": _alarms(lines),
        "time": _time(lines),
        "dates": _distinct(line["date"] for line in lines),
        "processors": _distinct(line["machine"].get("cpu") for line in lines) or "not stored",
    }
    table = "\n".join(f"| {escape(title)} | {escape(text)} |" for title, text in rows.items())
    return f"{head}\n| | |\n| --- | --- |\n{table}\n\n{_details(lines)}"


def suites(folder: Path) -> str:
    """How many tests passed on processors of each kind, as a table."""
    heads = ["| processor | passed | skipped | failed | of |", "| --- | --: | --: | --: | --: |"]
    return "\n".join([*heads, *map(_suite, stored(folder, "machines"))])


def _suite(line: Mapping[str, Any]) -> str:
    found, place = line["found"], line["machine"]
    processor = f"{place['system'].split()[-1]}, {'emulated' if 'emulator' in place else 'in hardware'}"
    counts = (found["passed"], found["skipped"], found["failed"], sum(one["tests"] for one in found["parts"].values()))
    return f"| {processor} | {' | '.join(f'{count:,}' for count in counts)} |"


def _distinct(values: Iterator[Any]) -> str:
    return ", ".join(map(str, dict.fromkeys(one for one in values if one is not None)))


def _alarms(lines: Sequence[Mapping[str, Any]]) -> str:
    """How probable it is that any of them fails though all are true, at most."""
    total = sum(line["false_alarm"] for line in lines)
    return f"at most {total:.2g} in all" if total else "impossible: exact"


def _time(lines: Sequence[Mapping[str, Any]]) -> str:
    known = [line["seconds"] for line in lines if line["seconds"] is not None]
    if not known:
        return "not stored"
    unknown = len(lines) - len(known)
    return f"{sum(known):.0f} s" + (f", and of {unknown} not stored" if unknown else "")


def _details(lines: Sequence[Mapping[str, Any]]) -> str:
    """In HTML: text of results may hold whatever stands for something in Markdown."""
    return "<details><summary>All claims</summary>\n" + "\n".join(map(_claim, lines)) + "\n</details>\n"


def _claim(line: Mapping[str, Any]) -> str:
    said = {
        "found": "; ".join(_flat(line["found"])),
        "seed": line["seed"],
        "false alarm": line["false_alarm"] or "none",
        "seconds": line["seconds"],
        "date": line["date"],
        "machine": "; ".join(f"{key} {value}" for key, value in line["machine"].items()),
    }
    told = "".join(f"<br>{key}: {escape(str(value))}" for key, value in said.items() if value is not None)
    holds = "" if line["holds"] else " <strong>does not hold</strong>"
    return f"<p><b>{escape(line['claim'])}</b>{holds}<br><code>{escape(line['command'])}</code>{told}</p>"


def _flat(found: Any, name: str = "") -> Iterator[str]:
    """Each number with the names that lead to it; of what is long, how many entries it has."""
    if isinstance(found, Mapping):
        for key, value in found.items():
            yield from _flat(value, f"{name} {key}".strip())
    elif isinstance(found, list):
        shown = [_short(one) for one in found]
        text = ", ".join(shown) or "none"
        is_long = len(found) > _MOST_ENTRIES or len(text) > _MOST_CHARACTERS
        yield f"{name} {len(found)} entries" if is_long else f"{name} {text}"
    else:
        yield f"{name} {_short(found)}"


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
