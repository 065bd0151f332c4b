"""Forks of a process whose other threads fill, draw and update: `python -m proof.forks`, in about four minutes.

Four threads fill arrays, draw from shared generators, update shared accumulators, take moments and ask for names of
the package, again and again, while the process forks 1,000 times. Each child fills on two threads, draws from the
shared generator, updates a shared accumulator and takes the moments of what it made; it must end within 60 s. Its fill
and its moments must have the bits of the parent's, its draws those of a generator that starts where the shared one is,
and no accumulator may be half done. The job fails if one child does not return, or returns something else, or if a
thread of the parent raises or makes no call. Kept in results/forks.json.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import fastinit as fi

from .record import RESULTS, keep

FORKS, HANGS = 1000, 60
COUNT = 1 << 19  # enough for two threads


class Worker(threading.Thread):
    """Makes a call again and again: how often it came to its end, and what it raised, after which there are no more."""

    def __init__(self, call: Callable[[], object], ends: threading.Event) -> None:
        super().__init__()
        self.call, self.ends, self.calls, self.error = call, ends, 0, ""

    def run(self) -> None:
        try:
            while not self.ends.is_set():
                self.call()
                self.calls += 1
        except BaseException as error:
            self.error = repr(error)[:200]


@contextmanager
def at_work(calls: Mapping[str, Callable[[], object]]) -> Iterator[dict[str, Worker]]:
    """A thread for each of these calls, which it makes until the block ends."""
    ends = threading.Event()
    workers = {name: Worker(call, ends) for name, call in calls.items()}
    for worker in workers.values():
        worker.start()
    try:
        yield workers
    finally:
        ends.set()
        for worker in workers.values():
            worker.join()


def in_child(work: Callable[[], bytes], hangs: float = HANGS) -> bytes:
    """What a forked child makes of work(), or why there is nothing."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, work())
        except BaseException as error:
            os.write(writer, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    try:
        if not select.select([reader], [], [], hangs)[0]:
            return b"hangs"
        return os.read(reader, 1 << 12) or b"dies"
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


class Shared:
    """What threads and children use together."""

    def __init__(self) -> None:
        self.rng, self.x = fi.default_rng(3), np.ones(20_000, np.float32)
        self.sums = [fi.Moments() for _ in range(2)]
        self.filled = fi.normal(COUNT, seed=2, threads=1)
        self.moments = fi.moments(self.filled, threads=1)

    def calls(self) -> dict[str, Callable[[], object]]:
        """What the threads do, one each."""
        return {
            "fill": lambda: (
                fi.normal(COUNT, seed=1, threads=3),
                fi.he_uniform((300, 400), seed=1, name="w", dtype="float64"),
            ),
            "draw": lambda: (self.rng.standard_normal(20_000), self.rng.exponential(size=3000)),
            "update": lambda: [sums.update(self.x, threads=2) for sums in self.sums],
            "moments": lambda: (fi.moments(self.filled, threads=2), fi.theory.chi("relu", 1.0)),
        }

    def child(self) -> bytes:
        """What is wrong in a child, or "right"."""
        again = fi.Generator(fi.ARS(3))
        again.bit_generator.state = self.rng.bit_generator.state
        filled = fi.normal(COUNT, seed=2, threads=2)
        counts = [sums.update(self.x).count % len(self.x) for sums in self.sums]
        wrong = {
            "fill": not np.array_equal(filled, self.filled),
            "draw": [*self.rng.normal(size=9), *self.rng.integers(9, size=9)]
            != [*again.normal(size=9), *again.integers(9, size=9)],
            "update": any(counts) or any(sums.variance != 0 for sums in self.sums),
            "moments": fi.moments(filled, threads=2) != self.moments,
        }
        return ",".join(name for name, is_wrong in wrong.items() if is_wrong).encode() or b"right"


def forked(forks: int, until: float = float("inf")) -> dict[str, Any]:
    """What so many children returned, fewer of them where the time is over, and what the parent's threads did."""
    shared, found = Shared(), Counter[str]()
    sys.setswitchinterval(1e-4)  # else the thread that forks waits for each of the others in its turn
    with at_work(shared.calls()) as workers:
        for _ in range(forks):
            if time.time() > until:
                break
            found[in_child(shared.child).decode()] += 1
    return {
        "forks": sum(found.values()),
        **found,
        "calls": {name: worker.calls for name, worker in workers.items()},
        "raised": {name: worker.error for name, worker in workers.items() if worker.error},
    }


def held(found: Mapping[str, Any]) -> bool:
    """Whether every child was right, and every thread at work until the end."""
    return found.get("right", 0) == found["forks"] > 0 and not found["raised"] and all(found["calls"].values())


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.forks", description=__doc__)
    parser.add_argument("--forks", type=int, default=FORKS, help="(%(default)s)")
    parser.add_argument("--minutes", type=float, default=60, help="after which no child is made (%(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results are kept (%(default)s)")
    options = parser.parse_args(argv)
    start = time.perf_counter()
    found = forked(options.forks, time.time() + 60 * options.minutes)
    holds = held(found)
    keep("forks", "children of a process whose threads fill, draw and update return, with the right bits",
         command=f"python -m proof.forks --forks {options.forks}", holds=holds, seconds=time.perf_counter() - start,
         found=found, folder=options.results)  # fmt: skip
    print(found)
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
