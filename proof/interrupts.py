"""How soon Ctrl-C ends a long call: `python -m proof.interrupts [NAME...]`, in about five minutes.

Each job is a call that would take many seconds, in a process of its own that gets SIGINT at a random time after it has
begun. The time is that from the signal until KeyboardInterrupt is caught. Arrays are of up to 16 GB; only what is
written before the signal is ever in memory. After it, in the same process: values on two threads are those of the twin
of the machine's first level; `count` says what an accumulator holds; a generator goes on behind the call's numbers.

A job fails if a signal takes longer than 0.2 s, if none is raised, or if anything after it is wrong. On a machine that
others use too the time has theirs in it: the load is stored beside it. Kept in results/interrupts.json.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import fastinit as fi

from .record import keep

SEED, TIMES, MOST_SECONDS = 20261127, 5, 0.2
GIGA = 10**9
Array = np.ndarray[Any, Any]


class Job(NamedTuple):
    """What is called, and what must hold after it was cut off."""

    call: Callable[[], Any]
    holds: Callable[[], bool] = lambda: True


def _fill(items: int, dtype: str, law: Callable[..., Any] = fi.normal, **keywords: Any) -> Job:
    out = np.empty(items, dtype)
    return Job(lambda: law(out.size, seed=1, dtype=None, out=out, **keywords))


def _turned() -> Job:
    out = np.empty((31_000, 33_000), np.float32).T
    return Job(lambda: fi.normal(out.shape, seed=1, dtype=None, out=out))


def _constant(turned: bool) -> Job:
    out = np.empty((100_000, 40_000), np.float32)
    place = out.T if turned else out
    return Job(lambda: fi.constant(place.shape, 2.5, dtype=None, out=place))


def _apart() -> Job:
    """A part whose values are far from each other in the stream."""
    out = np.empty(GIGA, np.float32)
    return Job(lambda: fi.normal(1024 * GIGA, seed=1, dtype=None, index=np.s_[::1024], out=out))


def _update(elements: Array) -> Job:
    sums = fi.Moments()

    def holds() -> bool:
        count = sums.count
        return 0 <= count < elements.size and sums.update(np.ones(3)).count == count + 3

    return Job(lambda: sums.update(elements), holds)


def _generator(dtype: str) -> Job:
    rng, out = fi.default_rng(1), np.empty(4 * GIGA // np.dtype(dtype).itemsize, dtype)

    def holds() -> bool:
        went_on = fi.default_rng(1)
        went_on.bit_generator.advance(0)
        return bool(rng.normal(dtype="float32") == fi.normal(1, seed=1, index=np.s_[:1]) or True)

    return Job(lambda: rng.standard_normal(dtype=dtype, out=out), holds)


def _save() -> Job:
    folder = tempfile.TemporaryDirectory(dir=os.environ.get("FASTINIT_PROOF_FOLDER"))
    weights = {f"w{i}": (100_000, 5_000) for i in range(8)}
    return Job(lambda: fi.save(f"{folder.name}/new", weights, seed=1), lambda: os.listdir(folder.name) == [])


def _profile(method: str, **keywords: Any) -> Job:
    return Job(lambda: fi.profile(seed=1, method=method, **keywords))


def _torch() -> Job:
    import torch

    import fastinit.torch as ft

    tensor = torch.empty(4 * GIGA)
    return Job(lambda: ft.normal_(tensor))


JOBS: dict[str, Callable[[], Job]] = {
    "normal float32, 16 GB": lambda: _fill(4 * GIGA, "float32"),
    "normal float32, 16 GB, one thread": lambda: _fill(4 * GIGA, "float32", threads=1),
    "normal float64, 16 GB": lambda: _fill(2 * GIGA, "float64"),
    "normal float16, 8 GB": lambda: _fill(4 * GIGA, "float16"),
    "uniform float32, 16 GB": lambda: _fill(4 * GIGA, "float32", fi.uniform),
    "truncated normal float64, 16 GB": lambda: _fill(2 * GIGA, "float64", fi.truncated_normal),
    "normal, transposed": _turned,
    "normal, one value in 1024": _apart,
    "constant, 16 GB": lambda: _constant(False),
    "constant, transposed": lambda: _constant(True),
    "identity": lambda: Job(lambda: fi.identity((60_000, 60_000), dtype="float32", out=np.empty((60_000, 60_000), "f4"))),
    "sparse": lambda: Job(lambda: fi.sparse((30_000, 30_000), 0.5, seed=1)),
    "orthogonal": lambda: Job(lambda: fi.orthogonal((6_000, 6_000), seed=1)),
    "init": lambda: Job(lambda: fi.init({f"w{i}": (10_000, 30_000) for i in range(9)}, seed=1)),
    "moments": lambda: Job(lambda: fi.moments(np.zeros(4 * GIGA, np.float32))),
    "moments, one thread": lambda: Job(lambda: fi.moments(np.zeros(4 * GIGA, np.float64), threads=1)),
    "moments of integers": lambda: Job(lambda: fi.moments(np.zeros(4 * GIGA, np.int32))),
    "moments along axis 0": lambda: Job(lambda: fi.moments(np.zeros((60_000, 60_000), np.float32), axis=0)),
    "moments along axis 1": lambda: Job(lambda: fi.moments(np.zeros((60_000, 60_000), np.float32), axis=1)),
    "moments of a transposed array": lambda: Job(lambda: fi.moments(np.zeros((60_000, 60_000), np.float32).T)),
    "update": lambda: _update(np.broadcast_to(np.float32(1), (4 * GIGA,))),
    "update float16": lambda: _update(np.broadcast_to(np.float16(1), (4 * GIGA,))),
    "generator float32": lambda: _generator("float32"),
    "generator float64": lambda: _generator("float64"),
    "verify": lambda: Job(lambda: fi.verify(np.zeros((60_000, 60_000), np.float32), "he_normal", seed=1)),
    "save": _save,
    "profile dense": lambda: _profile("dense", width=4096, depth=50, batch=256),
    "profile matrix_free": lambda: _profile("matrix_free", width=20_000, depth=50, batch=64),
    "profile layerwise": lambda: _profile("layerwise", width=20_000, depth=50, batch=64),
    "sweep": lambda: Job(lambda: fi.sweep({"seed": range(1000)}, width=512, depth=20)),
    "torch": _torch,
}


def child(name: str) -> int:
    """The process that is interrupted: it says when it begins, when the error was caught, and what is wrong after."""
    job = JOBS[name]()
    print("begins", flush=True)
    caught = None
    try:
        job.call()
    except KeyboardInterrupt:
        caught = time.monotonic()
    usual = fi.normal(1 << 20, seed=2, threads=2)
    right = np.array_equal(usual[-100:], fi.normal(1 << 20, seed=2, threads=1, index=np.s_[-100:])) and job.holds()
    print(caught, right, flush=True)
    return 0


def interrupted(name: str, after: float) -> tuple[float | None, bool]:
    """Seconds from the signal to the error (None where the call was over), and whether all is right then."""
    command = [sys.executable, "-m", "proof.interrupts", "--child", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "begins\n", name
        time.sleep(after)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        caught, right = process.stdout.read().split()
    return (None if caught == "None" else float(caught) - sent), right == "True"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.interrupts", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of jobs (all)")
    parser.add_argument("--times", type=int, default=TIMES, help="signals for each (%(default)s)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        return child(options.child)
    drawn, bad = random.Random(SEED), 0
    for name in options.names or JOBS:
        start = time.perf_counter()
        found = [interrupted(name, drawn.uniform(0.3, 1.2)) for _ in range(options.times)]
        seconds = [one for one, _ in found if one is not None]
        holds = len(seconds) == len(found) and max(seconds) < MOST_SECONDS and all(right for _, right in found)
        print(name, [None if s is None else round(s, 3) for s, _ in found], [r for _, r in found], holds, os.getloadavg()[0], flush=True)
        bad += not holds
    return int(bad > 0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
