"""Chunks: the columns of wide signals, some at a time, on some threads, in arrays that are used again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from threading import local
from typing import Any, TypeVar

import numpy as np

from ..parallel import Workers
from ..products import rounding

Array = np.ndarray[Any, Any]
Result = TypeVar("Result")

#: Elements of a signal that are worked on at once, at most: some arrays of so many stay in a core's cache, while one
#: thread has the interpreter's lock and another computes. Smaller signals are cut into four, but not below LEAST.
CHUNK, LEAST = 1 << 17, 1 << 15
LEAST_COLUMNS = 256


class ScratchArrays:
    """Arrays by name, of one thread; each is overwritten when its name is asked for again."""

    def __init__(self, dtype: Any) -> None:
        self._dtype = dtype
        self._held: dict[str, Array] = {}

    def __call__(self, name: str, rows: int, columns: int, dtype: Any = None) -> Array:
        """An array (rows, columns), whatever its elements."""
        held = self._held.get(name)
        if held is None or held.size < rows * columns:
            self._held[name] = held = np.empty(rows * columns, dtype or self._dtype)
        return held[: rows * columns].reshape(rows, columns)

    def double(self, name: str, x: Array) -> Array:
        """x in float64."""
        if x.dtype == np.float64:
            return x
        rows, columns = x.shape
        wide = self(f"{name}, double", rows, columns, np.float64)
        np.copyto(wide, x)
        return wide


class ColumnChunks:
    """Cuts signals of so many rows into chunks of columns, which depend on the width and on nothing else."""

    def __init__(self, rows: int, dtype: Any, workers: Workers) -> None:
        self._rows, self._workers, self._dtype, self._own = rows, workers, dtype, local()

    def cuts(self, width: int) -> list[slice]:
        """Chunks of nearly the same size."""
        most = max(LEAST_COLUMNS, CHUNK // self._rows)
        count = max(-(-width // most), min(4, width * self._rows // LEAST, width // LEAST_COLUMNS), 1)
        edges = [width * chunk // count for chunk in range(count + 1)]
        return [slice(*ends) for ends in pairwise(edges)]

    def rounding(self, width: int) -> float:
        """How far an entry of a Gram matrix may be off, relative to the lengths of its two rows.

        Each is a sum over the columns of a chunk, and then over chunks. Eight roundings of the elements themselves,
        squared, count as nothing too.
        """
        cuts = self.cuts(width)
        sums = rounding(max(cut.stop - cut.start for cut in cuts)) + 2.0**-53 * len(cuts)
        return max(sums, float(4 * np.finfo(self._dtype).eps) ** 2)

    def map(self, work: Callable[[slice, ScratchArrays], Result], width: int) -> Iterator[Result]:
        """The results for all chunks, in their order."""
        return self._workers.map(lambda cut: work(cut, self._scratch()), self.cuts(width))

    def _scratch(self) -> ScratchArrays:
        if not hasattr(self._own, "scratch"):
            self._own.scratch = ScratchArrays(self._dtype)
        return self._own.scratch


def total(found: Iterable[list[Array]]) -> list[Array]:
    """Sums of the first arrays of each, of the second ones, and so on, in their order."""
    sums: list[Array] = []
    for arrays in found:
        sums = [a + b for a, b in zip(sums, arrays, strict=True)] if sums else arrays
    return sums
