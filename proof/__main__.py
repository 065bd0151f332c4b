"""What is proved, and the proofs: `python -m proof` lists the jobs, and says of each what its stored results hold, and
how many are of other sources of the core than those that are here.

    python -m proof --nightly

runs those that end within an hour, one after another, those too that failed to begin with. The exit status is 1 if one
of them does not hold, and 0 otherwise; what wants for packages that are not here is not run, which is said at the end.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from importlib.util import find_spec
from typing import Any, NamedTuple

from . import report
from .record import RESULTS, sources


class Job(NamedTuple):
    """A module of proofs: its name below `proof`, what it shows, and how long it takes here.

    `runs` are the arguments with which it is run every night: none, if it takes longer than an hour or needs what only
    a person can give it. `needs` are packages without which it cannot run. `worst` is the number of what was found, as
    `report.number` reads it, that is nearest to failing where it is greatest, with its unit.
    """

    name: str
    shows: str
    minutes: float
    runs: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    worst: tuple[str, str] = ("", "")


#: In the order of their names: each module of this folder that can be run.
JOBS = (
    Job(
        "accelerator",
        "the torch door on a device has the bits of the CPU and changes nothing else",
        3,
        ("",),
        ("torch",),
    ),
    Job("activations", "activations and their slopes are exact within their bounds", 120, worst=("value.ulp.0", "ulp")),
    Job("builds", "a distribution that is built again has the same bytes", 5, ("",), ("build",)),
    Job("clang_cl", "clang-cl builds a core that has the same bits, under wine", 5),
    Job("compilers", "GCC 9 to 14 and Clang 14 to 19 build cores that have the same bits", 150),
    Job("forks", "a process may fork while its other threads fill, draw and update", 4, ("",)),
    Job(
        "fuzz",
        "calls with arguments of any kind give what the twin gives, or refuse them",
        25,
        ("--calls 2000000", "--calls 2000000 --sanitized"),
    ),
    Job("interrupts", "Ctrl-C ends every long call within a fifth of a second", 5, ("",)),
    Job("machines", "the tests pass on emulated processors of other kinds", 1000),
    Job("modes", "no floating-point mode of a caller changes a bit or is lost", 4, ("",)),
    Job("peers_tests", "tests of jax, flax, Keras and Dask pass with fastinit's in their place", 1),
    Job("processors", "processors with fewer instructions find the levels they have, of the same bits", 4),
    Job("races", "the thread sanitizer finds no race in the core", 10, ("",)),
    Job("starved", "calls that get less memory, stack or threads than they ask for are right, or raise", 3, ("",)),
    Job("statistics.crush", "TestU01's batteries do not tell the words from random ones", 1700),
    Job("statistics.dieharder", "nor do dieharder's tests", 700),
    Job("statistics.haar", "orthogonal matrices follow Haar's measure", 3, ("",)),
    Job("statistics.halves", "numbers of 16 bits are as frequent as they ought to be", 5, ("",)),
    Job("statistics.normals", "normal values are normal and independent", 15, ("",)),
    Job("statistics.rare", "normal values on their rare path are, too", 2, ("",)),
    Job("statistics.summary", "all p-values of batteries of others are uniform together", 1, ("",)),
    Job("statistics.truncated", "truncated normal values follow their law at extreme intervals", 17, ("",)),
    Job("targets", "the core compiles for 17 targets", 10, ("",), ("ziglang",)),
    Job("threads", "sixty-four threads share generators, accumulators and arrays", 5, ("",)),
    Job("tiles", "random tiles have the same bits on every level", 200),
    Job("words", "every word makes the same float32 on every level", 100),
    Job("writers", "files of writers that are killed, or have no room, are whole or are not there", 6, ("",)),
)


def listed(job: Job) -> str:
    """One line on a job."""
    lines = report.stored(RESULTS, job.name)
    bad = [one["claim"] for one in lines if not one["holds"]]
    state = f"{len(lines)} hold" if not bad else f"{len(bad)} of {len(lines)} DO NOT HOLD: {'; '.join(bad)}"
    state = f"{state}{report.worst(lines, *job.worst)}{of_other_sources(lines)}" if lines else "not run"
    night = "nightly" if job.runs else "by hand"
    return f"{job.name:<20} {night:<8} {job.minutes:>4g} min  {state}\n    {job.shows}"


def of_other_sources(lines: list[dict[str, Any]]) -> str:
    """How many of these results are of a core of other sources than those here."""
    older = sum(one["machine"].get("sources") != sources() for one in lines)
    return f"; {older} of other sources" if older else ""


def nightly(jobs: tuple[Job, ...] = JOBS) -> int:
    """Run what is run every night; 1 if something does not hold."""
    failed, absent = list[str](), list[str]()
    for job in jobs:
        missing = [name for name in job.needs if find_spec(name) is None]
        if missing and job.runs:
            absent.append(f"{job.name} (needs {', '.join(missing)})")
            continue
        for arguments in job.runs:
            command = [sys.executable, "-m", f"proof.{job.name}", *shlex.split(arguments)]
            print(f"\n=== {shlex.join(command[1:])}", flush=True)
            if subprocess.run(command).returncode:
                failed.append(f"{job.name} {arguments}".strip())
    print(f"\ndo not hold: {', '.join(failed) or 'none'}\nnot run: {', '.join(absent) or 'none'}")
    return int(bool(failed))


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof", description=__doc__)
    parser.add_argument("--nightly", action="store_true", help="run the jobs that end within an hour")
    if parser.parse_args(argv).nightly:
        return nightly()
    print(*map(listed, JOBS), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
