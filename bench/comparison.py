"""Comparison: two stored runs, race by race; and this tree raced against a commit that is built for it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .report import Table, duration
from .targets import Results, number
from .timing import summary

ROOT = Path(__file__).parents[1]
#: Who raced against a commit runs so many times, and so does the commit, in turn.
ROUNDS = 3
_HEADS = ("race", "before", "now", "times as fast", "verdict")


def comparison_table(before: Results, now: Results) -> Table:
    """Of the races that both have: the times of fastinit, and whether it became faster or slower.

    It did where the interquartile ranges of the times are apart.
    """
    old = {(race["group"], race["name"]): race for race in before["races"]}
    pairs = [(old[key], race) for race in now["races"] if (key := (race["group"], race["name"])) in old]
    if not pairs:
        raise ValueError("`--compare` must be two runs that have a race in common")
    return Table("Before and now", _HEADS, [_compared(one, other) for one, other in pairs])


def _compared(before: Results, now: Results) -> tuple[str, ...]:
    was, new = (summary(next(iter(race["entrants"].values()))["samples"]) for race in (before, now))
    verdict = "same" if was.overlaps(new) else "faster" if new.median < was.median else "slower"
    times = number(was.median / new.median)
    return f"{now['group']}/{now['name']}", duration(was.median), duration(new.median), times, verdict


def against(commit: str, pattern: str | None) -> tuple[Results, Results]:
    """The runs of a commit, and of this tree: three of each in turn, each in a process of its own.

    The commit is built in a work tree of its own, and timed by the benchmark of this tree.
    """
    with _built(commit) as other:
        runs: dict[Path, list[Results]] = {other: [], ROOT: []}
        for round_ in range(ROUNDS):
            for tree in (other, ROOT) if round_ % 2 == 0 else (ROOT, other):
                runs[tree].append(_run(tree, pattern))
        return merged(runs[other]), merged(runs[ROOT])


def merged(runs: list[Results]) -> Results:
    """One run with the samples of all."""
    first, *others = runs
    for race in first["races"]:
        same = [
            one
            for run in others
            for one in run["races"]
            if (one["group"], one["name"]) == (race["group"], race["name"])
        ]
        for label, entry in race["entrants"].items():
            for one in same:
                entry["samples"] += one["entrants"][label]["samples"] if label in one["entrants"] else []
    return first


@contextmanager
def _built(commit: str) -> Iterator[Path]:
    """A work tree of the commit with its core built and this benchmark in it."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        done = subprocess.run(
            ["git", "worktree", "add", "--detach", tree, commit], cwd=ROOT, capture_output=True, text=True
        )
        if done.returncode:
            raise ValueError(
                f"`--baseline` must be a commit of this repository, got {commit!r} ({done.stderr.strip()})"
            )
        try:
            subprocess.run([sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"], cwd=tree, check=True)
            shutil.rmtree(tree / "bench")
            shutil.copytree(ROOT / "bench", tree / "bench")
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True)


def _run(tree: Path, pattern: str | None) -> Results:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.json"
        command = [sys.executable, "-m", "bench", "--json", str(path), *(["--only", pattern] if pattern else [])]
        subprocess.run(command, cwd=tree, stdout=subprocess.DEVNULL)
        if not path.exists():
            raise ValueError(
                f"`--baseline` must be a commit that the benchmark runs on: {' '.join(command)} failed in {tree}"
            )
        return dict(json.loads(path.read_text()))
