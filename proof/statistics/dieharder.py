"""Dieharder's tests: `python -m proof.statistics.dieharder SOURCE ... [--tests 0-4,200]`.

Shows that no test of it tells a source (sources.py) from random words, by the rule of rule.py. The tests are those of
its -a, one run of the program each, which reads a stretch of the source of its own; what has been kept in
results/statistics_dieharder.json is not run again. `run` says which have, `of` of how many. Its authors mark OPSO, OQSO
and DNA (5 to 7) as suspect, and Sums (14) as not to be used: these are kept, and not judged.

An hour to two on a busy core for all tests of one source. Dieharder 3.31.1 is in Debian as dieharder.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from proof import record
from proof.statistics.crush import another, numbers_in, stored
from proof.statistics.rule import MORE, joined, numbered, settled
from proof.statistics.sources import SEED, SOURCES, STRETCH, Chunks

NAME = "statistics_dieharder"
#: By their numbers, and what -a varies in them.
TESTS = {
    **{number: [0] for number in (*range(18), 100, 101, 102, 204, 205, 206, 207, 208, 209)},
    200: [*range(1, 13)],
    201: [2, 3, 4, 5],
    202: [2, 3, 4, 5],
    203: [*range(33)],
}
UNJUDGED = {5, 6, 7, 14}
#: What is asked of each p-value, in this order.
COLUMNS = ("test_name", "ntuple", "tsamples", "psamples", "pvalues")


def version() -> str:
    """Of the program, as its first lines say."""
    told = subprocess.run(["dieharder", "-l"], capture_output=True, text=True).stdout
    found = re.search(r"version ([\d.]+)", told)
    return found[1] if found else "unknown"


def p_values(chunks: Chunks, number: int, ntuple: int, stretch: int) -> dict[str, float]:
    """Of one run of the program, by "number name ntuple", with a counter where it reports a test more than once."""
    columns = [word for column in COLUMNS for word in ("-D", column)]
    command = ["dieharder", "-g", "200", "-d", str(number), "-n", str(ntuple), "-c", ",", *columns]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    at = stretch * STRETCH
    try:
        while process.poll() is None:
            process.stdin.write(chunks(at).tobytes())
            at += 1
        process.stdin.close()
    except BrokenPipeError:
        pass
    found: dict[str, float] = {}
    for line in process.stdout.read().decode().splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) >= len(COLUMNS) and cells[1].isdigit():
            found[another(found, f"{number} {cells[0]} {cells[1]}")] = float(cells[4])
    if process.wait() or not found:
        raise RuntimeError(f"{' '.join(command)} found nothing")
    return found


def prove(source: str, numbers: Iterable[int], folder: Path = record.RESULTS) -> bool:
    """Run those tests that have not been, and keep each; whether all there are hold."""
    claim = f"no test of dieharder that was run tells {source} from random words"
    chunks = SOURCES[source]
    before, where = stored(NAME, claim, folder, chunks), record.machine(dieharder=version())
    ps, run, seconds, holds = before["found"]["p"], before["found"]["run"], before["seconds"], before.get("holds", True)
    places = [(number, ntuple) for number, ntuples in sorted(TESTS.items()) for ntuple in ntuples]
    names = [f"{number}.{ntuple}" for number, ntuple in places]

    @cache
    def many(number: int, ntuple: int, place: int) -> list[dict[str, float]]:
        return [p_values(chunks, number, ntuple, place + (1 + i) * len(places)) for i in range(MORE)]

    for place, (number, ntuple) in enumerate(places):
        if number not in set(numbers) or names[place] in run:
            continue
        start = time.perf_counter()
        new = p_values(chunks, number, ntuple, place)
        ps |= new
        run = [*run, names[place]]
        seconds += time.perf_counter() - start
        unjudged = {test for test in ps if int(test.split()[0]) in UNJUDGED}

        def again(test: str, own: tuple[int, int, int] = (number, ntuple, place)) -> float:
            return joined([one[test] for one in many(*own)])

        besides = {"words": before["found"]["words"], "not judged": sorted(unjudged), "run": run, "of": len(places)}
        known = before["found"].get("at_ten_times_the_data", {})
        result = settled(ps, again, numbered, unjudged, known, besides)
        before["found"]["at_ten_times_the_data"] = result["found"]["at_ten_times_the_data"]
        holds = result["holds"]
        record.keep(
            NAME,
            claim,
            command=f'python -m proof.statistics.dieharder "{source}"',
            seed=SEED,
            seconds=seconds,
            where=where,
            folder=folder,
            **result,
        )
        print(f"{names[place]} of {source}: {new}, {'holds' if holds else 'FAILS'}", flush=True)
    return holds


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.statistics.dieharder", description=__doc__)
    parser.add_argument("sources", nargs="+", choices=SOURCES, metavar="SOURCE", help=", ".join(SOURCES))
    parser.add_argument("--tests", default="0-300", help="by their numbers (all)")
    options = parser.parse_args(argv)
    numbers = numbers_in(options.tests, TESTS)
    return int(sum(not prove(source, numbers) for source in options.sources) > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
