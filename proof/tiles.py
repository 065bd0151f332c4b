"""Every level makes the same random tiles: `python -m proof.tiles [CASE …] [--tiles N]`.

float64 has too many words to look at all, and a float32 is made of words that each level makes for itself. So of the
laws below, values 0, 1, … of a stream by SEED are made by the extension, on all levels of this machine: words, values
and rounding. All must be, bit by bit, those of the best level; the portable level, which takes a hundred times as long,
makes one portion in PORTABLE_EVERY.

A tile is 32 values. Results are kept in results/tiles.json, a line for each case, with how many tiles each level made:
after each two million, from which another run on the same machine goes on. If something differs the exit status is 1.
A million tiles take one to three seconds, and the portable level's share as long again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fastinit import _core
from fastinit.dtypes import kind_of
from fastinit.laws import Normal, Truncated, Uniform
from fastinit.laws.independent import InCore

from .record import RESULTS, before, keep

SEED, TILE = 20261127, 32
#: Tiles that are made together, in the cache; those of a portion, after which what was found is kept.
CHUNK, PORTION = 1 << 11, 1 << 21
#: Of chunks the portable level makes one of so many.
PORTABLE_EVERY = 256

CASES: dict[str, tuple[InCore, str]] = {
    "normal float64": (Normal(), "float64"),
    "moved normal float64": (Normal(0.25, 1.5), "float64"),
    "subnormal normal float64": (Normal(0.0, 3e-309), "float64"),
    "uniform float64": (Uniform(-0.1, 0.3), "float64"),
    "truncated float64, -2 to 2": (Truncated(), "float64"),
    "truncated float64, -3 to 3.5": (Truncated(0.1, 0.5, -3.0, 3.5), "float64"),
    "truncated float64, 2 to inf": (Truncated(low=2.0, high=float("inf")), "float64"),
    "normal float32": (Normal(0.0, 0.02), "float32"),
    "truncated float32, -2 to 2": (Truncated(), "float32"),
    "truncated float32, -3 to 3.5": (Truncated(0.1, 0.5, -3.0, 3.5), "float32"),
}

#: Fills an array with values from a number on.
Fill = Callable[[np.ndarray[Any, Any], int], None]


def differing(fill: Fill, dtype: str, first: int, count: int) -> tuple[dict[str, int], dict[str, int]]:
    """Of `count` tiles from number `first` on, how many each level made, and how many of its values differ."""
    levels = _core.supported_levels()
    made, differ = ({" ".join(level): 0 for level in levels} for _ in range(2))
    best, found = np.empty((2, CHUNK * TILE), f"u{kind_of(dtype).dtype.itemsize}")
    for tile in range(first, first + count, CHUNK):
        some = TILE * min(CHUNK, first + count - tile)
        for level in levels:
            if level[0] == "portable" and tile // CHUNK % PORTABLE_EVERY:
                continue
            out = best if level is levels[0] else found
            _core.use_isa(*level)
            fill(out[:some].view(dtype), TILE * tile)
            made[" ".join(level)] += some // TILE
            if out is found and not np.array_equal(found[:some], best[:some]):
                differ[" ".join(level)] += int((found[:some] != best[:some]).sum())
    _core.use_isa(*levels[0])
    return made, differ


def added(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + count for key, count in other.items()}


def proved(name: str, tiles: int, folder: Path) -> bool:
    """Whether a case holds, of so many tiles in all."""
    law, dtype = CASES[name]
    claim = f"{name}: random tiles of {law} have the same bits on every level"
    fill_from = law.fills((), kind_of(dtype), SEED, name, 1)

    def fill(out: np.ndarray[Any, Any], first: int) -> None:
        fill_from(out, first, None)

    nothing = {"found": {"tiles": 0, "made": {}, "differences": {}}, "seconds": 0.0}
    while True:
        known, start = before("tiles", claim, folder) or nothing, time.perf_counter()
        done, holds = known["found"]["tiles"], not any(known["found"]["differences"].values())
        if done >= tiles:
            print(name, known["found"], known["seconds"], flush=True)
            return holds
        count = min(PORTION, tiles - done)
        made, differ = differing(fill, dtype, done, count)
        found = {
            "tiles": done + count,
            "made": added(known["found"]["made"], made),
            "differences": added(known["found"]["differences"], differ),
        }
        keep(
            "tiles",
            claim,
            command=f"python -m proof.tiles {name!r} --tiles {done + count}",
            seed=SEED,
            holds=holds and not any(differ.values()),
            found=found,
            seconds=known["seconds"] + time.perf_counter() - start,
            folder=folder,
        )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.tiles", description=__doc__)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], metavar="CASE", help="(all)")
    parser.add_argument("--tiles", type=int, default=10**9, help="of each (%(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder they are kept in (%(default)s)")
    options = parser.parse_args(argv)
    wrong = [name for name in options.cases or CASES if not proved(name, options.tiles, options.results)]
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
