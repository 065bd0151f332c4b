"""The extension, what compilers are told to make it, and archives that are the same when they are made again.

All else of the distribution stands in pyproject.toml.
"""

import gzip
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

HERE = Path(__file__).parent

# When files of an archive were changed, unless SOURCE_DATE_EPOCH says it: the first that a zip archive, as a wheel is
# one, can say.
FIRST_TIME = "315532800"

# Equal bits need every operation rounded on its own: no contraction, and no relaxed mathematics. The last two only say
# that errno and the floating-point flags are not looked at, which lets a square root or a comparison be a vector.
EXACT = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]

# GCC leaves instructions in the order of the source unless told to let long chains run side by side: truncated normals
# by AVX2 take a third less time so. Other compilers do it unasked, and know no such option.
ORDERING = ["-fschedule-insns", "-fsched-pressure"]

# GCC does not align the stack for wide registers on Windows, which only moves that ask for it mind. (Clang does.)
UNALIGNED_MOVES = ["-Wa,-muse-unaligned-vector-move", "-DFI_UNALIGNED_MOVES"]

# By what FASTINIT_SANITIZE says: `make sanitize`, and `python -m proof.races`.
TRACED = ["-O1", "-g", "-fno-omit-frame-pointer"]
SANITIZERS = {
    "": [],
    "1": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", *TRACED],
    "thread": ["-fsanitize=thread", *TRACED],
}


def takes(command: Sequence[str], options: Sequence[str]) -> bool:
    """Whether a compiler of the family of GCC knows these options."""
    trial = [*command, *options, "-c", "-x", "c", os.devnull, "-o", os.devnull]
    return subprocess.run(trial, capture_output=True).returncode == 0


def compile_arguments(family: str, windows: bool, takes: Callable[[Sequence[str]], bool]) -> list[str]:
    """For `family` "gnu" (GCC, Clang, MinGW; `takes` says which options one of them knows), "clang-cl" or "msvc"."""
    if family == "msvc":
        return ["/O2", "/std:c11", "/fp:precise"]
    if family == "clang-cl":
        return ["/std:c11", *(f"/clang:{argument}" for argument in EXACT)]
    platform = [] if windows else ["-pthread", "-fvisibility=hidden"]
    optional = [ORDERING, UNALIGNED_MOVES] if windows else [ORDERING]
    known = [option for options in optional if takes(options) for option in options]
    return ["-std=gnu11", *EXACT, "-g0", *platform, *known]


def link_arguments(family: str, windows: bool) -> list[str]:
    return ["-pthread", "-lm"] if family == "gnu" and not windows else []


MSVC = """fastinit: MSVC compiles the portable level only, which is many times slower than the others. For those, have
clang-cl on the PATH (LLVM, or "C++ Clang tools for Windows" of Visual Studio), or build with --compiler=mingw32."""


def side_by_side(compile: Callable[..., list[str]], jobs: int) -> Callable[..., list[str]]:
    """A compiler's `compile`, of so many sources at once."""

    def compile_all(sources: list[str], *arguments: Any, **options: Any) -> list[str]:
        with ThreadPoolExecutor(jobs) as pool:
            found = pool.map(lambda source: compile([source], *arguments, **options), sources)
            return [target for targets in found for target in targets]

    return compile_all


class Build(build_ext):
    """As any, by the arguments of the compiler that was found: clang-cl in place of MSVC's own, where there is one."""

    def jobs(self) -> int:
        """As many as -j says, or MAX_JOBS, or as there are processors."""
        told = 0 if self.parallel is True else self.parallel
        return told or int(os.environ.get("MAX_JOBS") or 0) or os.cpu_count() or 1

    def build_extensions(self) -> None:
        family, command = "gnu", []
        if self.compiler.compiler_type == "msvc":
            family, better = "msvc", shutil.which("clang-cl")
            self.compiler.initialize()
            if better:
                family, self.compiler.cc = "clang-cl", better
            else:
                print(MSVC, file=sys.stderr)
        else:
            command = self.compiler.compiler_so
        asked = os.environ.get("FASTINIT_SANITIZE", "")
        if asked not in SANITIZERS:
            sys.exit(f"FASTINIT_SANITIZE must be one of {', '.join(filter(None, SANITIZERS))}, got {asked!r}")
        sanitizers = SANITIZERS[asked]
        windows = sys.platform == "win32"
        for extension in self.extensions:
            extension.extra_compile_args = [*compile_arguments(family, windows, partial(takes, command)), *sanitizers]
            extension.extra_link_args = [*link_arguments(family, windows), *sanitizers]
        self.compiler.compile = side_by_side(self.compiler.compile, self.jobs())
        super().build_extensions()


class Archive(sdist):
    """As any, but made again it has the same bytes: of one time, of nobody, readable, and in order."""

    def make_archive(self, base_name: str, format: str, *places: Any, base_dir: str, **of_whom: Any) -> str:
        if format != "gztar":
            return super().make_archive(base_name, format, *places, base_dir=base_dir, **of_whom)
        path, time = f"{base_name}.tar.gz", int(os.environ.get("SOURCE_DATE_EPOCH", FIRST_TIME))

        def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.mtime, member.uid, member.gid, member.uname, member.gname = time, 0, 0, "", ""
            return member

        with (
            open(path, "wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=time) as packed,
            tarfile.open(mode="w", fileobj=packed) as archive,
        ):
            archive.add(base_dir, filter=plain)
        return path


def core() -> Extension:
    """The extension, of the sources that are here."""
    import numpy

    def found(pattern: str) -> list[str]:
        return sorted(path.relative_to(HERE).as_posix() for path in HERE.glob(pattern))

    return Extension(
        "fastinit._core",
        sources=["fastinit/_core.pyx", *reversed(found("fastinit/src/*.c"))],  # near the first: what takes longest
        depends=[*found("fastinit/*.pxi"), *found("fastinit/src/*.[hi]*")],
        include_dirs=["fastinit", numpy.get_include()],
        define_macros=[
            ("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"),
            ("NPY_TARGET_VERSION", "NPY_2_0_API_VERSION"),
        ],
    )


def description(text: str) -> str:
    """The README as an index shows it: without pictures that lie beside it, and with words for links to other files."""
    text = re.sub(r"!\[[^]]*\]\((?!https://)[^)]*\)\n+", "", text)
    return re.sub(r"\[([^]]*)\]\((?!https://)[^)]*\)", r"\1", text)


# The tests read what compilers are told, and build the core for other machines by it.
if __name__ == "__main__":
    from Cython.Build import cythonize

    os.environ.setdefault("SOURCE_DATE_EPOCH", FIRST_TIME)  # which what makes wheels reads
    setup(
        long_description=description((HERE / "README.md").read_text(encoding="utf-8")),
        long_description_content_type="text/markdown",
        ext_modules=cythonize([core()], language_level=3),
        cmdclass={"build_ext": Build, "sdist": Archive},
    )
