"""A plugin of pytest for tests that may be cut off: `python -m pytest -p proof.outcomes --outcomes FILE ...`

The outcome of each test is put into FILE as soon as it is known, a line each, and tests that are there, but for those
that failed, are not run again: each line has the DIGEST of --sources, of what the test was run on. With --quick SECONDS
and --times FILE those that took longer there are left for later.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import pytest

_WORST_FIRST = ("failed", "skipped", "passed")


def read(path: Path) -> tuple[dict[str, dict[str, Any]], list[str] | None]:
    """The last outcome of each test, and which tests there are, None where they were not found yet.

    `failures` is how often a test had failed before.
    """
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    collected = [line["collected"] for line in lines if "collected" in line]
    outcomes: dict[str, dict[str, Any]] = {}
    failures = Counter[str]()
    for line in lines:
        if "test" in line:
            outcomes[line["test"]] = {**line, "failures": failures[line["test"]]}
            failures[line["test"]] += line["outcome"] == "failed"
    return outcomes, collected[-1] if collected else None


def summary(path: Path, sources: str | None = None) -> dict[str, Any]:
    """Counts of a file, the names of the tests that failed, and how many were skipped for which reason.

    `failed before` is how often tests failed in earlier runs, whatever they came to in the last, and on which sources.
    `ended` is whether all tests that there are have an outcome; `earlier` is how many of them are of other sources.
    """
    outcomes, collected = read(path)
    known = [one for name, one in outcomes.items() if collected is None or name in collected]
    by_outcome = {word: [one for one in known if one["outcome"] == word] for word in _WORST_FIRST}
    return {
        "passed": len(by_outcome["passed"]),
        "failed": [_name(one) for one in by_outcome["failed"]],
        "failed before": {_name(one): one["failures"] for one in known if one["failures"]},
        "skipped": dict(Counter(one["reason"] for one in by_outcome["skipped"])),
        "tests": None if collected is None else len(collected),
        "ended": collected is not None and len(known) == len(collected),
        "earlier": sum(one.get("sources") != sources for one in known),
        "seconds": round(sum(one["seconds"] for one in known)),
    }


def _name(outcome: Mapping[str, Any]) -> str:
    return str(outcome["test"].partition("::")[2] or outcome["test"])


def _reason(report: Any) -> str:
    """Of what was skipped, and of what must fail and did; of what failed, all that pytest says."""
    if hasattr(report, "wasxfail"):
        return f"must fail, and does: {report.wasxfail}"
    return str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr or "")


class _Outcomes:
    def __init__(self, path: Path, sources: str | None, slow: Set[str] = frozenset()) -> None:
        self.path, self.sources, (known, _) = path, sources, read(path)
        self.done = {name for name, one in known.items() if one["outcome"] != "failed"}
        self.slow = slow
        self.phases: list[pytest.TestReport] = []
        self.files: list[str] = []

    def _write(self, **line: Any) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _write_outcome(self, reports: list[Any], seconds: float) -> None:
        worst = min(reports, key=lambda report: _WORST_FIRST.index(report.outcome))
        told = {"reason": _reason(worst), "seconds": round(seconds, 3), "sources": self.sources}
        self._write(test=worst.nodeid, outcome=worst.outcome, **told)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that could not be imported, or skips itself, is one test."""
        if report.outcome != "passed":
            self.files.append(report.nodeid)
            self._write_outcome([report], 0.0)

    @pytest.hookimpl(trylast=True)  # after -m has left out what it does
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        self._write(collected=[*self.files, *(item.nodeid for item in items)])
        unwanted = self.done | self.slow
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in unwanted])
        items[:] = [item for item in items if item.nodeid not in unwanted]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.phases.append(report)
        if report.when == "teardown":
            self._write_outcome(self.phases, sum(phase.duration for phase in self.phases))
            self.phases = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--outcomes", type=Path, metavar="FILE", help="where outcomes are put and found")
    parser.addoption("--sources", metavar="DIGEST", help="of what the tests are run on")
    parser.addoption("--times", type=Path, metavar="FILE", help="outcomes of a faster machine, for --quick")
    parser.addoption("--quick", type=float, metavar="SECONDS", help="leave out what took longer there")


def pytest_configure(config: pytest.Config) -> None:
    path, times, limit = (config.getoption(name) for name in ("--outcomes", "--times", "--quick"))
    if path is not None:
        before = read(times)[0] if times else {}
        slow = {name for name, one in before.items() if limit is not None and one["seconds"] > limit}
        config.pluginmanager.register(_Outcomes(path, config.getoption("--sources"), slow))
