"""How far the core's activations and their slopes are from their exact values: `python -m proof.activations`.

A job is one activation in one precision, and shows that value and slope lie within the bounds below:

* float32: of every finite number there is, against double, whose own error is below a millionth of a unit;
* float64: of random numbers by a seed, spread evenly over the powers of two where activations bend, and thinner over
  all there are, against long double, whose own error is about a thousandth of a unit.

Infinities are what the tests look at. In every job all levels of this machine must give the bits of the best one, and a
NaN must stay one. If something does not hold the exit status is 1. What was found is kept in results/activations.json,
each error with the x it was found at, and with the number of points; a job that runs again replaces its own. All take
about two hours on two cores.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from platform import libc_ver
from typing import Any

import numpy as np

from fastinit import _core
from fastinit.activations import ACTIVATIONS, Activation

from .record import RESULTS, keep, machine

Array = np.ndarray[Any, Any]
HERE = Path(__file__).parent
CHUNK = 1 << 16
#: The portable level, which is slow, is compared in one chunk of so many.
PORTABLE_EVERY = 29
SEED = 20260817
DTYPES = ("float32", "float64")
WHICH = {"float32": "every float32", "float64": "random float64"}
NAMES = [name for name in ACTIVATIONS if name not in ("identity", "swish")]  # of other names

#: Units in the last place that a value or slope may be off by; and, of slopes that cross zero, units of [1/2, 1), since
#: near the crossing nothing else can be asked; from |x| = 2 on they may be off by so many of their own.
BOUND, BOUND_CROSSING, BOUND_FAR = 2.0, 3.0, 16.0
CROSSING = {"gelu", "gelu_tanh", "silu", "mish"}

#: Of three points in four, where activations bend; of the fourth, all there are.
EXPONENTS = {"near": (-12, 11), "all": (-1074, 1024)}


def reference(dtype: str, folder: str) -> Callable[..., None]:
    """`measure` of one precision. Linked apart, since fast mathematics in a link sets subnormals to zero."""
    wide = dtype == "float64"
    compiler, source = shlex.split(os.environ.get("CC", "cc")), HERE / "activations.c"
    part, whole = f"{folder}/{dtype}.o", f"{folder}/{dtype}.so"
    fast, vectors = ([], []) if wide else (["-ffast-math", "-mprefer-vector-width=512"], ["-lmvec"])
    options = ["-O3", "-march=native", "-fPIC", f"-DWIDE={int(wide)}", f"-I{HERE.parent / 'fastinit' / 'src'}", *fast]
    subprocess.run([*compiler, *options, "-c", str(source), "-o", part], check=True)
    subprocess.run([*compiler, "-shared", part, *vectors, "-lm", "-o", whole], check=True)
    measure = ctypes.CDLL(whole).measure
    address, number = ctypes.c_void_p, ctypes.c_double
    measure.argtypes = [ctypes.c_int, number, number, address, address, address, ctypes.c_size_t, address]
    measure.restype = None
    return measure


def every_float32() -> Iterator[Array]:
    for first in range(0, 1 << 32, CHUNK):
        yield np.arange(first, first + CHUNK, dtype=np.uint32).view(np.float32)


def some_float64(count: int) -> Iterator[Array]:
    """At least `count`: of four chunks, three from the near powers of two, and one from all."""
    rng = np.random.default_rng(SEED)
    for chunk in range(-(-count // CHUNK)):
        low, high = EXPONENTS["all" if chunk % 4 == 3 else "near"]
        sizes = np.ldexp(rng.uniform(1, 2, CHUNK), rng.integers(low, high, CHUNK))
        yield sizes * rng.choice([-1.0, 1.0], CHUNK)


def same_bits(one: Array, other: Array) -> bool:
    """But for those of NaN."""
    word = np.uint32 if one.itemsize == 4 else np.uint64
    different = one.view(word) != other.view(word)
    return not different.any() or bool(np.isnan(one[different]).all() and np.isnan(other[different]).all())


def found_by(isa: str, activation: Activation, x: Array) -> tuple[Array, Array]:
    _core.use_isa(isa)
    return activation.with_slope(x)


def worst_of(numbers: Array) -> dict[str, list[float]]:
    """The worst error and the x that it was found at, of each kind."""
    return {kind: numbers[2 * i : 2 * i + 2].tolist() for i, kind in enumerate(("ulp", "ulp_far", "absolute"))}


def holds(name: str, found: dict[str, Any]) -> bool:
    value, slope = found["value"]["ulp"][0], found["slope"]
    if name in CROSSING:
        slope_holds = slope["absolute"][0] <= BOUND_CROSSING and slope["ulp_far"][0] <= BOUND_FAR
    else:
        slope_holds = slope["ulp"][0] <= BOUND
    return bool(value <= BOUND and slope_holds and not found["nan_lost"] and not found["levels_differ"])


def found_of(name: str, dtype: str, count: int, measure: Callable[..., None]) -> dict[str, Any]:
    """What is found of one activation in one precision."""
    activation = ACTIVATIONS[name]
    assert activation.in_core is not None
    code, parameters = activation.in_core
    rounded = np.array(parameters, dtype).tolist()
    best, *others = _core.supported_isas()
    worst, points, lost, differ = np.zeros((2, 6)), 0, 0, set()
    compared = dict.fromkeys(others, 0)
    for chunk, x in enumerate(every_float32() if dtype == "float32" else some_float64(count)):
        found = found_by(best, activation, x)
        for isa in others:
            if isa == "portable" and chunk % PORTABLE_EVERY:
                continue
            compared[isa] += len(x)
            if not all(map(same_bits, found, found_by(isa, activation, x))):
                differ.add(isa)
        points += len(x)
        lost += int((~np.isnan(found[0][np.isnan(x)])).sum())
        finite = np.isfinite(x)
        arrays = (x, *found) if finite.all() else [y[finite] for y in (x, *found)]
        measure(code, *rounded, *(y.ctypes.data for y in arrays), len(arrays[0]), worst.ctypes.data)
    _core.use_isa(best)
    return {
        "parameters": parameters,
        "points": points,
        "value": worst_of(worst[0]),
        "slope": worst_of(worst[1]),
        "nan_lost": lost,
        "level": best,
        "compared_with": compared,
        "levels_differ": sorted(differ),
    }


def claim_of(name: str, dtype: str) -> str:
    """In words."""
    return f"{name} of {WHICH[dtype]}: value and slope are within their bounds"


def prove(name: str, dtype: str, count: int, measure: Callable[..., None], folder: Path) -> dict[str, Any]:
    """Keep what is found of one activation in one precision."""
    start = time.perf_counter()
    found = found_of(name, dtype, count, measure)
    points_told = f" --points {found['points']}" if dtype == "float64" else ""
    return keep(
        "activations",
        claim_of(name, dtype),
        command=f"python -m proof.activations {name} --dtype {dtype}{points_told}",
        seed=None if dtype == "float32" else SEED,
        holds=holds(name, found),
        found=found,
        seconds=time.perf_counter() - start,
        where=machine(libm=" ".join(libc_ver())),
        folder=folder,
    )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.activations", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME", help="of activations (all)")
    parser.add_argument("--dtype", choices=DTYPES, help="one precision (both)")
    parser.add_argument("--points", type=int, default=10**8, help="of float64 (%(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of results (%(default)s)")
    options = parser.parse_args(argv)
    bad = 0
    for dtype in [options.dtype] if options.dtype else DTYPES:
        with tempfile.TemporaryDirectory() as folder:
            measure = reference(dtype, folder)
            for name in options.names or NAMES:
                result = prove(name, dtype, options.points, measure, options.results)
                bad += not result["holds"]
                print(json.dumps(result), flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
