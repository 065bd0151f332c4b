"""How soon Ctrl-C ends a long call: `python -m proof.interrupts [NAME...]`, in about five minutes.

Each job is a call that would take many seconds, in a process of its own that gets SIGINT at a random time after it has
begun. The time is that from the signal until KeyboardInterrupt is caught. Arrays are of up to 16 GB; of these only what
is written before the signal is ever in memory. After it, in the same process, a fill on two threads gives the bits of
one on one thread; an accumulator has the mean and the variance of the first of its elements, as many as its `count`
says, and goes on from there; a generator has passed over what it was asked for; a folder has no file.

A job fails if nothing is raised, if that takes 0.2 s or more, or if anything after it is wrong. Where others use the
processors too, the time has theirs in it: so load and priority are kept with it, in results/interrupts.json.
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

from .record import RESULTS, keep

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


def _turned(law: Callable[..., Any], *arguments: Any) -> Job:
    """Each value of a row in another page."""
    out = np.empty((31_000, 33_000), np.float32).T
    return Job(lambda: law(out.shape, *arguments, dtype=None, out=out))


def _apart() -> Job:
    """A part whose values are far from each other in the stream."""
    out = np.empty(GIGA, np.float32)
    return Job(lambda: fi.normal(1024 * GIGA, seed=1, dtype=None, index=np.s_[::1024], out=out))


def _square(make: Callable[..., Any], side: int, **keywords: Any) -> Job:
    return Job(lambda: make((side, side), **keywords))


def _zeros(*shape: int, dtype: str = "float32") -> Array:
    """One page of the system's, many times."""
    return np.zeros(shape, dtype)


def _update(dtype: str) -> Job:
    """Of one row of unequal elements, many times."""
    sums, row = fi.Moments(), (np.arange(1_000_003) // 512).astype(dtype)
    elements = np.broadcast_to(row, (20_000, row.size))

    def holds() -> bool:
        count = sums.count
        return count < elements.size and has_first(sums, row) and sums.update(np.ones(3)).count == count + 3

    return Job(lambda: sums.update(elements), holds)


def has_first(sums: fi.Moments, row: Array) -> bool:
    """Whether an accumulator has taken in the first elements, of any number, of a row of integers that comes again."""
    (times, rest), whole = divmod(sums.count, row.size), row.astype(np.int64)
    total, squares = (times * int(one.sum()) + int(one[:rest].sum()) for one in (whole, whole**2))
    if not sums.count:
        return True
    mean, variance = total / sums.count, (sums.count * squares - total**2) / sums.count**2
    return bool(np.allclose((sums.mean, sums.variance), (mean, variance), rtol=1e-9, atol=0))


def _generator(dtype: str) -> Job:
    rng, out = fi.default_rng(1), np.empty(8 * GIGA // np.dtype(dtype).itemsize, dtype)

    def holds() -> bool:
        return bool(rng.random() == fi.uniform(2**62, seed=1, dtype="float64", index=out.size))

    return Job(lambda: rng.standard_normal(dtype=dtype, out=out), holds)


def _save() -> Job:
    folder = tempfile.TemporaryDirectory(dir=os.environ.get("FASTINIT_PROOF_FOLDER"))
    weights = {f"w{i}": (100_000, 5_000) for i in range(8)}
    return Job(lambda: fi.save(f"{folder.name}/new", weights, seed=1), lambda: os.listdir(folder.name) == [])


def _profile(method: Any, width: int, batch: int) -> Job:
    return Job(lambda: fi.profile(width, 50, batch=batch, seed=1, method=method))


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
    "normal, transposed": lambda: _turned(fi.normal),
    "normal, one value in 1024": _apart,
    "constant, 16 GB": lambda: _fill(4 * GIGA, "float32", lambda n, seed, **given: fi.constant(n, 2.5, **given)),
    "constant, transposed": lambda: _turned(fi.constant, 2.5),
    "identity": lambda: _square(fi.identity, 60_000, out=np.empty((60_000, 60_000), np.float32)),
    "sparse": lambda: _square(fi.sparse, 30_000, sparsity=0.5, seed=1),
    "orthogonal": lambda: _square(fi.orthogonal, 6_000, seed=1),
    "init": lambda: Job(lambda: fi.init({f"w{i}": (10_000, 30_000) for i in range(9)}, seed=1)),
    "moments": lambda: Job(lambda: fi.moments(_zeros(4 * GIGA))),
    "moments float64, one thread": lambda: Job(lambda: fi.moments(np.broadcast_to(1.5, (90 * GIGA,)), threads=1)),
    "moments of integers": lambda: Job(lambda: fi.moments(_zeros(4 * GIGA, dtype="int32"))),
    "moments along axis 0": lambda: Job(lambda: fi.moments(_zeros(60_000, 60_000), axis=0)),
    "moments along axis 1": lambda: Job(lambda: fi.moments(_zeros(60_000, 60_000), axis=1)),
    "moments of a transposed array": lambda: Job(lambda: fi.moments(_zeros(60_000, 60_000).T)),
    "update": lambda: _update("float32"),
    "update float16": lambda: _update("float16"),
    "generator float32": lambda: _generator("float32"),
    "generator float64": lambda: _generator("float64"),
    "verify": lambda: Job(lambda: fi.verify(_zeros(60_000, 60_000), "he_normal", seed=1)),
    "save": _save,
    "profile, dense": lambda: _profile("dense", 2_000, 256),
    "profile, tiled": lambda: _profile("tiled", 20_000, 64),
    "profile, matrix free": lambda: _profile("matrix_free", 200_000, 64),
    "sweep": lambda: Job(lambda: fi.sweep({"seed": range(1000)}, width=512, depth=20)),
    "torch": _torch,
}


def child(name: str) -> int:
    """The process that is interrupted: it says when it begins, when the error was caught, and whether all is right."""
    job, caught = JOBS[name](), None
    print("begins", flush=True)
    try:
        job.call()
    except KeyboardInterrupt:
        caught = time.monotonic()
    whole = fi.normal(1 << 20, seed=2, threads=2)
    right = np.array_equal(whole, fi.normal(1 << 20, seed=2, threads=1)) and job.holds()
    print(caught, right, flush=True)
    return 0


def interrupted(name: str, after: float) -> tuple[float | None, bool]:
    """Seconds from the signal to the error (None where the call was over), and whether all was right then."""
    command = [sys.executable, "-m", "proof.interrupts", "--child", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "begins\n":
            raise RuntimeError(f"{name} did not begin")
        time.sleep(after)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        caught, right = process.stdout.read().split() or ("None", "False")
    return (None if caught == "None" else float(caught) - sent), right == "True"


def proved(name: str, times: int, folder: Path) -> bool:
    """Whether one job holds, which is kept."""
    drawn, start = random.Random(f"{SEED} {name}"), time.perf_counter()
    found = [interrupted(name, drawn.uniform(0.3, 1.0)) for _ in range(times)]
    seconds = [one for one, _ in found if one is not None]
    holds = len(seconds) == times and max(seconds) < MOST_SECONDS and all(right for _, right in found)
    told = {
        "longest": round(max(seconds, default=0.0), 4),
        "seconds": [None if one is None else round(one, 4) for one, _ in found],
        "right_after": [right for _, right in found],
        "load": round(os.getloadavg()[0], 1),
        "nice": os.nice(0),
    }
    keep("interrupts", f"{name}: Ctrl-C raises KeyboardInterrupt within {MOST_SECONDS} s, and all is right after it",
         command=f"python -m proof.interrupts {name!r} --times {times}", seed=SEED, holds=holds, found=told,
         seconds=time.perf_counter() - start, folder=folder)  # fmt: skip
    print(name, told, flush=True)
    return holds


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.interrupts", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of jobs (all)")
    parser.add_argument("--times", type=int, default=TIMES, help="signals for each (%(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results are kept (%(default)s)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return child(options.child)
    held = [proved(name, options.times, options.results) for name in options.names or JOBS]
    return int(not all(held))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
