"""Levels that this machine does not come down to make the same bits, too: `python -m proof.processors`.

The C core is built once, and runs under qemu as it would on each of the processors below: without AVX, with AVX but not
AVX2, with AVX2 and AES, and with VAES, which qemu has of 256 bits only. Each must find the levels that are said, and
every record of these must be, bit by bit, what the extension computes here. AVX-512 is not in qemu: it is shown where
there is such a processor, by `proof.compilers`.

    python -m proof.processors max --emulator "chroot DIR qemu-x86_64"

The qemu that is told for `max` must be of version 8.1 or newer: an older one makes the upper half of VAES of 256 bits
from the lower. It is compiled with -O1, since what differs is what a processor does. If a record or a level differs the
exit status is 1. Results are kept in results/processors.json, a line for each processor. It takes three minutes.
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

from .dumps import TABLE, build, differences, have_same_bits
from .record import RESULTS, keep, machine

NONE, AES, VAES = (
    ["portable table"],
    ["avx2 128-bit", "portable table"],
    ["avx2 256-bit", "avx2 128-bit", "portable table"],
)
#: By qemu's names, and the levels that each has.
PROCESSORS = {
    "qemu64": NONE,
    "core2duo": NONE,
    "Nehalem": NONE,
    "SandyBridge": NONE,
    "Haswell": AES,
    "EPYC": AES,
    "max": VAES,
}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.processors", description=__doc__)
    parser.add_argument("processors", nargs="*", choices=[*PROCESSORS, []], metavar="PROCESSOR", help="(all)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder they are kept in (%(default)s)")
    parser.add_argument("--emulator", default="qemu-x86_64", metavar="COMMAND", help="(%(default)s)")
    options = parser.parse_args(argv)
    emulator, bad = shlex.split(options.emulator), 0
    said = subprocess.run([*emulator, "--version"], capture_output=True, text=True, check=True).stdout.split()
    with tempfile.TemporaryDirectory() as folder:
        program = build(shlex.split(os.environ.get("CC", "cc")), Path(folder), added=["-O1"])
        for processor in options.processors or PROCESSORS:
            start, dump = time.perf_counter(), Path(folder) / processor
            subprocess.run([*emulator, "-cpu", processor, str(program), str(TABLE), str(dump)], check=True)
            found = differences(dump.read_bytes())
            result = keep(
                "processors",
                f"{processor}: finds {', '.join(PROCESSORS[processor])}, with the extension's bits",
                command=f"python -m proof.processors {processor}",
                holds=have_same_bits(found, PROCESSORS[processor]),
                found=found,
                seconds=time.perf_counter() - start,
                where=machine(qemu=said[2]),
                folder=options.results,
            )
            bad += not result["holds"]
            print(processor, found, result["seconds"], flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
