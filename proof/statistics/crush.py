"""TestU01's SmallCrush, Crush and BigCrush: `python -m proof.statistics.crush BATTERY SOURCE ...`.

Shows that no test of a battery tells a source (sources.py) from random words, by the rule of rule.py. Each test, by its
number in the battery, reads a stretch of the source of its own, and is kept in results/statistics_crush.json when it
ends; those that are there already are not run again, so that a battery may be run in parts (--tests 1-20), and on more
than one core (--processes 2). `run` says which have, `of` of how many. SmallCrush takes some 15 seconds of one core,
Crush 40 minutes, and BigCrush four hours; the seconds that are kept are longer, where others used the machine or the
job was stopped for a while.

TestU01 1.2.3 is in Debian as libtestu01-0-dev (non-free); nothing of it is in this repository.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from proof import record, report
from proof.statistics.compiled import library
from proof.statistics.rule import MORE, joined, numbered, settled
from proof.statistics.sources import SEED, SOURCES, STRETCH, Chunks

NAME = "statistics_crush"
#: How many tests each has, and how many p-values they give (TestU01's guide).
BATTERIES = {"SmallCrush": (10, 15), "Crush": (96, 144), "BigCrush": (106, 160)}
PACKAGE = "libtestu01-0-dev"
#: Stretches from one to the next of ten times the data.
LATER = 256


class Chunk(ctypes.Structure):
    _fields_ = (("words", ctypes.c_void_p), ("count", ctypes.c_size_t))


Fetch = ctypes.CFUNCTYPE(None, ctypes.POINTER(Chunk))


@contextmanager
def silence() -> Iterator[None]:
    """Of what C writes to the standard output."""
    libc, kept = ctypes.CDLL(None), os.dup(1)
    sys.stdout.flush()
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
    try:
        yield
    finally:
        libc.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)


class Crusher:
    """TestU01, which takes one generator at a time: it reads whichever source is being tested."""

    def __init__(self) -> None:
        self.library, self.reader = ctypes.CDLL("libtestu01.so.0"), library("crush.c")
        ctypes.c_int.in_dll(self.library, "swrite_Basic").value = 0
        self.library.unif01_CreateExternGenBits.restype = ctypes.c_void_p
        self.library.unif01_CreateExternGenBits.argtypes = [ctypes.c_char_p, ctypes.c_void_p]

    @cached_property
    def generator(self) -> int:
        next_word = ctypes.cast(self.reader.next_word, ctypes.c_void_p)
        return self.library.unif01_CreateExternGenBits(b"fastinit", next_word)

    def p_values(self, chunks: Chunks, battery: str, number: int, stretch: int) -> dict[str, float]:
        """Of one test of a battery on one stretch of a source; one that has no value is left out."""
        at, held = stretch * STRETCH, None

        @Fetch
        def fetch(chunk: ctypes._Pointer[Chunk]) -> None:
            nonlocal at, held
            held, at = chunks(at), at + 1
            chunk[0].words, chunk[0].count = held.ctypes.data, len(held)

        times = (ctypes.c_int * 201)()
        times[number] = 1
        with silence():
            self.reader.begin(fetch)
            getattr(self.library, f"bbattery_Repeat{battery}")(ctypes.c_void_p(self.generator), times)
        count = ctypes.c_int.in_dll(self.library, "bbattery_NTests").value
        names = (ctypes.c_char_p * 201).in_dll(self.library, "bbattery_TestNames")
        values = (ctypes.c_double * 201).in_dll(self.library, "bbattery_pVal")
        found: dict[str, float] = {}
        for i in range(count):
            if not values[i] < 0:
                found[another(found, f"{number} {names[i].decode().strip()}")] = values[i]
        return found


def another(found: Collection[str], name: str) -> str:
    """The name, or one with a counter where there is one of that name: a test may report more than one p-value."""
    again = sum(known.split(" #")[0] == name for known in found)
    return f"{name} #{again + 1}" if again else name


@cache
def crusher() -> Crusher:
    """Of this process."""
    return Crusher()


def timed(source: str, battery: str, number: int, stretch: int) -> tuple[dict[str, float], float]:
    """The p-values of one test, and its seconds."""
    start = time.perf_counter()
    return crusher().p_values(SOURCES[source], battery, number, stretch), time.perf_counter() - start


def versions() -> dict[str, str]:
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", PACKAGE], capture_output=True, text=True)
    return record.machine(testu01=asked.stdout or "not of a package")


def stored(name: str, claim: str, folder: Path, chunks: Chunks) -> dict[str, Any]:
    """What was found before, and in how many seconds; of the same words, or it is refused to go on from there."""
    words = hashlib.blake2b(chunks(0).tobytes() + chunks(STRETCH).tobytes(), digest_size=8).hexdigest()
    line = report.stored_line(folder, name, claim) or {"found": {"p": {}, "run": [], "words": words}, "seconds": 0.0}
    if line["found"].get("words") != words:
        sys.exit(f"{folder / name}.json was found of other words: delete its line {claim!r} to begin again")
    return line


def prove(
    pool: ProcessPoolExecutor, battery: str, source: str, numbers: Iterable[int], folder: Path = record.RESULTS
) -> bool:
    """Run those tests that have not been, and keep each as it ends; whether all there are hold."""
    claim = f"no test of {battery} that was run tells {source} from random words"
    before, where = stored(NAME, claim, folder, SOURCES[source]), versions()
    tests, statistics = BATTERIES[battery]
    ps, run, seconds, holds = before["found"]["p"], before["found"]["run"], before["seconds"], before.get("holds", True)

    def again(test: str) -> float:
        number = int(test.split()[0])
        later = [number + (1 + i) * LATER for i in range(MORE)]
        return joined([timed(source, battery, number, stretch)[0][test] for stretch in later])

    asked = {pool.submit(timed, source, battery, number, number): number for number in sorted(set(numbers) - set(run))}
    for ended in as_completed(asked):
        number, (new, more) = asked[ended], ended.result()
        ps |= new
        run, seconds = sorted([*run, number]), seconds + more
        besides = {"words": before["found"]["words"], "run": run, "of": tests}
        known = before["found"].get("at_ten_times_the_data")
        result = settled(ps, again, data=numbered, known=known, besides=besides)
        before["found"]["at_ten_times_the_data"] = result["found"]["at_ten_times_the_data"]
        result["holds"] = holds = result["holds"] and (len(run) < tests or len(ps) == statistics)
        record.keep(
            NAME,
            claim,
            command=f'python -m proof.statistics.crush {battery} "{source}"',
            seed=SEED,
            seconds=seconds,
            where=where,
            folder=folder,
            **result,
        )
        print(f"{battery} {number} of {source}: {more:.0f} s, {'holds' if holds else 'FAILS'}", flush=True)
    return holds


def numbers_in(text: str, among: Collection[int]) -> list[int]:
    """Those of "1-3,7" that there are."""
    ranges = [part.partition("-") for part in text.split(",")]
    return [n for first, _, last in ranges for n in range(int(first), int(last or first) + 1) if n in among]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.statistics.crush", description=__doc__)
    parser.add_argument("battery", choices=BATTERIES)
    parser.add_argument("sources", nargs="+", choices=[*SOURCES, "all"], metavar="SOURCE", help=", ".join(SOURCES))
    parser.add_argument("--tests", default="1-200", help="by their numbers in the battery (all)")
    parser.add_argument("--processes", type=int, default=1, help="which share the tests out (1)")
    options = parser.parse_args(argv)
    numbers = numbers_in(options.tests, range(1, BATTERIES[options.battery][0] + 1))
    sources = [*SOURCES] if "all" in options.sources else options.sources
    with ProcessPoolExecutor(options.processes) as pool:
        return int(sum(not prove(pool, options.battery, source, numbers) for source in sources) > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
