"""What the C core computes wherever it is built, as tests/stream_dump.c writes it, against what the extension does.

The core is compiled by the arguments of setup.py, and whatever is added to these.
"""

from __future__ import annotations

import os
import runpy
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from fastinit import _core

Array = np.ndarray[Any, Any]
HERE = Path(__file__).parents[1]
CORE = HERE / "fastinit" / "src"
TABLE = HERE / "tests" / "ars4x32.txt"
SOURCES = [*sorted(CORE.glob("*.c"), reverse=True), HERE / "tests" / "stream_dump.c"]
SETUP = SimpleNamespace(**runpy.run_path(str(HERE / "setup.py")))
#: The levels of this machine, by their ISA and AES.
LEVELS = [" ".join(level) for level in _core.supported_levels()]
#: How many records the program writes of a level.
RECORDS = 143
DTYPES = {"float32": "<u4", "float64": "<u8", "float16": "<u2", "bfloat16": "<u2"}
KEY = bytes(range(16))
STRETCH = 70001


def build(compiler: Sequence[str], folder: Path, windows: bool = False, added: Sequence[str] = ()) -> Path:
    """The path of stream_dump, its parts compiled side by side; what is added is told the compiler and the linker."""
    arguments = [*SETUP.compile_arguments("gnu", windows, partial(SETUP.takes, compiler)), *added]

    def compile_one(source: Path) -> str:
        target = str(folder / f"{source.stem}.o")
        subprocess.run([*compiler, *arguments, f"-I{CORE}", "-c", str(source), "-o", target], check=True)
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, SOURCES))
    program = folder / "stream_dump.exe"
    linked = [*compiler, *objects, *SETUP.link_arguments("gnu", windows), *added, "-o", str(program)]
    subprocess.run(linked, check=True)
    return program


def differences(dump: bytes) -> dict[str, list[str]]:
    """The records of each level that are not what the extension computes, or not there."""
    found = {}
    for level, records in read_records(dump).items():
        found[level] = [name for name, items in records.items() if items != expected(name, records)]
        found[level] += ["a record that is not there"] * (RECORDS - len(records))
    return found


def have_same_bits(found: Mapping[str, Sequence[str]], levels: Sequence[str] = LEVELS) -> bool:
    """Whether these levels were all dumped, and no other one, and nothing differs."""
    return [*found] == [*levels] and not any(found.values())


def read_records(dump: bytes) -> dict[str, dict[str, bytes]]:
    """{level: {name: bytes}}"""
    levels: dict[str, dict[str, bytes]] = {}
    while dump:
        line, _, dump = dump.partition(b"\n")
        isa, aes, name, size = line.decode().split()
        levels.setdefault(f"{isa} {aes}", {})[name], dump = dump[: int(size)], dump[int(size) :]
    return levels


@cache
def known_answers() -> bytes:
    rows = [line.split() for line in TABLE.read_text().splitlines() if line.startswith("ars4x32")]
    return np.array([[int(word, 16) for word in row[10:]] for row in rows], "<u4").tobytes()


@cache
def filled(parameters: bytes, part: str, dtype: str) -> bytes:
    """What the extension puts where `write_values` of stream_dump.c puts it."""
    law, *numbers, tails = np.frombuffer(parameters).tolist()
    out = np.zeros({"stretch": STRETCH, "last": 1003, "steps": (3, 5, 7), "wide": (2, 2)}[part], DTYPES[dtype])
    first, steps = {
        "stretch": (5, None),
        "last": (2**63 - 1 - 1003, None),
        "steps": (5000, (100000, -300, 3)),
        "wide": (7, (1, 1 << 62)),
    }[part]
    target = out[..., ::-1] if part == "steps" else out
    _core.fill(int(law), list(DTYPES).index(dtype), KEY, (*numbers, int(tails)), target, first, steps, 1)
    return out.tobytes()


def normal(dtype: str, count: int) -> Array:
    """The stretch of the normal law that the following are made of."""
    x = np.empty(count, DTYPES[dtype])
    _core.fill(0, list(DTYPES).index(dtype), KEY, (0.25, 1.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0), x, 0, None, 1)
    return x


def written(x: Array) -> bytes:
    """Its bytes, in the order of records."""
    return x.astype(x.dtype.newbyteorder("<")).tobytes()


@cache
def moments(kind: str, dtype: str) -> bytes:
    """What the extension makes of the elements of `write_moments` and `write_hard_moments`."""
    if kind in ("2", "4"):
        accumulator = _core.Accumulator(int(kind))
        accumulator.update(list(DTYPES).index(dtype), normal(dtype, STRETCH), 1)
    else:
        elements = (np.arange(5000) * 7919 % 5000 - 2500) * 2.0**-10
        elements = {
            "offset": 1e8 + elements,
            "large": elements * 2.0**300,
            "small": elements * 2.0**-260,
            "infinite": np.where(np.arange(5000) == 4321, np.inf, elements),
        }[kind]
        accumulator = _core.Accumulator(4)
        accumulator.update(1, elements, 1)
    return np.array(accumulator.result(), "<f8").tobytes()


@cache
def activated(code: int, dtype: str) -> bytes:
    """What the extension makes of the numbers of `write_activations`."""
    x = normal(dtype, 2003).view(dtype)
    x[::7] *= x.dtype.type(2.0**30)
    both = np.empty((2, 2003), dtype)
    _core.activate(code, (1.05, -1.7), x, *both)
    return written(both)


@cache
def seen(dtype: str) -> dict[tuple[str, str], bytes]:
    """What the extension makes of the signals of `write_signals`: records by part and name."""
    whole = normal(dtype, 13 * 1304).view(dtype).reshape(13, 1304)
    whole[:, 7] *= whole.dtype.type(2.0**-130 if dtype == "float32" else 2.0**-1060)
    x, d = whole[:9, :1301], whole[4:, :1301]
    sums = _core.row_sums(x, d, 1)
    shadow, peaks = _core.project(x, sums[0])
    found = {
        ("products", "gram"): _core.gram(x, None, 1),
        ("products", "cross"): _core.gram(x, d, 1),
        ("products", "row_sums"): sums,
        ("products", "weighted_square"): np.float64(_core.weighted_square(x, sums[0], 1)),
        ("projected", "sums"): shadow,
        ("projected", "peaks"): peaks,
    }
    for axis, over in enumerate(("rows", "units")):
        for centred, name in enumerate((over, f"{over}_centred")):
            (y, back), inverse = np.empty((2, 9, 1301), dtype), np.empty(x.shape[1 - axis])
            _core.normalise(axis, centred, 1e-5, x, None, None, y, inverse, 1)
            _core.normalise(axis, centred, 1e-5, d, y, None, back, inverse, 1)
            found["inverse", name], found["norm", name] = inverse, np.stack([y, back])
    return {name: written(array) for name, array in found.items()}


def expected(name: str, records: dict[str, bytes]) -> bytes:
    part, which, dtype = name.split("-")
    if part == "known":
        return known_answers()
    if part == "words":
        key, domain, first = (bytes(16), 0, 0) if which == "zero" else (KEY, 1, 4 << 40)
        return _core.words(key, domain, first, 2048).astype("<u4").tobytes()
    if part == "parameters":
        return records[name]
    if part == "moments":
        return moments(which, dtype)
    if part == "activation":
        return activated(int(which), dtype)
    if part in ("products", "projected", "norm", "inverse"):
        return seen(dtype)[part, which]
    return filled(records[f"parameters-{which}-float64"], part, dtype)
