"""The core under the thread sanitizer: `python -m proof.races`, in about ten minutes, most of it GCC's.

proof/races.c is linked with the core, all compiled for the sanitizer: threads fill, measure, update and multiply at
once, most calls on several threads again. So is the extension, and threads of Python share generators, accumulators and
arrays, as `proof.threads` has them. The job fails at any report, or where bytes are not those of one thread. Faults are
planted as well: an update without its lock and an array that two threads fill, which must be reported; of what the
threads of the core share, parts with other values and sums of other elements, which must count as wrong. Else the job
has seen nothing. Kept in results/races.json, a line for each.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import fastinit as fi
import setup

from .record import RESULTS, keep, machine
from .sanitized import COMPILER, FOUND, HOME, OPTIONS, environment, package, run

#: Of each, its threads and calls.
SIZES = {"core": (8, 60), "extension": (32, 5000)}
#: The exit status where bytes differ.
WRONG = 1
CLAIMS = {
    "core": "threads that use the core at once do not race, and give the bytes of one",
    "extension": "threads of Python that share generators, accumulators and arrays do not race, and give what one does",
}


def built(folder: Path) -> Path:
    """The program, of all sources of the core."""
    options = [*setup.compile_arguments("gnu", False, lambda _: False), *setup.SANITIZERS["thread"]]
    core = HOME / "fastinit" / "src"
    sources = [*sorted(core.glob("*.c")), HOME / "proof" / "races.c"]
    made = folder / "races"
    command = [*COMPILER, *options, f"-I{core}", *map(str, sources), "-pthread", "-lm", "-o", str(made)]
    subprocess.run(command, check=True)
    return made


def one_array() -> None:
    """Is filled by two threads at once, for longer than one has a core: no caller may do it, and it must be seen."""
    out, starts = np.empty(1 << 23, np.float32), threading.Barrier(2)

    def fill() -> None:
        starts.wait()
        fi.normal(out.shape, seed=1, out=out, threads=1)

    threads = [threading.Thread(target=fill) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def judged(
    command: Sequence[str], planted: Mapping[str, tuple[Sequence[str], int]], where: dict[str, str]
) -> dict[str, Any]:
    """What a command found, and whether those with a planted fault end as they must."""
    done = run(command, where)
    found = {name: run(fault, where).returncode == must for name, (fault, must) in planted.items()}
    told = {"status": done.returncode, "said": done.stdout.strip(), "report": done.stderr[:2000]}
    return {**told, "planted fault found": found}


def of_core(threads: int, calls: int, program: Path) -> dict[str, Any]:
    """What `proof/races.c` finds."""
    faults = {"unlocked": FOUND, "part": WRONG, "sums": WRONG}
    planted = {name: ([str(program), "4", "12", name], must) for name, must in faults.items()}
    return judged([str(program), str(threads), str(calls)], planted, {**os.environ, **OPTIONS})


def of_extension(threads: int, calls: int, library: Path) -> dict[str, Any]:
    """What `proof.threads` finds of the package in a folder."""
    sizes = ["--threads", str(threads), "--calls", str(calls), "--results", "."]
    planted = {"one array": ([sys.executable, "-c", "from proof import races; races.one_array()"], FOUND)}
    return judged([sys.executable, "-m", "proof.threads", *sizes], planted, environment(library, "thread"))


PARTS = {"core": (built, of_core), "extension": (partial(package, which="thread"), of_extension)}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.races", description=__doc__)
    parser.add_argument("part", nargs="?", choices=PARTS, help="(both)")
    parser.add_argument("--threads", type=int, help="(of each part its own)")
    parser.add_argument("--calls", type=int, help="of each thread (of each part its own)")
    parser.add_argument("--built", type=Path, help="the program, or the folder of a package, built before (a new one)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results are kept (%(default)s)")
    options = parser.parse_args(argv)
    bad = 0
    for part in [options.part] if options.part else PARTS:
        build, of_part = PARTS[part]
        threads, calls = options.threads or SIZES[part][0], options.calls or SIZES[part][1]
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            found = of_part(threads, calls, (options.built or build(Path(folder))).resolve())
        holds = found["status"] == 0 and all(found["planted fault found"].values())
        command = f"python -m proof.races {part} --threads {threads} --calls {calls}"
        keep("races", CLAIMS[part], command=command, holds=holds, found=found, seconds=time.perf_counter() - start,
             where=machine(), folder=options.results)  # fmt: skip
        print(part, found, flush=True)
        bad += not holds
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
