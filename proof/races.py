"""The core under the thread sanitizer: `python -m proof.races`, in about ten minutes, most of it GCC's.

proof/races.c is linked with the core, all compiled for the sanitizer: threads fill, measure, update and multiply at
once, most calls on several threads again. The job fails at any report, or where bytes are not those of one thread. A
fault is planted as well, an update without its lock, which must be reported: else the job has seen nothing. Kept in
results/races.json.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import setup

from .record import RESULTS, keep, machine

HOME = Path(__file__).parents[1]
THREADS, CALLS = 8, 60
FOUND = 66


def built(folder: Path) -> Path:
    """The program, of all sources of the core."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    options = [*setup.compile_arguments("gnu", False, lambda _: False), "-O1", "-g", "-fsanitize=thread"]
    core = HOME / "fastinit" / "src"
    sources = [*sorted(core.glob("*.c")), HOME / "proof" / "races.c"]
    made = folder / "races"
    command = [*compiler, *options, f"-I{core}", *map(str, sources), "-pthread", "-lm", "-o", str(made)]
    subprocess.run(command, check=True)
    return made


def run(program: Path, threads: int, calls: int, *planted: str) -> tuple[int, str, str]:
    """Its exit status, what it said, and the first report."""
    environment = {**os.environ, "TSAN_OPTIONS": f"exitcode={FOUND}"}
    command = [str(program), str(threads), str(calls), *planted]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    return done.returncode, done.stdout.strip(), done.stderr[:2000]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.races", description=__doc__)
    parser.add_argument("--threads", type=int, default=THREADS, help="(%(default)s)")
    parser.add_argument("--calls", type=int, default=CALLS, help="of each (%(default)s)")
    parser.add_argument("--program", type=Path, help="one that was built before (a new one)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results are kept (%(default)s)")
    options = parser.parse_args(argv)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        program = options.program or built(Path(folder))
        status, said, report = run(program, options.threads, options.calls)
        planted, _, _ = run(program, 4, 12, "unlocked")
    found: dict[str, Any] = {"status": status, "said": said, "report": report, "planted fault found": planted == FOUND}
    holds = status == 0 and planted == FOUND
    keep("races", "threads that use the core at once do not race, and give the bytes of one",
         command=f"python -m proof.races --threads {options.threads} --calls {options.calls}", holds=holds, found=found,
         seconds=time.perf_counter() - start, where=machine(), folder=options.results)  # fmt: skip
    print(found)
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
