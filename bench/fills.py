"""Fills: each law, dtype and size, into memory that is warm, out of the caches, or fresh, by one thread or by all."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

import fastinit as fi
from fastinit import _core
from fastinit.dtypes import kind_of

from . import checks
from .checks import BOUND, STD, check_bits, check_law
from .peers import from_peers
from .races import ALL_THREADS, LARGE, SIZES, Array, Call, Entrant, Race, side, size_label

DTYPES = ("float32", "bfloat16", "float64", "float16")
LAWS = ("normal", "uniform", "truncated", "constant")
#: From here on it matters where memory is, and there is work for two.
_LONG = [n for n in SIZES if n >= 1 << 16]
#: The C library gives memory of so many bytes back at once, and so hands out what is fresh.
_FRESH_BYTES = 1 << 25


def touched(shape: int | tuple[int, ...], dtype: str) -> Array:
    """Memory that the process has written."""
    return np.ones(shape, kind_of(dtype).dtype)


def own_fill(law: str, out: Array, threads: int | None = None) -> Call:
    """The call of fastinit that fills `out` with a law, every keyword spelled out: to unpack them costs as much."""
    shape, dtype = out.shape, out.dtype
    return {
        "normal": lambda: fi.normal(shape, 0, STD, seed=0, dtype=dtype, out=out, threads=threads),
        "uniform": lambda: fi.uniform(shape, -BOUND, BOUND, seed=0, dtype=dtype, out=out, threads=threads),
        "truncated": lambda: fi.truncated_normal(shape, 0, STD, seed=0, dtype=dtype, out=out, threads=threads),
        "constant": lambda: fi.constant(shape, STD, dtype=dtype, out=out, threads=threads),
    }[law]


def memset(out: Array, workers: int = 1) -> Call:
    """Clear the buffer: the rate at which memory is written."""
    cuts = np.linspace(0, out.nbytes, workers + 1, dtype=np.int64)
    parts = [(out.ctypes.data + int(a), 0, int(b - a)) for a, b in pairwise(cuts)]
    if workers == 1:
        return lambda: ctypes.memset(*parts[0])
    pool = ThreadPoolExecutor(workers)  # ctypes lets go of the GIL
    return lambda: list(pool.map(lambda part: ctypes.memset(*part), parts))


_MEMSET = Entrant(memset, 0, checks.check_zeros, writes=True)


def _own(law: str) -> dict[str, Entrant]:
    return {"fastinit": Entrant(partial(own_fill, law))}


def _fill(group: str, law: str, dtype: str, n: int, entrants: dict[str, Entrant], **more: Any) -> Race:
    name, buffer = f"{law} {dtype} {size_label(n)}", partial(touched, n, dtype)
    return Race(group, name, n, buffer, check_law(law), _own(law) | entrants, **more)


def fills(most: int) -> Iterator[Race]:
    """Each law, dtype and size into warm memory."""
    for law in LAWS:
        for dtype in DTYPES:
            for n in (n for n in SIZES if n <= most):
                quick = n <= LARGE if dtype == "float32" and law != "constant" else n in (1 << 12, 1 << 20)
                entrants = from_peers(lambda peer, law=law, dtype=dtype: peer.fills(law, dtype))
                yield _fill("fills", law, dtype, n, entrants | {"memset": _MEMSET}, quick=quick)


def second_fills(most: int) -> Iterator[Race]:
    """The second fill of memory that has left the caches since the first, of those who fill what they are given."""
    for law in LAWS:
        for dtype in DTYPES:
            for n in (n for n in _LONG if n <= most):
                quick = dtype == "float32" and n in (1 << 20, LARGE)
                entrants = _writers(law, dtype) | {"memset": _MEMSET}
                yield _fill("second fill", law, dtype, n, entrants, quick=quick, memory="swept")


def _writers(law: str, dtype: str) -> dict[str, Entrant]:
    every = from_peers(lambda peer: peer.fills(law, dtype))
    return {label: entrant for label, entrant in every.items() if entrant.writes}


def fresh(most: int) -> Iterator[Race]:
    """Into memory that the process has not touched: page faults are part of it."""
    for law in LAWS:
        for dtype in DTYPES:
            for n in (n for n in _LONG if n <= most and n * kind_of(dtype).dtype.itemsize >= _FRESH_BYTES):
                quick = (dtype, n) == ("float32", LARGE) and law in ("normal", "uniform")
                entrants = from_peers(lambda peer, law=law, dtype=dtype: peer.fills(law, dtype))
                yield _fill("fresh", law, dtype, n, entrants | {"memset": _MEMSET}, quick=quick, memory="fresh")


def all_threads(most: int) -> Iterator[Race]:
    """Into warm memory by all threads: a peer that has none of its own also as a user would share out its work."""
    for law in LAWS:
        for dtype in DTYPES:
            entrants = _writers(law, dtype)
            entrants |= {
                f"{label}, in parts": entrant._replace(bind=partial(_in_parts, entrant))
                for label, entrant in entrants.items()
                if entrant.splits
            }
            entrants["memset, all threads"] = _MEMSET._replace(bind=partial(memset, workers=ALL_THREADS))
            for n in (n for n in _LONG if n <= most):
                quick = dtype == "float32" and law in ("normal", "uniform") and n in (1 << 20, LARGE)
                yield _fill("all threads", law, dtype, n, entrants, threads=ALL_THREADS, quick=quick)


def _in_parts(entrant: Entrant, out: Array) -> Call:
    calls = [entrant.bind(part) for part in np.array_split(out, ALL_THREADS)]
    pool = ThreadPoolExecutor(ALL_THREADS)
    return lambda: list(pool.map(lambda call: call(), calls))


def threads(most: int) -> Iterator[Race]:
    """All threads against fewer; the bits are those of one thread."""
    fewer = {f"{count} thread{'s' * (count > 1)}": count for count in (2**k for k in range(16)) if count < ALL_THREADS}
    fewer = fewer or {"1 thread": 1}
    for law, dtype in (("normal", "float32"), ("normal", "bfloat16"), ("uniform", "float32")):
        entrants = {
            label: Entrant(partial(own_fill, law, threads=count))
            for label, count in {"fastinit": ALL_THREADS, **fewer}.items()
        }
        entrants["memset, all threads"] = _MEMSET._replace(bind=partial(memset, workers=ALL_THREADS))
        check, quick = check_bits(lambda out, law=law: own_fill(law, out, threads=1)()), dtype == "float32"
        for n in (n for n in (1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 20, LARGE) if n <= most):
            name, buffer = f"{law} {dtype} {size_label(n)}", partial(touched, n, dtype)
            yield Race("threads", name, n, buffer, check, entrants, ALL_THREADS, quick=quick and law == "normal")


def levels(most: int) -> Iterator[Race]:
    """Each ISA level of this machine, on memory that is near; the bits are those of the best."""
    n = min(1 << 20, most)
    for dtype in DTYPES:
        entrants = {isa: Entrant(partial(_at_level, isa)) for isa in _core.supported_isas()}
        torch = from_peers(lambda peer, dtype=dtype: peer.fills("normal", dtype)).get("torch")
        others = {"torch": torch._replace(check=check_law("normal"))} if torch else {}
        name, buffer = f"normal {dtype} {size_label(n)}", partial(touched, n, dtype)
        check = check_bits(lambda out: own_fill("normal", out)())
        yield Race("levels", name, n, buffer, check, entrants | others, quick=dtype == "float32")


def _at_level(isa: str, out: Array) -> Call:
    usual, fill = _core.isa_in_use(), own_fill("normal", out)

    def call() -> Array:
        if not _core.use_isa(isa):
            raise ValueError(f"`isa` must be one of {_core.supported_isas()}, got {isa!r}")
        try:
            return fill()
        finally:
            _core.use_isa(*usual)

    return call


def fortran(most: int) -> Iterator[Race]:
    """Into a matrix whose columns lie together; peers, whose values have no places, fill its transpose."""
    n = side(4096, most)
    entrants = {
        label: entrant._replace(bind=lambda out, entrant=entrant: entrant.bind(out.T))
        for label, entrant in _writers("normal", "float32").items()
    }
    name, buffer = f"normal {n} x {n}, Fortran order", lambda: np.asfortranarray(touched((n, n), "float32"))
    yield Race("schemes", name, n * n, buffer, check_law("normal"), _own("normal") | entrants)
