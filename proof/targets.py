"""The C core compiles for every target, without a warning: `python -m proof.targets [TARGET …]`.

Each is compiled whole by the Clang that PyPI has as ziglang, with the arguments of setup.py and -O0:
what a target lacks is found by every compiler's first pass, and what it computes is shown by `proof.processors`,
`proof.compilers` and tests/test_cross.py where there is something to run it. Of those that Clang has no library to link
for here, only objects are made.

If one does not compile the exit status is 1. Results are kept in results/targets.json, a line for each target. A target
takes half a minute.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path

from .dumps import CORE, SETUP, SOURCES
from .record import RESULTS, keep, machine

#: Those that pyproject.toml has wheels for, first; of all byte orders, and of 64 and 32 bits.
TARGETS = (
    *("x86_64-linux-gnu", "x86_64-linux-musl", "aarch64-linux-gnu", "aarch64-linux-musl"),
    *("x86_64-macos", "aarch64-macos", "x86_64-windows-gnu", "aarch64-windows-gnu"),
    *("riscv64-linux-musl", "s390x-linux-musl", "powerpc64le-linux-musl", "powerpc64-linux-musl"),
    *("loongarch64-linux-musl", "mips64el-linux-muslabi64", "x86_64-freebsd", "arm-linux-musleabihf", "x86-linux-musl"),
)
WARNINGS = ("-Wall", "-Wextra", "-Wno-pass-failed", "-Werror")


def compiled(target: str, folder: Path) -> list[str]:
    """What the compiler said of each source that it did not compile."""
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", target]
    windows = "windows" in target
    arguments = [*SETUP.compile_arguments("gnu", windows, partial(SETUP.takes, compiler)), "-O0", *WARNINGS]
    arguments += [] if windows else ["-fPIC"]  # as extensions are

    def compile_one(source: Path) -> str:
        told = [*compiler, *arguments, f"-I{CORE}", "-c", str(source), "-o", str(folder / f"{source.stem}.o")]
        done = subprocess.run(told, capture_output=True, text=True)
        return f"{source.name}: {done.stderr.strip()[:600]}" if done.returncode else ""

    with ThreadPoolExecutor(2) as pool:
        return [said for said in pool.map(compile_one, SOURCES) if said]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.targets", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="as zig calls it (all of TARGETS)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder they are kept in (%(default)s)")
    options = parser.parse_args(argv)
    bad = 0
    for target in options.targets or TARGETS:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            said = compiled(target, Path(folder))
        result = keep(
            "targets",
            f"{target}: the core compiles, without a warning",
            command=f"python -m proof.targets {target}",
            holds=not said,
            found={"sources": len(SOURCES), "said": said},
            seconds=time.perf_counter() - start,
            where=machine(ziglang=version("ziglang")),
            folder=options.results,
        )
        bad += not result["holds"]
        print(target, said, result["seconds"], flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
