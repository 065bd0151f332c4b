"""Baseline: this tree raced against a commit that is built for it, each in turn and in processes of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .running import chosen
from .targets import Results
from .timing import summary

ROOT = Path(__file__).parents[1]
#: Who raced against a commit runs so many times, and so does the commit, in turn.
ROUNDS = 3
_INTERRUPTED = 130


def against(commit: str, pattern: str | None, *, full: bool = False) -> tuple[Results, Results]:
    """The runs of a commit, and of this tree: three of each in turn, each in a process of its own.

    The commit is built in a work tree of its own, and timed by the benchmark of this tree.
    """
    from .suite import races

    chosen(races(), full, pattern)  # which raises where there are none, before anything is built
    _tell(f"building {commit}")
    with _built(commit) as other:
        runs: dict[Path, list[Results]] = {other: [], ROOT: []}
        for round_ in range(ROUNDS):
            for tree in (other, ROOT) if round_ % 2 == 0 else (ROOT, other):
                _tell(f"round {round_ + 1} of {ROUNDS}: {'this tree' if tree == ROOT else commit}")
                runs[tree].append(_run(tree, pattern, full))
        return merged(runs[other]), merged(runs[ROOT])


def _tell(step: str) -> None:
    print(step, file=sys.stderr, flush=True)


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
            median, low, high = summary(entry["samples"])
            entry |= {"median": median, "iqr": high - low, "rounds": len(entry["samples"])}
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
            why = done.stderr.strip().splitlines()[-1:]
            raise ValueError(f"`--baseline` must be a commit of this repository, got {commit!r} ({''.join(why)})")
        try:
            _build(tree, commit)
            shutil.rmtree(tree / "bench", ignore_errors=True)
            shutil.copytree(ROOT / "bench", tree / "bench")
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True, capture_output=True)


def _build(tree: Path, commit: str) -> None:
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    if done.returncode:
        why = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise ValueError(f"`--baseline` must be a commit that builds here, got {commit!r}:\n{why}")


def _run(tree: Path, pattern: str | None, full: bool) -> Results:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.json"
        command = [sys.executable, "-m", "bench", "--json", str(path), *(["--only", pattern] if pattern else [])]
        done = subprocess.run([*command, *["--full"] * full], cwd=tree, stdout=subprocess.DEVNULL)
        if done.returncode == _INTERRUPTED:
            raise KeyboardInterrupt
        if not path.exists():
            raise ValueError(
                f"`--baseline` must be a commit that the benchmark runs on: {' '.join(command)} failed in {tree}"
            )
        return dict(json.loads(path.read_text()))
