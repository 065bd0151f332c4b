"""No floating-point mode of a caller changes a bit, and each is there again after a call: `python -m proof.modes`.

Every call below is made on all levels of this machine in each of these modes of x86:

* four roundings, each with subnormal results flushed to zero, subnormal operands taken for zero, both or neither, and
  each of these with x87 registers of three precisions;
* traps for invalid operations, overflow and division by zero.

Each is made in every mode, the usual one too, in a process of its own, forked from one that has made none: what a
call keeps for later ones is never read in another mode. Bits must be the same, and after a call the mode that was
before it.

The calls are those of the core, with usual numbers and with subnormal ones, as parameters or elements: all laws in all
dtypes, by whole arrays, parts and threads; structured schemes; generators; moments; activations; products and norms.
And what Python computes around it: laws of schemes, gains, moments of laws.

If something differs the exit status is 1. What was found is kept in results/modes.json, a line for each kind of call.
It runs on Linux on x86-64 and takes four minutes.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import fastinit as fi
from fastinit import _core
from fastinit.dtypes import NAMES
from fastinit.laws import Law, Normal, Truncated, Uniform

from .forks import in_child
from .record import RESULTS, keep

Array = np.ndarray[Any, Any]
#: What is computed, as arrays whose bits are compared.
Call = Callable[[], "list[Any]"]
LIBM = ctypes.CDLL(None)  # which has the mathematics of this process
#: Where glibc's fenv_t has the control word of x87 and MXCSR; bits of these that say how to compute, flags apart.
X87_AT, MXCSR_AT, ENVIRONMENT = 0, 28, 32
X87_BITS, MXCSR_BITS = 0x0F3F, 0xFFC0
ROUNDINGS = {"nearest": 0, "down": 1, "up": 2, "zero": 3}
FLUSHES = {"": 0, "flush results": 0x8000, "flush operands": 0x40, "flush both": 0x8040}
X87_PRECISIONS = {"": 0x300, "x87 double": 0x200, "x87 single": 0}
TRAPS = 0x0D  # invalid, division by zero, overflow


class Mode(NamedTuple):
    """How to compute: the control word of x87, and MXCSR."""

    x87: int
    mxcsr: int

    @staticmethod
    def current() -> Mode:
        environment = _environment()
        x87, mxcsr = (int.from_bytes(environment[at : at + 2], "little") for at in (X87_AT, MXCSR_AT))
        return Mode(x87 & X87_BITS, mxcsr & MXCSR_BITS)

    def enter(self) -> None:
        environment = _environment()
        for at, word in ((X87_AT, self.x87), (MXCSR_AT, self.mxcsr)):
            environment[at : at + 2] = word.to_bytes(2, "little")
        LIBM.fesetenv(environment)


def _environment() -> Any:
    environment = (ctypes.c_char * ENVIRONMENT)()
    LIBM.fegetenv(environment)
    return environment


USUAL = Mode(0x33F, 0x1F80)


def foreign_modes() -> Iterator[tuple[str, Mode]]:
    """All but the usual one, by their names."""
    for rounding, flush, precision in itertools.product(ROUNDINGS, FLUSHES, X87_PRECISIONS):
        number = ROUNDINGS[rounding]
        mode = Mode(0x3F | X87_PRECISIONS[precision] | number << 10, 0x1F80 | number << 13 | FLUSHES[flush])
        if mode != USUAL:
            yield ", ".join(filter(None, (rounding, flush, precision))), mode
    yield "traps", Mode(0x33F & ~TRAPS, 0x1F80 & ~(TRAPS << 7))


#: Numbers as small as subnormal ones of a dtype, and so that values are among them.
SMALL = {"float16": 1e-6, "bfloat16": 1e-40, "float32": 1e-40, "float64": 1e-310}
LAWS = {
    "normal": lambda unit: Normal(0.1 * unit, 0.3 * unit),
    "uniform": lambda unit: Uniform(-0.1 * unit, 0.3 * unit),
    "truncated": lambda unit: Truncated(0.1 * unit, 0.3 * unit, -1.0, 2.0),
    "tails": lambda unit: Truncated(0.1 * unit, 0.3 * unit, -3.0, float("inf")),
}
MAKES = {"normal": fi.normal, "uniform": fi.uniform, "truncated": fi.truncated_normal, "tails": fi.truncated_normal}


def _drawn(name: str, dtype: str, unit: float, **how: Any) -> Call:
    law: Law = LAWS[name](unit)
    arguments, shape = tuple(law.to_dict().values())[1:], how.pop("shape", (3, 357))
    return lambda: [MAKES[name](shape, *arguments, seed=1, dtype=dtype, **how)]


def draws() -> Iterator[Call]:
    for name, dtype in itertools.product(LAWS, NAMES):
        for unit in (1.0, SMALL[dtype]):
            yield _drawn(name, dtype, unit)
            yield _drawn(name, dtype, unit, index=np.s_[1:, ::-3])
    for name in LAWS:
        yield _drawn(name, "float32", 1.0, shape=1 << 19, threads=2)


def structures() -> Iterator[Call]:
    for dtype in ("float16", "float32", "float64"):
        for unit in (0.1, SMALL[dtype]):
            yield lambda dtype=dtype, unit=unit: [
                fi.constant(9, unit, dtype=dtype),
                fi.identity((3, 4), gain=unit, dtype=dtype),
                fi.sparse((30, 9), sparsity=0.3, std=unit, seed=1, dtype=dtype),
            ]


def schemes() -> Iterator[Call]:
    for scheme in ("he_normal", "he_uniform", "glorot_normal", "lecun_uniform", "small_normal", "variance_scaling"):
        if scheme == "small_normal":
            yield lambda: [fi.small_normal((3, 333), seed=1, dtype="float64")]
        else:
            yield lambda scheme=scheme: [getattr(fi, scheme)((7, 1009), seed=1, dtype="float64")]


def generators() -> Iterator[Call]:
    for dtype in ("float32", "float64"):
        for unit in (1.0, SMALL[dtype]):
            one, other, third = 0.1 * unit, 0.2 * unit, 0.3 * unit  # before the mode is a foreign one
            yield lambda dtype=dtype, one=one, other=other, third=third: [
                fi.default_rng(1).normal(one, third, 99, dtype),
                fi.default_rng(1).uniform(-one, third, 99, dtype),
                fi.default_rng(1).normal([one, other], third, (9, 2), dtype),
                fi.default_rng(1).uniform([one, other], third, (9, 2), dtype),
                fi.default_rng(1).standard_normal(99, dtype),
                fi.default_rng(1).random(99, dtype),
            ]
    yield lambda: [np.array([fi.default_rng(1).normal(0.1, 0.3), fi.default_rng(1).uniform(0.1, 0.3)])]


def _elements(dtype: str, unit: float) -> Array:
    """A matrix of odd numbers of rows and columns."""
    return ((np.arange(9 * 307) * 7919 % 5000 - 2500) * (unit / 777)).reshape(9, 307).astype(dtype)


ELEMENTS = [_elements(dtype, unit) for dtype in ("float16", "float32", "float64") for unit in (1.0, SMALL[dtype])]
SIGNALS = [x for x in ELEMENTS if x.itemsize > 2]


def moments() -> Iterator[Call]:
    for x in ELEMENTS:
        yield lambda x=x: [np.array(fi.moments(x), float), np.array(fi.moments(x, axis=0)[:8])]
        yield lambda x=x: [np.array((fi.Moments().update(x[:5]) + fi.Moments().update(x[5:])).result(), float)]


def activations() -> Iterator[Call]:
    def both(code: int, x: Array) -> list[Array]:
        out = np.empty((2, *x.shape), x.dtype)
        _core.activate(code, (1.05, -1.7), x, *out)
        return [out]

    for code, x in itertools.product(range(len(_core.ACTIVATIONS)), SIGNALS):
        yield lambda code=code, x=x: both(code, x)


def signals() -> Iterator[Call]:
    def normalised(x: Array, axis: int, centred: bool) -> list[Array]:
        out, back, inverse = np.empty_like(x), np.empty_like(x), np.empty(x.shape[1 - axis])
        _core.normalise(axis, centred, 1e-5, x, None, None, out, inverse, 1)
        _core.normalise(axis, centred, 1e-5, x, out, None, back, inverse, 1)
        return [out, back, inverse]

    for x in SIGNALS:
        weights = np.arange(1.0, 10.0) / 7
        yield lambda x=x, w=weights: [
            _core.gram(x, None, 1),
            _core.gram(x, x[::-1].copy(), 1),
            _core.row_sums(x, x, 1),
            np.array(_core.weighted_square(x, w, 1)),
            *_core.project(x, w),
            np.array(_core.zero_columns(x)),
        ]
        for axis, centred in itertools.product((0, 1), (False, True)):
            yield lambda x=x, axis=axis, centred=centred: normalised(x, axis, centred)
    for dtype in ("float32", "float64"):
        yield lambda dtype=dtype: [fi.profile(30, 3, batch=8, dtype=dtype, seed=1)["act_second_moment"]]


def scalars() -> Iterator[Call]:
    for name in LAWS:
        law = LAWS[name](1 / 3)
        yield lambda law=law: [
            np.array([*law.scaled(0.7).to_dict().values()][1:]),
            np.array([law.mean, law.std, law.variance((3, 7)), *law.bounds]),
        ]
    yield lambda: [np.array([fi.gain(np.tanh), fi.gain(("leaky_relu", 0.3)), fi.gain(("elu", 0.3))])]
    scheme = fi.Scheme("of_modes", 0.7, distribution="uniform")
    yield lambda: [np.array([scheme.variance((7, 9), gain=0.3), *scheme.law(fi.fans((7, 9)), gain=0.3).bounds])]


KINDS: dict[str, Callable[[], Iterator[Call]]] = {
    "draws": draws,
    "structures": structures,
    "schemes": schemes,
    "generators": generators,
    "moments": moments,
    "activations": activations,
    "signals": signals,
    "scalars": scalars,
}


def called_in(mode: Mode, call: Call) -> tuple[list[Any], bool]:
    """What a call gives in a mode, and whether that is there after it."""
    mode.enter()
    entered = Mode.current() == mode
    try:
        arrays = call()
        after = Mode.current()
    finally:
        USUAL.enter()
    assert entered, "the mode cannot be set here"
    return arrays, after == mode


def digest(arrays: list[Any]) -> str:
    """Of the bits of each."""
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        found.update(hashlib.blake2b(np.ascontiguousarray(array).tobytes()).digest())
    return found.hexdigest()


def on_levels(mode: Mode, call: Call) -> bytes:
    """The digest of what a call gives in a mode on each level, and whether the mode is there after it, as JSON."""
    found = []
    for level in _core.supported_levels():
        _core.use_isa(*level)
        arrays, is_left = called_in(mode, call)
        found.append((digest(arrays), is_left))
    return json.dumps(found).encode()


def made_alone(mode: Mode, call: Call) -> list[tuple[str, bool]]:
    """The same, of a child of this process; of one that does not return it, what became of it, and no mode."""
    said = in_child(partial(on_levels, mode, call)).decode()
    if said.startswith("["):
        return [(bits, is_left) for bits, is_left in json.loads(said)]
    print("a child without a result:", said, flush=True)
    return [(said, False) for _ in _core.supported_levels()]


def proved(kind: str) -> dict[str, Any]:
    """How many calls were made, and in which modes which of them gave other bits or left another mode."""
    made, differ, lost = 0, list[str](), list[str]()
    levels, modes = [" ".join(level) for level in _core.supported_levels()], [*foreign_modes()]
    for number, call in enumerate(KINDS[kind]()):
        usual = made_alone(USUAL, call)
        for mode_name, mode in modes:
            for level, (bits, is_left), (usual_bits, _) in zip(levels, made_alone(mode, call), usual, strict=True):
                place = f"call {number}, {level}, {mode_name}"
                made += 1
                differ += [place] * (bits != usual_bits)
                lost += [place] * (not is_left)
    return {"calls": made, "modes": len(modes), "differ": differ, "modes lost": lost}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.modes", description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []], metavar="KIND", help="of calls (all)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder they are kept in (%(default)s)")
    options = parser.parse_args(argv)
    bad = 0
    for kind in options.kinds or KINDS:
        start, found = time.perf_counter(), proved(kind)
        result = keep(
            "modes",
            f"{kind}: no floating-point mode of the caller changes a bit, and each is there after the call",
            command=f"python -m proof.modes {kind}",
            holds=not found["differ"] and not found["modes lost"],
            found=found,
            seconds=time.perf_counter() - start,
            folder=options.results,
        )
        bad += not result["holds"]
        print(kind, str(found)[:600], result["seconds"], flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
