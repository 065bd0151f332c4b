"""All p-values of the batteries of others together: `python -m proof.statistics.summary`.

Reads what crush.py and dieharder.py have kept, and shows, by rule 3 of rule.py, that the first p-values of their tests,
but for those that are not judged, are uniform (Kolmogorov and Smirnov), and by rule 1 that no more of all are outside
than there should be. Each test has read words of its own, but for those with the same number of a source and of the
same reversed, of which one is taken. A second; kept in results/statistics_summary.json.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any

from scipy import stats

from proof import record, report
from proof.statistics import crush, dieharder
from proof.statistics.rule import TOGETHER, number_outside, numbered
from proof.statistics.sources import SOURCES

NAME = "statistics_summary"


def judged(line: dict[str, Any]) -> dict[str, float]:
    """The p-values of a source, by its name, whether it is reversed or not, and the number and the name of the test."""
    found = line["found"]
    source = re.search(r" tells (.+?)( reversed)? from random", line["claim"])
    assert source
    name = source[1].replace(" ", "-")
    return {
        f"{name}/{test}{source[2] or ''}": p
        for test, p in found["p"].items()
        if test not in found.get("not judged", ())
    }


def prove(battery: str, lines: list[dict[str, Any]], folder: Path) -> bool:
    start = time.perf_counter()
    ps = {test: p for line in lines for test, p in judged(line).items()}
    firsts = {numbered(test): p for test, p in reversed(ps.items())}
    together = float(stats.kstest([*firsts.values()], "uniform").pvalue)
    count = number_outside(ps, numbered)
    holds = together >= TOGETHER and count["so_many_or_more"] >= TOGETHER and all(line["holds"] for line in lines)
    run = [len(line["found"]["run"]) for line in lines]
    record.keep(
        NAME,
        f"p-values of {battery}, of those tests and sources that were run, are uniform",
        command="python -m proof.statistics.summary",
        holds=holds,
        found={
            "p": together,
            "firsts": len(firsts),
            **count,
            "least": min(ps.values()),
            "most": max(ps.values()),
            "sources": f"{len(lines)} of {len(SOURCES)}",
            "runs": f"{sum(run)} of {len(SOURCES) * lines[0]['found']['of']}",
        },
        seconds=time.perf_counter() - start,
        false_alarm=2 * TOGETHER,
        folder=folder,
    )
    print(f"{battery}: {count}, together {together:.3g}, {'holds' if holds else 'FAILS'}", flush=True)
    return holds


def main(folder: Path = record.RESULTS) -> int:
    bad = 0
    for name, batteries in ((crush.NAME, crush.BATTERIES), (dieharder.NAME, ("dieharder",))):
        for battery in batteries:
            lines = [line for line in report.stored(folder, name) if f"no test of {battery} " in line["claim"]]
            bad += bool(lines) and not prove(battery, lines, folder)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
