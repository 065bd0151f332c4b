"""The C of a proof, compiled as it is asked for."""

from __future__ import annotations

import ctypes
import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
REALS = {"float32": "float", "float64": "double"}
#: With exp and atan2 as vectors.
FAST = ("-O3", "-march=native", "-mprefer-vector-width=512", "-ffast-math")


@cache
def library(source: str, dtype: str = "float64", options: Sequence[str] = ("-O3",)) -> ctypes.CDLL:
    """Of one source, REAL being the dtype. Linked apart: fast mathematics in a link sets subnormals to zero."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    with tempfile.TemporaryDirectory() as folder:
        part, whole = f"{folder}/part.o", f"{folder}/whole.so"
        real = f"-DREAL={REALS[dtype]}"
        subprocess.run([*compiler, *options, "-fPIC", real, "-c", str(HERE / source), "-o", part], check=True)
        subprocess.run([*compiler, "-shared", part, "-lmvec", "-lm", "-o", whole], check=True)
        return ctypes.CDLL(whole)
