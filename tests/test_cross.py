"""The C core built by other compilers and for other machines computes the same bits as the extension.

stream_dump.c is compiled with the whole core for each machine below, as setup.py would, and run there (by an emulator
where it is a foreign one) if it can be. An absent compiler is a skip, except where CI is set.
"""

import importlib.util
import os
import runpy
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

from fastinit import _core

TESTS = Path(__file__).parent
SETUP = SimpleNamespace(**runpy.run_path(str(TESTS.parent / "setup.py")))
CORE = TESTS.parent / "fastinit" / "src"
TABLE = TESTS / "ars4x32.txt"
SOURCES = [*sorted(CORE.glob("*.c"), reverse=True), TESTS / "stream_dump.c"]
# But for loops that Clang leaves as they are, and prefetches, which may lie anywhere.
WARNINGS = ["-Wall", "-Wextra", "-Wno-pass-failed", "-Wno-array-bounds", "-Werror"]
DTYPES = {"float32": "<u4", "float64": "<u8", "float16": "<u2", "bfloat16": "<u2"}
KEY = bytes(range(16))
STRETCH = 70001
ISAS = set(_core.supported_isas())


class Machine(NamedTuple):
    """Its compiler, what runs its programs (None: nothing here), and the ISAs that there are then."""

    compiler: list[str]
    runner: list[str] | None
    isas: set[str]


def zig(target, runner, *isas):
    """Clang with the headers and libraries of every target, from PyPI."""
    return Machine([sys.executable, "-m", "ziglang", "cc", "-target", target], runner, set(isas))


NATIVE = shlex.split(os.environ.get("CC", "cc"))
ARM = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]
WINE = [shutil.which("wine64") or "/usr/lib/wine/wine64"]
MACHINES = {
    "native": Machine(NATIVE, [], ISAS),
    "sanitized": Machine(NATIVE, [], ISAS),
    "clang": Machine(["clang"], [], ISAS),
    "aarch64": Machine(["aarch64-linux-gnu-gcc"], ARM, {"neon", "portable"}),
    "aarch64-clang": Machine(["clang", "--target=aarch64-linux-gnu"], ARM, {"portable"}),  # NEON from version 16 on
    "s390x (big-endian)": Machine(["s390x-linux-gnu-gcc"], ["qemu-s390x", "-L", "/usr/s390x-linux-gnu"], {"portable"}),
    "ppc64le": Machine(
        ["powerpc64le-linux-gnu-gcc"], ["qemu-ppc64le", "-L", "/usr/powerpc64le-linux-gnu"], {"portable"}
    ),
    "x86_64-windows-gcc": Machine(["x86_64-w64-mingw32-gcc"], WINE, ISAS),
    "x86_64-windows": zig("x86_64-windows-gnu", WINE, *ISAS),
    "x86_64-musl, no AVX": zig("x86_64-linux-musl", ["qemu-x86_64", "-cpu", "Nehalem"], "portable"),
    "aarch64-musl": zig("aarch64-linux-musl", ["qemu-aarch64"], "neon", "portable"),
    "riscv64-musl": zig("riscv64-linux-musl", ["qemu-riscv64"], "portable"),
    "x86_64-macos": zig("x86_64-macos", None),
    "aarch64-macos": zig("aarch64-macos", None),
}


def require(present, what):
    """Go on where `present`; else skip, or fail in CI, which installs everything."""
    if not present:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{what} is not here")


def compile_program(name, folder):
    """The path of stream_dump, its parts compiled side by side, by the arguments of setup.py."""
    compiler, windows = MACHINES[name].compiler, "windows" in name
    for word in (compiler[0], *(MACHINES[name].runner or [])[:1]):
        require(shutil.which(word), word)
    if "ziglang" in compiler:
        require(importlib.util.find_spec("ziglang"), "ziglang")
    sanitizers = SETUP.SANITIZERS if name == "sanitized" else []
    if sanitizers:
        (folder / "empty.c").write_text("int main(void) { return 0; }")
        trial = [*compiler, *sanitizers, folder / "empty.c", "-o", folder / "empty"]
        require(subprocess.run(trial, capture_output=True).returncode == 0, "the run-time part of the sanitizers")
    arguments = [*SETUP.compile_arguments("gnu", windows, partial(SETUP.takes, compiler)), *sanitizers, *WARNINGS]

    def compile_one(source):
        target = folder / f"{source.stem}.o"
        subprocess.run([*compiler, *arguments, f"-I{CORE}", "-c", source, "-o", target], check=True)
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, SOURCES))
    program = folder / "stream_dump.exe"
    subprocess.run([*compiler, *objects, *SETUP.link_arguments("gnu", windows), *sanitizers, "-o", program], check=True)
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


def normal(dtype, count):
    """The stretch of the normal law that the following are made of."""
    x = np.empty(count, DTYPES[dtype])
    _core.fill(0, list(DTYPES).index(dtype), KEY, (0.25, 1.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0), x, 0, None, 1)
    return x


def written(x):
    """Its bytes, in the order of records."""
    return x.astype(x.dtype.newbyteorder("<")).tobytes()


@cache
def moments(kind, dtype):
    """What the extension makes of the elements of `write_moments` and `write_hard_moments`."""
    if kind in ("2", "4"):
        accumulator = _core.Accumulator(int(kind))
        accumulator.update(list(DTYPES).index(dtype), normal(dtype, STRETCH), 1)
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


@cache
def activated(code, dtype):
    """What the extension makes of the numbers of `write_activations`."""
    x = normal(dtype, 2003).view(dtype)
    x[::7] *= x.dtype.type(2.0**30)
    both = np.empty((2, 2003), dtype)
    _core.activate(code, (1.05, -1.7), x, *both)
    return written(both)


@cache
def seen(dtype):
    """What the extension makes of the signals of `write_signals`: records by part and name."""
    whole = normal(dtype, 13 * 1304).view(dtype).reshape(13, 1304)
    whole[:, 7] *= whole.dtype.type(2.0**-130 if dtype == "float32" else 2.0**-1060)
    x, d = whole[:9, :1301], whole[4:, :1301]
    sums = _core.row_sums(x, d, 1)
    shadow, peaks = _core.project(x, sums[0])
    found = {
        ("products", "gram"): _core.gram(x, None, 1),
        ("products", "cross"): _core.gram(x, d, 1),
        ("products", "row_sums"): sums,
        ("products", "weighted_square"): np.float64(_core.weighted_square(x, sums[0], 1)),
        ("projected", "sums"): shadow,
        ("projected", "peaks"): peaks,
    }
    for axis, over in enumerate(("rows", "units")):
        for centred, name in enumerate((over, f"{over}_centred")):
            (y, back), inverse = np.empty((2, 9, 1301), dtype), np.empty(x.shape[1 - axis])
            _core.normalise(axis, centred, 1e-5, x, None, None, y, inverse, 1)
            _core.normalise(axis, centred, 1e-5, d, y, None, back, inverse, 1)
            found["inverse", name], found["norm", name] = inverse, np.stack([y, back])
    return {name: written(array) for name, array in found.items()}


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
    if part == "activation":
        return activated(int(which), dtype)
    if part in ("products", "projected", "norm", "inverse"):
        return seen(dtype)[part, which]
    return filled(records[f"parameters-{which}-float64"], part, dtype)


here_only = pytest.mark.skipif(sys.platform == "win32", reason="the compilers and emulators are those of Linux")


@here_only
@pytest.mark.parametrize("name", [name for name, machine in MACHINES.items() if machine.runner is None])
def test_compiles_and_links(name, tmp_path):
    """Where nothing here can run it."""
    assert compile_program(name, tmp_path).stat().st_size > 100_000


@here_only
@pytest.mark.parametrize("name", [name for name, machine in MACHINES.items() if machine.runner is not None])
def test_same_bits(name, tmp_path):
    program, dump = compile_program(name, tmp_path), tmp_path / "dump"
    environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    environment |= {"WINEPREFIX": str(tmp_path / "wine"), "WINEDEBUG": "-all"}
    subprocess.run([*MACHINES[name].runner, program, TABLE, dump], check=True, env=environment)
    levels = read_records(dump.read_bytes())
    assert {isa for isa, _ in levels} == MACHINES[name].isas
    for level, records in levels.items():
        assert len(records) == 143
        different = [name for name, found in records.items() if found != expected(name, records)]
        assert not different, level


@pytest.mark.parametrize("windows", [False, True])
def test_gcc_and_clang_are_told_to_round_each_operation(windows):
    clang, gcc = (
        SETUP.compile_arguments("gnu", windows, lambda options, known=known: known) for known in (False, True)
    )
    assert set(SETUP.EXACT) < set(clang)
    assert gcc == clang + SETUP.ORDERING + windows * SETUP.UNALIGNED_MOVES
    assert ("-pthread" in clang) == (not windows) == ("-pthread" in SETUP.link_arguments("gnu", windows))


def test_so_are_the_compilers_of_windows():
    def never(options):
        raise AssertionError

    assert SETUP.compile_arguments("msvc", True, never) == ["/O2", "/std:c11", "/fp:precise"]
    assert SETUP.compile_arguments("clang-cl", True, never) == [
        "/std:c11",
        *(f"/clang:{argument}" for argument in SETUP.EXACT),
    ]
    assert SETUP.link_arguments("msvc", True) == SETUP.link_arguments("clang-cl", True) == []


def test_sources_are_compiled_side_by_side():
    met = Barrier(2, timeout=10)

    def compile_one(sources, **options):
        met.wait()
        return [f"{options['output_dir']}/{source}.o" for source in sources]

    compile_all = SETUP.side_by_side(compile_one, 2)
    assert compile_all(["b", "a"], output_dir="there") == ["there/b.o", "there/a.o"]


@pytest.mark.parametrize("option", ["-ffast-math", "-ffinite-math-only", "-Ofast"])
@pytest.mark.parametrize("compiler", [NATIVE, ["clang"]], ids=["native", "clang"])
def test_relaxed_mathematics_is_refused(compiler, option, tmp_path):
    require(shutil.which(compiler[0]), compiler[0])
    source = tmp_path / "one.c"
    source.write_text('#include "portability.h"\n')
    command = [*compiler, f"-I{CORE}", "-c", str(source), "-o", str(tmp_path / "one.o")]
    assert subprocess.run(command).returncode == 0
    done = subprocess.run([*command, option], capture_output=True, text=True)
    assert (
        done.returncode
        and "fastinit must be compiled without -ffast-math, -Ofast and -ffinite-math-only" in done.stderr
    )
