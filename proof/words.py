"""Every level makes the same float32 of every word: `python -m proof.words [GRID …]`.

A value of float32 is made of one or two words of 31 bits, and rarely of a fine word, so that all there are can be
looked at. words.c has each level's own value functions make them of given words:

* ``radius``: all 2^31 words of a radius, at a turn whose functions are exactly one;
* ``angle``: all 2^23 turns with all four signs, at a radius of exactly one;
* ``uniform``, in three intervals: all 2^24 that differ;
* ``rare``: all 2^14 rare words with all 2^17 fine words that differ;
* ``pairs``: all 2^31 words of a radius, each with another turn and signs, scaled and shifted; of every sixteenth also
  where values are subnormal, and in the 16-bit dtypes;
* ``truncated``, in five intervals: all 2^31 words, and where tails are reached all rare words of both ends.

All levels must give the bits of the best one; the portable one, which is slow, of the first three every value, and of
the others one chunk in 17 or 65. They must give them with fine words and without where a word is not rare, since no
value may depend on whether another one of its batch is. Of one chunk in 509 the twin in NumPy must give them, too. If
something differs the exit status is 1. What was found is kept in results/words.json, a line for each grid, with how
many values each level made: after every four million numbers, from which another run on the same machine goes on. A
grid takes one to ten minutes, the first half an hour.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastinit import _core
from fastinit.dtypes import BFLOAT16_BITS, Kind, kind_of
from fastinit.laws import Normal, Truncated, Uniform
from fastinit.laws.independent import InCore
from fastinit.laws.parameters import Parameters
from fastinit.reference.laws import values_of_words
from fastinit.reference.rounding import to_bfloat16

from .compilers import version
from .dumps import CORE, SETUP
from .record import RESULTS, before, keep
from .record import digest as digest_of

Array = np.ndarray[Any, Any]
#: Main and fine words of whole tiles.
Tiles = tuple[Array, Array]
HERE = Path(__file__).parent
#: Numbers of a grid that are looked at together; and of which chunks the twin makes the values, too.
CHUNK, TWIN_EVERY = 1 << 16, 509
#: Chunks are taken in an order that leaves no part of a grid to the end; and so many numbers are a portion, after which
#: what was found is kept.
SPREAD, PORTION = 0x9E3779B1, 1 << 22
#: The portable level takes thirty times as long as the others: where not all are said to be its own, it makes one chunk
#: of so many: an odd number, so that all bits of a chunk's own number occur, of which there are a power of two.
PORTABLE, SOME, FEW = "portable table", 17, 65
LANES, TILE = 16, 32
#: A radius word below this is looked at again, with its fine word.
RARE = 1 << 14
#: The turn zero, whose two functions are one; and a word whose radius is one: -log(u) of it is 1.
STRAIGHT, UNIT = 0x400000, 790015040
ODD = np.uint32(0x9E3779B1)


class CoreParameters(ctypes.Structure):
    """`fi_parameters` of kernels.h."""

    _fields_ = [*((name, ctypes.c_double) for name in Parameters._fields[:-1]), ("tails", ctypes.c_int)]


def numbers(first: int) -> Array:
    return np.arange(first, first + CHUNK, dtype=np.uint32)


def halves(radius: Array | int, angle: Array | int, fine: Array | int = 0) -> Tiles:
    """Tiles of which each lane has a radius and an angle."""
    w, x = np.zeros((2, CHUNK // LANES, TILE), np.uint32)
    for half, words in ((w[:, :LANES], radius), (w[:, LANES:], angle), (x[:, :LANES], fine)):
        half[:] = words.reshape(-1, LANES) if isinstance(words, np.ndarray) else words
    return w, x


def radii(first: int) -> Tiles:
    return halves(numbers(first), STRAIGHT)


def angles(first: int) -> Tiles:
    """Bits 23 and 24 of a number are the two signs."""
    n = numbers(first)
    signs = n << np.uint32(8) & np.uint32(1 << 31), n << np.uint32(7) & np.uint32(1 << 31)
    return halves(np.uint32(UNIT) | signs[1], n & np.uint32(0x7FFFFF) | signs[0])


def rare_radii(first: int) -> Tiles:
    n = numbers(first)
    return halves(n >> np.uint32(17), STRAIGHT, n << np.uint32(15))


def pairs(step: int, first: int) -> Tiles:
    """Of every so many radius words one."""
    n = numbers(first)
    mixed = n * ODD
    return halves(
        n * np.uint32(step) + mixed % np.uint32(step) | mixed << np.uint32(1) & np.uint32(1 << 31), mixed, mixed
    )


def every_word(first: int) -> Tiles:
    n = numbers(first)
    return n.reshape(-1, TILE), (n * ODD).reshape(-1, TILE)


def upper_bits(first: int) -> Tiles:
    """Numbers of 24 bits as the upper ones of a word."""
    n = numbers(first)
    return (n << np.uint32(8) | n * ODD >> np.uint32(24)).reshape(-1, TILE), np.zeros((CHUNK // TILE, TILE), np.uint32)


def rare_ends(turned: int, first: int) -> Tiles:
    """Rare words, or those whose distance from the greatest is rare, with fine words."""
    n = numbers(first)
    k, fine = n >> np.uint32(17), n << np.uint32(15)
    return (k ^ np.uint32(turned & 0x7FFFFFFF)).reshape(-1, TILE), (fine ^ np.uint32(turned)).reshape(-1, TILE)


class Grid(NamedTuple):
    """So many numbers, in tiles; what law is made of them; whether all are rare; the portable level's share."""

    count: int
    tiles: Callable[[int], Tiles]
    law: InCore
    dtype: str = "float32"
    all_rare: bool = False
    portable_every: int = 1

    @property
    def kind(self) -> Kind:
        return BFLOAT16_BITS if self.dtype == "bfloat16" else kind_of(self.dtype)

    def ways(self, first: int) -> tuple[bool, ...]:
        """Whether fine words are read in the chunk from that number on; both where no value there depends on it."""
        if type(self.law) is not Normal and not self.law.parameters(self.kind).tails:
            return (False,)
        is_rare = self.all_rare or first < RARE or first >= self.count - CHUNK
        return (True,) if is_rare else (False, True)


def _grids() -> Iterator[tuple[str, Grid]]:
    yield "radius", Grid(1 << 31, radii, Normal())
    yield "angle", Grid(1 << 25, angles, Normal())
    for low, high in ((0.0, 1.0), (-0.1, 0.3), (0.0, 1e-38)):
        yield f"uniform, {low:g} to {high:g}", Grid(1 << 24, upper_bits, Uniform(low, high))
    yield "rare", Grid(1 << 31, rare_radii, Normal(), all_rare=True, portable_every=SOME)
    yield "pairs", Grid(1 << 31, partial(pairs, 1), Normal(0.25, 1.5), portable_every=SOME)
    yield "pairs, subnormal", Grid(1 << 27, partial(pairs, 16), Normal(1e-40, 3e-39), portable_every=SOME)
    yield "pairs, float16", Grid(1 << 27, partial(pairs, 16), Normal(0.0, 2e-5), "float16", portable_every=SOME)
    yield "pairs, bfloat16", Grid(1 << 27, partial(pairs, 16), Normal(0.25, 1.5), "bfloat16", portable_every=SOME)
    for law in (
        Truncated(),
        Truncated(0.1, 0.5, -1.0, 2.0),
        Truncated(low=-3.0, high=3.5),
        Truncated(low=2.0, high=float("inf")),
        Truncated(0.0, 3e-39, -float("inf"), 1.0),
    ):
        name = f"truncated, {law.low:g} to {law.high:g}"
        yield name, Grid(1 << 31, every_word, law, portable_every=SOME)
        if law.parameters(kind_of("float32")).tails:
            for end, turned in (("low", 0), ("high", 0xFFFFFFFF)):
                rare = partial(rare_ends, turned)
                yield f"{name}, rare {end} words", Grid(1 << 31, rare, law, all_rare=True, portable_every=FEW)


GRIDS = dict(_grids())


def kernels() -> dict[str, Path]:
    """The file of each level that this machine can run, as dispatch.c has them."""
    rows = re.findall(r'\{"(\w+)", "([\w-]+)", \w+, &fi_(\w+)\}', (CORE / "dispatch.c").read_text())
    files = {(isa, aes): CORE / f"{name}.c" for isa, aes, name in rows}
    return {" ".join(level): files[level] for level in _core.supported_levels()}


def digest(told: Sequence[str], read: Iterable[Path]) -> str:
    """Of what a compiler is told and reads."""
    return digest_of([*map(str.encode, told), *map(Path.read_bytes, sorted(read))])


def built(files: Mapping[str, Path], folder: Path, added: Sequence[str] = ()) -> dict[str, ctypes.CDLL]:
    """What makes values by the kernels in these files, compiled as setup.py would, with what is added, if need be.

    What was made of the same sources by the same command and compiler is found again.
    """
    compiler = shlex.split(os.environ.get("CC", "cc"))
    arguments = [*SETUP.compile_arguments("gnu", False, partial(SETUP.takes, compiler)), "-fvisibility=default", *added]
    found = {}
    for name, file in files.items():
        own = [f'-DLEVEL="{file}"', *([] if file.stem == "kernels_portable" else ["-DHAS_TARGET"]), f"-I{CORE}"]
        sources = [str(HERE / "words.c"), str(CORE / "ars.c")]
        command = [*compiler, *arguments, "-fPIC", "-shared", *own, *sources]
        read = {HERE / "words.c", *CORE.iterdir(), *file.parent.iterdir()}
        target = folder / f"{name.replace(' ', '_')}_{digest([version(compiler), *command], read)}.so"
        if not target.exists():
            subprocess.run([*command, "-o", str(target)], check=True)
        found[name] = ctypes.CDLL(str(target))
    return found


def made(library: ctypes.CDLL, grid: Grid, tiles: Tiles, fine: bool) -> Array:
    """The bits that a level makes, by reading fine words or not."""
    make = getattr(library, f"make_{('f32', 'f64', 'f16', 'bf16')[grid.kind.code]}_of_words")
    out = np.empty(tiles[0].size, f"u{grid.kind.dtype.itemsize}")
    w, x, place = (ctypes.c_void_p(array.ctypes.data) for array in (*tiles, out))
    parameters = CoreParameters(*grid.law.parameters(grid.kind))
    make(grid.law.number, ctypes.byref(parameters), w, x, int(fine), ctypes.c_size_t(len(tiles[0])), place)
    return out


def twins(grid: Grid, tiles: Tiles) -> Array:
    """The bits that the twin makes."""
    arguments = tuple(grid.law.to_dict().values())[1:]
    values = values_of_words(grid.law.stream, *(words.ravel() for words in tiles), np.float32, arguments)
    if grid.dtype == "bfloat16":
        return to_bfloat16(values)
    return values.astype(grid.dtype).view(f"u{grid.kind.dtype.itemsize}")


def looked_at(levels: Mapping[str, ctypes.CDLL], grid: Grid, chunks: range) -> tuple[dict[str, int], dict[str, int]]:
    """How many values each level made of some chunks, and how many of these were not those of the first."""
    best, *_ = levels
    values = dict.fromkeys([*levels, "twin"], 0)
    differ = values.copy()
    for chunk in chunks:
        first = chunk * SPREAD % (grid.count // CHUNK) * CHUNK
        tiles, ways = grid.tiles(first), grid.ways(first)
        expected = made(levels[best], grid, tiles, ways[0])
        found = {
            name: [made(level, grid, tiles, fine) for fine in ways]
            for name, level in levels.items()
            if name != PORTABLE or chunk % grid.portable_every == 0
        }
        if chunk % TWIN_EVERY == 0:
            found["twin"] = [twins(grid, tiles)]
        for name, arrays in found.items():
            values[name] += expected.size
            differ[name] += sum(int((array != expected).sum()) for array in arrays)
    return values, differ


def proved(levels: Mapping[str, ctypes.CDLL], name: str, most: int, folder: Path) -> bool:
    """Whether a grid holds, up to so many numbers; what was found before is gone on from."""
    grid = GRIDS[name]
    claim = f"{name}: the words looked at make one {grid.dtype} of {grid.law} on every level"
    nothing = {"found": {"numbers": 0, "of": grid.count, "values": {}, "differences": {}}, "seconds": 0.0}
    while True:
        known, start = before("words", claim, folder) or nothing, time.perf_counter()
        found, holds = known["found"], not any(known["found"]["differences"].values())
        done = found["numbers"]
        if done >= min(grid.count, most):
            print(name, found, known["seconds"], flush=True)
            return holds
        until = min(done + PORTION, grid.count)
        values, differ = looked_at(levels, grid, range(done // CHUNK, until // CHUNK))
        counted = {
            "values": {level: found["values"].get(level, 0) + count for level, count in values.items()},
            "differences": {level: found["differences"].get(level, 0) + count for level, count in differ.items()},
        }
        keep(
            "words",
            claim,
            command=f"python -m proof.words {shlex.quote(name)}",
            holds=holds and not any(differ.values()),
            found={"numbers": until, "of": grid.count, **counted},
            seconds=known["seconds"] + time.perf_counter() - start,
            folder=folder,
        )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.words", description=__doc__)
    parser.add_argument("grids", nargs="*", metavar="GRID", help="a name or its first word (all)")
    parser.add_argument("--most", type=int, default=1 << 31, help="numbers of each, for a trial (%(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder they are kept in (%(default)s)")
    parser.add_argument("--built", type=Path, help="a folder, where what was built is found again")
    options = parser.parse_args(argv)
    asked = [name for name in GRIDS if not options.grids or {name, name.partition(",")[0]} & {*options.grids}]
    with tempfile.TemporaryDirectory() as folder:
        levels = built(kernels(), options.built or Path(folder))
        wrong = [name for name in asked if not proved(levels, name, options.most, options.results)]
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
