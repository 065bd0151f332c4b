"""Dask: what it takes to describe an array of many blocks, and to make its blocks on threads, beside Dask's own.

dask is imported when a race begins, not before: its entrants need it, and are left out where it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

import fastinit as fi

from .checks import STD, check_law
from .races import ALL_THREADS, LARGE, MOST, Array, Call, Entrant, Race, size_label
from .torch_calls import no_buffer

_BLOCKS = 100_000


def dask_arrays(most: int) -> Iterator[Race]:
    """Blocks of few values, described and not made; and all the values of an array, small and large."""
    yield _described(min(_BLOCKS, most))
    for n in dict.fromkeys((min(LARGE, most), 4 * most if most >= MOST else most)):
        yield _made(n, quick=n <= LARGE)


def _entrant(bind: Callable[[Any, Any], Call]) -> Entrant:
    """Of which `bind` takes dask.array and our door."""
    return Entrant(lambda _: bind(import_module("dask.array"), import_module("fastinit.dask")), needs="dask")


def _theirs(arrays: Any, n: int, chunks: int) -> Any:
    return arrays.random.default_rng(0).normal(0.0, STD, n, chunks=chunks)


def _described(blocks: int) -> Race:
    def check(array: Any, _: Array, __: float) -> float:
        assert array.npartitions == blocks, "blocks are missing"
        return check_law("normal")(array[:4096].compute(), np.zeros(0), 0.0)

    entrants = {
        "fastinit": _entrant(lambda _, door: lambda: door.normal(64 * blocks, std=STD, seed=0, chunks=64)),
        "dask": _entrant(lambda arrays, _: lambda: _theirs(arrays, 64 * blocks, 64)),
    }
    return Race("dask", f"describing {blocks} blocks", blocks, no_buffer, check, entrants, quick=False, rounds=3)


def _made(n: int, *, quick: bool) -> Race:
    """The blocks on as many threads as the NumPy face has; and their copy into one array, which Dask makes of them.

    Each call follows one like it: memory that a system has to fetch from its host takes several times as long.
    """
    chunks = max(1, n // 16)

    def kept(array: Any) -> Any:
        return array.persist(scheduler="threads", num_workers=ALL_THREADS)

    def computed(array: Any) -> Any:
        return array.compute(scheduler="threads", num_workers=ALL_THREADS)

    def ours(then: Callable[[Any], Any]) -> Entrant:
        return _entrant(lambda _, door: lambda: then(door.normal(n, std=STD, seed=0, chunks=chunks)))

    def single(arrays: Any) -> Any:
        return arrays.random.default_rng(0).standard_normal(n, dtype="float32", chunks=chunks) * np.float32(STD)

    entrants = {
        "fastinit": ours(kept),
        "fastinit, one array": ours(computed),
        "fastinit, NumPy face": _entrant(lambda *_: lambda: fi.normal(n, std=STD, seed=0)),
        "dask": _entrant(lambda arrays, _: lambda: kept(single(arrays))),
        "dask, float64": _entrant(lambda arrays, _: lambda: kept(_theirs(arrays, n, chunks))),
    }
    name = f"normal float32 {size_label(n)}, on threads"
    check = check_law("normal")
    return Race("dask", name, n, no_buffer, check, entrants, ALL_THREADS, quick, rounds=7, warm=np.inf)
