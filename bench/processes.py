"""Processes: what a whole process takes that does one thing: seconds, and peak memory by its high-water mark."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from .needs import missing
from .saves import NEEDS, PREFIX
from .stopping import stop_if_asked

_PEAK = """
import json, sys, time
import numpy as np
import fastinit as fi

def peak():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

fi.normal, fi.profile  # which are imported when they are asked for
start = time.perf_counter()
"""
_FILL = """
threads = int(sys.argv[1])
out = np.ones(1 << 24, np.float32)
before = peak()
fi.normal(out.shape, seed=0, out=out, threads=threads)
print(json.dumps({"MiB": (peak() - before) / threads}))
"""
_PROFILE = """
p = fi.profile(ARGUMENTS)
q = p["act_second_moment"][0]
assert np.isfinite(q).all() and 0.1 < q[-1] / q[1] < 10
print(json.dumps({"MiB": peak(), "seconds": time.perf_counter() - start}))
"""


_SAVE = """
from bench.saves import write
write("WAY", 4096, sys.argv[2])
print(json.dumps({"MiB": peak(), "seconds": time.perf_counter() - start}))
"""


def _profile(arguments: str) -> str:
    return _PROFILE.replace("ARGUMENTS", arguments)


_QUICK = "fill, beyond out, for each thread"
PROGRAMS = {
    _QUICK: _FILL,
    "tiled 65536, depth 2, batch 64, forward": _profile(
        "width=65536, depth=2, batch=64, method='tiled', backward=False"
    ),
    "matrix_free 1000000, depth 50, batch 32, batch norm": _profile(
        "width=1_000_000, depth=50, batch=32, norm='batch', method='matrix_free'"
    ),
    "matrix_free 4096, depth 20, batch 64, 1000 networks": _profile(
        "width=4096, depth=20, batch=64, method='matrix_free', repeats=1000"
    ),
    **{f"save 1 GiB, {way}": _SAVE.replace("WAY", way) for way in NEEDS},
}


def measured(threads: int, failures: list[str], *, full: bool) -> dict[str, dict[str, float]]:
    """Peak MiB and seconds of each program, by its name; of profiles only the command's in a quick run. Linux only."""
    if not Path("/proc/self/status").exists():
        return {}
    absent = {f"save 1 GiB, {way}" for way, needs in NEEDS.items() if missing(needs)}
    programs = {name: text for name, text in PROGRAMS.items() if name == _QUICK or (full and name not in absent)}
    todo = {name: partial(run, text, threads) for name, text in programs.items()} | {"fastinit profile": _story}
    found = {}
    for name, measure in todo.items():
        try:
            found[name] = measure()
        except subprocess.CalledProcessError as error:
            stop_if_asked()
            why = error.stderr.strip().splitlines() or [str(error)]
            failures.append(f"process, {name}: {why[-1]}")
    return found


def run(program: str, threads: int) -> dict[str, float]:
    """What a program of its own process printed; it may write to a folder, which is removed."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        command = [sys.executable, "-c", _PEAK + program, str(threads), folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def _story() -> dict[str, Any]:
    """The command without arguments: median seconds of three."""
    from time import perf_counter

    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(3):
            start = perf_counter()
            subprocess.run(
                [sys.executable, "-m", "fastinit.cli", "profile"],
                cwd=folder,
                capture_output=True,
                check=True,
                text=True,
            )
            seconds.append(perf_counter() - start)
    return {"seconds": sorted(seconds)[1]}
