"""Compilers make the same bits, however they optimise: `python -m proof.compilers`.

The C core is built by each GCC and Clang there is (`gcc-*` and `clang-*` on the PATH), with the arguments of setup.py
and one of OPTIONS more, and runs here on all levels of this machine: known answers, words, all laws and dtypes,
moments, activations, products and norms. All levels must be there, and every record be, bit by bit, what the extension
computes.

    python -m proof.compilers --compiler "chroot DIR gcc-9" --option=-O2

A compiler is the last word of a command; what stands before it runs the program, too. If a record differs the exit
status is 1; if a compiler cannot build an empty program with an option that is told, and nothing is shown. Results are
kept in results/compilers.json, a line for each compiler, to which another run adds its options. A build takes half a
minute to two minutes.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from .dumps import TABLE, build, differences, have_same_bits
from .record import RESULTS, before, keep

#: Told after the -O3 of setup.py, of which the last counts. Levels choose their own instructions where they can:
#: -march=native lets the portable one, and all that is around the loops, have those of this machine.
OPTIONS = ("-O0", "-O1", "-O2", "-O3", "-Os", "-O3 -march=native", "-O3 -flto")
NAME = re.compile(r"(gcc|clang)-\d+")


def installed() -> list[str]:
    """The compilers on the PATH."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if Path(folder).is_dir()]
    names = {path.name for folder in folders for path in folder.iterdir() if NAME.fullmatch(path.name)}
    return sorted(names, key=lambda name: (name.split("-")[0], int(name.split("-")[1])))


def version(command: Sequence[str]) -> str:
    """Of a compiler, as the core itself says it."""
    said = subprocess.run(
        [*command, "-E", "-P", "-x", "c", "-"], input=_ASKS, capture_output=True, text=True, check=True
    )
    return re.sub(r" *\. *", ".", said.stdout.replace('"', "").strip())


_ASKS = """
#if defined __clang__
Clang __clang_major__.__clang_minor__.__clang_patchlevel__
#else
GCC __VERSION__
#endif
"""


def can_build(command: Sequence[str], option: str) -> bool:
    """Whether there is all that an option needs, of an empty program."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "empty.c").write_text("int main(void) { return 0; }")
        trial = [*command, *option.split(), f"{folder}/empty.c", "-o", f"{folder}/empty"]
        return subprocess.run(trial, capture_output=True).returncode == 0


def differing(command: Sequence[str], option: str) -> dict[str, list[str]]:
    """What one build computes otherwise than the extension, of each level."""
    with tempfile.TemporaryDirectory() as folder:
        program, dump = build(command, Path(folder), added=["-Wno-pass-failed", *option.split()]), Path(folder) / "dump"
        subprocess.run([*command[:-1], str(program), str(TABLE), str(dump)], check=True)
        return differences(dump.read_bytes())


def claim_of(name: str) -> str:
    return f"{name} builds a core that computes the extension's bits on every level, by the options that were tried"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.compilers", description=__doc__)
    parser.add_argument("--compiler", action="append", metavar="COMMAND", help="(those on the PATH)")
    parser.add_argument("--option", action="append", choices=OPTIONS, metavar="OPTION", help="(all)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder they are kept in (%(default)s)")
    options = parser.parse_args(argv)
    bad = 0
    for command in map(shlex.split, options.compiler or installed()):
        name = version(command)
        claim = claim_of(name)
        for option in options.option or OPTIONS:
            if not can_build(command, option):
                print(f"{name} cannot build with {option} here", flush=True)
                continue
            start, levels = time.perf_counter(), differing(command, option)
            known = before("compilers", claim, options.results) or {"found": {}, "seconds": 0.0}
            found = {**known["found"], option: levels}
            result = keep(
                "compilers",
                claim,
                command=f"python -m proof.compilers --compiler {command[-1]}",
                holds=all(map(have_same_bits, found.values())),
                found=found,
                seconds=known["seconds"] + time.perf_counter() - start,
                folder=options.results,
            )
            bad += not result["holds"]
            print(name, option, found[option], flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
