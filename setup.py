"""The one extension; everything else about the distribution stands in pyproject.toml."""

import sys
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

HERE = Path(__file__).parent
SOURCES = sorted(path.relative_to(HERE).as_posix() for path in HERE.glob("fastinit/src/*.c"))
HEADERS = sorted(path.relative_to(HERE).as_posix() for path in HERE.glob("fastinit/src/*.[hi]*"))

# Equal bits need every operation rounded on its own: no contraction, and no relaxed mathematics. The other two only
# say that errno and the floating-point flags are not looked at, which lets a square root or a comparison be a vector.
if sys.platform == "win32":
    ARGUMENTS = ["/O2", "/std:c11", "/fp:precise"]
else:
    ARGUMENTS = ["-std=gnu11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-pthread"]

core = Extension(
    "fastinit._core",
    sources=["fastinit/_core.pyx", *SOURCES],
    depends=HEADERS,
    include_dirs=["fastinit", numpy.get_include()],
    define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"), ("NPY_TARGET_VERSION", "NPY_2_0_API_VERSION")],
    extra_compile_args=ARGUMENTS,
)

setup(ext_modules=cythonize([core], language_level=3))
