"""All p-values of the batteries of others together: `python -m proof.statistics.summary`.

Reads what crush.py and dieharder.py have kept, and shows, by rule 3 of rule.py, that their p-values, but for those that
are not judged, are uniform (Kolmogorov and Smirnov), and no more of them outside than there should be. Each test has
read words of its own. A second; kept in results/statistics_summary.json.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from scipy import stats

from proof import record, report
from proof.statistics import crush, dieharder
from proof.statistics.rule import TOGETHER, number_outside

NAME = "statistics_summary"


def judged(line: dict[str, Any]) -> list[float]:
    found = line["found"]
    return [p for test, p in found["p"].items() if test not in found.get("not judged", ())]


def prove(battery: str, lines: list[dict[str, Any]], folder: Path) -> bool:
    start = time.perf_counter()
    ps = [p for line in lines for p in judged(line)]
    together = float(stats.kstest(ps, "uniform").pvalue)
    count = number_outside(ps)
    holds = together >= TOGETHER and count["so_many_or_more"] >= TOGETHER and all(line["holds"] for line in lines)
    record.keep(
        NAME,
        f"p-values of {battery} of all sources are uniform",
        command="python -m proof.statistics.summary",
        holds=holds,
        found={"p": together, **count, "least": min(ps), "most": max(ps), "sources": len(lines)},
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
