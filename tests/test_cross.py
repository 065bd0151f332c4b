"""The C core built by other compilers and for other machines computes the same bits as the extension.

stream_dump.c is compiled with the whole core for each machine below, as setup.py would, and run there (by an emulator
where it is a foreign one) if it can be. An absent compiler is a skip, except where CI is set.
"""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from threading import Barrier
from typing import NamedTuple

import pytest

from proof.dumps import CORE, LEVELS, SETUP, TABLE, build, differences, have_same_bits

# But for loops that Clang leaves as they are, and prefetches, which may lie anywhere.
WARNINGS = ["-Wall", "-Wextra", "-Wno-pass-failed", "-Wno-array-bounds", "-Werror"]
PORTABLE = ["portable table"]
NEON = ["neon 128-bit", *PORTABLE]


class Machine(NamedTuple):
    """Its compiler, what runs its programs (None: nothing here), and the levels that there are then."""

    compiler: list[str]
    runner: list[str] | None
    levels: list[str]


def zig(target, runner, levels=()):
    """Clang with the headers and libraries of every target, from PyPI."""
    return Machine([sys.executable, "-m", "ziglang", "cc", "-target", target], runner, [*levels])


NATIVE = shlex.split(os.environ.get("CC", "cc"))
ARM = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]
WINE = [shutil.which("wine64") or "/usr/lib/wine/wine64"]
MACHINES = {
    "native": Machine(NATIVE, [], LEVELS),
    "sanitized": Machine(NATIVE, [], LEVELS),
    "clang": Machine(["clang"], [], LEVELS),
    "aarch64": Machine(["aarch64-linux-gnu-gcc"], ARM, NEON),
    "aarch64-clang": Machine(["clang", "--target=aarch64-linux-gnu"], ARM, PORTABLE),  # NEON from version 16 on
    "s390x (big-endian)": Machine(["s390x-linux-gnu-gcc"], ["qemu-s390x", "-L", "/usr/s390x-linux-gnu"], PORTABLE),
    "ppc64le": Machine(["powerpc64le-linux-gnu-gcc"], ["qemu-ppc64le", "-L", "/usr/powerpc64le-linux-gnu"], PORTABLE),
    "x86_64-windows-gcc": Machine(["x86_64-w64-mingw32-gcc"], WINE, LEVELS),
    "x86_64-windows": zig("x86_64-windows-gnu", WINE, LEVELS),
    "x86_64-musl, no AVX": zig("x86_64-linux-musl", ["qemu-x86_64", "-cpu", "Nehalem"], PORTABLE),
    "aarch64-musl": zig("aarch64-linux-musl", ["qemu-aarch64"], NEON),
    "riscv64-musl": zig("riscv64-linux-musl", ["qemu-riscv64"], PORTABLE),
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
    sanitizers = SETUP.SANITIZERS["1" if name == "sanitized" else ""]
    if sanitizers:
        (folder / "empty.c").write_text("int main(void) { return 0; }")
        trial = [*compiler, *sanitizers, folder / "empty.c", "-o", folder / "empty"]
        require(subprocess.run(trial, capture_output=True).returncode == 0, "the run-time part of the sanitizers")
    return build(compiler, folder, windows, [*sanitizers, *WARNINGS])


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
    found = differences(dump.read_bytes())
    assert have_same_bits(found, MACHINES[name].levels), found


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
