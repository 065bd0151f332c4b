"""Libraries of random numbers: randompack, mkl_random and oneMKL, each with the fastest of its generators."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

from ..checks import BOUND, STD
from ..races import Array, Call, Entrant
from .peer import Entrants, Peer


class Randompack(Peer):
    """randompack, with the fastest of its engines."""

    name, module = "randompack", "randompack"

    def fills(self, law: str, dtype: str) -> Entrants:
        if dtype not in ("float32", "float64") or law not in ("normal", "uniform"):
            return {}
        engines = ("x256++simd", "x256**simd", "sfc64simd", "sfc64", "xoro++", "x128+")
        candidates = {engine: partial(self._bind, law, engine) for engine in engines}
        return {"randompack": Entrant(partial(self.fastest, f"{law} {dtype}", candidates), writes=True, splits=True)}

    def _bind(self, law: str, engine: str, out: Array) -> Call:
        rng = self.package.Rng(engine)
        rng.seed(1)
        if law == "normal":
            return lambda: rng.normal(mu=0.0, sigma=STD, out=out)
        return lambda: rng.unif(a=-BOUND, b=BOUND, out=out)


class MklRandom(Peer):
    """mkl_random: float64, new memory at each call; the fastest of its generators."""

    name, module = "mkl_random", "mkl_random"

    def fills(self, law: str, dtype: str) -> Entrants:
        if dtype != "float64" or law not in ("normal", "uniform"):
            return {}
        brngs = ("MCG31", "MCG59", "SFMT19937", "MT2203", "ARS5", "PHILOX4X32X10")
        candidates = {brng: self._candidate(law, brng) for brng in brngs}
        return {"mkl_random": Entrant(partial(self.fastest, f"{law} {dtype}", candidates))}

    def _candidate(self, law: str, brng: str) -> Callable[[Array], Call]:
        rng = self.package.MKLRandomState(1, brng=brng)
        if law == "normal":
            return lambda out: lambda n=out.size: rng.normal(0, STD, n)
        return lambda out: lambda n=out.size: rng.uniform(-BOUND, BOUND, n)


_BRNGS = {"MCG31": 1, "MT19937": 8, "SFMT19937": 13, "ARS5": 15, "Philox": 16}  # numbers of mkl_vsl.h, over 2**20
_METHODS = {"normal": {"Box-Muller": 0, "Box-Muller 2": 1, "ICDF": 2}, "uniform": {"": 0}}


class OneMkl(Peer):
    """oneMKL's vector statistics through ctypes, with the fastest of its generators and methods."""

    name = "oneMKL"

    def __init__(self) -> None:
        libraries = [*Path(sys.prefix, "lib").glob("libmkl_rt.*"), ctypes.util.find_library("mkl_rt")]
        if not any(libraries):
            raise ImportError("no libmkl_rt")
        self.library = ctypes.CDLL(str(next(filter(None, libraries))))
        self.version, self.choices = _version("mkl"), {}

    def _stream(self, engine: int) -> ctypes.c_void_p:
        stream = ctypes.c_void_p()
        if self.library.vslNewStream(ctypes.byref(stream), engine << 20, ctypes.c_uint(7)):
            raise OSError(f"oneMKL has no generator {engine}")
        return stream

    def fills(self, law: str, dtype: str) -> Entrants:
        if dtype not in ("float32", "float64") or law not in _METHODS:
            return {}
        candidates = {
            f"{brng} {method}".strip(): partial(self._bind, law, engine, number)
            for brng, engine in _BRNGS.items()
            for method, number in _METHODS[law].items()
        }
        return {"oneMKL": Entrant(partial(self.fastest, f"{law} {dtype}", candidates), writes=True, splits=True)}

    def _bind(self, law: str, engine: int, method: int, out: Array) -> Call:
        letter, number = ("s", ctypes.c_float) if out.itemsize == 4 else ("d", ctypes.c_double)
        fill = getattr(self.library, f"v{letter}Rng{'Gaussian' if law == 'normal' else 'Uniform'}")
        ends = (0, STD) if law == "normal" else (-BOUND, BOUND)
        stream, size, pointer = self._stream(engine), out.size, ctypes.c_void_p(out.ctypes.data)
        low, high = map(number, ends)
        return lambda: fill(method, stream, size, pointer, low, high)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except ImportError:
        return ""
