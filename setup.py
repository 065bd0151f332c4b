"""The one extension; everything else about the distribution stands in pyproject.toml."""

import os
import subprocess
import sys
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).parent
SOURCES = sorted(path.relative_to(HERE).as_posix() for path in HERE.glob("fastinit/src/*.c"))
HEADERS = sorted(path.relative_to(HERE).as_posix() for path in HERE.glob("fastinit/src/*.[hi]*"))
PARTS = sorted(path.relative_to(HERE).as_posix() for path in HERE.glob("fastinit/*.pxi"))

# Equal bits need every operation rounded on its own: no contraction, and no relaxed mathematics. The next two only say
# that errno and the floating-point flags are not looked at, which lets a square root or a comparison be a vector.
if sys.platform == "win32":
    ARGUMENTS, LINK_ARGUMENTS, LIBRARIES = ["/O2", "/std:c11", "/fp:precise"], [], []
else:
    ARGUMENTS = ["-std=gnu11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
    ARGUMENTS += ["-pthread", "-fvisibility=hidden", "-g0"]
    LINK_ARGUMENTS, LIBRARIES = ["-pthread"], ["m"]

# GCC leaves instructions in the order of the source unless told to let long chains run side by side: truncated normals
# by AVX2 take a third less time so. Other compilers do it unasked, and know no such option.
ORDERING = ["-fschedule-insns", "-fsched-pressure"]


class OrderedBuild(build_ext):
    """As any, with `ORDERING` where the compiler has it."""

    def build_extensions(self) -> None:
        if self.compiler.compiler_type == "unix":
            trial = [*self.compiler.compiler_so, *ORDERING, "-fsyntax-only", "-x", "c", os.devnull]
            if subprocess.run(trial, capture_output=True).returncode == 0:
                for extension in self.extensions:
                    extension.extra_compile_args += ORDERING
        super().build_extensions()


# For the tests under the address and undefined-behaviour sanitizers (`make sanitize`).
if os.environ.get("FASTINIT_SANITIZE"):
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    ARGUMENTS += [*sanitizers, "-O1", "-g", "-fno-omit-frame-pointer"]
    LINK_ARGUMENTS += sanitizers

core = Extension(
    "fastinit._core",
    sources=["fastinit/_core.pyx", *SOURCES],
    depends=[*PARTS, *HEADERS],
    include_dirs=["fastinit", numpy.get_include()],
    define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"), ("NPY_TARGET_VERSION", "NPY_2_0_API_VERSION")],
    extra_compile_args=ARGUMENTS,
    extra_link_args=LINK_ARGUMENTS,
    libraries=LIBRARIES,
)

setup(ext_modules=cythonize([core], language_level=3), cmdclass={"build_ext": OrderedBuild})
