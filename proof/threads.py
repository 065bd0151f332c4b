"""Sixty-four threads that share what they use: `python -m proof.threads`, in about five minutes.

Each makes 10,000 calls: of a generator that all share, an accumulator that all share, moments of one array, and fills,
of one shape and of more than are kept. The draws of all threads together must be each value of the stream once; the
accumulator must have taken in each element once; fills and moments must be those of one thread alone. The job fails if
one is not. Kept in results/threads.json, a line for Pythons with a GIL and one for those that run without.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

import fastinit as fi

from .record import RESULTS, keep

THREADS, CALLS = 64, 10_000
DRAWN, COUNT = 7, 300
#: More shapes than calls are kept of, so that those are forgotten while others look for them.
SHAPES = 1500
#: One call in so many is of an array that is filled on several threads.
LARGE_EVERY, LARGE = 500, 1 << 19


class Shared:
    """What the threads use, and what they found wrong."""

    def __init__(self) -> None:
        self.rng, self.sums, self.x = fi.default_rng(3), fi.Moments(), fi.normal(COUNT, seed=9)
        self.filled, self.large = fi.he_normal((COUNT, 2), seed=4), fi.normal(LARGE, seed=5, threads=1)
        self.moments, self.longest = fi.moments(self.x), fi.uniform(SHAPES, seed=6)
        self.wrong: list[str] = []

    def work(self, calls: int, drawn: list[Any], starts: threading.Barrier) -> None:
        """The calls of one thread."""
        starts.wait()
        for call in range(calls):
            kind = call % 4
            if kind == 0:
                drawn.append(self.rng.standard_normal(DRAWN, dtype="float32"))
            elif kind == 1:
                self.sums.update(self.x)
            elif kind == 2 and fi.moments(self.x) != self.moments:
                self.wrong.append("moments")
            elif kind == 3 and not np.array_equal(fi.he_normal((COUNT, 2), seed=4), self.filled):
                self.wrong.append("fill")
            count = call % SHAPES + 1
            if not np.array_equal(fi.uniform(count, seed=6), self.longest[:count]):
                self.wrong.append("fill of many shapes")
            if call % LARGE_EVERY == 0 and not np.array_equal(fi.normal(LARGE, seed=5, threads=2), self.large):
                self.wrong.append("large fill")


def together(threads: int, calls: int) -> dict[str, Any]:
    """What so many threads, each of so many calls, found."""
    shared, starts = Shared(), threading.Barrier(threads)
    drawn: list[list[Any]] = [[] for _ in range(threads)]
    workers = [threading.Thread(target=shared.work, args=(calls, own, starts)) for own in drawn]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    values = np.sort(np.concatenate([one for own in drawn for one in own]))
    once = np.array_equal(values, np.sort(fi.normal(len(values), seed=3)))
    updates = threads * len(range(1, calls, 4))
    taken = shared.sums.count == updates * COUNT and np.isclose(shared.sums.mean, shared.moments.mean, rtol=1e-9)
    return {"threads": threads, "calls": threads * calls, "wrong": sorted({*shared.wrong}), "each value once": once,
            "each element once": bool(taken)}  # fmt: skip


def has_gil() -> bool:
    """Whether this Python runs one thread of its own at a time."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.threads", description=__doc__)
    parser.add_argument("--threads", type=int, default=THREADS, help="(%(default)s)")
    parser.add_argument("--calls", type=int, default=CALLS, help="of each (%(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results are kept (%(default)s)")
    options = parser.parse_args(argv)
    start = time.perf_counter()
    found = together(options.threads, options.calls)
    holds = not found["wrong"] and found["each value once"] and found["each element once"]
    claim = "threads that share a generator and an accumulator lose nothing, and fill and measure as one alone"
    keep("threads", claim if has_gil() else f"{claim}: without a GIL",
         command=f"python -m proof.threads --threads {options.threads} --calls {options.calls}", holds=holds,
         seconds=time.perf_counter() - start, found=found, folder=options.results)  # fmt: skip
    print(found)
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
