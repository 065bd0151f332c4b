"""The C core built by other compilers and for other machines computes the same bits as the extension.

stream_dump.c is compiled with the whole core for each machine below and run there (by qemu where it is a foreign one).
An absent compiler is a skip, except where CI is set.
"""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from fastinit import _core

TESTS = Path(__file__).parent
CORE = TESTS.parent / "fastinit" / "src"
TABLE = TESTS / "ars4x32.txt"
SOURCES = [*sorted(CORE.glob("*.c")), TESTS / "stream_dump.c"]
FLAGS = ["-std=gnu11", "-O2", "-ffp-contract=off", "-fno-math-errno", "-pthread", f"-I{CORE}"]
SANITIZERS = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
DTYPES = {"float32": "<u4", "float64": "<u8", "float16": "<u2", "bfloat16": "<u2"}
KEY = bytes(range(16))
STRETCH = 70001
ISAS = set(_core.supported_isas())


class Machine(NamedTuple):
    """How to compile, how to run, and the ISAs that must be there then."""

    compiler: list[str]
    runner: list[str]
    isas: set[str]


MACHINES = {
    "native": Machine([os.environ.get("CC", "cc"), *FLAGS], [], ISAS),
    "sanitized": Machine([os.environ.get("CC", "cc"), *FLAGS, *SANITIZERS], [], ISAS),
    "clang": Machine(["clang", *FLAGS], [], ISAS),
    "aarch64": Machine(
        ["aarch64-linux-gnu-gcc", *FLAGS], ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"], {"neon", "portable"}
    ),
    "aarch64-clang": Machine(  # which has NEON from version 16 on
        ["clang", "--target=aarch64-linux-gnu", *FLAGS], ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"], {"portable"}
    ),
    "s390x (big-endian)": Machine(
        ["s390x-linux-gnu-gcc", *FLAGS], ["qemu-s390x", "-L", "/usr/s390x-linux-gnu"], {"portable"}
    ),
}


def require(present, what):
    """Go on where `present`; else skip, or fail in CI, which installs everything."""
    if not present:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{what} is not here")


def compile_program(compiler, folder):
    """The path of stream_dump, its parts compiled side by side."""

    def compile_one(source):
        target = folder / f"{source.stem}.o"
        subprocess.run([*compiler, "-c", source, "-o", target], check=True)
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, SOURCES))
    program = folder / "stream_dump"
    subprocess.run([*compiler, *objects, "-lm", "-o", program], check=True)
    return program


def read_records(dump):
    """{(isa, aes): {name: bytes}}"""
    levels = {}
    while dump:
        line, _, dump = dump.partition(b"\n")
        isa, aes, name, size = line.decode().split()
        levels.setdefault((isa, aes), {})[name], dump = dump[: int(size)], dump[int(size) :]
    return levels


@cache
def known_answers():
    rows = [line.split() for line in TABLE.read_text().splitlines() if line.startswith("ars4x32")]
    return np.array([[int(word, 16) for word in row[10:]] for row in rows], "<u4").tobytes()


@cache
def filled(parameters, part, dtype):
    """What the extension puts where `write_values` of stream_dump.c puts it."""
    law, *numbers, tails = np.frombuffer(parameters).tolist()
    out = np.zeros({"stretch": STRETCH, "last": 1003, "steps": (3, 5, 7), "wide": (2, 2)}[part], DTYPES[dtype])
    first, steps = {
        "stretch": (5, None),
        "last": (2**63 - 1 - 1003, None),
        "steps": (5000, (100000, -300, 3)),
        "wide": (7, (1, 1 << 62)),
    }[part]
    target = out[..., ::-1] if part == "steps" else out
    _core.fill(int(law), list(DTYPES).index(dtype), KEY, (*numbers, int(tails)), target, first, steps, 1)
    return out.tobytes()


@cache
def moments(kind, dtype):
    """What the extension makes of the elements of `write_moments` and `write_hard_moments`."""
    if kind in ("2", "4"):
        elements = np.empty(STRETCH, DTYPES[dtype])
        parameters = (0.25, 1.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0)
        _core.fill(0, list(DTYPES).index(dtype), KEY, parameters, elements, 0, None, 1)
        accumulator = _core.Accumulator(int(kind))
        accumulator.update(list(DTYPES).index(dtype), elements, 1)
    else:
        elements = (np.arange(5000) * 7919 % 5000 - 2500) * 2.0**-10
        elements = {
            "offset": 1e8 + elements,
            "large": elements * 2.0**300,
            "small": elements * 2.0**-260,
            "infinite": np.where(np.arange(5000) == 4321, np.inf, elements),
        }[kind]
        accumulator = _core.Accumulator(4)
        accumulator.update(1, elements, 1)
    return np.array(accumulator.result(), "<f8").tobytes()


def expected(name, records):
    part, which, dtype = name.split("-")
    if part == "known":
        return known_answers()
    if part == "words":
        key, domain, first = (bytes(16), 0, 0) if which == "zero" else (KEY, 1, 4 << 40)
        return _core.words(key, domain, first, 2048).astype("<u4").tobytes()
    if part == "parameters":
        return records[name]
    if part == "moments":
        return moments(which, dtype)
    return filled(records[f"parameters-{which}-float64"], part, dtype)


@pytest.mark.skipif(sys.platform == "win32", reason="the flags are those of GCC and Clang")
@pytest.mark.parametrize("name", MACHINES)
def test_same_bits(name, tmp_path):
    compiler, runner, isas = MACHINES[name]
    for program in (compiler[0], *runner[:1]):
        require(shutil.which(program), program)
    if name == "sanitized":
        (tmp_path / "empty.c").write_text("int main(void) { return 0; }")
        linked = subprocess.run([*compiler, tmp_path / "empty.c", "-o", tmp_path / "empty"], capture_output=True)
        require(linked.returncode == 0, "the run-time part of the sanitizers")
    program = compile_program(compiler, tmp_path)
    environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    dump = subprocess.run([*runner, program, TABLE], check=True, stdout=subprocess.PIPE, env=environment).stdout
    levels = read_records(dump)
    assert {isa for isa, _ in levels} >= isas
    for level, records in levels.items():
        assert len(records) == 83
        different = [name for name, found in records.items() if found != expected(name, records)]
        assert not different, level
