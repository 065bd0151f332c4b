"""The one extension; everything else about the distribution stands in pyproject.toml."""

import os
import shutil
import sys
from functools import partial
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from compilers import SANITIZERS, compile_arguments, link_arguments, takes  # noqa: E402

SOURCES = sorted(path.relative_to(HERE).as_posix() for path in HERE.glob("fastinit/src/*.c"))
HEADERS = sorted(path.relative_to(HERE).as_posix() for path in HERE.glob("fastinit/src/*.[hi]*"))

MSVC = """fastinit: MSVC compiles the portable level only, which is many times slower than the others. For those, have
clang-cl on the PATH (LLVM, or "C++ Clang tools for Windows" of Visual Studio), or build with --compiler=mingw32."""


class Build(build_ext):
    """As any, by the arguments of the compiler that was found: clang-cl in place of MSVC's own, where there is one."""

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
        # For the tests under the address and undefined-behaviour sanitizers (`make sanitize`).
        sanitizers = SANITIZERS if os.environ.get("FASTINIT_SANITIZE") else []
        windows = sys.platform == "win32"
        for extension in self.extensions:
            extension.extra_compile_args = [*compile_arguments(family, windows, partial(takes, command)), *sanitizers]
            extension.extra_link_args = [*link_arguments(family, windows), *sanitizers]
        super().build_extensions()


core = Extension(
    "fastinit._core",
    sources=["fastinit/_core.pyx", *SOURCES],
    depends=["compilers.py", "fastinit/_calls.pxi", *HEADERS],
    include_dirs=["fastinit", numpy.get_include()],
    define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"), ("NPY_TARGET_VERSION", "NPY_2_0_API_VERSION")],
)

setup(ext_modules=cythonize([core], language_level=3), cmdclass={"build_ext": Build})
